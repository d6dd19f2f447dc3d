//! Who is calling, as PostgreSQL knows it.

use std::cell::OnceCell;
use std::ffi::CStr;

use pgrx::pg_sys::{self, Oid};

/// The role that opened the session.
pub fn session_role() -> Oid {
    // SAFETY: reads the backend's state.
    unsafe { pg_sys::GetSessionUserId() }
}

/// The role whose privileges are in force: after SET ROLE, or inside a SECURITY DEFINER function.
pub fn current_role() -> Oid {
    // SAFETY: reads the backend's state.
    unsafe { pg_sys::GetUserId() }
}

/// Whether the role whose privileges are in force has those of another, as a superuser has of all.
pub fn is_member_of(role: &CStr) -> bool {
    // SAFETY: a catalog look-up by name, inside a transaction; the name ends in NUL.
    unsafe {
        let role = pg_sys::get_role_oid(role.as_ptr(), true);
        role != Oid::INVALID && pg_sys::has_privs_of_role(current_role(), role)
    }
}

/// A role's name; its number when it was dropped meanwhile.
pub fn role_name(role: Oid) -> String {
    // SAFETY: the name is a palloc'd string, or null for an unknown role as `noerr` asks.
    let name = unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    };
    name.unwrap_or_else(|| role.to_u32().to_string())
}

/// The name of the session's role as a setting has it: known without a look at any catalog.
pub fn session_role_setting() -> Option<String> {
    let name = c"session_authorization".as_ptr();
    // SAFETY: a setting of PostgreSQL's own; its value is copied at once.
    unsafe {
        let value = pg_sys::GetConfigOption(name, true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}

/// What the client calls itself; it may say anything.
pub fn application_name() -> Option<&'static CStr> {
    // SAFETY: a setting's value, valid until the setting changes; callers do not keep it.
    unsafe {
        let name = pg_sys::application_name;
        (!name.is_null()).then(|| CStr::from_ptr(name)).filter(|name| !name.is_empty())
    }
}

thread_local! {
    static CLIENT_ADDRESS: OnceCell<Option<String>> = const { OnceCell::new() };
}

/// The client's network address, or `None` for a local socket.
pub fn client_address() -> Option<String> {
    CLIENT_ADDRESS.with(|address| {
        address
            .get_or_init(|| {
                // SAFETY: inet_client_addr() and host(inet) by their C names.
                unsafe {
                    let inet = pgrx::direct_function_call_as_datum(pg_sys::inet_client_addr, &[])?;
                    pgrx::direct_function_call(pg_sys::network_host, &[Some(inet)])
                }
            })
            .clone()
    })
}

/// The database of the session.
pub fn database() -> Oid {
    // SAFETY: reads the backend's state.
    unsafe { pg_sys::MyDatabaseId }
}

/// Whether there is a database of that number.
pub fn database_exists(database: Oid) -> bool {
    // SAFETY: a catalog look-up, inside a transaction as every function call is.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::DATABASEOID as i32;
        pg_sys::SearchSysCacheExists(
            cache,
            pg_sys::Datum::from(database),
            pg_sys::Datum::from(0),
            pg_sys::Datum::from(0),
            pg_sys::Datum::from(0),
        )
    }
}
