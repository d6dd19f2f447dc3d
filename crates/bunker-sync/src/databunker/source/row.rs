//! A row of a store.

use super::Query;

/// A row of a store, its values as texts.
pub struct Row<'a> {
    columns: &'a [&'a str],
    of_users: bool,
    cells: Vec<Option<String>>,
    is_utf8: bool,
}

/// The user to whom a row belongs.
pub enum Owner<'a> {
    /// There is none of that token.
    Unknown,
    /// He was forgotten, and his key with him.
    Forgotten,
    /// What is his is encrypted under this.
    Key(&'a str),
}

impl<'a> Row<'a> {
    /// A row from the bytes that a query gave.
    pub fn new(query: &Query<'a>, cells: Vec<Option<Vec<u8>>>) -> Self {
        let mut is_utf8 = true;
        let cells = cells.into_iter().map(|cell| {
            cell.and_then(|bytes| String::from_utf8(bytes).inspect_err(|_| is_utf8 = false).ok())
        });
        let cells = cells.collect();
        Self { columns: query.columns, of_users: query.of_users, cells, is_utf8 }
    }

    /// Whether all of it is UTF-8; the values that are not are missing.
    pub fn is_utf8(&self) -> bool {
        self.is_utf8
    }

    /// A text; the server makes no difference between an empty one and NULL.
    pub fn text(&self, column: &str) -> Option<&str> {
        let position = self.columns.iter().position(|it| *it == column)?;
        self.cell(position).filter(|text| !text.is_empty())
    }

    /// A time in seconds since 1970; the server has 0 for none.
    pub fn time(&self, column: &str) -> Option<i64> {
        self.text(column)?.parse().ok().filter(|time| *time != 0)
    }

    /// A truth value, as the databases spell them.
    pub fn flag(&self, column: &str) -> bool {
        matches!(self.text(column), Some("1" | "true" | "t"))
    }

    /// Whose row it is.
    pub fn owner(&self) -> Owner<'_> {
        let (key, exists) = (self.cell(self.columns.len()), self.cell(self.columns.len() + 1));
        match (key.filter(|key| !key.is_empty()), exists) {
            (Some(key), _) if self.of_users => Owner::Key(key),
            (None, Some(_)) => Owner::Forgotten,
            _ => Owner::Unknown,
        }
    }

    fn cell(&self, position: usize) -> Option<&str> {
        self.cells.get(position)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: Query<'static> =
        Query { table: "t", columns: &["a", "b"], of_users: true, limit: None };

    fn row(cells: [Option<&[u8]>; 4]) -> Row<'static> {
        Row::new(&QUERY, cells.map(|cell| cell.map(<[u8]>::to_vec)).into())
    }

    #[test]
    fn values_are_found_by_name() {
        let row = row([Some(b"x"), Some(b"17"), None, None]);
        assert_eq!((row.text("a"), row.time("b"), row.text("c")), (Some("x"), Some(17), None));
        assert_eq!((row.time("a"), row.flag("a")), (None, false));
    }

    #[test]
    fn nothing_and_zero_are_missing() {
        let row = row([Some(b""), Some(b"0"), None, None]);
        assert_eq!((row.text("a"), row.time("b")), (None, None));
    }

    #[test]
    fn what_is_not_utf8_is_said() {
        assert!(!row([Some(b"\xff"), None, None, None]).is_utf8());
        assert!(row([Some("ü".as_bytes()), None, None, None]).is_utf8());
    }

    #[test]
    fn an_owner_has_a_key_until_he_is_forgotten() {
        assert!(matches!(row([None, None, Some(b"k"), Some(b"1")]).owner(), Owner::Key("k")));
        assert!(matches!(row([None, None, Some(b""), Some(b"1")]).owner(), Owner::Forgotten));
        assert!(matches!(row([None, None, None, Some(b"1")]).owner(), Owner::Forgotten));
        assert!(matches!(row([None, None, None, None]).owner(), Owner::Unknown));
    }
}
