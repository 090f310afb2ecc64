//! Active defragmentation at work (`parts::defrag`): its share of a turn, its slices, the end of a
//! walk.

use crate::pubsub;

use crate::base::mover::Mover;
use crate::base::{alloc, clock};
use crate::keyspace::Keyspace;
use crate::scripting::Scripts;
use crate::server::parts::defrag::share::{SLICE_US_MAX, fragmentation, share, slice_us};
use crate::server::parts::defrag::{Stage, Work};
use crate::server::state::Server;
use crate::server::state::world::Engine;

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

impl Server {
    /// Checks the fragmentation, once a second or when settings have changed.
    pub(in crate::server) fn look_at_fragmentation(&mut self, now_ms: u64) {
        let (config, defrag) = (&self.config, &mut self.memory.defrag);
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
    pub(in crate::server) fn defrag_on(&mut self, keyspace: &mut Keyspace) {
        let defrag = &mut self.memory.defrag;
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
    pub(in crate::server) fn defrag_while_loading(&mut self, keyspace: &mut Keyspace) {
        if self.config.activedefrag {
            let now_ms = self.identity.started.elapsed().as_millis() as u64;
            self.memory.defrag.look_due_ms =
                self.memory.defrag.look_due_ms.min(now_ms + LOADING_LOOK_MS);
            self.look_at_fragmentation(now_ms);
        }
        if self.memory.defrag.percent > 0 {
            let percent = self.memory.defrag.percent;
            self.memory
                .defrag
                .earn(&self.cycles, percent, LOADING_SLICE_US_MAX);
            self.defrag_slice(keyspace, SLICE_US_MAX, LOADING_SLICE_US_MAX);
        }
    }

    #[cold]
    fn defrag_slice(&mut self, keyspace: &mut Keyspace, least_us: u64, most_us: u64) {
        let Some(ticks) = self
            .memory
            .defrag
            .allowance(&self.cycles, least_us, most_us)
        else {
            return;
        };
        if self.persist.snapshots.child_progress().is_some() {
            self.memory.defrag.owed = 0;
            return;
        }
        let Some(mut work) = self.memory.defrag.work.take() else {
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
        let figures = &mut self.memory.defrag.figures;
        figures.hits += moved;
        figures.misses += left;
        figures.key_hits += std::mem::take(&mut work.walk.keys_moved);
        figures.key_misses += std::mem::take(&mut work.walk.keys_left);
        match work.stage {
            Stage::Done => self.end_of_walk(&work),
            _ => self.memory.defrag.work = Some(work),
        }
        let defrag = &mut self.memory.defrag;
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
        let (config, defrag) = (&self.config, &mut self.memory.defrag);
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
        let next = self.messages.pubsub.renew(from, n, mover, &mut renewed);
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

impl Engine {
    /// See [`Server::defrag_on`].
    pub(in crate::server) fn defrag_on(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        server.defrag_on(keyspace);
    }
}
