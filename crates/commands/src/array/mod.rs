//! The array commands.
//!
//! An array maps indexes up to `types::array::INDEX_MAX` to values, and any may be missing. A range
//! is `start end`, both included; if the start is the higher index, it runs backwards. ARINSERT and
//! ARRING continue after the value inserted last.
//!
//! `grep` searches values: `predicate` tests one value, `pattern` compiles a regular expression,
//! `automaton` matches long texts in slices, `deadline` ends a slice.
//!
//! Decided elsewhere: the bytes of an array, and the costs: `types::array`.

mod args;
mod automaton;
mod deadline;
mod delete;
mod get;
mod grep;
mod info;
mod insert;
mod op;
mod pattern;
mod predicate;
mod ring;
mod scan;
mod set;
#[cfg(test)]
mod tests;

use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    delete::ARDEL,
    delete::ARDELRANGE,
    get::ARCOUNT,
    get::ARGET,
    get::ARGETRANGE,
    get::ARLEN,
    get::ARMGET,
    grep::ARGREP,
    info::ARINFO,
    insert::ARINSERT,
    insert::ARNEXT,
    insert::ARSEEK,
    op::AROP,
    ring::ARLASTITEMS,
    ring::ARRING,
    scan::ARSCAN,
    set::ARMSET,
    set::ARSET,
];
