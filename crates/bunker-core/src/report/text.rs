//! Text for the page: what comes from data, and numbers as people write them.

use std::fmt::Write;

use maud::{Escaper, Render};

/// Characters that are not seen but act: they reorder, join, hide or end what stands around them.
/// Line feed and tab are not among them, nor the joiners that scripts and emoji need.
const UNSEEN: [(char, char); 18] = [
    ('\u{0}', '\u{8}'),
    ('\u{b}', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200b}'),
    ('\u{200e}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{fffe}', '\u{ffff}'),
    ('\u{e0000}', '\u{e0fff}'),
];

fn is_unseen(c: char) -> bool {
    // Most text is told apart by its first comparison.
    c != '\n' && c != '\t' && UNSEEN.iter().any(|&(first, last)| (first..=last).contains(&c))
}

/// Text of a data record, as the content of an element: escaped, kept apart from its surroundings
/// whichever way it runs, and with every unseen character named in a mark that text cannot forge.
pub struct Data<'a>(pub &'a str);

impl Render for Data<'_> {
    fn render_to(&self, page: &mut String) {
        page.push_str("<bdi>");
        pieces(self.0, page, |page, c| {
            _ = write!(page, "<span class=\"unseen\">U+{:04X}</span>", u32::from(c));
        });
        page.push_str("</bdi>");
    }
}

/// The same where no element may stand: in the title of the page.
pub struct Plain<'a>(pub &'a str);

impl Render for Plain<'_> {
    fn render_to(&self, page: &mut String) {
        pieces(self.0, page, |page, c| {
            _ = write!(page, "[U+{:04X}]", u32::from(c));
        });
    }
}

/// Escapes a text, its unseen characters by `mark`.
fn pieces(text: &str, page: &mut String, mark: impl Fn(&mut String, char)) {
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|&(_, c)| is_unseen(c)) {
        let (seen, after) = rest.split_at(at);
        escape(seen, page);
        rest = after.strip_prefix(c).unwrap_or_default();
        // A line end of Windows is one line end, as HTML reads it.
        if !(c == '\r' && rest.starts_with('\n')) {
            mark(page, c);
        }
    }
    escape(rest, page);
}

fn escape(text: &str, page: &mut String) {
    _ = Escaper::new(page).write_str(text);
}

/// The first `limit` characters, with a sign where more follow.
pub fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// A number with its thousands set apart: `50,000`.
pub fn number(count: usize) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of things: `1 session`, `2,000 sessions`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}
