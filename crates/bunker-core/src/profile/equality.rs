//! Equality of JSON values by meaning: numbers by their value, objects whatever their order.

use serde_json::{Number, Value};

/// Whether two JSON values are equal as RFC 6902, section 4.6 and JSON Schema define it.
///
/// Numbers are compared by value and exactly, however many digits they have: `1`, `1.0` and
/// `1e0` are equal, and no rounding to binary floating point takes place.
#[must_use]
pub fn same_json(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => same_number(left, right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same_json(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, l)| right.get(name).is_some_and(|r| same_json(l, r)))
        }
        _ => left == right,
    }
}

fn same_number(left: &Number, right: &Number) -> bool {
    left.as_str() == right.as_str()
        || match (Decimal::parse(left.as_str()), Decimal::parse(right.as_str())) {
            (Some(left), Some(right)) => left == right,
            _ => false,
        }
}

/// Writes `value` so that two values give one text exactly when [`same_json`] holds of them.
pub(super) fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Number(number) => write_canonical_number(number.as_str(), out),
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(members) => write_canonical_object(members, out),
        // Strings come out quoted and escaped, so they cannot be mistaken for anything else.
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn write_canonical_object(members: &serde_json::Map<String, Value>, out: &mut String) {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    out.push('{');
    for (name, member) in members {
        // Quoted and escaped, a name cannot run into what follows it.
        out.push_str(&format!("{name:?}:"));
        write_canonical(member, out);
        out.push(',');
    }
    out.push('}');
}

fn write_canonical_number(text: &str, out: &mut String) {
    match Decimal::parse(text) {
        Some(Decimal { negative, digits, exponent }) => {
            let sign = if negative { "-" } else { "" };
            out.push_str(&format!("{sign}{digits}e{exponent}"));
        }
        None => out.push_str(text),
    }
}

/// A number as `digits * 10^exponent`, without leading or trailing zeros; zero has no digits.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i128,
}

impl Decimal {
    /// Reads a JSON number; `None` when its exponent is beyond all use (20 digits and more).
    fn parse(text: &str) -> Option<Self> {
        let (text, negative) = match text.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, i128::from(exponent.parse::<i64>().ok()?)),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        let digits = all.trim_start_matches('0').trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let zeros = all.len() - all.trim_end_matches('0').len();
        Some(Self {
            negative,
            digits: digits.to_owned(),
            exponent: exponent + width(zeros) - width(fraction.len()),
        })
    }
}

/// A length as an exponent. No text in memory is longer than an `i128` can count.
fn width(length: usize) -> i128 {
    i128::try_from(length).unwrap_or(i128::MAX)
}
