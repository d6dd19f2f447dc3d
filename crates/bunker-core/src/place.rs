//! The sealed columns of a vault, and what a value in each is bound to besides its owner and version:
//! in another column or row, or in a row that was altered, it does not open.
//!
//! The extension seals and opens by this, and so does whoever opens a copy of the vault elsewhere.
//! `docs/FORMAT.md` has the bytes. Times are microseconds since 2000-01-01 UTC.

use crate::crypto::associated::push_prefixed;

/// The profile of a user, bound to his digests ([`crate::digests`]).
pub const PROFILE: &str = "record.profile";
/// What is preserved of a forgotten user; bound to nothing more.
pub const TOMBSTONE: &str = "record.tombstone";
/// What an app keeps of a user, bound to the app's name.
pub const APP_DATA: &str = "app_data.data";
/// A session's data, bound to its [`life`].
pub const SESSION: &str = "session.data";
/// The terms of a share, bound to its [`life`].
pub const SHARE: &str = "share.terms";
/// The details of an [`Agreement`].
pub const AGREEMENT: &str = "agreement.details";
/// What a [`Request`] would change, bound to how it was filed.
pub const REQUEST_CHANGE: &str = "request.change";
/// The reason of the decision about a [`Request`], bound to all of it.
pub const REQUEST_REASON: &str = "request.reason";

/// Uuid and times of a row that ends by itself: nobody makes it live longer.
#[must_use]
pub fn life(id: &[u8; 16], created_at: i64, expires_at: i64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(id);
    bytes[16..24].copy_from_slice(&created_at.to_be_bytes());
    bytes[24..].copy_from_slice(&expires_at.to_be_bytes());
    bytes
}

/// All that an agreement says of itself in the clear, besides owner and version.
#[derive(Clone, Copy)]
pub struct Agreement<'a> {
    /// What the owner is: of a user 0, else the id of the lookup kind.
    pub kind: i16,
    /// The legal basis.
    pub brief: &'a str,
    /// What became of it.
    pub status: &'a str,
    /// When it was first given.
    pub created_at: i64,
    /// When the version was made.
    pub updated_at: i64,
    /// From when on it is meant to hold.
    pub starts_at: Option<i64>,
    /// When it ends.
    pub expires_at: Option<i64>,
}

impl Agreement<'_> {
    /// `i16(kind) ‖ lp(brief) ‖ lp(status) ‖ created ‖ updated ‖ starts ‖ expires`, with 0x00 for a time
    /// that is missing and 0x01 before one that may be.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.kind.to_be_bytes().to_vec();
        push_prefixed(&mut bytes, self.brief.as_bytes());
        push_prefixed(&mut bytes, self.status.as_bytes());
        bytes.extend(self.created_at.to_be_bytes());
        bytes.extend(self.updated_at.to_be_bytes());
        for time in [self.starts_at, self.expires_at] {
            bytes.push(u8::from(time.is_some()));
            bytes.extend(time.iter().flat_map(|time| time.to_be_bytes()));
        }
        bytes
    }
}

/// All that a request says of itself in the clear, besides its owner.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Its uuid.
    pub id: [u8; 16],
    /// What is asked for.
    pub action: &'a str,
    /// Of which app or legal basis.
    pub subject: Option<&'a str>,
    /// When it was filed.
    pub created_at: i64,
    /// By which role.
    pub requested_by: &'a str,
    /// By the holder of which access token.
    pub requested_as: Option<&'a str>,
    /// The version of what would change, when it was filed.
    pub seen: Option<i32>,
    /// What became of it.
    pub status: &'a str,
    /// When it was filed again or decided.
    pub updated_at: i64,
    /// By which role it was decided.
    pub decided_by: Option<&'a str>,
    /// By the holder of which access token.
    pub decided_as: Option<&'a str>,
    /// Whether it says what would change.
    pub has_change: bool,
}

impl Request<'_> {
    /// What stays as it was when the request was filed.
    #[must_use]
    pub fn filed(&self) -> Vec<u8> {
        let mut bytes = self.id.to_vec();
        push(&mut bytes, Some(self.action.as_bytes()));
        push(&mut bytes, self.subject.map(str::as_bytes));
        bytes.extend(self.created_at.to_be_bytes());
        push(&mut bytes, Some(self.requested_by.as_bytes()));
        push(&mut bytes, self.requested_as.map(str::as_bytes));
        push(&mut bytes, self.seen.map(i32::to_be_bytes).as_ref().map(<[u8; 4]>::as_slice));
        bytes
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.filed();
        push(&mut bytes, Some(self.status.as_bytes()));
        bytes.extend(self.updated_at.to_be_bytes());
        push(&mut bytes, self.decided_by.map(str::as_bytes));
        push(&mut bytes, self.decided_as.map(str::as_bytes));
        bytes.push(u8::from(self.has_change));
        bytes
    }
}

/// 0 for what is missing, else 1, the length and the bytes.
fn push(bytes: &mut Vec<u8>, value: Option<&[u8]>) {
    bytes.push(u8::from(value.is_some()));
    if let Some(value) = value {
        push_prefixed(bytes, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rows_are_bound_to_the_same_bytes() {
        let agreement = Agreement {
            kind: 0,
            brief: "ab",
            status: "c",
            created_at: 1,
            updated_at: 2,
            starts_at: Some(3),
            expires_at: None,
        };
        for other in [
            Agreement { brief: "a", status: "bc", ..agreement },
            Agreement { starts_at: None, expires_at: Some(3), ..agreement },
            Agreement { kind: 1, ..agreement },
            Agreement { created_at: 2, updated_at: 1, ..agreement },
        ] {
            assert_ne!(other.bytes(), agreement.bytes());
        }
        let request = Request {
            id: [7; 16],
            action: "ab",
            subject: Some("c"),
            created_at: 1,
            requested_by: "d",
            requested_as: None,
            seen: Some(4),
            status: "e",
            updated_at: 2,
            decided_by: None,
            decided_as: Some("f"),
            has_change: false,
        };
        for other in [
            Request { action: "a", subject: Some("bc"), ..request },
            Request { subject: Some(""), ..request },
            Request { subject: None, ..request },
            Request { requested_by: "", requested_as: Some("d"), ..request },
            Request { seen: None, ..request },
        ] {
            assert_ne!(other.filed(), request.filed());
        }
        for other in [
            Request { decided_by: Some("f"), decided_as: None, ..request },
            Request { has_change: true, ..request },
        ] {
            assert_eq!(other.filed(), request.filed());
            assert_ne!(other.bytes(), request.bytes());
        }
        assert_ne!(life(&[7; 16], 1, 2), life(&[7; 16], 2, 1));
    }
}
