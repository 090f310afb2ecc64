//! The pubsub commands.

pub(super) mod docs;
