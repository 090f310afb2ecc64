//! A walk over everything that defragmentation may move: the position of the walk, and the bytes
//! gained so far.

use russet_base::clock;
use russet_base::memory::mover::Mover;
use russet_keyspace::Walk;
use russet_pubsub as pubsub;

/// Slices between two counts of the slabs.
const REFRESH_SLICES: u32 = 4;

/// The stage of a walk.
#[derive(Clone, Copy, Debug)]
pub enum WalkStage {
    Keys,
    Scripts(usize),
    Channels(pubsub::Bucket),
    Done,
}

/// A walk over all stages.
pub struct Work {
    pub walk: Walk,
    pub(crate) stage: WalkStage,
    /// Unused bytes when the walk began.
    pub(super) unused: usize,
    slices: u32,
    /// Blocks moved so far, and blocks offered.
    pub(super) moved: u64,
    pub(super) offered: u64,
}

impl Work {
    pub(super) fn new(unused: usize) -> Work {
        Work {
            walk: Walk::new(Mover::new()),
            stage: WalkStage::Keys,
            unused,
            slices: 0,
            moved: 0,
            offered: 0,
        }
    }
}

/// A slice of a walk: it holds the walk while others work with all of the server.
#[must_use]
pub struct Slice {
    pub work: Box<Work>,
    pub(super) began: u64,
    /// How long the slice may take, ticks of the cycle counter.
    ticks: u64,
}

impl Slice {
    /// `elements_max`: the elements of a container per step.
    pub(super) fn begin(mut work: Box<Work>, ticks: u64, elements_max: usize) -> Slice {
        let began = clock::cycles();
        if work.slices.is_multiple_of(REFRESH_SLICES) {
            work.walk.mover.refresh();
        }
        work.slices = work.slices.wrapping_add(1);
        work.walk.elements_max = elements_max;
        Slice { work, began, ticks }
    }

    /// Whether the slice's time is up.
    #[inline]
    pub fn is_over(&self) -> bool {
        clock::cycles().wrapping_sub(self.began) >= self.ticks
    }
}
