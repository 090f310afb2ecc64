//! The driver of snapshots at work (`parts::persist::snapshot` has its state and invariants): the
//! settings of sinks, the notice of an end to consumers, the release of clients whose writes
//! waited.
//!
//! Every turn gives the pass its share of time ([`Engine::continue_snapshot`]); cron reads the
//! child and begins queued snapshots. Whenever a snapshot begins or a target ends, the gates are
//! recomputed, because they decide which writers wait.

use crate::parts::persist::snapshot::{
    Consumer, SnapshotContext, SnapshotEnd, Snapshots, Target, TargetKind, Turn,
};
use crate::state::Server;
use crate::state::world::Engine;
use russet_keyspace::Keyspace;

pub mod save;

impl Server {
    /// The driver, and the settings of sinks that begin now.
    fn snapshots(&mut self) -> (&mut Snapshots, SnapshotContext<'_>) {
        let making = SnapshotContext {
            search: &self.search,
            config: &self.config,
            now: &self.now,
            stream: &self.stream,
            libraries: &self.scripting.libraries,
            disk: self.persist.aof.disk(),
            cluster: self.cluster.as_deref().map(|driver| &driver.core),
            migrations: (self.migrations.as_deref()).map(|driver| &driver.machine),
        };
        (&mut self.persist.snapshots, making)
    }

    /// Begins a snapshot ([`Snapshots::begin`]). Returns the process that saves.
    pub fn begin_snapshot(
        &mut self,
        keyspace: &mut Keyspace,
        targets: Vec<Target>,
    ) -> Result<u32, String> {
        let (snapshots, making) = self.snapshots();
        let begun = snapshots.begin(keyspace, targets, &making)?;
        if let Some(micros) = begun.fork_us {
            let latency = &mut self.diagnostics.latency;
            latency.add_if_slow("fork", micros / 1000);
        }
        self.refresh_interest(keyspace);
        Ok(begun.pid)
    }

    /// Cancels a consumer's targets: their files are removed.
    pub(crate) fn give_up_snapshot(&mut self, keyspace: &mut Keyspace, consumer: Consumer) {
        for target in self.persist.snapshots.give_up(keyspace, consumer) {
            self.snapshot_ended(keyspace, &target, SnapshotEnd::Cancelled);
        }
        self.refresh_interest(keyspace);
        self.release_awaiting();
    }

    /// A target has ended: notifies its consumer, and others that waited for it.
    fn snapshot_ended(&mut self, keyspace: &mut Keyspace, target: &Target, end: SnapshotEnd) {
        match &target.what {
            TargetKind::Dump { name } => {
                let saving = &mut self.persist.saving;
                saving.last_forked = self.persist.snapshots.last_forked;
                saving.ended(keyspace, target, &end, &self.now);
                self.backup_saved(keyspace, name, &end);
            }
            TargetKind::Base { form, .. } => self.base_ended(target, *form, &end),
            TargetKind::Spool { spool, .. } => self.replication.sync_snapshot_ended(spool, &end),
            TargetKind::Slots { feed, .. } => feed.set_end(&end),
        }
    }

    /// Collects targets that have ended, and spools without a reader, and notifies their consumers.
    fn collect_ended_snapshots(&mut self, keyspace: &mut Keyspace) {
        let snapshots = &mut self.persist.snapshots;
        let unread = snapshots.give_up_unread(keyspace).into_iter();
        let mut ended: Vec<_> = unread
            .map(|target| (target, SnapshotEnd::Cancelled))
            .collect();
        ended.append(&mut snapshots.take_ended(keyspace));
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
    fn refresh_interest(&mut self, keyspace: &Keyspace) {
        self.persist.snapshots.writers.refresh(keyspace);
        self.update_interest();
    }

    /// Bounds the values saved early. To be called after each slice of a pass.
    fn bound_early(&mut self, keyspace: &Keyspace) {
        if !self.persist.snapshots.writers.bound_early(keyspace) {
            return;
        }
        let holds = self.persist.snapshots.writers.holds_all();
        self.refresh_interest(keyspace);
        if !holds {
            self.release_awaiting();
        }
    }

    /// Clients that waited for a container continue; a client that must wait for another container
    /// waits again.
    fn release_awaiting(&mut self) {
        let awaiting = self.persist.snapshots.writers.take_awaiting();
        self.resume_postponed(awaiting);
    }
}

impl Engine {
    /// Continues a snapshot for its share of the turn, whose other work took `busy_ticks`. `idle`:
    /// no client waits for the loop.
    #[inline]
    pub fn continue_snapshot(&mut self, busy_ticks: u64, idle: bool) {
        if self.server.persist.snapshots.in_progress() || self.keyspace.in_pass() {
            self.snapshot_on_now(busy_ticks, idle);
        }
    }

    fn snapshot_on_now(&mut self, busy_ticks: u64, idle: bool) {
        let Engine {
            keyspace, server, ..
        } = self;
        if !server.persist.snapshots.in_progress() && !keyspace.is_saving() {
            Snapshots::mark_left(keyspace, &server.cycles);
            return;
        }
        let moves_slots = server.persist.snapshots.serves(Consumer::Migration);
        let nanos = if moves_slots {
            server
                .turn
                .slice_nanos(server.migrations.as_deref(), &server.stats, &server.cycles)
        } else {
            None
        };
        let turn = Turn {
            busy_ticks,
            idle,
            beside_clients: server.turn.is_beside_clients(
                server.migrations.as_deref(),
                &server.stats,
                &server.cycles,
            ),
            nanos,
        };
        let clocks = (&server.cycles, server.identity.started);
        let snapshots = &mut server.persist.snapshots;
        if snapshots.slice(keyspace, &server.config, clocks, turn) {
            // Clients that waited for a container check again.
            server.release_awaiting();
        }
        server.collect_ended_snapshots(keyspace);
        if keyspace.is_saving() || server.persist.snapshots.writers.holds_all() {
            server.bound_early(keyspace);
        }
    }

    /// Called by cron: the end of a child, and queued snapshots.
    pub fn tend_snapshots(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let snapshots = &mut server.persist.snapshots;
        if snapshots.read_child_messages(server.now.mono_ms) || snapshots.serves_replicas() {
            server.collect_ended_snapshots(keyspace);
        }
        self.begin_due_rewrites();
        self.begin_due_save();
    }

    /// Whether the loop has snapshot work and should not sleep.
    pub fn wants_snapshot_time(&self) -> bool {
        let (server, keyspace) = (&self.server, &self.keyspace);
        server
            .persist
            .snapshots
            .wants_time(keyspace, &server.config)
    }
}
