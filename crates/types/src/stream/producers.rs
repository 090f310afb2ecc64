//! The entries that producers have added: the stream ID of each idempotent ID, so that an entry
//! sent twice is added once (XADD with IDMP or IDMPAUTO).
//!
//!     stream     duration, size limit, counters | producers by ID
//!     producer   idempotent ID -> stream ID | the same, oldest first
//!     by age     producers by the time of their oldest line
//!
//! Invariants
//!   1. No producer is without lines, and none has more than the size limit.
//!   2. `by_age` has each producer once, with the milliseconds of the stream ID of the producer's
//!      oldest line.
//!   3. `lines` is the number of all lines.
//!
//! A line expires `duration` after the milliseconds of its stream ID, and never before the lines
//! that the producer recorded earlier. Cost: by ID O(log producers), a hash lookup; the memory is
//! the allocator's balance (`OwnedBytes`). When a line expires: `keyspace::expiry::iids`.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ptr::NonNull;
use std::sync::Arc;

use super::{Stream, StreamId};
use crate::Limits;
use russet_base::memory::alloc::{self, OwnedBytes};
use russet_base::memory::mover::Mover;

/// Bounds of the settings, seconds and lines.
pub const DURATION_MAX: u32 = 86_400;
/// The most idempotent IDs of a producer that can be configured.
pub const SIZE_MAX: u32 = 10_000;

/// A stream's settings and counters, and its producers.
#[derive(Clone, Debug)]
pub struct Idempotence {
    duration_s: u32,
    size_max: u32,
    /// Lines ever added.
    pub added: u64,
    /// Entries that were not added because their line was there.
    pub duplicates: u64,
    producers: Option<Box<Producers>>,
}

impl Default for Idempotence {
    fn default() -> Idempotence {
        Idempotence::new(&Limits::DEFAULT)
    }
}

impl Idempotence {
    pub(super) fn new(limits: &Limits) -> Idempotence {
        Idempotence {
            duration_s: limits.stream_idmp_duration,
            size_max: limits.stream_idmp_maxsize,
            added: 0,
            duplicates: 0,
            producers: None,
        }
    }

    /// Seconds that a line lives.
    pub fn duration_s(&self) -> u32 {
        self.duration_s
    }

    /// Maximum number of lines of a producer.
    pub fn size_max(&self) -> u32 {
        self.size_max
    }

    /// Number of producers.
    pub fn pids(&self) -> usize {
        self.producers.as_ref().map_or(0, |all| all.by_pid.len())
    }

    /// Number of lines.
    pub fn iids(&self) -> usize {
        self.producers.as_ref().map_or(0, |all| all.lines)
    }

    /// Whether the settings are those of a stream made with these limits.
    pub fn has_settings_of(&self, limits: &Limits) -> bool {
        (self.duration_s, self.size_max)
            == (limits.stream_idmp_duration, limits.stream_idmp_maxsize)
    }

    /// Whether there is nothing but default settings.
    pub fn is_plain(&self) -> bool {
        self.has_settings_of(&Limits::DEFAULT)
            && (self.added, self.duplicates) == (0, 0)
            && self.producers.is_none()
    }

    /// The producers by ID, each with its lines, oldest first.
    pub fn producers(&self) -> impl Iterator<Item = (&[u8], Lines<'_>)> + '_ {
        let all = self.producers.iter().flat_map(|all| all.by_pid.iter());
        all.map(|(pid, producer)| (&**pid, Lines(producer.in_order.iter())))
    }

    /// The stream ID of a line.
    pub fn find(&self, pid: &[u8], iid: &[u8]) -> Option<StreamId> {
        let producer = self.producers.as_ref()?.by_pid.get(pid)?;
        producer.by_iid.get(iid).copied()
    }

    /// Adds a line, in place of a line of the same idempotent ID; the producer's oldest line is
    /// removed if there are too many.
    pub(super) fn record(&mut self, pid: &[u8], iid: &[u8], id: StreamId) {
        let most = self.size_max as usize;
        let all = self.producers.get_or_insert_default();
        all.metered(|all| all.record(pid, iid, id, most));
        self.added = self.added.saturating_add(1);
    }

    /// Changes the settings; a change removes all lines, which are returned to be freed.
    pub(super) fn configure(&mut self, duration_s: u32, size_max: u32) -> Option<Box<Producers>> {
        if (duration_s, size_max) == (self.duration_s, self.size_max) {
            return None;
        }
        (self.duration_s, self.size_max) = (duration_s, size_max);
        self.producers.take()
    }

    /// Settings from a file; false if they are out of range.
    pub(super) fn import(&mut self, duration_s: u64, size_max: u64) -> bool {
        let in_range = (1..=u64::from(DURATION_MAX)).contains(&duration_s)
            && (1..=u64::from(SIZE_MAX)).contains(&size_max);
        if in_range {
            (self.duration_s, self.size_max) = (duration_s as u32, size_max as u32);
        }
        in_range
    }

    /// When the first line expires, Unix milliseconds. O(1).
    pub fn next_due(&self) -> Option<i64> {
        let oldest = self.producers.as_ref()?.by_age.first()?.0;
        let due = oldest.saturating_add(u64::from(self.duration_s) * 1000);
        Some(i64::try_from(due).unwrap_or(i64::MAX))
    }

    /// Removes up to `most` lines that expired at `past_ms` or before; returns their number.
    pub fn expire(&mut self, past_ms: i64, most: usize) -> usize {
        let duration_ms = u64::from(self.duration_s) * 1000;
        let Some(oldest_kept) = u64::try_from(past_ms)
            .ok()
            .and_then(|past| past.checked_sub(duration_ms))
        else {
            return 0;
        };
        let Some(all) = &mut self.producers else {
            return 0;
        };
        let removed = all.metered(|all| {
            let mut removed = 0;
            while removed < most
                && let Some((ms, pid)) = all.by_age.first().cloned()
                && ms <= oldest_kept
            {
                all.change(&pid, Producer::remove_oldest);
                removed += 1;
            }
            removed
        });
        if all.by_pid.is_empty() {
            self.producers = None;
        }
        removed
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let all = self.producers.as_ref();
        all.map_or(0, |all| {
            alloc::boxed_bytes::<Producers>() + all.bytes.bytes()
        })
    }

    pub(super) fn adopt(&mut self, producers: Box<Producers>) {
        self.producers = Some(producers);
    }

    pub(super) fn free_effort(&self) -> usize {
        self.iids()
    }

    /// Frees about `n` lines; true when none is left.
    pub(super) fn free_step(&mut self, n: usize) -> bool {
        let Some(all) = &mut self.producers else {
            return true;
        };
        let mut freed = 0;
        while freed < n {
            let Some((_, producer)) = all.by_pid.pop_last() else {
                self.producers = None;
                return true;
            };
            freed += 1 + producer.in_order.len();
        }
        false
    }

    /// Offers the blocks of about `n` lines from a producer on, by its number; returns the next.
    pub(super) fn relocate(&mut self, mover: &mut Mover, from: usize, n: usize) -> Option<usize> {
        let all = self.producers.as_mut()?;
        if from == 0 {
            mover.boxed(all);
        }
        all.metered(|all| all.relocate(mover, from, n))
    }

    pub(super) fn check_invariants(&self) {
        assert!((1..=DURATION_MAX).contains(&self.duration_s));
        assert!((1..=SIZE_MAX).contains(&self.size_max));
        let Some(all) = &self.producers else { return };
        let mut lines = 0;
        assert_eq!(all.by_age.len(), all.by_pid.len());
        for (pid, producer) in &all.by_pid {
            let len = producer.in_order.len();
            assert!((1..=self.size_max as usize).contains(&len));
            assert_eq!(producer.by_iid.len(), len);
            lines += len;
            for (iid, id) in &producer.in_order {
                assert_eq!(producer.by_iid.get(iid), Some(id));
            }
            let age = producer.age_ms().expect("it has lines");
            assert!(all.by_age.contains(&(age, pid.clone())));
        }
        assert_eq!(lines, all.lines);
    }
}

/// A producer's lines, oldest first.
pub struct Lines<'a>(std::collections::vec_deque::Iter<'a, (Arc<[u8]>, StreamId)>);

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a [u8], StreamId);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(iid, id)| (&**iid, *id))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Lines<'_> {}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Producers {
    by_pid: BTreeMap<Arc<[u8]>, Producer>,
    by_age: BTreeSet<(u64, Arc<[u8]>)>,
    lines: usize,
    bytes: OwnedBytes,
}

#[derive(Debug, Default)]
struct Producer {
    by_iid: HashMap<Arc<[u8]>, StreamId, ahash::RandomState>,
    in_order: VecDeque<(Arc<[u8]>, StreamId)>,
}

impl Producers {
    fn metered<R>(&mut self, change: impl FnOnce(&mut Producers) -> R) -> R {
        let before = alloc::thread_balance();
        let result = change(self);
        self.bytes.add_since(before);
        result
    }

    fn record(&mut self, pid: &[u8], iid: &[u8], id: StreamId, most: usize) {
        if !self.by_pid.contains_key(pid) {
            let pid: Arc<[u8]> = pid.into();
            self.by_age.insert((id.ms, pid.clone()));
            let mut producer = Producer::default();
            producer.add(iid, id);
            self.by_pid.insert(pid, producer);
            self.lines += 1;
            return;
        }
        self.change(pid, |producer| {
            producer.remove(iid);
            while producer.in_order.len() >= most {
                producer.remove_oldest();
            }
            producer.add(iid, id);
        });
    }

    /// Changes a producer, and removes a producer that has no lines afterwards.
    fn change(&mut self, pid: &[u8], act: impl FnOnce(&mut Producer)) {
        let Some(producer) = self.by_pid.get_mut(pid) else {
            return;
        };
        let (lines, age) = (producer.in_order.len(), producer.age_ms());
        act(producer);
        self.lines = self.lines + producer.in_order.len() - lines;
        let now = producer.age_ms();
        if now == age {
            return;
        }
        let Some((pid, _)) = self.by_pid.get_key_value(pid) else {
            return;
        };
        let pid = pid.clone();
        if let Some(age) = age {
            self.by_age.remove(&(age, pid.clone()));
        }
        match now {
            Some(age) => _ = self.by_age.insert((age, pid)),
            None => _ = self.by_pid.remove(&pid),
        }
    }

    fn relocate(&mut self, mover: &mut Mover, from: usize, n: usize) -> Option<usize> {
        let mut left = n.max(1);
        let mut at = from;
        for producer in self.by_pid.values_mut().skip(from) {
            left = left.saturating_sub(producer.in_order.len());
            producer.relocate(mover);
            at += 1;
            if left == 0 {
                break;
            }
        }
        (at < self.by_pid.len()).then_some(at)
    }
}

impl Clone for Producers {
    fn clone(&self) -> Producers {
        let mut copy = Producers::default();
        copy.metered(|copy| {
            for (pid, producer) in &self.by_pid {
                for (iid, id) in &producer.in_order {
                    copy.record(pid, iid, *id, usize::MAX);
                }
            }
        });
        copy
    }
}

impl Producer {
    /// The milliseconds of the oldest line.
    fn age_ms(&self) -> Option<u64> {
        self.in_order.front().map(|(_, id)| id.ms)
    }

    fn add(&mut self, iid: &[u8], id: StreamId) {
        let iid: Arc<[u8]> = iid.into();
        self.by_iid.insert(iid.clone(), id);
        self.in_order.push_back((iid, id));
    }

    fn remove(&mut self, iid: &[u8]) {
        if self.by_iid.remove(iid).is_some() {
            self.in_order.retain(|(own, _)| **own != *iid);
        }
    }

    fn remove_oldest(&mut self) {
        if let Some((iid, _)) = self.in_order.pop_front() {
            self.by_iid.remove(&iid);
        }
    }

    /// Builds the producer anew if any of its blocks is badly placed: shared blocks and the table
    /// have no other way to move.
    fn relocate(&mut self, mover: &mut Mover) {
        let mut wants = false;
        for (iid, _) in &self.in_order {
            wants |= mover.wants(NonNull::from(&**iid).cast());
        }
        if wants {
            let mut fresh = Producer::default();
            for (iid, id) in &self.in_order {
                fresh.add(iid, *id);
            }
            mover.moved += fresh.in_order.len() as u64;
            *self = fresh;
        }
    }
}

impl Stream {
    /// The settings and producers of idempotent adding.
    pub fn idempotence(&self) -> &Idempotence {
        &self.0.idempotence
    }

    /// Records that a producer has added the entry `id` under an idempotent ID.
    pub fn record_iid(&mut self, pid: &[u8], iid: &[u8], id: StreamId) {
        self.0.idempotence.record(pid, iid, id);
    }

    /// Counts an entry that was not added.
    pub fn count_duplicate(&mut self) {
        let counter = &mut self.0.idempotence.duplicates;
        *counter = counter.saturating_add(1);
    }

    /// XCFGSET: changes settings. A change removes all lines, which are returned in a stream that
    /// holds nothing else, for freeing. False: there was no change.
    pub fn configure(
        &mut self,
        duration_s: Option<u32>,
        size_max: Option<u32>,
    ) -> (bool, Option<Stream>) {
        let own = &mut self.0.idempotence;
        let settings = (
            duration_s.unwrap_or(own.duration_s),
            size_max.unwrap_or(own.size_max),
        );
        if settings == (own.duration_s, own.size_max) {
            return (false, None);
        }
        let gone = own.configure(settings.0, settings.1).map(|producers| {
            let mut gone = Stream::new();
            gone.0.idempotence.adopt(producers);
            gone
        });
        (true, gone)
    }

    /// Removes up to `most` lines of producers that expired at `past_ms` or before.
    pub fn expire_iids(&mut self, past_ms: i64, most: usize) -> usize {
        self.0.idempotence.expire(past_ms, most)
    }

    /// Whether a file needs a newer form for the stream, and when the stream's first line of a
    /// producer expires (`i64::MAX`: none does). O(groups).
    pub fn newer_line(&self) -> Option<i64> {
        let own = &self.0.idempotence;
        let is_newer = !own.is_plain() || self.has_ownerless();
        is_newer.then(|| own.next_due().unwrap_or(i64::MAX))
    }

    /// Whether a pending entry of a group has no owner. O(groups).
    pub fn has_ownerless(&self) -> bool {
        let mut groups = self.groups().into_iter().flat_map(|groups| groups.iter());
        groups.any(|(_, group)| group.ownerless_count() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64) -> StreamId {
        StreamId::new(ms, 1)
    }

    #[test]
    fn a_producers_oldest_line_leaves_for_a_new_one() {
        let mut s = Stream::new();
        s.configure(Some(5), Some(2));
        for (n, iid) in ["a", "b", "c"].iter().enumerate() {
            s.record_iid(b"p", iid.as_bytes(), id(n as u64 + 1));
        }
        s.record_iid(b"q", b"a", id(9));
        let own = s.idempotence();
        own.check_invariants();
        assert_eq!((own.pids(), own.iids(), own.added), (2, 3, 4));
        assert_eq!(
            (own.find(b"p", b"a"), own.find(b"p", b"c")),
            (None, Some(id(3)))
        );
        // The same again with another entry: it becomes the newest line.
        s.record_iid(b"p", b"b", id(10));
        let own = s.idempotence();
        let lines: Vec<_> = own.producers().flat_map(|(_, lines)| lines).collect();
        assert_eq!(lines, [(&b"c"[..], id(3)), (b"b", id(10)), (b"a", id(9))]);
        assert_eq!(own.next_due(), Some(5003));
        let copy = own.clone();
        copy.check_invariants();
        assert_eq!(copy.iids(), 3);
    }

    #[test]
    fn lines_expire_and_empty_producers_leave() {
        let mut s = Stream::new();
        s.configure(Some(1), None);
        for ms in 1..=4 {
            s.record_iid(b"p", &[ms as u8], id(ms));
        }
        s.record_iid(b"q", b"x", id(2));
        assert_eq!(s.expire_iids(1000, 100), 0);
        assert_eq!(s.expire_iids(1002, 2), 2);
        assert_eq!(s.expire_iids(1002, 100), 1);
        let own = s.idempotence();
        own.check_invariants();
        assert_eq!((own.pids(), own.iids(), own.next_due()), (1, 2, Some(1003)));
        assert_eq!(s.expire_iids(9000, 100), 2);
        assert!(s.idempotence().next_due().is_none());
        assert_eq!(s.idempotence().memory_bytes(), 0);
        assert!(!s.idempotence().is_plain(), "the counter stays");
    }

    #[test]
    fn changed_settings_remove_all_lines() {
        let mut s = Stream::new();
        s.record_iid(b"p", b"a", id(1));
        assert!(!s.configure(Some(100), Some(100)).0);
        let (changed, gone) = s.configure(None, Some(7));
        assert!(changed && gone.is_some_and(|gone| gone.idempotence().iids() == 1));
        assert_eq!((s.idempotence().pids(), s.idempotence().added), (0, 1));
    }
}
