//! The vault's cryptography, normalisation and record model, without PostgreSQL.
//!
//! Nothing here knows about a database: bytes and text go in, bytes and text come out, and every
//! error is a plain enum that carries no value, digest or key.

pub mod attempts;
pub mod calendar;
mod constant_text;
pub mod crypto;
pub mod digests;
pub mod jsonb;
pub mod names;
pub mod normalize;
pub mod place;
pub mod profile;
pub mod rate;
pub mod redact;
pub mod report;
pub mod secret;
pub mod trail;
