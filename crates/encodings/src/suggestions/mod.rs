//! A dictionary of suggestions: texts with scores and payloads, found by their beginnings.
//!
//!     nodes      a radix trie by bytes, 32 bytes a node; node 0 is the root
//!     labels     the bytes of all labels; a node has a part of them
//!     payloads   stored apart, because most entries have none
//!
//!     node = parent | first child | next sibling | label | score | best | payload | length | entry
//!            | first byte of the label, so that most siblings are passed without their labels
//!
//! Invariants
//!   1. Siblings begin with different bytes, in ascending order; only the root's label is empty.
//!   2. A node other than the root is an entry or has two children or more.
//!   3. `best` is the greatest score of the entries at and below a node.
//!   4. At most half of the nodes, and half of the labels' bytes, are unused; see [`SMALL`].
//!
//! Cost: add, remove O(length * children of a node). A search goes down by the best score first
//! ([`search`]), so it visits few nodes beyond the result. Some 40 bytes an entry, its text
//! included; a text shares the beginnings of others.
//!
//! Source: scores as Redis's module `search` computes them, which keeps them as 32-bit floats.

mod letters;
mod nearness;
mod search;
#[cfg(test)]
mod tests;

pub use search::{SearchProgress, SuggestionSearch};

use std::sync::atomic::{AtomicU64, Ordering};

use russet_base::memory::alloc::{slice_bytes, vec_bytes};
use russet_base::memory::content::Content;
use russet_base::memory::mover::Mover;

/// Letters of an entry's text, at most; Redis ignores longer ones.
pub const LETTERS_MAX: usize = 255;

/// No node, no payload.
const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;
/// Unused nodes or bytes up to here are not compacted.
const SMALL: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Node {
    parent: u32,
    child: u32,
    /// The next sibling; of an unused node the next such.
    next: u32,
    /// Where the node's label begins.
    label: u32,
    score: f32,
    best: f32,
    payload: u32,
    /// Bytes of the node's label.
    len: u16,
    is_entry: bool,
    /// The first byte of the node's label.
    first: u8,
}

const _: () = assert!(size_of::<Node>() == 32);

/// See the module.
#[derive(Clone, Debug)]
pub struct Suggestions {
    nodes: Vec<Node>,
    labels: Vec<u8>,
    payloads: Vec<Option<Box<[u8]>>>,
    unused_payloads: Vec<u32>,
    /// The first unused node.
    unused: u32,
    unused_nodes: usize,
    unused_bytes: usize,
    payload_bytes: usize,
    entries: usize,
    /// Another after each change, and no other dictionary's: a search under way knows by it whether
    /// the nodes are still the same.
    stamp: u64,
}

/// The last stamp of any dictionary.
static STAMPS: AtomicU64 = AtomicU64::new(0);

/// The effect of a score on the score of an existing entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The new score replaces the old.
    Replace,
    /// The new score is added to the old.
    Increase,
}

/// An entry of the dictionary, or of a search's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion<'a> {
    /// The entry's text.
    pub text: Vec<u8>,
    /// The entry's own score, or the score that the search gave.
    pub score: f32,
    /// The entry's payload.
    pub payload: Option<&'a [u8]>,
}

/// Where a text leaves the trie.
struct Place {
    node: u32,
    /// Bytes of the node's label that agree.
    inside: usize,
    /// Bytes of the text that are read.
    read: usize,
}

impl Default for Suggestions {
    fn default() -> Suggestions {
        let root = Node {
            parent: NONE,
            ..Node::of(0, b"")
        };
        Suggestions {
            nodes: vec![root],
            labels: Vec::new(),
            payloads: Vec::new(),
            unused_payloads: Vec::new(),
            unused: NONE,
            unused_nodes: 0,
            unused_bytes: 0,
            payload_bytes: 0,
            entries: 0,
            stamp: 0,
        }
    }
}

impl Node {
    /// A node whose label begins at a place.
    fn of(at: u32, label: &[u8]) -> Node {
        Node {
            parent: ROOT,
            child: NONE,
            next: NONE,
            label: at,
            score: 0.0,
            best: f32::NEG_INFINITY,
            payload: NONE,
            len: label.len() as u16,
            is_entry: false,
            first: label.first().copied().unwrap_or(0),
        }
    }
}

impl Suggestions {
    /// The number of entries.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Whether a text may be an entry: neither empty, nor of more letters than [`LETTERS_MAX`].
    pub fn takes(text: &[u8]) -> bool {
        !text.is_empty() && letters::count(text) <= LETTERS_MAX
    }

    /// Adds an entry, or changes an existing entry; an empty payload leaves the existing payload.
    /// Returns whether it is new. An empty or too long text ([`LETTERS_MAX`]) changes nothing.
    pub fn add(&mut self, text: &[u8], score: f32, change: Change, payload: &[u8]) -> bool {
        if !Suggestions::takes(text) {
            return false;
        }
        self.renew_stamp();
        let Place { node, inside, read } = self.place(text);
        if inside < self.label(node).len() {
            self.split(node, inside);
        }
        let node = if read < text.len() {
            self.push_child(node, &text[read..])
        } else {
            node
        };
        let held = &mut self.nodes[node as usize];
        let is_new = !held.is_entry;
        let before = held.best;
        held.score = match change {
            Change::Increase if !is_new => held.score + score,
            _ => score,
        };
        held.is_entry = true;
        self.entries += usize::from(is_new);
        if !payload.is_empty() {
            self.set_payload(node, payload);
        }
        let score = self.nodes[node as usize].score;
        if is_new || score >= before {
            self.raise(node, score);
        } else {
            self.refresh(node);
        }
        is_new
    }

    /// Removes an entry. Returns whether there was an entry.
    pub fn remove(&mut self, text: &[u8]) -> bool {
        let Some(node) = self.find(text) else {
            return false;
        };
        self.renew_stamp();
        self.drop_payload(node);
        let held = &mut self.nodes[node as usize];
        held.is_entry = false;
        held.score = 0.0;
        self.entries -= 1;
        let mut changed = node;
        if held.child == NONE {
            changed = held.parent;
            self.unlink(node);
        }
        if changed != ROOT && !self.nodes[changed as usize].is_entry {
            self.merge(changed);
        }
        self.refresh(changed);
        self.compact_if_sparse();
        true
    }

    /// The score of an entry.
    pub fn score(&self, text: &[u8]) -> Option<f32> {
        self.find(text).map(|node| self.nodes[node as usize].score)
    }

    /// Entries from a position on, 0 at first, in the order of their bytes, each with the position
    /// after the entry. O(depth) each.
    pub fn entries_from(&self, at: u64) -> impl Iterator<Item = (u64, Suggestion<'_>)> {
        let start = u32::try_from(at).unwrap_or(NONE);
        let mut node = ((start as usize) < self.nodes.len()).then_some(start);
        std::iter::from_fn(move || {
            loop {
                let here = self.after(node?);
                node = here;
                let here = here?;
                if self.nodes[here as usize].is_entry {
                    return Some((here.into(), self.entry(here)));
                }
            }
        })
    }

    fn renew_stamp(&mut self) {
        self.stamp = STAMPS.fetch_add(1, Ordering::Relaxed) + 1;
    }

    /// The first node, in the order of bytes, whose text is this text or comes after it.
    fn first_from(&self, text: &[u8]) -> Option<u32> {
        let Place { node, inside, read } = self.place(text);
        let label = self.label(node);
        if read == text.len() {
            return Some(node);
        }
        if let Some(byte) = label.get(inside) {
            return if *byte > text[read] {
                Some(node)
            } else {
                self.after_all_below(node)
            };
        }
        let first = |of: &u32| self.nodes[*of as usize].first;
        let next = self.children(node).find(|of| first(of) > text[read]);
        next.or_else(|| self.after_all_below(node))
    }

    /// The node after another and those below it.
    fn after_all_below(&self, node: u32) -> Option<u32> {
        let mut at = &self.nodes[node as usize];
        while at.next == NONE {
            at = self.nodes.get(at.parent as usize)?;
        }
        Some(at.next)
    }

    fn label(&self, node: u32) -> &[u8] {
        let node = &self.nodes[node as usize];
        &self.labels[node.label as usize..][..usize::from(node.len)]
    }

    fn children(&self, node: u32) -> impl Iterator<Item = u32> {
        let mut next = self.nodes[node as usize].child;
        std::iter::from_fn(move || {
            let here = next;
            next = self.nodes.get(here as usize)?.next;
            Some(here)
        })
    }

    fn entry(&self, node: u32) -> Suggestion<'_> {
        Suggestion {
            text: self.text(node),
            score: self.nodes[node as usize].score,
            payload: self.payload(node),
        }
    }

    fn payload(&self, node: u32) -> Option<&[u8]> {
        let at = self.nodes[node as usize].payload;
        self.payloads.get(at as usize)?.as_deref()
    }

    /// The labels down to a node.
    fn text(&self, node: u32) -> Vec<u8> {
        let mut path = smallvec::SmallVec::<[u32; 16]>::new();
        let mut at = node;
        while at != ROOT {
            path.push(at);
            at = self.nodes[at as usize].parent;
        }
        let bytes = path
            .iter()
            .map(|of| usize::from(self.nodes[*of as usize].len));
        let mut text = Vec::with_capacity(bytes.sum());
        path.iter()
            .rev()
            .for_each(|of| text.extend_from_slice(self.label(*of)));
        text
    }

    /// The node after another in the order of bytes.
    fn after(&self, node: u32) -> Option<u32> {
        let at = &self.nodes[node as usize];
        if at.child != NONE {
            return Some(at.child);
        }
        self.after_all_below(node)
    }

    fn place(&self, text: &[u8]) -> Place {
        let (mut node, mut read) = (ROOT, 0);
        loop {
            let label = self.label(node);
            let pairs = label.iter().zip(&text[read..]);
            let inside = pairs.take_while(|(a, b)| a == b).count();
            read += inside;
            let stops = Place { node, inside, read };
            if inside < label.len() || read == text.len() {
                return stops;
            }
            let first = |of: &u32| self.nodes[*of as usize].first;
            let next = self.children(node).find(|of| first(of) >= text[read]);
            match next {
                Some(child) if first(&child) == text[read] => node = child,
                _ => return stops,
            }
        }
    }

    fn find(&self, text: &[u8]) -> Option<u32> {
        let Place { node, inside, read } = self.place(text);
        let held = &self.nodes[node as usize];
        let is_it = read == text.len() && inside == usize::from(held.len) && held.is_entry;
        is_it.then_some(node)
    }

    fn new_node(&mut self, node: Node) -> u32 {
        if self.unused != NONE {
            let at = self.unused;
            self.unused = self.nodes[at as usize].next;
            self.unused_nodes -= 1;
            self.nodes[at as usize] = node;
            return at;
        }
        grow(&mut self.nodes, 1);
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).expect("fewer nodes than bytes")
    }

    fn push_label(&mut self, label: &[u8]) -> u32 {
        let at = u32::try_from(self.labels.len()).expect("4 GB of texts at most");
        grow(&mut self.labels, label.len());
        self.labels.extend_from_slice(label);
        at
    }

    /// A new last part of texts under a node none of whose children begins so.
    fn push_child(&mut self, parent: u32, label: &[u8]) -> u32 {
        let at = self.push_label(label);
        let first = |of: &u32| self.nodes[*of as usize].first;
        let before = self.children(parent).take_while(|of| first(of) < label[0]);
        let before = before.last();
        let next = match before {
            Some(sibling) => self.nodes[sibling as usize].next,
            None => self.nodes[parent as usize].child,
        };
        let child = self.new_node(Node {
            parent,
            next,
            ..Node::of(at, label)
        });
        match before {
            Some(sibling) => self.nodes[sibling as usize].next = child,
            None => self.nodes[parent as usize].child = child,
        }
        child
    }

    /// Splits a node in two: `at` bytes of the label stay, all else goes to a child.
    fn split(&mut self, node: u32, at: usize) {
        let upper = self.nodes[node as usize];
        let lower = self.new_node(Node {
            parent: node,
            next: NONE,
            label: upper.label + at as u32,
            len: upper.len - at as u16,
            first: self.label(node)[at],
            ..upper
        });
        self.adopt(lower);
        self.nodes[node as usize] = Node {
            child: lower,
            len: at as u16,
            score: 0.0,
            payload: NONE,
            is_entry: false,
            ..upper
        };
    }

    /// Joins a node that is no entry with its child, if it has only one.
    fn merge(&mut self, node: u32) {
        let upper = self.nodes[node as usize];
        let Some(&lower) = self.nodes.get(upper.child as usize) else {
            return;
        };
        if lower.next != NONE {
            return;
        }
        let label = if upper.label + u32::from(upper.len) == lower.label {
            upper.label
        } else {
            let label = [self.label(node), self.label(upper.child)].concat();
            self.unused_bytes += label.len();
            self.push_label(&label)
        };
        self.nodes[node as usize] = Node {
            parent: upper.parent,
            next: upper.next,
            label,
            len: upper.len + lower.len,
            first: upper.first,
            ..lower
        };
        self.give_back(upper.child);
        self.adopt(node);
    }

    /// Makes a node the parent of its children.
    fn adopt(&mut self, parent: u32) {
        let mut child = self.nodes[parent as usize].child;
        while let Some(node) = self.nodes.get_mut(child as usize) {
            node.parent = parent;
            child = node.next;
        }
    }

    /// Takes a node without children out.
    fn unlink(&mut self, node: u32) {
        let Node {
            parent, next, len, ..
        } = self.nodes[node as usize];
        match self.children(parent).take_while(|of| *of != node).last() {
            Some(sibling) => self.nodes[sibling as usize].next = next,
            None => self.nodes[parent as usize].child = next,
        }
        self.unused_bytes += usize::from(len);
        self.give_back(node);
    }

    fn give_back(&mut self, node: u32) {
        self.nodes[node as usize].next = self.unused;
        self.unused = node;
        self.unused_nodes += 1;
    }

    fn set_payload(&mut self, node: u32, payload: &[u8]) {
        self.drop_payload(node);
        self.payload_bytes += slice_bytes(payload.len());
        let payload = Some(payload.into());
        let at = if let Some(at) = self.unused_payloads.pop() {
            self.payloads[at as usize] = payload;
            at
        } else {
            grow(&mut self.payloads, 1);
            self.payloads.push(payload);
            self.payloads.len() as u32 - 1
        };
        self.nodes[node as usize].payload = at;
    }

    fn drop_payload(&mut self, node: u32) {
        let at = std::mem::replace(&mut self.nodes[node as usize].payload, NONE);
        if let Some(payload) = self.payloads.get_mut(at as usize).and_then(Option::take) {
            self.payload_bytes -= slice_bytes(payload.len());
            self.unused_payloads.push(at);
        }
    }

    fn best_of(&self, node: u32) -> f32 {
        let held = &self.nodes[node as usize];
        let own = if held.is_entry {
            held.score
        } else {
            f32::NEG_INFINITY
        };
        let below = self.children(node).map(|of| self.nodes[of as usize].best);
        below.fold(f32::NEG_INFINITY.max(own), f32::max)
    }

    /// An entry's score is now at least what it was.
    fn raise(&mut self, entry: u32, score: f32) {
        let mut at = entry;
        while let Some(node) = self.nodes.get_mut(at as usize)
            && score > node.best
        {
            node.best = score;
            at = node.parent;
        }
    }

    /// Corrects `best` from a node up, as entries at or below it have changed.
    fn refresh(&mut self, changed: u32) {
        let mut at = changed;
        while at != NONE {
            let best = self.best_of(at);
            let node = &mut self.nodes[at as usize];
            if at != changed && node.best.to_bits() == best.to_bits() {
                return;
            }
            node.best = best;
            at = node.parent;
        }
    }

    fn compact_if_sparse(&mut self) {
        let sparse = |unused: usize, all: usize| unused > SMALL && unused * 2 > all;
        if sparse(self.unused_nodes, self.nodes.len())
            || sparse(self.unused_bytes, self.labels.len())
        {
            self.compact();
        }
    }

    /// Writes all nodes and labels anew, in the order of bytes. O(n).
    fn compact(&mut self) {
        let mut nodes: Vec<Node> = Vec::with_capacity(self.nodes.len() - self.unused_nodes);
        let mut labels = Vec::with_capacity(self.labels.len() - self.unused_bytes);
        // The last child of each new node, and the new number of each old node.
        let mut last = Vec::with_capacity(nodes.capacity());
        let mut numbers = vec![NONE; self.nodes.len()];
        let mut next = Some(ROOT);
        while let Some(old) = next {
            let (held, here) = (self.nodes[old as usize], nodes.len() as u32);
            numbers[old as usize] = here;
            let parent = numbers.get(held.parent as usize).copied().unwrap_or(NONE);
            if let Some(sibling) = last.get_mut(parent as usize) {
                match std::mem::replace(sibling, here) {
                    NONE => nodes[parent as usize].child = here,
                    sibling => nodes[sibling as usize].next = here,
                }
            }
            nodes.push(Node {
                parent,
                child: NONE,
                next: NONE,
                label: labels.len() as u32,
                ..held
            });
            labels.extend_from_slice(self.label(old));
            last.push(NONE);
            next = self.after(old);
        }
        (self.nodes, self.labels) = (nodes, labels);
        (self.unused, self.unused_nodes, self.unused_bytes) = (NONE, 0, 0);
    }
}

impl Content for Suggestions {
    /// O(1).
    fn memory_bytes(&self) -> usize {
        vec_bytes(&self.nodes)
            + vec_bytes(&self.labels)
            + vec_bytes(&self.payloads)
            + vec_bytes(&self.unused_payloads)
            + self.payload_bytes
    }

    fn free_effort(&self) -> usize {
        4 + self.payloads.len()
    }

    fn free_step(&mut self, n: usize) -> bool {
        let left = self.payloads.len().saturating_sub(n);
        self.payloads.truncate(left);
        left == 0
    }

    /// The first call, with the first payloads, also offers the blocks of the dictionary itself:
    /// nodes, labels and lists.
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        if at == 0 {
            mover.vec(&mut self.nodes);
            mover.vec(&mut self.labels);
            mover.vec(&mut self.payloads);
            mover.vec(&mut self.unused_payloads);
        }
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let some = self.payloads.iter_mut().skip(start).take(n.max(1));
        some.flatten().for_each(|payload| mover.slice(payload));
        let next = start.saturating_add(n.max(1));
        (next < self.payloads.len()).then_some(next as u64)
    }

    fn sign(&self, take: &mut dyn FnMut(&[u8])) {
        for (_, entry) in self.entries_from(0) {
            take(&entry.text);
            take(&entry.score.to_bits().to_le_bytes());
            take(entry.payload.unwrap_or_default());
        }
    }

    fn check_invariants(&self) {
        let (mut nodes, mut bytes, mut entries) = (0, 0, 0);
        let mut next = Some(ROOT);
        while let Some(at) = next {
            let node = &self.nodes[at as usize];
            let children: Vec<u32> = self.children(at).collect();
            let firsts: Vec<u8> = children.iter().map(|of| self.label(*of)[0]).collect();
            assert!(firsts.is_sorted_by(|a, b| a < b));
            assert!(
                children
                    .iter()
                    .zip(&firsts)
                    .all(|(of, first)| self.nodes[*of as usize].first == *first)
            );
            assert!(
                children
                    .iter()
                    .all(|of| self.nodes[*of as usize].parent == at)
            );
            assert!(at == ROOT || node.is_entry || children.len() > 1);
            assert_eq!(node.best.to_bits(), self.best_of(at).to_bits());
            assert!(node.is_entry || node.payload == NONE);
            (nodes, bytes) = (nodes + 1, bytes + usize::from(node.len));
            entries += usize::from(node.is_entry);
            next = self.after(at);
        }
        assert_eq!(entries, self.entries);
        assert_eq!(nodes + self.unused_nodes, self.nodes.len());
        assert_eq!(bytes + self.unused_bytes, self.labels.len());
        assert!(self.unused_nodes <= (self.nodes.len() / 2).max(SMALL));
        let payloads = self.payloads.iter().flatten();
        let sizes = payloads.map(|payload| slice_bytes(payload.len()));
        assert_eq!(sizes.sum::<usize>(), self.payload_bytes);
    }
}

/// Makes room for more elements, an eighth more than needed at a time: a list is large, and moved
/// seldom.
fn grow<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more + list.len() / 8 + 4);
    }
}
