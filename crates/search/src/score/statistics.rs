//! The figures of all shards that scores depend on: as a shard has them, added up, as bytes.
//!
//! A shard reports the number of its documents, their total length, and the number of documents of
//! each term that the query stands for and of each part of the query. The sums of all shards make
//! scores equal to the scores of a single index with all documents, to the last bit, because the
//! order in which shares are added comes from these numbers, too.
//!
//!     documents | length | names of terms: (space, text, documents) ... | parts: (count, all) ...
//!               | the best score, perhaps
//!
//! Invariant: [`BYTES_MAX`] bounds the bytes that are read, and nothing is allocated for a length
//! that the bytes do not have. Cost: O(terms + parts of the query).

use std::collections::BTreeMap;

use crate::pipeline::shards::wire::{Reader, Writer};

/// Bytes of the terms and parts of all shards, at most.
pub const BYTES_MAX: usize = 1 << 20;

/// The space of words; a tag's space is the place of the field plus 1.
pub(crate) const WORDS: u64 = 0;

/// The documents of a part of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartCount {
    /// The documents that match, or more.
    pub(crate) count: u64,
    /// Of a range: all numbers of the field.
    pub(crate) all: u64,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    pub(crate) documents: u64,
    pub(crate) length: u64,
    terms: BTreeMap<u64, BTreeMap<Box<[u8]>, u64>>,
    /// By the numbers of the query's nodes (`iterate::statistics`).
    pub(crate) parts: Vec<PartCount>,
    /// BM25STD.NORM: the best score of all documents.
    pub best: Option<f64>,
    /// Of terms and parts.
    bytes: usize,
}

/// Bytes of a term besides the text, and of a part.
const ENTRY: usize = 24;

impl Statistics {
    pub(crate) fn new(documents: u64, length: u64) -> Statistics {
        Statistics {
            documents,
            length,
            ..Statistics::default()
        }
    }

    /// Whether it fits into a message.
    pub fn is_bounded(&self) -> bool {
        self.bytes <= BYTES_MAX
    }

    /// Whether a term is there.
    pub(crate) fn has(&self, space: u64, text: &[u8]) -> bool {
        self.documents_with(space, text).is_some()
    }

    /// The documents that hold a term; `None`: no shard has said it.
    pub(crate) fn documents_with(&self, space: u64, text: &[u8]) -> Option<u64> {
        self.terms.get(&space)?.get(text).copied()
    }

    /// The texts of a space.
    pub(crate) fn texts(&self, space: u64) -> impl Iterator<Item = &[u8]> {
        let terms = self.terms.get(&space).into_iter().flatten();
        terms.map(|(text, _)| &**text)
    }

    /// The documents of this index that hold a term. Nothing is kept beyond the bound.
    pub(crate) fn put(&mut self, space: u64, text: &[u8], documents: u64) {
        if !self.is_bounded() || self.has(space, text) {
            return;
        }
        self.bytes += ENTRY + text.len();
        let terms = self.terms.entry(space).or_default();
        terms.insert(text.into(), documents);
    }

    /// The documents of the next part of the query.
    pub(crate) fn put_part(&mut self, part: PartCount) {
        if self.is_bounded() {
            self.bytes += ENTRY;
            self.parts.push(part);
        }
    }

    /// Adds the figures of another shard. `false`: the figures are of another query, or too many.
    #[must_use]
    pub fn add(&mut self, other: &Statistics) -> bool {
        if self.parts.len() != other.parts.len() {
            return false;
        }
        self.documents = self.documents.saturating_add(other.documents);
        self.length = self.length.saturating_add(other.length);
        for (space, terms) in &other.terms {
            let own = self.terms.entry(*space).or_default();
            for (text, documents) in terms {
                match own.get_mut(text) {
                    Some(its) => *its = its.saturating_add(*documents),
                    None => {
                        self.bytes += ENTRY + text.len();
                        own.insert(text.clone(), *documents);
                    }
                }
            }
        }
        for (own, its) in self.parts.iter_mut().zip(&other.parts) {
            own.count = own.count.saturating_add(its.count);
            own.all = own.all.saturating_add(its.all);
        }
        self.is_bounded()
    }

    /// The statistics as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(self.documents);
        out.number(self.length);
        out.size(self.terms.values().map(BTreeMap::len).sum());
        for (space, terms) in &self.terms {
            for (text, documents) in terms {
                out.number(*space);
                out.text(text);
                out.number(*documents);
            }
        }
        out.size(self.parts.len());
        for part in &self.parts {
            out.number(part.count);
            out.number(part.all);
        }
        out.option(self.best, Writer::double);
        out.0
    }

    /// The statistics of bytes. `None`: they are damaged, or too many.
    pub fn read(bytes: &[u8]) -> Option<Statistics> {
        if bytes.len() > BYTES_MAX + 64 {
            return None;
        }
        let mut from = Reader(bytes);
        let mut all = Statistics::new(from.number()?, from.number()?);
        for _ in 0..from.size()? {
            let (space, text) = (from.number()?, from.text()?);
            all.put(space, text, from.number()?);
        }
        for _ in 0..from.size()? {
            all.put_part(PartCount {
                count: from.number()?,
                all: from.number()?,
            });
        }
        all.best = from.option(Reader::double)?;
        // A score is neither infinite nor below 0.
        let is_score = all.best.is_none_or(|best| best.is_finite() && best >= 0.0);
        (from.0.is_empty() && all.is_bounded() && is_score).then_some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Statistics {
        let mut some = Statistics::new(7, 90);
        some.put(WORDS, b"red", 3);
        some.put(WORDS, b"", 1);
        some.put(2, b"red", 2);
        some.put_part(PartCount { count: 3, all: 0 });
        some.put_part(PartCount { count: 2, all: 9 });
        some.best = Some(1.5);
        some
    }

    #[test]
    fn bytes_are_read_as_they_were_written() {
        let bytes = some().bytes();
        assert_eq!(Statistics::read(&bytes), Some(some()));
        for len in 0..bytes.len() {
            assert_eq!(Statistics::read(&bytes[..len]), None, "{len} bytes");
        }
        assert_eq!(Statistics::read(&[&*bytes, b"x"].concat()), None);
        // Lengths that the bytes do not have.
        for at in [16, 24 + 8] {
            let mut hostile = bytes.clone();
            hostile[at..at + 8].copy_from_slice(&u64::MAX.to_be_bytes());
            assert_eq!(Statistics::read(&hostile), None);
        }
        let mut hostile = some();
        for best in [f64::NAN, f64::INFINITY, -1.0] {
            hostile.best = Some(best);
            assert_eq!(Statistics::read(&hostile.bytes()), None);
        }
        assert_eq!(Statistics::read(&vec![0; BYTES_MAX * 2]), None);
    }

    #[test]
    fn sums_are_of_terms_and_of_parts() {
        let (mut all, mut other) = (some(), some());
        other.put(WORDS, b"blue", u64::MAX);
        assert!(all.add(&other));
        assert!(all.add(&other));
        assert_eq!((all.documents, all.length), (21, 270));
        let of = |space, text| all.documents_with(space, text);
        assert_eq!(
            [of(WORDS, b"red"), of(2, b"red"), of(2, b"blue")],
            [Some(9), Some(6), None]
        );
        assert_eq!(of(WORDS, b"blue"), Some(u64::MAX));
        assert_eq!(all.parts[1], PartCount { count: 6, all: 27 });
        // Of another query.
        assert!(!all.add(&Statistics::new(1, 1)));
    }

    #[test]
    fn they_are_bounded() {
        let mut many = Statistics::new(1, 1);
        for n in 0..200_000u32 {
            many.put(WORDS, &n.to_be_bytes(), 1);
        }
        assert!(!many.is_bounded());
        assert!(many.bytes().len() < BYTES_MAX + 100);
        let mut half = Statistics::new(1, 1);
        let mut other = Statistics::new(1, 1);
        for n in 0..30_000u32 {
            half.put(WORDS, &n.to_be_bytes(), 1);
            other.put(WORDS, &(n + 40_000).to_be_bytes(), 1);
        }
        assert!(half.is_bounded() && other.is_bounded());
        assert!(Statistics::read(&half.bytes()).is_some());
        assert!(!half.add(&other));
    }
}
