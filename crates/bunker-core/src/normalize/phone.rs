//! Telephone numbers in E.164.
//!
//! The numbering plans and the parsing are libphonenumber's, through its port `rlibphonenumber`.
//! The other port, `phonenumber`, was measured too: it lost the leading zero of an Italian number
//! whenever the default region was another one, refused digits that are not ASCII, and took three
//! times as long.
//!
//! A number must be of a *possible* length for its plan. That it is in service is not asked, so
//! that numbers reserved for fiction and ranges newer than the metadata are accepted; a number
//! that is complete only within one town is not, because another town has the same.

use std::borrow::Cow;

use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumberFormat, ValidationError};

use super::{NormalizeError, Region};

/// The longest spelling that is parsed, in bytes: libphonenumber's own limit on input.
const MAX_BYTES: usize = 250;

/// How often a number is read again before it is given up as having no settled form.
const MAX_ROUNDS: usize = 5;

/// The normal form of a trimmed, non-empty telephone number.
///
/// Read once, a number such as +44 (0)(0)20… still begins with a trunk prefix, and would lose it
/// when read again: so it is read until it stays the same. For a number already in E.164 that is
/// after the first time.
pub(super) fn normalize(value: &str, region: Region) -> Result<Cow<'_, str>, NormalizeError> {
    if value.len() > MAX_BYTES {
        return Err(NormalizeError::TooLong);
    }
    let mut number = plain_spaces(value);
    if has_misplaced_scheme(&number) {
        return Err(NormalizeError::BadPhone);
    }
    for _ in 0..MAX_ROUNDS {
        let read = e164(&number, region)?;
        if read == *number {
            return Ok(number);
        }
        number = Cow::Owned(read);
    }
    Err(NormalizeError::BadPhone)
}

/// Reads a number once: `+`, country code and national number, without an extension.
fn e164(value: &str, region: Region) -> Result<String, NormalizeError> {
    let number =
        PHONE_NUMBER_UTIL.parse(value, region.iso()).map_err(|_| NormalizeError::BadPhone)?;
    let written = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).into_owned();
    match PHONE_NUMBER_UTIL.is_possible_number_with_reason(&number) {
        Ok(NumberLengthType::IsPossible) => Ok(written),
        Err(ValidationError::TooLong) => {
            without_mexican_prefix(&written).ok_or(NormalizeError::BadPhone)
        }
        _ => Err(NormalizeError::BadPhone),
    }
}

/// Drops the prefix that Mexico dialled before ten-digit numbers until 2019.
///
/// The metadata has forgotten these prefixes, but address books have not: +52 1 55 1234 5678 and
/// +52 55 1234 5678 are one telephone. Ten digits are the whole of every Mexican number, so what
/// comes before them cannot belong to it.
fn without_mexican_prefix(e164: &str) -> Option<String> {
    let national = e164.strip_prefix("+52")?;
    ["1", "01", "02", "044", "045"]
        .iter()
        .filter_map(|prefix| national.strip_prefix(prefix))
        .find(|rest| rest.len() == 10)
        .map(|rest| format!("+52{rest}"))
}

/// Writes every white space as U+0020: the library knows only some of them, and not the narrow
/// no-break space of French typography.
fn plain_spaces(value: &str) -> Cow<'_, str> {
    let odd = |c: char| c != ' ' && c.is_whitespace();
    if value.contains(odd) { Cow::Owned(value.replace(odd, " ")) } else { Cow::Borrowed(value) }
}

/// Whether `tel:` comes after `;phone-context=`, which no URI of RFC 3966 has.
///
/// The library would slice the text backwards between the two, and panic.
fn has_misplaced_scheme(value: &str) -> bool {
    value
        .split_once(";phone-context=")
        .is_some_and(|(number, context)| !number.contains("tel:") && context.contains("tel:"))
}
