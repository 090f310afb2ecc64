//! Snapshots: all databases as they were at one moment, saved to one or more sinks.
//!
//!     begin_snapshot(targets) -> pass:  a slice a turn -> sinks finish -----> snapshot_ended
//!                             -> child: saves all -> its files get names ---> snapshot_ended
//!
//! This is the driver. It owns what all snapshots share: the pass (`keyspace::snapshot`) or the
//! forked child ([`child`]) that is under way, the pass's share of a turn, the list of
//! consumers that want a snapshot as soon as one may begin, and the clients whose writes wait
//! for the pass. What receives the keys is a [`sink`]; one pass, or one child, feeds all sinks
//! that begin at the same moment. A consumer (saves: [`save`]; rewrites of the append only
//! file: `aof::rewrite`) asks for targets and decides what their end means. Backups wait for the
//! end of a save; `Server::snapshot_ended` tells all of them.
//!
//! Invariants
//!   1. One snapshot is under way at a time. SAVE's ends within the call and is not counted.
//!   2. The keyspace has one pass at a time: SAVE first runs the one under way to the end of
//!      its keys.
//!   3. The moment of a snapshot is the call of `begin_snapshot`: what a consumer counts
//!      beside the data, such as an offset of the stream of effects, it reads beside that call.
//!   4. Each target has one end, which comes when its file is whole and named, or gone. A
//!      target that fails takes no other with it, except in a child.
//!   5. No snapshot begins inside a transaction or script: consumers see to that.
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

/// A pass takes this part of a busy turn: as much time as is a third of the rest.
const BUSY_PART: u64 = 3;
/// Nanoseconds of one slice: at least, so that a pass ends; at most, so that no client waits.
const SLICE_NANOS_MIN: u64 = 50_000;
const SLICE_NANOS_MAX: u64 = 400_000;
/// Bytes of values that were about to change and wait to be saved: past the first figure all
/// writers wait from the next turn on, until there are no more than the second.
const EARLY_MAX: usize = 32 << 20;
const EARLY_RESUME: usize = 8 << 20;
/// About as many elements of one container a pass saves in a millisecond, with half of a busy
/// loop's time.
const ELEMENTS_PER_MS: u64 = 2_500;
/// How often a wait for the disk is interrupted to feed the watchdog.
const WAIT: Duration = Duration::from_millis(100);

/// The parts of the server that want snapshots.
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
    /// The child was ended by SIGUSR1, which says that it is not wanted: no failure.
    Unwanted,
    /// Its consumer gave it up.
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

/// A snapshot under way.
struct Running {
    work: Work,
    outlets: FanOut,
}

enum Work {
    /// A snapshot between ticks.
    Pass {
        /// With `rdb-key-save-delay`, when the next step is due, monotonic microseconds.
        next_step_us: u64,
    },
    /// A child, and targets that were given up: their files go when it has ended.
    Child(Child, Vec<Target>),
    /// All keys are saved, or no sink is left to save them to; the sinks are being finished.
    Ending,
}

impl Running {
    /// Saves for `ticks`, a key or a part of one at least. Gives how it went, and how many keys
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

    /// Saves all keys that a pass has left, while the loop waits. `delay_us`: after each key.
    /// Ends early when every sink has failed.
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

    /// Waits until all sinks have ended: the first end that is an error. To be called when all
    /// keys are saved, by the thread that the sinks wake.
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
    /// Consumers that want a snapshot as soon as one may begin, each once. Cron asks them, a
    /// rewrite first.
    queued: Vec<Consumer>,
    pub forks: Forks,
    /// Clients that wait until a large container is saved.
    awaiting: Vec<ClientId>,
    /// Writers of large containers must be looked at: some are not saved yet.
    pub(super) guards_large: bool,
    /// More has been about to change than may wait to be saved: all writers wait.
    pub(super) holds_writers: bool,
    /// The log has told so of this pass.
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

    /// The child under way.
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

    /// Whether a consumer wants a snapshot that has not begun.
    pub fn is_queued(&self, consumer: Consumer) -> bool {
        self.queued.contains(&consumer)
    }

    /// A consumer wants a snapshot as soon as one may begin, or does not any more. Gives
    /// whether it did before.
    pub(super) fn set_queued(&mut self, consumer: Consumer, queued: bool) -> bool {
        let was = self.is_queued(consumer);
        self.queued.retain(|&c| c != consumer);
        if queued {
            self.queued.push(consumer);
        }
        was
    }

    /// A client waits until what its command writes to is saved.
    pub(super) fn await_saved(&mut self, client: ClientId) {
        self.awaiting.push(client);
    }

    /// Targets that have ended since the last call, each with how. O(targets).
    fn take_ended(&mut self, keyspace: &mut Keyspace) -> Vec<(Target, End)> {
        let Some(running) = &mut self.running else {
            return Vec::new();
        };
        let ended = running.outlets.take_ended().collect();
        self.end_without_targets(keyspace);
        ended
    }

    /// A consumer's targets are not wanted any more: their files go, and with the last of them
    /// the pass or the child.
    fn give_up(&mut self, keyspace: &mut Keyspace, consumer: Consumer) -> Vec<Target> {
        let Some(running) = &mut self.running else {
            return Vec::new();
        };
        let gone = running.outlets.remove(consumer);
        if let Work::Child(_, given_up) = &mut running.work {
            given_up.extend(gone.iter().cloned());
        }
        self.end_without_targets(keyspace);
        // A child must be gone before its file is.
        gone.iter().for_each(Target::forget);
        gone
    }

    /// If no target is left the pass saves no more, and the child is ended.
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
    /// Begins a snapshot of all databases as they are now, by a pass or, if `snapshot-method`
    /// says so, by a child. None may be under way. Gives the process that saves. An error:
    /// nothing has begun, and no file is left.
    ///
    /// O(1) for a pass, unless entries of a pass that was given up are still to be marked: then
    /// O(all keys). A fork takes time by the pages of the process.
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
                // Writers of a large container will wait.
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

    /// Whether a snapshot that begins now is better made by a child.
    fn forks_for_snapshots(&self, keyspace: &Keyspace) -> bool {
        let wait_ms = u64::from(self.config.snapshot_max_wait_ms);
        match self.config.snapshot_method {
            SnapshotMethod::Loop => false,
            SnapshotMethod::Fork => true,
            SnapshotMethod::Auto => keyspace.has_containers_of(wait_ms * ELEMENTS_PER_MS),
        }
    }

    /// Begins a pass; the one under way saves what it has left first. `wake` is called when
    /// a sink ends.
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
            // What a pass that was given up has left is marked before the next one begins.
            keyspace.mark_on(u64::MAX);
        }
        keyspace.begin_pass();
        Ok(Running {
            work: Work::Pass { next_step_us: 0 },
            outlets,
        })
    }

    /// Gives a pass under way its share of the turn.
    fn pass_slice(&mut self, keyspace: &mut Keyspace, busy_ticks: u64, idle: bool) {
        let Some(running) = &mut self.snapshots.running else {
            return;
        };
        let Work::Pass { next_step_us } = running.work else {
            return;
        };
        // A delay for each key is for tests that want to see a snapshot last: the loop goes on.
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
        // A client that waited for a container looks again.
        self.release_awaiting();
    }

    /// A consumer does not want its targets any more: their files go.
    pub(super) fn give_up_snapshot(&mut self, keyspace: &mut Keyspace, consumer: Consumer) {
        for target in self.snapshots.give_up(keyspace, consumer) {
            self.snapshot_ended(keyspace, &target, End::Cancelled);
        }
        self.refresh_interest(keyspace);
        self.release_awaiting();
    }

    /// A target has ended: its consumer learns of it, and others that have waited for it.
    fn snapshot_ended(&mut self, keyspace: &mut Keyspace, target: &Target, end: End) {
        match &target.what {
            What::Dump { name } => {
                self.save_ended(keyspace, target, &end);
                self.backup_saved(keyspace, name, &end);
            }
            What::Base { form, .. } => self.base_ended(target, *form, &end),
        }
    }

    /// Learns which targets have ended, and tells those who wait for them.
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

    /// What the gates must look at has changed with the snapshots.
    pub(super) fn refresh_interest(&mut self, keyspace: &Keyspace) {
        // Containers of fewer elements are small, or saved in a moment.
        const MANY: u64 = 512;
        let snapshots = &mut self.snapshots;
        snapshots.told_held &= keyspace.is_saving();
        snapshots.holds_writers &= keyspace.is_saving();
        snapshots.guards_large = keyspace.is_saving() && keyspace.has_containers_of(MANY);
        self.gates.interest = Interest::of(self);
    }

    /// What must be saved early has a bound. To be called when a pass has had its slice.
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

    /// Clients that waited for a container go on; one that must wait for another comes again.
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
    /// Goes on with a snapshot for a share of the turn, whose other work took `busy_ticks`.
    /// `idle`: no client waits for the loop.
    #[inline]
    pub(super) fn snapshot_on(&mut self, busy_ticks: u64, idle: bool) {
        if self.server.snapshots.running.is_some() || self.keyspace.in_pass() {
            self.snapshot_on_now(busy_ticks, idle);
        }
    }

    fn snapshot_on_now(&mut self, busy_ticks: u64, idle: bool) {
        let Engine { keyspace, server } = self;
        if server.snapshots.running.is_none() && !keyspace.is_saving() {
            // What a pass that was given up has left: marked in short slices.
            keyspace.mark_on(server.cycles.ticks(SLICE_NANOS_MIN));
            return;
        }
        server.pass_slice(keyspace, busy_ticks, idle);
        server.look_for_ends(keyspace);
        if keyspace.is_saving() || server.snapshots.holds_writers {
            server.bound_early(keyspace);
        }
    }

    /// What is due of snapshots, with cron: the end of a child, and what may begin.
    pub(super) fn tend_snapshots(&mut self) {
        self.look_at_child();
        self.look_at_rewrites();
        self.begin_due_save();
    }

    /// What became of a child.
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

    /// Whether the loop has work for a snapshot and should not sleep.
    pub(super) fn wants_snapshot_time(&self) -> bool {
        let Some(running) = &self.server.snapshots.running else {
            return self.keyspace.in_pass() && !self.keyspace.is_saving();
        };
        let is_pass = matches!(running.work, Work::Pass { .. });
        is_pass && running.outlets.has_room() && self.server.config.rdb_key_save_delay <= 0
    }
}
