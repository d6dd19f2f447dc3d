//! Sets of rows that never touch the disk.
//!
//! A function that returns a row at a time has its rows collected by the executor in a tuplestore
//! of work_mem, which spills into a temporary file: plaintext on the disk. This one hands over a
//! tuplestore of its own that does not spill. How much it can hold is bounded by the call's limits.

use pgrx::callconv::RetAbi;
use pgrx::pg_sys::{self, Datum};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{IntoDatum, PgMemoryContexts, Uuid};

use super::document::Document;
use super::jsonb::Jsonb;
use super::session;
use super::value::Value;
use crate::error::Error;

/// What a set-returning function returns.
pub struct Rows<R>(pub Vec<R>);

/// A row with plaintext in it.
pub trait Row {
    /// The Rust type's name, for pgrx.
    const IDENT: &'static str;
    /// What the set is in SQL: `TABLE (…)`, with the columns as in `sql/`.
    const SQL: &'static str;
    /// The columns' values, `None` for NULL.
    type Columns: IntoIterator<Item = Option<Datum>>;

    /// The columns, made in the current memory context, of the types and in the order of `SQL`.
    fn columns(self) -> Self::Columns;
}

/// A user with his profile.
pub type Profile = (Uuid, Document);

impl Row for Profile {
    const IDENT: &'static str = "databunker::Rows<Profile>";
    const SQL: &'static str = "TABLE (token uuid, profile jsonb)";
    type Columns = [Option<Datum>; 2];

    fn columns(self) -> Self::Columns {
        let (token, profile) = self;
        [token.into_datum(), profile.into_datum()]
    }
}

impl Row for Jsonb {
    const IDENT: &'static str = "databunker::Rows<Jsonb>";
    const SQL: &'static str = "SETOF jsonb";
    type Columns = [Option<Datum>; 1];

    fn columns(self) -> Self::Columns {
        [self.into_datum()]
    }
}

/// A session: its uuid, when it was opened, when it ends, its data.
pub type Session = (Uuid, i64, i64, Document);

impl Row for Session {
    const IDENT: &'static str = "databunker::Rows<Session>";
    const SQL: &'static str =
        "TABLE (session uuid, created_at timestamptz, expires_at timestamptz, data jsonb)";
    type Columns = [Option<Datum>; 4];

    fn columns(self) -> Self::Columns {
        let (session, created_at, expires_at, data) = self;
        let [created_at, expires_at] = [created_at, expires_at].map(|at| Value::Time(at).datum());
        [session.into_datum(), created_at, expires_at, data.into_datum()]
    }
}

// SAFETY: the protocol of SFRM_Materialize (src/backend/utils/fmgr/README, "Functions Accepting or
// Returning Sets"), as InitMaterializedSRF (funcapi.c) follows it.
unsafe impl<R: Row> RetAbi for Rows<R> {
    type Item = Self;
    type Ret = Self;

    fn to_ret(self) -> Self {
        self
    }

    unsafe fn box_ret_in_fcinfo(fcinfo: pg_sys::FunctionCallInfo, ret: Self) -> Datum {
        // SAFETY: `fcinfo` is that of the running call.
        unsafe { materialize(fcinfo, ret) };
        Datum::from(0)
    }

    unsafe fn move_into_fcinfo_fcx(self, _: pg_sys::FunctionCallInfo) {}

    unsafe fn fill_fcinfo_fcx(&self, _: pg_sys::FunctionCallInfo) {}
}

/// # Safety
/// `fcinfo` is that of a running call of a function that returns `R::SQL`.
unsafe fn materialize<R: Row>(fcinfo: pg_sys::FunctionCallInfo, rows: Rows<R>) {
    // SAFETY: the caller's; what is made here lives in the query's memory, as the executor expects.
    let (store, descriptor) = unsafe {
        let result: *mut pg_sys::ReturnSetInfo = (*fcinfo).resultinfo.cast();
        let materialize = pg_sys::SetFunctionReturnMode::SFRM_Materialize;
        if result.is_null() || (*result).allowedModes as u32 & materialize == 0 {
            Error::Internal("the function was called where no set is accepted").raise();
        }
        let caller_memory =
            pg_sys::MemoryContextSwitchTo((*(*result).econtext).ecxt_per_query_memory);
        let mut descriptor = std::ptr::null_mut();
        pg_sys::get_call_result_type(fcinfo, std::ptr::null_mut(), &mut descriptor);
        if descriptor.is_null() {
            // Rows of one column are no rows to PostgreSQL; the executor has told what it expects.
            descriptor = pg_sys::CreateTupleDescCopy((*result).expectedDesc);
        }
        let random = pg_sys::SetFunctionReturnMode::SFRM_Materialize_Random;
        let random_access = (*result).allowedModes as u32 & random != 0;
        let store = pg_sys::tuplestore_begin_heap(random_access, false, i32::MAX);
        (*result).returnMode = materialize;
        (*result).setResult = store;
        (*result).setDesc = descriptor;
        pg_sys::MemoryContextSwitchTo(caller_memory);
        (store, descriptor)
    };
    let mut memory = PgMemoryContexts::new("databunker rows");
    let (mut values, mut nulls) = (Vec::new(), Vec::new());
    for row in rows.0 {
        session::check_for_interrupts();
        values.clear();
        nulls.clear();
        // SAFETY: the store copies the row, whose columns are those of the descriptor; nothing else
        // of what was made in this memory is used after it is reset.
        unsafe {
            memory.switch_to(|_| {
                for column in row.columns() {
                    nulls.push(column.is_none());
                    values.push(column.unwrap_or(Datum::from(0)));
                }
                let (values, nulls) = (values.as_mut_ptr(), nulls.as_mut_ptr());
                pg_sys::tuplestore_putvalues(store, descriptor, values, nulls);
            });
            memory.reset();
        }
    }
}

// SAFETY: what the type is in SQL.
unsafe impl<R: Row> SqlTranslatable for Rows<R> {
    const TYPE_IDENT: &'static str = R::IDENT;
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> =
        Err(ArgumentError::NotValidAsArgument("Rows"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal(R::SQL)));
}
