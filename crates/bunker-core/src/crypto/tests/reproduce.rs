//! Sealing with known random bytes reproduces the vectors of `docs/FORMAT.md` to the byte.

use super::vectors::Vectors;
use crate::crypto::random::RandomPool;
use crate::crypto::{Binding, EntryId, MasterKey, WrappingKey};
use crate::secret::SecretKey;

/// Seals the named record of the vectors, and checks that every random byte was used.
fn seal(vectors: &Vectors, name: &str) -> Vec<u8> {
    let field = |field: &str| format!("{name}.{field}");
    let binding = Binding {
        domain: vectors.text(&field("domain")),
        owner: &vectors.array(&field("owner")),
        version: vectors.number(&field("version")),
        extra: vectors.bytes(&field("extra")),
    };
    let mut pool = RandomPool::replay(vectors.bytes(&field("random")));
    let sealed = wrapping_key(vectors, name)
        .seal(&binding, vectors.bytes(&field("plaintext")), &mut pool)
        .unwrap();
    assert_eq!(pool.left(), 0);
    sealed
}

fn wrapping_key(vectors: &Vectors, name: &str) -> WrappingKey {
    let key = SecretKey::from_bytes(vectors.array(&format!("{name}.wrapping_key")));
    WrappingKey::new(vectors.number(&format!("{name}.key_id")), &key)
}

#[test]
fn sealed_records() {
    let vectors = Vectors::read();
    assert_eq!(seal(&vectors, "profile"), vectors.bytes("profile.sealed"));
    assert_eq!(seal(&vectors, "app"), vectors.bytes("app.sealed"));
}

#[test]
fn rewrapped_record() {
    let vectors = Vectors::read();
    let binding = Binding {
        domain: vectors.text("profile.domain"),
        owner: &vectors.array("profile.owner"),
        version: vectors.number("profile.version"),
        extra: vectors.bytes("profile.extra"),
    };
    let old = wrapping_key(&vectors, "profile");
    let new = wrapping_key(&vectors, "rewrap");
    let mut pool = RandomPool::replay(vectors.bytes("rewrap.random"));
    let rewrapped = new.rewrap(&old, &binding, vectors.bytes("profile.sealed"), &mut pool);
    assert_eq!(rewrapped.unwrap(), vectors.bytes("rewrap.sealed"));
    assert_eq!(pool.left(), 0);
}

#[test]
fn keyring_entry() {
    let vectors = Vectors::read();
    let master = MasterKey::parse(
        base16ct::lower::encode_string(vectors.bytes("entry.master_key")).as_bytes(),
    )
    .unwrap();
    let id = EntryId {
        id: vectors.number("entry.id"),
        purpose: vectors.text("entry.purpose").parse().unwrap(),
        version: vectors.number("entry.version"),
    };
    let key = SecretKey::from_bytes(vectors.array("entry.key"));
    let mut pool = RandomPool::replay(vectors.bytes("entry.random"));
    let sealed = master.seal_entry_with(&id, &key, &mut pool).unwrap();
    assert_eq!(sealed, vectors.bytes("entry.sealed"));
    assert_eq!(sealed[18..34], *vectors.bytes("entry.check"));
    assert_eq!(pool.left(), 0);
}
