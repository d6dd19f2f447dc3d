//! Which column becomes which member of the profile.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// One `--map`: a member of the profile, and the column that fills it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The names on the way to the member.
    path: Vec<String>,
    column: String,
}

/// Reads `member=column`. Dots in `member` lead into objects; `\.`, `\=` and `\\` are the characters
/// themselves. The column's name is taken as it stands, with its case and without quotes.
pub fn parse_pair(text: &str) -> std::result::Result<Pair, String> {
    let mut path = vec![String::new()];
    let mut characters = text.chars();
    loop {
        let next = match characters.next() {
            None => return Err("write MEMBER=COLUMN".to_owned()),
            Some('=') => break,
            Some('.') => {
                path.push(String::new());
                continue;
            }
            Some('\\') => match characters.next() {
                Some(escaped @ ('.' | '=' | '\\')) => escaped,
                _ => return Err("after a backslash stands a dot, = or a backslash".to_owned()),
            },
            Some(character) => character,
        };
        if let Some(name) = path.last_mut() {
            name.push(next);
        }
    }
    let column: String = characters.collect();
    if column.is_empty() || path.iter().any(String::is_empty) {
        return Err("neither the names in MEMBER nor COLUMN may be empty".to_owned());
    }
    Ok(Pair { path, column })
}

/// What a member of the profile is filled with.
#[derive(Debug, PartialEq, Eq)]
pub enum Node {
    /// With the value of a column.
    Column(String),
    /// With an object of such members.
    Object(Mapping),
}

/// The members of a profile, or of an object in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mapping(pub BTreeMap<String, Node>);

impl Mapping {
    /// The mapping of these pairs and, under their own names, of these columns.
    ///
    /// # Errors
    /// [`Error::Usage`] when two of them want the same place, or there is nothing to map.
    pub fn new(pairs: &[Pair], columns: &[String]) -> Result<Self> {
        let mut mapping = Self::default();
        for pair in pairs {
            mapping.insert(&pair.path, &pair.column)?;
        }
        for column in columns {
            mapping.insert(std::slice::from_ref(column), column)?;
        }
        if mapping.0.is_empty() {
            return Err(Error::Usage("nothing to bring: give --map, --column or --map-rest"));
        }
        Ok(mapping)
    }

    fn insert(&mut self, path: &[String], column: &str) -> Result<()> {
        const TWICE: Error = Error::Usage("two columns want the same member of the profile");
        match path {
            [] => Ok(()),
            [name] => {
                let node = Node::Column(column.to_owned());
                self.0.insert(name.clone(), node).map_or(Ok(()), |_| Err(TWICE))
            }
            [name, rest @ ..] => {
                let empty = || Node::Object(Self::default());
                match self.0.entry(name.clone()).or_insert_with(empty) {
                    Node::Object(inner) => inner.insert(rest, column),
                    Node::Column(_) => Err(TWICE),
                }
            }
        }
    }

    /// The columns that are read, each once, in the order of their names.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = Vec::new();
        self.collect_columns(&mut columns);
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    fn collect_columns<'a>(&'a self, columns: &mut Vec<&'a str>) {
        for node in self.0.values() {
            match node {
                Node::Column(column) => columns.push(column),
                Node::Object(inner) => inner.collect_columns(columns),
            }
        }
    }
}

/// The columns of the pairs.
pub fn columns_of(pairs: &[Pair]) -> impl Iterator<Item = &str> {
    pairs.iter().map(|pair| pair.column.as_str())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn mapping(pairs: &[&str], columns: &[&str]) -> Result<Mapping> {
        let pairs: Vec<_> = pairs.iter().map(|text| parse_pair(text).unwrap()).collect();
        let columns: Vec<_> = columns.iter().map(|&name| name.to_owned()).collect();
        Mapping::new(&pairs, &columns)
    }

    #[test]
    fn dots_lead_into_objects_and_escapes_do_not() {
        let mapping =
            mapping(&["address.city=Ort", r"a\.b\=c=x=y", r"a\\.b=z"], &["email"]).unwrap();
        let object = |name: &str, column: &str| {
            let column = Node::Column(column.to_owned());
            Node::Object(Mapping(BTreeMap::from([(name.to_owned(), column)])))
        };
        assert_eq!(mapping.0["address"], object("city", "Ort"));
        assert_eq!(mapping.0["a.b=c"], Node::Column("x=y".to_owned()));
        assert_eq!(mapping.0["a\\"], object("b", "z"));
        assert_eq!(mapping.columns(), ["Ort", "email", "x=y", "z"]);
    }

    #[test]
    fn half_a_pair_is_refused() {
        for text in ["", "email", "=x", "email=", "a..b=x", ".a=x", "a.=x", r"a\b=x"] {
            assert!(parse_pair(text).is_err(), "{text}");
        }
    }

    #[test]
    fn two_columns_for_one_member_are_refused() {
        for pairs in [["a=x", "a=y"], ["a=x", "a.b=y"], ["a.b=x", "a=y"], ["a.b.c=x", "a.b=y"]] {
            assert!(matches!(mapping(&pairs, &[]), Err(Error::Usage(_))), "{pairs:?}");
        }
        assert!(matches!(mapping(&["email=mail"], &["email"]), Err(Error::Usage(_))));
        assert!(matches!(mapping(&[], &[]), Err(Error::Usage(_))));
    }

    #[test]
    fn a_column_may_fill_two_members() {
        assert_eq!(mapping(&["email=mail", "login=mail"], &[]).unwrap().columns(), ["mail"]);
    }
}
