//! Associated data: fields joined so that no two lists of fields give the same bytes.

/// Appends a field of any length, preceded by that length as a 64-bit big-endian number.
///
/// A 64-bit length holds every length there is, so this cannot fail.
pub(crate) fn push_prefixed(out: &mut Vec<u8>, field: &[u8]) {
    out.extend_from_slice(&length_prefix(field));
    out.extend_from_slice(field);
}

/// The length of a field in bytes, as a 64-bit big-endian number.
pub(crate) fn length_prefix(field: &[u8]) -> [u8; 8] {
    (field.len() as u64).to_be_bytes()
}
