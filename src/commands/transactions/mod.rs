//! The transactions commands.

pub(super) mod docs;
