//! Spans of time in PostgreSQL's notation.

use std::ffi::{CStr, c_int};

use bunker_core::calendar::Interval;
use pgrx::pg_sys;

/// Room for the text's fields, as in `interval_in`.
const WORK_BYTES: usize = 256;
const MAX_FIELDS: usize = pg_sys::MAXDATEFIELDS as usize;

/// A finite interval in any notation that `interval_in` takes; `None` if it is none.
///
/// The same calls as in `interval_in` (timestamp.c), but without the errors it raises: the postmaster
/// reads settings, and an error there would end the server.
pub fn parse(text: &CStr) -> Option<Interval> {
    let mut work = [0; WORK_BYTES];
    let mut fields = [std::ptr::null_mut(); MAX_FIELDS];
    let mut types: [c_int; MAX_FIELDS] = [0; MAX_FIELDS];
    let (mut count, mut kind) = (0, 0);
    let mut parts = pg_sys::pg_itm_in::default();
    let mut interval = pg_sys::Interval::default();
    let mut iso_text = text.to_bytes_with_nul().to_vec();
    // SAFETY: all buffers have the sizes that are passed along or that datetime.h prescribes; the
    // functions report by their results and raise nothing.
    unsafe {
        let mut failure = pg_sys::ParseDateTime(
            text.as_ptr(),
            work.as_mut_ptr(),
            WORK_BYTES,
            fields.as_mut_ptr(),
            types.as_mut_ptr(),
            MAX_FIELDS as c_int,
            &mut count,
        );
        if failure == 0 {
            failure = pg_sys::DecodeInterval(
                fields.as_mut_ptr(),
                types.as_mut_ptr(),
                count,
                pg_sys::INTERVAL_FULL_RANGE as c_int,
                &mut kind,
                &mut parts,
            );
        }
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
