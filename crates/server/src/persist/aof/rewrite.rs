//! Rewrites of the append only file at work (`parts::persist::aof::rewrites`): when a rewrite
//! begins, the snapshot that makes the base, and the consequences of the rewrite's end.
//!
//! Invariant: a rewrite that must be made again is queued with the driver of snapshots
//! (`Consumer::Rewrite`); cron and a much longer file begin rewrites that are queued or due.

use crate::parts::execution::scripting::ScriptState;
use crate::parts::persist::Persist;
use crate::parts::persist::aof::rewrites::{RewriteJob, RewriteOutcome, RewriteStart};
use crate::parts::persist::aof::{Aof, AofState, NO_AOF};
use crate::parts::persist::backups::SessionState;
use crate::parts::persist::snapshot::{Consumer, SnapshotEnd, Target, TargetKind};
use crate::state::Server;
use crate::state::world::Engine;
use russet_keyspace::Keyspace;
use russet_persistence::aof::{BaseForm, CompletedChange};

impl Server {
    /// CONFIG SET appendonly. Switched on, the file counts once its first base is complete.
    /// `in_transaction`: the first base is made after the transaction.
    pub fn set_appendonly(
        &mut self,
        keyspace: &mut Keyspace,
        on: bool,
        in_transaction: bool,
    ) -> Result<(), String> {
        match (on, self.persist.aof.state()) {
            // The base will contain the data that is being loaded.
            (true, AofState::Off) if self.persist.loading.in_progress() => {}
            (true, AofState::Off) => {
                // A rewrite begun while the file was off lacks effects recorded from now on.
                self.cancel_rewrite(keyspace);
                self.persist.aof.switch_on(&self.config, &self.stream)?;
                self.update_effects(keyspace);
                self.begin_or_schedule(keyspace, in_transaction);
            }
            (false, AofState::On | AofState::WaitsForBase) => {
                self.cancel_rewrite(keyspace);
                self.persist.aof.switch_off(&self.now, &self.stream);
                self.update_log_full();
                self.release_held();
                self.persist.schedule_rewrite(false);
                self.refuse_waits_for_aof(keyspace, &NO_AOF);
                self.update_effects(keyspace);
                self.update_interest();
            }
            _ => {}
        }
        Ok(())
    }

    /// BGREWRITEAOF: returns its reply.
    pub fn rewrite_aof(
        &mut self,
        keyspace: &mut Keyspace,
        in_transaction: bool,
    ) -> Result<&'static str, &'static str> {
        if self.persist.aof.rewrites.in_progress() {
            if self.persist.backups.session.state == SessionState::Snapshotting {
                // The current rewrite belongs to the backup, which keeps its base: another rewrite
                // follows.
                self.persist.schedule_rewrite(true);
                return Ok("Background append only file rewriting scheduled");
            }
            return Err("ERR Background append only file rewriting already in progress");
        }
        let is_held =
            self.persist.snapshots.in_progress() || self.delay_rewrite_for_grace(keyspace);
        if is_held || in_transaction || is_in_unit(&self.scripting, keyspace) {
            self.persist.schedule_rewrite(true);
            return Ok("Background append only file rewriting scheduled");
        }
        match self.begin_rewrite(keyspace) {
            Ok(()) if self.persist.is_rewrite_scheduled() => {
                Ok("Background append only file rewriting scheduled")
            }
            Ok(()) => Ok("Background append only file rewriting started"),
            Err(why) => {
                self.rewrite_failed(&why);
                Err(
                    "ERR Can't execute an AOF background rewriting. Please check the server logs \
                     for more information.",
                )
            }
        }
    }

    /// Begins a rewrite now, or as soon as a save or transaction is over.
    fn begin_or_schedule(&mut self, keyspace: &mut Keyspace, in_transaction: bool) {
        self.persist.schedule_rewrite(true);
        if self.persist.snapshots.in_progress() || in_transaction {
            tracing::warn!(
                "AOF was enabled but there is already another background operation. An AOF \
                 background was scheduled to start when possible."
            );
            return;
        }
        self.begin_scheduled(keyspace);
    }

    fn begin_scheduled(&mut self, keyspace: &mut Keyspace) {
        if let Err(why) = self.begin_rewrite(keyspace) {
            self.rewrite_failed(&why);
        }
    }

    /// Begins a rewrite; schedules it instead while a backup changes the set or needs its base.
    fn begin_rewrite(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        let Persist { aof, backups, .. } = &self.persist;
        let session = &backups.session;
        let is_kept = session.keeps_base() || session.awaits_link(aof.rewrites.done);
        self.persist.schedule_rewrite(aof.is_changing() || is_kept);
        if self.persist.is_rewrite_scheduled() {
            return Ok(());
        }
        let aof = &mut self.persist.aof;
        match aof.begin_rewrite(&self.config, &self.now, &self.stream)? {
            RewriteStart::Base => self.begin_base(keyspace),
            RewriteStart::Ahead => Ok(()),
        }
    }

    /// Nearly all effects are on disk: begins the next incremental file, and the base from the
    /// current keyspace.
    fn begin_with_next_incr(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        let aof = &mut self.persist.aof;
        aof.begin_replacing_incr(&self.now, &self.stream)?;
        self.begin_base(keyspace)
    }

    /// Begins to make the base.
    fn begin_base(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        let Some(names) = self.persist.aof.base_names() else {
            return Err("there is no append only file".to_owned());
        };
        let target = Target::new(TargetKind::Base {
            names,
            form: Aof::base_form(&self.config, keyspace),
            unix_s: self.now.unix_s(),
        });
        self.free_aside_for_base(keyspace);
        let begun = self.begin_snapshot(keyspace, vec![target]);
        let pid = begun.inspect_err(|_| self.persist.aof.give_up_next_set())?;
        self.persist.aof.record_base_begin(&self.config, &self.now);
        tracing::info!("Background append only file rewriting started by pid {pid}");
        Ok(())
    }

    /// Cancels the current rewrite.
    pub(crate) fn cancel_rewrite(&mut self, keyspace: &mut Keyspace) {
        let Some(running) = self.persist.aof.rewrites.take() else {
            return;
        };
        if running.is_saving() {
            match self.persist.snapshots.child() {
                Some(child) => tracing::info!("Killing running AOF rewrite child: {}", child.pid()),
                None => tracing::info!("The AOF rewrite under way is given up."),
            }
            self.give_up_snapshot(keyspace, Consumer::Rewrite);
        }
        self.persist.aof.discard_rewrite(&running, &self.config);
    }

    /// A rewrite under way must begin again, from another keyspace.
    pub(crate) fn restart_rewrite(&mut self, keyspace: &mut Keyspace) {
        if self.persist.aof.rewrites.in_progress() {
            self.cancel_rewrite(keyspace);
            self.persist.schedule_rewrite(true);
        }
    }

    /// The snapshot of a rewrite has ended.
    pub(crate) fn base_ended(&mut self, target: &Target, form: BaseForm, end: &SnapshotEnd) {
        let why = match end {
            SnapshotEnd::Done => {
                self.persist.aof.rewrites.base_made(target.path(), form);
                return self.install_base();
            }
            SnapshotEnd::Killed(signal) => format!("terminated by signal {signal}"),
            SnapshotEnd::Failed(_) | SnapshotEnd::Unwanted | SnapshotEnd::Cancelled => {
                end.why().to_owned()
            }
        };
        let Some(running) = self.persist.aof.rewrites.take_saving() else {
            return;
        };
        let was_ok = self.persist.aof.rewrites.last_ok;
        self.end_rewrite(&running, Err(why));
        if *end == SnapshotEnd::Unwanted {
            self.persist.aof.rewrites.last_ok = was_ok;
        }
    }

    /// Adds a finished base to the set as soon as no other change is under way. The files that it
    /// replaces are kept for replicas whose positions are in them.
    pub(super) fn install_base(&mut self) {
        if self.persist.aof.may_install_base()
            && let Some(log) = self.persist.aof.log()
            && let Some(first) = log.current_first()
        {
            let now_ms = self.now.mono_ms;
            let moved = self
                .replication
                .move_to_log(first, log, &self.stream, now_ms);
            if moved.is_err() {
                self.persist.aof.forget_chain();
            }
        }
        if let Err((running, why)) = self.persist.aof.install_base(&self.config) {
            self.end_rewrite(&running, Err(why));
        }
    }

    fn end_rewrite(&mut self, running: &RewriteJob, result: Result<(), String>) {
        let (config, now, stream) = (&self.config, &self.now, &self.stream);
        let aof = &mut self.persist.aof;
        let ended = aof.rewrite_ended(running, result, config, now, stream);
        self.follow_rewrite(ended);
    }

    /// A rewrite could not begin.
    fn rewrite_failed(&mut self, why: &str) {
        tracing::warn!("Can't rewrite append only file in background: {why}");
        let ended = self.persist.aof.rewrite_failed(&self.now);
        self.follow_rewrite(ended);
    }

    fn follow_rewrite(&mut self, ended: RewriteOutcome) {
        match ended {
            RewriteOutcome::Whole => self.update_interest(),
            RewriteOutcome::Failed { is_needed } => self.persist.schedule_rewrite(is_needed),
        }
    }
}

impl Engine {
    /// The change of the set that the rewrite waited for has ended.
    pub(super) fn rewrite_changed(&mut self, ended: Result<CompletedChange, String>) {
        self.take_effects();
        let Engine {
            keyspace, server, ..
        } = self;
        let Some(running) = server.persist.aof.rewrites.take() else {
            return;
        };
        match ended {
            // It begins anew, with a base that does not split the unit.
            Ok(CompletedChange::Ahead)
                if is_in_unit(&server.scripting, keyspace)
                    || server.delay_rewrite_for_grace(keyspace) =>
            {
                server.persist.schedule_rewrite(true);
            }
            Ok(CompletedChange::Ahead) => {
                server.persist.aof.rewrites.put_back(running);
                if let Err(why) = server.begin_with_next_incr(keyspace) {
                    server.persist.aof.rewrites.take();
                    server.rewrite_failed(&why);
                }
            }
            Ok(CompletedChange::Next) => server.persist.aof.rewrites.put_back(running),
            Ok(CompletedChange::Base) => server.end_rewrite(&running, Ok(())),
            Err(why) => {
                server.give_up_snapshot(keyspace, Consumer::Rewrite);
                server.end_rewrite(&running, Err(why));
            }
        }
    }

    /// Begins rewrites that are due; called by cron and after many writes.
    pub(crate) fn begin_due_rewrites(&mut self) {
        self.take_effects();
        let Engine {
            keyspace, server, ..
        } = self;
        server.install_base();
        if server.persist.aof.rewrites.take_restart() {
            server.cancel_rewrite(keyspace);
            server.persist.schedule_rewrite(true);
        }
        let persist = &server.persist;
        if persist.aof.rewrites.in_progress() || server.persist.loading.in_progress() {
            return;
        }
        if persist.snapshots.in_progress() || is_in_unit(&server.scripting, keyspace) {
            return;
        }
        let (config, startup_bytes) = (&server.config, server.identity.startup_bytes);
        let scheduled = server.persist.is_rewrite_scheduled();
        let aof = &mut server.persist.aof;
        let is_short = aof.is_room_short(config, startup_bytes);
        let is_due = scheduled || aof.is_rewrite_due(config) || is_short;
        if is_due && !aof.apply_rewrite_limit(server.now.mono_ms) {
            if !is_short && server.delay_rewrite_for_grace(keyspace) {
                return;
            }
            if !scheduled {
                tracing::info!("Starting automatic rewriting of AOF");
            }
            server.begin_scheduled(keyspace);
        }
    }
}

/// Whether recorded effects are not in a file yet, or a script is under way while others are
/// served: its recorded effects belong to the current file, so a base must not contain them.
pub(crate) fn is_in_unit(scripting: &ScriptState, keyspace: &Keyspace) -> bool {
    scripting.is_running() || keyspace.effects.mark() > 0
}

impl Persist {
    /// Schedules a rewrite for the next possible moment, or cancels that.
    pub(crate) fn schedule_rewrite(&mut self, wanted: bool) {
        self.snapshots.set_queued(Consumer::Rewrite, wanted);
    }

    pub(crate) fn is_rewrite_scheduled(&self) -> bool {
        self.snapshots.is_queued(Consumer::Rewrite)
    }
}
