//! Invisible salamanders: AES-GCM alone lets whoever knows two keys make one ciphertext that opens
//! under both, to different plaintexts (Dodis, Grubbs, Ristenpart and Woodage, CRYPTO 2018). The
//! commitment must stop that.

use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::{BlockCipherEncrypt, KeyInit};

use crate::crypto::aead::Aead;
use crate::crypto::kdf::Prk;
use crate::crypto::{Binding, OpenError, WrappingKey};
use crate::secret::SecretKey;

const NONCE: [u8; 12] = [9; 12];
const KEY_ID: u32 = 5;
const WRAPPING_KEY: [u8; 32] = [3; 32];
const BINDING: Binding<'static> =
    Binding { domain: "record.profile", owner: &[7; 16], version: 1, extra: b"" };

/// The highest bit is the coefficient of x^0, as in NIST SP 800-38D section 6.3.
const ONE: u128 = 1 << 127;
const REDUCTION: u128 = 0xe1 << 120;

fn multiply(x: u128, y: u128) -> u128 {
    let (mut product, mut shifted) = (0, y);
    for bit in (0..128).rev() {
        product ^= shifted * (x >> bit & 1);
        shifted = (shifted >> 1) ^ (REDUCTION * (shifted & 1));
    }
    product
}

/// The inverse in GF(2^128): x to the power of 2^128 - 2.
fn invert(x: u128) -> u128 {
    let (mut inverse, mut square) = (ONE, x);
    for _ in 1..128 {
        square = multiply(square, square);
        inverse = multiply(inverse, square);
    }
    inverse
}

/// A data key and what the format derives from it, computed apart from the code under test.
struct Party {
    data_key: [u8; 32],
    encryption_key: [u8; 32],
    commitment: [u8; 32],
}

impl Party {
    fn new(data_key: [u8; 32]) -> Self {
        let mut derived = [0; 64];
        let prk = Prk::from_random_key(&data_key).unwrap();
        prk.expand(&[b"databunker/v1/record\x01"], &mut derived).unwrap();
        Self {
            data_key,
            encryption_key: derived[..32].try_into().unwrap(),
            commitment: derived[32..].try_into().unwrap(),
        }
    }

    fn seal(&self, plaintext: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        Aead::new(&self.encryption_key)
            .seal_into(&NONCE, &body_associated_data(), plaintext, &mut sealed)
            .unwrap();
        sealed
    }

    /// The tag of a ciphertext of two blocks: seals what this key decrypts it to.
    fn tag(&self, ciphertext: &[u8; 32]) -> u128 {
        let key_stream = self.seal(&[0; 32]);
        let plaintext: Vec<u8> = ciphertext.iter().zip(&key_stream).map(|(a, b)| a ^ b).collect();
        u128::from_be_bytes(self.seal(&plaintext)[32..].try_into().unwrap())
    }

    /// The square of GHASH's key, which multiplies the last block of a ciphertext.
    fn last_block_factor(&self) -> u128 {
        let mut block = [0; 16].into();
        Aes256::new((&self.encryption_key).into()).encrypt_block(&mut block);
        let hash_key = u128::from_be_bytes(block.into());
        multiply(hash_key, hash_key)
    }

    fn open(&self, body: &[u8]) -> Option<Vec<u8>> {
        let mut plaintext = vec![0; body.len() - 16];
        Aead::new(&self.encryption_key)
            .open_into(&NONCE, &body_associated_data(), body, &mut plaintext)
            .is_ok()
            .then_some(plaintext)
    }
}

fn body_associated_data() -> Vec<u8> {
    let mut data = vec![1, 1, 0, 0, 0, 0, 0, 0, 0, 14];
    data.extend_from_slice(b"record.profile");
    data.extend_from_slice(&[7; 16]);
    data.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    data
}

/// One ciphertext and tag that AES-GCM opens under both keys.
fn salamander(ours: &Party, theirs: &Party) -> Vec<u8> {
    let mut ciphertext = [0x5a; 32];
    ciphertext[16..].fill(0);
    let difference = ours.tag(&ciphertext) ^ theirs.tag(&ciphertext);
    let factor = ours.last_block_factor() ^ theirs.last_block_factor();
    let last_block = multiply(difference, invert(factor));
    ciphertext[16..].copy_from_slice(&last_block.to_be_bytes());
    [&ciphertext[..], &ours.tag(&ciphertext).to_be_bytes()].concat()
}

/// A whole record as an attacker who knows the wrapping key would put it together.
fn assemble(wrapped: &Party, committed: &Party, body: &[u8]) -> Vec<u8> {
    let header = [&[1, 1][..], &KEY_ID.to_be_bytes()].concat();
    let wrap_nonce = [4; 12];
    let associated_data = [&KEY_ID.to_be_bytes()[..], &body_associated_data()].concat();
    let mut sealed = [&header[..], &wrap_nonce].concat();
    Aead::new(&WRAPPING_KEY)
        .seal_into(&wrap_nonce, &associated_data, &wrapped.data_key, &mut sealed)
        .unwrap();
    [&sealed[..], &committed.commitment, &NONCE, body].concat()
}

#[test]
fn one_body_does_not_open_under_two_data_keys() {
    let (ours, theirs) = (Party::new([1; 32]), Party::new([2; 32]));
    let body = salamander(&ours, &theirs);

    // The attack is real: without a commitment, both data keys open the body.
    let our_text = ours.open(&body).expect("AES-GCM accepts the body under our key");
    let their_text = theirs.open(&body).expect("AES-GCM accepts the body under their key");
    assert_ne!(our_text, their_text);

    let key = WrappingKey::new(KEY_ID, &SecretKey::from_bytes(WRAPPING_KEY));
    let open = |wrapped: &Party, committed: &Party| {
        key.open(&BINDING, &assemble(wrapped, committed, &body)).map(|text| text.to_vec())
    };
    assert_eq!(open(&ours, &ours), Ok(our_text));
    assert_eq!(open(&theirs, &theirs), Ok(their_text));
    assert_eq!(open(&theirs, &ours), Err(OpenError::Damaged));
    assert_eq!(open(&ours, &theirs), Err(OpenError::Damaged));
}
