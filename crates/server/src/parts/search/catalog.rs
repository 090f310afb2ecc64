//! Definitions as the nodes of a cluster compare and send them.
//!
//!     message      kind: u8 | has slots: u8 | version: u64 | digest: 16 bytes | definitions
//!     definitions  as commands: count: u32 | words: u32 | length: u32, word ...
//!
//! A command that changes definitions changes them at all primaries with slots. A node may miss the
//! change: because it joins, gets its first slots, was away, has started again, or was promoted. It
//! learns of the change by notes: each second, a primary that has definitions sends their version
//! and digest to another primary, each in turn, and after a change to all primaries.
//! `server::search::spread` has the exchange.
//!
//! **Which definitions win.** A version counts the changes that a primary with slots has seen since
//! it started. Of two nodes
//!   1. the node with the lower version takes over all definitions of the other node: it creates,
//!      alters and drops until both nodes have the same;
//!   2. with equal versions, also if both are 0, both nodes take the union: of two indexes with the
//!      same name the index whose words are later in the order of bytes, of an alias the later
//!      target, of a dictionary all terms. A union that is new to both nodes gets the next version,
//!      unless the version is 0;
//!   3. a node without slots takes over the definitions of a node with slots, never the reverse.
//!
//! An acknowledged change is at all primaries with slots, so their versions have counted it.
//! Versions are in no file: a node that starts takes over the current definitions of the other
//! nodes.
//!
//! Files have the definitions of indexes over other databases than 0 in this form, too: Redis's
//! form has no room for the database.
//!
//! Invariant: the digest is of the definitions as they were when `seen` changes were counted. Cost:
//! O(definitions) after each change; a message a second without changes.

use super::{DATABASE, IndexEntry, Indexes, synonyms_of};
use russet_base::hashing::xxh3;
use russet_search::schema::words;
use std::collections::{BTreeMap, BTreeSet};

/// The commands that definitions are made of.
const CREATE: &[u8] = b"FT._CREATEIFNX";
const SYNONYM: &[u8] = b"FT.SYNUPDATE";
const ALIAS: &[u8] = b"FT.ALIASUPDATE";
const TERMS: &[u8] = b"FT.DICTADD";

/// The name of these bytes in RDB files.
pub(crate) const OTHER_INDEXES: &str = "russet-ft-index";

/// A command.
pub type Line = Vec<Vec<u8>>;

/// The version of a node's definitions, and the notes that it sends.
#[derive(Default)]
pub struct Catalog {
    pub version: u64,
    pub digest: u128,
    /// The changes that were counted when the digest was made; `None`: it was not yet.
    pub seen: Option<u64>,
    /// The next node that is sent a note, in turn.
    pub turn: usize,
    /// Monotonic milliseconds of the next note.
    pub due_ms: u64,
    /// All nodes are to be sent a note.
    pub has_news: bool,
}

/// The highest version. No node counts so many changes, so a message with a higher version is
/// invalid. Two nodes at this version have equal versions, and take the union of their definitions.
const VERSION_MAX: u64 = 1 << 40;

impl Catalog {
    /// Counts changes as versions.
    pub fn count(&mut self, changes: u64) {
        let next = self.version.checked_add(changes);
        self.version = next.map_or(VERSION_MAX, |next| next.min(VERSION_MAX));
    }
}

/// The definitions of indexes, aliases and dictionaries, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definitions {
    /// The commands of an index: CREATE, and SYNUPDATE for each term of a group.
    pub indexes: BTreeMap<Vec<u8>, Vec<Line>>,
    pub aliases: BTreeMap<Vec<u8>, Vec<u8>>,
    pub dictionaries: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>,
}

/// The kinds of messages between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The node's version and digest.
    Note = 1,
    /// The same, and the node wants the receiver's definitions.
    Request = 2,
    /// The same, with the node's definitions.
    Content = 3,
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub kind: Kind,
    pub has_slots: bool,
    pub version: u64,
    pub digest: u128,
    pub content: &'a [u8],
}

impl Message<'_> {
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![self.kind as u8, self.has_slots.into()];
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.digest.to_be_bytes());
        out.extend_from_slice(self.content);
        out
    }

    /// The message of bytes. `None`: they are damaged.
    pub fn read(bytes: &[u8]) -> Option<Message<'_>> {
        let (&[kind, has_slots], rest) = bytes.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (digest, content) = rest.split_first_chunk()?;
        let version = u64::from_be_bytes(*version);
        if version > VERSION_MAX {
            return None;
        }
        Some(Message {
            kind: match kind {
                1 => Kind::Note,
                2 => Kind::Request,
                3 => Kind::Content,
                _ => return None,
            },
            has_slots: has_slots != 0,
            version,
            digest: u128::from_be_bytes(*digest),
            content,
        })
    }
}

fn line(words: &[&[u8]]) -> Line {
    words.iter().map(|word| word.to_vec()).collect()
}

/// Commands as bytes: their number, and of each the words with their lengths, all u32.
pub(super) fn lines_bytes<'l>(lines: impl Iterator<Item = &'l Line>) -> Vec<u8> {
    let size = |out: &mut Vec<u8>, n: usize| out.extend_from_slice(&(n as u32).to_be_bytes());
    let (mut out, mut count) = (vec![0; 4], 0u32);
    for line in lines {
        count += 1;
        size(&mut out, line.len());
        for word in line {
            size(&mut out, word.len());
            out.extend_from_slice(word);
        }
    }
    out[..4].copy_from_slice(&count.to_be_bytes());
    out
}

/// The commands of bytes. `None`: they are damaged.
pub(super) fn read_lines(mut from: &[u8]) -> Option<Vec<Line>> {
    fn size(from: &mut &[u8]) -> Option<usize> {
        let (size, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(u32::from_be_bytes(*size) as usize)
    }
    let mut lines = Vec::new();
    for _ in 0..size(&mut from)? {
        let mut line = Line::new();
        for _ in 0..size(&mut from)? {
            let len = size(&mut from)?;
            let (word, rest) = from.split_at_checked(len)?;
            line.push(word.to_vec());
            from = rest;
        }
        lines.push(line);
    }
    from.is_empty().then_some(lines)
}

impl Definitions {
    pub fn of(indexes: &Indexes) -> Definitions {
        let mut all = Definitions::of_some(indexes, |_| true);
        for (name, terms) in &indexes.dictionaries {
            if !terms.is_empty() {
                let terms = terms.iter().map(|term| term.to_vec());
                all.dictionaries.insert(name.to_vec(), terms.collect());
            }
        }
        all
    }

    /// The indexes over other databases than Redis's.
    pub fn of_other_databases(indexes: &Indexes) -> Definitions {
        Definitions::of_some(indexes, |held| held.database() != DATABASE)
    }

    /// Some indexes, and their aliases.
    fn of_some(indexes: &Indexes, is_wanted: impl Fn(&IndexEntry) -> bool) -> Definitions {
        let mut all = Definitions::default();
        for (name, held) in indexes.iter().filter(|(_, held)| is_wanted(held)) {
            let mut schema = held.index.schema().clone();
            // SKIPINITIALSCAN is about the keys of the node that the client asked.
            schema.skips_scan = false;
            let mut create = line(&[CREATE, name]);
            create.append(&mut words(&schema));
            let mut lines = vec![create];
            for (term, groups) in synonyms_of(&held.index) {
                for group in groups {
                    let words: [&[u8]; 5] = [SYNONYM, name, &group, b"SKIPINITIALSCAN", &term];
                    lines.push(line(&words));
                }
            }
            all.indexes.insert(name.to_vec(), lines);
            for alias in indexes.aliases_of(name) {
                all.aliases.insert(alias.to_vec(), name.to_vec());
            }
        }
        all
    }

    /// The commands that make them.
    fn lines(&self) -> impl Iterator<Item = Line> {
        let indexes = self.indexes.values().flatten().cloned();
        let aliases = self.aliases.iter();
        let aliases = aliases.map(|(alias, name)| line(&[ALIAS, alias, name]));
        let dictionaries = self.dictionaries.iter().map(|(name, terms)| {
            let mut add = line(&[TERMS, name]);
            add.extend(terms.iter().cloned());
            add
        });
        indexes.chain(aliases).chain(dictionaries)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let lines: Vec<Line> = self.lines().collect();
        lines_bytes(lines.iter())
    }

    /// The definitions of bytes. `None`: they are damaged.
    pub fn read(from: &[u8]) -> Option<Definitions> {
        let mut all = Definitions::default();
        for line in read_lines(from)? {
            all.take(line)?;
        }
        Some(all)
    }

    fn take(&mut self, line: Line) -> Option<()> {
        let (command, name) = (line.first()?.as_slice(), line.get(1)?.clone());
        if command == CREATE {
            self.indexes.insert(name, vec![line]);
        } else if command == SYNONYM && line.len() == 5 {
            self.indexes.get_mut(&name)?.push(line);
        } else if command == ALIAS && line.len() == 3 {
            self.aliases.insert(name, line[2].clone());
        } else if command == TERMS {
            let terms = line.into_iter().skip(2);
            self.dictionaries.entry(name).or_default().extend(terms);
        } else {
            return None;
        }
        Some(())
    }

    pub fn digest(&self) -> u128 {
        xxh3::hash_128(&[&self.bytes()])
    }

    /// The union of both, by rule 2 of the module.
    pub fn union(&self, other: &Definitions) -> Definitions {
        let mut all = self.clone();
        for (name, lines) in &other.indexes {
            let its = all.indexes.entry(name.clone()).or_default();
            if *its < *lines {
                its.clone_from(lines);
            }
        }
        for (alias, name) in &other.aliases {
            let its = all.aliases.entry(alias.clone()).or_default();
            if *its < *name {
                its.clone_from(name);
            }
        }
        for (name, terms) in &other.dictionaries {
            let its = all.dictionaries.entry(name.clone()).or_default();
            its.extend(terms.iter().cloned());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(indexes: &[(&str, &str)], aliases: &[(&str, &str)], terms: &[&str]) -> Definitions {
        let bytes = |text: &&str| text.as_bytes().to_vec();
        let mut all = Definitions::default();
        for (name, field) in indexes {
            let words = [
                &b"FT._CREATEIFNX"[..],
                name.as_bytes(),
                b"SCHEMA",
                field.as_bytes(),
            ];
            all.indexes.insert(bytes(name), vec![line(&words)]);
        }
        for (alias, name) in aliases {
            all.aliases.insert(bytes(alias), bytes(name));
        }
        if !terms.is_empty() {
            all.dictionaries
                .insert(b"d".to_vec(), terms.iter().map(bytes).collect());
        }
        all
    }

    #[test]
    fn definitions_are_read_as_they_were_written() {
        let all = some(&[("a", "x"), ("b", "")], &[("l", "a")], &["t", "u"]);
        let bytes = all.bytes();
        assert_eq!(Definitions::read(&bytes), Some(all));
        for len in 0..bytes.len() {
            assert_eq!(Definitions::read(&bytes[..len]), None);
        }
        let note = Message {
            kind: Kind::Content,
            has_slots: true,
            version: 7,
            digest: 1 << 100,
            content: &bytes,
        };
        assert_eq!(Message::read(&note.bytes()).as_ref(), Some(&note));
        assert_eq!(Message::read(&[9; 40]), None);
        let invented = Message {
            version: VERSION_MAX + 1,
            ..note
        };
        assert_eq!(Message::read(&invented.bytes()), None);
        assert_eq!(Message::read(&[1; 5]), None);
    }

    #[test]
    fn a_union_is_the_same_from_both_sides() {
        let one = some(&[("a", "x"), ("b", "y")], &[("l", "a")], &["t"]);
        let two = some(&[("b", "z"), ("c", "y")], &[("l", "c"), ("m", "c")], &["u"]);
        let both = some(
            &[("a", "x"), ("b", "z"), ("c", "y")],
            &[("l", "c"), ("m", "c")],
            &["t", "u"],
        );
        assert_eq!(one.union(&two), both);
        assert_eq!(two.union(&one), both);
        assert_eq!(both.union(&one), both);
        assert_ne!(one.digest(), two.digest());
    }
}
