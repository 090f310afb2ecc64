//! The commands of cuckoo filters.
//!
//!     recipe     how a filter is made: options and settings, and their effect
//!     add, delete, exists, info, chunks     the commands
//!
//! Deleting what was never added may delete what was: the caller must know that an item is there.

mod add;
mod chunks;
mod delete;
mod exists;
mod info;
mod recipe;
#[cfg(test)]
mod tests;

use crate::server::Spec;
use russet_command::{Category, CommandError};

/// Commands of a module are in the categories that they name alone.
const READING: Category = Category::CUCKOO.union(Category::READ);
const WRITING: Category = Category::CUCKOO.union(Category::WRITE);

/// No filter is at the key.
const NOT_FOUND: CommandError = CommandError::Text("ERR not found");
/// A filter is at the key.
const ITEM_EXISTS: CommandError = CommandError::Text("ERR item exists");

pub(in crate::commands) static SPECS: &[Spec] = &[
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
    recipe::RESERVE,
];
