//! The name of a target.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::percent;

/// Which target.
#[derive(Debug, PartialEq, Eq)]
pub enum Address {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A database of a MySQL or MariaDB server.
    Mysql(Server),
}

/// A database of a MySQL or MariaDB server.
#[derive(Debug, PartialEq, Eq)]
pub struct Server {
    /// The user; without one that of the operating system.
    pub user: Option<String>,
    /// The host's name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The socket in the file system, which goes before host and port.
    pub socket: Option<String>,
    /// The database.
    pub database: String,
    /// How the connection is protected.
    pub tls: Tls,
}

/// How the connection to a MySQL server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Disabled,
    /// The server's certificate is signed by somebody trusted.
    VerifyCa,
    /// It is also for the host's name.
    VerifyIdentity,
}

/// Where MySQL listens.
const PORT: u16 = 3306;

const BAD_URL: Error =
    Error::Usage("the target is not mysql://USER@HOST:PORT/DATABASE[?socket=…][&ssl-mode=…]");

impl Address {
    /// Reads a name.
    ///
    /// # Errors
    /// Wrong usage: it is none, or has a password in it.
    pub fn parse(name: &str) -> Result<Self> {
        match name.split_once("://") {
            Some(("mysql" | "mariadb", rest)) => server(rest).map(Self::Mysql),
            Some(_) => Err(Error::Usage("a target is a SQLite file or mysql://…")),
            None => match name.strip_prefix("sqlite:").unwrap_or(name) {
                "" => Err(Error::Usage("the target has no name")),
                // SQLite takes these for something else than a file of that name.
                path if path.starts_with("file:") || path.starts_with(':') => {
                    Ok(Self::Sqlite(Path::new(".").join(path)))
                }
                path => Ok(Self::Sqlite(path.into())),
            },
        }
    }
}

fn server(rest: &str) -> Result<Server> {
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').ok_or(BAD_URL)?;
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => {
            return Err(Error::Usage(
                "a password does not belong on the command line: use --target-password-file or MYSQL_PWD",
            ));
        }
        Some((user, place)) => (Some(decoded(user)?), place),
        None => (None, authority),
    };
    let (host, port) = host_and_port(place)?;
    let mut server = Server {
        user: user.filter(|user| !user.is_empty()),
        tls: if is_here(&host) { Tls::Disabled } else { Tls::VerifyIdentity },
        host,
        port,
        socket: None,
        database: decoded(database)?,
    };
    for option in options.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=').ok_or(BAD_URL)? {
            ("socket", path) => server.socket = Some(decoded(path)?),
            ("ssl-mode", mode) => server.tls = tls(mode)?,
            _ => return Err(BAD_URL),
        }
    }
    if server.database.is_empty() || server.database.contains('/') {
        return Err(Error::Usage("the target names no database"));
    }
    Ok(server)
}

fn host_and_port(place: &str) -> Result<(String, u16)> {
    // An address of IPv6 stands in brackets.
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match place.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let port = port.map(str::parse).transpose().map_err(|_| BAD_URL)?.unwrap_or(PORT);
    let host = decoded(host)?;
    Ok((if host.is_empty() { "localhost".to_owned() } else { host }, port))
}

fn tls(mode: &str) -> Result<Tls> {
    match mode.to_ascii_lowercase().as_str() {
        "disabled" => Ok(Tls::Disabled),
        "verify-ca" | "verify_ca" => Ok(Tls::VerifyCa),
        "verify-identity" | "verify_identity" => Ok(Tls::VerifyIdentity),
        _ => Err(Error::Usage(
            "ssl-mode is verify-identity, verify-ca or disabled: certificates are always verified",
        )),
    }
}

/// Whether what is sent to the host stays on this machine.
fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn decoded(text: &str) -> Result<String> {
    percent::decode(text).ok_or(BAD_URL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mysql(name: &str) -> Server {
        let parsed = Address::parse(name);
        let Ok(Address::Mysql(server)) = parsed else {
            unreachable!("{parsed:?}");
        };
        server
    }

    #[test]
    fn paths_are_sqlite_files() {
        for (name, path) in [
            ("sqlite:a b.db", "a b.db"),
            ("/x/y", "/x/y"),
            ("C:db", "C:db"),
            (":memory:", "./:memory:"),
            ("file:x", "./file:x"),
        ] {
            assert_eq!(Address::parse(name).ok(), Some(Address::Sqlite(path.into())));
        }
    }

    #[test]
    fn a_url_is_taken_apart() {
        let server = mysql("mysql://a%40b@[fe80::1]:33/d%2Db?socket=%2Ftmp/s&ssl-mode=VERIFY_CA");
        assert_eq!(server.user.as_deref(), Some("a@b"));
        assert_eq!((server.host.as_str(), server.port), ("fe80::1", 33));
        assert_eq!(server.database, "d-b");
        assert_eq!(server.socket.as_deref(), Some("/tmp/s"));
        assert_eq!(server.tls, Tls::VerifyCa);
    }

    #[test]
    fn only_this_machine_is_reached_without_tls_by_default() {
        for here in ["localhost", "127.0.0.1", "127.9.9.9:3307", "[::1]", ""] {
            assert_eq!(mysql(&format!("mysql://{here}/d")).tls, Tls::Disabled, "{here}");
        }
        for there in ["db.example", "10.0.0.1", "localhost.example", "[fe80::1]"] {
            assert_eq!(mysql(&format!("mariadb://{there}/d")).tls, Tls::VerifyIdentity, "{there}");
        }
    }

    #[test]
    fn what_is_no_target_is_wrong_usage() {
        for bad in [
            "",
            "sqlite:",
            "postgresql://h/d",
            "mysql://h",
            "mysql://h/",
            "mysql://h/a/b",
            "mysql://u:pass@h/d",
            "mysql://u:@h/d",
            "mysql://h:x/d",
            "mysql://h:70000/d",
            "mysql://h/d?ssl-mode=required",
            "mysql://h/d?password=x",
            "mysql://h/d%2",
            "mysql://h/d%zz",
            "mysql://h/%ff",
        ] {
            let error = Address::parse(bad).err().map(|error| error.to_string());
            assert!(error.as_ref().is_some_and(|text| !text.contains("pass@")), "{bad}: {error:?}");
        }
    }
}
