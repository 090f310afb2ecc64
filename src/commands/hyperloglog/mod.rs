//! The hyperloglog commands.

pub(super) mod docs;
