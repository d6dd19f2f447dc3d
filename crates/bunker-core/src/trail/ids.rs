//! The ids of a seal's events in few bytes: the first, then the distance of each to the one before
//! it, as unsigned LEB128 numbers (DWARF 5 section 7.6). Ids without gaps take one byte each.

use crate::constant_text::constant_text;

/// A byte of a number that is followed by more of it.
const MORE: u8 = 0x80;

/// Bits of a number that each byte holds.
const BITS: usize = 7;

/// Bytes that the 63 bits of `i64::MAX` take.
const LONGEST: usize = 9;

/// Why bytes are not the ids of a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdsError {
    /// The bytes end within a number.
    Truncated,
    /// A number is written with more bytes than it needs.
    NotCanonical,
    /// An id is repeated.
    NotRising,
    /// An id is greater than `i64::MAX`.
    Overflow,
    /// There are more ids than the caller takes.
    TooMany,
}

constant_text!(IdsError {
    Self::Truncated => "the list of event ids ends within a number",
    Self::NotCanonical => "the list of event ids holds a number that is longer than it need be",
    Self::NotRising => "the list of event ids repeats an id",
    Self::Overflow => "the list of event ids holds an id that is out of range",
    Self::TooMany => "the list of event ids is longer than a seal may be",
});

/// Packs ids that are not negative and strictly rising.
///
/// Any other list gives bytes that [`decode`] refuses.
#[must_use]
pub fn encode(ids: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ids.len() + 8);
    let mut last = 0;
    for &id in ids {
        push(&mut bytes, id.wrapping_sub(last).cast_unsigned());
        last = id;
    }
    bytes
}

/// Unpacks at most `limit` ids: exactly the bytes that [`encode`] makes of a rising list are taken.
///
/// Memory is bounded by the limit and by the length of the bytes, whatever they hold.
///
/// # Errors
///
/// One of [`IdsError`], for the first thing that is wrong.
pub fn decode(mut bytes: &[u8], limit: usize) -> Result<Vec<i64>, IdsError> {
    let mut ids: Vec<i64> = Vec::with_capacity(bytes.len().min(limit));
    while !bytes.is_empty() {
        if ids.len() == limit {
            return Err(IdsError::TooMany);
        }
        let (step, rest) = take(bytes)?;
        ids.push(match ids.last() {
            None => step,
            Some(_) if step == 0 => return Err(IdsError::NotRising),
            Some(last) => last.checked_add(step).ok_or(IdsError::Overflow)?,
        });
        bytes = rest;
    }
    Ok(ids)
}

/// Appends a number, seven bits a byte, the lowest first.
fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= u64::from(MORE) {
        bytes.push(low_bits(number) | MORE);
        number >>= BITS;
    }
    bytes.push(low_bits(number));
}

fn low_bits(number: u64) -> u8 {
    number.to_le_bytes()[0] & !MORE
}

/// Takes a number off the front of the bytes.
fn take(bytes: &[u8]) -> Result<(i64, &[u8]), IdsError> {
    let mut number = 0;
    for index in 0..LONGEST {
        let byte = *bytes.get(index).ok_or(IdsError::Truncated)?;
        number |= i64::from(byte & !MORE) << (BITS * index);
        if byte & MORE == 0 {
            let overlong = byte == 0 && index > 0;
            let rest = &bytes[index + 1..];
            return if overlong { Err(IdsError::NotCanonical) } else { Ok((number, rest)) };
        }
    }
    Err(IdsError::Overflow)
}
