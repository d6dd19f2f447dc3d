//! The audit key: MACs of events and seals.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::event::{EVENT_MAC_LEN, Event, EventMac};
use super::seal::{SEAL_MAC_LEN, Seal};
use crate::crypto::mac;
use crate::secret::SecretKey;

/// Sets the MACs of events apart from those of seals, and from any other use of the key.
const EVENT_LABEL: &[u8] = b"databunker/v1/audit-event";

/// Sets the MACs of seals apart.
const SEAL_LABEL: &[u8] = b"databunker/v1/audit-seal";

/// An audit key of the keyring, with HMAC's key schedule done once.
///
/// It prints nothing, and its state is wiped when it is dropped.
pub struct TrailKey {
    id: u32,
    /// HMAC under the audit key, which has already taken in the label of events.
    events: Hmac<Sha256>,
    /// The same with the label of seals.
    seals: Hmac<Sha256>,
}

impl TrailKey {
    /// Prepares the audit key with the given key id. Keep the result: this costs more than a MAC.
    #[must_use]
    pub fn new(id: u32, key: &SecretKey) -> Self {
        Self { id, events: mac::keyed(key, EVENT_LABEL), seals: mac::keyed(key, SEAL_LABEL) }
    }

    /// The id of the key in the keyring, which rows keep beside their MACs.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The MAC of an event: HMAC-SHA-256 (RFC 2104) over the label and every field, truncated to
    /// [`EVENT_MAC_LEN`]. Allocates nothing.
    #[must_use]
    pub fn event_mac(&self, event: &Event<'_>) -> EventMac {
        let mut hmac = self.events.clone();
        event.encode(&mut |bytes| hmac.update(bytes));
        let whole: [u8; 32] = hmac.finalize().into_bytes().into();
        let mut mac = [0; EVENT_MAC_LEN];
        mac.copy_from_slice(&whole[..EVENT_MAC_LEN]);
        mac
    }

    /// The MAC of a seal: HMAC-SHA-256 over the label and every field, the MAC of the seal before
    /// it among them.
    #[must_use]
    pub fn seal_mac(&self, seal: &Seal<'_>) -> [u8; SEAL_MAC_LEN] {
        let mut hmac = self.seals.clone();
        seal.encode(&mut |bytes| hmac.update(bytes));
        hmac.finalize().into_bytes().into()
    }
}

/// Whether two MACs are the same, in a time that depends on their lengths alone.
///
/// Compare stored MACs with this only: a comparison that stops at the first difference would let a
/// forger find the right MAC byte by byte.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
