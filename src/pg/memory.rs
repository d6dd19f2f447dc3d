//! Memory of PostgreSQL's for a piece of work.

use pgrx::PgMemoryContexts;

/// Does `work` with a memory context of its own: what PostgreSQL allocates meanwhile is freed at the
/// end. So what `work` returns must not lie there; values of Rust never do.
pub fn scratch<R>(work: impl FnOnce() -> R) -> R {
    let mut memory = PgMemoryContexts::new("databunker scratch");
    // SAFETY: the context lives as long as `memory`, which is dropped after the work. When an error
    // leaves it, PostgreSQL frees the context with its parent.
    unsafe { memory.switch_to(|_| work()) }
}
