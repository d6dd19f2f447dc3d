//! What a target holds.

use bunker_bundle::schema::TABLES;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::output;
use crate::target::{self, Target, TargetArgs};

/// Says what a target holds, and as of when.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// In JSON
    #[arg(long)]
    json: bool,
}

/// What a target without a bundle is.
pub const NO_BUNDLE: Error = Error::NotFound("the target holds no bundle yet");

/// Prints it.
pub fn run(args: &Args) -> Result<()> {
    let mut target = args.target.open()?;
    target.begin_reading()?;
    let status = status(&mut *target)?;
    if args.json {
        return output::line(&Value::Object(status).to_string());
    }
    for (name, value) in &status {
        match value {
            Value::Object(rows) => {
                output::line("rows")?;
                for (table, count) in rows {
                    output::line(&format!("  {table:<22}{count:>12}"))?;
                }
            }
            Value::String(text) => output::line(&format!("{name:<12}{text}"))?,
            value => output::line(&format!("{name:<12}{value}"))?,
        }
    }
    Ok(())
}

fn status(target: &mut dyn Target) -> Result<Map<String, Value>> {
    let state = target::state(target)?.ok_or(NO_BUNDLE)?;
    let bundle = &state.summary.bundle;
    let mut rows = Map::new();
    for table in TABLES {
        rows.insert(table.name.to_owned(), json!(target::count(target, table)?));
    }
    let made_at = Timestamp::from_microsecond(bundle.made_at).map(|time| time.to_string());
    let status = json!({
        "vault": bundle.vault,
        "number": bundle.number,
        "bundle": bundle.id,
        "previous": bundle.previous,
        "made_at": made_at.ok(),
        "rows": rows,
    });
    match status {
        Value::Object(status) => Ok(status),
        _ => Ok(Map::new()),
    }
}
