//! The indexes of FT.*: by name, with their aliases; dictionaries; documents that changed.
//!
//! An index follows the keys of a database, 0 unless its definition names another: the server notes
//! each changed key here, and reads it again before the next command
//! ([`Indexes::take_changed`]). An index that is new, or whose data was loaded, reads the existing
//! keys in slices ([`Scan`]).
//!
//! Invariants
//!   1. An alias names an index that exists, and no index has its name.
//!   2. A changed key is read again before any command asks an index.
//!
//! Cost without an index: none; a change of a key costs O(indexes * prefixes).

mod aside;
mod catalog;
mod cursors;
mod refused;

use std::collections::BTreeMap;

use russet_keyspace::{ChangeKind, DbIndex, Journal};
use russet_search::file::{Definition, Dictionaries, Groups};
use russet_search::index::Index;
use russet_search::query::Dialect;
use russet_search::schema::{Schema, words};
use russet_search::text::TextSettings;

pub(crate) use catalog::{Catalog, Definitions, Kind, Line, Message, OTHER_INDEXES};
pub use cursors::{Cursor, Cursors, ReadTicket};
pub(crate) use refused::REFUSED_INDEXES;

/// The database whose keys are indexed unless a definition names another: a flush of it removes
/// dictionaries, too.
pub const DATABASE: DbIndex = DbIndex(0);

/// How far an index has read the keys that existed before the index.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    /// As of SCAN.
    pub cursor: u64,
    /// Keys looked at, of any name.
    pub seen: u64,
    /// A command made the index: the scan ends if used memory exceeds the limit. After a restart
    /// the scan reads all keys, whatever memory it takes, because the index had them before.
    pub ends_at_limit: bool,
}

/// An index with the scan of existing keys and its figures: use, cost, and the reason why it may
/// lack documents.
pub struct IndexEntry {
    pub index: Index,
    /// The scan of the keys that the index has not read yet; `None`: it has read all.
    pub scan: Option<Scan>,
    /// The keys that the index has not read yet existed before the server started, or came in a
    /// full synchronization: until the scan ends, queries find less than before.
    pub is_recovering: bool,
    /// Commands that queried the index.
    pub uses: u64,
    /// Microseconds spent on indexing.
    pub indexing_us: u64,
    /// The last use, monotonic milliseconds: a TEMPORARY index ends some time after it.
    pub used_ms: u64,
    /// Distinguishes this index from an earlier index of the same name, whose cursors do not belong
    /// to this index.
    pub birth: u64,
    /// A bit for each query dialect that commands have used.
    pub dialects: u8,
    /// Slots were dropped: documents from this number on may belong to keys that were dropped with
    /// the slots.
    pub sweep: Option<u32>,
    /// Used memory exceeded the limit while keys were read: the other keys are not indexed, nor are
    /// new keys.
    pub is_partial: bool,
    /// FT.DROPINDEX is deleting the index with its documents: documents from this number on are
    /// still to be deleted. Commands no longer find the index, and changes do not reach it.
    pub dropping: Option<u32>,
}

/// A key to be read again, with its database.
pub type ChangedKey = (DbIndex, Box<[u8]>);

impl IndexEntry {
    /// The database of the index's keys.
    pub fn database(&self) -> DbIndex {
        DbIndex(self.index.schema().database())
    }

    /// The warning of queries, if the scan of existing keys has ended at the memory limit.
    pub fn shortfall(&self) -> Option<String> {
        let text = "Index contains partial data due to an indexing failure caused by insufficient \
                    memory";
        self.is_partial.then(|| text.to_owned())
    }

    /// Reads all keys again, from the next slice on. `ends_at_limit`: see [`Scan`].
    pub fn read_again(&mut self, ends_at_limit: bool) {
        self.is_partial = false;
        self.scan = Some(Scan {
            ends_at_limit,
            ..Scan::default()
        });
    }

    /// Whether the index has still to read keys that it had read before the server started.
    pub fn is_short(&self) -> bool {
        self.is_recovering && self.scan.is_some()
    }

    /// Records that a command queries the index, at a monotonic time, in a query dialect.
    pub fn record_use(&mut self, now_ms: u64, dialect: Dialect) {
        self.uses += 1;
        self.used_ms = now_ms;
        self.dialects |= 1 << (dialect.number() - 1);
    }

    /// Whether a key of a database is a document of the index.
    pub fn covers(&self, db: DbIndex, key: &[u8]) -> bool {
        self.dropping.is_none() && self.database() == db && self.index.schema().covers(key)
    }
}

/// See the module.
#[derive(Default)]
pub struct Indexes {
    held: BTreeMap<Box<[u8]>, IndexEntry>,
    aliases: BTreeMap<Box<[u8]>, Box<[u8]>>,
    pub dictionaries: Dictionaries,
    /// Keys to be read again, in the order of their changes.
    changed: Vec<ChangedKey>,
    /// Some keys changed at once: all indexes read everything again.
    all_changed: bool,
    births: u64,
    pub cursors: Cursors,
    /// Removed indexes whose memory is still to be freed.
    removed: Vec<IndexEntry>,
    /// Changes of definitions.
    changes: u64,
    /// The version of a cluster's node.
    pub(crate) catalog: Catalog,
    /// The drops of slots that the indexes have been swept for.
    drops: u64,
    /// The definitions of flushes that can be undone.
    aside: aside::UndoDefinitions,
    /// Commands that this release does not take.
    refused: refused::RefusedCommands,
    /// There are indexes that are being dropped with their documents.
    pub are_dropped: bool,
}

impl Indexes {
    /// The definitions have changed.
    pub fn count_change(&mut self) {
        self.changes += 1;
    }

    /// Changes of definitions so far.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Slots have been dropped, so many times: documents of their keys are looked for.
    pub fn sweep_after_drops(&mut self, drops: u64) {
        if self.drops != drops {
            self.drops = drops;
            let held = self.held.values_mut();
            held.for_each(|held| held.sweep = Some(0));
        }
    }

    /// Whether there is no index.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Number of indexes.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// The indexes, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &IndexEntry)> {
        self.held.iter().map(|(name, held)| (&**name, held))
    }

    /// The indexes, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&[u8], &mut IndexEntry)> {
        self.held.iter_mut().map(|(name, held)| (&**name, held))
    }

    /// Whether an index has this very name.
    pub fn is_index(&self, name: &[u8]) -> bool {
        self.held.contains_key(name)
    }

    /// The name of the index that a name or an alias means.
    pub fn name_of<'n>(&'n self, name: &'n [u8]) -> Option<&'n [u8]> {
        let name = self.resolve(name);
        self.get(name).map(|_| name)
    }

    /// The name that an alias stands for; any other name stands for itself. An index wins over an
    /// alias of its name.
    fn resolve<'n>(&'n self, name: &'n [u8]) -> &'n [u8] {
        if self.held.contains_key(name) {
            return name;
        }
        self.aliases.get(name).map_or(name, |name| name)
    }

    /// The index of a name or an alias.
    pub fn get(&self, name: &[u8]) -> Option<&IndexEntry> {
        let held = self.held.get(self.resolve(name));
        held.filter(|held| held.dropping.is_none())
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, name: &[u8]) -> Option<&mut IndexEntry> {
        let name: Box<[u8]> = self.resolve(name).into();
        let held = self.held.get_mut(&name);
        held.filter(|held| held.dropping.is_none())
    }

    /// An index that is being dropped with its documents. O(indexes).
    pub fn dropped(&mut self) -> Option<(&[u8], &mut IndexEntry)> {
        let mut all = self.held.iter_mut();
        let found = all.find(|(_, held)| held.dropping.is_some());
        found.map(|(name, held)| (&**name, held))
    }

    /// Whether the index with this `birth` exists, even if it is being dropped. O(indexes).
    pub fn has_birth(&self, birth: u64) -> bool {
        self.held.values().any(|held| held.birth == birth)
    }

    /// The TEMPORARY indexes that no command has used for their time. O(indexes).
    pub fn outlived(&self, now_ms: u64) -> Vec<Box<[u8]>> {
        let is_over = |held: &IndexEntry| {
            let idle_ms = now_ms.saturating_sub(held.used_ms);
            let seconds = held.index.schema().temporary_s;
            let is_idle = seconds.is_some_and(|seconds| idle_ms as f64 >= seconds * 1000.0);
            is_idle && held.dropping.is_none()
        };
        let over = self.held.iter().filter(|(_, held)| is_over(held));
        over.map(|(name, _)| name.clone()).collect()
    }

    /// Makes an index, which must not exist. The index reads the existing keys, unless the schema
    /// says otherwise.
    pub fn create(&mut self, name: &[u8], schema: Schema, texts: TextSettings, now_ms: u64) {
        let scan = (!schema.skips_scan).then(Scan::default);
        self.births += 1;
        let mut index = Index::new(schema);
        index.set_text_settings(texts);
        let held = IndexEntry {
            index,
            scan,
            is_recovering: false,
            uses: 0,
            indexing_us: 0,
            used_ms: now_ms,
            birth: self.births,
            dialects: 0,
            sweep: None,
            is_partial: false,
            dropping: None,
        };
        self.changes += 1;
        self.aliases.remove(name);
        self.forget_refused(name);
        self.held.insert(name.into(), held);
    }

    /// The indexes over Redis's database as files have them. O(fields of all).
    pub fn definitions(&self, now_ms: u64) -> Vec<Definition> {
        self.definitions_of(now_ms, |held| held.database() == DATABASE)
    }

    fn definitions_of(
        &self,
        now_ms: u64,
        is_wanted: impl Fn(&IndexEntry) -> bool,
    ) -> Vec<Definition> {
        let definition = |(name, held): (&[u8], &IndexEntry)| {
            let schema = held.index.schema();
            let left_ms = schema.temporary_s.map(|seconds| {
                let idle_ms = now_ms.saturating_sub(held.used_ms);
                ((seconds * 1000.0) as u64).saturating_sub(idle_ms)
            });
            Definition {
                name: name.to_vec(),
                schema: schema.clone(),
                synonyms: synonyms_of(&held.index),
                aliases: self.aliases_of(name).map(<[u8]>::to_vec).collect(),
                left_ms,
                unread_filter: None,
            }
        };
        let wanted = self.iter().filter(|(_, held)| is_wanted(held));
        wanted.map(definition).collect()
    }

    /// The commands that make the indexes and dictionaries again.
    pub fn commands(&self, now_ms: u64) -> Vec<Vec<Vec<u8>>> {
        let mut commands = Vec::new();
        let line = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect::<Vec<_>>();
        for definition in self.definitions_of(now_ms, |_| true) {
            let mut create = line(&[b"FT._CREATEIFNX", &definition.name]);
            create.append(&mut words(&definition.schema));
            commands.push(create);
            for (term, groups) in &definition.synonyms {
                for group in groups {
                    let own = [&definition.name, group, &b"SKIPINITIALSCAN"[..], term];
                    commands.push(line(&[&[b"FT.SYNUPDATE".as_slice()], &own[..]].concat()));
                }
            }
            for alias in &definition.aliases {
                commands.push(line(&[b"FT._ALIASADDIFNX", alias, &definition.name]));
            }
        }
        for (name, terms) in &self.dictionaries {
            let mut add = line(&[b"FT.DICTADD", name]);
            add.extend(terms.iter().map(|term| term.to_vec()));
            commands.push(add);
        }
        commands.extend(self.refused_lines().cloned());
        commands
    }

    /// Replaces all indexes and dictionaries by those of a file.
    pub fn restore(
        &mut self,
        definitions: Vec<Definition>,
        dictionaries: Dictionaries,
        texts: TextSettings,
        now_ms: u64,
    ) {
        self.clear();
        self.dictionaries = dictionaries;
        self.make_again(definitions, texts, now_ms);
    }

    /// Takes an index out, with all its aliases; `name` is the index's name or an alias.
    pub fn remove(&mut self, name: &[u8]) -> Option<(Box<[u8]>, IndexEntry)> {
        let name: Box<[u8]> = self.resolve(name).into();
        let (name, held) = self.held.remove_entry(&name)?;
        self.changes += 1;
        self.aliases.retain(|_, its| *its != name);
        self.cursors.end_of(&name);
        Some((name, held))
    }

    /// Takes an index that was removed, whose memory is freed later, off the loop.
    pub fn let_go(&mut self, held: IndexEntry) {
        self.removed.push(held);
    }

    /// The removed indexes whose memory is still to be freed.
    pub fn take_removed(&mut self) -> Vec<IndexEntry> {
        std::mem::take(&mut self.removed)
    }

    /// Removes all indexes and dictionaries: the data is gone.
    pub fn clear(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.removed.extend(held.into_values());
        self.cursors = Cursors::default();
        self.aliases.clear();
        self.dictionaries.clear();
        self.forget_all_refused();
        self.changed.clear();
        self.changes += 1;
    }

    /// Whether there is anything that changes of keys concern: a flush removes dictionaries, too.
    pub fn listens(&self) -> bool {
        !self.held.is_empty() || !self.dictionaries.is_empty() || self.refused_len() > 0
    }

    /// The index that an alias names.
    pub fn alias(&self, alias: &[u8]) -> Option<&[u8]> {
        self.aliases.get(alias).map(|name| &**name)
    }

    /// Lets an alias name an index; not if that does not exist, or another has the alias's name.
    pub fn set_alias(&mut self, alias: &[u8], name: &[u8]) {
        if self.is_index(name) && !self.is_index(alias) {
            self.aliases.insert(alias.into(), name.into());
        }
    }

    /// Removes an alias; `false`: there is no such alias.
    pub fn remove_alias(&mut self, alias: &[u8]) -> bool {
        self.aliases.remove(alias).is_some()
    }

    /// The aliases of an index, sorted.
    pub fn aliases_of<'i>(&'i self, name: &'i [u8]) -> impl Iterator<Item = &'i [u8]> {
        let all = self.aliases.iter();
        all.filter(move |(_, its)| ***its == *name)
            .map(|(alias, _)| &**alias)
    }

    /// Notes the changes of a journal, whose lines stay.
    pub fn note(&mut self, journal: &Journal) {
        if !self.listens() {
            return;
        }
        for change in journal.changes() {
            match change.kind {
                ChangeKind::Event => {}
                ChangeKind::Flushed => self.flushed(change.db),
                ChangeKind::Swapped => {
                    let is_of = |held: &IndexEntry| held.database() == change.db;
                    self.all_changed |= self.held.values().any(is_of);
                }
                _ => self.queue_changed_key(change.db, change.key),
            }
        }
    }

    /// Notes the flushes of a journal alone: while data is loaded, keys are read later.
    pub fn record_flushes(&mut self, journal: &Journal) {
        if self.listens() {
            let flushes = journal.changes();
            let flushes = flushes.filter(|change| change.kind == ChangeKind::Flushed);
            flushes.for_each(|change| self.flushed(change.db));
        }
    }

    fn queue_changed_key(&mut self, db: DbIndex, key: &[u8]) {
        let is_last = |(its, last): &ChangedKey| *its == db && **last == *key;
        let is_covered = self.held.values().any(|held| held.covers(db, key));
        if is_covered && !self.changed.last().is_some_and(is_last) {
            self.changed.push((db, key.into()));
        }
    }

    /// A database is empty: its indexes are gone.
    fn flushed(&mut self, db: DbIndex) {
        let of_db = self.held.iter().filter(|(_, held)| held.database() == db);
        let names: Vec<Box<[u8]>> = of_db.map(|(name, _)| name.clone()).collect();
        for name in names {
            let removed = self.remove(&name).map(|(_, held)| held);
            self.removed.extend(removed);
        }
        self.changed.retain(|(its, _)| *its != db);
        if db == DATABASE {
            self.dictionaries.clear();
            self.forget_all_refused();
            self.changes += 1;
        }
    }

    /// All data was replaced: the indexes begin anew.
    pub fn start_over(&mut self) {
        self.changed.clear();
        self.all_changed = false;
        for held in self.held.values_mut() {
            let synonyms = synonyms_of(&held.index);
            let texts = held.index.text_settings();
            held.index = Index::new(held.index.schema().clone());
            held.index.set_text_settings(texts);
            restore_synonyms(&mut held.index, &synonyms);
            held.read_again(false);
            held.is_recovering = true;
        }
    }

    /// Whether some keys are to be read again.
    #[inline]
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty() || self.all_changed
    }

    /// The keys to be read again, in the order of their changes.
    pub fn take_changed(&mut self) -> Vec<ChangedKey> {
        if self.all_changed {
            self.start_over();
        }
        std::mem::take(&mut self.changed)
    }
}

/// Terms with the groups of synonyms that they are in.
fn synonyms_of(index: &Index) -> Groups {
    let owned = |(term, groups): (&[u8], &[Box<[u8]>])| {
        (
            term.to_vec(),
            groups.iter().map(|group| group.to_vec()).collect(),
        )
    };
    index.synonyms().map(owned).collect()
}

fn restore_synonyms(index: &mut Index, synonyms: &Groups) {
    for (term, groups) in synonyms {
        for group in groups {
            index.set_synonyms(group, [term.clone()]);
        }
    }
}
