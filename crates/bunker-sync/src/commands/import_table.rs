//! Brings the users of a table into the vault, and leaves their tokens in it.

use std::path::PathBuf;
use std::time::Instant;

use postgres::Client;

use crate::error::{Error, Result};
use crate::output;
use crate::table::{
    Import, Mapping, Outcome, Pair, Plan, Report, Table, add_token_column, columns_of, identifier,
    is_token_column, parse_pair,
};
use crate::vault::{self, VaultArgs};

/// Brings the users of a table into the vault, and leaves their tokens in it.
///
/// The table is in the database of the vault. A row whose token column is NULL is still to be brought
/// in; its token is written in the same transaction that creates its user. So the command can be ended
/// at any point and run again, and several may work side by side. A row that the vault refuses is
/// reported and left as it is.
///
/// Who runs it needs bunker_admin, SELECT on the columns that are read, and UPDATE on the token column.
///
/// Values become what to_jsonb makes of them: numbers keep their digits, arrays and jsonb columns their
/// structure; NULLs are left out. Keys that are neither numbers nor uuids are shown in the report only.
#[derive(clap::Args)]
pub struct Args {
    /// The table, as in SQL: users, or shop."Users"
    table: String,

    #[command(flatten)]
    vault: VaultArgs,

    /// A member of the profile and the column that fills it, such as email=mail_address or
    /// address.city=town; again for each member
    #[arg(long = "map", value_name = "MEMBER=COLUMN", value_parser = parse_pair)]
    pairs: Vec<Pair>,

    /// Columns that become members under their own names
    #[arg(long = "column", value_name = "COLUMN", value_delimiter = ',')]
    columns: Vec<String>,

    /// Also all other columns, but for the key, the token and --created-at
    #[arg(long)]
    map_rest: bool,

    /// The column that takes the tokens: uuid or text, NULL where there is none yet
    #[arg(long, value_name = "COLUMN")]
    token_column: String,

    /// Adds the token column, with a unique index, if it is not there. Locks the table for as long as
    /// the index takes
    #[arg(long)]
    add_column: bool,

    /// What names a row: the columns of a unique index, in place of the primary key
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    key: Vec<String>,

    /// The column that says since when there is the user: a time (without a zone: in UTC), a date, or
    /// Unix seconds
    #[arg(long, value_name = "COLUMN")]
    created_at: Option<String>,

    /// Only rows for which this SQL expression is true. It stands on the command line for all to see: put
    /// nothing personal into it
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,

    /// Rows in a transaction
    #[arg(long, value_name = "ROWS", default_value_t = 500,
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,

    /// Tries everything in one transaction and takes it back. Whoever creates one of these users in the
    /// meantime waits
    #[arg(long)]
    dry_run: bool,

    /// A file for the rows that were left out, as JSON Lines with their keys. It must not exist; only its
    /// owner may read it
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What texts of values and names of types depend on. Rows that a policy would hide are an error, not
/// passed over.
const SESSION: &str = "
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601';
    SET extra_float_digits = 1; SET bytea_output = 'hex'; SET quote_all_identifiers = off;
    SET row_security = off;
    SET default_transaction_isolation = 'read committed'";

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    let mut client = args.vault.connect()?;
    client.batch_execute(SESSION)?;
    let vault_schema = vault::schema(&mut client)?;
    let mut table = Table::find(&mut client, &args.table, &args.key)?;
    let token = token_column(args, &mut client, &mut table)?;
    let mapping = mapping(args, &table)?;
    let import = Import {
        plan: Plan {
            table: &table,
            mapping: &mapping,
            token,
            created_at: args.created_at.as_deref(),
            condition: args.condition.as_deref(),
            vault_schema: &vault_schema,
            is_dry: args.dry_run,
        },
        size: args.batch,
    };
    let mut report = Report::new(args.report.as_deref())?;
    let begun = Instant::now();
    let outcome = if args.dry_run {
        import.rehearse(&mut client, &mut report)?
    } else {
        import.run(&mut client, &mut report)?
    };
    tell(args, &import.plan, &outcome, begun)?;
    conclude(&outcome, &report)
}

/// The token column; None where a dry run does not add it.
fn token_column<'a>(
    args: &'a Args,
    client: &mut Client,
    table: &mut Table,
) -> Result<Option<&'a str>> {
    let name = args.token_column.as_str();
    if table.column(name).is_err() && args.add_column {
        if args.dry_run {
            return Ok(None);
        }
        add_token_column(client, table, name)?;
        output::line(&format!(
            "added the column {} uuid UNIQUE to {}",
            identifier(name),
            table.name
        ))?;
    }
    let column = table.column(name)?;
    if !is_token_column(column) {
        return Err(Error::Usage(
            "the token column has to be uuid or text, and have neither NOT NULL nor a default",
        ));
    }
    if table.key.iter().any(|part| part == name) {
        return Err(Error::Usage("the token column cannot be the key, too"));
    }
    Ok(Some(name))
}

fn mapping(args: &Args, table: &Table) -> Result<Mapping> {
    let mut columns = args.columns.clone();
    if args.map_rest {
        let is_taken = |name: &str| {
            name == args.token_column
                || args.created_at.as_deref() == Some(name)
                || table.key.iter().any(|part| part == name)
                || args.columns.iter().any(|column| column == name)
                || columns_of(&args.pairs).any(|column| column == name)
        };
        let names = table.columns.iter().map(|column| &column.name);
        columns.extend(names.filter(|name| !is_taken(name)).cloned());
    }
    let mapping = Mapping::new(&args.pairs, &columns)?;
    for name in mapping.columns().into_iter().chain(args.created_at.as_deref()) {
        table.column(name)?;
    }
    if mapping.columns().contains(&args.token_column.as_str()) {
        return Err(Error::Usage("the token column cannot be part of the profile"));
    }
    Ok(mapping)
}

fn tell(args: &Args, plan: &Plan, outcome: &Outcome, begun: Instant) -> Result<()> {
    let Outcome { users, left } = outcome;
    let seconds = begun.elapsed().as_secs_f64();
    if args.dry_run {
        return output::line(&format!(
            "dry run: {users} users would be brought in, {left} rows would be left"
        ));
    }
    let rate = *users as f64 / seconds.max(0.001);
    output::line(&format!(
        "{users} users brought in, {left} rows left, {seconds:.1} s, {rate:.0} users/s"
    ))?;
    if *left == 0 && args.condition.is_none() {
        output::line(&how_to_go_on(plan))?;
    }
    Ok(())
}

/// What is left to the caller: the plain values are still there.
fn how_to_go_on(plan: &Plan) -> String {
    let is_free = |name: &&&str| !plan.table.key.iter().any(|part| part == **name);
    let columns = plan.mapping.columns();
    let drops: Vec<_> = (columns.iter().filter(is_free))
        .map(|name| format!("DROP COLUMN {}", identifier(name)))
        .collect();
    if drops.is_empty() {
        return "The plain values are still in the table.".to_owned();
    }
    let (table, drops) = (&plan.table.name, drops.join(", "));
    format!(
        "The plain values are still in the table. Once nothing reads them any more:\n  \
         ALTER TABLE {table} {drops};\n  VACUUM FULL {table};  -- only this removes them from its file\n\
         Old backups and archived WAL keep them until they expire."
    )
}

fn conclude(outcome: &Outcome, report: &Report) -> Result<()> {
    let others = outcome.left.saturating_sub(report.told());
    if others > 0 {
        output::complain(&format!(
            "{others} rows were locked by others, or came meanwhile: run it again"
        ));
    }
    match outcome.left {
        0 => Ok(()),
        left => Err(Error::Skipped(left)),
    }
}
