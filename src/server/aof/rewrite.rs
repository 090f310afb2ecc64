//! Rewriting the append only file: a base from the keyspace as it is now, in one pass between
//! ticks (`keyspace::snapshot`), and a new incremental file for what is done meanwhile.
//!
//!     wanted -> (another pass runs: scheduled) -> the file so far goes to disk
//!            -> new incremental file, pass begins
//!            -> slices, one a turn -> the base is on disk -> manifest names it
//!
//! Until the manifest names the new base the old files stand, so a crash at any point leaves
//! a whole set. Where the file was off before, what is done goes to a file without a line in
//! the manifest until then. If the server has moved to another folder (CONFIG SET dir), the
//! new set is made there, beside the old one, which is whole and written to until then.
//!
//! How much room the base will take is not known before it is made, least of all from the
//! size of the log: a rewrite is always tried. Where room is short it is the way out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{SnapshotMethod, system_text};
use crate::keyspace::{Keyspace, Saver, Slice};
use crate::persistence::aof::{BaseFile, BaseForm, Changed, Names, Owner, Syncer, free_bytes};
use crate::persistence::background::{BackgroundFile, Plan};
use crate::server::aof::{AofState, time};
use crate::server::child::{Child, ChildEnd, ChildProgress, save_whole};
use crate::server::saving::{FileSaver, end_of_keys};
use crate::server::{Engine, Server};

/// A pass takes this part of a busy turn: as much time as is a third of the rest.
const BUSY_PART: u64 = 3;
/// Nanoseconds of one slice, least and most.
const SLICE_NANOS_MIN: u64 = 50_000;
const SLICE_NANOS_MAX: u64 = 400_000;
/// After so many incremental files that no rewrite has replaced, tries become rare.
const INCRS_LIMIT: usize = 3;
/// The first wait, which doubles with each further failure up to an hour.
const WAIT_MINUTES_MAX: u64 = 60;
const MINUTE_MS: u64 = 60_000;
/// A log that is shorter does not matter to a disk that has this much left.
const ROOM_MIN: u64 = 2 << 20;
/// How long after a failure the next try is made by itself.
const RETRY_MS: u64 = 1000;

/// Who writes the file of a base.
#[derive(Clone, Copy)]
enum Hands {
    Thread,
    /// The one who saves, a child.
    Here,
}

/// The base that is being made.
enum Base {
    Commands(BaseFile),
    /// A snapshot; its name when it is whole.
    Snapshot(Box<FileSaver>, PathBuf),
}

impl Base {
    fn form(&self) -> BaseForm {
        match self {
            Base::Commands(_) => BaseForm::Commands,
            Base::Snapshot(..) => BaseForm::Rdb,
        }
    }

    fn saver(&mut self) -> &mut dyn Saver {
        match self {
            Base::Commands(file) => file,
            Base::Snapshot(saver, _) => &mut **saver,
        }
    }

    fn has_room(&self) -> bool {
        match self {
            Base::Commands(file) => file.has_room(),
            Base::Snapshot(saver, _) => saver.has_room(),
        }
    }

    /// All keys are written: the file is forced to disk. An error says what it cannot hold.
    fn finish(&mut self) -> Result<(), String> {
        match self {
            Base::Commands(file) => file.finish(),
            Base::Snapshot(saver, _) => return end_of_keys(saver).map_or(Ok(()), Err),
        }
        Ok(())
    }

    /// The file's name, once it has ended.
    fn ended(&mut self) -> Option<Result<PathBuf, String>> {
        let ended = match self {
            Base::Commands(file) => file.ended()?.map(Path::to_owned),
            Base::Snapshot(saver, path) => saver.ended()?.map(|_| path.clone()),
        };
        Some(ended.map_err(|error| system_text(&error)))
    }

    /// The file is not wanted, complete as it may be.
    fn forget(&mut self) {
        match self {
            Base::Commands(file) => file.forget(),
            // It may not be there: best effort, as the next rewrite replaces it.
            Base::Snapshot(_, path) => _ = std::fs::remove_file(path),
        }
    }
}

/// A rewrite that is under way.
struct Running {
    by: By,
    began_ms: u64,
    /// The next incremental file is not there yet.
    switches: bool,
}

/// What it does, and who makes the base.
enum By {
    /// The file so far is forced to disk; nothing is saved yet.
    Ahead,
    Pass(Box<Pass>),
    /// A child, which makes a file of this name.
    Child(Child, PathBuf, BaseForm),
    /// The base, of this name, takes its place in the set.
    Installing(PathBuf),
}

/// A rewrite between ticks.
struct Pass {
    base: Base,
    /// The pass is over; the file is being finished.
    written: bool,
    /// Why it cannot be what was asked for.
    failed: Option<String>,
    /// With `rdb-key-save-delay`, when the next step is due, monotonic microseconds.
    next_step_us: u64,
}

impl Pass {
    fn end_of_keys(&mut self) {
        self.written = true;
        self.failed = self.base.finish().err();
    }
}

impl Running {
    /// Its file goes.
    fn forget(&mut self) {
        match &mut self.by {
            By::Pass(pass) => pass.base.forget(),
            // What a child that was killed has left of it.
            By::Child(_, path, _) | By::Installing(path) => _ = std::fs::remove_file(path),
            By::Ahead => {}
        }
    }
}

/// See the module.
pub struct Rewrites {
    /// One is to begin as soon as it can.
    pub scheduled: bool,
    pub last_ok: bool,
    /// Seconds that the last one took; -1: there was none.
    pub last_time_s: i64,
    pub done: u64,
    pub failed_in_a_row: u64,
    running: Option<Running>,
    /// What the one under way has gathered beside the base is lost: it begins again.
    pub(super) restarts: bool,
    /// No other try before this time.
    retry_ms: u64,
    /// Tries have become rare: none before this time, after so many minutes.
    limited_until_ms: u64,
    wait_minutes: u64,
}

impl Default for Rewrites {
    fn default() -> Rewrites {
        Rewrites {
            scheduled: false,
            last_ok: true,
            last_time_s: -1,
            done: 0,
            failed_in_a_row: 0,
            running: None,
            restarts: false,
            retry_ms: 0,
            limited_until_ms: 0,
            wait_minutes: 0,
        }
    }
}

impl Rewrites {
    pub fn in_progress(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the loop goes on instead of sleeping: there is something to be saved, and
    /// room for it.
    pub(in crate::server) fn wants_turns(&self) -> bool {
        match self.running.as_ref().map(|running| &running.by) {
            Some(By::Pass(pass)) => !pass.written && pass.next_step_us == 0 && pass.base.has_room(),
            _ => false,
        }
    }

    /// How far a child is that makes a base.
    pub fn child_progress(&self) -> Option<&ChildProgress> {
        match &self.running.as_ref()?.by {
            By::Child(child, ..) => Some(&child.progress),
            By::Ahead | By::Pass(_) | By::Installing(_) => None,
        }
    }

    /// Seconds that the one under way has taken so far; -1: there is none.
    pub fn current_time_s(&self, now_ms: u64) -> i64 {
        let running = self.running.as_ref();
        running.map_or(-1, |r| (now_ms.saturating_sub(r.began_ms) / 1000) as i64)
    }
}

impl Server {
    /// CONFIG SET appendonly. Switched on, it counts when its first base is complete.
    pub fn set_appendonly(&mut self, keyspace: &mut Keyspace, on: bool) -> Result<(), String> {
        match (on, self.aof.state) {
            // What is loaded now is what goes into the base.
            (true, AofState::Off) if self.is_loading() => {}
            (true, AofState::Off) => {
                // One begun while the file was off would lack what is done from now on.
                self.cancel_rewrite(keyspace);
                let names = self.aof_names();
                let manifest = names.read_manifest().map_err(|error| error.to_string())?;
                let mut log = self.aof.new_log(names, manifest, self.stream.offset());
                log.writer.rules = self.aof_rules();
                log.begin_incr(true, self.stream.offset(), "background rewrite")
                    .map_err(|error| {
                        tracing::warn!("{error}");
                        "Unable to turn on AOF. Check server logs.".to_owned()
                    })?;
                self.aof.log = Some(Box::new(log));
                self.aof.state = AofState::WaitsForBase;
                self.update_effects(keyspace);
                self.begin_or_schedule(keyspace);
            }
            (false, AofState::On | AofState::WaitsForBase) => {
                self.cancel_rewrite(keyspace);
                let at = time(&self.now);
                if let Some(mut log) = self.aof.log.take() {
                    log.close(at, self.stream.offset());
                }
                self.release_held();
                self.aof.state = AofState::Off;
                self.aof.incomplete = false;
                self.aof.rewrites.scheduled = false;
                self.aof.awaiting.clear();
                self.refuse_waits_for_aof(keyspace, &super::NO_AOF);
                self.update_effects(keyspace);
                self.update_interest();
            }
            _ => {}
        }
        Ok(())
    }

    /// BGREWRITEAOF: what it is answered.
    pub fn rewrite_aof(&mut self, keyspace: &mut Keyspace) -> Result<&'static str, &'static str> {
        if self.aof.rewrites.in_progress() {
            return Err("ERR Background append only file rewriting already in progress");
        }
        if self.saving.in_progress() || self.is_in_unit(keyspace) {
            self.aof.rewrites.scheduled = true;
            return Ok("Background append only file rewriting scheduled");
        }
        match self.begin_rewrite(keyspace) {
            Ok(()) if self.aof.rewrites.scheduled => {
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

    /// Whether a transaction or a script is under way: what it has stated belongs to the file
    /// that is written now, and so may not be in a base.
    fn is_in_unit(&self, keyspace: &Keyspace) -> bool {
        self.saving.in_exec || keyspace.effects.mark() > 0
    }

    /// Begins a rewrite now, or as soon as another pass is over.
    fn begin_or_schedule(&mut self, keyspace: &mut Keyspace) {
        self.aof.rewrites.scheduled = true;
        if self.saving.in_progress() || self.saving.in_exec {
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

    /// Begins a rewrite; with `scheduled` left behind where a backup changes the set just now.
    fn begin_rewrite(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        self.aof.rewrites.scheduled = self.aof.is_changing();
        if self.aof.rewrites.scheduled {
            return Ok(());
        }
        let names = self.aof_names();
        let is_on = self.aof.state == AofState::On;
        let Some(log) = &mut self.aof.log else {
            self.begin_next_set(names)?;
            return self.begin_base(keyspace, false);
        };
        if !is_on {
            // The base will have it: twice would be wrong.
            log.writer.skip();
            let begun = log.begin_incr(true, self.stream.offset(), "background rewrite");
            begun.map_err(|error| error.to_string())?;
            log.replace_all();
            return self.begin_base(keyspace, false);
        }
        if !log.follow(&names) {
            tracing::warn!(
                "The append only file moves from {} to {}",
                log.names.dir.display(),
                names.dir.display()
            );
            self.begin_next_set(names)?;
            return self.begin_base(keyspace, false);
        }
        // With `snapshot-method fork` the child is there when BGREWRITEAOF answers, as in Redis:
        // then writes, not the fork, wait for what is left to be forced to disk.
        if self.config.snapshot_method == SnapshotMethod::Fork {
            return self.begin_with_next_incr(keyspace);
        }
        let is_ahead = log.begin_ahead(Owner::Rewrite);
        if is_ahead.map_err(|error| error.to_string())? {
            self.aof.rewrites.running = Some(Running {
                by: By::Ahead,
                began_ms: self.now.mono_ms,
                switches: false,
            });
            return Ok(());
        }
        self.begin_with_next_incr(keyspace)
    }

    /// What was done is on disk but for little: from now on it goes to another file, and the
    /// base is made of what is there now.
    fn begin_with_next_incr(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        if let Some(log) = &mut self.aof.log {
            log.replace_all();
        }
        self.begin_next_incr(Owner::Rewrite, "background rewrite")?;
        self.begin_base(keyspace, true)
    }

    /// A set of its own, which takes the place of the one that stands when it is whole.
    fn begin_next_set(&mut self, names: Names) -> Result<(), String> {
        names.make_folder().map_err(|error| error.to_string())?;
        let manifest = names.read_manifest().map_err(|error| error.to_string())?;
        let mut next = self.aof.new_log(names, manifest, self.stream.offset());
        next.writer.rules = self.aof_rules();
        if self.aof.state != AofState::Off {
            let begun = next.begin_incr(true, self.stream.offset(), "background rewrite");
            begun.map_err(|error| error.to_string())?;
        }
        next.replace_all();
        self.aof.next = Some(Box::new(next));
        Ok(())
    }

    /// Begins to make the base. `switches`: the next incremental file is not there yet.
    fn begin_base(&mut self, keyspace: &mut Keyspace, switches: bool) -> Result<(), String> {
        let at = time(&self.now);
        let log = self.aof.next.as_ref().or(self.aof.log.as_ref());
        let Some(names) = log.map(|log| log.names.clone()) else {
            return Err("there is no append only file".to_owned());
        };
        let by = match self.forks_for_snapshots(keyspace) {
            true => self.begin_child_base(keyspace, &names, at.unix_s),
            false => Err("a pass is to be made".to_owned()),
        };
        let by = match by {
            Ok(by) => Ok(by),
            Err(why) if self.config.snapshot_method == SnapshotMethod::Fork => {
                Err(format!("fork: {why}"))
            }
            Err(_) => self.begin_pass_base(keyspace, &names, at.unix_s),
        };
        let by = match by {
            Ok(by) => by,
            Err(why) => {
                self.give_up_next_set();
                return Err(why);
            }
        };
        let pid = match &by {
            By::Child(child, ..) => child.pid(),
            _ => std::process::id() as i32,
        };
        let began = self.aof.rewrites.running.take();
        self.aof.rewrites.running = Some(Running {
            by,
            began_ms: began.map_or(at.mono_ms, |running| running.began_ms),
            switches,
        });
        self.apply_aof_config();
        self.refresh_interest(keyspace);
        tracing::info!("Background append only file rewriting started by pid {pid}");
        Ok(())
    }

    /// The set that was to take the place of the one that stands is not wanted.
    fn give_up_next_set(&mut self) {
        if let Some(mut next) = self.aof.next.take() {
            next.settle();
            next.give_up_unlisted();
        }
    }

    /// The set that was made elsewhere is whole: it is the one from now on.
    fn take_next_set(&mut self) {
        let Some(mut next) = self.aof.next.take() else {
            return;
        };
        if self.aof.state == AofState::Off {
            return;
        }
        let (at, offset) = (time(&self.now), self.stream.offset());
        // What was acknowledged by the old one is in the new one as well, and as safe.
        if let Err(error) = next.writer.finish(at) {
            tracing::warn!("{}", system_text(&error));
        }
        if let Some(mut old) = self.aof.log.replace(next) {
            old.close(at, offset);
        }
    }

    fn begin_child_base(
        &mut self,
        keyspace: &Keyspace,
        names: &Names,
        unix_s: i64,
    ) -> Result<By, String> {
        let form = match self.config.aof_use_rdb_preamble {
            true => BaseForm::Rdb,
            false => BaseForm::Commands,
        };
        let child = self.fork_to_save(keyspace, |server, report| {
            let path = temp_base(names, std::process::id());
            let base = server.make_base(keyspace, path, unix_s, Hands::Here);
            match base.map_err(|error| system_text(&error))? {
                Base::Snapshot(saver, _) => save_whole(keyspace, *saver, report),
                Base::Commands(mut file) => {
                    report.save_all(keyspace, &mut file)?;
                    file.finish();
                    match file.ended() {
                        Some(Ok(_)) => Ok(()),
                        Some(Err(error)) => Err(system_text(&error)),
                        None => Err("the file has no end".to_owned()),
                    }
                }
            }
        })?;
        let path = temp_base(names, child.pid().unsigned_abs());
        Ok(By::Child(child, path, form))
    }

    fn begin_pass_base(
        &mut self,
        keyspace: &mut Keyspace,
        names: &Names,
        unix_s: i64,
    ) -> Result<By, String> {
        let path = temp_base(names, std::process::id());
        let base = self.make_base(keyspace, path, unix_s, Hands::Thread);
        let base = base.map_err(|error| system_text(&error))?;
        if keyspace.in_pass() {
            // What an aborted pass has left is marked first.
            keyspace.mark_on(u64::MAX);
        }
        keyspace.begin_pass();
        Ok(By::Pass(Box::new(Pass {
            base,
            written: false,
            failed: None,
            next_step_us: 0,
        })))
    }

    fn make_base(
        &self,
        keyspace: &Keyspace,
        path: PathBuf,
        unix_s: i64,
        hands: Hands,
    ) -> std::io::Result<Base> {
        let config = &self.config;
        let incremental_fsync = config.aof_rewrite_incremental_fsync;
        let wake = self.aof.wake.clone();
        if !config.aof_use_rdb_preamble {
            let checksums = config.aof_checksum.then_some(unix_s);
            let timestamp = config.aof_timestamp_enabled.then_some(unix_s);
            let disk = self.aof.disk().clone();
            let thread = match hands {
                Hands::Thread => Syncer::new(disk, wake),
                Hands::Here => Syncer::here(disk),
            };
            let mut file = BaseFile::create(
                self.aof.disk(),
                path,
                timestamp,
                checksums,
                incremental_fsync,
                thread,
            )?;
            for library in self.scripting.libraries.iter() {
                file.function(&library.code);
            }
            return Ok(Base::Commands(file));
        }
        // A child's file has one name: it gets another from the manifest alone.
        let temporary = match hands {
            Hands::Thread => path.with_extension("part"),
            Hands::Here => path.clone(),
        };
        let plan = Plan {
            temporary,
            name: path.clone(),
            checksum: Some(config.rdbchecksum),
            incremental_fsync,
        };
        let file = match hands {
            Hands::Thread => BackgroundFile::create(plan, wake.unwrap_or_else(|| Arc::new(|| ())))?,
            Hands::Here => BackgroundFile::create_here(plan)?,
        };
        let saver = self.file_saver(keyspace, file, config.rdb_version, true);
        Ok(Base::Snapshot(Box::new(saver), path))
    }

    /// The rewrite under way is not wanted any more.
    pub(in crate::server) fn cancel_rewrite(&mut self, keyspace: &mut Keyspace) {
        let Some(mut running) = self.aof.rewrites.running.take() else {
            return;
        };
        match &mut running.by {
            By::Child(child, ..) => {
                tracing::info!("Killing running AOF rewrite child: {}", child.pid());
                // It must be gone before its file is.
                child.kill();
            }
            By::Pass(_) => {
                tracing::info!("The AOF rewrite under way is given up.");
                keyspace.abort_pass();
            }
            By::Ahead | By::Installing(_) => {}
        }
        self.give_up_next_set();
        if let Some(log) = &mut self.aof.log {
            log.settle();
        }
        running.forget();
        self.apply_aof_config();
        self.refresh_interest(keyspace);
        self.release_awaiting();
    }

    /// Another pass is to begin: that of a rewrite under way runs to its end.
    pub(in crate::server) fn end_rewrite_pass(&mut self, keyspace: &mut Keyspace) {
        let running = self.aof.rewrites.running.as_mut();
        let Some(By::Pass(pass)) = running.map(|running| &mut running.by) else {
            return;
        };
        while !pass.written {
            if keyspace.pass_slice(pass.base.saver(), u64::MAX) == Slice::Done {
                pass.end_of_keys();
            } else {
                // The disk is slower than the loop.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        self.release_awaiting();
    }

    /// Whether a rewrite is under way.
    pub fn is_rewriting(&self) -> bool {
        self.aof.rewrites.in_progress()
    }

    fn note_failed(&mut self) {
        let rewrites = &mut self.aof.rewrites;
        rewrites.last_ok = false;
        rewrites.failed_in_a_row += 1;
        // What was switched on, or lacks bytes, is not whole before one has succeeded.
        let is_needed = self.aof.state == AofState::WaitsForBase || self.aof.incomplete;
        self.aof.rewrites.scheduled = is_needed;
        self.aof.rewrites.retry_ms = self.now.mono_ms + RETRY_MS;
    }

    /// The base is made: it takes its place in the set, unless it could not be made.
    fn install_base(&mut self, mut running: Running, ended: Result<PathBuf, String>) {
        let form = match &running.by {
            By::Pass(pass) => pass.base.form(),
            By::Child(_, _, form) => *form,
            By::Ahead | By::Installing(_) => return,
        };
        let keep_history = self.config.aof_disable_auto_gc;
        let log = self.aof.next.as_mut().or(self.aof.log.as_mut());
        let begun = ended.and_then(|path| {
            let log = log.ok_or("the append only file is off")?;
            let begun = log.begin_base(&path, form, keep_history);
            begun.map(|()| path).map_err(|error| error.to_string())
        });
        match begun {
            Ok(path) => {
                running.by = By::Installing(path);
                self.aof.rewrites.running = Some(running);
            }
            Err(why) => self.end_rewrite(running, Err(why)),
        }
    }

    fn end_rewrite(&mut self, mut running: Running, ended: Result<(), String>) {
        let seconds = self.now.mono_ms.saturating_sub(running.began_ms) / 1000;
        self.aof.rewrites.last_time_s = seconds as i64;
        match ended {
            Ok(()) => {
                self.take_next_set();
                tracing::info!("Background AOF rewrite finished successfully");
                let rewrites = &mut self.aof.rewrites;
                (rewrites.last_ok, rewrites.failed_in_a_row) = (true, 0);
                rewrites.done += 1;
                if self.aof.state == AofState::WaitsForBase {
                    self.aof.state = AofState::On;
                }
                self.aof.incomplete = false;
                self.update_interest();
            }
            Err(why) => {
                tracing::warn!("Background AOF rewrite terminated with error: {why}");
                running.forget();
                self.give_up_next_set();
                if self.aof.state == AofState::WaitsForBase
                    && let Some(log) = &mut self.aof.log
                {
                    log.give_up_unlisted();
                }
                self.note_failed();
            }
        }
        self.apply_aof_config();
    }

    /// What rewrites have replaced goes, unless it is to be kept.
    pub fn apply_aof_history(&mut self) {
        if !self.config.aof_disable_auto_gc
            && let Some(log) = &mut self.aof.log
        {
            log.remove_history();
        }
    }

    /// Whether the file has grown so much that it is rewritten by itself.
    fn is_rewrite_due(&self) -> bool {
        let (config, Some(log)) = (&self.config, &self.aof.log) else {
            return false;
        };
        let (now, base) = (log.current_bytes(), log.base_bytes.max(1));
        let percentage = u64::from(config.auto_aof_rewrite_percentage);
        let grown = u128::from(now) * 100 / u128::from(base);
        self.aof.state == AofState::On
            && percentage > 0
            && now > config.auto_aof_rewrite_min_size
            && grown >= 100 + u128::from(percentage)
    }

    /// Whether room on the disk is short and a rewrite would give some back, as far as can be
    /// told: a base takes about as much as the data does in memory, or as the last one did.
    /// Growth alone may not ask for one before the disk is full.
    fn is_room_short(&self) -> bool {
        let Some(log) = &self.aof.log else {
            return false;
        };
        if self.aof.state != AofState::On || self.config.auto_aof_rewrite_percentage == 0 {
            return false;
        }
        let data = crate::base::alloc::used_memory() as u64;
        let base = data.saturating_sub(self.identity.startup_bytes as u64);
        let base = base.max(log.base_file_bytes);
        // Half of the log goes at least, so that what is left has to double before the next.
        if log.current_bytes() < ROOM_MIN.max(2 * base) {
            return false;
        }
        let free = free_bytes(&log.names.dir);
        free.is_ok_and(|free| free < 2 * base + ROOM_MIN)
    }

    /// Whether rewrites have failed so often that the next one waits.
    fn is_rewrite_limited(&mut self) -> bool {
        let incrs = self
            .aof
            .log
            .as_ref()
            .map_or(0, |log| log.manifest.incrs.len());
        let now_ms = self.now.mono_ms;
        let rewrites = &mut self.aof.rewrites;
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
        self.aof.state == AofState::WaitsForBase
    }
}

/// What a base is called while it is made.
fn temp_base(names: &Names, pid: u32) -> PathBuf {
    names.path(&format!("temp-rewriteaof-bg-{pid}.aof"))
}

impl Server {
    fn rewrite_slice(
        &mut self,
        keyspace: &mut Keyspace,
        pass: &mut Pass,
        busy_ticks: u64,
        idle: bool,
    ) {
        let cycles = &self.cycles;
        let (least, most) = (cycles.ticks(SLICE_NANOS_MIN), cycles.ticks(SLICE_NANOS_MAX));
        let ticks = match idle {
            true => most,
            false => (busy_ticks / BUSY_PART).clamp(least, most),
        };
        // A delay for each key is for those who want to see a rewrite last.
        let delay_us = u64::try_from(self.config.rdb_key_save_delay).unwrap_or(0);
        let now_us = self.identity.started.elapsed().as_micros() as u64;
        if delay_us > 0 && now_us < pass.next_step_us {
            return;
        }
        let ticks = if delay_us > 0 { 0 } else { ticks };
        let before = keyspace.pass_progress().0;
        if keyspace.pass_slice(pass.base.saver(), ticks) == Slice::Done {
            pass.end_of_keys();
        }
        let saved = keyspace.pass_progress().0.saturating_sub(before);
        pass.next_step_us = match delay_us {
            0 => 0,
            _ => now_us + delay_us * saved,
        };
        // Who waited for a container looks again.
        self.release_awaiting();
    }
}

impl Engine {
    /// Goes on with a rewrite for a share of the turn, whose other work took `busy_ticks`.
    /// `idle`: nobody waits for the loop.
    pub(in crate::server) fn rewrite_on(&mut self, busy_ticks: u64, idle: bool) {
        let Engine { keyspace, server } = self;
        if !matches!(&server.aof.rewrites.running, Some(r) if matches!(r.by, By::Pass(_))) {
            return;
        }
        let Some(mut running) = server.aof.rewrites.running.take() else {
            return;
        };
        let By::Pass(pass) = &mut running.by else {
            return;
        };
        if !pass.written {
            server.rewrite_slice(keyspace, pass, busy_ticks, idle);
        }
        let ended = match pass.failed.take() {
            Some(why) => Some(Err(why)),
            // It takes its place behind the files that are there by then.
            None if server.aof.is_changing() => None,
            None => pass.base.ended(),
        };
        match ended {
            None => server.aof.rewrites.running = Some(running),
            Some(ended) => self.base_ended(running, ended),
        }
    }

    /// The base is made, or cannot be.
    fn base_ended(&mut self, running: Running, ended: Result<PathBuf, String>) {
        let Engine { keyspace, server } = self;
        if ended.is_err() && keyspace.is_saving() {
            keyspace.abort_pass();
        }
        server.install_base(running, ended);
        server.refresh_interest(keyspace);
        server.release_awaiting();
    }

    /// A change of the set that the rewrite has waited for has ended.
    pub(super) fn rewrite_changed(&mut self, ended: Result<Changed, String>) {
        self.take_effects();
        let Engine { keyspace, server } = self;
        let Some(mut running) = server.aof.rewrites.running.take() else {
            return;
        };
        match ended {
            Ok(Changed::Ahead) => {
                if server.is_in_unit(keyspace) {
                    server.aof.rewrites.scheduled = true;
                    return;
                }
                server.aof.rewrites.running = Some(running);
                if let Err(why) = server.begin_with_next_incr(keyspace) {
                    tracing::warn!("Can't rewrite append only file in background: {why}");
                    server.aof.rewrites.running = None;
                    server.note_failed();
                }
            }
            Ok(Changed::Next) => {
                running.switches = false;
                server.aof.rewrites.running = Some(running);
            }
            Ok(Changed::Base) => {
                server.end_rewrite(running, Ok(()));
                server.refresh_interest(keyspace);
            }
            Err(why) => {
                if let By::Child(child, ..) = &mut running.by {
                    child.kill();
                }
                if keyspace.is_saving() && matches!(running.by, By::Pass(_)) {
                    keyspace.abort_pass();
                }
                server.end_rewrite(running, Err(why));
                server.refresh_interest(keyspace);
                server.release_awaiting();
            }
        }
    }

    /// What became of a child that makes a base.
    fn look_at_rewriting_child(&mut self) {
        let server = &mut self.server;
        let now_ms = server.now.mono_ms;
        let Some(mut running) = server.aof.rewrites.running.take() else {
            return;
        };
        let (was_ok, mut is_unwanted) = (server.aof.rewrites.last_ok, false);
        let ended = match &mut running.by {
            // It takes its place behind the files that are there by then.
            By::Child(..) if server.aof.is_changing() => None,
            By::Ahead | By::Pass(_) | By::Installing(_) => None,
            By::Child(child, path, _) => child.look(now_ms).map(|end| {
                server.forks.rewrite_cow = child.progress.cow_peak;
                match end {
                    ChildEnd::Done => Ok(path.clone()),
                    ChildEnd::Failed(why) => Err(why),
                    ChildEnd::Killed(signal) => Err(format!("terminated by signal {signal}")),
                    ChildEnd::Unwanted => {
                        is_unwanted = true;
                        Err("the child was told to end".to_owned())
                    }
                }
            }),
        };
        match ended {
            None => server.aof.rewrites.running = Some(running),
            Some(ended) => self.base_ended(running, ended),
        }
        if is_unwanted {
            self.server.aof.rewrites.last_ok = was_ok;
        }
    }

    /// What is due of rewrites, with cron and when much was written.
    pub(in crate::server) fn look_at_rewrites(&mut self) {
        self.look_at_rewriting_child();
        self.take_effects();
        let Engine { keyspace, server } = self;
        if std::mem::take(&mut server.aof.rewrites.restarts) {
            server.cancel_rewrite(keyspace);
            server.aof.rewrites.scheduled = true;
        }
        if server.aof.rewrites.in_progress() || server.is_loading() {
            return;
        }
        if server.saving.in_progress() || server.is_in_unit(keyspace) {
            return;
        }
        let scheduled = server.aof.rewrites.scheduled;
        let is_due = scheduled || server.is_rewrite_due() || server.is_room_short();
        if is_due && !server.is_rewrite_limited() {
            if !scheduled {
                tracing::info!("Starting automatic rewriting of AOF");
            }
            server.begin_scheduled(keyspace);
        }
    }
}
