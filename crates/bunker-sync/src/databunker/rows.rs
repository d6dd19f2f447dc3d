//! What becomes of the rows of a store: rows as `bunker_import_rows` takes them.

use std::collections::BTreeSet;

use bunker_core::names;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::crypto::StoreKey;
use super::facts;
use super::kind::Kind;
use super::source::{Owner, Row};

/// The legal bases of a store.
pub type Briefs = BTreeSet<String>;

/// Why a row is not brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// It has ended, as it was meant to.
    Ended(&'static str),
    /// It cannot be.
    Skipped(&'static str),
}

use Left::{Ended, Skipped};

const NOT_OPENED: Left = Skipped("it does not open: it is damaged, or under another key");
const NO_JSON: Left = Skipped("it opens, but is no JSON, or nested too deep");
const FORGOTTEN: Left = Skipped("its user was forgotten");
const NOBODYS: Left = Skipped("its user does not exist");

/// What is known while rows are read.
pub struct Context {
    /// The store's key.
    pub key: StoreKey,
    /// Now, in seconds since 1970.
    pub now: i64,
    /// The legal bases that were read, without those that the store has deleted.
    pub briefs: Briefs,
}

impl Context {
    /// Takes down what later rows refer to.
    pub fn learn(&mut self, kind: Kind, row: &Row<'_>) {
        if kind == Kind::LegalBasis
            && row.text("status") != Some("deleted")
            && let Some(brief) = row.text("brief")
        {
            self.briefs.insert(brief.to_owned());
        }
    }
}

/// What of a row's names can be shown: uuids, and the names of apps, bases and activities.
pub fn shown(kind: Kind, row: &Row<'_>) -> String {
    let is_fit = |name: &str, text: &str| match name {
        "appname" => names::is_app(text),
        "brief" | "activity" => names::is_brief(text),
        _ => Uuid::try_parse(text).is_ok(),
    };
    let texts = kind.names().iter().filter_map(|name| Some((*name, row.text(name)?)));
    texts
        .filter(|(name, text)| is_fit(name, text))
        .map(|(_, text)| text)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The row as the vault takes it; `app` is that of a table of its own.
///
/// # Errors
/// Why it is left out.
pub fn map(kind: Kind, row: &Row<'_>, app: Option<&str>, context: &Context) -> Result<Value, Left> {
    if !row.is_utf8() {
        return Err(Skipped("a text is not UTF-8"));
    }
    match kind {
        Kind::LegalBasis => Ok(legal_basis(row)),
        Kind::Activity => Ok(activity(row, context)),
        Kind::User => user(row, context),
        Kind::AppData => app_data(row, app, context),
        Kind::Session => session(row, context),
        Kind::Share => share(row, context),
        Kind::Agreement => agreement(row, context),
        Kind::Request => request(row, context),
        Kind::Fact => Ok(fact(row, context)),
    }
}

/// What of a row is not brought with it although the row is.
pub fn remark(kind: Kind, row: &Row<'_>, context: &Context) -> Option<&'static str> {
    match kind {
        Kind::User if row.text("expstatus") == Some("wait") => {
            Some("its expiration is not brought: call bunker_start_expiration for this user")
        }
        Kind::Activity if briefs(row).any(|brief| !context.briefs.contains(brief)) => {
            Some("it rests on legal bases that do not exist any more: they are left out")
        }
        _ => None,
    }
}

fn object<const N: usize>(kind: &str, members: [(&str, Value); N]) -> Value {
    let mut object: Map<String, Value> = members
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    object.insert("kind".to_owned(), json!(kind));
    Value::Object(object)
}

fn legal_basis(row: &Row<'_>) -> Value {
    let mut definition =
        texts(row, &["module", "shortdesc", "fulldesc", "basistype", "requiredmsg"]);
    for flag in ["usercontrol", "requiredflag"] {
        definition.insert(flag.to_owned(), json!(row.flag(flag)));
    }
    object(
        "legal_basis",
        [
            ("brief", json!(row.text("brief"))),
            ("status", json!(row.text("status"))),
            ("definition", Value::Object(definition)),
            ("created_at", json!(row.time("creationtime"))),
        ],
    )
}

fn briefs<'a>(row: &'a Row<'_>) -> impl Iterator<Item = &'a str> {
    let list = row.text("legalbasis").unwrap_or_default();
    list.split(',').map(str::trim).filter(|brief| !brief.is_empty())
}

fn activity(row: &Row<'_>, context: &Context) -> Value {
    let present: BTreeSet<_> =
        briefs(row).filter(|brief| context.briefs.contains(*brief)).collect();
    object(
        "activity",
        [
            ("activity", json!(row.text("activity"))),
            (
                "definition",
                Value::Object(texts(row, &["title", "script", "fulldesc", "applicableto"])),
            ),
            ("legal_bases", json!(present)),
            ("created_at", json!(row.time("creationtime"))),
        ],
    )
}

/// The columns that are not empty.
fn texts(row: &Row<'_>, columns: &[&str]) -> Map<String, Value> {
    let present = columns.iter().filter_map(|column| Some((*column, row.text(column)?)));
    present.map(|(column, text)| (column.to_owned(), json!(text))).collect()
}

fn user(row: &Row<'_>, context: &Context) -> Result<Value, Left> {
    let profile = match (row.text("key"), row.text("data")) {
        (Some(key), Some(data)) => context.key.open(key, data).ok_or(NOT_OPENED)?,
        (None, None) => return Err(Ended("was forgotten")),
        _ => return Err(NOT_OPENED),
    };
    let profile = document(&profile)?;
    if is_found_by_nothing(row, &profile) {
        return Err(Ended("was forgotten"));
    }
    Ok(object("user", [("token", token(row)?), ("profile", profile)]))
}

/// Whether a profile holds what its user would be found by, and the store finds him by none of it: it is
/// what is preserved of somebody who was forgotten.
fn is_found_by_nothing(row: &Row<'_>, profile: &Value) -> bool {
    const FOUND_BY: [(&str, &str); 4] = [
        ("login", "loginidx"),
        ("email", "emailidx"),
        ("phone", "phoneidx"),
        ("custom", "customidx"),
    ];
    FOUND_BY.iter().all(|(_, index)| row.text(index).is_none())
        && FOUND_BY.iter().any(|(name, _)| profile.get(name).is_some_and(|value| !value.is_null()))
}

/// A user's token, which he keeps.
fn token(row: &Row<'_>) -> Result<Value, Left> {
    uuid(row, "token").ok_or(Skipped("its token is not a uuid"))
}

fn uuid(row: &Row<'_>, column: &str) -> Option<Value> {
    Uuid::try_parse(row.text(column)?).ok().map(|uuid| json!(uuid))
}

fn document(text: &Zeroizing<String>) -> Result<Value, Left> {
    serde_json::from_str(text).map_err(|_| NO_JSON)
}

/// The key under which a user's belongings are encrypted.
fn key_of_owner<'a>(row: &'a Row<'_>) -> Result<&'a str, Left> {
    match row.owner() {
        Owner::Key(key) => Ok(key),
        Owner::Forgotten => Err(FORGOTTEN),
        Owner::Unknown => Err(NOBODYS),
    }
}

fn app_data(row: &Row<'_>, app: Option<&str>, context: &Context) -> Result<Value, Left> {
    let key = key_of_owner(row)?;
    let data = row.text("data").and_then(|data| context.key.open(key, data)).ok_or(NOT_OPENED)?;
    Ok(object(
        "app_data",
        [
            ("token", token(row)?),
            ("app", json!(app.or(row.text("appname")))),
            ("data", document(&data)?),
            ("created_at", json!(row.time("when"))),
        ],
    ))
}

fn lives(row: &Row<'_>, context: &Context) -> Result<(), Left> {
    match row.time("endtime") {
        Some(end) if end > context.now => Ok(()),
        _ => Err(Ended("has ended")),
    }
}

fn session(row: &Row<'_>, context: &Context) -> Result<Value, Left> {
    lives(row, context)?;
    if row.text("token").is_none() {
        return Err(Skipped("it is a session of no user"));
    }
    key_of_owner(row)?;
    let opened = row.text("key").zip(row.text("data"));
    let data = opened.and_then(|(key, data)| context.key.open(key, data)).ok_or(NOT_OPENED)?;
    Ok(object(
        "session",
        [
            ("token", token(row)?),
            ("session", uuid(row, "session").ok_or(Skipped("its name is not a uuid"))?),
            ("data", document(&data)?),
            ("created_at", json!(row.time("when"))),
            ("expires_at", json!(row.time("endtime"))),
        ],
    ))
}

fn share(row: &Row<'_>, context: &Context) -> Result<Value, Left> {
    lives(row, context)?;
    key_of_owner(row)?;
    let fields = row.text("fields").map(|fields| fields.split(',').collect::<Vec<_>>());
    Ok(object(
        "share",
        [
            ("token", token(row)?),
            ("record", uuid(row, "record").ok_or(Skipped("its name is not a uuid"))?),
            ("fields", json!(fields)),
            ("app", json!(row.text("app"))),
            // The server looks at the app first.
            ("session", json!(row.text("session").filter(|_| row.text("app").is_none()))),
            ("partner", json!(row.text("partner"))),
            ("created_at", json!(row.time("when"))),
            ("expires_at", json!(row.time("endtime"))),
        ],
    ))
}

fn agreement(row: &Row<'_>, context: &Context) -> Result<Value, Left> {
    let (user, by, address) = match row.text("token") {
        Some(_) => {
            key_of_owner(row)?;
            (token(row)?, Value::Null, Value::Null)
        }
        None => {
            let (mode, address) = address(row, context)?;
            (Value::Null, json!(mode), json!(address))
        }
    };
    Ok(object(
        "agreement",
        [
            ("token", user),
            ("by", by),
            ("value", address),
            ("brief", json!(row.text("brief"))),
            ("status", json!(row.text("status"))),
            ("agreementmethod", json!(row.text("agreementmethod"))),
            ("referencecode", json!(row.text("referencecode"))),
            ("lastmodifiedby", json!(row.text("lastmodifiedby"))),
            ("created_at", json!(row.time("creationtime").or(row.time("when")))),
            ("updated_at", json!(row.time("when"))),
            ("starts_at", json!(row.time("starttime"))),
            ("expires_at", json!(row.time("endtime"))),
        ],
    ))
}

/// Who agreed before he was a user.
fn address<'a>(row: &'a Row<'_>, context: &Context) -> Result<(&'a str, String), Left> {
    let opened = row.text("who").and_then(|who| context.key.open_fixed(who));
    let address = opened.ok_or(Skipped("who agreed cannot be read any more"))?;
    match row.text("mode") {
        // The server takes an address for a part of a URL, where a plus sign is a space.
        Some("email") => Ok(("email", address.replace(' ', "+"))),
        Some("phone") => Ok(("phone", address.to_string())),
        Some("login") => Ok(("login", address.to_string())),
        _ => {
            Err(Skipped("who agreed is not named by an e-mail address, a phone number or a login"))
        }
    }
}

fn request(row: &Row<'_>, context: &Context) -> Result<Value, Left> {
    let key = key_of_owner(row)?;
    let change = row.text("change").map(|change| context.key.open(key, change).ok_or(NOT_OPENED));
    let change = change.transpose()?.map(|change| document(&change)).transpose()?;
    let subject = match row.text("action") {
        Some("change-app-data") => row.text("app"),
        Some("agreement-withdraw") => row.text("brief"),
        _ => None,
    };
    let status = row.text("status").map(|status| match status {
        "canceled" => "cancelled",
        status => status,
    });
    Ok(object(
        "request",
        [
            ("token", token(row)?),
            ("request", uuid(row, "rtoken").ok_or(Skipped("its name is not a uuid"))?),
            ("action", json!(row.text("action"))),
            ("subject", json!(subject)),
            ("change", json!(change)),
            ("status", json!(status)),
            ("reason", json!(row.text("reason"))),
            ("created_at", json!(row.time("creationtime").or(row.time("when")))),
            ("updated_at", json!(row.time("when"))),
        ],
    ))
}

fn fact(row: &Row<'_>, context: &Context) -> Value {
    // Of an event about nobody that was found, this is what was looked for.
    let record = row.text("record").and_then(|record| context.key.open_fixed(record));
    let user = record
        .filter(|_| facts::is_about_its_record(row))
        .and_then(|record| Uuid::try_parse(&record).ok());
    let message = facts::message(row, &context.briefs);
    object(
        "audit",
        [
            ("token", json!(user)),
            ("message", json!(message)),
            // Without a time it would be another fact each time.
            ("at", json!(row.time("when").unwrap_or_default())),
            ("app", json!(row.text("app").filter(|app| names::is_app(app)))),
            ("source", json!("databunker")),
        ],
    )
}
