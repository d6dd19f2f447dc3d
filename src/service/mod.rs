//! The use cases: what a caller can ask of the vault.

pub mod digests;
pub mod kinds;
pub mod lookups;
pub mod schema;
pub mod status;
pub mod trail;
pub mod users;
