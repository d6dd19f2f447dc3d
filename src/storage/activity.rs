//! `bunker.activity` and `bunker.activity_basis`: what personal data are processed for, and on which
//! legal bases.

use super::sql;
use crate::error::Result;
use crate::pg::jsonb::Jsonb;
use crate::pg::relation::TableRef;
use crate::pg::value::Value;

/// The activities.
pub static TABLE: TableRef = TableRef::new(c"activity", c"activity_pkey");
/// Their legal bases.
pub static LINKS: TableRef = TableRef::new(c"activity_basis", c"activity_basis_pkey");

/// An activity.
pub struct Row {
    /// Its name.
    pub activity: String,
    /// What it is, as a JSON object's text.
    pub definition: String,
    /// When it was added.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
}

/// All activities by name, each with its legal bases by brief.
pub fn all() -> Result<Vec<(Row, Vec<String>)>> {
    sql::rows(
        "SELECT a.activity, a.definition, a.created_at, a.updated_at,
                ARRAY(SELECT l.brief
                        FROM bunker.activity_basis AS l
                       WHERE l.activity OPERATOR(pg_catalog.=) a.activity
                       ORDER BY l.brief)
           FROM bunker.activity AS a
          ORDER BY a.activity",
        &[],
        |row| Ok((read(row)?, row.get(5)?)),
    )
}

/// Keeps an activity from being changed or removed until the transaction ends.
pub fn lock(activity: &str) -> Result<Option<Row>> {
    sql::written_row(
        "SELECT a.activity, a.definition, a.created_at, a.updated_at
           FROM bunker.activity AS a
          WHERE a.activity OPERATOR(pg_catalog.=) $1
            FOR UPDATE",
        &[Value::Text(activity)],
        read,
    )
}

/// Adds an activity; false when there is one of that name.
pub fn insert(row: Row) -> Result<bool> {
    let definition = Jsonb::from(row.definition);
    let added = sql::run(
        "INSERT INTO bunker.activity (activity, definition, created_at, updated_at)
         VALUES ($1, $2, $3, $4)
             ON CONFLICT (activity) DO NOTHING",
        &[
            Value::Text(&row.activity),
            Value::document(definition),
            Value::Time(row.created_at),
            Value::Time(row.updated_at),
        ],
    )?;
    Ok(added == 1)
}

/// Replaces what an activity is.
pub fn update(row: Row) -> Result<()> {
    let definition = Jsonb::from(row.definition);
    sql::run(
        "UPDATE bunker.activity SET definition = $2, updated_at = $3
          WHERE activity OPERATOR(pg_catalog.=) $1",
        &[Value::Text(&row.activity), Value::document(definition), Value::Time(row.updated_at)],
    )
    .map(|_| ())
}

/// Removes an activity; whether there was one. Its links are left to [`unlink_all_of`].
pub fn delete(activity: &str) -> Result<bool> {
    let deleted = sql::run(
        "DELETE FROM bunker.activity WHERE activity OPERATOR(pg_catalog.=) $1",
        &[Value::Text(activity)],
    )?;
    Ok(deleted > 0)
}

/// Rests an activity on a legal basis; false when it did already.
pub fn link(activity: &str, brief: &str) -> Result<bool> {
    let added = sql::run(
        "INSERT INTO bunker.activity_basis (activity, brief) VALUES ($1, $2)
             ON CONFLICT (activity, brief) DO NOTHING",
        &[Value::Text(activity), Value::Text(brief)],
    )?;
    Ok(added == 1)
}

/// Takes a legal basis from an activity; whether it rested on it.
pub fn unlink(activity: &str, brief: &str) -> Result<bool> {
    let removed = sql::run(
        "DELETE FROM bunker.activity_basis
          WHERE activity OPERATOR(pg_catalog.=) $1 AND brief OPERATOR(pg_catalog.=) $2",
        &[Value::Text(activity), Value::Text(brief)],
    )?;
    Ok(removed > 0)
}

/// Takes all legal bases from an activity.
pub fn unlink_all_of(activity: &str) -> Result<()> {
    sql::run(
        "DELETE FROM bunker.activity_basis WHERE activity OPERATOR(pg_catalog.=) $1",
        &[Value::Text(activity)],
    )
    .map(|_| ())
}

/// Takes a legal basis from all activities; from how many.
pub fn unlink_all_from(brief: &str) -> Result<usize> {
    sql::run(
        "DELETE FROM bunker.activity_basis WHERE brief OPERATOR(pg_catalog.=) $1",
        &[Value::Text(brief)],
    )
}

fn read(row: &sql::Row<'_>) -> Result<Row> {
    Ok(Row {
        activity: row.get(1)?,
        definition: row.get::<Jsonb>(2)?.as_str().to_owned(),
        created_at: row.time(3)?,
        updated_at: row.time(4)?,
    })
}
