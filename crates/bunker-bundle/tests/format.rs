//! The bundle of `docs/FORMAT.md` is written and read to the byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

#[path = "../../bunker-core/tests/crypto_common/mod.rs"]
#[allow(dead_code, reason = "the other crate's tests use the rest")]
mod crypto_common;

use std::borrow::Cow;

use bunker_bundle::jsonl::JsonLines;
use bunker_bundle::{
    BundleError, Cursor, FORMAT, Header, Item, MAX_LINE, Reader, Value, Writer, schema,
};
use bunker_core::crypto::BundleKey;
use bunker_core::secret::SecretKey;
use crypto_common::Vectors;
use uuid::Uuid;

/// How many lines the bundle has before its last.
const LINES: usize = 5;

struct Example {
    vectors: Vectors,
    key: BundleKey,
}

impl Example {
    fn read() -> Self {
        let vectors = Vectors::read();
        let key = BundleKey::new(&SecretKey::from_bytes(vectors.array("bundle.key")));
        Self { vectors, key }
    }

    fn number(&self, name: &str) -> i64 {
        i64::from_be_bytes(self.vectors.array(name))
    }

    fn id(&self) -> Uuid {
        Uuid::from_bytes(self.vectors.array("bundle.id"))
    }

    fn header(&self) -> Header {
        Header {
            format: FORMAT,
            id: self.id(),
            vault: Uuid::from_bytes(self.key.vault()),
            number: self.number("bundle.number"),
            previous: Some(Uuid::from_u128(self.id().as_u128() - 1)),
            made_at: self.number("bundle.made_at"),
            region: "GB".to_owned(),
            expected_rows: 2,
        }
    }

    fn cursor(&self) -> Cursor {
        Cursor {
            bundle: self.id(),
            number: self.number("bundle.number"),
            floor: self.number("bundle.floor"),
            made_at: self.number("bundle.made_at"),
        }
    }

    fn lines(&self) -> Vec<String> {
        let names = (1..=LINES).map(|number| format!("bundle.line.{number}"));
        let names = names.chain(["bundle.last".to_owned()]);
        names.map(|name| self.vectors.text(&name).to_owned()).collect()
    }

    /// The rows of the example, as the lines say them.
    fn rows(&self) -> [(&'static str, Vec<Value<'static>>); 2] {
        let made_at = self.number("bundle.made_at");
        let text = |text: &str| Value::Text(Cow::Owned(text.to_owned()));
        let digests: Vec<u8> = [0, 1].into_iter().chain(0..16).collect();
        let basis = vec![
            text("news"),
            text("active"),
            text(r#"{"shortdesc":"Zoë \"x\""}"#),
            Value::Int(made_at - 5),
            Value::Int(made_at - 1),
        ];
        let record = vec![
            Value::Uuid(user()),
            Value::Int(made_at - 9),
            Value::Int(made_at - 2),
            Value::Null,
            Value::Int(3),
            text("shop"),
            Value::Bytes(Cow::Owned(digests)),
            Value::Bytes(Cow::Borrowed(b"\x01\x01\0\0\0\x01\x80\x81")),
        ];
        [("legal_basis", basis), ("record", record)]
    }
}

fn user() -> Uuid {
    Uuid::try_parse("6f1c2d3e-4b5a-4978-8695-a4b3c2d1e0ff").unwrap()
}

#[test]
fn the_vault_is_named_by_its_key() {
    let example = Example::read();
    assert_eq!(example.key.vault(), example.vectors.bytes("bundle.vault"));
}

#[test]
fn the_cursor_is_written_and_read() {
    let example = Example::read();
    let text = example.vectors.text("bundle.cursor");
    assert_eq!(example.cursor().encode(&example.key), text);
    assert_eq!(Cursor::decode(text, &example.key), Ok(example.cursor()));
}

#[test]
fn the_bundle_is_written() {
    let example = Example::read();
    let [(basis, basis_row), (record, record_row)] = example.rows();
    let mut writer = Writer::begin(Box::new(JsonLines), example.header());
    writer.replace(&[schema::table(basis).unwrap()]);
    writer.row(schema::table(basis).unwrap(), basis_row);
    writer.users(&[user()]);
    writer.row(schema::table(record).unwrap(), record_row);
    let cursor = example.cursor().encode(&example.key);
    assert_eq!(writer.end(&example.key, cursor).unwrap(), example.lines());
}

#[test]
fn the_bundle_is_read() {
    let example = Example::read();
    let mut reader = Reader::new();
    let mut rows = Vec::new();
    let mut signed = None;
    for line in example.lines() {
        match reader.line(&line).unwrap() {
            Item::Begin(header) => assert_eq!(header, example.header()),
            Item::Replace(tables) => assert_eq!(tables, [schema::table("legal_basis").unwrap()]),
            Item::Users(users) => assert_eq!(users, [user()]),
            Item::Rows(table, found) => rows.extend(found.into_iter().map(|row| (table.name, row))),
            Item::End(end) => signed = Some(end),
        }
    }
    assert_eq!(rows, example.rows());
    let signed = signed.unwrap();
    assert_eq!(signed.text, example.vectors.text("bundle.summary"));
    assert_eq!(signed.signature, example.vectors.bytes("bundle.signature"));
    assert_eq!(signed.summary.digest, hex(example.vectors.bytes("bundle.digest")));
    assert_eq!(signed.verify(&example.key), Ok(()));
    reader.finish().unwrap();
}

/// Whatever bit of it flips, it is not read as it should be, or its signature is not right.
#[test]
fn a_flipped_bit_anywhere_is_found() {
    let example = Example::read();
    let text = example.lines().join("\n").into_bytes();
    for place in 0..text.len() {
        for bit in 0..8 {
            let mut flipped = text.clone();
            flipped[place] ^= 1 << bit;
            assert_ne!(read(&flipped, &example.key), Ok(()), "bit {bit} of byte {place}");
        }
    }
    assert_eq!(read(&text, &example.key), Ok(()));
}

fn read(text: &[u8], key: &BundleKey) -> Result<(), BundleError> {
    let text = std::str::from_utf8(text).map_err(|_| BundleError::Malformed)?;
    let mut reader = Reader::new();
    for line in text.split('\n') {
        if let Item::End(signed) = reader.line(line)? {
            signed.verify(key)?;
        }
    }
    reader.finish()
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

#[test]
fn a_line_without_end_is_refused() {
    let vectors = Vectors::read();
    let first = vectors.text("bundle.line.1").to_owned();
    for length in [(1 << 20) - first.len() + 1, MAX_LINE - first.len() + 1] {
        let long = format!("{first}{}", " ".repeat(length));
        assert!(matches!(Reader::new().line(&first), Ok(Item::Begin(_))));
        assert!(matches!(Reader::new().line(&long), Err(BundleError::Malformed)));
    }
}

/// What a vault can export is read, however large: the largest profile, sealed, in base64.
#[test]
fn a_row_as_large_as_any_is_read() {
    let example = Example::read();
    let [_, (table, mut row)] = example.rows();
    let sealed = vec![0xA5; bunker_core::profile::MAX_BYTES + 1_000];
    row.pop();
    row.push(Value::Bytes(Cow::Owned(sealed)));
    let mut writer = Writer::begin(Box::new(JsonLines), example.header());
    writer.row(schema::table(table).unwrap(), row.clone());
    let lines = writer.end(&example.key, example.cursor().encode(&example.key)).unwrap();
    let mut reader = Reader::new();
    let read: Vec<_> = lines.iter().map(|line| reader.line(line).unwrap()).collect();
    assert!(matches!(&read[1], Item::Rows(_, rows) if *rows == [row]));
}

/// Whether a line is read that comes second.
fn second(line: &str) -> Result<(), BundleError> {
    let mut reader = Reader::new();
    reader.line(Vectors::read().text("bundle.line.1")).unwrap();
    reader.line(line).map(drop)
}

/// A line is refused for what it says before that takes many times its length in memory.
#[test]
fn a_line_of_many_small_things_is_refused() {
    let link = r#"["a","b"]"#;
    let rows = |count| format!(r#"{{"activity_basis":[{}]}}"#, vec![link; count].join(","));
    assert_eq!(second(&rows(200)), Ok(()));
    for bad in [
        rows(201),
        format!(r#"{{"users":["{}"{}]}}"#, user(), " ".repeat(1 << 20)),
        format!(r#"{{"replace":["record"{}]}}"#, " ".repeat(1 << 20)),
        format!(r#"{{"activity_basis":[{}]}}"#, "[".repeat(1 << 20)),
        format!(r#"{{"activity_basis":[["a","b",{}]]}}"#, "[".repeat(1 << 20)),
    ] {
        assert_eq!(second(&bad), Err(BundleError::Malformed), "{}", &bad[..40]);
    }
}

/// Values have one form, and lines one member.
#[test]
fn a_line_in_another_form_is_refused() {
    let basis = |created: &str, more: &str| {
        format!(r#"{{"legal_basis":[["a","active","{{}}",{created},2]]{more}}}"#)
    };
    assert_eq!(second(&basis("1", "")), Ok(()));
    for bad in ["1.0", "1e3", r#""1""#, "null", "9223372036854775808", "[1]", "true", "1,1", ""] {
        assert_eq!(second(&basis(bad, "")), Err(BundleError::Malformed), "{bad}");
    }
    for more in [r#","legal_basis":[]"#, r#","users":[]"#, r#","x":1"#, "}", " x"] {
        assert_eq!(second(&basis("1", more)), Err(BundleError::Malformed), "{more}");
    }
    for bad in ["{}", "[]", "", r#"{"lookup":[["?",1,null]]}"#, r#"{"lookup":{}}"#, r#"{"x":[]}"#] {
        assert_eq!(second(bad), Err(BundleError::Malformed), "{bad}");
    }
}
