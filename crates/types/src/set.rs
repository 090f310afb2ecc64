//! A set: an intset of integers, a listpack of a few short members, else a table.
//!
//! An intset that grows too long becomes a table; an intset that gets a non-integer member becomes
//! a listpack if that is within its limits, else a table; a listpack becomes a table. There is no
//! way back, except for results of `SUNIONSTORE` and the like that hold integers alone.
#![allow(unsafe_code)]

use super::{Container, Encoding, Entry, Limits, Signature, Type, below, boxed};
use rand::Rng;
use russet_encodings::elements::Elements;
use russet_encodings::hashtable::Shape;
use russet_encodings::intset::Intset;
use russet_encodings::listpack::{Listpack, entry_bytes};
use russet_encodings::members::MemberTable;
use russet_encodings::thin::ThinPointer;
use std::borrow::Cow;

/// The maximum size of an intset, whatever is configured: it must stay cheap to move.
const INTSET_ENTRIES_MAX: usize = 1 << 30;

/// See the module.
#[derive(Clone)]
pub enum Set {
    /// Integers alone, sorted.
    Intset(Intset),
    /// A few short members.
    Listpack(Listpack),
    /// Any other set; it stays a table.
    Table(Box<MemberTable>),
}

impl Set {
    /// An empty set whose first member is `first`, for about `expected` members in all.
    pub fn new_for(first: &[u8], expected: usize, limits: &Limits) -> Self {
        let integer = matches!(Entry::parse(first), Entry::Int(_));
        if integer && expected <= limits.set_max_intset_entries {
            Set::Intset(Intset::new())
        } else if expected <= limits.set_max_listpack_entries {
            Set::Listpack(Listpack::new())
        } else {
            Set::Table(Box::default())
        }
    }

    /// An empty intset: later members may change its encoding.
    pub fn of_integers() -> Self {
        Set::Intset(Intset::new())
    }

    /// An empty set in the small general form.
    pub fn small() -> Self {
        Set::Listpack(Listpack::new())
    }

    /// An empty table.
    pub fn large() -> Self {
        Set::Table(Box::default())
    }

    /// Must be called before adding `count` members: becomes a table at once if they will not fit.
    pub fn prepare(&mut self, count: usize, limits: &Limits) {
        let crowded = match self {
            Set::Intset(_) => count > limits.set_max_intset_entries,
            Set::Listpack(_) => count > limits.set_max_listpack_entries,
            Set::Table(_) => false,
        };
        if crowded {
            self.become_table();
        }
    }

    /// Adds a member; false if it was there.
    #[inline]
    pub fn add(&mut self, member: &[u8], limits: &Limits) -> bool {
        match self {
            Set::Table(table) => table.add(member),
            Set::Intset(_) => self.add_to_intset(member, limits),
            Set::Listpack(pack) => {
                if find(pack, member) {
                    return false;
                }
                if pack.len() < limits.set_max_listpack_entries
                    && member.len() <= limits.set_max_listpack_value
                    && pack.fits(member.len())
                {
                    pack.append(Entry::parse(member));
                } else {
                    self.become_table().add(member);
                }
                true
            }
        }
    }

    /// As [`Set::add`], for a member of another set.
    #[inline]
    pub fn add_entry(&mut self, member: Entry<'_>, limits: &Limits) -> bool {
        match self {
            Set::Table(table) => table.add_hashed(MemberTable::hash_entry(member), member),
            _ => self.add(member.bytes(&mut itoa::Buffer::new()), limits),
        }
    }

    fn add_to_intset(&mut self, member: &[u8], limits: &Limits) -> bool {
        let Set::Intset(set) = self else {
            unreachable!("called on an intset")
        };
        if let Entry::Int(value) = Entry::parse(member) {
            let added = set.add(value);
            if added && set.len() > limits.set_max_intset_entries.min(INTSET_ENTRIES_MAX) {
                self.become_table();
            }
            return added;
        }
        self.leave_intset(limits, member.len());
        match self {
            Set::Listpack(pack) => {
                pack.append(Entry::parse(member));
                true
            }
            Set::Table(table) => table.add(member),
            Set::Intset(_) => unreachable!("just left"),
        }
    }

    /// Turns an intset into a listpack if all members and a further member of `extra` bytes are
    /// within the limits, else into a table.
    fn leave_intset(&mut self, limits: &Limits, extra: usize) {
        let Set::Intset(set) = self else { return };
        let ends = [set.min(), set.max()].into_iter().flatten().map(Entry::Int);
        let text_max = ends.clone().map(|e| e.text_len()).max().unwrap_or(0);
        let bytes = ends.map(entry_bytes).max().unwrap_or(0) * set.len();
        if set.len() < limits.set_max_listpack_entries
            && text_max.max(extra) <= limits.set_max_listpack_value
            && Listpack::new().fits(bytes + extra)
        {
            *self = Set::Listpack(Listpack::from_entries(set.iter().map(Entry::Int)));
        } else {
            self.become_table();
        }
    }

    fn become_table(&mut self) -> &mut MemberTable {
        if !matches!(self, Set::Table(_)) {
            let mut table = Box::<MemberTable>::default();
            let mut buffer = itoa::Buffer::new();
            self.visit(|entry| {
                table.add(entry.bytes(&mut buffer));
                true
            });
            *self = Set::Table(table);
        }
        match self {
            Set::Table(table) => table,
            _ => unreachable!("just made"),
        }
    }

    /// For a set just built of integers alone: becomes an intset if its size allows.
    pub fn become_intset_if_small(&mut self, limits: &Limits) {
        if matches!(self, Set::Intset(_)) || self.len() > limits.set_max_intset_entries {
            return;
        }
        let mut set = Intset::new();
        let mut integers = true;
        self.visit(|entry| {
            integers = entry.as_int().map(|value| set.add(value)).is_some();
            integers
        });
        if integers {
            *self = Set::Intset(set);
        }
    }

    /// Whether it is a member.
    #[inline]
    pub fn contains(&self, member: &[u8]) -> bool {
        match self {
            Set::Table(table) => table.contains(member),
            Set::Listpack(pack) => find(pack, member),
            Set::Intset(set) => Entry::parse(member)
                .as_int()
                .is_some_and(|v| set.contains(v)),
        }
    }

    /// As [`Set::contains`], for a member of another set, whose hash is needed only by tables.
    #[inline]
    pub(super) fn contains_hashed(&self, hash: u64, member: Entry<'_>) -> bool {
        match (self, member) {
            (Set::Table(table), _) => table.contains_hashed(hash, member),
            (Set::Intset(set), Entry::Int(value)) => set.contains(value),
            _ => self.contains(member.bytes(&mut itoa::Buffer::new())),
        }
    }

    /// As [`Set::remove`], for a member of another set.
    pub fn remove_entry(&mut self, member: Entry<'_>) -> bool {
        match self {
            Set::Table(table) => table.remove_hashed(MemberTable::hash_entry(member), member),
            _ => self.remove(member.bytes(&mut itoa::Buffer::new())),
        }
    }

    /// Removes a uniformly random member; returns its text.
    pub fn pop(&mut self, rng: &mut impl Rng) -> Option<Vec<u8>> {
        self.pop_with(rng, |member| member.to_vec())
    }

    /// Removes a member; false if it was not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Set::Table(table) => table.remove(member),
            Set::Intset(set) => Entry::parse(member).as_int().is_some_and(|v| set.remove(v)),
            Set::Listpack(pack) => {
                let found = pack.first().and_then(|first| pack.find(first, member, 0));
                found.map(|pos| pack.delete(pos)).is_some()
            }
        }
    }

    /// Calls `see` with every member until it returns false.
    pub fn visit<'a>(&'a self, mut see: impl FnMut(Entry<'a>) -> bool) {
        match self {
            Set::Table(table) => table.visit(see),
            Set::Listpack(pack) => _ = pack.iter().all(see),
            Set::Intset(set) => _ = set.iter().all(|value| see(Entry::Int(value))),
        }
    }

    /// All members.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Entry<'_>> + '_> {
        match self {
            Set::Table(table) => Box::new(table.iter()),
            Set::Listpack(pack) => Box::new(pack.iter()),
            Set::Intset(set) => Box::new(set.iter().map(Entry::Int)),
        }
    }

    /// A uniformly random member.
    pub fn random(&self, rng: &mut impl Rng) -> Option<Entry<'_>> {
        match self {
            Set::Table(table) => table.random(rng),
            Set::Intset(set) => set.random(|len| below(rng, len)).map(Entry::Int),
            Set::Listpack(pack) => {
                let len = pack.len();
                (len > 0)
                    .then(|| pack.seek(below(rng, len)))
                    .flatten()
                    .map(|pos| pack.get(pos))
            }
        }
    }

    /// Removes a uniformly random member after passing it to `see`.
    pub fn pop_with<R>(
        &mut self,
        rng: &mut impl Rng,
        see: impl FnOnce(Entry<'_>) -> R,
    ) -> Option<R> {
        match self {
            Set::Table(table) => table.pop_with(rng, see),
            Set::Intset(set) => {
                let at = below(rng, set.len().max(1));
                set.remove_at(at).map(|value| see(Entry::Int(value)))
            }
            Set::Listpack(pack) => {
                let pos = pack.seek(below(rng, pack.len().max(1)))?;
                let seen = see(pack.get(pos));
                pack.delete(pos);
                Some(seen)
            }
        }
    }

    /// A step of SCAN: everything at once from the packed forms. Returns the next cursor.
    pub fn scan(&self, cursor: u64, mut see: impl FnMut(Entry<'_>)) -> u64 {
        match self {
            Set::Table(table) => table.scan(cursor, see),
            _ => {
                self.visit(|entry| {
                    see(entry);
                    true
                });
                0
            }
        }
    }

    /// The table, if the set has a table: for prefetching.
    #[inline]
    pub fn table(&self) -> Option<&MemberTable> {
        match self {
            Set::Table(table) => Some(table),
            _ => None,
        }
    }
}

fn find(pack: &Listpack, member: &[u8]) -> bool {
    pack.first()
        .and_then(|first| pack.find(first, member, 0))
        .is_some()
}

impl Container for Set {
    const TYPE: Type = Type::Set;
    const NAME: &str = "set";
    const NUMBER: u32 = 2;

    fn into_word(self) -> (Encoding, u64) {
        let encoding = self.encoding();
        match self {
            Set::Intset(set) => (encoding, set.into_word()),
            Set::Listpack(pack) => (encoding, pack.into_word()),
            Set::Table(table) => (encoding, boxed::into_word(table)),
        }
    }

    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        match encoding {
            // SAFETY: the caller guarantees it.
            Encoding::Intset => Set::Intset(unsafe { Intset::from_word(word) }),
            // SAFETY: the caller guarantees it.
            Encoding::Listpack => Set::Listpack(unsafe { Listpack::from_word(word) }),
            // SAFETY: the caller guarantees it.
            Encoding::Hashtable => Set::Table(unsafe { boxed::from_word(word) }),
            other => panic!("not an encoding of a set: {other:?}"),
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Set::Intset(_) => Encoding::Intset,
            Set::Listpack(_) => Encoding::Listpack,
            Set::Table(_) => Encoding::Hashtable,
        }
    }

    fn len(&self) -> usize {
        match self {
            Set::Intset(set) => set.len(),
            Set::Listpack(pack) => pack.len(),
            Set::Table(table) => table.len(),
        }
    }

    fn check_invariants(&self) {
        match self {
            Set::Intset(set) => set.check_invariants(),
            Set::Listpack(pack) => {
                pack.check_invariants();
                assert!(pack.all_differ(1), "every member once");
            }
            Set::Table(table) => table.check_invariants(),
        }
    }

    fn sign(&self, signature: &mut Signature) {
        self.visit(|entry| {
            signature.join(entry.bytes(&mut itoa::Buffer::new()));
            true
        });
    }

    fn listpack(&self) -> Option<Cow<'_, Listpack>> {
        match self {
            Set::Listpack(pack) => Some(Cow::Borrowed(pack)),
            _ => None,
        }
    }

    fn shape(&self) -> Option<Shape> {
        self.table().map(|table| table.shape())
    }

    fn free_effort(&self) -> usize {
        match self {
            Set::Table(table) => table.len(),
            _ => 1,
        }
    }

    fn free_step(&mut self, n: usize) -> bool {
        match self {
            Set::Table(table) => table.free_step(n),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_all(set: &mut Set, members: impl IntoIterator<Item = String>, limits: &Limits) {
        for member in members {
            assert!(set.add(member.as_bytes(), limits));
            assert!(!set.add(member.as_bytes(), limits));
        }
    }

    #[test]
    fn encodings_change_as_in_redis() {
        let limits = Limits::default();
        let mut set = Set::new_for(b"1", 1, &limits);
        add_all(&mut set, (0..512).map(|i| i.to_string()), &limits);
        assert_eq!(set.encoding(), Encoding::Intset);
        let mut grown = set.clone();
        add_all(&mut grown, ["512".into()], &limits);
        assert_eq!((grown.encoding(), grown.len()), (Encoding::Hashtable, 513));
        add_all(&mut set, ["a".into()], &limits);
        assert_eq!(set.encoding(), Encoding::Hashtable);

        let mut set = Set::new_for(b"1", 1, &limits);
        add_all(&mut set, (0..127).map(|i| i.to_string()), &limits);
        add_all(&mut set, ["a".into()], &limits);
        assert_eq!((set.encoding(), set.len()), (Encoding::Listpack, 128));
        add_all(&mut set, ["b".into()], &limits);
        assert_eq!((set.encoding(), set.len()), (Encoding::Hashtable, 129));

        let mut set = Set::new_for(b"x", 1, &limits);
        add_all(&mut set, ["x".repeat(64)], &limits);
        assert_eq!(set.encoding(), Encoding::Listpack);
        add_all(&mut set, ["x".repeat(65)], &limits);
        assert_eq!(set.encoding(), Encoding::Hashtable);
    }

    #[test]
    fn a_set_built_of_integers_becomes_an_intset() {
        let limits = Limits {
            set_max_intset_entries: 4,
            ..Limits::default()
        };
        let mut set = Set::new_for(b"1", 1, &limits);
        add_all(&mut set, (0..5).map(|i| i.to_string()), &limits);
        assert_eq!(set.encoding(), Encoding::Hashtable);
        let mut back = set.clone();
        back.become_intset_if_small(&Limits::default());
        assert_eq!((back.encoding(), back.len()), (Encoding::Intset, 5));
        add_all(&mut set, ["x".into()], &limits);
        set.become_intset_if_small(&Limits::default());
        assert_eq!((set.encoding(), set.len()), (Encoding::Hashtable, 6));
    }

    #[test]
    fn every_encoding_gives_up_each_member_once() {
        let limits = Limits::default();
        for (n, prefix) in [(100, ""), (100, "m:"), (1000, ""), (1000, "m:")] {
            let first = format!("{prefix}0");
            let mut set = Set::new_for(first.as_bytes(), 1, &limits);
            add_all(&mut set, (0..n).map(|i| format!("{prefix}{i}")), &limits);
            assert!(set.remove(first.as_bytes()));
            assert!(!set.remove(first.as_bytes()));
            let mut rng = rand::rng();
            let picked = set.random(&mut rng).map(|e| e.to_vec()).expect("not empty");
            assert!(set.contains(&picked));
            let mut popped = std::collections::HashSet::new();
            while let Some(member) = set.pop_with(&mut rng, |e| e.to_vec()) {
                assert!(!set.contains(&member) && popped.insert(member));
            }
            assert_eq!((popped.len(), set.is_empty()), (n - 1, true));
            assert!(set.random(&mut rng).is_none());
        }
    }
}
