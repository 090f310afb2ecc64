//! FAILOVER: a primary hands its role over to one of its replicas.
//!
//!     WaitingForSync -> InProgress -> (a replica)
//!           |                |
//!           +----------------+-> abort: a primary again
//!
//! While a failover is in progress writes wait, as with CLIENT PAUSE WRITE. In `WaitingForSync` a
//! replica must acknowledge everything; in `InProgress` this server follows that replica, and asks
//! it to take over (PSYNC with FAILOVER).

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failover {
    pub stage: FailoverStage,
    /// The replica that is to take over; `None`: the first that has everything.
    pub target: Option<(String, u16)>,
    /// At the deadline the target takes over even without the whole stream.
    pub forced: bool,
    /// Monotonic milliseconds.
    pub(crate) deadline_ms: Option<u64>,
}

/// The stage of a failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverStage {
    WaitingForSync,
    InProgress,
}

/// INFO's `master_failover_state`.
pub fn state_name(failover: Option<&Failover>) -> &'static str {
    match failover.map(|failover| failover.stage) {
        None => "no-failover",
        Some(FailoverStage::WaitingForSync) => "waiting-for-sync",
        Some(FailoverStage::InProgress) => "failover-in-progress",
    }
}
