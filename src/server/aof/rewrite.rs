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

use crate::config::system_text;
use crate::keyspace::{Keyspace, Saver, Slice};
use crate::persistence::aof::{BaseFile, BaseForm, Log, free_bytes};
use crate::persistence::background::{BackgroundFile, Plan};
use crate::server::aof::{AofState, time};
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
    base: Base,
    /// The pass is over; the file is being finished.
    written: bool,
    /// Why it cannot be what was asked for.
    failed: Option<String>,
    began_ms: u64,
}

impl Running {
    fn end_of_keys(&mut self) {
        self.written = true;
        self.failed = self.base.finish().err();
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
    running: Option<Box<Running>>,
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
        let running = self.running.as_ref();
        running.is_some_and(|r| !r.written && r.base.has_room())
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
            (true, AofState::Off) => {
                let names = self.aof_names();
                let manifest = names.read_manifest().map_err(|error| error.to_string())?;
                let mut log = self.aof.new_log(names, manifest);
                log.writer.rules = self.aof_rules();
                log.begin_incr(true).map_err(|error| {
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
                    log.close(at);
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
        if keyspace.is_saving() || keyspace.effects.mark() > 0 {
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
        if keyspace.is_saving() {
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
        let path = match &mut self.aof.log {
            Some(log) => {
                has_room(log)?;
                if is_on {
                    let finished = log.writer.finish(at);
                    finished.map_err(|error| system_text(&error))?;
                } else {
                    // The base will have it: twice would be wrong.
                    log.writer.skip();
                }
                log.begin_incr(!is_on).map_err(|error| error.to_string())?;
                let name = format!("temp-rewriteaof-bg-{}.aof", std::process::id());
                log.names.path(&name)
            }
            None => {
                let names = self.aof_names();
                names.make_folder().map_err(|error| error.to_string())?;
                names.path(&format!("temp-rewriteaof-bg-{}.aof", std::process::id()))
            }
        };
        let base = self.begin_base(keyspace, path, at.unix_s);
        let base = base.map_err(|error| system_text(&error))?;
        if keyspace.in_pass() {
            // What an aborted pass has left is marked first.
            keyspace.mark_on(u64::MAX);
        }
        keyspace.begin_pass();
        self.aof.rewrites.running = Some(Box::new(Running {
            base,
            written: false,
            failed: None,
            began_ms: at.mono_ms,
        }));
        self.apply_aof_config();
        self.refresh_interest(keyspace);
        let pid = std::process::id();
        tracing::info!("Background append only file rewriting started by pid {pid}");
        Ok(())
    }

    fn begin_base(&self, keyspace: &Keyspace, path: PathBuf, unix_s: i64) -> std::io::Result<Base> {
        let config = &self.config;
        let incremental_fsync = config.aof_rewrite_incremental_fsync;
        let wake = self.aof.wake.clone();
        if !config.aof_use_rdb_preamble {
            let checksums = config.aof_checksum.then_some(unix_s);
            let disk = self.aof.disk();
            let file = BaseFile::create(disk, path, checksums, incremental_fsync, wake)?;
            return Ok(Base::Commands(file));
        }
        let plan = Plan {
            temporary: path.with_extension("part"),
            name: path.clone(),
            checksum: Some(config.rdbchecksum),
            incremental_fsync,
        };
        let file = BackgroundFile::create(plan, wake.unwrap_or_else(|| Arc::new(|| ())))?;
        let saver = self.file_saver(keyspace, file, config.rdb_version, true);
        Ok(Base::Snapshot(Box::new(saver), path))
    }

    /// The rewrite under way is not wanted any more.
    pub(in crate::server) fn cancel_rewrite(&mut self, keyspace: &mut Keyspace) {
        if self.aof.rewrites.running.take().is_some() {
            tracing::info!("Killing AOF child: the rewrite between ticks ends");
            keyspace.abort_pass();
            self.apply_aof_config();
            self.refresh_interest(keyspace);
            self.release_awaiting();
        }
    }

    /// Another pass is to begin: that of a rewrite under way runs to its end.
    pub(in crate::server) fn end_rewrite_pass(&mut self, keyspace: &mut Keyspace) {
        let Some(running) = &mut self.aof.rewrites.running else {
            return;
        };
        while !running.written {
            if keyspace.pass_slice(running.base.saver(), u64::MAX) == Slice::Done {
                running.end_of_keys();
            } else {
                // The disk is slower than the loop.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        self.release_awaiting();
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

    fn end_rewrite(&mut self, mut running: Box<Running>, ended: Result<PathBuf, String>) {
        let seconds = self.now.mono_ms.saturating_sub(running.began_ms) / 1000;
        self.aof.rewrites.last_time_s = seconds as i64;
        let form = running.base.form();
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
                running.base.forget();
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

impl Engine {
    /// Goes on with a rewrite for a share of the turn, whose other work took `busy_ticks`.
    /// `idle`: nobody waits for the loop.
    pub(in crate::server) fn rewrite_on(&mut self, busy_ticks: u64, idle: bool) {
        let Engine { keyspace, server } = self;
        let Some(mut running) = server.aof.rewrites.running.take() else {
            return;
        };
        if !running.written {
            let cycles = &server.cycles;
            let (least, most) = (cycles.ticks(SLICE_NANOS_MIN), cycles.ticks(SLICE_NANOS_MAX));
            let ticks = match idle {
                true => most,
                false => (busy_ticks / BUSY_PART).clamp(least, most),
            };
            if keyspace.pass_slice(running.base.saver(), ticks) == Slice::Done {
                running.end_of_keys();
            }
            // Who waited for a container looks again.
            server.release_awaiting();
        }
        let ended = match running.failed.take() {
            Some(why) => Some(Err(why)),
            None => running.base.ended(),
        };
        match ended {
            None => server.aof.rewrites.running = Some(running),
            Some(ended) => {
                server.end_rewrite(running, ended);
                server.refresh_interest(keyspace);
                server.release_awaiting();
            }
        }
    }

    /// What is due of rewrites, with cron.
    pub(in crate::server) fn look_at_rewrites(&mut self) {
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
