//! The report of a data subject: all that is held of one person (GDPR, articles 15 and 20).

mod budget;
mod parts;

use serde_json::{Value, json};

use crate::audit;
use crate::error::{Error, Result};
use crate::identity::{self, Role};
use crate::pg::jsonb::Jsonb;
use crate::pg::scan::Snapshot;
use crate::pg::time;
use crate::service::guard;
use crate::service::users;
use budget::{Budget, MAX_PAGE};

/// The report as JSON; `None` for nobody.
pub fn as_json(kind: &str, value: &str) -> Result<Option<Jsonb>> {
    let report = make("user_report", kind, value)?;
    Ok(report.map(|report| Jsonb::from(report.to_string())))
}

/// The report as one page of HTML that needs nothing else; `None` for nobody.
pub fn as_html(kind: &str, value: &str) -> Result<Option<String>> {
    let Some(report) = make("user_report_html", kind, value)? else {
        return Ok(None);
    };
    let page = bunker_core::report::html(&report);
    // PostgreSQL would call this an internal error.
    if page.len() > MAX_PAGE { Err(budget::too_big()) } else { Ok(Some(page)) }
}

/// Puts the report together. It is about one person, and counts as one record that is read.
fn make(action: &'static str, kind: &str, value: &str) -> Result<Option<Value>> {
    audit::read(action, Some(kind), |access| {
        check_reader()?;
        let snapshot = Snapshot::of_caller();
        let Some((token, keys)) = users::find_owner(&snapshot, kind, value)? else {
            return Ok(None);
        };
        guard::admit(1)?;
        let holder = parts::Holder { token, keys, now: time::now(), budget: Budget::new() };
        let report = describe(&snapshot, &holder).map_err(|error| error.of_user(token))?;
        Ok(access.outcome(&token, Some(report)))
    })
}

/// Applications may call this, but only on behalf of a user who has logged in.
fn check_reader() -> Result<()> {
    if identity::subject().is_some() || identity::has_role(Role::Dpo) {
        return Ok(());
    }
    Err(Error::Refused(
        "a report is for the privacy officer, or for the user himself",
        "Call it as bunker_dpo, or after bunker_login and bunker_authenticate.",
    ))
}

fn describe(snapshot: &Snapshot, holder: &parts::Holder) -> Result<Value> {
    let agreements = parts::agreements(snapshot, holder)?;
    Ok(json!({
        "generated_at": time::to_json(holder.now),
        "generated_by": audit::caller(),
        "user": parts::user(snapshot, holder)?,
        "profile": parts::profile(snapshot, holder)?,
        "versions": parts::versions(holder)?,
        "apps": parts::apps(holder)?,
        "sessions": parts::sessions(holder)?,
        "shares": parts::shares(holder)?,
        "activities": parts::activities(&agreements)?,
        "agreements": agreements,
        "requests": parts::requests(holder)?,
        "expiration": parts::expiration(holder)?,
        "accesses": parts::accesses(holder)?,
    }))
}
