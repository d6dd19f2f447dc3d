//! From the text that PostgreSQL prints for a `jsonb` straight to the bytes it stores for it.
//!
//! `jsonb_in` must be ready for any JSON: it builds a tree, sorts keys, drops duplicates and hands
//! every number to the numeric parser. The vault only ever meets text that PostgreSQL itself has
//! printed, which is sorted and in one spelling already. This module takes exactly that text. At
//! the first sign of anything else it gives up, and the caller asks `jsonb_in`: it never guesses.
//!
//! The text is read twice. [`scan`] checks it and notes where every key and value lies; it copies
//! nothing, so nothing has to be wiped. [`write`] then lays them out, all keys of an object before
//! its values, which a single pass could not do: where values begin depends on every key. The
//! layout is described in PostgreSQL's `utils/jsonb.h`, and numbers in [`numeric`].

mod escape;
mod members;
mod numeric;
mod scan;
mod write;

use std::fmt;

use zeroize::Zeroize;

pub use members::members;
use scan::Document;
use write::{Container, Writer};

/// The text is not, or not for certain, what PostgreSQL prints for a `jsonb`.
///
/// It may still be JSON, and even canonical: scalars on their own, very deep documents, very long
/// ones and very long numbers are left to `jsonb_in` as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotCanonical;

impl fmt::Display for NotCanonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the text that PostgreSQL prints for a jsonb")
    }
}

impl std::error::Error for NotCanonical {}

/// Appends what PostgreSQL stores for `text`, without the four bytes of the varlena header.
///
/// Alignment counts from the first byte appended, so what is in `out` before does not matter. On
/// an error `out` is as it was, and what was written of the document is wiped.
///
/// # Errors
/// [`NotCanonical`], for anything but an object or array just as PostgreSQL prints it.
pub fn from_canonical(text: &str, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    let document = Document::scan(text)?;
    out.reserve(document.most_bytes());
    append(out, |writer| writer.document(&document).map(drop))
}

/// Appends what PostgreSQL stores for
/// `{"token": …, "profile": …, "version": …, "created_at": …, "updated_at": …}`.
///
/// `profile` is as for [`from_canonical`]. The other texts are values, not JSON.
///
/// # Errors
/// [`NotCanonical`], also when a text other than the profile is more than plain printable ASCII:
/// the caller's way round builds JSON from it without escaping.
pub fn user(
    token: &str,
    profile: &str,
    version: i32,
    created_at: &str,
    updated_at: &str,
    out: &mut Vec<u8>,
) -> Result<(), NotCanonical> {
    // As `jsonb` sorts keys: shorter ones first.
    const KEYS: [&str; 5] = ["token", "profile", "version", "created_at", "updated_at"];
    // Ten entries, the keys and the version stay well below it.
    const FRAME_BYTES: usize = 160;

    let texts = [token, created_at, updated_at];
    if !texts.into_iter().all(is_plain_ascii) {
        return Err(NotCanonical);
    }
    let document = Document::scan(profile)?;
    let texts_bytes: usize = texts.into_iter().map(str::len).sum();
    out.reserve(FRAME_BYTES + texts_bytes + document.most_bytes());
    append(out, |writer| {
        let mut root = Container::object(writer, KEYS.len());
        for text in KEYS.into_iter().chain([token]) {
            let entry = writer.text(text.as_bytes());
            root.add(writer, entry);
        }
        let entry = writer.document(&document)?;
        root.add(writer, entry);
        let entry = writer.integer(version);
        root.add(writer, entry);
        for text in [created_at, updated_at] {
            let entry = writer.text(text.as_bytes());
            root.add(writer, entry);
        }
        Ok(())
    })
}

/// Far more than a uuid or a timestamp takes, and too little for the frame's lengths to overflow.
const MAX_PLAIN: usize = 256;

fn is_plain_ascii(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= MAX_PLAIN
        && bytes.is_ascii()
        && !bytes.contains(&0x7f)
        && escape::plain_prefix(bytes) == bytes.len()
}

/// Lets `write` append to `out`, and takes back and wipes what it wrote if it fails.
fn append(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), NotCanonical>,
) -> Result<(), NotCanonical> {
    let (base, room) = (out.len(), out.capacity());
    let result = write(&mut Writer::new(out));
    // A buffer that had to grow would have left a copy of the profile in memory that is not wiped.
    debug_assert_eq!(out.capacity(), room);
    result.inspect_err(|_| {
        out[base..].zeroize();
        out.truncate(base);
    })
}
