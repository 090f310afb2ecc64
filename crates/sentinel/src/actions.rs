//! A Sentinel's orders to its server, beside the actions of every machine.
//!
//! No action leaves before the save that precedes it (`russet_host::Outbox`), so nothing that
//! follows from an epoch or a vote leaves before the file has it.

use super::scripts::JobId;
use russet_host::Level;

/// An action, in the order of the [`Outbox`].
pub type Action = russet_host::Action<Order>;

/// The actions not yet carried out.
pub(crate) type Outbox = russet_host::Outbox<Order>;

/// An order that only its server can carry out for a Sentinel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Log `channel text`; publish `text` to `channel`, unless the level is `Debug`.
    Event {
        /// How the event ranks against `loglevel`.
        level: Level,
        /// The event's name, such as `+sdown`.
        channel: &'static str,
        /// The instance that it is about, and its details.
        text: Vec<u8>,
    },
    /// Set `loglevel` to this value.
    SetLogLevel(&'static str),
    /// Start a program, and write `input`, one line of JSON, to its standard input. The answer is
    /// `Sentinel::script_started`, later `Sentinel::script_ended`.
    RunScript {
        /// The number that the answers carry.
        job: JobId,
        /// The program's path, then its arguments.
        argv: Vec<Vec<u8>>,
        /// Facts about the event as JSON, for its standard input.
        input: Vec<u8>,
    },
    /// Kill a program that runs too long.
    KillScript {
        /// The process, as `script_started` has reported it.
        pid: i64,
    },
    /// End the process with this status, at once (SENTINEL SIMULATE-FAILURE).
    Exit(i32),
}
