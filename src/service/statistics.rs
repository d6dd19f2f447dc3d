//! Counters of the audit trail, for the DBA.

use crate::audit;
use crate::pg::tally::Tally;

/// What has been counted in this database since the server's start, in the order of [`Tally`]'s
/// fields, how many messages wait for the audit writer now, and his process id, or 0. `None` when the
/// library was not preloaded.
pub fn read() -> Option<([i64; Tally::COUNT], i64, i32)> {
    let channel = audit::channel()?;
    let waiting = channel.queued().saturating_sub(channel.durable()).cast_signed();
    Some((channel.tally.snapshot(), waiting, channel.writer_pid()))
}
