//! Users: create, find, change, forget.

mod create;
mod forget;
mod read;
mod reference;
mod sealed;
mod update;
mod versions;

pub use create::{create, create_many};
pub use forget::{forget, tombstone};
pub use read::{check_page, find_token, get, get_many, list, lookup};
pub use reference::UserRef;
pub use sealed::{open_profile, open_record, seal_profile, stored_profile};
pub use update::update;
pub use versions::{version, versions};

/// Bounds the rows of one page.
pub const MAX_PAGE: i32 = 10_000;
