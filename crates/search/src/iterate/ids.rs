//! A set of documents without frequencies: tags, ranges, all documents, keys.
//!
//! Cost: a step reads a bit or a number; `seek` skips words of bits, or O(log n) of a list.

use std::ops::Deref;
use std::sync::Arc;

use super::END;
use super::prepare::DocumentSet;

/// The part of a query that a set stands for, because scores depend on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Role<'i> {
    /// `*`
    Everything,
    /// A tag, and how much it says of a document.
    Tag { text: &'i [u8], idf: f64 },
    /// Numbers and places.
    Numbers,
    /// Documents without a field, and the documents of keys.
    Plain,
}

enum Source<'i> {
    Bitmap(roaring::bitmap::Iter<'i>),
    Bits(Bits<'i>),
    List(List, usize),
}

enum Bits<'i> {
    Index(&'i [u64]),
    Gathered(Arc<DocumentSet>),
}

impl Deref for Bits<'_> {
    type Target = [u64];

    #[inline]
    fn deref(&self) -> &[u64] {
        match self {
            Bits::Index(bits) => bits,
            Bits::Gathered(of) => of.bits().unwrap_or_default(),
        }
    }
}

enum List {
    Own(Vec<u32>),
    Gathered(Arc<DocumentSet>),
}

impl Deref for List {
    type Target = [u32];

    #[inline]
    fn deref(&self) -> &[u32] {
        match self {
            List::Own(list) => list,
            List::Gathered(of) => of.list(),
        }
    }
}

/// A walk over a set.
pub(crate) struct Ids<'i> {
    source: Source<'i>,
    id: u32,
    len: u64,
    pub(crate) role: Role<'i>,
    pub(crate) weight: f64,
}

impl<'i> Ids<'i> {
    /// On the first document that is `from` or more.
    fn new(source: Source<'i>, len: u64, role: Role<'i>, weight: f64, from: u32) -> Ids<'i> {
        let mut ids = Ids {
            source,
            id: END,
            len,
            role,
            weight,
        };
        ids.find(from);
        ids
    }

    pub(crate) fn of_bitmap(
        set: &'i roaring::RoaringBitmap,
        role: Role<'i>,
        weight: f64,
        from: u32,
    ) -> Ids<'i> {
        Ids::new(Source::Bitmap(set.iter()), set.len(), role, weight, from)
    }

    /// The documents of bits, the lowest first, of which `len` are set.
    pub(crate) fn of_bits(
        bits: &'i [u64],
        len: u64,
        role: Role<'i>,
        weight: f64,
        from: u32,
    ) -> Ids<'i> {
        let bits = Source::Bits(Bits::Index(bits));
        Ids::new(bits, len, role, weight, from)
    }

    /// Documents that were gathered.
    pub(crate) fn gathered(
        of: Arc<DocumentSet>,
        role: Role<'i>,
        weight: f64,
        from: u32,
    ) -> Ids<'i> {
        let len = of.len() as u64;
        let source = match of.bits() {
            Some(_) => Source::Bits(Bits::Gathered(of)),
            None => Source::List(List::Gathered(of), 0),
        };
        Ids::new(source, len, role, weight, from)
    }

    /// Documents in any order, doubled documents once.
    pub(crate) fn listed(mut list: Vec<u32>, role: Role<'i>, weight: f64, from: u32) -> Ids<'i> {
        list.sort_unstable();
        list.dedup();
        let len = list.len() as u64;
        Ids::new(Source::List(List::Own(list), 0), len, role, weight, from)
    }

    /// The same, for more documents than it has.
    pub(crate) fn estimated(mut self, len: usize) -> Ids<'i> {
        self.len = len as u64;
        self
    }

    #[inline]
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The documents of the set, or more.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Moves to the first document that is `from` or more.
    fn find(&mut self, from: u32) {
        self.id = match &mut self.source {
            Source::Bitmap(iter) => {
                iter.advance_to(from);
                iter.next().unwrap_or(END)
            }
            Source::Bits(bits) => next_bit(bits, from),
            Source::List(list, at) => {
                *at += list[*at..].partition_point(|id| *id < from);
                list.get(*at).copied().unwrap_or(END)
            }
        };
    }

    #[inline]
    pub(crate) fn advance(&mut self) {
        if self.id == END {
            return;
        }
        self.id = match &mut self.source {
            Source::Bitmap(iter) => iter.next().unwrap_or(END),
            Source::Bits(bits) => next_bit(bits, self.id + 1),
            Source::List(list, at) => {
                *at += 1;
                list.get(*at).copied().unwrap_or(END)
            }
        };
    }

    /// Calls `take` with the documents below `end`, from here on; then the set stands on the first
    /// document that is not below `end`.
    #[inline]
    pub(crate) fn scan(&mut self, end: u32, mut take: impl FnMut(u32)) {
        if self.id >= end {
            return;
        }
        match &mut self.source {
            Source::Bitmap(iter) => {
                while self.id < end {
                    take(self.id);
                    self.id = iter.next().unwrap_or(END);
                }
            }
            Source::Bits(bits) => {
                let mut at = self.id as usize / 64;
                let mut word = bits[at] & u64::MAX << (self.id % 64);
                while (at * 64) < end as usize {
                    while word != 0 {
                        let id = at as u32 * 64 + word.trailing_zeros();
                        if id >= end {
                            self.id = id;
                            return;
                        }
                        take(id);
                        word &= word - 1;
                    }
                    at += 1;
                    let Some(next) = bits.get(at) else {
                        self.id = END;
                        return;
                    };
                    word = *next;
                }
                self.id = next_bit(bits, at as u32 * 64);
            }
            Source::List(list, at) => {
                let rest = &list[*at..];
                let count = rest.iter().take_while(|id| **id < end).count();
                rest[..count].iter().for_each(|id| take(*id));
                *at += count;
                self.id = list.get(*at).copied().unwrap_or(END);
            }
        }
    }

    #[inline]
    pub(crate) fn seek(&mut self, to: u32) {
        if self.id < to {
            self.find(to);
        }
    }
}

/// The first bit that is set, from `from` on.
#[inline]
pub(super) fn next_bit(bits: &[u64], from: u32) -> u32 {
    let mut at = from as usize / 64;
    let Some(word) = bits.get(at) else {
        return END;
    };
    let mut word = word & u64::MAX << (from % 64);
    while word == 0 {
        at += 1;
        match bits.get(at) {
            Some(next) => word = *next,
            None => return END,
        }
    }
    at as u32 * 64 + word.trailing_zeros()
}
