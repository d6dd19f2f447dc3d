//! Login names, by PRECIS UsernameCaseMapped (RFC 8265 section 3.3).

use std::borrow::Cow;

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation;

use super::{NormalizeError, lower_ascii};

/// How often the rules are applied before a name that still changes is refused: once, and three
/// times more (RFC 8264 section 7).
const MAX_ROUNDS: usize = 4;

/// The normal form of a trimmed, non-empty login name.
///
/// A name is one word: RFC 8265 section 3.5 leaves names of several words to the application.
pub(super) fn normalize(value: &str) -> Result<Cow<'_, str>, NormalizeError> {
    // Every visible ASCII character is allowed, and of all rules only case mapping touches it.
    if value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(lower_ascii(value));
    }
    enforce(value)
}

/// Applies the whole profile until the name stays the same.
fn enforce(value: &str) -> Result<Cow<'_, str>, NormalizeError> {
    let mut name = Cow::Borrowed(value);
    for _ in 0..MAX_ROUNDS {
        let enforced =
            UsernameCaseMapped::enforce(&*name).map_err(|_| NormalizeError::BadLogin)?.into_owned();
        if enforced == *name {
            return Ok(name);
        }
        name = Cow::Owned(enforced);
    }
    Err(NormalizeError::BadLogin)
}

/// Runs the profile once, over a name that the short path for ASCII would not give it.
pub(super) fn warm_up() {
    // The name is a valid one; only the tables it touches are wanted.
    let _ = enforce("\u{e9}");
}

#[cfg(test)]
mod tests {
    use super::{enforce, normalize};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_short_path_for_ascii_agrees_with_the_profile(name in "[ -~]{1,40}") {
            prop_assert_eq!(normalize(&name), enforce(&name));
        }
    }
}
