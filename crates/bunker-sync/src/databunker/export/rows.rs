//! What becomes of the rows of a vault: rows of a store.

use std::collections::BTreeMap;

use bunker_core::crypto::OpenError;
use bunker_core::normalize::Region;
use serde_json::{Map, Value};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::crypto::{RecordKeys, StoreKey, encode_key, mark};
use super::index::HASHED;
use super::schema::{self, Table};
use crate::error::{Error, Result};
use crate::open::Opener;
use crate::row::Row;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
}

/// Values by the names of their columns.
type Named = (&'static str, Cell);

/// A row, with a value for each column.
pub struct Cells {
    /// Of which table.
    pub table: &'static Table,
    /// Its values.
    pub values: Vec<Cell>,
}

impl Cells {
    fn new(table: &str, named: impl IntoIterator<Item = Named>) -> Result<Self> {
        let table = schema::table(table).ok_or(Error::Refused("a store has no such table"))?;
        let mut values = vec![Cell::Null; table.columns.len()];
        for (name, cell) in named {
            if let Some(position) = table.columns.iter().position(|(it, _)| *it == name) {
                values[position] = cell;
            }
        }
        Ok(Self { table, values })
    }
}

/// Something more of a row that is there already.
pub struct Change {
    /// The table.
    pub table: &'static str,
    /// The column that names the row, and the name.
    pub row: (&'static str, String),
    /// What changes.
    pub values: Vec<Named>,
}

/// What is made of a row of the vault.
pub enum Made {
    /// A row.
    Row(Cells),
    /// A part of another row.
    Change(Change),
    /// A part of another row, when all rows are there.
    Later,
    /// There is nothing to write.
    Nothing(&'static str),
    /// It cannot be written.
    Skipped(&'static str),
}

const NOT_OPENED: &str = "it does not open: it was altered";

/// Makes the rows of a store.
pub struct Rows {
    region: Region,
    keys: RecordKeys,
    /// On which legal bases each activity rests.
    bases: BTreeMap<String, Vec<String>>,
}

/// A row of the vault, and what it is opened and encrypted with.
struct Given<'a> {
    row: &'a Row<'a>,
    opener: &'a Opener,
    key: &'a StoreKey,
}

/// Why no row is made.
enum Failure {
    Damaged,
    Fatal(Error),
}

impl From<OpenError> for Failure {
    fn from(_: OpenError) -> Self {
        Self::Damaged
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

impl Rows {
    /// Rows of a store with these keys; telephone numbers without a country code are of the region.
    pub fn new(region: Region, keys: RecordKeys) -> Self {
        Self { region, keys, bases: BTreeMap::new() }
    }

    /// What is made of a row.
    pub fn make(&mut self, row: &Row<'_>, opener: &Opener, key: &StoreKey) -> Result<Made> {
        let given = Given { row, opener, key };
        let made = match row.table().name {
            "record" => self.user(&given),
            "app_data" => self.app_data(&given),
            "session" => self.session(&given),
            "share" => share(&given),
            "agreement" => agreement(&given),
            "request" => self.request(&given),
            "legal_basis" => legal_basis(&given),
            "activity" => activity(&given),
            "activity_basis" => self.activity_basis(&given),
            "expiration" => expiration(&given),
            "unclaimed_agreement" => {
                Ok(Made::Skipped("who agreed is not a user yet, and the vault has only his digest"))
            }
            _ => Ok(Made::Skipped("a Databunker store has nothing of this kind")),
        };
        match made {
            Ok(made) => Ok(made),
            Err(Failure::Damaged) => Ok(Made::Skipped(NOT_OPENED)),
            Err(Failure::Fatal(error)) => Err(error),
        }
    }

    /// What is left to be changed when all rows are there.
    pub fn later(&mut self) -> impl Iterator<Item = Change> + use<> {
        std::mem::take(&mut self.bases).into_iter().map(|(activity, briefs)| Change {
            table: "processingactivities",
            row: ("activity", activity),
            values: vec![("legalbasis", Cell::Text(briefs.join(",")))],
        })
    }

    fn user(&self, given: &Given<'_>) -> Result<Made, Failure> {
        let token = given.row.uuid("token")?;
        let mut named = vec![("token", text(token))];
        let profile = given.opener.open(given.row, "sealed")?;
        if let Some(profile) = profile {
            let key = self.keys.of(&token);
            let data = given.key.seal(&key, &profile)?;
            named.push(("key", Cell::Text(encode_key(&key))));
            named.push(("md5", Cell::Text(mark(&data))));
            named.push(("data", Cell::Text(data)));
            // What is preserved of somebody who was forgotten does not find him.
            if given.row.optional_int("forgotten_at")?.is_none() {
                named.extend(self.hashes(&profile, given.key)?);
            }
        }
        Ok(Made::Row(Cells::new("users", named)?))
    }

    fn hashes(&self, profile: &str, key: &StoreKey) -> Result<Vec<Named>, Failure> {
        let profile: Value = serde_json::from_str(profile).map_err(|_| Failure::Damaged)?;
        let hash = |&(column, member, rule): &(&'static str, &str, super::index::Rule)| {
            let normal = rule.normalize(profile.get(member), self.region)?;
            Some((column, Cell::Text(key.hash(&normal))))
        };
        Ok(HASHED.iter().filter_map(hash).collect())
    }

    fn app_data(&self, given: &Given<'_>) -> Result<Made, Failure> {
        let Some(data) = given.opener.open(given.row, "sealed")? else {
            return Ok(Made::Nothing("was deleted"));
        };
        let token = given.row.uuid("token")?;
        let data = given.key.seal(&self.keys.of(&token), &data)?;
        let named = [
            ("appname", text(given.row.text("app")?)),
            ("token", text(token)),
            ("md5", Cell::Text(mark(&data))),
            ("data", Cell::Text(data)),
        ];
        Ok(Made::Row(Cells::new("userapps", named)?))
    }

    fn session(&self, given: &Given<'_>) -> Result<Made, Failure> {
        let session = given.row.uuid("session")?;
        let data = given.opener.open(given.row, "sealed")?.ok_or(Failure::Damaged)?;
        let key = self.keys.of(&session);
        let named = [
            ("token", text(given.row.uuid("token")?)),
            ("session", text(session)),
            ("key", Cell::Text(encode_key(&key))),
            ("data", Cell::Text(given.key.seal(&key, &data)?)),
            ("endtime", time(given.row, "expires_at")?),
            ("when", time(given.row, "created_at")?),
        ];
        Ok(Made::Row(Cells::new("sessions", named)?))
    }

    fn request(&self, given: &Given<'_>) -> Result<Made, Failure> {
        let row = given.row;
        let token = row.uuid("token")?;
        let change = given.opener.open(row, "sealed")?;
        let change = change.map(|text| document(&text)).transpose()?;
        let change = change.and_then(|mut text| text.remove("change")).filter(|it| !it.is_null());
        let change = match change {
            Some(change) => {
                let change = Zeroizing::new(change.to_string());
                Cell::Text(given.key.seal(&self.keys.of(&token), &change)?)
            }
            None => Cell::Null,
        };
        let reason = given.opener.open(row, "reason")?.ok_or(Failure::Damaged)?;
        let reason: Option<String> = serde_json::from_str(&reason).map_err(|_| Failure::Damaged)?;
        let subject = row.optional_text("subject")?.map_or(Cell::Null, text);
        let action = row.text("action")?;
        let column = if action == "change-app-data" { "app" } else { "brief" };
        let status = match row.text("status")? {
            "cancelled" => "canceled",
            status => status,
        };
        let named = [
            ("rtoken", text(row.uuid("request")?)),
            ("token", text(token)),
            (column, subject),
            ("action", text(action)),
            ("status", text(status)),
            ("change", change),
            ("reason", reason.map_or(Cell::Null, Cell::Text)),
            ("creationtime", time(row, "created_at")?),
            ("when", time(row, "updated_at")?),
        ];
        Ok(Made::Row(Cells::new("requests", named)?))
    }

    fn activity_basis(&mut self, given: &Given<'_>) -> Result<Made, Failure> {
        let activity = given.row.text("activity")?.to_owned();
        self.bases.entry(activity).or_default().push(given.row.text("brief")?.to_owned());
        Ok(Made::Later)
    }
}

fn share(given: &Given<'_>) -> Result<Made, Failure> {
    let row = given.row;
    let terms = given.opener.open(row, "sealed")?.ok_or(Failure::Damaged)?;
    let mut terms = document(&terms)?;
    let fields = match terms.remove("fields") {
        Some(Value::Array(fields)) => Some(fields),
        _ => None,
    };
    let fields = fields.map(|fields| {
        fields.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    });
    if fields.iter().flatten().any(|field| field.contains(',')) {
        return Ok(Made::Skipped("the server cannot share a field with a comma in its name"));
    }
    let named = [
        ("token", text(row.uuid("token")?)),
        ("record", text(row.uuid("record")?)),
        ("partner", member(&mut terms, "partner")),
        ("session", member(&mut terms, "session")),
        ("app", member(&mut terms, "app")),
        ("fields", fields.map_or(Cell::Null, |fields| Cell::Text(fields.join(",")))),
        ("endtime", time(row, "expires_at")?),
        ("when", time(row, "created_at")?),
    ];
    Ok(Made::Row(Cells::new("sharedrecords", named)?))
}

fn agreement(given: &Given<'_>) -> Result<Made, Failure> {
    let row = given.row;
    let details = given.opener.open(row, "sealed")?.ok_or(Failure::Damaged)?;
    let mut details = document(&details)?;
    let token = row.uuid("token")?.to_string();
    // The server relies on some texts being there.
    let present = |cell| if cell == Cell::Null { text("") } else { cell };
    let named = [
        ("who", Cell::Text(given.key.seal_fixed(&token)?)),
        ("mode", text("token")),
        ("token", Cell::Text(token)),
        ("brief", text(row.text("brief")?)),
        ("status", text(row.text("status")?)),
        ("referencecode", member(&mut details, "referencecode")),
        ("lastmodifiedby", present(member(&mut details, "lastmodifiedby"))),
        ("agreementmethod", present(member(&mut details, "agreementmethod"))),
        ("creationtime", time(row, "created_at")?),
        ("starttime", time(row, "starts_at")?),
        ("endtime", time(row, "expires_at")?),
        ("when", time(row, "updated_at")?),
    ];
    Ok(Made::Row(Cells::new("agreements", named)?))
}

fn legal_basis(given: &Given<'_>) -> Result<Made, Failure> {
    let row = given.row;
    let mut definition = document(row.text("definition")?)?;
    let mut named = vec![
        ("brief", text(row.text("brief")?)),
        ("status", text(row.text("status")?)),
        ("creationtime", time(row, "created_at")?),
    ];
    for name in ["usercontrol", "requiredflag"] {
        let flag = definition.get(name) == Some(&Value::Bool(true));
        named.push((name, Cell::Int(flag.into())));
    }
    for name in ["module", "shortdesc", "fulldesc", "basistype", "requiredmsg"] {
        named.push((name, member(&mut definition, name)));
    }
    Ok(Made::Row(Cells::new("legalbasis", named)?))
}

fn activity(given: &Given<'_>) -> Result<Made, Failure> {
    let row = given.row;
    let mut definition = document(row.text("definition")?)?;
    let mut named =
        vec![("activity", text(row.text("activity")?)), ("creationtime", time(row, "created_at")?)];
    for name in ["title", "script", "fulldesc", "applicableto"] {
        named.push((name, member(&mut definition, name)));
    }
    Ok(Made::Row(Cells::new("processingactivities", named)?))
}

fn expiration(given: &Given<'_>) -> Result<Made, Failure> {
    let row = given.row;
    let status = match row.text("status")? {
        "cancelled" => return Ok(Made::Nothing("was cancelled")),
        status => status,
    };
    let mut values = vec![("expstatus", text(status))];
    if status != "retain" {
        values.push(("exptoken", text(row.uuid("expiration")?)));
        values.push(("endtime", time(row, "expires_at")?));
    }
    let row = ("token", row.uuid("token")?.to_string());
    Ok(Made::Change(Change { table: "users", row, values }))
}

/// The access token of the store's owner, without which a server does not open it.
pub fn root_token(key: &StoreKey, token: &Uuid) -> Result<Cells> {
    let hash = key.hash(&token.to_string());
    Cells::new(
        "xtokens",
        [("xtoken", Cell::Text(hash)), ("token", text("")), ("type", text("root"))],
    )
}

fn text(value: impl ToString) -> Cell {
    Cell::Text(value.to_string())
}

fn document(text: &str) -> Result<Map<String, Value>, Failure> {
    serde_json::from_str(text).map_err(|_| Failure::Damaged)
}

/// A text of an object; NULL for one that is empty or not there.
fn member(object: &mut Map<String, Value>, name: &str) -> Cell {
    match object.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Cell::Text(text),
        _ => Cell::Null,
    }
}

/// A time as the server has it, in seconds, 0 for none. It counts in 32 bits: what lasts longer than
/// until 2038 ends then.
fn time(row: &Row<'_>, column: &str) -> Result<Cell, Failure> {
    let seconds = row.optional_int(column)?.unwrap_or_default().div_euclid(1_000_000);
    Ok(Cell::Int(seconds.clamp(0, i32::MAX.into())))
}
