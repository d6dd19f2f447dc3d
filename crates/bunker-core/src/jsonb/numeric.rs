//! `numeric` as PostgreSQL stores it: digits to the base 10,000, without zeros at either end.
//!
//! The layout is that of `make_result` in PostgreSQL's `numeric.c`: a varlena header, then sign,
//! weight (the power of 10,000 of the first digit) and display scale (decimal digits after the
//! point) in two bytes if they fit and in four if they do not, then the digits.

use std::ops::RangeInclusive;

/// Decimal digits in one stored digit.
const GROUP: usize = 4;
const BASE: u32 = 10_000;

const SHORT: u16 = 0x8000;
const SHORT_NEGATIVE: u16 = 0x2000;
const SHORT_SCALE_SHIFT: u32 = 7;
const SHORT_MAX_SCALE: u16 = 0x3f;
/// The weight's seven bits, in two's complement.
const SHORT_WEIGHT_MASK: u16 = 0x7f;
const SHORT_WEIGHTS: RangeInclusive<i16> = -64..=63;
const LONG_NEGATIVE: u16 = 0x4000;

const VARLENA_HEADER: usize = 4;

/// Appends the number whose decimal digits before and after the point are `whole` and `fraction`.
///
/// `whole` is "0" or begins with another digit; zero is not `negative`; and there are too few
/// digits to reach the limits of `numeric`.
pub(super) fn append(negative: bool, whole: &[u8], fraction: &[u8], out: &mut Vec<u8>) {
    let scale = fraction.len() as u16;
    let mut fraction = without_end_zeros(fraction);
    let mut whole_groups = whole;
    let mut weight = ((whole.len() - 1) / GROUP) as i16;
    if whole == b"0" {
        whole_groups = &[];
        let skipped = fraction.iter().take_while(|&&digit| digit == b'0').count() / GROUP;
        weight = if fraction.is_empty() { 0 } else { -1 - skipped as i16 };
        fraction = &fraction[skipped * GROUP..];
    } else if fraction.is_empty() {
        while let Some(rest) = whole_groups.strip_suffix(b"0000") {
            whole_groups = rest;
        }
    }
    let groups = whole_groups.len().div_ceil(GROUP) + fraction.len().div_ceil(GROUP);
    append_headers(negative, weight, scale, groups, out);
    // Groups are counted from the point, so the first one of all may be incomplete at its front
    // and the last one of all at its end.
    for group in whole_groups.rchunks(GROUP).rev() {
        append_digit(value(group), out);
    }
    for group in fraction.chunks(GROUP) {
        let missing = (GROUP - group.len()) as u32;
        append_digit(value(group) * 10_u16.pow(missing), out);
    }
}

/// Appends an integer.
pub(super) fn append_integer(number: i32, out: &mut Vec<u8>) {
    let size = number.unsigned_abs();
    let digits = [size / BASE / BASE, size / BASE % BASE, size % BASE];
    let first = digits.iter().position(|&digit| digit != 0).unwrap_or(digits.len());
    let end = digits.iter().rposition(|&digit| digit != 0).map_or(first, |last| last + 1);
    let weight = if number == 0 { 0 } else { 2 - first as i16 };
    append_headers(number < 0, weight, 0, end - first, out);
    for &digit in &digits[first..end] {
        append_digit(digit as u16, out);
    }
}

fn append_headers(negative: bool, weight: i16, scale: u16, digits: usize, out: &mut Vec<u8>) {
    let is_short = scale <= SHORT_MAX_SCALE && SHORT_WEIGHTS.contains(&weight);
    let header = if is_short { 2 } else { 4 };
    let size = VARLENA_HEADER + header + digits * 2;
    out.extend_from_slice(&varlena_header(size as u32).to_ne_bytes());
    if is_short {
        let sign = if negative { SHORT_NEGATIVE } else { 0 };
        let word =
            SHORT | sign | scale << SHORT_SCALE_SHIFT | weight.cast_unsigned() & SHORT_WEIGHT_MASK;
        out.extend_from_slice(&word.to_ne_bytes());
    } else {
        let sign = if negative { LONG_NEGATIVE } else { 0 };
        out.extend_from_slice(&(sign | scale).to_ne_bytes());
        out.extend_from_slice(&weight.to_ne_bytes());
    }
}

/// `SET_VARSIZE`: two flag bits, both zero, are at the end that the machine reads first.
const fn varlena_header(size: u32) -> u32 {
    if cfg!(target_endian = "big") { size } else { size << 2 }
}

fn append_digit(digit: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&digit.to_ne_bytes());
}

fn without_end_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().rev().take_while(|&&digit| digit == b'0').count();
    &digits[..digits.len() - zeros]
}

fn value(group: &[u8]) -> u16 {
    group.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'))
}
