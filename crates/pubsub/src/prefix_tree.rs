//! A radix tree of prefixes: finds the values of all prefixes of a text in one pass over it.
//!
//!     root ""
//!     └─ "tenant:0000"
//!        ├─ "1:"  value        a label is a range of `labels`
//!        └─ "2"                no value: two children or more
//!           ├─ "0:"  value
//!           └─ "1:"  value
//!
//! Nodes are in an array and refer to each other by index; labels are in a buffer. A split shares
//! the label's bytes between both halves, without copying.
//!
//! Invariants
//!   1. Node 0 is the root. It has no label and no parent: as a link, 0 means none.
//!   2. Children are linked by `next`, sorted by the first bytes of their labels, which differ.
//!   3. A label has 1 to [`LABEL_MAX`] bytes; a longer text is a chain of nodes.
//!   4. A free node has an empty label; `next` links the free nodes.
//!   5. An empty tree holds no memory.
//!
//! Cost: each operation O(text + nodes passed), at most 256 at each branch. A node takes 20
//! bytes, its label the bytes that no other prefix shares. Arrays grow by an eighth. Removals leave
//! gaps, which are closed when they are most of an array: O(tree), amortised O(1).

/// No value.
const NONE: u32 = u32::MAX;

/// Maximum bytes of a label.
const LABEL_MAX: usize = u16::MAX as usize;

/// Smaller arrays are not packed.
const GAPS_KEPT: usize = 64;

/// See the module. Values are below `u32::MAX`.
#[derive(Debug, Default)]
pub(super) struct PrefixTree {
    nodes: Vec<PrefixNode>,
    labels: Vec<u8>,
    /// The first free node; 0: none.
    free: u32,
    free_nodes: usize,
    /// Bytes of `labels` that no node uses.
    free_bytes: usize,
    len: usize,
}

/// See the module. The offset of the label has 40 bits.
#[derive(Clone, Copy, Debug)]
struct PrefixNode {
    at_low: u32,
    at_high: u8,
    /// The label's first byte: a search among children reads nothing else.
    first: u8,
    len: u16,
    child: u32,
    next: u32,
    value: u32,
}

impl PrefixNode {
    const ROOT: PrefixNode = PrefixNode {
        at_low: 0,
        at_high: 0,
        first: 0,
        len: 0,
        child: 0,
        next: 0,
        value: NONE,
    };

    fn at(&self) -> usize {
        usize::from(self.at_high) << 32 | self.at_low as usize
    }

    fn end(&self) -> usize {
        self.at() + usize::from(self.len)
    }

    fn is_free(&self) -> bool {
        self.len == 0
    }

    /// Sets the node's label to `labels[at..at + len]`.
    fn label(&mut self, labels: &[u8], at: usize, len: usize) {
        self.at_low = at as u32;
        self.at_high = u8::try_from(at >> 32).expect("less than 2^40 bytes of labels");
        self.len = u16::try_from(len).expect("no more than LABEL_MAX");
        self.first = labels[at];
    }
}

/// The position of a label with a certain first byte among a node's children.
struct Position {
    /// The previous sibling; 0: the node is the first child.
    before: u32,
    /// The child with this first byte; 0: none.
    child: u32,
}

/// Reserves `more` items, at least an eighth: a doubled array would be half empty.
fn grow<T>(items: &mut Vec<T>, more: usize) {
    if items.capacity() - items.len() < more {
        items.reserve_exact(more.max(items.len() / 8).max(16));
    }
}

impl PrefixTree {
    /// Number of prefixes.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of nodes and labels in use, without spare capacity.
    pub fn used_bytes(&self) -> usize {
        (self.nodes.len() - self.free_nodes) * size_of::<PrefixNode>() + self.labels.len()
            - self.free_bytes
    }

    /// Calls `visit` with the length and value of each prefix of a text, the shortest first.
    #[inline]
    pub fn of(&self, text: &[u8], mut visit: impl FnMut(usize, u32)) {
        let Some(mut node) = self.nodes.first() else {
            return;
        };
        let mut at = 0;
        loop {
            if node.value != NONE {
                visit(at, node.value);
            }
            let Some(child) = self.child_for(node, &text[at..]) else {
                return;
            };
            node = &self.nodes[child as usize];
            at += usize::from(node.len);
        }
    }

    /// The child whose whole label the text begins with.
    #[inline]
    fn child_for(&self, node: &PrefixNode, text: &[u8]) -> Option<u32> {
        let &byte = text.first()?;
        let mut at = node.child;
        while at != 0 {
            let child = &self.nodes[at as usize];
            if child.first >= byte {
                let is_it = text.starts_with(&self.labels[child.at()..child.end()]);
                return is_it.then_some(at);
            }
            at = child.next;
        }
        None
    }

    /// The value of a prefix.
    pub fn get(&self, prefix: &[u8]) -> Option<u32> {
        let mut found = None;
        self.of(prefix, |len, value| {
            if len == prefix.len() {
                found = Some(value);
            }
        });
        found
    }

    /// Sets the value of a prefix and returns the previous value.
    pub fn insert(&mut self, prefix: &[u8], value: u32) -> Option<u32> {
        if self.nodes.is_empty() {
            grow(&mut self.nodes, 1);
            self.nodes.push(PrefixNode::ROOT);
        }
        let (mut node, mut at) = (0, 0);
        while at < prefix.len() {
            let rest = &prefix[at..];
            let Position { before, child } = self.position(node, rest[0]);
            (node, at) = if child == 0 {
                let piece = &rest[..rest.len().min(LABEL_MAX)];
                (self.add_child(node, before, piece), at + piece.len())
            } else {
                let of = &self.nodes[child as usize];
                let label = &self.labels[of.at()..of.end()];
                let same = label.iter().zip(rest).take_while(|(a, b)| a == b).count();
                if same == label.len() {
                    (child, at + same)
                } else {
                    (self.split(node, before, child, same), at + same)
                }
            };
        }
        let before = std::mem::replace(&mut self.nodes[node as usize].value, value);
        if before == NONE {
            self.len += 1;
            return None;
        }
        Some(before)
    }

    fn position(&self, node: u32, byte: u8) -> Position {
        let (mut before, mut at) = (0, self.nodes[node as usize].child);
        while at != 0 && self.nodes[at as usize].first < byte {
            (before, at) = (at, self.nodes[at as usize].next);
        }
        let is_it = at != 0 && self.nodes[at as usize].first == byte;
        let child = if is_it { at } else { 0 };
        Position { before, child }
    }

    /// Makes `to` the successor of the child `before`, or the first child.
    fn link(&mut self, parent: u32, before: u32, to: u32) {
        match before {
            0 => self.nodes[parent as usize].child = to,
            _ => self.nodes[before as usize].next = to,
        }
    }

    /// Allocates a node without links, label and value.
    fn make(&mut self) -> u32 {
        let at = self.free;
        if at != 0 {
            self.free = self.nodes[at as usize].next;
            self.free_nodes -= 1;
            self.nodes[at as usize] = PrefixNode::ROOT;
            return at;
        }
        grow(&mut self.nodes, 1);
        self.nodes.push(PrefixNode::ROOT);
        u32::try_from(self.nodes.len() - 1).expect("less than 80 GiB of nodes")
    }

    fn add_child(&mut self, parent: u32, before: u32, label: &[u8]) -> u32 {
        let made = self.make();
        let at = self.labels.len();
        grow(&mut self.labels, label.len());
        self.labels.extend_from_slice(label);
        self.nodes[made as usize].label(&self.labels, at, label.len());
        self.nodes[made as usize].next = match before {
            0 => self.nodes[parent as usize].child,
            _ => self.nodes[before as usize].next,
        };
        self.link(parent, before, made);
        made
    }

    /// Inserts a node with the first `len` bytes of a child's label above that child.
    fn split(&mut self, parent: u32, before: u32, child: u32, len: usize) -> u32 {
        let upper = self.make();
        let lower = self.nodes[child as usize];
        let (at, rest) = (lower.at(), usize::from(lower.len) - len);
        self.nodes[upper as usize].label(&self.labels, at, len);
        self.nodes[upper as usize].child = child;
        self.nodes[upper as usize].next = lower.next;
        self.nodes[child as usize].label(&self.labels, at + len, rest);
        self.nodes[child as usize].next = 0;
        self.link(parent, before, upper);
        upper
    }

    /// Removes a prefix and returns its value.
    pub fn remove(&mut self, prefix: &[u8]) -> Option<u32> {
        let mut path = self.path(prefix)?;
        let mut node = path.pop()?;
        let value = std::mem::replace(&mut self.nodes[node as usize].value, NONE);
        if value == NONE {
            return None;
        }
        self.len -= 1;
        if self.len == 0 {
            *self = PrefixTree::default();
            return Some(value);
        }
        // Removes nodes that have neither value nor child, from here upwards.
        while let Some(parent) = path.pop() {
            let of = self.nodes[node as usize];
            if of.value != NONE || of.child != 0 {
                break;
            }
            let Position { before, .. } = self.position(parent, of.first);
            self.link(parent, before, of.next);
            self.free_bytes += usize::from(of.len);
            self.free(node);
            node = parent;
        }
        self.join(node);
        self.close_gaps();
        Some(value)
    }

    /// The nodes from the root to the node where the text ends.
    fn path(&self, text: &[u8]) -> Option<Vec<u32>> {
        let (mut path, mut at) = (Vec::new(), 0);
        let mut node = self.nodes.first()?;
        path.push(0);
        while at < text.len() {
            let child = self.child_for(node, &text[at..])?;
            path.push(child);
            node = &self.nodes[child as usize];
            at += usize::from(node.len);
        }
        Some(path)
    }

    fn free(&mut self, node: u32) {
        self.nodes[node as usize] = PrefixNode {
            next: self.free,
            ..PrefixNode::ROOT
        };
        self.free = node;
        self.free_nodes += 1;
    }

    /// Merges a node without a value with its only child.
    fn join(&mut self, node: u32) {
        let upper = self.nodes[node as usize];
        if node == 0 || upper.value != NONE {
            return;
        }
        let child = upper.child;
        let lower = self.nodes[child as usize];
        let len = usize::from(upper.len) + usize::from(lower.len);
        if lower.next != 0 || len > LABEL_MAX {
            return;
        }
        let mut at = upper.at();
        if upper.end() != lower.at() {
            at = self.labels.len();
            grow(&mut self.labels, len);
            self.labels.extend_from_within(upper.at()..upper.end());
            self.labels.extend_from_within(lower.at()..lower.end());
            self.free_bytes += len;
        }
        let joined = &mut self.nodes[node as usize];
        joined.label(&self.labels, at, len);
        (joined.child, joined.value) = (lower.child, lower.value);
        self.free(child);
    }

    /// Packs an array that is mostly gaps.
    fn close_gaps(&mut self) {
        if self.free_nodes > GAPS_KEPT.max(self.nodes.len() / 2) {
            self.pack_nodes();
        }
        if self.free_bytes > GAPS_KEPT.max(self.labels.len() / 2) {
            self.pack_labels();
        }
    }

    fn pack_nodes(&mut self) {
        let mut moved = vec![0; self.nodes.len()];
        let mut kept = Vec::with_capacity(self.nodes.len() - self.free_nodes);
        for (at, node) in self.nodes.iter().enumerate() {
            if at == 0 || !node.is_free() {
                moved[at] = kept.len() as u32;
                kept.push(*node);
            }
        }
        for node in &mut kept {
            node.child = moved[node.child as usize];
            node.next = moved[node.next as usize];
        }
        self.nodes = kept;
        (self.free, self.free_nodes) = (0, 0);
    }

    fn pack_labels(&mut self) {
        let mut labels = Vec::with_capacity(self.labels.len() - self.free_bytes);
        for node in self.nodes.iter_mut().filter(|node| !node.is_free()) {
            let at = labels.len();
            labels.extend_from_slice(&self.labels[node.at()..node.end()]);
            node.label(&labels, at, usize::from(node.len));
        }
        self.labels = labels;
        self.free_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    impl PrefixTree {
        /// Panics if an invariant of the module does not hold.
        fn check(&self) {
            if self.is_empty() {
                assert_eq!((self.nodes.capacity(), self.labels.capacity()), (0, 0));
                return;
            }
            let (mut seen, mut bytes, mut values) = (0, 0, 0);
            let mut left = vec![0u32];
            while let Some(at) = left.pop() {
                let node = &self.nodes[at as usize];
                (seen, bytes) = (seen + 1, bytes + usize::from(node.len));
                values += usize::from(node.value != NONE);
                let (mut child, mut last, mut children) = (node.child, None, 0);
                while child != 0 {
                    let of = &self.nodes[child as usize];
                    assert!(!of.is_free() && last < Some(of.first));
                    assert_eq!(of.first, self.labels[of.at()]);
                    left.push(child);
                    (last, child, children) = (Some(of.first), of.next, children + 1);
                }
                assert!(at == 0 || node.value != NONE || children > 1);
            }
            assert_eq!(values, self.len);
            assert_eq!(seen, self.nodes.len() - self.free_nodes);
            assert_eq!(bytes, self.labels.len() - self.free_bytes);
            assert!(self.free_nodes <= GAPS_KEPT.max(self.nodes.len() / 2));
            assert!(self.free_bytes <= GAPS_KEPT.max(self.labels.len() / 2));
        }

        fn all_of(&self, text: &[u8]) -> Vec<(usize, u32)> {
            let mut found = Vec::new();
            self.of(text, |len, value| found.push((len, value)));
            found
        }
    }

    proptest! {
        #[test]
        fn it_holds_what_a_plain_map_holds(
            steps in prop::collection::vec(("[a-c\\x00\\xff]{0,8}", 0u32..4), 1..300),
            texts in prop::collection::vec("[a-c\\x00\\xff]{0,10}", 1..8),
        ) {
            let mut tree = PrefixTree::default();
            let mut model: BTreeMap<&[u8], u32> = BTreeMap::new();
            for (prefix, value) in &steps {
                let prefix = prefix.as_bytes();
                match value {
                    0 => prop_assert_eq!(tree.remove(prefix), model.remove(prefix)),
                    _ => prop_assert_eq!(tree.insert(prefix, *value), model.insert(prefix, *value)),
                }
                tree.check();
                prop_assert_eq!(tree.get(prefix), model.get(prefix).copied());
                prop_assert_eq!(tree.len(), model.len());
            }
            for text in &texts {
                let text = text.as_bytes();
                let expected = model.iter().filter(|(prefix, _)| text.starts_with(prefix));
                let expected: Vec<_> = expected.map(|(prefix, &value)| (prefix.len(), value)).collect();
                prop_assert_eq!(tree.all_of(text), expected);
            }
            for (prefix, value) in model {
                prop_assert_eq!(tree.remove(prefix), Some(value));
                tree.check();
            }
            prop_assert_eq!(tree.used_bytes(), 0);
        }
    }

    #[test]
    fn texts_longer_than_a_label_are_chains() {
        let long = vec![b'x'; LABEL_MAX * 2 + 5];
        let mut other = long.clone();
        other[LABEL_MAX + 7] = b'y';
        let mut tree = PrefixTree::default();
        tree.insert(&long, 1);
        tree.insert(&other, 2);
        tree.insert(b"x", 3);
        assert_eq!(tree.all_of(&long), [(1, 3), (long.len(), 1)]);
        assert_eq!(tree.all_of(&other), [(1, 3), (other.len(), 2)]);
        assert_eq!(tree.remove(&long), Some(1));
        assert_eq!(tree.all_of(&long), [(1, 3)]);
        assert_eq!(tree.get(&other), Some(2));
        assert_eq!(tree.remove(b"x"), Some(3));
        assert_eq!(tree.get(&other), Some(2));
        assert_eq!(tree.remove(&other), Some(2));
        tree.check();
    }

    #[test]
    fn most_that_went_leave_their_room() {
        let name = |n: u32| format!("tenant:000001:object:{n:07}:");
        let mut tree = PrefixTree::default();
        (0..10_000).for_each(|n| assert_eq!(tree.insert(name(n).as_bytes(), n), None));
        tree.check();
        let room = |tree: &PrefixTree| tree.nodes.capacity() * 20 + tree.labels.capacity();
        assert!(room(&tree) < 10_000 * 30, "{}", room(&tree));
        (10..10_000).for_each(|n| assert_eq!(tree.remove(name(n).as_bytes()), Some(n)));
        tree.check();
        assert!(room(&tree) < 8000, "{}", room(&tree));
        assert_eq!(tree.get(name(9).as_bytes()), Some(9));
    }
}
