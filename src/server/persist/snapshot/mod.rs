//! The driver of snapshots at work (`parts::snapshot` has its state and invariants): their beginning,
//! slices, ends, and the clients whose writes wait for them.

use crate::config::SnapshotMethod;
use crate::keyspace::{Keyspace, Saver};
use crate::persistence::background::Wake;
use crate::server::clients::client::ClientFlags;
use crate::server::parts::snapshot::sink::{FanOut, Hands, Target, What};
use crate::server::parts::snapshot::{Consumer, End, Running, Work};
use crate::server::state::Server;
use crate::server::state::world::Engine;

pub mod child;
pub mod rdb;
pub mod save;
pub mod sink;
#[cfg(test)]
mod tests;

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

impl Server {
    /// Begins a snapshot of all databases as they are now, by a pass or, if `snapshot-method` says
    /// so, by a child. None may be in progress. Returns the process that saves. An error: nothing
    /// has begun, and no file is left.
    ///
    /// O(1) for a pass, unless entries of a cancelled pass are still to be marked: then O(all
    /// keys). The cost of a fork grows with the pages of the process.
    pub(in crate::server) fn begin_snapshot(
        &mut self,
        keyspace: &mut Keyspace,
        targets: Vec<Target>,
    ) -> Result<u32, String> {
        assert!(
            self.persist.snapshots.running.is_none(),
            "one snapshot at a time"
        );
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
                let wake = self.persist.snapshots.wake();
                let running = self.begin_pass(keyspace, targets, wake)?;
                (running, std::process::id())
            }
        };
        self.persist.snapshots.running = Some(running);
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
        if let Some(running) = &mut self.persist.snapshots.running {
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
        let Some(running) = &mut self.persist.snapshots.running else {
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
    pub(in crate::server) fn give_up_snapshot(
        &mut self,
        keyspace: &mut Keyspace,
        consumer: Consumer,
    ) {
        for target in self.persist.snapshots.give_up(keyspace, consumer) {
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
        let ended = self.persist.snapshots.take_ended(keyspace);
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
    pub(in crate::server) fn refresh_interest(&mut self, keyspace: &Keyspace) {
        // A container with fewer elements is saved in a moment.
        const MANY: u64 = 512;
        let snapshots = &mut self.persist.snapshots;
        snapshots.told_held &= keyspace.is_saving();
        snapshots.holds_writers &= keyspace.is_saving();
        snapshots.guards_large = keyspace.is_saving() && keyspace.has_containers_of(MANY);
        self.gates.interest = self.interest();
    }

    /// Bounds the values saved early. To be called after each slice of a pass.
    fn bound_early(&mut self, keyspace: &Keyspace) {
        let bytes = match keyspace.is_saving() {
            true => keyspace.early_bytes(),
            false => 0,
        };
        let holds = match self.persist.snapshots.holds_writers {
            true => bytes > EARLY_RESUME,
            false => bytes > EARLY_MAX,
        };
        if holds == self.persist.snapshots.holds_writers {
            return;
        }
        self.persist.snapshots.holds_writers = holds;
        self.refresh_interest(keyspace);
        if !holds {
            self.release_awaiting();
        } else if !self.persist.snapshots.told_held {
            self.persist.snapshots.told_held = true;
            tracing::warn!(
                "Writers wait for the snapshot: the disk is slower than what changes before it \
                 is saved ({} MB)",
                bytes >> 20
            );
        }
    }

    /// Clients that waited for a container continue; one that must wait for another waits again.
    fn release_awaiting(&mut self) {
        for id in std::mem::take(&mut self.persist.snapshots.awaiting) {
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
    pub(in crate::server) fn snapshot_on(&mut self, busy_ticks: u64, idle: bool) {
        if self.server.persist.snapshots.running.is_some() || self.keyspace.in_pass() {
            self.snapshot_on_now(busy_ticks, idle);
        }
    }

    fn snapshot_on_now(&mut self, busy_ticks: u64, idle: bool) {
        let Engine {
            keyspace, server, ..
        } = self;
        if server.persist.snapshots.running.is_none() && !keyspace.is_saving() {
            // Entries left by a cancelled pass are marked in short slices.
            keyspace.mark_on(server.cycles.ticks(SLICE_NANOS_MIN));
            return;
        }
        server.pass_slice(keyspace, busy_ticks, idle);
        server.look_for_ends(keyspace);
        if keyspace.is_saving() || server.persist.snapshots.holds_writers {
            server.bound_early(keyspace);
        }
    }

    /// Called by cron: the end of a child, and queued snapshots.
    pub(in crate::server) fn tend_snapshots(&mut self) {
        self.look_at_child();
        self.look_at_rewrites();
        self.begin_due_save();
    }

    /// Checks the child.
    fn look_at_child(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let now_ms = server.now.mono_ms;
        let (wake, snapshots) = (
            server.persist.snapshots.wake(),
            &mut server.persist.snapshots,
        );
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
    pub(in crate::server) fn wants_snapshot_time(&self) -> bool {
        let Some(running) = &self.server.persist.snapshots.running else {
            return self.keyspace.in_pass() && !self.keyspace.is_saving();
        };
        let is_pass = matches!(running.work, Work::Pass { .. });
        is_pass && running.outlets.has_room() && self.server.config.rdb_key_save_delay <= 0
    }
}
