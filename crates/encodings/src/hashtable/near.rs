//! A record: the earliest expiries of a segment, and the bound of all others.
//!
//! The invariants of a record, and the code that keeps them: `expiry`.

use smallvec::SmallVec;

use super::segment::NO_HORIZON;
use crate::min_tree::NEVER;

/// Most elements in a record: it fills two cache lines.
const NEAR_MAX: usize = 14;
const TAG_BITS: u32 = 15;
/// The last time that a near entry can hold.
pub const TIME_MAX: i64 = (1 << 48) - 1;

/// Time and tag in a single number, ordered by time.
pub(super) type TaggedTime = u64;

pub(super) fn near(when_ms: i64, tag: u64) -> TaggedTime {
    (when_ms.clamp(0, TIME_MAX) as u64) << TAG_BITS | tag
}

fn time_of(near: TaggedTime) -> i64 {
    (near >> TAG_BITS) as i64
}

pub(super) fn tag_of(near: TaggedTime) -> u64 {
    near & ((1 << TAG_BITS) - 1)
}

/// See the module.
#[derive(Clone)]
pub(super) struct Record {
    pub near: [TaggedTime; NEAR_MAX],
    pub far: i64,
    /// The prefix of the record's segment.
    pub prefix: u32,
    pub len: u16,
    /// The number of the segment's table, if tables share their records.
    pub owner: u16,
}

const _: () = assert!(size_of::<Record>() == 128);

impl Record {
    pub const EMPTY: Record = Record {
        near: [0; NEAR_MAX],
        far: NEVER,
        prefix: 0,
        len: 0,
        owner: 0,
    };

    pub fn near(&self) -> &[TaggedTime] {
        &self.near[..self.len as usize]
    }

    /// Records an element with this time and tag.
    pub fn note(&mut self, entry: TaggedTime) {
        if time_of(entry) >= self.far || self.near().contains(&entry) {
            return;
        }
        let len = self.len as usize;
        if len < NEAR_MAX {
            self.near[len] = entry;
            self.len += 1;
            return;
        }
        let latest = (0..NEAR_MAX)
            .max_by_key(|&i| self.near[i])
            .expect("14 entries");
        let dropped = self.near[latest].max(entry);
        self.near[latest] = self.near[latest].min(entry);
        self.far = time_of(dropped);
        // Other elements with the same time are not after `far`, as invariant 2 requires.
    }

    /// Lowers `far`: an element without a near entry may expire then.
    pub(crate) fn lower_far(&mut self, far: i64) {
        self.far = self.far.min(far);
        let mut kept = 0;
        for i in 0..self.len as usize {
            if time_of(self.near[i]) <= self.far {
                self.near[kept] = self.near[i];
                kept += 1;
            }
        }
        self.len = kept as u16;
    }

    /// A lower bound of all expiries.
    pub fn bound(&self) -> i64 {
        self.near()
            .iter()
            .min()
            .map_or(self.far, |&first| time_of(first))
    }

    /// Takes out the tags that are due.
    pub fn take_due(&mut self, now_ms: i64) -> SmallVec<[u64; NEAR_MAX]> {
        let mut tags = SmallVec::new();
        let mut kept = 0;
        for i in 0..self.len as usize {
            let entry = self.near[i];
            if time_of(entry) > now_ms {
                self.near[kept] = entry;
                kept += 1;
            } else if !tags.contains(&tag_of(entry)) {
                tags.push(tag_of(entry));
            }
        }
        self.len = kept as u16;
        tags
    }

    /// `far` in the form of `Header::horizon`: in whole seconds, rounded up.
    pub(crate) fn horizon(&self) -> u32 {
        let seconds = self.far.saturating_add(999) / 1000;
        u32::try_from(seconds).unwrap_or(NO_HORIZON)
    }
}
