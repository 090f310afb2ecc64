//! The keys of some slots, as commands, for another node: made by a pass, taken by the writer of
//! the link.
//!
//! Between the two is a [`SlotFeed`] of bounded size: the pass waits while it is full. Large values
//! are several commands, as in a base file.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::parts::persist::snapshot::{Sink, SnapshotEnd};
use russet_keyspace::{DbIndex, KeyView, Saver};
use russet_persistence::aof::CommandWriter;

/// Bytes above which the pass waits.
const WAITING_MAX: usize = 1 << 20;

#[derive(Debug, Default)]
struct FeedBuffer {
    bytes: Vec<u8>,
    end: Option<SnapshotEnd>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct SlotFeed(Arc<Mutex<FeedBuffer>>);

impl SlotFeed {
    fn fed(&self) -> MutexGuard<'_, FeedBuffer> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes the commands saved since the last call.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.fed().bytes)
    }

    /// How the snapshot ended; saved commands may still have to be taken.
    pub fn end(&self) -> Option<SnapshotEnd> {
        self.fed().end.clone()
    }

    pub fn is_empty(&self) -> bool {
        self.fed().bytes.is_empty()
    }

    /// The first end counts.
    pub fn set_end(&self, end: &SnapshotEnd) {
        self.fed().end.get_or_insert_with(|| end.clone());
    }
}

/// See the module.
pub struct SlotsSink {
    commands: CommandWriter,
    feed: SlotFeed,
    is_finished: bool,
}

impl SlotsSink {
    pub fn new(feed: SlotFeed) -> SlotsSink {
        SlotsSink {
            commands: CommandWriter::gathering(),
            feed,
            is_finished: false,
        }
    }

    fn hand_over(&mut self) {
        self.feed.fed().bytes.append(&mut self.commands.out);
    }
}

impl Saver for SlotsSink {
    fn database(&mut self, db: DbIndex, keys: usize, volatile: usize) {
        self.commands.database(db, keys, volatile);
    }

    fn key(&mut self, db: DbIndex, view: &KeyView<'_>) {
        self.commands.key(db, view);
        self.hand_over();
    }

    fn begin_large(&mut self, db: DbIndex, view: &KeyView<'_>) -> u64 {
        self.commands.begin_large(db, view)
    }

    fn part(&mut self, view: &KeyView<'_>, at: u64) -> Option<u64> {
        let next = self.commands.part(view, at);
        self.hand_over();
        next
    }

    fn has_room(&self) -> bool {
        self.feed.fed().bytes.len() < WAITING_MAX
    }
}

impl Sink for SlotsSink {
    fn finish(&mut self) {
        self.commands.end_gathered();
        if let Some(why) = self.commands.refusal() {
            self.feed.set_end(&SnapshotEnd::Failed(why.to_owned()));
        }
        self.hand_over();
        self.is_finished = true;
    }

    fn waiting_bytes(&self) -> usize {
        self.feed.fed().bytes.len()
    }

    fn ended(&mut self) -> Option<io::Result<()>> {
        self.is_finished.then_some(Ok(()))
    }

    /// Only turns of the loop make room.
    fn fail_if_stuck(&mut self) {
        self.feed.set_end(&SnapshotEnd::Failed(
            "another snapshot came between".to_owned(),
        ));
        self.is_finished = true;
    }
}
