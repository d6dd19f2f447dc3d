//! What the audit trail calls the outcome of a call (`API.md`, "Audit").

/// An outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was done.
    Ok,
    /// There was nobody, or nothing, of that name.
    NotFound,
    /// The caller may not do that.
    Denied,
    /// It was tried, and did not succeed.
    Failed,
}

impl Status {
    /// The word in the trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}
