//! Maintenance: what has to be done from time to time, whoever has it done.
//!
//! `bunker_maintain()` does everything in the caller's transaction, the background worker in many short
//! ones (`worker::maintenance`).

use std::ffi::CStr;

use serde_json::{Map, Value};

use crate::audit;
use crate::error::Result;
use crate::guc;
use crate::outbox;
use crate::pg::channel::Request;
use crate::pg::jsonb::Jsonb;
use crate::pg::session::{check_for_interrupts, require_read_write};
use crate::pg::time;
use crate::service::consent::agreements;
use crate::service::expiry;
use crate::storage::{access_token, login_code, partition, session, share};

/// A kind of work that comes up again and again.
pub struct Chore {
    /// What its count is called.
    pub name: &'static str,
    /// What a worker that does it shows in pg_stat_activity.
    pub activity: &'static CStr,
    /// Does up to so many pieces of what is due at a time, which names the round: the same time is
    /// given to all batches of it. Returns how many were done; fewer than wanted means that nothing is
    /// left that this round could do. What others have locked is passed over.
    pub run: fn(now: i64, limit: i32) -> Result<usize>,
}

/// All chores, in the order in which they are begun.
pub static CHORES: &[Chore] = &[
    Chore {
        name: "expiries_announced",
        activity: c"announcing the expiry of users",
        run: expiry::announce_near,
    },
    Chore { name: "users_expired", activity: c"forgetting expired users", run: expiry::expire },
    Chore {
        name: "agreements_expired",
        activity: c"writing down which agreements are over",
        run: agreements::expire,
    },
    Chore {
        name: "sessions_removed",
        activity: c"removing old sessions",
        run: |now, limit| sweep("sessions", session::purge, now, limit),
    },
    Chore {
        name: "shares_removed",
        activity: c"removing old shares",
        run: |now, limit| sweep("shares", share::purge, now, limit),
    },
    Chore {
        name: "events_removed",
        activity: c"removing old events for other systems",
        run: outbox::purge,
    },
    Chore {
        name: "login_codes_removed",
        activity: c"removing old login codes",
        run: |now, limit| sweep("login codes", login_code::purge, now, limit),
    },
    Chore {
        name: "access_tokens_removed",
        activity: c"removing old access tokens",
        run: |now, limit| sweep("access tokens", access_token::purge, now, limit),
    },
];

/// Removes what has ended by itself. That is no access to anybody's data, and leaves one event.
fn sweep(
    what: &str,
    purge: fn(now: i64, limit: i32) -> Result<usize>,
    now: i64,
    limit: i32,
) -> Result<usize> {
    let removed = audit::unreported(|| purge(now, limit))?;
    if removed > 0 {
        audit::sum_up("maintain", format!("{removed} {what} removed"))?;
    }
    Ok(removed)
}

/// Pieces of work that are held in memory together. In one transaction each batch goes again through
/// what those before it have removed: not too small.
const BATCH: i32 = 10_000;

/// Does everything that is due, in the caller's transaction. How much that was, by chore, and how
/// many months of the audit trail were given to the audit writer to be dropped.
pub fn maintain() -> Result<Jsonb> {
    audit::read("maintain", None, |access| {
        require_read_write(c"maintenance of the vault");
        let now = time::now();
        let mut counts = Map::new();
        for chore in CHORES {
            counts.insert(chore.name.to_owned(), Value::from(finish(chore, now)?));
        }
        counts.insert("audit_months".to_owned(), Value::from(hand_over_old_months(now)?));
        let counts = Value::Object(counts).to_string();
        access.told(counts.clone());
        Ok(Jsonb::from(counts))
    })
}

fn finish(chore: &Chore, now: i64) -> Result<usize> {
    let mut done = 0;
    loop {
        check_for_interrupts();
        let batch = (chore.run)(now, BATCH)?;
        done += batch;
        if batch < BATCH as usize {
            return Ok(done);
        }
    }
}

/// Has the audit writer drop the months beyond `databunker.max_audit_retention`; how many there are.
///
/// They are his to drop: the chain of seals has to say so, and only he knows its end. Nobody waits for
/// him, least of all a transaction whose own events keep the trail locked. Without preloading there is
/// no writer, and nothing is dropped.
pub fn hand_over_old_months(now: i64) -> Result<usize> {
    let months = partition::months_before(guc::oldest_audit_month(now)?)?;
    if months > 0
        && let Some(channel) = audit::channel()
    {
        channel.request(Request::Upkeep);
        // If he cannot be started he will look for himself, once he is.
        let _ = audit::ensure_writer(channel);
        channel.wake_writer();
    }
    Ok(months)
}
