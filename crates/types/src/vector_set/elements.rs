//! The elements of a vector set by name.
//!
//! Invariant: the table owns the blocks that its words point to.
//!
//! Cost: that of the hash table; an element is a block.
#![allow(unsafe_code)]

use std::cell::RefCell;

use rand::Rng;

use super::element::{self, Element, element_of, name_of};
use russet_base::hashing::hash;
use russet_base::memory::mover::Mover;
use russet_base::text::is_same;
use russet_encodings::hashtable::{HashTable, Shape, Word};
use russet_encodings::hnsw::NodeId;

fn hash_of(word: Word) -> u64 {
    // SAFETY: words in the table are alive.
    hash::keys().hash(unsafe { name_of(word) })
}

/// See the module.
#[derive(Default)]
pub(super) struct Elements {
    table: HashTable,
    /// Bytes of all blocks.
    bytes: usize,
    /// Elements with attributes.
    with_attributes: usize,
}

// SAFETY: the words own their blocks, which any thread may free.
unsafe impl Send for Elements {}
// SAFETY: methods that take it shared only read.
unsafe impl Sync for Elements {}

impl Elements {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn with_attributes(&self) -> usize {
        self.with_attributes
    }

    fn find(&self, name: &[u8]) -> Option<Word> {
        // SAFETY: words in the table are alive.
        let is_it = |word| is_same(unsafe { name_of(word) }, name);
        self.table.find(hash::keys().hash(name), is_it)
    }

    pub fn get(&self, name: &[u8]) -> Option<Element<'_>> {
        // SAFETY: alive and unchanged while the table is borrowed.
        self.find(name).map(|word| unsafe { element_of(word) })
    }

    /// The element that a payload points to.
    ///
    /// # Safety
    /// The payload is the word of an element in this table.
    #[inline]
    pub unsafe fn at(&self, payload: u64) -> Element<'_> {
        // SAFETY: alive and unchanged while the table is borrowed.
        unsafe { element_of(Word::from_raw(payload)) }
    }

    /// Adds an element with a new name; returns the payload for the element's node.
    pub fn add(&mut self, element: Element<'_>) -> u64 {
        debug_assert!(self.find(element.name).is_none());
        let word = element.build();
        self.bytes += element.memory_bytes();
        self.with_attributes += usize::from(!element.attributes.is_empty());
        let hash = hash::keys().hash(element.name);
        self.table.insert(hash, word, hash_of);
        word.raw()
    }

    /// Says which node an element has. The payload stays.
    pub(crate) fn set_node(&mut self, name: &[u8], node: NodeId) {
        let word = self.find(name).expect("the element is there");
        // SAFETY: alive, and the table is exclusive.
        unsafe { element::set_node(word, node) };
    }

    /// Says which node the element that a payload points to has now.
    ///
    /// # Safety
    /// The payload is the word of an element in this table.
    pub(crate) unsafe fn move_node(&mut self, payload: u64, node: NodeId) {
        // SAFETY: alive, and the table is exclusive.
        unsafe { element::set_node(Word::from_raw(payload), node) };
    }

    /// Changes the attributes of an element; returns its node and the node's new payload. `None`:
    /// there is no such element.
    pub fn set_attributes(&mut self, name: &[u8], attributes: &[u8]) -> Option<(NodeId, u64)> {
        // SAFETY: words in the table are alive.
        let is_it = |word| is_same(unsafe { name_of(word) }, name);
        let handle = self.table.find_handle(hash::keys().hash(name), is_it)?;
        let word = self.table.word_at(handle);
        // SAFETY: alive until it is freed below.
        let old = unsafe { element_of(word) };
        let new = Element { attributes, ..old };
        self.with_attributes += usize::from(!attributes.is_empty());
        self.with_attributes -= usize::from(!old.attributes.is_empty());
        let (node, new_word) = (new.node, new.build());
        self.bytes += new.memory_bytes();
        self.table.replace_at(handle, new_word);
        // SAFETY: out of the table.
        self.bytes -= unsafe { element::free(word) };
        Some((node, new_word.raw()))
    }

    /// Removes an element; returns its node.
    pub fn remove(&mut self, name: &[u8]) -> Option<NodeId> {
        // SAFETY: words in the table are alive.
        let is_it = |word| is_same(unsafe { name_of(word) }, name);
        let word = self.table.remove(hash::keys().hash(name), is_it)?;
        // SAFETY: out of the table, alive until it is freed below.
        let element = unsafe { element_of(word) };
        let node = element.node;
        self.with_attributes -= usize::from(!element.attributes.is_empty());
        // SAFETY: out of the table.
        self.bytes -= unsafe { element::free(word) };
        Some(node)
    }

    pub fn random(&self, rng: &mut impl Rng) -> Option<Element<'_>> {
        let word = self.table.random(rng)?;
        // SAFETY: alive and unchanged while the table is borrowed.
        Some(unsafe { element_of(word) })
    }

    /// All elements with their payloads, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Element<'_>, u64)> {
        // SAFETY: alive and unchanged while the table is borrowed.
        let read = |word: Word| (unsafe { element_of(word) }, word.raw());
        self.table.iter().map(read)
    }

    /// A step of a scan; returns the next cursor, 0 at the end.
    pub fn scan<'a>(&'a self, cursor: u64, mut see: impl FnMut(Element<'a>)) -> u64 {
        // SAFETY: alive and unchanged while the table is borrowed.
        let read = |word| see(unsafe { element_of(word) });
        self.table.scan(cursor, read)
    }

    pub fn shape(&self) -> Shape {
        self.table.shape()
    }

    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.bytes
    }

    /// Offers the blocks of about `n` elements from a cursor on; returns the next cursor, 0 at the
    /// end. `moved` gets the nodes whose payload has changed.
    pub fn relocate(
        &mut self,
        mover: &mut Mover,
        cursor: u64,
        n: usize,
        mut moved: impl FnMut(NodeId, u64),
    ) -> u64 {
        let changed = RefCell::new(Vec::new());
        let next = self.table.relocate_about(mover, cursor, n, |word, mover| {
            // SAFETY: the word is in the table, which replaces it by the returned word.
            let new = unsafe { element::moved(word, mover) }?;
            // SAFETY: the copy is alive.
            let node = unsafe { element_of(new) }.node;
            changed.borrow_mut().push((node, new.raw()));
            Some(new)
        });
        for (node, payload) in changed.into_inner() {
            moved(node, payload);
        }
        next
    }

    /// Frees up to `n` elements; true when none is left.
    pub fn free_step(&mut self, n: usize) -> bool {
        let bytes = &mut self.bytes;
        // SAFETY: out of the table.
        self.table
            .drain_step(n, |word| *bytes -= unsafe { element::free(word) })
    }

    /// Panics if an invariant is broken. O(n).
    pub fn check_invariants(&self) {
        self.table.check_invariants(hash_of);
        let bytes = self.iter().map(|(element, _)| element.memory_bytes());
        assert_eq!(bytes.sum::<usize>(), self.bytes);
        let with = self.iter().filter(|(e, _)| !e.attributes.is_empty());
        assert_eq!(with.count(), self.with_attributes);
    }
}

impl Drop for Elements {
    fn drop(&mut self) {
        self.free_step(usize::MAX);
    }
}

impl Clone for Elements {
    fn clone(&self) -> Elements {
        // SAFETY: words in the table are alive while it is borrowed.
        let copy = |word| unsafe { element_of(word) }.build();
        Elements {
            table: self.table.copy_with(copy),
            ..*self
        }
    }
}
