//! Legal bases: why personal data may be processed (GDPR article 6), in words for those concerned.

use serde_json::{Map, Value, json};

use super::agreements;
use super::shape::{self, Form, Shape};
use super::{NOTHING_CHANGED, check_brief};
use crate::audit;
use crate::error::{Error, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::time;
use crate::service::lifetime::Since;
use crate::storage::legal_basis::{self as table, Row};
use crate::storage::{activity, agreement};

const ACTIVE: &str = "active";
const DISABLED: &str = "disabled";
const DELETED: &str = "deleted";

/// The grounds of GDPR article 6 (1), as Databunker calls them; none unless given.
const GROUNDS: &[&str] = &[
    "",
    "consent",
    "contract",
    "legal-requirement",
    "vital-interest",
    "public-interest",
    "legitimate-interest",
];

/// A rename is not among the members: agreements and the audit trail know a basis by its brief.
const SHAPE: Shape = Shape {
    members: &[
        ("module", Form::Text(1_000)),
        ("shortdesc", Form::Text(1_000)),
        ("fulldesc", Form::Text(100_000)),
        ("basistype", Form::Word(GROUNDS)),
        ("requiredmsg", Form::Text(1_000)),
        ("usercontrol", Form::Flag),
        ("requiredflag", Form::Flag),
        ("status", Form::Word(&[ACTIVE, DISABLED])),
    ],
    hint: "A legal basis has the texts module, shortdesc, fulldesc and requiredmsg; basistype \
           (consent, contract, legal-requirement, vital-interest, public-interest, \
           legitimate-interest); usercontrol and requiredflag (true, false); status (active, \
           disabled).",
};

/// A legal basis.
pub struct Basis {
    row: Row,
    definition: Map<String, Value>,
}

impl Basis {
    fn read(row: Row) -> Result<Self> {
        let definition = shape::stored(&row.definition, "a legal basis")?;
        Ok(Self { row, definition })
    }

    /// Its name.
    pub fn brief(&self) -> &str {
        &self.row.brief
    }

    /// Whether those who agreed may withdraw by themselves.
    pub fn leaves_control(&self) -> bool {
        self.definition.get("usercontrol") == Some(&Value::Bool(true))
    }

    /// All that is known of it, by name.
    pub fn describe(&self) -> Map<String, Value> {
        let mut all = SHAPE.complete(self.definition.clone());
        all.insert("brief".to_owned(), json!(self.row.brief));
        all.insert("status".to_owned(), json!(self.row.status));
        all.insert("created_at".to_owned(), json!(time::to_json(self.row.created_at)));
        all.insert("updated_at".to_owned(), json!(time::to_json(self.row.updated_at)));
        all
    }
}

/// Adds a basis, or changes the members that are given; true when it is new, or was deleted before.
pub fn set(brief: &str, definition: Option<&Jsonb>) -> Result<bool> {
    audit::operation("set_legal_basis", None, &table::TABLE, || {
        check_brief(brief)?;
        let given = SHAPE.read(definition)?;
        loop {
            match table::lock(brief)? {
                Some(row) if row.status != DELETED => return change(row, given).map(|()| false),
                deleted => {
                    let row = new(brief, given.clone(), Since::at(time::now()))?;
                    audit::remark(format!("new, {}", row.status));
                    if deleted.is_some() {
                        return table::update(row).map(|()| true);
                    }
                    if table::insert(row)? {
                        return Ok(true);
                    }
                    // Somebody else has just added it.
                }
            }
        }
    })
}

/// Adds a basis of another system's, deleted ones too, as part of the running operation; false if it is
/// there already.
///
/// # Errors
/// There is one of that name that says something else; as [`set`].
pub fn bring(
    brief: &str,
    status: Option<&str>,
    definition: Option<&Jsonb>,
    since: Since,
) -> Result<bool> {
    check_brief(brief)?;
    let mut row = new(brief, SHAPE.read(definition)?, since)?;
    match status {
        Some(status @ (ACTIVE | DISABLED | DELETED)) => status.clone_into(&mut row.status),
        Some(_) => return Err(SHAPE.misshapen()),
        None => {}
    }
    let (status, definition) = (row.status.clone(), row.definition.clone());
    audit::remark(format!("new, {status}"));
    if table::insert(row)? {
        return Ok(true);
    }
    let there = table::lock(brief)?.map(Basis::read).transpose()?;
    match there {
        Some(there)
            if there.row.status == status
                && there.definition == shape::stored(&definition, "a legal basis")? =>
        {
            Ok(false)
        }
        _ => Err(Error::Exists(
            "the legal basis is there already, and says something else",
            "Leave it out, or change it with bunker_set_legal_basis.",
        )),
    }
}

fn new(brief: &str, given: Map<String, Value>, since: Since) -> Result<Row> {
    let mut definition = Map::new();
    SHAPE.merge(&mut definition, given)?;
    Ok(Row {
        brief: brief.to_owned(),
        status: take_status(&mut definition),
        definition: Value::Object(definition).to_string(),
        created_at: since.created_at,
        updated_at: since.updated_at,
    })
}

fn change(row: Row, given: Map<String, Value>) -> Result<()> {
    let Basis { row, mut definition } = Basis::read(row)?;
    definition.insert("status".to_owned(), json!(row.status));
    let changed = SHAPE.merge(&mut definition, given)?;
    if changed.is_empty() {
        audit::note(None, Some(&row.brief), NOTHING_CHANGED);
        return Ok(());
    }
    audit::remark(format!("changed {}", changed.join(", ")));
    table::update(Row {
        status: take_status(&mut definition),
        definition: Value::Object(definition).to_string(),
        updated_at: time::now(),
        ..row
    })
}

/// The status has a column of its own.
fn take_status(definition: &mut Map<String, Value>) -> String {
    match definition.remove("status") {
        Some(Value::String(status)) => status,
        _ => ACTIVE.to_owned(),
    }
}

/// Ends a basis: its agreements are revoked and no activity rests on it any more. As long as agreements
/// refer to it, it is kept as deleted. True when there was one.
pub fn delete(brief: &str) -> Result<bool> {
    audit::operation("delete_legal_basis", None, &table::TABLE, || {
        check_brief(brief)?;
        let Some(row) = table::lock(brief)? else {
            audit::note(None, Some(brief), NOTHING_CHANGED);
            return Ok(false);
        };
        let revoked = audit::consequence("revoke_agreements", &agreement::TABLE, || {
            agreements::revoke_all(brief)
        })?;
        let unlinked = activity::unlink_all_from(brief)?;
        let was_there = row.status != DELETED;
        if !agreement::any_to(brief)? {
            audit::remark(format!("removed, and from {unlinked} activities"));
            table::delete(brief)?;
        } else if was_there {
            audit::remark(format!("deleted, {revoked} agreements revoked, {unlinked} activities"));
            table::update(Row { status: DELETED.to_owned(), updated_at: time::now(), ..row })?;
        } else {
            audit::note(None, Some(brief), NOTHING_CHANGED);
        }
        Ok(was_there)
    })
}

/// All bases by brief, deleted ones as long as agreements refer to them.
pub fn list() -> Result<Vec<Jsonb>> {
    audit::read("list_legal_bases", None, |access| {
        let bases = all()?;
        access.told(format!("{} legal bases", bases.len()));
        Ok(bases.iter().map(|basis| Value::Object(basis.describe()).to_string().into()).collect())
    })
}

/// The same, for reports.
pub fn all() -> Result<Vec<Basis>> {
    table::all(DELETED)?.into_iter().map(Basis::read).collect()
}

/// A basis, deleted or not, which nobody deletes and whose agreements nobody revokes until the
/// transaction ends.
///
/// # Errors
/// There is none of that name.
pub fn keep(brief: &str) -> Result<Basis> {
    Basis::read(table::keep(brief)?.ok_or(Error::NotThere("legal basis"))?)
}

/// The same of one that can be agreed to.
///
/// # Errors
/// There is none, or none any more; it is disabled.
pub fn keep_open(brief: &str) -> Result<Basis> {
    let basis = keep(brief)?;
    match basis.row.status.as_str() {
        ACTIVE => Ok(basis),
        DISABLED => Err(Error::BadArgument(
            "the legal basis is disabled",
            "Nobody can agree to it until bunker_set_legal_basis makes it active.",
        )),
        _ => Err(Error::NotThere("legal basis")),
    }
}

/// The same of one on which an activity can rest: it may be disabled.
pub fn keep_present(brief: &str) -> Result<Basis> {
    keep(brief).and_then(|basis| match basis.row.status.as_str() {
        DELETED => Err(Error::NotThere("legal basis")),
        _ => Ok(basis),
    })
}

/// Waits for all who are agreeing to a basis, and keeps others from it until the transaction ends.
///
/// # Errors
/// There is none of that name.
pub fn close(brief: &str) -> Result<()> {
    table::lock(brief)?.map(drop).ok_or(Error::NotThere("legal basis"))
}
