//! The observers of every command: monitors, a session of HOTKEYS (`parts::observe::hotkeys`),
//! figures of slots (`parts::cluster::slot_stats`).
//!
//! Invariant: `gates.is_observed` is whether there are any observers. Each command tests only this
//! flag, so all code that starts or ends an observer updates it ([`Server::update_observers`]).

use crate::clients::client::{Client, ClientFlags};
use crate::origin::Origin;
use crate::parts::observe::hotkeys::{Session, SessionSettings};
use crate::state::Server;
use russet_command::Flags;
use russet_resp::Args;

impl Server {
    /// Starts a session, and discards the results of the last session. `false`: a session is
    /// running.
    pub fn start_hotkeys(&mut self, wanted: SessionSettings) -> bool {
        let hotkeys = &mut self.diagnostics.hotkeys;
        let started = hotkeys.start(wanted, &self.now, &self.cycles);
        self.update_observers();
        started
    }

    /// Stops the session; its results stay. `false`: none is running.
    pub fn stop_hotkeys(&mut self) -> bool {
        let stopped = self.diagnostics.hotkeys.stop(self.now.mono_ms);
        self.update_observers();
        stopped
    }

    /// Discards the results. `false`: a session is running.
    pub fn reset_hotkeys(&mut self) -> bool {
        let reset = self.diagnostics.hotkeys.reset(self.now.mono_ms);
        self.update_observers();
        reset
    }

    /// The session, running or over.
    pub fn hotkeys(&mut self) -> Option<&Session> {
        self.end_due_hotkeys();
        self.diagnostics.hotkeys.session()
    }

    /// Settings have changed: begins, changes or ends the windows of `hotkey-top-k`.
    pub(crate) fn apply_hotkey_settings(&mut self) {
        let hotkeys = &mut self.diagnostics.hotkeys;
        hotkeys.apply_settings(&self.config, self.now.mono_ms);
        self.update_observers();
    }

    /// Begins or ends the figures of slots.
    pub(crate) fn apply_slot_stats(&mut self) {
        // The node itself is made after the first settings.
        let wanted = if self.config.cluster_enabled {
            self.config.cluster_slot_stats_enabled
        } else {
            Default::default()
        };
        self.diagnostics.slot_stats.apply_settings(wanted);
        self.update_observers();
    }

    /// Ends a session whose time is up. Slots that the node no longer serves leave its selection.
    pub fn end_due_hotkeys(&mut self) {
        if let Some(cluster) = &self.cluster {
            let hotkeys = &mut self.diagnostics.hotkeys;
            hotkeys.keep_slots(|slot| cluster.core.is_mine(slot));
        }
        self.diagnostics.hotkeys.end_due(self.now.mono_ms);
        self.update_observers();
    }

    /// Updates whether every command is observed: the test made once per command.
    pub fn update_observers(&mut self) {
        let counts_keys = self.diagnostics.hotkeys.is_counting();
        let counts_slots = self.diagnostics.slot_stats.is_counting();
        let is_tapped = !self.connections.console.taps.is_empty();
        let is_monitored = !self.messages.monitors.is_empty() || is_tapped;
        self.gates.is_observed = counts_keys
            || counts_slots
            || is_monitored
            || self.debug.checks_accounts
            || self.debug.packs_after_each;
    }

    /// Reports a finished command, which took `ticks` and replied `replied` bytes, to the observers
    /// of every command.
    #[inline(never)]
    pub fn observe(
        &mut self,
        client: &Client,
        row: usize,
        args: Args<'_>,
        origin: Origin,
        cost: (u64, usize),
    ) {
        let spec = self.table.row(row).spec;
        let first_try = origin != Origin::Retry;
        if !self.messages.monitors.is_empty()
            && first_try
            && !spec.flags.contains(Flags::SKIP_MONITOR)
        {
            self.messages
                .feed_monitors(&self.table, client, row, args, origin);
        }
        if !self.connections.console.taps.is_empty()
            && first_try
            && !spec.flags.contains(Flags::SKIP_MONITOR)
        {
            self.connections
                .feed_taps(&self.table, &self.acl, &self.now, client, row, args);
        }
        // A console's reads do not count as use of a key.
        if client.console.is_some() {
            return;
        }
        // A command that blocks is counted when it has been served.
        if client.flags.contains(ClientFlags::BLOCKED) {
            return;
        }
        let row = self.table.row(row);
        if self.diagnostics.slot_stats.is_counting() {
            self.diagnostics.slot_stats.count(row, args, origin, cost);
        }
        if origin != Origin::Script {
            let db = client.db;
            self.diagnostics.hotkeys.count(row, args, db, cost);
        }
    }
}
