//! Writes the HTML page of a report to standard output: `report < report.json > report.html`.

use std::io::{self, Read, Write};

use serde::Deserialize;
use serde_json::{Deserializer, Value};

fn main() -> io::Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    // The profile in the report may have as many levels as the parser allows by itself for all.
    let mut parser = Deserializer::from_str(&text);
    parser.disable_recursion_limit();
    let report = Value::deserialize(&mut parser)?;
    parser.end()?;
    io::stdout().write_all(bunker_core::report::html(&report).as_bytes())
}
