//! Tests that need the insides of this module: the primitives themselves, and a seal whose random
//! bytes are known.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod commitment;
mod reproduce;
mod rfc;
#[path = "../../../tests/crypto_common/mod.rs"]
pub(crate) mod vectors;
mod wiping;
mod wycheproof;
