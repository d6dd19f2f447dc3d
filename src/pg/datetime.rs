//! Taking texts apart as PostgreSQL does with dates and intervals (datetime.c), without the errors that
//! its input functions raise.

use std::ffi::{CStr, c_char, c_int};

use pgrx::pg_sys;

/// Room for the text's fields, at least that of `timestamptz_in` and `interval_in`.
const WORK_BYTES: usize = 256;
const MAX_FIELDS: usize = pg_sys::MAXDATEFIELDS as usize;

/// The fields of a text, as `ParseDateTime` finds them.
pub struct Fields {
    /// Where each field begins.
    pub texts: *mut *mut c_char,
    /// What each is.
    pub types: *mut c_int,
    /// How many there are.
    pub count: c_int,
}

/// Takes a text apart and hands its fields to `decode`, whose pointers are good until it returns. What it
/// returns, or what `ParseDateTime` returned in its place: 0, or one of the numbers `DTERR_…`.
pub fn decode(text: &CStr, decode: impl FnOnce(&Fields) -> c_int) -> c_int {
    let mut work = [0; WORK_BYTES];
    let mut texts = [std::ptr::null_mut(); MAX_FIELDS];
    let mut types: [c_int; MAX_FIELDS] = [0; MAX_FIELDS];
    let mut count = 0;
    // SAFETY: all buffers have the sizes that are passed along or that datetime.h prescribes; the
    // function reports by its result and raises nothing.
    let failure = unsafe {
        pg_sys::ParseDateTime(
            text.as_ptr(),
            work.as_mut_ptr(),
            WORK_BYTES,
            texts.as_mut_ptr(),
            types.as_mut_ptr(),
            MAX_FIELDS as c_int,
            &mut count,
        )
    };
    if failure != 0 {
        return failure;
    }
    decode(&Fields { texts: texts.as_mut_ptr(), types: types.as_mut_ptr(), count })
}
