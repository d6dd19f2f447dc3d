//! What forget-me does to the user's requests.

use pgrx::Uuid;

use super::decide::close;
use super::sealed::{open_reason, seal_reason};
use super::{DAMAGED, State, Wish};
use crate::audit;
use crate::error::{Error, Result};
use crate::keyring::{self, Keys};
use crate::pg::scan;
use crate::storage::request::{self as table, Row};

/// Why open requests are cancelled then.
const FORGOTTEN: &str = "user forgotten";

/// Cancels the user's open requests and removes what can be opened of all. The user is locked.
///
/// Of a forget-me that was approved the reason stays: it is why he is gone.
///
/// # Errors
/// The transaction sees the past, in which not all of them were there.
pub fn erase(token: &Uuid) -> Result<()> {
    for request in table::names_of(token)? {
        let keys = keyring::existing()?.ok_or(DAMAGED)?;
        if let Some(row) = table::lock(&request)? {
            erase_one(&keys, row)?;
        }
    }
    if scan::overlooks(|now| table::any_unerased(now, token))? {
        return Err(Error::Outdated("the user has got a request meanwhile"));
    }
    Ok(())
}

fn erase_one(keys: &Keys, mut row: Row) -> Result<()> {
    let reason = open_reason(keys, &row);
    table::drop_change(&row.request)?;
    row.has_change = false;
    let reason = match reason {
        Ok(_) if row.status == State::Open.name() => {
            return audit::consequence("cancel_request", &table::TABLE, || {
                close(keys, row, State::Cancelled, Some(FORGOTTEN))
            });
        }
        Ok(reason) => reason.filter(|_| tells_why_he_is_gone(&row)),
        // It must not keep the user from being forgotten, nor be sealed as if it were right.
        Err(Error::Damaged(_)) => {
            State::Cancelled.name().clone_into(&mut row.status);
            row.reason.clear();
            return table::decide(&row);
        }
        Err(error) => return Err(error),
    };
    seal_reason(keys, &mut row, reason.as_deref())?;
    table::decide(&row)
}

fn tells_why_he_is_gone(row: &Row) -> bool {
    row.action == Wish::FORGET_ME && row.status == State::Approved.name()
}
