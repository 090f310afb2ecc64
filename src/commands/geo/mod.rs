//! The geo commands.

pub(super) mod docs;
