//! What an error says, and how it can be mended. Constant texts, numbers and places in the schema:
//! never a value of a profile.

use std::borrow::Cow;

use bunker_core::profile::{PatchError, ProfileError, SchemaError, Violation};

use super::Error;

impl Error {
    /// What went wrong, without any value.
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::UnknownKind => "unknown lookup kind".into(),
            Self::BadArgument(what, _) => (*what).into(),
            Self::BadValue(e) => e.to_string().into(),
            Self::BadProfile(e) => e.to_string().into(),
            Self::NoLookupField => "the profile has no field by which its user can be found".into(),
            Self::BadPatch(e) => e.to_string().into(),
            Self::BadSchema(e) => e.to_string().into(),
            Self::MalformedToken => "the user token is not a uuid".into(),
            Self::Duplicate(_) => "another user already has one of these lookup values".into(),
            Self::SchemaViolation(_) => "the profile breaks the user schema".into(),
            Self::LockedChange(_) => "a locked value of the profile would change".into(),
            Self::VersionConflict => "the user is not at the expected version".into(),
            Self::TooMany(_) => "the call is over a limit".into(),
            Self::Sealed(reason) => format!("the vault is sealed: {reason}").into(),
            Self::StaleNormalizer => {
                "lookup values were indexed by another version of the normaliser".into()
            }
            Self::NoSuchUser => "no such user".into(),
            Self::Damaged(what) => format!("{what} fails authentication").into(),
            Self::Crypto(e) => e.to_string().into(),
            Self::Internal(what) => (*what).into(),
            Self::WouldShowKey => "pg_file_settings would show the source of the master key".into(),
            Self::CallInDefinition => {
                "constraints and statistics cannot call a function of the vault".into()
            }
            Self::BulkGuard => "the transaction has read as many records as it may".into(),
            Self::RateLimited(_) => {
                "the role has read as many records as it may in a minute".into()
            }
            Self::NotPreloaded(setting) => format!("{setting} works with preloading only").into(),
            Self::ParallelQuery => "the vault cannot be used in a parallel query".into(),
            Self::IsolationLevel => "this needs a READ COMMITTED transaction".into(),
            Self::HasWritten => "the transaction has written already".into(),
            Self::Interrupted => "a cursor of the export was closed or moved".into(),
            Self::BadBundle(e) => e.to_string().into(),
            Self::AuditUnavailable => "the audit trail cannot be written".into(),
            Self::NoAuditWriter => {
                "the audit trail needs databunker in shared_preload_libraries".into()
            }
            Self::NoWorkerSlot => "the audit writer cannot be started".into(),
            Self::TooManyDatabases => "too many databases use the vault at the same time".into(),
            Self::Standby => "a hot standby cannot write the audit event of a read".into(),
            Self::LogDropsEvents => "the server log would drop the audit event".into(),
            Self::NotAuthenticated => "no valid access token was given".into(),
            Self::NotAllowed | Self::NotYours(_) => "the access token does not allow this".into(),
            Self::WrongCode(_) => "the login code is not valid".into(),
            Self::TooManyAttempts(_) => "this was tried too often".into(),
            Self::Refused(what, _) | Self::Exists(what, _) | Self::Outdated(what) => (*what).into(),
            Self::NotThere(what) => format!("no such {what}").into(),
            Self::OfUser(_, inner) | Self::Element(_, inner) => inner.message(),
        }
    }

    /// How it can be mended, without any value.
    pub fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::UnknownKind => {
                "Use token, email, phone, login, custom, or a kind added with bunker_add_lookup."
                    .into()
            }
            Self::BadArgument(_, hint)
            | Self::TooMany(hint)
            | Self::RateLimited(hint)
            | Self::TooManyAttempts(hint)
            | Self::Refused(_, hint)
            | Self::Exists(_, hint) => (*hint).into(),
            Self::NotAuthenticated => {
                "Call bunker_authenticate(access_token) first, in each transaction.".into()
            }
            Self::NotAllowed | Self::NotYours(_) => {
                "A token of an application is for one role, a user's for what is his own.".into()
            }
            Self::WrongCode(_) => "Codes last ten minutes, for five tries and one login.".into(),
            Self::NotThere(_) => "It was never there, or is gone.".into(),
            Self::Outdated(_) => "Look at it again, then repeat the call.".into(),
            Self::BadValue(e) => e.hint().into(),
            Self::BadProfile(e) => profile_hint(*e).into(),
            Self::NoLookupField => {
                "Give at least one of email, phone, login, custom or an added lookup field.".into()
            }
            Self::BadPatch(e) => patch_hint(*e).into(),
            Self::BadSchema(e) => schema_hint(e).into(),
            Self::MalformedToken => "Pass the uuid that bunker_create_user returned.".into(),
            Self::Duplicate(kind) => {
                format!("Its {kind} is in use; bunker_find_token finds the user who has it.").into()
            }
            Self::SchemaViolation(Violation::Keyword(location)) => {
                format!("See {location} in bunker_user_schema().").into()
            }
            Self::SchemaViolation(Violation::TooCostly) => {
                "Send a smaller profile, or simplify the schema.".into()
            }
            Self::LockedChange(location) => {
                format!("See {location} in bunker_user_schema().").into()
            }
            Self::VersionConflict => "Read the user again, then repeat the change.".into(),
            Self::Sealed(reason) => reason.hint().into(),
            Self::StaleNormalizer => {
                "Run SELECT bunker_reindex_lookup(name) for each lookup kind as bunker_admin."
                    .into()
            }
            Self::NoSuchUser => "Create the user first, or look it up by another value.".into(),
            Self::Damaged(_) => {
                "Stored bytes were altered, moved or truncated: restore them from a backup.".into()
            }
            Self::Crypto(_) | Self::Internal(_) => "Report this with the server's log.".into(),
            Self::WouldShowKey => {
                "Move the key into a file and use databunker.master_key_file.".into()
            }
            Self::BulkGuard => {
                "bunker_unlock_bulk(reason), granted to bunker_admin, opens the guard of this \
                 session for 60 seconds; databunker.bulk_read_limit is the limit."
                    .into()
            }
            Self::NotPreloaded(_) => {
                "Add shared_preload_libraries = 'databunker' to postgresql.conf and restart the \
                 server, or take the setting back."
                    .into()
            }
            Self::CallInDefinition => {
                "Call it in the statement that writes the row, or in a trigger.".into()
            }
            Self::ParallelQuery => {
                "Functions that call the vault's must not be marked PARALLEL SAFE.".into()
            }
            Self::IsolationLevel => {
                "Run it by itself, or begin with ISOLATION LEVEL READ COMMITTED.".into()
            }
            Self::HasWritten => {
                "An export shows what is committed: run it in a transaction of its own.".into()
            }
            Self::Interrupted => {
                "Export again, leave its cursors alone, and fetch all lines before the transaction, or the \
                 savepoint in which it has begun, ends."
                    .into()
            }
            Self::BadBundle(_) => {
                "Nothing of it was taken. Have it sent again, or export the vault as a whole."
                    .into()
            }
            Self::AuditUnavailable => {
                "The server log says what keeps the audit writer: a lock on bunker.audit, a full \
                 disk, a stopped process. Repeat the call when it is mended."
                    .into()
            }
            Self::NoAuditWriter => {
                "Add shared_preload_libraries = 'databunker' to postgresql.conf and restart. A \
                 superuser can do without: databunker.audit_reads = 'transaction'."
                    .into()
            }
            Self::NoWorkerSlot => "Raise max_worker_processes and restart the server.".into(),
            Self::TooManyDatabases => "At most 64 databases of one server at a time.".into(),
            Self::Standby => {
                "Read on the primary, or set databunker.standby_reads = 'log' to have such events \
                 written into the server log."
                    .into()
            }
            Self::LogDropsEvents => "Set log_min_messages to log or lower.".into(),
            Self::OfUser(token, inner) => {
                format!("{} (It is about the user {token}.)", inner.hint()).into()
            }
            Self::Element(ordinal, inner) => {
                format!("{} (Element {ordinal} of the array.)", inner.hint()).into()
            }
        }
    }
}

fn profile_hint(error: ProfileError) -> &'static str {
    match error {
        ProfileError::TooBig => "The setting databunker.max_profile_size is the limit.",
        ProfileError::TooDeep => "At most 128 objects and arrays may be nested in each other.",
        ProfileError::NotJson | ProfileError::NotAnObject => {
            "Send a JSON object such as {\"email\": \"…\"}."
        }
        ProfileError::ReservedName => "Names that begin with $serde_json:: are not available.",
        ProfileError::NotALookupValue => {
            "Lookup fields hold a string or a number, or are left out."
        }
    }
}

fn patch_hint(error: PatchError) -> &'static str {
    match error {
        PatchError::NotAPatch | PatchError::BadOperation(_) => {
            "Send an object (merge patch, RFC 7396) or an array of operations (RFC 6902)."
        }
        PatchError::PathNotFound(_) => {
            "The path must exist; operations count from 0. Nothing was changed."
        }
        PatchError::TestFailed(_) => "The value is another one. Nothing was changed.",
        PatchError::TooManyOperations => "At most 1,000 operations in one patch.",
        PatchError::NotAnObject => "The profile must stay an object.",
        PatchError::ReservedName => "Names that begin with $serde_json:: are not available.",
        PatchError::TooBig => "The setting databunker.max_profile_size is the limit.",
        PatchError::TooDeep => "At most 128 objects and arrays may be nested in each other.",
    }
}

fn schema_hint(error: &SchemaError) -> &'static str {
    match error {
        SchemaError::TooBig | SchemaError::TooDeep | SchemaError::TooComplex => {
            "A schema has at most 256 KiB and 64 levels, and must be quick to check."
        }
        SchemaError::ExternalReference => "Put referenced schemas under $defs.",
        SchemaError::BadAnnotation(_) | SchemaError::UnsupportedAnnotation(_) => {
            "locked, admin and preserve are true or false, on properties."
        }
        _ => "Send a JSON Schema of draft 2020-12.",
    }
}
