//! Users: create, find, change, forget.

mod belongings;
mod create;
mod factory;
mod forget;
mod read;
mod reference;
mod sealed;
mod update;
mod versions;

pub use create::{create, create_many};
pub use factory::{Factory, NewUser};
pub use forget::{bury, forget, tombstone};
pub use read::{
    MAX_BULK_BYTES, check_page, current, find_owner, find_token, get, get_many, list, lookup,
};
pub use reference::{Locked, Owner, UserRef, lock};
pub use sealed::{open_profile, open_record, seal_profile, stored_profile};
pub use update::{change, rehearse, update};
pub use versions::{operation_of, version, versions};

/// Bounds the rows of one page.
pub const MAX_PAGE: i32 = 10_000;
