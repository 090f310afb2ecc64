//! The scripting commands.

pub(super) mod docs;
