//! The cluster commands.

pub(super) mod docs;
