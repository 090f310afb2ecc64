//! The sink that writes an RDB file. What does not depend on the keys (version, facts, function
//! libraries) is written when it is made, so a file of functions alone needs no pass.

use std::io;

use super::making::Making;
use super::sink::Sink;

use crate::base::alloc;
use crate::base::pin::Pinned;
use crate::config::REDIS_VERSION;
use crate::keyspace::{DbIndex, KeyView, Keyspace, Saver, UseClock};
use crate::persistence::background::{self, BackgroundFile};
use crate::persistence::rdb::{RdbWriter, Use, version_for};

/// Size at which a buffer is passed to the writing thread.
const CHUNK_BYTES: usize = 256 * 1024;

/// See the module.
pub(super) struct RdbSink {
    writer: RdbWriter,
    /// `rdbcompression`.
    compress: bool,
    file: BackgroundFile,
    uses: Uses,
    selected: Option<DbIndex>,
    /// Databases whose sizes have been written.
    told: Vec<DbIndex>,
    /// Keys, and those that expire, of the database last announced.
    sizes: (usize, usize),
    /// Why the requested file cannot be made.
    refused: Option<String>,
}

/// The part of a key's use that is saved, according to the eviction policy.
#[derive(Clone, Copy)]
struct Uses {
    clock: UseClock,
    lru: bool,
    lfu: bool,
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
    /// Writes to `file`, at first everything before the keys: facts, `facts` after the standard
    /// ones, and the function libraries. The version is the configured one, by default the lowest
    /// that can hold the keys.
    pub fn new(
        keyspace: &Keyspace,
        making: &Making<'_>,
        file: BackgroundFile,
        facts: &[(&str, Vec<u8>)],
    ) -> RdbSink {
        let config = making.config;
        let version = match config.rdb_version {
            0 => version_for(keyspace),
            asked => asked,
        };
        let mut writer = RdbWriter::new(version, config.rdbcompression);
        writer.magic();
        let number = |n: i64| n.to_string().into_bytes();
        writer.aux("redis-ver", REDIS_VERSION.as_bytes());
        writer.aux("redis-bits", b"64");
        writer.aux("ctime", &number(making.now.unix_s()));
        writer.aux("used-mem", &number(alloc::used_memory() as i64));
        for (name, value) in facts {
            writer.aux(name, value);
        }
        for library in making.libraries.iter() {
            writer.function(&library.code);
        }
        RdbSink {
            writer,
            compress: config.rdbcompression,
            file,
            uses: Uses {
                clock: keyspace.use_clock(),
                lru: config.maxmemory_policy.is_lru(),
                lfu: config.maxmemory_policy.is_lfu(),
            },
            selected: None,
            told: Vec::new(),
            sizes: (0, 0),
            refused: None,
        }
    }

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
            move |text: &[u8], out: &mut background::Sink<'_>| RdbWriter::text(text, compress, out);
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
