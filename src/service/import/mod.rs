//! Bringing rows of another system into the vault, each with its own times and names.
//!
//! A row that cannot be taken is reported and leaves nothing; the others stay. So they are brought in
//! subtransactions, many rows in one as long as all goes well: of a lot that fails, each half is tried
//! by itself. Whoever brings the same rows again finds them present.

mod belongings;
mod consent;
mod facts;
mod members;
mod requests;
mod row;
mod users;
mod verdict;

use self::row::{Bring, Row};
use self::verdict::Verdicts;
use super::users::Factory;
use crate::audit;
use crate::error::{Error, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::scan::with_latest_snapshot;
use crate::pg::session::check_for_interrupts;
use crate::pg::subtransaction::{Undone, separately};
use crate::pg::time;
use crate::storage::record;

pub use verdict::Verdict;

/// The function's name without `bunker_`.
const ACTION: &str = "import_rows";
/// The most rows of a call.
const MAX_ROWS: usize = 10_000;
/// Rows, other than users, that are brought in one subtransaction.
const LOT: usize = 100;

/// Brings rows; what came of each, in their order.
///
/// # Errors
/// Too many rows; what would keep all rows from being brought, then nothing of the call is left; what
/// was found out could not be written into the trail.
pub fn import(rows: &[Option<Jsonb>]) -> Result<Vec<Verdict>> {
    if rows.is_empty() {
        return audit::admit(ACTION).map(|()| Vec::new());
    }
    audit::operation(ACTION, None, &record::TABLE, || {
        if rows.len() > MAX_ROWS {
            return Err(Error::TooMany("At most 10,000 rows in one call."));
        }
        let mut factory = Factory::new(rows.len())?;
        let mut verdicts = Verdicts::of(rows.len());
        let usable = read(rows, &mut verdicts);
        for run in usable.chunk_by(|(_, row), (_, next)| row.goes_with(next)) {
            bring(&mut factory, run, &mut verdicts)?;
        }
        let verdicts = verdicts.finish()?;
        audit::disclose(verdicts.iter().filter_map(Verdict::finding).collect())?;
        Ok(verdicts)
    })
}

/// The rows that can be read, with their positions.
fn read<'a>(rows: &'a [Option<Jsonb>], verdicts: &mut Verdicts) -> Vec<(usize, Row<'a>)> {
    let now = time::now();
    let mut usable = Vec::with_capacity(rows.len());
    for (position, row) in rows.iter().enumerate() {
        match Row::read(row.as_ref(), now) {
            Ok(row) => usable.push((position, row)),
            Err(error) => verdicts.set(position, Verdict::failed(None, Undone::Failed(error))),
        }
    }
    usable
}

/// Brings consecutive rows that go together.
fn bring(factory: &mut Factory, run: &[(usize, Row<'_>)], verdicts: &mut Verdicts) -> Result<()> {
    let (mut users, mut facts, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (position, row) in run {
        match row {
            Row::User(user) => users.push((*position, user)),
            Row::Fact(fact) => facts.push((*position, fact)),
            Row::Other(other) => others.push((*position, other.as_ref())),
        }
    }
    users::bring(factory, &users, verdicts)?;
    facts::bring(&facts, verdicts)?;
    let together = |lot: &[(usize, &dyn Bring)]| {
        lot.iter().map(|(_, row)| bring_one(*row)).collect::<Result<Vec<_>>>()
    };
    let alone = |row: &&dyn Bring, undone| Ok(Verdict::failed(row.token(), undone));
    others.chunks(LOT).try_for_each(|lot| by_halves(lot, &together, &alone, verdicts))
}

/// Brings a lot `together`, in one subtransaction or, if that fails, by halves. On a thing with which it
/// fails by itself, the verdict is that of `alone`. Each comes with the position of its row.
fn by_halves<T>(
    lot: &[(usize, T)],
    together: &impl Fn(&[(usize, T)]) -> Result<Vec<Verdict>>,
    alone: &impl Fn(&T, Undone) -> Result<Verdict>,
    verdicts: &mut Verdicts,
) -> Result<()> {
    match (separately(|| together(lot))?, lot) {
        (Ok(brought), _) => {
            lot.iter().zip(brought).for_each(|(&(at, _), verdict)| verdicts.set(at, verdict));
            Ok(())
        }
        (Err(undone), [(position, thing)]) => {
            verdicts.set(*position, alone(thing, undone)?);
            Ok(())
        }
        (Err(_), _) => {
            let (first, second) = lot.split_at(lot.len() / 2);
            by_halves(first, together, alone, verdicts)?;
            by_halves(second, together, alone, verdicts)
        }
    }
}

/// Brings a row, seeing what those before it have brought.
fn bring_one(row: &dyn Bring) -> Result<Verdict> {
    check_for_interrupts();
    with_latest_snapshot(|| row.bring())
}
