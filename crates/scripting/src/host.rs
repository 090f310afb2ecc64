//! The server, as scripts see it.

use russet_resp::{Args, CommandError};

/// The requests of a running script. No method may run another script in the same state.
///
/// The provided methods are for a host that runs no commands: library code while it loads, and a
/// script's reply while it is made.
pub trait Host {
    /// Runs a command that has passed the gates for scripts and returns its encoded reply, or why
    /// it was not run. A reply of more than `most` bytes is an error, raised after the command
    /// has run.
    fn call(&mut self, _args: Args<'_>, _most: usize) -> Result<&[u8], CommandError> {
        Err(CommandError::Text(
            "ERR no commands while a library is loaded",
        ))
    }

    /// Takes the buffer of the reply that [`Host::call`] returned last.
    fn take_reply(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Whether the script's user may run this command; otherwise why that is no question.
    fn may_run(&mut self, _args: Args<'_>) -> Result<bool, NoCommand> {
        Err(NoCommand::Unknown)
    }

    /// Sets the protocol of replies from now on: RESP3 or RESP2.
    fn set_resp3(&mut self, _on: bool) {}

    /// Sets where the effects of the following commands go.
    fn set_repl(&mut self, _aof: bool, _replicas: bool) {}

    /// Sends the debugger's lines to the client that debugs the script.
    fn debugger_sends(&mut self, _lines: &[u8]) {}

    /// Waits for bytes of that client, and appends them. `false`: it has gone, or waits for too
    /// long; the script must end.
    fn debugger_receives(&mut self, _into: &mut Vec<u8>) -> bool {
        false
    }

    /// Takes the debugger's lines that have not been sent when the script ends.
    fn debugger_ends(&mut self, _lines: Vec<Vec<u8>>) {}

    /// Called when the script has run for a while: serves others. `true`: the script must end.
    fn interrupt(&mut self) -> bool;
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCommand {
    /// No command has this name.
    Unknown,
    /// The command takes another number of arguments.
    WrongArity,
}
