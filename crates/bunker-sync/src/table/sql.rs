//! The statements, made for one table.

use crate::error::Result;
use crate::table::catalog::Table;
use crate::table::mapping::{Mapping, Node};

/// What is done with a table.
pub struct Plan<'a> {
    /// The table.
    pub table: &'a Table,
    /// What of it becomes the profile.
    pub mapping: &'a Mapping,
    /// The column that takes the tokens; None while it is not there, in a dry run.
    pub token: Option<&'a str>,
    /// The column that says since when there is the user.
    pub created_at: Option<&'a str>,
    /// The caller's own condition, SQL.
    pub condition: Option<&'a str>,
    /// The schema of the vault's functions, quoted.
    pub vault_schema: &'a str,
    /// Whether nothing of the table is locked or written.
    pub is_dry: bool,
}

/// Which rows a batch takes.
#[derive(Clone, Copy)]
pub struct Page {
    /// How many at most.
    pub size: u16,
    /// Whether it begins after a key, whose columns are the parameters, as texts.
    pub is_next: bool,
    /// Whether rows that somebody else has locked are waited for; else they are passed over.
    pub waits: bool,
}

impl Plan<'_> {
    /// Counts the rows that have no token yet. The comment has the server mask the statement and its
    /// errors in its log, as those of the batches: the caller's condition may fail over somebody's data.
    pub fn count(&self) -> String {
        let (table, left) = (&self.table.name, self.is_left());
        format!("SELECT count(*) FROM {table} AS t WHERE {left} /* for bunker_import_rows */")
    }

    /// Brings in one batch, and says in one row: how many rows it took, how many of them are users now,
    /// how many tokens the table took, the last key, and what failed (see [`super::batch`]).
    ///
    /// The lock on a row brings its newest version; the UPDATE finds it by its key. Whoever changes a
    /// key between the two makes the numbers differ, and the batch is undone.
    pub fn batch(&self, page: Page) -> Result<String> {
        let (keys, texts) = (self.numbered_keys("k").join(", "), self.key_texts());
        let stored = if self.is_dry {
            "SELECT true AS kept FROM numbered, brought WHERE brought.tokens[n] IS NOT NULL"
                .to_owned()
        } else {
            self.store()?
        };
        let read: Vec<_> = self.mapping.columns().into_iter().chain(self.created_at).collect();
        let content = format!(
            ", COALESCE({profile}, '{{}}') AS profile, {created} AS created",
            profile = object(self.mapping),
            created = self.created(),
        );
        Ok(format!(
            "WITH page AS MATERIALIZED ({page}),
             numbered AS MATERIALIZED (
                 SELECT pg_catalog.row_number() OVER (ORDER BY {keys})::int AS n, page.* FROM page),
             brought AS MATERIALIZED (
                 SELECT pg_catalog.array_agg(b.token ORDER BY b.\"row\") AS tokens,
                        pg_catalog.array_agg(b.sqlstate ORDER BY b.\"row\") AS sqlstates,
                        pg_catalog.array_agg(b.message ORDER BY b.\"row\") AS messages
                   FROM {vault}.bunker_import_rows(ARRAY(
                            SELECT pg_catalog.jsonb_build_object('kind', 'user', 'profile', profile)
                                   || created
                              FROM numbered ORDER BY n)) AS b),
             stored AS ({stored})
             SELECT count(*), count(tokens[n]), (SELECT count(*) FROM stored WHERE kept),
                    (SELECT ARRAY[{texts}] FROM numbered ORDER BY n DESC LIMIT 1),
                    pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                        'key', ARRAY[{texts}], 'sqlstate', sqlstates[n], 'message', messages[n])
                        ORDER BY n) FILTER (WHERE tokens[n] IS NULL)
               FROM numbered, brought",
            page = self.page(page, &content, &read)?,
            vault = self.vault_schema,
        ))
    }

    /// Finds the key of the first row of a page, in the texts of its columns. Nothing else of the row is
    /// looked at.
    pub fn first_key(&self, page: Page) -> Result<String> {
        let page = self.page(Page { size: 1, ..page }, "", &[])?;
        Ok(format!("SELECT ARRAY[{}] FROM ({page}) AS page", self.key_texts()))
    }

    /// The rows of a page: their keys, and `content` made of columns that are read. It is made of these
    /// rows only: over another row it might fail.
    fn page(&self, page: Page, content: &str, read: &[&str]) -> Result<String> {
        let columns = self.key_columns().join(", ");
        let mut read: Vec<_> = read.iter().map(|name| qualified(name)).collect();
        read.extend(self.key_columns());
        read.sort_unstable();
        read.dedup();
        let keys: Vec<_> = (self.key_columns().iter().zip(self.numbered_keys("k")))
            .map(|(column, key)| format!("{column} AS {key}"))
            .collect();
        let after = if page.is_next { self.after(&columns)? } else { String::new() };
        let lock = match (self.is_dry, page.waits) {
            (true, _) => "",
            (false, true) => "FOR UPDATE OF t",
            (false, false) => "FOR UPDATE OF t SKIP LOCKED",
        };
        Ok(format!(
            "SELECT {keys}{content}
               FROM (SELECT {read} FROM {table} AS t
                      WHERE {left}{after} ORDER BY {columns} LIMIT {size} {lock}) AS t",
            keys = keys.join(", "),
            read = read.join(", "),
            table = self.table.name,
            left = self.is_left(),
            size = page.size,
        ))
    }

    fn after(&self, columns: &str) -> Result<String> {
        let mut parameters = Vec::new();
        for (place, name) in self.table.key.iter().enumerate() {
            parameters.push(format!("${}::text::{}", place + 1, self.table.column(name)?.kind));
        }
        Ok(format!(" AND ({columns}) > ({})", parameters.join(", ")))
    }

    /// Writes the tokens; a trigger of the table may see to it that one does not stay.
    fn store(&self) -> Result<String> {
        let Some(token) = self.token else {
            return Ok("SELECT true AS kept WHERE false".to_owned());
        };
        let same: Vec<_> = (self.key_columns().iter().zip(self.numbered_keys("numbered.k")))
            .map(|(column, key)| format!("{column} = {key}"))
            .collect();
        Ok(format!(
            "UPDATE {table} AS t SET {token} = brought.tokens[numbered.n]::{kind} FROM numbered, brought
              WHERE {same} AND brought.tokens[numbered.n] IS NOT NULL
          RETURNING t.{token}::text = brought.tokens[numbered.n]::text AS kept",
            table = self.table.name,
            kind = self.table.column(token)?.kind,
            token = identifier(token),
            same = same.join(" AND "),
        ))
    }

    /// `{"created_at": …}`, or nothing where there is no time. A time without a zone is one in UTC, as
    /// the session's zone is.
    fn created(&self) -> String {
        let Some(column) = self.created_at else {
            return "'{}'::jsonb".to_owned();
        };
        let is_number = self.table.column(column).is_ok_and(|it| is_number(&it.kind));
        let column = qualified(column);
        let time = if is_number { column.clone() } else { format!("{column}::timestamptz") };
        format!(
            "CASE WHEN {column} IS NULL THEN '{{}}'::jsonb
                  ELSE pg_catalog.jsonb_build_object('created_at', {time}) END"
        )
    }

    fn is_left(&self) -> String {
        let left = self.token.map_or("true".to_owned(), |it| format!("{} IS NULL", qualified(it)));
        // On a line of its own: it may end in a comment.
        self.condition.map_or_else(|| left.clone(), |sql| format!("{left} AND ({sql}\n)"))
    }

    fn key_columns(&self) -> Vec<String> {
        self.table.key.iter().map(|name| qualified(name)).collect()
    }

    /// The key of a row of a page, as texts.
    fn key_texts(&self) -> String {
        let texts: Vec<_> =
            self.numbered_keys("k").iter().map(|key| format!("{key}::text")).collect();
        texts.join(", ")
    }

    /// Names for the columns of the key that are nobody else's.
    fn numbered_keys(&self, prefix: &str) -> Vec<String> {
        (1..=self.table.key.len()).map(|number| format!("{prefix}{number}")).collect()
    }
}

/// An object of what is not NULL; NULL when all is.
fn object(mapping: &Mapping) -> String {
    let member = |(name, node): (&String, &Node)| {
        let value = match node {
            Node::Column(column) => format!("pg_catalog.to_jsonb({})", qualified(column)),
            Node::Object(inner) => object(inner),
        };
        format!("({}, {value})", literal(name))
    };
    let members: Vec<_> = mapping.0.iter().map(member).collect();
    format!(
        "(SELECT pg_catalog.jsonb_object_agg(m.name, m.value)
            FROM (VALUES {}) AS m (name, value) WHERE m.value IS NOT NULL)",
        members.join(", ")
    )
}

/// Numbers are Unix seconds.
fn is_number(kind: &str) -> bool {
    const NUMBERS: [&str; 6] =
        ["smallint", "integer", "bigint", "numeric", "real", "double precision"];
    NUMBERS.contains(&kind) || kind.starts_with("numeric(")
}

/// A name as SQL has it.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn qualified(column: &str) -> String {
    format!("t.{}", identifier(column))
}

/// A text as SQL has it, whatever `standard_conforming_strings` is.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
