//! A store in a MySQL or MariaDB database.

use std::path::Path;

use bunker_bundle::layout::Flavor;
use mysql::prelude::Queryable;
use mysql::{Conn, Params, Value};

use super::super::rows::{Cell, Cells, Change};
use super::super::schema::TABLES;
use super::{EXISTS, Sink, statement};
use crate::error::Result;
use crate::target::{Server, connect_mysql};

/// A store in a database, in one transaction until it is whole. Without its last row, the access token
/// of its owner, no server opens it.
pub struct Mysql(Conn);

impl Mysql {
    /// Begins a store; empty tables of an attempt before are taken.
    pub fn create(server: &Server, password: Option<&str>, ca: Option<&Path>) -> Result<Self> {
        let mut connection = connect_mysql(server, password, ca)?;
        let tables: Vec<String> = connection.query("SHOW TABLES")?;
        for table in TABLES {
            if !tables.iter().any(|name| name == table.name) {
                connection.query_drop(table.definition(Flavor::Mysql))?;
                for index in table.indexes(Flavor::Mysql) {
                    connection.query_drop(index)?;
                }
            } else if connection
                .query_first::<i32, _>(format!("SELECT 1 FROM {} LIMIT 1", table.name))?
                .is_some()
            {
                return Err(EXISTS);
            }
        }
        connection.query_drop("START TRANSACTION")?;
        Ok(Self(connection))
    }
}

impl Sink for Mysql {
    fn insert(&mut self, cells: &Cells) -> Result<()> {
        let values = cells.values.iter().map(value).collect();
        Ok(self.0.exec_drop(cells.table.insertion(), Params::Positional(values))?)
    }

    fn change(&mut self, change: &Change) -> Result<()> {
        let mut values: Vec<_> = change.values.iter().map(|(_, cell)| value(cell)).collect();
        values.push(Value::from(&change.row.1));
        Ok(self.0.exec_drop(statement(change), Params::Positional(values))?)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(self.0.query_drop("COMMIT")?)
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::NULL,
        Cell::Int(number) => Value::from(*number),
        Cell::Text(text) => Value::from(text),
    }
}
