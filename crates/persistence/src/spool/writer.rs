//! The thread of a spool: it computes the checksum of the bytes handed to it, and stores them in
//! memory or in the file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};

use super::{SEGMENT_OVERHEAD, SharedSpool, SpoolPlan, SpoolState, queue_max};
use crate::background::Job;
use russet_base::hashing::crc64;
use russet_replication::compression::{BLOCK_BYTES, Kind, Packer};

/// Bytes of a piece of a huge string.
const PIECE_BYTES: usize = 256 * 1024;
/// Interval between two attempts to write to a disk that has refused.
const RETRY: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Writer {
    shared: Arc<SharedSpool>,
    plan: SpoolPlan,
    /// Limit on the memory of segments.
    segments_max: usize,
    crc: u64,
    packing: Option<Box<SnapshotPacker>>,
    file: Option<Arc<File>>,
    /// Where its next bytes go.
    file_end: u64,
    /// The log has reported that the disk refuses.
    has_reported: bool,
}

/// A snapshot that is compressed as it is written.
struct SnapshotPacker {
    packer: Packer,
    /// Bytes that do not fill a block.
    waiting: Vec<u8>,
    has_begun: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<SharedSpool>, plan: SpoolPlan) -> Writer {
        Writer {
            shared,
            packing: plan.packs.then(|| {
                Box::new(SnapshotPacker {
                    packer: Packer::default(),
                    waiting: Vec::with_capacity(BLOCK_BYTES),
                    has_begun: false,
                })
            }),
            segments_max: plan.memory_max - queue_max(plan.memory_max),
            plan,
            crc: 0,
            file: None,
            file_end: 0,
            has_reported: false,
        }
    }

    /// Does the thread's work, to the end of the spool.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        for job in jobs {
            let ended = match job {
                Job::Write(bytes) => {
                    let (len, charge) = (bytes.len(), bytes.capacity());
                    let ended = self.append(bytes.into(), charge);
                    self.shared.waiting.fetch_sub(len, Ordering::Relaxed);
                    ended
                }
                Job::Make(waiting, make) => {
                    let ended = make(&mut |bytes: &[u8]| self.append_pieces(bytes));
                    self.shared.waiting.fetch_sub(waiting, Ordering::Relaxed);
                    ended
                }
                Job::Finish => {
                    return match self.finish() {
                        Ok(()) => self.shared.wake.wake(),
                        Err(error) => self.shared.fail(&error.to_string()),
                    };
                }
            };
            if let Err(error) = ended {
                // The spool has already failed: nothing else ends the thread's work.
                return self.shared.fail(&error.to_string());
            }
        }
    }

    /// As [`Writer::run`], of all bytes of a file.
    pub(super) fn run_file(mut self, mut file: File) {
        let mut bytes = vec![0; PIECE_BYTES];
        let ended = loop {
            match file.read(&mut bytes) {
                Ok(0) => break self.finish(),
                Ok(n) => {
                    if let Err(error) = self.append_pieces(&bytes[..n]) {
                        break Err(error);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        match ended {
            Ok(()) => self.shared.wake.wake(),
            Err(error) => self.shared.fail(&error.to_string()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some(wanted) = self.plan.checksum {
            let sum = if wanted { self.crc } else { 0u64 };
            self.put(sum.to_le_bytes().to_vec().into(), size_of_val(&sum))?;
        }
        if let Some(packing) = self.packing.take() {
            let end = packing.end();
            let charge = end.len();
            self.store(end.into(), charge)?;
        }
        self.shared.state().is_whole = true;
        Ok(())
    }

    /// Appends copies of a huge buffer's pieces.
    fn append_pieces(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(PIECE_BYTES) {
            self.append(piece.to_vec().into(), piece.len())?;
        }
        Ok(())
    }

    fn append(&mut self, bytes: Bytes, charge: usize) -> io::Result<()> {
        if self.plan.checksum == Some(true) {
            self.crc = crc64::update(self.crc, &bytes);
        }
        self.put(bytes, charge)
    }

    /// Stores bytes as they are, or compressed.
    fn put(&mut self, bytes: Bytes, charge: usize) -> io::Result<()> {
        let Some(packing) = &mut self.packing else {
            return self.store(bytes, charge);
        };
        let packed = packing.take(&bytes);
        drop(bytes);
        let charge = packed.len();
        self.store(packed.into(), charge)
    }

    /// Stores bytes, which take `charge` bytes in memory. Waits while neither memory nor disk has
    /// room. Error: the spool has failed.
    fn store(&mut self, mut bytes: Bytes, charge: usize) -> io::Result<()> {
        let charge = charge + SEGMENT_OVERHEAD;
        let mut is_refused = false;
        while !bytes.is_empty() {
            let mut state = self.shared.state();
            if let Some(why) = &state.failure {
                return Err(io::Error::other(why.clone()));
            }
            // A buffer longer than the limit must go somewhere.
            let is_needed = is_refused && state.memory == 0;
            if is_needed || state.memory + charge <= self.segments_max {
                state.push_memory(bytes, charge);
                self.shared.wake_starved(state);
                return Ok(());
            }
            drop(state);
            match self.write_to_file(&bytes) {
                Ok(written) => bytes.advance(written),
                Err(error) => {
                    is_refused = true;
                    self.await_room(charge, &error);
                }
            }
        }
        Ok(())
    }

    /// Writes some bytes to the file; returns how many.
    fn write_to_file(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(Arc::new(self.create_file()?))),
        };
        if self.file_end > 0 && self.shared.state().in_file == 0 {
            // No reader needs any of it.
            self.plan.disk.truncate(&file, 0)?;
            self.file_end = 0;
        }
        // A write that failed may have stored a part.
        (&*file).seek(SeekFrom::Start(self.file_end))?;
        let written = match self.plan.disk.write(&file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            result => result?,
        };
        let mut state = self.shared.state();
        if state.failure.is_none() && written > 0 {
            state.file.get_or_insert(file);
            state.push_file(self.file_end, written as u64);
        }
        self.file_end += written as u64;
        self.shared.wake_starved(state);
        Ok(written)
    }

    fn create_file(&self) -> io::Result<File> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("temp-repl-{}-{n}.spool", std::process::id());
        self.plan.disk.create_nameless(&self.plan.dir.join(name))
    }

    /// The disk has refused: waits until memory has room for `charge` bytes or the disk may be
    /// tried again.
    fn await_room(&mut self, charge: usize, error: &io::Error) {
        if !self.has_reported {
            self.has_reported = true;
            tracing::warn!(
                "The snapshot for replicas waits: {}: {error}. It continues when there is space, \
                 or when the replicas have read what is in memory.",
                self.plan.dir.display()
            );
        }
        let mut state = self.shared.state();
        state.is_stuck = true;
        let segments_max = self.segments_max;
        let has_none = |state: &mut SpoolState| {
            let is_full = state.memory > 0 && state.memory + charge > segments_max;
            is_full && state.failure.is_none()
        };
        let waited = self.shared.room.wait_timeout_while(state, RETRY, has_none);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_stuck = false;
    }
}

impl SnapshotPacker {
    /// The blocks that these bytes fill.
    fn take(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.has_begun, true) {
            Packer::begin(Kind::Snapshot, &mut out);
        }
        while self.waiting.len() + bytes.len() >= BLOCK_BYTES {
            let (block, rest) = bytes.split_at(BLOCK_BYTES - self.waiting.len());
            bytes = rest;
            if self.waiting.is_empty() {
                self.packer.block(&[], block, &mut out)
            } else {
                self.waiting.extend_from_slice(block);
                self.packer.block(&[], &self.waiting, &mut out);
                self.waiting.clear();
            }
        }
        self.waiting.extend_from_slice(bytes);
        out.shrink_to_fit();
        out
    }

    /// The bytes that are left, and the end.
    fn end(mut self) -> Vec<u8> {
        let mut out = self.take(&[]);
        if !self.waiting.is_empty() {
            self.packer.block(&[], &self.waiting, &mut out);
        }
        Packer::end(&mut out);
        out
    }
}
