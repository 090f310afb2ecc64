//! The categories of the rows, and errors of all of them.

use russet_command::{Category, CommandError};

/// Commands of a module are in the categories that they name alone.
pub(super) const READING: Category = Category::CUCKOO.union(Category::READ);
pub(super) const WRITING: Category = Category::CUCKOO.union(Category::WRITE);

/// No filter is at the key.
pub(super) const NOT_FOUND: CommandError = CommandError::Text("ERR not found");
/// A filter is at the key.
pub(super) const ITEM_EXISTS: CommandError = CommandError::Text("ERR item exists");
/// A filter may have so many parts, by a setting.
pub(super) const TOO_MANY_PARTS: CommandError = CommandError::Text("Maximum expansions reached");
