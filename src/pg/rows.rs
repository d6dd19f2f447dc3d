//! Profiles as a set of rows that never touch the disk.
//!
//! A function that returns a row at a time has its rows collected by the executor in a tuplestore
//! of work_mem, which spills into a temporary file: plaintext on the disk. This one hands over a
//! tuplestore of its own that does not spill. How much it can hold is bounded by the call's limits.

use pgrx::callconv::RetAbi;
use pgrx::pg_sys::{self, Datum};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{IntoDatum, Uuid};

use super::document::Document;
use super::session;
use crate::error::Error;

/// `TABLE (token uuid, profile jsonb)`.
pub struct Profiles(pub Vec<(Uuid, Document)>);

// SAFETY: the protocol of SFRM_Materialize (src/backend/utils/fmgr/README, "Functions Accepting or
// Returning Sets"), as InitMaterializedSRF (funcapi.c) follows it.
unsafe impl RetAbi for Profiles {
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
/// `fcinfo` is that of a running call of a function that returns `TABLE (uuid, jsonb)`.
unsafe fn materialize(fcinfo: pg_sys::FunctionCallInfo, rows: Profiles) {
    // SAFETY: the caller's; what is made here lives in the query's memory, as the executor expects.
    unsafe {
        let result: *mut pg_sys::ReturnSetInfo = (*fcinfo).resultinfo.cast();
        let materialize = pg_sys::SetFunctionReturnMode::SFRM_Materialize;
        if result.is_null() || (*result).allowedModes as u32 & materialize == 0 {
            Error::Internal("the function was called where no set is accepted").raise();
        }
        let caller_memory =
            pg_sys::MemoryContextSwitchTo((*(*result).econtext).ecxt_per_query_memory);
        let mut descriptor = std::ptr::null_mut();
        pg_sys::get_call_result_type(fcinfo, std::ptr::null_mut(), &mut descriptor);
        let random = pg_sys::SetFunctionReturnMode::SFRM_Materialize_Random;
        let random_access = (*result).allowedModes as u32 & random != 0;
        let store = pg_sys::tuplestore_begin_heap(random_access, false, i32::MAX);
        (*result).returnMode = materialize;
        (*result).setResult = store;
        (*result).setDesc = descriptor;
        pg_sys::MemoryContextSwitchTo(caller_memory);
        for (token, profile) in rows.0 {
            session::check_for_interrupts();
            let (token, profile) = (token.into_datum(), profile.into_datum());
            let mut nulls = [token.is_none(), profile.is_none()];
            let mut values = [token, profile].map(|value| value.unwrap_or(Datum::from(0)));
            pg_sys::tuplestore_putvalues(
                store,
                descriptor,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            for (value, null) in values.into_iter().zip(nulls) {
                if !null {
                    pg_sys::pfree(value.cast_mut_ptr());
                }
            }
        }
    }
}

// SAFETY: what the type is in SQL.
unsafe impl SqlTranslatable for Profiles {
    const TYPE_IDENT: &'static str = "databunker::Profiles";
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> =
        Err(ArgumentError::NotValidAsArgument("Profiles"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("TABLE (token uuid, profile jsonb)")));
}
