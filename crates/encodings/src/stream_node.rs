//! A node of a stream: entries with ascending IDs, in a listpack, byte for byte that of Redis.
//!
//!     live | deleted | n | name ... | 0         the master entry, once
//!     flags | ms | seq | value ... | items      an entry that has these names
//!     flags | ms | seq | n | name | value ... | items
//!
//! `ms` and `seq` are differences to the node's own ID, which is that of its first entry and is
//! stored outside; `items` is the number of the entry's items before it, so that entries can be
//! read from the right, where the 0 ends them. A deleted entry is marked, and stays until its node
//! is removed.
//!
//! Invariants: `live` and `deleted` count the entries without and with the mark, `items` are
//! correct, and IDs of live entries ascend, none below the node's own; [`StreamNode::import`]
//! rejects everything else. (A deleted entry may be above those after it: XSETID of Redis 6 can go
//! back.)

use super::idmap::MapValue;
use super::listpack::{Entry, Iter, Listpack, ListpackError, Pos};
use super::stream_id::StreamId;
use super::thin::ThinPointer;
use russet_base::memory::mover::Mover;

const DELETED: i64 = 1;
const SAME_NAMES: i64 = 2;
/// Maximum length of the listpack, whatever the thresholds are.
const BYTES_MAX: usize = 1 << 30;

/// When a node is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// `stream-node-max-bytes`; 0: no limit but the listpack's own.
    pub bytes: usize,
    /// `stream-node-max-entries`; 0: no limit.
    pub entries: u64,
}

/// Names and values of an entry; iterated over several times.
pub trait Pairs<'a>: ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone {}

impl<'a, I: ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone> Pairs<'a> for I {}

/// See the module.
#[derive(Clone, Debug)]
pub struct StreamNode(Listpack);

impl MapValue for StreamNode {
    /// Entries that are not deleted.
    #[inline]
    fn weight(&self) -> u64 {
        self.live()
    }

    #[inline]
    fn owned_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}

/// The number in an item.
#[inline]
fn number(entry: Option<Entry<'_>>) -> Option<i64> {
    match entry? {
        Entry::Int(n) => Some(n),
        text => text.as_int(),
    }
}

/// The difference between an ID and a node's.
#[inline]
fn distance(id: StreamId, node: StreamId) -> [Entry<'static>; 2] {
    [
        Entry::Int(id.ms.wrapping_sub(node.ms) as i64),
        Entry::Int(id.seq.wrapping_sub(node.seq) as i64),
    ]
}

/// The ID with this difference to a node's.
#[inline]
fn at_distance(node: StreamId, ms: i64, seq: i64) -> StreamId {
    StreamId::new(
        node.ms.wrapping_add(ms as u64),
        node.seq.wrapping_add(seq as u64),
    )
}

impl StreamNode {
    /// A node with this first entry.
    pub fn new<'a>(pairs: impl Pairs<'a>) -> StreamNode {
        let mut pack = Listpack::new();
        let n = pairs.len() as i64;
        let names = pairs.clone().map(|(name, _)| Entry::parse(name));
        let head = [Entry::Int(1), Entry::Int(0), Entry::Int(n)].into_iter();
        let first = [
            Entry::Int(0),
            Entry::Int(SAME_NAMES),
            Entry::Int(0),
            Entry::Int(0),
        ];
        let values = pairs.map(|(_, value)| Entry::parse(value));
        let end = std::iter::once(Entry::Int(n + 3));
        pack.append_each(head.chain(names).chain(first).chain(values).chain(end));
        StreamNode(pack)
    }

    /// Offers the node's block.
    pub fn relocate(&mut self, mover: &mut Mover) {
        self.0.relocate(mover);
    }

    /// A node from a listpack from outside, if it is valid for a stream's node with this ID.
    pub fn import(id: StreamId, bytes: &[u8]) -> Result<Option<StreamNode>, ListpackError> {
        let node = StreamNode(Listpack::from_bytes(bytes)?);
        Ok(node.is_sound(id).then_some(node))
    }

    /// Whether the items are entries in order, with the counts in the head.
    fn is_sound(&self, id: StreamId) -> bool {
        let pass = |items: &mut Iter<'_>, n: i64| (0..n).all(|_| items.next().is_some());
        let look = || -> Option<bool> {
            let mut items = self.0.iter();
            let live = number(items.next())?;
            let deleted = number(items.next())?;
            let names = number(items.next()).filter(|n| *n >= 0)?;
            if !pass(&mut items, names) || number(items.next())? != 0 {
                return None;
            }
            let (mut found_live, mut found_deleted) = (0, 0);
            let mut lowest = Some(id);
            while let Some(flags) = items.next() {
                let flags = number(Some(flags))?;
                let own = at_distance(id, number(items.next())?, number(items.next())?);
                let (body, expected) = if flags & SAME_NAMES != 0 {
                    (names, names.checked_add(3)?)
                } else {
                    let pairs = number(items.next()).filter(|n| *n >= 0)?;
                    let body = pairs.checked_mul(2)?;
                    (body, body.checked_add(4)?)
                };
                if !pass(&mut items, body) || number(items.next())? != expected {
                    return None;
                }
                if flags & DELETED != 0 {
                    found_deleted += 1;
                    continue;
                }
                found_live += 1;
                if lowest.is_none_or(|lowest| own < lowest) {
                    return None;
                }
                lowest = own.next();
            }
            Some(found_live == live && found_deleted == deleted && live + deleted > 0)
        };
        look().unwrap_or(false)
    }

    /// The bytes of the listpack.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    #[inline]
    fn counts(&self) -> (i64, i64) {
        let mut items = self.0.iter();
        let live = number(items.next()).expect("a node begins with its counts");
        let deleted = number(items.next()).expect("a node begins with its counts");
        (live, deleted)
    }

    /// Entries that are not deleted.
    #[inline]
    pub fn live(&self) -> u64 {
        number(self.0.iter().next()).expect("a node begins with its counts") as u64
    }

    fn set_counts(&mut self, live: i64, deleted: i64) {
        let first = self.0.first().expect("a node begins with its counts");
        self.0.replace(first, Entry::Int(live));
        let second = self.0.next(first).expect("a node begins with its counts");
        if number(Some(self.0.get(second))) != Some(deleted) {
            self.0.replace(second, Entry::Int(deleted));
        }
    }

    /// Whether an entry with `bytes` bytes of names and values must go into a new node.
    #[inline]
    pub fn is_full(&self, bytes: usize, limits: NodeLimits) -> bool {
        let bytes_max = match limits.bytes {
            0 => BYTES_MAX,
            bytes => bytes.min(BYTES_MAX),
        };
        if self.0.as_bytes().len() + bytes >= bytes_max {
            return true;
        }
        let (live, deleted) = self.counts();
        limits.entries > 0 && (live + deleted) as u64 >= limits.entries
    }

    /// Adds an entry at the end of the node with ID `node`.
    pub fn append<'a>(&mut self, node: StreamId, id: StreamId, pairs: impl Pairs<'a>) {
        let (live, deleted) = self.counts();
        let mut cursor = Cursor::new(&self.0, node);
        let same = cursor.shared_len == pairs.len()
            && pairs
                .clone()
                .all(|(name, _)| cursor.shared.next().is_some_and(|own| own.is(name)));
        self.set_counts(live + 1, deleted);
        let n = pairs.len() as i64;
        let [ms, seq] = distance(id, node);
        if same {
            let head = [Entry::Int(SAME_NAMES), ms, seq];
            let values = pairs.map(|(_, value)| Entry::parse(value));
            self.0.append_framed(&head, values, Entry::Int(n + 3));
        } else {
            let head = [Entry::Int(0), ms, seq, Entry::Int(n)];
            let body = pairs.flat_map(|(name, value)| [Entry::parse(name), Entry::parse(value)]);
            self.0.append_framed(&head, body, Entry::Int(2 * n + 4));
        }
    }

    /// Marks the entries at these positions, in order, as deleted; none of them may be so already.
    fn mark_deleted(&mut self, places: &[Pos]) {
        // From the last entry on, so that the positions before stay valid.
        for &at in places.iter().rev() {
            let flags = number(Some(self.0.get(at))).expect("flags are a number");
            self.0.replace(at, Entry::Int(flags | DELETED));
        }
        let (live, deleted) = self.counts();
        let n = places.len() as i64;
        self.set_counts(live - n, deleted + n);
    }

    /// Deletes the entry at a position.
    pub fn delete(&mut self, at: Pos) {
        self.mark_deleted(&[at]);
    }

    /// Deletes entries from the first on while `goes` returns true; returns how many.
    pub fn delete_while(&mut self, node: StreamId, mut goes: impl FnMut(StreamId) -> bool) -> u64 {
        self.delete_each(node, |id| goes(id).then_some(true))
    }

    /// Deletes the entries for which `goes` returns true, from the first on, until it returns
    /// `None`; returns how many.
    pub fn delete_each(
        &mut self,
        node: StreamId,
        mut goes: impl FnMut(StreamId) -> Option<bool>,
    ) -> u64 {
        let mut places = Vec::new();
        let mut cursor = Cursor::new(&self.0, node);
        while let Some(entry) = cursor.next() {
            if entry.deleted {
                continue;
            }
            match goes(entry.id) {
                Some(true) => places.push(entry.at),
                Some(false) => {}
                None => break,
            }
        }
        if !places.is_empty() {
            self.mark_deleted(&places);
        }
        places.len() as u64
    }

    /// A cursor from the first entry on.
    pub fn cursor(&self, node: StreamId) -> Cursor<'_> {
        Cursor::new(&self.0, node)
    }

    /// A cursor from the last entry backwards.
    pub fn cursor_back(&self, node: StreamId) -> Cursor<'_> {
        let mut cursor = Cursor::new(&self.0, node);
        cursor.end = self.0.last();
        cursor
    }

    /// The ID of the last entry that is not deleted.
    pub fn last_live(&self, node: StreamId) -> Option<StreamId> {
        let mut cursor = self.cursor_back(node);
        let mut entries = std::iter::from_fn(|| cursor.prev());
        entries.find(|entry| !entry.deleted).map(|entry| entry.id)
    }

    /// The last entry's ID, whether it is deleted or not.
    pub fn last_id(&self, node: StreamId) -> Option<StreamId> {
        self.cursor_back(node).prev().map(|entry| entry.id)
    }

    /// Panics if an invariant is broken.
    pub fn check_invariants(&self, id: StreamId) {
        self.0.check_invariants();
        assert!(self.is_sound(id));
    }
}

/// The head of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHead {
    /// The entry's ID.
    pub id: StreamId,
    /// Whether it is only marked as deleted.
    pub deleted: bool,
    /// The entry's position.
    pub at: Pos,
}

/// Walks over the entries of a node, in either direction, and through the pairs of each.
#[derive(Clone)]
pub struct Cursor<'a> {
    pack: &'a Listpack,
    node: StreamId,
    /// The names of the master entry.
    shared: Iter<'a>,
    shared_len: usize,
    /// State of the current entry: the items that follow, its names if shared, the pairs left;
    /// before the first entry, the items after the master entry.
    items: Iter<'a>,
    names: Option<Iter<'a>>,
    left: usize,
    is_open: bool,
    /// Where the next entry ends, when walking backwards.
    end: Option<Pos>,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn new(pack: &'a Listpack, node: StreamId) -> Cursor<'a> {
        let mut items = pack.iter();
        items.pass(2);
        let shared_len = number(items.next()).map_or(0, |n| n.max(0) as usize);
        let shared = items.clone();
        items.pass(shared_len + 1);
        Cursor {
            pack,
            node,
            shared,
            shared_len,
            items,
            names: None,
            left: 0,
            is_open: false,
            end: None,
        }
    }

    /// Number of pairs of the current entry not read yet.
    #[inline]
    pub fn pairs_left(&self) -> usize {
        self.left
    }

    /// The current entry's next pair.
    #[inline]
    pub fn pair(&mut self) -> Option<(Entry<'a>, Entry<'a>)> {
        self.left = self.left.checked_sub(1)?;
        let name = match &mut self.names {
            Some(names) => names.next()?,
            None => self.items.next()?,
        };
        Some((name, self.items.next()?))
    }

    /// Reads the head of the entry that begins at `items`.
    #[inline]
    fn open(&mut self) -> Option<EntryHead> {
        let at = self.items.pos()?;
        let flags = number(self.items.next())?;
        let (ms, seq) = (number(self.items.next())?, number(self.items.next())?);
        if flags & SAME_NAMES != 0 {
            self.names = Some(self.shared.clone());
            self.left = self.shared_len;
        } else {
            self.names = None;
            self.left = number(self.items.next())? as usize;
        }
        self.is_open = true;
        Some(EntryHead {
            id: at_distance(self.node, ms, seq),
            deleted: flags & DELETED != 0,
            at,
        })
    }

    /// The next entry.
    #[allow(
        clippy::should_implement_trait,
        reason = "a cursor goes one way or the other"
    )]
    #[inline]
    pub fn next(&mut self) -> Option<EntryHead> {
        if self.is_open {
            let each = if self.names.is_some() { 1 } else { 2 };
            self.items.pass(self.left * each + 1);
            self.is_open = false;
        }
        self.open()
    }

    /// The previous entry, when walking backwards.
    #[inline]
    pub fn prev(&mut self) -> Option<EntryHead> {
        let end = self.end?;
        let count = number(Some(self.pack.get(end)))?;
        if count == 0 {
            self.end = None;
            return None;
        }
        let mut at = end;
        for _ in 0..count {
            at = self.pack.prev(at)?;
        }
        self.end = self.pack.prev(at);
        self.items = self.pack.iter_from(at);
        self.open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NODE: StreamId = StreamId::new(100, 5);

    type Model = Vec<(StreamId, bool, Vec<(Vec<u8>, Vec<u8>)>)>;

    fn borrowed(pairs: &[(Vec<u8>, Vec<u8>)]) -> impl Pairs<'_> {
        pairs.iter().map(|(name, value)| (&name[..], &value[..]))
    }

    fn read(mut cursor: Cursor<'_>, back: bool) -> Model {
        let mut all = Vec::new();
        while let Some(head) = if back { cursor.prev() } else { cursor.next() } {
            let mut pairs = Vec::new();
            // Skips some entries without reading all their pairs.
            while let Some((name, value)) = cursor.pair() {
                pairs.push((name.to_vec(), value.to_vec()));
            }
            all.push((head.id, head.deleted, pairs));
        }
        all
    }

    #[test]
    fn bytes_are_those_of_redis() {
        let mut node = StreamNode::new([(&b"f"[..], &b"v"[..])].into_iter());
        node.append(
            NODE,
            StreamId::new(103, 0),
            [(&b"f"[..], &b"12"[..])].into_iter(),
        );
        node.append(
            NODE,
            StreamId::new(103, 7),
            [(&b"g"[..], &b"w"[..])].into_iter(),
        );
        let items: Vec<Vec<u8>> = node.0.iter().map(|item| item.to_vec()).collect();
        let text = |item: &Vec<u8>| String::from_utf8_lossy(item).into_owned();
        let shown = items.iter().map(text).collect::<Vec<_>>().join(" ");
        assert_eq!(shown, "3 0 1 f 0 2 0 0 v 4 2 3 -5 12 4 0 3 2 1 g w 6");
        assert_eq!(node.last_id(NODE), Some(StreamId::new(103, 7)));
        assert!(node.is_full(
            0,
            NodeLimits {
                bytes: 0,
                entries: 3
            }
        ));
        assert!(!node.is_full(
            0,
            NodeLimits {
                bytes: 4096,
                entries: 4
            }
        ));
        assert!(node.is_full(
            4090,
            NodeLimits {
                bytes: 4096,
                entries: 0
            }
        ));
    }

    #[test]
    fn what_is_not_a_node_is_refused() {
        let import = |items: &[&str]| {
            let pack = Listpack::from_entries(items.iter().map(|i| Entry::parse(i.as_bytes())));
            StreamNode::import(NODE, pack.as_bytes())
                .expect("a listpack")
                .is_some()
        };
        assert!(import(&["1", "0", "1", "f", "0", "2", "0", "0", "v", "4"]));
        assert!(import(&["0", "1", "1", "f", "0", "3", "0", "0", "v", "4"]));
        for bad in [
            &[][..],
            &["0", "0", "1", "f", "0"],
            &["1", "0", "1", "f", "0"],
            &["1", "0", "1", "f", "0", "2", "0", "0", "v", "5"],
            &["1", "0", "1", "f", "0", "3", "0", "0", "v", "4"],
            &["2", "0", "1", "f", "0", "2", "0", "0", "v", "4"],
            &["1", "0", "1", "f", "1", "2", "0", "0", "v", "4"],
            &["1", "0", "-1", "0", "2", "0", "0", "3"],
            &[
                "1",
                "0",
                "9223372036854775807",
                "f",
                "0",
                "2",
                "0",
                "0",
                "v",
                "4",
            ],
            &["1", "0", "1", "f", "0", "0", "0", "0", "-1", "2"],
            &["1", "0", "1", "f", "0", "x", "0", "0", "v", "4"],
            &["1", "0", "1", "f", "0", "2", "0", "x", "v", "4"],
            &["1", "0", "1", "f", "0", "2", "0", "0", "v", "4", "2"],
            // Below the node's own ID; the same ID twice.
            &["1", "0", "1", "f", "0", "2", "-1", "0", "v", "4"],
            &[
                "2", "0", "1", "f", "0", "2", "5", "0", "v", "4", "2", "5", "0", "v", "4",
            ],
        ] {
            assert!(!import(bad), "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_behaves_like_a_list_of_entries(
            first in prop::collection::vec(("[a-c]{1,2}", "[0-9]{0,6}"), 1..4),
            ops in prop::collection::vec(
                (0u8..6, 0u64..300, prop::collection::vec(("[a-c]{1,2}", "[a-z]{0,70}"), 1..4)), 0..160),
        ) {
            let bytes = |pairs: Vec<(String, String)>| -> Vec<(Vec<u8>, Vec<u8>)> {
                pairs.into_iter().map(|(n, v)| (n.into_bytes(), v.into_bytes())).collect()
            };
            let first = bytes(first);
            let mut node = StreamNode::new(borrowed(&first));
            let mut model: Model = vec![(NODE, false, first.clone())];
            let mut last = NODE;
            for (op, number, pairs) in ops {
                match op {
                    0 => {
                        let live = model.iter().filter(|e| !e.1).count();
                        let at = number as usize % model.len();
                        if model[at].1 || live < 2 {
                            continue;
                        }
                        let mut cursor = node.cursor(NODE);
                        let head = std::iter::from_fn(|| cursor.next()).nth(at).expect("there");
                        node.delete(head.at);
                        model[at].1 = true;
                    }
                    1 => {
                        let bound = StreamId::new(90 + number / 8, 0);
                        let gone = node.delete_while(NODE, |id| id < bound);
                        let mut expected = 0;
                        for entry in model.iter_mut().filter(|e| !e.1 && e.0 < bound) {
                            entry.1 = true;
                            expected += 1;
                        }
                        prop_assert_eq!(gone, expected);
                    }
                    _ => {
                        last = StreamId::new(last.ms + number % 3, if number % 3 == 0 { last.seq + 1 } else { number });
                        let same = number % 2 == 0;
                        let pairs = if same { first.clone() } else { bytes(pairs) };
                        node.append(NODE, last, borrowed(&pairs));
                        model.push((last, false, pairs));
                    }
                }
                prop_assert_eq!(node.live(), model.iter().filter(|e| !e.1).count() as u64);
            }
            node.check_invariants(NODE);
            prop_assert_eq!(read(node.cursor(NODE), false), model.clone());
            let mut back = read(node.cursor_back(NODE), true);
            back.reverse();
            prop_assert_eq!(back, model.clone());
            let mut cursor = node.cursor(NODE);
            let ids: Vec<StreamId> = std::iter::from_fn(|| cursor.next()).map(|h| h.id).collect();
            prop_assert_eq!(ids, model.iter().map(|e| e.0).collect::<Vec<_>>());
            let copy = StreamNode::import(NODE, node.as_bytes()).expect("a listpack");
            prop_assert!(copy.is_some());
        }
    }
}
