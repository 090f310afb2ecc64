//! When cold strings are packed, and the threads that pack them (`keyspace/passes/cold.rs` has the
//! walk).
//!
//!     compress-values no     nothing happens; packed strings stay packed until they are changed
//!     auto                   only above `compress-start-percent` of `maxmemory`, the oldest first:
//!                            as much as brings memory to [`BELOW_PERCENT`] below that
//!     yes                    what has been idle for `compress-idle-seconds`, at any memory
//!
//! The first texts of the walk train the dictionaries ([`prefixes`]), because a table's order is
//! that of hashes, so they are a fair sample. A round begins a second after the last; a batch of
//! 64 KiB takes the loop some 50 us, at most every [`PAUSE_MS`]. Two batches a thread are under way
//! at most, so the memory of texts on their way is bounded.
//!
//! `auto` packs before keys are evicted. Above the start it has a [`Pressure`]: as memory grows
//! towards the limit, younger strings are cold, batches follow one another without a pause, and a
//! second thread helps. A writer that is faster than the threads gets keys evicted meanwhile.
//!
//! Two bounds keep packing from costing more than it saves:
//!
//!     reads         if unpacking takes more than `compress-cpu-percent` of 10 seconds, the idle
//!                   time doubles, up to [`FACTOR_MAX`] times; below half of that it halves again
//!     promotion     packed strings in use become text again while there is room below the start;
//!                   of memory above it only a part of what packing has saved meanwhile. Rounds
//!                   that follow within a second judge no use, or a single read would count twice
//!
//! While data is loaded, [`loading`] has other bounds.
//!
//! If no thread can start, or all end, packing stops, and reads of packed strings go on.

mod loading;
mod prefixes;
mod pressure;
mod thread;

use std::sync::Arc;

use loading::LoadPacking;
pub(crate) use loading::{LoadPace, SLICE_BYTES};
use prefixes::PrefixLines;
use pressure::Pressure;
use russet_base::wake::Wake;
use russet_config::{CompressValues, Config};
use russet_keyspace::{ColdLimit, ColdRule, ColdWalk, Keyspace, PackDictionary, PackRule};
use thread::{Order, PackThreads, Report, Reports};

/// Batches that are under way at most, for each thread.
const IN_FLIGHT_MAX: u32 = 2;

/// Milliseconds between two batches.
const PAUSE_MS: u64 = 10;

/// Milliseconds between two rounds, and between two looks at memory.
const ROUND_MS: u64 = 1000;

/// `auto` packs until memory is this much below the start, percent of `maxmemory`.
const BELOW_PERCENT: u64 = 5;

/// Under an LFU policy, a counter of at most this number is cold for `yes`.
const USES_COLD: u32 = 1;

/// About what is saved of a packed text's memory, until it is known.
const SAVED_SHARE: f64 = 0.55;

/// Milliseconds over which the time for reads of packed strings is judged.
const JUDGED_MS: u64 = 10_000;

/// The most that the idle time is multiplied by while reads take too long.
const FACTOR_MAX: u32 = 64;

/// Of the bytes that packing saves, one in so many may be given back to strings in use although
/// memory is above the start.
const GIVEN_BACK: u64 = 4;

/// Random keys of which the ages are read to choose an idle time.
const AGES: usize = 400;

/// Figures since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct PackingFigures {
    /// Strings that were packed.
    pub packed: u64,
    /// Strings that would not shrink by an eighth.
    pub refused: u64,
    /// Packed strings that became text because they were read often.
    pub promoted: u64,
    /// Times that the idle time was doubled because reads took too long.
    pub backoffs: u64,
}

/// See the module.
#[derive(Default)]
pub struct ColdPacking {
    threads: Option<PackThreads>,
    reports: Arc<Reports>,
    /// No thread could be started.
    has_no_thread: bool,
    /// `compress-values` is not `no`.
    is_on: bool,
    in_flight: u32,
    walk: ColdWalk,
    lines: PrefixLines,
    /// Strings within this limit are cold, until this monotonic millisecond; `None`: to be chosen.
    cold: Option<(ColdLimit, u64)>,
    pressure: Pressure,
    /// When the next batch may be gathered, monotonic milliseconds.
    due_ms: u64,
    /// When the walk's next round may begin.
    round_due_ms: u64,
    /// When the latest round began that judges uses, and the one before.
    round_ms: u64,
    last_round_ms: u64,
    /// The round is a second or more after the last that judged uses.
    judges_use: bool,
    /// Strings that were packed when the round began.
    round_packed: u64,
    /// Bytes that strings in use may take although memory is above the start.
    promotable_bytes: u64,
    /// MEMORY UNPACK is under way.
    unpacking: Option<ColdWalk>,
    guard: ReadGuard,
    load: LoadPacking,
    pub figures: PackingFigures,
}

/// Bounds the time for reads of packed strings.
#[derive(Clone, Copy, Debug)]
struct ReadGuard {
    since_ms: u64,
    /// Ticks of all reads at `since_ms`.
    cycles: u64,
    /// The idle time is multiplied by this number.
    factor: u32,
}

impl Default for ReadGuard {
    fn default() -> ReadGuard {
        ReadGuard {
            since_ms: 0,
            cycles: 0,
            factor: 1,
        }
    }
}

impl ReadGuard {
    /// Judges the last seconds, if there are enough of them; `micros` converts ticks. `true`: the
    /// idle time is longer from now on.
    fn judge(
        &mut self,
        mono_ms: u64,
        cycles: u64,
        percent_max: u32,
        micros: impl Fn(u64) -> u64,
    ) -> bool {
        let elapsed_ms = mono_ms.saturating_sub(self.since_ms);
        if elapsed_ms < JUDGED_MS {
            return false;
        }
        // A dictionary that is gone takes its ticks along.
        let spent_us = micros(cycles.saturating_sub(self.cycles));
        (self.since_ms, self.cycles) = (mono_ms, cycles);
        // Microseconds of 1000 a millisecond: a tenth of them is percent.
        let percent = spent_us / (elapsed_ms * 10);
        let before = self.factor;
        if percent > u64::from(percent_max) {
            self.factor = (before * 2).min(FACTOR_MAX);
        } else if percent * 2 < u64::from(percent_max) {
            self.factor = (before / 2).max(1);
        }
        self.factor > before
    }
}

/// Memory as packing sees it, bytes.
#[derive(Clone, Copy, Debug)]
pub struct MemoryState {
    pub used: u64,
    /// 0: there is no limit.
    pub limit: u64,
}

impl MemoryState {
    /// The bytes above which `auto` packs.
    fn start(self, config: &Config) -> u64 {
        self.limit / 100 * u64::from(config.compress_start_percent)
    }
}

/// The lengths of strings that are packed.
fn texts_of(config: &Config) -> PackRule {
    PackRule {
        least: config.compress_min_bytes as usize,
        most: config.compress_max_bytes as usize,
        always: false,
    }
}

impl ColdPacking {
    /// The configuration may have changed.
    pub fn settings_changed(&mut self, config: &Config) {
        self.is_on = config.compress_values != CompressValues::No;
        self.has_no_thread = false;
        self.cold = None;
        self.due_ms = 0;
        self.guard.factor = 1;
        self.lines.settings_changed(config);
        if !self.is_on {
            // The threads end; what they have is dropped, because nothing waits for it.
            self.threads = None;
            self.lines.clear();
        } else {
            self.unpacking = None;
        }
    }

    /// Whether there is anything to do in any turn: the only test while packing is off.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.is_on || self.in_flight > 0 || self.unpacking.is_some()
    }

    /// Milliseconds until the loop should go on. `None`: the thread wakes it, or nothing is due.
    pub fn due_in_ms(&self, mono_ms: u64) -> Option<u64> {
        (self.can_gather() || self.unpacking.is_some()).then(|| self.due_ms.saturating_sub(mono_ms))
    }

    fn can_gather(&self) -> bool {
        let has_room = !self.lines.awaits_common() && self.in_flight < self.in_flight_max();
        self.is_on && !self.has_no_thread && has_room
    }

    /// Batches that may be under way.
    fn in_flight_max(&self) -> u32 {
        IN_FLIGHT_MAX * self.pressure.threads()
    }

    /// Whether [`ColdPacking::gather`] would do anything now.
    pub fn is_due(&self, mono_ms: u64) -> bool {
        self.can_gather() && mono_ms >= self.due_ms
    }

    /// Does nothing for a while.
    pub fn rest(&mut self, mono_ms: u64) {
        self.due_ms = mono_ms + ROUND_MS;
    }

    /// Takes in what the thread has done. O(bytes of its batches).
    pub fn adopt(&mut self, keyspace: &mut Keyspace, mono_ms: u64) {
        for report in self.reports.take() {
            self.in_flight = self.in_flight.saturating_sub(1);
            match report {
                Report::Packed(prefix, batch) => {
                    let adopted = keyspace.adopt(&batch);
                    self.figures.packed += adopted.packed;
                    self.figures.refused += adopted.refused;
                    self.promotable_bytes += adopted.saved_bytes / GIVEN_BACK;
                    self.lines.packed(&prefix, &adopted, mono_ms);
                }
                Report::Trained(prefix, trained) => {
                    let registered = trained.and_then(PackDictionary::register);
                    if prefix.is_empty() {
                        // Sampled texts are packed as well.
                        self.walk = ColdWalk::default();
                        self.load = LoadPacking::default();
                    }
                    self.lines.trained(&prefix, registered, mono_ms);
                }
            }
        }
    }

    /// MEMORY UNPACK: a walk stores packed strings as text. `false`: they would be packed again.
    pub fn begin_unpacking(&mut self) -> bool {
        if !self.is_on {
            self.unpacking = Some(ColdWalk::default());
            self.due_ms = 0;
        }
        !self.is_on
    }

    /// Continues [`ColdPacking::begin_unpacking`] by about 0.2 ms. The walk ends early if memory is
    /// at its limit.
    pub fn unpack_some(&mut self, keyspace: &mut Keyspace, memory: MemoryState, mono_ms: u64) {
        /// Bytes of texts, and steps, of a turn.
        const BYTES: u64 = 128 << 10;
        const STEPS: usize = 64;
        let Some(walk) = &mut self.unpacking else {
            return;
        };
        if mono_ms < self.due_ms {
            return;
        }
        self.due_ms = mono_ms + 1;
        let mut bytes = 0;
        for _ in 0..STEPS {
            let step = keyspace.unpack_step(walk);
            bytes += step.promoted_bytes;
            let is_full = memory.limit > 0 && memory.used + bytes >= memory.limit;
            if is_full {
                tracing::warn!("MEMORY UNPACK has ended: memory is at maxmemory");
            }
            if is_full || step.is_round {
                self.unpacking = None;
                return keyspace.packing.tidy();
            }
            if bytes >= BYTES {
                return;
            }
        }
    }

    /// Prefixes with dictionaries of their own.
    pub fn prefix_dictionaries(&self) -> usize {
        self.lines.own()
    }

    /// Dictionaries that were trained, and those among them that did not pay.
    pub fn trainings(&self) -> (u64, u64) {
        (self.lines.trained, self.lines.rejected)
    }

    /// Gathers batches and sends them to the thread; to be called when it is due. About 50 us.
    pub fn gather(
        &mut self,
        keyspace: &mut Keyspace,
        config: &Config,
        memory: MemoryState,
        mono_ms: u64,
        wake: &Wake,
    ) {
        /// Steps of the walk without a full batch.
        const STEPS: usize = 32;
        if keyspace.len() == 0 && !self.lines.is_empty() {
            // The next texts may be of other kinds.
            self.lines.clear();
            // The threads end, and with them the dictionaries that they use.
            self.threads = None;
        }
        self.pressure = Pressure::of(config, memory);
        let Some(mut rule) = self.rule(keyspace, config, memory, mono_ms) else {
            return self.rest(mono_ms);
        };
        let (mut is_round, mut has_found) = (false, false);
        for _ in 0..STEPS {
            if self.lines.is_flushing() {
                break;
            }
            let step = keyspace.gather_cold(&mut self.walk, &rule, &mut self.lines);
            self.figures.promoted += step.promoted;
            rule.unpacked_max = rule.unpacked_max.saturating_sub(step.promoted_bytes);
            self.promotable_bytes = self.promotable_bytes.saturating_sub(step.promoted_bytes);
            is_round = step.is_round;
            has_found |= step.gathered > 0;
            if self.lines.settle() || is_round {
                break;
            }
        }
        self.due_ms = mono_ms + self.pressure.pause_ms(has_found);
        if is_round {
            self.lines.end_round(mono_ms);
            let packed = self.figures.packed - self.round_packed;
            self.round_due_ms = mono_ms + self.pressure.round_ms(packed);
            self.round_packed = self.figures.packed;
            self.cold = None;
            self.judges_use = mono_ms >= self.round_ms + ROUND_MS;
            if self.judges_use {
                (self.last_round_ms, self.round_ms) = (self.round_ms, mono_ms);
            }
        }
        self.send_orders(keyspace, self.pressure.threads(), mono_ms, wake);
        if !self.lines.is_flushing() {
            // The next round begins a second after the last.
            self.due_ms = self.due_ms.max(self.round_due_ms);
        }
    }

    /// Sends what waits, as long as each of `threads` threads has fewer orders than
    /// [`IN_FLIGHT_MAX`].
    fn send_orders(&mut self, keyspace: &Keyspace, threads: u32, mono_ms: u64, wake: &Wake) {
        while self.in_flight < IN_FLIGHT_MAX * threads && !self.has_no_thread {
            let used = keyspace.packing.figures().dictionary_bytes;
            let Some(order) = self.lines.next_order(used, mono_ms) else {
                return;
            };
            self.send(order, threads, wake);
        }
    }

    /// The rule for cold strings now. `None`: nothing is to be packed.
    fn rule(
        &mut self,
        keyspace: &mut Keyspace,
        config: &Config,
        memory: MemoryState,
        mono_ms: u64,
    ) -> Option<ColdRule> {
        let texts = texts_of(config);
        let start = memory.start(config);
        let has_room = memory.limit == 0 || memory.used <= start;
        let mut cold = match config.compress_values {
            CompressValues::No => return None,
            CompressValues::Yes => ColdLimit {
                idle_seconds: config.compress_idle_seconds,
                uses_max: USES_COLD,
            },
            // Nothing is packed, but strings in use may become text.
            CompressValues::Auto if has_room && self.figures.packed == 0 => return None,
            CompressValues::Auto if has_room => ColdLimit {
                idle_seconds: u32::MAX,
                uses_max: USES_COLD,
            },
            CompressValues::Auto => self.limit_of_auto(keyspace, &texts, start, memory, mono_ms)?,
        };
        if self.guard.factor > 1 {
            cold.idle_seconds = cold.idle_seconds.max(1).saturating_mul(self.guard.factor);
            cold.uses_max /= self.guard.factor;
        }
        let room = if memory.limit == 0 {
            u64::MAX
        } else {
            start.saturating_sub(memory.used)
        };
        // Before the second round nothing is known: hardly any string counts as used.
        let since_ms = match self.last_round_ms {
            0 => 0,
            last_ms => self.round_ms - last_ms,
        };
        Some(ColdRule {
            texts,
            cold,
            packs: !(has_room && config.compress_values == CompressValues::Auto),
            used_seconds: self
                .judges_use
                .then(|| (since_ms / 1000).clamp(1, 3600) as u32),
            unpacked_max: room.saturating_add(self.promotable_bytes),
        })
    }

    /// The limit that brings memory to [`BELOW_PERCENT`] below the start, if as much can be saved.
    /// It is chosen anew after some time, because memory may grow faster than the walk goes.
    fn limit_of_auto(
        &mut self,
        keyspace: &mut Keyspace,
        texts: &PackRule,
        start: u64,
        memory: MemoryState,
        mono_ms: u64,
    ) -> Option<ColdLimit> {
        if let Some((limit, until_ms)) = self.cold
            && mono_ms < until_ms
        {
            return Some(limit);
        }
        let aim = start.saturating_sub(memory.limit / 100 * BELOW_PERCENT);
        let excess = memory.used.saturating_sub(aim) as f64;
        let packed = keyspace.packing.figures().frames.frame_bytes;
        let plain = memory.used.saturating_sub(packed).max(1) as f64;
        let share = excess / (plain * SAVED_SHARE);
        let limit = keyspace.limit_of_share(texts, share, AGES)?;
        let limit = limit.stricter(self.pressure.floor());
        self.cold = Some((limit, mono_ms + self.pressure.limit_ms()));
        Some(limit)
    }

    /// Judges the time for reads of packed strings; `cycles` of all of them, which `micros`
    /// converts.
    pub fn judge_reads(
        &mut self,
        config: &Config,
        mono_ms: u64,
        cycles: u64,
        micros: impl Fn(u64) -> u64,
    ) {
        let percent_max = config.compress_cpu_percent;
        if self.guard.judge(mono_ms, cycles, percent_max, micros) {
            self.figures.backoffs += 1;
        }
    }

    /// Gives an order to one of at most `most` threads.
    fn send(&mut self, order: Order, most: u32, wake: &Wake) {
        if self.threads.is_none() {
            self.start(wake);
        }
        let threads = self.threads.as_ref();
        if threads.is_some_and(|threads| threads.push(order, self.in_flight, most)) {
            self.in_flight += 1;
        } else {
            // The threads have ended, or could not start.
            self.threads = None;
            self.in_flight = 0;
            self.lines.clear();
            self.has_no_thread = true;
        }
    }

    #[cold]
    fn start(&mut self, wake: &Wake) {
        // Reports of earlier threads are for batches that were forgotten.
        self.reports = Arc::default();
        self.in_flight = 0;
        match PackThreads::start(Arc::clone(&self.reports), wake.clone()) {
            Ok(threads) => self.threads = Some(threads),
            Err(error) => tracing::warn!("A thread that packs cold values: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_that_take_too_long_make_the_idle_time_longer_until_they_take_less() {
        let mut guard = ReadGuard::default();
        // Ticks are microseconds here: 600 ms of 10 s are 6 percent.
        assert!(!guard.judge(9_999, 600_000, 5, |it| it));
        assert!(guard.judge(10_000, 600_000, 5, |it| it));
        assert!(guard.judge(20_000, 1_200_000, 5, |it| it));
        assert_eq!(guard.factor, 4);
        // 4 percent: neither.
        assert!(!guard.judge(30_000, 1_600_000, 5, |it| it));
        assert_eq!(guard.factor, 4);
        for at in 4..8 {
            assert!(!guard.judge(at * 10_000, 1_600_000, 5, |it| it));
        }
        assert_eq!(guard.factor, 1);
        for at in 8..20 {
            guard.judge(at * 10_000, at * 1_000_000, 5, |it| it);
        }
        assert_eq!(guard.factor, FACTOR_MAX);
    }
}
