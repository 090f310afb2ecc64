//! Active defragmentation: when it runs, and how much of the time it takes.
//!
//!     once a second     fragmentation of the small slabs: `active-defrag-ignore-bytes` and
//!                       `-threshold-lower` start it, `-threshold-upper` speeds it up
//!     while it runs     its share of the elapsed time (`-cycle-min` to `-cycle-max` percent), in
//!                       slices of `active-defrag-cycle-us` after the replies of a turn
//!     keys, scripts,    one after the other; then again as long as a walk gains something and
//!     channels          fragmentation is above a third of the lower threshold
//!
//! Clients keep most of the time: while commands come ([`SERVED_US`]) it takes at most
//! [`BUSY_PERCENT`], or `-cycle-min` if that is more; while none come it takes `-cycle-max`.
//!
//! With `active-defrag-idle` (the default) an idle server is defragmented even without
//! `activedefrag`, from [`IDLE_IGNORE_BYTES`] on: it starts when no command has come for
//! [`IDLE_MS`], and without `activedefrag` it takes no time while commands come.
//!
//! A turn becomes longer by at most [`SLICE_US_MAX`] plus the last step of a slice. What it may
//! move, and why that is safe: `keyspace::defrag`.
//!
//! While a child saves nothing is moved: each page written would be copied.

/// Its share of time while clients are served, percent.
const BUSY_PERCENT: u32 = 4;

/// A larger debt of time is forfeited: a long command does not cause a long slice.
const OWED_US_MAX: u64 = 2_000;

pub mod cache;
pub mod share;

use self::cache::Cache;
use self::share::{Fragmentation, share, slice_us};
use crate::pubsub;

use crate::base::mover::Mover;
use crate::base::{alloc, clock};
use crate::config::Config;
use crate::keyspace::Walk;

/// The figures for INFO.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub hits: u64,
    pub misses: u64,
    pub key_hits: u64,
    pub key_misses: u64,
    /// Time spent running, in total, milliseconds.
    pub total_ms: u64,
    /// The same of the current run.
    pub current_ms: u64,
}

/// What is being walked.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) enum Stage {
    Keys,
    Scripts(usize),
    Channels(pubsub::Bucket),
    Done,
}

/// A walk over all stages.
pub(in crate::server) struct Work {
    pub(in crate::server) walk: Walk,
    pub(in crate::server) stage: Stage,
    /// Unused bytes when it began.
    pub(in crate::server) unused: usize,
    pub(in crate::server) slices: u32,
    /// Blocks moved so far, and blocks offered.
    pub(in crate::server) moved: u64,
    pub(in crate::server) offered: u64,
}

/// See the module.
#[derive(Default)]
pub struct Defrag {
    pub(in crate::server) cache: Cache,
    pub(in crate::server) work: Option<Box<Work>>,
    /// Its share of the time, percent; 0: it is not running.
    pub(in crate::server) percent: u32,
    /// Time owed to it, in hundredths of microseconds.
    pub(in crate::server) owed: u64,
    /// When time was last credited, ticks of the cycle counter, and the commands until then.
    asked: u64,
    pub(in crate::server) commands: u64,
    /// When commands ran last, ticks.
    pub(in crate::server) served: u64,
    /// It takes no time until commands stop coming: cron checks for that.
    pub(in crate::server) waits: bool,
    pub(in crate::server) look_due_ms: u64,
    /// The settings have changed: its share is recomputed, and may also fall.
    pub(in crate::server) changed: bool,
    /// After a futile walk: rests until this time, and until there are more unused bytes than this.
    pub(in crate::server) rests_until_ms: u64,
    pub(in crate::server) rests_below: usize,
    pub(in crate::server) rest_ms: u64,
    pub(in crate::server) began_ms: u64,
    pub(in crate::server) figures: Figures,
}

impl Defrag {
    /// `active_defrag_running`: its share of the time, percent.
    pub fn running(&self) -> u32 {
        self.percent
    }

    pub fn figures(&self, now_ms: u64) -> Figures {
        let current_ms = match self.percent {
            0 => 0,
            _ => now_ms.saturating_sub(self.began_ms),
        };
        Figures {
            current_ms,
            total_ms: self.figures.total_ms + current_ms,
            ..self.figures
        }
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&mut self, now_ms: u64) {
        self.figures = Figures::default();
        self.began_ms = now_ms;
    }

    /// CONFIG SET of anything.
    pub(in crate::server) fn settings_changed(&mut self, config: &Config, now_ms: u64) {
        self.changed = true;
        self.look_due_ms = 0;
        (self.rests_until_ms, self.rest_ms) = (0, 0);
        if !config.activedefrag {
            self.stop(now_ms);
        }
    }

    pub(in crate::server) fn stop(&mut self, now_ms: u64) {
        if self.percent > 0 {
            self.figures.total_ms += now_ms.saturating_sub(self.began_ms);
        }
        (self.percent, self.owed) = (0, 0);
        self.work = None;
    }

    /// Credits its share of the time since the last call.
    pub(in crate::server) fn earn(&mut self, cycles: &clock::Cycles, percent: u32, most_us: u64) {
        let now = clock::cycles();
        let passed_us = cycles.micros(now.wrapping_sub(self.asked));
        self.asked = now;
        let owed_max = OWED_US_MAX.max(most_us) * 100;
        self.owed = (self.owed + passed_us * u64::from(percent)).min(owed_max);
    }

    /// Ticks that it may take now; `None`: less than a slice is owed.
    pub(in crate::server) fn allowance(
        &self,
        cycles: &clock::Cycles,
        slice_us: u64,
        most_us: u64,
    ) -> Option<u64> {
        let owed_us = self.owed / 100;
        (owed_us >= slice_us).then(|| cycles.ticks(owed_us.min(most_us) * 1000))
    }

    /// Milliseconds until a slice is owed if no command comes; `None`: it is not running.
    pub(in crate::server) fn due_in_ms(&self, config: &Config) -> Option<u64> {
        if self.percent == 0 || self.waits {
            return None;
        }
        let missing = (slice_us(config) * 100).saturating_sub(self.owed);
        Some((missing / u64::from(self.idle_percent(config))).div_ceil(1000))
    }

    /// Its share of the time while no command comes.
    pub(in crate::server) fn idle_percent(&self, config: &Config) -> u32 {
        self.percent.max(config.active_defrag_cycle_max)
    }

    /// Its share of the time while commands come.
    pub(in crate::server) fn busy_percent(&self, config: &Config) -> u32 {
        match config.activedefrag {
            true => self
                .percent
                .min(BUSY_PERCENT.max(config.active_defrag_cycle_min)),
            false => 0,
        }
    }
}

impl Defrag {
    /// Starts a walk.
    pub(in crate::server) fn begin(&mut self, found: Fragmentation, config: &Config, now_ms: u64) {
        // Blocks cached there would pin their slabs.
        let _ = alloc::perform(c"thread.tcache.flush");
        if self.percent == 0 {
            self.percent = share(config, found.percent);
            self.began_ms = now_ms;
            (self.asked, self.owed) = (clock::cycles(), 0);
        }
        self.work = Some(Box::new(Work {
            walk: Walk::new(Mover::new()),
            stage: Stage::Keys,
            unused: found.bytes,
            slices: 0,
            moved: 0,
            offered: 0,
        }));
    }
}
