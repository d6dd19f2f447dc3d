//! Opening what is sealed in a bundle or a target, with the vault's master key.

use bunker_bundle::Value;
use bunker_bundle::schema::{self, Table};
use bunker_core::calendar::SINCE_1970;
use bunker_core::crypto::{
    Binding, BundleKey, EntryError, EntryId, IndexKey, MasterKey, OpenError, Purpose, WrappingKey,
    envelope,
};
use bunker_core::place;
use bunker_core::secret::SecretKey;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::row::Row;

/// The vault's keys, from the keyring that bundles and targets carry.
pub struct Opener {
    data: Vec<WrappingKey>,
    index: IndexKey,
    bundle: BundleKey,
}

/// The sealed columns of a table.
pub fn sealed_columns(table: &Table) -> &'static [&'static str] {
    match table.name {
        "request" => &["sealed", "reason"],
        "record"
        | "record_version"
        | "app_data"
        | "app_data_version"
        | "session"
        | "share"
        | "agreement"
        | "unclaimed_agreement" => &["sealed"],
        _ => &[],
    }
}

impl Opener {
    /// Opens the keyring, given by the rows of its table.
    ///
    /// # Errors
    /// Refused when the master key is another vault's, or an entry is damaged or missing.
    pub fn new(master: &MasterKey, keyring: &[Vec<Value<'_>>]) -> Result<Self> {
        let table = schema::table("keyring").ok_or(DAMAGED_KEYRING)?;
        let ids = keyring.iter().map(|values| entry(&Row::new(table, values)));
        let ids: Vec<_> = ids.collect::<Result<_, _>>().map_err(|_| DAMAGED_KEYRING)?;
        let opened: Vec<_> =
            ids.iter().map(|(id, sealed)| (id, master.open_entry(id, sealed))).collect();
        // One entry alone may have been altered so that it looks like another key's.
        let is_foreign =
            |(_, key): &(_, Result<_, _>)| matches!(key, Err(EntryError::WrongMasterKey));
        if !opened.is_empty() && opened.iter().all(is_foreign) {
            return Err(Error::Refused("the master key is not this vault's"));
        }
        let opened = opened.into_iter().map(|(id, key)| Ok((id, key?)));
        let opened: Result<Vec<_>, EntryError> = opened.collect();
        Self::from_keys(opened.map_err(|_| DAMAGED_KEYRING)?).ok_or(DAMAGED_KEYRING)
    }

    fn from_keys(keys: Vec<(&EntryId, SecretKey)>) -> Option<Self> {
        let mut data = Vec::new();
        let (mut index, mut bundle) = (None, None);
        for (id, key) in keys {
            match id.purpose {
                Purpose::Data => data.push(WrappingKey::new(id.id, &key)),
                Purpose::Index => index = Some(IndexKey::new(&key)),
                Purpose::Bundle => bundle = Some(BundleKey::new(&key)),
                Purpose::Audit | Purpose::AccessToken => {}
            }
        }
        Some(Self { data, index: index?, bundle: bundle? })
    }

    /// The key of the blind index.
    pub fn index(&self) -> &IndexKey {
        &self.index
    }

    /// The key that signs bundles.
    pub fn bundle(&self) -> &BundleKey {
        &self.bundle
    }

    /// Opens a sealed column, one of [`sealed_columns`], of a row; `None` where it is NULL. A user who
    /// was forgotten has in `record.sealed` what is preserved of him.
    ///
    /// # Errors
    /// Damaged when the bytes, or the row they stand in, are not as they were sealed.
    pub fn open(
        &self,
        row: &Row<'_>,
        column: &str,
    ) -> Result<Option<Zeroizing<String>>, OpenError> {
        let Some(sealed) = row.optional_bytes(column)? else {
            return Ok(None);
        };
        let place = Place::of(row, column)?;
        let id = envelope::key_id(sealed)?;
        let key = self.data.iter().find(|key| key.id() == id).ok_or(OpenError::Damaged)?;
        let mut bytes = key.open(&place.binding(), sealed)?;
        String::from_utf8(std::mem::take(&mut *bytes))
            .map(|text| Some(Zeroizing::new(text)))
            .map_err(|_| OpenError::Damaged)
    }
}

const DAMAGED_KEYRING: Error = Error::Refused("the keyring is damaged or incomplete");

/// The id of an entry of the keyring, and its sealed bytes.
fn entry<'a>(row: &Row<'a>) -> Result<(EntryId, &'a [u8]), OpenError> {
    let id = EntryId {
        id: number(row.int("id")?)?,
        purpose: row.text("purpose")?.parse().map_err(|_| OpenError::Damaged)?,
        version: number(row.int("version")?)?,
    };
    Ok((id, row.bytes("sealed")?))
}

/// What a sealed value is bound to.
struct Place {
    domain: &'static str,
    owner: [u8; 16],
    version: u32,
    extra: Vec<u8>,
}

impl Place {
    fn of(row: &Row<'_>, column: &str) -> Result<Self, OpenError> {
        match (row.table().name, column) {
            ("record", "sealed") if row.optional_int("forgotten_at")?.is_some() => {
                Self::versioned(place::TOMBSTONE, row, Vec::new())
            }
            ("record" | "record_version", "sealed") => {
                Self::versioned(place::PROFILE, row, row.bytes("digests")?.to_vec())
            }
            ("app_data" | "app_data_version", "sealed") => {
                Self::versioned(place::APP_DATA, row, row.text("app")?.into())
            }
            ("session", "sealed") => Self::fixed(place::SESSION, row, life(row, "session")?),
            ("share", "sealed") => Self::fixed(place::SHARE, row, life(row, "record")?),
            ("agreement", "sealed") => Self::agreement(row, "token", 0),
            ("unclaimed_agreement", "sealed") => Self::agreement(row, "owner", row.int("kind")?),
            ("request", "sealed") => Self::fixed(place::REQUEST_CHANGE, row, request(row)?.filed()),
            ("request", "reason") => Self::fixed(place::REQUEST_REASON, row, request(row)?.bytes()),
            _ => Err(OpenError::Damaged),
        }
    }

    fn versioned(domain: &'static str, row: &Row<'_>, extra: Vec<u8>) -> Result<Self, OpenError> {
        Ok(Self { version: number(row.int("version")?)?, ..Self::fixed(domain, row, extra)? })
    }

    fn fixed(domain: &'static str, row: &Row<'_>, extra: Vec<u8>) -> Result<Self, OpenError> {
        Ok(Self { domain, owner: row.uuid("token")?.into_bytes(), version: 0, extra })
    }

    fn agreement(row: &Row<'_>, owner: &str, kind: i64) -> Result<Self, OpenError> {
        let agreement = place::Agreement {
            kind: number(kind)?,
            brief: row.text("brief")?,
            status: row.text("status")?,
            created_at: time(row, "created_at")?,
            updated_at: time(row, "updated_at")?,
            starts_at: optional_time(row, "starts_at")?,
            expires_at: optional_time(row, "expires_at")?,
        };
        let (owner, version) = (row.uuid(owner)?.into_bytes(), number(row.int("version")?)?);
        Ok(Self { domain: place::AGREEMENT, owner, version, extra: agreement.bytes() })
    }

    fn binding(&self) -> Binding<'_> {
        Binding {
            domain: self.domain,
            owner: &self.owner,
            version: self.version,
            extra: &self.extra,
        }
    }
}

fn life(row: &Row<'_>, id: &str) -> Result<Vec<u8>, OpenError> {
    let (created_at, expires_at) = (time(row, "created_at")?, time(row, "expires_at")?);
    Ok(place::life(row.uuid(id)?.as_bytes(), created_at, expires_at).to_vec())
}

fn request<'a>(row: &Row<'a>) -> Result<place::Request<'a>, OpenError> {
    Ok(place::Request {
        id: row.uuid("request")?.into_bytes(),
        action: row.text("action")?,
        subject: row.optional_text("subject")?,
        created_at: time(row, "created_at")?,
        requested_by: row.text("requested_by")?,
        requested_as: row.optional_text("requested_as")?,
        seen: row.optional_int("seen")?.map(number).transpose()?,
        status: row.text("status")?,
        updated_at: time(row, "updated_at")?,
        decided_by: row.optional_text("decided_by")?,
        decided_as: row.optional_text("decided_as")?,
        has_change: row.optional_bytes("sealed")?.is_some(),
    })
}

fn number<T: TryFrom<i64>>(number: i64) -> Result<T, OpenError> {
    T::try_from(number).map_err(|_| OpenError::Damaged)
}

/// A time as the vault binds it: bundles count from 1970, the vault from 2000.
fn time(row: &Row<'_>, column: &str) -> Result<i64, OpenError> {
    optional_time(row, column)?.ok_or(OpenError::Damaged)
}

fn optional_time(row: &Row<'_>, column: &str) -> Result<Option<i64>, OpenError> {
    let since_2000 = |time: i64| time.checked_sub(SINCE_1970).ok_or(OpenError::Damaged);
    row.optional_int(column)?.map(since_2000).transpose()
}
