//! The array commands.

mod args;
mod automaton;
mod deadline;
mod delete;
pub(super) mod docs;
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

use crate::server::Spec;

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
