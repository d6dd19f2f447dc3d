//! Standard output, and standard error.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::error::Result;

/// Writes a line to standard output. A reader who has gone away is an error, no panic.
pub fn line(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(())
}

/// A line on standard error, after the program's name. What servers and targets say may be in it.
pub fn complain(text: &str) {
    error_line(&format!("bunker-sync: {text}"));
}

/// A line on standard error, as it may be shown. If nobody takes it any more, it is lost: no reason to
/// stop what is being done.
pub fn error_line(text: &str) {
    let _ = writeln!(io::stderr(), "{}", shown(text));
}

/// A text of somebody else as it may be shown on a terminal: without control characters, which could
/// rewrite what stands there.
pub fn shown(text: &str) -> Cow<'_, str> {
    let is_harmful = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if text.contains(is_harmful) {
        text.replace(is_harmful, "\u{fffd}").into()
    } else {
        text.into()
    }
}
