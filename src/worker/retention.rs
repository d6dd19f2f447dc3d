//! Dropping what is too old, and saying so in the chain.

use bunker_core::trail::{Anchor, Content};

use super::sealer::append;
use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::service::verify::is_authentic;
use crate::storage::audit_seal::{self, SealRow};
use crate::storage::partition;

/// Drops the months before `kept_month` and their seals; the new end of the chain, which was `end`.
///
/// # Errors
/// The oldest seals are not what they should be, or others hold locks: nothing is dropped.
pub fn retire(keys: &Keys, end: Anchor, kept_month: i32) -> Result<Anchor> {
    let dropped_events = partition::drop_before(kept_month)?;
    let first_kept = audit_seal::first_since(kept_month)?.unwrap_or(end.number + 1);
    check_removable(keys, first_kept, kept_month)?;
    audit_seal::delete_before(first_kept)?;
    let row = SealRow {
        kind: audit_seal::RETENTION,
        month: kept_month,
        count: dropped_events,
        first_seal: Some(first_kept),
        ..SealRow::default()
    };
    append(keys, &end, Content::Retention { kept_month, first_kept, dropped_events }, row)
}

/// Refuses to drop seals that are not the whole and authentic beginning of the chain, or not older
/// than what is kept: the seal over their removal would vouch for whatever was done to them.
fn check_removable(keys: &Keys, first_kept: i64, kept_month: i32) -> Result<()> {
    let damaged = || Error::Damaged("the oldest seals of the audit trail");
    let mut next = first_of_chain(keys)?;
    for seal in audit_seal::since(i64::MIN) {
        let seal = seal?;
        if seal.number >= first_kept {
            break;
        }
        let is_kept = seal.kind == audit_seal::EVENTS && seal.month >= kept_month;
        if seal.number != next || is_kept || !is_authentic(keys, &seal) {
            return Err(damaged());
        }
        next += 1;
    }
    if next == first_kept { Ok(()) } else { Err(damaged()) }
}

/// The number of the seal that the chain has to begin with: by its last retention, or 1.
fn first_of_chain(keys: &Keys) -> Result<i64> {
    match audit_seal::last_of(audit_seal::RETENTION)? {
        None => Ok(1),
        Some(last) if is_authentic(keys, &last) => Ok(last.first_seal.unwrap_or(1)),
        Some(_) => Err(Error::Damaged("a seal of the audit trail")),
    }
}
