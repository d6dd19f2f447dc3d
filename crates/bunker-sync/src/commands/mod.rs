//! The commands, one file each: arguments, and what is done.

pub mod apply;
pub mod completions;
pub mod export_databunker;
pub mod import_databunker;
pub mod import_table;
pub mod lookup;
pub mod man;
pub mod pull;
pub mod status;
pub mod verify;
