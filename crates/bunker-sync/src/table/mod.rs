//! An existing table of users in the vault's own database, and how its users come into the vault.
//!
//! Each batch is one statement on the server: it reads rows, has `bunker_import_rows` make users of
//! them, and writes their tokens beside them. So a row has a token exactly if its user is in the vault,
//! whatever is killed, and no plaintext leaves the server.

mod batch;
mod catalog;
mod import;
mod mapping;
mod report;
mod sql;

pub use catalog::{Table, add_token_column, is_token_column};
pub use import::{Import, Outcome};
pub use mapping::{Mapping, Pair, columns_of, parse_pair};
pub use report::Report;
pub use sql::{Plan, identifier};
