//! Going through a table by a rising number, a page at a time.

use std::vec::IntoIter;

use crate::error::Result;
use crate::pg::session;

/// Rows by rising number, of which one page at most is in memory.
pub struct Pages<T> {
    /// Up to so many rows after a number, by rising number.
    fetch: fn(i64, i32) -> Result<Vec<T>>,
    number: fn(&T) -> i64,
    size: i32,
    after: i64,
    page: IntoIter<T>,
}

impl<T> Pages<T> {
    /// The rows after a number.
    pub fn after(
        after: i64,
        size: i32,
        fetch: fn(i64, i32) -> Result<Vec<T>>,
        number: fn(&T) -> i64,
    ) -> Self {
        Self { fetch, number, size, after, page: Vec::new().into_iter() }
    }
}

impl<T> Iterator for Pages<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.page.as_slice().is_empty() {
            session::check_for_interrupts();
            match (self.fetch)(self.after, self.size) {
                Ok(page) => self.page = page.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        let row = self.page.next()?;
        self.after = (self.number)(&row);
        Some(Ok(row))
    }
}
