//! Opening what is sealed in a bundle or a target, with the vault's master key.
//!
//! What each value is bound to stands in `docs/FORMAT.md`, "Sealed record".

use bunker_bundle::Value;
use bunker_bundle::schema::{self, Table};
use bunker_core::crypto::{
    Binding, BundleKey, EntryError, EntryId, IndexKey, MasterKey, OpenError, Purpose, WrappingKey,
    envelope,
};
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
        id: u32::try_from(row.int("id")?).map_err(|_| OpenError::Damaged)?,
        purpose: row.text("purpose")?.parse().map_err(|_| OpenError::Damaged)?,
        version: u32::try_from(row.int("version")?).map_err(|_| OpenError::Damaged)?,
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
                Self::versioned("record.tombstone", row, Vec::new())
            }
            ("record" | "record_version", "sealed") => {
                Self::versioned("record.profile", row, row.bytes("digests")?.to_vec())
            }
            ("app_data" | "app_data_version", "sealed") => {
                Self::versioned("app_data.data", row, row.text("app")?.into())
            }
            ("session", "sealed") => Self::mortal("session.data", row, "session"),
            ("share", "sealed") => Self::mortal("share.terms", row, "record"),
            ("agreement", "sealed") => Self::agreement(row, "token", 0),
            ("unclaimed_agreement", "sealed") => Self::agreement(row, "owner", row.int("kind")?),
            ("request", "sealed") => Self::fixed("request.change", row, filed(row)?),
            ("request", "reason") => Self::fixed("request.reason", row, decided(row)?),
            _ => Err(OpenError::Damaged),
        }
    }

    fn versioned(domain: &'static str, row: &Row<'_>, extra: Vec<u8>) -> Result<Self, OpenError> {
        Ok(Self { version: version(row)?, ..Self::fixed(domain, row, extra)? })
    }

    fn fixed(domain: &'static str, row: &Row<'_>, extra: Vec<u8>) -> Result<Self, OpenError> {
        Ok(Self { domain, owner: row.uuid("token")?.into_bytes(), version: 0, extra })
    }

    /// Of a row that ends by itself.
    fn mortal(domain: &'static str, row: &Row<'_>, id: &str) -> Result<Self, OpenError> {
        let mut extra = row.uuid(id)?.into_bytes().to_vec();
        extra.extend(time(row, "created_at")?);
        extra.extend(time(row, "expires_at")?);
        Self::fixed(domain, row, extra)
    }

    fn agreement(row: &Row<'_>, owner: &str, kind: i64) -> Result<Self, OpenError> {
        let kind = i16::try_from(kind).map_err(|_| OpenError::Damaged)?;
        let mut extra = kind.to_be_bytes().to_vec();
        for column in ["brief", "status"] {
            let text = row.text(column)?;
            extra.extend((text.len() as u64).to_be_bytes());
            extra.extend(text.bytes());
        }
        extra.extend(time(row, "created_at")?);
        extra.extend(time(row, "updated_at")?);
        for column in ["starts_at", "expires_at"] {
            let is_there = row.optional_int(column)?.is_some();
            extra.push(u8::from(is_there));
            if is_there {
                extra.extend(time(row, column)?);
            }
        }
        let owner = row.uuid(owner)?.into_bytes();
        Ok(Self { domain: "agreement.details", owner, version: version(row)?, extra })
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

/// What of a request stays as it was filed.
fn filed(row: &Row<'_>) -> Result<Vec<u8>, OpenError> {
    let mut bytes = row.uuid("request")?.into_bytes().to_vec();
    put(&mut bytes, Some(row.text("action")?.as_bytes()));
    put(&mut bytes, row.optional_text("subject")?.map(str::as_bytes));
    bytes.extend(time(row, "created_at")?);
    put(&mut bytes, Some(row.text("requested_by")?.as_bytes()));
    put(&mut bytes, row.optional_text("requested_as")?.map(str::as_bytes));
    let seen = row.optional_int("seen")?.map(i32::try_from).transpose();
    let seen = seen.map_err(|_| OpenError::Damaged)?.map(i32::to_be_bytes);
    put(&mut bytes, seen.as_ref().map(<[u8; 4]>::as_slice));
    Ok(bytes)
}

/// All that a request says of itself.
fn decided(row: &Row<'_>) -> Result<Vec<u8>, OpenError> {
    let mut bytes = filed(row)?;
    put(&mut bytes, Some(row.text("status")?.as_bytes()));
    bytes.extend(time(row, "updated_at")?);
    put(&mut bytes, row.optional_text("decided_by")?.map(str::as_bytes));
    put(&mut bytes, row.optional_text("decided_as")?.map(str::as_bytes));
    bytes.push(u8::from(row.optional_bytes("sealed")?.is_some()));
    Ok(bytes)
}

/// 0 for what is missing, else 1, the length and the bytes.
fn put(bytes: &mut Vec<u8>, value: Option<&[u8]>) {
    bytes.push(u8::from(value.is_some()));
    if let Some(value) = value {
        bytes.extend((value.len() as u64).to_be_bytes());
        bytes.extend_from_slice(value);
    }
}

fn version(row: &Row<'_>) -> Result<u32, OpenError> {
    u32::try_from(row.int("version")?).map_err(|_| OpenError::Damaged)
}

/// From 1970-01-01 to 2000-01-01, in microseconds: bundles count from the former, the vault from the
/// latter.
const TO_2000: i64 = 946_684_800_000_000;

/// A time as the vault binds it.
fn time(row: &Row<'_>, column: &str) -> Result<[u8; 8], OpenError> {
    let since_2000 = row.int(column)?.checked_sub(TO_2000).ok_or(OpenError::Damaged)?;
    Ok(since_2000.to_be_bytes())
}
