//! What is notified of changes: effects, watchers, blocked clients.

pub(super) mod effects;
pub(super) mod journal;
pub(super) mod waiting;
pub(super) mod watch;
