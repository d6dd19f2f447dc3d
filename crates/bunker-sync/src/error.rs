//! Why a command fails, and its exit status.

use std::io::ErrorKind;
use std::process::ExitCode;

use bunker_bundle::BundleError;

/// A command's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command fails. Says nothing of any record, and no key or password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments do not make sense together.
    #[error("{0}")]
    Usage(&'static str),
    /// The same, of something named on the command line.
    #[error("{0}: {1}")]
    UsageOf(&'static str, String),
    /// There is nothing of that name.
    #[error("{0}")]
    NotFound(&'static str),
    /// Done, but so many rows were left out; each was reported.
    #[error("{0} rows were skipped, see above")]
    Skipped(u64),
    /// Something is not what it should be; nothing was changed.
    #[error("{0}")]
    Refused(&'static str),
    /// So many things are not what they should be; each was reported.
    #[error("{0} findings, see above")]
    Found(u64),
    /// The vault does not take what it was given.
    #[error("the vault refuses it: {0}")]
    RefusedByVault(String),
    /// Somebody else is at work on it.
    #[error("{0}")]
    Busy(&'static str),
    /// The bundle is not what it should be.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The vault's server.
    #[error("the vault: {}", crate::vault::words(.0))]
    Vault(#[from] postgres::Error),
    /// A statement over somebody's data. Its words might quote them.
    #[error("{0} (SQLSTATE {1})")]
    OfData(&'static str, String),
    /// The server of a store in PostgreSQL.
    #[error("the store: {}", crate::vault::words(.0))]
    Source(postgres::Error),
    /// The SQLite file.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The MySQL server.
    #[error("MySQL: {}", crate::target::mysql_words(.0))]
    Mysql(#[from] mysql::Error),
    /// A row is larger than a packet to the MySQL server may be.
    #[error(
        "a row does not fit into the MySQL server's max_allowed_packet of {0} bytes: raise it there"
    )]
    TooLarge(usize),
    /// A file that was named on the command line.
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    /// Another file, or a stream.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// Whether it may go better the next time: a server was not there, or somebody else at work. Whoever
    /// has gone away from standard output does not come back.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Vault(_) | Self::Sqlite(_) | Self::Mysql(_) | Self::File(..) | Self::Busy(_)
        ) || matches!(self, Self::Io(error) if error.kind() != ErrorKind::BrokenPipe)
    }

    /// Whether a row is there already, or lacks something.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Sqlite(error) => {
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
            }
            Self::Mysql(mysql::Error::MySqlError(error)) => matches!(error.code, 1048 | 1062),
            _ => false,
        }
    }

    /// What the command ends with; `bunker-sync --help` lists the numbers.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) | Self::UsageOf(..) => 2,
            Self::Refused(_) | Self::Bundle(_) | Self::Found(_) | Self::RefusedByVault(_) => 3,
            Self::NotFound(_) => 4,
            Self::Skipped(_) => 5,
            Self::Vault(_)
            | Self::OfData(..)
            | Self::Source(_)
            | Self::Sqlite(_)
            | Self::Mysql(_)
            | Self::TooLarge(_)
            | Self::File(..)
            | Self::Io(_)
            | Self::Busy(_) => 1,
        })
    }
}
