//! Finding a user in a target.

use std::io::Read;

use bunker_bundle::{Table, Value, schema};
use bunker_core::digests::{self, Entry};
use bunker_core::normalize::{self, NormalizeError, Normalizer, Region};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::applier::opener;
use crate::error::{Error, Result};
use crate::key::KeySource;
use crate::open::Opener;
use crate::output;
use crate::row::Row;
use crate::target::{self, Target, TargetArgs};

/// Finds a user in a target and prints his profile.
#[derive(clap::Args)]
pub struct Args {
    /// By what: email, phone, login, custom or another kind of the vault; or token
    kind: String,

    /// His address, number, name or token. Other users of this machine see what stands on a command
    /// line: give "-" to have it read from standard input
    #[arg(allow_hyphen_values = true)]
    value: String,

    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    key: KeySource,

    /// Print what this app stores of him instead
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
}

/// Prints it.
pub fn run(args: &Args) -> Result<()> {
    let master = args.key.require()?;
    let value = given(&args.value)?;
    let mut target = args.target.open()?;
    let target = &mut *target;
    let state = target::read(target)?;
    let opener = opener(target, &master)?;
    state.verify(opener.bundle())?;
    let (token, entry) = match args.kind.as_str() {
        "token" => (Uuid::try_parse(value.trim()).map_err(|_| NOT_A_TOKEN)?, None),
        kind => {
            let entry = entry(target, &opener, kind, &value, &state.summary.bundle.region)?;
            (holder(target, &entry)?, Some(entry))
        }
    };
    let text = open(target, &opener, token, entry.as_ref(), args.app.as_deref())?;
    output::line(&text)
}

const NOT_A_TOKEN: Error = Error::Usage("the token is not a uuid");
const DAMAGED: Error = Error::Refused("the user's record is damaged");
const NOBODY: Error = Error::NotFound("there is no such user");

/// The value, from standard input if it is "-"; there, a line feed at its end is dropped.
fn given(value: &str) -> Result<Zeroizing<String>> {
    if value != "-" {
        return Ok(Zeroizing::new(value.to_owned()));
    }
    let mut text = Zeroizing::new(String::new());
    // More than any value may have is refused by the normal form.
    let longest = normalize::MAX_VALUE_BYTES as u64 + 2;
    std::io::stdin().lock().take(longest).read_to_string(&mut text)?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

fn table(name: &str) -> Result<&'static Table> {
    schema::table(name).ok_or(Error::Refused("a table is missing"))
}

/// The entry of a value.
fn entry(
    target: &mut dyn Target,
    opener: &Opener,
    kind: &str,
    value: &str,
    region: &str,
) -> Result<Entry> {
    let kinds = table("lookup_kind")?;
    let row = target::find(target, kinds, &["name"], &[Value::Text(kind.into())])?;
    let row = row.ok_or(Error::Usage("the vault has no such kind of look-up"))?;
    let row = Row::new(kinds, &row);
    let damaged = |_| Error::Refused("a kind of look-up is damaged");
    if row.int("normalizer_version").map_err(damaged)? != i64::from(normalize::VERSION) {
        return Err(Error::Refused(
            "the digests of this kind were made by other rules: run bunker_reindex_lookup in the \
             vault and pull, or use the bunker-sync of the vault's version",
        ));
    }
    let normalizer: Normalizer = row
        .text("normalizer")
        .map_err(damaged)?
        .parse()
        .map_err(|_| Error::Refused("a kind of look-up is damaged"))?;
    let region = Region::parse(region)
        .map_err(|_| Error::Refused("the region of the vault's telephone numbers is unknown"))?;
    let value = normalizer.normalize(value, region).map_err(no_normal_form)?;
    let digest = opener.index().digest(kind, &value);
    let kind = row.int("id").map_err(damaged)?.try_into();
    let kind = kind.map_err(|_| Error::Refused("a kind of look-up is damaged"))?;
    Ok(Entry::new(kind, &digest))
}

fn no_normal_form(error: NormalizeError) -> Error {
    Error::Usage(match error {
        NormalizeError::BadEmail => "the value is not an e-mail address",
        NormalizeError::BadPhone => "the value is not a phone number",
        NormalizeError::BadLogin => "the value is not a login name",
        NormalizeError::Blank => "the value is blank",
        _ => "the value is too long",
    })
}

/// Whose entry it is.
fn holder(target: &mut dyn Target, entry: &Entry) -> Result<Uuid> {
    let lookup = table("lookup")?;
    let values = [Value::Bytes(entry.digest.as_slice().into()), Value::Int(entry.kind.into())];
    let row = target::find(target, lookup, &["digest", "kind"], &values)?.ok_or(NOBODY)?;
    Row::new(lookup, &row).uuid("token").map_err(|_| DAMAGED)
}

/// The user's profile, or what an app stores of him.
fn open(
    target: &mut dyn Target,
    opener: &Opener,
    token: Uuid,
    entry: Option<&Entry>,
    app: Option<&str>,
) -> Result<Zeroizing<String>> {
    let records = table("record")?;
    let row = target::find(target, records, &["token"], &[Value::Uuid(token)])?.ok_or(NOBODY)?;
    let record = Row::new(records, &row);
    if record.optional_int("forgotten_at").map_err(|_| DAMAGED)?.is_some() {
        return Err(Error::NotFound("the user was forgotten"));
    }
    // Opening it shows that the record has the digests that it was sealed with.
    let profile = opener.open(&record, "sealed").map_err(|_| DAMAGED)?.ok_or(DAMAGED)?;
    if let Some(entry) = entry
        && !digests::contains(record.bytes("digests").unwrap_or_default(), entry)
    {
        return Err(Error::Refused("the blind index of the target points at somebody else"));
    }
    let Some(app) = app else {
        return Ok(profile);
    };
    let app_data = table("app_data")?;
    let values = [Value::Uuid(token), Value::Text(app.into())];
    let row = target::find(target, app_data, &["token", "app"], &values)?;
    let row = row.ok_or(Error::NotFound("the app stores nothing of the user"))?;
    let data = opener.open(&Row::new(app_data, &row), "sealed").map_err(|_| DAMAGED)?;
    data.ok_or(Error::NotFound("the app stores nothing of the user"))
}
