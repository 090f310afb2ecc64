//! The messages between the loop and an I/O thread.
//!
//!     up:   Parcel   a block with the bytes of many reads; empty Orders come back with it
//!     down: Orders   replies in one block, and what is to be done; served Batches return with it
//!
//! Each names connections by slot and generation, as tokens do: what concerns a connection that is
//! gone finds nothing. Messages come in the order in which they were sent.

use std::io;

use bytes::{Bytes, BytesMut};
use rustls::pki_types::CertificateDer;

use crate::stream::Stream;

/// Bytes of a block into which an I/O thread reads.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;

/// One connection's place in the loop's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId {
    /// Its slot.
    pub slot: u32,
    /// Which use of the slot it is.
    pub generation: u32,
}

/// The reads of an I/O thread, and its news.
#[derive(Debug, Default)]
pub struct ReadBatch {
    /// The bytes of all reads, one after the other.
    pub block: Bytes,
    /// Its reads and reports, in their order.
    pub reports: Vec<Report>,
    /// Connections that the loop gets back.
    pub recalled: Vec<(ConnectionId, Stream)>,
    /// Orders that were carried out, to be used again.
    pub(super) spent: Vec<TaskBatch>,
}

impl ReadBatch {
    /// An empty one with room for so many reports.
    pub(super) fn roomy(reports: usize) -> ReadBatch {
        ReadBatch {
            reports: Vec::with_capacity(reports),
            ..ReadBatch::default()
        }
    }
}

/// One read of a connection, or news of it.
#[derive(Debug)]
pub struct Report {
    /// The connection.
    pub id: ConnectionId,
    /// Where its bytes begin in the block.
    pub start: u32,
    /// The number of its bytes.
    pub len: u32,
    /// Bytes that its socket has taken and that no report has named.
    pub sent: u32,
    /// How reading goes on.
    pub reading: ReadState,
}

impl Report {
    /// Whether it brings bytes, and nothing else but a count of what was sent.
    #[inline]
    pub fn is_bytes_alone(&self) -> bool {
        self.len > 0 && matches!(self.reading, ReadState::Continues)
    }

    /// Takes it: one that reports nothing is in its place.
    #[inline]
    pub fn take(&mut self) -> Report {
        let nothing = Report {
            len: 0,
            sent: 0,
            reading: ReadState::Continues,
            ..*self
        };
        std::mem::replace(self, nothing)
    }
}

/// Parts of batches that are served later, with their bytes.
#[derive(Debug, Default)]
pub struct DeferredReads {
    bytes: Vec<u8>,
    batch: ReadBatch,
}

impl DeferredReads {
    /// Takes a report of a batch whose block this is.
    #[cold]
    pub fn add(&mut self, block: &[u8], report: Report) {
        let start = self.bytes.len() as u32;
        let from = report.start as usize;
        self.bytes
            .extend_from_slice(&block[from..][..report.len as usize]);
        self.batch.reports.push(Report { start, ..report });
    }

    /// Takes a connection that has come back.
    #[cold]
    pub fn recalled(&mut self, id: ConnectionId, stream: Stream) {
        self.batch.recalled.push((id, stream));
    }

    /// All of it, if there is anything.
    #[inline]
    pub fn into_batch(mut self) -> Option<ReadBatch> {
        if self.batch.reports.is_empty() && self.batch.recalled.is_empty() {
            return None;
        }
        self.batch.block = self.bytes.into();
        Some(self.batch)
    }
}

/// How reading goes on after a report.
#[derive(Debug)]
pub enum ReadState {
    /// More comes by itself.
    Continues,
    /// The handshake is complete, and the peer has shown this certificate. Bytes come after it.
    Secured(Option<Box<CertificateDer<'static>>>),
    /// The I/O thread waits until these bytes are taken ([`Task::ReadOn`]).
    Waits,
    /// The peer sends no more.
    Ended,
    /// The connection is broken.
    Broken(io::Error),
}

/// The work of an I/O thread.
#[derive(Debug, Default)]
pub struct TaskBatch {
    /// The bytes of all short replies, one after the other.
    pub(super) bytes: Vec<u8>,
    pub(super) list: Vec<Task>,
    /// Batches that were served, to be used again.
    pub(super) spent: Vec<ReadBatch>,
    /// Its memory as the loop has counted it, while it is away.
    pub(super) counted: usize,
}

/// Bytes and orders that are room for from the start: they are an I/O thread's, as its blocks are.
const ROOMY_BYTES: usize = 4096;
const ROOMY_TASKS: usize = 64;

impl TaskBatch {
    /// Bytes of the room that there is from the start.
    pub(super) const ROOMY: usize = ROOMY_BYTES + ROOMY_TASKS * size_of::<Task>();

    /// Empty ones with room for a little.
    pub(super) fn roomy() -> TaskBatch {
        TaskBatch {
            bytes: Vec::with_capacity(ROOMY_BYTES),
            list: Vec::with_capacity(ROOMY_TASKS),
            ..TaskBatch::default()
        }
    }

    /// Memory for bytes and orders, beyond the room that there is from the start.
    pub(super) fn memory_bytes(&self) -> usize {
        let tasks = self.list.capacity().saturating_sub(ROOMY_TASKS);
        self.bytes.capacity().saturating_sub(ROOMY_BYTES) + tasks * size_of::<Task>()
    }
}

/// One order.
#[derive(Debug)]
pub(super) enum Task {
    /// The connection is the I/O thread's from here on.
    Adopt(ConnectionId, Stream),
    /// Sends the next bytes of the block.
    Send(ConnectionId, u32),
    /// Sends shared bytes between the next ones of the block: so many before them, and after.
    SendAround(ConnectionId, u32, Bytes, u32),
    /// Sends bytes that stand by themselves, or are shared.
    SendLong(ConnectionId, Vec<Bytes>),
    /// All bytes that were read are taken.
    ReadOn(ConnectionId),
    /// Reports what was sent as soon as all is.
    Report(ConnectionId),
    /// Gives the connection back.
    Recall(ConnectionId),
    /// Ends the connection in both directions and keeps the socket.
    ShutDown(ConnectionId),
    /// Closes the connection.
    Close(ConnectionId),
    /// Closes all of them and ends the thread.
    Stop,
}

/// A block to be filled.
pub(super) fn new_block() -> BytesMut {
    BytesMut::zeroed(BLOCK_BYTES)
}
