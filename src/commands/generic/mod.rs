//! The generic commands.

pub(super) mod docs;
