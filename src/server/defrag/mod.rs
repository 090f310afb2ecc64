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

mod cache;
mod share;

use self::cache::Cache;
use self::share::{Fragmentation, SLICE_US_MAX, fragmentation, share, slice_us};
use super::{Engine, Server};
use crate::base::mover::Mover;
use crate::base::{alloc, clock};
use crate::config::Config;
use crate::keyspace::{Keyspace, Walk};
use crate::pubsub;
use crate::scripting::Scripts;

/// Slices while data is loaded, when no client is served, are long but rare.
const LOADING_SLICE_US_MAX: u64 = 10_000;
/// A larger debt of time is forfeited: a long command does not cause a long slice.
const OWED_US_MAX: u64 = 2_000;
/// Its share of time while clients are served, percent.
const BUSY_PERCENT: u32 = 4;
/// Clients count as served for this many microseconds after a command.
const SERVED_US: u64 = 10_000;
/// A server without a command for this many milliseconds is idle.
const IDLE_MS: u64 = 300;
/// Unused bytes that are worth defragmenting when idle.
const IDLE_IGNORE_BYTES: u64 = 2 << 20;
/// Interval between checks of the fragmentation, milliseconds.
const LOOK_MS: u64 = 1000;
/// Slices between two counts of the slabs.
const REFRESH_SLICES: u32 = 4;
/// A walk is futile if it frees less than one part in `GAIN_PART` of the unused bytes and moves
/// less than one part in `MOVED_PART` of the blocks offered.
const GAIN_PART: usize = 20;
const MOVED_PART: u64 = 50;
/// The interval is shorter while data is loaded: a load is short.
const LOADING_LOOK_MS: u64 = 100;
/// It stops at this part of the threshold at which it starts, so that it does not soon start again.
const ENOUGH_PART: f64 = 3.0;
/// Delay of the next attempt after a futile one, milliseconds; doubles each time.
const RETRY_MS: u64 = 10_000;
const RETRY_MS_MAX: u64 = 640_000;
/// Scripts or channels per step.
const NAMES_STEP: usize = 64;

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
enum Stage {
    Keys,
    Scripts(usize),
    Channels(pubsub::Bucket),
    Done,
}

/// A walk over all stages.
struct Work {
    walk: Walk,
    stage: Stage,
    /// Unused bytes when it began.
    unused: usize,
    slices: u32,
    /// Blocks moved so far, and blocks offered.
    moved: u64,
    offered: u64,
}

/// See the module.
#[derive(Default)]
pub struct Defrag {
    cache: Cache,
    work: Option<Box<Work>>,
    /// Its share of the time, percent; 0: it is not running.
    percent: u32,
    /// Time owed to it, in hundredths of microseconds.
    owed: u64,
    /// When time was last credited, ticks of the cycle counter, and the commands until then.
    asked: u64,
    commands: u64,
    /// When commands ran last, ticks.
    served: u64,
    /// It takes no time until commands stop coming: cron checks for that.
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
    pub(super) fn settings_changed(&mut self, config: &Config, now_ms: u64) {
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

    /// Credits its share of the time since the last call.
    fn earn(&mut self, cycles: &clock::Cycles, percent: u32, most_us: u64) {
        let now = clock::cycles();
        let passed_us = cycles.micros(now.wrapping_sub(self.asked));
        self.asked = now;
        let owed_max = OWED_US_MAX.max(most_us) * 100;
        self.owed = (self.owed + passed_us * u64::from(percent)).min(owed_max);
    }

    /// Ticks that it may take now; `None`: less than a slice is owed.
    fn allowance(&self, cycles: &clock::Cycles, slice_us: u64, most_us: u64) -> Option<u64> {
        let owed_us = self.owed / 100;
        (owed_us >= slice_us).then(|| cycles.ticks(owed_us.min(most_us) * 1000))
    }

    /// Milliseconds until a slice is owed if no command comes; `None`: it is not running.
    pub(super) fn due_in_ms(&self, config: &Config) -> Option<u64> {
        if self.percent == 0 || self.waits {
            return None;
        }
        let missing = (slice_us(config) * 100).saturating_sub(self.owed);
        Some((missing / u64::from(self.idle_percent(config))).div_ceil(1000))
    }

    /// Its share of the time while no command comes.
    fn idle_percent(&self, config: &Config) -> u32 {
        self.percent.max(config.active_defrag_cycle_max)
    }

    /// Its share of the time while commands come.
    fn busy_percent(&self, config: &Config) -> u32 {
        match config.activedefrag {
            true => self
                .percent
                .min(BUSY_PERCENT.max(config.active_defrag_cycle_min)),
            false => 0,
        }
    }
}

impl Server {
    /// Checks the fragmentation, once a second or when settings have changed.
    pub(super) fn look_at_fragmentation(&mut self, now_ms: u64) {
        let (config, defrag) = (&self.config, &mut self.defrag);
        if now_ms < defrag.look_due_ms {
            return;
        }
        let is_idle = config.active_defrag_idle && defrag.cache.idle_ms(now_ms) >= IDLE_MS;
        if !config.activedefrag && !is_idle {
            return;
        }
        defrag.look_due_ms = now_ms + LOOK_MS;
        let Some(found) = fragmentation() else { return };
        if defrag.percent == 0 {
            let little = found.bytes as u64;
            let ignored = config.active_defrag_ignore_bytes;
            let ignored = match is_idle {
                true => ignored.min(IDLE_IGNORE_BYTES),
                false => ignored,
            };
            let little =
                little < ignored || found.percent < f64::from(config.active_defrag_threshold_lower);
            let rests = now_ms < defrag.rests_until_ms && found.bytes < defrag.rests_below;
            if little || rests {
                return;
            }
            tracing::debug!(
                "Active defragmentation begins: {} bytes of small slabs are unused, {:.0}%",
                found.bytes,
                found.percent
            );
            defrag.begin(found, config, now_ms);
        }
        // A walk keeps its speed: fragmentation falls because of the walk itself.
        let share = share(config, found.percent);
        if defrag.changed || share > defrag.percent {
            defrag.percent = share;
        }
        defrag.changed = false;
    }

    /// Defragments after a turn if a slice is owed.
    pub(super) fn defrag_on(&mut self, keyspace: &mut Keyspace) {
        let defrag = &mut self.defrag;
        if defrag.percent == 0 {
            return;
        }
        let commands = self.stats.commands;
        let now = clock::cycles();
        if std::mem::replace(&mut defrag.commands, commands) != commands {
            defrag.served = now;
        }
        let idle_us = self.cycles.micros(now.wrapping_sub(defrag.served));
        let percent = match idle_us < SERVED_US {
            true => defrag.busy_percent(&self.config),
            false => defrag.idle_percent(&self.config),
        };
        defrag.waits = percent == 0;
        defrag.earn(&self.cycles, percent, SLICE_US_MAX);
        self.defrag_slice(keyspace, slice_us(&self.config), SLICE_US_MAX);
    }

    /// Defragments while data is loaded and no client is served.
    pub(super) fn defrag_while_loading(&mut self, keyspace: &mut Keyspace) {
        if self.config.activedefrag {
            let now_ms = self.identity.started.elapsed().as_millis() as u64;
            self.defrag.look_due_ms = self.defrag.look_due_ms.min(now_ms + LOADING_LOOK_MS);
            self.look_at_fragmentation(now_ms);
        }
        if self.defrag.percent > 0 {
            let percent = self.defrag.percent;
            self.defrag
                .earn(&self.cycles, percent, LOADING_SLICE_US_MAX);
            self.defrag_slice(keyspace, SLICE_US_MAX, LOADING_SLICE_US_MAX);
        }
    }

    #[cold]
    fn defrag_slice(&mut self, keyspace: &mut Keyspace, least_us: u64, most_us: u64) {
        let Some(ticks) = self.defrag.allowance(&self.cycles, least_us, most_us) else {
            return;
        };
        if self.snapshots.child_progress().is_some() {
            self.defrag.owed = 0;
            return;
        }
        let Some(mut work) = self.defrag.work.take() else {
            return;
        };
        let began = clock::cycles();
        if work.slices.is_multiple_of(REFRESH_SLICES) {
            work.walk.mover.refresh();
        }
        work.slices = work.slices.wrapping_add(1);
        work.walk.elements_max = self.config.active_defrag_max_scan_fields as usize;
        while self.defrag_step(keyspace, &mut work) {
            if clock::cycles().wrapping_sub(began) >= ticks {
                break;
            }
        }
        let moved = std::mem::take(&mut work.walk.mover.moved);
        let left = std::mem::take(&mut work.walk.mover.left);
        work.moved += moved;
        work.offered += moved + left;
        let figures = &mut self.defrag.figures;
        figures.hits += moved;
        figures.misses += left;
        figures.key_hits += std::mem::take(&mut work.walk.keys_moved);
        figures.key_misses += std::mem::take(&mut work.walk.keys_left);
        match work.stage {
            Stage::Done => self.end_of_walk(&work),
            _ => self.defrag.work = Some(work),
        }
        let defrag = &mut self.defrag;
        let took_us = self.cycles.micros(clock::cycles().wrapping_sub(began));
        defrag.owed = defrag.owed.saturating_sub(took_us * 100);
        self.diagnostics
            .latency
            .add_if_slow("active-defrag-cycle", took_us / 1000);
    }

    /// One step; `false`: everything has been offered.
    fn defrag_step(&mut self, keyspace: &mut Keyspace, work: &mut Work) -> bool {
        let mover = &mut work.walk.mover;
        work.stage = match work.stage {
            Stage::Keys => match keyspace.relocate_step(&mut work.walk) {
                true => Stage::Keys,
                false => Stage::Scripts(0),
            },
            Stage::Scripts(at) => {
                let scripts: &mut Scripts = &mut self.scripting.scripts;
                match scripts.relocate(mover, at, NAMES_STEP) {
                    Some(next) => Stage::Scripts(next),
                    None => Stage::Channels(pubsub::Bucket::default()),
                }
            }
            Stage::Channels(at) => match self.move_channels(mover, at, NAMES_STEP) {
                Some(next) => Stage::Channels(next),
                None => Stage::Done,
            },
            Stage::Done => return false,
        };
        true
    }

    /// Starts another walk, or stops: little is left to gain, or the walk was futile.
    fn end_of_walk(&mut self, work: &Work) {
        let now_ms = self.now.mono_ms;
        let (config, defrag) = (&self.config, &mut self.defrag);
        let Some(found) = alloc::fresh_totals().and_then(|_| fragmentation()) else {
            return defrag.stop(now_ms);
        };
        let lower = f64::from(config.active_defrag_threshold_lower);
        let enough = found.percent < lower / ENOUGH_PART;
        let gained = work.unused.saturating_sub(found.bytes);
        // Without `activedefrag` every walk must pay.
        let moved_few = !config.activedefrag || work.moved < work.offered / MOVED_PART;
        let futile = gained < work.unused / GAIN_PART && moved_few;
        if !enough && !futile {
            return defrag.begin(found, config, now_ms);
        }
        defrag.rest_ms = match futile {
            true => (2 * defrag.rest_ms).clamp(RETRY_MS, RETRY_MS_MAX),
            false => 0,
        };
        if futile {
            defrag.rests_until_ms = now_ms + defrag.rest_ms;
            defrag.rests_below = found.bytes + found.bytes / 8 + (1 << 20);
        }
        let (hits, ms) = (defrag.figures.hits, now_ms.saturating_sub(defrag.began_ms));
        tracing::debug!(
            "Active defragmentation ends after {ms} ms: {hits} blocks moved so far, {} bytes of \
             small slabs unused, {:.0}%",
            found.bytes,
            found.percent
        );
        defrag.stop(now_ms);
        defrag.look_due_ms = now_ms + LOOK_MS;
    }
}

impl Server {
    /// Replaces channel names by copies at better places, both at the channel and at each
    /// subscribed client. Returns the next place, `None` at the end.
    fn move_channels(
        &mut self,
        mover: &mut Mover,
        from: pubsub::Bucket,
        n: usize,
    ) -> Option<pubsub::Bucket> {
        let mut renewed = Vec::new();
        let next = self.pubsub.renew(from, n, mover, &mut renewed);
        for name in &renewed {
            for &id in &name.clients {
                let session = self.clients.get_mut(id);
                if let Some(its) = session.and_then(|s| s.client.subscriptions.as_mut()) {
                    its.renew(name.kind, &name.name);
                }
            }
        }
        if !renewed.is_empty() {
            // Freed at once: otherwise the next copies would reuse the places just left.
            drop(renewed);
            let _ = alloc::perform(c"thread.tcache.flush");
        }
        next
    }
}

impl Defrag {
    /// Starts a walk.
    fn begin(&mut self, found: Fragmentation, config: &Config, now_ms: u64) {
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

impl Engine {
    /// See [`Server::defrag_on`].
    pub(super) fn defrag_on(&mut self) {
        let Engine { keyspace, server } = self;
        server.defrag_on(keyspace);
    }
}
