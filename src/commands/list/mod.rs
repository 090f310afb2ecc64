//! The list commands.

pub(super) mod docs;
