//! The hash commands.

pub(super) mod docs;
