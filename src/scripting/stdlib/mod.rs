//! The libraries that scripts find in Lua: standard ones within their bounds, and Redis's.

pub(super) mod basic;
pub(super) mod cjson;
pub(super) mod cmsgpack;
pub(super) mod coroutines;
pub(super) mod format;
pub(super) mod number;
pub(super) mod pattern;
pub(super) mod sort;
pub(super) mod strings;
pub(super) mod structs;
pub(super) mod tables;
