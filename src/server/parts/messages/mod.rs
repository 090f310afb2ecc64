//! Messages to clients that no command of theirs caused.

pub mod message;
pub mod outbox;
pub mod tracking;
