//! The caller's table, as the server's catalog has it.

use postgres::Client;

use crate::error::{Error, Result};
use crate::table::sql::identifier;

/// A column of it.
#[derive(Debug)]
pub struct Column {
    /// Its name, as it is, without quotes.
    pub name: String,
    /// Its type as SQL has it, such as `character varying(80)`.
    pub kind: String,
    /// Whether it never is NULL.
    pub is_required: bool,
    /// Whether new rows have something in it by themselves.
    pub has_default: bool,
}

/// The table.
#[derive(Debug)]
pub struct Table {
    oid: u32,
    /// Its schema and name, quoted.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// What names its rows: the columns of the primary key, or of the unique index that was asked for.
    pub key: Vec<String>,
}

const FIND: &str = "
    SELECT class.oid, pg_catalog.format('%I.%I', namespace.nspname, class.relname),
           class.relkind IN ('r', 'p'),
           class.relkind = 'r' AND EXISTS (
               SELECT FROM pg_catalog.pg_inherits WHERE inhparent = class.oid)
      FROM pg_catalog.pg_class AS class
      JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
     WHERE class.oid = pg_catalog.to_regclass($1::text)";

const COLUMNS: &str = "
    SELECT attname::text, pg_catalog.format_type(atttypid, atttypmod), attnotnull, atthasdef
      FROM pg_catalog.pg_attribute
     WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
     ORDER BY attnum";

/// The unique keys, the primary key first. NULLs would be equal to nothing, so they cannot be part.
const KEYS: &str = "
    SELECT ARRAY(SELECT attribute.attname::text
                   FROM unnest(index.indkey::int2[]) WITH ORDINALITY AS part (number, place)
                   JOIN pg_catalog.pg_attribute AS attribute
                     ON attribute.attrelid = index.indrelid AND attribute.attnum = part.number
                  WHERE part.place <= index.indnkeyatts
                  ORDER BY part.place),
           index.indisprimary
      FROM pg_catalog.pg_index AS index
     WHERE index.indrelid = $1 AND index.indisunique AND index.indisvalid AND index.indimmediate
       AND index.indpred IS NULL AND index.indexprs IS NULL
     ORDER BY index.indisprimary DESC, index.indexrelid";

impl Table {
    /// Finds a table by its name in SQL, and the key of its rows.
    pub fn find(client: &mut Client, name: &str, key: &[String]) -> Result<Self> {
        let row = client
            .query_opt(FIND, &[&name])?
            .ok_or(Error::NotFound("there is no such table in the database of the vault"))?;
        if !row.get::<_, bool>(2) {
            return Err(Error::Usage("that is no table: tokens can only be left in one"));
        }
        if row.get::<_, bool>(3) {
            return Err(Error::Usage(
                "other tables inherit from it, and its key does not name their rows",
            ));
        }
        let mut table =
            Self { oid: row.get(0), name: row.get(1), columns: Vec::new(), key: key.to_vec() };
        table.read_columns(client)?;
        for column in key {
            table.column(column)?;
        }
        table.key = table.unique_key(client)?;
        Ok(table)
    }

    /// Reads the columns anew.
    pub fn read_columns(&mut self, client: &mut Client) -> Result<()> {
        let column = |row: &postgres::Row| Column {
            name: row.get(0),
            kind: row.get(1),
            is_required: row.get(2),
            has_default: row.get(3),
        };
        self.columns = client.query(COLUMNS, &[&self.oid])?.iter().map(column).collect();
        Ok(())
    }

    fn unique_key(&self, client: &mut Client) -> Result<Vec<String>> {
        for row in client.query(KEYS, &[&self.oid])? {
            let (columns, is_primary): (Vec<String>, bool) = (row.get(0), row.get(1));
            let is_wanted = match self.key.as_slice() {
                [] => is_primary,
                wanted => same_names(wanted, &columns) && self.are_required(&columns),
            };
            if is_wanted {
                return Ok(columns);
            }
        }
        Err(Error::Usage(match self.key.as_slice() {
            [] => "the table has no primary key: name the columns of a unique index with --key",
            _ => "the columns of --key need a unique index of their own, and NOT NULL",
        }))
    }

    fn are_required(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.column(name).is_ok_and(|column| column.is_required))
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.columns
            .iter()
            .find(|column| column.name == name)
            .ok_or_else(|| Error::UsageOf("the table has no such column", name.to_owned()))
    }

    /// Whether the keys of rows are numbers or uuids: nothing that tells of a person.
    pub fn has_plain_key(&self) -> bool {
        const PLAIN: [&str; 4] = ["smallint", "integer", "bigint", "uuid"];
        self.key
            .iter()
            .all(|name| self.column(name).is_ok_and(|it| PLAIN.contains(&it.kind.as_str())))
    }
}

fn same_names(some: &[String], others: &[String]) -> bool {
    some.len() == others.len() && some.iter().all(|name| others.contains(name))
}

/// Whether the column can take tokens, and have none yet.
pub fn is_token_column(column: &Column) -> bool {
    let is_text = column.kind == "text"
        || column.kind.strip_prefix("character varying").is_some_and(|rest| {
            let length = rest.trim_matches(['(', ')']);
            length.is_empty() || length.parse().is_ok_and(|length: u32| length >= TOKEN_LEN)
        });
    (is_text || column.kind == "uuid") && !column.is_required && !column.has_default
}

/// Length of a uuid's text.
const TOKEN_LEN: u32 = 36;

/// Adds a token column to the table.
pub fn add_token_column(client: &mut Client, table: &mut Table, name: &str) -> Result<()> {
    let mut transaction = client.transaction()?;
    transaction.batch_execute("SET LOCAL lock_timeout = '10s'")?;
    let column = identifier(name);
    transaction
        .batch_execute(&format!("ALTER TABLE {} ADD COLUMN {column} uuid UNIQUE", table.name))?;
    transaction.commit()?;
    table.read_columns(client)
}
