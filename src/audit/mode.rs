//! `databunker.audit_reads`: how the events of a read are kept.

use super::{delivery, standby, written};
use crate::error::Result;
use crate::guc::{self, AuditReads};
use crate::pg::session;
use crate::storage::audit::Event;

/// Delivers the events of a read. Once this has returned, plaintext may leave the function: the
/// events are as safe as `databunker.audit_reads` asks for. A harmless call lets nothing leave, and need
/// not wait.
///
/// # Errors
/// The events could not be written: the read must fail.
pub fn deliver(events: &mut [Event], is_harmless: bool) -> Result<()> {
    if session::in_recovery() {
        return standby::log(events);
    }
    match guc::audit_reads() {
        AuditReads::Transaction => {
            session::require_read_write(c"a read of the vault in audit mode \"transaction\"");
            written::write(events)
        }
        AuditReads::Durable if !is_harmless => delivery::durably(events),
        AuditReads::Durable | AuditReads::Async => delivery::at_some_time(events),
    }
}
