//! Names of members: which are stored once for the document, and how a member has them.
//!
//!     name     00 ..= 7D       that many bytes, which follow
//!              7E u32, 7F u32  that many bytes; 7F: with some that text escapes
//!              80 ..= FE       number of a shared name: 0 to 126
//!              FF u16          number of a shared name
//!     table    count: u8 | bytes of texts: u16, if count > 0 | length of each: u8 | texts
//!
//! A small document has its table in front of its value, and shares a name if that makes it
//! shorter. A large document has an index, and shares names that it has met twice. A shared name
//! has at most 255 bytes, none of which text escapes.

use super::bytes::ShortBytes;
use russet_base::hashing::hash;
use russet_base::memory::alloc::vec_bytes;
use smallvec::SmallVec;
use std::sync::OnceLock;

const LONG: u8 = 0x7E;
/// The longest name whose length is in its head.
pub(super) const SHORT_MAX: usize = 0x7D;
const SHARED: u8 = 0x80;
const SHARED_FAR: u8 = 0xFF;
const NEAR: usize = 127;

/// Shared names of a small document, each of which takes a byte.
pub(super) const FLAT_MAX: usize = NEAR;
/// Shared names of a large document.
const SHARED_MAX: usize = 1 << 15;
/// Bytes of a shared name.
pub(super) const SHARED_BYTES_MAX: usize = 255;

/// A member's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// The name's text, and whether JSON text escapes no byte of it.
    Text(&'a [u8], bool),
    /// The number of a shared name.
    Shared(u16),
}

/// The name at a place, and where it ends.
#[inline]
pub(super) fn name(bytes: &[u8], at: usize) -> (Name<'_>, usize) {
    let head = bytes[at];
    match head {
        0..LONG => {
            let end = at + 1 + usize::from(head);
            (Name::Text(&bytes[at + 1..end], true), end)
        }
        LONG | 0x7F => {
            let start = at + 5;
            let end = start + long(bytes, at);
            (Name::Text(&bytes[start..end], head == LONG), end)
        }
        SHARED..SHARED_FAR => (Name::Shared((head - SHARED).into()), at + 1),
        SHARED_FAR => {
            let number = u16::from_le_bytes([bytes[at + 1], bytes[at + 2]]);
            (Name::Shared(number), at + 3)
        }
    }
}

/// The length of a name with this head, if it is short and not shared.
#[inline]
pub(super) fn short_text(head: u8) -> Option<usize> {
    (head < LONG).then_some(head.into())
}

/// The number of the shared name with this head, if it is near.
#[inline]
pub(super) fn near(head: u8) -> Option<usize> {
    (SHARED..SHARED_FAR)
        .contains(&head)
        .then(|| usize::from(head - SHARED))
}

#[inline]
fn long(bytes: &[u8], at: usize) -> usize {
    let len = bytes[at + 1..at + 5].try_into().expect("four bytes");
    u32::from_le_bytes(len) as usize
}

/// The place after the name at a place.
#[inline]
pub(super) fn skip(bytes: &[u8], at: usize) -> usize {
    match bytes[at] {
        short @ 0..LONG => at + 1 + usize::from(short),
        SHARED..SHARED_FAR => at + 1,
        SHARED_FAR => at + 3,
        _ => at + 5 + long(bytes, at),
    }
}

/// The head and length of a name.
#[inline]
pub(super) fn text_head(len: usize, is_clean: bool) -> ShortBytes {
    let mut few = ShortBytes::new();
    if is_clean && len <= SHORT_MAX {
        few.push(len as u8);
    } else {
        few.push(LONG | u8::from(!is_clean));
        few.extend((len as u32).to_le_bytes());
    }
    few
}

/// A shared name.
#[inline]
pub(super) fn shared(number: u16) -> ShortBytes {
    let mut few = ShortBytes::new();
    if usize::from(number) < NEAR {
        few.push(SHARED | number as u8);
    } else {
        few.push(SHARED_FAR);
        few.extend(number.to_le_bytes());
    }
    few
}

/// Whether sharing a name that is used `count` times makes a document shorter.
#[inline]
pub(super) fn pays(len: usize, count: u32) -> bool {
    count > 1 && len <= SHARED_BYTES_MAX && (count as usize - 1) * len > 1
}

/// The table in front of a small document's value.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlatNames<'a> {
    lens: &'a [u8],
    texts: &'a [u8],
}

impl<'a> FlatNames<'a> {
    /// Without names.
    pub const NONE: FlatNames<'static> = FlatNames {
        lens: &[],
        texts: &[],
    };

    /// The table that a document begins with, and where its value begins.
    #[inline]
    pub fn of(bytes: &'a [u8]) -> (FlatNames<'a>, usize) {
        match usize::from(bytes[0]) {
            0 => (FlatNames::NONE, 1),
            count => {
                let texts = 3 + count;
                let end = texts + usize::from(u16::from_le_bytes([bytes[1], bytes[2]]));
                let names = FlatNames {
                    lens: &bytes[3..texts],
                    texts: &bytes[texts..end],
                };
                (names, end)
            }
        }
    }

    /// The bytes of a table of these names.
    pub fn write(names: &[&[u8]], out: &mut SmallVec<[u8; 256]>) {
        FlatNames::write_lens(names.iter().map(|name| name.len() as u8), out);
        names.iter().for_each(|name| out.extend_from_slice(name));
    }

    /// The bytes of a table before its texts, which have these lengths.
    pub fn write_lens(lens: impl Iterator<Item = u8> + Clone, out: &mut impl Extend<u8>) {
        let (count, texts) = lens.clone().fold((0, 0), |(count, texts), len| {
            (count + 1, texts + usize::from(len))
        });
        out.extend([u8::try_from(count).expect("at most 127 names")]);
        if count > 0 {
            let texts = u16::try_from(texts).expect("127 names of at most 255 bytes");
            out.extend(texts.to_le_bytes());
            out.extend(lens);
        }
    }

    /// The number of a name.
    #[inline]
    pub fn find(self, name: &[u8]) -> Option<u16> {
        let mut start = 0;
        for (number, len) in self.lens.iter().enumerate() {
            let end = start + usize::from(*len);
            if usize::from(*len) == name.len() && self.texts[start..end] == *name {
                return Some(number as u16);
            }
            start = end;
        }
        None
    }

    /// The text of a name.
    #[inline]
    pub fn text(self, number: u16) -> &'a [u8] {
        let number = usize::from(number);
        let start: usize = self.lens[..number]
            .iter()
            .map(|len| usize::from(*len))
            .sum();
        &self.texts[start..start + usize::from(self.lens[number])]
    }

    /// All texts, by number.
    #[inline]
    pub fn texts(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.texts;
        self.lens.iter().map(move |len| {
            let (text, after) = rest.split_at((*len).into());
            rest = after;
            text
        })
    }

    pub fn count(self) -> usize {
        self.lens.len()
    }
}

/// The names that a large document shares.
#[derive(Clone, Debug, Default)]
pub(super) struct TreeNames {
    texts: Vec<u8>,
    /// Where each text ends.
    ends: Vec<u32>,
    index: Index,
}

impl TreeNames {
    /// Bytes in the allocator.
    pub fn memory_bytes(&self) -> usize {
        vec_bytes(&self.texts) + vec_bytes(&self.ends) + self.index.memory_bytes()
    }

    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// The text of a name.
    #[inline]
    pub fn text(&self, number: u16) -> &[u8] {
        let number = usize::from(number);
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start as usize..self.ends[number] as usize]
    }

    /// The number of a name.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<u16> {
        if self.ends.is_empty() || name.len() > SHARED_BYTES_MAX {
            return None;
        }
        let is_equal = |number: u32| self.text(number as u16) == name;
        self.index
            .find(hash_of(name), is_equal)
            .map(|number| number as u16)
    }

    /// Adds a name that there is not; returns its number, if there was room.
    pub fn add(&mut self, name: &[u8]) -> Option<u16> {
        let number = self.ends.len();
        if number == SHARED_MAX || name.len() > SHARED_BYTES_MAX {
            return None;
        }
        self.texts.extend_from_slice(name);
        self.ends.push(self.texts.len() as u32);
        self.index.insert(hash_of(name), number as u32);
        Some(number as u16)
    }

    /// The blocks, for a mover.
    pub fn relocate(&mut self, mover: &mut russet_base::memory::mover::Mover) {
        mover.vec(&mut self.texts);
        mover.vec(&mut self.ends);
        self.index.relocate(mover);
    }
}

/// The hash of a name in an [`Index`]: of a short name by two multiplications with secrets, whose
/// product's halves are mixed.
#[inline]
pub(super) fn hash_of(name: &[u8]) -> u32 {
    let (low, high) = match name.len() {
        0 => (0, 0),
        1..4 => {
            let (first, middle) = (name[0], name[name.len() / 2]);
            (
                u64::from(first) << 8 | u64::from(middle),
                name[name.len() - 1].into(),
            )
        }
        4..9 => (four(name, 0), four(name, name.len() - 4)),
        9..17 => (eight(name, 0), eight(name, name.len() - 8)),
        _ => return (hash::keys().hash(name) >> 32) as u32,
    };
    static SECRETS: OnceLock<[u64; 2]> = OnceLock::new();
    let [first, second] =
        SECRETS.get_or_init(|| [b"first", b"other"].map(|s| hash::keys().hash(s)));
    let mixed = fold(low ^ first, high ^ second ^ (name.len() as u64) << 56);
    (fold(mixed ^ second, *first | 1) >> 32) as u32
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn four(name: &[u8], at: usize) -> u64 {
    u32::from_le_bytes(name[at..at + 4].try_into().expect("four bytes")).into()
}

#[inline]
fn eight(name: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(name[at..at + 8].try_into().expect("eight bytes"))
}

/// Numbers by the hashes of their names: open addressing, at most three quarters full.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// The hash above the number, which is the number plus 1; zero: free.
    slots: Vec<u64>,
    len: usize,
}

impl Index {
    pub fn memory_bytes(&self) -> usize {
        vec_bytes(&self.slots)
    }

    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    /// The number with this hash for which `is_it` says so.
    #[inline]
    pub fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.slot_of(hash, is_it)
            .map(|slot| self.slots[slot] as u32 - 1)
    }

    #[inline]
    fn slot_of(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut slot = self.home(hash);
        loop {
            let found = self.slots[slot];
            if found == 0 {
                return None;
            }
            if (found >> 32) as u32 == hash && is_it(found as u32 - 1) {
                return Some(slot);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    /// Adds a number.
    pub fn insert(&mut self, hash: u32, number: u32) {
        if self.len * 4 >= self.slots.len() * 3 {
            let size = (self.slots.len() * 2).max(8);
            let old = std::mem::replace(&mut self.slots, vec![0; size]);
            for word in old.into_iter().filter(|word| *word != 0) {
                self.put(word);
            }
        }
        self.put(u64::from(hash) << 32 | u64::from(number + 1));
        self.len += 1;
    }

    fn put(&mut self, word: u64) {
        let mut slot = self.home((word >> 32) as u32);
        while self.slots[slot] != 0 {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = word;
    }

    /// Replaces a number by another of the same hash.
    pub fn renumber(&mut self, hash: u32, old: u32, new: u32) {
        let slot = self
            .slot_of(hash, |number| number == old)
            .expect("it is there");
        self.slots[slot] = u64::from(hash) << 32 | u64::from(new + 1);
    }

    /// Removes a number.
    pub fn remove(&mut self, hash: u32, number: u32) {
        let mut free = self
            .slot_of(hash, |found| found == number)
            .expect("it is there");
        let mask = self.slots.len() - 1;
        let mut next = free;
        loop {
            next = (next + 1) & mask;
            let word = self.slots[next];
            if word == 0 {
                break;
            }
            // The name moves up unless its own place is after the free place.
            let home = self.home((word >> 32) as u32);
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(free) & mask {
                self.slots[free] = word;
                free = next;
            }
        }
        self.slots[free] = 0;
        self.len -= 1;
    }

    /// Offers the table's block to a mover.
    pub fn relocate(&mut self, mover: &mut russet_base::memory::mover::Mover) {
        mover.vec(&mut self.slots);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_index_is_a_map() {
        let (mut index, mut model) = (Index::default(), BTreeMap::new());
        let mut seed = 7u32;
        for round in 0..20_000u32 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = seed >> 16 & 0x3FF;
            // Few hashes: they collide.
            let hash = number.wrapping_mul(0x9E37_79B9) >> 22;
            if let Some(hash) = model.remove(&number) {
                index.remove(hash, number);
            } else if round % 3 > 0 {
                index.insert(hash, number);
                model.insert(number, hash);
            }
            assert_eq!(index.len(), model.len());
            let wanted = model.contains_key(&number).then_some(number);
            assert_eq!(index.find(hash, |found| found == number), wanted);
        }
        for (number, hash) in model {
            assert_eq!(index.find(hash, |found| found == number), Some(number));
        }
    }

    #[test]
    fn tables_give_names_by_number_and_numbers_by_name() {
        let names: Vec<String> = (0..127).map(|n| format!("name{n}")).collect();
        let mut bytes = SmallVec::new();
        let texts: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
        FlatNames::write(&texts, &mut bytes);
        let (flat, end) = FlatNames::of(&bytes);
        assert_eq!(end, bytes.len());
        let mut tree = TreeNames::default();
        for (number, name) in names.iter().enumerate() {
            assert_eq!(tree.add(name.as_bytes()), Some(number as u16));
        }
        for (number, name) in names.iter().enumerate() {
            let (number, name) = (number as u16, name.as_bytes());
            assert_eq!((flat.find(name), flat.text(number)), (Some(number), name));
            assert_eq!((tree.find(name), tree.text(number)), (Some(number), name));
        }
        assert_eq!((flat.find(b"name"), tree.find(b"name")), (None, None));
    }
}
