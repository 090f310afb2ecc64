//! The definitions of indexes at all nodes of a cluster: `parts::search::catalog` decides which of
//! two nodes' definitions win; this file exchanges definitions and takes them over.
//!
//!     each second, and after changes   note ->
//!                                              <- request    its version is not higher
//!                                      content ->            it takes over, or unites
//!                                              <- note       its version is higher
//!
//! Only primaries take part: a replica has the definitions that its primary's stream brings.
//! Definitions that a primary takes over are recorded for log and replicas as commands. A flush,
//! which removes all definitions of a node, and the end of a TEMPORARY index are changes like
//! others: they spread.

use super::documents::check_path;
use super::{DATABASE, IndexEntry};
use crate::execution::execute::Author;
use crate::parts::cluster::ClusterDriver;
use crate::parts::persist::Persist;
use crate::parts::search::{Catalog, Definitions, Indexes, Kind, Line, Message};
use crate::search::text_settings;
use crate::state::Server;
use russet_cluster::NodeId;
use russet_config::Config;
use russet_keyspace::Keyspace;
use russet_search::schema::parse;

/// Milliseconds between two notes.
const NOTE_MS: u64 = 1000;
/// Bytes of definitions that are sent.
const CONTENT_MAX: usize = 32 << 20;

/// The number of no question.
const NO_NUMBER: [u8; 8] = [0; 8];

impl Server {
    /// Sends notes that are due. Called at each tick of the cluster's core.
    pub(crate) fn tend_definitions(&mut self, keyspace: &mut Keyspace) {
        let Some(has_slots) = spreads(self.cluster.as_deref(), &self.persist) else {
            self.search.catalog = Catalog::default();
            return;
        };
        self.search
            .refresh_catalog(self.cluster.as_deref(), has_slots);
        let now_ms = self.now.mono_ms;
        let Some(core) = self.cluster.as_ref().map(|driver| &driver.core) else {
            return;
        };
        let catalog = &mut self.search.catalog;
        if core.is_alone() {
            catalog.version = 0;
            return;
        }
        let is_silent = catalog.version == 0 && !self.search.listens();
        let catalog = &mut self.search.catalog;
        let is_due = catalog.has_news || now_ms >= catalog.due_ms;
        if is_silent || !is_due {
            return;
        }
        catalog.due_ms = now_ms + NOTE_MS;
        let others = core.other_primaries();
        let all = std::mem::take(&mut catalog.has_news);
        catalog.turn = catalog.turn.wrapping_add(1);
        let turn = catalog.turn;
        if all {
            for node in others {
                self.send_definitions(keyspace, node, Kind::Note);
            }
        } else if !others.is_empty() {
            self.send_definitions(keyspace, others[turn % others.len()], Kind::Note);
        }
    }

    /// Sends a note to a node that has not read a note before.
    pub(crate) fn send_definitions_note(&mut self, keyspace: &mut Keyspace, to: NodeId) {
        if spreads(self.cluster.as_deref(), &self.persist).is_some() {
            self.send_definitions(keyspace, to, Kind::Note);
        }
    }

    fn send_definitions(&mut self, keyspace: &mut Keyspace, to: NodeId, kind: Kind) {
        let content = match kind {
            Kind::Content => Definitions::of(&self.search).bytes(),
            Kind::Note | Kind::Request => Vec::new(),
        };
        if content.len() > CONTENT_MAX {
            let bytes = content.len();
            tracing::warn!("Definitions of indexes are too large for another node: {bytes} bytes");
            return;
        }
        let message = Message {
            kind,
            has_slots: spreads(self.cluster.as_deref(), &self.persist) == Some(true),
            version: self.search.catalog.version,
            digest: self.search.catalog.digest,
            content: &content,
        };
        let payload = [&NO_NUMBER[..], &message.bytes()].concat();
        self.with_cluster(keyspace, |driver, _| driver.core.ask(to, false, &payload));
    }

    /// Takes a message of another node.
    pub fn take_definitions(&mut self, keyspace: &mut Keyspace, from: NodeId, payload: &[u8]) {
        let (Some(has_slots), Some(message)) = (
            spreads(self.cluster.as_deref(), &self.persist),
            Message::read(payload),
        ) else {
            return;
        };
        self.search
            .catch_up(&mut self.json_paths, &self.cycles, keyspace);
        self.search
            .refresh_catalog(self.cluster.as_deref(), has_slots);
        let catalog = &mut self.search.catalog;
        let own = if has_slots { catalog.version } else { 0 };
        let its = if message.has_slots {
            message.version
        } else {
            0
        };
        let is_same = message.digest == catalog.digest;
        match message.kind {
            Kind::Request => self.send_definitions(keyspace, from, Kind::Content),
            Kind::Note if is_same => {
                if message.has_slots {
                    catalog.version = catalog.version.max(message.version);
                }
            }
            Kind::Note if message.has_slots && its >= own => {
                self.send_definitions(keyspace, from, Kind::Request);
            }
            Kind::Note if has_slots => self.send_definitions(keyspace, from, Kind::Note),
            Kind::Content if message.has_slots && its >= own => {
                let Some(definitions) = Definitions::read(message.content) else {
                    tracing::warn!("Definitions of indexes from node {from} are damaged");
                    return;
                };
                self.take_definitions_over(keyspace, &definitions, (own, its));
            }
            Kind::Note | Kind::Content => {}
        }
    }

    /// Takes over the definitions of a node, or unites them if the versions (`own`, `its`) are
    /// equal.
    fn take_definitions_over(
        &mut self,
        keyspace: &mut Keyspace,
        definitions: &Definitions,
        (own, its): (u64, u64),
    ) {
        #[cfg(feature = "testing")]
        if self.debug.broken_rule == Some(crate::parts::cluster::BrokenRule::KeepsDefinitions) {
            return;
        }
        let before = Definitions::of(&self.search);
        let wanted = if its > own {
            definitions.clone()
        } else {
            before.union(definitions)
        };
        if wanted != before {
            tracing::info!("Taking over definitions of indexes of version {its} from another node");
            self.redefine(keyspace, &before, &wanted);
        }
        let changes = self.search.changes();
        let digest = Definitions::of(&self.search).digest();
        let catalog = &mut self.search.catalog;
        (catalog.seen, catalog.digest) = (Some(changes), digest);
        catalog.version = its;
        if wanted != *definitions {
            catalog.count(u64::from(its > 0));
            catalog.has_news = true;
        }
    }

    /// Changes the definitions `before` into those of `wanted`.
    fn redefine(&mut self, keyspace: &mut Keyspace, before: &Definitions, wanted: &Definitions) {
        let now_ms = self.now.mono_ms;
        let mut effects: Vec<Line> = Vec::new();
        let line = |words: &[&[u8]]| -> Line { words.iter().map(|word| word.to_vec()).collect() };
        let differs = |name: &Vec<u8>| before.indexes.get(name) != wanted.indexes.get(name);
        for name in before.indexes.keys().filter(|name| differs(name)) {
            let index = self.search.get(name).map_or(DATABASE, IndexEntry::database);
            let mut db = keyspace.db(index);
            self.search.drop_index(&mut db, name, false);
            effects.push(line(&[b"FT._DROPINDEXIFX", name, b"_FORCEKEEPDOCS"]));
        }
        for (name, lines) in wanted.indexes.iter().filter(|(name, _)| differs(name)) {
            if self.search.define(&self.config, name, lines, now_ms) {
                effects.extend(lines.iter().cloned());
            } else {
                let name = String::from_utf8_lossy(name);
                tracing::warn!("Another node's index cannot be made here: {name}");
            }
        }
        let gone = before.aliases.iter();
        for (alias, _) in gone.filter(|(alias, _)| !wanted.aliases.contains_key(*alias)) {
            self.search.remove_alias(alias);
            effects.push(line(&[b"FT._ALIASDELIFX", alias]));
        }
        for (alias, name) in &wanted.aliases {
            let is_there = self.search.alias(alias) == Some(name);
            if !is_there && self.search.is_index(name) && !self.search.is_index(alias) {
                self.search.set_alias(alias, name);
                effects.push(line(&[b"FT.ALIASUPDATE", alias, name]));
            }
        }
        let names = before.dictionaries.keys().chain(wanted.dictionaries.keys());
        for name in names {
            let none = Default::default();
            let old = before.dictionaries.get(name).unwrap_or(&none);
            let new = wanted.dictionaries.get(name).unwrap_or(&none);
            let its = self.search.dictionaries.entry(name.as_slice().into());
            let its = its.or_default();
            let gone: Vec<&[u8]> = old.difference(new).map(Vec::as_slice).collect();
            let added: Vec<&[u8]> = new.difference(old).map(Vec::as_slice).collect();
            gone.iter().for_each(|term| _ = its.remove(*term));
            added.iter().for_each(|term| _ = its.insert((*term).into()));
            for (command, terms) in [(&b"FT.DICTDEL"[..], gone), (b"FT.DICTADD", added)] {
                if !terms.is_empty() {
                    effects.push(line(&[&[command, name], &terms[..]].concat()));
                }
            }
        }
        let mut db = keyspace.db(DATABASE);
        for line in &effects {
            let words: Vec<&[u8]> = line.iter().map(Vec::as_slice).collect();
            db.effects()
                .record(DATABASE, || None, words.iter().copied());
            db.add_dirty(1);
        }
        self.search.count_change();
        self.update_listeners(keyspace);
        if keyspace.has_news() {
            self.notify_changes(keyspace, Author::Server);
        }
        self.repeat_effects(keyspace);
    }
}

impl Indexes {
    /// Makes an index of its commands. `false`: they are not of this release.
    pub(crate) fn define(
        &mut self,
        config: &Config,
        name: &[u8],
        lines: &[Line],
        now_ms: u64,
    ) -> bool {
        let Some((create, synonyms)) = lines.split_first() else {
            return false;
        };
        let words: Vec<&[u8]> = create.iter().skip(2).map(Vec::as_slice).collect();
        let Ok(schema) = parse::create(name, &words, &check_path) else {
            return false;
        };
        // An index and an alias have different names.
        self.remove_alias(name);
        let texts = text_settings(config);
        self.create(name, schema, texts, now_ms);
        if let Some(held) = self.get_mut(name) {
            held.read_again(false);
            held.is_recovering = true;
            for line in synonyms {
                if let [_, _, group, _, term] = &line[..] {
                    held.index.set_synonyms(group, [term.clone()]);
                }
            }
        }
        true
    }

    /// Counts the changes of definitions since the last call as a single version.
    pub(crate) fn refresh_catalog(&mut self, cluster: Option<&ClusterDriver>, has_slots: bool) {
        let changes = self.changes();
        if self.catalog.seen == Some(changes) {
            return;
        }
        let digest = Definitions::of(self).digest();
        let is_first = self.catalog.seen.is_none();
        let is_alone = cluster.is_none_or(|driver| driver.core.is_alone());
        let catalog = &mut self.catalog;
        catalog.seen = Some(changes);
        if digest != catalog.digest {
            catalog.digest = digest;
            // A change that no other node has seen does not win over theirs.
            if !is_first && has_slots && !is_alone {
                catalog.count(1);
                catalog.has_news = true;
            }
        }
    }
}

/// Whether this is a primary of a cluster whose definitions are known: then whether it has
/// slots.
fn spreads(cluster: Option<&ClusterDriver>, persist: &Persist) -> Option<bool> {
    let core = &cluster?.core;
    let knows = !core.is_replica() && !persist.loading.in_progress();
    knows.then(|| core.is_voter())
}
