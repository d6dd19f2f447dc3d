//! Values as SQL literals. None holds a backslash, a control character or anything beyond ASCII.

use std::borrow::Cow;

use base16ct::upper;
use uuid::Uuid;

use crate::summary::Signed;
use crate::value::Value;

/// The values of the state row after `only_row`, in the order of [`crate::layout::STATE_COLUMNS`].
pub(super) fn state(signed: &Signed) -> [Value<'_>; 8] {
    let bundle = &signed.summary.bundle;
    [
        Value::Int(bundle.number),
        Value::Uuid(bundle.id),
        Value::Uuid(bundle.vault),
        optional_uuid(bundle.previous),
        Value::Int(bundle.made_at),
        Value::Text(Cow::Borrowed(&signed.summary.cursor)),
        Value::Text(Cow::Borrowed(&signed.text)),
        Value::Text(Cow::Owned(signed.signature_hex())),
    ]
}

pub(super) fn optional_uuid(uuid: Option<Uuid>) -> Value<'static> {
    uuid.map_or(Value::Null, Value::Uuid)
}

/// A literal that both databases take. A text comes out as its bytes.
pub(super) fn plain(value: &Value<'_>) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Uuid(uuid) => format!("'{uuid}'"),
        Value::Bytes(bytes) => hexadecimal(bytes),
        Value::Text(text) => hexadecimal(text.as_bytes()),
    }
}

/// `X'…'`, in capitals, as SQLite's `quote()` has it.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    format!("X'{}'", upper::encode_string(bytes))
}
