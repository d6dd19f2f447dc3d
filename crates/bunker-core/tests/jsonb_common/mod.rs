//! Reads stored `jsonb` as PostgreSQL does, and refuses what PostgreSQL would not have stored.

#![allow(dead_code, reason = "each test program uses its own part")]

const OBJECT: u32 = 0x2000_0000;
const ARRAY: u32 = 0x4000_0000;

/// Prints a root container, checking every bit on the way: kinds, offsets, padding, key order and
/// that no byte is left over.
pub fn print(bytes: &[u8]) -> String {
    let mut text = String::new();
    let end = container(bytes, 0, &mut text);
    assert_eq!(end, bytes.len(), "bytes after the document");
    text
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Past the padding at `at`, which must be zeros.
fn aligned(bytes: &[u8], at: usize) -> usize {
    let next = at.next_multiple_of(4);
    assert!(bytes[at..next].iter().all(|&byte| byte == 0), "dirty padding");
    next
}

/// Prints the container at `at`, which is aligned; where it ends.
fn container(bytes: &[u8], at: usize, text: &mut String) -> usize {
    let header = word(bytes, at);
    let count = (header & 0x0fff_ffff) as usize;
    match header & 0xf000_0000 {
        OBJECT => object(bytes, at + 4, count, text),
        ARRAY => array(bytes, at + 4, count, text),
        flags => panic!("container flags {flags:x}"),
    }
}

fn array(bytes: &[u8], entries: usize, count: usize, text: &mut String) -> usize {
    let data = entries + count * 4;
    let mut at = data;
    text.push('[');
    for index in 0..count {
        if index > 0 {
            text.push_str(", ");
        }
        at = child(bytes, entries, index, data, at, text);
    }
    text.push(']');
    at
}

fn object(bytes: &[u8], entries: usize, pairs: usize, text: &mut String) -> usize {
    let data = entries + pairs * 8;
    let mut at = data;
    let mut keys: Vec<(&[u8], String)> = Vec::new();
    for index in 0..pairs {
        let mut printed = String::new();
        let end = child(bytes, entries, index, data, at, &mut printed);
        assert!(printed.starts_with('"'), "a key that is no string");
        keys.push((&bytes[at..end], printed));
        at = end;
    }
    let by_length_then_bytes = |(key, _): &(&[u8], String)| (key.len(), key.to_vec());
    let sorted = keys.iter().map(by_length_then_bytes);
    assert!(sorted.is_sorted_by(|a, b| a < b), "keys out of order");

    text.push('{');
    for (index, (_, key)) in keys.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(key);
        text.push_str(": ");
        at = child(bytes, entries, pairs + index, data, at, text);
    }
    text.push('}');
    at
}

/// Prints the child of an entry, whose bytes begin at `at`; where they end.
fn child(
    bytes: &[u8],
    entries: usize,
    index: usize,
    data: usize,
    at: usize,
    text: &mut String,
) -> usize {
    let entry = word(bytes, entries + index * 4);
    let field = (entry & 0x0fff_ffff) as usize;
    let has_offset = entry & 0x8000_0000 != 0;
    assert_eq!(has_offset, index.is_multiple_of(32), "an offset every 32 entries");
    let end = if has_offset { data + field } else { at + field };
    match entry & 0x7000_0000 {
        0x0000_0000 => escape(std::str::from_utf8(&bytes[at..end]).unwrap(), text),
        0x1000_0000 => numeric(&bytes[aligned(bytes, at)..end], text),
        0x5000_0000 => {
            let found = container(bytes, aligned(bytes, at), text);
            assert_eq!(found, end, "a container of another length");
        }
        kind => {
            assert_eq!(at, end, "a constant with bytes");
            text.push_str(match kind {
                0x2000_0000 => "false",
                0x3000_0000 => "true",
                0x4000_0000 => "null",
                _ => panic!("entry kind {kind:x}"),
            });
        }
    }
    end
}

/// Prints a JSON string as PostgreSQL's `escape_json` does.
pub fn escape(plain: &str, text: &mut String) {
    text.push('"');
    for letter in plain.chars() {
        match letter {
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '"' | '\\' => text.extend(['\\', letter]),
            ..' ' => text.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => text.push(letter),
        }
    }
    text.push('"');
}

/// Prints a stored `numeric`.
fn numeric(bytes: &[u8], text: &mut String) {
    let size = word(bytes, 0);
    let size = if cfg!(target_endian = "big") { size } else { size >> 2 };
    assert_eq!(size as usize, bytes.len(), "a number of another length");
    let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);

    let header = half(4);
    let is_short = header & 0x8000 != 0;
    let (negative, scale, weight, digits_at) = if is_short {
        let weight = i32::from(header & 0x3f) - i32::from(header & 0x40);
        (header & 0x2000 != 0, usize::from(header >> 7 & 0x3f), weight, 6)
    } else {
        let weight = i32::from(half(6).cast_signed());
        (header & 0x4000 != 0, usize::from(header & 0x3fff), weight, 8)
    };
    let fits_short = scale <= 63 && (-64..=63).contains(&weight);
    assert_eq!(is_short, fits_short, "the wrong header for scale {scale}, weight {weight}");
    let digits: Vec<u16> = (digits_at..bytes.len()).step_by(2).map(half).collect();
    assert!(digits.iter().all(|&digit| digit < 10_000), "a digit too big");
    assert!(digits.first() != Some(&0) && digits.last() != Some(&0), "zeros at an end");
    assert!(!digits.is_empty() || (weight == 0 && !negative), "zero has one form");

    let digit = |power: i32| {
        let index = usize::try_from(weight - power).ok();
        index.and_then(|index| digits.get(index)).copied().unwrap_or(0)
    };
    let whole: String =
        (0..=weight.max(0)).rev().map(|power| format!("{:04}", digit(power))).collect();
    let fraction: String =
        (1..=scale.div_ceil(4) as i32).map(|power| format!("{:04}", digit(-power))).collect();
    assert!(fraction[scale..].bytes().all(|digit| digit == b'0'), "digits beyond the scale");
    if negative {
        text.push('-');
    }
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        text.push('.');
        text.push_str(&fraction[..scale]);
    }
}
