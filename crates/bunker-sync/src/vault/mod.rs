//! The connection to the vault.

mod conninfo;
mod passfile;

use std::env;
use std::error::Error as _;
use std::path::{Path, PathBuf};

use postgres::config::{Host, SslMode};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::conninfo::Conninfo;
use self::passfile::Wanted;
use crate::error::{Error, Result};
use crate::tls;

/// Which vault.
#[derive(clap::Args)]
pub struct VaultArgs {
    /// Where the vault is, as for psql: "host=db.example dbname=shop user=ada", or a postgresql:// URL;
    /// without a password. sslmode is disable, prefer, require or verify-full (else PGSSLMODE): where TLS
    /// is used, the server's certificate is always verified
    #[arg(long = "vault", value_name = "CONNINFO")]
    conninfo: Option<String>,

    /// A file with the certificates, in PEM, of those who sign the certificate of the vault's server;
    /// else sslrootcert, PGSSLROOTCERT, ~/.postgresql/root.crt, or the system's
    #[arg(long, value_name = "FILE")]
    vault_ca: Option<PathBuf>,
}

/// Where PostgreSQL's socket is if nobody says otherwise.
const SOCKET_FOLDER: &str = "/var/run/postgresql";

impl VaultArgs {
    /// Whether the command line names one.
    pub fn is_given(&self) -> bool {
        self.conninfo.is_some()
    }

    /// Connects to it.
    pub fn connect(&self) -> Result<Client> {
        let conninfo = self.conninfo.as_deref().unwrap_or_default();
        let mut client = connect(conninfo, self.vault_ca.as_deref(), None)?;
        client.batch_execute(PATIENCE)?;
        Ok(client)
    }
}

/// What a role is allowed for its other work is too short for a whole vault.
const PATIENCE: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0";

/// Connects to a database, as libpq would. A file with certificates and a password that are given go
/// before those of the environment.
pub fn connect(text: &str, ca: Option<&Path>, password: Option<&str>) -> Result<Client> {
    let port = variable("PGPORT");
    let conninfo = Conninfo::parse(text, port.as_deref())?;
    let mut config = config(&conninfo)?;
    if let Some(password) = password {
        config.password(password);
    }
    let mode = ssl_mode(&conninfo)?;
    // As libpq: what goes through a socket of the file system needs no TLS.
    if mode == SslMode::Disable || config.get_hosts().iter().all(is_socket) {
        config.ssl_mode(SslMode::Disable);
        return Ok(config.connect(NoTls)?);
    }
    config.ssl_mode(mode);
    let client = tls::client(trusted(ca, &conninfo).as_deref())?;
    Ok(config.connect(MakeRustlsConnect::new(client))?)
}

/// Whose certificates are believed; `None` for the system's.
fn trusted(given: Option<&Path>, conninfo: &Conninfo) -> Option<PathBuf> {
    let named = conninfo.sslrootcert.clone().or_else(|| variable("PGSSLROOTCERT"));
    match given.map(Path::to_owned).or(named.map(PathBuf::from)) {
        Some(path) if path.as_os_str() == "system" => None,
        Some(path) => Some(path),
        None => {
            let usual = Path::new(&env::var_os("HOME")?).join(".postgresql/root.crt");
            usual.exists().then_some(usual)
        }
    }
}

fn config(conninfo: &Conninfo) -> Result<Config> {
    let mut config: Config = conninfo.rest.parse()?;
    if config.get_password().is_some() {
        return Err(Error::Usage(
            "a password does not belong on the command line: use PGPASSWORD or a password file",
        ));
    }
    config.application_name("bunker-sync");
    if config.get_hosts().is_empty() {
        let addresses: Vec<_> = config.get_hostaddrs().iter().map(ToString::to_string).collect();
        // A certificate is for a name or an address: without one there would be no TLS.
        for address in &addresses {
            config.host(address);
        }
        if addresses.is_empty() {
            config.host(variable("PGHOST").as_deref().unwrap_or(SOCKET_FOLDER));
        }
    }
    if let (None, Some(options)) = (config.get_options(), variable("PGOPTIONS")) {
        config.options(&options);
    }
    if let (true, Some(port)) = (config.get_ports().is_empty(), variable("PGPORT")) {
        config.port(port.parse().map_err(|_| Error::Usage("PGPORT is not a number"))?);
    }
    let user = || variable("PGUSER").or_else(|| variable("USER")).or_else(|| variable("LOGNAME"));
    if let (None, Some(user)) = (config.get_user(), user()) {
        config.user(&user);
    }
    if let (None, Some(name)) = (config.get_dbname(), variable("PGDATABASE")) {
        config.dbname(&name);
    }
    match variable("PGPASSWORD") {
        Some(password) => config.password(password),
        None => match password_of(&config, conninfo.passfile.as_deref()) {
            Some(password) => config.password(password.as_str()),
            None => &mut config,
        },
    };
    Ok(config)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The password file's password for the first host.
fn password_of(config: &Config, file: Option<&str>) -> Option<zeroize::Zeroizing<String>> {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(folder)) if folder == Path::new(SOCKET_FOLDER) => "localhost".to_owned(),
        Some(Host::Unix(folder)) => folder.display().to_string(),
        None => config.get_hostaddrs().first()?.to_string(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    passfile::find(file, &Wanted { host: &host, port: &port, database, user })
}

fn is_socket(host: &Host) -> bool {
    matches!(host, Host::Unix(_))
}

fn ssl_mode(conninfo: &Conninfo) -> Result<SslMode> {
    let mode = conninfo.sslmode.clone().or_else(|| variable("PGSSLMODE"));
    match mode.as_deref() {
        Some("disable") => Ok(SslMode::Disable),
        None | Some("allow" | "prefer") => Ok(SslMode::Prefer),
        Some("require" | "verify-ca" | "verify-full") => Ok(SslMode::Require),
        Some(_) => Err(Error::Usage("sslmode is disable, prefer, require or verify-full")),
    }
}

/// The schema of the vault's functions, quoted. They are called by their full names: a schema that goes
/// before it in the search_path, such as one with the name of the role, may belong to somebody else.
pub fn schema(client: &mut Client) -> Result<String> {
    const FIND: &str = "
        SELECT pg_catalog.quote_ident(namespace.nspname)
          FROM pg_catalog.pg_extension AS extension
          JOIN pg_catalog.pg_namespace AS namespace
            ON namespace.oid OPERATOR(pg_catalog.=) extension.extnamespace
         WHERE extension.extname OPERATOR(pg_catalog.=) 'databunker'::pg_catalog.name";
    let row = client.query_opt(FIND, &[])?;
    row.map(|row| row.get(0)).ok_or(Error::NotFound("that database has no vault"))
}

/// An error of the server in words: its message and hint, without the statement.
pub fn words(error: &postgres::Error) -> String {
    if let Some(told) = error.as_db_error() {
        return match told.hint() {
            Some(hint) => format!("{} ({}). {hint}", told.message(), told.code().code()),
            None => format!("{} ({})", told.message(), told.code().code()),
        };
    }
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    if words.contains("certificate") {
        words.push_str(
            ". Certificates are always verified: give --vault-ca or PGSSLROOTCERT, or \
             sslmode=disable to do without TLS",
        );
    }
    words
}

/// Why a call has failed that gave the vault a cursor or a bundle: it may be that the vault refuses it.
pub fn refusal(error: postgres::Error) -> Error {
    let refusals = [SqlState::INVALID_PARAMETER_VALUE, SqlState::UNIQUE_VIOLATION];
    if error.code().is_some_and(|code| refusals.contains(code)) {
        return Error::RefusedByVault(words(&error));
    }
    error.into()
}
