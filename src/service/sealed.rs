//! Sealing and opening what is stored of a user: which bytes are bound to which.

use bunker_core::crypto::{Binding, RandomPool};
use bunker_core::place;
use pgrx::Uuid;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::storage::mortal::Mortal;

/// A sealed column, one of [`bunker_core::place`]: a value does not open in another one.
pub struct Field(&'static str);

/// What a sealed value is bound to besides its field: moved to another row, or to another version of
/// it, it does not open.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Whose it is: a user's token, or what else names the row.
    pub owner: &'a Uuid,
    /// The row's version; 0 where rows have none.
    pub version: i32,
    /// What else the row says of itself and must not be altered.
    pub extra: &'a [u8],
}

/// Hands `work` the place of a row that ends by itself.
pub fn in_mortal<R>(row: &Mortal, work: impl FnOnce(&Place<'_>) -> R) -> R {
    let extra = place::life(row.id.as_bytes(), row.created_at, row.expires_at);
    work(&Place { owner: &row.token, version: 0, extra: &extra })
}

impl Field {
    /// The column of that name.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Seals a text under a new data key.
    pub fn seal(
        &self,
        keys: &Keys,
        place: &Place<'_>,
        text: &str,
        pool: &mut RandomPool,
    ) -> Result<Vec<u8>> {
        Ok(keys.current_data_key()?.seal(&self.binding(place), text.as_bytes(), pool)?)
    }

    /// The same for a single value.
    pub fn seal_one(&self, keys: &Keys, place: &Place<'_>, text: &str) -> Result<Vec<u8>> {
        self.seal(keys, place, text, &mut RandomPool::for_seals(1))
    }

    /// Opens a text.
    ///
    /// # Errors
    /// Damaged when the bytes, or the row they stand in, are not as they were sealed.
    pub fn open(&self, keys: &Keys, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<String>> {
        let mut bytes = keys.data_key(sealed)?.open(&self.binding(place), sealed)?;
        String::from_utf8(std::mem::take(&mut *bytes))
            .map(Zeroizing::new)
            .map_err(|_| Error::Damaged("a stored record"))
    }

    fn binding<'a>(&self, place: &Place<'a>) -> Binding<'a> {
        Binding {
            domain: self.0,
            owner: place.owner.as_bytes(),
            version: place.version.cast_unsigned(),
            extra: place.extra,
        }
    }
}
