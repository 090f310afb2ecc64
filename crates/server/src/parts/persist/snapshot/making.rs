//! Makes the sinks of a snapshot ([`Sink`]): which file, with which name until it is whole, and the
//! facts that it gets besides the keys. The facts are read at the snapshot's moment.
//!
//!     dump      RDB     position in the stream, cursors
//!     base      RDB     cursors; or commands, with libraries and cursors as notes
//!     spool     RDB     position in the stream, cursors, open slots, imports of slots
//!     slots     commands for another node, without facts
//!
//! Cost: O(libraries + facts). If a sink cannot be made, no file is left. The keys come later, by
//! the pass or in the child ([`super::running`], [`super::child`]).

use std::io;
use std::path::{Path, PathBuf};

use super::rdb::{Keyless, Output, RdbSink};
use super::sink::Sink;
use crate::parts::migration::SlotsSink;
use crate::parts::search::Indexes;

use super::target::{SyncContent, SyncForm, Target, TargetKind};

use russet_base::clock::Now;
use russet_base::processors::CpuList;
use russet_base::wake::Wake;
use russet_cluster::migration::{Migrations, Name, Ranges, SLOT_IMPORT};
use russet_cluster::{Cluster, SLOT_STATES};
use russet_config::{Config, Dialect, system_text};
use russet_keyspace::Keyspace;
use russet_persistence::aof::{BaseFile, BaseForm, Disk, Syncer};
use russet_persistence::background::{BackgroundFile, Plan};
use russet_persistence::rdb::{is_valkey, version_for};
use russet_persistence::spool::Spool;
use russet_replication::Stream;
use russet_replication::change_stream::{Cursors, Note};
use russet_replication::quorum::Lineage;
use russet_scripting::Libraries;

/// The settings of sinks, and facts of the moment of the snapshot.
#[derive(Clone, Copy)]
pub struct SnapshotContext<'a> {
    pub config: &'a Config,
    pub now: &'a Now,
    /// The stream of effects, whose position is stored with the keys.
    pub stream: &'a Stream,
    /// Function libraries, which are stored before the keys.
    pub libraries: &'a Libraries,
    /// The definitions of indexes, and dictionaries.
    pub search: &'a Indexes,
    /// The file system below a base of commands.
    pub disk: &'a Disk,
    /// A node of a cluster: replicas learn which slots are open.
    pub cluster: Option<&'a Cluster>,
    /// The imports of slots in progress.
    pub migrations: Option<&'a Migrations>,
}

/// The writer of a sink's bytes.
pub(super) enum Hands {
    /// A thread, which calls this when the file is complete or has failed.
    Thread(Wake),
    /// The calling child process: it has no threads.
    Here,
}

impl Hands {
    fn file(&self, plan: Plan, post: CpuList) -> io::Result<BackgroundFile> {
        match self {
            Hands::Thread(wake) => BackgroundFile::create(plan, post, wake.clone()),
            Hands::Here => BackgroundFile::create_here(plan),
        }
    }
}

impl SnapshotContext<'_> {
    /// Makes the sink of a target. On error no file is left.
    pub(super) fn sink(
        &self,
        keyspace: &Keyspace,
        target: &Target,
        hands: &Hands,
    ) -> Result<Box<dyn Sink>, String> {
        let (config, path) = (self.config, target.path());
        match &target.what {
            TargetKind::Dump { name } => {
                let plan = Plan {
                    temporary: path.clone(),
                    name: name.clone(),
                    checksum: Some(config.rdbchecksum),
                    incremental_fsync: config.rdb_save_incremental_fsync,
                };
                let file = hands.file(plan, CpuList::Snapshot);
                let file = file.map_err(|error| cannot_open(&path, &error))?;
                let mut facts = self.place_in_stream();
                facts.push(("aof-base", b"0".to_vec()));
                facts.extend(self.cursors());
                Ok(Box::new(self.rdb(keyspace, file, &facts)))
            }
            TargetKind::Base {
                form: BaseForm::Rdb,
                ..
            } => {
                // A child's file has only its own name until the manifest names it.
                let temporary = match hands {
                    Hands::Thread(_) => path.with_extension("part"),
                    Hands::Here => path.clone(),
                };
                let plan = Plan {
                    temporary,
                    name: path,
                    checksum: Some(config.rdbchecksum),
                    incremental_fsync: config.aof_rewrite_incremental_fsync,
                };
                let file = hands.file(plan, CpuList::Rewrite);
                let file = file.map_err(|error| system_text(&error))?;
                // The next file names the history as well, but may have nothing yet.
                let mut facts = self.place_in_stream();
                facts.push(("aof-base", b"1".to_vec()));
                facts.extend(self.cursors());
                Ok(Box::new(self.rdb(keyspace, file, &facts)))
            }
            TargetKind::Slots { feed, .. } => Ok(Box::new(SlotsSink::new(feed.clone()))),
            TargetKind::Spool { spool, form } => {
                let output = self.spool(spool, path, hands);
                let output = output.map_err(|error| system_text(&error))?;
                Ok(self.sync(keyspace, output, form))
            }
            TargetKind::Base {
                form: BaseForm::Commands,
                unix_s,
                ..
            } => {
                let file = self.commands(path, *unix_s, hands);
                Ok(Box::new(file.map_err(|error| system_text(&error))?))
            }
        }
    }

    /// An RDB file of the configured version, by default the lowest that can hold the keys.
    fn rdb(&self, keyspace: &Keyspace, file: BackgroundFile, facts: &[(&str, Vec<u8>)]) -> RdbSink {
        let version = match self.config.rdb_version {
            0 => version_for(keyspace, self.config.dialect.valkey_files()),
            asked => asked,
        };
        RdbSink::new(keyspace, self, Output::File(file), version, facts, true)
    }

    /// Begins a spool. A child writes a file, which its parent's spool adopts.
    fn spool(&self, spool: &Spool, path: PathBuf, hands: &Hands) -> io::Result<Output> {
        match hands {
            Hands::Thread(_) => {
                spool.start()?;
                Ok(Output::Spool(spool.clone()))
            }
            Hands::Here => {
                let plan = Plan {
                    temporary: path.clone(),
                    name: path,
                    checksum: Some(self.config.rdbchecksum),
                    incremental_fsync: self.config.rdb_save_incremental_fsync,
                };
                BackgroundFile::create_here(plan).map(Output::File)
            }
        }
    }

    /// The sink of a full sync.
    fn sync(&self, keyspace: &Keyspace, output: Output, form: &SyncForm) -> Box<dyn Sink> {
        let mut facts = self.place_in_stream();
        facts.push(("aof-base", b"0".to_vec()));
        facts.extend(self.cursors());
        let open_slots = self.cluster.and_then(Cluster::open_slots_text);
        facts.extend(open_slots.map(|text| (SLOT_STATES, text)));
        let (version, content) = (form.version, form.content);
        // The file of a version that only russet's replicas read has them as a fact.
        let (imports, is_valkeys) = (self.imports(), is_valkey(version));
        if !is_valkeys {
            facts.extend(
                imports
                    .iter()
                    .map(|(name, slots)| (SLOT_IMPORT, format!("{name} {slots}").into_bytes())),
            );
        }
        let with_functions = content != SyncContent::Nothing;
        let mut sink = RdbSink::new(keyspace, self, output, version, &facts, with_functions);
        if is_valkeys {
            sink.name_imports(&imports);
        }
        match content {
            SyncContent::Everything => Box::new(sink),
            SyncContent::FunctionsOnly | SyncContent::Nothing => Box::new(Keyless(sink)),
        }
    }

    /// The imports of slots whose keys are here. A node of Redis's kind announces them in the
    /// stream.
    fn imports(&self) -> Vec<(Name, &Ranges)> {
        let is_valkey = self.config.dialect == Dialect::Valkey;
        let migrations = self.migrations.filter(|_| is_valkey);
        let imports = migrations.map(Migrations::copied_imports);
        imports.into_iter().flatten().collect()
    }

    /// The current position in the stream of effects, for an RDB file; empty while it is not
    /// counted.
    fn place_in_stream(&self) -> Vec<(&'static str, Vec<u8>)> {
        let Some((at, db)) = self.stream.snapshot() else {
            return Vec::new();
        };
        let db = db.unwrap_or_default().0;
        let mut facts = vec![
            ("repl-stream-db", db.to_string().into_bytes()),
            ("repl-id", at.id.as_str().as_bytes().to_vec()),
            ("repl-offset", at.offset.to_string().into_bytes()),
        ];
        let lineage = self.stream.lineage.as_ref();
        facts.extend(lineage.map(|lineage| (Lineage::AUX, lineage.text().into_bytes())));
        facts
    }

    /// Cursors of the change stream, for an RDB file.
    fn cursors(&self) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        let values = self.stream.cursors.aux();
        values.map(|value| (Cursors::AUX, value))
    }

    /// A file of commands, begun with the function libraries.
    fn commands(&self, path: PathBuf, unix_s: i64, hands: &Hands) -> io::Result<BaseFile> {
        let (config, disk) = (self.config, self.disk);
        let thread = match hands {
            Hands::Thread(wake) => Syncer::new(disk.clone(), Some(wake.clone())),
            Hands::Here => Syncer::here(disk.clone()),
        };
        let mut file = BaseFile::create(
            disk,
            path,
            config.aof_timestamp_enabled.then_some(unix_s),
            config.aof_checksum.then_some(unix_s),
            config.aof_rewrite_incremental_fsync,
            thread,
        )?;
        for library in self.libraries.iter() {
            file.function(&library.code);
        }
        for command in self.search.commands(self.now.mono_ms) {
            file.command(&command);
        }
        let cursors = self.stream.cursors.iter();
        for (name, cursor) in cursors.filter(|(_, cursor)| !cursor.is_lost) {
            let offset = cursor.offset;
            file.note(Note::Cursor { offset, name });
        }
        Ok(file)
    }
}

fn cannot_open(temporary: &Path, error: &io::Error) -> String {
    let (folder, name) = (temporary.parent(), temporary.file_name());
    format!(
        "Failed opening the temp RDB file {} (in server root dir {}) for saving: {}",
        name.map(Path::new).unwrap_or(temporary).display(),
        folder.unwrap_or(Path::new("")).display(),
        system_text(error)
    )
}
