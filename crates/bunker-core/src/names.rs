//! Names that stand in the clear: of apps, of legal bases and processing activities; and the list of
//! what users may do themselves, which is made of them.

/// Whether a text names an app: `^[a-z][a-z0-9_]{1,30}$`.
#[must_use]
pub fn is_app(name: &str) -> bool {
    is_name(name, 31, b'_')
}

/// Whether a text names a legal basis or a processing activity: `^[a-z][a-z0-9-]{1,63}$`.
#[must_use]
pub fn is_brief(name: &str) -> bool {
    is_name(name, 64, b'-')
}

fn is_name(name: &str, longest: usize, separator: u8) -> bool {
    (2..=longest).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == separator)
}

/// Something that users may do without anybody's approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfService<'a> {
    /// Have themselves forgotten.
    ForgetMe,
    /// Change their profile.
    ChangeProfile,
    /// Change what the app of that name stores of them.
    ChangeAppData(&'a str),
}

/// Reads a list such as `forget-me, change-app-data:shop`; `None` if anything in it is unknown.
#[must_use]
pub fn parse_self_service(list: &str) -> Option<Vec<SelfService<'_>>> {
    let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| match word.split_once(':') {
            None if word == "forget-me" => Some(SelfService::ForgetMe),
            None if word == "change-profile" => Some(SelfService::ChangeProfile),
            Some(("change-app-data", app)) if is_app(app) => Some(SelfService::ChangeAppData(app)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_bounds_and_an_alphabet() {
        let longest_app = "a".repeat(31);
        for good in ["ab", "a1", "a_", "shop_2", &longest_app] {
            assert!(is_app(good), "{good}");
        }
        let too_long = "a".repeat(32);
        for bad in ["", "a", "_a", "1a", "Ab", "aB", "a-b", "a b", "aü", "ab\n", &too_long] {
            assert!(!is_app(bad), "{bad:?}");
        }
        assert!(is_brief(&"b".repeat(64)) && is_brief("send-mail") && is_brief("a-"));
        assert!(!is_brief(&"b".repeat(65)) && !is_brief("send_mail") && !is_brief("-a"));
    }

    #[test]
    fn self_service_is_a_list_of_known_words() {
        assert_eq!(parse_self_service(" , "), Some(vec![]));
        assert_eq!(
            parse_self_service("forget-me,change-profile , change-app-data:shop"),
            Some(vec![
                SelfService::ForgetMe,
                SelfService::ChangeProfile,
                SelfService::ChangeAppData("shop")
            ])
        );
        for bad in
            ["forget", "forget-me:x", "change-app-data", "change-app-data:", "change-app-data:*"]
        {
            assert_eq!(parse_self_service(bad), None, "{bad}");
        }
    }
}
