//! The lines of a database.
//!
//! Lines 0 and 1 are `(none)` and `(other)`; `by_name` finds all others. A line is never removed:
//! once `lines_max` exist, a new prefix takes a vacant line (without keys), or is counted in
//! `(other)`.
//!
//! Cost: a comparison if the key has the prefix of the key before, else a hash and a probe;
//! O(lines) to reassign a line. Memory: `lines_max` + 2 lines with their names. `store::footprint`
//! and the server's counts of uses (`count`) decide what to count.

use hashbrown::HashTable;

use super::{EntryShare, KeyUse, NAME_MAX, PrefixFigures, PrefixName, PrefixRule, end_of};
use crate::store::table::WALK_END;
use russet_base::{hashing::hash, memory::alloc};

/// The line of keys without a delimiter, and the line of prefixes without a line of their own.
const NONE: usize = 0;
const OTHER: usize = 1;
/// Lines that always exist.
const FIXED: usize = 2;
/// No line is remembered.
const NO_LINE: u32 = u32::MAX;

#[derive(Clone, Debug, Default)]
struct Line {
    name: Box<[u8]>,
    figures: PrefixFigures,
}

/// See the folder's module.
#[derive(Debug)]
pub struct Prefixes {
    rule: PrefixRule,
    lines: Vec<Line>,
    /// Numbers of lines by the hashes of their names.
    by_name: HashTable<u32>,
    /// The line of the last key, if its prefix ends with the delimiter of the rule: another key has
    /// the same prefix exactly when it begins with this line's name.
    last: u32,
    /// Prefix lines without a key: these can be reassigned to other prefixes.
    vacant: usize,
    /// Counted are the entries whose place in the table is below this.
    frontier: u64,
}

/// All entries are counted.
const ALL: u64 = WALK_END;

impl Prefixes {
    /// A table for a database of which nothing is counted yet, unless it is empty.
    pub fn new(rule: PrefixRule, is_empty: bool) -> Prefixes {
        Prefixes {
            rule,
            lines: vec![Line::default(); FIXED],
            by_name: HashTable::new(),
            last: NO_LINE,
            vacant: 0,
            frontier: if is_empty { ALL } else { 0 },
        }
    }

    /// Where the walk over existing entries continues; `None`: all are counted.
    pub(crate) fn walks_at(&self) -> Option<u64> {
        (self.frontier < ALL).then_some(self.frontier)
    }

    /// All entries below `frontier` are counted now.
    pub(crate) fn walked_to(&mut self, frontier: u64) {
        self.frontier = frontier;
    }

    /// Whether the entry at this place in the table is counted.
    #[inline]
    pub fn covers(&self, place: u64) -> bool {
        place < self.frontier
    }

    /// All entries of the database are gone: counts of uses are kept.
    pub fn emptied(&mut self) {
        for line in &mut self.lines {
            line.figures = line.figures.uses();
        }
        self.vacant = self.lines.len() - FIXED;
        self.frontier = ALL;
    }

    /// Adds the use counts of another table of the same rule. O(lines).
    pub(crate) fn adopt_uses(&mut self, other: &Prefixes) {
        for (number, line) in other.lines.iter().enumerate() {
            let uses = line.figures.uses();
            if uses == PrefixFigures::default() {
                continue;
            }
            let figures = match number {
                NONE | OTHER => &mut self.lines[number].figures,
                // A prefix is a key of itself.
                _ => self.line_of(&line.name),
            };
            figures.reads += uses.reads;
            figures.writes += uses.writes;
            figures.misses += uses.misses;
            figures.expired += uses.expired;
        }
    }

    /// The line of a key, if its prefix has a line.
    #[inline]
    fn find(&mut self, key: &[u8]) -> Result<usize, usize> {
        if let Some(last) = self.lines.get(self.last as usize)
            && key.starts_with(&last.name)
        {
            return Ok(self.last as usize);
        }
        self.find_anew(key)
    }

    /// `Err`: the end of a prefix that has no line.
    fn find_anew(&mut self, key: &[u8]) -> Result<usize, usize> {
        let (end, is_full) = end_of(&self.rule, key);
        if end == 0 {
            return Ok(NONE);
        }
        if end > NAME_MAX {
            return Ok(OTHER);
        }
        let name = &key[..end];
        let lines = &self.lines;
        let found = self
            .by_name
            .find(hash::keys().hash(name), |&line| {
                *lines[line as usize].name == *name
            })
            .copied();
        let line = found.ok_or(end)?;
        self.last = if is_full { line } else { NO_LINE };
        Ok(line as usize)
    }

    /// The line of a key, created if there is room for it.
    #[inline]
    fn line_of(&mut self, key: &[u8]) -> &mut PrefixFigures {
        let line = match self.find(key) {
            Ok(line) => line,
            Err(end) => self.make(&key[..end]),
        };
        &mut self.lines[line].figures
    }

    #[cold]
    fn make(&mut self, name: &[u8]) -> usize {
        // A prefix with entries in `(other)` must stay there (invariant 2).
        if self.lines[OTHER].figures.keys > 0 {
            return OTHER;
        }
        let line = if self.lines.len() < self.rule.lines_max + FIXED {
            self.lines.push(Line::default());
            self.lines.len() - 1
        } else if self.vacant > 0 {
            self.vacant -= 1;
            self.vacate()
        } else {
            return OTHER;
        };
        self.vacant += 1;
        self.lines[line].name = name.into();
        let lines = &self.lines;
        let hashed = |&line: &u32| hash::keys().hash(&lines[line as usize].name);
        self.by_name
            .insert_unique(hash::keys().hash(name), line as u32, hashed);
        line
    }

    /// Takes a line without keys away from its prefix.
    fn vacate(&mut self) -> usize {
        let own = self.lines.iter().enumerate().skip(FIXED);
        let mut vacant = own.filter(|(_, line)| line.figures.keys == 0);
        let (line, _) = vacant.next().expect("there are vacant lines");
        let name = std::mem::take(&mut self.lines[line].name);
        let entry = self
            .by_name
            .find_entry(hash::keys().hash(&name), |&other| other as usize == line);
        if let Ok(entry) = entry {
            entry.remove();
        }
        // The prefix's counts of uses move to `(other)`.
        let gone = std::mem::take(&mut self.lines[line].figures);
        let rest = &mut self.lines[OTHER].figures;
        rest.reads += gone.reads;
        rest.writes += gone.writes;
        rest.misses += gone.misses;
        rest.expired += gone.expired;
        self.last = NO_LINE;
        line
    }

    /// An entry was inserted.
    pub fn add(&mut self, key: &[u8], share: EntryShare) {
        let line = match self.find(key) {
            Ok(line) => line,
            Err(end) => self.make(&key[..end]),
        };
        let figures = &mut self.lines[line].figures;
        self.vacant -= usize::from(line >= FIXED && figures.keys == 0);
        figures.keys += 1;
        figures.add(share);
    }

    /// A counted entry is removed.
    pub fn remove(&mut self, key: &[u8], share: EntryShare) {
        let line = self.find(key).unwrap_or(OTHER);
        let figures = &mut self.lines[line].figures;
        figures.keys -= 1;
        figures.subtract(share);
        self.vacant += usize::from(line >= FIXED && figures.keys == 0);
    }

    /// A counted entry changes its size, or is packed or unpacked.
    #[inline]
    pub fn change(&mut self, key: &[u8], before: EntryShare, after: EntryShare) {
        if before != after {
            let line = self.find(key).unwrap_or(OTHER);
            let figures = &mut self.lines[line].figures;
            figures.add(after);
            figures.subtract(before);
        }
    }

    /// Counts a use of a key.
    #[inline]
    pub fn count(&mut self, key: &[u8], what: KeyUse) {
        // Lookups of missing keys must not fill the table.
        let figures = match what {
            KeyUse::Write => self.line_of(key),
            KeyUse::Read | KeyUse::Miss | KeyUse::Expiry => {
                let line = self.find(key).unwrap_or(OTHER);
                &mut self.lines[line].figures
            }
        };
        match what {
            KeyUse::Read => figures.reads += 1,
            KeyUse::Miss => figures.misses += 1,
            KeyUse::Write => figures.writes += 1,
            KeyUse::Expiry => figures.expired += 1,
        }
    }

    /// The lines with any figure above zero.
    pub fn lines(&self) -> impl Iterator<Item = (PrefixName<'_>, PrefixFigures)> {
        let lines = self.lines.iter().enumerate();
        lines
            .filter(|(_, line)| !line.figures.is_idle())
            .map(|(number, line)| {
                let name = match number {
                    NONE => PrefixName::None,
                    OTHER => PrefixName::Other,
                    _ => PrefixName::Prefix(&line.name),
                };
                (name, line.figures)
            })
    }

    /// Bytes of the table.
    pub fn memory_bytes(&self) -> usize {
        let names = self
            .lines
            .iter()
            .map(|line| alloc::slice_bytes(line.name.len()));
        let places = self.by_name.allocation_size();
        alloc::boxed_bytes::<Prefixes>()
            + alloc::vec_bytes(&self.lines)
            + alloc::slice_bytes(places)
            + names.sum::<usize>()
    }

    /// Panics unless the figures match the entries, passed as key, place in the table and share.
    /// O(n).
    pub fn check<'a>(&self, entries: impl Iterator<Item = (&'a [u8], u64, EntryShare)>) {
        let mut walked = Prefixes {
            rule: self.rule,
            lines: self.lines.clone(),
            by_name: self.by_name.clone(),
            last: NO_LINE,
            vacant: 0,
            frontier: self.frontier,
        };
        for line in &mut walked.lines {
            line.figures = PrefixFigures::default();
        }
        for (key, place, share) in entries {
            if self.covers(place) {
                let line = walked.find(key).unwrap_or(OTHER);
                let figures = &mut walked.lines[line].figures;
                figures.keys += 1;
                figures.add(share);
            }
        }
        let mut vacant = 0;
        for (number, (own, walked)) in self.lines.iter().zip(&walked.lines).enumerate() {
            let (own, name) = (own.figures, String::from_utf8_lossy(&own.name));
            let expected = PrefixFigures {
                keys: walked.figures.keys,
                bytes: walked.figures.bytes,
                packed: walked.figures.packed,
                saved: walked.figures.saved,
                ..own
            };
            assert_eq!(own, expected, "prefix {name:?}");
            vacant += usize::from(number >= FIXED && own.keys == 0);
        }
        assert_eq!(vacant, self.vacant);
    }
}
