//! Processing activities: what personal data are processed for (GDPR article 30), and on which legal
//! bases.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::shape::{self, Form, Shape};
use super::{NOTHING_CHANGED, bases, check_activity, check_brief};
use crate::audit;
use crate::error::{Error, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::time;
use crate::service::lifetime::Since;
use crate::storage::activity::{self as table, Row};

/// The script is a text like the others: whoever shows it has to escape it.
const SHAPE: Shape = Shape {
    members: &[
        ("title", Form::Text(1_000)),
        ("script", Form::Text(100_000)),
        ("fulldesc", Form::Text(100_000)),
        ("applicableto", Form::Text(1_000)),
    ],
    hint: "An activity has the texts title, script, fulldesc and applicableto. \
           bunker_link_activity rests it on a legal basis.",
};

/// A processing activity.
pub struct Activity {
    row: Row,
    definition: Map<String, Value>,
    legal_bases: Vec<String>,
}

impl Activity {
    /// The briefs of the legal bases on which it rests, sorted.
    pub fn legal_bases(&self) -> &[String] {
        &self.legal_bases
    }

    /// All that is known of it, by name. Without a title its name is one.
    pub fn describe(&self) -> Map<String, Value> {
        let mut all = self.definition.clone();
        all.entry("title").or_insert_with(|| json!(self.row.activity));
        let mut all = SHAPE.complete(all);
        all.insert("activity".to_owned(), json!(self.row.activity));
        all.insert("legal_bases".to_owned(), json!(self.legal_bases));
        all.insert("created_at".to_owned(), json!(time::to_json(self.row.created_at)));
        all.insert("updated_at".to_owned(), json!(time::to_json(self.row.updated_at)));
        all
    }
}

/// Adds an activity, or changes the members that are given; true when it is new.
pub fn set(activity: &str, definition: Option<&Jsonb>) -> Result<bool> {
    audit::operation("set_activity", None, &table::TABLE, || {
        check_activity(activity)?;
        let given = SHAPE.read(definition)?;
        loop {
            if let Some(row) = table::lock(activity)? {
                return change(row, given).map(|()| false);
            }
            audit::remark("new");
            if table::insert(new(activity, given.clone(), Since::at(time::now()))?)? {
                return Ok(true);
            }
            // Somebody else has just added it.
        }
    })
}

/// Adds an activity of another system's and rests it on legal bases; false if it is there already. Both
/// are events of `action`.
///
/// # Errors
/// There is one of that name that says something else, or rests on other bases; one of the bases is not
/// there; as [`set`].
pub fn bring(
    action: &'static str,
    activity: &str,
    definition: Option<&Jsonb>,
    legal_bases: &BTreeSet<String>,
    since: Since,
) -> Result<bool> {
    check_activity(activity)?;
    let row = new(activity, SHAPE.read(definition)?, since)?;
    let definition = row.definition.clone();
    let is_new = audit::consequence(action, &table::TABLE, || {
        audit::remark("new");
        table::insert(row)
    })?;
    if !is_new {
        return says_the_same(activity, &definition, legal_bases);
    }
    audit::consequence(action, &table::LINKS, || {
        for brief in legal_bases {
            with_both(activity, brief, || table::link(activity, brief))?;
        }
        Ok(true)
    })
}

/// `false`: nothing was added.
fn says_the_same(activity: &str, definition: &str, bases: &BTreeSet<String>) -> Result<bool> {
    let given = shape::stored(definition, "a processing activity")?;
    let is_same =
        |there: &Activity| there.definition == given && there.legal_bases.iter().eq(bases.iter());
    match all()?.iter().find(|there| there.row.activity == activity) {
        Some(there) if is_same(there) => Ok(false),
        _ => Err(Error::Exists(
            "the processing activity is there already, and says something else",
            "Leave it out, or change it with bunker_set_activity and bunker_link_activity.",
        )),
    }
}

fn new(activity: &str, given: Map<String, Value>, since: Since) -> Result<Row> {
    let mut definition = Map::new();
    SHAPE.merge(&mut definition, given)?;
    Ok(Row {
        activity: activity.to_owned(),
        definition: Value::Object(definition).to_string(),
        created_at: since.created_at,
        updated_at: since.updated_at,
    })
}

fn change(row: Row, given: Map<String, Value>) -> Result<()> {
    let mut definition = stored(&row)?;
    let changed = SHAPE.merge(&mut definition, given)?;
    if changed.is_empty() {
        audit::note(None, Some(&row.activity), NOTHING_CHANGED);
        return Ok(());
    }
    audit::remark(format!("changed {}", changed.join(", ")));
    let definition = Value::Object(definition).to_string();
    table::update(Row { definition, updated_at: time::now(), ..row })
}

fn stored(row: &Row) -> Result<Map<String, Value>> {
    shape::stored(&row.definition, "a processing activity")
}

/// Removes an activity; true when there was one.
pub fn delete(activity: &str) -> Result<bool> {
    audit::operation("delete_activity", None, &table::TABLE, || {
        check_activity(activity)?;
        audit::remark("removed");
        // First: nobody can link it then.
        let was_there = table::delete(activity)?;
        table::unlink_all_of(activity)?;
        if !was_there {
            audit::note(None, Some(activity), NOTHING_CHANGED);
        }
        Ok(was_there)
    })
}

/// Rests an activity on a legal basis; false when it did already.
pub fn link(activity: &str, brief: &str) -> Result<bool> {
    audit::operation("link_activity", None, &table::LINKS, || {
        let linked = with_both(activity, brief, || table::link(activity, brief))?;
        if !linked {
            audit::note(None, Some(activity), NOTHING_CHANGED);
        }
        Ok(linked)
    })
}

/// Takes a legal basis from an activity; whether it rested on it.
pub fn unlink(activity: &str, brief: &str) -> Result<bool> {
    audit::operation("unlink_activity", None, &table::LINKS, || {
        let unlinked = with_both(activity, brief, || table::unlink(activity, brief))?;
        if !unlinked {
            audit::note(None, Some(activity), NOTHING_CHANGED);
        }
        Ok(unlinked)
    })
}

/// Does `work` when there are both, and keeps both from being removed.
fn with_both(activity: &str, brief: &str, work: impl FnOnce() -> Result<bool>) -> Result<bool> {
    check_activity(activity)?;
    check_brief(brief)?;
    table::lock(activity)?.ok_or(Error::NotThere("processing activity"))?;
    bases::keep_present(brief)?;
    audit::remark(format!("legal basis {brief}"));
    work()
}

/// All activities by name.
pub fn list() -> Result<Vec<Jsonb>> {
    audit::read("list_activities", None, |access| {
        let activities = all()?;
        access.told(format!("{} activities", activities.len()));
        let texts = activities.iter().map(|a| Value::Object(a.describe()).to_string().into());
        Ok(texts.collect())
    })
}

/// The same, for reports.
pub fn all() -> Result<Vec<Activity>> {
    let rows = table::all()?.into_iter();
    rows.map(|(row, legal_bases)| {
        let definition = stored(&row)?;
        Ok(Activity { row, definition, legal_bases })
    })
    .collect()
}
