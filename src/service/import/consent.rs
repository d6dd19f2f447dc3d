//! Legal bases, processing activities and agreements.

use std::collections::BTreeSet;

use pgrx::Uuid;
use serde_json::{Map, Value};

use super::ACTION;
use super::members::Members;
use super::row::Bring;
use super::verdict::Verdict;
use crate::audit;
use crate::error::{Error, Result};
use crate::pg::jsonb::Jsonb;
use crate::service::consent::{Evidence, Status, activities, agreements, bases};
use crate::service::lifetime::Since;
use crate::storage::{agreement, legal_basis};

/// A legal basis.
pub struct LegalBasis {
    brief: String,
    status: Option<String>,
    definition: Option<Jsonb>,
    since: Since,
}

impl LegalBasis {
    /// Reads a row.
    pub fn read(members: &mut Members<'_>) -> Result<Self> {
        members.expect(
            "A legal basis has a brief, and perhaps status (active, disabled, deleted), definition, \
             created_at and updated_at.",
        );
        Ok(Self {
            brief: members.text("brief")?,
            status: members.optional_text("status")?,
            definition: members.optional_document("definition"),
            since: members.since()?,
        })
    }
}

impl Bring for LegalBasis {
    fn token(&self) -> Option<Uuid> {
        None
    }

    fn bring(&self) -> Result<Verdict> {
        let Self { brief, status, definition, since } = self;
        let is_new = audit::consequence(ACTION, &legal_basis::TABLE, || {
            bases::bring(brief, status.as_deref(), definition.as_ref(), *since)
        })?;
        Ok(Verdict::brought(None, is_new))
    }
}

/// A processing activity.
pub struct Activity {
    activity: String,
    definition: Option<Jsonb>,
    legal_bases: BTreeSet<String>,
    since: Since,
}

impl Activity {
    /// Reads a row.
    pub fn read(members: &mut Members<'_>) -> Result<Self> {
        members.expect(
            "An activity has a name (activity), and perhaps definition, legal_bases (an array of \
             briefs), created_at and updated_at.",
        );
        Ok(Self {
            activity: members.text("activity")?,
            definition: members.optional_document("definition"),
            legal_bases: members.simple("legal_bases")?.unwrap_or_default(),
            since: members.since()?,
        })
    }
}

impl Bring for Activity {
    fn token(&self) -> Option<Uuid> {
        None
    }

    fn bring(&self) -> Result<Verdict> {
        let Self { activity, definition, legal_bases, since } = self;
        let is_new = activities::bring(ACTION, activity, definition.as_ref(), legal_bases, *since)?;
        Ok(Verdict::brought(None, is_new))
    }
}

/// An agreement of a user, or of an address that is nobody's yet.
pub struct Agreement {
    kind: String,
    value: String,
    token: Option<Uuid>,
    brief: String,
    evidence: Evidence,
}

impl Agreement {
    /// Reads a row.
    pub fn read(members: &mut Members<'_>) -> Result<Self> {
        members.expect(
            "An agreement has a token, or by (email, phone, login) and value; brief and status (yes, \
             no, expired, revoked); and perhaps agreementmethod, referencecode, lastmodifiedby, \
             created_at, updated_at, starts_at and expires_at.",
        );
        let (kind, value, token) = holder(members)?;
        Ok(Self { kind, value, token, brief: members.text("brief")?, evidence: evidence(members)? })
    }
}

fn unusable() -> Error {
    Error::BadArgument(
        "the agreement is not usable",
        "It has a token, or by (email, phone or login) and value; its status is yes, no, expired or \
         revoked.",
    )
}

fn holder(members: &mut Members<'_>) -> Result<(String, String, Option<Uuid>)> {
    let token = members.optional_uuid("token")?;
    let named = (members.optional_text("by")?, members.optional_text("value")?);
    match (token, named) {
        (Some(token), (None, None)) => Ok(("token".to_owned(), token.to_string(), Some(token))),
        (None, (Some(by), Some(value))) if ["email", "phone", "login"].contains(&by.as_str()) => {
            Ok((by, value, None))
        }
        _ => Err(unusable()),
    }
}

fn evidence(members: &mut Members<'_>) -> Result<Evidence> {
    let status = Status::named(&members.text("status")?).ok_or_else(unusable)?;
    let mut details = Map::new();
    for name in ["agreementmethod", "referencecode", "lastmodifiedby"] {
        if let Some(text) = members.optional_text(name)? {
            details.insert(name.to_owned(), Value::String(text));
        }
    }
    Ok(Evidence {
        status,
        details,
        created_at: members.past("created_at")?,
        updated_at: members.past("updated_at")?,
        starts_at: members.optional_time("starts_at")?,
        expires_at: members.optional_time("expires_at")?,
    })
}

impl Bring for Agreement {
    fn token(&self) -> Option<Uuid> {
        self.token
    }

    fn bring(&self) -> Result<Verdict> {
        let (token, is_new) = audit::consequence(ACTION, &agreement::TABLE, || {
            agreements::bring(&self.kind, &self.value, &self.brief, &self.evidence)
        })?;
        Ok(Verdict::brought(token, is_new))
    }
}
