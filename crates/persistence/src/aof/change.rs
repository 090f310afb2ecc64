//! Changes of the set of files, which wait for the disk. A thread makes them, one at a time; the
//! loop keeps serving, and completes a change with [`Log::take_change`] when woken.
//!
//!     ahead    forces the current file to disk while writes to it continue
//!     next     once the rest of it is written ([`LogWriter::hold`]) forces that to disk and lists
//!              the next file; effects of that time wait in the buffer, with their replies
//!     base     a new base gets its final name and is listed in the manifest
//!
//! Invariants
//!   1. A file is listed only when the files before it are on disk: after a crash of the machine
//!      only the last file can be torn.
//!   2. A file is listed before it is written to: after a crash of the process nothing that
//!      was acknowledged is in an unlisted file.
//!   3. Until a change is taken the manifest in memory is the previous manifest.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::log::{Log, Names, OpenError};
use super::manifest::{BaseForm, Manifest};
use super::writer::LogWriter;
use crate::errand::Errand;
use russet_replication::ReplOffset;

/// The initiator of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// BGREWRITEAOF, or a rewrite that the server began by itself.
    Rewrite,
    /// A backup, which links files that are whole.
    Backup,
}

/// The kind of a completed change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletedChange {
    /// The bytes before the change are on disk.
    Ahead,
    /// The next incremental file is listed and is written to.
    Next,
    /// The new base is listed; the files that it replaces are not used any more.
    Base,
}

/// Why a change failed: the set is unchanged.
#[derive(Debug)]
enum ChangeError {
    /// An fsync of the current file.
    Sync(io::Error),
    Open(OpenError),
}

enum ChangeOutput {
    Ahead {
        upto: u64,
    },
    Next {
        manifest: Manifest,
        file: File,
        length: u64,
        path: PathBuf,
    },
    Base {
        /// The new name of the current file.
        renamed: Option<PathBuf>,
        listed: Manifest,
        /// The same without the replaced files that may be removed, if these are unlisted.
        cleaned: Option<Manifest>,
    },
}

/// A change under way.
pub(super) struct Change {
    owner: Owner,
    stage: ChangeStage,
}

enum ChangeStage {
    /// The rest of the current file is being written; this incremental file follows.
    Rest {
        manifest: Manifest,
        name: String,
    },
    Errand(Errand<Result<ChangeOutput, ChangeError>>),
    /// The thread could not be started.
    Failed(OpenError),
}

/// The closed files of a set, and a manifest for the recipient.
#[derive(Debug)]
pub struct SealedSet {
    from: Names,
    manifest: Manifest,
    offset: ReplOffset,
}

impl SealedSet {
    /// Links all files to `to`, an empty folder on the same file system. A new file receives the
    /// writes of a server that is started there.
    pub fn link(mut self, disk: &Disk, to: &Names) -> Result<(), OpenError> {
        to.make_folder()?;
        for part in self.manifest.parts() {
            let linked = fs::hard_link(self.from.path(&part.name), to.path(&part.name));
            linked.map_err(|e| OpenError::File(part.name.clone(), e))?;
        }
        let own = self.manifest.add_incr(&to.basename, self.offset);
        let made = disk.create(&to.path(&own));
        made.map_err(|e| OpenError::File(own, e))?;
        to.save(disk, &self.manifest)
    }

    /// As [`SealedSet::link`], into a folder that may have some of the files already, and without a
    /// new file: the manifest records where the last file ends.
    pub fn link_closed(mut self, disk: &Disk, to: &Names) -> Result<(), OpenError> {
        to.make_folder()?;
        for part in self.manifest.parts() {
            match fs::hard_link(self.from.path(&part.name), to.path(&part.name)) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(OpenError::File(part.name.clone(), e));
                }
                _ => {}
            }
        }
        if let Some(last) = self.manifest.incrs.last_mut() {
            last.end = Some(self.offset);
        }
        to.save(disk, &self.manifest)
    }
}

impl Log {
    /// Whether a change is under way: another change must wait.
    pub fn is_changing(&self) -> bool {
        self.change.is_some() || self.is_linked
    }

    fn start(
        &mut self,
        owner: Owner,
        work: impl FnOnce() -> Result<ChangeOutput, ChangeError> + Send + 'static,
    ) -> Result<(), OpenError> {
        assert!(!self.is_changing(), "one change at a time");
        let stage = ChangeStage::Errand(self.errand(work)?);
        self.change = Some(Change { owner, stage });
        Ok(())
    }

    fn errand(
        &self,
        work: impl FnOnce() -> Result<ChangeOutput, ChangeError> + Send + 'static,
    ) -> Result<Errand<Result<ChangeOutput, ChangeError>>, OpenError> {
        let errand = Errand::start("aof-set", self.wake.clone(), work);
        errand.map_err(|e| OpenError::File(self.names.manifest(), e))
    }

    /// Starts forcing the written bytes to disk, which shortens the following [`Log::begin_next`].
    /// `false`: all of them are on disk already.
    pub fn begin_ahead(&mut self, owner: Owner) -> Result<bool, OpenError> {
        let Some((file, upto)) = self.writer.unsynced_file() else {
            return Ok(false);
        };
        let disk = self.disk().clone();
        self.start(owner, move || {
            disk.sync(&file).map_err(ChangeError::Sync)?;
            Ok(ChangeOutput::Ahead { upto })
        })?;
        self.writer.is_synced_elsewhere = true;
        Ok(true)
    }

    /// Switches to a new incremental file: bytes appended from now on go there. It does not wait
    /// for bytes that wait for the disk; the flushes that follow write them ([`LogWriter::flush`]),
    /// and the change fails if such a flush fails. `offset`: the replication offset now.
    pub fn begin_next(
        &mut self,
        owner: Owner,
        offset: ReplOffset,
        why: &str,
    ) -> Result<(), OpenError> {
        assert!(!self.is_changing(), "one change at a time");
        self.names.make_folder()?;
        let mut manifest = self.manifest.clone();
        let name = manifest.add_incr(&self.names.basename, offset);
        tracing::info!("Creating AOF incr file {name} on {why}");
        self.writer.hold();
        let stage = ChangeStage::Rest { manifest, name };
        self.change = Some(Change { owner, stage });
        self.begin_next_file();
        Ok(())
    }

    /// Begins the next file if the rest of the current file is written.
    pub(super) fn begin_next_file(&mut self) {
        let awaits_rest = |change: &Change| matches!(change.stage, ChangeStage::Rest { .. });
        let is_written = self.writer.has_written_rest() && self.writer.trouble().is_none();
        if !is_written || !self.change.as_ref().is_some_and(awaits_rest) {
            return;
        }
        let Some(Change { owner, stage }) = self.change.take() else {
            return;
        };
        let stage = match stage {
            ChangeStage::Rest { manifest, name } => match self.list_next(manifest, name) {
                Ok(errand) => ChangeStage::Errand(errand),
                Err(error) => ChangeStage::Failed(error),
            },
            stage => stage,
        };
        self.change = Some(Change { owner, stage });
    }

    /// Begins to force the current file to disk, and to list the file `name` after it.
    fn list_next(
        &self,
        manifest: Manifest,
        name: String,
    ) -> Result<Errand<Result<ChangeOutput, ChangeError>>, OpenError> {
        let old = self.writer.unsynced_file();
        let (disk, names) = (self.disk().clone(), self.names.clone());
        self.errand(move || {
            if let Some((old, _)) = old {
                disk.sync(&old).map_err(ChangeError::Sync)?;
            }
            let (file, length) = open_file(&disk, &names, &name).map_err(ChangeError::Open)?;
            names.save(&disk, &manifest).map_err(ChangeError::Open)?;
            let path = names.path(&name);
            Ok(ChangeOutput::Next {
                manifest,
                file,
                length,
                path,
            })
        })
    }

    /// Makes the file `temporary` the base: it holds the keyspace as of the rewrite's begin, forced
    /// to disk. Incremental files begun later stay.
    pub fn begin_base(
        &mut self,
        temporary: &Path,
        form: BaseForm,
        keep_history: bool,
    ) -> Result<(), OpenError> {
        let mut manifest = self.manifest.clone();
        let kept = manifest.incrs.len().saturating_sub(self.replaced);
        let name = manifest.replace_base(&self.names.basename, form, kept);
        let mut renames = vec![(temporary.to_owned(), name)];
        let mut renamed = None;
        if let Some(offset) = self.unlisted {
            let name = manifest.add_incr(&self.names.basename, offset);
            renamed = Some(self.names.path(&name));
            renames.push((self.names.path(&self.names.temp_incr()), name));
        }
        if self.unlisted.is_some() {
            // A set that begins anew does not continue the files before it.
            manifest
                .history
                .iter_mut()
                .for_each(|part| part.start = None);
        }
        let mut without = manifest.clone();
        without.history = self.retained(&manifest);
        let is_cleaned = !keep_history && without.history.len() < manifest.history.len();
        let (disk, names) = (self.disk().clone(), self.names.clone());
        self.start(Owner::Rewrite, move || {
            for (from, name) in renames {
                let done = disk.rename(&from, &names.path(&name));
                done.map_err(|e| ChangeError::Open(OpenError::File(name, e)))?;
            }
            names.save(&disk, &manifest).map_err(ChangeError::Open)?;
            let mut cleaned = None;
            if is_cleaned {
                match names.save(&disk, &without) {
                    Ok(()) => cleaned = Some(without),
                    // The next rewrite tries again.
                    Err(error) => tracing::warn!("{error}"),
                }
            }
            Ok(ChangeOutput::Base {
                renamed,
                listed: manifest,
                cleaned,
            })
        })
    }

    /// The change that has ended, if any, and its result.
    pub fn take_change(&mut self) -> Option<(Owner, Result<CompletedChange, String>)> {
        let change = self.change.as_ref()?;
        let owner = change.owner;
        let ended = match &change.stage {
            ChangeStage::Errand(errand) => errand.take()?,
            ChangeStage::Rest { .. } if self.writer.trouble().is_none() => return None,
            ChangeStage::Rest { .. } | ChangeStage::Failed(_) => return self.settle(),
        };
        self.change = None;
        Some((owner, self.adopt(ended)))
    }

    /// Waits for the change under way, if any; a change that has not begun to change anything is
    /// given up.
    pub fn settle(&mut self) -> Option<(Owner, Result<CompletedChange, String>)> {
        let Change { owner, stage } = self.change.take()?;
        let why = match stage {
            ChangeStage::Errand(errand) => return Some((owner, self.adopt(errand.wait()?))),
            ChangeStage::Failed(error) => error.to_string(),
            ChangeStage::Rest { .. } => match self.writer.trouble() {
                Some(trouble) => russet_config::system_text(trouble.error()),
                None => "interrupted".to_owned(),
            },
        };
        self.writer.release();
        Some((owner, Err(why)))
    }

    fn adopt(
        &mut self,
        ended: Result<ChangeOutput, ChangeError>,
    ) -> Result<CompletedChange, String> {
        self.writer.release();
        self.writer.is_synced_elsewhere = false;
        match ended {
            Ok(ChangeOutput::Ahead { upto }) => {
                self.writer.record_synced(upto);
                Ok(CompletedChange::Ahead)
            }
            Ok(ChangeOutput::Next {
                manifest,
                file,
                length,
                path,
            }) => {
                self.adopt_manifest(manifest);
                self.finished_bytes += self.writer.length();
                self.writer.record_all_synced();
                self.end_chain();
                self.writer.open(file, path, length);
                self.continue_chain();
                self.unlisted = None;
                Ok(CompletedChange::Next)
            }
            Ok(ChangeOutput::Base {
                renamed,
                listed,
                cleaned,
            }) => {
                if let Some(path) = renamed {
                    self.writer.renamed(path);
                    self.unlisted = None;
                }
                self.adopt_manifest(listed);
                if let Some(cleaned) = cleaned {
                    self.remove_unlisted_history(cleaned);
                }
                self.count_base();
                Ok(CompletedChange::Base)
            }
            Err(ChangeError::Sync(error)) => {
                let why = russet_config::system_text(&error);
                self.writer.record_sync_failure(error);
                Err(why)
            }
            Err(ChangeError::Open(error)) => Err(error.to_string()),
        }
    }

    /// A change has made it from the previous manifest.
    fn adopt_manifest(&mut self, made: Manifest) {
        let undone = self.manifest.undone;
        self.manifest = made;
        self.manifest.undone = undone;
    }

    /// All files but the current file, for a backup. None of them is removed until [`Log::unlink`].
    /// `offset`: the replication offset at which the current one begins.
    pub fn sealed(&mut self) -> SealedSet {
        let mut manifest = self.manifest.clone();
        manifest.history.clear();
        let last = manifest.incrs.pop();
        self.is_linked = true;
        SealedSet {
            from: self.names.clone(),
            manifest,
            offset: last.and_then(|last| last.start).unwrap_or(0),
        }
    }

    /// The backup has made its links.
    pub fn unlink(&mut self) {
        self.is_linked = false;
    }
}

/// Opens an incremental file to append to; returns its length, too.
pub(super) fn open_file(disk: &Disk, names: &Names, name: &str) -> Result<(File, u64), OpenError> {
    let opened = disk.open_to_append(&names.path(name));
    let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = opened.map_err(|e| OpenError::File(name.to_owned(), e))?;
    Ok((file, length))
}

impl LogWriter {
    fn unsynced_file(&self) -> Option<(Arc<File>, u64)> {
        self.written_file()
            .filter(|_| self.synced() < self.written())
    }
}
