//! What maintenance does about expirations.
//!
//! It waits for nobody: users whose rows others have locked are passed over, and the next round finds
//! them again. Who is locked is looked at again under the lock: a user who was retained in the last
//! moment stays.

use pgrx::Uuid;

use super::forget;
use crate::audit;
use crate::error::Result;
use crate::keyring::{self, Keys};
use crate::outbox::{self, Announcement};
use crate::pg::{session, subtransaction};
use crate::storage::expiration::{self as table, Status};
use crate::storage::{lookup, record};

/// How long before his end a user's expiration is announced, in microseconds: a day.
const NOTICE: i64 = 24 * 60 * 60 * 1_000_000;

/// Forgets up to `limit` users whose time has come at `now`; how many. Fewer than `limit` means that
/// nobody is left whom this round, which is known by its time, could forget.
///
/// A user who cannot be forgotten is left alone with a warning, and tried again in the next round,
/// after those who never were. As many failures as `limit` end the round, too.
pub fn expire(now: i64, limit: i32) -> Result<usize> {
    if !table::any_due(now)? {
        return Ok(0);
    }
    let Some(keys) = keyring::existing()? else {
        return Ok(0);
    };
    // Before any row, as everybody who writes users.
    lookup::lock_for_writing()?;
    let (mut done, mut failed) = (0, 0);
    while done < limit && failed < limit {
        let mut due = table::lock_due(now, limit - done)?;
        if due.is_empty() {
            due = table::lock_tried(now, limit - done)?;
        }
        if due.is_empty() {
            break;
        }
        for token in &due {
            session::check_for_interrupts();
            if expire_one(&keys, token, now)? { done += 1 } else { failed += 1 }
        }
    }
    Ok(usize::try_from(done).unwrap_or(0))
}

/// Forgets a user whose expiration is locked and due; whether he is forgotten now.
///
/// # Errors
/// What would fail for every other user, too.
fn expire_one(keys: &Keys, token: &Uuid, now: i64) -> Result<bool> {
    let outcome = subtransaction::attempt(|| {
        audit::consequence("expire_user", &record::TABLE, || {
            // Passes over a user whom somebody is changing.
            let Some(user) = record::lock_if_free(token)?.filter(|user| !user.forgotten) else {
                return Ok(false);
            };
            table::decide_of_user(token, Status::Expired, now)?;
            forget(keys, &user).map(|()| true)
        })
    });
    let forgotten = outcome.unwrap_or_else(|failure| {
        let sqlstate = failure.sqlstate();
        session::warn(&format!(
            "databunker: the user {token} has expired and cannot be forgotten, SQLSTATE {sqlstate}"
        ));
        false
    });
    if !forgotten {
        audit::unreported(|| table::set_tried(token, now))?;
    }
    Ok(forgotten)
}

/// Announces the end of up to `limit` users whose time comes within a day from `now`, once for each;
/// how many.
pub fn announce_near(now: i64, limit: i32) -> Result<usize> {
    audit::consequence("expiry_near", &record::TABLE, || {
        let near = table::mark_announced(now, now.saturating_add(NOTICE), limit)?;
        for token in &near {
            audit::report("expiry_near", token)?;
            outbox::announce(Announcement::ExpiryNear, token)?;
        }
        Ok(near.len())
    })
}
