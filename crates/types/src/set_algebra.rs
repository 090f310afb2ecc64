//! Intersection, union and difference of sets, in batches: members are read from a set a batch at a
//! time, and if the other sets are tables, the lines and entries of these tables are prefetched for
//! the whole batch before the first lookup.

use super::{Container, Entry, Limits, Set};
use russet_encodings::elements::Elements;
use russet_encodings::members::MemberTable;

/// Members per batch.
const BATCH: usize = 32;

/// The limit of a walk over all members: see [`filter`].
const ALL: usize = usize::MAX;

/// Whether a member is in all (`wanted`) or in none of these sets. The hash is needed if any of
/// them is a table.
#[inline]
fn is_among(sets: &[&Set], wanted: bool, member: Entry<'_>, hash: u64) -> bool {
    let mut sets = sets.iter();
    sets.all(|set| set.contains_hashed(hash, member) == wanted)
}

/// A batch of members with the hashes that tables need.
struct MemberBatch<'a> {
    members: [Entry<'a>; BATCH],
    hashes: [u64; BATCH],
    len: usize,
}

impl<'a> MemberBatch<'a> {
    fn new() -> Self {
        MemberBatch {
            members: [Entry::Int(0); BATCH],
            hashes: [0; BATCH],
            len: 0,
        }
    }

    /// Loads the next members of `from` and their hashes; `false`: there are none.
    fn fill(&mut self, from: &mut dyn Iterator<Item = Entry<'a>>) -> bool {
        self.len = 0;
        for (place, member) in self.members.iter_mut().zip(from) {
            *place = member;
            self.len += 1;
        }
        for (hash, member) in self.hashes.iter_mut().zip(&self.members[..self.len]) {
            *hash = MemberTable::hash_entry(*member);
        }
        self.len > 0
    }

    fn push(&mut self, member: Entry<'a>, hash: u64) {
        self.members[self.len] = member;
        self.hashes[self.len] = hash;
        self.len += 1;
    }

    fn prefetch(&self, table: &MemberTable) {
        let hashes = &self.hashes[..self.len];
        hashes.iter().for_each(|&hash| table.prefetch(hash));
        hashes.iter().for_each(|&hash| table.prefetch_entries(hash));
    }

    fn iter(&self) -> impl Iterator<Item = (Entry<'a>, u64)> {
        let hashes = self.hashes.iter().copied();
        self.members[..self.len].iter().copied().zip(hashes)
    }

    /// Calls `see` with the members that are in all (`wanted`) or in none of `others`, until `see`
    /// returns false; returns whether it never did. The members are hashed if any of `others` is a
    /// table, and prefetched if that is the first.
    #[inline]
    fn pass(
        &self,
        others: &[&Set],
        wanted: bool,
        see: &mut impl FnMut(Entry<'a>, u64) -> bool,
    ) -> bool {
        let stays = |others: &[&Set], member, hash| is_among(others, wanted, member, hash);
        let Some((Set::Table(table), rest)) = others.split_first() else {
            return self
                .iter()
                .all(|(member, hash)| !stays(others, member, hash) || see(member, hash));
        };
        let hashes = &self.hashes[..self.len];
        let mut candidates = [None; BATCH];
        for (candidate, &hash) in candidates.iter_mut().zip(hashes) {
            *candidate = table.candidate(hash);
        }
        self.iter()
            .zip(candidates)
            .all(|((member, hash), candidate)| {
                let is_in = candidate.is_some_and(|word| table.confirms(word, hash, member));
                is_in != wanted || !stays(rest, member, hash) || see(member, hash)
            })
    }
}

/// Calls `see` with the members that are in `first` and in all (`wanted`) or in none of `others`.
/// `needed` is how many members `see` needs, and `see` returns how many more it needs: at 0 the
/// walk ends. The hash passed along is the member's if `hashed` or if a lookup needed it.
fn filter<'a>(
    first: &'a Set,
    others: &[&Set],
    wanted: bool,
    hashed: bool,
    mut needed: usize,
    mut see: impl FnMut(Entry<'a>, u64) -> usize,
) {
    if let (Set::Table(first), Some((Set::Table(other), rest))) = (first, others.split_first()) {
        first.filter(other, wanted, needed, |member, hash| {
            if is_among(rest, wanted, member, hash) {
                needed = see(member, hash);
            }
            needed
        });
        return;
    }
    let mut handful = MemberBatch::new();
    let hashed = hashed || others.iter().any(|set| set.table().is_some());
    let (mut batch, mut continues) = (needed.min(BATCH), true);
    let table = others.first().and_then(|set| set.table());
    let mut pass = |handful: &mut MemberBatch<'a>| {
        let continues = handful.pass(others, wanted, &mut |member, hash| see(member, hash) > 0);
        handful.len = 0;
        continues
    };
    first.visit(|member| {
        let hash = if hashed {
            MemberTable::hash_entry(member)
        } else {
            0
        };
        if let Some(table) = table {
            table.prefetch(hash);
        }
        handful.push(member, hash);
        if handful.len == batch {
            batch = (2 * batch).min(BATCH);
            continues = pass(&mut handful);
        }
        continues
    });
    if continues {
        pass(&mut handful);
    }
}

/// Calls `see` with the members that all sets have until it returns false, in the order of the
/// first, which should be the smallest.
pub fn intersect<'a>(sets: &[&'a Set], mut see: impl FnMut(Entry<'a>) -> bool) {
    if let Some((first, others)) = sets.split_first() {
        filter(first, others, true, false, ALL, |member, _| {
            if see(member) { ALL } else { 0 }
        });
    }
}

/// Calls `see` with the members of `first` that none of `others` has, until it returns false.
pub fn difference<'a>(first: &'a Set, others: &[&Set], mut see: impl FnMut(Entry<'a>) -> bool) {
    filter(first, others, false, false, ALL, |member, _| {
        if see(member) { ALL } else { 0 }
    });
}

/// The number of members that all sets have, counted up to `limit`, which is not zero.
pub fn intersection_len(sets: &[&Set], limit: usize) -> usize {
    match sets.split_first() {
        Some((first, others)) => count(first, others, true, limit),
        None => 0,
    }
}

/// The number of members of `first` that none of `others` has, counted up to `limit`, which is not
/// zero.
pub fn difference_len(first: &Set, others: &[&Set], limit: usize) -> usize {
    count(first, others, false, limit)
}

/// The number of members that [`filter`] finds, up to `limit`.
fn count(first: &Set, others: &[&Set], wanted: bool, limit: usize) -> usize {
    let mut len = 0;
    filter(first, others, wanted, false, limit, |_, _| {
        len += 1;
        limit - len
    });
    len
}

/// A member of a set is looked up in the larger sets if these are no more than this; else their
/// union is built.
const LOOKUPS_MAX: usize = 8;

/// The number of members that any set has, counted up to `limit`. Without memory for a few sets.
pub fn union_len(sets: &[&Set], limit: usize, limits: &Limits) -> usize {
    let mut sets = sets.to_vec();
    sets.sort_by_key(|set| std::cmp::Reverse(set.len()));
    let Some((largest, rest)) = sets.split_first() else {
        return 0;
    };
    let mut len = largest.len();
    if rest.len() > LOOKUPS_MAX {
        let mut all = Set::large();
        for set in &sets {
            all.add_all(set, limits);
            if all.len() >= limit {
                break;
            }
        }
        return all.len().min(limit);
    }
    for (at, set) in rest.iter().enumerate() {
        if len >= limit {
            break;
        }
        difference(set, &sets[..=at], |_| {
            len += 1;
            len < limit
        });
    }
    len.min(limit)
}

/// Calls `see` once with each member that any set has, in no particular order; `false`: not all
/// sets are tables or there are too many, and nothing was done.
pub fn union<'a>(sets: &[&'a Set], mut see: impl FnMut(Entry<'a>)) -> bool {
    /// A member of the last of this many sets is looked up in all the others.
    const SETS_MAX: usize = 4;
    if sets.len() > SETS_MAX || sets.iter().any(|set| set.table().is_none()) {
        return false;
    }
    let mut sets = sets.to_vec();
    sets.sort_by_key(|set| std::cmp::Reverse(set.len()));
    for (at, set) in sets.iter().enumerate() {
        difference(set, &sets[..at], |member| {
            see(member);
            true
        });
    }
    true
}

/// Builds a set from the result of [`SetBuilder::add_intersection`] or
/// [`SetBuilder::add_difference`], of which one is called once; in batches once it is a table.
pub struct SetBuilder<'a> {
    set: Set,
    limits: Limits,
    waiting: MemberBatch<'a>,
    /// The waiting members come from a table, so they are distinct.
    distinct: bool,
}

impl<'a> SetBuilder<'a> {
    /// `empty` has the initial encoding.
    pub fn new(empty: Set, limits: &Limits) -> Self {
        SetBuilder {
            set: empty,
            limits: *limits,
            waiting: MemberBatch::new(),
            distinct: false,
        }
    }

    /// Adds the members that all sets have, in the order of the first: see [`intersect`].
    pub fn add_intersection(&mut self, sets: &[&'a Set]) {
        if let Some((first, others)) = sets.split_first() {
            self.distinct = first.table().is_some();
            filter(first, others, true, true, ALL, |member, hash| {
                self.add_hashed(member, hash);
                ALL
            });
        }
    }

    /// Adds the members of `first` that none of `others` has.
    pub fn add_difference(&mut self, first: &'a Set, others: &[&Set]) {
        self.distinct = first.table().is_some();
        filter(first, others, false, true, ALL, |member, hash| {
            self.add_hashed(member, hash);
            ALL
        });
    }

    /// Adds a member, perhaps deferred to a batch with later ones.
    #[inline]
    fn add_hashed(&mut self, member: Entry<'a>, hash: u64) {
        if self.set.table().is_none() {
            self.set.add_entry(member, &self.limits);
            return;
        }
        self.waiting.push(member, hash);
        if self.waiting.len == BATCH {
            self.add_waiting();
        }
    }

    fn add_waiting(&mut self) {
        if let Set::Table(table) = &mut self.set {
            self.waiting.prefetch(table);
            for (member, hash) in self.waiting.iter() {
                if self.distinct {
                    table.add_new_hashed(hash, member);
                } else {
                    table.add_hashed(hash, member);
                }
            }
            self.waiting.len = 0;
        }
    }

    /// The set of all members added.
    pub fn finish(mut self) -> Set {
        self.add_waiting();
        self.set
    }
}

impl Set {
    /// Adds all members of another set.
    pub fn add_all(&mut self, other: &Set, limits: &Limits) {
        let mut from = other.iter();
        while !matches!(self, Set::Table(_)) {
            match from.next() {
                Some(member) => _ = self.add_entry(member, limits),
                None => return,
            }
        }
        self.each_handful(&mut *from, |table, hash, member| {
            table.add_hashed(hash, member);
        });
    }

    /// Removes all members of another set.
    pub fn remove_all(&mut self, other: &Set) {
        let mut from = other.iter();
        if self.table().is_none() {
            from.for_each(|member| _ = self.remove_entry(member));
            return;
        }
        self.each_handful(&mut *from, |table, hash, member| {
            table.remove_hashed(hash, member);
        });
    }

    fn each_handful<'a>(
        &mut self,
        from: &mut dyn Iterator<Item = Entry<'a>>,
        mut each: impl FnMut(&mut MemberTable, u64, Entry<'a>),
    ) {
        let Set::Table(table) = self else {
            unreachable!("called on a table")
        };
        let mut handful = MemberBatch::new();
        while handful.fill(from) {
            handful.prefetch(table);
            for (member, hash) in handful.iter() {
                each(table, hash, member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set_of(model: &BTreeSet<String>) -> Set {
        let mut set = Set::of_integers();
        for member in model {
            set.add(member.as_bytes(), &Limits::default());
        }
        set
    }

    fn text(member: Entry<'_>) -> String {
        String::from_utf8(member.to_vec()).expect("made of a string")
    }

    fn model() -> impl Strategy<Value = BTreeSet<String>> {
        let member = prop_oneof![
            (0i64..700).prop_map(|n| n.to_string()),
            (0i64..700).prop_map(|n| format!("m:{n}")),
            Just(i64::MAX.to_string()),
            Just(String::new()),
        ];
        let integers = prop::collection::btree_set((0i64..300).prop_map(|n| n.to_string()), 0..90);
        prop_oneof![
            prop::collection::btree_set(member, 0..400),
            integers,
            Just((0..2000).map(|n| n.to_string()).collect()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn algebra_agrees_with_that_of_std(a in model(), b in model(), c in model()) {
            let sets = [&a, &b, &c].map(set_of);
            let refs = sets.each_ref();

            let mut both = Vec::new();
            intersect(&refs, |m| { both.push(text(m)); true });
            let expected: Vec<_> = a.iter().filter(|m| b.contains(*m) && c.contains(*m)).cloned().collect();
            both.sort();
            prop_assert_eq!(&both, &expected);

            let mut first = 0;
            intersect(&refs, |_| { first += 1; false });
            prop_assert_eq!(first, expected.len().min(1));

            let mut left = Vec::new();
            difference(&sets[0], &refs[1..], |m| { left.push(text(m)); true });
            left.sort();
            let expected: Vec<_> = a.iter().filter(|m| !b.contains(*m) && !c.contains(*m)).cloned().collect();
            prop_assert_eq!(&left, &expected);

            let mut rest = sets[0].clone();
            rest.remove_all(&sets[1]);
            rest.remove_all(&sets[2]);
            let mut rest: Vec<_> = rest.iter().map(text).collect();
            rest.sort();
            prop_assert_eq!(&rest, &expected);

            let either: BTreeSet<_> = a.iter().chain(&b).chain(&c).cloned().collect();
            for limit in [1, either.len().max(1) - 1, either.len(), usize::MAX] {
                let len = either.len().min(limit);
                prop_assert_eq!(union_len(&refs, limit, &Limits::default()), len);
                let many: Vec<&Set> = refs.iter().copied().cycle().take(12).collect();
                prop_assert_eq!(union_len(&many, limit, &Limits::default()), len);
            }
            let mut seen = Vec::new();
            if union(&refs, |m| seen.push(text(m))) {
                seen.sort();
                prop_assert!(seen.iter().eq(&either));
            } else {
                prop_assert!(sets.iter().any(|set| set.table().is_none()));
                prop_assert!(seen.is_empty());
            }

            let limits = Limits { set_max_listpack_entries: 20, ..Limits::default() };
            let mut in_all = SetBuilder::new(Set::of_integers(), &limits);
            in_all.add_intersection(&refs);
            let mut in_first = SetBuilder::new(Set::of_integers(), &limits);
            in_first.add_difference(&sets[0], &refs[1..]);
            for (collected, expected) in [(in_all, both), (in_first, left)] {
                let collected = collected.finish();
                collected.check_invariants();
                let mut members: Vec<_> = collected.iter().map(text).collect();
                members.sort();
                prop_assert_eq!(members, expected);
            }

            let mut all = Set::of_integers();
            sets.iter().for_each(|set| all.add_all(set, &Limits::default()));
            prop_assert_eq!(all.len(), either.len());
        }
    }
}
