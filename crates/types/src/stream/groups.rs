//! Consumer groups: how far each has read, and which entries are delivered but not acknowledged.
//!
//!     group      last ID, entries read | pending by ID: when, how often, to whom
//!     zone       pending entries without an owner (XNACK), in the order they were given back
//!     by time    the others by delivery time: made by the first claim by idle time, then kept
//!     consumer   seen and active times | the IDs of its pending entries
//!
//! Pending entries refer to their consumer by number, so that adding or removing consumers does not
//! change them. Cost: by ID two binary searches, by name a single search; by time as by ID, and O(n
//! log n) to make the order by time. Groups that never claim by idle time do not pay for that
//! order.
//!
//! A group's memory is the allocator's balance before and after each change (`metered`), because
//! the sizes of an ordered map's nodes are otherwise unknown.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lag::UNKNOWN;
use super::{COUNTER_MAX, StreamId};
use russet_base::memory::alloc::{self, OwnedBytes};
use russet_base::memory::mover::Mover;
use russet_encodings::idmap::{IdMap, MapPosition, MapValue};

/// A consumer's number within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerId(u32);

impl ConsumerId {
    /// For an entry without an owner.
    const NONE: ConsumerId = ConsumerId(u32::MAX);
    /// For an entry whose owner is not known yet, while a file is read.
    const UNREAD: ConsumerId = ConsumerId(u32::MAX - 1);
}

/// A pending entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// When the entry was delivered last, Unix milliseconds; for an entry without an owner, the
    /// place in the zone.
    time: i64,
    /// Number of deliveries.
    pub deliveries: u64,
    consumer: ConsumerId,
    /// The order of deliveries in the same millisecond.
    tie: u32,
}

impl MapValue for Nack {}

impl Nack {
    /// When it was delivered last, Unix milliseconds; 0 without an owner.
    pub fn delivered_ms(&self) -> i64 {
        match self.consumer {
            ConsumerId::NONE => 0,
            _ => self.time,
        }
    }

    /// The consumer that it is pending for, if any.
    pub fn owner(&self) -> Option<ConsumerId> {
        (self.consumer != ConsumerId::NONE).then_some(self.consumer)
    }

    /// The entry's key in the order of delivery times.
    fn time_key(&self) -> StreamId {
        StreamId::new(time_bits(self.time), u64::from(self.tie))
    }
}

/// Maps times to numbers of the same order.
fn time_bits(ms: i64) -> u64 {
    ms as u64 ^ (1 << 63)
}

/// The counterpart of [`time_bits`].
fn time_of(bits: u64) -> i64 {
    (bits ^ (1 << 63)) as i64
}

/// A place in the zone as a key.
fn zone_key(place: i64) -> StreamId {
    StreamId::new(0, place as u64)
}

/// Where a walk over the entries by idle time continues ([`Group::idle_after`]).
#[derive(Clone, Copy, Debug, Default)]
pub struct IdleCursor {
    phase: IdlePhase,
    after: Option<StreamId>,
    /// The tie of the first delivery after the walk began: the walk caused that delivery.
    first_tie: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum IdlePhase {
    #[default]
    Begin,
    InZone,
    InTime,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Arc<[u8]>,
    /// When it last issued a command, Unix milliseconds.
    pub seen_ms: i64,
    /// When it last received entries; -1: never.
    pub active_ms: i64,
    pending: IdMap<()>,
}

impl Consumer {
    /// The name by which clients call it.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// IDs of the entries pending for it.
    pub fn pending(&self) -> &IdMap<()> {
        &self.pending
    }
}

/// See the module.
#[derive(Debug)]
pub struct Group {
    /// The last entry delivered to the group, as XINFO reports it.
    pub last_id: StreamId,
    /// Number of entries ever read; -1 if unknown.
    pub entries_read: i64,
    pending: IdMap<Nack>,
    /// Entries without an owner, by their places.
    zone: IdMap<StreamId>,
    next_place: i64,
    /// Entries with an owner, by delivery time and tie.
    by_time: Option<IdMap<StreamId>>,
    next_tie: u32,
    by_name: BTreeMap<Arc<[u8]>, ConsumerId>,
    consumers: Vec<Option<Box<Consumer>>>,
    /// Numbers free for reuse.
    free: Vec<ConsumerId>,
    /// Bytes of everything it owns.
    bytes: OwnedBytes,
}

impl Group {
    /// A group without consumers. `entries_read`: -1 if unknown.
    pub(crate) fn new(last_id: StreamId, entries_read: i64) -> Group {
        Group {
            last_id,
            entries_read,
            pending: IdMap::default(),
            zone: IdMap::default(),
            next_place: 0,
            by_time: None,
            next_tie: 0,
            by_name: BTreeMap::new(),
            consumers: Vec::new(),
            free: Vec::new(),
            bytes: OwnedBytes::default(),
        }
    }

    /// Runs a change and updates the group's memory figure.
    #[inline]
    fn metered<R>(&mut self, change: impl FnOnce(&mut Group) -> R) -> R {
        let before = alloc::thread_balance();
        let result = change(self);
        self.bytes.add_since(before);
        result
    }

    /// The entries delivered and not acknowledged.
    pub fn pending(&self) -> &IdMap<Nack> {
        &self.pending
    }

    /// The pending entries without an owner, in the order in which they were given back.
    pub fn ownerless(&self) -> impl Iterator<Item = StreamId> + '_ {
        self.zone.iter().map(|(_, entry)| *entry)
    }

    /// Number of pending entries without an owner.
    pub fn ownerless_count(&self) -> usize {
        self.zone.len()
    }

    /// The consumers by name.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> + '_ {
        self.by_name.values().map(|id| self.consumer(*id))
    }

    /// Number of consumers.
    pub fn consumer_count(&self) -> usize {
        self.by_name.len()
    }

    /// The consumer of this name; `None`: there is none.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.by_name.get(name).copied()
    }

    /// The consumer with this number. Panics if it has been deleted.
    #[inline]
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        let consumer = self.consumers[id.0 as usize].as_deref();
        consumer.expect("consumers live as long as their numbers")
    }

    /// As [`Group::consumer`], to change it.
    #[inline]
    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        let consumer = self.consumers[id.0 as usize].as_deref_mut();
        consumer.expect("consumers live as long as their numbers")
    }

    /// The name of an entry's owner; empty without an owner.
    pub fn owner_name(&self, nack: &Nack) -> &[u8] {
        nack.owner()
            .map_or(b"", |owner| self.consumer(owner).name())
    }

    /// Creates a consumer, seen now; `None` if it exists.
    pub fn create(&mut self, name: &[u8], now_ms: i64) -> Option<ConsumerId> {
        if self.by_name.contains_key(name) {
            None
        } else {
            Some(self.metered(|group| group.add(name, now_ms)))
        }
    }

    /// Adds a consumer that does not exist.
    fn add(&mut self, name: &[u8], now_ms: i64) -> ConsumerId {
        let name: Arc<[u8]> = name.into();
        let consumer = Some(Box::new(Consumer {
            name: name.clone(),
            seen_ms: now_ms,
            active_ms: -1,
            pending: IdMap::default(),
        }));
        let id = match self.free.pop() {
            Some(id) => {
                self.consumers[id.0 as usize] = consumer;
                id
            }
            None => {
                let number = u32::try_from(self.consumers.len()).expect("memory ends before");
                self.consumers.push(consumer);
                ConsumerId(number)
            }
        };
        self.by_name.insert(name, id);
        id
    }

    /// Removes a consumer and its pending entries; returns their number.
    pub fn delete(&mut self, name: &[u8]) -> Option<usize> {
        self.metered(|group| group.take_out(name))
    }

    fn take_out(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.by_name.remove(name)?;
        let consumer = self.consumers[id.0 as usize].take()?;
        for (entry, ()) in consumer.pending.iter() {
            if let Some(nack) = self.pending.remove(entry) {
                self.forget_time(nack);
            }
        }
        self.free.push(id);
        Some(consumer.pending.len())
    }

    /// Makes an entry pending for this consumer, whichever had it before.
    pub fn assign(
        &mut self,
        entry: StreamId,
        consumer: ConsumerId,
        delivered_ms: i64,
        deliveries: u64,
    ) {
        self.metered(|group| {
            let nack = group.timed(entry, delivered_ms, deliveries, consumer);
            group.put(entry, nack);
        });
    }

    /// Gives a pending entry back: it has no owner, and is the last of the zone. An entry that is
    /// not pending becomes so.
    pub fn release(&mut self, entry: StreamId, deliveries: u64) {
        self.metered(|group| {
            let nack = Nack {
                time: group.next_place,
                deliveries,
                consumer: ConsumerId::NONE,
                tie: 0,
            };
            group.next_place += 1;
            group.zone.insert(zone_key(nack.time), entry);
            group.put(entry, nack);
        });
    }

    /// A record of a delivery now, listed by the time of delivery.
    fn timed(&mut self, entry: StreamId, time: i64, deliveries: u64, consumer: ConsumerId) -> Nack {
        let mut nack = Nack {
            time,
            deliveries,
            consumer,
            tie: self.next_tie,
        };
        if let Some(by_time) = &mut self.by_time {
            // The ties have wrapped around if it is there.
            while !by_time.insert(nack.time_key(), entry) {
                nack.tie = nack.tie.wrapping_add(1);
            }
        }
        self.next_tie = nack.tie.wrapping_add(1);
        nack
    }

    /// Removes a record's line from the zone or the order of times.
    fn forget_time(&mut self, nack: Nack) {
        if nack.consumer == ConsumerId::NONE {
            self.zone.remove(zone_key(nack.time));
        } else if let Some(by_time) = &mut self.by_time {
            by_time.remove(nack.time_key());
        }
    }

    /// Sets the record of an entry, which has its line already.
    fn put(&mut self, entry: StreamId, nack: Nack) {
        match self.pending.find(entry) {
            None => {
                self.pending.insert(entry, nack);
            }
            Some(place) => {
                let old = self
                    .pending
                    .update(place, |own| std::mem::replace(own, nack));
                self.forget_time(old);
                if old.consumer == nack.consumer {
                    return;
                }
                if let Some(owner) = old.owner() {
                    self.consumer_mut(owner).pending.remove(entry);
                }
            }
        }
        if let Some(owner) = nack.owner() {
            self.consumer_mut(owner).pending.insert(entry, ());
        }
    }

    /// Removes a pending entry; false if it was not pending.
    pub fn acknowledge(&mut self, entry: StreamId) -> bool {
        self.metered(|group| {
            let Some(nack) = group.pending.remove(entry) else {
                return false;
            };
            group.forget_time(nack);
            if let Some(owner) = nack.owner() {
                group.consumer_mut(owner).pending.remove(entry);
            }
            true
        })
    }

    /// Counts another delivery of a pending entry that has an owner.
    pub fn redelivered(&mut self, entry: StreamId, now_ms: i64) {
        let Some(place) = self.pending.find(entry) else {
            return;
        };
        let old = *self.pending.value(place);
        let Some(owner) = old.owner() else {
            return;
        };
        let deliveries = (old.deliveries + 1).min(COUNTER_MAX);
        self.metered(|group| {
            let nack = group.timed(entry, now_ms, deliveries, owner);
            group.pending.update(place, |own| *own = nack);
            group.forget_time(old);
        });
    }

    // --- by idle time ---

    /// Up to `most` pending entries that have been idle since `until_ms` or before, from a cursor
    /// on: those without an owner, idle since time 0, then the others, the longest idle first.
    /// Entries delivered after the walk began are left out. O(log n + entries), and see the module.
    pub fn idle_after(
        &mut self,
        cursor: &mut IdleCursor,
        until_ms: i64,
        most: usize,
        found: &mut Vec<StreamId>,
    ) {
        let after = |order: &IdMap<StreamId>, after: Option<StreamId>| match after {
            None => order.first(),
            Some(last) => last.next().and_then(|next| order.ceil(next)),
        };
        let mut left = most;
        if cursor.phase == IdlePhase::Begin {
            *cursor = IdleCursor {
                phase: IdlePhase::InZone,
                after: None,
                first_tie: self.next_tie,
            };
        }
        if cursor.phase == IdlePhase::InZone && until_ms < 0 {
            cursor.phase = IdlePhase::InTime;
        }
        if cursor.phase == IdlePhase::InZone {
            let from = after(&self.zone, cursor.after);
            for (key, entry) in self.zone.iter_from(from).take(left) {
                cursor.after = Some(key);
                found.push(*entry);
                left -= 1;
            }
            if left == 0 {
                return;
            }
            cursor.phase = IdlePhase::InTime;
            cursor.after = None;
        }
        self.order_by_time();
        let Some(by_time) = &self.by_time else {
            return;
        };
        let first = cursor.first_tie;
        let caused = self.next_tie.wrapping_sub(first);
        let is_before = |key: StreamId| (key.seq as u32).wrapping_sub(first) >= caused;
        let from = after(by_time, cursor.after);
        let due = by_time
            .iter_from(from)
            .take_while(|(key, _)| time_of(key.ms) <= until_ms)
            .filter(|(key, _)| is_before(*key));
        for (key, entry) in due.take(left) {
            cursor.after = Some(key);
            found.push(*entry);
        }
    }

    /// When the first entry delivered after `since_ms` was delivered. O(log n), and see the module.
    pub fn delivered_after(&mut self, since_ms: i64) -> Option<i64> {
        let from = StreamId::new(time_bits(since_ms.checked_add(1)?), 0);
        self.order_by_time();
        let by_time = self.by_time.as_ref()?;
        let first: MapPosition = by_time.ceil(from)?;
        Some(time_of(by_time.key(first).ms))
    }

    /// Makes the order of delivery times, unless it is there. O(n log n).
    fn order_by_time(&mut self) {
        if self.by_time.is_none() {
            self.metered(Group::make_order);
        }
    }

    #[cold]
    fn make_order(&mut self) {
        let mut all = Vec::with_capacity(self.pending.len() - self.zone.len());
        let owned = self
            .pending
            .iter()
            .filter(|(_, nack)| nack.owner().is_some());
        all.extend(owned.map(|(entry, nack)| (nack.time_key(), entry)));
        all.sort_unstable();
        let mut by_time = IdMap::default();
        for (mut key, entry) in all {
            let stated = key;
            while !by_time.insert(key, entry) {
                key.seq = u64::from((key.seq as u32).wrapping_add(1));
            }
            if key != stated
                && let Some(place) = self.pending.find(entry)
            {
                self.pending.update(place, |nack| nack.tie = key.seq as u32);
            }
        }
        self.by_time = Some(by_time);
    }

    // --- from files ---

    /// Adds a pending entry whose owner is set later; false if it exists.
    pub(super) fn import_pending(&mut self, entry: StreamId, ms: i64, deliveries: u64) -> bool {
        let nack = Nack {
            time: ms,
            deliveries,
            consumer: ConsumerId::UNREAD,
            tie: self.next_tie,
        };
        self.next_tie = self.next_tie.wrapping_add(1);
        self.metered(|group| group.pending.insert(entry, nack))
    }

    /// The record of an entry whose owner has not been set.
    fn unread(&self, entry: StreamId) -> Option<(MapPosition, Nack)> {
        let place = self.pending.find(entry)?;
        let nack = *self.pending.value(place);
        (nack.consumer == ConsumerId::UNREAD).then_some((place, nack))
    }

    /// Sets the owner of an entry without an owner; false if there is no such entry, or it has an
    /// owner.
    pub(super) fn import_owner(&mut self, entry: StreamId, owner: ConsumerId) -> bool {
        let Some((place, _)) = self.unread(entry) else {
            return false;
        };
        self.pending.update(place, |nack| nack.consumer = owner);
        self.metered(|group| group.consumer_mut(owner).pending.insert(entry, ()));
        true
    }

    /// Puts an entry whose owner was not set into the zone, at its end; false as
    /// [`Group::import_owner`].
    pub(super) fn import_ownerless(&mut self, entry: StreamId) -> bool {
        let Some((place, _)) = self.unread(entry) else {
            return false;
        };
        self.metered(|group| {
            let at = group.next_place;
            group.next_place += 1;
            group.zone.insert(zone_key(at), entry);
            group.pending.update(place, |nack| {
                nack.time = at;
                nack.consumer = ConsumerId::NONE;
            });
        });
        true
    }

    /// Bytes of everything that the group owns, as the allocator counts them. O(1).
    fn memory_bytes(&self) -> usize {
        self.bytes.bytes()
    }

    /// Frees about `n` items; true when nothing is left.
    fn free_step(&mut self, n: usize) -> bool {
        let mut freed = 0;
        while freed < n {
            let keys = self.pending.drop_chunk();
            if keys > 0 {
                // Whole chunks of plain numbers are freed at once.
                freed += 1 + keys / 16;
                continue;
            }
            let by_time = self.by_time.as_mut().map_or(0, IdMap::drop_chunk);
            let keys = by_time + self.zone.drop_chunk();
            if keys > 0 {
                freed += 1 + keys / 16;
                continue;
            }
            if let Some((_, id)) = self.by_name.pop_last() {
                let consumer = self.consumers[id.0 as usize].take();
                freed += 1 + consumer.map_or(0, |c| c.pending.len() / 128);
                continue;
            }
            return true;
        }
        false
    }

    /// Offers the blocks of about `n` chunks of pending entries, starting at a chunk of a part: the
    /// group's own list, the zone, the order of times, then a consumer's list each. Returns where
    /// to continue.
    fn relocate(
        &mut self,
        mover: &mut Mover,
        (part, chunk): (usize, usize),
        n: usize,
    ) -> Option<(usize, usize)> {
        /// Parts before those of the consumers.
        const OWN: usize = 3;
        let mut left = n.max(1);
        let (mut part, mut chunk) = (part, chunk);
        if part == 0 && chunk == 0 {
            mover.vec(&mut self.consumers);
            mover.vec(&mut self.free);
        }
        let parts = OWN + self.consumers.len();
        while part < parts {
            let chunks = match part {
                0 => relocate_ids(&mut self.pending, mover, chunk, left),
                1 => relocate_ids(&mut self.zone, mover, chunk, left),
                2 => match &mut self.by_time {
                    None => None,
                    Some(by_time) => relocate_ids(by_time, mover, chunk, left),
                },
                _ => match &mut self.consumers[part - OWN] {
                    None => None,
                    Some(consumer) => {
                        if chunk == 0 {
                            mover.boxed(consumer);
                        }
                        relocate_ids(&mut consumer.pending, mover, chunk, left)
                    }
                },
            };
            if let Some(next) = chunks {
                return Some((part, next));
            }
            (part, chunk) = (part + 1, 0);
            left = left.saturating_sub(1);
            if left == 0 {
                return (part < parts).then_some((part, 0));
            }
        }
        None
    }

    fn check_invariants(&self) {
        self.pending.check_invariants();
        assert!(self.entries_read >= UNKNOWN);
        let mut owned = 0;
        for consumer in self.consumers() {
            consumer.pending.check_invariants();
            owned += consumer.pending.len();
            let id = self.find(&consumer.name).expect("found by its name");
            for (entry, ()) in consumer.pending.iter() {
                let nack = self.pending.get(entry).expect("pending in the group");
                assert_eq!(nack.owner(), Some(id));
                assert!(nack.deliveries <= COUNTER_MAX);
                let line = self
                    .by_time
                    .as_ref()
                    .map(|order| order.get(nack.time_key()));
                assert!(line.is_none_or(|line| line == Some(&entry)));
            }
        }
        self.zone.check_invariants();
        for (place, entry) in self.zone.iter() {
            let nack = self.pending.get(*entry).expect("pending in the group");
            assert_eq!((nack.owner(), zone_key(nack.time)), (None, place));
            assert!(nack.time < self.next_place && nack.deliveries <= COUNTER_MAX);
        }
        if let Some(by_time) = &self.by_time {
            by_time.check_invariants();
            assert_eq!(by_time.len(), owned);
        }
        assert_eq!(owned + self.zone.len(), self.pending.len());
        assert_eq!(
            self.consumers.len(),
            self.by_name.len() + self.free.len(),
            "every number is somebody's or free"
        );
    }
}

/// Offers up to `n` chunks from chunk `from` on; returns the number of the next chunk, `None` at
/// the end.
fn relocate_ids<V: MapValue>(
    ids: &mut IdMap<V>,
    mover: &mut Mover,
    from: usize,
    n: usize,
) -> Option<usize> {
    let end = from.saturating_add(n).min(ids.chunks());
    (from..end).for_each(|number| ids.relocate_chunk(number, mover, |_, _| ()));
    (end < ids.chunks()).then_some(end)
}

impl Clone for Group {
    fn clone(&self) -> Group {
        let mut copy = Group::new(self.last_id, self.entries_read);
        copy.metered(|copy| {
            copy.pending = self.pending.clone();
            copy.zone = self.zone.clone();
            (copy.next_place, copy.next_tie) = (self.next_place, self.next_tie);
            // Both references to a consumer's name share it, in the copy as well.
            let consumers = self.consumers.iter().map(|consumer| {
                let own = consumer.as_deref()?;
                let name = Arc::from(&*own.name);
                Some(Box::new(Consumer {
                    name,
                    pending: own.pending.clone(),
                    ..*own
                }))
            });
            copy.consumers = consumers.collect();
            let named = copy.consumers.iter().enumerate();
            let named = named.filter_map(|(number, consumer)| {
                let name = consumer.as_ref()?.name.clone();
                Some((name, ConsumerId(number as u32)))
            });
            copy.by_name = named.collect();
            copy.free = self.free.clone();
        });
        copy
    }
}

/// Bytes of a group's name and of the group itself.
fn own_bytes(name: &[u8]) -> i64 {
    (alloc::slice_bytes(name.len()) + alloc::boxed_bytes::<Group>()) as i64
}

/// The groups of a stream by name.
#[derive(Debug, Default)]
pub struct Groups {
    by_name: BTreeMap<Box<[u8]>, Box<Group>>,
    /// Bytes of names, groups and map, without the memory that the groups own.
    bytes: OwnedBytes,
}

impl Clone for Groups {
    fn clone(&self) -> Groups {
        let mut copy = Groups::default();
        for (name, group) in &self.by_name {
            copy.put(name.clone(), group.clone());
        }
        copy
    }
}

impl Groups {
    /// Number of groups.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Bytes of the groups with everything that they own, as the allocator counts them. O(groups).
    pub(super) fn memory_bytes(&self) -> usize {
        let owned = self.by_name.values().map(|group| group.memory_bytes());
        self.bytes.bytes() + owned.sum::<usize>()
    }

    /// The groups in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Group)> + '_ {
        let all = self.by_name.iter();
        all.map(|(name, group)| (&**name, &**group))
    }

    /// Whether an entry is pending in any group, or a group has yet to read it. O(groups).
    pub(super) fn needs(&self, entry: StreamId) -> bool {
        let mut all = self.by_name.values();
        all.any(|group| entry > group.last_id || group.pending.contains(entry))
    }

    /// Removes a pending entry from all groups. O(groups).
    pub(super) fn acknowledge_everywhere(&mut self, entry: StreamId) {
        for group in self.by_name.values_mut() {
            group.acknowledge(entry);
        }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Group> {
        self.by_name.get(name).map(|group| &**group)
    }

    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.by_name.get_mut(name).map(|group| &mut **group)
    }

    pub(super) fn create(&mut self, name: &[u8], last_id: StreamId, entries_read: i64) -> bool {
        if self.by_name.contains_key(name) {
            return false;
        }
        self.put(name.into(), Box::new(Group::new(last_id, entries_read)));
        true
    }

    /// Adds a group that does not exist.
    pub(super) fn put(&mut self, name: Box<[u8]>, group: Box<Group>) {
        self.bytes.add(own_bytes(&name));
        let before = alloc::thread_balance();
        self.by_name.insert(name, group);
        self.bytes.add_since(before);
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<(Box<[u8]>, Box<Group>)> {
        let before = alloc::thread_balance();
        let (name, group) = self.by_name.remove_entry(name)?;
        self.bytes.add_since(before);
        self.bytes.add(-own_bytes(&name));
        Some((name, group))
    }

    pub(super) fn free_effort(&self) -> usize {
        let first = self.by_name.values().next();
        first.map_or(0, |group| self.len() * (1 + group.pending.len()))
    }

    pub(super) fn free_step(&mut self, n: usize) -> bool {
        while let Some(mut last) = self.by_name.last_entry() {
            if !last.get_mut().free_step(n) {
                return false;
            }
            last.remove();
        }
        true
    }

    /// Offers the blocks of a group by its number, as [`Group::relocate`] does, and the group
    /// itself; returns where to continue, in this group or the next.
    pub(super) fn relocate(
        &mut self,
        mover: &mut Mover,
        (group, part, chunk): (usize, usize, usize),
        n: usize,
    ) -> Option<(usize, usize, usize)> {
        let held = self.by_name.values_mut().nth(group)?;
        if part == 0 && chunk == 0 {
            mover.boxed(held);
        }
        let next = held.relocate(mover, (part, chunk), n);
        match next {
            Some((part, chunk)) => Some((group, part, chunk)),
            None => (group + 1 < self.by_name.len()).then_some((group + 1, 0, 0)),
        }
    }

    pub(super) fn check_invariants(&self) {
        self.by_name
            .values()
            .for_each(|group| group.check_invariants());
    }
}
