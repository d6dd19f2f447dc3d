//! The only unsafe code: what PostgreSQL offers as C, wrapped into safe pieces.

pub mod caller;
pub mod document;
pub mod jsonb;
pub mod log_redaction;
pub mod owner;
pub mod progress;
pub mod relation;
pub mod rows;
pub mod scan;
pub mod sequence;
pub mod session;
pub mod setting;
pub mod settings_guard;
pub mod time;
pub mod value;
pub mod writer;
