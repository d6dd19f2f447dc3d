//! Reading requests.

use std::rc::Rc;

use pgrx::Uuid;
use serde_json::{Value, json};

use super::sealed::{Change, open_reason};
use super::{DAMAGED, State, change};
use crate::audit;
use crate::error::{Error, Result};
use crate::identity;
use crate::keyring::{self, Keys};
use crate::pg::jsonb::Jsonb;
use crate::pg::scan::Snapshot;
use crate::pg::session::check_for_interrupts;
use crate::pg::time;
use crate::service::guard;
use crate::service::users::{UserRef, check_page};
use crate::storage::request::{self as table, Row};

/// A request in a list.
pub struct Listed {
    /// The request, without what it would change.
    pub row: Row,
    /// Why it was decided so.
    pub reason: Option<String>,
}

/// A page of requests, in the order of filing; of one status, or of any.
pub fn list(status: Option<&str>, after: Option<&Uuid>, max_rows: i32) -> Result<Vec<Listed>> {
    audit::read("list_requests", None, |access| {
        if status.is_some_and(|status| State::named(status).is_none()) {
            return Err(Error::BadArgument(
                "unknown status of a request",
                "Use open, approved or cancelled, or NULL for all.",
            ));
        }
        let rows = table::page(status, after, check_page(max_rows)?)?;
        guard::admit(rows.len() as u64)?;
        access.told(format!("{} requests", rows.len()));
        listed(rows)
    })
}

/// All requests of a user, in the order of filing. One who has been forgotten is named by his token.
pub fn of_user(kind: &str, value: &str) -> Result<Vec<Listed>> {
    audit::read("user_requests", Some(kind), |access| {
        let user = UserRef::resolve(&Snapshot::of_caller(), kind, value)?;
        let Some(token) = user.target.map(|target| target.token) else {
            return Ok(Vec::new());
        };
        let rows = table::of_user(&token, None)?;
        let found = if rows.is_empty() { None } else { Some(rows) };
        guard::admit(u64::from(found.is_some()))?;
        Ok(access.outcome(&token, found).map(listed).transpose()?.unwrap_or_default())
    })
}

fn listed(rows: Vec<Row>) -> Result<Vec<Listed>> {
    let mut found = Vec::with_capacity(rows.len());
    if rows.is_empty() {
        return Ok(found);
    }
    let keys = keyring::existing()?.ok_or(DAMAGED)?;
    for row in rows {
        let reason = open_reason(&keys, &row).map_err(|error| error.of_user(row.token))?;
        found.push(Listed { row, reason });
    }
    Ok(found)
}

/// A request, with what it would change, or has changed, and how.
pub fn get(request: &Uuid) -> Result<Option<Jsonb>> {
    audit::read("get_request", None, |access| {
        let row = table::find(request)?;
        identity::admit_owner(row.as_ref().map(|row| &row.token))?;
        let Some(row) = row else {
            return Ok(None);
        };
        access.concerns(&row.action);
        guard::admit(1)?;
        let keys = keyring::existing()?.ok_or(DAMAGED)?;
        let described = describe(&keys, &row).map_err(|error| error.of_user(row.token))?;
        Ok(access.outcome(&row.token, Some(Jsonb::from(described.to_string()))))
    })
}

/// Hands over all requests of a user, one after the other, for what has an event of its own.
pub fn each_of_owner(
    keys: &Rc<Keys>,
    token: &Uuid,
    mut receive: impl FnMut(Value) -> Result<()>,
) -> Result<()> {
    for request in table::names_of(token)? {
        check_for_interrupts();
        if let Some(row) = table::find(&request)? {
            receive(describe(keys, &row)?)?;
        }
    }
    Ok(())
}

fn describe(keys: &Rc<Keys>, row: &Row) -> Result<Value> {
    let reason = open_reason(keys, row)?;
    let state = State::of(row)?;
    let change = Change::open(keys, row)?;
    let decided_at = (state != State::Open).then(|| time::to_json(row.updated_at));
    Ok(json!({
        "request": row.request.to_string(),
        "token": row.token.to_string(),
        "action": row.action,
        "subject": row.subject,
        "status": row.status,
        "created_at": time::to_json(row.created_at),
        "decided_at": decided_at,
        "requested_by": row.requested_by,
        "requested_as": row.requested_as,
        "decided_by": row.decided_by,
        "decided_as": row.decided_as,
        "reason": reason,
        "original": change::original(keys, row, state, change.original)?,
        "change": change.patch,
    }))
}
