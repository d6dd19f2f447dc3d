//! The password file of libpq: lines `host:port:database:user:password`.

use std::env;
use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::output;

/// For what a password is wanted.
pub struct Wanted<'a> {
    /// The host's name or address; for a socket in the usual folder "localhost", else the folder.
    pub host: &'a str,
    /// The port.
    pub port: &'a str,
    /// The database.
    pub database: &'a str,
    /// The user.
    pub user: &'a str,
}

/// The password from a file, or the one that PGPASSFILE names, or `~/.pgpass`. A file that others may
/// read is passed over, as libpq does, with a warning.
pub fn find(file: Option<&str>, wanted: &Wanted<'_>) -> Option<Zeroizing<String>> {
    let path = match file {
        Some(path) => PathBuf::from(path),
        None => match env::var_os("PGPASSFILE") {
            Some(path) => path.into(),
            None => Path::new(&env::var_os("HOME")?).join(".pgpass"),
        },
    };
    let metadata = fs::metadata(&path).ok()?;
    if let Some(why) = unfit(&metadata) {
        output::complain(&format!("the password file is not used: {why}"));
        return None;
    }
    let text = Zeroizing::new(fs::read_to_string(&path).ok()?);
    text.lines().find_map(|line| password(line, wanted))
}

fn unfit(metadata: &Metadata) -> Option<&'static str> {
    if !metadata.is_file() {
        return Some("it is not a plain file");
    }
    (metadata.permissions().mode() & 0o077 != 0)
        .then_some("others may read it; its mode should be 0600")
}

/// The password of a line, if it is for what is wanted.
fn password(line: &str, wanted: &Wanted<'_>) -> Option<Zeroizing<String>> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    for value in [wanted.host, wanted.port, wanted.database, wanted.user] {
        let (field, after) = field(rest)?;
        if *field != value && !rest.starts_with("*:") {
            return None;
        }
        rest = after;
    }
    // The rest of the line, but for what follows another colon: as libpq reads it.
    let mut password = Zeroizing::new(String::with_capacity(rest.len()));
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' => break,
            '\\' => password.extend(characters.next()),
            character => password.push(character),
        }
    }
    Some(password)
}

/// A field without its backslashes, and what follows its colon.
fn field(text: &str) -> Option<(Zeroizing<String>, &str)> {
    let mut field = Zeroizing::new(String::new());
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            ':' => return Some((field, &text[position + 1..])),
            '\\' => field.push(characters.next()?.1),
            character => field.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted<'_> =
        Wanted { host: "db.example", port: "5433", database: "sh:op", user: r"a\da" };

    fn found(line: &str) -> Option<String> {
        password(line, &WANTED).map(|password| password.to_string())
    }

    #[test]
    fn a_line_for_the_server_gives_its_password() {
        for (line, password) in [
            (r"db.example:5433:sh\:op:a\\da:secret", "secret"),
            (r"*:*:*:*:s\:e\\c ret", r"s:e\c ret"),
            (r"*:5433:*:a\\da:", ""),
        ] {
            assert_eq!(found(line).as_deref(), Some(password), "{line}");
        }
    }

    #[test]
    fn a_line_for_another_server_does_not() {
        for line in [
            "",
            "# *:*:*:*:secret",
            "*:*:*:secret",
            "other:*:*:*:secret",
            "*:5432:*:*:secret",
            "*:*:shop:*:secret",
            r"*:*:*:\*:secret",
            "db.example.:*:*:*:secret",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }
}
