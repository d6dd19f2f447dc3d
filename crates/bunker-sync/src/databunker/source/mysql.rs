//! A store in a MySQL or MariaDB database.

use mysql::prelude::Queryable;
use mysql::{Conn, Value};

use super::{Access, Query, Row, Source, Visit};
use crate::error::Result;
use crate::target::{MYSQL_SNAPSHOT, Server, connect_mysql};

/// A store in a MySQL or MariaDB database.
pub struct Mysql(Conn);

/// The server waits this long for us to take the next rows, while the vault takes the ones before.
const PATIENCE: &str = "SET SESSION net_write_timeout = 28800";

impl Mysql {
    /// Connects to its server.
    pub fn connect(server: &Server, access: &Access<'_>) -> Result<Self> {
        let mut connection = connect_mysql(server, access.password, access.ca)?;
        connection.query_drop(PATIENCE)?;
        connection.query_drop(MYSQL_SNAPSHOT)?;
        Ok(Self(connection))
    }
}

impl Source for Mysql {
    fn tables(&mut self) -> Result<Vec<String>> {
        Ok(self.0.query("SHOW TABLES")?)
    }

    fn count(&mut self, table: &str) -> Result<u64> {
        let count = self.0.query_first(format!("SELECT count(*) FROM `{table}`"))?;
        Ok(count.unwrap_or_default())
    }

    fn scan(&mut self, query: &Query<'_>, visit: &mut Visit<'_>) -> Result<()> {
        // The text protocol: every value comes as its text.
        for row in self.0.query_iter(query.sql('`', ""))? {
            let cells = row?.unwrap().into_iter().map(bytes).collect();
            visit(&Row::new(query, cells))?;
        }
        Ok(())
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}
