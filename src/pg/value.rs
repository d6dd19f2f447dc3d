//! Column values on their way into PostgreSQL.

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::{IntoDatum, Uuid};

use super::jsonb::Jsonb;

/// Where a row stands in its table.
pub type Place = pg_sys::ItemPointerData;

/// A value of one of the few types that the vault's columns have.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// `uuid`
    Uuid(&'a Uuid),
    /// `smallint`
    Int2(i16),
    /// `integer`
    Int4(i32),
    /// `bigint`
    Int8(i64),
    /// `bigint[]`
    Int8s(&'a [i64]),
    /// `tid`
    Place(&'a Place),
    /// `timestamptz`, in microseconds since 2000-01-01 UTC
    Time(i64),
    /// `bytea`
    Bytes(&'a [u8]),
    /// `text`
    Text(&'a str),
    /// `jsonb`, already made by PostgreSQL
    Jsonb(Datum),
    /// An array, already made by PostgreSQL, and its type
    Array(Datum, Oid),
    /// NULL of a type
    Null(Oid),
}

impl Value<'_> {
    /// A text that may be missing.
    pub fn text(text: Option<&str>) -> Value<'_> {
        text.map_or(Value::Null(pg_sys::TEXTOID), Value::Text)
    }

    /// A time that may be missing.
    pub fn time(time: Option<i64>) -> Value<'static> {
        time.map_or(Value::Null(pg_sys::TIMESTAMPTZOID), Value::Time)
    }

    /// A uuid that may be missing.
    pub fn uuid(uuid: Option<&Uuid>) -> Value<'_> {
        uuid.map_or(Value::Null(pg_sys::UUIDOID), Value::Uuid)
    }

    /// A document that PostgreSQL makes in the current memory context.
    pub fn document(document: Jsonb) -> Value<'static> {
        document.into_datum().map_or(Value::Null(pg_sys::JSONBOID), Value::Jsonb)
    }

    /// An array that PostgreSQL makes in the current memory context.
    pub fn array<T: IntoDatum>(elements: Vec<Option<T>>) -> Value<'static> {
        let oid = Vec::<Option<T>>::type_oid();
        elements.into_datum().map_or(Value::Null(oid), |array| Value::Array(array, oid))
    }

    /// The value as PostgreSQL takes it, allocated in the current memory context; `None` for NULL.
    pub fn datum(&self) -> Option<Datum> {
        match *self {
            // A uuid is passed by reference, and this one lives as long as `self`.
            Value::Uuid(uuid) => Some(Datum::from(std::ptr::from_ref(uuid.as_bytes()))),
            Value::Place(place) => Some(Datum::from(std::ptr::from_ref(place))),
            Value::Int2(number) => number.into_datum(),
            Value::Int4(number) => number.into_datum(),
            Value::Int8(number) | Value::Time(number) => number.into_datum(),
            Value::Int8s(numbers) => numbers.to_vec().into_datum(),
            Value::Bytes(bytes) => bytes.into_datum(),
            Value::Text(text) => text.into_datum(),
            Value::Jsonb(datum) | Value::Array(datum, _) => Some(datum),
            Value::Null(_) => None,
        }
    }

    /// The same, holding on to nothing of `self`.
    pub fn copied_datum(&self) -> Option<Datum> {
        match *self {
            Value::Uuid(uuid) => uuid.into_datum(),
            Value::Place(place) => place.into_datum(),
            _ => self.datum(),
        }
    }

    /// The value as an argument of a statement.
    pub fn bind(&self) -> DatumWithOid<'_> {
        match self.datum() {
            // SAFETY: the datum is of the type that is named with it, and what it points to lives
            // as long as `self` or the current memory context.
            Some(datum) => unsafe { DatumWithOid::new(datum, self.type_oid()) },
            None => DatumWithOid::null_oid(self.type_oid()),
        }
    }

    /// The oid of the value's type.
    pub fn type_oid(&self) -> Oid {
        match *self {
            Value::Uuid(_) => pg_sys::UUIDOID,
            Value::Place(_) => pg_sys::TIDOID,
            Value::Int2(_) => pg_sys::INT2OID,
            Value::Int4(_) => pg_sys::INT4OID,
            Value::Int8(_) => pg_sys::INT8OID,
            Value::Int8s(_) => pg_sys::INT8ARRAYOID,
            Value::Time(_) => pg_sys::TIMESTAMPTZOID,
            Value::Bytes(_) => pg_sys::BYTEAOID,
            Value::Text(_) => pg_sys::TEXTOID,
            Value::Jsonb(_) => pg_sys::JSONBOID,
            Value::Array(_, oid) | Value::Null(oid) => oid,
        }
    }
}
