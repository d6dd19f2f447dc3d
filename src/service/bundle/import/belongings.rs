//! What belongs to users.

use std::collections::HashMap;

use bunker_bundle::{Table, Value};
use pgrx::Uuid;

use super::records::Users;
use super::{fields, malformed};
use crate::error::Result;
use crate::pg::scan::Snapshot;
use crate::pg::time;
use crate::storage::bundle::BundleRow;
use crate::storage::expiration;
use crate::storage::import::{self as tables, Known, Mortal};

impl Users {
    /// Takes rows of a table; how many were news.
    pub fn take_belongings(
        &mut self,
        table: &'static Table,
        rows: Vec<BundleRow>,
    ) -> Result<usize> {
        let owner = table.user.and_then(|user| table.position(user)).ok_or_else(malformed)?;
        let mut owners = Owners { snapshot: Snapshot::of_caller(), known: HashMap::new() };
        let (now, mut wanted) = (time::now(), Vec::with_capacity(rows.len()));
        for row in rows {
            self.is_not_missing(table, &row);
            let token = row.get(owner).and_then(fields::uuid).ok_or_else(malformed)?;
            if !self.left_out.contains(&token)
                && let Some(owner) = owners.find(&token)?
                && self.is_wanted(table, &token, owner, &row, now)?
            {
                wanted.push(row);
            }
        }
        if wanted.is_empty() {
            return Ok(0);
        }
        if table.name == "request" && !self.buried.is_empty() {
            tables::remove_requests(&wanted, &self.buried)?;
        }
        if table.name == "app_data" {
            self.outrun.extend(tables::outrun_apps(table, &wanted)?);
        }
        tables::merge(table, &wanted)
    }

    fn is_not_missing(&mut self, table: &'static Table, row: &BundleRow) {
        if !self.missing.is_empty()
            && let "session" | "share" = table.name
            && let Some(id) = row.first().and_then(fields::uuid)
        {
            self.missing.remove(&Mortal { is_share: table.name == "share", id });
        }
    }

    fn is_wanted(
        &self,
        table: &'static Table,
        token: &Uuid,
        owner: &Known,
        row: &BundleRow,
        now: i64,
    ) -> Result<bool> {
        let is_alive = owner.forgotten_at.is_none();
        let value = |name| row.get(table.position(name)?);
        match table.name {
            "record_version" => {
                let is_former = |version| version < i64::from(owner.version);
                Ok(is_alive && value("version").and_then(Value::as_int).is_some_and(is_former))
            }
            // An app may have deleted since what the bundle would bring back.
            "app_data_version" => {
                let app = value("app").and_then(Value::as_text).ok_or_else(malformed)?;
                Ok(is_alive && !self.outrun.contains(&(*token, app.to_owned())))
            }
            "session" | "share" => {
                let end = value("expires_at").and_then(Value::as_int).ok_or_else(malformed)?;
                Ok(is_alive && time::from_unix_micros(end) > now)
            }
            // Of a forgotten user it is known what he has asked for, and whether his time was over.
            "request" => Ok(true),
            "expiration" => {
                let status = value("status").and_then(Value::as_text).ok_or_else(malformed)?;
                if !expiration::is_status(status) {
                    return Err(malformed());
                }
                Ok(is_alive || status == "expired")
            }
            _ => Ok(is_alive),
        }
    }
}

/// The users of a line's rows, each looked for once.
struct Owners {
    snapshot: Snapshot,
    known: HashMap<Uuid, Option<Known>>,
}

impl Owners {
    fn find(&mut self, token: &Uuid) -> Result<Option<&Known>> {
        if !self.known.contains_key(token) {
            self.known.insert(*token, tables::find(&self.snapshot, token)?);
        }
        Ok(self.known.get(token).and_then(Option::as_ref))
    }
}
