//! Between turns: how long the loop may sleep, and how it does.
//!
//!     urgent work                -> poll without sleep
//!     many active clients        -> rest (`gather`), then poll without sleep; with I/O threads not
//!                                   where clients pipeline
//!     the last sleep was short   -> poll again and again for `busy-poll-usec` (`spin`), then sleep
//!     else                       -> sleep until an event, or until the next deadline
//!
//! Invariant: all work without an event of its own is in `has_urgent` or has a deadline in
//! `timeout`; cron bounds every sleep.
//! Cost: O(1) and a system call per turn; O(users) while connections are held by budgets.

use std::io::{self, ErrorKind};
use std::time::Duration;

use super::Loop;
use super::spin::Spin;

use russet_base::clock;
use russet_net::gather::Gather;

/// A poll shorter than this found its events waiting: it did not sleep.
const SLEEP_NANOS_MIN: u64 = 2000;
/// Sleeps shorter than this many polls are short: waking alone takes longer than a poll.
const SHORT: u64 = 4;

/// A Sentinel's rest, in which replies gather while all is well.
const SENTINEL_REST: Duration = Duration::from_millis(1);

/// The loop's record of its sleeps.
pub struct Sleeper {
    /// Length of the last sleep, in ticks: a short one predicts another.
    last: u64,
    pub gather: Gather,
    /// All commands until the last sleep or rest.
    commands: u64,
    spin: Spin,
}

impl Default for Sleeper {
    fn default() -> Sleeper {
        Sleeper {
            last: u64::MAX,
            gather: Gather::default(),
            commands: 0,
            spin: Spin::default(),
        }
    }
}

impl Loop {
    pub fn sleep(&mut self) -> io::Result<()> {
        let server = &mut self.engine.server;
        server.turn.pace.give_way(&server.cycles);
        let mut timeout = self.timeout();
        if timeout.is_zero() {
            return self.poll_for(Duration::ZERO);
        }
        if self.engine.server.replication.gathers_since.is_some() {
            self.poll_for(Duration::ZERO)?;
            if self.has_news() {
                return Ok(());
            }
            self.engine.server.queue_replicas(None);
            self.flush_replies();
            self.close_clients();
            self.post_io_threads();
            timeout = self.timeout();
        }
        if let Some(driver) = &mut self.engine.server.sentinel
            && std::mem::take(&mut driver.may_rest)
        {
            // Replies of many data nodes are read in a single turn.
            std::thread::sleep(SENTINEL_REST);
        }
        let server = &self.engine.server;
        let rest = u64::from(server.config.event_coalesce_usec);
        let spin = server
            .cycles
            .ticks(server.config.busy_poll_usec as u64 * 1000);
        let commands = server.stats.commands;
        let since = commands.saturating_sub(self.sleeper.commands);
        // Threads bring the pipelines of several clients at once: a rest gathers little more.
        let may_rest =
            server.connections.io_threads.is_empty() || !self.sleeper.gather.finds_pipelines(since);
        // A primary's clients wait for each acknowledgement.
        let is_awaited =
            server.replication.sync_writes.has_unsafe() || server.replication.acks.is_each_turn;
        if rest > 0 && may_rest && !is_awaited && self.sleeper.gather.decide_rest() {
            self.poll_for(Duration::ZERO)?;
            if self.has_news() {
                return Ok(());
            }
            let times = u64::from(self.sleeper.gather.times());
            std::thread::sleep(Duration::from_micros(rest * times));
            self.sleeper.gather.rested();
            self.sleeper.commands = commands;
            self.poll_for(Duration::ZERO)?;
            if self.has_news() {
                return Ok(());
            }
        }
        let began = clock::cycles();
        // A client that replies within microseconds is met awake: sleeping costs more.
        if spin > 0 && self.sleeper.last < SHORT * spin && self.sleeper.spin.is_due() {
            loop {
                self.poll_for(Duration::ZERO)?;
                let waited = clock::cycles().wrapping_sub(began);
                if self.has_news() {
                    self.sleeper.spin.count(true);
                    self.sleeper.last = waited;
                    return Ok(());
                }
                if waited >= spin {
                    self.sleeper.spin.count(false);
                    break;
                }
            }
        }
        self.poll_for(timeout)?;
        self.sleeper.last = clock::cycles().wrapping_sub(began);
        if self.sleeper.last >= self.engine.server.cycles.ticks(SLEEP_NANOS_MIN) {
            self.sleeper.gather.slept();
            self.sleeper.commands = commands;
        }
        Ok(())
    }

    /// Whether a poll, or an I/O thread, has brought something to do.
    fn has_news(&self) -> bool {
        !self.events.is_empty() || self.engine.server.connections.io_threads.have_batches()
    }

    pub(super) fn poll_for(&mut self, mut timeout: Duration) -> io::Result<()> {
        let io_threads = &self.engine.server.connections.io_threads;
        let may_sleep = !timeout.is_zero() && !io_threads.is_empty();
        if may_sleep && !io_threads.begin_sleep() {
            timeout = Duration::ZERO;
        }
        let poll = self.poll.as_mut().expect("only guests have none");
        let polled = match poll.poll(&mut self.events, Some(timeout)) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            other => other,
        };
        if may_sleep {
            io_threads.end_sleep();
        }
        polled
    }

    /// Whether there is work that cannot wait for an event.
    fn has_urgent(&self) -> bool {
        let server = &self.engine.server;
        self.engine.loader.is_some()
            || server
                .turn
                .has_urgent(&server.shutdown, &server.connections.console)
            || server.tasks.has_slices()
            || !server.turns.is_empty()
            || server.search.are_dropped
            || server.changes.has_work()
            || server
                .cluster
                .as_ref()
                .is_some_and(|it| it.surveys.has_tasks())
            || server.turn.dropping
            || self.engine.wants_snapshot_time()
            || !server.connections.tls.handshakes.ready.is_empty()
            || !server.turn.ready.is_empty()
            || !self.acceptor.is_idle()
    }

    /// How long the loop may sleep.
    pub(super) fn timeout(&mut self) -> Duration {
        if self.has_urgent() || self.machines_are_urgent() {
            return Duration::ZERO;
        }
        let machines_due_ms = self.machines_due_ms();
        let server = &self.engine.server;
        // The turn's clock is as old as the turn: everything is due that much sooner.
        let since_ms = server
            .cycles
            .micros(clock::cycles().wrapping_sub(self.began))
            / 1000;
        let mono_ms = server.now.mono_ms + since_ms;
        let mut wait_ms = server.turn.cron_due_ms.saturating_sub(mono_ms);
        if self.engine.keyspace.is_saving() {
            // The disk may have accepted the data that the snapshot waits for.
            wait_ms = wait_ms.min(1);
        }
        if server.connections.io_threads.is_full() {
            // Orders that found no room are sent again.
            wait_ms = wait_ms.min(1);
        }
        if server
            .cluster
            .as_ref()
            .is_some_and(|it| it.surveys.pending_len() > 0)
        {
            // This node's view of the slots may change.
            wait_ms = wait_ms.min(1);
        }
        if let Some(due_ms) = server.memory.defrag.due_in_ms(&server.config) {
            wait_ms = wait_ms.min(due_ms);
        }
        if let Some(due_ms) = server.memory.packing.due_in_ms(mono_ms) {
            wait_ms = wait_ms.min(due_ms);
        }
        if let Some(due_ms) = machines_due_ms {
            wait_ms = wait_ms.min((due_ms - mono_ms as i64).max(0) as u64);
        }
        if let Some(due) = server.turn.deadlines.next() {
            wait_ms = wait_ms.min(due.saturating_sub(mono_ms));
        }
        if let Some(due) = server.turn.wakes.next() {
            wait_ms = wait_ms.min(due.saturating_sub(mono_ms));
        }
        let next_held = self.engine.server.acl.accounts.next_in_ms(mono_ms);
        let server = &self.engine.server;
        if let Some(in_ms) = next_held {
            wait_ms = wait_ms.min(in_ms);
        }
        if let Some(pause) = server.gates.client_pause {
            wait_ms = wait_ms.min(pause.until_ms.saturating_sub(mono_ms));
        }
        if let Some(until_ms) = server.gates.hands_over_until_ms {
            wait_ms = wait_ms.min(until_ms.saturating_sub(mono_ms));
        }
        if let Some(due) = self.engine.keyspace.next_expiry() {
            let unix_ms = server.now.unix_ms() + since_ms as i64;
            wait_ms = wait_ms.min(due.saturating_sub(unix_ms).max(0) as u64);
        }
        Duration::from_millis(wait_ms)
    }
}
