//! The stored formats, as `docs/FORMAT.md` gives them: its vectors open to exactly what it says.
//!
//! That sealing reproduces them byte for byte is a unit test of the crate, because no build of the
//! vault takes its random bytes from anywhere but the operating system.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod crypto_common;

use bunker_core::crypto::envelope::{OVERHEAD, key_id};
use bunker_core::crypto::master::ENTRY_LEN;
use bunker_core::crypto::{Binding, EntryId, IndexKey, MasterKey, TokenKey, WrappingKey};
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

/// The fields of `name`, as they are length-prefixed, and their MAC.
fn assert_token_mac(vectors: &Vectors, name: &str, fields: &[&[u8]]) {
    let key = TokenKey::new(&SecretKey::from_bytes(vectors.array("token.key")));
    let encoding: Vec<u8> = fields
        .iter()
        .flat_map(|field| [&(field.len() as u64).to_be_bytes(), *field].concat())
        .collect();
    assert_eq!(encoding, vectors.bytes(&format!("{name}.encoding")), "{name}");
    let mac = vectors.bytes(&format!("{name}.mac"));
    assert_eq!(key.mac(fields), mac, "{name}");
    assert!(key.verifies(fields, mac), "{name}");
}

#[test]
fn macs_of_access_tokens_and_login_codes_agree() {
    let vectors = Vectors::read();
    let field = |name: &str| vectors.bytes(name);
    let (id, secret) = (field("token.id"), field("token.secret"));
    let (name, role) = (field("token.shop.name"), field("token.shop.role"));
    let shop = [b"access token", id, name, role, b"", b"", secret];
    assert_token_mac(&vectors, "token.shop", &shop);
    let (user, end) = (field("token.user.user"), field("token.user.expires_at"));
    let of_user = [b"access token", id, b"", b"", user, end, secret];
    assert_token_mac(&vectors, "token.user", &of_user);
    let code = [
        b"login code",
        field("token.code.id"),
        field("token.code.user"),
        field("token.code.expires_at"),
        field("token.code.code"),
    ];
    assert_token_mac(&vectors, "token.code", &code);
}
