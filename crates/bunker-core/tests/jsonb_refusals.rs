//! What is not exactly PostgreSQL's own text is left to PostgreSQL.

use bunker_core::jsonb::{NotCanonical, from_canonical, user};

/// Refused, and nothing of it left in the buffer.
fn assert_refused(text: &str) {
    let mut out = b"before".to_vec();
    let result = from_canonical(text, &mut out);
    let head: String = text.chars().take(80).collect();
    assert_eq!(result, Err(NotCanonical), "{head}");
    assert_eq!(out, b"before", "{head}");
}

fn assert_accepted(text: &str) {
    let mut out = Vec::new();
    let head: String = text.chars().take(80).collect();
    assert_eq!(from_canonical(text, &mut out), Ok(()), "{head}");
    assert!(!out.is_empty());
}

#[test]
fn scalars_on_their_own() {
    for text in ["null", "true", "false", "0", "-1.5", r#""text""#, ""] {
        assert_refused(text);
    }
}

#[test]
fn keys_out_of_order_or_twice() {
    for text in [
        r#"{"b": 1, "a": 2}"#,
        r#"{"aa": 1, "b": 2}"#,
        r#"{"a": 1, "a": 2}"#,
        r#"{"": 1, "": 2}"#,
        r#"{"a": 1, "": 2}"#,
        r#"{"é": 1, "z": 2}"#,
        // By their bytes, not by how they are escaped: a newline sorts before a letter.
        r#"{"a": 1, "\n": 2}"#,
        r#"{"\"": 1, "!": 2}"#,
        r#"{"x": {"b": 1, "a": 2}}"#,
        r#"[1, [{"a": 1, "a": 1}]]"#,
    ] {
        assert_refused(text);
    }
    assert_accepted(r#"{"\n": 1, "!": 2, "\"": 3, "a": 4, "é": 5, "aaa": 6}"#);
}

#[test]
fn other_spacing() {
    for text in [
        r#"{"a":1}"#,
        r#"{"a" : 1}"#,
        r#"{"a":  1}"#,
        r#"{ "a": 1}"#,
        r#"{"a": 1 }"#,
        r#"{"a": 1,"b": 2}"#,
        r#"{"a": 1 , "b": 2}"#,
        "{ }",
        "[ ]",
        "[1,2]",
        "[1,  2]",
        "[1,\n2]",
        " []",
        "[] ",
        "[]\n",
        "[]\0",
        "\u{feff}[]",
    ] {
        assert_refused(text);
    }
}

#[test]
fn broken_json() {
    for text in [
        "{",
        "[",
        "}",
        "]",
        "[}",
        "{]",
        "[1",
        "[1,",
        "[1, ",
        "[1, ]",
        "[, 1]",
        "[1 2]",
        "[] []",
        r#"{"a"}"#,
        r#"{"a": }"#,
        r#"{"a": 1, }"#,
        "{1: 2}",
        "{null: 2}",
        "{[]: 2}",
        r#"{"a: 1}"#,
        "[nul]",
        "[nulll]",
        "[True]",
        "[NaN]",
        "[Infinity]",
        "[truefalse]",
        "['a']",
        r#"["a]"#,
        r#"["a"b]"#,
        r#"["a\"]"#,
        r#"["a\]"#,
    ] {
        assert_refused(text);
    }
}

#[test]
fn other_spellings_of_strings() {
    for inside in [
        r"\/",
        r"\a",
        r"\u0041",
        r"\u00e9",
        r"\u001F",
        r"\u000a",
        r"\u0008",
        r"\u0009",
        r"\u000c",
        r"\u000d",
        r"\u0000",
        r"\u0022",
        r"\u005c",
        r"\u007f",
        r"\u0020",
        r"\ud83d\ude00",
        r"\u001",
        r"\u00",
        r"\u",
        r"\U0001",
        r"\x01",
        "\n",
        "\t",
        "\u{0}",
        "\u{1f}",
    ] {
        assert_refused(&format!(r#"["{inside}"]"#));
        assert_refused(&format!(r#"{{"{inside}": 1}}"#));
        // Where the eight-byte step ends, and after it.
        for plain in 1..18 {
            let plain = "x".repeat(plain);
            assert_refused(&format!(r#"["{plain}{inside}{plain}{plain}"]"#));
        }
    }
    for control in (1..0x20).filter(|byte| ![8, 9, 10, 12, 13].contains(byte)) {
        assert_accepted(&format!(r#"["\u{control:04x}"]"#));
    }
}

#[test]
fn other_spellings_of_numbers() {
    for number in [
        "-0", "-0.0", "-0.000", "00", "01", "-01", "00.5", ".5", "-.5", "5.", "-", "-a", "+1",
        "1e5", "1E5", "1.0e-3", "0x10", "1_000", "1,000", "1.2.3", "--1", "1-", "1 ", "٣",
    ] {
        assert_refused(&format!("[{number}]"));
        assert_refused(&format!(r#"{{"n": {number}}}"#));
    }
}

#[test]
fn numbers_near_the_limits_of_the_type() {
    assert_accepted(&format!("[{}]", "7".repeat(1_000)));
    assert_accepted(&format!("[-0.{}7]", "0".repeat(997)));
    assert_refused(&format!("[{}]", "7".repeat(1_001)));
    assert_refused(&format!("[0.{}]", "7".repeat(999)));
    assert_refused(&format!("[1{}]", "0".repeat(131_072)));
    assert_refused(&format!("[0.{}1]", "0".repeat(16_383)));
}

#[test]
fn deep_documents() {
    let arrays = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth| format!("{}1{}", r#"{"a": "#.repeat(depth), "}".repeat(depth));
    assert_accepted(&arrays(128));
    assert_accepted(&objects(128));
    for depth in [129, 130, 1_000_000] {
        assert_refused(&arrays(depth));
        assert_refused(&objects(depth));
        assert_refused(&"[".repeat(depth));
    }
    // Wide is not deep.
    assert_accepted(&format!("[{}[]]", "[], ".repeat(10_000)));
}

#[test]
fn long_documents() {
    let text_of = |length: usize| format!(r#"["{}"]"#, "x".repeat(length - 4));
    assert_accepted(&text_of(16 << 20));
    assert_refused(&text_of((16 << 20) + 1));
}

#[test]
fn a_user_with_odd_texts() {
    for odd in ["\"", "\\", "a\"b", "\n", "\u{0}", "\u{1f}", "\u{7f}", "é", "😀", &"x".repeat(257)]
    {
        for place in 0..3 {
            let mut texts = ["token", "created", "updated"];
            texts[place] = odd;
            let mut out = b"before".to_vec();
            let result = user(texts[0], "{}", 1, texts[1], texts[2], &mut out);
            assert_eq!(result, Err(NotCanonical), "{odd:?}");
            assert_eq!(out, b"before");
        }
    }
    for profile in ["null", "1", r#""{}""#, r#"{"b": 1, "a": 2}"#, "{}}", ""] {
        let mut out = b"before".to_vec();
        let result = user("token", profile, 1, "created", "updated", &mut out);
        assert_eq!(result, Err(NotCanonical), "{profile}");
        assert_eq!(out, b"before");
    }
}
