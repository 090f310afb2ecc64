//! A large sorted set: a tree by (score, member) and a table by member over the same entries.
//!
//! Invariants
//!   1. Tree and table point to the same members, which this struct owns.
//!   2. A member's entry carries the score under which the tree holds it.
//!
//! Cost: that of the table for a score, plus that of the tree for everything in order.
#![allow(unsafe_code)]

use crate::btree::{Descent, Key, Member, ZsetIndex};
use crate::elements::Elements;
use crate::hashtable::{HashTable, Word};
use rand::Rng;
use russet_base::hashing::hash;
use russet_base::memory::mover::Mover;
use russet_base::text::is_same;

/// See the module.
#[derive(Default)]
pub struct ScoredTable {
    index: ZsetIndex,
    table: HashTable,
    /// Bytes of all members' entries.
    bytes: usize,
}

#[inline]
fn member_of(word: Word) -> Member {
    // SAFETY: words in the table are live members.
    unsafe { Member::from_word(word.raw()) }
}

#[inline]
fn bytes_of<'a>(member: Member) -> &'a [u8] {
    // SAFETY: called with members in the table only, while it is borrowed.
    unsafe { member.bytes() }
}

fn hash_of(word: Word) -> u64 {
    hash::keys().hash(bytes_of(member_of(word)))
}

impl ScoredTable {
    /// The elements in order: rank, select, ranges.
    #[inline]
    pub fn index(&self) -> &ZsetIndex {
        &self.index
    }

    #[inline]
    fn find(&self, member: &[u8]) -> Option<Member> {
        let hash = hash::keys().hash(member);
        self.table
            .find(hash, |word| is_same(bytes_of(member_of(word)), member))
            .map(member_of)
    }

    /// Panics if an invariant is broken. O(n log n).
    pub fn check_invariants(&self) {
        self.index.check_invariants();
        self.table.check_invariants(hash_of);
        assert_eq!(self.index.len(), self.table.len());
        // SAFETY: words in the table are live members.
        let bytes = |word| unsafe { member_of(word).memory_bytes() };
        assert_eq!(self.table.iter().map(bytes).sum::<usize>(), self.bytes);
        for (score, member) in self.index.iter() {
            assert_eq!(self.score(member), Some(score));
        }
    }

    /// The member's score; `None`: it is not there.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        // SAFETY: members in the table are alive.
        self.find(member).map(|found| unsafe { found.score() })
    }

    /// Adds the member or moves it to another score; returns the old score.
    pub fn set(&mut self, member: &[u8], score: f64) -> Option<f64> {
        if let Some(found) = self.find(member) {
            // SAFETY: members in the table are alive.
            let old = unsafe { found.score() };
            if old != score {
                let key = Key {
                    score: old,
                    bytes: member,
                    entry: Some(found),
                };
                let moved = self.index.update(key, score);
                assert!(moved, "the tree holds every member");
                // SAFETY: alive, and `self` is exclusive.
                unsafe { found.set_score(score) };
            }
            return Some(old);
        }
        self.insert_new(member, score);
        None
    }

    /// Adds a member that is not there.
    pub fn insert_new(&mut self, member: &[u8], score: f64) {
        let entry = Member::new(score, member);
        // SAFETY: alive.
        self.bytes += unsafe { entry.memory_bytes() };
        // SAFETY: freed only after removal from both.
        unsafe { self.index.insert(score, entry) };
        self.table.insert(
            hash::keys().hash(member),
            Word::from_raw(entry.to_word()),
            hash_of,
        );
    }

    /// A table of distinct members in ascending order.
    pub fn from_sorted<'a>(elements: impl Iterator<Item = (f64, &'a [u8])>) -> Self {
        let (mut table, mut all_bytes) = (HashTable::new(), 0);
        let entries = elements.map(|(score, bytes)| {
            let entry = Member::new(score, bytes);
            // SAFETY: alive.
            all_bytes += unsafe { entry.memory_bytes() };
            table.insert(
                hash::keys().hash(bytes),
                Word::from_raw(entry.to_word()),
                hash_of,
            );
            (score, entry)
        });
        // SAFETY: freed only after removal from both.
        let index = unsafe { ZsetIndex::from_sorted(entries) };
        ScoredTable {
            index,
            table,
            bytes: all_bytes,
        }
    }

    /// Removes the member; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let hash = hash::keys().hash(member);
        let word = self
            .table
            .remove(hash, |word| is_same(bytes_of(member_of(word)), member))?;
        let entry = member_of(word);
        // SAFETY: out of the table but alive.
        let score = unsafe { entry.score() };
        let gone = self.index.remove(Key {
            score,
            bytes: member,
            entry: Some(entry),
        });
        assert!(gone == Some(entry), "the tree holds every member");
        // SAFETY: out of both.
        self.bytes -= unsafe { entry.free() };
        Some(score)
    }

    /// Removes up to `count` elements from `rank` on, in order, passing each to `see` first.
    pub fn remove_range(&mut self, rank: usize, count: usize, mut see: impl FnMut(f64, &[u8])) {
        let mut left = count;
        while left > 0 {
            let (table, bytes) = (&mut self.table, &mut self.bytes);
            let gone = self.index.remove_chunk(rank, left, |entry| {
                let word = Word::from_raw(entry.to_word());
                table.remove(hash_of(word), |other| other == word);
                // SAFETY: out of both but alive.
                see(unsafe { entry.score() }, bytes_of(entry));
                // SAFETY: out of both.
                *bytes -= unsafe { entry.free() };
            });
            if gone == 0 {
                return;
            }
            left -= gone;
        }
    }

    /// The rank and score of a member.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let found = self.find(member)?;
        // SAFETY: members in the table are alive.
        let score = unsafe { found.score() };
        let rank = self.index.rank(Key {
            score,
            bytes: member,
            entry: Some(found),
        });
        Some((rank.expect("the tree holds every member"), score))
    }

    /// A uniformly random member.
    pub fn random(&self, rng: &mut impl Rng) -> Option<(f64, &[u8])> {
        let entry = member_of(self.table.random(rng)?);
        // SAFETY: members in the table are alive.
        Some((unsafe { entry.score() }, bytes_of(entry)))
    }

    /// A step of SCAN; returns the next cursor, 0 at the end.
    pub fn scan(&self, cursor: u64, mut see: impl FnMut(f64, &[u8])) -> u64 {
        self.table.scan(cursor, |word| {
            let entry = member_of(word);
            // SAFETY: members in the table are alive.
            see(unsafe { entry.score() }, bytes_of(entry));
        })
    }

    /// The search for the place of an element with this hash, whose entry is loaded. A hint: the
    /// member's bytes are not compared.
    #[inline]
    pub fn descent(&self, hash: u64, changes: bool) -> Option<Descent<'_>> {
        let entry = member_of(self.table.find(hash, |_| true)?);
        // SAFETY: members in the table are alive.
        self.index.descent(unsafe { entry.score() }, changes)
    }

    /// Offers the blocks of about `n` members from a rank on, with the tree's, and before the first
    /// member the blocks of the table; returns the next rank, `None` at the end.
    pub fn relocate(&mut self, mover: &mut Mover, rank: usize, n: usize) -> Option<usize> {
        let ScoredTable { index, table, .. } = self;
        if rank == 0 {
            table.relocate_lines(mover);
        }
        let mut each = |member: Member, mover: &mut Mover| {
            let old = Word::from_raw(member.to_word());
            // SAFETY: alive; tree and table, its only referrers, get the copy's address.
            let moved = unsafe { member.moved(mover) }?;
            let handle = table.find_handle(hash::keys().hash(bytes_of(moved)), |word| word == old);
            let handle = handle.expect("the table holds every member");
            table.replace_at(handle, Word::from_raw(moved.to_word()));
            Some(moved)
        };
        let mut at = rank;
        while at - rank < n {
            // SAFETY: copies have their members' bytes and scores.
            match unsafe { index.relocate_leaf(at, mover, &mut each) } {
                0 => break,
                elements => at += elements,
            }
        }
        (at < index.len()).then_some(at)
    }

    /// Frees up to `n` elements (by whole leaves); true when none is left. In between the table
    /// must not be used otherwise.
    pub fn free_step(&mut self, n: usize) -> bool {
        // Members are freed through the tree, without following the table's words; then the
        // segments are freed.
        let mut freed = 0;
        while freed < n {
            let bytes = &mut self.bytes;
            // SAFETY: the table forgets its words without reading members.
            match self
                .index
                .remove_chunk(0, usize::MAX, |entry| *bytes -= unsafe { entry.free() })
            {
                0 => break,
                gone => freed += gone,
            }
        }
        let table_empty = self.table.drain_step(n, |_| ());
        self.index.is_empty() && table_empty
    }
}

/// Builds a table from members in any order; fast if they are in descending order, as in files.
#[derive(Default)]
pub struct ScoredBuilder {
    table: HashTable,
    /// Bytes of the members' entries.
    bytes: usize,
    /// In order of insertion.
    members: Vec<(f64, Member)>,
}

impl ScoredBuilder {
    /// Adds a member with a score that is not NaN; false if the member is there already.
    pub fn add(&mut self, member: &[u8], score: f64) -> bool {
        let hash = hash::keys().hash(member);
        let is_it = |word| is_same(bytes_of(member_of(word)), member);
        if self.table.find(hash, is_it).is_some() {
            return false;
        }
        let entry = Member::new(score, member);
        // SAFETY: alive.
        self.bytes += unsafe { entry.memory_bytes() };
        self.table
            .insert(hash, Word::from_raw(entry.to_word()), hash_of);
        self.members.push((score, entry));
        true
    }

    /// Returns the table. Members that came in another order are sorted first.
    pub fn finish(mut self) -> ScoredTable {
        let mut members = std::mem::take(&mut self.members);
        members.reverse();
        let order = |a: &(f64, Member), b: &(f64, Member)| {
            let by_score = a.0.partial_cmp(&b.0).expect("scores are never NaN");
            by_score.then_with(|| bytes_of(a.1).cmp(bytes_of(b.1)))
        };
        if !members.is_sorted_by(|a, b| order(a, b).is_lt()) {
            members.sort_unstable_by(order);
        }
        // SAFETY: freed only after removal from both.
        let index = unsafe { ZsetIndex::from_sorted(members) };
        ScoredTable {
            index,
            table: std::mem::take(&mut self.table),
            bytes: self.bytes,
        }
    }
}

impl Drop for ScoredBuilder {
    fn drop(&mut self) {
        // SAFETY: the table forgets its words without reading members.
        let free = |(_, entry): (f64, Member)| unsafe { entry.free() };
        self.members.drain(..).for_each(|member| _ = free(member));
        while !self.table.drain_step(usize::MAX, |_| ()) {}
    }
}

impl Elements for ScoredTable {
    #[inline]
    fn table(&self) -> &HashTable {
        &self.table
    }

    fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.index.memory_bytes() + self.bytes
    }
}

impl Drop for ScoredTable {
    fn drop(&mut self) {
        while !self.free_step(usize::MAX) {}
    }
}

impl Clone for ScoredTable {
    fn clone(&self) -> Self {
        Self::from_sorted(self.index.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn behaves_like_a_map(ops in prop::collection::vec((0u8..6, 0u32..500, -9i32..9), 0..1500)) {
            let (mut table, mut model) = (ScoredTable::default(), BTreeMap::new());
            for (op, name, score) in ops {
                let (member, score) = (format!("member:{name}").into_bytes(), f64::from(score));
                match op {
                    0..4 => prop_assert_eq!(table.set(&member, score), model.insert(member, score)),
                    4 => prop_assert_eq!(table.remove(&member), model.remove(&member)),
                    _ => table.remove_range(name as usize, 2, |score, member| {
                        assert_eq!(model.remove(member), Some(score));
                    }),
                }
                prop_assert_eq!(table.len(), model.len());
            }
            table.index().check_invariants();
            let mut sorted: Vec<_> = model.iter().map(|(m, s)| (*s, m.clone())).collect();
            sorted.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
            let copy = table.clone();
            for (rank, (score, member)) in sorted.iter().enumerate() {
                prop_assert_eq!(copy.rank(member), Some((rank, *score)));
                prop_assert_eq!(table.score(member), Some(*score));
            }
            while !table.free_step(10) {}
            prop_assert!(table.len() == 0);
        }
    }
}
