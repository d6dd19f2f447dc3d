//! Accesses counted in equal parts of time.

use serde_json::Value;

use super::step::{STEPS, Step};
use crate::report::actions::Effect;
use crate::report::member::word;
use crate::report::time::Moment;

/// More bars than this cannot be told apart on a telephone.
const MOST_BINS: i64 = 90;
/// A burst within minutes stands in the middle of so many, not alone on an axis without length.
const FEWEST_MINUTES: i64 = 30;
/// As many labels as the axis has room for.
const MOST_TICKS: i64 = 7;

/// How many accesses there were of each effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub reads: usize,
    pub changes: usize,
    pub refusals: usize,
}

impl Counts {
    pub fn total(self) -> usize {
        self.reads + self.changes + self.refusals
    }

    fn add(&mut self, effect: Effect) {
        *match effect {
            Effect::Read => &mut self.reads,
            Effect::Change => &mut self.changes,
            Effect::Refusal => &mut self.refusals,
        } += 1;
    }
}

/// A time axis in parts, and the accesses in each. Times are microseconds since 2000-01-01 UTC.
#[derive(Debug, PartialEq, Eq)]
pub struct Bins {
    pub step: Step,
    /// Number of the first part.
    first: i64,
    /// One for each part, at least one.
    pub counts: Vec<Counts>,
    /// Times of the first and the last access.
    pub span: (i64, i64),
}

impl Bins {
    /// None where no access has a time that can be understood.
    pub fn of(accesses: &[Value]) -> Option<Self> {
        let events: Vec<_> = accesses.iter().filter_map(event).collect();
        let earliest = events.iter().map(|&(at, _)| at).min()?;
        let latest = events.iter().map(|&(at, _)| at).max()?;
        let (step, first, last) = parts(earliest, latest)?;
        let length = usize::try_from(last - first + 1).ok()?;
        let mut counts = vec![Counts::default(); length];
        for (at, effect) in events {
            let place = usize::try_from(step.part_of(at) - first).ok();
            if let Some(counts) = place.and_then(|place| counts.get_mut(place)) {
                counts.add(effect);
            }
        }
        Some(Self { step, first, counts, span: (earliest, latest) })
    }

    /// The sum over all parts.
    pub fn total(&self) -> Counts {
        self.counts.iter().fold(Counts::default(), |sum, counts| Counts {
            reads: sum.reads + counts.reads,
            changes: sum.changes + counts.changes,
            refusals: sum.refusals + counts.refusals,
        })
    }

    /// The largest number of accesses in one part.
    pub fn highest(&self) -> usize {
        self.counts.iter().map(|counts| counts.total()).max().unwrap_or_default()
    }

    /// When a part begins; the one after the last begins where the axis ends.
    pub fn start(&self, index: usize) -> i64 {
        self.step.start(self.first.saturating_add(i64::try_from(index).unwrap_or(i64::MAX)))
    }

    /// How far along the axis a time is, in percent.
    #[allow(clippy::cast_precision_loss, reason = "a place on a picture")]
    pub fn percent(&self, at: i64) -> f64 {
        let (start, end) = (self.start(0), self.start(self.counts.len()));
        (at - start) as f64 / (end - start) as f64 * 100.0
    }

    /// Where the axis is labelled, and how.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let (start, end) = (self.start(0), self.start(self.counts.len()));
        let coarser = STEPS.into_iter().skip_while(|step| *step != self.step);
        let ranges = coarser.map(|step| (step, step.part_of(start - 1) + 1..=step.part_of(end)));
        let fitting =
            ranges.into_iter().find(|(_, parts)| parts.end() - parts.start() < MOST_TICKS);
        let label = |(step, parts): (Step, std::ops::RangeInclusive<i64>)| {
            parts.map(move |part| step.start(part)).map(move |at| (at, step.label(at)))
        };
        let labels = fitting.into_iter().flat_map(label);
        labels.map(|(at, label)| (self.percent(at), label)).collect()
    }
}

fn event(access: &Value) -> Option<(i64, Effect)> {
    let at = Moment::parse(word(access, "at"))?;
    Some((at.microseconds(), Effect::of(access)))
}

/// The shortest step that is long enough, and the numbers of the first and the last part.
fn parts(earliest: i64, latest: i64) -> Option<(Step, i64, i64)> {
    let ranges = STEPS.into_iter().map(|step| (step, step.part_of(earliest), step.part_of(latest)));
    let (step, first, last) =
        ranges.into_iter().find(|(_, first, last)| last - first < MOST_BINS)?;
    let missing = match step {
        Step::Minutes(1) => (FEWEST_MINUTES - (last - first + 1)).max(0),
        _ => 0,
    };
    Some((step, first - missing / 2, last + missing - missing / 2))
}
