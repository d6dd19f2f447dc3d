//! JSON Lines: one object a line, with one member that says what it is.

use serde_json::json;
use uuid::Uuid;

use crate::header::Header;
use crate::schema::Table;
use crate::summary::Signed;
use crate::value::Value;
use crate::writer::Dialect;

/// The dialect that [`crate::Reader`] reads.
pub struct JsonLines;

impl Dialect for JsonLines {
    fn begin(&mut self, header: &Header, lines: &mut Vec<String>) {
        lines.push(json!({ "bundle": header }).to_string());
    }

    fn replace(&mut self, tables: &[&'static Table], lines: &mut Vec<String>) {
        let names: Vec<_> = tables.iter().map(|table| table.name).collect();
        lines.push(json!({ "replace": names }).to_string());
    }

    fn users(&mut self, tokens: &[Uuid], lines: &mut Vec<String>) {
        lines.push(json!({ "users": tokens }).to_string());
    }

    fn rows(
        &mut self,
        table: &'static Table,
        rows: &[Vec<Value<'static>>],
        lines: &mut Vec<String>,
    ) {
        let mut line = format!("{{\"{}\":", table.name).into_bytes();
        // Writing JSON to memory does not fail, nor does it write anything but UTF-8.
        let written = serde_json::to_writer(&mut line, rows);
        debug_assert!(written.is_ok());
        line.push(b'}');
        lines.push(String::from_utf8_lossy(&line).into_owned());
    }

    fn end(&mut self, signed: &Signed, lines: &mut Vec<String>) {
        lines.push(last_line(&signed.text, &signed.signature_hex()));
    }
}

/// What stands before and after the text of the summary in the last line.
pub(crate) const END: (&str, &str) = ("{\"end\":", ",\"signature\":\"");

fn last_line(text: &str, signature: &str) -> String {
    format!("{}{text}{}{signature}\"}}", END.0, END.1)
}

/// The text of the summary and the signature, if this is a last line.
pub(crate) fn split_last_line(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix(END.0)?.strip_suffix("\"}")?.rsplit_once(END.1)
}
