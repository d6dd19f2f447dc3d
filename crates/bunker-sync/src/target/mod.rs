//! Where a bundle can go: a SQLite file, a MySQL or MariaDB database.
//!
//! What differs between the two stands in [`sqlite`] and [`mysql`], behind [`Target`]; the statements
//! here are the same for both.

mod address;
mod mysql;
mod sqlite;

use std::path::PathBuf;

use bunker_bundle::layout::{self, Flavor};
use bunker_bundle::{Kind, Signed, Table, Value, schema};
use uuid::Uuid;

pub use address::{Address, Server};
pub use mysql::{SNAPSHOT as MYSQL_SNAPSHOT, connect as connect_mysql, words as mysql_words};

use crate::error::{Error, Result};

/// A target that adds fewer rows than it was given.
const LOSES_ROWS: Error = Error::Refused("the target does not keep the rows that it is given");

/// What is done with each row of an answer.
pub type Visit<'a> = dyn FnMut(&[Value<'static>]) -> Result<()> + 'a;

/// A database that holds a vault's content.
pub trait Target {
    /// What kind of database it is.
    fn flavor(&self) -> Flavor;

    /// Begins a transaction that writes, keeps everybody else from writing until it ends, and makes the
    /// tables that are missing.
    ///
    /// # Errors
    /// Among others when somebody else is writing and does not end within seconds.
    fn begin(&mut self) -> Result<()>;

    /// Begins a transaction that reads, and sees one state of the target.
    fn begin_reading(&mut self) -> Result<()>;

    /// Makes the transaction's changes last. A target that says so has them on disk, as far as its
    /// server's settings let it.
    fn commit(&mut self) -> Result<()>;

    /// Undoes the transaction's changes. What goes wrong here the end of the connection puts right.
    fn rollback(&mut self);

    /// Whether it has a table of that name.
    fn has_table(&mut self, name: &str) -> Result<bool>;

    /// Does a statement.
    fn execute(&mut self, statement: &str, parameters: &[Value<'_>]) -> Result<()>;

    /// Adds rows, each with a value for each column of the table.
    fn insert(&mut self, table: &Table, rows: &[Vec<Value<'_>>]) -> Result<()>;

    /// Reads the rows that a statement gives, one after the other; `kinds` are those of their columns.
    /// What does not fit its kind comes as text or bytes.
    fn query(
        &mut self,
        statement: &str,
        parameters: &[Value<'_>],
        kinds: &[Kind],
        visit: &mut Visit<'_>,
    ) -> Result<()>;
}

/// How to reach a target besides its name.
#[derive(clap::Args)]
pub struct TargetOptions {
    /// A file with the password of the target's MySQL user; else the variable MYSQL_PWD
    #[arg(long, value_name = "FILE")]
    target_password_file: Option<PathBuf>,

    /// A file with the certificates, in PEM, of those who sign the certificate of the target's MySQL
    /// server; else Mozilla's list
    #[arg(long, value_name = "FILE")]
    target_ca: Option<PathBuf>,
}

/// Which target.
#[derive(clap::Args)]
pub struct TargetArgs {
    /// A SQLite file, "sqlite:PATH" or just its path; or
    /// "mysql://USER@HOST:PORT/DATABASE[?socket=PATH][&ssl-mode=MODE]", without a password, also for
    /// MariaDB. MODE is verify-identity (the default for hosts other than this one), verify-ca or
    /// disabled: certificates are always verified
    #[arg(value_name = "TARGET")]
    name: String,

    #[command(flatten)]
    options: TargetOptions,
}

impl TargetArgs {
    /// Opens the target to read.
    pub fn open(&self) -> Result<Box<dyn Target>> {
        self.options.open(&self.name)
    }

    /// Opens the target to write. A SQLite file that is not there is made, for its owner only.
    pub fn create(&self) -> Result<Box<dyn Target>> {
        self.options.create(&self.name)
    }
}

impl TargetOptions {
    /// See [`TargetArgs::open`].
    pub fn open(&self, name: &str) -> Result<Box<dyn Target>> {
        match Address::parse(name)? {
            Address::Sqlite(path) => Ok(Box::new(sqlite::Sqlite::open(&path)?)),
            Address::Mysql(server) => Ok(Box::new(mysql::Mysql::connect(&server, self)?)),
        }
    }

    /// See [`TargetArgs::create`].
    pub fn create(&self, name: &str) -> Result<Box<dyn Target>> {
        match Address::parse(name)? {
            Address::Sqlite(path) => Ok(Box::new(sqlite::Sqlite::create(&path)?)),
            Address::Mysql(server) => Ok(Box::new(mysql::Mysql::connect(&server, self)?)),
        }
    }
}

/// Begins to read a target; its [`state`].
///
/// # Errors
/// Among others not found when it has none.
pub fn read(target: &mut dyn Target) -> Result<Signed> {
    target.begin_reading()?;
    state(target)?.ok_or(Error::NotFound("the target holds no bundle yet"))
}

/// What the bundle that a target has applied last said of itself, with its signature.
pub fn state(target: &mut dyn Target) -> Result<Option<Signed>> {
    use Kind::{Int, Text, Time, Uuid};
    if !target.has_table(layout::STATE)? {
        return Ok(None);
    }
    let mut found = None;
    let kinds = [Int, Uuid, Uuid, Uuid, Time, Text, Text, Text];
    let statement = format!("SELECT {} FROM {}", layout::STATE_COLUMNS.join(", "), layout::STATE);
    target.query(&statement, &[], &kinds, &mut |row| {
        found = Some(state_of(row)?);
        Ok(())
    })?;
    Ok(found)
}

/// The state as its row has it, once in columns of its own and once signed: both have to say the same.
fn state_of(row: &[Value<'_>]) -> Result<Signed> {
    let damaged = Error::Refused("the target is damaged: its state cannot be read");
    let [columns @ .., Value::Text(text), Value::Text(signature)] = row else {
        return Err(damaged);
    };
    let Ok(signed) = Signed::parse(text, signature) else {
        return Err(damaged);
    };
    if columns != state_columns(&signed) {
        return Err(Error::Refused("the target is damaged: its state contradicts its summary"));
    }
    Ok(signed)
}

fn state_columns(signed: &Signed) -> [Value<'_>; 6] {
    let header = &signed.summary.bundle;
    [
        Value::Int(header.number),
        Value::Uuid(header.id),
        Value::Uuid(header.vault),
        header.previous.map_or(Value::Null, Value::Uuid),
        Value::Int(header.made_at),
        Value::Text((&signed.summary.cursor).into()),
    ]
}

/// Puts down which bundle the target has applied now.
pub fn set_state(target: &mut dyn Target, signed: &Signed) -> Result<()> {
    let mut values = vec![Value::Int(1)];
    values.extend(state_columns(signed));
    values.push(Value::Text((&signed.text).into()));
    values.push(Value::Text(signed.signature_hex().into()));
    target.execute(&format!("DELETE FROM {}", layout::STATE), &[])?;
    let (columns, marks) = (layout::STATE_COLUMNS.join(", "), marks(values.len()));
    let statement = format!("INSERT INTO {} (only_row, {columns}) VALUES ({marks})", layout::STATE);
    target.execute(&statement, &values)
}

/// Empties tables.
pub fn replace(target: &mut dyn Target, tables: &[&'static Table]) -> Result<()> {
    for table in tables {
        target.execute(&format!("DELETE FROM {}", layout::name(table)), &[])?;
    }
    Ok(())
}

/// Removes what had ended by itself at a time.
pub fn remove_ended(target: &mut dyn Target, time: i64) -> Result<()> {
    for (table, ends) in schema::ending() {
        let statement = format!("DELETE FROM {} WHERE {ends} <= ?", layout::name(table));
        target.execute(&statement, &[Value::Int(time)])?;
    }
    Ok(())
}

/// The most users in one statement.
const MAX_USERS: usize = 500;

/// Removes all that is held of users.
pub fn remove_users(target: &mut dyn Target, tokens: &[Uuid]) -> Result<()> {
    for some in tokens.chunks(MAX_USERS) {
        let values: Vec<_> = some.iter().copied().map(Value::Uuid).collect();
        for table in schema::of_users() {
            let (name, user) = (layout::name(table), table.user.unwrap_or_default());
            let statement = format!("DELETE FROM {name} WHERE {user} IN ({})", marks(some.len()));
            target.execute(&statement, &values)?;
        }
    }
    Ok(())
}

/// Reads all rows of a table, in the order of its key.
pub fn scan(target: &mut dyn Target, table: &'static Table, visit: &mut Visit<'_>) -> Result<()> {
    let statement = format!("{} ORDER BY {}", select(table), table.key.join(", "));
    target.query(&statement, &[], &kinds(table), visit)
}

/// The first row of a table whose columns have these values.
pub fn find(
    target: &mut dyn Target,
    table: &'static Table,
    columns: &[&str],
    values: &[Value<'_>],
) -> Result<Option<Vec<Value<'static>>>> {
    let conditions: Vec<_> = columns.iter().map(|column| format!("{column} = ?")).collect();
    let statement = format!("{} WHERE {}", select(table), conditions.join(" AND "));
    let mut found = None;
    target.query(&statement, values, &kinds(table), &mut |row| {
        found.get_or_insert_with(|| row.to_vec());
        Ok(())
    })?;
    Ok(found)
}

/// How many rows each table has.
pub fn counts(target: &mut dyn Target) -> Result<Vec<(&'static Table, u64)>> {
    schema::TABLES.iter().map(|table| Ok((table, count(target, table)?))).collect()
}

fn count(target: &mut dyn Target, table: &Table) -> Result<u64> {
    let mut count = 0;
    let statement = format!("SELECT COUNT(*) FROM {}", layout::name(table));
    target.query(&statement, &[], &[Kind::Int], &mut |row| {
        if let [Value::Int(number)] = row {
            count = number.cast_unsigned();
        }
        Ok(())
    })?;
    Ok(count)
}

/// The statement that reads all columns of a table, and whatever is to follow.
pub fn select(table: &Table) -> String {
    format!("SELECT {} FROM {}", table.column_names().join(", "), layout::name(table))
}

/// The kinds of a table's columns.
pub fn kinds(table: &Table) -> Vec<Kind> {
    table.columns.iter().map(|column| column.kind).collect()
}

/// The statement that adds so many rows to a table.
///
/// An address that one user has given up and another has taken may come with the latter first, in an
/// earlier group of a bundle: his entry takes the place of the other one, whose rows go later.
fn insert_statement(table: &Table, rows: usize) -> String {
    let columns = table.column_names();
    let row = format!("({})", marks(columns.len()));
    let rows = vec![row; rows].join(", ");
    let verb = if table.takes_over() { "REPLACE" } else { "INSERT" };
    format!("{verb} INTO {} ({}) VALUES {rows}", layout::name(table), columns.join(", "))
}

/// So many parameters of a statement.
fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// A value as it came from a target: of the kind of its column, if it is one.
fn uuid_or_text(kind: Kind, text: &str) -> Value<'static> {
    match Uuid::try_parse(text) {
        Ok(uuid) if kind == Kind::Uuid => Value::Uuid(uuid),
        _ => Value::Text(text.to_owned().into()),
    }
}
