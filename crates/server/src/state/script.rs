//! The running script, as the commands that it calls see it: its caller, its limits, and its
//! effects so far.
//!
//! A `RunningScript` is a parameter: `execution::script` makes it for each run, and
//! [`World::script`] has it for the gates and the handlers of the script's commands, and for no
//! other command. Clients that are served while the script is paused see the record in
//! `parts::execution::scripting` instead.
//!
//! Invariants
//!   1. While a `RunningScript` exists the script's code runs, and the caller's reply is not
//!      written to.
//!   2. The script's commands change it through cells, because all of them share it.
//!
//! Cost: none for a command outside of a script; no allocation.
//!
//! [`World::script`]: crate::state::world::World::script

use std::cell::Cell;

use crate::clients::client::Client;
use russet_resp::{Args, Reply};

/// See the module.
pub struct RunningScript<'a> {
    /// The client that called the script, and the client's reply until then. The script's commands
    /// run as a client of their own.
    pub caller: (&'a Client, &'a Reply),
    /// The script's SHA-1, or the function's name.
    pub name: &'a [u8],
    /// The command that runs the script.
    pub command: Args<'a>,
    pub limits: Limits,
    /// The script has written.
    pub wrote: Cell<bool>,
    /// In a cluster, the slot that the script's keys must have: the slot of the declared keys, else
    /// of the first key used.
    pub slot: Cell<Option<u16>>,
    /// Commands that the script has called.
    pub calls: Cell<u64>,
    /// Elements that these commands touched, if the caller has a budget of elements.
    pub touched: Cell<u64>,
}

/// The limits of a run of a script.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub read_only: bool,
    /// Memory was over the limit when the script began, and the script did not declare that it may
    /// continue.
    pub lacks_memory: bool,
    /// The script's keys may have different slots of a cluster.
    pub crosses_slots: bool,
}
