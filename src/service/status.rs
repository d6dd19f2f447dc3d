//! The vault's state, for the DBA.

use serde_json::json;

use crate::audit;
use crate::error::{Error, Result};
use crate::guc;
use crate::keyring::{self, source};
use crate::pg::jsonb::Jsonb;
use crate::pg::setting;
use crate::storage::{audit as trail, partition, record};

/// `{"sealed","reason","version","key","audit","preloaded","counts"}`; works in a sealed vault.
///
/// The counts are exact: they read the tables.
pub fn status() -> Result<Jsonb> {
    audit::admit("status")?;
    let keys = keyring::existing();
    let (sealed, reason) = match &keys {
        Ok(_) => (false, None),
        Err(Error::Sealed(reason)) => (true, Some(reason.to_string())),
        Err(_) => (true, Some(String::from("the keyring is damaged"))),
    };
    let key_version = keys.ok().flatten().map(|keys| keys.version());
    let (users, forgotten) = record::count()?;
    let status = json!({
        "sealed": sealed,
        "reason": reason,
        "version": env!("CARGO_PKG_VERSION"),
        "preloaded": setting::preloaded(),
        "key": {
            "source": source::configured().ok().map(source::SourceKind::as_str),
            "version": key_version,
        },
        "audit": {
            "writes": "transaction",
            "reads": guc::audit_reads().as_str(),
            "writer": audit::channel().is_some_and(|channel| channel.writer_pid() != 0),
            "oldest_month": partition::oldest()?.map(partition::name_of),
        },
        "counts": { "users": users, "forgotten": forgotten, "events": trail::count()? },
    });
    Ok(Jsonb::from(status.to_string()))
}
