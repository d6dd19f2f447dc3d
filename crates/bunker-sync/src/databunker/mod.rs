//! Stores of the Databunker server: read into the vault, and written from it.
//!
//! A store is ten tables, the same in SQLite, MySQL and PostgreSQL; `docs/DATABUNKER.md` says what
//! becomes of each of them in either direction.

pub mod crypto;
pub mod export;
pub mod facts;
pub mod import;
pub mod key;
pub mod kind;
pub mod report;
pub mod rows;
pub mod send;
pub mod source;
