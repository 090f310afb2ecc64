//! Streams as files bring them: node by node, then what is known of them, then the groups.
//!
//! What is given is checked here: that nodes are sound and come once, that lengths add up, that
//! what is pending belongs to exactly one consumer. `None` and `false`: it does not.

use super::{Body, ConsumerId, Group, Stream, StreamId};
use crate::encodings::listpack::ListpackError;
use crate::encodings::stream_node::Node;

/// A stream that is built.
#[derive(Default)]
pub struct StreamImport(Stream);

impl StreamImport {
    /// Adds a node with its ID.
    pub fn node(&mut self, id: StreamId, pack: &[u8]) -> Result<bool, ListpackError> {
        let Some(node) = Node::import(pack)? else {
            return Ok(false);
        };
        Ok(self.0.0.nodes.insert(id, node))
    }

    /// All nodes are there. `past`: greatest deleted ID, entries ever added, where the file
    /// knows them.
    pub fn facts(&mut self, len: u64, last_id: StreamId, past: Option<(StreamId, u64)>) -> bool {
        let body: &mut Body = &mut self.0.0;
        let live: u64 = body.nodes.iter().map(|(_, node)| node.live()).sum();
        body.len = live;
        body.last_id = last_id;
        (body.max_deleted_id, body.entries_added) = past.unwrap_or((StreamId::MIN, len));
        if live > 0 {
            self.0.find_first();
        }
        live == len && self.0.last_entry().is_none_or(|last| last <= last_id)
    }

    /// What a group has read whose file does not tell it.
    pub fn entries_until(&self, id: StreamId) -> i64 {
        self.0.entries_until(id)
    }

    /// Adds a group; false if it is there, or entries of it have no consumer.
    pub fn group(&mut self, name: &[u8], group: GroupImport) -> bool {
        let owned = |consumer: &super::Consumer| consumer.pending().len();
        let all_owned = group.0.consumers().map(owned).sum::<usize>() == group.0.pending().len();
        let groups = self.0.0.groups.get_or_insert_default();
        let is_new = groups.get(name).is_none();
        if is_new && all_owned {
            groups.put(name.into(), Box::new(group.0));
        }
        is_new && all_owned
    }

    pub fn finish(self) -> Stream {
        self.0
    }
}

/// A group that is built.
pub struct GroupImport(Group);

impl GroupImport {
    pub fn new(last_id: StreamId, entries_read: i64) -> GroupImport {
        GroupImport(Group::new(last_id, entries_read))
    }

    /// Adds an entry that is pending with somebody who comes later; false if it is there.
    pub fn pending(&mut self, entry: StreamId, delivered_ms: i64, deliveries: u64) -> bool {
        self.0.import_pending(entry, delivered_ms, deliveries)
    }

    /// Adds a consumer; `None` if it is there.
    pub fn consumer(&mut self, name: &[u8], seen_ms: i64, active_ms: i64) -> Option<ConsumerId> {
        let id = self.0.create(name, seen_ms)?;
        self.0.consumer_mut(id).active_ms = active_ms;
        Some(id)
    }

    /// An entry is pending with this consumer; false if it is not pending, or with another.
    pub fn owner(&mut self, entry: StreamId, consumer: ConsumerId) -> bool {
        self.0.import_owner(entry, consumer)
    }
}
