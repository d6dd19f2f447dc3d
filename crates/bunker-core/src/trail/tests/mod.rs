//! Tests that need the insides of this module: what exactly the MACs are made of.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod encoding;
