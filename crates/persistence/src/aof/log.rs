//! The append only file as a whole: its folder, its manifest, the current file.
//!
//! A failed step leaves the previous state: a new file is listed in the manifest before it is
//! written to, and files replaced by a new base are listed as history until they are removed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::chain::{Chain, LogFile, WrittenFile, position_at_begin};
use super::change::{Change, open_file};
use super::disk::Disk;
use super::feed::LogFeed;
use super::manifest::{BaseForm, Manifest, ManifestError, Part};
use super::stray::Strays;
use super::writer::{LogWriter, Rules, Time};
use russet_base::wake::Wake;
use russet_replication::ReplOffset;

/// The names and the folder of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `appenddirname`, inside the working folder.
    pub dir: PathBuf,
    /// `appendfilename`: the prefix of every name.
    pub basename: String,
}

/// A failed operation on a file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder `appenddirname`, which cannot be made or is no folder.
    #[error("Can't open or create append-only dir {}: {}", .0.display(), text(.1))]
    Folder(PathBuf, io::Error),
    /// The named file of the set cannot be made.
    #[error("Can't open the append-only file {}: {}", .0, text(.1))]
    File(String, io::Error),
    /// The named manifest cannot be written or renamed.
    #[error("Fail to fsync or rename the AOF manifest {}: {}", .0, text(.1))]
    Manifest(String, io::Error),
    /// The named manifest is there and cannot be read.
    #[error("Fatal error: can't open the AOF manifest file {} for reading: {}", .0, text(.1))]
    ManifestUnreadable(String, io::Error),
    /// The manifest has a line that is not understood.
    #[error("{0}")]
    ManifestFormat(ManifestError),
    /// The named file from before Redis 7.0 cannot be moved into the folder.
    #[error("Error trying to move the old AOF file {} into dir {}: {}", .0, .1.display(), text(.2))]
    Move(String, PathBuf, io::Error),
    /// There are files as of a set, but no manifest lists them.
    #[error("{0}")]
    NoManifest(Box<Strays>),
}

impl OpenError {
    /// The system's error, if the disk has no space left.
    pub fn lack_of_space(&self) -> Option<io::Error> {
        let (OpenError::Folder(_, error)
        | OpenError::File(_, error)
        | OpenError::Manifest(_, error)
        | OpenError::ManifestUnreadable(_, error)
        | OpenError::Move(_, _, error)) = self
        else {
            return None;
        };
        let code = error.raw_os_error()?;
        [libc::ENOSPC, libc::EDQUOT]
            .contains(&code)
            .then(|| io::Error::from_raw_os_error(code))
    }
}

fn text(error: &io::Error) -> String {
    russet_config::system_text(error)
}

/// Replaced incremental files that are kept, whatever their size.
const RETAINED_FILES_MAX: usize = 1024;

/// How much of the replaced incremental files is kept: for replicas (`repl-log-retain`,
/// `repl-log-retain-seconds`) at least `bytes`, and all of the last `seconds`; for consumers of the
/// change stream (`changes-retain`) the bytes that any of them has not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retain {
    /// Bytes of replaced files that are kept; 0: none.
    pub bytes: u64,
    /// The age up to which replaced files are kept; 0: none.
    pub seconds: u64,
    /// The slowest consumer has read up to this offset; `None`: there is none.
    pub unread: Option<ReplOffset>,
    /// Files for consumers are kept if they end at most this many bytes before the files in use.
    pub unread_bytes: u64,
}

/// Whether a single old file was upgraded to a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// The set is a folder already, or there is none.
    NotNeeded,
    /// The old file is the base of a folder now.
    Done,
}

impl Names {
    /// The path of a file of this set.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The name of the manifest's file.
    pub fn manifest(&self) -> String {
        format!("{}.manifest", self.basename)
    }

    /// The name of the incremental file while no base is complete.
    pub(super) fn temp_incr(&self) -> String {
        format!("temp-{}.incr", self.basename)
    }

    /// The manifest, or an empty manifest if there is no file.
    pub fn read_manifest(&self) -> Result<Manifest, OpenError> {
        let name = self.manifest();
        match fs::read(self.path(&name)) {
            Ok(bytes) => Manifest::parse(&bytes).map_err(OpenError::ManifestFormat),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Manifest::default()),
            Err(e) => Err(OpenError::ManifestUnreadable(name, e)),
        }
    }

    /// Turns the single file of an old server, in the working folder, into the base of a set. An
    /// interrupted upgrade is continued.
    pub fn upgrade(&self, disk: &Disk, manifest: &mut Manifest) -> Result<Upgrade, OpenError> {
        let old = Path::new(&self.basename);
        if !old.is_file() {
            return Ok(Upgrade::NotNeeded);
        }
        let is_old = |base: &Part| base.name == self.basename;
        let began = manifest.incrs.is_empty() && manifest.base.as_ref().is_some_and(is_old);
        let inside = self.path(&self.basename);
        let continues = began && !inside.exists();
        if !manifest.is_empty() && !continues {
            return Ok(Upgrade::NotNeeded);
        }
        self.make_folder()?;
        *manifest = Manifest::of_old_file(&self.basename);
        self.save(disk, manifest)?;
        let moved = disk.rename(old, &inside);
        let moved = moved.and_then(|()| disk.sync_folder(&self.dir));
        moved.map_err(|e| OpenError::Move(self.basename.clone(), self.dir.clone(), e))?;
        Ok(Upgrade::Done)
    }

    /// Begins a set whose base is a copy of a snapshot: returns its manifest, which is saved last,
    /// so that without it there is no set. An error leaves nothing. O(bytes of the snapshot).
    pub fn begin_with(&self, disk: &Disk, snapshot: &Path) -> Result<Manifest, OpenError> {
        self.make_folder()?;
        let mut manifest = Manifest::default();
        let name = manifest.replace_base(&self.basename, BaseForm::Rdb, 0);
        let path = self.path(&name);
        let copied = fs::copy(snapshot, &path).and_then(|_| disk.sync(&File::open(&path)?));
        let copied = copied.map_err(|error| OpenError::File(name, error));
        let begun = copied.and_then(|()| self.save(disk, &manifest));
        if begun.is_err() {
            // Without its manifest it would be in the way of the next try, and it takes space.
            let _ = fs::remove_file(&path);
        }
        begun.map(|()| manifest)
    }

    /// Makes the folder, if it is not there.
    pub fn make_folder(&self) -> Result<(), OpenError> {
        match fs::create_dir(&self.dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                Err(OpenError::Folder(self.dir.clone(), e))
            }
            _ if !self.dir.is_dir() => {
                let error = io::Error::from_raw_os_error(libc::ENOTDIR);
                Err(OpenError::Folder(self.dir.clone(), error))
            }
            _ => Ok(()),
        }
    }

    /// Writes the manifest anew, atomically.
    pub fn save(&self, disk: &Disk, manifest: &Manifest) -> Result<(), OpenError> {
        let name = self.manifest();
        let saved = manifest.save(disk, &self.dir, &name);
        saved.map_err(|e| OpenError::Manifest(name, e))
    }

    /// Bytes of all files to load. An error names the file.
    pub fn total_bytes(&self, manifest: &Manifest) -> Result<u64, (String, io::Error)> {
        manifest.parts().try_fold(0, |sum, part| {
            let found = fs::metadata(self.path(&part.name));
            found
                .map(|data| sum + data.len())
                .map_err(|e| (part.name.clone(), e))
        })
    }
}

/// See the module.
pub struct Log {
    disk: Disk,
    /// The names and the folder of its files.
    pub names: Names,
    /// The files as the manifest on disk lists them.
    pub manifest: Manifest,
    /// The writer of its current file.
    pub writer: LogWriter,
    /// Bytes of the closed files.
    pub(super) finished_bytes: u64,
    /// Bytes of all files after the last rewrite, or at the start.
    pub base_bytes: u64,
    /// Bytes of the base alone.
    pub base_file_bytes: u64,
    /// Set while the current file is not listed, because no base is complete yet: the replication
    /// offset at which it begins.
    pub(super) unlisted: Option<ReplOffset>,
    /// Number of incremental files begun before the rewrite under way: its base will replace them.
    pub(super) replaced: usize,
    /// The folder of the files, whatever its name is now.
    folder: Option<FolderId>,
    pub(super) wake: Option<Wake>,
    /// There was no space to open the file at start: it is tried again.
    waits_for_space: Option<EmptyBase>,
    pub(super) change: Option<Change>,
    /// A backup is making links of the files.
    pub(super) is_linked: bool,
    /// The files that replicas can be served from.
    pub(super) chain: Chain,
    /// How much of the replaced files is kept.
    pub retain: Retain,
    /// The current file has begun, and has no note of the change stream.
    pub lacks_note: bool,
}

/// The base of a set without data.
struct EmptyBase {
    form: BaseForm,
    bytes: Vec<u8>,
}

/// Device and inode.
type FolderId = (u64, u64);

fn folder_id(dir: &Path) -> Option<FolderId> {
    let data = fs::metadata(dir).ok()?;
    Some((data.dev(), data.ino()))
}

impl Log {
    /// Writes nothing yet. `offset`: where the stream of effects continues.
    pub fn new(
        names: Names,
        manifest: Manifest,
        disk: Disk,
        wake: Option<Wake>,
        offset: ReplOffset,
    ) -> Log {
        Log {
            writer: LogWriter::new(disk.clone(), wake.clone(), offset),
            disk,
            names,
            manifest,
            finished_bytes: 0,
            base_bytes: 0,
            base_file_bytes: 0,
            unlisted: None,
            replaced: usize::MAX,
            folder: None,
            wake,
            waits_for_space: None,
            change: None,
            is_linked: false,
            chain: Chain::default(),
            retain: Retain::default(),
            lacks_note: false,
        }
    }

    /// Sets the writer's rules. A file with bytes that are not counted by annotations cannot be
    /// read as the stream, nor can the bytes before it.
    pub fn set_rules(&mut self, rules: Rules) {
        if !rules.checksums {
            self.chain.forget();
        }
        self.writer.set_rules(rules);
    }

    // --- the log as the backlog ---

    /// The first position of the stream that can be read from the files.
    pub fn first(&self) -> Option<ReplOffset> {
        self.chain.first()
    }

    /// Where the file being written begins; `None`: it cannot be read as the stream.
    pub fn current_first(&self) -> Option<ReplOffset> {
        self.chain.current().map(|file| file.first)
    }

    /// A reader of the stream from a position on; `None`: the files do not have it.
    pub fn feed(&self, from: ReplOffset) -> Option<LogFeed> {
        LogFeed::open(&self.chain, self.written(), from)
    }

    /// A reader of the stream from a place between two requests on, at least `back` bytes before a
    /// position if the files have that, and the place's position; `None`: the files do not have the
    /// position.
    pub fn feed_before(&self, at: ReplOffset, back: u64) -> Option<(ReplOffset, LogFeed)> {
        let first = self.chain.first().filter(|&first| first <= at)?;
        let wanted = at.saturating_sub(back).max(first);
        let file = self.chain.find(wanted)?;
        let place = Chain::place(file, self.written(), wanted);
        let from = place.map_or(file.first, |place| place.offset);
        Some((from, self.feed(from)?))
    }

    /// A reader from the begin of the file that has a position, and the position of that.
    pub fn feed_of_file(&self, at: ReplOffset) -> Option<(ReplOffset, LogFeed)> {
        let from = self.chain.find(at)?.first;
        Some((from, self.feed(from)?))
    }

    /// The files up to here turned out to be unreadable as the stream.
    pub fn forget_chain(&mut self) {
        self.chain.forget();
    }

    /// The readers of this set continue in `next`.
    pub fn continue_in(&mut self, next: &Log) {
        self.chain.continue_in(&next.chain);
    }

    /// The written part of the current file.
    fn written(&self) -> Option<WrittenFile<'_>> {
        self.chain.current()?;
        Some(WrittenFile {
            length: self.writer.length(),
            places: self.writer.places(),
        })
    }

    /// The length of a file of the chain, if it is the current file.
    pub(super) fn length_of(&self, file: &Arc<LogFile>) -> Option<u64> {
        let current = self.chain.current()?;
        Arc::ptr_eq(current, file).then(|| self.writer.length())
    }

    /// The current file is not written any more, or not yet.
    pub(super) fn end_chain(&mut self) {
        let Some(path) = self.writer.path() else {
            return;
        };
        let written = WrittenFile {
            length: self.writer.length(),
            places: self.writer.places(),
        };
        self.chain.close_current(written, path);
    }

    /// The file just opened continues the chain.
    pub(super) fn continue_chain(&mut self) {
        if let Some(path) = self.writer.path()
            && self.writer.rules.checksums
        {
            self.chain.begin(path, self.writer.written());
        }
    }

    /// Collects the files of the set that can be read as the stream, up to the current file.
    /// `offset`: the stream's now.
    fn find_chain(&mut self, offset: ReplOffset) {
        let mut paths = self
            .manifest
            .incrs
            .iter()
            .map(|part| self.names.path(&part.name));
        if paths.any(|path| matches!(position_at_begin(&path), Ok(Some(_)))) {
            self.writer.set_marked();
        }
        if !self.writer.rules.checksums {
            return;
        }
        let retained = self.manifest.history.iter().rev();
        let parts = retained.filter(|part| part.start.is_some());
        let parts: Vec<&Part> = parts.chain(&self.manifest.incrs).collect();
        let mut found: Vec<(PathBuf, ReplOffset)> = Vec::new();
        for (back, part) in parts.iter().rev().enumerate() {
            let path = self.names.path(&part.name);
            let is_empty = fs::metadata(&path).is_ok_and(|data| data.len() == 0);
            let begins = match is_empty {
                true if back == 0 => Some(offset),
                true => part.start,
                // A file that cannot be read ends the chain.
                false => position_at_begin(&path).ok().flatten(),
            };
            let follows = back == 0 || parts[parts.len() - back].seq == part.seq + 1;
            match begins {
                Some(first) if follows && first <= offset => found.push((path, first)),
                _ => break,
            }
        }
        let mut before: Option<&Path> = None;
        for (path, first) in found.iter().rev() {
            if let (Some(file), Some(before)) = (self.chain.current(), before) {
                let written = WrittenFile {
                    length: file.size().unwrap_or(0),
                    places: &[],
                };
                self.chain.close_current(written, before);
            }
            self.chain.begin(path, *first);
            before = Some(path);
        }
    }

    /// Whether `names` refer to this set, whose folder may have been renamed. If so, its new name
    /// is adopted.
    pub fn follow(&mut self, names: &Names) -> bool {
        let is_same = self.folder.is_some() && folder_id(&names.dir) == self.folder;
        let is_followed = is_same && names.basename == self.names.basename;
        if is_followed && self.names.dir != names.dir {
            self.names.dir = names.dir.clone();
            self.chain.moved(&names.dir);
        }
        is_followed
    }

    /// A base begun now will replace all current files.
    pub fn replace_all(&mut self) {
        self.replaced = self.manifest.incrs.len();
    }

    /// Bytes of the append only file.
    pub fn current_bytes(&self) -> u64 {
        self.finished_bytes + self.writer.length()
    }

    /// As [`Log::open_at_start`]. If the disk has no space for that, it is done as soon as there is
    /// ([`Log::flush`]); until then writing fails.
    pub fn open_or_wait(
        &mut self,
        form: BaseForm,
        empty: Vec<u8>,
        offset: ReplOffset,
    ) -> Result<(), OpenError> {
        let Err(error) = self.open_at_start(form, &empty, offset) else {
            return Ok(());
        };
        let lack = error.lack_of_space().ok_or(error)?;
        self.writer.record_write_failure(lack);
        let bytes = empty;
        self.waits_for_space = Some(EmptyBase { form, bytes });
        Ok(())
    }

    /// Whether the file is not open yet, because there was no space.
    #[inline]
    pub fn waits_for_space(&self) -> bool {
        self.waits_for_space.is_some()
    }

    /// Writes the turn's bytes ([`LogWriter::flush`]), if the file is open.
    pub fn flush(&mut self, time: Time, now: bool) {
        if let Some(base) = self.waits_for_space.take() {
            let offset = self.writer.written();
            if let Err(error) = self.open_at_start(base.form, &base.bytes, offset) {
                let lack = error.lack_of_space();
                let lack = lack.unwrap_or_else(|| io::Error::other(error.to_string()));
                self.waits_for_space = Some(base);
                return self.writer.record_write_failure(lack);
            }
            self.writer.record_writable();
        }
        self.writer.flush(time, now);
        self.begin_next_file();
    }

    /// Opens the last incremental file, or creates the first. If there are no files at all,
    /// `empty`, an empty keyspace in form `form`, becomes the base. Must be called after everything
    /// has been loaded; `offset`: the replication offset then.
    pub(crate) fn open_at_start(
        &mut self,
        form: BaseForm,
        empty: &[u8],
        offset: ReplOffset,
    ) -> Result<(), OpenError> {
        self.names.make_folder()?;
        let mut manifest = self.manifest.clone();
        if manifest.is_empty() {
            let name = manifest.replace_base(&self.names.basename, form, 0);
            let made = self.disk.create(&self.names.path(&name));
            let made = made.and_then(|file| {
                self.disk.write_all(&file, empty)?;
                self.disk.sync(&file)
            });
            made.map_err(|e| OpenError::File(name.clone(), e))?;
            tracing::info!("Creating AOF base file {name} on server start");
        }
        let (name, is_new, is_changed) = match manifest.incrs.last_mut() {
            // The server will append to the file, so its end offset is unknown again.
            Some(last) => (last.name.clone(), false, last.end.take().is_some()),
            None => (manifest.add_incr(&self.names.basename, offset), true, true),
        };
        let doing = if is_new { "Creating" } else { "Opening" };
        let (file, length) = open_file(&self.disk, &self.names, &name)?;
        if is_changed {
            self.names.save(&self.disk, &manifest)?;
        }
        tracing::info!("{doing} AOF incr file {name} on server start");
        self.manifest = manifest;
        self.writer.open(file, self.names.path(&name), length);
        self.folder = folder_id(&self.names.dir);
        self.count_base();
        self.remove_history();
        self.find_chain(offset);
        Ok(())
    }

    /// Sets the base for measuring growth: the current size of all files.
    pub(super) fn count_base(&mut self) {
        self.finished_bytes = self.bytes_of_parts().saturating_sub(self.writer.length());
        self.base_bytes = self.current_bytes();
        let base = self.manifest.base.as_ref();
        let data = base.and_then(|base| fs::metadata(self.names.path(&base.name)).ok());
        self.base_file_bytes = data.map_or(0, |data| data.len());
    }

    /// Missing files count as 0.
    fn bytes_of_parts(&self) -> u64 {
        let length = |part: &Part| fs::metadata(self.names.path(&part.name)).map(|data| data.len());
        self.manifest
            .parts()
            .filter_map(|part| length(part).ok())
            .sum()
    }

    /// Switches to a new incremental file at once: the previous file was given up. With `unlisted`,
    /// there is none before, and the new file counts only when a base is complete. `offset`: the
    /// replication offset now. For the regular switch see [`Log::begin_next`].
    pub fn begin_incr(
        &mut self,
        unlisted: bool,
        offset: ReplOffset,
        why: &str,
    ) -> Result<(), OpenError> {
        self.names.make_folder()?;
        self.folder = folder_id(&self.names.dir);
        if unlisted {
            // The set before, if any, may be of another dataset.
            self.chain.forget();
            let name = self.names.temp_incr();
            let path = self.names.path(&name);
            let made = self.disk.create(&path);
            drop(made.map_err(|e| OpenError::File(name.clone(), e))?);
            let (file, length) = open_file(&self.disk, &self.names, &name)?;
            self.writer.open(file, path, length);
            self.finished_bytes = 0;
        } else {
            let mut manifest = self.manifest.clone();
            let name = manifest.add_incr(&self.names.basename, offset);
            let (file, length) = open_file(&self.disk, &self.names, &name)?;
            self.names.save(&self.disk, &manifest)?;
            tracing::info!("Creating AOF incr file {name} on {why}");
            self.manifest = manifest;
            self.finished_bytes += self.writer.length();
            self.end_chain();
            self.writer.open(file, self.names.path(&name), length);
        }
        self.continue_chain();
        self.unlisted = unlisted.then_some(offset);
        Ok(())
    }

    /// Removes replaced files, off the loop, except files that are retained for replicas. A line
    /// may name a file that is already gone: the loader does not read history.
    pub fn remove_history(&mut self) {
        if self.manifest.history.is_empty() || self.is_changing() {
            return;
        }
        let mut manifest = self.manifest.clone();
        manifest.history = self.retained(&manifest);
        if manifest.history.len() == self.manifest.history.len() {
            return;
        }
        match self.names.save(&self.disk, &manifest) {
            Ok(()) => self.remove_unlisted_history(manifest),
            // The next rewrite tries again.
            Err(error) => tracing::warn!("{error}"),
        }
    }

    /// The manifest has been replaced by a manifest without some history files.
    pub(super) fn remove_unlisted_history(&mut self, manifest: Manifest) {
        let kept = manifest.history.iter().chain(&self.manifest.incrs);
        if let Some(first) = kept.filter_map(|part| part.start).min() {
            self.chain.forget_before(first);
        }
        for part in &self.manifest.history {
            if !manifest.history.contains(part) {
                tracing::info!("Removing the history file {} in the background", part.name);
                self.writer.remove(self.names.path(&part.name));
            }
        }
        self.manifest.history = manifest.history;
    }

    /// The history files of a manifest that are kept for replicas: the newest incremental files.
    pub(super) fn retained(&self, manifest: &Manifest) -> Vec<Part> {
        let Retain {
            bytes,
            seconds,
            unread,
            unread_bytes,
        } = self.retain;
        let (now, mut kept_bytes) = (SystemTime::now(), 0);
        // Where the next newer file begins; the used files begin at `used_from`.
        let used_from = manifest.incrs.first().and_then(|part| part.start);
        let mut end = used_from;
        let is_kept = |part: &&Part| {
            let Ok(data) = fs::metadata(self.names.path(&part.name)) else {
                return false;
            };
            // A time in the future is no age.
            let age = data
                .modified()
                .ok()
                .and_then(|at| now.duration_since(at).ok());
            let is_young = age.unwrap_or_default() < Duration::from_secs(seconds);
            let is_read = unread.is_none_or(|at| end.is_some_and(|end| end <= at));
            let behind = used_from
                .zip(end)
                .map_or(0, |(from, end)| from.saturating_sub(end));
            let is_awaited = !is_read && behind <= unread_bytes;
            let is_kept = is_young || kept_bytes < bytes || is_awaited;
            kept_bytes += data.len();
            end = part.start;
            is_kept
        };
        // Newest first.
        let incrs = manifest.history.iter().filter(|part| part.start.is_some());
        incrs
            .take_while(is_kept)
            .take(RETAINED_FILES_MAX)
            .cloned()
            .collect()
    }

    /// Writes everything and records the file's end, the replication offset `offset`.
    pub fn finish(&mut self, time: Time, offset: ReplOffset) -> std::io::Result<()> {
        self.settle();
        if self.waits_for_space() && self.writer.is_idle() {
            return Ok(());
        }
        self.flush(time, true);
        self.writer.finish(time)?;
        let mut manifest = self.manifest.clone();
        let last = manifest.incrs.last_mut();
        if self.unlisted.is_none()
            && let Some(last) = last.filter(|last| last.start.is_some())
        {
            last.end = Some(offset);
            match self.names.save(&self.disk, &manifest) {
                Ok(()) => self.manifest = manifest,
                // The data is complete without it.
                Err(error) => tracing::warn!("{error}"),
            }
        }
        Ok(())
    }

    /// Ends writing; whatever can be written is.
    pub fn close(&mut self, time: Time, offset: ReplOffset) {
        // The error has been logged.
        let _ = self.finish(time, offset);
        self.end_chain();
        self.writer.close();
        self.remove_unlisted();
    }

    /// Gives up the unlisted file, whose base cannot be made: it is removed, and nothing is written
    /// until the next try.
    pub fn give_up_unlisted(&mut self) {
        if self.unlisted.is_some() {
            self.settle();
            self.chain.forget();
            self.writer.close();
            self.remove_unlisted();
        }
    }

    fn remove_unlisted(&mut self) {
        if self.unlisted.take().is_some() {
            tracing::info!("Removing the temp incr aof file {}", self.names.temp_incr());
            self.chain.hold_last();
            self.writer.remove(self.names.path(&self.names.temp_incr()));
        }
    }

    /// Whether writes count only when the base being made is complete.
    pub fn is_unlisted(&self) -> bool {
        self.unlisted.is_some()
    }

    /// The file operations that it uses.
    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }
}
