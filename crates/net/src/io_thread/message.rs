//! The messages between the loop and an I/O thread.
//!
//!     up:   ReadBatch   a block with the bytes of many reads; empty task batches return with it
//!     down: TaskBatch   replies in one block, and tasks; served read batches return with it
//!
//! A message names connections by slot and generation, as tokens do: a message about a connection
//! that is gone has no effect. Messages arrive in the order in which they were sent.

use std::io;

use bytes::{Bytes, BytesMut};
use rustls::pki_types::CertificateDer;

use crate::stream::Stream;

/// Bytes of a block into which an I/O thread reads.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;

/// A connection's slot in the loop's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId {
    /// The slot.
    pub slot: u32,
    /// Which use of the slot it is.
    pub generation: u32,
}

/// The reads of an I/O thread, its reports, and the connections that it returns.
#[derive(Debug, Default)]
pub struct ReadBatch {
    /// The bytes of all reads, in their order.
    pub block: Bytes,
    /// The reads and reports, in their order.
    pub reports: Vec<Report>,
    /// Connections that the loop gets back.
    pub recalled: Vec<(ConnectionId, Stream)>,
    /// Task batches that were carried out, to be used again.
    pub(super) spent: Vec<TaskBatch>,
}

impl ReadBatch {
    /// An empty batch with room for so many reports.
    pub(super) fn roomy(reports: usize) -> ReadBatch {
        ReadBatch {
            reports: Vec::with_capacity(reports),
            ..ReadBatch::default()
        }
    }
}

/// A read of a connection, or a change of its state.
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

    /// Takes the report, and leaves a report of nothing in its place.
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

/// Reports and returned connections that the loop serves later, with copies of their bytes.
#[derive(Debug, Default)]
pub struct DeferredReads {
    bytes: Vec<u8>,
    batch: ReadBatch,
}

impl DeferredReads {
    /// Adds a report of a batch whose block this is.
    #[cold]
    pub fn add(&mut self, block: &[u8], report: Report) {
        let start = self.bytes.len() as u32;
        let from = report.start as usize;
        self.bytes
            .extend_from_slice(&block[from..][..report.len as usize]);
        self.batch.reports.push(Report { start, ..report });
    }

    /// Adds a connection that the I/O thread has returned.
    #[cold]
    pub fn recalled(&mut self, id: ConnectionId, stream: Stream) {
        self.batch.recalled.push((id, stream));
    }

    /// A batch of all that was deferred, if there is anything.
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
    /// The I/O thread continues to read.
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

/// Tasks for an I/O thread, and the bytes of short replies.
#[derive(Debug, Default)]
pub struct TaskBatch {
    /// The bytes of all short replies, in their order.
    pub(super) bytes: Vec<u8>,
    pub(super) list: Vec<Task>,
    /// Batches that were served, to be used again.
    pub(super) spent: Vec<ReadBatch>,
    /// The batch's memory as the loop has counted it, while the I/O thread has it.
    pub(super) counted: usize,
}

/// Bytes and tasks that a batch has room for from the start: they count as an I/O thread's memory,
/// as its blocks do.
const ROOMY_BYTES: usize = 4096;
const ROOMY_TASKS: usize = 64;

impl TaskBatch {
    /// Bytes of the room that a batch has from the start.
    pub(super) const ROOMY: usize = ROOMY_BYTES + ROOMY_TASKS * size_of::<Task>();

    /// An empty batch with a little room.
    pub(super) fn roomy() -> TaskBatch {
        TaskBatch {
            bytes: Vec::with_capacity(ROOMY_BYTES),
            list: Vec::with_capacity(ROOMY_TASKS),
            ..TaskBatch::default()
        }
    }

    /// Memory for bytes and tasks, beyond the room that there is from the start.
    pub(super) fn memory_bytes(&self) -> usize {
        let tasks = self.list.capacity().saturating_sub(ROOMY_TASKS);
        self.bytes.capacity().saturating_sub(ROOMY_BYTES) + tasks * size_of::<Task>()
    }
}

/// A task of an I/O thread.
#[derive(Debug)]
pub(super) enum Task {
    /// The connection is the I/O thread's from here on.
    Adopt(ConnectionId, Stream),
    /// Sends the next bytes of the block.
    Send(ConnectionId, u32),
    /// Sends shared bytes between the next bytes of the block: so many before them, and after.
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
    /// Closes all connections and ends the thread.
    Stop,
}

/// A block to be filled.
pub(super) fn new_block() -> BytesMut {
    BytesMut::zeroed(BLOCK_BYTES)
}
