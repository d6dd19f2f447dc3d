//! Every row of `spellings.tsv`: one spelling, and what it must become.

use bunker_core::normalize::{NormalizeError, Normalizer, Region};

const SPELLINGS: &str = include_str!("spellings.tsv");

struct Row {
    line: usize,
    normalizer: Normalizer,
    region: Region,
    spelling: String,
    expected: Result<String, String>,
}

impl Row {
    fn read(line: usize, text: &str) -> Result<Self, String> {
        let bad = |what: &str| format!("line {line}: {what}");
        let columns: Vec<&str> = text.split('\t').collect();
        let &[kind, region, spelling, expected] = columns.as_slice() else {
            return Err(bad("not four columns"));
        };
        let region = if region == "-" { "GB" } else { region };
        Ok(Self {
            line,
            normalizer: kind.parse().map_err(|_| bad("no such kind"))?,
            region: Region::parse(region).map_err(|_| bad("no such region"))?,
            spelling: unescape(spelling).ok_or_else(|| bad("bad escape"))?,
            expected: match expected.strip_prefix('!') {
                Some(error) => Err(error.to_owned()),
                None => Ok(unescape(expected).ok_or_else(|| bad("bad escape"))?),
            },
        })
    }

    fn normalize(&self, value: &str) -> Result<String, String> {
        let normal = self.normalizer.normalize(value, self.region);
        normal.map(String::from).map_err(|error: NormalizeError| format!("{error:?}"))
    }

    fn failure(&self) -> Option<String> {
        let Self { line, expected, .. } = self;
        let found = self.normalize(&self.spelling);
        if found != *expected {
            return Some(format!("line {line}: expected {expected:?}, found {found:?}"));
        }
        let normal = found.ok()?;
        let again = self.normalize(&normal);
        (again.as_ref() != Ok(&normal)).then(|| format!("line {line}: not final, {again:?}"))
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.push_str(before);
        let (c, after) = match escape.split_at_checked(1)? {
            ("u", code) => {
                let (hex, after) = code.strip_prefix('{')?.split_once('}')?;
                (char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, after)
            }
            ("t", after) => ('\t', after),
            ("n", after) => ('\n', after),
            ("r", after) => ('\r', after),
            ("\\", after) => ('\\', after),
            _ => return None,
        };
        plain.push(c);
        rest = after;
    }
    plain.push_str(rest);
    Some(plain)
}

fn rows() -> Vec<Result<Row, String>> {
    let lines = (1..).zip(SPELLINGS.lines());
    lines
        .filter(|(_, text)| !text.is_empty() && !text.starts_with('#'))
        .map(|(line, text)| Row::read(line, text))
        .collect()
}

#[test]
fn every_spelling_has_its_normal_form() {
    let failures: Vec<String> =
        rows().into_iter().filter_map(|row| row.map_or_else(Some, |row| row.failure())).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_table_covers_every_rule_and_many_regions() {
    let rows: Vec<Row> = rows().into_iter().filter_map(Result::ok).collect();
    assert!(rows.len() >= 150, "{} rows", rows.len());
    let rules = [
        (Normalizer::Email, 60),
        (Normalizer::Phone, 60),
        (Normalizer::Login, 15),
        (Normalizer::Custom, 5),
        (Normalizer::Exact, 3),
    ];
    for (rule, least) in rules {
        let count = rows.iter().filter(|row| row.normalizer == rule).count();
        assert!(count >= least, "{} {}", count, rule.as_str());
    }
    let mut regions: Vec<String> = rows
        .iter()
        .filter(|row| row.normalizer == Normalizer::Phone)
        .map(|row| row.region.to_string())
        .collect();
    regions.sort_unstable();
    regions.dedup();
    assert!(regions.len() >= 12, "{regions:?}");
}
