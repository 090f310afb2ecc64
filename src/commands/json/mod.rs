//! The commands of JSON documents.
//!
//! A path is JSONPath (`$...`) or legacy (`.a.b`, the default `.`). JSONPath answers an array with
//! a result for each match; a legacy path answers one result, that of its first match for commands
//! that read and of its last for those that write, and an error where there is none.
//!
//!     parsing      long texts, off the loop
//!     printing     replies that take long
//!     editing      changes that take long
//!     row          what the rows share, finding a document, compiled paths, errors
//!     count        the work of each command, for budgets
//!     reply        results by dialect of the path; values as replies of the protocol
//!     assignment   values set at the matches of a path
//!     set, mset, merge, get, shape, number, text, array, remove, debug     the commands
//!
//! A command that changes several matches checks all of them first: it changes all or nothing. What
//! a path matches twice is changed twice.
//! Matches within other matches are changed first, and later elements before earlier ones, so that
//! the locations of those still to come hold.
//!
//! Decided elsewhere: how a document is stored, which values a path finds: `russet_json`.

mod array;
mod assignment;
mod count;
mod debug;
mod editing;
mod get;
mod merge;
mod mset;
mod number;
mod parsing;
mod printing;
mod remove;
mod reply;
mod row;
mod set;
mod shape;
#[cfg(test)]
mod tests;
mod text;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    array::ARRAPPEND,
    array::ARRINSERT,
    array::ARRPOP,
    array::ARRTRIM,
    debug::DEBUG,
    get::GET,
    get::MGET,
    merge::MERGE,
    mset::MSET,
    number::NUMINCRBY,
    number::NUMMULTBY,
    number::NUMPOWBY,
    remove::CLEAR,
    remove::DEL,
    remove::FORGET,
    set::SET,
    shape::ARRINDEX,
    shape::ARRLEN,
    shape::OBJKEYS,
    shape::OBJLEN,
    shape::RESP,
    shape::STRLEN,
    shape::TYPE,
    text::STRAPPEND,
    text::TOGGLE,
];
