//! The prefixes of a client, sorted, front-coded in blocks.
//!
//!     block: entry ...
//!     entry: bytes shared with the previous one: varint | more bytes: varint | those bytes
//!
//! The first entry of a block shares nothing, so blocks can be searched by it. A block has at
//! most [`BLOCK_MAX`] bytes, or a single entry. Sequential names of any length take 4 bytes each.
//!
//! Prefixes do not overlap each other, except for the empty prefix, which CLIENT TRACKING ON BCAST
//! without PREFIX adds to any others.
//!
//! Cost: a search O(log blocks + block); adding n sorted prefixes O(n + affected blocks).

use std::iter::Peekable;

/// Maximum bytes of a block with several entries.
const BLOCK_MAX: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub struct PrefixList {
    blocks: Vec<Box<[u8]>>,
    len: usize,
}

fn push_varint(to: &mut Vec<u8>, mut number: usize) {
    while number > 0x7F {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn take_varint(from: &mut &[u8]) -> usize {
    let (mut number, mut shift) = (0, 0);
    while let Some((&byte, rest)) = from.split_first() {
        *from = rest;
        number |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    number
}

/// Iterates over entries.
struct Entries<'a> {
    left: &'a [u8],
    text: Vec<u8>,
}

impl<'a> Entries<'a> {
    fn of(block: &'a [u8]) -> Entries<'a> {
        let (left, text) = (block, Vec::new());
        Entries { left, text }
    }

    fn next(&mut self) -> Option<&[u8]> {
        if self.left.is_empty() {
            return None;
        }
        let shared = take_varint(&mut self.left);
        let more = take_varint(&mut self.left);
        let (more, left) = self.left.split_at(more);
        self.left = left;
        self.text.truncate(shared);
        self.text.extend_from_slice(more);
        Some(&self.text)
    }
}

/// A block's first text.
fn first_of(block: &[u8]) -> &[u8] {
    let mut left = block;
    take_varint(&mut left);
    let len = take_varint(&mut left);
    &left[..len]
}

/// Writes texts in order.
struct ListWriter {
    /// Maximum bytes of a block with several entries.
    limit: usize,
    blocks: Vec<Box<[u8]>>,
    block: Vec<u8>,
    last: Vec<u8>,
    count: usize,
}

impl ListWriter {
    fn new(limit: usize) -> ListWriter {
        ListWriter {
            limit,
            blocks: Vec::new(),
            block: Vec::new(),
            last: Vec::new(),
            count: 0,
        }
    }

    fn push(&mut self, text: &[u8]) {
        let pairs = self.last.iter().zip(text);
        let shared = pairs.take_while(|(a, b)| a == b).count();
        let before = self.block.len();
        self.write(shared, text);
        if before > 0 && self.block.len() > self.limit {
            self.block.truncate(before);
            self.end_block();
            self.write(0, text);
        }
        self.last.clear();
        self.last.extend_from_slice(text);
        self.count += 1;
    }

    fn write(&mut self, shared: usize, text: &[u8]) {
        push_varint(&mut self.block, shared);
        push_varint(&mut self.block, text.len() - shared);
        self.block.extend_from_slice(&text[shared..]);
    }

    fn end_block(&mut self) {
        if !self.block.is_empty() {
            self.blocks.push(self.block.as_slice().into());
            self.block.clear();
        }
    }

    /// Writes the union of a block's texts and new texts.
    fn merge(mut self, block: &[u8], new: &[&[u8]]) -> ListWriter {
        let mut old = Entries::of(block);
        let mut new: Peekable<_> = new.iter().peekable();
        while let Some(text) = old.next() {
            while let Some(other) = new.next_if(|other| **other < text) {
                self.push(other);
            }
            new.next_if(|other| **other == text);
            self.push(text);
        }
        new.for_each(|other| self.push(other));
        self.end_block();
        self
    }
}

impl PrefixList {
    /// Number of prefixes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes of the blocks and their table.
    pub fn memory_bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(|block| block.len()).sum();
        self.blocks.capacity() * size_of::<Box<[u8]>>() + blocks
    }

    /// Calls `visit` with each prefix, in order.
    pub fn for_each(&self, mut visit: impl FnMut(&[u8])) {
        for block in &self.blocks {
            let mut entries = Entries::of(block);
            while let Some(text) = entries.next() {
                visit(text);
            }
        }
    }

    /// The number of blocks whose first text is at most `text`.
    fn blocks_up_to(&self, text: &[u8]) -> usize {
        self.blocks.partition_point(|block| first_of(block) <= text)
    }

    /// Adds prefixes, which must be sorted and distinct; prefixes already there stay.
    pub fn add(&mut self, mut new: &[&[u8]]) {
        while let Some(first) = new.first() {
            let at = self.blocks_up_to(first).saturating_sub(1);
            let now = match self.blocks.get(at + 1) {
                Some(next) => new.partition_point(|text| *text < first_of(next)),
                None => new.len(),
            };
            self.add_to_block(at, &new[..now]);
            new = &new[now..];
        }
    }

    fn add_to_block(&mut self, at: usize, new: &[&[u8]]) {
        let old = self.blocks.get(at).map_or(&[][..], |block| block);
        let mut entries = Entries::of(old);
        let (mut had, mut ascends) = (0, true);
        while let Some(text) = entries.next() {
            had += 1;
            ascends = text < new[0];
        }
        let mut written = ListWriter::new(BLOCK_MAX).merge(old, new);
        // Ascending insertions leave full blocks; others split a block evenly.
        let blocks = written.blocks.len();
        if blocks > 1 && !ascends {
            let bytes: usize = written.blocks.iter().map(|block| block.len()).sum();
            written = ListWriter::new(BLOCK_MAX.min(bytes / blocks)).merge(old, new);
        }
        self.len += written.count - had;
        let replaced = at..self.blocks.len().min(at + 1);
        self.blocks.splice(replaced, written.blocks);
    }

    /// The first of these prefixes that is a prefix of `prefix` or has it as a prefix.
    pub fn overlapping(&self, prefix: &[u8]) -> Option<Vec<u8>> {
        let overlaps = |text: &[u8]| prefix.starts_with(text) || text.starts_with(prefix);
        let first = first_of(self.blocks.first()?);
        if first.is_empty() {
            return Some(Vec::new());
        }
        // Prefixes in the list do not overlap each other. So, in sorted order, a listed prefix
        // between `prefix` and an overlapping prefix overlaps `prefix` too, and it is enough to
        // check the last listed prefix up to `prefix`, and the first after it.
        let at = self.blocks_up_to(prefix);
        if let Some(block) = at.checked_sub(1).and_then(|at| self.blocks.get(at)) {
            let mut entries = Entries::of(block);
            while let Some(text) = entries.next() {
                if overlaps(text) {
                    return Some(text.to_vec());
                }
                if text > prefix {
                    return None;
                }
            }
        }
        let next = first_of(self.blocks.get(at)?);
        overlaps(next).then(|| next.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    impl PrefixList {
        fn texts(&self) -> Vec<Vec<u8>> {
            let mut texts = Vec::new();
            self.for_each(|text| texts.push(text.to_vec()));
            texts
        }
    }

    proptest! {
        #[test]
        fn it_holds_what_a_plain_set_holds(
            groups in prop::collection::vec(
                prop::collection::btree_set("[a-c]{0,3}x{0,150}", 0..12), 0..20),
        ) {
            let (mut list, mut model) = (PrefixList::default(), BTreeSet::new());
            for group in &groups {
                let new: Vec<&[u8]> = group.iter().map(|text| text.as_bytes()).collect();
                list.add(&new);
                model.extend(new.iter().map(|text| text.to_vec()));
                prop_assert_eq!(list.len(), model.len());
            }
            prop_assert_eq!(list.texts(), model.into_iter().collect::<Vec<_>>());
            prop_assert!(list.blocks.iter().all(|block| block.len() <= BLOCK_MAX));
        }

        #[test]
        fn overlaps_are_found_as_one_by_one(
            had in prop::collection::vec("[a-c]{1,5}x{0,40}", 0..60),
            with_empty in any::<bool>(),
            prefixes in prop::collection::vec("[a-c]{0,6}", 1..20),
        ) {
            let overlap = |a: &str, b: &str| a.starts_with(b) || b.starts_with(a);
            let mut apart: BTreeSet<&str> = BTreeSet::new();
            for text in &had {
                if !apart.iter().any(|other| overlap(other, text)) {
                    apart.insert(text);
                }
            }
            if with_empty {
                apart.insert("");
            }
            let mut list = PrefixList::default();
            apart.iter().for_each(|text| list.add(&[text.as_bytes()]));
            for prefix in &prefixes {
                let expected = apart.iter().find(|other| overlap(other, prefix));
                let expected = expected.map(|other| other.as_bytes().to_vec());
                prop_assert_eq!(list.overlapping(prefix.as_bytes()), expected);
            }
        }
    }

    #[test]
    fn names_in_any_order_take_little() {
        let names: Vec<String> = (0..10_000)
            .map(|n| format!("tenant:1:object:{n:07}:"))
            .collect();
        let one_by_one = |order: &mut dyn Iterator<Item = &String>| {
            let mut list = PrefixList::default();
            order.for_each(|name| list.add(&[name.as_bytes()]));
            assert_eq!(list.len(), names.len());
            list.memory_bytes()
        };
        let ascending = one_by_one(&mut names.iter());
        let descending = one_by_one(&mut names.iter().rev());
        assert!(ascending < 10_000 * 7, "{ascending}");
        assert!(descending < 10_000 * 12, "{descending}");
    }
}
