//! The commands of cuckoo filters.
//!
//!     row        categories and errors that the rows share
//!     recipe     how a filter is made: options and settings, and their effect
//!     add, delete, exists, info, chunks, merge     the commands
//!
//! Deleting an item that is not in the filter may delete another item: the client must know that
//! the item is there.

mod add;
mod chunks;
mod delete;
mod exists;
mod info;
mod merge;
mod recipe;
mod row;
#[cfg(test)]
mod tests;

use russet_server::Spec;

pub(crate) static SPECS: &[Spec] = &[
    add::ADD,
    add::ADDNX,
    add::INSERT,
    add::INSERTNX,
    chunks::LOADCHUNK,
    chunks::SCANDUMP,
    delete::COMPACT,
    delete::DEL,
    exists::COUNT,
    exists::EXISTS,
    exists::MEXISTS,
    info::DEBUG,
    info::INFO,
    merge::MERGE,
    recipe::RESERVE,
];
