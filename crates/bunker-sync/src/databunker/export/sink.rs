//! Where a new store is written: a SQLite file, a MySQL database.

mod mysql;
mod sqlite;

use std::path::Path;

use super::rows::{Cells, Change};
use crate::error::{Error, Result};
use crate::target::Address;

/// A store that is being written. It is there as a whole when it is finished, and not before.
pub trait Sink {
    /// Adds a row.
    fn insert(&mut self, cells: &Cells) -> Result<()>;

    /// Changes a row.
    fn change(&mut self, change: &Change) -> Result<()>;

    /// Makes the store last.
    fn finish(&mut self) -> Result<()>;
}

const EXISTS: Error =
    Error::Refused("there is something already: a store is written to a new file, or empty tables");

/// Makes a store of that name.
///
/// # Errors
/// Refused when there is one.
pub fn create(name: &str, password: Option<&str>, ca: Option<&Path>) -> Result<Box<dyn Sink>> {
    match Address::parse(name)? {
        Address::Sqlite(path) => Ok(Box::new(sqlite::Sqlite::create(&path)?)),
        Address::Mysql(server) => Ok(Box::new(mysql::Mysql::create(&server, password, ca)?)),
    }
}

/// The statement that makes a change, with a parameter for each value and one for the row's name.
fn statement(change: &Change) -> String {
    let values: Vec<_> = change.values.iter().map(|(name, _)| format!("`{name}` = ?")).collect();
    format!("UPDATE {} SET {} WHERE `{}` = ?", change.table, values.join(", "), change.row.0)
}
