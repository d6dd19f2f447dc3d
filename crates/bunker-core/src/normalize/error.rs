//! Why a value has no normal form.

use std::error::Error;
use std::fmt;

/// Why a value, a region or a rule's name was refused.
///
/// It holds no part of what was refused, and its text is constant: it may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NormalizeError {
    /// Nothing is left once white space is dropped.
    Blank,
    /// The value is longer than its kind may be.
    TooLong,
    /// Not an e-mail address (RFC 5321 section 4.1.2, RFC 6531 section 3.3).
    BadEmail,
    /// Not a possible telephone number, or no way to tell which one.
    BadPhone,
    /// Not a login name that PRECIS UsernameCaseMapped allows (RFC 8265 section 3.3).
    BadLogin,
    /// Not an ISO 3166 code of a region whose telephone numbers are known.
    UnknownRegion,
    /// Not the name of a rule.
    UnknownNormalizer,
}

impl NormalizeError {
    /// What the caller can do about it, as constant text.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Blank => "Leave the field out instead of sending white space.",
            Self::TooLong => {
                "An e-mail address has at most 64 octets before the @ and 254 in all, \
                 a phone number 250 bytes, any other value 1,024 bytes."
            }
            Self::BadEmail => {
                "Send one bare address, such as name@example.com, without a display name; \
                 a local part with spaces or stray dots must be quoted."
            }
            Self::BadPhone => {
                "Send the whole number, best in international form with + and the country code; \
                 without one the number is read in the default region."
            }
            Self::BadLogin => {
                "Use letters, digits and ASCII punctuation, without spaces, symbols or a mix of \
                 writing directions (RFC 8265)."
            }
            Self::UnknownRegion => "Use an ISO 3166 alpha-2 code, such as GB.",
            Self::UnknownNormalizer => "Use exact, email, phone, login or custom.",
        }
    }
}

impl fmt::Display for NormalizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blank => "the value is blank",
            Self::TooLong => "the value is too long",
            Self::BadEmail => "the value is not an e-mail address",
            Self::BadPhone => "the value is not a phone number",
            Self::BadLogin => "the value is not a login name",
            Self::UnknownRegion => "the region is not known",
            Self::UnknownNormalizer => "there is no such normalizer",
        })
    }
}

impl Error for NormalizeError {}
