//! Properties of the vault's cryptography over inputs nobody thought of.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use base64ct::{Base64, Base64Unpadded, Encoding};
use bunker_core::crypto::envelope::{OVERHEAD, key_id};
use bunker_core::crypto::{
    Binding, EntryId, IndexKey, MasterKey, MasterKeyError, OpenError, Purpose, RandomPool,
    WrappingKey,
};
use bunker_core::secret::SecretKey;
use proptest::prelude::*;

/// Whether two master keys are the same, as far as anyone outside the crate can tell.
fn same_key(one: &MasterKey, other: &MasterKey) -> bool {
    let id = EntryId { id: 1, purpose: Purpose::Audit, version: 1 };
    let entry = one.seal_entry(&id, &SecretKey::from_bytes([6; 32])).unwrap();
    other.open_entry(&id, &entry).is_ok_and(|key| *key.expose() == [6; 32])
}

/// Domain, owner, version and extra.
type Place = (String, [u8; 16], u32, Vec<u8>);

fn place() -> impl Strategy<Value = Place> {
    // Few letters and small numbers, so that two places often differ in one respect only.
    let extra = prop::collection::vec(0_u8..2, 0..4);
    ("[a.]{0,3}", prop::array::uniform16(0_u8..2), 0_u32..3, extra)
}

fn binding(place: &Place) -> Binding<'_> {
    Binding { domain: &place.0, owner: &place.1, version: place.2, extra: &place.3 }
}

fn wrapping_key() -> WrappingKey {
    WrappingKey::new(1, &SecretKey::from_bytes([1; 32]))
}

proptest! {
    #[test]
    fn what_is_sealed_opens(place in place(), text in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut pool = RandomPool::for_seals(1);
        let sealed = wrapping_key().seal(&binding(&place), &text, &mut pool).unwrap();
        prop_assert_eq!(sealed.len(), text.len() + OVERHEAD);
        prop_assert_eq!(key_id(&sealed), Ok(1));
        let opened = wrapping_key().open(&binding(&place), &sealed).unwrap();
        prop_assert_eq!(&*opened, &text);
    }

    #[test]
    fn a_record_opens_in_its_own_place_only(one in place(), other in place()) {
        let mut pool = RandomPool::for_seals(1);
        let sealed = wrapping_key().seal(&binding(&one), b"text", &mut pool).unwrap();
        let opened = wrapping_key().open(&binding(&other), &sealed).map(|text| text.to_vec());
        let expected = if one == other { Ok(b"text".to_vec()) } else { Err(OpenError::Damaged) };
        prop_assert_eq!(opened, expected);
    }

    #[test]
    fn no_bytes_from_elsewhere_open(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let place = (String::new(), [0; 16], 0, Vec::new());
        for sealed in [bytes.clone(), [&[1, 1, 0, 0, 0, 1][..], &bytes].concat()] {
            let opened = wrapping_key().open(&binding(&place), &sealed).map(|text| text.to_vec());
            prop_assert_eq!(opened, Err(OpenError::Damaged));
        }
    }

    #[test]
    fn digests_are_equal_exactly_when_kind_and_value_are(
        one in ("[ab]{0,2}", "[ab]{0,2}"),
        other in ("[ab]{0,2}", "[ab]{0,2}"),
    ) {
        let key = IndexKey::new(&SecretKey::from_bytes([2; 32]));
        let equal = key.digest(&one.0, &one.1) == key.digest(&other.0, &other.1);
        prop_assert_eq!(equal, one == other);
    }

    #[test]
    fn every_spelling_of_a_master_key_is_the_same_key(
        bytes in prop::array::uniform32(any::<u8>()),
        before in "[ \t\r\n]{0,3}",
        after in "[ \t\r\n]{0,3}",
    ) {
        let hex = base16ct::lower::encode_string(&bytes);
        let key = MasterKey::parse(hex.as_bytes()).unwrap();
        let mut base64 = [0; 44];
        let padded = Base64::encode(&bytes, &mut base64).unwrap().to_owned();
        let unpadded = Base64Unpadded::encode(&bytes, &mut base64).unwrap().to_owned();
        for spelling in [hex.to_uppercase(), hex, padded, unpadded] {
            let text = format!("{before}{spelling}{after}");
            let parsed = MasterKey::parse(text.as_bytes()).unwrap();
            prop_assert!(same_key(&key, &parsed));
        }
    }

    #[test]
    fn a_master_key_with_a_wrong_character_is_refused(
        place in 0_usize..64,
        wrong in any::<u8>().prop_filter("no hex digit", |byte| !byte.is_ascii_hexdigit()),
    ) {
        let mut text = [b'a'; 64];
        text[place] = wrong;
        let error = MasterKey::parse(&text).err();
        // Whitespace at an end is trimmed, which leaves too few characters.
        let at_end = wrong.is_ascii_whitespace() && [0, 63].contains(&place);
        let expected =
            if at_end { MasterKeyError::WrongLength } else { MasterKeyError::BadCharacter };
        prop_assert_eq!(error, Some(expected));
    }
}

#[test]
fn what_is_no_master_key_is_refused() {
    let refused = |text: &str| MasterKey::parse(text.as_bytes()).err();
    assert_eq!(refused(""), Some(MasterKeyError::Empty));
    assert_eq!(refused(" \r\n\t"), Some(MasterKeyError::Empty));
    assert_eq!(refused("secret"), Some(MasterKeyError::WrongLength));
    assert_eq!(refused(&"a".repeat(63)), Some(MasterKeyError::WrongLength));
    assert_eq!(refused(&"a".repeat(65)), Some(MasterKeyError::WrongLength));
    // Base64 of 31 bytes, of the other alphabet, and with stray bits after the last byte.
    let base64_of_31 = format!("{}==", "A".repeat(42));
    assert_eq!(refused(&base64_of_31), Some(MasterKeyError::WrongLength));
    assert_eq!(refused(&format!("{}_", "A".repeat(42))), Some(MasterKeyError::BadCharacter));
    assert_eq!(refused(&format!("{}B", "A".repeat(42))), Some(MasterKeyError::BadCharacter));
}

#[test]
fn generated_master_keys_parse_and_differ() {
    let (one, other) = (MasterKey::generate_hex().unwrap(), MasterKey::generate_hex().unwrap());
    assert_eq!(one.len(), 64);
    assert!(one.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));
    let one = MasterKey::parse(one.as_bytes()).unwrap();
    let other = MasterKey::parse(other.as_bytes()).unwrap();
    assert!(!same_key(&one, &other));
}

#[test]
fn purposes_keep_their_names() {
    let names = ["data", "index", "audit", "access_token", "bundle"];
    assert_eq!(Purpose::ALL.map(Purpose::as_str), names);
    assert_eq!(names.map(str::parse), Purpose::ALL.map(Ok));
    assert!("Data".parse::<Purpose>().is_err());
}
