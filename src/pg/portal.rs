//! Portals of our own queries, which whoever called us can reach by their names.
//!
//! A client may FETCH from any portal of his session, or CLOSE it and DECLARE another one under its name:
//! his query would run as the owner of our tables when we fetch from it. So one is fetched from only as
//! long as it is the portal that was opened, and stands where we have left it.

use std::cell::Cell;
use std::ffi::{CString, c_void};
use std::rc::Rc;

use pgrx::pg_sys;

/// A portal that was just opened, from then on.
pub struct Watch {
    portal: pg_sys::Portal,
    /// Whether it is still there. Also held by a callback of the portal's memory.
    is_open: Rc<Cell<bool>>,
    /// How many rows we have fetched.
    fetched: u64,
}

impl Watch {
    /// Watches the portal of that name, and keeps it out of `pg_cursors`.
    pub fn of(name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        let is_open = Rc::new(Cell::new(true));
        // SAFETY: a portal that is found is valid until it is dropped, and its memory with it, of which
        // the callback is a part. The callback has a share of its own in the flag.
        unsafe {
            let portal = pg_sys::SPI_cursor_find(name.as_ptr());
            if portal.is_null() {
                return None;
            }
            (*portal).visible = false;
            let memory = (*portal).portalContext;
            let size = size_of::<pg_sys::MemoryContextCallback>();
            let callback: *mut pg_sys::MemoryContextCallback =
                pg_sys::MemoryContextAllocZero(memory, size).cast();
            (*callback).func = Some(dropped);
            (*callback).arg = Rc::into_raw(Rc::clone(&is_open)).cast_mut().cast();
            pg_sys::MemoryContextRegisterResetCallback(memory, callback);
            Some(Self { portal, is_open, fetched: 0 })
        }
    }

    /// Whether the portal is there and nobody else has fetched from it.
    pub fn is_untouched(&self) -> bool {
        // SAFETY: the portal is read only as long as it is there.
        self.is_open.get() && unsafe { (*self.portal).portalPos } == self.fetched
    }

    /// Notes that we have fetched so many rows.
    pub fn fetched(&mut self, rows: usize) {
        self.fetched += rows as u64;
    }
}

/// Called when the portal's memory goes.
///
/// # Safety
/// The argument is from `Watch::of`, and this is called once.
unsafe extern "C-unwind" fn dropped(flag: *mut c_void) {
    // SAFETY: the share in the flag that `Watch::of` has given away.
    let flag = unsafe { Rc::from_raw(flag.cast_const().cast::<Cell<bool>>()) };
    flag.set(false);
}
