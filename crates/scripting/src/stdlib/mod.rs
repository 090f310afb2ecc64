//! The libraries that scripts find in Lua: standard libraries within their bounds, and Redis's.
//!
//! Invariants
//!   1. No function reads files, the environment or the time of the machine (`sandbox` has the
//!      list).
//!   2. Functions whose work grows with their arguments can be interrupted, so that SCRIPT KILL
//!      ends them (`effort`).
//!   3. Replies equal the replies of Redis's libraries byte for byte, odd cases included.

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
