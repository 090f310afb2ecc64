//! The stream commands.

pub(super) mod docs;
