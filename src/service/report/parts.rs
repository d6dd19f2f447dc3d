//! The parts of a report, each as `bunker_core::report` shows it.

use std::rc::Rc;

use pgrx::Uuid;
use serde_json::{Map, Value, json};

use super::budget::Budget;
use crate::audit;
use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::pg::scan::Snapshot;
use crate::pg::{session as backend, time};
use crate::service::consent::{activities as registry, agreements as consents, bases};
use crate::service::users::{self, open_profile, stored_profile};
use crate::service::{apps as app_data, requests as wishes, sessions as logins, shares as records};
use crate::storage::{self, expiration as expiries, record, record_version};

/// Events that are read at a time.
const PAGE: i32 = 1_000;
/// Sessions and shares that are read at a time: each may be as big as a profile.
const BIG_PAGE: i32 = 32;

/// Whose report it is, and what opens it.
pub struct Holder {
    /// The user's token.
    pub token: Uuid,
    /// The opened keyring.
    pub keys: Rc<Keys>,
    /// When the report is made.
    pub now: i64,
    /// How much more it may hold.
    pub budget: Budget,
}

impl Holder {
    /// Takes a part into the report, if there is room for it.
    fn keep(&self, part: Value) -> Result<Value> {
        self.budget.admit(&part).map(|()| part)
    }
}

/// Token, times and version.
pub fn user(snapshot: &Snapshot, holder: &Holder) -> Result<Value> {
    let found = record::view(snapshot, &holder.token, None, |view| {
        Ok(json!({
            "token": holder.token.to_string(),
            "created_at": time::to_json(view.created_at),
            "updated_at": time::to_json(view.updated_at),
            "version": view.version,
        }))
    })?;
    found.ok_or(Error::NoSuchUser)
}

/// The profile as it is now.
pub fn profile(snapshot: &Snapshot, holder: &Holder) -> Result<Value> {
    let text = users::current(snapshot, &holder.keys, &holder.token)?;
    holder.keep(stored_profile(&text.ok_or(Error::NoSuchUser)?)?)
}

/// All versions of the profile, oldest first.
pub fn versions(holder: &Holder) -> Result<Vec<Value>> {
    let mut versions = Vec::new();
    for (version, changed_at, changed_by) in record_version::all(&holder.token)? {
        backend::check_for_interrupts();
        let Some(found) = record_version::find(&holder.token, version)? else {
            continue;
        };
        let profile =
            open_profile(&holder.keys, &holder.token, version, &found.digests, &found.sealed)?;
        versions.push(holder.keep(json!({
            "version": version,
            "changed_at": time::to_json(changed_at),
            "changed_by": changed_by,
            "operation": users::operation_of(version),
            "profile": stored_profile(&profile)?,
        }))?);
    }
    Ok(versions)
}

/// What apps keep of him.
pub fn apps(holder: &Holder) -> Result<Vec<Value>> {
    let named = storage::app_data::names(&holder.token)?;
    named
        .into_iter()
        .filter_map(|app| storage::app_data::find(&holder.token, &app).transpose())
        .map(|row| {
            backend::check_for_interrupts();
            let row = row?;
            let text = app_data::open_row(&holder.keys, &row)?;
            holder.keep(json!({
                "app": row.app,
                "version": row.version,
                "created_at": time::to_json(row.created_at),
                "updated_at": time::to_json(row.updated_at),
                "data": stored_profile(&text)?,
            }))
        })
        .collect()
}

/// His sessions that live.
pub fn sessions(holder: &Holder) -> Result<Vec<Value>> {
    in_pages(
        |after| storage::session::page(&holder.token, holder.now, after, BIG_PAGE),
        |row| row.id,
        |row| {
            holder.keep(json!({
                "session": row.id.to_string(),
                "created_at": time::to_json(row.created_at),
                "expires_at": time::to_json(row.expires_at),
                "data": stored_profile(&logins::open(&holder.keys, row)?)?,
            }))
        },
    )
}

/// What of him is shared, and with whom.
pub fn shares(holder: &Holder) -> Result<Vec<Value>> {
    in_pages(
        |after| records::of_user(&holder.keys, &holder.token, after, BIG_PAGE),
        |(share, _)| share.id,
        |(share, terms)| {
            holder.keep(json!({
                "record": share.id.to_string(),
                "created_at": time::to_json(share.created_at),
                "expires_at": time::to_json(share.expires_at),
                "partner": terms.partner,
                "fields": terms.fields,
                "app": terms.app,
                "session": terms.session.as_ref().map(ToString::to_string),
            }))
        },
    )
}

/// What he has agreed to, each with the text of its legal basis.
pub fn agreements(snapshot: &Snapshot, holder: &Holder) -> Result<Vec<Value>> {
    let digests = record::digests(snapshot, &holder.token)?.ok_or(Error::NoSuchUser)?;
    let bases = bases::all()?;
    let found = consents::of_owner(&holder.keys, &holder.token, &digests)?;
    found
        .iter()
        .map(|agreement| {
            let mut described = agreement.describe(holder.now)?;
            let basis = bases.iter().find(|basis| basis.brief() == agreement.brief());
            let basis = basis.map(|basis| Value::Object(basis.describe()));
            described.insert("legal_basis".to_owned(), json!(basis));
            holder.keep(Value::Object(described))
        })
        .collect()
}

/// The processing activities that rest on what he has agreed to.
pub fn activities(agreements: &[Value]) -> Result<Vec<Value>> {
    let agreed = |brief: &String| agreements.iter().any(|a| a["brief"] == brief.as_str());
    let resting = registry::all()?.into_iter().filter(|a| a.legal_bases().iter().any(agreed));
    Ok(resting.map(|activity| Value::Object(activity.describe())).collect())
}

/// What he has asked for.
pub fn requests(holder: &Holder) -> Result<Vec<Value>> {
    let mut requests = Vec::new();
    wishes::each_of_owner(&holder.keys, &holder.token, |mut request| {
        // What is there now the report has already, and what was there the versions have.
        for name in ["token", "original"] {
            request.as_object_mut().and_then(|members| members.remove(name));
        }
        requests.push(holder.keep(request)?);
        Ok(())
    })?;
    Ok(requests)
}

/// Whether and when he is to be forgotten. Not the token by which that is decided: reports are printed
/// and passed on.
pub fn expiration(holder: &Holder) -> Result<Option<Value>> {
    let found = expiries::find(&holder.token)?;
    Ok(found.map(
        |found| json!({ "status": found.status, "expires_at": time::to_json(found.expires_at) }),
    ))
}

/// Who has accessed what and when, newest first.
pub fn accesses(holder: &Holder) -> Result<Vec<Value>> {
    audit::up_to_now(|| read_accesses(holder))
}

fn read_accesses(holder: &Holder) -> Result<Vec<Value>> {
    let mut accesses = Vec::new();
    let mut before = None;
    loop {
        backend::check_for_interrupts();
        let page = storage::audit::of_user(&holder.token, before, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(accesses);
        };
        before = Some(last.id);
        for event in &page {
            let mut described: Map<String, Value> = audit::describe(event);
            described.insert("id".to_owned(), json!(event.id));
            described.remove("token");
            accesses.push(holder.keep(Value::Object(described))?);
        }
    }
}

/// Goes through what belongs to a user by uuid.
fn in_pages<T>(
    fetch: impl Fn(Option<&Uuid>) -> Result<Vec<T>>,
    name: fn(&T) -> Uuid,
    describe: impl Fn(&T) -> Result<Value>,
) -> Result<Vec<Value>> {
    let mut described = Vec::new();
    let mut after = None;
    loop {
        backend::check_for_interrupts();
        let page = fetch(after.as_ref())?;
        let Some(last) = page.last() else {
            return Ok(described);
        };
        after = Some(name(last));
        for row in &page {
            described.push(describe(row)?);
        }
    }
}
