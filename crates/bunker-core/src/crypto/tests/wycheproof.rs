//! Project Wycheproof's vectors, run against the very types the vault computes with.
//!
//! Each test also counts the valid and invalid cases it ran, so that a filter that matches nothing
//! is a failure.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wycheproof::{TestResult, aead, hkdf, mac};

use crate::crypto::CryptoError;
use crate::crypto::aead::Aead;
use crate::crypto::kdf::Prk;

/// Checks one AES-256-GCM case; true if it was a valid one.
fn check_aead(test: &aead::Test) -> bool {
    let cipher = Aead::new(test.key[..].try_into().unwrap());
    let nonce = test.nonce[..].try_into().unwrap();
    let sealed = [&test.ct[..], &test.tag[..]].concat();
    let mut opened = vec![0; test.ct.len()];
    let valid = test.result == TestResult::Valid;

    let outcome = cipher.open_into(nonce, &test.aad, &sealed, &mut opened);
    assert_eq!(outcome.is_ok(), valid, "case {}", test.tc_id);
    if valid {
        assert_eq!(opened, test.pt[..], "case {}", test.tc_id);
        let mut resealed = Vec::new();
        cipher.seal_into(nonce, &test.aad, &test.pt, &mut resealed).unwrap();
        assert_eq!(resealed, sealed, "case {}", test.tc_id);
    } else {
        assert!(opened.iter().all(|byte| *byte == 0), "case {} left plaintext", test.tc_id);
    }
    valid
}

#[test]
fn aes_256_gcm() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let groups = set
        .test_groups
        .iter()
        .filter(|group| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128));
    let (valid, invalid): (Vec<bool>, Vec<bool>) =
        groups.flat_map(|group| &group.tests).map(check_aead).partition(|valid| *valid);
    assert_eq!((valid.len(), invalid.len()), (39, 27), "cases were left out");
}

#[test]
fn hmac_sha_256() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut counts = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let mut hmac = Hmac::<Sha256>::new_from_slice(&test.key).unwrap();
            hmac.update(&test.msg);
            assert_eq!(test.tag.len() * 8, group.tag_size);
            let valid = test.result == TestResult::Valid;
            let outcome = hmac.verify_truncated_left(&test.tag);
            assert_eq!(outcome.is_ok(), valid, "case {}", test.tc_id);
            *(if valid { &mut counts.0 } else { &mut counts.1 }) += 1;
        }
    }
    assert_eq!(counts, (66, 108), "cases were left out");
}

#[test]
fn hkdf_sha_256() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let mut counts = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; test.size];
        let outcome = Prk::extract(&test.salt, &test.ikm).expand(&[&test.info], &mut okm);
        if test.result == TestResult::Invalid {
            assert_eq!(outcome, Err(CryptoError::TooLong), "case {}", test.tc_id);
            counts.1 += 1;
        } else {
            assert_eq!(outcome, Ok(()), "case {}", test.tc_id);
            assert_eq!(okm, test.okm[..], "case {}", test.tc_id);
            counts.0 += 1;
        }
    }
    assert_eq!(counts, (83, 3), "cases were left out");
}
