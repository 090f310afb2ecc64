//! The server commands.

pub(super) mod docs;
