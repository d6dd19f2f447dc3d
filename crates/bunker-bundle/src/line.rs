//! A line of a bundle of JSON Lines, read into no more memory than what it says needs: whoever sends
//! one is not trusted yet.

use std::borrow::Cow;
use std::fmt;

use base64ct::{Base64, Encoding};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::error::BundleError;
use crate::schema::{self, Column, Kind, Table};
use crate::value::Value;
use crate::writer::MAX_ROWS;

/// The longest line that has no rows, in bytes.
pub(crate) const MAX_WITHOUT_ROWS: usize = 1 << 20;

/// What a line says.
pub(crate) enum Line {
    /// A header, of this version of the format or another.
    Bundle(Json),
    Replace(Vec<&'static Table>),
    Users(Vec<Uuid>),
    Rows(&'static Table, Vec<Row>),
}

/// A value for each column of the table.
type Row = Vec<Value<'static>>;

/// Reads a line: an object with one member.
pub(crate) fn read(line: &str) -> Result<Line, BundleError> {
    let mut json = serde_json::Deserializer::from_str(line);
    let read = json.deserialize_map(Member { is_long: line.len() > MAX_WITHOUT_ROWS });
    let read = read.and_then(|line| json.end().map(|()| line));
    read.map_err(|_| BundleError::Malformed)
}

/// What the readers below find instead of what they expect; nothing is said about it.
fn bad<E: Error>() -> E {
    E::custom("malformed")
}

struct Member {
    is_long: bool,
}

impl<'de> Visitor<'de> for Member {
    type Value = Line;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with one member")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Line, A::Error> {
        let name: String = members.next_key()?.ok_or_else(bad)?;
        let line = match (name.as_str(), self.is_long) {
            ("bundle" | "replace" | "users", true) => return Err(bad()),
            ("bundle", _) => Line::Bundle(members.next_value()?),
            ("replace", _) => {
                let names: Vec<String> = members.next_value()?;
                let tables = names.iter().map(|name| schema::table(name));
                Line::Replace(tables.collect::<Option<_>>().ok_or_else(bad)?)
            }
            ("users", _) => Line::Users(members.next_value()?),
            (name, _) => {
                let table = schema::table(name).ok_or_else(bad)?;
                Line::Rows(table, members.next_value_seed(RowsOf(table))?)
            }
        };
        match members.next_key::<IgnoredAny>()? {
            None => Ok(line),
            Some(_) => Err(bad()),
        }
    }
}

#[derive(Clone, Copy)]
struct RowsOf(&'static Table);

impl<'de> DeserializeSeed<'de> for RowsOf {
    type Value = Vec<Row>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Vec<Row>, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowsOf {
    type Value = Vec<Row>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Row>, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = items.next_element_seed(RowOf(self.0))? {
            if rows.len() == MAX_ROWS {
                return Err(bad());
            }
            rows.push(row);
        }
        Ok(rows)
    }
}

struct RowOf(&'static Table);

impl<'de> DeserializeSeed<'de> for RowOf {
    type Value = Row;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Row, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowOf {
    type Value = Row;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value for each column")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Row, A::Error> {
        let mut row = Vec::with_capacity(self.0.columns.len());
        for column in self.0.columns {
            row.push(items.next_element_seed(ValueOf(column))?.ok_or_else(bad)?);
        }
        match items.next_element::<IgnoredAny>()? {
            None => Ok(row),
            Some(_) => Err(bad()),
        }
    }
}

struct ValueOf(&'static Column);

impl<'de> DeserializeSeed<'de> for ValueOf {
    type Value = Value<'static>;

    /// In no other form than it is written in.
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value<'static>, D::Error> {
        let value = match self.0.kind {
            Kind::Int | Kind::Time => Option::deserialize(json)?.map(Value::Int),
            Kind::Text | Kind::Json => {
                Option::deserialize(json)?.map(|text: String| Value::Text(Cow::Owned(text)))
            }
            Kind::Uuid => Option::deserialize(json)?.map(Value::Uuid),
            Kind::Bytes => {
                Option::deserialize(json)?.map(|Decoded(bytes)| Value::Bytes(Cow::Owned(bytes)))
            }
        };
        match value {
            None if !self.0.optional => Err(bad()),
            value => Ok(value.unwrap_or(Value::Null)),
        }
    }
}

/// Bytes that stand in base64.
struct Decoded(Vec<u8>);

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Decoded;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("base64")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Decoded, E> {
                Base64::decode_vec(text).map(Decoded).map_err(|_| bad())
            }
        }

        json.deserialize_str(Text)
    }
}
