//! MySQL and MariaDB databases.

use std::env;
use std::path::Path;

use bunker_bundle::layout::{self, Flavor};
use bunker_bundle::{Kind, Table, Value, schema};
use mysql::prelude::Queryable;
use mysql::{Conn, DriverError, Error as Failure, OptsBuilder, Params, SslOpts};

use super::address::{Server, Tls};
use super::{LOSES_ROWS, Target, TargetOptions, Visit, insert_statement, uuid_or_text};
use crate::error::{Error, Result};
use crate::files;
use crate::tls;

/// A database of a MySQL or MariaDB server.
pub struct Mysql {
    connection: Conn,
    /// The server's `max_allowed_packet`, in bytes.
    max_packet: usize,
}

/// Statements that are kept prepared: some for each table and what is done with it.
const CACHED: usize = 128;

/// What every session begins with, whatever the server's own settings: values that do not fit are
/// refused, and an answer has all rows.
const SESSION: &[&str] = &[
    "SET NAMES utf8mb4",
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit = 1, \
     wait_timeout = 28800, group_concat_max_len = 1048576, sql_safe_updates = 0, \
     sql_select_limit = 18446744073709551615, sql_big_selects = 1",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

/// Begins a transaction that reads, and sees one state of the database.
pub const SNAPSHOT: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

/// The lock that keeps two tools from writing at once; locks belong to the server, not to a database.
const LOCK: &str = "SELECT GET_LOCK(CONCAT('databunker.', LEFT(SHA2(DATABASE(), 256), 40)), 10)";

const TABLES_OF_THAT_NAME: &str = "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.tables \
                                   WHERE table_schema = DATABASE() AND table_name = ?";

impl Mysql {
    /// Connects to a server.
    pub fn connect(server: &Server, options: &TargetOptions) -> Result<Self> {
        let password = files::password(options.target_password_file.as_deref(), "MYSQL_PWD")?;
        let password = password.as_ref().map(|password| password.as_str());
        let mut connection = connect(server, password, options.target_ca.as_deref())?;
        let max_packet = connection.query_first("SELECT @@max_allowed_packet")?;
        Ok(Self { connection, max_packet: max_packet.unwrap_or(usize::MAX) })
    }

    /// DDL would end a transaction, so it comes before it, and only if it has to.
    fn make_tables(&mut self) -> Result<()> {
        let there: Vec<String> = self.connection.query("SHOW TABLES")?;
        let mut names = schema::TABLES.iter().map(layout::name).chain([layout::STATE.to_owned()]);
        if names.all(|name| there.contains(&name)) {
            return Ok(());
        }
        for definition in layout::definitions(Flavor::Mysql) {
            self.connection.query_drop(definition)?;
        }
        Ok(())
    }
}

/// A connection to a server; `ca` has the certificates that are believed.
pub fn connect(server: &Server, password: Option<&str>, ca: Option<&Path>) -> Result<Conn> {
    let ssl = match server.tls {
        Tls::Disabled => None,
        mode => {
            tls::install();
            let ssl = SslOpts::default()
                .with_root_cert_path(ca.map(Path::to_owned))
                .with_danger_skip_domain_validation(mode == Tls::VerifyCa);
            Some(ssl)
        }
    };
    let builder = OptsBuilder::new()
        .ip_or_hostname(Some(&server.host))
        .tcp_port(server.port)
        .socket(server.socket.as_deref())
        // Else a connection to this machine goes over to a socket that the server names.
        .prefer_socket(false)
        .user(server.user.clone().or_else(|| env::var("USER").ok()))
        .pass(password)
        .db_name(Some(&server.database))
        .stmt_cache_size(CACHED)
        .ssl_opts(ssl)
        .init(SESSION.to_vec());
    Ok(Conn::new(builder)?)
}

impl Target for Mysql {
    fn flavor(&self) -> Flavor {
        Flavor::Mysql
    }

    fn begin(&mut self) -> Result<()> {
        if self.connection.query_first::<Option<i64>, _>(LOCK)?.flatten() != Some(1) {
            return Err(Error::Busy("the target is being written to by somebody else"));
        }
        self.make_tables()?;
        self.connection.query_drop("START TRANSACTION")?;
        // Whoever applies a bundle as SQL text knows nothing of the lock above.
        self.connection.query_drop(format!("SELECT number FROM {} FOR UPDATE", layout::STATE))?;
        Ok(())
    }

    fn begin_reading(&mut self) -> Result<()> {
        Ok(self.connection.query_drop(SNAPSHOT)?)
    }

    fn commit(&mut self) -> Result<()> {
        Ok(self.connection.query_drop("COMMIT")?)
    }

    fn rollback(&mut self) {
        let _ = self.connection.query_drop("ROLLBACK");
    }

    fn has_table(&mut self, name: &str) -> Result<bool> {
        let count: Option<i64> = self.connection.exec_first(TABLES_OF_THAT_NAME, (name,))?;
        Ok(count.is_some_and(|count| count > 0))
    }

    fn execute(&mut self, statement: &str, parameters: &[Value<'_>]) -> Result<()> {
        Ok(self.connection.exec_drop(statement, bound(parameters))?)
    }

    fn insert(&mut self, table: &Table, rows: &[Vec<Value<'_>>]) -> Result<()> {
        let mut rest = rows;
        while !rest.is_empty() {
            let count = rows_at_once(rest);
            let (now, later) = rest.split_at(count);
            // The server would close the connection without a word.
            if bytes(now) > self.max_packet.saturating_sub(OVERHEAD) {
                return Err(Error::TooLarge(self.max_packet));
            }
            let statement = insert_statement(table, count);
            let values: Vec<_> = now.iter().flatten().map(parameter).collect();
            self.connection.exec_drop(statement, Params::Positional(values))?;
            // A row that takes another's place counts twice.
            if self.connection.affected_rows() < count as u64 {
                return Err(LOSES_ROWS);
            }
            rest = later;
        }
        Ok(())
    }

    fn query(
        &mut self,
        statement: &str,
        parameters: &[Value<'_>],
        kinds: &[Kind],
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        for row in self.connection.exec_iter(statement, bound(parameters))? {
            let values = row?.unwrap();
            let values: Vec<_> =
                kinds.iter().zip(values).map(|(kind, it)| value(*kind, it)).collect();
            visit(&values)?;
        }
        Ok(())
    }
}

/// The numbers of rows that one statement may add: few, so that the statements stay prepared.
const ROWS: [usize; 4] = [128, 32, 8, 1];

/// The most bytes in a statement of several rows: below the least `max_allowed_packet` in use, 1 MiB.
const MAX_BYTES: usize = 512 * 1024;

/// What a packet has besides the values, in bytes; with room to spare.
const OVERHEAD: usize = 1024;

fn rows_at_once(rows: &[Vec<Value<'_>>]) -> usize {
    let fits = |count: usize| count <= rows.len() && bytes(&rows[..count]) <= MAX_BYTES;
    ROWS.into_iter().find(|count| fits(*count)).unwrap_or(1)
}

fn bytes(rows: &[Vec<Value<'_>>]) -> usize {
    rows.iter().flatten().map(size).sum()
}

fn size(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len() + 9,
        Value::Bytes(bytes) => bytes.len() + 9,
        Value::Uuid(_) => 37,
        Value::Int(_) | Value::Null => 8,
    }
}

fn bound(parameters: &[Value<'_>]) -> Params {
    if parameters.is_empty() {
        return Params::Empty;
    }
    Params::Positional(parameters.iter().map(parameter).collect())
}

fn parameter(value: &Value<'_>) -> mysql::Value {
    match value {
        Value::Null => mysql::Value::NULL,
        Value::Int(number) => mysql::Value::Int(*number),
        Value::Text(text) => mysql::Value::Bytes(text.as_bytes().to_vec()),
        Value::Bytes(bytes) => mysql::Value::Bytes(bytes.to_vec()),
        Value::Uuid(uuid) => mysql::Value::Bytes(uuid.to_string().into_bytes()),
    }
}

/// A value of an answer.
fn value(kind: Kind, value: mysql::Value) -> Value<'static> {
    match (kind, value) {
        (_, mysql::Value::NULL) => Value::Null,
        (_, mysql::Value::Int(number)) => Value::Int(number),
        (_, mysql::Value::UInt(number)) => i64::try_from(number)
            .map_or_else(|_| Value::Text(number.to_string().into()), Value::Int),
        (Kind::Bytes, mysql::Value::Bytes(bytes)) => Value::Bytes(bytes.into()),
        (kind, mysql::Value::Bytes(bytes)) => match String::from_utf8(bytes) {
            Ok(text) => uuid_or_text(kind, &text),
            Err(error) => Value::Bytes(error.into_bytes().into()),
        },
        // No column of ours has such a type.
        (_, other) => Value::Text(other.as_sql(true).into()),
    }
}

/// Errors of a server that say nothing of a row: who may not do what, what is missing, what is full.
const TELLING: &[u16] = &[
    1021, 1040, 1044, 1045, 1046, 1049, 1053, 1114, 1129, 1130, 1142, 1143, 1146, 1153, 1158, 1159,
    1160, 1161, 1193, 1203, 1205, 1213, 1226, 1227, 1251, 1290, 1298, 1317, 1698, 1836, 1927, 3024,
    3159,
];

/// An error in words, without any value of a row.
pub fn words(failure: &Failure) -> String {
    let words = match failure {
        Failure::MySqlError(error) => return words_of_server(error),
        Failure::DriverError(DriverError::TlsNotSupported) => {
            return "the server has no TLS, which ?ssl-mode=disabled does without".to_owned();
        }
        Failure::FromValueError(_) | Failure::FromRowError(_) => {
            return "the server's answer is not what was expected".to_owned();
        }
        Failure::IoError(error) => error.to_string(),
        Failure::CodecError(error) => error.to_string(),
        Failure::DriverError(error) => error.to_string(),
        Failure::UrlError(error) => error.to_string(),
        Failure::TlsError(error) => error.to_string(),
    };
    if !words.contains("certificate") {
        return words;
    }
    format!(
        "{words}. Certificates are always verified: give --target-ca, and ?ssl-mode=verify-ca where \
         the certificate is for another name"
    )
}

fn words_of_server(error: &mysql::MySqlError) -> String {
    match error.code {
        1062 => "a row is there twice (1062)".to_owned(),
        code if TELLING.contains(&code) => format!("{} ({code})", error.message),
        code => format!("the server refuses it ({code}, {})", error.state),
    }
}
