//! The sorted-set commands.

pub(super) mod docs;
