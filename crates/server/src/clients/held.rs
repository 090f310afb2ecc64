//! A client that waits because its user is over a budget (`parts::users::budgets`).

/// The budget that stops a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Budget {
    #[default]
    Rate,
    In,
    Out,
}

impl Budget {
    /// As CLIENT LIST shows it.
    pub fn name(self) -> &'static str {
        match self {
            Budget::Rate => "rate",
            Budget::In => "bytes-in",
            Budget::Out => "bytes-out",
        }
    }
}

/// The client's place in its user's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePlace {
    pub ticket: u64,
    pub budget: Budget,
    /// Monotonic milliseconds.
    pub since_ms: u64,
}
