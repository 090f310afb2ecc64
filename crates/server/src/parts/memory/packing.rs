//! When cold strings are packed, and the thread that packs them (`keyspace/passes/cold.rs` has the
//! walk).
//!
//!     compress-values no     nothing happens; packed strings stay packed until they are changed
//!     auto                   only above `compress-start-percent` of `maxmemory`, the oldest first:
//!                            as much as brings memory to [`BELOW_PERCENT`] below that
//!     yes                    what has been idle for `compress-idle-seconds`, at any memory
//!
//! The first texts of the walk train the dictionaries ([`prefixes`]), because a table's order is
//! that of hashes, so they are a fair sample. A round begins a second after the last; a batch of
//! 64 KiB takes the loop some 50 us, at most every [`PAUSE_MS`]. Two batches are under way at most,
//! so the memory of texts on their way is bounded.
//!
//! Two bounds keep packing from costing more than it saves:
//!
//!     reads         if unpacking takes more than `compress-cpu-percent` of 10 seconds, the idle
//!                   time doubles, up to [`FACTOR_MAX`] times; below half of that it halves again
//!     promotion     packed strings in use become text again while there is room below the start;
//!                   of memory above it only a part of what packing has saved meanwhile
//!
//! While data is loaded, [`loading`] has other bounds.
//!
//! If the thread cannot start or ends, packing stops, and reads of packed strings go on.

mod loading;
mod prefixes;
mod thread;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use loading::LoadPacking;
pub(crate) use loading::{LoadPace, SLICE_BYTES};
use prefixes::PrefixLines;
use russet_base::threads;
use russet_base::wake::Wake;
use russet_config::{CompressValues, Config};
use russet_keyspace::{ColdRule, ColdWalk, Keyspace, PackDictionary, PackRule};
use thread::{Order, Report, Reports, work};

/// Batches that are under way at most.
const IN_FLIGHT_MAX: u32 = 2;

/// Milliseconds between two batches.
const PAUSE_MS: u64 = 10;

/// The same while memory is nearly at its limit.
const PRESSED_PAUSE_MS: u64 = 2;

/// Milliseconds between two rounds, and between two looks at memory.
const ROUND_MS: u64 = 1000;

/// `auto` packs until memory is this much below the start, percent of `maxmemory`.
const BELOW_PERCENT: u64 = 5;

/// The least idle time that `auto` chooses, seconds.
const AUTO_IDLE_MIN: u32 = 30;

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
    orders: Option<Sender<Order>>,
    reports: Arc<Reports>,
    /// No thread could be started.
    has_no_thread: bool,
    /// `compress-values` is not `no`.
    is_on: bool,
    in_flight: u32,
    walk: ColdWalk,
    lines: PrefixLines,
    /// Strings idle for as long are cold; `None`: to be chosen.
    idle_seconds: Option<u32>,
    /// When the next batch may be gathered, monotonic milliseconds.
    due_ms: u64,
    /// When the walk's next round may begin.
    round_due_ms: u64,
    /// When the walk's round began, and the one before.
    round_ms: u64,
    last_round_ms: u64,
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
        self.idle_seconds = None;
        self.due_ms = 0;
        self.guard.factor = 1;
        self.lines.settings_changed(config);
        if !self.is_on {
            // The thread ends; what it has is dropped, because nothing waits for it.
            self.orders = None;
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
        let has_room = !self.lines.awaits_common() && self.in_flight < IN_FLIGHT_MAX;
        self.is_on && !self.has_no_thread && has_room
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
            if let Some(orders) = &self.orders {
                // If the thread has ended, it keeps nothing.
                let _ = orders.send(Order::Forget);
            }
        }
        let Some(mut rule) = self.rule(keyspace, config, memory) else {
            return self.rest(mono_ms);
        };
        let is_pressed = memory.limit > 0 && memory.used > memory.limit / 20 * 19;
        self.due_ms = mono_ms
            + if is_pressed {
                PRESSED_PAUSE_MS
            } else {
                PAUSE_MS
            };
        let mut is_round = false;
        for _ in 0..STEPS {
            if self.lines.is_flushing() {
                break;
            }
            let step = keyspace.gather_cold(&mut self.walk, &rule, &mut self.lines);
            self.figures.promoted += step.promoted;
            rule.unpacked_max = rule.unpacked_max.saturating_sub(step.promoted_bytes);
            self.promotable_bytes = self.promotable_bytes.saturating_sub(step.promoted_bytes);
            is_round = step.is_round;
            if self.lines.settle() || is_round {
                break;
            }
        }
        if is_round {
            self.lines.end_round(mono_ms);
            self.round_due_ms = mono_ms + ROUND_MS;
            self.idle_seconds = None;
            (self.last_round_ms, self.round_ms) = (self.round_ms, mono_ms);
        }
        self.send_orders(keyspace, IN_FLIGHT_MAX, mono_ms, wake);
        if !self.lines.is_flushing() {
            // The next round begins a second after the last.
            self.due_ms = self.due_ms.max(self.round_due_ms);
        }
    }

    /// Sends what waits, as long as fewer orders than `most` are with the thread.
    fn send_orders(&mut self, keyspace: &Keyspace, most: u32, mono_ms: u64, wake: &Wake) {
        while self.in_flight < most && !self.has_no_thread {
            let used = keyspace.packing.figures().dictionary_bytes;
            let Some(order) = self.lines.next_order(used, mono_ms) else {
                return;
            };
            self.send(order, wake);
        }
    }

    /// The rule for cold strings now. `None`: nothing is to be packed.
    fn rule(
        &mut self,
        keyspace: &mut Keyspace,
        config: &Config,
        memory: MemoryState,
    ) -> Option<ColdRule> {
        let texts = texts_of(config);
        let start = memory.start(config);
        let has_room = memory.limit == 0 || memory.used <= start;
        let idle_seconds = match config.compress_values {
            CompressValues::No => return None,
            CompressValues::Yes => config.compress_idle_seconds,
            // Nothing is packed, but strings in use may become text.
            CompressValues::Auto if has_room && self.figures.packed == 0 => return None,
            CompressValues::Auto if has_room => u32::MAX,
            CompressValues::Auto => match self.idle_seconds {
                Some(idle) => idle,
                None => {
                    let aim = start.saturating_sub(memory.limit / 100 * BELOW_PERCENT);
                    let excess = memory.used.saturating_sub(aim) as f64;
                    let share = excess / (memory.used.max(1) as f64 * SAVED_SHARE);
                    let idle = keyspace.idle_of_share(&texts, share, AGES)?;
                    let idle = idle.max(AUTO_IDLE_MIN);
                    *self.idle_seconds.insert(idle)
                }
            },
        };
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
            idle_seconds: idle_seconds.saturating_mul(self.guard.factor),
            packs: !(has_room && config.compress_values == CompressValues::Auto),
            used_seconds: (since_ms / 1000).clamp(1, 3600) as u32,
            unpacked_max: room.saturating_add(self.promotable_bytes),
        })
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

    fn send(&mut self, order: Order, wake: &Wake) {
        if self.orders.is_none() {
            self.start(wake);
        }
        let sent = self
            .orders
            .as_ref()
            .is_some_and(|orders| orders.send(order).is_ok());
        if sent {
            self.in_flight += 1;
        } else {
            // The thread has ended, or could not start.
            self.orders = None;
            self.in_flight = 0;
            self.lines.clear();
            self.has_no_thread = true;
        }
    }

    #[cold]
    fn start(&mut self, wake: &Wake) {
        let (sender, orders) = channel();
        // Reports of an earlier thread are for batches that were forgotten.
        self.reports = Arc::default();
        self.in_flight = 0;
        let (reports, wake) = (Arc::clone(&self.reports), wake.clone());
        match threads::start("packing", move || work(&orders, &reports, &wake)) {
            Ok(_) => self.orders = Some(sender),
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
