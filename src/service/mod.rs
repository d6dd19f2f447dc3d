//! The use cases: what a caller can ask of the vault.

pub mod check;
pub mod digests;
pub mod guard;
pub mod kinds;
pub mod lookups;
pub mod schema;
pub mod statistics;
pub mod status;
pub mod trail;
pub mod users;
pub mod verify;
