//! A list: a listpack while it fits a single node, else a quicklist.
//!
//! A listpack becomes a quicklist before elements are added that would exceed the node limit, and a
//! quicklist becomes a listpack again once a single node of half the limit is left, so that a list
//! around the limit does not convert at every step. Cost: that of the encodings.
#![allow(unsafe_code)]

use super::block::{BlockForm, listpack_of};
use super::{Container, Encoding, End, Entry, Limits, Signature, Type, boxed};
use russet_encodings::listpack::Listpack;
use russet_encodings::quicklist::Quicklist;
use russet_encodings::record::SchemaRef;
use russet_encodings::thin::ThinPointer;
use std::borrow::Cow;

/// See the module.
#[derive(Clone, Debug)]
pub enum List {
    /// A list that fits a single node.
    Listpack(Listpack),
    /// Any other list; it is a listpack again at half of a node's limit.
    Quicklist(Box<Quicklist>),
}

impl List {
    /// An empty list.
    pub fn new() -> Self {
        List::Listpack(Listpack::new())
    }

    /// An empty list for an unknown number of elements, whose nodes are filled like those of a long
    /// list from the start; call [`List::built`] at the end.
    pub fn long(limits: &Limits) -> Self {
        let list = Quicklist::new(limits.list_fill, limits.list_compress_depth);
        List::Quicklist(Box::new(list))
    }

    /// Must be called before adding `count` elements of `bytes` bytes in total.
    pub fn prepare(&mut self, bytes: usize, count: usize, limits: &Limits) {
        let List::Listpack(pack) = self else { return };
        if limits
            .list_fill
            .exceeded_by(pack.as_bytes().len() + bytes, pack.len() + count)
        {
            let mut list = Quicklist::new(limits.list_fill, limits.list_compress_depth);
            list.append_pack(std::mem::take(pack));
            *self = List::Quicklist(Box::new(list));
        }
    }

    /// Must be called after removals: back to a listpack at half the limit.
    pub fn shrunk(&mut self, limits: &Limits) {
        self.try_to_listpack(limits, 2);
    }

    /// Must be called after a list was built directly (loaded): a listpack if it fits.
    pub fn built(&mut self, limits: &Limits) {
        self.prepare(0, 0, limits);
        self.try_to_listpack(limits, 1);
    }

    fn try_to_listpack(&mut self, limits: &Limits, divisor: usize) {
        if let List::Quicklist(list) = self {
            let (bytes_max, count_max) = limits.list_fill.limits();
            let count_max = count_max.min(u32::MAX as usize);
            if let Some(pack) = list.take_single_pack(bytes_max / divisor, count_max / divisor) {
                *self = List::Listpack(pack);
            }
        }
    }

    /// Adds an element at either end; requires `prepare`.
    #[inline]
    pub fn push(&mut self, end: End, text: &[u8]) {
        match (self, end) {
            (List::Quicklist(list), _) => list.push(end, text),
            (List::Listpack(pack), End::Front) => _ = pack.prepend(Entry::parse(text)),
            (List::Listpack(pack), End::Back) => _ = pack.append(Entry::parse(text)),
        }
    }

    /// Removes the element at either end after passing it to `see`. Requires `shrunk` afterwards.
    #[inline]
    pub fn pop_with<R>(&mut self, end: End, see: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        match self {
            List::Quicklist(list) => list.pop_with(end, see),
            List::Listpack(pack) => {
                let pos = match end {
                    End::Front => pack.first(),
                    End::Back => pack.last(),
                }?;
                let seen = see(pack.get(pos));
                pack.delete(pos);
                Some(seen)
            }
        }
    }

    /// Passes the element at `index` to `see` and returns its result.
    pub fn get_with<R>(&self, index: usize, see: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        match self {
            List::Quicklist(list) => list.get_with(index, see),
            List::Listpack(pack) => pack.seek(index).map(|pos| see(pack.get(pos))),
        }
    }

    /// Calls `see` with up to `count` elements from `index` on, in the direction given,
    /// until it returns false.
    pub fn visit(
        &self,
        index: usize,
        count: usize,
        backward: bool,
        mut see: impl FnMut(Entry<'_>) -> bool,
    ) {
        let pack = match self {
            List::Quicklist(list) => return list.visit(index, count, backward, see),
            List::Listpack(pack) => pack,
        };
        let mut at = pack.seek(index);
        if let Some(pos) = at
            && !backward
        {
            // `all` stops as soon as `see` returns false.
            pack.iter_from(pos).take(count).all(see);
            return;
        }
        let mut left = count;
        while let Some(pos) = at
            && left > 0
            && see(pack.get(pos))
        {
            left -= 1;
            at = if backward {
                pack.prev(pos)
            } else {
                pack.next(pos)
            };
        }
    }

    /// The index of the first element equal to `needle`: LINSERT's pivot.
    pub fn position(&self, needle: &[u8]) -> Option<usize> {
        let (mut index, mut found) = (0, None);
        let number = Entry::parse(needle).as_int();
        self.visit(0, usize::MAX, false, |entry| {
            let same = match entry {
                Entry::Int(value) => number == Some(value),
                Entry::Str(text) => text == needle,
            };
            if same {
                found = Some(index);
            }
            index += 1;
            !same
        });
        found
    }

    /// Inserts before or `after` the element at `index`, which must exist; requires `prepare`.
    pub fn insert_beside(&mut self, index: usize, after: bool, text: &[u8]) {
        let pack = match self {
            List::Quicklist(list) => return list.insert_beside(index, after, text),
            List::Listpack(pack) => pack,
        };
        let pos = pack.seek(index).expect("the element is there");
        if after {
            pack.insert_after(pos, Entry::parse(text));
        } else {
            pack.insert_before(pos, Entry::parse(text));
        }
    }

    /// Replaces the element at `index`; false if there is none. Requires `prepare` before and
    /// `shrunk` afterwards.
    pub fn replace(&mut self, index: usize, text: &[u8]) -> bool {
        match self {
            List::Quicklist(list) => list.replace(index, text),
            List::Listpack(pack) => match pack.seek(index) {
                Some(pos) => {
                    pack.replace(pos, Entry::parse(text));
                    true
                }
                None => false,
            },
        }
    }

    /// Deletes up to `count` elements from `index` on. Requires `shrunk` afterwards.
    pub fn delete_range(&mut self, index: usize, count: usize) {
        match self {
            List::Quicklist(list) => _ = list.delete_range(index, count),
            List::Listpack(pack) => pack.delete_range(index, count),
        }
    }

    /// Removes up to `limit` elements equal to `needle`, starting at `end`; returns how many.
    /// Requires `shrunk` afterwards.
    pub fn remove_equal(&mut self, needle: &[u8], limit: usize, end: End) -> usize {
        let pack = match self {
            List::Quicklist(list) => return list.remove_equal(needle, limit, end),
            List::Listpack(pack) => pack,
        };
        let mut removed = 0;
        let mut at = if end == End::Front {
            pack.first()
        } else {
            pack.last()
        };
        while let Some(pos) = at
            && removed < limit
        {
            let same = pack.get(pos).is(needle);
            let before = if end == End::Back {
                pack.prev(pos)
            } else {
                None
            };
            let after = if same {
                pack.delete(pos)
            } else {
                pack.next(pos)
            };
            removed += usize::from(same);
            at = if end == End::Front { after } else { before };
        }
        removed
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl Container for List {
    const TYPE: Type = Type::List;
    const NAME: &str = "list";
    const NUMBER: u32 = 1;

    fn block(&self) -> Option<(BlockForm, &[u8])> {
        match self {
            List::Listpack(pack) => Some((BlockForm::of(self), pack.as_bytes())),
            _ => None,
        }
    }

    fn from_block(_form: &BlockForm, bytes: &[u8], _schema: Option<SchemaRef>) -> Option<List> {
        listpack_of(bytes, 1).map(List::Listpack)
    }

    fn into_word(self) -> (Encoding, u64) {
        let encoding = self.encoding();
        match self {
            List::Listpack(pack) => (encoding, pack.into_word()),
            List::Quicklist(list) => (encoding, boxed::into_word(list)),
        }
    }

    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        match encoding {
            // SAFETY: the caller guarantees it.
            Encoding::Listpack => List::Listpack(unsafe { Listpack::from_word(word) }),
            // SAFETY: the caller guarantees it.
            Encoding::Quicklist => List::Quicklist(unsafe { boxed::from_word(word) }),
            other => panic!("not an encoding of a list: {other:?}"),
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            List::Listpack(_) => Encoding::Listpack,
            List::Quicklist(_) => Encoding::Quicklist,
        }
    }

    fn len(&self) -> usize {
        match self {
            List::Listpack(pack) => pack.len(),
            List::Quicklist(list) => list.len(),
        }
    }

    fn check_invariants(&self) {
        match self {
            List::Listpack(pack) => pack.check_invariants(),
            List::Quicklist(list) => list.check_invariants(),
        }
    }

    fn sign(&self, signature: &mut Signature) {
        self.visit(0, usize::MAX, false, |entry| {
            signature.follow_entry(entry);
            true
        });
    }

    fn listpack(&self) -> Option<Cow<'_, Listpack>> {
        match self {
            List::Listpack(pack) => Some(Cow::Borrowed(pack)),
            List::Quicklist(_) => None,
        }
    }

    fn free_effort(&self) -> usize {
        match self {
            List::Listpack(_) => 1,
            List::Quicklist(list) => list.node_count(),
        }
    }

    fn free_step(&mut self, n: usize) -> bool {
        match self {
            List::Listpack(_) => true,
            List::Quicklist(list) => list.free_step(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(n: usize, limits: &Limits) -> List {
        let mut list = List::new();
        for i in 0..n {
            let text = format!("e:{i}");
            list.prepare(text.len(), 1, limits);
            list.push(End::Back, text.as_bytes());
        }
        list
    }

    #[test]
    fn a_list_grows_at_the_limit_and_shrinks_at_half() {
        let limits = Limits {
            list_fill: super::super::Fill(10),
            ..Limits::default()
        };
        let mut list = filled(10, &limits);
        assert_eq!(list.encoding(), Encoding::Listpack);
        list.prepare(1, 1, &limits);
        assert_eq!(list.encoding(), Encoding::Quicklist);
        for left in (5..10).rev() {
            list.pop_with(End::Front, |_| ());
            list.shrunk(&limits);
            let expected = if left > 5 {
                Encoding::Quicklist
            } else {
                Encoding::Listpack
            };
            assert_eq!((list.len(), list.encoding()), (left, expected));
        }
    }

    #[test]
    fn both_encodings_answer_alike() {
        let small = Limits {
            list_fill: super::super::Fill(4),
            ..Limits::default()
        };
        let (mut a, mut b) = (filled(30, &Limits::default()), filled(30, &small));
        assert_ne!(a.encoding(), b.encoding());
        for list in [&mut a, &mut b] {
            assert_eq!(list.position(b"e:17"), Some(17));
            list.insert_beside(17, false, b"e:3");
            assert!(list.replace(0, b"77"));
            assert!(!list.replace(31, b"x"));
            assert_eq!(list.remove_equal(b"e:3", 1, End::Back), 1);
            assert_eq!(list.remove_equal(b"e:3", 9, End::Front), 1);
            list.delete_range(1, 2);
            assert_eq!(list.get_with(0, |e| e.as_int()), Some(Some(77)));
        }
        let all = |list: &List, backward: bool| {
            let mut seen = Vec::new();
            let start = if backward { list.len() - 1 } else { 0 };
            list.visit(start, 25, backward, |e| {
                seen.push(e.to_vec());
                true
            });
            seen
        };
        assert_eq!(all(&a, false), all(&b, false));
        assert_eq!(all(&a, true), all(&b, true));
        assert_eq!(all(&a, true).len(), 25);
    }

    #[test]
    fn a_word_is_the_whole_list() {
        let small = Limits {
            list_fill: super::super::Fill(4),
            ..Limits::default()
        };
        for limits in [Limits::default(), small] {
            let (encoding, word) = filled(9, &limits).into_word();
            assert_eq!(word % 8, 0);
            // SAFETY: from `into_word`, once.
            let mut list = unsafe { List::from_word(encoding, word) };
            assert_eq!(list.len(), 9);
            while !list.free_step(4) {}
        }
    }
}
