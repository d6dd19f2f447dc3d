//! What a target holds.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::error::Result;
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

/// Prints it.
pub fn run(args: &Args) -> Result<()> {
    let mut target = args.target.open()?;
    let status = status(&mut *target)?;
    if args.json {
        return output::line(&status.to_string());
    }
    for (name, value) in status.as_object().into_iter().flatten() {
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

fn status(target: &mut dyn Target) -> Result<Value> {
    let state = target::read(target)?;
    let bundle = &state.summary.bundle;
    let counts = target::counts(target)?;
    let rows: Map<_, _> =
        counts.into_iter().map(|(table, rows)| (table.name.to_owned(), json!(rows))).collect();
    let made_at = Timestamp::from_microsecond(bundle.made_at).map(|time| time.to_string());
    Ok(json!({
        "vault": bundle.vault,
        "number": bundle.number,
        "bundle": bundle.id,
        "previous": bundle.previous,
        "made_at": made_at.ok(),
        "rows": rows,
    }))
}
