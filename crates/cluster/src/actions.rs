//! The core's orders to its driver: actions in their order, with a barrier at each save.
//!
//! After [`Action::Persist`] no further action is handed out until the driver has reported the
//! outcome ([`Outbox::persisted`]): no epoch and no vote leaves before the file has it. If the save
//! fails, the messages queued after it are dropped, and so are all others until a save succeeds: to
//! its cluster a node that cannot save is one that does not answer.

use std::collections::VecDeque;

use bytes::Bytes;

/// A link of the bus: a number that is never used again.
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

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a link to a node's bus. The answer is `Cluster::opened` or `Cluster::refused`.
    Dial {
        /// The number that the link's later events carry.
        link: LinkId,
        /// The address as text, IPv4 or IPv6.
        ip: Vec<u8>,
        /// The node's bus port.
        port: u16,
    },
    /// Send a message. One to many links shares its bytes.
    Send {
        /// The open link to send it on.
        link: LinkId,
        /// The message in its wire form.
        bytes: Bytes,
    },
    /// Close a link; nothing more is reported of it.
    Close(LinkId),
    /// Save the state (`Cluster::conf`, as it is now). The answer is `Cluster::persisted`, before
    /// any other action is carried out. `sync`: an epoch, a vote, our role or a slot's owner has
    /// changed, which a crash of the machine must not take back; else the file need not be synced.
    Persist {
        /// Whether the file has to be synced.
        sync: bool,
    },
    /// Replicate from this client address (already the TLS port where the replication uses TLS).
    Follow {
        /// The primary's address as text.
        ip: Vec<u8>,
        /// The primary's client port.
        port: u16,
    },
    /// Stop replicating: this node is a primary now.
    Lead,
    /// Hold back all writes of clients until this moment (monotonic milliseconds), for a manual
    /// failover; replication PINGs, too. A later one replaces it.
    PauseWrites {
        /// Monotonic milliseconds.
        until_ms: i64,
    },
    /// End the pause.
    ResumeWrites,
    /// Slots as ranges (first, last) that this node does not serve any more: delete their keys.
    /// Replicas and the append only file receive it as any deletion.
    DropSlots(Vec<(u16, u16)>),
    /// Slots as ranges (first, last) that another node has claimed, of this primary or of this
    /// replica's primary. A primary keeps their keys out of sight until the claim is safe, then
    /// deletes them as with `DropSlots`. A replica hides them, and deletes keys when its primary
    /// does.
    LoseSlots(Vec<(u16, u16)>),
    /// Delete the keys of a slot, at once, whichever node serves it.
    FlushSlot(u16),
    /// The shard channels of slots that are served elsewhere now: sunsubscribe their clients. Also
    /// asked of a replica.
    DropShardChannels(Vec<(u16, u16)>),
    /// Delete everything (RESET of a replica, REPLICATE NO ONE).
    Flush,
    /// The owners of slots, or their addresses, have changed: blocked clients, cached replies and
    /// clients that wait on slots are checked again.
    RoutesChanged,
    /// A message of PUBLISH (or SPUBLISH) from another node, for this node's subscribers.
    Deliver {
        /// The channel's name.
        channel: Vec<u8>,
        /// The published text.
        message: Vec<u8>,
        /// It was published by SPUBLISH.
        is_sharded: bool,
    },
    /// Write a line to the log.
    Log {
        /// How it ranks against `loglevel`.
        level: Level,
        /// The line, without its end.
        text: String,
    },
}

/// The actions not yet carried out.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<Action>,
    /// A `Persist` is queued.
    is_asked: bool,
    /// A `Persist` was handed out, and its outcome is not known yet.
    is_saving: bool,
    /// The last save failed.
    has_failed: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, action: Action) {
        let is_lost = self.has_failed && !self.is_asked && matches!(action, Action::Send { .. });
        if !is_lost {
            self.queue.push_back(action);
        }
    }

    /// Asks for a save. One that was asked for and not handed out yet covers this change, too.
    pub(super) fn persist(&mut self) {
        if !self.is_asked {
            self.is_asked = true;
            self.queue.push_back(Action::Persist { sync: true });
        }
    }

    /// The next action; `None` also while a save is under way.
    pub(super) fn pop(&mut self) -> Option<Action> {
        if self.is_saving {
            return None;
        }
        let action = self.queue.pop_front()?;
        if let Action::Persist { .. } = action {
            (self.is_asked, self.is_saving) = (false, true);
        }
        Some(action)
    }

    /// The outcome of the save under way.
    pub(super) fn persisted(&mut self, is_saved: bool) {
        self.is_saving = false;
        self.has_failed = !is_saved;
        if !is_saved {
            self.queue
                .retain(|action| !matches!(action, Action::Send { .. }));
        }
    }

    /// Whether the file has everything that this process has decided.
    pub(super) fn is_saved(&self) -> bool {
        !self.is_asked && !self.is_saving && !self.has_failed
    }

    /// Whether the last save failed.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(link: u64) -> Action {
        let bytes = Bytes::from_static(b"x");
        let link = LinkId(link);
        Action::Send { link, bytes }
    }

    #[test]
    fn nothing_leaves_between_a_save_and_its_outcome() {
        let mut out = Outbox::default();
        out.push(send(1));
        out.persist();
        out.persist();
        out.push(send(2));
        assert_eq!(out.pop(), Some(send(1)));
        assert_eq!(out.pop(), Some(Action::Persist { sync: true }));
        assert_eq!(out.pop(), None, "before the outcome");
        assert!(!out.is_saved());
        out.persisted(true);
        assert_eq!(out.pop(), Some(send(2)));
        assert!(out.is_saved() && out.pop().is_none());
    }

    #[test]
    fn a_node_that_cannot_save_is_silent() {
        let mut out = Outbox::default();
        out.persist();
        out.push(send(1));
        out.push(Action::Lead);
        assert_eq!(out.pop(), Some(Action::Persist { sync: true }));
        out.persisted(false);
        out.push(send(2));
        assert_eq!((out.pop(), out.pop()), (Some(Action::Lead), None));
        out.persist();
        out.push(send(3));
        assert_eq!(out.pop(), Some(Action::Persist { sync: true }));
        out.persisted(true);
        assert_eq!(out.pop(), Some(send(3)));
    }
}
