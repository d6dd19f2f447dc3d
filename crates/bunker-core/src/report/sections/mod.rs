//! The sections of the page, one function each.

mod accesses;
mod consents;
mod held;
mod history;
mod requests;

use maud::{Markup, html};
use serde_json::Value;

/// All of them, in the order of the summary.
pub fn all(report: &Value) -> Markup {
    html! {
        (held::profile(report))
        (history::history(report))
        (held::apps(report))
        (held::sessions(report))
        (held::shares(report))
        (consents::consents(report))
        (consents::activities(report))
        (requests::requests(report))
        (requests::expiry(report))
        (accesses::accesses(report))
    }
}
