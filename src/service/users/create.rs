//! Creating users, one or many.

use std::iter;

use bunker_core::profile;
use pgrx::Uuid;

use super::{Factory, NewUser};
use crate::audit;
use crate::error::{Error, Result};
use crate::guc::MAX_BULK;
use crate::pg::jsonb::Jsonb;
use crate::pg::session;
use crate::storage::record;

/// Creates a user; his token.
pub fn create(profile: &Jsonb) -> Result<Uuid> {
    audit::operation("create_user", None, &record::TABLE, || {
        let mut factory = Factory::new(1)?;
        let user = factory.make(profile.as_str())?;
        factory.store(iter::once(&user))?.map_err(|(_, error)| error)?;
        Ok(*user.token())
    })
}

/// Creates users, all or none; their tokens in the order of the profiles.
pub fn create_many(profiles: &[Option<Jsonb>]) -> Result<Vec<Uuid>> {
    if profiles.is_empty() {
        return audit::admit("create_users").map(|()| Vec::new());
    }
    audit::operation("create_users", None, &record::TABLE, || {
        if profiles.len() > MAX_BULK {
            return Err(Error::TooMany("At most 100,000 profiles in one call."));
        }
        let mut factory = Factory::new(profiles.len())?;
        let mut users = Vec::with_capacity(profiles.len());
        for (position, profile) in profiles.iter().enumerate() {
            session::check_for_interrupts();
            let user = profile
                .as_ref()
                .ok_or(Error::BadProfile(profile::ProfileError::NotAnObject))
                .and_then(|profile| factory.make(profile.as_str()))
                .map_err(|error| error.at(position + 1))?;
            users.push(user);
        }
        factory.store(users.iter())?.map_err(|(position, error)| error.at(position + 1))?;
        Ok(users.iter().map(NewUser::token).copied().collect())
    })
}
