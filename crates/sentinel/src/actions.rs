//! The core's actions for its driver, in their order, with a barrier at each save.
//!
//! After [`Action::Persist`] no further action is handed out until the driver has reported the
//! outcome ([`Outbox::persisted`]). So nothing that follows from an epoch or a vote leaves before
//! the file has it.

use std::collections::VecDeque;

use super::links::{ConnId, ConnKind};
use super::scripts::JobId;

/// The level of an event or a line of the log, as Redis ranks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Shown with `loglevel debug` only.
    Debug,
    /// Shown with `loglevel verbose` and `debug`.
    Verbose,
    /// Shown by default.
    Notice,
    /// Shown at every level that shows anything.
    Warning,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a connection. The answer is `Sentinel::connected` or `Sentinel::refused`.
    Connect {
        /// The number that the connection's later events carry.
        conn: ConnId,
        /// The use of the connection: commands or subscriptions.
        kind: ConnKind,
        /// The address as text.
        ip: Vec<u8>,
        /// The client port of the other end.
        port: u16,
    },
    /// Close a connection; nothing more is reported of it.
    Close(ConnId),
    /// Send a request.
    Send {
        /// An open connection.
        conn: ConnId,
        /// The request in RESP.
        bytes: Vec<u8>,
    },
    /// Resolve a name. The answer is `Sentinel::resolved`.
    Resolve(Vec<u8>),
    /// Log `channel text`; publish `text` to `channel`, unless the level is `Debug`.
    Event {
        /// How the event ranks against `loglevel`.
        level: Level,
        /// The event's name, such as `+sdown`.
        channel: &'static str,
        /// The instance that it is about, and its details.
        text: Vec<u8>,
    },
    /// Write a line to the log.
    Log {
        /// How the line ranks against `loglevel`.
        level: Level,
        /// The line, without its end.
        text: String,
    },
    /// Set `loglevel` to this value.
    SetLogLevel(&'static str),
    /// Save the state (`Sentinel::setup`, as it is now) and sync the file. The answer is
    /// `Sentinel::persisted`, before any other action is carried out.
    Persist,
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

/// The actions not yet carried out.
#[derive(Debug)]
pub struct Outbox {
    queue: VecDeque<Action>,
    /// A `Persist` is queued.
    is_asked: bool,
    /// A `Persist` was handed out, and its outcome is not known yet.
    is_saving: bool,
    /// The last save failed.
    has_failed: bool,
    /// A save is due at the next tick (`persist_soon`).
    is_wanted: bool,
}

impl Outbox {
    pub fn new() -> Outbox {
        Outbox {
            queue: VecDeque::new(),
            is_asked: false,
            is_saving: false,
            has_failed: false,
            is_wanted: false,
        }
    }

    pub fn push(&mut self, action: Action) {
        self.queue.push_back(action);
    }

    /// Asks for a save. One that was asked for and not handed out yet covers this change, too.
    pub fn persist(&mut self) {
        self.is_wanted = false;
        if !self.is_asked {
            self.is_asked = true;
            self.queue.push_back(Action::Persist);
        }
    }

    /// Asks for a save that may wait for more changes, until the next tick; or until
    /// [`Outbox::persist_wanted`], before what depends on them leaves.
    pub(crate) fn persist_soon(&mut self) {
        self.is_wanted = true;
    }

    /// Asks for the save that has waited, if there is one.
    pub(crate) fn persist_wanted(&mut self) {
        if self.is_wanted {
            self.persist();
        }
    }

    /// The next action; `None` also while a save is under way.
    pub fn pop(&mut self) -> Option<Action> {
        if self.is_saving {
            return None;
        }
        let action = self.queue.pop_front()?;
        if action == Action::Persist {
            (self.is_asked, self.is_saving) = (false, true);
        }
        Some(action)
    }

    /// The outcome of the save under way.
    pub fn persisted(&mut self, is_saved: bool) {
        self.is_saving = false;
        self.has_failed = !is_saved;
    }

    /// Whether the file has everything that this process has decided, but for the newest changes by
    /// hellos (`persist_soon`).
    pub fn is_saved(&self) -> bool {
        !self.is_asked && !self.is_saving && !self.has_failed
    }

    /// Whether the last save failed.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_between_a_save_and_its_outcome() {
        let mut out = Outbox::new();
        out.push(Action::Exit(1));
        out.persist();
        out.persist();
        out.push(Action::Exit(2));
        assert_eq!(out.pop(), Some(Action::Exit(1)));
        assert_eq!(out.pop(), Some(Action::Persist));
        assert_eq!(out.pop(), None, "before the outcome");
        assert!(!out.is_saved());
        out.persist();
        out.persisted(false);
        assert_eq!(out.pop(), Some(Action::Exit(2)));
        assert_eq!(out.pop(), Some(Action::Persist), "a later change");
        out.persisted(true);
        assert!(out.is_saved() && out.pop().is_none());
    }

    #[test]
    fn one_save_has_many_changes() {
        let mut out = Outbox::new();
        (0..1000).for_each(|_| out.persist_soon());
        assert!(out.pop().is_none(), "not yet");
        out.persist_wanted();
        out.persist_wanted();
        assert_eq!(out.pop(), Some(Action::Persist));
        out.persisted(true);
        assert!(out.is_saved() && out.pop().is_none());
    }
}
