//! Reading a Databunker store, whichever database it is in.
//!
//! Its tables have no primary keys by which pages could be read, so each is read once, from beginning
//! to end, row by row as the server sends them, and all of them within one snapshot.

mod mysql;
mod postgres;
mod row;
mod sqlite;

use std::path::Path;

use crate::error::{Error, Result};
use crate::target::Address;

pub use row::{Owner, Row};

/// What is done with each row.
pub type Visit<'a> = dyn FnMut(&Row<'_>) -> Result<()> + 'a;

/// A database with a Databunker store.
pub trait Source {
    /// The names of its tables.
    fn tables(&mut self) -> Result<Vec<String>>;

    /// How many rows a table has.
    fn count(&mut self, table: &str) -> Result<u64>;

    /// Reads rows, one after the other.
    fn scan(&mut self, query: &Query<'_>, visit: &mut Visit<'_>) -> Result<()>;
}

/// What is read of a table.
pub struct Query<'a> {
    /// Its name.
    pub table: &'a str,
    /// Its columns.
    pub columns: &'static [&'static str],
    /// Whether rows belong to users, by a column `token`: whose key is read with them.
    pub of_users: bool,
    /// At most so many rows, with something in their first column.
    pub limit: Option<u32>,
}

impl Query<'_> {
    /// In SQL. Names stand in `quote`; `cast` follows each column and makes it a text.
    fn sql(&self, quote: char, cast: &str) -> String {
        let name = |name: &str| format!("{quote}{name}{quote}");
        let mut values: Vec<_> =
            self.columns.iter().map(|column| format!("t.{}{cast}", name(column))).collect();
        if self.of_users {
            // Not a join: only PostgreSQL and MySQL keep tokens from being there twice.
            for value in [format!("u.{}{cast}", name("key")), format!("'1'{cast}")] {
                values
                    .push(format!("(SELECT {value} FROM users u WHERE u.token = t.token LIMIT 1)"));
            }
        }
        let limit = self
            .limit
            .zip(self.columns.first())
            .map(|(limit, first)| format!(" WHERE t.{} <> '' LIMIT {limit}", name(first)));
        let limit = limit.unwrap_or_default();
        format!("SELECT {} FROM {} t{limit}", values.join(", "), name(self.table))
    }
}

/// How to reach a source besides its name.
pub struct Access<'a> {
    /// The password of the user.
    pub password: Option<&'a str>,
    /// Whose certificates are believed.
    pub ca: Option<&'a Path>,
}

/// Opens the store of that name, in a transaction that sees one state of it.
///
/// # Errors
/// Wrong usage when the name is none or has a password in it; refused when there is no store.
pub fn open(name: &str, access: &Access<'_>) -> Result<Box<dyn Source>> {
    let mut source: Box<dyn Source> =
        if name.starts_with("postgresql://") || name.starts_with("postgres://") {
            Box::new(postgres::Postgres::connect(name, access)?)
        } else {
            match Address::parse(name)? {
                Address::Sqlite(path) => Box::new(sqlite::Sqlite::open(&path)?),
                Address::Mysql(server) => Box::new(mysql::Mysql::connect(&server, access)?),
            }
        };
    let tables = source.tables()?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    if !has("users") || !has("xtokens") {
        return Err(Error::Refused("this is not a Databunker store: it has no users or xtokens"));
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_reads_texts_and_the_key_of_the_user() {
        let query =
            Query { table: "app_x", columns: &["token", "when"], of_users: true, limit: Some(7) };
        assert_eq!(
            query.sql('"', "::text"),
            "SELECT t.\"token\"::text, t.\"when\"::text, \
             (SELECT u.\"key\"::text FROM users u WHERE u.token = t.token LIMIT 1), \
             (SELECT '1'::text FROM users u WHERE u.token = t.token LIMIT 1) \
             FROM \"app_x\" t WHERE t.\"token\" <> '' LIMIT 7"
        );
        let query = Query { of_users: false, limit: None, ..query };
        assert_eq!(query.sql('`', ""), "SELECT t.`token`, t.`when` FROM `app_x` t");
    }
}
