//! `bunker.keyring`: sealed keys by purpose and version.

use bunker_core::crypto::{EntryId, Purpose};

use super::sql;
use crate::error::{Error, Result};
use crate::pg::relation::TableRef;
use crate::pg::value::Value;
use crate::pg::{scan, time};

/// The table.
pub static TABLE: TableRef = TableRef::new(c"keyring", c"keyring_pkey");

/// A key as it is stored.
pub struct Entry {
    /// Which key it is.
    pub id: EntryId,
    /// The key, sealed under the master key.
    pub sealed: Vec<u8>,
}

/// All entries, by rising version.
pub fn read() -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    scan::read_all(&TABLE, |row| {
        let purpose: Purpose = row.text(2)?.parse().map_err(|_| damaged())?;
        let id = u32::try_from(row.int4(1)?).map_err(|_| damaged())?;
        let version = u32::try_from(row.int4(3)?).map_err(|_| damaged())?;
        entries
            .push(Entry { id: EntryId { id, purpose, version }, sealed: row.bytes(4)?.to_vec() });
        Ok(())
    })?;
    entries.sort_by_key(|entry| entry.id.version);
    Ok(entries)
}

fn damaged() -> Error {
    Error::Damaged("the keyring")
}

/// How often the table has changed, as far as this backend knows.
pub fn changes() -> u32 {
    TABLE.changes()
}

/// Keeps others from making a keyring until this transaction ends; reading goes on.
pub fn lock() -> Result<()> {
    sql::run("LOCK TABLE bunker.keyring IN SHARE ROW EXCLUSIVE MODE", &[]).map(|_| ())
}

/// Stores new entries.
pub fn insert(entries: &[Entry]) -> Result<()> {
    entries.iter().try_for_each(|entry| insert_made_at(entry, time::transaction_start()))
}

/// Stores an entry that was made at a time, perhaps in another copy of the vault.
pub fn insert_made_at(Entry { id, sealed }: &Entry, created_at: i64) -> Result<()> {
    sql::run(
        "INSERT INTO bunker.keyring (id, purpose, version, sealed, created_at)
         VALUES ($1, $2, $3, $4, $5)",
        &[
            Value::Int4(id.id.cast_signed()),
            Value::Text(id.purpose.as_str()),
            Value::Int4(id.version.cast_signed()),
            Value::Bytes(sealed),
            Value::Time(created_at),
        ],
    )
    .map(drop)
}
