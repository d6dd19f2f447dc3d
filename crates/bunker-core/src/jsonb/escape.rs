//! What stands for itself in a JSON string, and what PostgreSQL escapes.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH_BITS: u64 = ONES << 7;

/// How many bytes at the start stand for themselves: up to a quote, a backslash or a control
/// character.
#[inline]
pub(super) fn plain_prefix(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        // Little-endian on every machine, so that the first byte is the lowest.
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    words.len() * 8 + rest.iter().take_while(is_plain).count()
}

/// Sets the high bit of the lowest byte that is a quote, a backslash or below a space, if any is;
/// bits above that one mean nothing, because the subtractions borrow.
fn special_bytes(word: u64) -> u64 {
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | equal(b'"') | equal(b'\\')) & HIGH_BITS
}

/// The byte that the escape at the start of `text` stands for, and how long the escape is.
///
/// Only the spellings that PostgreSQL prints: short escapes where there are any, four lower-case
/// hex digits for the other control characters, and never U+0000, which it cannot store.
pub(super) fn read(text: &[u8]) -> Option<(u8, usize)> {
    match *text {
        [b'\\', b'u', b'0', b'0', high @ b'0'..=b'1', low, ..] => {
            let low = match low {
                b'0'..=b'9' => low - b'0',
                b'a'..=b'f' => low - b'a' + 10,
                _ => return None,
            };
            let byte = (high - b'0') * 16 + low;
            let has_another_spelling = matches!(byte, 0 | 0x08 | b'\t' | b'\n' | 0x0c | b'\r');
            (!has_another_spelling).then_some((byte, 6))
        }
        [b'\\', letter, ..] => {
            let byte = match letter {
                b'"' | b'\\' => letter,
                b'b' => 0x08,
                b't' => b'\t',
                b'n' => b'\n',
                b'f' => 0x0c,
                b'r' => b'\r',
                _ => return None,
            };
            Some((byte, 2))
        }
        _ => None,
    }
}

/// Appends what `text`, whose escapes [`read`] knows, stands for.
pub(super) fn append_unescaped(mut text: &[u8], out: &mut Vec<u8>) {
    loop {
        let (plain, rest) = text.split_at(plain_prefix(text));
        out.extend_from_slice(plain);
        let Some((byte, length)) = read(rest) else {
            return;
        };
        out.push(byte);
        text = &rest[length..];
    }
}
