//! The members of an object, each with the text of its value.

use super::NotCanonical;

/// The members of an object, in the order of the text: their names, and their values as PostgreSQL
/// prints them by themselves. Nothing is copied but the names, and no value is read.
///
/// # Errors
/// [`NotCanonical`], for anything that cannot be the text which PostgreSQL prints for an object. The
/// values are not checked: whoever reads one does.
pub fn members(text: &str) -> Result<Vec<(String, &str)>, NotCanonical> {
    let mut members = Vec::new();
    let mut rest = text.strip_prefix('{').ok_or(NotCanonical)?;
    if rest == "}" {
        return Ok(members);
    }
    loop {
        let (name, after) = split(rest)?;
        let (value, after) = split(after.strip_prefix(": ").ok_or(NotCanonical)?)?;
        members.push((serde_json::from_str(name).map_err(|_| NotCanonical)?, value));
        if after == "}" {
            return Ok(members);
        }
        rest = after.strip_prefix(", ").ok_or(NotCanonical)?;
    }
}

/// A name or value at the start of a text, and what comes after it.
fn split(text: &str) -> Result<(&str, &str), NotCanonical> {
    let mut depth = 0_usize;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                while let Some((_, byte)) = bytes.next() {
                    match byte {
                        b'"' => break,
                        // Whatever is escaped, it is not the closing quote.
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
            }
            b'{' | b'[' => depth += 1,
            b':' | b',' | b'}' if depth == 0 => return Ok(text.split_at(at)),
            b'}' | b']' => depth = depth.checked_sub(1).ok_or(NotCanonical)?,
            _ => {}
        }
    }
    Err(NotCanonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(text: &str) -> Option<Vec<(String, String)>> {
        let members = members(text).ok()?;
        Some(members.into_iter().map(|(name, value)| (name, value.to_owned())).collect())
    }

    #[test]
    fn values_keep_their_text() {
        let values = [
            "1.50",
            "null",
            "\"\"",
            "{}",
            "[]",
            r#""a\"},\\""#,
            r#"{"a": [1, {"b": ": }"}]}"#,
            "\"é🙂\"",
        ];
        for value in values {
            let text = format!("{{\"a\": {value}, \"b\\n\\\"\": {value}}}");
            let name = |name: &str| (name.to_owned(), value.to_owned());
            assert_eq!(owned(&text), Some(vec![name("a"), name("b\n\"")]), "{text}");
        }
        assert_eq!(owned("{}"), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_whole_object_is_refused() {
        let bad = [
            "",
            "1",
            "[]",
            "{",
            "}",
            "{\"a\"}",
            "{\"a\": 1",
            "{\"a\": 1, }",
            "{\"a\":1}",
            "{\"a\": 1}}",
            "{\"a\": 1} ",
            "{\"a\": ]}",
            "{\"a\": \"}",
            "{a: 1}",
            "{\"a\": 1,\"b\": 2}",
            "{\"a\": {}",
        ];
        for text in bad {
            assert_eq!(owned(text), None, "{text}");
        }
    }
}
