//! The commands of count-min sketches.
//!
//!     init, change, query, merge     the commands
//!
//! Errors have no code, as in Redis. Estimates are never below the truth.

mod change;
mod init;
mod merge;
mod query;
#[cfg(test)]
mod tests;

use russet_command::{Category, CommandError};
use russet_server::Spec;

/// Commands of a module are in the categories that they name alone.
const READING: Category = Category::CMS.union(Category::READ);
const WRITING: Category = Category::CMS.union(Category::WRITE);

/// No sketch is at the key.
const MISSING: CommandError = CommandError::Text("CMS: key does not exist");
const NO_MEMORY: CommandError = CommandError::Text("CMS: Insufficient memory to create the key");

pub(crate) static SPECS: &[Spec] = &[
    change::INCRBY,
    init::INITBYDIM,
    init::INITBYPROB,
    merge::MERGE,
    query::INFO,
    query::QUERY,
];
