//! A machine's actions that are not carried out yet, in their order, with a barrier at each save.
//!
//! After [`Action::Persist`] no further action is handed out until its outcome is reported
//! ([`Outbox::persisted`]): what follows from a decision does not leave before the file has it.
//! Cost: O(1) an action; a save that fails visits the actions that wait.

use std::collections::VecDeque;

use super::machine::{Action, Level};

/// See the module. The default sends also while saves fail.
#[derive(Debug)]
pub struct Outbox<O> {
    queue: VecDeque<Action<O>>,
    /// Messages are dropped from a save that fails to the next that succeeds.
    is_silent_unsaved: bool,
    /// A `Persist` is queued.
    is_asked: bool,
    /// A `Persist` was handed out, and its outcome is not known yet.
    is_saving: bool,
    /// The last save failed.
    has_failed: bool,
    /// A save is due at the next tick (`persist_soon`).
    is_wanted: bool,
}

impl<O> Default for Outbox<O> {
    fn default() -> Outbox<O> {
        Outbox {
            queue: VecDeque::new(),
            is_silent_unsaved: false,
            is_asked: false,
            is_saving: false,
            has_failed: false,
            is_wanted: false,
        }
    }
}

impl<O> Outbox<O> {
    /// Of a machine that falls silent if it cannot save: to its peers it is a node that does not
    /// answer.
    pub fn silent_unless_saved() -> Outbox<O> {
        Outbox {
            is_silent_unsaved: true,
            ..Outbox::default()
        }
    }

    /// Queues an action, or an order to the server.
    pub fn push(&mut self, action: impl Into<Action<O>>) {
        let action = action.into();
        let is_lost = self.is_silent_unsaved && self.has_failed && !self.is_asked;
        if !is_lost || !matches!(action, Action::Send { .. }) {
            self.queue.push_back(action);
        }
    }

    /// Queues a line for the log.
    pub fn log(&mut self, level: Level, text: String) {
        self.push(Action::Log { level, text });
    }

    /// Asks for a save. A save that was requested and not handed out yet covers this change, too.
    pub fn persist(&mut self) {
        self.is_wanted = false;
        if !self.is_asked {
            self.is_asked = true;
            self.queue.push_back(Action::Persist { sync: true });
        }
    }

    /// Asks for a save that may wait for more changes, until the next tick; or until
    /// [`Outbox::persist_wanted`], before what depends on them leaves.
    pub fn persist_soon(&mut self) {
        self.is_wanted = true;
    }

    /// Requests the save that has waited, if any.
    pub fn persist_wanted(&mut self) {
        if self.is_wanted {
            self.persist();
        }
    }

    /// The next action; `None` also while a save is under way.
    pub fn pop(&mut self) -> Option<Action<O>> {
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
    pub fn persisted(&mut self, is_saved: bool) {
        self.is_saving = false;
        self.has_failed = !is_saved;
        if self.is_silent_unsaved && !is_saved {
            let queue = &mut self.queue;
            queue.retain(|action| !matches!(action, Action::Send { .. }));
        }
    }

    /// Whether nothing waits to be carried out.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether the file has everything that the machine has decided, but for what may wait
    /// (`persist_soon`).
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
    use super::super::machine::LinkId;
    use super::*;
    use bytes::Bytes;

    const PERSIST: Action<char> = Action::Persist { sync: true };

    fn send(link: u64) -> Action<char> {
        Action::Send {
            link: LinkId(link),
            bytes: Bytes::from_static(b"x"),
        }
    }

    #[test]
    fn nothing_leaves_between_a_save_and_its_outcome() {
        let mut out = Outbox::default();
        out.push(send(1));
        out.persist();
        out.persist();
        out.push('b');
        assert_eq!(out.pop(), Some(send(1)));
        assert_eq!(out.pop(), Some(PERSIST));
        assert_eq!(out.pop(), None, "before the outcome");
        assert!(!out.is_saved());
        out.persist();
        out.persisted(false);
        assert_eq!(out.pop(), Some(Action::Order('b')));
        assert_eq!(out.pop(), Some(PERSIST), "a later change");
        out.persisted(true);
        assert!(out.is_saved() && out.pop().is_none());
    }

    #[test]
    fn one_save_has_many_changes() {
        let mut out = Outbox::default();
        (0..1000).for_each(|_| out.persist_soon());
        assert!(out.pop().is_none(), "not yet");
        out.persist_wanted();
        out.persist_wanted();
        assert_eq!(out.pop(), Some(PERSIST));
        out.persisted(true);
        assert!(out.is_saved() && out.pop().is_none());
    }

    #[test]
    fn a_machine_that_cannot_save_is_silent_if_it_says_so() {
        let mut out = Outbox::silent_unless_saved();
        out.persist();
        out.push(send(1));
        out.push('a');
        assert_eq!(out.pop(), Some(PERSIST));
        out.persisted(false);
        out.push(send(2));
        assert_eq!((out.pop(), out.pop()), (Some(Action::Order('a')), None));
        out.persist();
        out.push(send(3));
        assert_eq!(out.pop(), Some(PERSIST));
        out.persisted(true);
        assert_eq!(out.pop(), Some(send(3)));
    }
}
