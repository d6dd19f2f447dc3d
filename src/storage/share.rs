//! `bunker.share`: what of users is shared with others.

use crate::pg::relation::TableRef;

/// The table.
pub static TABLE: TableRef = TableRef::new(c"share", c"share_pkey");
/// The same by the user's token.
pub static BY_TOKEN: TableRef = TableRef::new(c"share", c"share_token");

super::mortal::statements!("share", "record");
