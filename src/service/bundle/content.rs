//! The content of a bundle, in the order in which it is written.

use std::collections::VecDeque;

use bunker_bundle::{Table, Value, Writer, schema};
use pgrx::Uuid;

use crate::error::{Error, Result};
use crate::pg::session;
use crate::service::digests;
use crate::storage::bundle::{self as rows, BundleRow, Part, Stream};

/// How many users are replaced at a time.
const GROUP: usize = 200;

/// The lookup entries are those that the records tell, to which the sealed profiles are bound.
const LOOKUP: &str = "lookup";

/// What is still to be written.
pub struct Content {
    steps: VecDeque<Step>,
}

enum Step {
    /// These tables are replaced by what follows.
    Replace(Vec<&'static Table>),
    /// The rows of a table.
    Rows(&'static Table, Stream<BundleRow>),
    /// The rows of users, user by user.
    Users(Users),
}

struct Users {
    changed: Stream<Uuid>,
    tables: Vec<(&'static Table, Stream<BundleRow>)>,
    /// The group that is being written: its last user, and the table at which it is.
    group: Option<(uuid::Uuid, usize)>,
}

impl Content {
    /// All that the vault holds at the time `now`, under the active snapshot.
    pub fn whole(now: i64) -> Result<Self> {
        let tables: Vec<_> = schema::TABLES.iter().collect();
        let mut steps = VecDeque::from([Step::Replace(tables)]);
        for table in schema::TABLES.iter().filter(|table| table.name != LOOKUP) {
            steps.push_back(Step::Rows(table, rows::rows(table, Part::Whole, now)?));
        }
        Ok(Self { steps })
    }

    /// What the registers hold, and what there is of the users about whom the trail has events after a
    /// number.
    pub fn changed_since(floor: i64, now: i64) -> Result<Self> {
        let mut steps = VecDeque::from([Step::Replace(schema::registers().collect())]);
        for table in schema::registers() {
            steps.push_back(Step::Rows(table, rows::rows(table, Part::Whole, now)?));
        }
        let part = Part::ChangedSince(floor);
        let tables = schema::of_users()
            .filter(|table| table.name != LOOKUP)
            .map(|table| Ok((table, rows::rows(table, part, now)?)))
            .collect::<Result<_>>()?;
        let changed = rows::changed_users(floor)?;
        steps.push_back(Step::Users(Users { changed, tables, group: None }));
        Ok(Self { steps })
    }

    /// Writes some more; how many rows, or `None` at the end.
    pub fn advance(&mut self, writer: &mut Writer) -> Result<Option<usize>> {
        session::check_for_interrupts();
        let written = match self.steps.front_mut() {
            None => return Ok(None),
            Some(Step::Replace(tables)) => {
                writer.replace(tables);
                None
            }
            Some(Step::Rows(table, stream)) => write(writer, table, stream.portion()?)?,
            Some(Step::Users(users)) => users.advance(writer)?,
        };
        if written.is_none() {
            self.steps.pop_front();
        }
        Ok(Some(written.unwrap_or_default()))
    }
}

impl Users {
    /// As [`Content::advance`].
    fn advance(&mut self, writer: &mut Writer) -> Result<Option<usize>> {
        let (last, position) = match self.group.take() {
            Some(group) => group,
            None => match self.next_group(writer)? {
                Some(last) => (last, 0),
                None => return Ok(None),
            },
        };
        let Some((table, stream)) = self.tables.get_mut(position) else {
            return Ok(Some(0));
        };
        let user = table.user.and_then(|user| table.position(user));
        let is_of_group = |row: &BundleRow| {
            let token = user.and_then(|user| row.get(user)?.as_uuid());
            token.is_some_and(|token| token <= last)
        };
        let written = write(writer, table, stream.portion_while(is_of_group)?)?;
        self.group = Some((last, position + usize::from(written.is_none())));
        Ok(Some(written.unwrap_or_default()))
    }

    /// Says which users come next; the last of them.
    fn next_group(&mut self, writer: &mut Writer) -> Result<Option<uuid::Uuid>> {
        let mut group: Vec<uuid::Uuid> = Vec::with_capacity(GROUP);
        while group.len() < GROUP {
            let portion = self.changed.portion_up_to(GROUP - group.len())?;
            if portion.is_empty() {
                break;
            }
            group.extend(portion.into_iter().map(rows::to_uuid));
        }
        if !group.is_empty() {
            writer.users(&group);
        }
        Ok(group.last().copied())
    }
}

/// Writes rows of a table; how many, or `None` when there are none.
fn write(
    writer: &mut Writer,
    table: &'static Table,
    rows: Vec<BundleRow>,
) -> Result<Option<usize>> {
    if rows.is_empty() {
        return Ok(None);
    }
    let mut entries = Vec::new();
    if table.name == "record" {
        for row in &rows {
            entries.extend(lookup_rows(table, row)?);
        }
    }
    let count = rows.len() + entries.len();
    for row in rows {
        writer.row(table, row);
    }
    if let Some(lookup) = schema::table(LOOKUP) {
        for entry in entries {
            writer.row(lookup, entry);
        }
    }
    Ok(Some(count))
}

/// The lookup entries of a record, as rows.
fn lookup_rows(records: &'static Table, record: &BundleRow) -> Result<Vec<BundleRow>> {
    let value = |name| record.get(records.position(name)?);
    let (Some(token), Some(digests)) = (value("token"), value("digests").and_then(Value::as_bytes))
    else {
        return Err(Error::Damaged("a stored record"));
    };
    let entries = digests::decode(digests)?;
    let row = |entry: &crate::storage::lookup::Entry| {
        let digest = entry.digest.to_vec();
        vec![Value::Bytes(digest.into()), Value::Int(i64::from(entry.kind)), token.clone()]
    };
    Ok(entries.iter().map(row).collect())
}
