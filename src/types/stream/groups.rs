//! Consumer groups: what each has read, and which entries are delivered but not acknowledged.
//!
//!     group      last ID, entries read | pending by ID: when, how often, to whom
//!     consumer   seen and active times | the IDs of its pending entries
//!
//! Pending entries refer to their consumer by number, so that adding or removing consumers does not
//! change them. Cost: by ID two binary searches, by name one.
//!
//! A group's memory is the allocator's balance before and after each change (`metered`), because
//! the size of an ordered map's nodes is not known otherwise.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lag::UNKNOWN;
use super::{COUNTER_MAX, StreamId};
use crate::base::alloc::{self, Metered};
use crate::base::mover::Mover;
use crate::encodings::idmap::{IdMap, Weigh};

/// A consumer's number within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerId(u32);

impl ConsumerId {
    /// For an entry whose consumer is not known yet, while a file is read.
    pub(super) const NOBODY: ConsumerId = ConsumerId(u32::MAX);
}

/// A pending entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// When it was delivered last, Unix milliseconds.
    pub delivered_ms: i64,
    /// Number of deliveries.
    pub deliveries: u64,
    pub consumer: ConsumerId,
}

impl Weigh for Nack {}

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
    pub last_id: StreamId,
    /// Number of entries ever read; -1 if unknown.
    pub entries_read: i64,
    pending: IdMap<Nack>,
    by_name: BTreeMap<Arc<[u8]>, ConsumerId>,
    consumers: Vec<Option<Box<Consumer>>>,
    /// Numbers free for reuse.
    free: Vec<ConsumerId>,
    /// Bytes of everything it owns.
    bytes: Metered,
}

impl Group {
    pub fn new(last_id: StreamId, entries_read: i64) -> Group {
        Group {
            last_id,
            entries_read,
            pending: IdMap::default(),
            by_name: BTreeMap::new(),
            consumers: Vec::new(),
            free: Vec::new(),
            bytes: Metered::default(),
        }
    }

    /// Runs a change and updates the group's memory figure.
    #[inline]
    fn metered<R>(&mut self, change: impl FnOnce(&mut Group) -> R) -> R {
        let before = alloc::thread_balance();
        let result = change(self);
        self.bytes.note(before);
        result
    }

    /// The entries delivered and not acknowledged.
    pub fn pending(&self) -> &IdMap<Nack> {
        &self.pending
    }

    /// The consumers by name.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> + '_ {
        self.by_name.values().map(|id| self.consumer(*id))
    }

    pub fn consumer_count(&self) -> usize {
        self.by_name.len()
    }

    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.by_name.get(name).copied()
    }

    #[inline]
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        let consumer = self.consumers[id.0 as usize].as_deref();
        consumer.expect("consumers live as long as their numbers")
    }

    #[inline]
    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        let consumer = self.consumers[id.0 as usize].as_deref_mut();
        consumer.expect("consumers live as long as their numbers")
    }

    /// Creates a consumer, seen now; `None` if it exists.
    pub fn create(&mut self, name: &[u8], now_ms: i64) -> Option<ConsumerId> {
        match self.by_name.contains_key(name) {
            true => None,
            false => Some(self.metered(|group| group.add(name, now_ms))),
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
            self.pending.remove(entry);
        }
        self.free.push(id);
        Some(consumer.pending.len())
    }

    /// Makes an entry pending for this consumer, whichever had it before.
    pub fn assign(&mut self, entry: StreamId, nack: Nack) {
        self.metered(|group| group.give(entry, nack));
    }

    fn give(&mut self, entry: StreamId, nack: Nack) {
        match self.pending.find(entry) {
            None => {
                self.pending.insert(entry, nack);
            }
            Some(place) => {
                let old = self
                    .pending
                    .update(place, |own| std::mem::replace(own, nack));
                if old.consumer == nack.consumer {
                    return;
                }
                self.consumer_mut(old.consumer).pending.remove(entry);
            }
        }
        self.consumer_mut(nack.consumer).pending.insert(entry, ());
    }

    /// Removes a pending entry; false if it was not pending.
    pub fn acknowledge(&mut self, entry: StreamId) -> bool {
        self.metered(|group| {
            let Some(nack) = group.pending.remove(entry) else {
                return false;
            };
            group.consumer_mut(nack.consumer).pending.remove(entry);
            true
        })
    }

    /// Counts another delivery of a pending entry.
    pub fn redelivered(&mut self, entry: StreamId, now_ms: i64) {
        if let Some(place) = self.pending.find(entry) {
            self.pending.update(place, |nack| {
                nack.delivered_ms = now_ms;
                nack.deliveries = (nack.deliveries + 1).min(COUNTER_MAX);
            });
        }
    }

    /// Adds a pending entry without a consumer, as in files; false if it exists.
    pub(super) fn import_pending(&mut self, entry: StreamId, ms: i64, deliveries: u64) -> bool {
        let nack = Nack {
            delivered_ms: ms,
            deliveries,
            consumer: ConsumerId::NOBODY,
        };
        self.metered(|group| group.pending.insert(entry, nack))
    }

    /// Sets the consumer of an entry without one; false if there is no such entry, or it has one.
    pub(super) fn import_owner(&mut self, entry: StreamId, owner: ConsumerId) -> bool {
        let Some(place) = self.pending.find(entry) else {
            return false;
        };
        let nobody = self.pending.value(place).consumer == ConsumerId::NOBODY;
        if nobody {
            self.pending.update(place, |nack| nack.consumer = owner);
            self.metered(|group| group.consumer_mut(owner).pending.insert(entry, ()));
        }
        nobody
    }

    /// Bytes of everything it owns, as the allocator counts them. O(1).
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
            if let Some((_, id)) = self.by_name.pop_last() {
                let consumer = self.consumers[id.0 as usize].take();
                freed += 1 + consumer.map_or(0, |c| c.pending.len() / 128);
                continue;
            }
            return true;
        }
        false
    }

    /// Offers the blocks of about `n` chunks of pending entries, starting at a chunk of the group's
    /// own list (part 0) or of a consumer's (the parts after it); returns where to continue.
    fn relocate(
        &mut self,
        mover: &mut Mover,
        (part, chunk): (usize, usize),
        n: usize,
    ) -> Option<(usize, usize)> {
        let mut left = n.max(1);
        let (mut part, mut chunk) = (part, chunk);
        if part == 0 && chunk == 0 {
            mover.vec(&mut self.consumers);
            mover.vec(&mut self.free);
        }
        while part <= self.consumers.len() {
            let chunks = match part.checked_sub(1) {
                None => relocate_ids(&mut self.pending, mover, chunk, left),
                Some(number) => match &mut self.consumers[number] {
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
                return (part <= self.consumers.len()).then_some((part, 0));
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
                assert_eq!(nack.consumer, id);
                assert!(nack.deliveries <= COUNTER_MAX);
            }
        }
        assert_eq!(owned, self.pending.len());
        assert_eq!(
            self.consumers.len(),
            self.by_name.len() + self.free.len(),
            "every number is somebody's or free"
        );
    }
}

/// Offers up to `n` chunks from chunk `from` on; returns the next one's number, `None` at the end.
fn relocate_ids<V: Weigh>(
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
    /// Bytes of names, groups and map, without what the groups own.
    bytes: Metered,
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
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Bytes of the groups with everything they own, as the allocator counts them. O(groups).
    pub(super) fn memory_bytes(&self) -> usize {
        let owned = self.by_name.values().map(|group| group.memory_bytes());
        self.bytes.bytes() + owned.sum::<usize>()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Group)> + '_ {
        let all = self.by_name.iter();
        all.map(|(name, group)| (&**name, &**group))
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
        self.bytes.note(before);
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<(Box<[u8]>, Box<Group>)> {
        let before = alloc::thread_balance();
        let (name, group) = self.by_name.remove_entry(name)?;
        self.bytes.note(before);
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
