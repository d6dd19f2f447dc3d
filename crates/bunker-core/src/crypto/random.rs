//! Random bytes, from the operating system only.

use zeroize::{Zeroize, Zeroizing};

use super::{CryptoError, NONCE_LEN};
use crate::secret::KEY_LEN;

/// Random bytes that sealing one record draws: a data key and two nonces.
pub const SEAL_BYTES: usize = KEY_LEN + 2 * NONCE_LEN;

/// Bytes a pool fetches at once at most: a longer read saves no more time worth having.
const MAX_CAPACITY: usize = 4096;

/// Fills `bytes` with random bytes from the operating system (`getrandom(2)` on Linux).
///
/// # Errors
///
/// [`CryptoError::NoRandomness`] when the operating system hands out none; `bytes` must not be
/// used then.
pub fn fill(bytes: &mut [u8]) -> Result<(), CryptoError> {
    getrandom::fill(bytes).map_err(|_| CryptoError::NoRandomness)
}

/// A few random bytes fetched in one system call, each of which is handed out once.
///
/// What was handed out is wiped at once, and the rest when the pool is dropped.
///
/// A pool must not outlive the call or batch it was made for, and never stand in a static: a
/// process that forks duplicates its memory, and parent and child would then draw the same keys
/// and nonces. Nothing is fetched before the first byte is asked for.
pub struct RandomPool {
    bytes: Zeroizing<Vec<u8>>,
    next: usize,
}

impl RandomPool {
    /// A pool for sealing `count` records, which fetches what they need in as few system calls as
    /// pay off.
    #[must_use]
    pub fn for_seals(count: usize) -> Self {
        Self::with_capacity(count.saturating_mul(SEAL_BYTES))
    }

    /// A pool that fetches `bytes` random bytes at a time, held between the need of one record and
    /// 4096.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let capacity = bytes.clamp(SEAL_BYTES, MAX_CAPACITY);
        Self { bytes: Zeroizing::new(vec![0; capacity]), next: capacity }
    }

    /// Moves random bytes that nobody else gets into `out`.
    ///
    /// # Errors
    ///
    /// [`CryptoError::NoRandomness`] when the operating system hands out none; `out` must not be
    /// used then.
    pub fn fill(&mut self, mut out: &mut [u8]) -> Result<(), CryptoError> {
        while !out.is_empty() {
            if self.next == self.bytes.len() {
                self.refill()?;
            }
            let unused = &mut self.bytes[self.next..];
            let count = unused.len().min(out.len());
            let (now, later) = out.split_at_mut(count);
            now.copy_from_slice(&unused[..count]);
            unused[..count].zeroize();
            self.next += count;
            out = later;
        }
        Ok(())
    }

    /// Draws a nonce or another array that is no secret.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], CryptoError> {
        let mut array = [0; N];
        self.fill(&mut array)?;
        Ok(array)
    }

    /// Fetches a full buffer. Until that has succeeded, the pool counts as empty.
    fn refill(&mut self) -> Result<(), CryptoError> {
        fill(&mut self.bytes)?;
        self.next = 0;
        Ok(())
    }

    /// A pool that hands out the given bytes, to reproduce the vectors of `docs/FORMAT.md`.
    ///
    /// It is compiled into this crate's unit tests only: no build of the vault has it.
    #[cfg(test)]
    pub(super) fn replay(bytes: &[u8]) -> Self {
        Self { bytes: Zeroizing::new(bytes.to_vec()), next: 0 }
    }

    /// How many bytes were fetched and not handed out yet.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_out_each_byte_once_and_wipes_it() {
        let source: Vec<u8> = (1..=100).collect();
        let mut pool = RandomPool::replay(&source);
        let mut first = [0; 60];
        let mut second = [0; 40];
        assert_eq!(pool.fill(&mut first), Ok(()));
        assert_eq!(pool.bytes[..60], [0; 60]);
        assert_eq!(pool.bytes[60..], source[60..]);
        assert_eq!(pool.fill(&mut second), Ok(()));
        assert_eq!(*pool.bytes, [0; 100]);
        assert_eq!([&first[..], &second[..]].concat(), source);
    }

    #[test]
    fn refills_when_more_is_asked_for_than_it_holds() {
        let mut pool = RandomPool::with_capacity(0);
        assert_eq!(pool.left(), 0);
        let mut out = [0; 10 * SEAL_BYTES + 1];
        assert_eq!(pool.fill(&mut out), Ok(()));
        // A window of 16 zero bytes in truly random output has a chance of about 2^-119.
        assert!(out.windows(16).all(|window| window != [0; 16]));
        assert_eq!(pool.left(), SEAL_BYTES - 1);
    }

    #[test]
    fn capacity_stays_within_its_bounds() {
        assert_eq!(RandomPool::for_seals(0).bytes.len(), SEAL_BYTES);
        assert_eq!(RandomPool::for_seals(3).bytes.len(), 3 * SEAL_BYTES);
        assert_eq!(RandomPool::for_seals(usize::MAX).bytes.len(), MAX_CAPACITY);
    }
}
