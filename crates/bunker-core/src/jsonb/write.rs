//! Laying out containers as `convertJsonbValue` in PostgreSQL's `jsonb_util.c` does.
//!
//! A container is a header, one entry (`JEntry`) for each child, and the children's bytes: the
//! elements of an array, or all keys and then all values of an object.

use std::cmp::Ordering;
use std::ops::Range;

use super::NotCanonical;
use super::scan::{Document, Node};
use super::{escape, numeric};

const OBJECT: u32 = 0x2000_0000;
const ARRAY: u32 = 0x4000_0000;

const STRING: u32 = 0x0000_0000;
const NUMERIC: u32 = 0x1000_0000;
const FALSE: u32 = 0x2000_0000;
const TRUE: u32 = 0x3000_0000;
const NULL: u32 = 0x4000_0000;
const CONTAINER: u32 = 0x5000_0000;
const KIND_MASK: u32 = 0x7000_0000;
const LENGTH_MASK: u32 = 0x0fff_ffff;
const HAS_OFFSET: u32 = 0x8000_0000;

/// Every so many entries, one tells where its child ends instead of how long it is.
const OFFSET_STRIDE: usize = 32;

const WORD: usize = 4;

/// What is known of a child when its bytes have been written: its kind and length.
#[derive(Clone, Copy)]
pub(super) struct Entry(u32);

impl Entry {
    fn new(kind: u32, length: usize) -> Self {
        Self(kind | length as u32)
    }
}

/// A container whose children are being written.
pub(super) struct Container {
    entries: usize,
    added: usize,
    /// Bytes of the children added.
    length: u32,
}

impl Container {
    /// Begins an object; its keys are to be added first, in order, then its values.
    pub fn object(writer: &mut Writer<'_>, pairs: usize) -> Self {
        Self::new(writer, OBJECT | pairs as u32, pairs * 2)
    }

    fn array(writer: &mut Writer<'_>, elements: usize) -> Self {
        Self::new(writer, ARRAY | elements as u32, elements)
    }

    fn new(writer: &mut Writer<'_>, header: u32, children: usize) -> Self {
        writer.out.extend_from_slice(&header.to_ne_bytes());
        let entries = writer.out.len();
        writer.out.resize(entries + children * WORD, 0);
        Self { entries, added: 0, length: 0 }
    }

    /// Adds the child whose bytes have just been written.
    pub fn add(&mut self, writer: &mut Writer<'_>, Entry(mut entry): Entry) {
        self.length += entry & LENGTH_MASK;
        if self.added.is_multiple_of(OFFSET_STRIDE) {
            entry = entry & KIND_MASK | self.length | HAS_OFFSET;
        }
        let at = self.entries + self.added * WORD;
        writer.out[at..at + WORD].copy_from_slice(&entry.to_ne_bytes());
        self.added += 1;
    }
}

/// Writes values at the end of a buffer.
pub(super) struct Writer<'out> {
    out: &'out mut Vec<u8>,
    /// Where alignment counts from.
    base: usize,
}

impl<'out> Writer<'out> {
    pub fn new(out: &'out mut Vec<u8>) -> Self {
        let base = out.len();
        Self { out, base }
    }

    pub fn text(&mut self, text: &[u8]) -> Entry {
        self.out.extend_from_slice(text);
        Entry::new(STRING, text.len())
    }

    pub fn integer(&mut self, number: i32) -> Entry {
        let start = self.align();
        numeric::append_integer(number, self.out);
        self.entry_since(NUMERIC, start)
    }

    pub fn document(&mut self, document: &Document<'_>) -> Result<Entry, NotCanonical> {
        self.value(document, 0)
    }

    /// The value at `index` of the document. Recursion ends where the scan has ended it.
    fn value(&mut self, document: &Document<'_>, index: usize) -> Result<Entry, NotCanonical> {
        let start = self.out.len();
        Ok(match document.nodes[index] {
            Node::Null => Entry::new(NULL, 0),
            Node::False => Entry::new(FALSE, 0),
            Node::True => Entry::new(TRUE, 0),
            Node::Text { .. } => self.string(document, index)?,
            Node::Number(number) => {
                self.align();
                let (whole, fraction) = document.digits(number);
                numeric::append(number.negative, whole, fraction, self.out);
                self.entry_since(NUMERIC, start)
            }
            Node::Object { pairs, end } => {
                self.align();
                self.object(document, pairs as usize, index + 1..end as usize)?;
                self.entry_since(CONTAINER, start)
            }
            Node::Array { elements, end } => {
                self.align();
                self.array(document, elements as usize, index + 1..end as usize)?;
                self.entry_since(CONTAINER, start)
            }
        })
    }

    /// All keys, then all values: `jsonb` searches keys faster when nothing lies between them.
    fn object(
        &mut self,
        document: &Document<'_>,
        pairs: usize,
        nodes: Range<usize>,
    ) -> Result<(), NotCanonical> {
        let mut object = Container::object(self, pairs);
        let mut previous: Option<Range<usize>> = None;
        let mut key = nodes.start;
        while key < nodes.end {
            let start = self.out.len();
            let entry = self.string(document, key)?;
            object.add(self, entry);
            let written = start..self.out.len();
            if previous.is_some_and(|previous| !self.are_in_order(previous, written.clone())) {
                return Err(NotCanonical);
            }
            previous = Some(written);
            key = document.after(key + 1);
        }
        let mut key = nodes.start;
        while key < nodes.end {
            let entry = self.value(document, key + 1)?;
            object.add(self, entry);
            key = document.after(key + 1);
        }
        Ok(())
    }

    fn array(
        &mut self,
        document: &Document<'_>,
        elements: usize,
        nodes: Range<usize>,
    ) -> Result<(), NotCanonical> {
        let mut array = Container::array(self, elements);
        let mut element = nodes.start;
        while element < nodes.end {
            let entry = self.value(document, element)?;
            array.add(self, entry);
            element = document.after(element);
        }
        Ok(())
    }

    fn string(&mut self, document: &Document<'_>, index: usize) -> Result<Entry, NotCanonical> {
        let Node::Text { start, len, escaped } = document.nodes[index] else {
            return Err(NotCanonical);
        };
        let text = document.slice(start, len);
        if !escaped {
            return Ok(self.text(text));
        }
        let start = self.out.len();
        escape::append_unescaped(text, self.out);
        Ok(self.entry_since(STRING, start))
    }

    /// Whether two keys, already written and so without escapes, stand as `jsonb` sorts them:
    /// shorter ones first, then bytewise. Equal ones are never in order.
    fn are_in_order(&self, first: Range<usize>, second: Range<usize>) -> bool {
        match first.len().cmp(&second.len()) {
            Ordering::Equal => self.out[first] < self.out[second],
            order => order == Ordering::Less,
        }
    }

    /// Pads to the next word; where the padding began, which counts as part of what follows.
    fn align(&mut self) -> usize {
        let start = self.out.len();
        let padding = (start - self.base).wrapping_neg() % WORD;
        self.out.extend_from_slice(&[0; WORD][..padding]);
        start
    }

    fn entry_since(&self, kind: u32, start: usize) -> Entry {
        Entry::new(kind, self.out.len() - start)
    }
}
