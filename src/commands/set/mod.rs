//! The set commands.

pub(super) mod docs;
