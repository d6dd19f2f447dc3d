//! Whoever can write to the tables alters, truncates, extends, moves and mixes what is sealed, and
//! nothing of it may open.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use bunker_core::crypto::envelope::key_id;
use bunker_core::crypto::{
    Binding, EntryError, EntryId, MasterKey, OpenError, Purpose, RandomPool, RewrapError,
    WrappingKey,
};
use bunker_core::secret::SecretKey;

const PLAINTEXT: &[u8] = br#"{"email":"ada@example.org","first":"Ada","last":"Lovelace"}"#;
const OWNER: [u8; 16] = [7; 16];
const BINDING: Binding<'static> =
    Binding { domain: "app_data.data", owner: &OWNER, version: 3, extra: b"shipping" };
const ENTRY: EntryId = EntryId { id: 1, purpose: Purpose::Data, version: 1 };

/// Where the parts of a sealed record begin, as `docs/FORMAT.md` says.
const WRAP_NONCE: usize = 6;
const COMMITMENT: usize = 66;
const NONCE: usize = 98;

fn pool() -> RandomPool {
    RandomPool::for_seals(1)
}

fn wrapping_key(id: u32) -> WrappingKey {
    WrappingKey::new(id, &SecretKey::random().unwrap())
}

fn seal(key: &WrappingKey) -> Vec<u8> {
    key.seal(&BINDING, PLAINTEXT, &mut pool()).unwrap()
}

/// The result of opening, with the plaintext out of its wiping shell so that it can be compared.
fn open(key: &WrappingKey, binding: &Binding<'_>, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    key.open(binding, sealed).map(|plaintext| plaintext.to_vec())
}

fn open_entry(master: &MasterKey, id: &EntryId, entry: &[u8]) -> Result<[u8; 32], EntryError> {
    master.open_entry(id, entry).map(|key| *key.expose())
}

fn master_key() -> MasterKey {
    MasterKey::parse(MasterKey::generate_hex().unwrap().as_bytes()).unwrap()
}

/// Every copy of `bytes` in which one bit differs, with the place of its byte.
fn bit_flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit / 8, flipped)
    })
}

/// Every proper prefix of `bytes`, and some ways to make them longer.
fn resized(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut resized: Vec<Vec<u8>> = (0..bytes.len()).map(|len| bytes[..len].to_vec()).collect();
    resized.push([bytes, &[0]].concat());
    resized.push([&[0], bytes].concat());
    resized.push([bytes, bytes].concat());
    resized
}

#[test]
fn a_record_with_any_bit_flipped_is_damaged() {
    let key = wrapping_key(1);
    let sealed = seal(&key);
    assert_eq!(open(&key, &BINDING, &sealed), Ok(PLAINTEXT.to_vec()));
    for (place, flipped) in bit_flips(&sealed) {
        assert_eq!(open(&key, &BINDING, &flipped), Err(OpenError::Damaged), "byte {place}");
    }
}

#[test]
fn a_truncated_or_extended_record_is_damaged() {
    let key = wrapping_key(1);
    for resized in resized(&seal(&key)) {
        assert_eq!(open(&key, &BINDING, &resized), Err(OpenError::Damaged));
    }
}

#[test]
fn a_record_moved_elsewhere_is_damaged() {
    let key = wrapping_key(1);
    let sealed = seal(&key);
    let places = [
        Binding { domain: "record.profile", ..BINDING },
        Binding { domain: "", ..BINDING },
        Binding { owner: &[8; 16], ..BINDING },
        Binding { version: 2, ..BINDING },
        Binding { extra: b"billing", ..BINDING },
        Binding { extra: b"", ..BINDING },
        Binding { domain: "app_data.datas", extra: b"hipping", ..BINDING },
    ];
    for place in places {
        assert_eq!(open(&key, &place, &sealed), Err(OpenError::Damaged));
    }
}

#[test]
fn a_record_under_another_key_or_key_id_is_damaged() {
    let secret = SecretKey::random().unwrap();
    let sealed = seal(&WrappingKey::new(1, &secret));
    let other_id = WrappingKey::new(2, &secret);
    assert_eq!(open(&wrapping_key(1), &BINDING, &sealed), Err(OpenError::Damaged));
    assert_eq!(open(&other_id, &BINDING, &sealed), Err(OpenError::Damaged));

    // Not even with a header that claims the other id: it is part of the associated data.
    let mut relabelled = sealed;
    relabelled[2..WRAP_NONCE].copy_from_slice(&2_u32.to_be_bytes());
    assert_eq!(key_id(&relabelled), Ok(2));
    assert_eq!(open(&other_id, &BINDING, &relabelled), Err(OpenError::Damaged));
}

#[test]
fn parts_of_two_records_do_not_mix() {
    let key = wrapping_key(1);
    let (one, two) = (seal(&key), seal(&key));
    for cut in [WRAP_NONCE, COMMITMENT, NONCE] {
        let mixed = [&one[..cut], &two[cut..]].concat();
        // Before the wrap stands the header alone, which both records share.
        let expected =
            if cut == WRAP_NONCE { Ok(PLAINTEXT.to_vec()) } else { Err(OpenError::Damaged) };
        assert_eq!(open(&key, &BINDING, &mixed), expected, "cut at {cut}");
    }
}

#[test]
fn sealing_twice_shares_no_part() {
    let key = wrapping_key(1);
    let (one, two) = (seal(&key), seal(&key));
    let windows: Vec<&[u8]> = one[WRAP_NONCE..].windows(12).collect();
    assert!(two[WRAP_NONCE..].windows(12).all(|window| !windows.contains(&window)));
}

#[test]
fn rewrapping_moves_a_record_to_the_new_key() {
    let (old, new) = (wrapping_key(1), wrapping_key(2));
    let sealed = seal(&old);
    let rewrapped = new.rewrap(&old, &BINDING, &sealed, &mut pool()).unwrap();
    assert_eq!(key_id(&rewrapped), Ok(2));
    assert_eq!(open(&new, &BINDING, &rewrapped), Ok(PLAINTEXT.to_vec()));
    assert_eq!(open(&old, &BINDING, &rewrapped), Err(OpenError::Damaged));
    assert_eq!(rewrapped[COMMITMENT..], sealed[COMMITMENT..]);
}

#[test]
fn rewrapping_never_mends_a_damaged_record() {
    let (old, new) = (wrapping_key(1), wrapping_key(2));
    let rewrap = |sealed: &[u8]| new.rewrap(&old, &BINDING, sealed, &mut pool());
    for (place, flipped) in bit_flips(&seal(&old)) {
        match rewrap(&flipped) {
            Err(error) => assert!(place < NONCE && error == RewrapError::Damaged),
            Ok(rewrapped) => {
                assert!(place >= NONCE, "damage at byte {place} went unnoticed");
                assert_eq!(open(&new, &BINDING, &rewrapped), Err(OpenError::Damaged));
            }
        }
    }
}

#[test]
fn rewrapping_elsewhere_is_refused() {
    let (old, new) = (wrapping_key(1), wrapping_key(2));
    let elsewhere = Binding { owner: &[8; 16], ..BINDING };
    let outcome = new.rewrap(&old, &elsewhere, &seal(&old), &mut pool());
    assert_eq!(outcome, Err(RewrapError::Damaged));
}

#[test]
fn an_entry_with_any_bit_flipped_does_not_open() {
    let master = master_key();
    let entry = master.seal_entry(&ENTRY, &SecretKey::from_bytes([5; 32])).unwrap();
    assert_eq!(open_entry(&master, &ENTRY, &entry), Ok([5; 32]));
    for (place, flipped) in bit_flips(&entry) {
        // Salt and check value stand at 2..34: with either altered, the check no longer matches.
        let salt_or_check = (2..34).contains(&place);
        let expected = if salt_or_check { EntryError::WrongMasterKey } else { EntryError::Damaged };
        assert_eq!(open_entry(&master, &ENTRY, &flipped), Err(expected), "byte {place}");
    }
}

#[test]
fn a_truncated_extended_or_moved_entry_is_damaged() {
    let master = master_key();
    let entry = master.seal_entry(&ENTRY, &SecretKey::random().unwrap()).unwrap();
    for resized in resized(&entry) {
        assert_eq!(open_entry(&master, &ENTRY, &resized), Err(EntryError::Damaged));
    }
    let rows = [
        EntryId { id: 2, ..ENTRY },
        EntryId { version: 2, ..ENTRY },
        EntryId { purpose: Purpose::Index, ..ENTRY },
    ];
    for row in rows {
        assert_eq!(open_entry(&master, &row, &entry), Err(EntryError::Damaged));
    }
}

#[test]
fn a_wrong_master_key_is_told_apart_from_damage() {
    let entry = master_key().seal_entry(&ENTRY, &SecretKey::random().unwrap()).unwrap();
    assert_eq!(open_entry(&master_key(), &ENTRY, &entry), Err(EntryError::WrongMasterKey));
}
