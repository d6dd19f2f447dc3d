//! The end of the chain in one line of text, to be kept where the vault cannot reach it.

use std::fmt;
use std::str::FromStr;

use super::seal::{GENESIS, SEAL_MAC_LEN};
use crate::constant_text::constant_text;

/// What the text of every anchor begins with.
const PREFIX: &str = "databunker-anchor:";

/// The only version of the text so far.
const VERSION: &str = "1";

/// The number and MAC of a seal: as much as it takes to notice that the chain was cut off, replaced
/// or put back to an older state.
///
/// It is no secret: a MAC tells nothing about the key or the events, and whoever holds an anchor
/// can do no more than compare. Its text is `databunker-anchor:1:<number>:<64 hex digits>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The number of the seal; 0 stands for the empty chain.
    pub number: i64,
    /// Its MAC; [`GENESIS`] for the empty chain.
    pub mac: [u8; SEAL_MAC_LEN],
}

impl Anchor {
    /// The anchor of a chain without seals, which every chain continues.
    pub const EMPTY: Self = Self { number: 0, mac: GENESIS };
}

/// Why a text is not an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseAnchorError {
    /// It does not begin with `databunker-anchor:`.
    NotAnAnchor,
    /// It is an anchor of a version that this one does not know.
    UnknownVersion,
    /// The number is not a decimal from 0 to 2^63 - 1 in its shortest form.
    BadNumber,
    /// The MAC is missing, or not 64 lower-case hex digits.
    BadMac,
    /// The number is 0, but the MAC is not that of the empty chain.
    NotEmpty,
}

constant_text!(ParseAnchorError {
    Self::NotAnAnchor => "the text does not begin with databunker-anchor:",
    Self::UnknownVersion => "the anchor is of an unknown version",
    Self::BadNumber => "the anchor's seal number is not a decimal number in its shortest form",
    Self::BadMac => "the anchor does not end in 64 lower-case hex digits",
    Self::NotEmpty => "the anchor has seal number 0 without being that of an empty trail",
});

impl fmt::Display for Anchor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mac = base16ct::HexDisplay(&self.mac);
        write!(formatter, "{PREFIX}{VERSION}:{}:{mac:x}", self.number)
    }
}

impl FromStr for Anchor {
    type Err = ParseAnchorError;

    fn from_str(text: &str) -> Result<Self, ParseAnchorError> {
        let rest = text.strip_prefix(PREFIX).ok_or(ParseAnchorError::NotAnAnchor)?;
        let (version, rest) = rest.split_once(':').unwrap_or((rest, ""));
        if version != VERSION {
            return Err(ParseAnchorError::UnknownVersion);
        }
        let (number, mac) = rest.split_once(':').unwrap_or((rest, ""));
        let anchor = Self { number: parse_number(number)?, mac: parse_mac(mac)? };
        if anchor.number == 0 && anchor != Self::EMPTY {
            return Err(ParseAnchorError::NotEmpty);
        }
        Ok(anchor)
    }
}

/// A number as `Display` writes it: no sign, no zero in front.
fn parse_number(text: &str) -> Result<i64, ParseAnchorError> {
    let shortest = text == "0" || !text.starts_with('0');
    if !shortest || !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(ParseAnchorError::BadNumber);
    }
    text.parse().map_err(|_| ParseAnchorError::BadNumber)
}

fn parse_mac(text: &str) -> Result<[u8; SEAL_MAC_LEN], ParseAnchorError> {
    let mut mac = [0; SEAL_MAC_LEN];
    match base16ct::lower::decode(text, &mut mac) {
        Ok(bytes) if bytes.len() == SEAL_MAC_LEN => Ok(mac),
        _ => Err(ParseAnchorError::BadMac),
    }
}
