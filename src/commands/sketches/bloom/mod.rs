//! The commands of Bloom filters.
//!
//!     recipe     how a filter is made: options and settings, and their effect
//!     add, exists, info, chunks     the commands
//!
//! A filter is made by RESERVE, INSERT, ADD and MADD, or from the chunks of SCANDUMP.

mod add;
mod chunks;
mod exists;
mod info;
mod recipe;
#[cfg(test)]
mod tests;

use crate::server::Spec;
use russet_command::{Category, CommandError};

/// Commands of a module are in the categories that they name alone.
const READING: Category = Category::BLOOM.union(Category::READ);
const WRITING: Category = Category::BLOOM.union(Category::WRITE);

/// No filter is at the key.
const NOT_FOUND: CommandError = CommandError::Text("ERR not found");
/// A filter is at the key.
const ITEM_EXISTS: CommandError = CommandError::Text("ERR item exists");

pub(in crate::commands) static SPECS: &[Spec] = &[
    add::ADD,
    add::INSERT,
    add::MADD,
    chunks::LOADCHUNK,
    chunks::SCANDUMP,
    exists::EXISTS,
    exists::MEXISTS,
    info::CARD,
    info::DEBUG,
    info::INFO,
    recipe::RESERVE,
];
