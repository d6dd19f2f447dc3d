//! Bringing a target up to date.

use std::thread;
use std::time::Duration;

use bunker_core::crypto::MasterKey;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::Type;

use crate::applier::{Applied, Applier, UNCHECKED};
use crate::error::{Error, Result};
use crate::key::KeySource;
use crate::output;
use crate::target::TargetArgs;
use crate::vault::{self, VaultArgs};

/// Brings what has changed in the vault to a SQLite file or a MySQL database.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    key: KeySource,

    /// Bring everything, also where the changes since the last time would do
    #[arg(long)]
    full: bool,

    /// Bring everything if the vault can no longer say what has changed
    #[arg(long)]
    full_if_needed: bool,

    /// Go on for ever, with so many seconds between one time and the next
    #[arg(long, value_name = "SECONDS")]
    watch: Option<u64>,

    /// Say nothing but what goes wrong
    #[arg(long, short)]
    quiet: bool,
}

/// Pulls once, or for ever.
pub fn run(args: &Args) -> Result<()> {
    let master = args.key.find_or_say(UNCHECKED)?;
    let Some(seconds) = args.watch else {
        return pull(args, master.as_ref());
    };
    loop {
        match pull(args, master.as_ref()) {
            Ok(()) => {}
            // A server may be back the next time; what was refused will be refused again.
            Err(error) if error.may_pass() => output::complain(&error.to_string()),
            Err(error) => return Err(error),
        }
        thread::sleep(Duration::from_secs(seconds.max(1)));
    }
}

fn pull(args: &Args, master: Option<&MasterKey>) -> Result<()> {
    let applied = match once(args, master, args.full) {
        Err(Error::RefusedByVault(_)) if args.full_if_needed && !args.full => {
            once(args, master, true)?
        }
        applied => applied?,
    };
    if args.quiet { Ok(()) } else { output::line(&applied.sentence()) }
}

/// Applies what the vault exports. The vault's own transaction, which makes the export known to it, ends
/// with the last line, before the target's: a target never holds a bundle that the vault does not know.
fn once(args: &Args, master: Option<&MasterKey>, is_full: bool) -> Result<Applied> {
    let mut vault = args.vault.connect()?;
    let schema = vault::schema(&mut vault)?;
    let mut target = args.target.create()?;
    let applier = Applier::begin(&mut *target, master, !args.quiet)?;
    let since = applier.cursor().filter(|_| !is_full).map(str::to_owned);
    let parameters = [(Some("jsonl"), Type::TEXT), (since.as_deref(), Type::TEXT)];
    let export = format!("SELECT {schema}.bunker_export_bundle($1, $2)");
    let mut lines = vault.query_typed_raw(&export, parameters).map_err(about_cursor)?;
    applier.run(|apply| {
        while let Some(row) = lines.next().map_err(about_cursor)? {
            apply(row.try_get(0)?)?;
        }
        Ok(())
    })
}

fn about_cursor(error: postgres::Error) -> Error {
    match vault::refusal(error) {
        Error::RefusedByVault(words) => {
            Error::RefusedByVault(format!("{words}; pull --full brings everything"))
        }
        error => error,
    }
}
