//! The crates below wipe their state only with a feature each, which a careless edit of a manifest
//! would lose in silence. Without them, this file does not compile.

use aes_gcm::Aes256Gcm;
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

const fn wiped_on_drop<T: ZeroizeOnDrop>() {}

const _: () = {
    wiped_on_drop::<Aes256Gcm>();
    wiped_on_drop::<aes_gcm::aes::Aes256>();
    // HMAC and HKDF have no drop of their own, and are wiped as the SHA-256 states they hold.
    wiped_on_drop::<Sha256>();
    wiped_on_drop::<Zeroizing<[u8; 32]>>();
};
