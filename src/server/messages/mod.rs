//! Messages between clients: pub/sub, invalidations, MONITOR, and their delivery.

pub mod monitor;
pub mod outbox;
pub mod pubsub;
pub mod tracking;
