//! The string commands.

pub(super) mod docs;
