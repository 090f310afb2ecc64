//! Changes of the set of files that wait for the disk. A thread makes them, one at a time;
//! the loop serves meanwhile, and goes on with [`Log::take_change`] when it is woken.
//!
//!     ahead    the file that is written to is forced to disk, and written to meanwhile
//!     next     what it has got since is, too, and the next file is listed; what is done
//!              meanwhile waits in the buffer, its replies with it
//!     base     a new base takes its name and its place in the manifest
//!
//! Invariants
//!   1. A file is listed when those before it are on disk: after a crash of the machine only
//!      the last one can be torn.
//!   2. A file is listed before it is written to: after a crash of the process nothing that
//!      was acknowledged stands in a file without a line.
//!   3. Until a change is taken the manifest in memory is the one before.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::log::{Log, Names, OpenError};
use super::manifest::{BaseForm, Manifest};
use crate::persistence::errand::Errand;
use crate::replication::ReplOffset;

/// On whose behalf the set changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Rewrite,
    Backup,
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Ahead,
    Next,
    Base,
}

/// Why a change could not be made: the set is what it was.
#[derive(Debug)]
enum Failed {
    /// An fsync of the file that is written to.
    Sync(io::Error),
    Open(OpenError),
}

enum Made {
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
        /// The file that is written to has this name now.
        renamed: Option<PathBuf>,
        listed: Manifest,
        /// The same without what was replaced, if that may go and is not listed any more.
        cleaned: Option<Manifest>,
    },
}

/// A change under way.
pub(super) struct Change {
    owner: Owner,
    errand: Errand<Result<Made, Failed>>,
}

/// The files of a set that grow no more, and a manifest for who gets them.
#[derive(Debug)]
pub struct Sealed {
    from: Names,
    manifest: Manifest,
    offset: ReplOffset,
}

impl Sealed {
    /// Links all of it to `to`, an empty folder on the same file system. A file of its own is
    /// what who starts there writes to.
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
}

impl Log {
    /// Whether a change is under way: another one has to wait.
    pub fn is_changing(&self) -> bool {
        self.change.is_some() || self.is_linked
    }

    fn start(
        &mut self,
        owner: Owner,
        work: impl FnOnce() -> Result<Made, Failed> + Send + 'static,
    ) -> Result<(), OpenError> {
        assert!(!self.is_changing(), "one change at a time");
        let errand = Errand::start("aof-set", self.wake.clone(), work);
        let errand = errand.map_err(|e| OpenError::File(self.names.manifest(), e))?;
        self.change = Some(Change { owner, errand });
        Ok(())
    }

    /// Has what is written forced to disk ahead of [`Log::begin_next`], which is shorter then.
    /// `false`: all of it is there already.
    pub fn begin_ahead(&mut self, owner: Owner) -> Result<bool, OpenError> {
        let Some((file, upto)) = self.writer.unsynced_file() else {
            return Ok(false);
        };
        let disk = self.disk().clone();
        self.start(owner, move || {
            disk.sync(&file).map_err(Failed::Sync)?;
            Ok(Made::Ahead { upto })
        })?;
        self.writer.is_synced_elsewhere = true;
        Ok(true)
    }

    /// From here on another incremental file is written. All that is for the file before must
    /// be written to it ([`super::Writer::flush`]). `offset`: the replication offset now.
    pub fn begin_next(
        &mut self,
        owner: Owner,
        offset: ReplOffset,
        why: &str,
    ) -> Result<(), OpenError> {
        self.names.make_folder()?;
        let mut manifest = self.manifest.clone();
        let name = manifest.add_incr(&self.names.basename, offset);
        tracing::info!("Creating AOF incr file {name} on {why}");
        let old = self.writer.unsynced_file();
        let (disk, names) = (self.disk().clone(), self.names.clone());
        self.start(owner, move || {
            if let Some((old, _)) = old {
                disk.sync(&old).map_err(Failed::Sync)?;
            }
            let (file, length) = open_file(&disk, &names, &name).map_err(Failed::Open)?;
            names.save(&disk, &manifest).map_err(Failed::Open)?;
            let path = names.path(&name);
            Ok(Made::Next {
                manifest,
                file,
                length,
                path,
            })
        })?;
        self.writer.hold();
        Ok(())
    }

    /// The file `temporary` holds the keyspace as it was when the rewrite began, forced to
    /// disk: it is to be the base. Incremental files that were begun later stay.
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
        let (disk, names) = (self.disk().clone(), self.names.clone());
        self.start(Owner::Rewrite, move || {
            for (from, name) in renames {
                let done = disk.rename(&from, &names.path(&name));
                done.map_err(|e| Failed::Open(OpenError::File(name, e)))?;
            }
            names.save(&disk, &manifest).map_err(Failed::Open)?;
            let mut cleaned = None;
            if !keep_history && !manifest.history.is_empty() {
                let mut without = manifest.clone();
                without.history.clear();
                match names.save(&disk, &without) {
                    Ok(()) => cleaned = Some(without),
                    // It is tried again with the next rewrite.
                    Err(error) => tracing::warn!("{error}"),
                }
            }
            Ok(Made::Base {
                renamed,
                listed: manifest,
                cleaned,
            })
        })
    }

    /// The change that has ended, if one has, and how.
    pub fn take_change(&mut self) -> Option<(Owner, Result<Changed, String>)> {
        let change = self.change.as_ref()?;
        let ended = change.errand.take()?;
        let owner = change.owner;
        self.change = None;
        Some((owner, self.adopt(ended)))
    }

    /// Waits for the end of the change under way, if there is one.
    pub fn settle(&mut self) -> Option<(Owner, Result<Changed, String>)> {
        let change = self.change.take()?;
        let ended = change.errand.wait()?;
        Some((change.owner, self.adopt(ended)))
    }

    fn adopt(&mut self, ended: Result<Made, Failed>) -> Result<Changed, String> {
        self.writer.release();
        self.writer.is_synced_elsewhere = false;
        match ended {
            Ok(Made::Ahead { upto }) => {
                self.writer.note_synced(upto);
                Ok(Changed::Ahead)
            }
            Ok(Made::Next {
                manifest,
                file,
                length,
                path,
            }) => {
                self.manifest = manifest;
                self.finished_bytes += self.writer.length();
                self.writer.note_all_synced();
                self.writer.open(file, path, length);
                self.unlisted = None;
                Ok(Changed::Next)
            }
            Ok(Made::Base {
                renamed,
                listed,
                cleaned,
            }) => {
                if let Some(path) = renamed {
                    self.writer.renamed(path);
                    self.unlisted = None;
                }
                let gone = match &cleaned {
                    Some(_) => listed.history.clone(),
                    None => Vec::new(),
                };
                for part in gone {
                    tracing::info!("Removing the history file {} in the background", part.name);
                    self.writer.remove(self.names.path(&part.name));
                }
                self.manifest = cleaned.unwrap_or(listed);
                self.count_base();
                Ok(Changed::Base)
            }
            Err(Failed::Sync(error)) => {
                let why = crate::config::system_text(&error);
                self.writer.note_sync_failed(error);
                Err(why)
            }
            Err(Failed::Open(error)) => Err(error.to_string()),
        }
    }

    /// All files but the one that is written to, for a backup. Until [`Log::unlink`] none of
    /// them goes. `offset`: the replication offset at which that one begins.
    pub fn sealed(&mut self) -> Sealed {
        let mut manifest = self.manifest.clone();
        manifest.history.clear();
        let last = manifest.incrs.pop();
        self.is_linked = true;
        Sealed {
            from: self.names.clone(),
            manifest,
            offset: last.and_then(|last| last.start).unwrap_or(0),
        }
    }

    /// The backup has its links.
    pub fn unlink(&mut self) {
        self.is_linked = false;
    }
}

/// Opens an incremental file to be gone on with; how long it is.
pub(super) fn open_file(disk: &Disk, names: &Names, name: &str) -> Result<(File, u64), OpenError> {
    let opened = disk.open_to_append(&names.path(name));
    let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = opened.map_err(|e| OpenError::File(name.to_owned(), e))?;
    Ok((file, length))
}

impl super::writer::Writer {
    fn unsynced_file(&self) -> Option<(Arc<File>, u64)> {
        self.written_file()
            .filter(|_| self.synced() < self.written())
    }
}
