//! Bundles of a small vault, for the tests of all dialects.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::expect_used)]

use bunker_bundle::schema::{registers, table};
use bunker_bundle::{Cursor, Dialect, FORMAT, Header, Kind, Table, Value, Writer};
use bunker_core::crypto::BundleKey;
use bunker_core::secret::SecretKey;
use uuid::Uuid;

/// The key of a vault; another number is another vault.
pub fn key(vault: u8) -> BundleKey {
    BundleKey::new(&SecretKey::from_bytes([vault; 32]))
}

/// The uuid with this number.
pub fn uuid(number: u32) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

/// What is in a bundle. Its id and its number are the same.
#[derive(Clone)]
pub struct Content {
    pub vault: u8,
    pub number: u32,
    /// The bundle before this one, unless it is whole.
    pub previous: Option<u32>,
    /// The users that it replaces, and the seed of what they have now; without one they are gone.
    pub users: Vec<(u32, Option<u32>)>,
}

impl Content {
    /// A whole bundle of two users.
    pub fn whole(number: u32) -> Self {
        Self { vault: 1, number, previous: None, users: vec![(1, Some(number)), (2, Some(number))] }
    }

    /// One that comes after the bundle before it: it changes user 2, adds user 3 and removes user 1.
    pub fn next(number: u32) -> Self {
        let users = vec![(2, Some(number)), (3, Some(number)), (1, None)];
        Self { previous: Some(number - 1), users, ..Self::whole(number) }
    }

    /// All lines, in a dialect.
    pub fn lines(&self, dialect: Box<dyn Dialect>) -> Vec<String> {
        let key = key(self.vault);
        let made_at = i64::from(self.number);
        let cursor = Cursor { bundle: uuid(self.number), number: made_at, floor: made_at, made_at };
        let mut writer = Writer::begin(dialect, self.header());
        match self.previous {
            None => writer.replace(&bunker_bundle::schema::TABLES.iter().collect::<Vec<_>>()),
            Some(_) => writer.replace(&registers().collect::<Vec<_>>()),
        }
        for table in registers() {
            writer.row(table, row(table, uuid(0), self.number));
        }
        if self.previous.is_some() {
            writer.users(&self.users.iter().map(|user| uuid(user.0)).collect::<Vec<_>>());
        }
        for (user, seed) in &self.users {
            let Some(seed) = seed else { continue };
            for name in ["record", "lookup", "app_data"] {
                let table = table(name).expect("a table of the schema");
                writer.row(table, row(table, uuid(*user), *seed));
            }
        }
        writer.end(&key, cursor.encode(&key)).expect("the header can be written")
    }

    /// Its first line.
    pub fn header(&self) -> Header {
        Header {
            format: FORMAT,
            id: uuid(self.number),
            vault: Uuid::from_bytes(key(self.vault).vault()),
            number: i64::from(self.number),
            previous: self.previous.map(uuid),
            made_at: i64::from(self.number),
            region: "DE".to_owned(),
            expected_rows: 0,
        }
    }
}

/// A row of a table that belongs to a user, where rows do: every value follows from the seed.
pub fn row(table: &Table, user: Uuid, seed: u32) -> Vec<Value<'static>> {
    let value = |(index, column): (usize, &bunker_bundle::Column)| {
        if table.user == Some(column.name) {
            return Value::Uuid(user);
        }
        let number = seed * 100 + u32::try_from(index).expect("a few columns");
        match column.kind {
            _ if column.optional && number.is_multiple_of(2) => Value::Null,
            Kind::Uuid => Value::Uuid(uuid(number)),
            Kind::Int | Kind::Time => Value::Int(-i64::from(number)),
            Kind::Text => {
                Value::Text(format!("O'Hara \\ \" `x` -- /* # ; $$ 😀 é\r\n\t{number}").into())
            }
            Kind::Json => Value::Text(format!("{{\"a\":\"\\\"{number}\\u0000\"}}").into()),
            Kind::Bytes => Value::Bytes(
                [&[0, 10, 13, 26, 39, 92, 255], &user.as_bytes()[..], &number.to_be_bytes()]
                    .concat()
                    .into(),
            ),
        }
    };
    table.columns.iter().enumerate().map(value).collect()
}
