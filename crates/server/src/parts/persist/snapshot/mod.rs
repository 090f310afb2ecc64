//! Snapshots: all databases as they were at one moment, saved to one or more sinks.
//!
//!     Snapshots::begin(targets) -> pass:  a slice a turn -> sinks finish -----> take_ended
//!                               -> child: saves all -> its files get names ---> take_ended
//!
//! This is the driver. It owns the parts that all snapshots share: the current pass
//! (`keyspace::passes::snapshot`) or forked child ([`child`]), the pass's share of a turn, the list
//! of consumers that want a snapshot as soon as possible, and the clients whose writes wait for the
//! pass.
//!
//! Invariants
//!   1. One snapshot is in progress at a time. SAVE's snapshot ends within the call and is not
//!      counted.
//!   2. The keyspace has one pass at a time: SAVE first completes the keys of the current pass.
//!   3. The moment of a snapshot is the call of [`Snapshots::begin`]: figures that a consumer
//!      stores with the data, for example an offset of the stream of effects, are read at that
//!      call.
//!   4. Each target ends once, when its file is whole and named, or removed. A failing target does
//!      not affect others, except in a child.
//!   5. No snapshot begins inside a transaction or script: the consumers ensure that.
//!
//! Costs: without a snapshot two tests a turn. A pass takes a third of a busy turn, within
//! [`SLICE_NANOS_MIN`] and [`SLICE_NANOS_MAX`]; an idle turn gives a pass up to `SLICE_NANOS_MAX`,
//! or only `SLICE_NANOS_MIN` if a client has just been served. Values that change before they are
//! saved take memory, which [`writers`] bounds.
//!
//! A pass makes a snapshot between ticks, without a fork
//! (`keyspace/passes/snapshot.rs`). It walks the tables in slices. One bit in each entry's
//! flags means "saved in this pass", and its meaning flips with every pass; code that is about to
//! change, move or remove an unsaved entry has the pass save it first. All such code goes through
//! `Database`: `detach`, `detach_to_move`, `replace`, `set_expiry`, `grow_string`, `set_int`,
//! `write`. A small value is copied to the early list, a large string is pinned (the writing thread
//! compresses or sums a huge string, and writes it), and the pass takes ownership of a removed
//! container. Large containers are saved in slices; their writers block (the gate `snapshot`), each
//! client separately, and the walk turns to the key that they wait for. `FLUSHDB` hands a whole
//! database over; `FLUSHALL` ends the pass, and the entries left are marked in slices until every
//! entry has the same bit again.
//!
//! One driver makes all snapshots (`Snapshots`, `server/parts/persist/snapshot`). A consumer asks
//! it for targets (`Server::begin_snapshot`, `server/persist/snapshot`): a save for the RDB file
//! (`SaveState`), a rewrite for a base of the append only file (`persist/aof/rewrite.rs`), full
//! syncs for the data of replicas (`replication/full_sync.rs`). For each target (`target.rs`) the
//! driver makes a sink (`making.rs`, `sink.rs`): an RDB file, a file of commands, or a spool. One
//! pass feeds all sinks that begin at the same moment (`fan_out.rs`); each has its own position in
//! a large value, and a failing sink does not affect the others. When a target's file is whole, or
//! cannot be made, `Server::snapshot_ended` notifies its consumer, and the backup that waits for a
//! save. A consumer that finds the driver busy is queued; cron begins snapshots that are queued or
//! due.
//!
//! The driver gives the pass a share of every turn, after the replies: a third of the time that the
//! rest of the turn took, within bounds, and up to 0.4 ms of an idle turn. SAVE, FLUSHALL with save
//! points and the server's shutdown run a pass to its end at once; a pass already in progress for a
//! rewrite first saves its remaining keys, because the keyspace has one pass at a time.
//! `persistence/rdb/writer.rs` makes the bytes of an RDB file, the same as for DUMP, and a thread
//! writes them (`persistence/background.rs`), computes the checksum, syncs a few megabytes at a
//! time, and gives the file its name when it is whole. While more than 16 MiB wait for the disk the
//! pass waits.
//!
//! A spool (`persistence/spool.rs`) keeps the bytes of a snapshot for replicas that read at
//! different paces: a thread computes the checksum and stores them, in memory up to
//! `repl-spool-memory`, beyond it in a file without a name in `dir`; bytes that all readers have
//! passed are dropped. A replica can join while the first byte is there. When a reader that found
//! nothing can continue, the loop is woken. While the disk refuses bytes the pass waits for space,
//! or for the readers to make room in memory; its writers wait with it (`writers.rs`). The pass
//! ends when no reader of any spool is left and it has no other target. The version and dialect of
//! the bytes follow the replica (`rdb::sync_version`): for Valkey 9 `VALKEY080` if fields of hashes
//! expire, else Redis's lowest version that holds the data.
//!
//! If writers of a large container would wait for a pass longer than `snapshot-max-wait-ms`, and
//! with `snapshot-method fork`, the driver forks a child instead (`Forks::fork`), which feeds the
//! same sinks (a spool adopts its file). The child has only the loop's thread, writes its files
//! itself, marks no entry (each page it writes to is copied), logs nothing and reports through a
//! pipe, which cron reads. The parent names its files, so that a child that outlives its server
//! replaces nothing.
//!
//! **Files for others** (`persistence/convert`; `server/convert.rs` runs it). An RDB file is read
//! by the same reader, and each value goes through a keyspace of one key to the same writer, with
//! the version of the target: a value that this version cannot hold (`RdbWriter::lost`) is an
//! obstacle. An append only file is first applied to an engine without sockets; before that its
//! snapshot is read for data that a load leaves out, which is an obstacle as well.

pub mod child;
mod end;
mod fan_out;
mod making;
mod rdb;
mod running;
pub mod save;
mod sink;
mod target;
mod writers;

use std::time::Instant;

pub use child::{ChildProgress, Forks};
pub use end::SnapshotEnd;
pub(crate) use making::SnapshotContext;
pub(crate) use sink::Sink;
pub use target::Consumer;
pub(crate) use target::temp_name;
pub use target::{SyncContent, SyncForm, Target, TargetKind};

use child::Child;
use fan_out::FanOut;
use making::Hands;
use running::{SnapshotJob, Work};
use writers::Writers;

use russet_base::clock::Cycles;
use russet_base::wake::Wake;
use russet_config::{Config, SnapshotMethod};
use russet_keyspace::{Keyspace, Saver, SlotSet};
use russet_persistence::spool::SpoolUsage;

/// In a busy turn a pass takes the time of the other work, divided by `BUSY_PART`.
const BUSY_PART: u64 = 3;
/// Nanoseconds of a slice: the minimum, so that a pass ends; the maximum, to bound the latency.
const SLICE_NANOS_MIN: u64 = 10_000;
const SLICE_NANOS_MAX: u64 = 400_000;
/// Approximate elements of a container that a pass saves per millisecond, with half of a busy
/// loop's time.
const ELEMENTS_PER_MS: u64 = 2_500;

/// A snapshot has begun.
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct SnapshotStart {
    /// The process that saves.
    pub pid: u32,
    /// Microseconds that the fork of a child took.
    pub fork_us: Option<u64>,
}

/// See the module.
#[derive(Default)]
pub struct Snapshots {
    running: Option<SnapshotJob>,
    /// How the next snapshot is made, in place of `snapshot-method`.
    pub method_once: Option<SnapshotMethod>,
    /// Whether a child made the last snapshot.
    pub last_forked: bool,
    /// Consumers that want a snapshot as soon as possible, each once. Cron serves them, a rewrite
    /// first.
    queued: Vec<Consumer>,
    pub forks: Forks,
    /// Clients whose writes wait for the pass.
    pub(crate) writers: Writers,
    /// Spools that may still be read.
    spools: Vec<SpoolUsage>,
    wake: Wake,
}

/// A turn of the loop, as a pass sees it.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// The ticks that the turn's other work took.
    pub busy_ticks: u64,
    /// No client waits for the loop.
    pub idle: bool,
    /// Clients are being served: a command may arrive at any moment.
    pub beside_clients: bool,
    /// The length of the slice, if it is not derived from the turn.
    pub nanos: Option<u64>,
}

impl Snapshots {
    /// How writing threads wake the loop.
    pub fn set_wake(&mut self, wake: Wake) {
        self.wake = wake;
    }

    /// Whether a snapshot is in progress.
    #[inline]
    pub fn in_progress(&self) -> bool {
        self.running.is_some()
    }

    /// Whether a snapshot for this consumer is in progress.
    pub fn serves(&self, consumer: Consumer) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|r| r.outlets.targets().any(|t| t.consumer() == consumer))
    }

    /// Whether a snapshot for replicas is in progress.
    pub fn serves_replicas(&self) -> bool {
        self.serves(Consumer::FullSync)
    }

    /// The current child.
    pub fn child(&self) -> Option<&Child> {
        match &self.running.as_ref()?.work {
            Work::Child(child, _) => Some(child),
            Work::Pass { .. } | Work::Ending => None,
        }
    }

    /// Bytes of a pass that wait to be written, or to be read by replicas.
    pub fn waiting_bytes(&self) -> usize {
        let running = self.running.as_ref();
        let waiting = running.map_or(0, |running| running.outlets.waiting_bytes());
        waiting + self.spool_bytes()
    }

    /// Bytes in memory that replicas have yet to read, also of snapshots that have ended.
    pub(crate) fn spool_bytes(&self) -> usize {
        self.spools
            .iter()
            .filter_map(SpoolUsage::memory_bytes)
            .sum()
    }

    /// How far the current child is.
    pub fn child_progress(&self) -> Option<&ChildProgress> {
        self.child().map(|child| &child.progress)
    }

    /// Whether a consumer's snapshot is queued.
    pub fn is_queued(&self, consumer: Consumer) -> bool {
        self.queued.contains(&consumer)
    }

    /// Queues a snapshot for a consumer, or removes it. Returns whether it was queued before.
    pub(crate) fn set_queued(&mut self, consumer: Consumer, queued: bool) -> bool {
        let was = self.is_queued(consumer);
        self.queued.retain(|&c| c != consumer);
        if queued {
            self.queued.push(consumer);
        }
        was
    }

    /// BGSAVE SCHEDULE: a save begins as soon as possible.
    pub fn schedule_save(&mut self) {
        self.set_queued(Consumer::Save, true);
    }

    /// Removes a scheduled save. `false`: there is none.
    pub fn unschedule_save(&mut self) -> bool {
        self.set_queued(Consumer::Save, false)
    }

    /// Begins a snapshot of all databases as they are now, by a pass or, as `snapshot-method`
    /// decides, by a child. No snapshot may be in progress. An error: nothing has begun, and no
    /// file is left.
    ///
    /// O(1) for a pass, unless entries of a cancelled pass are still to be marked: then O(all
    /// keys). The cost of a fork grows with the pages of the process.
    pub fn begin(
        &mut self,
        keyspace: &mut Keyspace,
        targets: Vec<Target>,
        making: &SnapshotContext<'_>,
    ) -> Result<SnapshotStart, String> {
        assert!(self.running.is_none(), "one snapshot at a time");
        self.spools.retain(|spool| spool.memory_bytes().is_some());
        self.spools
            .extend(targets.iter().filter_map(Target::spool_usage));
        let mut child = None;
        let has_keys = targets.iter().any(Target::has_keys);
        let method = self.method_once.take();
        let method = method.unwrap_or(making.config.snapshot_method);
        let slots = slots_of(&targets);
        let is_whole = slots.is_none();
        if has_keys && is_whole && forks_for_snapshots(method, making.config, keyspace) {
            match self.forks.fork(keyspace, &targets, making) {
                Ok(forked) => child = Some(forked),
                Err(why) if method == SnapshotMethod::Fork => {
                    return Err(format!("fork: {why}"));
                }
                // Falls back to a pass: writers of a large container will wait.
                Err(why) => tracing::warn!("Can't save in background: fork: {why}"),
            }
        }
        self.last_forked = child.is_some();
        let Some(child) = child else {
            let running = self.begin_pass(keyspace, targets, making, self.wake.clone())?;
            self.running = Some(running);
            return Ok(SnapshotStart {
                pid: std::process::id(),
                fork_us: None,
            });
        };
        let pid = child.pid().unsigned_abs();
        self.running = Some(SnapshotJob {
            outlets: FanOut::of_child(targets, pid),
            work: Work::Child(child, Vec::new()),
        });
        Ok(SnapshotStart {
            pid,
            fork_us: Some(self.forks.last_us),
        })
    }

    /// Begins a pass, after completing the current pass. `wake` is called when a sink ends.
    fn begin_pass(
        &mut self,
        keyspace: &mut Keyspace,
        targets: Vec<Target>,
        making: &SnapshotContext<'_>,
        wake: Wake,
    ) -> Result<SnapshotJob, String> {
        let has_keys = targets.iter().any(Target::has_keys);
        let slots = slots_of(&targets);
        let mut outlets = FanOut::of_sinks(keyspace, targets, making, &Hands::Thread(wake))?;
        if !has_keys {
            outlets.finish();
            return Ok(SnapshotJob {
                work: Work::Ending,
                outlets,
            });
        }
        if let Some(running) = &mut self.running {
            running.save_rest(keyspace, 0);
        }
        if keyspace.in_pass() {
            // Entries left by a cancelled pass are marked before the next pass begins.
            keyspace.continue_marking(u64::MAX);
        }
        match slots {
            Some(slots) => keyspace.begin_pass_of(slots),
            None => keyspace.begin_pass(),
        }
        Ok(SnapshotJob {
            work: Work::Pass { next_step_us: 0 },
            outlets,
        })
    }

    /// Makes a snapshot at once, beside a snapshot in progress, whose keys it completes. An error:
    /// the snapshot could not begin, or ended without a file. O(all data).
    pub(crate) fn make_now(
        &mut self,
        keyspace: &mut Keyspace,
        target: Target,
        making: &SnapshotContext<'_>,
    ) -> Result<SnapshotEnd, String> {
        let this = std::thread::current();
        let wake = Wake::new(move || this.unpark());
        let mut running = self.begin_pass(keyspace, vec![target], making, wake)?;
        let delay_us = u64::try_from(making.config.rdb_key_save_delay).unwrap_or(0);
        running.save_rest(keyspace, delay_us);
        Ok(running.wait())
    }

    /// Gives the current pass its share of the turn. `started`: when the process began. Returns
    /// whether keys may have been saved, so that clients that wait for containers must be checked.
    pub fn slice(
        &mut self,
        keyspace: &mut Keyspace,
        config: &Config,
        (cycles, started): (&Cycles, Instant),
        turn: Turn,
    ) -> bool {
        let Some(running) = &mut self.running else {
            return false;
        };
        let Work::Pass { next_step_us } = running.work else {
            return false;
        };
        // A delay per key makes a snapshot slow, for tests: the loop continues meanwhile.
        let delay_us = u64::try_from(config.rdb_key_save_delay).unwrap_or(0);
        let now_us = started.elapsed().as_micros() as u64;
        if delay_us > 0 && now_us < next_step_us {
            return false;
        }
        let least = cycles.ticks(SLICE_NANOS_MIN);
        let most = cycles.ticks(SLICE_NANOS_MAX);
        let ticks = match turn.idle {
            _ if delay_us > 0 => 0,
            _ if turn.nanos.is_some() => turn.nanos.map_or(0, |nanos| cycles.ticks(nanos)),
            true if turn.beside_clients => least,
            true => most,
            false => (turn.busy_ticks / BUSY_PART).clamp(least, most),
        };
        let (_, saved) = running.slice(keyspace, ticks);
        if let Work::Pass { next_step_us } = &mut running.work {
            *next_step_us = now_us + delay_us * saved;
        }
        true
    }

    /// Without a snapshot: marks some of the entries left by a cancelled pass.
    pub(crate) fn mark_left(keyspace: &mut Keyspace, cycles: &Cycles) {
        keyspace.continue_marking(cycles.ticks(SLICE_NANOS_MIN));
    }

    /// Whether the loop has snapshot work and should not sleep.
    pub(crate) fn wants_time(&self, keyspace: &Keyspace, config: &Config) -> bool {
        let Some(running) = &self.running else {
            return keyspace.in_pass() && !keyspace.is_saving();
        };
        let is_pass = matches!(running.work, Work::Pass { .. });
        is_pass && running.outlets.has_room() && config.rdb_key_save_delay <= 0
    }

    /// Reads the child's messages. Returns whether it has ended; targets may have ended with it.
    pub(crate) fn read_child_messages(&mut self, now_ms: u64) -> bool {
        let wake = self.wake.clone();
        let Some(running) = &mut self.running else {
            return false;
        };
        let Work::Child(child, given_up) = &mut running.work else {
            return false;
        };
        let Some(end) = child.read_messages(now_ms) else {
            return false;
        };
        given_up.iter().for_each(Target::forget);
        let cow = child.progress.cow_peak;
        for target in running.outlets.targets() {
            match target.consumer() {
                Consumer::Save | Consumer::FullSync => self.forks.save_cow = cow,
                Consumer::Rewrite => self.forks.rewrite_cow = cow,
                Consumer::Migration => {}
            }
        }
        running.work = Work::Ending;
        running.outlets.child_ended(&end, &wake);
        true
    }

    /// Takes targets that have ended since the last call, with their ends. O(targets).
    pub(crate) fn take_ended(&mut self, keyspace: &mut Keyspace) -> Vec<(Target, SnapshotEnd)> {
        let Some(running) = &mut self.running else {
            return Vec::new();
        };
        let ended = running.outlets.take_ended().collect();
        self.end_without_targets(keyspace);
        ended
    }

    /// Cancels a consumer's targets: removes their files, and with the last of them ends the pass
    /// or the child.
    pub(crate) fn give_up(&mut self, keyspace: &mut Keyspace, consumer: Consumer) -> Vec<Target> {
        self.give_up_where(keyspace, |target| target.consumer() == consumer)
    }

    /// Cancels spools whose readers have all gone, as [`Snapshots::give_up`]. O(targets).
    pub(crate) fn give_up_unread(&mut self, keyspace: &mut Keyspace) -> Vec<Target> {
        self.give_up_where(keyspace, Target::is_unread)
    }

    fn give_up_where(
        &mut self,
        keyspace: &mut Keyspace,
        which: impl FnMut(&Target) -> bool,
    ) -> Vec<Target> {
        let Some(running) = &mut self.running else {
            return Vec::new();
        };
        let gone = running.outlets.remove(which);
        if gone.is_empty() {
            return gone;
        }
        if let Work::Child(_, given_up) = &mut running.work {
            given_up.extend(gone.iter().cloned());
        }
        self.end_without_targets(keyspace);
        // A child must be gone before its file is removed.
        gone.iter().for_each(Target::forget);
        gone
    }

    /// If no target is left, ends the pass or the child.
    fn end_without_targets(&mut self, keyspace: &mut Keyspace) {
        let is_over = |running: &mut SnapshotJob| running.outlets.is_empty();
        if let Some(over) = self.running.take_if(is_over)
            && matches!(over.work, Work::Pass { .. })
        {
            keyspace.abort_pass();
        }
    }
}

/// The slots that all targets are limited to; `None`: everything is saved.
fn slots_of(targets: &[Target]) -> Option<SlotSet> {
    let mut all = SlotSet::default();
    for target in targets {
        match &target.what {
            TargetKind::Slots { slots, .. } => all.add(&SlotSet::of_ranges(slots.pairs())),
            _ => return None,
        }
    }
    Some(all)
}

/// Whether a child should make a snapshot that begins now.
fn forks_for_snapshots(method: SnapshotMethod, config: &Config, keyspace: &Keyspace) -> bool {
    let wait_ms = u64::from(config.snapshot_max_wait_ms);
    match method {
        SnapshotMethod::Loop => false,
        SnapshotMethod::Fork => true,
        SnapshotMethod::Auto => keyspace.has_containers_of(wait_ms * ELEMENTS_PER_MS),
    }
}
