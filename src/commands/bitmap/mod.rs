//! The bitmap commands.

pub(super) mod docs;
