//! What is shared, and with whom.

use bunker_core::place;
use bunker_core::profile::Field;
use pgrx::Uuid;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::service::apps;
use crate::service::sealed::{self, in_mortal};
use crate::storage::mortal::Mortal;

/// The terms of a share.
const TERMS: sealed::Field = sealed::Field::new(place::SHARE);
/// How many fields one share may name.
const MAX_FIELDS: usize = 100;
/// The longest name of a partner, in bytes.
const MAX_PARTNER: usize = 1_000;

/// The terms of a share.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Paths, see [`Field`]; `None` for everything.
    pub fields: Option<Vec<String>>,
    /// Of the data of this app; else of the session, or the profile.
    pub app: Option<String>,
    /// Of the data of this session.
    #[serde(with = "uuid_text")]
    pub session: Option<Uuid>,
    /// Whom it is for, in the words of the application.
    pub partner: Option<String>,
}

impl Terms {
    /// Checks what a caller asks for.
    ///
    /// # Errors
    /// A field, the app's name or the partner's is not usable; app and session are both given.
    pub fn new(
        fields: Option<Vec<Option<String>>>,
        app: Option<String>,
        session: Option<Uuid>,
        partner: Option<String>,
    ) -> Result<Self> {
        if app.is_some() && session.is_some() {
            return Err(Error::BadArgument(
                "both app and session are given",
                "A share is of one of them, or of the profile.",
            ));
        }
        if let Some(app) = &app {
            apps::check_name(app)?;
        }
        if partner.as_ref().is_some_and(|partner| partner.len() > MAX_PARTNER) {
            return Err(Error::TooMany("A partner's name has at most 1,000 bytes."));
        }
        Ok(Self { fields: fields.map(checked_fields).transpose()?, app, session, partner })
    }

    /// The paths to what is shared; `None` for everything.
    pub fn paths(&self) -> Result<Option<Vec<Field>>> {
        let parse = |field: &String| Field::parse(field).map_err(|_| Error::Damaged("a share"));
        self.fields.as_ref().map(|fields| fields.iter().map(parse).collect()).transpose()
    }

    /// Seals the terms of `share`.
    pub fn seal(&self, keys: &Keys, share: &Mortal) -> Result<Vec<u8>> {
        let text = serde_json::to_string(self)
            .map(Zeroizing::new)
            .map_err(|_| Error::Internal("the terms of a share cannot be written"))?;
        in_mortal(share, |place| TERMS.seal_one(keys, place, &text))
    }

    /// The terms of `share`.
    ///
    /// # Errors
    /// Damaged when the row is not as it was sealed.
    pub fn open(keys: &Keys, share: &Mortal) -> Result<Self> {
        let text = in_mortal(share, |place| TERMS.open(keys, place, &share.sealed))?;
        serde_json::from_str(&text).map_err(|_| Error::Damaged("a share"))
    }
}

fn checked_fields(fields: Vec<Option<String>>) -> Result<Vec<String>> {
    if fields.len() > MAX_FIELDS {
        return Err(Error::TooMany("At most 100 fields in one share."));
    }
    let parse = |field: Option<String>| Field::parse(&field.unwrap_or_default()).ok();
    fields
        .into_iter()
        .map(|field| parse(field).map(|field| field.as_str().to_owned()))
        .collect::<Option<Vec<_>>>()
        .filter(|fields| !fields.is_empty())
        .ok_or(Error::BadArgument(
            "the fields to share are not usable",
            "Give dotted paths of at most 1,024 bytes, or NULL for everything; \\. is a dot in a name.",
        ))
}

/// A uuid in JSON: pgrx's own would be the text of its bytes.
mod uuid_text {
    use pgrx::Uuid;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(id: &Option<Uuid>, to: S) -> Result<S::Ok, S::Error> {
        id.map(|id| id.to_string()).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Uuid>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| uuid::Uuid::try_parse(&text))
            .transpose()
            .map(|id| id.map(|id| Uuid::from_bytes(id.into_bytes())))
            .map_err(serde::de::Error::custom)
    }
}
