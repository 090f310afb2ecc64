//! The table of all commands for tests: a [`Testbed`] of the server runs them in process.
//!
//! Cost: the table is made once, because that takes longer than most tests do.

use std::sync::LazyLock;

use russet_server::CommandTable;

pub use russet_server::Testbed;

static TABLE: LazyLock<CommandTable> = LazyLock::new(|| CommandTable::new(&crate::table()));

/// The table of all commands.
pub fn command_table() -> CommandTable {
    TABLE.clone()
}

/// A testbed over the table of all commands.
pub trait AllCommands {
    /// As [`Testbed::with`].
    fn new() -> Self;

    /// As [`Testbed::unheard_with`].
    fn unheard() -> Self;
}

impl AllCommands for Testbed {
    fn new() -> Self {
        Testbed::with(command_table())
    }

    fn unheard() -> Self {
        Testbed::unheard_with(command_table())
    }
}
