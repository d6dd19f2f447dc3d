//! Spans of time in PostgreSQL's notation.

use std::ffi::{CStr, c_int};

use bunker_core::calendar::Interval;
use pgrx::pg_sys;

use super::datetime;

/// A finite interval in any notation that `interval_in` takes; `None` if it is none.
///
/// The same calls as in `interval_in` (timestamp.c), but without the errors it raises: the postmaster
/// reads settings, and an error there would end the server.
pub fn parse(text: &CStr) -> Option<Interval> {
    let mut kind = 0;
    let mut parts = pg_sys::pg_itm_in::default();
    let mut interval = pg_sys::Interval::default();
    let mut iso_text = text.to_bytes_with_nul().to_vec();
    // SAFETY: the fields are as ParseDateTime has found them, and the copy of the text ends in NUL; the
    // functions report by their results and raise nothing.
    unsafe {
        let range = pg_sys::INTERVAL_FULL_RANGE as c_int;
        let mut failure = datetime::decode(text, |fields| {
            let (texts, types, count) = (fields.texts, fields.types, fields.count);
            pg_sys::DecodeInterval(texts, types, count, range, &mut kind, &mut parts)
        });
        if failure == pg_sys::DTERR_BAD_FORMAT {
            let text = iso_text.as_mut_ptr().cast();
            failure = pg_sys::DecodeISO8601Interval(text, &mut kind, &mut parts);
        }
        let finite = kind == pg_sys::DTK_DELTA as c_int;
        if failure != 0 || !finite || pg_sys::itmin2interval(&mut parts, &mut interval) != 0 {
            return None;
        }
    }
    Some(Interval { months: interval.month, days: interval.day, microseconds: interval.time })
}
