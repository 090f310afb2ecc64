//! Values in a box: those of BF.*, CF.*, CMS.*, TOPK.*, TDIGEST.*, TS.* and FT.SUG* commands.
//!
//! One container for all of them; sketches are in `russet_sketches`, series in `russet_timeseries`,
//! dictionaries of suggestions in `russet_encodings`. A key holds one, so its length is 1, also of
//! one without content; the encoding is that of all values of Redis's modules.
//!
//! Each has a stamp beside its content, because commands that read a large value in slices must
//! know whether the value has changed between two of them.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};

use super::stamp::Stamp;
use super::{Container, Encoding, MemoryUsage, Relocate, Signature, Type, boxed};
use russet_base::memory::alloc::boxed_bytes;
use russet_base::memory::content::Content;
use russet_base::memory::mover::Mover;
use russet_encodings::suggestions;

/// See the module.
#[derive(Clone)]
pub struct BoxedValue<S>(Box<StampedContent<S>>);

struct StampedContent<S> {
    stamp: Stamp,
    content: S,
}

impl<S: Clone> Clone for StampedContent<S> {
    fn clone(&self) -> StampedContent<S> {
        StampedContent {
            stamp: Stamp::default(),
            content: self.content.clone(),
        }
    }
}

impl<S> BoxedValue<S> {
    /// A number that no other value has, nor this one before or after its next change.
    pub fn stamp(&self) -> u64 {
        self.0.stamp.number()
    }
}

/// A Bloom filter.
pub type Bloom = BoxedValue<russet_sketches::Bloom>;
/// A cuckoo filter.
pub type Cuckoo = BoxedValue<russet_sketches::Cuckoo>;
/// A count-min sketch.
pub type CountMin = BoxedValue<russet_sketches::CountMin>;
/// A top-k list.
pub type TopK = BoxedValue<russet_sketches::TopK>;
/// A t-digest.
pub type TDigest = BoxedValue<russet_sketches::TDigest>;
/// A time series.
pub type TimeSeries = BoxedValue<russet_timeseries::Series>;
/// A dictionary of suggestions.
pub type Suggestions = BoxedValue<suggestions::Suggestions>;

/// A content that keys hold.
pub trait Kind: Content + 'static {
    /// The type of keys with one.
    const TYPE: Type;
    /// As TYPE replies it.
    const NAME: &'static str;
}

impl Kind for russet_sketches::Bloom {
    const TYPE: Type = Type::Bloom;
    const NAME: &'static str = "MBbloom--";
}

impl Kind for russet_sketches::Cuckoo {
    const TYPE: Type = Type::Cuckoo;
    const NAME: &'static str = "MBbloomCF";
}

impl Kind for russet_sketches::CountMin {
    const TYPE: Type = Type::CountMin;
    const NAME: &'static str = "CMSk-TYPE";
}

impl Kind for russet_sketches::TopK {
    const TYPE: Type = Type::TopK;
    const NAME: &'static str = "TopK-TYPE";
}

impl Kind for russet_sketches::TDigest {
    const TYPE: Type = Type::TDigest;
    const NAME: &'static str = "TDIS-TYPE";
}

impl Kind for russet_timeseries::Series {
    const TYPE: Type = Type::TimeSeries;
    const NAME: &'static str = "TSDB-TYPE";
}

impl Kind for suggestions::Suggestions {
    const TYPE: Type = Type::Suggestions;
    const NAME: &'static str = "trietype0";
}

impl<S> From<S> for BoxedValue<S> {
    fn from(content: S) -> BoxedValue<S> {
        BoxedValue(Box::new(StampedContent {
            stamp: Stamp::default(),
            content,
        }))
    }
}

impl<S> Deref for BoxedValue<S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        &self.0.content
    }
}

impl<S> DerefMut for BoxedValue<S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut S {
        self.0.stamp.lose();
        &mut self.0.content
    }
}

impl<S: Kind> MemoryUsage for BoxedValue<S> {
    fn memory_bytes(&self) -> usize {
        boxed_bytes::<StampedContent<S>>() + self.0.content.memory_bytes()
    }
}

impl<S: Kind> Relocate for BoxedValue<S> {
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        if at == 0 {
            mover.boxed(&mut self.0);
        }
        // The content stays the same, and so does the stamp.
        self.0.content.relocate(mover, at, n)
    }
}

impl<S: Kind> Container for BoxedValue<S> {
    const TYPE: Type = S::TYPE;
    const NAME: &'static str = S::NAME;
    /// Redis's number of values of modules.
    const NUMBER: u32 = 5;

    #[inline]
    fn into_word(self) -> (Encoding, u64) {
        (Encoding::OfModule, boxed::into_word(self.0))
    }

    #[inline]
    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        assert_eq!(encoding, Encoding::OfModule);
        // SAFETY: the caller guarantees it.
        BoxedValue(unsafe { boxed::from_word(word) })
    }

    fn encoding(&self) -> Encoding {
        Encoding::OfModule
    }

    fn stamp(&self) -> Option<u64> {
        Some(BoxedValue::stamp(self))
    }

    fn begin_copy(&self) -> Self {
        BoxedValue::from(self.0.content.begin_copy())
    }

    fn copy_piece(&self, to: &mut Self, at: u64) -> Option<u64> {
        self.0.content.copy_piece(to, at)
    }

    fn len(&self) -> usize {
        1
    }

    fn check_invariants(&self) {
        self.0.content.check_invariants();
    }

    /// Redis has no signature of these values: this is of their content.
    fn sign(&self, signature: &mut Signature) {
        self.0.content.sign(&mut |part| signature.follow(part));
    }

    fn free_effort(&self) -> usize {
        self.0.content.free_effort()
    }

    fn free_step(&mut self, n: usize) -> bool {
        self.0.content.free_step(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_of_one_state() {
        let sketch = russet_sketches::CountMin::new(5, 2, Default::default()).expect("small");
        let mut a = CountMin::from(sketch);
        let first = BoxedValue::stamp(&a);
        let read = (
            BoxedValue::stamp(&a),
            a.estimate(b"foo"),
            BoxedValue::stamp(&a),
        );
        assert_eq!(read, (first, 0, first));
        let copy = a.clone();
        assert_ne!(BoxedValue::stamp(&copy), first);
        assert_eq!(a.add(b"foo", 1), Ok(1));
        assert_ne!(BoxedValue::stamp(&a), first);
    }
}
