//! Shared memory: the channels between backends and audit writers, one for each database in use.
//!
//! It exists only when the library is in shared_preload_libraries.

use std::ffi::CStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::channel::Channel;
use super::lwlock::Lock;

/// Databases that can be written to at a time, in one server. A database in which nothing waits
/// gives its channel back.
pub const CHANNELS: usize = 64;

const NAME: &CStr = c"databunker";

/// Position of AddinShmemInitLock among PostgreSQL's built-in locks (lwlocknames.txt), in 15 to 18.
const ADDIN_SHMEM_INIT_LOCK: usize = 21;

/// What all processes of the server share.
#[repr(C)]
pub struct Shared {
    channels: [Channel; CHANNELS],
}

impl Shared {
    /// All channels.
    pub fn channels(&self) -> &[Channel; CHANNELS] {
        &self.channels
    }

    /// The lock under which channels are given to databases.
    pub fn directory(&self) -> Lock {
        lock(CHANNELS)
    }
}

static AREA: AtomicPtr<Shared> = AtomicPtr::new(std::ptr::null_mut());
static LOCKS: AtomicPtr<pg_sys::LWLockPadded> = AtomicPtr::new(std::ptr::null_mut());

type Hook = Option<unsafe extern "C-unwind" fn()>;
static NEXT_REQUEST: OnceLock<Hook> = OnceLock::new();
static NEXT_STARTUP: OnceLock<Hook> = OnceLock::new();

/// Asks for the memory. Called by `_PG_init` in the postmaster.
pub fn install() {
    // SAFETY: called once, while the library is preloaded; hooks are plain pointers.
    unsafe {
        if NEXT_REQUEST.set(pg_sys::shmem_request_hook).is_ok()
            && NEXT_STARTUP.set(pg_sys::shmem_startup_hook).is_ok()
        {
            pg_sys::shmem_request_hook = Some(on_request);
            pg_sys::shmem_startup_hook = Some(on_startup);
        }
    }
}

/// The shared memory, or `None` when the library was not preloaded.
pub fn get() -> Option<&'static Shared> {
    // SAFETY: set by `on_startup` to memory that lives as long as the server; everything in it is
    // atomic, or behind a lock.
    unsafe { AREA.load(Relaxed).as_ref() }
}

/// The lock of a channel, by its position.
pub fn lock(position: usize) -> Lock {
    // SAFETY: `CHANNELS` + 1 locks were asked for; the pointer is set whenever `get` gives the
    // memory, which is where positions come from.
    unsafe { Lock::new(&raw mut (*LOCKS.load(Relaxed).add(position)).lock) }
}

/// # Safety
/// Called by PostgreSQL only.
#[pg_guard]
unsafe extern "C-unwind" fn on_request() {
    // SAFETY: what the hook before us expects, and where the two requests are allowed.
    unsafe {
        if let Some(Some(next)) = NEXT_REQUEST.get() {
            next();
        }
        pg_sys::RequestAddinShmemSpace(size_of::<Shared>());
        pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), CHANNELS as i32 + 1);
    }
}

/// # Safety
/// Called by PostgreSQL only, also after a crash of a backend, with fresh memory then.
#[pg_guard]
unsafe extern "C-unwind" fn on_startup() {
    // SAFETY: what the hook before us expects. New shared memory is zero-filled by the operating
    // system, and zero is the empty state of every field but the condition variables.
    unsafe {
        if let Some(Some(next)) = NEXT_STARTUP.get() {
            next();
        }
        let init = Lock::new(&raw mut (*pg_sys::MainLWLockArray.add(ADDIN_SHMEM_INIT_LOCK)).lock);
        let _held = init.exclusive();
        let mut found = false;
        let size = size_of::<Shared>();
        let area: *mut Shared = pg_sys::ShmemInitStruct(NAME.as_ptr(), size, &mut found).cast();
        LOCKS.store(pg_sys::GetNamedLWLockTranche(NAME.as_ptr()), Relaxed);
        if !found {
            for (position, channel) in (*area).channels.iter().enumerate() {
                channel.init(position);
            }
        }
        AREA.store(area, Relaxed);
    }
}
