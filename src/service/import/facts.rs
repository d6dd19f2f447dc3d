//! Facts of another system's audit trail. They become events of now that say what happened when: the
//! trail itself only knows what it has seen.

use std::collections::HashSet;

use bunker_core::names;
use pgrx::Uuid;

use super::ACTION;
use super::members::Members;
use super::verdict::{Verdict, Verdicts};
use crate::audit;
use crate::error::{Error, Result};
use crate::pg::session::check_for_interrupts;
use crate::pg::time;
use crate::storage::{audit as table, record};

/// The longest name of a source and the longest message, in bytes.
const MAX_SOURCE: usize = 63;
const MAX_MESSAGE: usize = 1_000;

/// What another system's trail says. Nothing personal: the trail is in the clear.
pub struct Fact {
    token: Option<Uuid>,
    app: Option<String>,
    message: String,
}

impl Fact {
    /// Reads a row.
    pub fn read(members: &mut Members<'_>) -> Result<Self> {
        members.expect("A fact (audit) has message and source, and perhaps token, app and at.");
        let token = members.optional_uuid("token")?;
        let app = members.optional_text("app")?;
        let at = members.past("at")?.unwrap_or(members.now());
        let source = members.text("source")?;
        let message = members.text("message")?;
        let fits = |text: &str, most| {
            !text.is_empty() && text.len() <= most && !text.contains(char::is_control)
        };
        let is_name = |name: &String| names::is_app(name) || names::is_brief(name);
        if !fits(&source, MAX_SOURCE)
            || !fits(&message, MAX_MESSAGE)
            || !app.as_ref().is_none_or(is_name)
        {
            return Err(Error::BadArgument(
                "the fact is not usable",
                "Its source has 1 to 63 bytes, its message 1 to 1,000, without control characters; app \
                 is the name of an app or a legal basis.",
            ));
        }
        let message = format!("{source} {}: {message}", time::to_json(at));
        Ok(Self { token, app, message })
    }
}

/// Brings facts, all of them: what can be read can be brought. Only of facts that earlier calls have
/// brought it says that they are there already, for two of the same may be true.
pub fn bring(facts: &[(usize, &Fact)], verdicts: &mut Verdicts) -> Result<()> {
    let about_nobody = facts.iter().any(|(_, fact)| fact.token.is_none());
    let said = if about_nobody { table::said_of_nobody(ACTION)? } else { Vec::new() };
    let said: HashSet<_> = said.into_iter().collect();
    audit::consequence(ACTION, &record::TABLE, || {
        for (position, fact) in facts {
            check_for_interrupts();
            let is_known = match &fact.token {
                Some(token) => table::says(token, ACTION, &fact.message)?,
                None => said.contains(&fact.message),
            };
            if !is_known {
                audit::note(fact.token.as_ref(), fact.app.as_deref(), fact.message.clone());
            }
            verdicts.set(*position, Verdict::brought(fact.token, !is_known));
        }
        Ok(())
    })
}
