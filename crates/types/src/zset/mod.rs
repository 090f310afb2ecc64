//! A sorted set: a listpack of (member, score) in order, else tree and table.
//!
//! In the listpack a score is an integer if Redis stores an integer, else its shortest text. The
//! set becomes tree and table before a member is added that exceeds the limits; only results of
//! `ZUNIONSTORE` and the like become a listpack again.
#![allow(unsafe_code)]

mod packed;

use super::block::{BlockForm, listpack_of};
use super::{Container, Encoding, Entry, Limits, Signature, Type, below, boxed};
use packed::{PackedScore, find, insert_pair, pairs_from, prev_pair};
pub(super) use packed::{are_in_order, element, next_pair};
use rand::Rng;
use russet_base::numbers::float;
use russet_encodings::btree::UnreadMember;
use russet_encodings::elements::Elements;
use russet_encodings::hashtable::Shape;
use russet_encodings::listpack::Listpack;
use russet_encodings::record::SchemaRef;
use russet_encodings::scored::ScoredTable;
use russet_encodings::thin::ThinPointer;
use std::borrow::Cow;

/// See the module.
#[derive(Clone)]
pub enum Zset {
    /// (member, score), in the order of scores.
    Listpack(Listpack),
    /// Any other sorted set: a tree by score and a table by name.
    Table(Box<ScoredTable>),
}

/// A member visited by [`Zset::visit_scores`]; it is read only on demand.
#[derive(Clone, Copy)]
pub enum VisitedMember<'a> {
    /// A member of a listpack, read already.
    Packed(Entry<'a>),
    /// A member of a table, whose bytes have not been touched.
    Unread(UnreadMember<'a>),
}

impl<'a> VisitedMember<'a> {
    /// Prefetches the bytes that `entry` will read.
    #[inline]
    pub fn prefetch(self) {
        if let VisitedMember::Unread(member) = self {
            member.prefetch();
        }
    }

    /// The member's name; reads it now.
    #[inline]
    pub fn entry(self) -> Entry<'a> {
        match self {
            VisitedMember::Packed(entry) => entry,
            VisitedMember::Unread(member) => Entry::Str(member.bytes()),
        }
    }
}

impl Zset {
    /// An empty sorted set for about `expected` members of up to `member_len` bytes.
    pub fn new_for(expected: usize, member_len: usize, limits: &Limits) -> Self {
        if expected <= limits.zset_max_listpack_entries
            && member_len <= limits.zset_max_listpack_value
        {
            Zset::Listpack(Listpack::new())
        } else {
            Zset::Table(Box::default())
        }
    }

    /// Must be called before adding `count` members: tree and table if they will not fit.
    pub fn prepare(&mut self, count: usize, limits: &Limits) {
        if matches!(self, Zset::Listpack(_)) && count > limits.zset_max_listpack_entries {
            self.become_table();
        }
    }

    /// Becomes tree and table, however small the set is, and stays so.
    pub fn become_table(&mut self) -> &mut ScoredTable {
        if let Zset::Listpack(pack) = self {
            let mut table = Box::<ScoredTable>::default();
            let (mut at, mut buffer) = (pack.first(), itoa::Buffer::new());
            while let Some(pos) = at {
                let (score, member) = element(pack, pos);
                table.set(member.bytes(&mut buffer), score);
                at = next_pair(pack, pos);
            }
            *self = Zset::Table(table);
        }
        match self {
            Zset::Table(table) => table,
            Zset::Listpack(_) => unreachable!("just made"),
        }
    }

    /// For a sorted set just built as a whole: becomes a listpack if it is within the limits.
    pub(crate) fn become_listpack_if_small(&mut self, limits: &Limits) {
        let Zset::Table(table) = self else { return };
        if table.len() > limits.zset_max_listpack_entries {
            return;
        }
        let (mut longest, mut bytes) = (0, 0);
        for (_, member) in table.index().iter() {
            longest = longest.max(member.len());
            bytes += member.len();
        }
        if longest <= limits.zset_max_listpack_value && Listpack::new().fits(bytes) {
            let mut pack = Listpack::new();
            for (score, member) in table.index().iter() {
                pack.append_all(&[Entry::parse(member), PackedScore::new(score).entry()]);
            }
            *self = Zset::Listpack(pack);
        }
    }

    /// A sorted set built from distinct members in ascending order.
    pub fn from_sorted<'a>(
        elements: impl ExactSizeIterator<Item = (f64, &'a [u8])>,
        limits: &Limits,
    ) -> Self {
        let mut built = Zset::Table(Box::new(ScoredTable::from_sorted(elements)));
        built.become_listpack_if_small(limits);
        built
    }

    /// The member's score; `None`: it is no member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Zset::Table(table) => table.score(member),
            Zset::Listpack(pack) => find(pack, member).map(|at| element(pack, at).0),
        }
    }

    /// Adds a member or moves it to another score, which is not NaN; returns the old score.
    pub fn set(&mut self, member: &[u8], score: f64, limits: &Limits) -> Option<f64> {
        let pack = match self {
            Zset::Table(table) => return table.set(member, score),
            Zset::Listpack(pack) => pack,
        };
        if let Some(at) = find(pack, member) {
            let old = element(pack, at).0;
            if old != score {
                pack.delete_span(at, 2);
                insert_pair(pack, member, score);
            }
            return Some(old);
        }
        if pack.len() / 2 < limits.zset_max_listpack_entries
            && member.len() <= limits.zset_max_listpack_value
            && pack.fits(member.len())
        {
            insert_pair(pack, member, score);
        } else {
            self.become_table().insert_new(member, score);
        }
        None
    }

    /// Removes a member; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            Zset::Table(table) => table.remove(member),
            Zset::Listpack(pack) => {
                let at = find(pack, member)?;
                let score = element(pack, at).0;
                pack.delete_span(at, 2);
                Some(score)
            }
        }
    }

    /// The rank from the lowest, and the score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let pack = match self {
            Zset::Table(table) => return table.rank(member),
            Zset::Listpack(pack) => pack,
        };
        let found = find(pack, member)?;
        let (mut rank, mut at) = (0, pack.first());
        while let Some(pos) = at
            && pos < found
        {
            rank += 1;
            at = next_pair(pack, pos);
        }
        Some((rank, element(pack, found).0))
    }

    /// Number of elements before the first for which `before` is false; `before` must be true up to
    /// some element and false from there on.
    pub fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let pack = match self {
            Zset::Table(table) => return table.index().partition_point(before),
            Zset::Listpack(pack) => pack,
        };
        let (mut count, mut at, mut buffer) = (0, pack.first(), itoa::Buffer::new());
        while let Some(pos) = at {
            let (score, member) = element(pack, pos);
            if !before(score, member.bytes(&mut buffer)) {
                break;
            }
            count += 1;
            at = next_pair(pack, pos);
        }
        count
    }

    /// Number of elements with a score below `score`, or at most `score` with `or_equal`.
    pub fn count_below(&self, score: f64, or_equal: bool) -> usize {
        match self {
            Zset::Table(table) => table.index().count_below(score, or_equal),
            Zset::Listpack(_) => {
                self.partition_point(|own, _| if or_equal { own <= score } else { own < score })
            }
        }
    }

    /// Calls `see` with up to `count` elements from `rank` on, towards the lowest if
    /// `backward`, until it returns false.
    pub fn visit(
        &self,
        rank: usize,
        count: usize,
        backward: bool,
        mut see: impl FnMut(f64, Entry<'_>) -> bool,
    ) {
        let pack = match self {
            Zset::Table(table) => {
                let mut range = table.index().range(rank, count, backward);
                range.all(|(score, member)| see(score, Entry::Str(member)));
                return;
            }
            Zset::Listpack(pack) => pack,
        };
        let Some(first) = rank.checked_mul(2).and_then(|index| pack.seek(index)) else {
            return;
        };
        if !backward {
            let mut pairs = pairs_from(pack, first).take(count);
            pairs.all(|(score, member)| see(score, member));
            return;
        }
        let (mut at, mut left) = (Some(first), count);
        while let Some(pos) = at
            && left > 0
        {
            let (score, member) = element(pack, pos);
            if !see(score, member) {
                return;
            }
            left -= 1;
            at = prev_pair(pack, pos);
        }
    }

    /// Calls `see` with the elements whose score is in the range, until it returns false.
    pub fn visit_scores<'a>(
        &'a self,
        scores: &std::ops::Range<f64>,
        mut see: impl FnMut(f64, VisitedMember<'a>) -> bool,
    ) {
        let pack = match self {
            Zset::Table(table) => {
                let index = table.index();
                index.visit_unread(index.count_below(scores.start, false), |score, member| {
                    score < scores.end && see(score, VisitedMember::Unread(member))
                });
                return;
            }
            Zset::Listpack(pack) => pack,
        };
        let mut at = pack.first();
        while let Some(pos) = at {
            let (score, member) = element(pack, pos);
            if score >= scores.end
                || score >= scores.start && !see(score, VisitedMember::Packed(member))
            {
                return;
            }
            at = next_pair(pack, pos);
        }
    }

    /// All elements in order; borrows the set.
    pub fn iter(&self) -> Box<dyn Iterator<Item = (f64, Entry<'_>)> + '_> {
        let pack = match self {
            Zset::Table(table) => {
                let all = table.index().iter();
                return Box::new(all.map(|(score, member)| (score, Entry::Str(member))));
            }
            Zset::Listpack(pack) => pack,
        };
        let mut at = pack.first();
        Box::new(std::iter::from_fn(move || {
            let pos = at?;
            at = next_pair(pack, pos);
            Some(element(pack, pos))
        }))
    }

    /// Whether the set is in its large form.
    #[inline]
    pub fn is_table(&self) -> bool {
        matches!(self, Zset::Table(_))
    }

    /// Removes up to `count` elements from `rank` on, in order, passing each to `see` first.
    pub fn remove_range(&mut self, rank: usize, count: usize, mut see: impl FnMut(f64, Entry<'_>)) {
        if let Zset::Table(table) = self {
            return table.remove_range(rank, count, |score, member| see(score, Entry::Str(member)));
        }
        let mut seen = 0;
        self.visit(rank, count, false, |score, member| {
            see(score, member);
            seen += 1;
            true
        });
        if let Zset::Listpack(pack) = self
            && seen > 0
        {
            pack.delete_range(rank * 2, seen * 2);
        }
    }

    /// A uniformly random element.
    pub fn random(&self, rng: &mut impl Rng) -> Option<(f64, Entry<'_>)> {
        match self {
            Zset::Table(table) => table.random(rng).map(|(s, member)| (s, Entry::Str(member))),
            Zset::Listpack(pack) => {
                let pairs = pack.len() / 2;
                let at = (pairs > 0)
                    .then(|| pack.seek(below(rng, pairs) * 2))
                    .flatten()?;
                Some(element(pack, at))
            }
        }
    }

    /// A step of SCAN: everything at once from the packed form. Returns the next cursor.
    pub fn scan(&self, cursor: u64, mut see: impl FnMut(f64, Entry<'_>)) -> u64 {
        if let Zset::Table(table) = self {
            return table.scan(cursor, |score, member| see(score, Entry::Str(member)));
        }
        self.visit(0, usize::MAX, false, |score, member| {
            see(score, member);
            true
        });
        0
    }

    /// Tree and table, if the set has them: for prefetching.
    #[inline]
    pub fn table(&self) -> Option<&ScoredTable> {
        match self {
            Zset::Table(table) => Some(table),
            Zset::Listpack(_) => None,
        }
    }
}

impl Container for Zset {
    const TYPE: Type = Type::Zset;
    const NAME: &str = "zset";
    const NUMBER: u32 = 3;

    fn block(&self) -> Option<(BlockForm, &[u8])> {
        match self {
            Zset::Listpack(pack) => Some((BlockForm::of(self), pack.as_bytes())),
            _ => None,
        }
    }

    fn from_block(_form: &BlockForm, bytes: &[u8], _schema: Option<SchemaRef>) -> Option<Zset> {
        listpack_of(bytes, 2).map(Zset::Listpack)
    }

    fn into_word(self) -> (Encoding, u64) {
        let encoding = self.encoding();
        match self {
            Zset::Listpack(pack) => (encoding, pack.into_word()),
            Zset::Table(table) => (encoding, boxed::into_word(table)),
        }
    }

    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        match encoding {
            // SAFETY: the caller guarantees it.
            Encoding::Listpack => Zset::Listpack(unsafe { Listpack::from_word(word) }),
            // SAFETY: the caller guarantees it.
            Encoding::Skiplist => Zset::Table(unsafe { boxed::from_word(word) }),
            other => panic!("not an encoding of a sorted set: {other:?}"),
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Zset::Listpack(_) => Encoding::Listpack,
            Zset::Table(_) => Encoding::Skiplist,
        }
    }

    fn len(&self) -> usize {
        match self {
            Zset::Listpack(pack) => pack.len() / 2,
            Zset::Table(table) => table.len(),
        }
    }

    fn check_invariants(&self) {
        match self {
            Zset::Listpack(pack) => {
                pack.check_invariants();
                assert!(pack.len().is_multiple_of(2), "whole pairs");
                assert!(pack.all_differ(2), "every member once");
                assert_eq!(are_in_order(pack), Some(true));
            }
            Zset::Table(table) => table.check_invariants(),
        }
    }

    fn sign(&self, signature: &mut Signature) {
        self.visit(0, usize::MAX, false, |score, entry| {
            let mut text = Vec::new();
            float::write_shortest(&mut text, score);
            let mut one = Signature::default();
            one.follow_entry(entry);
            one.follow(&text);
            signature.join_signed(one);
            true
        });
    }

    fn listpack(&self) -> Option<Cow<'_, Listpack>> {
        match self {
            Zset::Listpack(pack) => Some(Cow::Borrowed(pack)),
            Zset::Table(_) => None,
        }
    }

    fn shape(&self) -> Option<Shape> {
        self.table().map(|table| table.shape())
    }

    fn free_effort(&self) -> usize {
        match self {
            Zset::Listpack(_) => 1,
            Zset::Table(table) => table.len(),
        }
    }

    fn free_step(&mut self, n: usize) -> bool {
        match self {
            Zset::Listpack(_) => true,
            Zset::Table(table) => table.free_step(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn encodings_change_as_in_redis() {
        let limits = Limits::default();
        let mut zset = Zset::new_for(1, 1, &limits);
        for i in 0..128 {
            assert_eq!(
                zset.set(format!("m{i}").as_bytes(), f64::from(i), &limits),
                None
            );
        }
        assert_eq!(zset.encoding(), Encoding::Listpack);
        zset.set(b"m1", 7.5, &limits);
        assert_eq!(zset.encoding(), Encoding::Listpack);
        zset.set(b"new", 1.0, &limits);
        assert_eq!((zset.encoding(), zset.len()), (Encoding::Skiplist, 129));
        zset.remove(b"new");
        assert_eq!(zset.encoding(), Encoding::Skiplist);
        zset.become_listpack_if_small(&limits);
        assert_eq!((zset.encoding(), zset.len()), (Encoding::Listpack, 128));
        zset.set(&[b'x'; 65], 1.0, &limits);
        assert_eq!(zset.encoding(), Encoding::Skiplist);
        zset.become_listpack_if_small(&limits);
        assert_eq!(zset.encoding(), Encoding::Skiplist);
    }

    #[test]
    fn scores_survive_the_listpack() {
        let limits = Limits::default();
        let mut zset = Zset::new_for(1, 1, &limits);
        let scores = [
            f64::NEG_INFINITY,
            -1e300,
            -0.1,
            0.0,
            1e-300,
            3.0,
            1e17,
            1e19,
            f64::INFINITY,
        ];
        for (i, score) in scores.into_iter().enumerate() {
            zset.set(&[b'a' + i as u8], score, &limits);
        }
        assert_eq!(zset.encoding(), Encoding::Listpack);
        for (i, score) in scores.into_iter().enumerate() {
            assert_eq!(zset.rank(&[b'a' + i as u8]), Some((i, score)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_encoding_behaves_like_a_sorted_map(
            max in prop_oneof![Just(0usize), Just(8), Just(200)],
            ops in prop::collection::vec((0u8..6, 0u32..30, -9i32..9), 0..150),
        ) {
            let limits = Limits { zset_max_listpack_entries: max, ..Limits::default() };
            let mut zset = Zset::new_for(1, 1, &limits);
            let mut model = BTreeMap::new();
            for (op, name, score) in ops {
                let (member, score) = (name.to_string().into_bytes(), f64::from(score) / 2.0);
                match op {
                    0..4 => prop_assert_eq!(zset.set(&member, score, &limits), model.insert(member, score)),
                    4 => prop_assert_eq!(zset.remove(&member), model.remove(&member)),
                    _ => zset.remove_range(name as usize, 2, |score, member| {
                        assert_eq!(model.remove(&member.to_vec()), Some(score));
                    }),
                }
                prop_assert_eq!(zset.len(), model.len());
            }
            let mut sorted: Vec<_> = model.iter().map(|(m, s)| (*s, m.clone())).collect();
            sorted.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
            for backward in [false, true] {
                let mut seen = Vec::new();
                let start = if backward { sorted.len().wrapping_sub(1) } else { 0 };
                zset.visit(start, usize::MAX, backward, |score, member| {
                    seen.push((score, member.to_vec()));
                    true
                });
                let mut expected = sorted.clone();
                if backward {
                    expected.reverse();
                }
                prop_assert_eq!(seen, expected);
            }
            for (rank, (score, member)) in sorted.iter().enumerate() {
                prop_assert_eq!(zset.rank(member), Some((rank, *score)));
                let below = sorted.iter().filter(|(s, _)| s < score).count();
                prop_assert_eq!(zset.count_below(*score, false), below);
            }
            let built = Zset::from_sorted(sorted.iter().map(|(s, m)| (*s, &m[..])), &limits);
            prop_assert_eq!(built.len(), sorted.len());
            prop_assert_eq!(built.encoding() == Encoding::Listpack, sorted.len() <= max);
            let (encoding, word) = zset.into_word();
            // SAFETY: from `into_word`, once.
            let mut zset = unsafe { Zset::from_word(encoding, word) };
            while !zset.free_step(3) {}
        }
    }
}
