//! Connection strings as libpq has them: what the driver does not know of is taken out of them.

use crate::error::{Error, Result};
use crate::percent;

/// A connection string, taken apart.
#[derive(Default)]
pub struct Conninfo {
    /// What is for the driver.
    pub rest: String,
    /// `sslmode`.
    pub sslmode: Option<String>,
    /// `sslrootcert`.
    pub sslrootcert: Option<String>,
    /// `passfile`.
    pub passfile: Option<String>,
}

const BAD: Error = Error::Usage("the connection string of the vault cannot be read");

impl Conninfo {
    /// Reads a postgresql:// URL, a list of name=value, or just the name of a database. `port` is for
    /// hosts of a URL that has none for them.
    pub fn parse(text: &str, port: Option<&str>) -> Result<Self> {
        if text.starts_with("postgresql://") || text.starts_with("postgres://") {
            return Self::from_url(text, port);
        }
        if !text.contains('=') {
            let mut conninfo = Self::default();
            if !text.trim().is_empty() {
                conninfo.add("dbname", text.trim());
            }
            return Ok(conninfo);
        }
        let mut conninfo = Self::default();
        for (name, value) in pairs(text)? {
            if !conninfo.take(&name, &value) {
                conninfo.add(&name, &value);
            }
        }
        Ok(conninfo)
    }

    fn from_url(url: &str, port: Option<&str>) -> Result<Self> {
        let (place, options) = url.split_once('?').unwrap_or((url, ""));
        let mut conninfo = Self::default();
        let mut kept = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').ok_or(BAD)?;
            if !conninfo.take(name, &percent::decode(value).ok_or(BAD)?) {
                kept.push(option);
            }
        }
        let place = port.map_or_else(|| place.to_owned(), |port| with_port(place, port));
        conninfo.rest = format!("{place}?{}", kept.join("&"));
        Ok(conninfo)
    }

    /// Takes what is not for the driver.
    fn take(&mut self, name: &str, value: &str) -> bool {
        let place = match name {
            "sslmode" => &mut self.sslmode,
            "sslrootcert" => &mut self.sslrootcert,
            "passfile" => &mut self.passfile,
            _ => return false,
        };
        *place = Some(value.to_owned());
        true
    }

    fn add(&mut self, name: &str, value: &str) {
        let value = value.replace('\\', "\\\\").replace('\'', "\\'");
        self.rest.push_str(&format!("{name}='{value}' "));
    }
}

/// The URL with a port for each host that has none: the driver would take 5432.
fn with_port(url: &str, port: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = match rest.find('/') {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    let (user, hosts) = match authority.rfind('@') {
        Some(end) => authority.split_at(end + 1),
        None => ("", authority),
    };
    let with_port = |host: &str| {
        let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
        if host.is_empty() || has_port { host.to_owned() } else { format!("{host}:{port}") }
    };
    let hosts: Vec<_> = hosts.split(',').map(with_port).collect();
    format!("{scheme}://{user}{}{path}", hosts.join(","))
}

/// The list of name = value, as libpq reads it: white space around the sign is dropped, values with white
/// space stand in single quotes, a backslash goes before a quote or a backslash.
fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(BAD)?;
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(BAD);
        }
        let (value, after) = value(after.trim_start())?;
        pairs.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// A value and what follows it.
fn value(text: &str) -> Result<(String, &str)> {
    let (text, is_quoted) = match text.strip_prefix('\'') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next().ok_or(BAD)?.1),
            '\'' if is_quoted => return Ok((value, &text[position + 1..])),
            character if character.is_whitespace() && !is_quoted => {
                return Ok((value, &text[position..]));
            }
            character => value.push(character),
        }
    }
    if is_quoted { Err(BAD) } else { Ok((value, "")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "these are tests")]

    use super::*;

    fn parse(text: &str) -> Conninfo {
        Conninfo::parse(text, None).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_is_not_for_the_driver_is_taken_out() {
        for text in [
            r"host=h sslmode = verify-full user='a b' sslrootcert='/x y/\'ca.pem' passfile=p",
            "postgresql://a%20b@h/?sslmode=verify-full&sslrootcert=/x%20y/'ca.pem&passfile=p&user=b",
        ] {
            let conninfo = parse(text);
            assert_eq!(conninfo.sslmode.as_deref(), Some("verify-full"), "{text}");
            assert_eq!(conninfo.sslrootcert.as_deref(), Some("/x y/'ca.pem"), "{text}");
            assert_eq!(conninfo.passfile.as_deref(), Some("p"), "{text}");
            assert!(!conninfo.rest.contains("ssl") && !conninfo.rest.contains("passfile"));
            assert!(conninfo.rest.parse::<postgres::Config>().is_ok(), "{}", conninfo.rest);
        }
    }

    #[test]
    fn values_reach_the_driver_as_they_were() {
        for name in ["plain", "two words", r"quo'te", r"back\slash", "ünï"] {
            let text = format!("dbname='{}'", name.replace('\\', r"\\").replace('\'', r"\'"));
            let config: Result<postgres::Config, _> = parse(&text).rest.parse();
            assert_eq!(config.ok().as_ref().and_then(|it| it.get_dbname()), Some(name));
        }
        let config: Result<postgres::Config, _> = parse(" shop ").rest.parse();
        assert_eq!(config.ok().as_ref().and_then(|it| it.get_dbname()), Some("shop"));
        assert_eq!(parse("").rest, "");
    }

    #[test]
    fn a_url_without_a_port_takes_the_one_of_the_environment() {
        for (url, ports) in [
            ("postgresql://h/d", vec![6000]),
            ("postgresql://u@h,i:7000", vec![6000, 7000]),
            ("postgres://[::1]/d?connect_timeout=1", vec![6000]),
            ("postgres://[::1]:7000/d", vec![7000]),
            ("postgresql:///d", vec![]),
        ] {
            let rest = Conninfo::parse(url, Some("6000")).map(|it| it.rest).unwrap_or_default();
            let config: Result<postgres::Config, _> = rest.parse();
            assert_eq!(config.ok().map(|it| it.get_ports().to_vec()), Some(ports), "{rest}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_wrong_usage() {
        for bad in ["a b=c", "=x", "host='x", "host=x y", r"host=x\", "postgresql://h/d?sslmode"] {
            assert!(matches!(Conninfo::parse(bad, None), Err(Error::Usage(_))), "{bad}");
        }
    }
}
