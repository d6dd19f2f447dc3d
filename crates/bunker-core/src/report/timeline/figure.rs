//! The picture: a histogram as SVG that keeps the size of its words while its width follows the page.

use maud::{Markup, html};
use serde_json::Value;

use super::bins::{Bins, Counts};
use crate::report::text::{counted, number};
use crate::report::time::Moment;

/// The line that bars stand on, and how high the highest is, in CSS pixels from the top.
const GROUND: f64 = 156.0;
const HEIGHT: f64 = 140.0;
/// What would be lower is drawn so high, or a single refusal among thousands would not be seen.
const LOWEST: f64 = 2.0;
/// How much of its part of the axis a bar takes.
const FILLED: f64 = 0.84;
/// A label further along the axis than this, in percent, ends there: beside it the page ends too.
const EDGE: f64 = 97.0;

/// The histogram with its legend; a line that says so where no time can be understood.
pub fn figure(accesses: &[Value]) -> Markup {
    let Some(bins) = Bins::of(accesses) else {
        return html! { p.quiet { "The times of the accesses cannot be read." } };
    };
    let total = bins.total();
    let unknown = accesses.len() - total.total();
    html! {
        figure.timeline {
            figcaption {
                (span(&bins)) " Each bar is " (bins.step.name()) "."
                @if unknown > 0 { " Without a readable time: " (number(unknown)) "." }
            }
            (legend(total))
            (drawing(&bins))
        }
    }
}

/// From when to when, in one sentence.
fn span(bins: &Bins) -> String {
    let (first, last) = bins.span;
    let (first, last) = (Moment::from_microseconds(first), Moment::from_microseconds(last));
    let accesses = counted(bins.total().total(), "access", "accesses");
    if first.second() == last.second() {
        format!("{accesses} on {}.", first.second())
    } else {
        format!("{accesses} from {} to {}.", first.minute(), last.minute())
    }
}

fn legend(total: Counts) -> Markup {
    html! {
        ul.legend {
            li.reads { (counted(total.reads, "read", "reads")) }
            li.changes { (counted(total.changes, "change", "changes")) }
            li.refusals { (number(total.refusals)) " refused or failed" }
        }
    }
}

fn drawing(bins: &Bins) -> Markup {
    let top = round_up(bins.highest());
    html! {
        svg role="img" aria-labelledby="timeline-title timeline-description" width="100%" height="184" {
            title id="timeline-title" { "Accesses over time" }
            desc id="timeline-description" { (description(bins)) }
            (grid(top))
            @for (index, counts) in bins.counts.iter().enumerate() {
                @if counts.total() > 0 { (bar(bins, index, *counts, top)) }
            }
            (axis(bins))
        }
    }
}

/// The picture in words.
fn description(bins: &Bins) -> String {
    let highest = bins.highest();
    let place = bins.counts.iter().position(|counts| counts.total() == highest).unwrap_or_default();
    format!(
        "Histogram. {} {}. The most within {}: {}, from {}.",
        span(bins),
        in_words(bins.total()),
        bins.step.name(),
        number(highest),
        Moment::from_microseconds(bins.start(place)).minute(),
    )
}

fn in_words(counts: Counts) -> String {
    let reads = counted(counts.reads, "read", "reads");
    let changes = counted(counts.changes, "change", "changes");
    format!("{reads}, {changes}, {} refused or failed", number(counts.refusals))
}

/// Lines across the picture at nothing, half and all of `top`, with their numbers.
fn grid(top: usize) -> Markup {
    let mut marks = vec![0, top];
    if top.is_multiple_of(2) {
        marks.insert(1, top / 2);
    }
    html! {
        @for mark in marks {
            @let y = GROUND - height(mark, top);
            line.grid x1="0" x2="100%" y1=(pixels(y)) y2=(pixels(y)) {}
            text.scale x="-8" y=(pixels(y + 4.0)) text-anchor="end" { (number(mark)) }
        }
    }
}

/// One bar of up to three colours; its tooltip answers anywhere above it.
fn bar(bins: &Bins, index: usize, counts: Counts, top: usize) -> Markup {
    let (start, end) = (bins.start(index), bins.start(index + 1));
    let (left, right) = (bins.percent(start), bins.percent(end));
    let width = (right - left) * FILLED;
    let x = left + (right - left - width) / 2.0;
    let mut y = GROUND;
    html! {
        g.bar {
            title {
                (Moment::from_microseconds(start).minute()) ", " (bins.step.name()) ": "
                (in_words(counts))
            }
            rect.area x=(percent(left)) width=(percent(right - left)) y="0" height=(pixels(GROUND)) {}
            @for (class, count) in [
                ("reads", counts.reads), ("changes", counts.changes), ("refusals", counts.refusals),
            ] {
                @if count > 0 {
                    @let height = height(count, top).max(LOWEST);
                    @let () = y -= height;
                    rect class=(class) x=(percent(x)) width=(percent(width)) y=(pixels(y))
                        height=(pixels(height)) {}
                }
            }
        }
    }
}

/// The labels below, each with a short line; every second one only where there is room.
fn axis(bins: &Bins) -> Markup {
    html! {
        @for (index, (at, label)) in bins.ticks().into_iter().enumerate() {
            @let anchor = if at > EDGE { "end" } else { "middle" };
            g class=(if index % 2 == 0 { "tick" } else { "tick spare" }) {
                line x1=(percent(at)) x2=(percent(at)) y1=(pixels(GROUND)) y2=(pixels(GROUND + 5.0)) {}
                text x=(percent(at)) y=(pixels(GROUND + 20.0)) text-anchor=(anchor) { (label) }
            }
        }
    }
}

/// The next number with one leading digit of 1, 2, 4, 6, 8 that is not smaller.
fn round_up(count: usize) -> usize {
    let mut unit: usize = 1;
    while unit.saturating_mul(10) <= count {
        unit *= 10;
    }
    [1, 2, 4, 6, 8, 10]
        .into_iter()
        .map(|digit| unit * digit)
        .find(|top| *top >= count)
        .unwrap_or(count)
}

#[allow(clippy::cast_precision_loss, reason = "a length on a picture")]
fn height(count: usize, top: usize) -> f64 {
    count as f64 / top.max(1) as f64 * HEIGHT
}

fn percent(value: f64) -> String {
    format!("{value:.3}%")
}

fn pixels(value: f64) -> String {
    format!("{value:.1}")
}
