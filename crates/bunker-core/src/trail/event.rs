//! Audit events, as their MACs see them.

use crate::crypto::associated::length_prefix;

/// Length of an event's MAC, in bytes.
///
/// HMAC-SHA-256 truncated to half of its output, as RFC 2104 section 5 allows: a forger's chance
/// is 2^-128 an attempt.
pub const EVENT_MAC_LEN: usize = 16;

/// The MAC of one event.
pub type EventMac = [u8; EVENT_MAC_LEN];

/// Precedes an optional field that is not there.
const ABSENT: &[u8] = &[0];

/// Precedes an optional field that is there, even if it is empty.
const PRESENT: &[u8] = &[1];

/// One row of the audit trail: who did what to whose data, and what came of it.
///
/// It has no `Debug`, because actor, reason and message may name people.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The number of the event, which no other has. Later events may have lower ones.
    pub id: i64,
    /// When it happened, in microseconds since 2000-01-01 UTC, as PostgreSQL counts.
    pub at: i64,
    /// The user whose data it concerns, if it concerns one who was found.
    pub token: Option<[u8; 16]>,
    /// The version of the user's record that the event made or read.
    pub version: Option<i32>,
    /// What was done: a function's name without `bunker_`, or a statement past the functions.
    pub action: &'a str,
    /// What came of it: `ok`, `not_found`, `denied` or `failed`.
    pub status: &'a str,
    /// Who did it, in one line.
    pub actor: &'a str,
    /// The lookup kind by which the user was named.
    pub kind: Option<&'a str>,
    /// The application whose data it concerns.
    pub app: Option<&'a str>,
    /// Why, in the caller's words.
    pub reason: Option<&'a str>,
    /// What else there is to say.
    pub message: Option<&'a str>,
}

impl Event<'_> {
    /// Hands the canonical encoding to `put`, piece by piece, so that nothing is allocated.
    ///
    /// Two events give the same bytes exactly when all their fields are equal: every field has a
    /// fixed length or its length before it, and an optional one a byte that says whether it is
    /// there.
    #[inline]
    pub(super) fn encode(&self, put: &mut impl FnMut(&[u8])) {
        put(&self.id.to_be_bytes());
        put(&self.at.to_be_bytes());
        optional(self.token, put, |token, put| put(&token));
        optional(self.version, put, |version, put| put(&version.to_be_bytes()));
        for field in [self.action, self.status, self.actor] {
            text(field, put);
        }
        for field in [self.kind, self.app, self.reason, self.message] {
            optional(field, put, text);
        }
    }
}

/// A text of any length, preceded by that length.
#[inline]
fn text<P: FnMut(&[u8])>(text: &str, put: &mut P) {
    put(&length_prefix(text.as_bytes()));
    put(text.as_bytes());
}

/// A field that may be missing, preceded by whether it is.
#[inline]
fn optional<T, P: FnMut(&[u8])>(field: Option<T>, put: &mut P, encode: impl FnOnce(T, &mut P)) {
    match field {
        None => put(ABSENT),
        Some(field) => {
            put(PRESENT);
            encode(field, put);
        }
    }
}
