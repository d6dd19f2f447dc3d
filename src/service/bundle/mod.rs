//! Bundles: the vault's content for other databases, and back.

mod content;
pub mod export;
mod floor;
pub mod import;
