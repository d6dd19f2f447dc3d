//! A store in a PostgreSQL database.

use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;

use super::{Access, Query, Row, Source, Visit};
use crate::error::{Error, Result};
use crate::vault;

/// A store in a PostgreSQL database.
pub struct Postgres(Client);

const TABLES: &str = "SELECT tablename::text FROM pg_catalog.pg_tables \
                      WHERE schemaname = ANY (pg_catalog.current_schemas(false)) ORDER BY tablename";

const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl Postgres {
    /// Connects to its server.
    pub fn connect(url: &str, access: &Access<'_>) -> Result<Self> {
        // PGPASSWORD is the vault's, and not for this server.
        let password = access.password.unwrap_or_default();
        let client = vault::connect(url, access.ca, Some(password));
        let mut client = client.map_err(|error| match error {
            Error::Vault(error) => Error::Source(error),
            error => error,
        })?;
        client.batch_execute(SNAPSHOT).map_err(Error::Source)?;
        Ok(Self(client))
    }
}

impl Source for Postgres {
    fn tables(&mut self) -> Result<Vec<String>> {
        let rows = self.0.query(TABLES, &[]).map_err(Error::Source)?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn count(&mut self, table: &str) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM \"{table}\"");
        let row = self.0.query_one(&sql, &[]).map_err(Error::Source)?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }

    fn scan(&mut self, query: &Query<'_>, visit: &mut Visit<'_>) -> Result<()> {
        let sql = query.sql('"', "::text");
        let mut rows = self.0.query_raw(&sql, Vec::<String>::new()).map_err(Error::Source)?;
        while let Some(row) = rows.next().map_err(Error::Source)? {
            let cells: Result<Vec<_>, _> =
                (0..row.len()).map(|column| bytes(&row, column)).collect();
            visit(&Row::new(query, cells.map_err(Error::Source)?))?;
        }
        Ok(())
    }
}

fn bytes(row: &postgres::Row, column: usize) -> Result<Option<Vec<u8>>, postgres::Error> {
    Ok(row.try_get::<_, Option<String>>(column)?.map(String::into_bytes))
}
