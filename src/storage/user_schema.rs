//! `bunker.user_schema`: what profiles have to satisfy, and had to.

use super::sql;
use crate::error::{Error, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::relation::TableRef;
use crate::pg::value::Value;
use crate::pg::{scan, time};

/// The table.
pub static TABLE: TableRef = TableRef::new(c"user_schema", c"user_schema_pkey");

/// How often the table has changed, as far as this backend knows.
pub fn changes() -> u32 {
    TABLE.changes()
}

/// The schema in force, as JSON text.
pub fn current() -> Result<Option<String>> {
    let mut newest = (0, None);
    scan::read_all(&TABLE, |row| {
        let version = row.int4(1)?;
        if version > newest.0 {
            let schema = row.optional::<Jsonb>(2).map(|schema| schema.as_str().to_owned());
            newest = (version, schema);
        }
        Ok(())
    })?;
    Ok(newest.1)
}

/// Adds a version that was made elsewhere, unless there is one of that number; whether it was added.
pub fn insert_version(
    version: i32,
    schema: Option<Jsonb>,
    created_at: i64,
    created_by: &str,
) -> Result<bool> {
    let schema = schema.map_or(Value::Null(pgrx::pg_sys::JSONBOID), Value::document);
    let added = sql::run(
        "INSERT INTO bunker.user_schema (version, schema, created_at, created_by)
         VALUES ($1, $2, $3, $4)
             ON CONFLICT (version) DO NOTHING",
        &[Value::Int4(version), schema, Value::Time(created_at), Value::Text(created_by)],
    )?;
    Ok(added == 1)
}

/// Adds a version; its number.
pub fn insert(schema: Option<Jsonb>, created_by: &str) -> Result<i32> {
    let schema = schema
        .and_then(pgrx::IntoDatum::into_datum)
        .map_or(Value::Null(pgrx::pg_sys::JSONBOID), Value::Jsonb);
    // Two at once: the second waits, then counts on from the first.
    sql::run("LOCK TABLE bunker.user_schema IN SHARE ROW EXCLUSIVE MODE", &[])?;
    let version = sql::written_row(
        "INSERT INTO bunker.user_schema (version, schema, created_at, created_by)
         SELECT COALESCE(pg_catalog.max(s.version), 0) OPERATOR(pg_catalog.+) 1, $1, $2, $3
           FROM bunker.user_schema AS s
         RETURNING version",
        &[schema, Value::Time(time::transaction_start()), Value::Text(created_by)],
        |row| row.get(1),
    )?;
    version.ok_or(Error::Internal("the user schema could not be stored"))
}
