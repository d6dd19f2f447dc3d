//! Parts of URLs.

/// A part of a URL with each %XX replaced (RFC 3986 section 2.1), if that gives text.
pub fn decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        bytes.extend(base16ct::mixed::decode_vec(hex).ok()?);
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).ok()
}
