//! `bunker.session`: sessions of users.

use crate::pg::relation::TableRef;

/// The table.
pub static TABLE: TableRef = TableRef::new(c"session", c"session_pkey");
/// The same by the user's token.
pub static BY_TOKEN: TableRef = TableRef::new(c"session", c"session_token");

super::mortal::statements!("session", "session");
