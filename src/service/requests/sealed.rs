//! What of a request is sealed: the change, and the reason of the decision. `docs/FORMAT.md` has what
//! they are bound to.

use serde_json::{Value, json};

use super::DAMAGED;
use super::wish::stored;
use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::service::sealed::{Field, Place};
use crate::storage::request::{self as table, Row};

const CHANGE: Field = Field::new("request.change");
const REASON: Field = Field::new("request.reason");

/// What would change, as it is sealed: nothing of it if it is not stored.
#[derive(Default)]
pub struct Change {
    /// The patch.
    pub patch: Option<Value>,
    /// What would change, where no table keeps a former version of it.
    pub original: Option<Value>,
}

impl Change {
    /// Seals it, unless there is nothing to seal.
    pub fn seal(&self, keys: &Keys, row: &Row) -> Result<Option<Vec<u8>>> {
        if self.patch.is_none() && self.original.is_none() {
            return Ok(None);
        }
        let text = json!({"change": self.patch, "original": self.original}).to_string();
        let extra = filed(row);
        let place = Place { owner: &row.token, version: 0, extra: &extra };
        CHANGE.seal_one(keys, &place, &text).map(Some)
    }

    /// Opens that of a request, if it has one.
    pub fn open(keys: &Keys, row: &Row) -> Result<Self> {
        let Some(sealed) = table::change(&row.request)? else {
            return Ok(Self::default());
        };
        let extra = filed(row);
        let place = Place { owner: &row.token, version: 0, extra: &extra };
        let mut text = stored(&CHANGE.open(keys, &place, &sealed).map_err(about_requests)?)?;
        let mut take = |name| text.get_mut(name).map(Value::take).filter(|value| !value.is_null());
        Ok(Self { original: take("original"), patch: take("change") })
    }
}

/// Seals the reason, or that there is none, and with it the row as it stands.
pub fn seal_reason(keys: &Keys, row: &mut Row, reason: Option<&str>) -> Result<()> {
    let extra = whole(row);
    let place = Place { owner: &row.token, version: 0, extra: &extra };
    row.reason = REASON.seal_one(keys, &place, &json!(reason).to_string())?;
    Ok(())
}

/// Opens the reason, which shows that the row is as we wrote it.
pub fn open_reason(keys: &Keys, row: &Row) -> Result<Option<String>> {
    let extra = whole(row);
    let place = Place { owner: &row.token, version: 0, extra: &extra };
    let text = REASON.open(keys, &place, &row.reason).map_err(about_requests)?;
    match stored(&text)? {
        Value::Null => Ok(None),
        Value::String(reason) => Ok(Some(reason)),
        _ => Err(DAMAGED),
    }
}

fn about_requests(error: Error) -> Error {
    if matches!(error, Error::Damaged(_)) { DAMAGED } else { error }
}

/// What stays as it was when the request was filed.
fn filed(row: &Row) -> Vec<u8> {
    let mut bytes = row.request.as_bytes().to_vec();
    put(&mut bytes, Some(row.action.as_bytes()));
    put(&mut bytes, row.subject.as_deref().map(str::as_bytes));
    bytes.extend(row.created_at.to_be_bytes());
    put(&mut bytes, Some(row.requested_by.as_bytes()));
    put(&mut bytes, row.requested_as.as_deref().map(str::as_bytes));
    put(&mut bytes, row.seen.map(i32::to_be_bytes).as_ref().map(<[u8; 4]>::as_slice));
    bytes
}

/// All that the row says of itself.
fn whole(row: &Row) -> Vec<u8> {
    let mut bytes = filed(row);
    put(&mut bytes, Some(row.status.as_bytes()));
    bytes.extend(row.updated_at.to_be_bytes());
    put(&mut bytes, row.decided_by.as_deref().map(str::as_bytes));
    put(&mut bytes, row.decided_as.as_deref().map(str::as_bytes));
    bytes.push(u8::from(row.has_change));
    bytes
}

/// 0 for what is missing, else 1, the length and the bytes.
fn put(bytes: &mut Vec<u8>, value: Option<&[u8]>) {
    bytes.push(u8::from(value.is_some()));
    if let Some(value) = value {
        bytes.extend((value.len() as u64).to_be_bytes());
        bytes.extend_from_slice(value);
    }
}
