//! Writes to the current file on a thread of their own: while the disk lags, the loop does not wait
//! for it. One write at a time; its buffer moves to the thread and back.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use super::disk::Disk;
use russet_base::threads;
use russet_base::wake::Wake;

/// A write is slow if it takes longer than this plus a microsecond for each `SLOW_BYTES_PER_MICRO`:
/// pages in memory take bytes ten times as fast.
const SLOW: Duration = Duration::from_millis(2);
const SLOW_BYTES_PER_MICRO: u64 = 100;

/// Bytes to append.
pub(super) struct Piece {
    pub file: Arc<File>,
    /// The file's valid bytes before.
    pub length: u64,
    /// The begin of the file, written before the bytes; else empty.
    pub head: Vec<u8>,
    pub bytes: Vec<u8>,
    /// The disk is that much slower (DEBUG AOF-FLUSH-SLEEP).
    pub delay: Duration,
}

/// A write that has ended.
pub(super) struct CompletedWrite {
    pub head: Vec<u8>,
    pub bytes: Vec<u8>,
    pub result: io::Result<()>,
    /// A part of the bytes may follow the valid bytes in the file.
    pub is_torn: bool,
    pub is_slow: bool,
}

impl Piece {
    /// Appends all bytes, or fails without effect on the file's valid bytes.
    pub fn write(self, disk: &Disk) -> CompletedWrite {
        let began = Instant::now();
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
        // Without bytes this is no call.
        let head = disk.write_all(&self.file, &self.head);
        let result = head.and_then(|()| disk.write_all(&self.file, &self.bytes));
        let is_torn = result.is_err() && disk.truncate(&self.file, self.length).is_err();
        let usual = Duration::from_micros(self.bytes.len() as u64 / SLOW_BYTES_PER_MICRO);
        CompletedWrite {
            is_slow: began.elapsed() > SLOW + usual,
            head: self.head,
            bytes: self.bytes,
            result,
            is_torn,
        }
    }
}

/// The thread, which starts with the first write.
pub(super) struct WriteThread {
    disk: Disk,
    wake: Option<Wake>,
    thread: Option<(Sender<Piece>, Receiver<CompletedWrite>)>,
}

impl WriteThread {
    /// `wake` is called after each write.
    pub fn new(disk: Disk, wake: Option<Wake>) -> WriteThread {
        let thread = None;
        WriteThread { disk, wake, thread }
    }

    /// Whether the end of a write wakes a caller.
    pub fn wakes(&self) -> bool {
        self.wake.is_some()
    }

    /// Begins a write; the previous write has been taken. Without a thread it is made at once, and
    /// `Some` is its end.
    pub fn write(&mut self, piece: Piece) -> Option<CompletedWrite> {
        if self.thread.is_none() {
            self.thread = self.start().ok();
        }
        let Some((pieces, _)) = &self.thread else {
            return Some(piece.write(&self.disk));
        };
        pieces
            .send(piece)
            .expect("the thread ends after its sender");
        None
    }

    fn start(&self) -> io::Result<(Sender<Piece>, Receiver<CompletedWrite>)> {
        let (pieces, work) = mpsc::channel::<Piece>();
        let (ends, done) = mpsc::channel();
        let (disk, wake) = (self.disk.clone(), self.wake.clone());
        threads::start("aof-write", move || {
            for piece in work {
                if ends.send(piece.write(&disk)).is_err() {
                    return;
                }
                if let Some(wake) = &wake {
                    wake.wake();
                }
            }
        })?;
        Ok((pieces, done))
    }

    /// The end of the write under way, if it has ended.
    pub fn take(&self) -> Option<CompletedWrite> {
        let (_, done) = self.thread.as_ref()?;
        done.try_recv().ok()
    }

    /// Waits for the end of the write under way.
    pub fn wait(&self) -> CompletedWrite {
        let (_, done) = self.thread.as_ref().expect("a write is under way");
        done.recv().expect("the thread ends after its sender")
    }
}
