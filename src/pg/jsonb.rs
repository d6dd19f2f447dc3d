//! `jsonb` as the text that PostgreSQL prints for it, in both directions.
//!
//! The vault encrypts that text: it is the same on every machine and version, and keeps numbers
//! digit for digit and keys as `jsonb` keeps them.

use std::ffi::CStr;

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::UnboxDatum;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{FromDatum, IntoDatum};
use zeroize::Zeroizing;

/// An argument or result of type `jsonb`.
pub struct Jsonb(Zeroizing<String>);

impl Jsonb {
    /// The same document, as PostgreSQL prints it: keys in its order, numbers in its spelling.
    pub fn canonical(text: String) -> Self {
        let printed = Self::from(text)
            .into_datum()
            // SAFETY: a jsonb that jsonb_in has just made.
            .and_then(|datum| unsafe { Self::from_datum(datum, false) });
        // jsonb_in raises an error rather than return NULL.
        printed.unwrap_or_else(|| Self::from(String::new()))
    }

    /// The document's text, as PostgreSQL prints it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Jsonb {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl FromDatum for Jsonb {
    unsafe fn from_polymorphic_datum(datum: Datum, is_null: bool, _: Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: a jsonb datum; JsonbToCString prints it into memory of the current context, as
        // text in the database's encoding, which the install script requires to be UTF-8.
        unsafe {
            let detoasted = pg_sys::pg_detoast_datum(datum.cast_mut_ptr());
            let length = pgrx::varlena::varsize_any(detoasted);
            let container = &raw mut (*detoasted.cast::<pg_sys::Jsonb>()).root;
            let printed = pg_sys::JsonbToCString(std::ptr::null_mut(), container, length as i32);
            let text = CStr::from_ptr(printed).to_str().ok().map(str::to_owned);
            pg_sys::pfree(printed.cast());
            text.map(Self::from)
        }
    }
}

impl IntoDatum for Jsonb {
    fn into_datum(self) -> Option<Datum> {
        let mut text = self.0;
        text.push('\0');
        // SAFETY: a string that ends in NUL and outlives the call; jsonb_in copies what it keeps.
        unsafe {
            pgrx::direct_function_call_as_datum(
                pg_sys::jsonb_in,
                &[Some(Datum::from(text.as_ptr()))],
            )
        }
    }

    fn type_oid() -> Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: the argument is unboxed through FromDatum, which copies it.
unsafe impl<'fcx> ArgAbi<'fcx> for Jsonb {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the SQL declaration says that the argument is a jsonb.
        match unsafe { arg.unbox_arg_using_from_datum() } {
            Some(jsonb) => jsonb,
            // A function that must tell NULL takes Option<Jsonb>; the others are STRICT.
            None => Self::from(String::from("null")),
        }
    }
}

// SAFETY: the datum is copied into a string of its own.
unsafe impl UnboxDatum for Jsonb {
    type As<'src> = Self;

    unsafe fn unbox<'src>(datum: pgrx::datum::Datum<'src>) -> Self
    where
        Self: 'src,
    {
        // SAFETY: the caller says that the datum is a jsonb, and not NULL.
        unsafe { Self::from_datum(datum.sans_lifetime(), false) }
            .unwrap_or_else(|| Self::from(String::from("null")))
    }
}

// SAFETY: a by-reference datum made by jsonb_in, in the caller's memory context.
unsafe impl BoxRet for Jsonb {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        match self.into_datum() {
            // SAFETY: see above.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}

// SAFETY: `jsonb` is what the type is in SQL.
unsafe impl SqlTranslatable for Jsonb {
    const TYPE_IDENT: &'static str = "databunker::Jsonb";
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("jsonb"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb")));
}
