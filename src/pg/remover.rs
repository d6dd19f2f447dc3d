//! Removing rows without SQL, known by their places: the counterpart of [`super::writer`] for a table
//! whose rows are passed on rather than deleted by anybody. No trigger fires, and no privilege is
//! checked.

use pgrx::pg_sys;

use super::relation::{OpenTable, TableRef};
use super::value::Place;
use crate::error::Result;

/// Removes rows of a table without indexes. Nobody else may remove or change them meanwhile: an error
/// of PostgreSQL's would end the transaction.
pub fn remove(table: &TableRef, places: &[Place]) -> Result<()> {
    let open = OpenTable::open(table, pg_sys::RowExclusiveLock)?;
    for place in places {
        let mut place = *place;
        // SAFETY: the table is open, and a scan of this transaction has found a row at the place. The
        // snapshot is not looked at (heapam_tuple_delete); the last command's rows are removable.
        unsafe {
            let snapshot = pg_sys::GetActiveSnapshot();
            pg_sys::simple_table_tuple_delete(open.as_ptr(), &mut place, snapshot);
        }
    }
    // SAFETY: makes the removal visible to the transaction's next command.
    unsafe { pg_sys::CommandCounterIncrement() };
    Ok(())
}
