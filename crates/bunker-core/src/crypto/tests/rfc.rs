//! The vectors of RFC 4231 (HMAC-SHA-256) and RFC 5869 (HKDF-SHA-256).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::crypto::kdf::Prk;

fn hex(text: &str) -> Vec<u8> {
    base16ct::lower::decode_vec(text).unwrap()
}

/// Checks one case of RFC 4231 section 4. Case 5 truncates its output to 128 bits.
fn hmac_case(key: &[u8], data: &[u8], expected: &str) {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    hmac.update(data);
    let expected = hex(expected);
    assert_eq!(hmac.finalize().into_bytes()[..expected.len()], expected);
}

#[test]
fn rfc_4231() {
    hmac_case(
        &[0x0b; 20],
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    );
    hmac_case(
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    hmac_case(
        &[0xaa; 20],
        &[0xdd; 50],
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    );
    hmac_case(
        &(1..=25).collect::<Vec<u8>>(),
        &[0xcd; 50],
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    );
    hmac_case(&[0x0c; 20], b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b");
    hmac_case(
        &[0xaa; 131],
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    );
    hmac_case(
        &[0xaa; 131],
        b"This is a test using a larger than block-size key and a larger than block-size data. \
          The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    );
}

/// Checks one case of RFC 5869 appendix A, both by extraction and from the PRK given there.
fn hkdf_case(ikm: &[u8], salt: &[u8], info: &[u8], prk: &str, okm: &str) {
    let expected = hex(okm);
    let prk: [u8; 32] = hex(prk).try_into().unwrap();
    for derived in [Prk::extract(salt, ikm), Prk::from_random_key(&prk).unwrap()] {
        let mut out = vec![0; expected.len()];
        derived.expand(&[info], &mut out).unwrap();
        assert_eq!(out, expected);
    }
}

#[test]
fn rfc_5869() {
    let range = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    hkdf_case(
        &[0x0b; 22],
        &range(0x00, 0x0c),
        &range(0xf0, 0xf9),
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
    hkdf_case(
        &range(0x00, 0x4f),
        &range(0x60, 0xaf),
        &range(0xb0, 0xff),
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c\
         59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71\
         cc30c58179ec3e87c14c01d5c1f3434f1d87",
    );
    hkdf_case(
        &[0x0b; 22],
        &[],
        &[],
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    );
}
