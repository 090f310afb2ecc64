//! A set: an intset of integers, a listpack of a few short members, else a table.
//!
//! An intset that grows too long becomes a table; an intset that gets a non-integer member becomes
//! a listpack if that is within its limits, else a table; a listpack becomes a table. There is no
//! way back, except for results of `SUNIONSTORE` and the like that hold integers alone.
//!
//! Once a member has an expiry, a small set is a listpack of (member, expiry), in the order of
//! `expiry_order`, and stays so or becomes a table. Expired members stay until `remove_expired`;
//! readers check the expiry themselves.
#![allow(unsafe_code)]

use super::block::{BlockForm, listpack_of};
use super::expiry_order::{self, Expirable, ExpiryChange, NO_EXPIRY, expiry_at};
use super::{Container, Encoding, Entry, Limits, Signature, Type, below, boxed};
use rand::Rng;
use russet_encodings::elements::Elements;
use russet_encodings::hashtable::Shape;
use russet_encodings::intset::Intset;
use russet_encodings::listpack::{Listpack, entry_bytes};
use russet_encodings::members::MemberTable;
use russet_encodings::record::SchemaRef;
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
    /// (member, expiry), once a member has an expiry.
    ListpackEx(Listpack),
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
            Set::Listpack(_) | Set::ListpackEx(_) => count > limits.set_max_listpack_entries,
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
            Set::ListpackEx(_) => self.add_to_extended(member, limits),
        }
    }

    #[cold]
    fn add_to_extended(&mut self, member: &[u8], limits: &Limits) -> bool {
        let Set::ListpackEx(pack) = self else {
            unreachable!("called on such a listpack")
        };
        if expiry_order::find(pack, member, 2).is_some() {
            return false;
        }
        if pack.len() / 2 < limits.set_max_listpack_entries
            && member.len() <= limits.set_max_listpack_value
            && pack.fits(member.len() + EXPIRY_BYTES)
        {
            pack.append_all(&[Entry::parse(member), Entry::Int(NO_EXPIRY)]);
        } else {
            self.become_table().add(member);
        }
        true
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
            Set::Intset(_) | Set::ListpackEx(_) => unreachable!("just left"),
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
            self.visit_expiries(|entry, expiry| {
                let member = entry.bytes(&mut buffer);
                table.add(member);
                if expiry.is_some() {
                    table.set_expiry(member, expiry);
                }
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
            Set::ListpackEx(pack) => expiry_order::find(pack, member, 2).is_some(),
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
            Set::ListpackEx(pack) => {
                let found = expiry_order::find(pack, member, 2);
                found.map(|pos| pack.delete_span(pos, 2)).is_some()
            }
        }
    }

    /// Calls `see` with every member until it returns false.
    pub fn visit<'a>(&'a self, mut see: impl FnMut(Entry<'a>) -> bool) {
        match self {
            Set::Table(table) => table.visit(see),
            Set::Listpack(pack) => _ = pack.iter().all(see),
            Set::ListpackEx(pack) => _ = pack.iter().step_by(2).all(see),
            Set::Intset(set) => _ = set.iter().all(|value| see(Entry::Int(value))),
        }
    }

    /// All members.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Entry<'_>> + '_> {
        match self {
            Set::Table(table) => Box::new(table.iter()),
            Set::Listpack(pack) => Box::new(pack.iter()),
            Set::ListpackEx(pack) => Box::new(pack.iter().step_by(2)),
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
            Set::ListpackEx(pack) => {
                let len = pack.len() / 2;
                let at = (len > 0).then(|| pack.seek(2 * below(rng, len)));
                at.flatten().map(|pos| pack.get(pos))
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
            Set::ListpackEx(pack) => {
                let pos = pack.seek(2 * below(rng, (pack.len() / 2).max(1)))?;
                let seen = see(pack.get(pos));
                pack.delete_span(pos, 2);
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

/// The most bytes of an expiry in a listpack.
const EXPIRY_BYTES: usize = 10;

/// Members that expire.
impl Set {
    /// The expiry of a member, Unix milliseconds, expired or not. `None`: there is no such member;
    /// `Some(None)`: it does not expire.
    pub fn expiry_of(&self, member: &[u8]) -> Option<Option<u64>> {
        match self {
            Set::Table(table) => table.expiry_of(member),
            Set::ListpackEx(pack) => {
                let at = expiry_order::find(pack, member, 2)?;
                Some(expiry_at(pack, pack.next(at)))
            }
            _ => self.contains(member).then_some(None),
        }
    }

    /// As [`Set::contains`], without the members that have expired at `now_ms`.
    #[inline]
    pub fn has_live(&self, member: &[u8], now_ms: u64) -> bool {
        if self.has_expired(now_ms) {
            let expiry = self.expiry_of(member);
            expiry.is_some_and(|expiry| !is_expired(expiry, now_ms))
        } else {
            self.contains(member)
        }
    }

    /// Whether a member may have expired at `now_ms`. O(1).
    #[inline]
    pub fn has_expired(&self, now_ms: u64) -> bool {
        match self {
            Set::Intset(_) | Set::Listpack(_) => false,
            Set::Table(table) if table.volatile() == 0 => false,
            Set::Table(_) | Set::ListpackEx(_) => self.has_due(now_ms),
        }
    }

    #[inline(never)]
    fn has_due(&self, now_ms: u64) -> bool {
        self.next_due().is_some_and(|due| due < now_ms)
    }

    /// The set without the members that have expired at `now_ms`: itself, if there are none. O(n)
    /// else.
    pub fn live_at(&self, now_ms: u64, limits: &Limits) -> Cow<'_, Set> {
        if !self.has_expired(now_ms) {
            return Cow::Borrowed(self);
        }
        let mut live = match self {
            Set::Table(_) => Set::large(),
            _ => Set::small(),
        };
        self.visit_expiries(|member, expiry| {
            if !is_expired(expiry, now_ms) {
                live.add_entry(member, limits);
                if expiry.is_some() {
                    live.set_expiry(member.bytes(&mut itoa::Buffer::new()), expiry, limits);
                }
            }
            true
        });
        Cow::Owned(live)
    }

    /// Sets or clears a member's expiry; false if there is no such member.
    pub fn set_expiry(&mut self, member: &[u8], expire_ms: Option<u64>, limits: &Limits) -> bool {
        if matches!(self, Set::Intset(_) | Set::Listpack(_)) {
            if expire_ms.is_none() || !self.contains(member) {
                return self.contains(member);
            }
            self.make_expirable(limits);
        }
        match self {
            Set::Table(table) => table.set_expiry(member, expire_ms),
            Set::ListpackEx(pack) => {
                let found = expiry_order::find(pack, member, 2);
                found
                    .map(|at| expiry_order::move_to_expiry(pack, 2, at, expire_ms))
                    .is_some()
            }
            Set::Intset(_) | Set::Listpack(_) => unreachable!("just made expirable"),
        }
    }

    /// Passes a member's expiry to `decide` and applies the decision, which is returned; `None`: no
    /// such member. A decision to keep or remove changes no encoding.
    pub fn change_expiry(
        &mut self,
        member: &[u8],
        limits: &Limits,
        decide: impl FnOnce(Option<u64>) -> ExpiryChange,
    ) -> Option<ExpiryChange> {
        let change = decide(self.expiry_of(member)?);
        match change {
            ExpiryChange::Keep => {}
            ExpiryChange::Remove => _ = self.remove(member),
            ExpiryChange::Set(ms) => _ = self.set_expiry(member, Some(ms), limits),
        }
        Some(change)
    }

    /// Makes an intset or a listpack a listpack with room for expiries, if it is within the limits,
    /// else a table.
    fn make_expirable(&mut self, limits: &Limits) {
        let (mut bytes, mut longest) = (0, 0);
        self.visit(|member| {
            bytes += entry_bytes(member) + EXPIRY_BYTES;
            longest = longest.max(member.text_len());
            true
        });
        if matches!(self, Set::Intset(_)) {
            longest = INTEGER_TEXT_MAX;
        }
        if self.len() > limits.set_max_listpack_entries
            || longest > limits.set_max_listpack_value
            || !Listpack::new().fits(bytes)
        {
            self.become_table();
            return;
        }
        let members = self.iter();
        let records = members.flat_map(|member| [member, Entry::Int(NO_EXPIRY)]);
        let pack = Listpack::from_entries(records.collect::<Vec<_>>());
        *self = Set::ListpackEx(pack);
    }

    /// Calls `see` with every member and its expiry until it returns false, in the order of
    /// [`Set::visit`].
    pub fn visit_expiries<'a>(&'a self, mut see: impl FnMut(Entry<'a>, Option<u64>) -> bool) {
        match self {
            Set::Table(table) if table.volatile() > 0 => {
                _ = table.with_expiries().all(|(member, at)| see(member, at));
            }
            Set::ListpackEx(pack) => {
                let mut at = pack.first();
                while let Some(pos) = at {
                    let last = expiry_order::last_of(pack, 2, pos);
                    if !see(pack.get(pos), expiry_at(pack, Some(last))) {
                        return;
                    }
                    at = pack.next(last);
                }
            }
            _ => self.visit(|member| see(member, None)),
        }
    }

    /// As [`Set::scan`], with the members' expiries.
    pub fn scan_expiries(&self, cursor: u64, mut see: impl FnMut(Entry<'_>, Option<u64>)) -> u64 {
        if let Set::Table(table) = self {
            return table.scan_expiries(cursor, see);
        }
        self.visit_expiries(|member, expiry| {
            see(member, expiry);
            true
        });
        0
    }

    /// The exact soonest expiry of any member. O(n) in a table.
    pub fn expire_min(&self) -> Option<u64> {
        match self {
            Set::Table(table) => {
                table.next_due()?;
                table.with_expiries().filter_map(|(_, at)| at).min()
            }
            _ => self.next_due(),
        }
    }
}

/// Whether a member with this expiry has expired at `now_ms`.
#[inline]
pub fn is_expired(expiry: Option<u64>, now_ms: u64) -> bool {
    expiry.is_some_and(|ms| ms < now_ms)
}

/// The longest text of an integer.
const INTEGER_TEXT_MAX: usize = 20;

impl Expirable for Set {
    #[inline]
    fn next_due(&self) -> Option<u64> {
        match self {
            Set::Table(table) => table.next_due(),
            Set::ListpackEx(pack) => expiry_at(pack, pack.seek(1)),
            Set::Intset(_) | Set::Listpack(_) => None,
        }
    }

    fn remove_expired(&mut self, now_ms: u64, limit: usize, mut see: impl FnMut(&[u8])) -> usize {
        match self {
            Set::Intset(_) | Set::Listpack(_) => 0,
            Set::Table(table) => table.remove_expired(now_ms, limit, |member| {
                see(member.bytes(&mut itoa::Buffer::new()));
            }),
            Set::ListpackEx(pack) => expiry_order::remove_due(pack, 2, now_ms, limit, see),
        }
    }

    fn remove_element(&mut self, name: &[u8]) -> bool {
        self.remove(name)
    }
}

impl Container for Set {
    const TYPE: Type = Type::Set;
    const NAME: &str = "set";
    const NUMBER: u32 = 2;

    fn block(&self) -> Option<(BlockForm, &[u8])> {
        match self {
            Set::Listpack(pack) => Some((BlockForm::of(self), pack.as_bytes())),
            _ => None,
        }
    }

    fn from_block(_form: &BlockForm, bytes: &[u8], _schema: Option<SchemaRef>) -> Option<Set> {
        listpack_of(bytes, 1).map(Set::Listpack)
    }

    fn into_word(self) -> (Encoding, u64) {
        let encoding = self.encoding();
        match self {
            Set::Intset(set) => (encoding, set.into_word()),
            Set::Listpack(pack) | Set::ListpackEx(pack) => (encoding, pack.into_word()),
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
            Encoding::ListpackEx => Set::ListpackEx(unsafe { Listpack::from_word(word) }),
            // SAFETY: the caller guarantees it.
            Encoding::Hashtable => Set::Table(unsafe { boxed::from_word(word) }),
            other => panic!("not an encoding of a set: {other:?}"),
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Set::Intset(_) => Encoding::Intset,
            Set::Listpack(_) => Encoding::Listpack,
            Set::ListpackEx(_) => Encoding::ListpackEx,
            Set::Table(_) => Encoding::Hashtable,
        }
    }

    fn len(&self) -> usize {
        match self {
            Set::Intset(set) => set.len(),
            Set::Listpack(pack) => pack.len(),
            Set::ListpackEx(pack) => pack.len() / 2,
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
            Set::ListpackEx(pack) => {
                pack.check_invariants();
                assert!(pack.len().is_multiple_of(2), "whole records");
                assert!(pack.all_differ(2), "every member once");
                assert!(expiry_order::expiries_in_order(pack, 2), "soonest first");
            }
            Set::Table(table) => table.check_invariants(),
        }
    }

    fn sign(&self, signature: &mut Signature) {
        self.visit_expiries(|entry, expiry| {
            let mut buffer = itoa::Buffer::new();
            let member = entry.bytes(&mut buffer);
            match expiry {
                None => signature.join(member),
                Some(ms) => {
                    let mut one = Signature::default();
                    one.follow_entry(entry);
                    one.follow_entry(Entry::Int(expiry_order::stored_expiry(Some(ms))));
                    signature.join_signed(one);
                }
            }
            true
        });
    }

    fn listpack(&self) -> Option<Cow<'_, Listpack>> {
        match self {
            Set::Listpack(pack) | Set::ListpackEx(pack) => Some(Cow::Borrowed(pack)),
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
