//! Targets: the files that consumers want of a snapshot, with their names until they are whole.
//!
//! A [`Target`] is all that a consumer handles. The target of a full sync is a spool that replicas
//! read from, in the form that they can read.

use std::io;
use std::path::PathBuf;

use crate::parts::migration::SlotFeed;

use russet_base::wake::Wake;
use russet_cluster::migration::Ranges;
use russet_persistence::aof::{BaseForm, Names};
use russet_persistence::background::{BackgroundFile, Plan};
use russet_persistence::rdb::RdbOrigin;
use russet_persistence::spool::{Spool, SpoolUsage};

/// The parts of the server that request snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    Save,
    Rewrite,
    /// Full syncs of replicas.
    FullSync,
    /// Slots that another node takes over.
    Migration,
}

/// A file that a snapshot is to produce.
#[derive(Clone, Debug)]
pub struct Target {
    pub what: TargetKind,
    /// The process that writes the file, for the temporary name.
    writer: u32,
}

/// See [`Target`].
#[derive(Clone, Debug)]
pub enum TargetKind {
    /// The file of SAVE and BGSAVE.
    Dump { name: PathBuf },
    /// The base of an append only file, which gets its name with the manifest.
    Base {
        names: Names,
        form: BaseForm,
        /// When the file was begun, Unix seconds.
        unix_s: i64,
    },
    /// The data that replicas receive.
    Spool { spool: Spool, form: SyncForm },
    /// The keys of some slots, for another node. A pass for it saves nothing else.
    Slots { slots: Ranges, feed: SlotFeed },
}

/// The form and content of a snapshot for replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncForm {
    /// See `rdb::sync_version`.
    pub version: u32,
    pub dialect: RdbOrigin,
    pub content: SyncContent,
    /// The replicas receive the snapshot compressed.
    pub packed: bool,
}

/// The parts of a snapshot that a replica wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncContent {
    Everything,
    /// `rdb-filter-only functions`.
    FunctionsOnly,
    /// `rdb-filter-only ""`.
    Nothing,
}

impl Target {
    pub fn new(what: TargetKind) -> Target {
        let writer = std::process::id();
        Target { what, writer }
    }

    pub(super) fn written_by(self, pid: u32) -> Target {
        Target {
            writer: pid,
            ..self
        }
    }

    pub fn consumer(&self) -> Consumer {
        match self.what {
            TargetKind::Dump { .. } => Consumer::Save,
            TargetKind::Base { .. } => Consumer::Rewrite,
            TargetKind::Spool { .. } => Consumer::FullSync,
            TargetKind::Slots { .. } => Consumer::Migration,
        }
    }

    /// Whether the target has keys: targets without keys need no pass.
    pub(super) fn has_keys(&self) -> bool {
        match &self.what {
            TargetKind::Dump { .. } | TargetKind::Base { .. } | TargetKind::Slots { .. } => true,
            TargetKind::Spool { form, .. } => form.content == SyncContent::Everything,
        }
    }

    pub(super) fn spool_usage(&self) -> Option<SpoolUsage> {
        match &self.what {
            TargetKind::Dump { .. } | TargetKind::Base { .. } | TargetKind::Slots { .. } => None,
            TargetKind::Spool { spool, .. } => Some(spool.usage()),
        }
    }

    /// Whether the target is a spool whose readers have all gone.
    pub(super) fn is_unread(&self) -> bool {
        matches!(&self.what, TargetKind::Spool { spool, .. } if spool.is_unread())
    }

    /// The name of the file until its consumer renames it.
    pub fn path(&self) -> PathBuf {
        match &self.what {
            // Such a target has no file.
            TargetKind::Slots { .. } => PathBuf::new(),
            TargetKind::Dump { name } => name.with_file_name(temp_name(self.writer)),
            TargetKind::Base { names, .. } => {
                names.path(&format!("temp-rewriteaof-bg-{}.aof", self.writer))
            }
            TargetKind::Spool { spool, .. } => {
                let name = format!("temp-repl-{}.rdb", self.writer);
                spool.dir().join(name)
            }
        }
    }

    /// Removes a file left by a writer that is gone. A spool has a file only if a child made it.
    pub(super) fn forget(&self) {
        if let TargetKind::Slots { .. } = &self.what {
            return;
        }
        // Best effort: it may never have been made, and the next file replaces it.
        let _ = std::fs::remove_file(self.path());
    }

    /// Takes a file written by a child: begins to rename it, or has a spool adopt it. `None`: the
    /// file is complete.
    pub(super) fn take_from_child(&self, wake: Wake) -> io::Result<Option<BackgroundFile>> {
        let name = match &self.what {
            TargetKind::Dump { name } => name,
            TargetKind::Base { .. } | TargetKind::Slots { .. } => return Ok(None),
            TargetKind::Spool { spool, .. } => {
                return spool.adopt_file(&self.path()).map(|()| None);
            }
        };
        let plan = Plan {
            temporary: self.path(),
            name: name.clone(),
            checksum: None,
            incremental_fsync: false,
        };
        BackgroundFile::of_child(plan, wake).map(Some)
    }
}

/// The temporary name of a dump file while a process writes it.
pub(crate) fn temp_name(pid: u32) -> String {
    format!("temp-{pid}.rdb")
}
