//! The use cases: what a caller can ask of the vault.

pub mod access_tokens;
pub mod apps;
pub mod check;
pub mod consent;
pub mod digests;
pub mod documents;
pub mod events;
pub mod expiry;
pub mod guard;
pub mod ids;
pub mod kinds;
pub mod lifetime;
pub mod login;
pub mod lookups;
pub mod maintenance;
pub mod report;
pub mod requests;
pub mod schema;
pub mod sealed;
pub mod sessions;
pub mod shares;
pub mod statistics;
pub mod status;
pub mod trail;
pub mod users;
pub mod verify;
