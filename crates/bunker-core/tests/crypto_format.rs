//! The stored formats, as `docs/FORMAT.md` gives them: its vectors open to exactly what it says.
//!
//! That sealing reproduces them byte for byte is a unit test of the crate, because no build of the
//! vault takes its random bytes from anywhere but the operating system.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod crypto_common;

use bunker_core::crypto::envelope::{OVERHEAD, key_id};
use bunker_core::crypto::master::ENTRY_LEN;
use bunker_core::crypto::{Binding, EntryId, IndexKey, MasterKey, WrappingKey};
use bunker_core::secret::SecretKey;
use crypto_common::Vectors;

/// Opens a sealed record with the key named `key`, bound as the record named `record` is.
fn open(vectors: &Vectors, key: &str, record: &str, sealed: &[u8]) -> Vec<u8> {
    let field = |field: &str| format!("{record}.{field}");
    let binding = Binding {
        domain: vectors.text(&field("domain")),
        owner: &vectors.array(&field("owner")),
        version: vectors.number(&field("version")),
        extra: vectors.bytes(&field("extra")),
    };
    let id = vectors.number(&format!("{key}.key_id"));
    assert_eq!(key_id(sealed), Ok(id));
    let wrapping_key = SecretKey::from_bytes(vectors.array(&format!("{key}.wrapping_key")));
    WrappingKey::new(id, &wrapping_key).open(&binding, sealed).unwrap().to_vec()
}

#[test]
fn sealed_records_open() {
    let vectors = Vectors::read();
    for name in ["profile", "app"] {
        let sealed = vectors.bytes(&format!("{name}.sealed"));
        let plaintext = vectors.bytes(&format!("{name}.plaintext"));
        assert_eq!(sealed.len(), OVERHEAD + plaintext.len());
        assert_eq!(open(&vectors, name, name, sealed), plaintext);
    }
}

#[test]
fn rewrapped_record_opens_and_keeps_its_body() {
    let vectors = Vectors::read();
    let sealed = vectors.bytes("rewrap.sealed");
    let plaintext = vectors.bytes("profile.plaintext");
    assert_eq!(open(&vectors, "rewrap", "profile", sealed), plaintext);
    assert_eq!(sealed[66..], vectors.bytes("profile.sealed")[66..]);
}

#[test]
fn keyring_entry_opens() {
    let vectors = Vectors::read();
    let master_key = base16ct::lower::encode_string(vectors.bytes("entry.master_key"));
    let id = EntryId {
        id: vectors.number("entry.id"),
        purpose: vectors.text("entry.purpose").parse().unwrap(),
        version: vectors.number("entry.version"),
    };
    let sealed = vectors.bytes("entry.sealed");
    assert_eq!(sealed.len(), ENTRY_LEN);
    let master = MasterKey::parse(master_key.as_bytes()).unwrap();
    let key = master.open_entry(&id, sealed).unwrap();
    assert_eq!(key.expose(), vectors.bytes("entry.key"));
}

#[test]
fn lookup_digests_agree() {
    let vectors = Vectors::read();
    let key = IndexKey::new(&SecretKey::from_bytes(vectors.array("lookup.key")));
    let value = vectors.text("lookup.value");
    for kind in ["email", "login"] {
        assert_eq!(key.digest(kind, value), vectors.bytes(&format!("lookup.{kind}")));
    }
}
