//! Packing while data is loaded, because nothing is evicted then: data that fits into `maxmemory`
//! only if it is packed is packed on its way in.
//!
//!     below half of the start     nothing happens
//!     from there on               a walk over what is loaded so far finds samples, and the thread
//!                                 trains a dictionary, before it is needed
//!     above the start             new strings go to the thread as they are loaded, and the walk
//!                                 collects those that were loaded before
//!     at the limit                the load waits for the thread
//!
//! The start is `compress-start-percent` of `maxmemory`, with `auto` and with `yes`; uses count for
//! nothing, because a file's keys have none yet. Up to [`THREADS_MAX`] threads pack, because the
//! loop has nothing else to do than to wait for them; the load waits also while each has two
//! batches, which bounds their memory. If nothing is left to be packed, the load goes on, whatever
//! memory it takes, as without packing.

use std::time::Duration;

use russet_base::wake::Wake;
use russet_config::Config;
use russet_keyspace::{ColdRule, ColdWalk, Keyspace};

use super::{ColdPacking, IN_FLIGHT_MAX, MemoryState, texts_of};
use crate::process::processors;

/// Threads that pack, at most, and no more than there are processors.
const THREADS_MAX: u32 = 4;

/// Threads that pack here, at most.
fn threads_max() -> u32 {
    processors().min(THREADS_MAX as usize) as u32
}

/// Bytes of the file in a slice of a load that packs.
pub(crate) const SLICE_BYTES: u64 = 128 << 10;

/// How long a slice waits for the thread at a time: the loop serves clients in between.
const WAIT: Duration = Duration::from_millis(5);

/// Steps of the walk between two slices of the load, at most.
const STEPS: usize = 64;

/// This part of the limit is kept free for strings on their way; after growth by as much, the walk
/// begins again.
const SPARE: u64 = 64;

/// The state of packing during a load.
#[derive(Default)]
pub(super) struct LoadPacking {
    walk: ColdWalk,
    /// Used memory when the walk's last round ended; `None`: it is under way.
    rested_at: Option<u64>,
}

/// How a load may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadPace {
    /// As without packing.
    Free,
    /// In slices of [`SLICE_BYTES`].
    Packs,
    /// Not in this turn.
    Waits,
}

impl ColdPacking {
    /// A load begins.
    pub(crate) fn begin_load(&mut self) {
        self.load = LoadPacking::default();
    }

    /// To be called before each slice of a load into `keyspace`: packs what was loaded, and decides
    /// how the load goes on. Waits for the thread for some milliseconds at most.
    pub(crate) fn pace_load(
        &mut self,
        keyspace: &mut Keyspace,
        config: &Config,
        memory: MemoryState,
        mono_ms: u64,
        wake: &Wake,
    ) -> LoadPace {
        if !self.is_on || memory.limit == 0 {
            return LoadPace::Free;
        }
        self.adopt(keyspace, mono_ms);
        let pace = self.load_pace(keyspace, config, memory, mono_ms, wake);
        let collects = pace != LoadPace::Free;
        keyspace.packing.collect(collects.then(|| texts_of(config)));
        if pace == LoadPace::Waits {
            self.reports.wait(WAIT);
        }
        pace
    }

    fn load_pace(
        &mut self,
        keyspace: &mut Keyspace,
        config: &Config,
        memory: MemoryState,
        mono_ms: u64,
        wake: &Wake,
    ) -> LoadPace {
        let start = memory.start(config);
        if self.has_no_thread || memory.used < start / 2 {
            return LoadPace::Free;
        }
        let is_above = memory.used >= start;
        let rule = ColdRule {
            texts: texts_of(config),
            packs: true,
            ..ColdRule::default()
        };
        let spare = memory.limit / SPARE;
        if self
            .load
            .rested_at
            .is_some_and(|at| memory.used >= at + spare)
        {
            self.load = LoadPacking::default();
        }
        if !self.lines.is_ready() {
            self.walk_loaded(keyspace, &rule, memory, mono_ms, wake);
            return if self.lines.awaits_common() && is_above {
                LoadPace::Waits
            } else {
                LoadPace::Free
            };
        }
        if !is_above {
            return LoadPace::Free;
        }
        if self.in_flight >= IN_FLIGHT_MAX * threads_max() {
            return LoadPace::Waits;
        }
        if let Some(batch) = keyspace.packing.take_collected() {
            batch.distribute(&mut self.lines);
            self.lines.settle();
        }
        self.walk_loaded(keyspace, &rule, memory, mono_ms, wake);
        let is_full = memory.used + spare >= memory.limit;
        // The walk goes on before the load does.
        let may_shrink = self.in_flight > 0 || self.load.rested_at.is_none();
        if is_full && may_shrink && !self.has_no_thread {
            LoadPace::Waits
        } else {
            LoadPace::Packs
        }
    }

    /// Continues the walk over what is loaded, as long as the thread keeps up.
    fn walk_loaded(
        &mut self,
        keyspace: &mut Keyspace,
        rule: &ColdRule,
        memory: MemoryState,
        mono_ms: u64,
        wake: &Wake,
    ) {
        for _ in 0..STEPS {
            self.send_orders(keyspace, threads_max(), mono_ms, wake);
            let is_held = self.lines.is_flushing() || self.lines.awaits_common();
            if is_held
                || self.load.rested_at.is_some()
                || self.in_flight >= IN_FLIGHT_MAX * threads_max()
            {
                return;
            }
            let step = keyspace.gather_cold(&mut self.load.walk, rule, &mut self.lines);
            self.lines.settle();
            if step.is_round {
                self.lines.end_round(mono_ms);
                self.load.rested_at = Some(memory.used);
            }
        }
    }
}
