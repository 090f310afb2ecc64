//! Rewriting the append only file: a base from the keyspace as it is now, in one pass between
//! ticks (`keyspace::snapshot`), and a new incremental file for what is done meanwhile.
//!
//!     wanted -> (another pass runs: scheduled) -> new incremental file, pass begins
//!            -> slices, one a turn -> the base is on disk -> manifest names it
//!
//! Until the manifest names the new base the old files stand, so a crash at any point leaves
//! a whole set. Where the file was off before, what is done goes to a file without a line in
//! the manifest until then.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{SnapshotMethod, system_text};
use crate::keyspace::{Keyspace, Saver, Slice};
use crate::persistence::aof::{BaseFile, BaseForm, Log, Names, Syncer, free_bytes};
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
}

/// Who makes the base.
enum By {
    Pass(Box<Pass>),
    /// A child, which makes a file of this name.
    Child(Child, PathBuf, BaseForm),
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
            By::Child(_, path, _) => {
                // What a child that was killed has left of it.
                for left in [path.with_extension("part"), path.clone()] {
                    let _ = std::fs::remove_file(left);
                }
            }
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
            By::Pass(_) => None,
            By::Child(child, ..) => Some(&child.progress),
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
                let names = self.aof_names();
                let manifest = names.read_manifest().map_err(|error| error.to_string())?;
                let mut log = self.aof.new_log(names, manifest);
                log.writer.rules = self.aof_rules();
                log.begin_incr(true, self.aof.repl_offset, "background rewrite")
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
                    log.close(at, self.aof.repl_offset);
                    self.aof.ended_at = log.writer.appended();
                }
                self.release_held();
                self.aof.state = AofState::Off;
                self.aof.incomplete = false;
                self.aof.rewrites.scheduled = false;
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
        // What a transaction under way has stated belongs to the file that is written now, and
        // so may not be in a base.
        if self.saving.in_progress() || self.saving.in_exec || keyspace.effects.mark() > 0 {
            self.aof.rewrites.scheduled = true;
            return Ok("Background append only file rewriting scheduled");
        }
        match self.begin_rewrite(keyspace) {
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

    fn begin_rewrite(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        let at = time(&self.now);
        let is_on = self.aof.state == AofState::On;
        self.aof.rewrites.scheduled = false;
        let names = match &mut self.aof.log {
            Some(log) => {
                has_room(log)?;
                if is_on {
                    let finished = log.writer.finish(at);
                    finished.map_err(|error| system_text(&error))?;
                } else {
                    // The base will have it: twice would be wrong.
                    log.writer.skip();
                }
                let offset = self.aof.repl_offset;
                log.begin_rewrite(!is_on, offset)
                    .map_err(|error| error.to_string())?;
                log.names.clone()
            }
            None => {
                let names = self.aof_names();
                names.make_folder().map_err(|error| error.to_string())?;
                names
            }
        };
        let by = match self.forks_for_snapshots(keyspace) {
            true => self.begin_child_base(keyspace, &names, at.unix_s),
            false => Err("a pass is to be made".to_owned()),
        };
        let by = match by {
            Ok(by) => by,
            Err(why) if self.config.snapshot_method == SnapshotMethod::Fork => {
                return Err(format!("fork: {why}"));
            }
            Err(_) => self.begin_pass_base(keyspace, &names, at.unix_s)?,
        };
        let pid = match &by {
            By::Child(child, ..) => child.pid(),
            By::Pass(_) => std::process::id() as i32,
        };
        self.aof.rewrites.running = Some(Running {
            by,
            began_ms: at.mono_ms,
        });
        self.apply_aof_config();
        self.refresh_interest(keyspace);
        tracing::info!("Background append only file rewriting started by pid {pid}");
        Ok(())
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
                    report.save_all(keyspace, &mut file);
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
        let plan = Plan {
            temporary: path.with_extension("part"),
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

    fn end_rewrite(&mut self, mut running: Running, ended: Result<PathBuf, String>) {
        let seconds = self.now.mono_ms.saturating_sub(running.began_ms) / 1000;
        self.aof.rewrites.last_time_s = seconds as i64;
        let form = match &running.by {
            By::Pass(pass) => pass.base.form(),
            By::Child(_, _, form) => *form,
        };
        let installed = ended.and_then(|path| self.install_base(&path, form));
        match installed {
            Ok(()) => {
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

    fn install_base(&mut self, path: &Path, form: BaseForm) -> Result<(), String> {
        let keep_history = self.config.aof_disable_auto_gc;
        let mut alone;
        let log = match &mut self.aof.log {
            Some(log) => &mut **log,
            None => {
                // The file is off: the set that stands is replaced all the same.
                let names = self.aof_names();
                let manifest = names.read_manifest().map_err(|error| error.to_string())?;
                alone = self.aof.new_log(names, manifest);
                &mut alone
            }
        };
        let installed = log.install_base(path, form, keep_history);
        installed.map_err(|error| error.to_string())
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

/// A rewrite is not begun when there is no room for what it may become.
fn has_room(log: &Log) -> Result<(), String> {
    let (needed, free) = (log.current_bytes(), free_bytes(&log.names.dir));
    match free {
        Ok(free) if free < needed => Err(format!(
            "the file system of {} has {free} bytes left, and the append only file has {needed}",
            log.names.dir.display()
        )),
        _ => Ok(()),
    }
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
            None => pass.base.ended(),
        };
        match ended {
            None => server.aof.rewrites.running = Some(running),
            Some(ended) => self.rewrite_ended(running, ended),
        }
    }

    fn rewrite_ended(&mut self, running: Running, ended: Result<PathBuf, String>) {
        let Engine { keyspace, server } = self;
        if ended.is_err() && keyspace.is_saving() {
            keyspace.abort_pass();
        }
        server.end_rewrite(running, ended);
        server.refresh_interest(keyspace);
        server.release_awaiting();
    }

    /// What became of a child that makes a base.
    fn look_at_rewriting_child(&mut self) {
        let server = &mut self.server;
        let now_ms = server.now.mono_ms;
        let Some(mut running) = server.aof.rewrites.running.take() else {
            return;
        };
        let ended = match &mut running.by {
            By::Pass(_) => None,
            By::Child(child, path, _) => child.look(now_ms).map(|end| {
                server.forks.rewrite_cow = child.progress.cow_peak;
                match end {
                    ChildEnd::Done => Ok(path.clone()),
                    ChildEnd::Failed(why) => Err(why),
                    ChildEnd::Killed(signal) => Err(format!("terminated by signal {signal}")),
                }
            }),
        };
        match ended {
            None => server.aof.rewrites.running = Some(running),
            Some(ended) => self.rewrite_ended(running, ended),
        }
    }

    /// What is due of rewrites, with cron.
    pub(in crate::server) fn look_at_rewrites(&mut self) {
        self.look_at_rewriting_child();
        let Engine { keyspace, server } = self;
        if std::mem::take(&mut server.aof.rewrites.restarts) {
            server.cancel_rewrite(keyspace);
            server.aof.rewrites.scheduled = true;
        }
        if server.aof.rewrites.in_progress() || server.is_loading() {
            return;
        }
        if server.saving.in_progress() {
            return;
        }
        let scheduled = server.aof.rewrites.scheduled;
        if (scheduled || server.is_rewrite_due()) && !server.is_rewrite_limited() {
            if !scheduled {
                tracing::info!("Starting automatic rewriting of AOF");
            }
            server.begin_scheduled(keyspace);
        }
    }
}
