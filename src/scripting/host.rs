//! Whom a script asks: the server, as far as scripts see it.

use crate::resp::{Args, CommandError};

/// What a running script can ask for. Nothing here may run another script in the same state.
///
/// The provided methods are those of a host that runs no command: library code while it is loaded.
pub trait Host {
    /// Runs a command, which the gates for scripts have let pass, and gives its reply in the
    /// protocol's form; or why it was not run. A reply of more than `most` bytes is an error,
    /// after the command has run.
    fn call(&mut self, _args: Args<'_>, _most: usize) -> Result<&[u8], CommandError> {
        Err(CommandError::Text(
            "ERR no commands while a library is loaded",
        ))
    }

    /// The bytes of the reply that [`Host::call`] gave last, which then has none.
    fn take_reply(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Whether the script's user may run this command; `None`: there is none.
    fn may_run(&mut self, _args: Args<'_>) -> Option<bool> {
        None
    }

    /// The protocol of replies from here on: 3, or 2.
    fn set_resp3(&mut self, _on: bool) {}

    /// To whom the effects of the commands from here on go.
    fn set_repl(&mut self, _aof: bool, _replicas: bool) {}

    /// The script has run for a while: lets others have their turn. Whether it is to end.
    fn interrupt(&mut self) -> bool;
}
