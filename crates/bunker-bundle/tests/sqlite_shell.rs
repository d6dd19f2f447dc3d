//! Bundles piped into the `sqlite3` shell: good ones, damaged ones, and ones that do not fit.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bunker_bundle::schema::TABLES;
use bunker_bundle::sql::Sqlite;
use bunker_bundle::{Table, Value, Writer, layout};
use common::{Content, key};
use proptest::prelude::*;

/// A file for a database; gone at the end.
struct Target(PathBuf);

impl Target {
    fn new(name: &str) -> Self {
        let file = std::env::temp_dir().join(format!("bunker-{}-{name}.db", std::process::id()));
        let target = Self(file);
        target.remove();
        target
    }

    fn with(name: &str, bundle: &Content) -> Self {
        let target = Self::new(name);
        assert!(target.apply(&text(bundle)).status.success());
        target
    }

    fn remove(&self) {
        for suffix in ["", "-journal"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", self.0.display()));
        }
    }

    fn apply(&self, text: &[u8]) -> Output {
        shell(&self.0, text)
    }

    /// What the shell prints.
    fn ask(&self, query: &str) -> String {
        let output = shell(&self.0, query.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("the shell prints UTF-8")
    }

    /// Everything that is in the database.
    fn dump(&self) -> String {
        self.ask(".dump")
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.remove();
    }
}

fn shell(file: &Path, text: &[u8]) -> Output {
    let mut shell = Command::new("sqlite3")
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the sqlite3 shell is installed");
    // It stops reading at the first error.
    let _ = shell.stdin.take().expect("a pipe").write_all(text);
    shell.wait_with_output().expect("the shell ends")
}

fn text(bundle: &Content) -> Vec<u8> {
    (bundle.lines(Box::new(Sqlite::new())).join("\n") + "\n").into_bytes()
}

fn assert_refused(target: &Target, bundle: &Content, why: &str) {
    let before = target.dump();
    let output = target.apply(&text(bundle));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && message.contains(why), "{message}");
    assert_eq!(target.dump(), before);
}

/// A table's rows as `quote()` has them.
fn quoted_rows(target: &Target, table: &Table) -> String {
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|it| format!("typeof({0}) || ' ' || quote(CAST({0} AS BLOB))", it.name))
        .collect();
    target.ask(&format!("SELECT {} FROM {} ORDER BY 1;", columns.join(","), layout::name(table)))
}

/// The same of a row in memory.
fn quoted_row(row: &[Value<'_>]) -> String {
    let quoted = |value: &Value<'_>| {
        let (kind, bytes) = match value {
            Value::Null => return "null NULL".to_owned(),
            Value::Int(number) => ("integer", number.to_string().into_bytes()),
            Value::Text(text) => ("text", text.as_bytes().to_vec()),
            Value::Bytes(bytes) => ("blob", bytes.to_vec()),
            Value::Uuid(uuid) => ("text", uuid.to_string().into_bytes()),
        };
        format!("{kind} X'{}'", base16ct::upper::encode_string(&bytes))
    };
    row.iter().map(quoted).collect::<Vec<_>>().join("|") + "\n"
}

#[test]
fn every_table_arrives_as_it_was() {
    let target = Target::with("arrives", &Content::whole(1));
    for table in TABLES {
        let has_rows =
            table.user.is_none() || ["record", "lookup", "app_data"].contains(&table.name);
        assert_eq!(!quoted_rows(&target, table).is_empty(), has_rows, "{}", table.name);
    }
    let row = common::row(bunker_bundle::schema::table("keyring").unwrap(), common::uuid(0), 1);
    assert_eq!(quoted_rows(&target, &TABLES[0]), quoted_row(&row));
}

#[test]
fn a_chain_of_bundles_leaves_what_the_last_ones_say() {
    let target = Target::with("chain", &Content::whole(1));
    assert!(target.apply(&text(&Content::next(2))).status.success());
    assert_eq!(
        target.ask("SELECT token, version FROM bunker_record ORDER BY token;"),
        format!("{}|-204\n{}|-204\n", common::uuid(2), common::uuid(3))
    );
    assert_eq!(target.ask("SELECT count(*) FROM bunker_lookup;"), "2\n");
    assert_eq!(target.ask("SELECT number, previous FROM bunker_bundle;"), {
        format!("2|{}\n", common::uuid(1))
    });
}

#[test]
fn the_state_is_what_is_signed() {
    let target = Target::with("state", &Content::whole(1));
    let state = target.ask("SELECT summary, signature, next_cursor FROM bunker_bundle;");
    let fields: Vec<_> = state.trim_end().split('|').collect();
    let signed = bunker_bundle::Signed::parse(fields[0], fields[1]).expect("a summary");
    signed.verify(&key(1)).expect("the vault has signed it");
    assert_eq!(signed.summary.cursor, fields[2]);
}

#[test]
fn applied_twice_it_changes_nothing() {
    let target = Target::with("twice", &Content::whole(1));
    for bundle in [Content::whole(1), Content::next(2), Content::next(2)] {
        assert!(target.apply(&text(&bundle)).status.success());
    }
    let once = target.dump();
    assert!(target.apply(&text(&Content::next(2))).status.success());
    assert_eq!(target.dump(), once);
}

#[test]
fn several_in_one_pipe_are_applied_one_after_the_other() {
    let target = Target::new("several");
    let bundles = [Content::whole(1), Content::next(2), Content::next(3)];
    let all: Vec<u8> = bundles.iter().flat_map(text).collect();
    assert!(target.apply(&all).status.success());
    assert_eq!(target.ask("SELECT number FROM bunker_bundle;"), "3\n");
}

#[test]
fn a_bundle_that_does_not_fit_is_refused_with_the_reason() {
    let empty = Target::new("empty");
    assert_refused(&empty, &Content::next(2), "the bundle is out of order");
    let target = Target::with("fits", &Content::whole(5));
    assert_refused(&target, &Content::whole(4), "the bundle is out of order");
    assert_refused(&target, &Content::next(4), "the bundle is out of order");
    assert_refused(&target, &Content::next(7), "the bundle is out of order");
    let other = Content { vault: 2, ..Content::whole(9) };
    assert_refused(&target, &other, "the bundle is of another vault");
}

#[test]
fn a_target_with_tables_of_another_shape_is_refused() {
    let target = Target::new("shape");
    target.ask("CREATE TABLE bunker_share (record, token, created_at, expires_at, sealed);");
    assert_refused(&target, &Content::whole(1), "tables of another version");
    let target = Target::new("utf16");
    target.ask("PRAGMA encoding = 'UTF-16'; CREATE TABLE mine (a);");
    assert_refused(&target, &Content::whole(1), "not in UTF-8");
}

#[test]
fn what_else_is_in_the_database_stays() {
    let target = Target::new("mine");
    let mine =
        "CREATE TABLE mine (a); INSERT INTO mine VALUES (1); CREATE VIEW bunker_mine AS SELECT 1;";
    target.ask(mine);
    assert!(target.apply(&text(&Content::whole(1))).status.success());
    assert!(target.apply(&text(&Content::next(2))).status.success());
    assert_eq!(target.ask("SELECT * FROM mine;"), "1\n");
}

/// A target that has a bundle, and one that comes after it, to be damaged.
struct Damage {
    target: Target,
    before: Vec<u8>,
    old: String,
    new: String,
    text: Vec<u8>,
}

impl Damage {
    fn prepare(name: &str) -> Self {
        let target = Target::with(name, &Content::whole(1));
        let before = std::fs::read(&target.0).expect("the database");
        let old = target.dump();
        let text = text(&Content::next(2));
        assert!(target.apply(&text).status.success());
        let new = target.dump();
        assert_ne!(old, new);
        Self { target, before, old, new, text }
    }

    /// Applies a damaged text: the target is as before, with an error, or as it should be.
    fn check(&self, damaged: &[u8], what: &str) {
        self.target.remove();
        std::fs::write(&self.target.0, &self.before).expect("the database");
        let output = self.target.apply(damaged);
        let dump = self.target.dump();
        let is_old =
            dump == self.old && (!output.status.success() || damaged.len() < self.text.len());
        assert!(is_old || dump == self.new, "{what}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn cut_off_anywhere_it_leaves_the_target_as_it_was() {
    let damage = Damage::prepare("cut");
    let ends = damage.text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let places: Vec<_> = ends.chain((0..damage.text.len()).step_by(401)).collect();
    for place in places {
        damage.check(&damage.text[..place], &format!("cut at {place}"));
    }
}

#[test]
fn without_any_of_its_lines_it_leaves_the_target_as_it_was() {
    let damage = Damage::prepare("lines");
    let lines: Vec<_> = damage.text.split_inclusive(|byte| *byte == b'\n').collect();
    for missing in 0..lines.len() {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != missing);
        let mut rest: Vec<u8> = kept.flat_map(|(_, line)| line.iter().copied()).collect();
        // As long as the whole: so it counts as damaged, not as cut off.
        rest.resize(damage.text.len(), b'\n');
        if missing + 2 >= lines.len() {
            rest.truncate(damage.text.len() - 1);
        }
        damage.check(&rest, &format!("without line {}", missing + 1));
    }
}

/// Of every 67th byte a bit, and another that means something to the shell or to SQL.
#[test]
fn a_flipped_byte_does_harm_nowhere() {
    let damage = Damage::prepare("flipped");
    for (round, place) in (0..damage.text.len()).step_by(67).enumerate() {
        let meaning = b";#'\"-\n\0.*/ ()[`\\,=<>+|";
        for byte in [damage.text[place] ^ (1 << (round % 8)), meaning[round % meaning.len()]] {
            let mut damaged = damage.text.clone();
            damaged[place] = byte;
            damage.check(&damaged, &format!("{byte} at {place}"));
        }
    }
}

fn values() -> impl Strategy<Value = (String, Vec<u8>, i64)> {
    let text = any::<String>().prop_map(|text| text.replace('\0', "0"));
    (text, any::<Vec<u8>>(), any::<i64>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_value_arrives_as_it_was(values in proptest::collection::vec(values(), 1..5)) {
        let table = bunker_bundle::schema::table("keyring").unwrap();
        let header = Content::whole(1).header();
        let mut writer = Writer::begin(Box::new(Sqlite::new()), header);
        let mut expected = Vec::new();
        for (id, (text, bytes, number)) in (0..).zip(values) {
            let row = vec![
                Value::Int(id),
                Value::Text(text.into()),
                Value::Int(number),
                Value::Bytes(bytes.into()),
                Value::Int(number),
            ];
            expected.push(quoted_row(&row));
            writer.row(table, row);
        }
        let lines = writer.end(&key(1), "cursor".to_owned()).unwrap();
        let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'\\';
        prop_assert!(lines.iter().all(|line| line.bytes().all(is_plain)));
        let target = Target::new("any");
        let output = target.apply((lines.join("\n") + "\n").as_bytes());
        prop_assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        expected.sort();
        prop_assert_eq!(quoted_rows(&target, table), expected.concat());
    }
}
