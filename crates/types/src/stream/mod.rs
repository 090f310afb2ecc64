//! A stream: an append-only log of entries by ID, with consumer groups that read it.
//!
//!     nodes    by the ID of their first entry, in order
//!     length, last and first ID, greatest deleted ID, entries ever added
//!     groups   by name, created with the first group
//!     producers' idempotent IDs, and the settings for them
//!
//! Invariants
//!   1. `len` is the weight of all nodes, and no ID is above `last_id`.
//!   2. `first_id` is the ID of the first entry that is not deleted; `0-0` in an empty stream.
//!   3. A node's ID is above all live entries of the nodes before it, and not above its own.
//!   4. A group's pending entry belongs to a consumer of the group, and is listed there too.
//!   5. XSETID, XGROUP and XCLAIM, which rebuild a stream from a log, accept its numbers:
//!      `len <= entries_added <= COUNTER_MAX`, `max_deleted_id <= last_id`, a group's
//!      `entries_read` is at least -1, deliveries are at most `COUNTER_MAX`.
//!
//! Cost: append O(fields); by ID two binary searches and a walk within a node; trimmed entries are
//! removed by whole chunks of nodes, and freed by the caller ([`Stream::trim`]).
#![allow(unsafe_code)]

mod groups;
mod import;
mod lag;
mod measured;
mod producers;
mod range;
mod relocate;
mod trim;

pub use groups::{Consumer, ConsumerId, Group, Groups, IdleCursor, Nack};
pub use import::{GroupImport, StreamImport};
pub(crate) use producers::Idempotence;
pub use producers::{DURATION_MAX, SIZE_MAX};
pub use range::Range;
pub use trim::{Bound, References, Trim, TrimResult};

pub use russet_encodings::idmap::IdMap;
pub use russet_encodings::stream_id::{GivenId, StreamId};
pub use russet_encodings::stream_node::Pairs;

use super::{Container, Encoding, Limits, Signature, Type, boxed};
use russet_encodings::stream_node::{NodeLimits, StreamNode};

/// The greatest count that commands accept; counters saturate there.
pub const COUNTER_MAX: u64 = i64::MAX as u64;
/// Maximum total bytes of the names and values of an entry.
pub const ENTRY_BYTES_MAX: usize = 1 << 30;

/// See the module.
#[derive(Clone)]
pub struct Stream(Box<Body>);

#[derive(Clone, Default)]
struct Body {
    nodes: IdMap<StreamNode>,
    len: u64,
    last_id: StreamId,
    first_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    groups: Option<Box<Groups>>,
    idempotence: Idempotence,
}

/// The requested ID of a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewId {
    /// The current time, Unix milliseconds, or the successor of the last ID.
    Now(u64),
    /// This time, with the next sequence number.
    Time(u64),
    /// Exactly this ID.
    Whole(StreamId),
}

/// The outcome of deleting an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The entry is gone.
    Done,
    /// There is no such entry.
    Missing,
    /// A group still needs the entry, or would need it if it existed.
    Needed,
}

/// Why an entry is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// The entry's ID is not above the last ID.
    NotAbove,
    /// The bytes of the fields are more than an entry can have.
    TooLarge,
}

impl Stream {
    /// An empty stream, whose settings are not those configured.
    pub(crate) fn new() -> Stream {
        Stream(Box::default())
    }

    /// An empty stream with the configured settings.
    pub fn with_settings(limits: &Limits) -> Stream {
        let mut stream = Stream::new();
        stream.0.idempotence = Idempotence::new(limits);
        stream
    }

    /// The highest ID so far, whether its entry still exists or not.
    pub fn last_id(&self) -> StreamId {
        self.0.last_id
    }

    /// The ID of the first entry; `0-0` in an empty stream.
    pub fn first_id(&self) -> StreamId {
        self.0.first_id
    }

    /// The highest ID of a deleted entry; `0-0`: none was deleted.
    pub fn max_deleted_id(&self) -> StreamId {
        self.0.max_deleted_id
    }

    /// Entries ever added.
    pub fn entries_added(&self) -> u64 {
        self.0.entries_added
    }

    /// The nodes: ID and listpack of each.
    pub fn nodes(&self) -> impl Iterator<Item = (StreamId, &[u8])> + '_ {
        self.0.nodes.iter().map(|(id, node)| (id, node.as_bytes()))
    }

    /// The nodes from number `n` on.
    pub fn nodes_from(&self, n: usize) -> impl Iterator<Item = (StreamId, &[u8])> + '_ {
        let nodes = &self.0.nodes;
        let from = nodes.iter_from(nodes.nth(n));
        from.map(|(id, node)| (id, node.as_bytes()))
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.0.nodes.len()
    }

    /// The consumer groups; `None`: there are none.
    pub fn groups(&self) -> Option<&Groups> {
        self.0.groups.as_deref()
    }

    /// A group and its stream, which the group needs for counts.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.0.groups.as_ref()?.get(name)
    }

    /// The group of this name, to change it; `None`: there is none.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.0.groups.as_mut()?.get_mut(name)
    }

    /// Calls `act` with the stream without its groups, and a group; `None`: no such group.
    pub fn with_group<R>(
        &mut self,
        name: &[u8],
        act: impl FnOnce(&Stream, &mut Group) -> R,
    ) -> Option<R> {
        let mut groups = self.0.groups.take()?;
        let result = groups.get_mut(name).map(|group| act(self, group));
        self.0.groups = Some(groups);
        result
    }

    /// Creates a group; false if it exists.
    pub fn create_group(&mut self, name: &[u8], last_id: StreamId, entries_read: i64) -> bool {
        let groups = self.0.groups.get_or_insert_default();
        groups.create(name, last_id, entries_read)
    }

    /// Takes a group out, wrapped in a stream that holds nothing else, for freeing.
    pub fn take_group(&mut self, name: &[u8]) -> Option<Stream> {
        let (name, group) = self.0.groups.as_mut()?.remove(name)?;
        let mut gone = Stream::new();
        gone.0.groups.get_or_insert_default().put(name, group);
        Some(gone)
    }

    /// The ID that an entry would get; `None`: not allowed.
    fn next_id(&self, wanted: NewId) -> Option<StreamId> {
        let last = self.0.last_id;
        let id = match wanted {
            NewId::Now(ms) if ms > last.ms => StreamId::new(ms, 0),
            NewId::Now(_) => last.next()?,
            NewId::Time(ms) if ms == last.ms => StreamId::new(ms, last.seq.checked_add(1)?),
            NewId::Time(ms) => StreamId::new(ms, 0),
            NewId::Whole(id) => id,
        };
        (id > last).then_some(id)
    }

    /// Adds an entry of at least a pair.
    pub fn append<'a>(
        &mut self,
        wanted: NewId,
        pairs: impl Pairs<'a>,
        limits: &Limits,
    ) -> Result<StreamId, AppendError> {
        let id = self.next_id(wanted).ok_or(AppendError::NotAbove)?;
        let each = pairs.clone().map(|(name, value)| name.len() + value.len());
        let bytes: usize = each.sum();
        if bytes > ENTRY_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        let body = &mut *self.0;
        let limits = NodeLimits {
            bytes: limits.stream_node_max_bytes,
            entries: limits.stream_node_max_entries,
        };
        let last = body.nodes.last();
        match last.filter(|&place| !body.nodes.value(place).is_full(bytes, limits)) {
            Some(place) => {
                let node_id = body.nodes.key(place);
                body.nodes
                    .update(place, |node| node.append(node_id, id, pairs));
            }
            None => _ = body.nodes.insert(id, StreamNode::new(pairs)),
        }
        body.len += 1;
        body.entries_added = (body.entries_added + 1).min(COUNTER_MAX);
        body.last_id = id;
        if body.len == 1 {
            body.first_id = id;
        }
        Ok(id)
    }

    /// Deletes an entry; false if there is none.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let body = &mut *self.0;
        let Some(place) = body.nodes.floor(id) else {
            return false;
        };
        let node_id = body.nodes.key(place);
        let node = body.nodes.value(place);
        let mut cursor = node.cursor(node_id);
        let found = std::iter::from_fn(|| cursor.next()).find(|entry| entry.id >= id);
        let Some(entry) = found.filter(|entry| entry.id == id && !entry.deleted) else {
            return false;
        };
        if node.live() == 1 {
            body.nodes.remove_at(place);
        } else {
            body.nodes.update(place, |node| node.delete(entry.at));
        }
        body.len -= 1;
        body.max_deleted_id = body.max_deleted_id.max(id);
        if body.len == 0 {
            body.first_id = StreamId::MIN;
        } else if id == body.first_id {
            self.find_first();
        }
        true
    }

    /// Whether a group has yet to read an entry, or has it pending. O(groups).
    pub fn is_needed(&self, id: StreamId) -> bool {
        let groups = self.0.groups.as_ref();
        groups.is_some_and(|groups| groups.needs(id))
    }

    /// Deletes an entry as far as `references` allow: with its references in groups, or only
    /// without any. O(groups), and see [`Stream::delete`].
    pub fn delete_as(&mut self, id: StreamId, references: References) -> DeleteOutcome {
        match references {
            References::Keep => {}
            References::Delete => {
                if let Some(groups) = &mut self.0.groups {
                    groups.acknowledge_everywhere(id);
                }
            }
            References::Acked if self.is_needed(id) => return DeleteOutcome::Needed,
            References::Acked => {}
        }
        if self.delete(id) {
            DeleteOutcome::Done
        } else {
            DeleteOutcome::Missing
        }
    }

    /// Recomputes `first_id` after the first entry was removed.
    fn find_first(&mut self) {
        let first = self.range(StreamId::MIN, StreamId::MAX).next();
        self.0.first_id = first.unwrap_or(StreamId::MAX);
    }

    /// Whether the stream has an entry with this ID.
    pub fn contains(&self, id: StreamId) -> bool {
        self.range(id, id).next().is_some()
    }

    /// The ID of the last entry, which may be below `last_id`; `None` in an empty stream.
    pub fn last_entry(&self) -> Option<StreamId> {
        self.range_back(StreamId::MIN, StreamId::MAX).next()
    }

    /// XSETID: sets the given values without checks.
    pub fn set_id(&mut self, last_id: StreamId, added: Option<u64>, deleted: Option<StreamId>) {
        let body = &mut *self.0;
        body.last_id = last_id;
        body.entries_added = added.unwrap_or(body.entries_added);
        body.max_deleted_id = deleted.unwrap_or(body.max_deleted_id);
    }

    /// Number of nodes in a radix tree of the nodes' IDs, as XINFO shows it. O(nodes).
    pub fn radix_nodes(&self) -> usize {
        radix::nodes(self.0.nodes.iter().map(|(id, _)| id.to_u128()))
    }
}

impl Default for Stream {
    fn default() -> Stream {
        Stream::new()
    }
}

impl Container for Stream {
    const TYPE: Type = Type::Stream;
    const NAME: &str = "stream";
    const NUMBER: u32 = 6;
    const MAY_BE_EMPTY: bool = true;

    fn into_word(self) -> (Encoding, u64) {
        (Encoding::Stream, boxed::into_word(self.0))
    }

    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        assert_eq!(encoding, Encoding::Stream);
        // SAFETY: the caller guarantees it.
        Stream(unsafe { boxed::from_word(word) })
    }

    fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    fn len(&self) -> usize {
        self.0.len as usize
    }

    fn check_invariants(&self) {
        let body = &*self.0;
        body.nodes.check_invariants();
        let (mut live, mut before) = (0, None);
        for (id, node) in body.nodes.iter() {
            node.check_invariants(id);
            assert!(before < Some(id), "nodes do not overlap");
            live += node.live();
            before = node.last_live(id).max(Some(id));
        }
        assert_eq!(live, body.len);
        let first = self.range(StreamId::MIN, StreamId::MAX).next();
        assert_eq!(first.unwrap_or(StreamId::MIN), body.first_id);
        assert!(self.last_entry() <= Some(body.last_id));
        assert!((body.len..=COUNTER_MAX).contains(&body.entries_added));
        assert!(body.max_deleted_id <= body.last_id);
        if let Some(groups) = &body.groups {
            groups.check_invariants();
        }
        body.idempotence.check_invariants();
    }

    /// Entries only, without groups and counters.
    fn sign(&self, signature: &mut Signature) {
        let mut entries = self.range(StreamId::MIN, StreamId::MAX);
        while let Some(id) = entries.next() {
            signature.follow(format!("{}.{}", id.ms, id.seq).as_bytes());
            while let Some((name, value)) = entries.pair() {
                signature.follow_entry(name);
                signature.follow_entry(value);
            }
        }
    }

    /// Redis's estimate: each node counts as 1, and so does each pending entry of the first group;
    /// all groups are assumed to have as many.
    fn free_effort(&self) -> usize {
        let groups = self.0.groups.as_ref();
        let lines = self.0.idempotence.free_effort();
        self.0.nodes.len() + groups.map_or(0, |groups| groups.free_effort()) + lines
    }

    fn free_step(&mut self, n: usize) -> bool {
        let body = &mut *self.0;
        let mut freed = 0;
        while freed < n {
            freed += match body.nodes.drop_chunk() {
                0 => break,
                nodes => nodes,
            };
        }
        if freed >= n || !body.idempotence.free_step(n - freed) {
            return false;
        }
        match &mut body.groups {
            Some(groups) => groups.free_step(n - freed) && body.nodes.is_empty(),
            None => body.nodes.is_empty(),
        }
    }
}

mod radix;

#[cfg(test)]
mod tests;
