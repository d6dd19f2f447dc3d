//! Accesses over time, as a picture.

mod bins;
mod figure;
mod step;

pub use figure::figure;
