//! Rewrites of the append only file at work (`parts::aof::rewrites`): when one begins, its stages,
//! the installation of its base, and the delays after failures.

use crate::config::{SnapshotMethod, system_text};
use crate::keyspace::Keyspace;
use crate::persistence::aof::{BaseForm, Changed, Names, Owner, free_bytes};
use crate::server::parts::aof::rewrites::{Running, Stage};
use crate::server::parts::aof::{AofState, NO_AOF, time};
use crate::server::parts::snapshot::sink::{Target, What};
use crate::server::parts::snapshot::{Consumer, End};
use crate::server::state::Server;
use crate::server::state::world::Engine;

/// With this many incremental files that no rewrite has replaced, tries become rare.
const INCRS_LIMIT: usize = 3;
/// Longest wait, minutes: the wait starts at 1 and doubles with each further failure.
const WAIT_MINUTES_MAX: u64 = 60;
const MINUTE_MS: u64 = 60_000;
/// A log shorter than this is not rewritten for lack of space.
const ROOM_MIN: u64 = 2 << 20;
/// Delay of the next automatic try after a failure.
const RETRY_MS: u64 = 1000;

impl Server {
    /// CONFIG SET appendonly. Switched on, the file counts once its first base is complete.
    /// `in_transaction`: the first base is made after the transaction.
    pub fn set_appendonly(
        &mut self,
        keyspace: &mut Keyspace,
        on: bool,
        in_transaction: bool,
    ) -> Result<(), String> {
        match (on, self.persist.aof.state) {
            // The base will contain what is being loaded.
            (true, AofState::Off) if self.is_loading() => {}
            (true, AofState::Off) => {
                // A rewrite begun while the file was off lacks effects recorded from now on.
                self.cancel_rewrite(keyspace);
                let names = self.aof_names();
                let manifest = names.read_manifest().map_err(|error| error.to_string())?;
                let mut log = self
                    .persist
                    .aof
                    .new_log(names, manifest, self.stream.offset());
                log.writer.rules = self.aof_rules();
                log.begin_incr(true, self.stream.offset(), "background rewrite")
                    .map_err(|error| {
                        tracing::warn!("{error}");
                        "Unable to turn on AOF. Check server logs.".to_owned()
                    })?;
                self.persist.aof.log = Some(Box::new(log));
                self.persist.aof.state = AofState::WaitsForBase;
                self.update_effects(keyspace);
                self.begin_or_schedule(keyspace, in_transaction);
            }
            (false, AofState::On | AofState::WaitsForBase) => {
                self.cancel_rewrite(keyspace);
                let at = time(&self.now);
                if let Some(mut log) = self.persist.aof.log.take() {
                    log.close(at, self.stream.offset());
                }
                self.release_held();
                self.persist.aof.state = AofState::Off;
                self.persist.aof.incomplete = false;
                self.schedule_rewrite(false);
                self.persist.aof.awaiting.clear();
                self.refuse_waits_for_aof(keyspace, &NO_AOF);
                self.update_effects(keyspace);
                self.update_interest();
            }
            _ => {}
        }
        Ok(())
    }

    /// Schedules a rewrite for the next possible moment, or cancels that.
    pub(in crate::server) fn schedule_rewrite(&mut self, wanted: bool) {
        self.persist.snapshots.set_queued(Consumer::Rewrite, wanted);
    }

    fn is_rewrite_scheduled(&self) -> bool {
        self.persist.snapshots.is_queued(Consumer::Rewrite)
    }

    /// BGREWRITEAOF: returns its reply.
    pub fn rewrite_aof(
        &mut self,
        keyspace: &mut Keyspace,
        in_transaction: bool,
    ) -> Result<&'static str, &'static str> {
        if self.persist.aof.rewrites.in_progress() {
            return Err("ERR Background append only file rewriting already in progress");
        }
        if self.persist.saving.in_progress() || in_transaction || self.is_in_unit(keyspace) {
            self.schedule_rewrite(true);
            return Ok("Background append only file rewriting scheduled");
        }
        match self.begin_rewrite(keyspace) {
            Ok(()) if self.is_rewrite_scheduled() => {
                Ok("Background append only file rewriting scheduled")
            }
            Ok(()) => Ok("Background append only file rewriting started"),
            Err(why) => {
                tracing::warn!("Can't rewrite append only file in background: {why}");
                self.note_failed();
                Err(
                    "ERR Can't execute an AOF background rewriting. Please check the server logs \
                     for more information.",
                )
            }
        }
    }

    /// Whether recorded effects are not in a file yet, or a script is under way while others are
    /// served: its recorded effects belong to the current file, so a base must not contain them.
    fn is_in_unit(&self, keyspace: &Keyspace) -> bool {
        self.scripting.is_running() || keyspace.effects.mark() > 0
    }

    /// Begins a rewrite now, or as soon as a save or transaction is over.
    fn begin_or_schedule(&mut self, keyspace: &mut Keyspace, in_transaction: bool) {
        self.schedule_rewrite(true);
        if self.persist.saving.in_progress() || in_transaction {
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
            tracing::warn!("Can't rewrite append only file in background: {why}");
            self.note_failed();
        }
    }

    /// Begins a rewrite; schedules it instead while a backup changes the set.
    fn begin_rewrite(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        self.schedule_rewrite(self.persist.aof.is_changing());
        if self.is_rewrite_scheduled() {
            return Ok(());
        }
        let names = self.aof_names();
        let is_on = self.persist.aof.state == AofState::On;
        let Some(log) = &mut self.persist.aof.log else {
            self.begin_next_set(names)?;
            return self.begin_base(keyspace);
        };
        if !is_on {
            // The base will have these effects: they must not be applied twice.
            log.writer.skip();
            let begun = log.begin_incr(true, self.stream.offset(), "background rewrite");
            begun.map_err(|error| error.to_string())?;
            log.replace_all();
            return self.begin_base(keyspace);
        }
        if !log.follow(&names) {
            tracing::warn!(
                "The append only file moves from {} to {}",
                log.names.dir.display(),
                names.dir.display()
            );
            self.begin_next_set(names)?;
            return self.begin_base(keyspace);
        }
        // With `snapshot-method fork` the child exists when BGREWRITEAOF answers, as in Redis: then
        // writes, not the fork, wait until the rest is forced to disk.
        if self.config.snapshot_method == SnapshotMethod::Fork {
            return self.begin_with_next_incr(keyspace);
        }
        let is_ahead = log.begin_ahead(Owner::Rewrite);
        if is_ahead.map_err(|error| error.to_string())? {
            self.persist.aof.rewrites.running = Some(Running {
                stage: Stage::Ahead,
                began_ms: self.now.mono_ms,
            });
            return Ok(());
        }
        self.begin_with_next_incr(keyspace)
    }

    /// Nearly all effects are on disk: begins the next incremental file, and the base from the
    /// current keyspace.
    fn begin_with_next_incr(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        if let Some(log) = &mut self.persist.aof.log {
            log.replace_all();
        }
        self.begin_next_incr(Owner::Rewrite, "background rewrite")?;
        self.begin_base(keyspace)
    }

    /// Begins a separate set, which replaces the current one when it is whole.
    fn begin_next_set(&mut self, names: Names) -> Result<(), String> {
        names.make_folder().map_err(|error| error.to_string())?;
        let manifest = names.read_manifest().map_err(|error| error.to_string())?;
        let mut next = self
            .persist
            .aof
            .new_log(names, manifest, self.stream.offset());
        next.writer.rules = self.aof_rules();
        if self.persist.aof.state != AofState::Off {
            let begun = next.begin_incr(true, self.stream.offset(), "background rewrite");
            begun.map_err(|error| error.to_string())?;
        }
        next.replace_all();
        self.persist.aof.next = Some(Box::new(next));
        Ok(())
    }

    /// Begins to make the base.
    fn begin_base(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        let at = time(&self.now);
        let log = self
            .persist
            .aof
            .next
            .as_ref()
            .or(self.persist.aof.log.as_ref());
        let Some(names) = log.map(|log| log.names.clone()) else {
            return Err("there is no append only file".to_owned());
        };
        let target = Target::new(What::Base {
            names,
            form: match self.config.aof_use_rdb_preamble {
                true => BaseForm::Rdb,
                false => BaseForm::Commands,
            },
            unix_s: at.unix_s,
        });
        let begun = self.begin_snapshot(keyspace, vec![target]);
        let pid = begun.inspect_err(|_| self.give_up_next_set())?;
        let began = self.persist.aof.rewrites.running.take();
        self.persist.aof.rewrites.running = Some(Running {
            stage: Stage::Saving,
            began_ms: began.map_or(at.mono_ms, |running| running.began_ms),
        });
        self.apply_aof_config();
        tracing::info!("Background append only file rewriting started by pid {pid}");
        Ok(())
    }

    /// Discards the set that was to replace the current one.
    fn give_up_next_set(&mut self) {
        if let Some(mut next) = self.persist.aof.next.take() {
            next.settle();
            next.give_up_unlisted();
        }
    }

    /// The separate set is whole: it becomes the current one.
    fn take_next_set(&mut self) {
        let Some(mut next) = self.persist.aof.next.take() else {
            return;
        };
        if self.persist.aof.state == AofState::Off {
            return;
        }
        let (at, offset) = (time(&self.now), self.stream.offset());
        // Writes acknowledged by the old set are in the new one too, and as safe.
        if let Err(error) = next.writer.finish(at) {
            tracing::warn!("{}", system_text(&error));
        }
        if let Some(mut old) = self.persist.aof.log.replace(next) {
            old.close(at, offset);
        }
    }

    /// Cancels the current rewrite.
    pub(in crate::server) fn cancel_rewrite(&mut self, keyspace: &mut Keyspace) {
        let Some(running) = self.persist.aof.rewrites.running.take() else {
            return;
        };
        if matches!(running.stage, Stage::Saving) {
            match self.persist.snapshots.child() {
                Some(child) => tracing::info!("Killing running AOF rewrite child: {}", child.pid()),
                None => tracing::info!("The AOF rewrite under way is given up."),
            }
            self.give_up_snapshot(keyspace, Consumer::Rewrite);
        }
        self.give_up_next_set();
        if let Some(log) = &mut self.persist.aof.log {
            log.settle();
        }
        running.forget();
        self.apply_aof_config();
    }

    /// Whether a rewrite is under way.
    pub fn is_rewriting(&self) -> bool {
        self.persist.aof.rewrites.in_progress()
    }

    fn note_failed(&mut self) {
        let rewrites = &mut self.persist.aof.rewrites;
        rewrites.last_ok = false;
        rewrites.failed_in_a_row += 1;
        // A file that was switched on or lacks bytes is not whole until a rewrite succeeds.
        let is_needed =
            self.persist.aof.state == AofState::WaitsForBase || self.persist.aof.incomplete;
        self.schedule_rewrite(is_needed);
        self.persist.aof.rewrites.retry_ms = self.now.mono_ms + RETRY_MS;
    }

    /// The snapshot of a rewrite has ended.
    pub(in crate::server) fn base_ended(&mut self, target: &Target, form: BaseForm, end: &End) {
        let is_saving = |running: &mut Running| matches!(running.stage, Stage::Saving);
        let Some(mut running) = self.persist.aof.rewrites.running.take_if(is_saving) else {
            return;
        };
        let why = match end {
            End::Done => {
                running.stage = Stage::Made(target.path(), form);
                self.persist.aof.rewrites.running = Some(running);
                self.install_base();
                return;
            }
            End::Killed(signal) => format!("terminated by signal {signal}"),
            End::Failed(_) | End::Unwanted | End::Cancelled => end.why().to_owned(),
        };
        let was_ok = self.persist.aof.rewrites.last_ok;
        self.end_rewrite(running, Err(why));
        if *end == End::Unwanted {
            self.persist.aof.rewrites.last_ok = was_ok;
        }
    }

    /// Adds a finished base to the set as soon as no other change is under way.
    pub(in crate::server) fn install_base(&mut self) {
        if self.persist.aof.is_changing() {
            return;
        }
        let is_made = |running: &mut Running| matches!(running.stage, Stage::Made(..));
        let Some(mut running) = self.persist.aof.rewrites.running.take_if(is_made) else {
            return;
        };
        let Stage::Made(path, form) = &running.stage else {
            return;
        };
        let keep_history = self.config.aof_disable_auto_gc;
        let log = self
            .persist
            .aof
            .next
            .as_mut()
            .or(self.persist.aof.log.as_mut());
        let begun = log.ok_or("the append only file is off".to_owned());
        let begun = begun.and_then(|log| {
            let begun = log.begin_base(path, *form, keep_history);
            begun.map_err(|error| error.to_string())
        });
        match begun {
            Ok(()) => {
                running.stage = Stage::Installing(path.clone());
                self.persist.aof.rewrites.running = Some(running);
            }
            Err(why) => self.end_rewrite(running, Err(why)),
        }
    }

    fn end_rewrite(&mut self, running: Running, ended: Result<(), String>) {
        let seconds = self.now.mono_ms.saturating_sub(running.began_ms) / 1000;
        self.persist.aof.rewrites.last_time_s = seconds as i64;
        match ended {
            Ok(()) => {
                self.take_next_set();
                tracing::info!("Background AOF rewrite finished successfully");
                let rewrites = &mut self.persist.aof.rewrites;
                (rewrites.last_ok, rewrites.failed_in_a_row) = (true, 0);
                rewrites.done += 1;
                if self.persist.aof.state == AofState::WaitsForBase {
                    self.persist.aof.state = AofState::On;
                }
                self.persist.aof.incomplete = false;
                self.update_interest();
            }
            Err(why) => {
                tracing::warn!("Background AOF rewrite terminated with error: {why}");
                running.forget();
                self.give_up_next_set();
                if self.persist.aof.state == AofState::WaitsForBase
                    && let Some(log) = &mut self.persist.aof.log
                {
                    log.give_up_unlisted();
                }
                self.note_failed();
            }
        }
        self.apply_aof_config();
    }

    /// Removes files that rewrites have replaced, unless they are to be kept.
    pub fn apply_aof_history(&mut self) {
        if !self.config.aof_disable_auto_gc
            && let Some(log) = &mut self.persist.aof.log
        {
            log.remove_history();
        }
    }

    /// Whether the file has grown enough for an automatic rewrite.
    fn is_rewrite_due(&self) -> bool {
        let (config, Some(log)) = (&self.config, &self.persist.aof.log) else {
            return false;
        };
        let (now, base) = (log.current_bytes(), log.base_bytes.max(1));
        let percentage = u64::from(config.auto_aof_rewrite_percentage);
        let grown = u128::from(now) * 100 / u128::from(base);
        self.persist.aof.state == AofState::On
            && percentage > 0
            && now > config.auto_aof_rewrite_min_size
            && grown >= 100 + u128::from(percentage)
    }

    /// Whether disk space is short and a rewrite would probably free some: a base takes about as
    /// much as the data does in memory, or as the last base did. The growth settings alone may not
    /// start one before the disk is full.
    fn is_room_short(&self) -> bool {
        let Some(log) = &self.persist.aof.log else {
            return false;
        };
        if self.persist.aof.state != AofState::On || self.config.auto_aof_rewrite_percentage == 0 {
            return false;
        }
        let data = crate::base::alloc::used_memory() as u64;
        let base = data.saturating_sub(self.identity.startup_bytes as u64);
        let base = base.max(log.base_file_bytes);
        // At least half of the log is freed, so the rest has to double before the next one.
        if log.current_bytes() < ROOM_MIN.max(2 * base) {
            return false;
        }
        let free = free_bytes(&log.names.dir);
        free.is_ok_and(|free| free < 2 * base + ROOM_MIN)
    }

    /// Whether the next rewrite must wait because of repeated failures.
    fn is_rewrite_limited(&mut self) -> bool {
        let incrs = self
            .persist
            .aof
            .log
            .as_ref()
            .map_or(0, |log| log.manifest.incrs.len());
        let now_ms = self.now.mono_ms;
        let rewrites = &mut self.persist.aof.rewrites;
        if now_ms < rewrites.retry_ms {
            return true;
        }
        if rewrites.last_ok || incrs < INCRS_LIMIT {
            (rewrites.limited_until_ms, rewrites.wait_minutes) = (0, 0);
            return false;
        }
        if rewrites.limited_until_ms > 0 {
            let is_over = now_ms >= rewrites.limited_until_ms;
            if is_over {
                rewrites.limited_until_ms = 0;
            }
            return !is_over;
        }
        let minutes = (rewrites.wait_minutes * 2).clamp(1, WAIT_MINUTES_MAX);
        rewrites.wait_minutes = minutes;
        rewrites.limited_until_ms = now_ms + minutes * MINUTE_MS;
        tracing::warn!(
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in \
             {minutes} minutes"
        );
        true
    }

    /// Whether a shutdown would lose a file that is being switched on.
    pub(in crate::server) fn writes_first_base(&self) -> bool {
        self.persist.aof.state == AofState::WaitsForBase
    }
}

impl Engine {
    /// The change of the set that the rewrite waited for has ended.
    pub(in crate::server) fn rewrite_changed(&mut self, ended: Result<Changed, String>) {
        self.take_effects();
        let Engine {
            keyspace, server, ..
        } = self;
        let Some(running) = server.persist.aof.rewrites.running.take() else {
            return;
        };
        match ended {
            Ok(Changed::Ahead) => {
                if server.is_in_unit(keyspace) {
                    server.schedule_rewrite(true);
                    return;
                }
                server.persist.aof.rewrites.running = Some(running);
                if let Err(why) = server.begin_with_next_incr(keyspace) {
                    tracing::warn!("Can't rewrite append only file in background: {why}");
                    server.persist.aof.rewrites.running = None;
                    server.note_failed();
                }
            }
            Ok(Changed::Next) => server.persist.aof.rewrites.running = Some(running),
            Ok(Changed::Base) => server.end_rewrite(running, Ok(())),
            Err(why) => {
                server.give_up_snapshot(keyspace, Consumer::Rewrite);
                server.end_rewrite(running, Err(why));
            }
        }
    }

    /// Does what is due for rewrites; called by cron and after many writes.
    pub(in crate::server) fn look_at_rewrites(&mut self) {
        self.take_effects();
        let Engine {
            keyspace, server, ..
        } = self;
        server.install_base();
        if std::mem::take(&mut server.persist.aof.rewrites.restarts) {
            server.cancel_rewrite(keyspace);
            server.schedule_rewrite(true);
        }
        if server.is_rewriting() || server.is_loading() {
            return;
        }
        if server.persist.saving.in_progress() || server.is_in_unit(keyspace) {
            return;
        }
        let scheduled = server.is_rewrite_scheduled();
        let is_due = scheduled || server.is_rewrite_due() || server.is_room_short();
        if is_due && !server.is_rewrite_limited() {
            if !scheduled {
                tracing::info!("Starting automatic rewriting of AOF");
            }
            server.begin_scheduled(keyspace);
        }
    }
}
