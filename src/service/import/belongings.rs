//! What is kept of a user besides his profile.

use pgrx::Uuid;

use super::ACTION;
use super::members::Members;
use super::row::Bring;
use super::verdict::Verdict;
use crate::audit;
use crate::error::Result;
use crate::pg::jsonb::Jsonb;
use crate::service::lifetime::{Life, Since};
use crate::service::users::Owner;
use crate::service::{apps, sessions, shares};
use crate::storage::{session, share};

fn hold(token: &Uuid) -> Result<Owner> {
    Owner::hold("token", &token.to_string())
}

/// What an app keeps of a user.
pub struct AppData {
    token: Uuid,
    app: String,
    data: Jsonb,
    since: Since,
}

impl AppData {
    /// Reads a row.
    pub fn read(members: &mut Members<'_>) -> Result<Self> {
        members.expect("App data have token, app and data, and perhaps created_at and updated_at.");
        Ok(Self {
            token: members.uuid("token")?,
            app: members.text("app")?,
            data: members.document("data")?,
            since: members.since()?,
        })
    }
}

impl Bring for AppData {
    fn token(&self) -> Option<Uuid> {
        Some(self.token)
    }

    fn bring(&self) -> Result<Verdict> {
        let is_new = audit::consequence(ACTION, apps::TABLE, || {
            apps::bring(&hold(&self.token)?, &self.app, &self.data, self.since)
        })?;
        Ok(Verdict::brought(Some(self.token), is_new))
    }
}

/// A session.
pub struct Session {
    token: Uuid,
    data: Jsonb,
    life: Life,
    has_ended: bool,
}

impl Session {
    /// Reads a row.
    pub fn read(members: &mut Members<'_>) -> Result<Self> {
        members
            .expect("A session has token, session, data and expires_at, and perhaps created_at.");
        let (life, has_ended) = members.life("session")?;
        Ok(Self { token: members.uuid("token")?, data: members.document("data")?, life, has_ended })
    }
}

impl Bring for Session {
    fn token(&self) -> Option<Uuid> {
        Some(self.token)
    }

    fn bring(&self) -> Result<Verdict> {
        if self.has_ended {
            return Ok(Verdict::ended(self.token));
        }
        let is_new = audit::consequence(ACTION, &session::TABLE, || {
            sessions::bring(&hold(&self.token)?, &self.data, self.life)
        })?;
        Ok(Verdict::brought(Some(self.token), is_new))
    }
}

/// A share.
pub struct Share {
    token: Uuid,
    terms: shares::Terms,
    life: Life,
    has_ended: bool,
}

impl Share {
    /// Reads a row.
    pub fn read(members: &mut Members<'_>) -> Result<Self> {
        members.expect(
            "A share has token, record and expires_at, and perhaps fields, app or session, partner and \
             created_at.",
        );
        let (life, has_ended) = members.life("record")?;
        let terms = shares::Terms::new(
            members.simple("fields")?,
            members.optional_text("app")?,
            members.optional_uuid("session")?,
            members.optional_text("partner")?,
        )?;
        Ok(Self { token: members.uuid("token")?, terms, life, has_ended })
    }
}

impl Bring for Share {
    fn token(&self) -> Option<Uuid> {
        Some(self.token)
    }

    fn bring(&self) -> Result<Verdict> {
        if self.has_ended {
            return Ok(Verdict::ended(self.token));
        }
        let is_new = audit::consequence(ACTION, &share::TABLE, || {
            shares::bring(&hold(&self.token)?, &self.terms, self.life)
        })?;
        Ok(Verdict::brought(Some(self.token), is_new))
    }
}
