//! The report of a data subject as one HTML page: complete in itself, without script, without any
//! reference to the outside, for the screen of a telephone as well as for paper.
//!
//! Data reach the page as the text of elements only, and only through [`text`], which escapes them and
//! shows what would act unseen. No attribute, identifier, class, style or address is made from data,
//! except times, which are printed anew from what was understood of them.

mod actions;
mod changes;
mod member;
mod page;
mod parts;
mod sections;
mod text;
mod time;
mod timeline;
mod tree;

use serde_json::Value;

/// The page for a report as `bunker_user_report` makes it. What is missing, null or of another type
/// than expected is shown as well as it can be: every report has a page.
///
/// All of the report is shown, however large, except accesses: of these the newest 500, and how many
/// more there are.
#[must_use]
pub fn html(report: &Value) -> String {
    page::page(report).into_string()
}
