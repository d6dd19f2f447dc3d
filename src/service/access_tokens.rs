//! Access tokens: identities for applications that share a database role, and for users.
//!
//! A token is `dbat_` and base64url of an id and 32 random bytes. The id finds the row; the bytes are
//! compared, as a MAC, in constant time.

use std::hash::Hash;

use base64ct::{Base64UrlUnpadded, Encoding};
use bunker_core::attempts::Allowance;
use bunker_core::calendar::Interval;
use bunker_core::crypto::random;
use pgrx::Uuid;
use zeroize::Zeroizing;

use crate::audit;
use crate::error::{Error, Result};
use crate::identity::{self, Identity, Role};
use crate::keyring::{self, Keys};
use crate::pg::scan::{Snapshot, with_latest_snapshot};
use crate::pg::{attempts, caller, setting, time};
use crate::service::lifetime;
use crate::storage::access_token::{self as table, Row};
use crate::storage::record;

const PREFIX: &str = "dbat_";
const ID_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
/// As what a user who has logged in stands where applications stand by the names of their tokens.
pub const USER: &str = "user";
/// The longest name of an access token, in bytes.
const MAX_NAME: usize = 63;

/// Wrong secrets for one token, over all sessions. Beyond that the right one is refused as well.
const WRONG_SECRETS: Allowance = Allowance { tries: 10, seconds: 60 };
/// Tokens that do not exist, tried by one database role. Those who hold a real token do not suffer
/// from it, also where a pool lends the same role to everyone.
const UNKNOWN_TOKENS: Allowance = Allowance { tries: 20, seconds: 60 };

/// What is counted.
#[derive(Hash)]
enum Attempt {
    OfToken([u8; ID_BYTES]),
    OfRole(u32),
}

/// A token as its holder has it.
struct AccessToken {
    id: Uuid,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl AccessToken {
    fn random() -> Result<Self> {
        let (mut id, mut secret) = ([0; ID_BYTES], Zeroizing::new([0; SECRET_BYTES]));
        random::fill(&mut id)?;
        random::fill(&mut *secret)?;
        Ok(Self { id: Uuid::from_bytes(id), secret })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; ID_BYTES + SECRET_BYTES]);
        let encoded = text.strip_prefix(PREFIX)?;
        let decoded = Base64UrlUnpadded::decode(encoded, &mut *bytes).ok()?;
        let (id, secret) = decoded.split_first_chunk::<ID_BYTES>()?;
        let secret = Zeroizing::new(secret.try_into().ok()?);
        Some(Self { id: Uuid::from_bytes(*id), secret })
    }

    fn text(&self) -> String {
        let mut bytes = Zeroizing::new([0; ID_BYTES + SECRET_BYTES]);
        bytes[..ID_BYTES].copy_from_slice(self.id.as_bytes());
        bytes[ID_BYTES..].copy_from_slice(&*self.secret);
        format!("{PREFIX}{}", Base64UrlUnpadded::encode_string(&*bytes))
    }

    /// Has the row say that this is its token.
    fn sign(&self, keys: &Keys, mut row: Row) -> Row {
        row.mac = with_fields(&row, &*self.secret, |fields| keys.tokens().mac(fields).to_vec());
        row
    }

    fn is_of(&self, keys: &Keys, row: &Row) -> bool {
        with_fields(row, &*self.secret, |fields| keys.tokens().verifies(fields, &row.mac))
    }
}

/// What the MAC covers. Applications have a role and users a token, so that neither row can pass for
/// the other kind.
fn with_fields<R>(row: &Row, secret: &[u8], work: impl FnOnce(&[&[u8]]) -> R) -> R {
    let text = |text: &Option<String>| text.clone().unwrap_or_default().into_bytes();
    let token = row.token.map(|token| token.as_bytes().to_vec()).unwrap_or_default();
    let expires = row.expires_at.map(|time| time.to_be_bytes().to_vec()).unwrap_or_default();
    let (name, role) = (text(&row.name), text(&row.role));
    work(&[b"access token", row.id.as_bytes(), &name, &role, &token, &expires, secret])
}

/// Makes an access token for an application; it is never shown again.
pub fn create(name: &str, role: &str, ttl: Option<Interval>) -> Result<String> {
    audit::operation("create_access_token", None, &table::TABLE, || {
        check_name(name)?;
        let role = Role::named(role).ok_or(Error::BadArgument(
            "the role of an access token is none of the vault's",
            "Use bunker_reader, bunker_app, bunker_dpo or bunker_admin.",
        ))?;
        let now = time::now();
        let expires_at = ttl.map(|ttl| lifetime::after(ttl, now)).transpose()?;
        let made = AccessToken::random()?;
        let row = Row {
            id: made.id,
            name: Some(name.to_owned()),
            role: Some(role.name().to_string_lossy().into_owned()),
            token: None,
            expires_at,
            mac: Vec::new(),
        };
        let row = made.sign(&*keyring::for_writing()?, row);
        if !table::insert(&row, now, &audit::author())? {
            return Err(Error::Exists(
                "an access token of that name exists",
                "Choose another name, or revoke that one first.",
            ));
        }
        Ok(made.text())
    })
}

/// Makes an access token for a user who has logged in.
pub fn create_for_user(keys: &Keys, token: Uuid, expires_at: i64) -> Result<String> {
    let made = AccessToken::random()?;
    let row = Row {
        id: made.id,
        name: None,
        role: None,
        token: Some(token),
        expires_at: Some(expires_at),
        mac: Vec::new(),
    };
    let row = made.sign(keys, row);
    if !table::insert(&row, time::now(), &audit::author())? {
        return Err(Error::Internal("a random token was given out twice"));
    }
    Ok(made.text())
}

/// Takes an access token back: an application's by its name, those of a user by his token, as
/// [`authenticate`] tells who that is. False when there is none.
pub fn revoke(name: &str) -> Result<bool> {
    audit::operation("revoke_access_token", None, &table::TABLE, || {
        let user = user_named(name);
        let revoked = match &user {
            Some(user) => table::delete_of(user)?,
            None => table::delete(name)?,
        };
        if !revoked {
            audit::nothing_found(user.as_ref(), None);
        }
        Ok(revoked)
    })
}

/// The user whose tokens a name means.
fn user_named(name: &str) -> Option<Uuid> {
    uuid::Uuid::try_parse(name).ok().map(|user| Uuid::from_bytes(user.into_bytes()))
}

/// Has the transaction act as the holder of an access token; who that is.
///
/// # Errors
/// There is no such token, or not any more; then the transaction may do nothing until somebody
/// authenticates. It was tried too often; the database role lacks the token's role.
pub fn authenticate(access_token: &str) -> Result<String> {
    let identity = audit::read("authenticate", None, |access| {
        access.tells_nothing();
        // Whatever happens from here on, a cancel too, nobody goes on as who he was before.
        identity::assume(Identity::Stranger);
        let identity = identify(access_token)?;
        match &identity {
            Identity::Subject(token) => drop(access.outcome(token, Some(()))),
            Identity::Application { name, .. } => access.told(format!("access token {name}")),
            Identity::Stranger => {}
        }
        Ok(identity)
    });
    let identity = identity.inspect_err(|_| identity::assume(Identity::Stranger))?;
    identity::assume(identity.clone());
    Ok(identity.to_string())
}

fn identify(text: &str) -> Result<Identity> {
    let keys = keyring::existing()?;
    let given = AccessToken::parse(text);
    let found = match &given {
        Some(given) => with_latest_snapshot(|| table::find(&Snapshot::of_caller(), &given.id))?,
        None => None,
    };
    let (Some(given), Some(row), Some(keys)) = (given, found, keys) else {
        return Err(refused(&Attempt::OfRole(caller::session_role().to_u32()), UNKNOWN_TOKENS));
    };
    let attempt = Attempt::OfToken(*row.id.as_bytes());
    if setting::preloaded() && attempts::is_exhausted(&attempt, WRONG_SECRETS)? {
        return Err(too_many());
    }
    if !given.is_of(&keys, &row) {
        return Err(refused(&attempt, WRONG_SECRETS));
    }
    if row.expires_at.is_some_and(|time| time <= time::now()) {
        return Err(Error::NotAuthenticated);
    }
    identity_of(row)
}

fn identity_of(row: Row) -> Result<Identity> {
    if let Some(token) = row.token {
        let lives = with_latest_snapshot(|| record::exists(&Snapshot::of_caller(), &token))?;
        return if lives { Ok(Identity::Subject(token)) } else { Err(Error::NotAuthenticated) };
    }
    let role = row.role.as_deref().and_then(Role::named);
    let (Some(name), Some(role)) = (row.name, role) else {
        return Err(Error::Damaged("an access token"));
    };
    if !caller::is_member_of(role.name()) {
        return Err(Error::Refused(
            "the database role does not have the role of the access token",
            "A token narrows what a role may do. Grant it the token's role, or use another token.",
        ));
    }
    Ok(Identity::Application { name: name.into(), role })
}

/// Counts a wrong try. Without shared memory nothing is counted, nor need it be: 256 random bits are
/// not guessed.
fn refused(attempt: &Attempt, allowed: Allowance) -> Error {
    match attempts::count(attempt, allowed) {
        Ok(false) => too_many(),
        _ => Error::NotAuthenticated,
    }
}

fn too_many() -> Error {
    Error::TooManyAttempts("Wait a minute. If nobody of yours tried wrong tokens, look who did.")
}

fn check_name(name: &str) -> Result<()> {
    let well_formed =
        !name.trim().is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    // Neither what bunker_authenticate tells of an application nor what a request does must look like
    // a user.
    let is_user = user_named(name).is_some() || name.trim().eq_ignore_ascii_case(USER);
    if well_formed && !is_user {
        return Ok(());
    }
    Err(Error::BadArgument(
        "the name of an access token is not usable",
        "Use 1 to 63 bytes of text without control characters; no uuid, nor \"user\".",
    ))
}
