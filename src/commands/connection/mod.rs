//! The connection commands.

pub(super) mod docs;
