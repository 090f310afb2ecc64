//! Replays an append only file: its files in order, command by command (`execution::applier`). A
//! transaction runs when its EXEC has been read, or not at all.
//!
//! Commands are parsed and prefetched in batches, as a client's are (`clients::batch`). The last
//! file may end within a command, which is cut off (`aof-load-truncated`); any other damage ends
//! the server.

use crate::persist::loading::load_options;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::clients::batch::{Batch, RequestsEnd};
use crate::clients::client::{Client, ClientFlags};
use crate::execution::applier::Applier;
use crate::parts::persist::loading::{LoadError, LoadFailed, Progress, RdbFile};
use crate::state::Server;
use crate::state::world::{Load, World};
use russet_command::CommandError;
use russet_config::system_text;
use russet_keyspace::{ClientId, DbIndex, ExpiryMode, Keyspace};
use russet_persistence::aof::restore::command_before;
use russet_persistence::aof::{
    Disk, Fault, Manifest, Names, NextBytes, Part, Reader, Role, Upgrade,
};
use russet_persistence::rdb::is_snapshot;
use russet_replication::{Position, ReplId, ReplOffset};
use russet_resp::Reply;

/// A file that is being replayed.
struct Current {
    part: Part,
    reader: Reader,
    /// The snapshot at its start, until that has been read.
    preamble: Option<RdbFile>,
    /// The position in the stream that the snapshot names.
    place: Option<Position>,
    /// Time spent on its steps.
    took: Duration,
    is_last: bool,
}

/// The end of a file that is no whole command or transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutEnd {
    pub file: String,
    pub offset: u64,
    pub bytes: u64,
}

/// See the module.
pub struct AofLoader {
    /// The files are not the server's own.
    is_foreign: bool,
    /// The damaged end of the last file, which was not replayed.
    cut_end: Option<CutEnd>,
    names: Names,
    manifest: Manifest,
    parts: VecDeque<Part>,
    current: Option<Current>,
    client: Client,
    reply: Reply,
    batch: Batch,
    /// Stream position after the files that are done; the history id if a file has named it.
    stream: (Option<ReplId>, ReplOffset),
    /// The database that the stream has selected there, if the files record it.
    selected: Option<DbIndex>,
    /// The earlier histories, each with its last offset.
    earlier: Vec<(ReplId, ReplOffset)>,
    /// Bytes of the files that are done.
    done_bytes: u64,
    /// Commands replayed.
    commands: u64,
    began: Instant,
}

impl AofLoader {
    /// Prepares to load the set at `names`; also returns the number of bytes to load. `None`: there
    /// is no append only file.
    pub fn prepare(names: Names, disk: &Disk) -> Result<(Option<AofLoader>, u64), LoadFailed> {
        let mut manifest = names.read_manifest().map_err(|error| {
            if let russet_persistence::aof::OpenError::ManifestFormat(error) = &error
                && let Some((line, text)) = error.line()
            {
                tracing::warn!("*** FATAL AOF MANIFEST FILE ERROR ***");
                tracing::warn!("Reading the manifest file, at line {line}");
                tracing::warn!(">>> '{text}'");
            }
            tracing::warn!("{error}");
            LoadFailed
        })?;
        let upgraded = names.upgrade(disk, &mut manifest).map_err(|error| {
            tracing::warn!("{error}");
            LoadFailed
        })?;
        if upgraded == Upgrade::Done {
            tracing::info!(
                "Successfully migrated an old-style AOF configuration ({}) to the new one",
                names.basename
            );
        }
        if manifest.is_empty() {
            return Ok((None, 0));
        }
        let (loader, total) = AofLoader::of(names, manifest)?;
        Ok((Some(loader), total))
    }

    /// Prepares to load a set that is not the server's own: nothing is appended to it afterwards.
    pub(crate) fn of_foreign(
        names: Names,
        manifest: Manifest,
    ) -> Result<(AofLoader, u64), LoadFailed> {
        let (loader, total) = AofLoader::of(names, manifest)?;
        let is_foreign = true;
        Ok((
            AofLoader {
                is_foreign,
                ..loader
            },
            total,
        ))
    }

    fn of(names: Names, manifest: Manifest) -> Result<(AofLoader, u64), LoadFailed> {
        let total = names.total_bytes(&manifest).map_err(|(name, error)| {
            let why = system_text(&error);
            tracing::warn!("Unable to obtain the AOF file {name} length. stat: {why}");
            LoadFailed
        })?;
        let loader = AofLoader {
            is_foreign: false,
            cut_end: None,
            parts: manifest.parts().cloned().collect(),
            names,
            manifest,
            current: None,
            client: Client::fake(ClientId(0)),
            reply: Reply::new(),
            batch: Batch::default(),
            stream: (None, 0),
            selected: None,
            earlier: Vec::new(),
            done_bytes: 0,
            commands: 0,
            began: Instant::now(),
        };
        Ok((loader, total))
    }

    /// The damaged end of the last file, which was not replayed, if any.
    pub(crate) fn cut_end(&self) -> Option<&CutEnd> {
        self.cut_end.as_ref()
    }

    fn replay(
        &mut self,
        keyspace: &mut Keyspace,
        server: &mut Server,
        bytes: u64,
    ) -> Result<Progress, LoadFailed> {
        let Some(mut current) = self.next_file(keyspace, server)? else {
            return Ok(Progress::Done);
        };
        let began = Instant::now();
        if current.preamble.is_some() {
            read_preamble(&mut current, keyspace, server, bytes)?;
            current.took += began.elapsed();
            self.current = Some(current);
            return Ok(Progress::More);
        }
        let ended = self.replay_file(&mut current, keyspace, server, bytes);
        current.took += began.elapsed();
        match ended {
            Ok(NextBytes::End) => self.end_file(&mut current),
            Ok(_) => self.current = Some(current),
            Err(Stop::Fault(Fault::Torn { sound })) => {
                self.cut_torn(&current, sound, server)?;
                self.end_file(&mut current);
            }
            Err(stop) if self.is_corrupt_tail(&current, &stop, server) => {
                log_corrupt_tail(&current, &stop, server);
                let sound = current.reader.sound();
                self.cut_off(&current, sound, server)?;
                self.end_file(&mut current);
            }
            Err(stop) => {
                log_stop(&current, &stop, server);
                return Err(LoadFailed);
            }
        }
        Ok(Progress::More)
    }

    /// Whether damage is so near to the end of the last file that it is cut off
    /// (`aof-load-corrupt-tail-max-size`).
    fn is_corrupt_tail(&self, current: &Current, stop: &Stop, server: &Server) -> bool {
        // A bad checksum names commands that have already run.
        let is_damage = matches!(stop, Stop::Fault(Fault::Format { .. }));
        let reader = &current.reader;
        let tail = reader.size().saturating_sub(reader.sound());
        is_damage && current.is_last && tail <= server.config.aof_load_corrupt_tail_max_size
    }

    /// The current file, or the next file.
    fn next_file(
        &mut self,
        keyspace: &mut Keyspace,
        server: &Server,
    ) -> Result<Option<Current>, LoadFailed> {
        if let Some(current) = self.current.take() {
            return Ok(Some(current));
        }
        let Some(part) = self.parts.pop_front() else {
            return Ok(None);
        };
        let path = self.names.path(&part.name);
        let mut reader = Reader::open(&path).map_err(|error| {
            tracing::warn!(
                "Fatal error: can't open the append log file {} for reading: {}",
                part.name,
                system_text(&error)
            );
            LoadFailed
        })?;
        reader.begin_stream_at(part.start.unwrap_or(self.stream.1));
        reader.begin_history(self.stream.0);
        let preamble = match is_snapshot(&path) {
            Ok(true) => {
                tracing::info!("Reading RDB base file on AOF loading...");
                let file =
                    RdbFile::open(load_options(&server.config, &server.debug), keyspace, &path);
                Some(file.map_err(|error| log_preamble(&part.name, &error))?)
            }
            _ => None,
        };
        // Each file begins with database 0, outside a transaction.
        self.client.db = Default::default();
        Ok(Some(Current {
            part,
            reader,
            preamble,
            place: None,
            took: Duration::ZERO,
            is_last: self.parts.is_empty(),
        }))
    }

    fn end_file(&mut self, current: &mut Current) {
        let kind = match current.part.role {
            Role::Base => "base",
            _ => "incr",
        };
        if current.part.role == Role::Base {
            // The base is no part of the stream.
            self.selected = None;
            let next = self.parts.front().and_then(|next| next.start);
            if let Some(at) = current.place
                && next == Some(at.offset)
            {
                self.stream = (Some(at.id), at.offset);
            }
        } else if current.part.role == Role::Incr {
            let (id, offset) = current.reader.stream();
            let mut end = current.part.end.unwrap_or(offset);
            if current.reader.has_positions() {
                // A manifest that could not be made durable, and yet is there, ends the file too
                // early: it was written further.
                end = end.max(offset);
                if let Some(Some(start)) = self.parts.front_mut().map(|next| &mut next.start) {
                    *start = end.max(*start);
                }
            }
            self.stream = (id.or(self.stream.0), end);
            self.earlier.extend(current.reader.take_earlier());
            // A file that is not empty selects its database.
            if current.reader.size() > 0 {
                self.selected = Some(self.client.db);
            }
        }
        self.done_bytes += current.reader.size();
        if current.reader.size() > 0 {
            tracing::info!(
                "DB loaded from {kind} file {}: {:.3} seconds",
                current.part.name,
                current.took.as_secs_f64()
            );
        }
    }

    fn replay_file(
        &mut self,
        current: &mut Current,
        keyspace: &mut Keyspace,
        server: &mut Server,
        bytes: u64,
    ) -> Result<NextBytes, Stop> {
        let reader = &mut current.reader;
        let until = reader.offset().saturating_add(bytes);
        while reader.offset() < until {
            let in_unit = self.client.flags.contains(ClientFlags::MULTI);
            let next = reader.next(in_unit)?;
            server
                .persist
                .loading
                .replay_aside(keyspace, reader.take_aside_lines());
            if next == NextBytes::End {
                return Ok(NextBytes::End);
            }
            let mut batch = std::mem::take(&mut self.batch);
            let end =
                batch.parse_requests(keyspace, &server.table, self.client.db, reader.unread());
            let taken = match end {
                RequestsEnd::Commands => self.run_batch(&batch, reader, keyspace, server),
                // A length that exceeds the rest of the file: no more bytes will complete it.
                RequestsEnd::Incomplete(bulk)
                    if bulk as u64 > reader.left() + bulk_read(reader) =>
                {
                    Err(reader.torn().into())
                }
                RequestsEnd::Incomplete(_) => {
                    if reader.fill().map_err(Fault::from)? {
                        Ok(())
                    } else {
                        Err(reader.torn().into())
                    }
                }
                RequestsEnd::Nothing(_) | RequestsEnd::Error => {
                    Err(reader.malformed("a malformed command").into())
                }
            };
            self.batch = batch;
            taken?;
        }
        Ok(NextBytes::Request)
    }

    fn run_batch(
        &mut self,
        batch: &Batch,
        reader: &mut Reader,
        keyspace: &mut Keyspace,
        server: &mut Server,
    ) -> Result<(), Stop> {
        let from = reader.offset();
        let (mut taken, mut sound) = (0, None);
        let mut failed = None;
        for (row, args, hashes, end) in batch.commands(reader.unread()) {
            self.commands += 1;
            let mut world = World::new(keyspace, server, &mut self.client, &mut self.reply);
            if let Err(failure) = Applier::File.apply(&mut world, row, args, hashes) {
                failed = Some((failure.error, args.at(0).to_vec()));
                break;
            }
            if let Some(note) = server.replication.noted.take() {
                let (begin, end) = (reader.stream_after(taken), reader.stream_after(end));
                server.stream.note_group(&note, begin, end);
            }
            taken = end;
            if !self.client.flags.contains(ClientFlags::MULTI) {
                self.selected = Some(self.client.db);
                sound = Some(from + end as u64);
                server.persist.loading.replayed_unit(keyspace);
            }
        }
        reader.take(taken);
        if let Some(sound) = sound {
            reader.mark_sound_at(sound);
        }
        match failed {
            None => Ok(()),
            Some((CommandError::WrongArity(_), _)) => {
                Err(reader.malformed("a wrong number of arguments").into())
            }
            Some((_, name)) => Err(Stop::Unknown {
                name: String::from_utf8_lossy(&name).into_owned(),
                offset: reader.offset(),
            }),
        }
    }

    /// The file is truncated: cuts off the bytes after its last whole command or transaction, or
    /// refuses to start.
    fn cut_torn(
        &mut self,
        current: &Current,
        sound: u64,
        server: &Server,
    ) -> Result<(), LoadFailed> {
        let name = &current.part.name;
        if self.client.flags.contains(ClientFlags::MULTI) {
            tracing::warn!("Revert incomplete MULTI/EXEC transaction from AOF file {name}");
        }
        if !server.config.aof_load_truncated {
            tracing::warn!(
                "Unexpected end of file reading the append only file {name}. You can: 1) {}. 2) \
                 Alternatively you can set the 'aof-load-truncated' configuration option to yes \
                 and restart the server.",
                way_out(name, sound, server)
            );
            return Err(LoadFailed);
        }
        tracing::warn!("!!! Warning: short read while loading the AOF file {name}!!!");
        if !current.is_last {
            tracing::warn!("Fatal error: the truncated file is not the last file");
            return Err(LoadFailed);
        }
        tracing::warn!("AOF {name} loaded anyway because aof-load-truncated is enabled");
        self.cut_off(current, sound, server)
    }

    /// Cuts a file off at the end of its last whole command or transaction. Files that are not the
    /// server's own stay as they are.
    fn cut_off(
        &mut self,
        current: &Current,
        sound: u64,
        server: &Server,
    ) -> Result<(), LoadFailed> {
        let name = &current.part.name;
        self.cut_end = Some(CutEnd {
            file: name.clone(),
            offset: sound,
            bytes: current.reader.size().saturating_sub(sound),
        });
        if self.is_foreign {
            tracing::warn!("What follows offset {sound} of the AOF {name} is left out");
            return Ok(());
        }
        tracing::warn!("Truncating the AOF {name} at offset {sound}");
        let path = self.names.path(name);
        let file = std::fs::OpenOptions::new().write(true).open(path);
        let disk = server.persist.aof.disk();
        let cut = file.and_then(|file| {
            disk.truncate(&file, sound)?;
            disk.sync(&file)
        });
        cut.map_err(|error| {
            let why = system_text(&error);
            tracing::warn!("Error truncating the AOF file {name}: {why}");
            LoadFailed
        })
    }
}

impl Load for AofLoader {
    /// Replays about `bytes` bytes.
    fn step(
        &mut self,
        keyspace: &mut Keyspace,
        server: &mut Server,
        bytes: u64,
    ) -> Result<Progress, LoadFailed> {
        let result = self.replay(keyspace, server, bytes);
        let at = self.current.as_ref().map_or(0, |c| match &c.preamble {
            Some(file) => file.offset(),
            None => c.reader.offset(),
        });
        server
            .persist
            .loading
            .record_loaded_bytes(self.done_bytes + at);
        result
    }

    /// The number of commands, and of keys of snapshots, so far.
    fn done(&self) -> u64 {
        let preamble = self.current.as_ref().and_then(|c| c.preamble.as_ref());
        self.commands + preamble.map_or(0, |file| file.load.figures().keys_loaded)
    }

    fn finish(
        self: Box<Self>,
        keyspace: &mut Keyspace,
        server: &mut Server,
    ) -> Result<(), LoadFailed> {
        tracing::info!(
            "DB loaded from append only file: {:.3} seconds",
            self.began.elapsed().as_secs_f64()
        );
        keyspace.dirty = 0;
        server.end_loading(keyspace);
        match self.stream {
            // Bytes were not counted.
            (Some(ReplId::NONE), offset) => server.stream.resume_at(offset),
            (Some(id), offset) => server.stream.resume(Position { id, offset }),
            (None, offset) => server.stream.resume_at(offset),
        }
        server.stream.add_ancestors(&self.earlier);
        if !self.is_foreign {
            server
                .replication
                .record_undone(&mut server.persist, self.manifest.undone);
        }
        server.replayed_flushes(keyspace);
        // A primary that continues its stream does not select it again.
        server.stream.set_selected(self.selected);
        server.stream.keep_backlog(server.config.repl_backlog_size);
        if !server.config.appendonly {
            // The file was switched off meanwhile.
            server.update_effects(keyspace);
            return Ok(());
        }
        if self.is_foreign {
            // The file was switched on meanwhile.
            return server.set_appendonly(keyspace, true, false).map_err(|why| {
                tracing::warn!("{why}");
                LoadFailed
            });
        }
        let mut manifest = self.manifest;
        manifest.undone = server.replication.replicas.undone_at;
        server.open_aof(keyspace, self.names, manifest)
    }
}

fn log_preamble(name: &str, error: &LoadError) -> LoadFailed {
    tracing::warn!("AOF {name}: {error}");
    tracing::warn!(
        "Error reading the RDB preamble of the append only file {name}, AOF loading aborted"
    );
    LoadFailed
}

/// Bytes that were read and belong to an incomplete command.
fn bulk_read(reader: &Reader) -> u64 {
    reader.unread().len() as u64
}

/// Why replaying stops.
#[derive(Debug)]
enum Stop {
    Fault(Fault),
    Unknown { name: String, offset: u64 },
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(fault)
    }
}

/// The way out of damage that begins after an offset: all of the set stays where it is.
fn way_out(name: &str, offset: u64, server: &Server) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let dir = here.join(server.config.appenddirname.path());
    match command_before(&dir, name, offset) {
        Some(command) => {
            format!("start on a copy of what precedes it, and keep these files: {command}")
        }
        None => "make a backup of your AOF file, then use russet check-aof --fix FILE".to_owned(),
    }
}

/// Logs the damage; the last line begins as Redis's.
fn log_stop(current: &Current, stop: &Stop, server: &Server) {
    let name = &current.part.name;
    let sound = match stop {
        // Where in between the fault is, is unknown.
        Stop::Fault(Fault::Checksum { from, .. }) => *from,
        _ => current.reader.sound(),
    };
    match stop {
        Stop::Fault(Fault::Io(error)) => tracing::warn!(
            "Unrecoverable error reading the append only file {name}: {}",
            system_text(error)
        ),
        Stop::Fault(fault) => {
            tracing::warn!("AOF {name}: {fault}");
            let way_out = way_out(name, sound, server);
            tracing::warn!("Bad file format reading the append only file {name}: {way_out}");
        }
        Stop::Unknown {
            name: command,
            offset,
        } => {
            tracing::warn!("AOF {name}: no such command at offset {offset}");
            tracing::warn!(
                "Unknown command '{command}' reading the append only file {name}: {}",
                way_out(name, sound, server)
            );
        }
    }
}

/// Loads about `bytes` bytes of the snapshot that a file begins with.
fn read_preamble(
    current: &mut Current,
    keyspace: &mut Keyspace,
    server: &mut Server,
    bytes: u64,
) -> Result<(), LoadFailed> {
    let Some(mut file) = current.preamble.take() else {
        return Ok(());
    };
    let name = &current.part.name;
    let usual = keyspace.set_expiring(ExpiryMode::Replay);
    let end = file.step(keyspace, bytes);
    keyspace.set_expiring(usual);
    server
        .persist
        .loading
        .record_rdb_figures(file.load.figures());
    let Some(end) = end.map_err(|error| log_preamble(name, &error))? else {
        current.preamble = Some(file);
        return Ok(());
    };
    file.load
        .load_functions(&mut server.scripting.libraries, &server.config)
        .map_err(|error| log_preamble(name, &error))?;
    let search = file.load.take_search();
    let search = search.map_err(|error| log_preamble(name, &error))?;
    server.restore_indexes(keyspace, search);
    server.persist.loading.record_loaded(file.load.figures());
    server.stream.cursors = file.load.take_cursors();
    server.stream.lineage = file.load.take_lineage();
    current.place = file.load.figures().position();
    if end < current.reader.size() {
        tracing::info!("Reading the remaining AOF tail...");
    }
    current
        .reader
        .start_at(end)
        .map_err(|error| log_preamble(name, &error.into()))
}

/// The last file has damage at its end, which is cut off.
fn log_corrupt_tail(current: &Current, stop: &Stop, server: &Server) {
    let name = &current.part.name;
    log_stop(current, stop, server);
    tracing::warn!(
        "AOF {name} loaded anyway because the damaged tail is not longer than \
         aof-load-corrupt-tail-max-size ({} bytes)",
        server.config.aof_load_corrupt_tail_max_size
    );
}
