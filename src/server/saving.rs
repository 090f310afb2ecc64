//! Snapshots of the databases as files: when one is made, and how the last one went.
//!
//! A save is one pass between ticks (`keyspace::snapshot`): each turn gives it a share of
//! its time, a thread writes the bytes. SAVE, and a save at the end, run the same pass to its
//! end. Clients that would write to a large container which is not saved yet wait for it
//! ([`Saving::awaiting`]). Where they would wait too long, a forked child saves instead
//! (`server::child`).

use std::path::Path;
use std::sync::Arc;

use super::child::{Child, ChildEnd, ChildProgress, save_whole};
use super::gates::Interest;
use super::{Engine, Server, ShutdownRequest};
use crate::base::pin::Pinned;
use crate::config::{SnapshotMethod, system_text};
use crate::keyspace::{ClientId, DbIndex, KeyView, Keyspace, Saver, Slice, UseClock};
use crate::persistence::background::{BackgroundFile, Plan, Sink, Wake};
use crate::persistence::rdb::{Use, VERSION_FIELD_TTLS, VERSION_USUAL, Writer};

/// A buffer goes to the writing thread when it is this long.
const CHUNK_BYTES: usize = 256 * 1024;
/// A pass takes this part of a busy turn: as much time as is a third of the rest.
const BUSY_PART: u64 = 3;
/// Nanoseconds of one slice: at least, so that a pass ends; at most, so that nobody waits.
const SLICE_NANOS_MIN: u64 = 50_000;
const SLICE_NANOS_MAX: u64 = 400_000;
/// After a save that failed, save points wait this long.
const RETRY_MS: u64 = 5_000;
/// Bytes of values that were about to change and wait to be saved: past the first figure all
/// writers wait from the next turn on, until there are no more than the second.
const EARLY_MAX: usize = 32 << 20;
const EARLY_RESUME: usize = 8 << 20;
/// About as many elements of one container a pass saves in a millisecond, with half of a busy
/// loop's time.
const ELEMENTS_PER_MS: u64 = 2_500;

/// What a pass saves goes to a writer and on to a thread.
pub(super) struct FileSaver {
    writer: Writer,
    /// `rdbcompression`.
    compress: bool,
    file: BackgroundFile,
    uses: Uses,
    selected: Option<DbIndex>,
    /// Databases whose sizes have been told.
    told: Vec<DbIndex>,
    sizes: (usize, usize),
}

/// What of a key's use is saved: what the eviction policy goes by.
#[derive(Clone, Copy)]
struct Uses {
    clock: UseClock,
    lru: bool,
    lfu: bool,
}

impl FileSaver {
    /// How the file ended, once it has.
    pub(super) fn ended(&self) -> Option<std::io::Result<u64>> {
        self.file.end()
    }

    /// Ends a file that this process writes itself.
    pub(super) fn finish_here(mut self) -> Result<(), String> {
        if let Some(why) = end_of_keys(&mut self) {
            return Err(why);
        }
        match self.file.wait() {
            Ok(_) => Ok(()),
            Err(error) => Err(system_text(&error)),
        }
    }

    fn send(&mut self) {
        let bytes = self.writer.take(Vec::new());
        let spare = self.file.write(bytes);
        self.writer.take(spare);
    }

    fn send_if_long(&mut self) {
        if self.writer.len() >= CHUNK_BYTES {
            self.send();
        }
    }

    /// The part for a key begins with its database where that is another.
    fn enter(&mut self, db: DbIndex) {
        if self.selected == Some(db) {
            return;
        }
        self.selected = Some(db);
        let first = !self.told.contains(&db);
        if first {
            self.told.push(db);
        }
        self.writer.select(db, first.then_some(self.sizes));
    }
}

impl Uses {
    fn of(&self, clock: u32) -> Use {
        if self.lru
            && let Some(seconds) = self.clock.idle_seconds(clock)
        {
            Use::IdleSeconds(u64::from(seconds))
        } else if self.lfu
            && let Some(count) = self.clock.frequency(clock)
        {
            Use::Frequency(count)
        } else {
            Use::Nothing
        }
    }
}

impl Saver for FileSaver {
    fn database(&mut self, _db: DbIndex, keys: usize, volatile: usize) {
        self.sizes = (keys, volatile);
    }

    fn key(&mut self, db: DbIndex, view: &KeyView<'_>) {
        self.enter(db);
        let used = self.uses.of(view.clock);
        self.writer.key(view, used);
        self.send_if_long();
    }

    fn text(&mut self, db: DbIndex, view: &KeyView<'_>, text: Pinned) {
        self.enter(db);
        let used = self.uses.of(view.clock);
        self.writer.key_alone(view, used);
        self.send();
        let compress = self.compress;
        let make = move |text: &[u8], sink: &mut Sink<'_>| Writer::text(text, compress, sink);
        self.file.write_made(text, make);
    }

    fn begin_large(&mut self, db: DbIndex, view: &KeyView<'_>) -> u64 {
        self.enter(db);
        let used = self.uses.of(view.clock);
        self.writer.begin_key(view, used)
    }

    fn part(&mut self, view: &KeyView<'_>, at: u64) -> Option<u64> {
        let next = self.writer.part(&view.value, at, usize::MAX);
        self.send_if_long();
        next
    }

    fn has_room(&self) -> bool {
        self.file.has_room()
    }
}

/// A save that is under way.
struct Running {
    by: By,
    began_ms: u64,
    /// Changes when it began.
    dirty: u64,
    /// The file: settings that change meanwhile are for the next one.
    plan: Plan,
}

/// Who saves.
enum By {
    Pass(Box<Pass>),
    Child(Child),
    /// A child's file is whole, and gets its name.
    Naming(BackgroundFile),
}

/// A save between ticks.
struct Pass {
    saver: FileSaver,
    /// The pass is over; the file is being finished.
    written: bool,
    /// With `rdb-key-save-delay`, when the next step is due, monotonic microseconds.
    next_step_us: u64,
}

impl Running {
    /// Its file goes. Whether it was a pass.
    fn give_up(self) -> bool {
        match self.by {
            By::Pass(pass) => {
                drop(pass);
                true
            }
            By::Child(child) => {
                drop(child);
                // It may not have been made yet.
                let _ = std::fs::remove_file(&self.plan.temporary);
                false
            }
            By::Naming(file) => {
                drop(file);
                false
            }
        }
    }

    fn pass(&mut self) -> Option<&mut Pass> {
        match &mut self.by {
            By::Pass(pass) => Some(pass),
            By::Child(_) | By::Naming(_) => None,
        }
    }
}

/// See the module.
pub struct Saving {
    running: Option<Box<Running>>,
    /// BGSAVE SCHEDULE, when it could not begin at once.
    pub scheduled: bool,
    /// Unix seconds.
    pub last_save_s: i64,
    pub last_status_ok: bool,
    /// Seconds that the last one took; -1: there was none.
    pub last_time_s: i64,
    last_try_ms: u64,
    pub saves: u64,
    /// EXEC runs: what begins a snapshot waits for its end.
    pub in_exec: bool,
    /// Clients that wait until a large container is saved.
    awaiting: Vec<ClientId>,
    /// Writers of large containers must be looked at: some are not saved yet.
    pub(super) guards_large: bool,
    /// More has been about to change than may wait to be saved: all writers wait.
    pub(super) holds_writers: bool,
    /// The log has told so of this pass.
    told_held: bool,
    wake: Wake,
    /// Files are made: not where commands run in a test's process.
    pub on_disk: bool,
}

impl Saving {
    pub(super) fn new(now_s: i64) -> Saving {
        Saving {
            running: None,
            scheduled: false,
            last_save_s: now_s,
            last_status_ok: true,
            last_time_s: -1,
            last_try_ms: 0,
            saves: 0,
            in_exec: false,
            awaiting: Vec::new(),
            guards_large: false,
            holds_writers: false,
            told_held: false,
            wake: Arc::new(|| ()),
            on_disk: false,
        }
    }

    /// How the writing thread wakes the loop.
    pub(super) fn set_wake(&mut self, wake: Wake) {
        self.wake = wake;
    }

    pub(super) fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// Whether a save is under way.
    pub fn in_progress(&self) -> bool {
        self.running.is_some()
    }

    /// How far a child is that saves.
    pub fn child_progress(&self) -> Option<&ChildProgress> {
        match &self.running.as_ref()?.by {
            By::Pass(_) | By::Naming(_) => None,
            By::Child(child) => Some(&child.progress),
        }
    }

    /// Seconds that the save under way has taken so far; -1: there is none.
    pub fn current_time_s(&self, now_ms: u64) -> i64 {
        let running = self.running.as_ref();
        running.map_or(-1, |r| (now_ms.saturating_sub(r.began_ms) / 1000) as i64)
    }

    /// A client waits until what its command writes to is saved.
    pub(super) fn await_saved(&mut self, client: ClientId) {
        self.awaiting.push(client);
    }
}

impl Server {
    /// Whether a write is refused because the last save failed and it is configured so.
    pub(super) fn is_stopped_by_failed_save(&self) -> bool {
        !self.saving.last_status_ok
            && self.config.stop_writes_on_bgsave_error
            && !self.config.save.0.is_empty()
    }

    /// What makes a file of a pass. `asked_version`: that of the file, 0 for the lowest that
    /// holds the keys. The header is written.
    pub(super) fn file_saver(
        &self,
        keyspace: &Keyspace,
        file: BackgroundFile,
        asked_version: u32,
        is_aof_base: bool,
    ) -> FileSaver {
        let version = match keyspace.any_field_expires() {
            true => VERSION_FIELD_TTLS,
            false => VERSION_USUAL,
        };
        let version = match asked_version {
            0 => version,
            asked => asked,
        };
        let mut writer = Writer::new(version, self.config.rdbcompression);
        writer.magic();
        let number = |n: i64| n.to_string().into_bytes();
        writer.aux("redis-ver", crate::config::REDIS_VERSION.as_bytes());
        writer.aux("redis-bits", b"64");
        writer.aux("ctime", &number(self.now.unix_s()));
        let used = crate::base::alloc::used_memory();
        writer.aux("used-mem", &number(used as i64));
        if let (Some((at, db)), false) = (self.stream.snapshot(), is_aof_base) {
            writer.aux("repl-stream-db", &number(db.unwrap_or_default().0.into()));
            writer.aux("repl-id", at.id.as_str().as_bytes());
            writer.aux("repl-offset", &number(at.offset as i64));
        }
        writer.aux("aof-base", if is_aof_base { b"1" } else { b"0" });
        for library in self.scripting.libraries.iter() {
            writer.function(&library.code);
        }
        FileSaver {
            writer,
            compress: self.config.rdbcompression,
            file,
            uses: Uses {
                clock: keyspace.use_clock(),
                lru: self.config.maxmemory_policy.is_lru(),
                lfu: self.config.maxmemory_policy.is_lfu(),
            },
            selected: None,
            told: Vec::new(),
            sizes: (0, 0),
        }
    }

    /// Whether a snapshot that begins now is better made by a child.
    pub(super) fn forks_for_snapshots(&self, keyspace: &Keyspace) -> bool {
        let wait_ms = u64::from(self.config.snapshot_max_wait_ms);
        match self.config.snapshot_method {
            SnapshotMethod::Loop => false,
            SnapshotMethod::Fork => true,
            SnapshotMethod::Auto => keyspace.has_containers_of(wait_ms * ELEMENTS_PER_MS),
        }
    }

    /// What a file that `pid` writes is called: where the working folder is now, which may
    /// be another before the end.
    fn save_plan(&self, pid: u32) -> Plan {
        let here = std::env::current_dir().unwrap_or_default();
        Plan {
            temporary: here.join(temp_name(pid)),
            name: here.join(self.config.dbfilename.path()),
            checksum: Some(self.config.rdbchecksum),
            incremental_fsync: self.config.rdb_save_incremental_fsync,
        }
    }

    /// Begins a save of all databases as they are now by a child.
    fn begin_child(&mut self, keyspace: &Keyspace) -> Result<(), String> {
        self.saving.last_try_ms = self.now.mono_ms;
        let child = self.fork_to_save(keyspace, |server, report| {
            let plan = server.save_plan(std::process::id());
            let temporary = plan.temporary.clone();
            let file = BackgroundFile::create_here(plan);
            let file = file.map_err(|error| cannot_open(&temporary, &error))?;
            let saver = server.file_saver(keyspace, file, server.config.rdb_version, false);
            save_whole(keyspace, saver, report)
        })?;
        tracing::info!("Background saving started by pid {}", child.pid());
        self.saving.running = Some(Box::new(Running {
            plan: self.save_plan(child.pid().unsigned_abs()),
            by: By::Child(child),
            began_ms: self.now.mono_ms,
            dirty: keyspace.dirty,
        }));
        Ok(())
    }

    /// Begins a pass over all databases as they are now.
    fn begin_save(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        self.saving.last_try_ms = self.now.mono_ms;
        let plan = self.save_plan(std::process::id());
        let file = BackgroundFile::create(plan.clone(), self.saving.wake.clone())
            .map_err(|error| cannot_open(&plan.temporary, &error))?;
        // One pass at a time: a rewrite's runs to its end.
        self.end_rewrite_pass(keyspace);
        // What an aborted pass has left must be marked before the next one begins.
        if keyspace.in_pass() {
            keyspace.mark_on(u64::MAX);
        }
        let saver = self.file_saver(keyspace, file, self.config.rdb_version, false);
        keyspace.begin_pass();
        self.saving.running = Some(Box::new(Running {
            by: By::Pass(Box::new(Pass {
                saver,
                written: false,
                next_step_us: 0,
            })),
            began_ms: self.now.mono_ms,
            dirty: keyspace.dirty,
            plan,
        }));
        self.refresh_interest(keyspace);
        Ok(())
    }

    /// SAVE: all of it at once. Gives whether it went well; why not stands in the log.
    pub fn save_now(&mut self, keyspace: &mut Keyspace) -> bool {
        let went_well = self.save_at_once(keyspace);
        self.refresh_interest(keyspace);
        went_well
    }

    fn save_at_once(&mut self, keyspace: &mut Keyspace) -> bool {
        if let Err(why) = self.begin_save(keyspace) {
            tracing::warn!("{why}");
            return false;
        }
        let running = self.saving.running.take().map(|running| running.by);
        let Some(By::Pass(pass)) = running else {
            return false;
        };
        let mut saver = pass.saver;
        // A delay for each key is for those who want to see a save last.
        let delay = u64::try_from(self.config.rdb_key_save_delay).unwrap_or(0);
        let ticks = if delay > 0 { 0 } else { u64::MAX };
        loop {
            super::process::feed_watchdog();
            let before = keyspace.pass_progress().0;
            let pause_us = match keyspace.pass_slice(&mut saver, ticks) {
                Slice::Done => break,
                // The disk is slower than the loop.
                Slice::Full => 1000,
                Slice::More => delay * keyspace.pass_progress().0.saturating_sub(before),
            };
            std::thread::sleep(std::time::Duration::from_micros(pause_us));
        }
        let refused = end_of_keys(&mut saver);
        let ended = match refused {
            Some(why) => Err(std::io::Error::other(why)),
            None => saver.file.wait(),
        };
        match ended {
            Ok(_) => {
                tracing::info!("DB saved on disk");
                keyspace.dirty = 0;
                self.saving.last_save_s = self.now.unix_s();
                self.saving.last_status_ok = true;
                self.saving.saves += 1;
                true
            }
            Err(error) => {
                tracing::warn!("Error saving DB on disk: {}", system_text(&error));
                false
            }
        }
    }

    /// BGSAVE: the pass begins now, and goes on between turns; or a child does it.
    pub fn save_in_background(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        let dirty = keyspace.dirty;
        if self.forks_for_snapshots(keyspace) {
            match self.begin_child(keyspace) {
                Ok(()) => return Ok(()),
                Err(why) => {
                    tracing::warn!("Can't save in background: fork: {why}");
                    if self.config.snapshot_method == SnapshotMethod::Fork {
                        self.saving.last_status_ok = false;
                        self.refresh_interest(keyspace);
                        return Err(why);
                    }
                    // Writers of a large container will wait.
                }
            }
        }
        match self.begin_save(keyspace) {
            Ok(()) => {
                tracing::info!("Background saving started by pid {}", std::process::id());
                if dirty > 0 {
                    tracing::debug!("{dirty} changes since the last save");
                }
                Ok(())
            }
            Err(why) => {
                tracing::warn!("Can't save in background: {why}");
                self.saving.last_status_ok = false;
                self.refresh_interest(keyspace);
                Err(why)
            }
        }
    }

    /// The save under way is not wanted any more (FLUSHALL, SHUTDOWN, BGSAVE CANCEL); its
    /// file goes. `false`: there is none.
    pub fn cancel_save(&mut self, keyspace: &mut Keyspace) -> bool {
        let Some(running) = self.saving.running.take() else {
            return false;
        };
        if running.give_up() {
            keyspace.abort_pass();
        }
        self.refresh_interest(keyspace);
        self.release_awaiting();
        self.link_snapshot(keyspace, Err("the snapshot was given up"));
        true
    }

    /// What the gates must look at has changed with the saves.
    pub(super) fn refresh_interest(&mut self, keyspace: &Keyspace) {
        // Containers of fewer elements are small, or saved in a moment.
        const MANY: u64 = 512;
        self.saving.told_held &= keyspace.is_saving();
        self.saving.holds_writers &= keyspace.is_saving();
        self.saving.guards_large = keyspace.is_saving() && keyspace.has_containers_of(MANY);
        self.gates.interest = Interest::of(self);
    }

    /// What must be saved early has a bound. To be called when a pass has had its slice.
    pub(super) fn bound_early(&mut self, keyspace: &Keyspace) {
        let bytes = match keyspace.is_saving() {
            true => keyspace.early_bytes(),
            false => 0,
        };
        let holds = match self.saving.holds_writers {
            true => bytes > EARLY_RESUME,
            false => bytes > EARLY_MAX,
        };
        if holds == self.saving.holds_writers {
            return;
        }
        self.saving.holds_writers = holds;
        self.refresh_interest(keyspace);
        if !holds {
            self.release_awaiting();
        } else if !self.saving.told_held {
            self.saving.told_held = true;
            tracing::warn!(
                "Writers wait for the snapshot: the disk is slower than what changes before it \
                 is saved ({} MB)",
                bytes >> 20
            );
        }
    }

    /// Makes ready for the end: saves if that is asked for, or configured and not forbidden.
    /// `false`: it could not, and the server goes on unless it is forced.
    pub fn prepare_shutdown(&mut self, keyspace: &mut Keyspace, request: ShutdownRequest) -> bool {
        if self.writes_first_base() && !request.force {
            tracing::warn!("Writing initial AOF, can't exit");
            return false;
        }
        if self.cancel_save(keyspace) {
            tracing::warn!("A snapshot was being saved: it is given up.");
        }
        self.cancel_rewrite(keyspace);
        if self.aof.log().is_some() {
            tracing::info!("Calling fsync() on the AOF file.");
        }
        if !self.finish_aof() && !request.force {
            tracing::warn!("Error writing the append only file, can't exit.");
            return false;
        }
        let wanted = match request.save {
            Some(wanted) => wanted,
            None => !self.config.save.0.is_empty(),
        };
        // What is only half loaded would replace all of it.
        if !wanted || !self.saving.on_disk || self.is_loading() {
            return true;
        }
        tracing::info!("Saving the final RDB snapshot before exiting.");
        if self.save_now(keyspace) {
            return true;
        }
        if request.force {
            tracing::warn!("Error trying to save the DB, but we are exiting anyway.");
            return true;
        }
        tracing::warn!("Error trying to save the DB, can't exit.");
        false
    }

    /// FLUSHALL: what was being saved is worth nothing any more. With save points, the file
    /// is made to hold nothing either.
    pub fn flushed_all(&mut self, keyspace: &mut Keyspace) {
        if !self.config.save.0.is_empty() && self.saving.on_disk {
            self.save_now(keyspace);
        }
    }

    /// Clients that waited for a container go on; who must wait for another comes again.
    pub(super) fn release_awaiting(&mut self) {
        for id in std::mem::take(&mut self.saving.awaiting) {
            let Some(mut session) = self.clients.take(id) else {
                continue;
            };
            session
                .client
                .flags
                .remove(super::client::ClientFlags::POSTPONED);
            self.resume(&mut session);
            self.put_back(session);
        }
    }
}

/// What a file is called while a process writes it.
pub(super) fn temp_name(pid: u32) -> String {
    format!("temp-{pid}.rdb")
}

fn cannot_open(temporary: &Path, error: &std::io::Error) -> String {
    let (folder, name) = (temporary.parent(), temporary.file_name());
    format!(
        "Failed opening the temp RDB file {} (in server root dir {}) for saving: {}",
        name.map(Path::new).unwrap_or(temporary).display(),
        folder.unwrap_or(Path::new("")).display(),
        system_text(error)
    )
}

/// Writes what stands behind the keys and hands all to the thread. `Some`: why the file
/// cannot be what was asked for.
pub(super) fn end_of_keys(saver: &mut FileSaver) -> Option<String> {
    if let Some(too_new) = saver.writer.too_new() {
        return Some(too_new.to_string());
    }
    saver.writer.end();
    saver.send();
    saver.file.finish();
    None
}

impl Engine {
    /// Goes on with a save for a share of the turn, whose other work took `busy_ticks`.
    /// `idle`: nobody waits for the loop.
    pub(super) fn save_on(&mut self, busy_ticks: u64, idle: bool) {
        let Engine { keyspace, server } = self;
        if server.saving.running.is_none() {
            if keyspace.in_pass() && !keyspace.is_saving() {
                // What an aborted pass has left: marked in short slices.
                let ticks = server.cycles.ticks(SLICE_NANOS_MIN);
                keyspace.mark_on(ticks);
            }
            return;
        }
        self.save_slice(busy_ticks, idle);
        self.look_for_end_of_save();
    }

    fn save_slice(&mut self, busy_ticks: u64, idle: bool) {
        let Engine { keyspace, server } = self;
        let running = server.saving.running.as_mut();
        let Some(running) = running.and_then(|running| running.pass()) else {
            return;
        };
        if running.written {
            return;
        }
        let (least, most) = (
            server.cycles.ticks(SLICE_NANOS_MIN),
            server.cycles.ticks(SLICE_NANOS_MAX),
        );
        let ticks = match idle {
            true => most,
            false => (busy_ticks / BUSY_PART).clamp(least, most),
        };
        // A delay for each key is for those who want to see a save last: the loop goes on.
        let delay_us = u64::try_from(server.config.rdb_key_save_delay).unwrap_or(0);
        let now_us = server.identity.started.elapsed().as_micros() as u64;
        if delay_us > 0 && now_us < running.next_step_us {
            return;
        }
        let ticks = if delay_us > 0 { 0 } else { ticks };
        let (before, _) = keyspace.pass_progress();
        let slice = keyspace.pass_slice(&mut running.saver, ticks);
        let saved = keyspace.pass_progress().0.saturating_sub(before);
        running.next_step_us = now_us + delay_us * saved;
        if slice == Slice::Done {
            running.written = true;
            if let Some(why) = end_of_keys(&mut running.saver) {
                return self.fail_save(&why);
            }
        }
        if !keyspace.is_saving() || !server.saving.awaiting.is_empty() {
            server.release_awaiting();
        }
    }

    fn look_for_end_of_save(&mut self) {
        let running = self.server.saving.running.as_ref();
        let end = match running.map(|running| &running.by) {
            Some(By::Pass(pass)) => pass.saver.file.end(),
            Some(By::Naming(file)) => file.end(),
            Some(By::Child(_)) | None => None,
        };
        match end {
            None => {}
            Some(Ok(_)) => self.save_succeeded(),
            Some(Err(error)) => self.fail_save(&system_text(&error)),
        }
    }

    /// What became of a child that saves, with cron.
    pub(super) fn look_at_saving_child(&mut self) {
        let server = &mut self.server;
        let now_ms = server.now.mono_ms;
        let Some(running) = &mut server.saving.running else {
            return;
        };
        let By::Child(child) = &mut running.by else {
            return;
        };
        let Some(end) = child.look(now_ms) else {
            return;
        };
        server.forks.save_cow = child.progress.cow_peak;
        match end {
            ChildEnd::Done => {
                let wake = server.saving.wake.clone();
                match BackgroundFile::of_child(running.plan.clone(), wake) {
                    Ok(file) => running.by = By::Naming(file),
                    Err(error) => self.fail_save(&system_text(&error)),
                }
            }
            ChildEnd::Failed(why) => self.fail_save(&why),
            ChildEnd::Killed(signal) => {
                tracing::warn!("Background saving terminated by signal {signal}");
                self.fail_save("the child was killed");
            }
            ChildEnd::Unwanted => {
                let signal = rustix::process::Signal::USR1.as_raw();
                tracing::warn!("Background saving terminated by signal {signal}");
                let was_ok = server.saving.last_status_ok;
                self.fail_save("the child was told to end");
                self.server.saving.last_status_ok = was_ok;
                self.server.refresh_interest(&self.keyspace);
            }
        }
    }

    fn save_succeeded(&mut self) {
        let server = &mut self.server;
        let Some(running) = server.saving.running.take() else {
            return;
        };
        tracing::info!("DB saved on disk");
        tracing::info!("Background saving terminated with success");
        self.keyspace.dirty = self.keyspace.dirty.saturating_sub(running.dirty);
        server.saving.last_save_s = server.now.unix_s();
        server.saving.last_status_ok = true;
        server.saving.saves += 1;
        let took = server.now.mono_ms.saturating_sub(running.began_ms);
        server.saving.last_time_s = (took / 1000) as i64;
        server.refresh_interest(&self.keyspace);
        server.release_awaiting();
        server.link_snapshot(&mut self.keyspace, Ok(&running.plan.name));
    }

    fn fail_save(&mut self, why: &str) {
        let Engine { keyspace, server } = self;
        let Some(running) = server.saving.running.take() else {
            return;
        };
        tracing::warn!(
            "Write error saving DB on disk ({}): {why}",
            running.plan.temporary.display()
        );
        tracing::warn!("Background saving error");
        server.saving.last_status_ok = false;
        server.saving.last_time_s =
            (server.now.mono_ms.saturating_sub(running.began_ms) / 1000) as i64;
        if running.give_up() {
            keyspace.abort_pass();
        }
        server.refresh_interest(keyspace);
        server.release_awaiting();
        server.link_snapshot(keyspace, Err(why));
    }

    /// Begins what is due: a scheduled save, or one that a save point asks for.
    pub(super) fn begin_due_save(&mut self) {
        let Engine { keyspace, server } = self;
        let is_busy = server.saving.in_progress() || server.aof.rewrites.in_progress();
        if is_busy || server.is_loading() || !server.saving.on_disk {
            return;
        }
        if server.saving.scheduled {
            server.saving.scheduled = false;
            let _ = server.save_in_background(keyspace);
            return;
        }
        let since_s = server.now.unix_s() - server.saving.last_save_s;
        let due = server.config.save.0.iter().find(|point| {
            keyspace.dirty >= u64::from(point.changes)
                && since_s > i64::try_from(point.seconds).unwrap_or(i64::MAX)
        });
        let Some(point) = due else { return };
        let waited = server.now.mono_ms.saturating_sub(server.saving.last_try_ms);
        if !server.saving.last_status_ok && waited < RETRY_MS {
            return;
        }
        tracing::info!(
            "{} changes in {} seconds. Saving...",
            point.changes,
            point.seconds
        );
        // Why it could not begin stands in the log.
        let _ = server.save_in_background(keyspace);
    }

    /// Whether the loop has work for a save and should not sleep.
    pub(super) fn wants_save_time(&self) -> bool {
        match self.server.saving.running.as_ref().map(|r| &r.by) {
            Some(By::Child(_) | By::Naming(_)) => false,
            Some(By::Pass(pass)) => {
                !pass.written && pass.saver.has_room() && self.server.config.rdb_key_save_delay <= 0
            }
            None => {
                let marks = self.keyspace.in_pass() && !self.keyspace.is_saving();
                marks || self.server.aof.rewrites.wants_turns()
            }
        }
    }
}
