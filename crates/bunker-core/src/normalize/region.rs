//! Regions, and the telephone metadata behind them.

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, Region as Iso};

use super::NormalizeError;

/// A region whose telephone numbers are known, named by its ISO 3166 alpha-2 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Region(Iso);

impl Region {
    /// The region with this alpha-2 code, in upper or lower case.
    ///
    /// # Errors
    ///
    /// [`NormalizeError::UnknownRegion`] when it is not such a code, or when the telephone library
    /// has no numbering plan for it.
    pub fn parse(code: &str) -> Result<Self, NormalizeError> {
        let unknown = NormalizeError::UnknownRegion;
        let region = Iso::from_code(code).map_err(|_| unknown)?;
        // The library also knows "001", the world, which is no place to read a number in.
        match PHONE_NUMBER_UTIL.get_country_code_for_region(region) {
            Some(_) if region != Iso::World => Ok(Self(region)),
            _ => Err(unknown),
        }
    }

    /// Compiles the expressions for this region's numbers, which otherwise takes the first such
    /// number about half a millisecond.
    ///
    /// Only for the regions most in use: all 245 together hold about 45 MB.
    pub fn warm_up(self) {
        let Some(calling_code) = PHONE_NUMBER_UTIL.get_country_code_for_region(self.0) else {
            return;
        };
        // The outcome does not matter: a number that begins with its own calling code passes every
        // expression of the region's plan, and one with a + those for international spelling.
        for sign in ["", "+"] {
            let _ = PHONE_NUMBER_UTIL.parse(format!("{sign}{calling_code}5550123456"), self.iso());
        }
    }

    /// The region as the telephone library takes it.
    pub(super) fn iso(self) -> Option<Iso> {
        Some(self.0)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Decodes the numbering plans of all regions (about 7 ms and 7 MB).
pub(super) fn warm_up() {
    std::sync::LazyLock::force(&PHONE_NUMBER_UTIL);
}
