//! Makes the sinks of a snapshot from the configuration (`parts::snapshot::sink`).

use std::io;
use std::path::{Path, PathBuf};

use crate::config::system_text;
use crate::keyspace::Keyspace;
use crate::persistence::aof::{BaseFile, BaseForm, Syncer};
use crate::persistence::background::Plan;
use crate::server::parts::snapshot::sink::{FanOut, Hands, Maker, Sink, Target, What};
use crate::server::state::Server;

fn cannot_open(temporary: &Path, error: &io::Error) -> String {
    let (folder, name) = (temporary.parent(), temporary.file_name());
    format!(
        "Failed opening the temp RDB file {} (in server root dir {}) for saving: {}",
        name.map(Path::new).unwrap_or(temporary).display(),
        folder.unwrap_or(Path::new("")).display(),
        system_text(error)
    )
}

impl Server {
    /// Makes the sinks of a snapshot that begins now. On error no file is left.
    pub(in crate::server) fn fan_out(
        &self,
        keyspace: &Keyspace,
        targets: Vec<Target>,
        hands: &Hands,
    ) -> Result<FanOut, String> {
        let mut all = FanOut::default();
        for target in targets {
            let sink = self.sink(keyspace, &target, hands)?;
            all.add(target, Maker::Sink(sink));
        }
        Ok(all)
    }

    fn sink(
        &self,
        keyspace: &Keyspace,
        target: &Target,
        hands: &Hands,
    ) -> Result<Box<dyn Sink>, String> {
        let (config, path) = (&self.config, target.path());
        let version = config.rdb_version;
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
                Ok(Box::new(self.rdb_sink(keyspace, file, version, &facts)))
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
                Ok(Box::new(self.rdb_sink(keyspace, file, version, &facts)))
            }
            What::Base {
                form: BaseForm::Commands,
                unix_s,
                ..
            } => {
                let file = self.commands_sink(path, *unix_s, hands);
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

    fn commands_sink(&self, path: PathBuf, unix_s: i64, hands: &Hands) -> io::Result<BaseFile> {
        let config = &self.config;
        let disk = self.persist.aof.disk();
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
        for library in self.scripting.libraries.iter() {
            file.function(&library.code);
        }
        Ok(file)
    }
}
