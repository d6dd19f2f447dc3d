//! `bunker.legal_basis`: why personal data may be processed.

use super::sql;
use crate::error::Result;
use crate::pg::jsonb::Jsonb;
use crate::pg::relation::TableRef;
use crate::pg::value::Value;

/// The table.
pub static TABLE: TableRef = TableRef::new(c"legal_basis", c"legal_basis_pkey");

/// A legal basis.
pub struct Row {
    /// Its name.
    pub brief: String,
    /// Whether it may be agreed to.
    pub status: String,
    /// What it says, as a JSON object's text.
    pub definition: String,
    /// When it was added.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
}

/// All of them by brief; those of the status `hidden_unless_used` only while an agreement refers to them.
pub fn all(hidden_unless_used: &str) -> Result<Vec<Row>> {
    sql::rows(
        "SELECT b.brief, b.status, b.definition, b.created_at, b.updated_at
           FROM bunker.legal_basis AS b
          WHERE b.status OPERATOR(pg_catalog.<>) $1
             OR EXISTS (SELECT FROM bunker.agreement AS a
                         WHERE a.brief OPERATOR(pg_catalog.=) b.brief)
          ORDER BY b.brief",
        &[Value::Text(hidden_unless_used)],
        read,
    )
}

/// Keeps a basis from being changed or removed until the transaction ends.
pub fn lock(brief: &str) -> Result<Option<Row>> {
    sql::written_row(
        "SELECT b.brief, b.status, b.definition, b.created_at, b.updated_at
           FROM bunker.legal_basis AS b
          WHERE b.brief OPERATOR(pg_catalog.=) $1
            FOR UPDATE",
        &[Value::Text(brief)],
        read,
    )
}

/// The same for those who agree to it: they keep [`lock`] out, but not each other. FOR SHARE as in
/// [`super::record::keep`].
pub fn keep(brief: &str) -> Result<Option<Row>> {
    sql::written_row(
        "SELECT b.brief, b.status, b.definition, b.created_at, b.updated_at
           FROM bunker.legal_basis AS b
          WHERE b.brief OPERATOR(pg_catalog.=) $1
            FOR SHARE",
        &[Value::Text(brief)],
        read,
    )
}

/// Adds a basis; false when there is one of that name.
pub fn insert(row: Row) -> Result<bool> {
    let definition = Jsonb::from(row.definition);
    let added = sql::run(
        "INSERT INTO bunker.legal_basis (brief, status, definition, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (brief) DO NOTHING",
        &[
            Value::Text(&row.brief),
            Value::Text(&row.status),
            Value::document(definition),
            Value::Time(row.created_at),
            Value::Time(row.updated_at),
        ],
    )?;
    Ok(added == 1)
}

/// Replaces all but the name.
pub fn update(row: Row) -> Result<()> {
    let definition = Jsonb::from(row.definition);
    sql::run(
        "UPDATE bunker.legal_basis
            SET status = $2, definition = $3, created_at = $4, updated_at = $5
          WHERE brief OPERATOR(pg_catalog.=) $1",
        &[
            Value::Text(&row.brief),
            Value::Text(&row.status),
            Value::document(definition),
            Value::Time(row.created_at),
            Value::Time(row.updated_at),
        ],
    )
    .map(|_| ())
}

/// Removes a basis.
pub fn delete(brief: &str) -> Result<()> {
    sql::run(
        "DELETE FROM bunker.legal_basis WHERE brief OPERATOR(pg_catalog.=) $1",
        &[Value::Text(brief)],
    )
    .map(|_| ())
}

fn read(row: &sql::Row<'_>) -> Result<Row> {
    Ok(Row {
        brief: row.get(1)?,
        status: row.get(2)?,
        definition: row.get::<Jsonb>(3)?.as_str().to_owned(),
        created_at: row.time(4)?,
        updated_at: row.time(5)?,
    })
}
