//! One normal form for every spelling of a lookup value.
//!
//! A user is found by the blind index of a normalised value, so two spellings of one address must
//! come out the same here, byte for byte, and two addresses must not. Every normal form is a fixed
//! point: normalising it again, in any region, gives it back.

mod email;
mod error;
mod login;
mod phone;
mod region;

use std::borrow::Cow;
use std::str::FromStr;

pub use error::NormalizeError;
pub use region::Region;

/// The version of these rules, kept beside every digest.
///
/// It goes up whenever any value's normal form changes, be it through our rules or through the
/// tables of a library (telephone metadata, Unicode), so that old digests can be told apart and
/// rebuilt instead of silently splitting one person into two.
pub const VERSION: u16 = 1;

/// The longest value of any kind, in bytes of UTF-8, before normalisation.
///
/// It is looked at before anything else, so that no rule works on more than this.
pub const MAX_VALUE_BYTES: usize = 1024;

/// A rule that turns every spelling of a value into one normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Normalizer {
    /// The value as it is, byte for byte. A value of nothing but white space is still refused.
    Exact,
    /// An e-mail address (RFC 5321, RFC 6531): lower case, NFC, the domain as A-labels (UTS 46).
    Email,
    /// A telephone number in E.164, as libphonenumber reads it.
    Phone,
    /// A login name: PRECIS UsernameCaseMapped (RFC 8265 section 3.3).
    Login,
    /// An application's own value: only white space around it is dropped. Case and Unicode form
    /// are kept, because nothing is known about what they mean to the application.
    Custom,
}

impl Normalizer {
    /// The name by which SQL callers know the rule; [`FromStr`] reads it back.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Login => "login",
            Self::Custom => "custom",
        }
    }

    /// The normal form of `value`; borrowed from it when it is already a part of it.
    ///
    /// `region` says where a telephone number without a country code belongs; the other rules do
    /// not look at it. White space is Unicode's `White_Space`.
    ///
    /// # Errors
    ///
    /// [`NormalizeError::Blank`] when there is nothing but white space,
    /// [`NormalizeError::TooLong`] past [`MAX_VALUE_BYTES`] or the rule's own limit, and otherwise
    /// the one error of the rule.
    pub fn normalize(self, value: &str, region: Region) -> Result<Cow<'_, str>, NormalizeError> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(NormalizeError::TooLong);
        }
        let trimmed = value.trim();
        if trimmed.is_empty() {
            return Err(NormalizeError::Blank);
        }
        match self {
            Self::Exact => Ok(Cow::Borrowed(value)),
            Self::Email => email::normalize(trimmed),
            Self::Phone => phone::normalize(trimmed, region),
            Self::Login => login::normalize(trimmed),
            Self::Custom => Ok(Cow::Borrowed(trimmed)),
        }
    }
}

impl FromStr for Normalizer {
    type Err = NormalizeError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "exact" => Ok(Self::Exact),
            "email" => Ok(Self::Email),
            "phone" => Ok(Self::Phone),
            "login" => Ok(Self::Login),
            "custom" => Ok(Self::Custom),
            _ => Err(NormalizeError::UnknownNormalizer),
        }
    }
}

/// Builds every table that is otherwise built on first use.
///
/// Called once in the server's parent process, so that its children inherit the tables instead of
/// each building its own. The expressions of one country's numbers are compiled by
/// [`Region::warm_up`] or when a process first meets that country.
pub fn warm_up() {
    region::warm_up();
    login::warm_up();
}

/// Lower-cases ASCII letters, and copies only when there is one to change.
fn lower_ascii(value: &str) -> Cow<'_, str> {
    if value.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(value.to_ascii_lowercase())
    } else {
        Cow::Borrowed(value)
    }
}
