//! A vault's content as a stream of lines, and back.
//!
//! A **bundle** is all that a vault holds of its users, or what has changed since an earlier bundle. It
//! is still sealed and still looked up by keyed digests: whoever has it without the master key can read
//! nothing. It comes in three dialects: JSON Lines, which [`Reader`] reads, and SQL for the `sqlite3`
//! shell and for MySQL, which apply themselves. `docs/FORMAT.md` has the byte formats.
//!
//! Nothing here knows about a database or a connection. Errors carry no value of a line.

mod cursor;
mod error;
mod header;
pub mod jsonl;
pub mod layout;
mod line;
mod reader;
pub mod schema;
pub mod sql;
mod summary;
mod value;
mod writer;

pub use cursor::Cursor;
pub use error::BundleError;
pub use header::Header;
pub use reader::{Item, Reader};
pub use schema::{Column, Kind, Table};
pub use summary::{Signed, Summary};
pub use value::Value;
pub use writer::{Dialect, Writer};

/// The version of the format, in the header of each bundle.
pub const FORMAT: u32 = 1;

/// The longest line of any dialect, in bytes: a row with the largest profile in hexadecimal, and some
/// room for what else is in the row.
pub const MAX_LINE: usize = bunker_core::profile::MAX_BYTES / 2 * 5;
