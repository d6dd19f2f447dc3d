//! Every way in which a call can fail, and the only map from our errors to SQLSTATEs.
//!
//! No variant carries a value from a profile, a digest or a key, so that none can reach a message,
//! a hint or the server log (`API.md`, "Conventions").

mod sealed;
mod status;
mod words;

use bunker_bundle::BundleError;
use bunker_core::crypto::{CryptoError, EntryError, OpenError};
use bunker_core::normalize::NormalizeError;
use bunker_core::profile::{PatchError, ProfileError, SchemaError, SchemaLocation, Violation};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, function_name};

pub use sealed::SealedReason;
pub use status::Status;

/// What every fallible function of the extension returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call was refused.
pub enum Error {
    /// The lookup kind is none of ours and none that was added.
    UnknownKind,
    /// A name, path, limit or other argument is unusable; what and how to mend it.
    BadArgument(&'static str, &'static str),
    /// A lookup value has no normal form.
    BadValue(NormalizeError),
    /// A profile cannot be taken as it is.
    BadProfile(ProfileError),
    /// The profile has none of the fields by which a user is found.
    NoLookupField,
    /// A patch cannot be applied.
    BadPatch(PatchError),
    /// The user schema cannot be used.
    BadSchema(SchemaError),
    /// A token that is no uuid.
    MalformedToken,
    /// Another user has a lookup value already; the kind's name.
    Duplicate(String),
    /// The profile breaks the user schema.
    SchemaViolation(Violation),
    /// A `locked` value would change; where, in terms of the schema.
    LockedChange(SchemaLocation),
    /// `expected_version` is not the current version.
    VersionConflict,
    /// More than one call may bring or take away; how much that is.
    TooMany(&'static str),
    /// No usable master key.
    Sealed(SealedReason),
    /// The normal forms were made by another version of the library.
    StaleNormalizer,
    /// A write names a user that does not exist.
    NoSuchUser,
    /// A stored value fails authentication.
    Damaged(&'static str),
    /// The operating system gave no random bytes, or a bound of the cipher was reached.
    Crypto(CryptoError),
    /// PostgreSQL refused one of our own statements in a way that is none of the above.
    Internal(&'static str),
    /// A view of PostgreSQL that would show the master key.
    WouldShowKey,
    /// The transaction has read as many records as it may without an unlock.
    BulkGuard,
    /// The role has read as many records in this minute as it may; what to do.
    RateLimited(&'static str),
    /// A setting needs shared memory, and the library was loaded late; which one.
    NotPreloaded(&'static str),
    /// A call from a parallel query.
    ParallelQuery,
    /// A constraint, or statistics, would call the vault behind people's backs.
    CallInDefinition,
    /// The transaction sees the past, and the work needs the present.
    IsolationLevel,
    /// The transaction has written, and the work is only for one that has not.
    HasWritten,
    /// What a call reads from row to row was closed, or read, by somebody else meanwhile.
    Interrupted,
    /// A bundle is not what it should be.
    BadBundle(BundleError),
    /// The library is not in shared_preload_libraries, so there is no audit writer.
    NoAuditWriter,
    /// The audit writer did not write the event in time.
    AuditUnavailable,
    /// The server has no place for another background worker.
    NoWorkerSlot,
    /// More databases use the vault at a time than there are channels.
    TooManyDatabases,
    /// A read on a hot standby, where its event cannot be written.
    Standby,
    /// A read on a hot standby whose log would not take the event.
    LogDropsEvents,
    /// Nobody has authenticated where that is required, or his access token was refused.
    NotAuthenticated,
    /// The one as whom the transaction acts may not make this call.
    NotAllowed,
    /// A user who has logged in asks for what is not his; whose it is, if anybody's, which he is not
    /// told.
    NotYours(Option<pgrx::Uuid>),
    /// A login code is wrong, over, used, or there is none; of which user, which the caller is not told.
    WrongCode(Option<pgrx::Uuid>),
    /// Something was tried too often; what to do.
    TooManyAttempts(&'static str),
    /// Somebody may not do this for another reason; what, and what to do.
    Refused(&'static str, &'static str),
    /// A write names something, other than a user, that does not exist.
    NotThere(&'static str),
    /// Something of that name is there already; what, and what to do.
    Exists(&'static str, &'static str),
    /// What was to be changed has changed since it was looked at.
    Outdated(&'static str),
    /// An error that one user's data cause.
    OfUser(pgrx::Uuid, Box<Error>),
    /// An error in one element of an array argument, counted from 1.
    Element(usize, Box<Error>),
}

impl Error {
    /// Marks the error as one of the `ordinal`-th element of an array argument.
    pub fn at(self, ordinal: usize) -> Self {
        Self::Element(ordinal, Box::new(self))
    }

    /// Marks the error as caused by the data of a user, unless it says already of whom.
    pub fn of_user(self, token: pgrx::Uuid) -> Self {
        match self {
            Self::OfUser(..) => self,
            error => Self::OfUser(token, Box::new(error)),
        }
    }

    fn sqlstate(&self) -> PgSqlErrorCode {
        use PgSqlErrorCode::*;
        match self {
            Self::BadProfile(ProfileError::TooBig | ProfileError::TooDeep)
            | Self::BadPatch(
                PatchError::TooBig | PatchError::TooDeep | PatchError::TooManyOperations,
            )
            | Self::BadSchema(
                SchemaError::TooBig | SchemaError::TooDeep | SchemaError::TooComplex,
            )
            | Self::SchemaViolation(Violation::TooCostly)
            | Self::TooMany(_)
            | Self::RateLimited(_)
            | Self::TooManyAttempts(_) => ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            Self::UnknownKind
            | Self::BadArgument(..)
            | Self::NoLookupField
            | Self::BadValue(_)
            | Self::BadProfile(_)
            | Self::BadPatch(_)
            | Self::BadSchema(_)
            | Self::BadBundle(_) => ERRCODE_INVALID_PARAMETER_VALUE,
            Self::MalformedToken => ERRCODE_INVALID_TEXT_REPRESENTATION,
            Self::Duplicate(_) | Self::Exists(..) => ERRCODE_UNIQUE_VIOLATION,
            Self::SchemaViolation(_) | Self::LockedChange(_) => ERRCODE_CHECK_VIOLATION,
            Self::VersionConflict | Self::Outdated(_) => ERRCODE_T_R_SERIALIZATION_FAILURE,
            Self::Sealed(_)
            | Self::StaleNormalizer
            | Self::NoAuditWriter
            | Self::AuditUnavailable
            | Self::NotPreloaded(_)
            | Self::NoWorkerSlot
            | Self::TooManyDatabases
            | Self::LogDropsEvents => ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            Self::Standby => ERRCODE_READ_ONLY_SQL_TRANSACTION,
            Self::NoSuchUser | Self::NotThere(_) => ERRCODE_NO_DATA_FOUND,
            Self::Damaged(_) => ERRCODE_DATA_CORRUPTED,
            Self::Crypto(_) | Self::Internal(_) => ERRCODE_INTERNAL_ERROR,
            Self::WouldShowKey
            | Self::BulkGuard
            | Self::NotAuthenticated
            | Self::NotAllowed
            | Self::NotYours(_)
            | Self::WrongCode(_)
            | Self::Refused(..) => ERRCODE_INSUFFICIENT_PRIVILEGE,
            Self::ParallelQuery => ERRCODE_INVALID_TRANSACTION_STATE,
            Self::CallInDefinition => ERRCODE_INVALID_OBJECT_DEFINITION,
            Self::IsolationLevel | Self::HasWritten => ERRCODE_ACTIVE_SQL_TRANSACTION,
            Self::Interrupted => ERRCODE_INVALID_CURSOR_STATE,
            Self::OfUser(_, inner) | Self::Element(_, inner) => inner.sqlstate(),
        }
    }

    /// The five characters of its SQLSTATE.
    pub fn sqlstate_text(&self) -> String {
        sqlstate_text(self.sqlstate())
    }

    /// Whether other work would fail, too: it is about the vault, the server, the transaction or the
    /// caller, not about what he has sent or whom that concerns.
    pub fn is_general(&self) -> bool {
        match self {
            Self::Crypto(_) | Self::Internal(_) | Self::IsolationLevel | Self::ParallelQuery => {
                true
            }
            Self::OfUser(_, inner) | Self::Element(_, inner) => inner.is_general(),
            _ => matches!(
                self.sqlstate(),
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE
                    | PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE
                    | PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION
                    | PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE
            ),
        }
    }

    /// How the audit trail calls the outcome.
    pub fn status(&self) -> Status {
        if matches!(self, Self::TooManyAttempts(_)) {
            return Status::Denied;
        }
        match self.sqlstate() {
            PgSqlErrorCode::ERRCODE_NO_DATA_FOUND => Status::NotFound,
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE => Status::Denied,
            _ => Status::Failed,
        }
    }

    /// The user whose data caused it, if it is known.
    pub fn token(&self) -> Option<pgrx::Uuid> {
        match self {
            Self::OfUser(token, _) => Some(*token),
            Self::NotYours(token) | Self::WrongCode(token) => *token,
            Self::Element(_, inner) => inner.token(),
            _ => None,
        }
    }

    /// Whether the lookup kind that the caller named exists, because the error can only come once it
    /// was looked up. One that does not may be anything, a value in the wrong place perhaps, and is
    /// not to be repeated.
    pub fn is_about_known_kind(&self) -> bool {
        match self {
            Self::BadValue(_)
            | Self::MalformedToken
            | Self::Duplicate(_)
            | Self::SchemaViolation(_)
            | Self::LockedChange(_)
            | Self::VersionConflict
            | Self::NoSuchUser
            | Self::BulkGuard
            | Self::RateLimited(_)
            | Self::NotYours(_)
            | Self::WrongCode(_)
            | Self::OfUser(..) => true,
            Self::Element(_, inner) => inner.is_about_known_kind(),
            _ => false,
        }
    }

    /// Raises the error in PostgreSQL; the transaction is over.
    pub fn raise(self) -> ! {
        ErrorReport::new(self.sqlstate(), self.message(), function_name!())
            .set_hint(self.hint())
            .report(PgLogLevel::ERROR);
        unreachable!("a report at level ERROR does not return")
    }
}

/// The five characters of an SQLSTATE.
pub fn sqlstate_text(code: PgSqlErrorCode) -> String {
    // PGUNSIXBIT in elog.h: six bits a character, the first one lowest.
    let code = code as u32;
    (0..5).map(|place| char::from(((code >> (6 * place)) & 0x3F) as u8 + b'0')).collect()
}

/// Turns a failed use case into a PostgreSQL error at the edge of the extension.
pub trait OrRaise<T> {
    /// The value, or the error raised.
    fn or_raise(self) -> T;
}

impl<T> OrRaise<T> for Result<T> {
    fn or_raise(self) -> T {
        self.unwrap_or_else(|error| error.raise())
    }
}

impl From<NormalizeError> for Error {
    fn from(error: NormalizeError) -> Self {
        Self::BadValue(error)
    }
}

impl From<ProfileError> for Error {
    fn from(error: ProfileError) -> Self {
        Self::BadProfile(error)
    }
}

impl From<PatchError> for Error {
    fn from(error: PatchError) -> Self {
        Self::BadPatch(error)
    }
}

impl From<SchemaError> for Error {
    fn from(error: SchemaError) -> Self {
        Self::BadSchema(error)
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::SchemaViolation(violation)
    }
}

impl From<CryptoError> for Error {
    fn from(error: CryptoError) -> Self {
        Self::Crypto(error)
    }
}

impl From<OpenError> for Error {
    fn from(_: OpenError) -> Self {
        Self::Damaged("a stored record")
    }
}

impl From<EntryError> for Error {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::WrongMasterKey => Self::Sealed(SealedReason::WrongMasterKey),
            _ => Self::Damaged("a key of the keyring"),
        }
    }
}

impl From<BundleError> for Error {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::BadCursor => Self::BadArgument(
                "this is not a cursor of this vault",
                "Give the cursor that the last bundle ends with, or none to export the whole vault.",
            ),
            other => Self::BadBundle(other),
        }
    }
}

impl From<pgrx::spi::Error> for Error {
    /// The details of an SPI error may quote a statement: they are dropped.
    fn from(_: pgrx::spi::Error) -> Self {
        Self::Internal("a statement of the vault failed")
    }
}
