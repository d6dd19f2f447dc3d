//! What of a request is sealed: the change, and the reason of the decision. `docs/FORMAT.md` has what
//! they are bound to.

use bunker_core::place;
use serde_json::{Value, json};

use super::DAMAGED;
use super::wish::stored;
use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::service::sealed::{Field, Place};
use crate::storage::request::{self as table, Row};

const CHANGE: Field = Field::new(place::REQUEST_CHANGE);
const REASON: Field = Field::new(place::REQUEST_REASON);

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
        let extra = request(row).filed();
        let place = Place { owner: &row.token, version: 0, extra: &extra };
        CHANGE.seal_one(keys, &place, &text).map(Some)
    }

    /// Opens that of a request, if it has one.
    pub fn open(keys: &Keys, row: &Row) -> Result<Self> {
        let Some(sealed) = table::change(&row.request)? else {
            return Ok(Self::default());
        };
        let extra = request(row).filed();
        let place = Place { owner: &row.token, version: 0, extra: &extra };
        let mut text = stored(&CHANGE.open(keys, &place, &sealed).map_err(about_requests)?)?;
        let mut take = |name| text.get_mut(name).map(Value::take).filter(|value| !value.is_null());
        Ok(Self { original: take("original"), patch: take("change") })
    }
}

/// Seals the reason, or that there is none, and with it the row as it stands.
pub fn seal_reason(keys: &Keys, row: &mut Row, reason: Option<&str>) -> Result<()> {
    let extra = request(row).bytes();
    let place = Place { owner: &row.token, version: 0, extra: &extra };
    row.reason = REASON.seal_one(keys, &place, &json!(reason).to_string())?;
    Ok(())
}

/// Opens the reason, which shows that the row is as we wrote it.
pub fn open_reason(keys: &Keys, row: &Row) -> Result<Option<String>> {
    let extra = request(row).bytes();
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

/// All that the row says of itself.
fn request(row: &Row) -> place::Request<'_> {
    place::Request {
        id: *row.request.as_bytes(),
        action: &row.action,
        subject: row.subject.as_deref(),
        created_at: row.created_at,
        requested_by: &row.requested_by,
        requested_as: row.requested_as.as_deref(),
        seen: row.seen,
        status: &row.status,
        updated_at: row.updated_at,
        decided_by: row.decided_by.as_deref(),
        decided_as: row.decided_as.as_deref(),
        has_change: row.has_change,
    }
}
