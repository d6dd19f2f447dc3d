//! HMAC-SHA-256 (RFC 2104), with the key schedule done once.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::{KEY_LEN, SecretKey};

/// Block length of SHA-256, to which HMAC pads its key (RFC 2104 section 2).
const BLOCK_LEN: usize = 64;

/// HMAC under `key` that has already taken in `label`. Its state is wiped when it is dropped.
///
/// Labels under one key must not begin with one another, or what follows them could be confused.
pub(crate) fn keyed(key: &SecretKey, label: &[u8]) -> Hmac<Sha256> {
    // HMAC pads a key shorter than its block with zeros; doing so here takes the one constructor
    // that cannot fail.
    let mut block = Zeroizing::new([0; BLOCK_LEN]);
    block[..KEY_LEN].copy_from_slice(key.expose());
    let mut hmac = Hmac::<Sha256>::new((&*block).into());
    hmac.update(label);
    hmac
}
