//! The dictionaries of packed values, by the number in a frame's head.
//!
//! The table is one for the process, because values are freed and saved on threads that know no
//! keyspace. A keyspace registers its dictionaries, and keeps an `Arc` of each that it packs with.
//!
//! Invariants
//!   1. Number 0 is the empty dictionary: its frames stand alone.
//!   2. A number is used again only when no keyspace packs with its dictionary, no value has a
//!      frame of it, and no thread reads with it.
//!
//! Cost: a read lock without contention for each frame read or freed, some 20 ns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use russet_base::clock;
use russet_frames::{DamagedFrame, Dictionary};

/// Numbers besides the empty dictionary's.
pub const DICTIONARIES_MAX: usize = 255;

type Slots = [Option<Arc<PackDictionary>>; DICTIONARIES_MAX + 1];

static SLOTS: LazyLock<RwLock<Slots>> = LazyLock::new(|| {
    let mut slots = [const { None }; DICTIONARIES_MAX + 1];
    slots[0] = Dictionary::new(b"").ok().map(PackDictionary::numbered(0));
    RwLock::new(slots)
});

/// Frames that did not hold their values, since the start.
static DAMAGED: AtomicU64 = AtomicU64::new(0);

/// A dictionary with its number and the frames of it.
#[derive(Debug)]
pub struct PackDictionary {
    number: u8,
    dictionary: Dictionary,
    frames: AtomicU64,
    frame_bytes: AtomicU64,
    raw_bytes: AtomicU64,
    reads: AtomicU64,
    read_cycles: AtomicU64,
}

/// Figures of the frames of a dictionary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameFigures {
    /// Values that are frames.
    pub frames: u64,
    /// Bytes of the frames with their heads.
    pub frame_bytes: u64,
    /// Bytes of the values.
    pub raw_bytes: u64,
    /// Frames that were read, since the dictionary was made.
    pub reads: u64,
    /// Ticks of the cycle counter that these reads took.
    pub read_cycles: u64,
}

impl PackDictionary {
    fn numbered(number: u8) -> impl FnOnce(Dictionary) -> Arc<PackDictionary> {
        move |dictionary| {
            Arc::new(PackDictionary {
                number,
                dictionary,
                frames: AtomicU64::new(0),
                frame_bytes: AtomicU64::new(0),
                raw_bytes: AtomicU64::new(0),
                reads: AtomicU64::new(0),
                read_cycles: AtomicU64::new(0),
            })
        }
    }

    /// Gives a dictionary a number. `None`: all are in use.
    pub fn register(dictionary: Dictionary) -> Option<Arc<PackDictionary>> {
        let mut slots = SLOTS.write().unwrap_or_else(PoisonError::into_inner);
        let is_free =
            |slot: &Option<Arc<PackDictionary>>| slot.as_ref().is_none_or(|old| old.is_unused());
        let number = (1..=DICTIONARIES_MAX).find(|&number| is_free(&slots[number]))?;
        let registered = PackDictionary::numbered(number as u8)(dictionary);
        slots[number] = Some(registered.clone());
        Some(registered)
    }

    /// The dictionary of a number; `None`: there is none.
    pub fn of(number: u8) -> Option<Arc<PackDictionary>> {
        let slots = SLOTS.read().unwrap_or_else(PoisonError::into_inner);
        slots[usize::from(number)].clone()
    }

    /// Frees the dictionaries that nothing refers to any longer.
    pub fn drop_unused() {
        let mut slots = SLOTS.write().unwrap_or_else(PoisonError::into_inner);
        for slot in &mut slots[1..] {
            slot.take_if(|old| old.is_unused());
        }
    }

    /// Whether the table alone refers to it: the lock is held for writing, so that nothing can
    /// begin to.
    fn is_unused(self: &Arc<PackDictionary>) -> bool {
        Arc::strong_count(self) == 1 && self.frames.load(Ordering::Acquire) == 0
    }

    /// The number in the heads of its frames.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The dictionary itself.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// The figures of its frames. O(1).
    pub fn figures(&self) -> FrameFigures {
        FrameFigures {
            frames: self.frames.load(Ordering::Relaxed),
            frame_bytes: self.frame_bytes.load(Ordering::Relaxed),
            raw_bytes: self.raw_bytes.load(Ordering::Relaxed),
            reads: self.reads.load(Ordering::Relaxed),
            read_cycles: self.read_cycles.load(Ordering::Relaxed),
        }
    }

    /// Reads a frame; see [`Dictionary::unpack`].
    pub(crate) fn unpack(
        &self,
        frame: &[u8],
        raw_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DamagedFrame> {
        let began = clock::cycles();
        let unpacked = self.dictionary.unpack(frame, raw_len, out);
        let took = clock::cycles().wrapping_sub(began);
        self.read_cycles.fetch_add(took, Ordering::Relaxed);
        self.reads.fetch_add(1, Ordering::Relaxed);
        unpacked
    }

    /// A value is a frame of it from now on.
    pub(crate) fn add(&self, frame_bytes: usize, raw_bytes: usize) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.frame_bytes
            .fetch_add(frame_bytes as u64, Ordering::Relaxed);
        self.raw_bytes
            .fetch_add(raw_bytes as u64, Ordering::Relaxed);
    }

    /// The counterpart of [`PackDictionary::add`], on any thread.
    pub(crate) fn subtract(&self, frame_bytes: usize, raw_bytes: usize) {
        self.frame_bytes
            .fetch_sub(frame_bytes as u64, Ordering::Relaxed);
        self.raw_bytes
            .fetch_sub(raw_bytes as u64, Ordering::Relaxed);
        self.frames.fetch_sub(1, Ordering::Release);
    }
}

/// A frame did not hold its value.
#[cold]
pub(super) fn count_damaged() {
    DAMAGED.fetch_add(1, Ordering::Relaxed);
}

/// Frames that did not hold their values, since the start of the process.
pub fn damaged_frames() -> u64 {
    DAMAGED.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_kept_while_a_frame_or_an_owner_refers_to_it() {
        let dictionary = || Dictionary::new(b"").expect("an empty one");
        let first = PackDictionary::register(dictionary()).expect("a number");
        let number = first.number();
        assert_ne!(number, 0);
        first.add(10, 100);
        drop(first);
        PackDictionary::drop_unused();
        let again = PackDictionary::of(number).expect("a frame of it is left");
        let figures = again.figures();
        assert_eq!(
            (figures.frames, figures.frame_bytes, figures.raw_bytes),
            (1, 10, 100)
        );
        again.subtract(10, 100);
        PackDictionary::drop_unused();
        assert!(PackDictionary::of(number).is_some_and(|it| Arc::ptr_eq(&it, &again)));
        let weak = Arc::downgrade(&again);
        drop(again);
        PackDictionary::drop_unused();
        assert!(weak.upgrade().is_none());
        assert_eq!(PackDictionary::of(0).map(|it| it.number()), Some(0));
    }
}
