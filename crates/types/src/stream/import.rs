//! Streams loaded from files: node by node, then the stream's facts, then the groups.
//!
//! Inputs are checked here: nodes are sound, IDs ascend, lengths add up, and each pending entry
//! belongs to exactly one consumer. `None` and `false`: a check failed.
//!
//! Counters of groups and producers beyond the range of commands are clamped: no command could
//! rebuild them.

use super::lag::UNKNOWN;
use super::{Body, COUNTER_MAX, ConsumerId, Group, Stream, StreamId};
use crate::Limits;
use russet_encodings::listpack::ListpackError;
use russet_encodings::stream_node::StreamNode;

/// A stream being built.
#[derive(Default)]
pub struct StreamImport(Stream);

impl StreamImport {
    /// A stream with the configured settings, unless the file has its own.
    pub fn new(limits: &Limits) -> StreamImport {
        StreamImport(Stream::with_settings(limits))
    }

    /// Adds a node with its ID, which is above all live entries of the node before.
    pub fn node(&mut self, id: StreamId, pack: &[u8]) -> Result<bool, ListpackError> {
        let Some(node) = StreamNode::import(id, pack)? else {
            return Ok(false);
        };
        let nodes = &mut self.0.0.nodes;
        let is_above = nodes.last().is_none_or(|last| {
            let before = nodes.key(last);
            before < id && nodes.value(last).last_live(before) < Some(id)
        });
        Ok(is_above && nodes.insert(id, node))
    }

    /// Ends the nodes. `past`: greatest deleted ID and entries ever added, if the file has them;
    /// the latter are at least the entries there are.
    pub fn facts(&mut self, len: u64, last_id: StreamId, past: Option<(StreamId, u64)>) -> bool {
        let body: &mut Body = &mut self.0.0;
        let live: u64 = body.nodes.iter().map(|(_, node)| node.live()).sum();
        body.len = live;
        body.last_id = last_id;
        let (max_deleted_id, added) = past.unwrap_or((StreamId::MIN, len));
        body.max_deleted_id = max_deleted_id.min(last_id);
        body.entries_added = added.min(COUNTER_MAX);
        if live > 0 {
            self.0.find_first();
        }
        live == len
            && (live..=COUNTER_MAX).contains(&added)
            && self.0.last_entry().is_none_or(|last| last <= last_id)
    }

    /// The number of entries a group has read, for files that do not have it.
    pub fn entries_until(&self, id: StreamId) -> i64 {
        self.0.entries_until(id)
    }

    /// Adds a group; false if the group exists, or any of its entries has no consumer.
    pub fn group(&mut self, name: &[u8], group: GroupImport) -> bool {
        let owned = |consumer: &super::Consumer| consumer.pending().len();
        let owned = group.0.consumers().map(owned).sum::<usize>();
        let all_owned = owned + group.0.ownerless_count() == group.0.pending().len();
        let groups = self.0.0.groups.get_or_insert_default();
        let is_new = groups.get(name).is_none();
        if is_new && all_owned {
            groups.put(name.into(), Box::new(group.0));
        }
        is_new && all_owned
    }

    /// Sets how long lines of producers live, seconds, and how many each may have; false if no
    /// command accepts them.
    pub fn settings(&mut self, duration_s: u64, size_max: u64) -> bool {
        self.0.0.idempotence.import(duration_s, size_max)
    }

    /// Adds a line of a producer; false if the producer has a line for this idempotent ID, or an ID
    /// is empty.
    pub fn iid(&mut self, pid: &[u8], iid: &[u8], id: StreamId) -> bool {
        let own = &mut self.0.0.idempotence;
        let is_new = own.find(pid, iid).is_none() && !pid.is_empty() && !iid.is_empty();
        if is_new {
            own.record(pid, iid, id);
        }
        is_new
    }

    /// Sets the counters of lines ever added, and of entries that were duplicates.
    pub fn iid_counters(&mut self, added: u64, duplicates: u64) {
        let own = &mut self.0.0.idempotence;
        let most = COUNTER_MAX;
        (own.added, own.duplicates) = (added.min(most), duplicates.min(most));
    }

    /// The stream that was built.
    pub fn finish(self) -> Stream {
        self.0
    }
}

/// A group being built.
pub struct GroupImport(Group);

impl GroupImport {
    /// A group without consumers; an `entries_read` below -1 is taken as unknown.
    pub fn new(last_id: StreamId, entries_read: i64) -> GroupImport {
        GroupImport(Group::new(last_id, entries_read.max(UNKNOWN)))
    }

    /// Adds a pending entry, whose consumer is set later; false if it exists.
    pub fn pending(&mut self, entry: StreamId, delivered_ms: i64, deliveries: u64) -> bool {
        let deliveries = deliveries.min(COUNTER_MAX);
        self.0.import_pending(entry, delivered_ms, deliveries)
    }

    /// Adds a consumer; `None` if it exists.
    pub fn consumer(&mut self, name: &[u8], seen_ms: i64, active_ms: i64) -> Option<ConsumerId> {
        let id = self.0.create(name, seen_ms)?;
        self.0.consumer_mut(id).active_ms = active_ms;
        Some(id)
    }

    /// A pending entry has no owner, and follows the previous such entry. False if it is not
    /// pending, or has an owner.
    pub fn ownerless(&mut self, entry: StreamId) -> bool {
        self.0.import_ownerless(entry)
    }

    /// Sets the consumer of a pending entry; false if it is not pending, or has another.
    pub fn owner(&mut self, entry: StreamId, consumer: ConsumerId) -> bool {
        self.0.import_owner(entry, consumer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::NewId;
    use crate::{Container, Limits};

    #[test]
    fn counters_beyond_all_commands_are_brought_into_range() {
        let mut import = StreamImport::default();
        let [below, last, above] = [1, 5, 7].map(|ms| StreamId::new(ms, 0));
        assert!(import.facts(0, last, Some((above, COUNTER_MAX))));
        let mut group = GroupImport::new(last, i64::MIN);
        assert!(group.pending(below, 9, u64::MAX));
        let consumer = group.consumer(b"c", 9, 9).expect("the first one");
        assert!(group.owner(below, consumer));
        assert!(import.group(b"g", group));
        let mut stream = import.finish();
        stream.check_invariants();
        assert_eq!(stream.max_deleted_id(), last);
        let pair: [(&[u8], &[u8]); 1] = [(b"f", b"v")];
        let pairs = pair.iter().copied();
        assert!(
            stream
                .append(NewId::Whole(above), pairs, &Limits::default())
                .is_ok()
        );
        stream.check_invariants();
        assert_eq!(stream.entries_added(), COUNTER_MAX);
    }

    #[test]
    fn facts_that_no_command_makes_are_refused() {
        let id = StreamId::new(1, 0);
        let facts = |added| StreamImport::default().facts(0, id, Some((id, added)));
        assert!(facts(0));
        assert!(facts(COUNTER_MAX));
        assert!(!facts(COUNTER_MAX + 1));
        let settings = |duration, size| StreamImport::default().settings(duration, size);
        assert!(settings(1, 1));
        assert!(settings(86_400, 10_000));
        for (duration, size) in [(0, 1), (1, 0), (86_401, 1), (1, 10_001), (1 << 40, 1)] {
            assert!(!settings(duration, size), "{duration} s, {size}");
        }
    }
}
