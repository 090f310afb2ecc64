//! A base file being written: commands go to a thread in large pieces.
//!
//! The file is the keyspace as commands, perhaps after a `#TS` line, and in pieces that each end
//! with a checksum line if checksums are wanted (`annotation`). Commands of values are
//! `CommandWriter`'s; which keys come, and when, is decided by the pass
//! (`keyspace::passes::snapshot`); the file becomes part of the log by a change (`aof::change`).
//!
//! Costs: the loop formats and computes checksums; the thread writes and forces to disk. Long
//! strings are pinned instead of copied, and their checksums are the thread's. Memory is a piece
//! of 256 KiB and the bytes that wait for the disk; from 8 MiB of these on, `has_room` is false.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::annotation;
use super::commands::CommandWriter;
use super::disk::Disk;
use super::sync::{LongText, Syncer};
use russet_base::memory::pin::PinnedBytes;
use russet_keyspace::{DbIndex, KeyView, Saver};
use russet_replication::change_stream::Note;

const PIECE_BYTES: usize = 256 * 1024;
/// With `aof-rewrite-incremental-fsync`, the bytes forced to disk at a time.
const SYNC_BYTES: u64 = 4 << 20;
/// Most bytes that may wait for the disk: above this, the pass waits.
const WAITING_MAX: usize = 8 << 20;

/// See the module. If dropped before it is complete, it deletes the file.
pub struct BaseFile {
    thread: Syncer,
    file: Arc<File>,
    path: PathBuf,
    commands: CommandWriter,
    checksums: Option<i64>,
    incremental_fsync: bool,
    length: u64,
    synced_to: u64,
    complete: bool,
    /// Why the file is not used although it could be written.
    refused: Option<&'static str>,
}

impl BaseFile {
    /// Creates the file, which `thread` writes. `timestamp`, `checksums`: the Unix second to write
    /// there, if they are wanted.
    pub fn create(
        disk: &Disk,
        path: PathBuf,
        timestamp: Option<i64>,
        checksums: Option<i64>,
        incremental_fsync: bool,
        thread: Syncer,
    ) -> io::Result<BaseFile> {
        let file = Arc::new(disk.create(&path)?);
        let mut commands = CommandWriter::default();
        if let Some(unix_s) = timestamp {
            annotation::write_time(&mut commands.out, unix_s);
        }
        if let Some(unix_s) = checksums {
            let at = commands.out.len() as u64;
            annotation::write_begin(&mut commands.out, at, unix_s);
        }
        let mut base = BaseFile {
            thread,
            file,
            path,
            commands,
            checksums,
            incremental_fsync,
            length: 0,
            synced_to: 0,
            complete: false,
            refused: None,
        };
        base.send_plain();
        Ok(base)
    }

    /// Sends the commands written so far, followed by their checksum.
    fn send(&mut self) {
        let out = &mut self.commands.out;
        if let Some(unix_s) = self.checksums.filter(|_| !out.is_empty()) {
            let offset = self.length + out.len() as u64;
            annotation::write_checksum(out, 0, offset, unix_s);
        }
        self.send_plain();
    }

    fn send_plain(&mut self) {
        let piece = std::mem::replace(&mut self.commands.out, Vec::with_capacity(PIECE_BYTES));
        self.length += piece.len() as u64;
        self.thread.write(&self.file, piece);
        if self.incremental_fsync && self.length - self.synced_to >= SYNC_BYTES {
            self.thread.sync_on_the_way(&self.file);
            self.synced_to = self.length;
        }
    }

    /// A library of functions, before the keys.
    pub fn function(&mut self, code: &[u8]) {
        let args: [&[u8]; 3] = [b"FUNCTION", b"LOAD", code];
        russet_resp::write_request(&mut self.commands.out, args.into_iter());
    }

    /// Another command, before the keys.
    pub fn command(&mut self, words: &[Vec<u8>]) {
        russet_resp::write_request(&mut self.commands.out, words.iter().map(Vec::as_slice));
    }

    /// A note of the stream, before the keys.
    pub fn note(&mut self, note: Note<'_>) {
        let args: [&[u8]; 2] = [b"PING", &note.text()];
        russet_resp::write_request(&mut self.commands.out, args.into_iter());
    }

    /// Ends the file after the last key: it is forced to disk. A file that lacks a key is refused.
    pub fn finish(&mut self) {
        if let Some(why) = self.commands.refusal() {
            self.refused = Some(why);
            return;
        }
        self.send();
        self.thread.sync(&self.file, self.length);
    }

    /// Bytes that the thread has not written yet.
    pub fn waiting_bytes(&self) -> usize {
        self.thread.waiting_bytes()
    }

    /// Memory of these bytes, and of the bytes that the thread has not got yet.
    pub fn memory_bytes(&self) -> usize {
        self.waiting_bytes() + self.commands.memory_bytes()
    }

    /// The result, once it has ended: the file's name.
    pub fn ended(&mut self) -> Option<io::Result<&Path>> {
        if let Some(why) = self.refused.take() {
            return Some(Err(io::Error::other(why)));
        }
        let done = self.thread.take_task()?;
        Some(done.result.map(|()| {
            self.complete = true;
            &*self.path
        }))
    }
}

impl Drop for BaseFile {
    fn drop(&mut self) {
        if !self.complete {
            // A file that remains is overwritten by the next rewrite.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Saver for BaseFile {
    fn database(&mut self, db: DbIndex, keys: usize, volatile: usize) {
        self.commands.database(db, keys, volatile);
    }

    fn key(&mut self, db: DbIndex, view: &KeyView<'_>) {
        self.commands.key(db, view);
        if self.commands.out.len() >= PIECE_BYTES {
            self.send();
        }
    }

    fn text(&mut self, db: DbIndex, view: &KeyView<'_>, text: PinnedBytes) {
        // The string gets a separate checksum, because the thread computes it as it writes.
        self.send();
        self.commands.begin_string(db, view.key, text.len());
        let head = std::mem::take(&mut self.commands.out);
        self.commands.end_string(view);
        let tail = std::mem::take(&mut self.commands.out);
        let offset = self.length + (head.len() + text.len() + tail.len()) as u64;
        self.length = offset;
        let checksum = self.checksums.map(|unix_s| (offset, unix_s));
        if let Some((offset, unix_s)) = checksum {
            self.length += annotation::checksum_len(offset, unix_s) as u64;
        }
        let sync_bytes = if self.incremental_fsync {
            SYNC_BYTES as usize
        } else {
            usize::MAX
        };
        let text = LongText {
            head,
            text,
            tail,
            checksum,
            sync_bytes,
        };
        self.thread.write_text(&self.file, text);
        self.synced_to = self.length;
    }

    fn begin_large(&mut self, db: DbIndex, view: &KeyView<'_>) -> u64 {
        self.commands.begin_large(db, view)
    }

    fn part(&mut self, view: &KeyView<'_>, at: u64) -> Option<u64> {
        let next = self.commands.part(view, at);
        if self.commands.out.len() >= PIECE_BYTES {
            self.send();
        }
        next
    }

    fn has_room(&self) -> bool {
        self.thread.waiting_bytes() < WAITING_MAX
    }
}

/// Free bytes available to us in the file system of a folder.
pub fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
