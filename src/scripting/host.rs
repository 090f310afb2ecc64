//! Whom a script asks: the server, as far as scripts see it.

use crate::resp::{Args, CommandError};

/// What a running script can ask for. Nothing here may run another script in the same state.
pub trait Host {
    /// Runs a command, which the gates for scripts have let pass, and gives its reply in the
    /// protocol's form; or why it was not run.
    fn call(&mut self, args: Args<'_>) -> Result<&[u8], CommandError>;

    /// Whether the script's user may run this command; `None`: there is none.
    fn may_run(&mut self, args: Args<'_>) -> Option<bool>;

    /// The protocol of replies from here on: 3, or 2.
    fn set_resp3(&mut self, on: bool);

    /// To whom the effects of the commands from here on go.
    fn set_repl(&mut self, aof: bool, replicas: bool);

    /// The script has run for a while: lets others have their turn. Whether it is to end.
    fn interrupt(&mut self) -> bool;
}
