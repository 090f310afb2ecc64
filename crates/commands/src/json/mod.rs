//! The commands of JSON documents.
//!
//! A path is JSONPath (`$...`) or legacy (`.a.b`, the default `.`). JSONPath answers an array with
//! a result for each match; a legacy path answers one result: reading commands answer the result of
//! the first match, writing commands of the last match, and both an error if there is no match.
//!
//!     parsing      long texts, off the loop
//!     printing     replies that take long
//!     editing      changes that take long
//!     row          common parts of rows, finding a document, compiled paths, errors
//!     count        the work of each command, for budgets
//!     reply        results by dialect of the path; values as replies of the protocol
//!     assignment   values set at the matches of a path
//!     set, mset, merge, get, shape, number, text, array, remove, debug     the commands
//!
//! A command that changes several matches checks all of them first: it changes all or nothing. If a
//! path matches a value twice, the command changes the value twice. The command changes matches
//! within other matches first, and later elements before earlier elements, so that the remaining
//! locations stay valid.
//!
//! Decided elsewhere: how a document is stored, which values a path finds: `russet_json`.

mod array;
mod assignment;
mod count;
mod creation;
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

use russet_server::Spec;

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
