//! Snapshots: all databases as they were at one moment, saved to one or more sinks.
//!
//!     begin_snapshot(targets) -> pass:  a slice a turn -> sinks finish -----> snapshot_ended
//!                             -> child: saves all -> its files get names ---> snapshot_ended
//!
//! This is the driver. It owns what all snapshots share: the current pass (`keyspace::snapshot`) or
//! forked child ([`child`]), the pass's share of a turn, the list of consumers that want a snapshot
//! as soon as possible, and the clients whose writes wait for the pass. A [`sink`] receives the
//! keys; one pass, or one child, feeds all sinks that begin at the same moment. A consumer (saves:
//! [`save`]; rewrites of the append only file: `aof::rewrite`) asks for targets and handles their
//! end. Backups wait for the end of a save; `Server::snapshot_ended` notifies all of them.
//!
//! Invariants
//!   1. One snapshot is in progress at a time. SAVE's ends within the call and is not counted.
//!   2. The keyspace has one pass at a time: SAVE first completes the current one's keys.
//!   3. The moment of a snapshot is the call of `begin_snapshot`: figures that a consumer stores
//!      with the data, for example an offset of the stream of effects, are read at that call.
//!   4. Each target ends once, when its file is whole and named, or removed. A failing target does
//!      not affect others, except in a child.
//!   5. No snapshot begins inside a transaction or script: the consumers ensure that.
//!
//! Costs: without a snapshot two tests a turn. A pass takes a third of a busy turn, within
//! [`SLICE_NANOS_MIN`] and [`SLICE_NANOS_MAX`], and up to the latter of an idle one. Values that
//! change before they are saved take memory: past [`EARLY_MAX`] all writers wait.

mod child;
mod rdb;
mod save;
mod sink;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use child::{ChildProgress, Forks};
pub use save::Saving;
pub(super) use sink::{Target, What, temp_name};

use child::Child;
use sink::{FanOut, Hands};

use super::client::ClientFlags;
use super::gates::Interest;
use super::{Engine, Server};
use crate::config::{SnapshotMethod, system_text};
use crate::keyspace::{ClientId, Keyspace, Saver, Slice};
use crate::persistence::background::Wake;

/// In a busy turn a pass takes the time of the other work divided by this.
const BUSY_PART: u64 = 3;
/// Nanoseconds of a slice: the minimum, so that a pass ends; the maximum, to bound the latency.
const SLICE_NANOS_MIN: u64 = 50_000;
const SLICE_NANOS_MAX: u64 = 400_000;
/// Bytes of values saved early, before they changed, that wait to be written: above the first
/// figure all writers wait from the next turn on, until no more than the second is left.
const EARLY_MAX: usize = 32 << 20;
const EARLY_RESUME: usize = 8 << 20;
/// Approximate elements of one container that a pass saves per millisecond, with half of a busy
/// loop's time.
const ELEMENTS_PER_MS: u64 = 2_500;
/// How often a wait for the disk is interrupted to feed the watchdog.
const WAIT: Duration = Duration::from_millis(100);

/// The parts of the server that request snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    Save,
    Rewrite,
}

/// How a snapshot ended for one of its targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The file is whole, on disk, and has its name.
    Done,
    Failed(String),
    /// The child was ended by this signal.
    Killed(i32),
    /// The child was ended by SIGUSR1, because it is not wanted: no failure.
    Unwanted,
    /// Its consumer cancelled it.
    Cancelled,
}

impl End {
    /// Why there is no file.
    pub(super) fn why(&self) -> &str {
        match self {
            End::Done => "",
            End::Failed(why) => why,
            End::Killed(_) => "the child was killed",
            End::Unwanted => "the child was told to end",
            End::Cancelled => "the snapshot was given up",
        }
    }

    fn of(result: io::Result<()>) -> End {
        match result {
            Ok(()) => End::Done,
            Err(error) => End::Failed(system_text(&error)),
        }
    }
}

/// A snapshot in progress.
struct Running {
    work: Work,
    outlets: FanOut,
}

enum Work {
    /// A pass between slices.
    Pass {
        /// With `rdb-key-save-delay`, when the next step is due, monotonic microseconds.
        next_step_us: u64,
    },
    /// A child, and cancelled targets: their files are removed when it has ended.
    Child(Child, Vec<Target>),
    /// All keys are saved, or no sink is left; the sinks are being finished.
    Ending,
}

impl Running {
    /// Saves for `ticks`, at least a key or a part of one. Returns the outcome, and how many keys
    /// were saved unless they were the last.
    fn slice(&mut self, keyspace: &mut Keyspace, ticks: u64) -> (Slice, u64) {
        let before = keyspace.pass_progress().0;
        let slice = keyspace.pass_slice(&mut self.outlets, ticks);
        if slice == Slice::Done {
            self.work = Work::Ending;
            self.outlets.finish();
        }
        let saved = keyspace.pass_progress().0.saturating_sub(before);
        (slice, saved)
    }

    /// Saves the remaining keys of a pass, while the loop waits. `delay_us`: after each key. Ends
    /// early when every sink has failed.
    fn save_rest(&mut self, keyspace: &mut Keyspace, delay_us: u64) {
        let ticks = if delay_us > 0 { 0 } else { u64::MAX };
        while matches!(self.work, Work::Pass { .. }) {
            super::process::feed_watchdog();
            let pause_us = match self.slice(keyspace, ticks) {
                (Slice::Done, _) => return,
                // The disk is slower than the loop, or has failed.
                (Slice::Full, _) => 1000,
                (Slice::More, saved) => delay_us * saved,
            };
            if self.outlets.poll() {
                self.work = Work::Ending;
                keyspace.abort_pass();
                return;
            }
            std::thread::sleep(Duration::from_micros(pause_us));
        }
    }

    /// Waits until all sinks have ended; returns the first error. To be called when all keys are
    /// saved, by the thread that the sinks wake.
    fn wait(mut self) -> End {
        while !self.outlets.poll() {
            super::process::feed_watchdog();
            std::thread::park_timeout(WAIT);
        }
        self.outlets.end()
    }
}

/// See the module.
#[derive(Default)]
pub struct Snapshots {
    running: Option<Running>,
    /// Consumers that want a snapshot as soon as possible, each once. Cron serves them, a rewrite
    /// first.
    queued: Vec<Consumer>,
    pub forks: Forks,
    /// Clients that wait for a large container to be saved.
    awaiting: Vec<ClientId>,
    /// Writers of large containers must be checked: some are not saved yet.
    pub(super) guards_large: bool,
    /// Too many bytes saved early wait to be written: all writers wait.
    pub(super) holds_writers: bool,
    /// The log has reported that for this pass.
    told_held: bool,
    wake: Option<Wake>,
}

impl Snapshots {
    /// How writing threads wake the loop.
    pub(super) fn set_wake(&mut self, wake: Wake) {
        self.wake = Some(wake);
    }

    pub(super) fn wake(&self) -> Wake {
        self.wake.clone().unwrap_or_else(|| Arc::new(|| ()))
    }

    /// The current child.
    pub(super) fn child(&self) -> Option<&Child> {
        match &self.running.as_ref()?.work {
            Work::Child(child, _) => Some(child),
            Work::Pass { .. } | Work::Ending => None,
        }
    }

    /// Bytes of a pass that wait to be written.
    pub(super) fn waiting_bytes(&self) -> usize {
        let running = self.running.as_ref();
        running.map_or(0, |running| running.outlets.waiting_bytes())
    }

    /// How far the child under way is.
    pub fn child_progress(&self) -> Option<&ChildProgress> {
        self.child().map(|child| &child.progress)
    }

    /// Whether a consumer's snapshot is queued.
    pub fn is_queued(&self, consumer: Consumer) -> bool {
        self.queued.contains(&consumer)
    }

    /// Queues a snapshot for a consumer, or removes it. Returns whether it was queued before.
    pub(super) fn set_queued(&mut self, consumer: Consumer, queued: bool) -> bool {
        let was = self.is_queued(consumer);
        self.queued.retain(|&c| c != consumer);
        if queued {
            self.queued.push(consumer);
        }
        was
    }

    /// A client waits for the containers that its command writes to.
    pub(super) fn await_saved(&mut self, client: ClientId) {
        self.awaiting.push(client);
    }

    /// Takes targets that have ended since the last call, with their ends. O(targets).
    fn take_ended(&mut self, keyspace: &mut Keyspace) -> Vec<(Target, End)> {
        let Some(running) = &mut self.running else {
            return Vec::new();
        };
        let ended = running.outlets.take_ended().collect();
        self.end_without_targets(keyspace);
        ended
    }

    /// Cancels a consumer's targets: removes their files, and with the last of them ends the pass
    /// or the child.
    fn give_up(&mut self, keyspace: &mut Keyspace, consumer: Consumer) -> Vec<Target> {
        let Some(running) = &mut self.running else {
            return Vec::new();
        };
        let gone = running.outlets.remove(consumer);
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
        let is_over = |running: &mut Running| running.outlets.is_empty();
        if let Some(over) = self.running.take_if(is_over)
            && matches!(over.work, Work::Pass { .. })
        {
            keyspace.abort_pass();
        }
    }
}

impl Server {
    /// Begins a snapshot of all databases as they are now, by a pass or, if `snapshot-method` says
    /// so, by a child. None may be in progress. Returns the process that saves. An error: nothing
    /// has begun, and no file is left.
    ///
    /// O(1) for a pass, unless entries of a cancelled pass are still to be marked: then O(all
    /// keys). The cost of a fork grows with the pages of the process.
    pub(super) fn begin_snapshot(
        &mut self,
        keyspace: &mut Keyspace,
        targets: Vec<Target>,
    ) -> Result<u32, String> {
        assert!(self.snapshots.running.is_none(), "one snapshot at a time");
        let mut child = None;
        if self.forks_for_snapshots(keyspace) {
            match self.fork_to_save(keyspace, &targets) {
                Ok(forked) => child = Some(forked),
                Err(why) if self.config.snapshot_method == SnapshotMethod::Fork => {
                    return Err(format!("fork: {why}"));
                }
                // Falls back to a pass: writers of a large container will wait.
                Err(why) => tracing::warn!("Can't save in background: fork: {why}"),
            }
        }
        let (running, pid) = match child {
            Some(child) => {
                let pid = child.pid().unsigned_abs();
                let running = Running {
                    outlets: FanOut::of_child(targets, pid),
                    work: Work::Child(child, Vec::new()),
                };
                (running, pid)
            }
            None => {
                let wake = self.snapshots.wake();
                let running = self.begin_pass(keyspace, targets, wake)?;
                (running, std::process::id())
            }
        };
        self.snapshots.running = Some(running);
        self.refresh_interest(keyspace);
        Ok(pid)
    }

    /// Whether a child should make a snapshot that begins now.
    fn forks_for_snapshots(&self, keyspace: &Keyspace) -> bool {
        let wait_ms = u64::from(self.config.snapshot_max_wait_ms);
        match self.config.snapshot_method {
            SnapshotMethod::Loop => false,
            SnapshotMethod::Fork => true,
            SnapshotMethod::Auto => keyspace.has_containers_of(wait_ms * ELEMENTS_PER_MS),
        }
    }

    /// Begins a pass, after completing the current one. `wake` is called when a sink ends.
    fn begin_pass(
        &mut self,
        keyspace: &mut Keyspace,
        targets: Vec<Target>,
        wake: Wake,
    ) -> Result<Running, String> {
        let outlets = self.fan_out(keyspace, targets, &Hands::Thread(wake))?;
        if let Some(running) = &mut self.snapshots.running {
            running.save_rest(keyspace, 0);
        }
        if keyspace.in_pass() {
            // Entries left by a cancelled pass are marked before the next one begins.
            keyspace.mark_on(u64::MAX);
        }
        keyspace.begin_pass();
        Ok(Running {
            work: Work::Pass { next_step_us: 0 },
            outlets,
        })
    }

    /// Gives the current pass its share of the turn.
    fn pass_slice(&mut self, keyspace: &mut Keyspace, busy_ticks: u64, idle: bool) {
        let Some(running) = &mut self.snapshots.running else {
            return;
        };
        let Work::Pass { next_step_us } = running.work else {
            return;
        };
        // A delay per key makes a snapshot slow, for tests: the loop continues meanwhile.
        let delay_us = u64::try_from(self.config.rdb_key_save_delay).unwrap_or(0);
        let now_us = self.identity.started.elapsed().as_micros() as u64;
        if delay_us > 0 && now_us < next_step_us {
            return;
        }
        let least = self.cycles.ticks(SLICE_NANOS_MIN);
        let most = self.cycles.ticks(SLICE_NANOS_MAX);
        let ticks = match idle {
            _ if delay_us > 0 => 0,
            true => most,
            false => (busy_ticks / BUSY_PART).clamp(least, most),
        };
        let (_, saved) = running.slice(keyspace, ticks);
        if let Work::Pass { next_step_us } = &mut running.work {
            *next_step_us = now_us + delay_us * saved;
        }
        // Clients that waited for a container check again.
        self.release_awaiting();
    }

    /// Cancels a consumer's targets: their files are removed.
    pub(super) fn give_up_snapshot(&mut self, keyspace: &mut Keyspace, consumer: Consumer) {
        for target in self.snapshots.give_up(keyspace, consumer) {
            self.snapshot_ended(keyspace, &target, End::Cancelled);
        }
        self.refresh_interest(keyspace);
        self.release_awaiting();
    }

    /// A target has ended: notifies its consumer, and others that waited for it.
    fn snapshot_ended(&mut self, keyspace: &mut Keyspace, target: &Target, end: End) {
        match &target.what {
            What::Dump { name } => {
                self.save_ended(keyspace, target, &end);
                self.backup_saved(keyspace, name, &end);
            }
            What::Base { form, .. } => self.base_ended(target, *form, &end),
        }
    }

    /// Collects targets that have ended, and notifies their consumers.
    fn look_for_ends(&mut self, keyspace: &mut Keyspace) {
        let ended = self.snapshots.take_ended(keyspace);
        if ended.is_empty() {
            return;
        }
        for (target, end) in ended {
            self.snapshot_ended(keyspace, &target, end);
        }
        self.refresh_interest(keyspace);
        self.release_awaiting();
    }

    /// Updates which commands the gates must check because of snapshots.
    pub(super) fn refresh_interest(&mut self, keyspace: &Keyspace) {
        // A container with fewer elements is saved in a moment.
        const MANY: u64 = 512;
        let snapshots = &mut self.snapshots;
        snapshots.told_held &= keyspace.is_saving();
        snapshots.holds_writers &= keyspace.is_saving();
        snapshots.guards_large = keyspace.is_saving() && keyspace.has_containers_of(MANY);
        self.gates.interest = Interest::of(self);
    }

    /// Bounds the values saved early. To be called after each slice of a pass.
    fn bound_early(&mut self, keyspace: &Keyspace) {
        let bytes = match keyspace.is_saving() {
            true => keyspace.early_bytes(),
            false => 0,
        };
        let holds = match self.snapshots.holds_writers {
            true => bytes > EARLY_RESUME,
            false => bytes > EARLY_MAX,
        };
        if holds == self.snapshots.holds_writers {
            return;
        }
        self.snapshots.holds_writers = holds;
        self.refresh_interest(keyspace);
        if !holds {
            self.release_awaiting();
        } else if !self.snapshots.told_held {
            self.snapshots.told_held = true;
            tracing::warn!(
                "Writers wait for the snapshot: the disk is slower than what changes before it \
                 is saved ({} MB)",
                bytes >> 20
            );
        }
    }

    /// Clients that waited for a container continue; one that must wait for another waits again.
    fn release_awaiting(&mut self) {
        for id in std::mem::take(&mut self.snapshots.awaiting) {
            let Some(mut session) = self.clients.take(id) else {
                continue;
            };
            session.client.flags.remove(ClientFlags::POSTPONED);
            self.resume(&mut session);
            self.put_back(session);
        }
    }
}

impl Engine {
    /// Continues a snapshot for its share of the turn, whose other work took `busy_ticks`. `idle`:
    /// no client waits for the loop.
    #[inline]
    pub(super) fn snapshot_on(&mut self, busy_ticks: u64, idle: bool) {
        if self.server.snapshots.running.is_some() || self.keyspace.in_pass() {
            self.snapshot_on_now(busy_ticks, idle);
        }
    }

    fn snapshot_on_now(&mut self, busy_ticks: u64, idle: bool) {
        let Engine { keyspace, server } = self;
        if server.snapshots.running.is_none() && !keyspace.is_saving() {
            // Entries left by a cancelled pass are marked in short slices.
            keyspace.mark_on(server.cycles.ticks(SLICE_NANOS_MIN));
            return;
        }
        server.pass_slice(keyspace, busy_ticks, idle);
        server.look_for_ends(keyspace);
        if keyspace.is_saving() || server.snapshots.holds_writers {
            server.bound_early(keyspace);
        }
    }

    /// Called by cron: the end of a child, and queued snapshots.
    pub(super) fn tend_snapshots(&mut self) {
        self.look_at_child();
        self.look_at_rewrites();
        self.begin_due_save();
    }

    /// Checks the child.
    fn look_at_child(&mut self) {
        let Engine { keyspace, server } = self;
        let now_ms = server.now.mono_ms;
        let (wake, snapshots) = (server.snapshots.wake(), &mut server.snapshots);
        let Some(running) = &mut snapshots.running else {
            return;
        };
        let Work::Child(child, given_up) = &mut running.work else {
            return;
        };
        let Some(end) = child.look(now_ms) else {
            return;
        };
        given_up.iter().for_each(Target::forget);
        let cow = child.progress.cow_peak;
        for target in running.outlets.targets() {
            match target.consumer() {
                Consumer::Save => snapshots.forks.save_cow = cow,
                Consumer::Rewrite => snapshots.forks.rewrite_cow = cow,
            }
        }
        running.work = Work::Ending;
        running.outlets.child_ended(&end, &wake);
        server.look_for_ends(keyspace);
    }

    /// Whether the loop has snapshot work and should not sleep.
    pub(super) fn wants_snapshot_time(&self) -> bool {
        let Some(running) = &self.server.snapshots.running else {
            return self.keyspace.in_pass() && !self.keyspace.is_saving();
        };
        let is_pass = matches!(running.work, Work::Pass { .. });
        is_pass && running.outlets.has_room() && self.server.config.rdb_key_save_delay <= 0
    }
}
