//! Replication at work: changes of role, the snapshots that full synchronizations send and load,
//! and what cron does for the links.
//!
//! The parts own the state (`parts::replication`, `replication::Stream`); here is what concerns
//! several of them at once. Sockets belong to the loop (`run::links::upstream`, `run::feed`).

pub mod changes;
mod channel;
pub mod cron;
mod demotion;
pub mod failover;
mod guard;
pub mod load;
pub mod primary;
pub mod role;
pub mod wait;
