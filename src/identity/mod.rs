//! Whom the transaction acts as: nobody in particular, an access token, or one user.
//!
//! `bunker_authenticate` sets it for the rest of the transaction and no longer, so that a connection
//! which a pooler hands on never carries it to the next client. It narrows what the database role may
//! do and never widens it: PostgreSQL has already checked EXECUTE when [`admit`] is asked.

mod policy;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use pgrx::Uuid;

use crate::error::{Error, Result};
use crate::guc;
use crate::pg::caller;
use crate::pg::session::Transaction;

pub use policy::{Role, is_action};

/// Whom a transaction acts as.
#[derive(Clone, PartialEq, Eq)]
pub enum Identity {
    /// An application with an access token.
    Application {
        /// What the access token is called.
        name: Rc<str>,
        /// What it is for.
        role: Role,
    },
    /// A user who has logged in; his token.
    Subject(Uuid),
    /// Somebody whose token was refused.
    Stranger,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application { name, .. } => f.write_str(name),
            Self::Subject(token) => token.fmt(f),
            Self::Stranger => f.write_str("nobody"),
        }
    }
}

thread_local! {
    /// The identity, and the transaction that it belongs to.
    static ACTING: RefCell<Option<(Transaction, Identity)>> = const { RefCell::new(None) };
}

/// From now on and until the transaction ends, the session acts as `identity`. A rollback to a
/// savepoint does not take that back.
pub fn assume(identity: Identity) {
    ACTING.set(Some((Transaction::current(), identity)));
}

/// Whom the transaction acts as, if it has said so.
pub fn current() -> Option<Identity> {
    ACTING.with_borrow(|acting| {
        let (whose, identity) = acting.as_ref()?;
        (*whose == Transaction::current()).then(|| identity.clone())
    })
}

/// The user as whom the transaction acts, if it does.
pub fn subject() -> Option<Uuid> {
    match current()? {
        Identity::Subject(token) => Some(token),
        _ => None,
    }
}

/// Lets the call `action` (a function's name without `bunker_`) go on, if the one as whom the
/// transaction acts may make it.
///
/// # Errors
/// He may not, or nobody has authenticated and `databunker.require_access_token` is on.
pub fn admit(action: &str) -> Result<()> {
    match current() {
        None if !guc::require_access_token() || policy::is_open(action) => Ok(()),
        None => Err(Error::NotAuthenticated),
        Some(_) if policy::is_open(action) => Ok(()),
        Some(Identity::Stranger) => Err(Error::NotAuthenticated),
        Some(Identity::Application { role, .. }) if policy::may_call(role, action) => Ok(()),
        Some(Identity::Subject(_)) if policy::is_for_subjects(action) => Ok(()),
        Some(_) => Err(Error::NotAllowed),
    }
}

/// Lets what belongs to a user be touched: by anyone whom [`admit`] has let in, but by a user who has
/// logged in only if it is his own.
///
/// # Errors
/// It is somebody else's, or nobody's: he is not told which.
pub fn admit_owner(owner: Option<&Uuid>) -> Result<()> {
    match subject() {
        Some(subject) if owner != Some(&subject) => Err(Error::NotYours(owner.copied())),
        _ => Ok(()),
    }
}

/// Whether the caller has the privileges of a role of ours: the database role, narrowed by the access
/// token if there is one. For what a call may do beyond its EXECUTE privilege.
pub fn has_role(role: Role) -> bool {
    let token_agrees = match current() {
        None => true,
        Some(Identity::Application { role: own, .. }) => own.includes(role),
        Some(Identity::Subject(_) | Identity::Stranger) => false,
    };
    token_agrees && caller::is_member_of(role.name())
}
