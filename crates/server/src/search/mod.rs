//! Indexes beside the keyspace: changed keys are read again, new indexes read the existing keys.
//!
//!     documents     hashes and JSON documents as an index reads them
//!     dropping      indexes that are dropped with their documents
//!     judge         definitions of files and logs that this release refuses
//!     spread        definitions that all nodes of a cluster have
//!
//! Elsewhere: `parts::search` has the indexes and the keys that they have still to read,
//! `russet_search` the engine.
//! Cost: a turn without an index two tests; a changed key of an index costs the reading of its
//! document.

pub mod documents;
mod dropping;
mod judge;
mod spread;

use crate::parts::search::Indexes;
use russet_base::clock::Cycles;
use russet_config::Config;
use std::sync::Arc;

use crate::execution::execute::Author;
use crate::parts::persist::loading::SearchData;
pub use crate::parts::search::{Cursor, DATABASE, IndexEntry, ReadTicket, Scan};

use crate::state::Server;
use crate::state::world::Engine;
use documents::AnyDocument;
use russet_base::{clock, memory::alloc};
use russet_json::PathCache;
use russet_keyspace::{Cause, Class, Db, Keyspace, slot_of};
use russet_search::document::{Document, Item, PathValues};
use russet_search::expression::{Row, Value};
use russet_search::hit::DocumentId;
use russet_search::schema::Schema;
use russet_search::text::TextSettings;

/// Nanoseconds of a slice of reading while no client is served.
const SLICE_NANOS: u64 = 2_000_000;

/// Bytes that all queries and cursors may keep between their slices, and messages that wait to be
/// sent, if clients' memory has no limit.
const QUERIES_MAX: usize = 1 << 30;

/// Documents between two looks at the clock.
const SWEPT: u32 = 64;

/// Why an index lacks documents: the scan of existing keys ended, and later documents are left out.
const ENDED: &str = "Used memory is more than 100 percent of max memory, cancelling the scan";
const LEFT_OUT: &[u8] = b"Index background scan did not complete due to OOM. New documents will \
    not be indexed.";

/// The name of an index that was dropped, and the keys that went with it.
pub type DroppedIndex = (Box<[u8]>, Vec<Box<[u8]>>);

impl Server {
    /// A bit for each document of an index whose slot counts here; `None`: all count. While no
    /// slot moves O(1), else O(documents).
    pub fn documents_that_count(
        &self,
        keyspace: &Keyspace,
        held: &IndexEntry,
    ) -> Option<Arc<[u64]>> {
        let core = self.cluster.as_ref().map(|driver| &driver.core)?;
        #[cfg(feature = "testing")]
        if self.debug.broken_rule == Some(crate::parts::cluster::BrokenRule::CountsAll) {
            return None;
        }
        if held.sweep.is_none() && !keyspace.has_hidden() {
            return None;
        }
        let end = held.index.documents_end();
        let mut bits = vec![0u64; end.div_ceil(64) as usize];
        for id in 0..end {
            let Some(key) = held.index.living_key(DocumentId(id)) else {
                continue;
            };
            let slot = slot_of(key);
            if !keyspace.is_hidden(slot) && core.takes_keys_of(slot) {
                bits[id as usize / 64] |= 1 << (id % 64);
            }
        }
        Some(bits.into())
    }

    /// Bounds the memory that queries and cursors keep between their slices: ends idle cursors, the
    /// oldest first. `false`: queries and cursors still keep more than the limit, which is the
    /// limit of all clients (`maxmemory-clients`, or the share beside `maxmemory`), or without such
    /// a limit [`QUERIES_MAX`].
    pub fn make_room_for_queries(&mut self) -> bool {
        let bound = match self.memory.clients.limit() {
            (0, _) => QUERIES_MAX,
            (limit, _) => limit,
        };
        while alloc::bytes_for_replies() > bound {
            if !self.search.cursors.end_oldest() {
                return false;
            }
        }
        true
    }

    /// Continues the reading of keys that were there before an index, for a slice.
    fn continue_indexing(&mut self, keyspace: &mut Keyspace) {
        for held in self.search.take_removed() {
            let bytes = held.index.figures().bytes();
            keyspace.lazyfree.drop_later(Box::new(held), bytes, 1);
        }
        self.search.sweep_after_drops(keyspace.slot_drops());
        let is_behind =
            |(_, held): (&[u8], &IndexEntry)| held.scan.is_some() || held.sweep.is_some();
        self.turn.indexing =
            !self.persist.loading.in_progress() && self.search.iter().any(is_behind);
        if !self.turn.indexing {
            return;
        }
        let nanos = self
            .turn
            .slice_nanos(self.migrations.as_deref(), &self.stats, &self.cycles)
            .unwrap_or(SLICE_NANOS);
        let (began, ticks) = (clock::cycles(), self.cycles.ticks(nanos));
        let is_over = || clock::cycles().wrapping_sub(began) >= ticks;
        let bound = self.eviction_bound();
        for (name, held) in self.search.iter_mut() {
            let db = keyspace.db(held.database());
            while let Some(scan) = held.scan
                && !is_over()
            {
                if scan.ends_at_limit && alloc::exceeds(bound) {
                    end_reading(name, held);
                    break;
                }
                held.scan = read_some(&db, scan, held, &mut self.json_paths);
                held.is_recovering &= held.scan.is_some();
            }
            while let Some(next) = held.sweep
                && !is_over()
            {
                held.sweep = sweep_some(&db, next, held);
            }
            if is_over() {
                break;
            }
        }
        let micros = self.cycles.micros(clock::cycles().wrapping_sub(began));
        if let Some((_, held)) = self.search.iter_mut().find(|its| its.1.scan.is_some()) {
            held.indexing_us += micros;
        }
    }

    /// Replaces all indexes by those of a file; they read the keys in slices.
    pub(crate) fn restore_indexes(&mut self, keyspace: &mut Keyspace, data: SearchData) {
        // The data that was there before went with its indexes.
        if keyspace.has_news() {
            self.notify_changes(keyspace, Author::Server);
        }
        let SearchData {
            definitions,
            dictionaries,
            others,
            refused,
        } = data;
        let now_ms = self.now.mono_ms;
        let texts = text_settings(&self.config);
        let (definitions, not_taken) = judge::judged(definitions);
        self.search
            .restore(definitions, dictionaries, texts, now_ms);
        for lines in not_taken {
            self.search.keep_aside(lines);
        }
        for (name, lines) in &others.indexes {
            if !self.search.define(&self.config, name, lines, now_ms) {
                self.search.keep_aside(lines.clone());
            }
        }
        if refused.is_some_and(|bytes| !self.search.restore_refused(&bytes)) {
            tracing::warn!("Definitions of indexes that a file keeps aside are damaged");
        }
        for (alias, name) in &others.aliases {
            self.search.set_alias(alias, name);
        }
        self.update_listeners(keyspace);
    }

    /// Ends cursors that idle, and TEMPORARY indexes with their documents: a primary's, which its
    /// replicas are sent. O(indexes + cursors).
    pub(crate) fn tend_indexes(&mut self, keyspace: &mut Keyspace) {
        let now_ms = self.now.mono_ms;
        self.search.cursors.expire(now_ms);
        let is_replica = self.replication.is_replica();
        if self.search.is_empty() || is_replica || self.persist.loading.in_progress() {
            return;
        }
        for name in self.search.outlived(now_ms) {
            if self.search.begin_drop(&name) {
                continue;
            }
            let Some(index) = self.search.get(&name).map(IndexEntry::database) else {
                continue;
            };
            let mut db = keyspace.db(index);
            let Some((name, deleted)) = self.search.drop_index(&mut db, &name, true) else {
                continue;
            };
            for key in &deleted {
                let (slot, words) = (|| Some(slot_of(key)), [b"DEL", &**key]);
                db.effects().record(index, slot, words.into_iter());
            }
            let words = [&b"FT._DROPINDEXIFX"[..], &name, b"_FORCEKEEPDOCS"];
            db.effects().record(DATABASE, || None, words.into_iter());
            db.add_dirty(1);
            self.update_listeners(keyspace);
            if keyspace.has_news() {
                self.notify_changes(keyspace, Author::Server);
            }
        }
    }
}

impl Engine {
    /// See [`Server::continue_indexing`].
    pub fn continue_indexing(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        if !server.search.is_empty() || server.turn.indexing {
            server.continue_indexing(keyspace);
        }
    }
}

/// Reads the next few keys. Returns the next position; `None` at the end.
fn read_some(
    db: &Db<'_>,
    scan: Scan,
    held: &mut IndexEntry,
    paths: &mut PathCache,
) -> Option<Scan> {
    let (mut keys, mut seen) = (Vec::new(), scan.seen);
    let schema = held.index.schema();
    // Keys of hidden slots, too: when these are shown, no key changes.
    let cursor = db.scan_with_hidden(scan.cursor, |key, _| {
        seen += 1;
        if schema.covers(key) {
            keys.push(Box::<[u8]>::from(key));
        }
    });
    for key in keys {
        read_key(db, &key, held, paths);
    }
    (cursor != 0).then_some(Scan {
        cursor,
        seen,
        ..scan
    })
}

/// Ends the scan of existing keys at the memory limit: the index keeps the documents read so far.
fn end_reading(name: &[u8], held: &mut IndexEntry) {
    held.scan = None;
    held.is_partial = true;
    held.index.count_fault(ENDED.as_bytes(), b"N/A");
    let name = String::from_utf8_lossy(name);
    tracing::warn!("{ENDED}: index {name} has the documents that it has read so far");
}

/// Removes, among the next few documents, the documents whose keys are gone. Returns the next
/// position; `None` at the end.
fn sweep_some(db: &Db<'_>, from: u32, held: &mut IndexEntry) -> Option<u32> {
    let end = held.index.documents_end();
    let next = from.saturating_add(SWEPT).min(end);
    let keys = (from..next).filter_map(|id| held.index.living_key(DocumentId(id)));
    let gone = keys.filter(|key| !db.peek_exists(key));
    let gone: Vec<Box<[u8]>> = gone.map(Box::from).collect();
    for key in gone {
        held.index.remove(&key);
    }
    (next < end).then_some(next)
}

/// Reads the document of a key that an index covers.
fn read_key(db: &Db<'_>, key: &[u8], held: &mut IndexEntry, paths: &mut PathCache) {
    let schema = held.index.schema();
    match AnyDocument::at(db, key, schema.key_type, paths) {
        Some(document) if passes(schema, key, &document) => {
            if held.is_partial && !held.index.has(key) {
                held.index.count_fault(LEFT_OUT, key);
            } else {
                held.index.put(key, &document);
            }
        }
        _ => _ = held.index.remove(key),
    }
}

/// Whether the condition of FILTER holds for a document.
fn passes(schema: &Schema, key: &[u8], document: &AnyDocument<'_>) -> bool {
    let Some(filter) = &schema.filter else {
        return true;
    };
    let row = Fields {
        schema,
        key,
        document,
    };
    filter.expression.holds(&row)
}

/// A document's fields by the names that the schema has for them, else by their paths.
struct Fields<'d, 'k> {
    schema: &'d Schema,
    key: &'d [u8],
    document: &'d AnyDocument<'k>,
}

impl Row for Fields<'_, '_> {
    fn property(&self, _: usize, name: &[u8]) -> Option<Value> {
        if name == b"__key" {
            return Some(Value::Text(self.key.to_vec()));
        }
        let field = self.schema.field(name);
        let path = field.map_or(name, |(_, field)| &field.path);
        match self.document.find(path) {
            PathValues::Nothing => None,
            PathValues::One(item) => value_of(item),
            PathValues::Several(items) => items.into_iter().next().and_then(value_of),
        }
    }
}

fn value_of(item: Item<'_>) -> Option<Value> {
    Some(match item {
        Item::Null | Item::Object => return None,
        Item::Bool(value) => Value::Number(f64::from(u8::from(value))),
        Item::Number(n) => Value::Number(n),
        Item::Text(text) => Value::Text(text.into_owned()),
        Item::List(items) => Value::List(items.into_iter().filter_map(value_of).collect()),
    })
}

impl Indexes {
    /// Reads the keys again that were noted.
    #[cold]
    pub(crate) fn read_changed(
        &mut self,
        json_paths: &mut PathCache,
        cycles: &Cycles,
        keyspace: &mut Keyspace,
    ) {
        let began = clock::cycles();
        let changed = self.take_changed();
        for (_, held) in self.iter_mut() {
            let index = held.database();
            let db = keyspace.db(index);
            for (its, key) in &changed {
                if held.covers(*its, key) {
                    read_key(&db, key, held, json_paths);
                }
            }
            held.indexing_us += cycles.micros(clock::cycles().wrapping_sub(began));
        }
    }

    /// Reads the keys again that have changed, in the order of their changes. The lines of the
    /// journal that no listener has taken yet, within an atomic script, count too.
    pub fn catch_up(
        &mut self,
        json_paths: &mut PathCache,
        cycles: &Cycles,
        keyspace: &mut Keyspace,
    ) {
        if !keyspace.journal.is_empty() {
            self.note(&keyspace.journal);
        }
        if self.has_changed() {
            self.read_changed(json_paths, cycles, keyspace);
        }
        self.sweep_after_drops(keyspace.slot_drops());
    }

    /// Removes an index, and its documents of `db` if asked; `name` is the index's name or an
    /// alias. Returns the index's name, and the deleted keys, which the caller has to record.
    /// `None`: there is no such index. O(1), with documents O(documents).
    pub fn drop_index(
        &mut self,
        db: &mut Db<'_>,
        name: &[u8],
        with_documents: bool,
    ) -> Option<DroppedIndex> {
        let (name, held) = self.remove(name)?;
        let mut deleted = Vec::new();
        for key in held.index.keys().filter(|_| with_documents) {
            if db.delete(key, Cause::Unlink) {
                db.changed(key, Class::GENERIC, "del");
                deleted.push(key.into());
            }
        }
        self.let_go(held);
        Some((name, deleted))
    }

    /// All data was replaced by a file's: every index reads it.
    pub(crate) fn reindex(&mut self) {
        if !self.is_empty() {
            self.start_over();
        }
    }
}

/// How indexes that are made now analyse texts.
pub fn text_settings(config: &Config) -> TextSettings {
    TextSettings {
        stem_min: config.search_min_stem_len as usize,
        sound_min: config.search_min_phonetic_term_len as usize,
        gap: config.search_multi_text_slop,
    }
}
