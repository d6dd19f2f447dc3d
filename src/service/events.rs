//! Events for other systems.

use crate::audit;
use crate::error::Result;
use crate::outbox;
use crate::service::users::check_page;
use crate::storage::event::Numbered;

/// The events after a number, oldest first.
///
/// One audit event a call, as for a list of users: it tells which tokens there are. Nothing is opened,
/// so the bulk guard has no part in it.
pub fn list(after: i64, max_rows: i32) -> Result<Vec<Numbered>> {
    audit::read("events", None, |access| {
        let events = outbox::page(after, check_page(max_rows)?)?;
        access.told(format!("{} events", events.len()));
        Ok(events)
    })
}
