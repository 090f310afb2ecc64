//! The commands of top-k lists.
//!
//!     reserve, add, query, list     the commands
//!     seed                          the seed in the effect of RESERVE
//!
//! An addition's outcome is partly random. The draws come from the list's own generator. So the
//! handlers propagate ADD and INCRBY as they are, and RESERVE with the seed ([`seed`]), and
//! replicas and logs arrive at the same list. A Redis server accepts these effects, too, but draws
//! other numbers. Errors have no code, as in Redis.

mod add;
mod list;
mod query;
mod reserve;
mod seed;
#[cfg(test)]
mod tests;

use russet_command::{Category, CommandError};
use russet_server::Spec;

/// Commands of a module are in the categories that they name alone.
const READING: Category = Category::TOPK.union(Category::READ);
const WRITING: Category = Category::TOPK.union(Category::WRITE);

/// No list is at the key.
const MISSING: CommandError = CommandError::Text("TopK: key does not exist");

pub(crate) static SPECS: &[Spec] = &[
    add::ADD,
    add::INCRBY,
    list::INFO,
    list::LIST,
    query::COUNT,
    query::QUERY,
    reserve::RESERVE,
];
