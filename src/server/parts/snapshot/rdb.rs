//! The sink that writes an RDB file.

use std::io;

use super::sink::Sink;

use crate::base::pin::Pinned;
use crate::keyspace::{DbIndex, KeyView, Saver, UseClock};
use crate::persistence::background::{self, BackgroundFile};
use crate::persistence::rdb::{Use, Writer};

/// Size at which a buffer is passed to the writing thread.
const CHUNK_BYTES: usize = 256 * 1024;

/// See the module.
pub(in crate::server) struct RdbSink {
    pub(in crate::server) writer: Writer,
    /// `rdbcompression`.
    pub(in crate::server) compress: bool,
    pub(in crate::server) file: BackgroundFile,
    pub(in crate::server) uses: Uses,
    pub(in crate::server) selected: Option<DbIndex>,
    /// Databases whose sizes have been written.
    pub(in crate::server) told: Vec<DbIndex>,
    pub(in crate::server) sizes: (usize, usize),
    /// Why the requested file cannot be made.
    pub(in crate::server) refused: Option<String>,
}

/// The part of a key's use that is saved, according to the eviction policy.
#[derive(Clone, Copy)]
pub(in crate::server) struct Uses {
    pub(in crate::server) clock: UseClock,
    pub(in crate::server) lru: bool,
    pub(in crate::server) lfu: bool,
}

impl Uses {
    fn of(&self, clock: u32) -> Use {
        if self.lru
            && let Some(seconds) = self.clock.idle_seconds(clock)
        {
            Use::IdleSeconds(u64::from(seconds))
        } else if self.lfu
            && let Some(count) = self.clock.frequency(clock)
        {
            Use::Frequency(count)
        } else {
            Use::Nothing
        }
    }
}

impl RdbSink {
    fn send(&mut self) {
        let bytes = self.writer.take(Vec::new());
        let spare = self.file.write(bytes);
        self.writer.take(spare);
    }

    fn send_if_long(&mut self) {
        if self.writer.len() >= CHUNK_BYTES {
            self.send();
        }
    }

    /// Writes the database of the next key if it has changed.
    fn enter(&mut self, db: DbIndex) {
        if self.selected == Some(db) {
            return;
        }
        self.selected = Some(db);
        let first = !self.told.contains(&db);
        if first {
            self.told.push(db);
        }
        self.writer.select(db, first.then_some(self.sizes));
    }
}

impl Sink for RdbSink {
    fn finish(&mut self) {
        if let Some(too_new) = self.writer.too_new() {
            self.refused = Some(too_new.to_string());
            return;
        }
        self.writer.end();
        self.send();
        self.file.finish();
    }

    fn waiting_bytes(&self) -> usize {
        self.file.waiting_bytes()
    }

    fn ended(&mut self) -> Option<io::Result<()>> {
        match self.refused.take() {
            Some(why) => Some(Err(io::Error::other(why))),
            None => Some(self.file.end()?.map(|_| ())),
        }
    }
}

impl Saver for RdbSink {
    fn database(&mut self, _db: DbIndex, keys: usize, volatile: usize) {
        self.sizes = (keys, volatile);
    }

    fn key(&mut self, db: DbIndex, view: &KeyView<'_>) {
        self.enter(db);
        let used = self.uses.of(view.clock);
        self.writer.key(view, used);
        self.send_if_long();
    }

    fn text(&mut self, db: DbIndex, view: &KeyView<'_>, text: Pinned) {
        self.enter(db);
        let used = self.uses.of(view.clock);
        self.writer.key_alone(view, used);
        self.send();
        let compress = self.compress;
        let make =
            move |text: &[u8], out: &mut background::Sink<'_>| Writer::text(text, compress, out);
        self.file.write_made(text, make);
    }

    fn begin_large(&mut self, db: DbIndex, view: &KeyView<'_>) -> u64 {
        self.enter(db);
        let used = self.uses.of(view.clock);
        self.writer.begin_key(view, used)
    }

    fn part(&mut self, view: &KeyView<'_>, at: u64) -> Option<u64> {
        let next = self.writer.part(&view.value, at, usize::MAX);
        self.send_if_long();
        next
    }

    fn has_room(&self) -> bool {
        self.file.has_room()
    }
}
