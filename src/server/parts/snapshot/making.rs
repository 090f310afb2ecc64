//! Makes the sinks of a snapshot ([`Sink`]): which file, with which name until it is whole, and the
//! facts that it gets besides the keys. They are read at the snapshot's moment.

use std::io;
use std::path::{Path, PathBuf};

use super::rdb::RdbSink;
use super::sink::{Sink, Target, What};

use crate::base::clock::Now;
use crate::config::{Config, system_text};
use crate::keyspace::Keyspace;
use crate::persistence::aof::{BaseFile, BaseForm, Disk, Syncer};
use crate::persistence::background::{BackgroundFile, Plan, Wake};
use crate::replication::Stream;
use crate::scripting::Libraries;

/// What sinks are made from: settings, and facts of the moment of the snapshot.
#[derive(Clone, Copy)]
pub(in crate::server) struct Making<'a> {
    pub config: &'a Config,
    pub now: &'a Now,
    /// The stream of effects, whose position is stored with the keys.
    pub stream: &'a Stream,
    /// Function libraries, which are stored before the keys.
    pub libraries: &'a Libraries,
    /// The file system below a base of commands.
    pub disk: &'a Disk,
}

/// The writer of a sink's bytes.
pub(super) enum Hands {
    /// A thread, which calls this when the file is complete or has failed.
    Thread(Wake),
    /// The calling child process: it has no threads.
    Here,
}

impl Hands {
    fn file(&self, plan: Plan) -> io::Result<BackgroundFile> {
        match self {
            Hands::Thread(wake) => BackgroundFile::create(plan, wake.clone()),
            Hands::Here => BackgroundFile::create_here(plan),
        }
    }
}

impl Making<'_> {
    /// Makes the sink of a target. On error no file is left.
    pub(super) fn sink(
        &self,
        keyspace: &Keyspace,
        target: &Target,
        hands: &Hands,
    ) -> Result<Box<dyn Sink>, String> {
        let (config, path) = (self.config, target.path());
        match &target.what {
            What::Dump { name } => {
                let plan = Plan {
                    temporary: path.clone(),
                    name: name.clone(),
                    checksum: Some(config.rdbchecksum),
                    incremental_fsync: config.rdb_save_incremental_fsync,
                };
                let file = hands.file(plan);
                let file = file.map_err(|error| cannot_open(&path, &error))?;
                let mut facts = self.place_in_stream();
                facts.push(("aof-base", b"0".to_vec()));
                Ok(Box::new(RdbSink::new(keyspace, self, file, &facts)))
            }
            What::Base {
                form: BaseForm::Rdb,
                ..
            } => {
                // A child's file has only one name until the manifest names it.
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
                let file = hands.file(plan).map_err(|error| system_text(&error))?;
                let facts = [("aof-base", b"1".to_vec())];
                Ok(Box::new(RdbSink::new(keyspace, self, file, &facts)))
            }
            What::Base {
                form: BaseForm::Commands,
                unix_s,
                ..
            } => {
                let file = self.commands(path, *unix_s, hands);
                Ok(Box::new(file.map_err(|error| system_text(&error))?))
            }
        }
    }

    /// The current position in the stream of effects, for an RDB file; empty while it is not
    /// counted.
    fn place_in_stream(&self) -> Vec<(&'static str, Vec<u8>)> {
        let Some((at, db)) = self.stream.snapshot() else {
            return Vec::new();
        };
        let db = db.unwrap_or_default().0;
        vec![
            ("repl-stream-db", db.to_string().into_bytes()),
            ("repl-id", at.id.as_str().as_bytes().to_vec()),
            ("repl-offset", at.offset.to_string().into_bytes()),
        ]
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
