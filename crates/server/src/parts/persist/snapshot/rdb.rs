//! The sink that writes an RDB file, or a spool with the same bytes. Everything before the keys
//! (version, facts, function libraries) is written when the sink is made, so a file of functions
//! alone ([`Keyless`]) needs no pass.

use std::io;

use super::making::SnapshotContext;
use super::sink::Sink;
use crate::parts::search::{Definitions, OTHER_INDEXES, REFUSED_INDEXES};

use russet_base::memory::alloc;
use russet_base::memory::pin::PinnedBytes;
use russet_cluster::migration::{Name, Ranges};
use russet_keyspace::{DbIndex, KeyView, Keyspace, Saver, UseClock};
use russet_persistence::background::{self, BackgroundFile};
use russet_persistence::rdb::{
    DICTIONARIES, INDEXES, LongDocument, PackedChunk, RdbWriter, Use, VERSION_BLESSED,
    VERSION_MEMBER_TTLS, is_valkey,
};
use russet_persistence::spool::{self, Spool};
use russet_search::file::{self, Item};
use russet_types::Type;

/// Size at which a buffer is passed to the thread that writes a file.
const CHUNK_BYTES: usize = 256 * 1024;

/// The destination of the bytes.
pub(super) enum Output {
    File(BackgroundFile),
    Spool(Spool),
}

impl Output {
    fn write(&self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Output::File(file) => file.write(bytes),
            Output::Spool(spool) => spool.write(bytes),
        }
    }

    fn write_text(&self, text: PinnedBytes, compress: bool) {
        let make =
            move |text: &[u8], out: &mut background::Sink<'_>| RdbWriter::text(text, compress, out);
        match self {
            Output::File(file) => file.write_made(text, make),
            Output::Spool(spool) => spool.write_made(text, make),
        }
    }

    fn write_document(&self, document: LongDocument, compress: bool) {
        let bytes = document.memory_bytes();
        let make = move |out: &mut background::Sink<'_>| document.write(compress, out);
        match self {
            Output::File(file) => file.write_later(bytes, make),
            Output::Spool(spool) => spool.write_later(bytes, make),
        }
    }

    /// Writes a chunk whose packed values the thread unpacks.
    fn write_packed(&self, chunk: PackedChunk) {
        let bytes = chunk.memory_bytes();
        let make = move |out: &mut background::Sink<'_>| chunk.write(out);
        match self {
            Output::File(file) => file.write_later(bytes, make),
            Output::Spool(spool) => spool.write_later(bytes, make),
        }
    }

    fn finish(&self) {
        match self {
            Output::File(file) => file.finish(),
            Output::Spool(spool) => spool.finish(),
        }
    }

    fn has_room(&self) -> bool {
        match self {
            Output::File(file) => file.has_room(),
            Output::Spool(spool) => spool.has_room(),
        }
    }

    fn waiting_bytes(&self) -> usize {
        match self {
            Output::File(file) => file.memory_bytes(),
            // The driver counts all memory of spools.
            Output::Spool(_) => 0,
        }
    }

    fn end(&self) -> Option<io::Result<u64>> {
        match self {
            Output::File(file) => file.end(),
            Output::Spool(spool) => spool.end(),
        }
    }
}

/// See the module.
pub(super) struct RdbSink {
    writer: RdbWriter,
    /// `rdbcompression`.
    compress: bool,
    output: Output,
    /// Size at which a buffer is passed on.
    chunk_bytes: usize,
    uses: Uses,
    selected: Option<DbIndex>,
    /// Databases whose sizes have been written.
    reported: Vec<DbIndex>,
    /// Keys, and keys that expire, of the database last announced.
    sizes: (usize, usize),
    /// Why the requested file cannot be made.
    refused: Option<String>,
    /// The data of dictionaries, which stands after the keys.
    dictionaries: Option<Vec<Item>>,
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
    /// Names the imports of slots that are under way, before the keys.
    pub fn name_imports(&mut self, imports: &[(Name, &Ranges)]) {
        for (name, slots) in imports {
            self.writer.slot_import(name.as_bytes(), slots.pairs());
        }
    }

    /// Writes to `output`, at first everything before the keys: the standard facts, then `facts`,
    /// and the function libraries if they are wanted.
    pub fn new(
        keyspace: &Keyspace,
        making: &SnapshotContext<'_>,
        output: Output,
        version: u32,
        facts: &[(&str, Vec<u8>)],
        with_functions: bool,
    ) -> RdbSink {
        let config = making.config;
        let marks = keyspace.blessed_keys();
        if marks > 0 && (version < VERSION_BLESSED || is_valkey(version)) {
            tracing::warn!(
                "A file of RDB version {version} has no marks of BLESS: it leaves out those of \
                 {marks} keys"
            );
        }
        if keyspace.any_of(Type::Bitmap) && (version < VERSION_BLESSED || is_valkey(version)) {
            tracing::warn!("A file of RDB version {version} has bitmaps as strings");
        }
        let sets: usize = keyspace.in_use().map(|(_, db)| db.members().len()).sum();
        if sets > 0 && (version < VERSION_MEMBER_TTLS || is_valkey(version)) {
            tracing::warn!(
                "A file of RDB version {version} has no expiries of members: it leaves out those \
                 of {sets} sets"
            );
        }
        let mut writer = RdbWriter::new(version, config.rdbcompression.of_strings());
        writer.magic();
        let number = |n: i64| n.to_string().into_bytes();
        let (name, version) = config.dialect.version_fact();
        writer.aux(name, version.as_bytes());
        writer.aux("redis-bits", b"64");
        writer.aux("ctime", &number(making.now.unix_s()));
        writer.aux("used-mem", &number(alloc::used_memory() as i64));
        for (name, value) in facts {
            writer.aux(name, value);
        }
        for library in making.libraries.iter().filter(|_| with_functions) {
            writer.function(&library.code);
        }
        let search = making.search;
        let mut dictionaries = None;
        let others = Definitions::of_other_databases(search);
        if with_functions && !others.indexes.is_empty() {
            writer.aux(OTHER_INDEXES, &others.bytes());
        }
        if let Some(bytes) = search.refused_bytes().filter(|_| with_functions) {
            writer.aux(REFUSED_INDEXES, &bytes);
        }
        if with_functions && !search.is_empty() {
            let (version, items) = file::write(&search.definitions(making.now.mono_ms));
            writer.settings((INDEXES, version), &items, false);
        }
        if with_functions && !search.dictionaries.is_empty() {
            dictionaries = Some(file::write_dictionaries(&search.dictionaries));
        }
        writer.defer_packed();
        let chunk_bytes = match output {
            Output::File(_) => CHUNK_BYTES,
            Output::Spool(_) => spool::CHUNK_BYTES,
        };
        RdbSink {
            writer,
            compress: config.rdbcompression.of_strings(),
            output,
            chunk_bytes,
            uses: Uses {
                clock: keyspace.use_clock(),
                lru: config.maxmemory_policy.records_time(),
                lfu: config.maxmemory_policy.counts_uses(),
            },
            selected: None,
            reported: Vec::new(),
            sizes: (0, 0),
            refused: None,
            dictionaries,
        }
    }

    fn send(&mut self) {
        if let Some(chunk) = self.writer.take_packed() {
            return self.output.write_packed(chunk);
        }
        let bytes = self.writer.take(Vec::new());
        let spare = self.output.write(bytes);
        self.writer.take(spare);
    }

    fn send_if_long(&mut self) {
        if self.writer.len() >= self.chunk_bytes {
            self.send();
        }
    }

    /// Writes the database of the next key if it has changed.
    fn enter(&mut self, db: DbIndex) {
        if self.selected == Some(db) {
            return;
        }
        self.selected = Some(db);
        let first = !self.reported.contains(&db);
        if first {
            self.reported.push(db);
        }
        self.writer.select(db, first.then_some(self.sizes));
    }
}

impl Sink for RdbSink {
    fn finish(&mut self) {
        if let Some(why) = self.writer.refusal() {
            self.refused = Some(why);
            return;
        }
        if let Some(items) = self.dictionaries.take() {
            self.writer.settings((DICTIONARIES, 1), &items, true);
        }
        self.writer.end();
        self.send();
        self.output.finish();
    }

    fn waiting_bytes(&self) -> usize {
        self.output.waiting_bytes() + self.writer.memory_bytes()
    }

    fn ended(&mut self) -> Option<io::Result<()>> {
        if let Output::Spool(_) = self.output
            && let Some(why) = self.writer.refusal()
        {
            // Its readers have nothing to wait for.
            return Some(Err(io::Error::other(why)));
        }
        match self.refused.take() {
            Some(why) => Some(Err(io::Error::other(why))),
            None => Some(self.output.end()?.map(|_| ())),
        }
    }

    fn fail_if_stuck(&mut self) {
        if let Output::Spool(spool) = &self.output
            && spool.is_stuck()
        {
            spool.fail("the disk refuses, and the server does not wait for it now");
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

    fn text(&mut self, db: DbIndex, view: &KeyView<'_>, text: PinnedBytes) {
        self.enter(db);
        let used = self.uses.of(view.clock);
        self.writer.key_alone(view, used);
        self.send();
        self.output.write_text(text, self.compress);
    }

    fn begin_large(&mut self, db: DbIndex, view: &KeyView<'_>) -> u64 {
        self.enter(db);
        let used = self.uses.of(view.clock);
        if let Some(document) = LongDocument::of(&view.value) {
            // The thread prints it: no part follows.
            self.writer.key_alone(view, used);
            self.send();
            self.output.write_document(document, self.compress);
            return 0;
        }
        self.writer.begin_key(view, used)
    }

    fn part(&mut self, view: &KeyView<'_>, at: u64) -> Option<u64> {
        let next = self.writer.part(&view.value, at, usize::MAX);
        self.send_if_long();
        next
    }

    fn has_room(&self) -> bool {
        self.output.has_room()
    }
}

/// An [`RdbSink`] without keys. If a pass feeds it at all, the pass is made for other sinks.
pub(super) struct Keyless(pub RdbSink);

impl Sink for Keyless {
    fn finish(&mut self) {
        self.0.finish();
    }

    fn waiting_bytes(&self) -> usize {
        self.0.waiting_bytes()
    }

    fn ended(&mut self) -> Option<io::Result<()>> {
        self.0.ended()
    }
}

impl Saver for Keyless {
    fn database(&mut self, _db: DbIndex, _keys: usize, _volatile: usize) {}

    fn key(&mut self, _db: DbIndex, _view: &KeyView<'_>) {}

    fn begin_large(&mut self, _db: DbIndex, _view: &KeyView<'_>) -> u64 {
        0
    }

    fn part(&mut self, _view: &KeyView<'_>, _at: u64) -> Option<u64> {
        None
    }

    fn has_room(&self) -> bool {
        true
    }
}
