//! Reads the test vectors out of `docs/FORMAT.md`, for the unit and the integration tests alike.

use std::collections::BTreeMap;

const DOCUMENT: &str = include_str!("../../../../docs/FORMAT.md");

/// The vectors by name.
pub struct Vectors(BTreeMap<&'static str, Vec<u8>>);

impl Vectors {
    /// Parses the block fenced as `vectors`: lines of `name = hex`, or `name = "text"`.
    pub fn read() -> Self {
        let (_, rest) = DOCUMENT.split_once("```vectors\n").expect("a block of vectors");
        let (block, _) = rest.split_once("\n```").expect("the end of the block");
        let mut vectors = BTreeMap::new();
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(" = ").expect("name = value");
            assert!(vectors.insert(name, decode(value)).is_none(), "{name} stands twice");
        }
        Self(vectors)
    }

    pub fn bytes(&self, name: &str) -> &[u8] {
        self.0.get(name).unwrap_or_else(|| panic!("no vector {name}"))
    }

    pub fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap_or_else(|_| panic!("{name} is not {N} bytes"))
    }

    pub fn text(&self, name: &str) -> &str {
        std::str::from_utf8(self.bytes(name)).expect("UTF-8")
    }

    pub fn number(&self, name: &str) -> u32 {
        u32::from_be_bytes(self.array(name))
    }
}

fn decode(value: &str) -> Vec<u8> {
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(text) => text.as_bytes().to_vec(),
        None => base16ct::lower::decode_vec(value).expect("lower-case hex"),
    }
}
