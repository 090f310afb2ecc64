//! A conversation: one migration's state machine, driven by events.
//!
//! Five types implement it: both ends of both ways (`pull_target`, `pull_source`, `push_source`,
//! `push_target`), and a replica's record of its primary's import (`on_primary`).
//!
//! A method returns `Err(End)` to end the attempt; `Scene::settle` then gives back all that it
//! held. The default methods ignore their event. `begin`, `routes_changed` and a replica's `tick`
//! look up the owner of each slot; other events are O(1), or O(ranges) where an action names the
//! slots.
//! `core` finds the conversation of an event, and repeats attempts.

use super::actions::MigrationLink;
use super::job::{End, EventResult, Scene};
use super::refusal::Refusal;

/// How the driver handles the next bytes of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// Replies, each by itself.
    Replies,
    /// Commands of the source (`applied`, `failed_to_apply`), and SYNCSLOTS (`request`).
    Commands,
    /// Commands and SYNCSLOTS of a snapshot, for which no client waits.
    Snapshot,
    /// Bytes that stay unread, within a bound, until this changes.
    Hold,
}

impl InputKind {
    /// Whether the bytes are run as commands.
    pub fn are_commands(self) -> bool {
        matches!(self, InputKind::Commands | InputKind::Snapshot)
    }
}

/// The reply to a peer's or a client's SYNCSLOTS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A simple string: the words after `+`.
    Status(&'static str),
    /// Peers wait for no reply.
    Silent,
    /// The refusal as an error; the connection stays open.
    Refused(Refusal),
    /// The refusal, then the connection is closed.
    RefusedAndClosed(Refusal),
    /// The connection is closed at once: the peer does not keep to the order.
    Closed,
}

/// The events of a migration. See the module.
pub(super) trait Conversation: std::fmt::Debug {
    /// The name of the conversation's state, in the words of the dialect.
    fn state(&self) -> &'static str;

    /// Details that Redis's way appends to `last_error`.
    fn error_details(&self) -> Option<String> {
        None
    }

    fn expects(&self, _link: MigrationLink) -> InputKind {
        InputKind::Hold
    }

    fn opened(&mut self, _scene: &mut Scene<'_>, _link: MigrationLink) -> EventResult {
        Ok(())
    }

    fn refused(&mut self, scene: &mut Scene<'_>, link: MigrationLink, why: &str) -> EventResult;

    fn closed(&mut self, scene: &mut Scene<'_>, link: MigrationLink) -> EventResult;

    /// The reply to our last command: the line of a status, or of an error.
    fn reply(
        &mut self,
        _scene: &mut Scene<'_>,
        _link: MigrationLink,
        _reply: Result<&[u8], &[u8]>,
    ) -> EventResult {
        Ok(())
    }

    /// A peer's `CLUSTER SYNCSLOTS`, from the word after it on. `false`: out of turn.
    fn request(
        &mut self,
        _scene: &mut Scene<'_>,
        _link: MigrationLink,
        _words: &[&[u8]],
    ) -> Result<bool, End> {
        Ok(false)
    }

    /// Bytes of the source's commands that have been applied.
    fn applied(&mut self, _scene: &mut Scene<'_>, _link: MigrationLink, _bytes: usize) {}

    /// All that a link has brought has been applied.
    fn caught_up(&mut self, _scene: &mut Scene<'_>, _link: MigrationLink) -> EventResult {
        Ok(())
    }

    /// The target's second link.
    fn join(&mut self, _scene: &mut Scene<'_>, _channel: MigrationLink) -> EventResult {
        Ok(())
    }

    fn exporting(&mut self, _scene: &mut Scene<'_>) -> EventResult {
        Ok(())
    }

    fn snapshot_sent(&mut self, _scene: &mut Scene<'_>) -> EventResult {
        Ok(())
    }

    /// Bytes of effects that were appended to the stream.
    fn streamed(&mut self, _bytes: usize) {}

    /// Whether it has all keys of its slots and waits for `taken`.
    fn awaits_claim(&self) -> bool {
        false
    }

    /// Whether it is a migration of our primary's.
    fn is_followed(&self) -> bool {
        false
    }

    /// Whether it is an import of our primary's whose end the stream has yet to report.
    fn is_open_import(&self) -> bool {
        false
    }

    /// Our primary has claimed the slots.
    fn completed_on_primary(&mut self, _scene: &mut Scene<'_>) -> EventResult {
        Err(End::Completed)
    }

    fn slots_taken_over(&mut self, _scene: &mut Scene<'_>) -> EventResult {
        Ok(())
    }

    /// The owners of the slots may have changed.
    fn routes_changed(&mut self, scene: &mut Scene<'_>) -> EventResult;

    fn tick(&mut self, scene: &mut Scene<'_>) -> EventResult;

    /// The data of this node was flushed.
    fn flushed(&mut self) -> EventResult;

    /// This node is a replica now, or is about to hand over to a replica.
    fn demoted(&mut self) -> EventResult;

    /// The wait between a failed attempt and the next. `None`: there is no other.
    fn retries_after_ms(&self) -> Option<i64> {
        None
    }

    /// Begins another attempt.
    fn begin(&mut self, _scene: &mut Scene<'_>) -> EventResult {
        Ok(())
    }
}
