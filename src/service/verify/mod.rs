//! Verifying the audit trail: every seal, and every event against its seal.

mod events;
mod seals;

use bunker_core::trail::{Anchor, ParseAnchorError};

pub use self::seals::is_authentic;

use self::events::Unsealed;
use self::seals::Walk;
use crate::audit;
use crate::error::{Error, Result};
use crate::guc;
use crate::keyring;
use crate::pg::channel::{Channel, Request};
use crate::pg::latch::{self, Deadline};
use crate::pg::{scan, session, transaction};
use crate::storage::{audit as table, audit_seal};

/// What a verification has found.
pub struct Verdict {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Events that were checked.
    pub events: i64,
    /// The number of the first event that is wrong or missing, if it is about an event.
    pub first_bad: Option<i64>,
    /// What was found, for people.
    pub detail: String,
}

/// What is wrong with the trail.
pub struct Finding {
    /// The event, if it is about one.
    pub event: Option<i64>,
    /// What it is.
    pub what: String,
}

/// Checks the whole trail that is kept.
pub fn verify() -> Result<Verdict> {
    audit::admit("verify_audit")?;
    check(None)
}

/// The same, and that the chain still holds what `anchor` says it held.
pub fn verify_against(anchor: &str) -> Result<Verdict> {
    audit::admit("verify_audit_anchor")?;
    let anchor = anchor.trim().parse().map_err(|_: ParseAnchorError| {
        Error::BadArgument(
            "this is not an anchor of an audit trail",
            "Give back what bunker_audit_anchor() returned, unchanged.",
        )
    })?;
    check(Some(anchor))
}

/// The end of the chain as it is now, with everything sealed that has happened.
pub fn anchor() -> Result<String> {
    audit::admit("audit_anchor")?;
    require_present()?;
    keyring::existing()?;
    seal_everything()?;
    let end = scan::with_latest_snapshot(audit_seal::last)?;
    let end = match end {
        Some(last) => last.anchor()?,
        None => Anchor::EMPTY,
    };
    Ok(end.to_string())
}

/// A REPEATABLE READ transaction that has written would show the trail as it was at its beginning:
/// SPI takes its own snapshot then, not the one that is active.
fn require_present() -> Result<()> {
    if session::uses_one_snapshot() && transaction::has_number() {
        return Err(Error::IsolationLevel);
    }
    Ok(())
}

fn check(anchor: Option<Anchor>) -> Result<Verdict> {
    require_present()?;
    let keys = keyring::existing()?;
    let sealing = seal_everything();
    // Before the snapshot, which then cannot lack it; the writer goes on meanwhile.
    let known = known_end()?;
    // One snapshot, taken after the sealing: what it sees of the seals, it sees of their events.
    scan::with_latest_snapshot(|| {
        let Some(keys) = keys else {
            return never_used(anchor, known);
        };
        let mut walk = Walk::new(&keys, anchor);
        let mut finding = walk.all()?;
        let unsealed = Unsealed::find(&keys, &walk)?;
        finding = finding.or_else(|| walk.end_of_chain(known)).or(unsealed.finding);
        Ok(verdict(&walk, finding, unsealed.waiting, sealing.is_err()))
    })
}

/// The number of the last seal that this server remembers, 0 if it remembers none.
fn known_end() -> Result<i64> {
    let trail = session::extension();
    let end = audit::channel().and_then(|channel| channel.chain_end(trail));
    Ok(end.map_or(0, |(number, _)| number))
}

/// A vault without keys has no trail to speak of; but somebody may have taken both away.
fn never_used(anchor: Option<Anchor>, known: i64) -> Result<Verdict> {
    let events = table::count()?;
    let ok = known == 0 && anchor.is_none_or(|anchor| anchor == Anchor::EMPTY);
    let detail = if ok { "nothing is sealed yet" } else { "the chain of seals is gone" };
    Ok(Verdict { ok, events, first_bad: None, detail: detail.to_owned() })
}

fn verdict(walk: &Walk<'_>, finding: Option<Finding>, waiting: i64, unsealed: bool) -> Verdict {
    let events = walk.events + waiting;
    if let Some(Finding { event, what }) = finding {
        return Verdict { ok: false, events, first_bad: event, detail: what };
    }
    let mut detail = format!("{} events under {} seals", walk.events, walk.seals);
    if walk.without_mac > 0 {
        detail.push_str(&format!(", {} of them from times without the key", walk.without_mac));
    }
    if waiting > 0 {
        detail.push_str(&format!(", {waiting} authentic ones not sealed yet"));
    }
    if unsealed {
        detail.push_str("; no audit writer was there to seal the newest");
    }
    Verdict { ok: true, events, first_bad: None, detail }
}

/// Has the audit writer seal what is committed.
///
/// # Errors
/// He did not within `databunker.audit_timeout`; without preloading there is none.
fn seal_everything() -> Result<()> {
    if session::in_recovery() {
        return Err(Error::Standby);
    }
    let channel = audit::channel().ok_or(Error::NoAuditWriter)?;
    let deadline = Deadline::after(guc::audit_timeout());
    audit::catch_up();
    for request in [Request::Scan, Request::Seal] {
        wait_for(channel, request, deadline)?;
    }
    Ok(())
}

fn wait_for(channel: &Channel, request: Request, deadline: Deadline) -> Result<()> {
    let number = channel.request(request);
    loop {
        audit::ensure_writer(channel)?;
        channel.wake_writer();
        if channel.is_done(request, number) {
            return Ok(());
        }
        let left = deadline.left().ok_or(Error::AuditUnavailable)?;
        latch::nap(left);
    }
}
