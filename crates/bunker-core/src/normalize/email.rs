//! E-mail addresses: RFC 5321 syntax, opened to Unicode by RFC 6531.
//!
//! - The local part is a dot-atom or a quoted string. A quoted string that needs no quotes loses
//!   them (RFC 5321 section 4.1.2 calls the two the same mailbox); one that does is how an address
//!   with spaces, or with the stray dots some carriers gave out, is written.
//! - The local part is lower-cased, although RFC 5321 lets a host tell cases apart: none does that
//!   gives addresses to the public. Tags and dots are kept, for they do name different mailboxes.
//! - The domain is a host name in A-labels (UTS 46, non-transitional). It may be a single label,
//!   as in `user@localhost`; address literals such as `[192.0.2.1]` and names ending in a number
//!   are refused, because they name no lasting mailbox.

use std::borrow::Cow;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_public_assigned;

use super::{NormalizeError, lower_ascii};

/// The longest local part, in octets (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL_OCTETS: usize = 64;

/// The longest address, in octets: a path of 256 (RFC 5321 section 4.5.3.1.3) less its brackets.
const MAX_ADDRESS_OCTETS: usize = 254;

/// The longest label of a domain, in octets (RFC 1035 section 2.3.4).
const MAX_LABEL_OCTETS: usize = 63;

/// The normal form of a trimmed, non-empty address.
pub(super) fn normalize(value: &str) -> Result<Cow<'_, str>, NormalizeError> {
    match plain(value) {
        Some(normal) => Ok(normal),
        None => general(value).map(Cow::Owned),
    }
}

/// The normal form of an address that is plain ASCII and plainly right; `None` leaves the verdict
/// to [`general`].
fn plain(value: &str) -> Option<Cow<'_, str>> {
    let (local, domain) = value.split_once('@')?;
    let fits = local.len() <= MAX_LOCAL_OCTETS && value.len() <= MAX_ADDRESS_OCTETS;
    let is_plain = is_dot_atom(local) && value.is_ascii() && is_plain_host(domain);
    (fits && is_plain).then(|| lower_ascii(value))
}

/// The normal form of any address.
fn general(value: &str) -> Result<String, NormalizeError> {
    // A domain has no @, so the last one is the one that counts; an earlier one must be quoted.
    let (local, domain) = value.rsplit_once('@').ok_or(NormalizeError::BadEmail)?;
    let local = local_part(local)?;
    let domain = host(domain)?;
    if local.len() > MAX_LOCAL_OCTETS || local.len() + 1 + domain.len() > MAX_ADDRESS_OCTETS {
        return Err(NormalizeError::TooLong);
    }
    Ok(format!("{local}@{domain}"))
}

/// The normal form of a local part: quoted only if it must be.
fn local_part(value: &str) -> Result<String, NormalizeError> {
    if !value.starts_with('"') {
        let local = fold_case(value);
        return if is_dot_atom(&local) { Ok(local) } else { Err(NormalizeError::BadEmail) };
    }
    let local = fold_case(&unquote(value).ok_or(NormalizeError::BadEmail)?);
    if is_dot_atom(&local) {
        Ok(local)
    } else if !local.is_empty() && local.chars().all(is_quotable) {
        Ok(quote(&local))
    } else {
        Err(NormalizeError::BadEmail)
    }
}

/// Lower-cases by Unicode's full mapping and composes (NFC) before and after: some letters have a
/// lower case only when composed, and some lower cases are not composed.
fn fold_case(value: &str) -> String {
    let composed: String = value.nfc().collect();
    composed.to_lowercase().nfc().collect()
}

/// What a quoted string says (RFC 5321 section 4.1.2), or `None` if it is not one.
fn unquote(value: &str) -> Option<String> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '"' => return None,
            '\\' => chars.next().filter(|escaped| matches!(escaped, ' '..='~'))?,
            plain => plain,
        });
    }
    Some(text)
}

/// A quoted string with no more escapes than it needs.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 4);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Atoms with single dots between them (RFC 5322 section 3.2.3, widened by RFC 6531).
fn is_dot_atom(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_char))
}

fn is_atom_char(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '/' => true,
        '=' | '?' | '^' | '_' | '`' | '{' | '|' | '}' | '~' => true,
        _ => is_wide(c),
    }
}

fn is_quotable(c: char) -> bool {
    matches!(c, ' '..='~') || is_wide(c)
}

/// Whether a character past ASCII may stand in a local part: it has a meaning that a later version
/// of Unicode will not change, and it can be seen.
fn is_wide(c: char) -> bool {
    !c.is_ascii()
        && is_public_assigned(c)
        && !c.is_control()
        && !c.is_whitespace()
        && !is_default_ignorable(c)
}

/// Unicode's `Default_Ignorable_Code_Point`: what cannot be seen would give one address, as anyone
/// reads it, several normal forms.
fn is_default_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The normal form of a domain: A-labels in lower case (UTS 46 section 4.2, non-transitional).
fn host(domain: &str) -> Result<String, NormalizeError> {
    // Hyphens in the third and fourth place are registered under some top-level domains.
    let ascii = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .map_err(|_| NormalizeError::BadEmail)?;
    if ends_in_number(&ascii) { Err(NormalizeError::BadEmail) } else { Ok(ascii.into_owned()) }
}

/// Whether UTS 46 would only lower-case this ASCII domain: letters, digits and inner hyphens, and
/// no A-label, whose contents must be looked at.
fn is_plain_host(domain: &str) -> bool {
    domain.split('.').all(is_plain_label) && !ends_in_number(domain)
}

fn is_plain_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let is_a_label = bytes.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"xn--"));
    (1..=MAX_LABEL_OCTETS).contains(&bytes.len())
        && bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-')
        && !is_a_label
}

/// Whether the last label is all digits, as in an IPv4 address; no top-level domain is (RFC 3696
/// section 2).
fn ends_in_number(domain: &str) -> bool {
    domain.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{fold_case, general, is_default_ignorable, is_wide, normalize, plain};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_short_path_agrees_with_the_general_one(
            address in "[a-zA-Z0-9.+_-]{1,70}@[a-zA-Z0-9.-]{1,80}",
        ) {
            prop_assert_eq!(normalize(&address).map(String::from), general(&address));
        }

        #[test]
        fn the_short_path_agrees_on_hard_labels(
            address in "[ -~]{1,8}@(xn--|XN--|[a-z0-9]{2}--|-|1)?[a-z0-9é]{0,6}(-)?(\\.[a-zX0-9-]{1,4}){0,3}",
        ) {
            prop_assert_eq!(normalize(&address).map(String::from), general(&address));
        }
    }

    #[test]
    fn common_addresses_take_the_short_path() {
        for address in ["user@example.com", "First.Last+tag@Mail.Example.CO.UK", "root@localhost"] {
            assert!(plain(address).is_some(), "{address}");
        }
    }

    #[test]
    fn folding_every_character_is_final() {
        for c in '\u{80}'..=char::MAX {
            let folded = fold_case(c.encode_utf8(&mut [0; 4]));
            assert_eq!(fold_case(&folded), folded, "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn invisible_characters_are_not_wide() {
        for c in ['\u{ad}', '\u{200b}', '\u{200d}', '\u{202e}', '\u{feff}', '\u{e0020}'] {
            assert!(is_default_ignorable(c) && !is_wide(c), "U+{:04X}", u32::from(c));
        }
        for c in ['\u{a0}', '\u{85}', '\u{378}', '\u{e000}', '\u{fdd0}', 'a'] {
            assert!(!is_wide(c), "U+{:04X}", u32::from(c));
        }
        assert!(['é', 'ß', '用', 'я', 'ع', '😀'].into_iter().all(is_wide));
    }
}
