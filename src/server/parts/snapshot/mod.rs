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

/// How often a wait for the disk is interrupted to feed the watchdog.
const WAIT: Duration = Duration::from_millis(100);

pub mod child;
pub mod rdb;
pub mod save;
pub mod sink;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use child::{ChildProgress, Forks};
pub(in crate::server) use sink::{Target, temp_name};

use child::Child;
use sink::FanOut;

use crate::config::system_text;
use crate::keyspace::{ClientId, Keyspace, Slice};
use crate::persistence::background::Wake;

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
    pub(in crate::server) fn why(&self) -> &str {
        match self {
            End::Done => "",
            End::Failed(why) => why,
            End::Killed(_) => "the child was killed",
            End::Unwanted => "the child was told to end",
            End::Cancelled => "the snapshot was given up",
        }
    }

    pub(in crate::server) fn of(result: io::Result<()>) -> End {
        match result {
            Ok(()) => End::Done,
            Err(error) => End::Failed(system_text(&error)),
        }
    }
}

/// A snapshot in progress.
pub(in crate::server) struct Running {
    pub(in crate::server) work: Work,
    pub(in crate::server) outlets: FanOut,
}

pub(in crate::server) enum Work {
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
    pub(in crate::server) fn slice(&mut self, keyspace: &mut Keyspace, ticks: u64) -> (Slice, u64) {
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
    pub(in crate::server) fn save_rest(&mut self, keyspace: &mut Keyspace, delay_us: u64) {
        let ticks = if delay_us > 0 { 0 } else { u64::MAX };
        while matches!(self.work, Work::Pass { .. }) {
            crate::server::process::feed_watchdog();
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
    pub(in crate::server) fn wait(mut self) -> End {
        while !self.outlets.poll() {
            crate::server::process::feed_watchdog();
            std::thread::park_timeout(WAIT);
        }
        self.outlets.end()
    }
}

/// See the module.
#[derive(Default)]
pub struct Snapshots {
    pub(in crate::server) running: Option<Running>,
    /// Consumers that want a snapshot as soon as possible, each once. Cron serves them, a rewrite
    /// first.
    pub(in crate::server) queued: Vec<Consumer>,
    pub forks: Forks,
    /// Clients that wait for a large container to be saved.
    pub(in crate::server) awaiting: Vec<ClientId>,
    /// Writers of large containers must be checked: some are not saved yet.
    pub(in crate::server) guards_large: bool,
    /// Too many bytes saved early wait to be written: all writers wait.
    pub(in crate::server) holds_writers: bool,
    /// The log has reported that for this pass.
    pub(in crate::server) told_held: bool,
    pub(in crate::server) wake: Option<Wake>,
}

impl Snapshots {
    /// How writing threads wake the loop.
    pub(in crate::server) fn set_wake(&mut self, wake: Wake) {
        self.wake = Some(wake);
    }

    pub(in crate::server) fn wake(&self) -> Wake {
        self.wake.clone().unwrap_or_else(|| Arc::new(|| ()))
    }

    /// The current child.
    pub(in crate::server) fn child(&self) -> Option<&Child> {
        match &self.running.as_ref()?.work {
            Work::Child(child, _) => Some(child),
            Work::Pass { .. } | Work::Ending => None,
        }
    }

    /// Bytes of a pass that wait to be written.
    pub(in crate::server) fn waiting_bytes(&self) -> usize {
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
    pub(in crate::server) fn set_queued(&mut self, consumer: Consumer, queued: bool) -> bool {
        let was = self.is_queued(consumer);
        self.queued.retain(|&c| c != consumer);
        if queued {
            self.queued.push(consumer);
        }
        was
    }

    /// A client waits for the containers that its command writes to.
    pub(in crate::server) fn await_saved(&mut self, client: ClientId) {
        self.awaiting.push(client);
    }

    /// Takes targets that have ended since the last call, with their ends. O(targets).
    pub(in crate::server) fn take_ended(&mut self, keyspace: &mut Keyspace) -> Vec<(Target, End)> {
        let Some(running) = &mut self.running else {
            return Vec::new();
        };
        let ended = running.outlets.take_ended().collect();
        self.end_without_targets(keyspace);
        ended
    }

    /// Cancels a consumer's targets: removes their files, and with the last of them ends the pass
    /// or the child.
    pub(in crate::server) fn give_up(
        &mut self,
        keyspace: &mut Keyspace,
        consumer: Consumer,
    ) -> Vec<Target> {
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
