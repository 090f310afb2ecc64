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
//! A turn becomes longer by at most [`SLICE_US_MAX`] plus the last step of a slice. Which blocks a
//! slice may move, and why moving is safe: `keyspace::passes::defrag`.
//!
//! While a child saves nothing is moved: each page written would be copied.
//!
//! The walk needs the keyspace, the scripts and the channels, so `maintenance::defrag` makes its
//! steps; this type decides when a slice is due, and its length.

pub mod cache;
pub mod share;
pub mod walk;

use self::cache::Cache;
use self::share::{Fragmentation, SLICE_US_MAX, fragmentation, share, slice_us};
use self::walk::{Slice, WalkStage, Work};

use russet_base::clock::Cycles;
use russet_base::{clock, memory::alloc};
use russet_config::Config;

/// The share of time for defragmentation while clients are served, percent.
const BUSY_PERCENT: u32 = 4;
/// A larger debt of time is forfeited: a long command does not cause a long slice.
const OWED_US_MAX: u64 = 2_000;
/// Slices while data is loaded, when no client is served, are long but rare.
const LOADING_SLICE_US_MAX: u64 = 10_000;
/// Clients count as served for this many microseconds after a command.
const SERVED_US: u64 = 10_000;
/// A server without a command for this many milliseconds is idle.
const IDLE_MS: u64 = 300;
/// Unused bytes that are worth defragmenting when idle.
const IDLE_IGNORE_BYTES: u64 = 2 << 20;
/// Interval between checks of the fragmentation, milliseconds.
const LOOK_MS: u64 = 1000;
/// The interval is shorter while data is loaded: a load is short.
const LOADING_LOOK_MS: u64 = 100;
/// A walk is futile if it frees less than `1/GAIN_PART` of the unused bytes and moves less than
/// `1/MOVED_PART` of the blocks offered to it.
const GAIN_PART: usize = 20;
const MOVED_PART: u64 = 50;
/// Defragmentation stops when fragmentation is at the starting threshold divided by this, so that
/// it does not soon start again.
const ENOUGH_PART: f64 = 3.0;
/// Delay after a futile walk, milliseconds; doubles with each further futile walk.
const RETRY_MS: u64 = 10_000;
const RETRY_MS_MAX: u64 = 640_000;

/// The figures for INFO.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub hits: u64,
    pub misses: u64,
    pub key_hits: u64,
    pub key_misses: u64,
    /// Time spent running, in total, milliseconds.
    pub total_ms: u64,
    /// Time spent in the current run, milliseconds.
    pub current_ms: u64,
}

/// See the module.
#[derive(Default)]
pub struct Defrag {
    pub cache: Cache,
    work: Option<Box<Work>>,
    /// The current share of time, percent; 0: not running.
    percent: u32,
    /// Unspent time, in hundredths of microseconds.
    owed: u64,
    /// When time was last credited, ticks of the cycle counter, and the commands until then.
    asked: u64,
    commands: u64,
    /// When commands ran last, ticks.
    served: u64,
    /// Defragmentation waits until commands stop coming; cron checks for that.
    waits: bool,
    look_due_ms: u64,
    /// The settings have changed: its share is recomputed, and may also fall.
    changed: bool,
    /// After a futile walk: rests until this time, and until there are more unused bytes than this.
    rests_until_ms: u64,
    rests_below: usize,
    rest_ms: u64,
    began_ms: u64,
    figures: Figures,
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
    pub fn settings_changed(&mut self, config: &Config, now_ms: u64) {
        self.changed = true;
        self.look_due_ms = 0;
        (self.rests_until_ms, self.rest_ms) = (0, 0);
        if !config.activedefrag {
            self.stop(now_ms);
        }
    }

    fn stop(&mut self, now_ms: u64) {
        if self.percent > 0 {
            self.figures.total_ms += now_ms.saturating_sub(self.began_ms);
        }
        (self.percent, self.owed) = (0, 0);
        self.work = None;
    }

    // --- when it runs ---

    /// Checks the fragmentation, once a second or when settings have changed.
    pub fn check_fragmentation(&mut self, config: &Config, now_ms: u64) {
        if now_ms < self.look_due_ms {
            return;
        }
        let is_idle = config.active_defrag_idle && self.cache.idle_ms(now_ms) >= IDLE_MS;
        if !config.activedefrag && !is_idle {
            return;
        }
        self.look_due_ms = now_ms + LOOK_MS;
        let Some(found) = fragmentation() else { return };
        if self.percent == 0 {
            let little = found.bytes as u64;
            let ignored = config.active_defrag_ignore_bytes;
            let ignored = if is_idle {
                ignored.min(IDLE_IGNORE_BYTES)
            } else {
                ignored
            };
            let little =
                little < ignored || found.percent < f64::from(config.active_defrag_threshold_lower);
            let rests = now_ms < self.rests_until_ms && found.bytes < self.rests_below;
            if little || rests {
                return;
            }
            tracing::debug!(
                "Active defragmentation begins: {} bytes of small slabs are unused, {:.0}%",
                found.bytes,
                found.percent
            );
            self.begin(found, config, now_ms);
        }
        // A walk keeps its speed: fragmentation falls because of the walk itself.
        let share = share(config, found.percent);
        if self.changed || share > self.percent {
            self.percent = share;
        }
        self.changed = false;
    }

    /// As [`Defrag::check_fragmentation`], while data is loaded; `now_ms` is the current time,
    /// which the loop does not keep meanwhile.
    pub(crate) fn check_while_loading(&mut self, config: &Config, now_ms: u64) {
        self.look_due_ms = self.look_due_ms.min(now_ms + LOADING_LOOK_MS);
        self.check_fragmentation(config, now_ms);
    }

    fn begin(&mut self, found: Fragmentation, config: &Config, now_ms: u64) {
        // Blocks in the thread's cache would pin their slabs.
        let _ = alloc::perform(c"thread.tcache.flush");
        if self.percent == 0 {
            self.percent = share(config, found.percent);
            self.began_ms = now_ms;
            (self.asked, self.owed) = (clock::cycles(), 0);
        }
        self.work = Some(Box::new(Work::new(found.bytes)));
    }

    /// Starts another walk, or stops: little is left to gain, or the walk was futile.
    fn end_of_walk(&mut self, work: &Work, config: &Config, now_ms: u64) {
        let Some(found) = alloc::fresh_totals().and_then(|_| fragmentation()) else {
            return self.stop(now_ms);
        };
        let lower = f64::from(config.active_defrag_threshold_lower);
        let enough = found.percent < lower / ENOUGH_PART;
        let gained = work.unused.saturating_sub(found.bytes);
        // Without `activedefrag` every walk must pay.
        let moved_few = !config.activedefrag || work.moved < work.offered / MOVED_PART;
        let futile = gained < work.unused / GAIN_PART && moved_few;
        if !enough && !futile {
            return self.begin(found, config, now_ms);
        }
        self.rest_ms = if futile {
            (2 * self.rest_ms).clamp(RETRY_MS, RETRY_MS_MAX)
        } else {
            0
        };
        if futile {
            self.rests_until_ms = now_ms + self.rest_ms;
            self.rests_below = found.bytes + found.bytes / 8 + (1 << 20);
        }
        let (hits, ms) = (self.figures.hits, now_ms.saturating_sub(self.began_ms));
        tracing::debug!(
            "Active defragmentation ends after {ms} ms: {hits} blocks moved so far, {} bytes of \
             small slabs unused, {:.0}%",
            found.bytes,
            found.percent
        );
        self.stop(now_ms);
        self.look_due_ms = now_ms + LOOK_MS;
    }

    // --- how long ---

    /// After a turn: ticks that a slice may take now; `None`: none is owed. `commands`: how many
    /// have run so far.
    #[inline]
    #[must_use]
    pub fn due(&mut self, commands: u64, config: &Config, cycles: &Cycles) -> Option<u64> {
        if self.percent == 0 {
            return None;
        }
        let now = clock::cycles();
        if std::mem::replace(&mut self.commands, commands) != commands {
            self.served = now;
        }
        let idle_us = cycles.micros(now.wrapping_sub(self.served));
        let percent = if idle_us < SERVED_US {
            self.busy_percent(config)
        } else {
            self.idle_percent(config)
        };
        self.waits = percent == 0;
        self.earn(cycles, percent, SLICE_US_MAX);
        self.allowance(cycles, slice_us(config), SLICE_US_MAX)
    }

    /// Ticks that a slice may take while data is loaded and no client is served.
    #[must_use]
    pub(crate) fn due_while_loading(&mut self, cycles: &Cycles) -> Option<u64> {
        if self.percent == 0 {
            return None;
        }
        self.earn(cycles, self.percent, LOADING_SLICE_US_MAX);
        self.allowance(cycles, SLICE_US_MAX, LOADING_SLICE_US_MAX)
    }

    /// Drops the unspent time, because nothing may be moved now.
    pub(crate) fn forfeit(&mut self) {
        self.owed = 0;
    }

    /// Begins a slice of so many ticks; the caller makes its steps and ends it.
    pub(crate) fn begin_slice(&mut self, ticks: u64, config: &Config) -> Option<Slice> {
        let elements_max = config.active_defrag_max_scan_fields as usize;
        let work = self.work.take()?;
        Some(Slice::begin(work, ticks, elements_max))
    }

    /// Returns how long the slice took, microseconds.
    pub fn end_slice(
        &mut self,
        slice: Slice,
        config: &Config,
        cycles: &Cycles,
        now_ms: u64,
    ) -> u64 {
        let Slice {
            mut work, began, ..
        } = slice;
        let moved = std::mem::take(&mut work.walk.mover.moved);
        let left = std::mem::take(&mut work.walk.mover.left);
        work.moved += moved;
        work.offered += moved + left;
        self.figures.hits += moved;
        self.figures.misses += left;
        self.figures.key_hits += std::mem::take(&mut work.walk.keys_moved);
        self.figures.key_misses += std::mem::take(&mut work.walk.keys_left);
        match work.stage {
            WalkStage::Done => self.end_of_walk(&work, config, now_ms),
            _ => self.work = Some(work),
        }
        let took_us = cycles.micros(clock::cycles().wrapping_sub(began));
        self.owed = self.owed.saturating_sub(took_us * 100);
        took_us
    }

    /// Adds the share of the time since the last call to the unspent time.
    fn earn(&mut self, cycles: &Cycles, percent: u32, most_us: u64) {
        let now = clock::cycles();
        let passed_us = cycles.micros(now.wrapping_sub(self.asked));
        self.asked = now;
        let owed_max = OWED_US_MAX.max(most_us) * 100;
        self.owed = (self.owed + passed_us * u64::from(percent)).min(owed_max);
    }

    /// Ticks that a slice may take now; `None`: the unspent time is less than a slice.
    fn allowance(&self, cycles: &Cycles, slice_us: u64, most_us: u64) -> Option<u64> {
        let owed_us = self.owed / 100;
        (owed_us >= slice_us).then(|| cycles.ticks(owed_us.min(most_us) * 1000))
    }

    /// Milliseconds until a slice is owed if no command comes; `None`: it is not running.
    pub(crate) fn due_in_ms(&self, config: &Config) -> Option<u64> {
        if self.percent == 0 || self.waits {
            return None;
        }
        let missing = (slice_us(config) * 100).saturating_sub(self.owed);
        Some((missing / u64::from(self.idle_percent(config))).div_ceil(1000))
    }

    /// The share of the time while no command comes.
    fn idle_percent(&self, config: &Config) -> u32 {
        self.percent.max(config.active_defrag_cycle_max)
    }

    /// The share of the time while commands come.
    fn busy_percent(&self, config: &Config) -> u32 {
        if config.activedefrag {
            self.percent
                .min(BUSY_PERCENT.max(config.active_defrag_cycle_min))
        } else {
            0
        }
    }
}
