//! Reading canonical text: everything about it is checked here, except the order of keys.

use super::NotCanonical;
use super::escape;

/// Far above any profile, and low enough that no length or count comes near what `jsonb` can hold:
/// a text of this length gives less than 2^28 bytes, the most that an entry can tell.
const MAX_TEXT: usize = 16 << 20;

/// How many containers may be inside each other.
const MAX_DEPTH: u32 = 128;

/// A longer number is left to PostgreSQL, which knows the limits of its type.
const MAX_DIGITS: usize = 1000;

/// One key or value, in the order in which they stand in the text.
#[derive(Clone, Copy)]
pub(super) enum Node {
    Null,
    False,
    True,
    /// What is between the quotes.
    Text {
        start: u32,
        len: u32,
        escaped: bool,
    },
    Number(Number),
    /// The keys and values are the nodes after this one, up to `end`.
    Object {
        pairs: u32,
        end: u32,
    },
    /// The elements are the nodes after this one, up to `end`.
    Array {
        elements: u32,
        end: u32,
    },
}

/// Where a number's digits are: a fraction is one byte, the point, after the `whole` ones.
#[derive(Clone, Copy)]
pub(super) struct Number {
    start: u32,
    whole: u16,
    fraction: u16,
    pub negative: bool,
}

/// A text that is canonical but for the order of its keys, and what is where in it.
pub(super) struct Document<'text> {
    pub text: &'text [u8],
    pub nodes: Vec<Node>,
}

impl<'text> Document<'text> {
    pub fn scan(text: &'text str) -> Result<Self, NotCanonical> {
        let text = text.as_bytes();
        if text.len() > MAX_TEXT || !matches!(text.first(), Some(b'{' | b'[')) {
            return Err(NotCanonical);
        }
        let mut scanner = Scanner { text, at: 0, nodes: Vec::with_capacity(text.len() / 10 + 8) };
        scanner.value(0)?;
        if scanner.at != text.len() {
            return Err(NotCanonical);
        }
        let Scanner { nodes, .. } = scanner;
        Ok(Self { text, nodes })
    }

    /// No fewer bytes than the document takes.
    ///
    /// A text takes its entry and no more than its own length. A number, the costliest node, takes
    /// its entry (4), padding (3), two headers (8), two bytes for every four digits and up to two
    /// half-filled groups (4).
    pub fn most_bytes(&self) -> usize {
        self.text.len() + self.nodes.len() * 20
    }

    pub fn slice(&self, start: u32, len: u32) -> &'text [u8] {
        let start = start as usize;
        &self.text[start..start + len as usize]
    }

    /// The digits before and after the point.
    pub fn digits(&self, number: Number) -> (&'text [u8], &'text [u8]) {
        let whole = self.slice(number.start, number.whole.into());
        if number.fraction == 0 {
            return (whole, &[]);
        }
        let fraction = number.start + u32::from(number.whole) + 1;
        (whole, self.slice(fraction, number.fraction.into()))
    }

    /// The node after the one at `index` and all that is in it.
    pub fn after(&self, index: usize) -> usize {
        match self.nodes[index] {
            Node::Object { end, .. } | Node::Array { end, .. } => end as usize,
            _ => index + 1,
        }
    }
}

struct Scanner<'text> {
    text: &'text [u8],
    at: usize,
    nodes: Vec<Node>,
}

impl Scanner<'_> {
    fn value(&mut self, depth: u32) -> Result<(), NotCanonical> {
        match self.text.get(self.at) {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b't') => self.literal(b"true", Node::True),
            Some(b'f') => self.literal(b"false", Node::False),
            Some(b'n') => self.literal(b"null", Node::Null),
            _ => Err(NotCanonical),
        }
    }

    fn literal<const N: usize>(&mut self, word: &[u8; N], node: Node) -> Result<(), NotCanonical> {
        self.expect(word)?;
        self.nodes.push(node);
        Ok(())
    }

    fn object(&mut self, depth: u32) -> Result<(), NotCanonical> {
        let first = self.enter(depth)?;
        let mut pairs = 0;
        if !self.skip(b'}') {
            loop {
                self.string()?;
                self.expect(b": ")?;
                self.value(depth + 1)?;
                pairs += 1;
                if self.skip(b'}') {
                    break;
                }
                self.expect(b", ")?;
            }
        }
        let end = self.nodes.len() as u32;
        self.nodes[first] = Node::Object { pairs, end };
        Ok(())
    }

    fn array(&mut self, depth: u32) -> Result<(), NotCanonical> {
        let first = self.enter(depth)?;
        let mut elements = 0;
        if !self.skip(b']') {
            loop {
                self.value(depth + 1)?;
                elements += 1;
                if self.skip(b']') {
                    break;
                }
                self.expect(b", ")?;
            }
        }
        let end = self.nodes.len() as u32;
        self.nodes[first] = Node::Array { elements, end };
        Ok(())
    }

    /// Passes the bracket and makes room for the container's node, which is known at its end.
    fn enter(&mut self, depth: u32) -> Result<usize, NotCanonical> {
        if depth == MAX_DEPTH {
            return Err(NotCanonical);
        }
        self.at += 1;
        self.nodes.push(Node::Null);
        Ok(self.nodes.len() - 1)
    }

    fn string(&mut self) -> Result<(), NotCanonical> {
        self.expect(b"\"")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += escape::plain_prefix(&self.text[self.at..]);
            if self.skip(b'"') {
                break;
            }
            // An escape, or else a bare control character or the end of the text.
            let (_, length) = escape::read(&self.text[self.at..]).ok_or(NotCanonical)?;
            self.at += length;
            escaped = true;
        }
        self.nodes.push(Node::Text {
            start: start as u32,
            len: (self.at - 1 - start) as u32,
            escaped,
        });
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotCanonical> {
        let negative = self.skip(b'-');
        let start = self.at;
        let whole = self.digits()?;
        let fraction = if self.skip(b'.') { self.digits()? } else { 0 };
        let digits = &self.text[start..self.at];
        let leading_zero = whole > 1 && digits[0] == b'0';
        // PostgreSQL's zero has no sign.
        let negative_zero = negative && digits.iter().all(|digit| matches!(digit, b'0' | b'.'));
        if leading_zero || negative_zero || digits.len() > MAX_DIGITS {
            return Err(NotCanonical);
        }
        self.nodes.push(Node::Number(Number {
            start: start as u32,
            whole: whole as u16,
            fraction: fraction as u16,
            negative,
        }));
        Ok(())
    }

    /// Passes at least one digit; how many there were.
    fn digits(&mut self) -> Result<usize, NotCanonical> {
        let rest = &self.text[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(NotCanonical) } else { Ok(count) }
    }

    /// Passes `byte` if it comes next.
    fn skip(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    /// Passes just these bytes; so few and of known number that comparing them takes no call.
    #[inline]
    fn expect<const N: usize>(&mut self, bytes: &[u8; N]) -> Result<(), NotCanonical> {
        if self.text[self.at..].first_chunk() != Some(bytes) {
            return Err(NotCanonical);
        }
        self.at += N;
        Ok(())
    }
}
