//! Reads on a hot standby, which cannot write: refused, or told to the server log.

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::guc::{self, StandbyReads};
use crate::pg::session;
use crate::storage::audit::Event;

/// Writes each event into the server log as one JSON line, if `databunker.standby_reads` says so.
///
/// # Errors
/// Not allowed, or the log would drop the line.
pub fn log(events: &[Event]) -> Result<()> {
    if guc::standby_reads() == StandbyReads::Off {
        return Err(Error::Standby);
    }
    if !session::logs_everything() {
        return Err(Error::LogDropsEvents);
    }
    for event in events {
        let mut line = super::describe(event);
        line.insert("databunker".to_owned(), json!("audit"));
        line.insert("database".to_owned(), json!(session::database_name()));
        session::log_line(&Value::Object(line).to_string());
    }
    Ok(())
}
