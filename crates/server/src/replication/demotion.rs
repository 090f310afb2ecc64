//! Data that a snapshot of the primary replaces, and that the primary may not have.
//!
//!     lost-<replid>-<offset>.aof        the writes that the new primary lacks, if the backlog has
//!                                       all of them
//!     replaced-<replid>-<offset>[.rdb]  otherwise the files of the whole old data
//!
//! `russet_replication::upstream` finds the writes in the backlog ([`lost_writes`]). Their file has
//! at most `demotion-lost-max-bytes` of the stream, its last bytes. It can be applied with
//! `redis-cli --pipe`, or read as an append only file.
//!
//! The files of the old data are linked, not copied: they need no time, and space only as the files
//! of the new data replace them. A server that loaded its data from files and has not been in sync
//! since does not know whether it was a primary: it was the one with the newest data if all servers
//! of a group stopped together and another was started as the primary. The primary has this data
//! only if its snapshot has the same history and at least the same offset.

use crate::parts::replication::Replication;
use russet_config::Config;
use russet_replication::Stream;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::parts::replication::LostWrites;
use crate::process::log::{MASTER, MASTER_INSIDE};
use russet_config::system_text;
use russet_replication::upstream::{acknowledged_by, lost_writes};
use russet_replication::{Position, ReplOffset};

fn write_file(name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path: PathBuf = std::env::current_dir()?.join(name);
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

impl Replication {
    /// Whether the primary, whose snapshot is about to replace the data, may lack some of it.
    pub(crate) fn primary_may_lack(&self, stream: &Stream) -> bool {
        let Some(upstream) = &self.upstream else {
            return false;
        };
        let core = &upstream.core;
        let own = stream.position();
        let theirs = core.snapshot_position();
        let has_it = theirs.is_some_and(|at| at.id == own.id && at.offset >= own.offset);
        (core.demoted.is_some() || !core.is_copy) && !has_it
    }

    /// Before the old data is deleted: writes to a file the commands that this server executed as a
    /// primary and its new primary lacks. Parses and writes at most `demotion-lost-max-bytes`.
    ///
    /// Returns whether the new primary has everything except what is in that file.
    pub(crate) fn keep_lost_writes(&mut self, config: &Config, stream: &Stream) -> bool {
        let Some(upstream) = &mut self.upstream else {
            return false;
        };
        let Some(at) = upstream.core.demoted.take() else {
            return false;
        };
        let (host, port) = (upstream.core.host.clone(), upstream.core.port);
        let shared = acknowledged_by(&self.replicas.acknowledged_positions(), &host, port);
        self.replicas.forget_departed();
        let max = config.demotion_lost_max_bytes;
        let Some((from, found)) = lost_writes(stream, at, shared, max) else {
            // The backlog has everything since, and no commands are in it.
            let first = stream.backlog().map(|backlog| backlog.first());
            let is_there = |shared: ReplOffset| first.is_some_and(|first| shared >= first);
            return shared
                .is_some_and(|shared| is_there(shared) && at.offset.saturating_sub(shared) <= max);
        };
        let bytes = at.offset - from;
        let name = format!("lost-{}-{from}.aof", at.id);
        let written = write_file(&name, &found.bytes);
        let is_kept = written.is_ok() && shared == Some(from);
        match written {
            Ok(()) => tracing::warn!(
                "{MASTER} {host}:{port} lacks {} commands ({bytes} bytes) that this server executed as \
                 a {MASTER_INSIDE}: they are kept in {name}",
                found.commands
            ),
            Err(error) => tracing::warn!(
                "{MASTER} {host}:{port} lacks {} commands ({bytes} bytes) that this server executed as \
                 a {MASTER_INSIDE}, and {name} cannot be written: {}",
                found.commands,
                system_text(&error)
            ),
        }
        self.lost = Some(LostWrites {
            commands: found.commands,
            bytes,
            file: name,
        });
        is_kept
    }
}

/// The most sets of files that are kept: a server whose role alternates must not fill the disk.
const REPLACED_MAX: usize = 3;
/// The names of all of them begin so.
const REPLACED: &str = "replaced-";

/// The files of data that a snapshot replaces. See the module.
pub(super) struct ReplacedData {
    name: String,
}

impl ReplacedData {
    /// The data at this position of its own history.
    pub(super) fn new(own: Position) -> ReplacedData {
        let name = format!("{REPLACED}{}-{}", own.id, own.offset);
        ReplacedData { name }
    }

    /// Keeps the files in the working folder. `has_log`: the append only file, which is closed, has
    /// the data; otherwise the snapshot has what was last saved of it. O(files).
    pub(super) fn keep(&self, config: &Config, has_log: bool) {
        let name = &self.name;
        match self.link(Path::new(""), config, has_log) {
            Ok(true) => tracing::warn!(
                "{MASTER} may lack a part of the data that its snapshot replaces: the files of the old \
                 data are kept as {name}. Delete them when nothing is missing."
            ),
            Ok(false) => {}
            Err(error) => tracing::warn!(
                "{MASTER} may lack a part of the data that its snapshot replaces, and the files of the \
                 old data cannot be kept as {name}: {}",
                system_text(&error)
            ),
        }
    }

    /// Returns whether there was anything to keep.
    fn link(&self, folder: &Path, config: &Config, has_log: bool) -> std::io::Result<bool> {
        let log = folder.join(config.appenddirname.path());
        let snapshot = folder.join(config.dbfilename.path());
        let to = folder.join(&self.name);
        let here = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let is_kept = |entry: &fs::DirEntry| {
            entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(REPLACED.as_bytes())
        };
        let kept = fs::read_dir(here)?.flatten().filter(is_kept).count();
        if kept >= REPLACED_MAX {
            let text =
                format!("there are {kept} of them already; delete those that are not needed");
            return Err(std::io::Error::other(text));
        }
        if has_log {
            fs::create_dir(&to)?;
            for entry in fs::read_dir(&log)? {
                let (from, to) = (entry?.path(), &to);
                let Some(name) = from.file_name() else {
                    continue;
                };
                // The manifest may be written anew; the other files only grow, and have ended.
                if from
                    .extension()
                    .is_some_and(|extension| extension == "manifest")
                {
                    fs::copy(&from, to.join(name))?;
                } else {
                    fs::hard_link(&from, to.join(name))?;
                }
            }
            return Ok(true);
        }
        match fs::hard_link(&snapshot, to.with_extension("rdb")) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_replication::ReplId;

    fn data(offset: ReplOffset) -> ReplacedData {
        ReplacedData::new(Position {
            id: ReplId::NONE,
            offset,
        })
    }

    #[test]
    fn the_files_of_replaced_data_outlive_their_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let config = Config::default();
        assert!(
            !data(1)
                .link(folder.path(), &config, false)
                .expect("nothing to keep")
        );
        fs::write(at("dump.rdb"), "old").expect("a file");
        assert!(data(2).link(folder.path(), &config, false).expect("a link"));
        fs::create_dir(at("appendonlydir")).expect("a folder");
        fs::write(at("appendonlydir/a.1.incr.aof"), "set").expect("a file");
        fs::write(at("appendonlydir/a.manifest"), "file a.1").expect("a file");
        assert!(data(3).link(folder.path(), &config, true).expect("links"));
        fs::remove_file(at("dump.rdb")).expect("it is there");
        fs::remove_file(at("appendonlydir/a.1.incr.aof")).expect("it is there");
        fs::write(at("appendonlydir/a.manifest"), "file a.2").expect("a file");
        let name = |offset: u64| format!("{REPLACED}{}-{offset}", ReplId::NONE);
        let read = |name: String| fs::read_to_string(at(&name)).expect("it is kept");
        assert_eq!(read(name(2) + ".rdb"), "old");
        assert_eq!(read(name(3) + "/a.1.incr.aof"), "set");
        assert_eq!(read(name(3) + "/a.manifest"), "file a.1");
    }

    #[test]
    fn replaced_data_does_not_fill_the_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config::default();
        fs::write(folder.path().join("dump.rdb"), "old").expect("a file");
        for offset in 1..=REPLACED_MAX as u64 {
            assert!(
                data(offset)
                    .link(folder.path(), &config, false)
                    .expect("a link")
            );
        }
        let refused = data(9).link(folder.path(), &config, false);
        let refused = refused.expect_err("too many").to_string();
        assert!(refused.contains("delete those"), "{refused}");
        assert!(!folder.path().join(format!("{}.rdb", data(9).name)).exists());
    }
}
