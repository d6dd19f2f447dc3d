//! Applying a bundle from a file.

use clap::builder::NonEmptyStringValueParser;
use postgres::{IsolationLevel, Transaction};

use crate::applier::{Applier, UNCHECKED};
use crate::error::{Error, Result};
use crate::key::KeySource;
use crate::lines::Lines;
use crate::output;
use crate::target::TargetOptions;
use crate::vault::{self, VaultArgs};

/// Applies a bundle of JSON Lines from a file to a SQLite file, a MySQL database or a vault.
///
/// A bundle that is altered, incomplete, out of order, applied already or of another vault is refused,
/// and the target left as it was. A bundle of SQL text is applied by the sqlite3 shell or the mysql
/// client.
#[derive(clap::Args)]
pub struct Args {
    /// The bundle's file; "-" for standard input
    #[arg(value_name = "FILE")]
    file: String,

    /// A SQLite file or mysql://…, as for pull; or "vault" for the vault that --vault or the
    /// environment names (a file of that name is "./vault")
    #[arg(value_name = "TARGET", value_parser = NonEmptyStringValueParser::new())]
    target: Option<String>,

    #[command(flatten)]
    options: TargetOptions,
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    key: KeySource,

    /// Say nothing but what goes wrong
    #[arg(long, short)]
    quiet: bool,
}

/// Applies it.
pub fn run(args: &Args) -> Result<()> {
    let mut lines = Lines::open(&args.file)?;
    lines.expect_json()?;
    match args.target.as_deref() {
        Some("vault") => to_vault(args, &mut lines),
        None if args.vault.is_given() => to_vault(args, &mut lines),
        None => Err(Error::Usage("apply to what? Give a target, or --vault")),
        Some(_) if args.vault.is_given() => {
            Err(Error::Usage("apply to what? Both a target and --vault are given"))
        }
        Some(name) => to_target(args, name, &mut lines),
    }
}

fn to_target(args: &Args, name: &str, lines: &mut Lines) -> Result<()> {
    let master = args.key.find_or_say(UNCHECKED)?;
    let mut target = args.options.create(name)?;
    let applier = Applier::begin(&mut *target, master.as_ref(), !args.quiet)?;
    let applied = applier.run(|apply| {
        let mut line = String::new();
        while lines.next(&mut line)? {
            apply(&line)?;
        }
        Ok(())
    })?;
    if args.quiet { Ok(()) } else { output::line(&applied.sentence()) }
}

/// The most bytes that are sent to the vault at once, but for the last line of them.
const SLICE: usize = 1024 * 1024;

/// The vault checks the bundle by itself, as a whole: nothing lasts unless it was complete.
fn to_vault(args: &Args, lines: &mut Lines) -> Result<()> {
    let mut vault = args.vault.connect()?;
    let schema = vault::schema(&mut vault)?;
    let import = format!("SELECT {schema}.bunker_import_bundle($1::pg_catalog.text[])");
    let mut transaction =
        vault.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start()?;
    let mut told = None;
    loop {
        let slice = slice(lines)?;
        if slice.is_empty() {
            break;
        }
        told = Some(send(&mut transaction, &import, &slice)?);
    }
    let told = told.ok_or(bunker_bundle::BundleError::Truncated)?;
    let is_complete = told.get("complete").and_then(serde_json::Value::as_bool) == Some(true);
    if !is_complete {
        return Err(bunker_bundle::BundleError::Truncated.into());
    }
    transaction.commit().map_err(vault::refusal)?;
    if args.quiet { Ok(()) } else { output::line(&told.to_string()) }
}

fn slice(lines: &mut Lines) -> Result<Vec<String>> {
    let (mut slice, mut bytes) = (Vec::new(), 0);
    let mut line = String::new();
    while bytes < SLICE && lines.next(&mut line)? {
        bytes += line.len();
        slice.push(std::mem::take(&mut line));
    }
    Ok(slice)
}

fn send(
    transaction: &mut Transaction<'_>,
    import: &str,
    slice: &[String],
) -> Result<serde_json::Value> {
    let row = transaction.query_one(import, &[&slice]);
    Ok(row.map_err(vault::refusal)?.try_get(0)?)
}
