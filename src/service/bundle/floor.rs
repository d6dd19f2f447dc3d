//! Up to which number the trail is settled, for cursors.

use crate::error::Result;
use crate::pg::background;
use crate::storage::{audit, audit_seal};

/// A number up to which no event is still to come: whoever takes a snapshot from now on sees, of the
/// events with lower numbers, all that there will ever be.
///
/// Events get their numbers before they are committed. If nobody has an open transaction that has
/// written, it is the last number that was given out; else what the audit writer knows, who watches
/// the open transactions all the time (`worker::floor`), or what was known before.
pub fn current(known: i64) -> Result<i64> {
    // In this order: whoever has drawn a number so far has had his transaction's number before.
    let last = audit::last_number()?;
    let next_transaction = background::next_transaction();
    if background::oldest_running_transaction() >= next_transaction {
        return Ok(last);
    }
    let sealed = audit_seal::last_of(audit_seal::EVENTS)?.and_then(|seal| seal.floor);
    Ok(sealed.unwrap_or_default().max(known))
}
