//! The commands of Bloom filters.
//!
//!     row        categories and errors that the rows share
//!     recipe     how a filter is made: options and settings, and their effect
//!     add, exists, info, chunks, merge, rotate     the commands
//!
//! A filter is made by RESERVE, INSERT, ADD and MADD, or from the chunks of SCANDUMP.

mod add;
mod chunks;
mod exists;
mod info;
mod merge;
mod recipe;
mod rotate;
mod row;
#[cfg(test)]
mod seeded_tests;
#[cfg(test)]
mod tests;

use russet_server::Spec;

pub(crate) static SPECS: &[Spec] = &[
    add::ADD,
    add::INSERT,
    add::MADD,
    chunks::LOAD,
    chunks::LOADCHUNK,
    chunks::SCANDUMP,
    exists::EXISTS,
    exists::MEXISTS,
    info::CARD,
    info::DEBUG,
    info::INFO,
    merge::MERGE,
    recipe::RESERVE,
    rotate::ROTATE,
];
