//! A stored profile on its way out: from canonical text straight to the bytes of a `jsonb`.
//!
//! jsonb_in takes longer than everything else that a look-up does. Profiles are stored as the text
//! that PostgreSQL printed, and of that text the bytes are known without its parser; whatever is
//! not spelled so goes through jsonb_in after all.

use bunker_core::jsonb;
use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{IntoDatum, varlena};
use zeroize::Zeroizing;

use super::jsonb::Jsonb;

/// Bytes of a varlena's length, which come before its content.
const HEADER: usize = size_of::<u32>();

/// A result of type `jsonb`.
pub struct Document(Form);

enum Form {
    /// The bytes of the varlena, the first of which are left for its length.
    Bytes(Zeroizing<Vec<u8>>),
    /// For jsonb_in.
    Text(Jsonb),
}

impl Document {
    /// A profile as it is stored.
    pub fn profile(text: &str) -> Self {
        Self::from_bytes(|out| jsonb::from_canonical(text, out))
            .unwrap_or_else(|| Self(Form::Text(Jsonb::from(text.to_owned()))))
    }

    /// `{"token","profile","version","created_at","updated_at"}`. Neither the token nor the times
    /// need escapes.
    pub fn user(token: &str, profile: &str, version: i32, created: &str, updated: &str) -> Self {
        Self::from_bytes(|out| jsonb::user(token, profile, version, created, updated, out))
            .unwrap_or_else(|| {
                let text = format!(
                    "{{\"token\":\"{token}\",\"version\":{version},\"created_at\":\"{created}\",\
                     \"updated_at\":\"{updated}\",\"profile\":{profile}}}"
                );
                Self(Form::Text(Jsonb::from(text)))
            })
    }

    /// About as many bytes as it takes.
    pub fn size(&self) -> usize {
        match &self.0 {
            Form::Bytes(bytes) => bytes.len(),
            Form::Text(text) => text.as_str().len(),
        }
    }

    fn from_bytes(
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), jsonb::NotCanonical>,
    ) -> Option<Self> {
        let mut bytes = Zeroizing::new(vec![0; HEADER]);
        write(&mut bytes).ok().map(|()| Self(Form::Bytes(bytes)))
    }
}

impl IntoDatum for Document {
    fn into_datum(self) -> Option<Datum> {
        match self.0 {
            Form::Text(text) => text.into_datum(),
            Form::Bytes(bytes) => {
                let length = i32::try_from(bytes.len()).ok()?;
                // SAFETY: as many bytes as are copied; the length goes into the header.
                unsafe {
                    let copy: *mut pg_sys::varlena = pg_sys::palloc(bytes.len()).cast();
                    std::ptr::copy_nonoverlapping(bytes.as_ptr(), copy.cast(), bytes.len());
                    varlena::set_varsize_4b(copy, length);
                    Some(Datum::from(copy))
                }
            }
        }
    }

    fn type_oid() -> Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: a by-reference datum in the caller's memory context.
unsafe impl BoxRet for Document {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        match self.into_datum() {
            // SAFETY: see above.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}

// SAFETY: `jsonb` is what the type is in SQL.
unsafe impl SqlTranslatable for Document {
    const TYPE_IDENT: &'static str = "databunker::Document";
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> =
        Err(ArgumentError::NotValidAsArgument("Document"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb")));
}
