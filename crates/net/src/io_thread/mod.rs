//! I/O threads: threads that read and write for the loop, TLS included. The loop has the protocol
//! and the data; an I/O thread has the sockets that the loop gave to it, and nothing else.
//!
//!     loop     Stream::Handoff  --TaskBatch-->  I/O thread: a Worker with a poll of its own
//!              (bytes, no socket) <--ReadBatch--     Connection (socket, TLS, unsent replies)
//!
//! Each I/O thread has two rings of messages, a ring for each direction, bounded, without locks. A
//! socket belongs to one thread at a time and moves by message ([`IoThread::adopt`],
//! [`IoThread::recall`]). To the loop a handed-off connection is a [`Stream`] like any other: reads
//! give the bytes that the thread has read, writes fill up to a window, and the I/O thread's
//! reports take the place of the poll's events.
//!
//! No thread waits for a full ring. The loop keeps the tasks that did not fit and adds to them; an
//! I/O thread keeps its batches and reads nothing before they are gone. An I/O thread has
//! [`worker::BLOCKS_MAX`] blocks to read into and waits until the loop returns them, so bytes that
//! the loop does not take stay in the kernel.
//!
//! Cost of a request: no system call of the loop; 20 to 40 bytes of report and task, and a copy of
//! the request and the reply. An I/O thread that has nothing to do sleeps without a timer.

pub(crate) mod handoff;
mod message;
pub mod scaling;
mod sleep_flag;
mod waker;
pub(crate) mod worker;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

pub use self::handoff::Handoff;
pub use self::message::{ConnectionId, DeferredReads, ReadBatch, ReadState, Report};
pub use self::waker::ThreadWaker;

use self::message::{Task, TaskBatch};
use self::worker::Worker;
use crate::outside::atomic::{self, AtomicU32, AtomicU64, Ordering};
use crate::outside::{
    Consumer, JoinHandle, Producer, PushError, RING, RingBuffer, start, yield_now,
};
use crate::stream::Stream;

/// Task batches that were carried out and are kept to be used again.
const FREE_MAX: usize = 8;
/// Bytes of replies that such batches keep room for.
const KEPT_BYTES: usize = 256 * 1024;

/// Figures of an I/O thread: the thread counts, other threads read.
#[derive(Debug, Default)]
pub struct Figures {
    /// Reads that brought bytes.
    pub reads: AtomicU64,
    /// Writes that took bytes.
    pub writes: AtomicU64,
    /// Times that the thread slept.
    pub sleeps: AtomicU64,
    /// Microseconds that the thread worked.
    pub busy_us: AtomicU64,
    /// Tasks to close a connection that were carried out.
    closed: AtomicU64,
    /// Microseconds that the thread rests if many connections are active, set by the loop.
    pub rest_us: AtomicU32,
}

impl Figures {
    fn add(counter: &AtomicU64, n: u64) {
        // Only one thread writes the counter.
        counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }
}

/// The loop's end of an I/O thread.
#[derive(Debug)]
pub struct IoThread {
    number: u32,
    tasks: Producer<TaskBatch>,
    batches: Consumer<ReadBatch>,
    waker: Arc<ThreadWaker>,
    figures: Arc<Figures>,
    thread: Option<JoinHandle<()>>,
    /// The tasks that are sent next.
    open: TaskBatch,
    /// A block goes back with these tasks, and the I/O thread may wait for it.
    returns_block: bool,
    /// Empty task batches.
    free: Vec<TaskBatch>,
    /// Memory of the task batches that have been sent and have not come back.
    away: usize,
    /// Bytes of unsent replies of connections that the I/O thread is to close, each with the number
    /// of the task, oldest first.
    closing: VecDeque<(u64, usize)>,
    /// Tasks to close a connection so far.
    closes: u64,
    /// Connections that it has.
    connections: usize,
}

impl IoThread {
    /// Starts an I/O thread: `number` is at least 1, and `waker` is the loop's.
    ///
    /// Error: the system has no thread or no descriptor left.
    pub fn start(number: u32, waker: Arc<ThreadWaker>, rest_us: u32) -> io::Result<IoThread> {
        let (mut io_thread, worker) = IoThread::pair(number, waker, rest_us, RING)?;
        let thread = start(&format!("io-{number}"), move || worker.run())?;
        io_thread.thread = Some(thread);
        Ok(io_thread)
    }

    /// Both ends of a pair, with rings for `room` messages each.
    pub(crate) fn pair(
        number: u32,
        waker: Arc<ThreadWaker>,
        rest_us: u32,
        room: usize,
    ) -> io::Result<(IoThread, Worker)> {
        let (task_in, task_out) = RingBuffer::new(room);
        let (batch_in, batch_out) = RingBuffer::new(room);
        let figures = Arc::<Figures>::default();
        figures.rest_us.store(rest_us, Ordering::Relaxed);
        let worker = Worker::new(task_out, batch_in, waker, Arc::clone(&figures))?;
        let io_thread = IoThread {
            number,
            tasks: task_in,
            batches: batch_out,
            waker: worker.waker(),
            figures,
            thread: None,
            open: TaskBatch::roomy(),
            returns_block: false,
            free: (0..FREE_MAX).map(|_| TaskBatch::roomy()).collect(),
            away: 0,
            closing: VecDeque::new(),
            closes: 0,
            connections: 0,
        };
        Ok((io_thread, worker))
    }

    /// The number, from 1 on.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The counters.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Connections that it has.
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// Memory that the thread has from the start, and for the sockets of its connections: blocks,
    /// rings, and the room of messages.
    pub fn own_bytes(&self) -> usize {
        let tasks = (FREE_MAX + 1) * TaskBatch::ROOMY;
        let rings = RING * (size_of::<TaskBatch>() + size_of::<ReadBatch>());
        tasks + rings + Worker::OWN_BYTES + self.connections * Worker::CONNECTION_BYTES
    }

    /// The memory for replies on their way through the thread: task batches, and replies of
    /// connections that the thread will close. The thread's initial memory and the replies of its
    /// connections do not count. O(free task batches, and these connections).
    pub fn memory_bytes(&self) -> usize {
        let closed = self.figures.closed.load(Ordering::Relaxed);
        let closing = self.closing.iter().rev();
        let closing = closing.take_while(|(number, _)| *number > closed);
        let closing: usize = closing.map(|(_, bytes)| bytes).sum();
        let free: usize = self.free.iter().map(TaskBatch::memory_bytes).sum();
        closing + self.away + self.open.memory_bytes() + free
    }

    /// Gives the thread a connection, which is in no poll; returns the loop's end. The thread
    /// continues a handshake, and reports its end with the peer's certificate
    /// ([`ReadState::Secured`]).
    pub fn adopt(&mut self, id: ConnectionId, stream: Stream) -> Stream {
        let handoff = Handoff::new(self.number, stream.fd(), stream.is_handshaking());
        self.open.list.push(Task::Adopt(id, stream));
        self.connections += 1;
        Stream::Handoff(Box::new(handoff))
    }

    /// Collects the bytes that were written to a connection, and the tasks for its I/O thread.
    #[inline]
    pub fn collect(&mut self, id: ConnectionId, handoff: &mut Handoff) {
        if !handoff.has_tasks() {
            return;
        }
        let list = &mut self.open.list;
        if let Some((before, piece)) = handoff.take_lone_piece() {
            let after = handoff.out.len() - before;
            list.push(Task::SendAround(id, before as u32, piece, after as u32));
            self.open.bytes.extend_from_slice(&handoff.out);
            handoff.copied();
        } else if !handoff.is_short() {
            list.push(Task::SendLong(id, handoff.take_out()));
        } else if !handoff.out.is_empty() {
            list.push(Task::Send(id, handoff.out.len() as u32));
            self.open.bytes.extend_from_slice(&handoff.out);
            handoff.copied();
        }
        if handoff.take_wants_more() {
            list.push(Task::ReadOn(id));
        }
        if handoff.take_wants_report() {
            list.push(Task::Report(id));
        }
    }

    /// Asks for a connection: a batch brings it back, after all bytes that were read of it and once
    /// all bytes that were written are sent ([`IoThread::returned`]).
    pub fn recall(&mut self, id: ConnectionId, handoff: &mut Handoff) {
        self.collect(id, handoff);
        handoff.recall();
        self.open.list.push(Task::Recall(id));
    }

    /// A connection has come back, or the loop has closed it.
    pub fn returned(&mut self) {
        self.connections -= 1;
    }

    /// Ends a connection in both directions, without closing the socket.
    pub fn shut_down(&mut self, id: ConnectionId) {
        self.open.list.push(Task::ShutDown(id));
    }

    /// Closes a connection, after its socket has taken as many bytes as it takes at once. `memory`:
    /// bytes that replies hold which the socket is not known to have taken.
    pub fn close(&mut self, id: ConnectionId, memory: usize) {
        self.closes += 1;
        if memory > 0 {
            let closed = self.figures.closed.load(Ordering::Relaxed);
            let is_closed = |(number, _): &mut (u64, usize)| *number <= closed;
            while self.closing.pop_front_if(is_closed).is_some() {}
            self.closing.push_back((self.closes, memory));
        }
        self.open.list.push(Task::Close(id));
        self.returned();
    }

    /// Sends the tasks, if any. `false`: the ring is full, and the tasks wait here.
    pub fn post(&mut self) -> bool {
        if self.open.list.is_empty() && !self.returns_block {
            return true;
        }
        let next = self.free.pop().unwrap_or_default();
        self.open.counted = self.open.memory_bytes();
        let counted = self.open.counted;
        match self.tasks.push(std::mem::replace(&mut self.open, next)) {
            Ok(()) => {
                self.returns_block = false;
                self.away += counted;
                self.waker.wake();
                true
            }
            Err(PushError::Full(tasks)) => {
                self.free.push(std::mem::replace(&mut self.open, tasks));
                false
            }
        }
    }

    /// Whether a batch is there.
    #[inline]
    pub fn has_batches(&self) -> bool {
        !self.batches.is_empty()
    }

    /// The next batch.
    pub fn take(&mut self) -> Option<ReadBatch> {
        let mut batch = self.batches.pop().ok()?;
        for mut tasks in batch.spent.drain(..) {
            self.away -= tasks.counted;
            if self.free.len() < FREE_MAX {
                tasks.bytes.shrink_to(KEPT_BYTES);
                self.free.push(tasks);
            }
        }
        Some(batch)
    }

    /// Returns a batch that was served, of whose block no connection keeps a part. All of the batch
    /// goes back, because memory that one thread frees for the other is missing in the loop's own
    /// balance.
    pub fn give_back(&mut self, mut batch: ReadBatch) {
        self.returns_block |= !batch.block.is_empty();
        batch.reports.clear();
        if !batch.block.is_empty() || self.open.spent.len() < FREE_MAX {
            self.open.spent.push(batch);
        }
    }

    /// Applies a report to the connection that it names: the report's bytes can be read, and the
    /// bytes sent count no more. Returns whether there is room for more replies again.
    #[inline]
    pub fn deliver(block: &bytes::Bytes, report: &mut Report, handoff: &mut Handoff) -> bool {
        if report.len > 0 {
            let start = report.start as usize;
            handoff.push(block.slice(start..start + report.len as usize));
        }
        match std::mem::replace(&mut report.reading, ReadState::Continues) {
            ReadState::Continues => {}
            ReadState::Secured(certificate) => handoff.secure(certificate),
            ReadState::Waits => handoff.wait(),
            ReadState::Ended => handoff.close(),
            ReadState::Broken(error) => handoff.fail(error),
        }
        handoff.sent(report.sent as usize)
    }

    /// Ends the thread: it carries out all tasks first, and closes its connections.
    pub fn stop(mut self) {
        self.open.list.push(Task::Stop);
        let Some(thread) = self.thread.take() else {
            return;
        };
        while !self.post() && !thread.is_finished() {
            // The thread empties its ring without waiting.
            yield_now();
        }
        let _ = thread.join();
    }
}
