//! Checking bundles and targets.

use bunker_bundle::layout::{self, Flavor};
use bunker_bundle::{BundleError, Item, Kind, Reader, Signed, Table, Value, schema};
use bunker_core::crypto::MasterKey;
use bunker_core::digests;

use crate::applier::opener;
use crate::error::{Error, Result};
use crate::key::KeySource;
use crate::lines::Lines;
use crate::open::{Opener, sealed_columns};
use crate::output;
use crate::progress::Progress;
use crate::row::Row;
use crate::target::{self, Target, TargetOptions};

/// Checks a bundle or a target.
///
/// Of a bundle: that it is complete and unaltered and, with the master key, that its signature is the
/// vault's. Of a target: that its tables fit each other and, with the master key, that every sealed value
/// opens, that the blind index leads to each user by just his own entries, and that the state is signed
/// by the vault. What is found is reported line by line: a table and a key. Then the status is 3.
#[derive(clap::Args)]
pub struct Args {
    /// A bundle's file ("-" for standard input), or a target as for pull
    #[arg(value_name = "TARGET|FILE")]
    name: String,

    #[command(flatten)]
    options: TargetOptions,
    #[command(flatten)]
    key: KeySource,

    /// Say nothing but what is found
    #[arg(long, short)]
    quiet: bool,
}

/// Checks it.
pub fn run(args: &Args) -> Result<()> {
    let unchecked = "neither signatures nor sealed values are checked";
    let master = args.key.find_or_say(unchecked)?;
    let checked = if is_target(&args.name)? {
        let mut target = args.options.open(&args.name)?;
        Check::new(&mut *target, args.quiet)?.run(master.as_ref())?
    } else {
        bundle(&args.name, master.as_ref())?
    };
    if args.quiet { Ok(()) } else { output::line(&checked) }
}

fn is_target(name: &str) -> Result<bool> {
    if name.contains("://") || name.starts_with("sqlite:") {
        return Ok(true);
    }
    Ok(name != "-" && Lines::open(name)?.is_sqlite()?)
}

/// Checks a bundle's file.
fn bundle(name: &str, master: Option<&MasterKey>) -> Result<String> {
    let mut lines = Lines::open(name)?;
    lines.expect_json()?;
    let mut reader = Reader::new();
    let (mut keyring, mut end) = (Vec::new(), None);
    let mut line = String::new();
    while lines.next(&mut line)? {
        match reader.line(&line)? {
            Item::Rows(table, rows) if table.name == "keyring" => keyring.extend(rows),
            Item::End(signed) => end = Some(signed),
            _ => {}
        }
    }
    let signed = end.ok_or(BundleError::Truncated)?;
    if let Some(master) = master {
        signed.verify(Opener::new(master, &keyring)?.bundle())?;
    }
    Ok(sentence(&signed, signed.summary.total_rows(), master.is_some()))
}

fn sentence(signed: &Signed, rows: u64, is_opened: bool) -> String {
    let number = signed.summary.bundle.number;
    let how = if is_opened { "" } else { " without the master key" };
    format!("bundle {number}: {rows} rows checked{how}, nothing found")
}

/// A check of a target.
struct Check<'a> {
    target: &'a mut dyn Target,
    state: Signed,
    /// How many rows each table has.
    counts: Vec<(&'static Table, u64)>,
    progress: Progress,
    findings: u64,
    rows: u64,
}

impl<'a> Check<'a> {
    fn new(target: &'a mut dyn Target, quiet: bool) -> Result<Self> {
        let state = target::read(target)?;
        let counts = target::counts(target)?;
        let progress = if quiet {
            Progress::hidden()
        } else {
            Progress::start("rows", counts.iter().map(|(_, rows)| rows).sum())
        };
        Ok(Self { target, state, counts, progress, findings: 0, rows: 0 })
    }

    fn run(mut self, master: Option<&MasterKey>) -> Result<String> {
        let opener = master.map(|master| opener(self.target, master)).transpose()?;
        if let Some(opener) = &opener {
            self.state.verify(opener.bundle())?;
        }
        self.counts()?;
        for table in schema::TABLES {
            self.owners(table)?;
            self.table(table, opener.as_ref())?;
        }
        drop(self.progress);
        match self.findings {
            0 => Ok(sentence(&self.state, self.rows, opener.is_some())),
            findings => Err(Error::Found(findings)),
        }
    }

    fn found(&mut self, what: &str) -> Result<()> {
        self.findings += 1;
        self.progress.print(what)
    }

    /// A whole bundle says how many rows of each table there are.
    fn counts(&mut self) -> Result<()> {
        if !self.state.summary.bundle.is_whole() {
            return Ok(());
        }
        for (table, there) in std::mem::take(&mut self.counts) {
            let signed = self.state.summary.rows.get(table.name).copied().unwrap_or_default();
            if there != signed {
                self.found(&format!("{}: {there} rows instead of {signed}", table.name))?;
            }
        }
        Ok(())
    }

    /// Each row of a user has a record.
    fn owners(&mut self, table: &'static Table) -> Result<()> {
        let Some(user) = table.user.filter(|_| table.name != "record") else {
            return Ok(());
        };
        let name = layout::name(table);
        let statement = format!(
            "SELECT DISTINCT t.{user} FROM {name} t LEFT JOIN bunker_record r ON r.token = t.{user} \
             WHERE r.token IS NULL"
        );
        let (progress, findings) = (&self.progress, &mut self.findings);
        self.target.query(&statement, &[], &[Kind::Text], &mut |row| {
            *findings += 1;
            let whose = if let [Value::Text(token)] = row { token } else { "?" };
            progress.print(&format!("{} of {whose}: there is no record", table.name))
        })
    }

    /// Each sealed value of a table opens.
    fn table(&mut self, table: &'static Table, opener: Option<&Opener>) -> Result<()> {
        let (statement, kinds) = match table.name {
            "record" => records(self.target.flavor(), table),
            _ => (target::select(table), target::kinds(table)),
        };
        let (progress, findings) = (&self.progress, &mut self.findings);
        let rows = &mut self.rows;
        self.target.query(&statement, &[], &kinds, &mut |values| {
            let (values, entries) = values.split_at(table.columns.len());
            let row = Row::new(table, values);
            *rows += 1;
            progress.add(1);
            let mut wrong = opener.map(|it| unopened(&row, it)).unwrap_or_default();
            if table.name == "record" && !is_found_by_its_digests(&row, entries) {
                wrong.push("is not found by just its own digests");
            }
            for what in wrong {
                *findings += 1;
                progress.print(&format!("{} {}: {what}", table.name, row.key()))?;
            }
            Ok(())
        })
    }
}

/// The statement that reads records, each with the entries of the blind index that lead to it as
/// `kind:digest,…`, and the kinds of its columns.
fn records(flavor: Flavor, table: &'static Table) -> (String, Vec<Kind>) {
    let entry = match flavor {
        Flavor::Sqlite => "kind || ':' || hex(digest)",
        Flavor::Mysql => "kind, ':', HEX(digest)",
    };
    let entries = format!(
        "(SELECT GROUP_CONCAT({entry}) FROM bunker_lookup l WHERE l.token = bunker_record.token)"
    );
    let columns = table.column_names().join(", ");
    let statement = format!("SELECT {columns}, {entries} FROM bunker_record");
    let mut kinds = target::kinds(table);
    kinds.push(Kind::Text);
    (statement, kinds)
}

/// What is wrong with the sealed columns of a row.
fn unopened(row: &Row<'_>, opener: &Opener) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    if row.table().name == "record" && lacks_profile(row) {
        wrong.push("its profile is missing");
    }
    for column in sealed_columns(row.table()) {
        match opener.open(row, column) {
            Ok(_) => {}
            Err(_) if *column == "reason" => wrong.push("its reason does not open"),
            Err(_) => wrong.push("it does not open"),
        }
    }
    wrong
}

/// Whether there is nothing to open although the user was not forgotten.
fn lacks_profile(record: &Row<'_>) -> bool {
    matches!(
        (record.optional_int("forgotten_at"), record.optional_bytes("sealed")),
        (Ok(None), Ok(None))
    )
}

/// Whether the entries of the blind index are the record's digests, all of them and no others.
fn is_found_by_its_digests(record: &Row<'_>, entries: &[Value<'_>]) -> bool {
    let Some(own) = record.bytes("digests").ok().and_then(digests::decode) else {
        return false;
    };
    let own =
        own.iter().map(|it| format!("{}:{}", it.kind, base16ct::upper::encode_string(&it.digest)));
    let mut own: Vec<_> = own.collect();
    let mut there: Vec<_> = match entries {
        [Value::Text(entries)] => entries.split(',').map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    own.sort_unstable();
    there.sort_unstable();
    own == there
}
