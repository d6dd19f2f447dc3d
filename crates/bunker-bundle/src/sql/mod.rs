//! Bundles as SQL text that applies itself: [`Sqlite`] through the `sqlite3` shell, [`Mysql`] through
//! the client of MySQL or MariaDB.
//!
//! Nothing but the client reads such a text, so the text guards itself. Its statements make a running
//! sum of what they were given, everything happens in one transaction, and only the right sum at the
//! end commits it. A text that was altered, cut off or reordered, that is of another vault or out of
//! order, leaves the target as it was, and the client ends with a message that says why. Only of one that
//! ends after a whole line it says nothing: to the client there is no more to do.
//!
//! The sum finds damage, not forgery: [`read_signed`] has what the vault has signed.

mod literal;
mod mysql;
mod read;
mod sqlite;

pub use mysql::Mysql;
pub use read::read_signed;
pub use sqlite::Sqlite;

/// What a text says of itself in a comment, for people who look into it.
const ABOUT: [&str; 4] = [
    "The rows of a vault of personal data, sealed: without the master key of the vault they are",
    "digests and ciphertexts. Everything is applied in one transaction, and only if nothing of the",
    "text is missing or altered. The program bunker-sync verifies its signature and looks up users.",
    "Long values are in hexadecimal, so that no setting of client or server changes their meaning.",
];
