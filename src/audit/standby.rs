//! Reads on a hot standby, which cannot write: refused, or told to the server log.

use serde_json::json;

use crate::error::{Error, Result};
use crate::guc::{self, StandbyReads};
use crate::pg::{session, time};
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
        let line = json!({
            "databunker": "audit",
            "at": time::to_json(event.at),
            "database": session::database_name(),
            "actor": &*event.actor,
            "action": event.action,
            "status": event.status,
            "kind": event.kind,
            "token": event.token.map(|token| uuid::Uuid::from_bytes(*token.as_bytes()).to_string()),
            "app": event.app,
            "reason": event.reason,
            "message": event.message,
        });
        session::log_line(&line.to_string());
    }
    Ok(())
}
