//! One-time codes, by which a user logs in.

use std::hash::Hash;

use bunker_core::attempts::Allowance;
use bunker_core::crypto::random;
use pgrx::Uuid;
use zeroize::Zeroizing;

use super::access_tokens;
use crate::audit;
use crate::error::{Error, Result};
use crate::guc;
use crate::keyring::Keys;
use crate::pg::scan::Snapshot;
use crate::pg::{attempts, time};
use crate::service::users::{Owner, UserRef};
use crate::storage::login_code::{self as table, Row};
use crate::storage::{access_token, lookup};

/// How long a code lives: ten minutes, in microseconds.
const LIFETIME: i64 = 10 * 60 * 1_000_000;
/// Digits of a code.
const DIGITS: usize = 8;
/// How often one code may be tried, over all sessions; longer than it lives.
const TRIES: Allowance = Allowance { tries: 5, seconds: 900 };
/// How many codes one user gets: each of them can be tried anew.
const CODES: Allowance = Allowance { tries: 5, seconds: 600 };

/// What is counted.
#[derive(Hash)]
enum Attempt {
    AtCode([u8; 16]),
    CodesOf([u8; 16]),
}

/// Makes a code for a user, for the application to send him. His former one is void.
///
/// # Errors
/// There is no such user; he has got too many.
pub fn issue(kind: &str, value: &str) -> Result<String> {
    audit::operation("login_code", Some(kind), &table::TABLE, || {
        lookup::lock_for_writing()?;
        let owner = Owner::hold(kind, value)?;
        if !attempts::count(&Attempt::CodesOf(*owner.token.as_bytes()), CODES)? {
            return Err(Error::TooManyAttempts("At most 5 login codes for a user in 10 minutes."));
        }
        let now = time::now();
        let mut id = [0; 16];
        random::fill(&mut id)?;
        let code = random_code()?;
        let mut row = Row {
            token: owner.token,
            id: Uuid::from_bytes(id),
            expires_at: now.saturating_add(LIFETIME),
            mac: Vec::new(),
        };
        row.mac = with_fields(&row, &code, |fields| owner.keys.tokens().mac(fields).to_vec());
        table::replace(&row, now)?;
        Ok(code.to_string())
    })
}

/// Logs a user in with his code; an access token that is his alone.
///
/// # Errors
/// Whatever is wrong, also when there is no such user or no code, the caller is told the same.
pub fn login(kind: &str, value: &str, code: &str) -> Result<String> {
    audit::operation("login", Some(kind), &access_token::TABLE, || {
        attempts::require_memory()?;
        let user = UserRef::resolve(&Snapshot::of_caller(), kind, value)?;
        let (Some(target), Some(keys)) = (user.target, user.keys) else {
            return Err(Error::WrongCode(None));
        };
        let token = target.token;
        match table::lock(&token)? {
            Some(row) if is_right(&keys, &row, code)? => {}
            _ => return Err(Error::WrongCode(Some(token))),
        }
        table::delete_of(&token)?;
        let expires_at = guc::max_session_retention()?.after(time::now());
        access_tokens::create_for_user(&keys, token, expires_at)
    })
}

/// Counted first: of all tries at the same time, no more are looked at than there may be.
fn is_right(keys: &Keys, row: &Row, code: &str) -> Result<bool> {
    Ok(attempts::count(&Attempt::AtCode(*row.id.as_bytes()), TRIES)?
        && row.expires_at > time::now()
        && with_fields(row, code, |fields| keys.tokens().verifies(fields, &row.mac)))
}

fn with_fields<R>(row: &Row, code: &str, work: impl FnOnce(&[&[u8]]) -> R) -> R {
    let expires = row.expires_at.to_be_bytes();
    work(&[
        b"login code",
        row.id.as_bytes(),
        row.token.as_bytes(),
        &expires,
        code.trim().as_bytes(),
    ])
}

/// Random digits, each code as likely as any other: of 2^64 numbers, those above the last multiple of
/// 10^8 would make some codes more likely, and are drawn again.
fn random_code() -> Result<Zeroizing<String>> {
    const CODES: u64 = 10_u64.pow(DIGITS as u32);
    loop {
        let mut bytes = Zeroizing::new([0; 8]);
        random::fill(&mut *bytes)?;
        let number = u64::from_le_bytes(*bytes);
        if number < u64::MAX - u64::MAX % CODES {
            return Ok(Zeroizing::new(format!("{:0DIGITS$}", number % CODES)));
        }
    }
}
