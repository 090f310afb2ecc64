//! A machine without I/O: its events, its actions.
//!
//! Events of a machine alone are methods of its own; actions that it alone has are its `Order`.

use bytes::Bytes;

use super::time::Now;

/// A link, as its machine numbers it: a number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// The level of a line of the log, as Redis ranks it.
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

impl Level {
    /// Writes a line to the log.
    pub fn log(self, text: &str) {
        match self {
            Level::Debug => tracing::trace!("{text}"),
            Level::Verbose => tracing::debug!("{text}"),
            Level::Notice => tracing::info!("{text}"),
            Level::Warning => tracing::warn!("{text}"),
        }
    }
}

/// Something that has happened to a machine.
#[derive(Debug)]
pub enum Event<'e> {
    /// [`Machine::due_ms`] has come.
    Tick,
    /// A dialled link is open.
    Opened {
        /// The link.
        link: LinkId,
        /// The address of our end, as text; empty if the system does not report it.
        local_ip: &'e [u8],
    },
    /// A dialled link could not be opened, and is gone.
    Refused {
        /// The link.
        link: LinkId,
        /// The system's words, or TLS's.
        why: &'e str,
    },
    /// Bytes of a link, in any pieces.
    Received {
        /// The link.
        link: LinkId,
        /// At least one byte.
        bytes: &'e [u8],
        /// How many of them the machine has taken, at first all of them. A machine that sets it
        /// lower gets the rest after its actions have been carried out.
        taken: &'e mut usize,
    },
    /// An open link is gone: the other end, an error, or the host has closed it.
    Closed {
        /// The link.
        link: LinkId,
        /// The host has closed it, because more waited to be sent than may.
        by_limit: bool,
    },
    /// A name was resolved.
    Resolved {
        /// As [`Action::Resolve`] had it.
        name: &'e [u8],
        /// The first address as text; `None`: it has none.
        ip: Option<Vec<u8>>,
    },
    /// The outcome of [`Action::Persist`].
    Persisted {
        /// Everything decided before the save is in the file.
        is_saved: bool,
    },
}

/// Something that the host does for a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<O> {
    /// Open a link. The answer is [`Event::Opened`] or [`Event::Refused`], in a later turn or at
    /// once. There is no time limit: a machine closes a link that takes too long.
    Dial {
        /// The number of the link's later events.
        link: LinkId,
        /// An address as text; a name if the machine's driver allows names.
        host: Vec<u8>,
        /// The TCP port.
        port: u16,
    },
    /// Send bytes; those of one turn leave in one write. Links share them. Of a link that is gone
    /// nothing is sent.
    Send {
        /// A link that is open.
        link: LinkId,
        /// A message or several.
        bytes: Bytes,
    },
    /// Close a link; nothing more is reported of it.
    Close(LinkId),
    /// Resolve a name. The answer is [`Event::Resolved`], or there is none if many names are being
    /// resolved already.
    Resolve(Vec<u8>),
    /// Save the machine's state as it is now. The answer is [`Event::Persisted`], before any other
    /// action is carried out.
    Persist {
        /// The state must survive a crash of the system, not only of the process.
        sync: bool,
    },
    /// Write a line to the log.
    Log {
        /// How it ranks against `loglevel`.
        level: Level,
        /// The line, without its end.
        text: String,
    },
    /// An order that only the server around this machine can carry out.
    Order(O),
}

impl<O> From<O> for Action<O> {
    fn from(order: O) -> Action<O> {
        Action::Order(order)
    }
}

/// A machine without I/O. See the crate.
pub trait Machine {
    /// Answers its questions about the server and the machines around it; `()` if it has none.
    type Context<'a>: ?Sized;
    /// The orders to its server: see [`Action::Order`].
    type Order;

    /// Something has happened, at this moment. Its actions follow by [`Machine::pop`].
    fn event(&mut self, now: Now, around: &Self::Context<'_>, event: Event<'_>);

    /// Another node asks for a link; returns the number of the open link. `None`: it is refused.
    fn accept(&mut self, _now: Now, _peer_ip: &[u8], _local_ip: &[u8]) -> Option<LinkId> {
        None
    }

    /// Whether there is work that waits for no event: the loop does not sleep before the next
    /// [`Event::Tick`].
    fn is_urgent(&self) -> bool {
        false
    }

    /// When [`Event::Tick`] is due, monotonic milliseconds. `None`: not before another event.
    fn due_ms(&self) -> Option<i64>;

    /// The next action; `None` also while a save is under way.
    fn pop(&mut self) -> Option<Action<Self::Order>>;
}
