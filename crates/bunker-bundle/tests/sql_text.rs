//! SQL bundles as texts: what is signed of them, and what must not be in them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::cell::Cell;

use bunker_bundle::schema::TABLES;
use bunker_bundle::sql::{Mysql, Sqlite, read_signed};
use bunker_bundle::{BundleError, Dialect, Signed};
use common::{Content, key};

fn dialects() -> [Box<dyn Dialect>; 2] {
    [Box::new(Sqlite::new()), Box::new(Mysql::new())]
}

fn read(lines: &[String]) -> Result<Signed, BundleError> {
    read_signed(lines.iter().cloned().map(Ok))
}

#[test]
fn a_good_text_gives_what_the_vault_has_signed() {
    for dialect in dialects() {
        let signed = read(&Content::next(2).lines(dialect)).expect("a good text");
        signed.verify(&key(1)).expect("a good signature");
        assert_eq!(signed.verify(&key(2)), Err(BundleError::WrongVault));
        assert_eq!(signed.summary.users, 3);
        assert_eq!(signed.summary.rows["record"], 2);
    }
}

#[test]
fn a_flipped_byte_anywhere_is_found() {
    for dialect in dialects() {
        let lines = Content::next(2).lines(dialect);
        for index in 0..lines.len() {
            for place in [0, lines[index].len() / 3, lines[index].len() - 1] {
                let mut damaged = lines.clone();
                let mut bytes = damaged[index].clone().into_bytes();
                bytes[place] ^= 1;
                damaged[index] = String::from_utf8(bytes).expect("still ASCII");
                assert!(read(&damaged).is_err(), "line {}, byte {place}", index + 1);
            }
        }
    }
}

#[test]
fn the_last_lines_have_to_be_those_that_are_signed() {
    for dialect in dialects() {
        let lines = Content::next(2).lines(dialect);
        for index in lines.len() - 4..lines.len() {
            for place in (0..lines[index].len()).step_by(11) {
                let mut damaged = lines.clone();
                let mut bytes = damaged[index].clone().into_bytes();
                bytes[place] ^= 2;
                damaged[index] = String::from_utf8(bytes).expect("still ASCII");
                assert!(read(&damaged).is_err(), "line {}, byte {place}", index + 1);
            }
        }
    }
}

#[test]
fn a_missing_or_added_line_is_found() {
    for dialect in dialects() {
        let lines = Content::next(2).lines(dialect);
        for index in 0..lines.len() {
            let mut damaged = lines.clone();
            let line = damaged.remove(index);
            assert!(read(&damaged).is_err(), "without line {}", index + 1);
            damaged.insert(index, line.clone());
            damaged.insert(index, line);
            assert!(read(&damaged).is_err(), "line {} twice", index + 1);
        }
        for length in 0..lines.len() {
            assert!(read(&lines[..length]).is_err(), "cut after {length} lines");
        }
    }
}

#[test]
fn a_later_format_and_other_texts_are_told_apart() {
    for dialect in dialects() {
        let mut lines = Content::whole(1).lines(dialect);
        let title = lines.iter_mut().find(|line| line.contains("format 1")).expect("a title");
        *title = title.replace("format 1", "format 2");
        assert_eq!(read(&lines), Err(BundleError::UnknownFormat));
    }
    assert_eq!(read(&["SELECT 1;".to_owned()]), Err(BundleError::Malformed));
    assert_eq!(read(&[]), Err(BundleError::Truncated));
}

#[test]
fn an_error_of_the_lines_is_passed_on() {
    let lines = Content::whole(1).lines(Box::new(Mysql::new()));
    let reached = Cell::new(0);
    let lines = lines.into_iter().map(|line| {
        reached.set(reached.get() + 1);
        if reached.get() == 9 { Err(BundleError::Truncated) } else { Ok(line) }
    });
    assert_eq!(read_signed(lines), Err(BundleError::Truncated));
}

/// Any of these would be changed on its way, by COPY or by a client, or change what comes after it.
#[test]
fn no_line_has_a_backslash_or_a_control_character() {
    for dialect in dialects() {
        for line in Content::next(2).lines(dialect) {
            let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'\\';
            assert!(line.bytes().all(is_plain), "{line}");
        }
    }
}

/// So that no damage to one byte of a statement makes a name into another.
#[test]
fn names_differ_in_more_than_one_character() {
    let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
    let columns = TABLES.iter().map(|it| it.columns.iter().map(|it| it.name).collect::<Vec<_>>());
    for names in columns.chain([names]) {
        for (index, one) in names.iter().enumerate() {
            for other in &names[index + 1..] {
                let differ = one.bytes().zip(other.bytes()).filter(|(a, b)| a != b).count();
                assert!(one.len() != other.len() || differ > 1, "{one} and {other}");
            }
        }
    }
}
