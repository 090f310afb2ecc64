//! The work of an I/O thread, in iterations.
//!
//!     tasks      adopt, send, read on, close
//!     handshakes a share of the iteration, at least one step
//!     reports    connections that have sent all their bytes
//!     poll       without sleep if reads are left; else rest if many are active, else sleep
//!     read       a read for each readable connection, into a common block
//!     deliver    the block and its reports, after every [`REPORTS_MAX`] of them
//!
//! `reading` has the reads and handshakes, `sending` the writes, `outgoing` the bytes that a socket
//! did not take.
//!
//! Invariants
//!   1. The worker reads at most [`READ_AHEAD`] bytes of a connection before the loop takes them.
//!   2. Bytes sent are reported with the connection's next read, or within [`REPORT_WITHIN`].
//!   3. While the ring has not taken a batch, the worker sleeps for [`FULL_AGAIN`] at most.

mod outgoing;
mod reading;
mod sending;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use self::outgoing::OutgoingQueue;
use super::message::{
    BLOCK_BYTES, ConnectionId, ReadBatch, ReadState, Report, Task, TaskBatch, new_block,
};
use super::{FREE_MAX, Figures, ThreadWaker};
use crate::gather::Gather;
use crate::outside::atomic::Ordering;
use crate::outside::{Consumer, Events, Instant, Poll, Producer, PushError, sleep};
use crate::stream::Stream;
use crate::token::{Role, Target};

/// Blocks of an I/O thread, at the loop or here.
pub(super) const BLOCKS_MAX: usize = 8;
/// Bytes of a connection that the loop has not taken, at most.
const READ_AHEAD: usize = 64 * 1024;
/// A block with less room is delivered.
const ROOM_MIN: usize = 4096;
/// Reports of a batch, at most: the loop begins with the first reports while the thread reads on.
const REPORTS_MAX: usize = 64;
/// From so many bytes sent on, they are reported at once.
const REPORT_BYTES: usize = 64 * 1024;
/// Fewer bytes sent are reported within this time.
const REPORT_WITHIN: Duration = Duration::from_millis(5);
/// An iteration's share for handshakes, as the loop's turn has: each step of a handshake costs up
/// to a millisecond.
const HANDSHAKES: Duration = Duration::from_micros(200);
/// A ring that is full is tried again after this time.
const FULL_AGAIN: Duration = Duration::from_millis(1);
const EVENTS: usize = 1024;
/// Bytes of an event of epoll.
const EVENT_BYTES: usize = 12;
/// Pieces of a write, at most.
const PIECES_MAX: usize = 16;

/// A connection.
struct Connection {
    stream: Stream,
    generation: u32,
    /// Replies that the socket did not take.
    out: OutgoingQueue,
    /// Bytes that the thread may read before the loop has taken all.
    room: usize,
    /// Bytes sent and not reported.
    sent: usize,
    /// The poll reports when the socket is writable.
    is_armed: bool,
    /// The connection is in `Worker::ready`.
    is_ready: bool,
    /// The connection is in `Worker::handshakes`.
    in_handshakes: bool,
    /// The connection is in `Worker::unreported`.
    is_unreported: bool,
    /// The loop wants a report once all is sent.
    wants_report: bool,
    /// The peer sends no more: reading goes on until the end is read.
    peer_closed: bool,
    /// The end, or an error, was reported: nothing is read.
    is_over: bool,
    /// The loop wants the connection back.
    is_recalled: bool,
    seen_in: u32,
}

/// See the module.
pub(crate) struct Worker {
    poll: Poll,
    events: Events,
    connections: Vec<Option<Connection>>,
    /// Slots of connections that may have more to read.
    ready: VecDeque<u32>,
    /// Slots of connections whose handshake may have something to read.
    handshakes: VecDeque<u32>,
    /// Slots of connections with bytes to report.
    unreported: Vec<u32>,
    last_report: Instant,
    tasks: Consumer<TaskBatch>,
    batches: Producer<ReadBatch>,
    /// Batches that the ring did not take.
    waiting: VecDeque<ReadBatch>,
    /// The batch that is filled; its block, filled up to `filled`.
    open: ReadBatch,
    block: Option<BytesMut>,
    filled: usize,
    /// Batches that the loop has served, empty.
    served: Vec<ReadBatch>,
    /// Free blocks, and the number of all blocks.
    free: Vec<BytesMut>,
    blocks: usize,
    waker: Arc<ThreadWaker>,
    loop_waker: Arc<ThreadWaker>,
    gather: Gather,
    figures: Arc<Figures>,
    stops: bool,
}

impl Worker {
    /// Bytes that the worker has from the start: blocks, batches, and the events of a poll.
    pub(super) const OWN_BYTES: usize = BLOCKS_MAX * BLOCK_BYTES
        + (FREE_MAX + 1) * REPORTS_MAX * size_of::<Report>()
        + EVENTS * EVENT_BYTES;
    /// Bytes of a connection.
    pub(super) const CONNECTION_BYTES: usize = size_of::<Option<Connection>>();

    pub(super) fn new(
        tasks: Consumer<TaskBatch>,
        batches: Producer<ReadBatch>,
        loop_waker: Arc<ThreadWaker>,
        figures: Arc<Figures>,
    ) -> io::Result<Worker> {
        let poll = Poll::new()?;
        let token = Target::lasting(Role::IoThreads, 0).into();
        let waker = ThreadWaker::new(poll.registry(), token)?;
        Ok(Worker {
            poll,
            events: Events::with_capacity(EVENTS),
            connections: Vec::new(),
            ready: VecDeque::new(),
            handshakes: VecDeque::new(),
            unreported: Vec::new(),
            last_report: Instant::now(),
            tasks,
            batches,
            waiting: VecDeque::new(),
            open: ReadBatch::roomy(REPORTS_MAX),
            block: None,
            filled: 0,
            // All at once: used memory does not grow by them as traffic comes.
            served: (0..FREE_MAX)
                .map(|_| ReadBatch::roomy(REPORTS_MAX))
                .collect(),
            free: (0..BLOCKS_MAX).map(|_| new_block()).collect(),
            blocks: BLOCKS_MAX,
            waker,
            loop_waker,
            gather: Gather::threaded(),
            figures,
            stops: false,
        })
    }

    pub(super) fn waker(&self) -> Arc<ThreadWaker> {
        Arc::clone(&self.waker)
    }

    /// Works until [`Task::Stop`].
    pub(super) fn run(mut self) {
        // Rests are shorter than the kernel's usual slack of 50 microseconds.
        let slack = std::num::NonZeroU64::new(1000);
        let _ = rustix::thread::set_current_timer_slack(slack);
        let mut began = Instant::now();
        loop {
            self.work();
            if self.stops {
                return;
            }
            let busy = began.elapsed().as_micros() as u64;
            Figures::add(&self.figures.busy_us, busy);
            if let Err(error) = self.sleep() {
                tracing::error!("A thread of connections cannot poll: {error}");
                sleep(FULL_AGAIN);
            }
            began = Instant::now();
        }
    }

    /// An iteration after its poll.
    pub(crate) fn work(&mut self) {
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.event(event);
        }
        self.events = events;
        self.events.clear();
        self.gather.judge();
        self.continue_reading();
        while let Ok(tasks) = self.tasks.pop() {
            self.carry_out(tasks);
        }
        self.continue_handshakes();
        self.report_sent();
        self.deliver();
    }

    /// Sleeps until there is something to do.
    fn sleep(&mut self) -> io::Result<()> {
        let has_more = !self.ready.is_empty() || !self.handshakes.is_empty();
        let may_read = has_more && self.has_block();
        if may_read || self.has_tasks() {
            return self.poll_for(Some(Duration::ZERO));
        }
        let rest = u64::from(self.figures.rest_us.load(Ordering::Relaxed));
        if rest > 0 && self.gather.decide_rest() {
            self.poll_for(Some(Duration::ZERO))?;
            if !self.events.is_empty() || self.has_tasks() {
                return Ok(());
            }
            sleep(Duration::from_micros(rest * u64::from(self.gather.times())));
            self.gather.rested();
            self.poll_for(Some(Duration::ZERO))?;
            if !self.events.is_empty() || self.has_tasks() {
                return Ok(());
            }
        }
        let timeout = if !self.waiting.is_empty() {
            Some(FULL_AGAIN)
        } else if !self.unreported.is_empty() {
            Some(REPORT_WITHIN)
        } else {
            None
        };
        self.waker.begin_sleep();
        if self.has_tasks() {
            self.waker.end_sleep();
            return self.poll_for(Some(Duration::ZERO));
        }
        Figures::add(&self.figures.sleeps, 1);
        let polled = self.poll_for(timeout);
        self.waker.end_sleep();
        self.gather.slept();
        polled
    }

    pub(crate) fn poll_for(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            other => other,
        }
    }

    fn has_tasks(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Adds a report of the last `n` bytes read.
    fn report(&mut self, slot: u32, n: usize, reading: ReadState) {
        let Some(connection) = self
            .connections
            .get_mut(slot as usize)
            .and_then(Option::as_mut)
        else {
            return;
        };
        let generation = connection.generation;
        self.open.reports.push(Report {
            id: ConnectionId { slot, generation },
            start: self.filled as u32,
            len: n as u32,
            sent: std::mem::take(&mut connection.sent) as u32,
            reading,
        });
        self.filled += n;
        if self.open.reports.len() >= REPORTS_MAX {
            self.deliver();
        }
    }

    /// Reports what was sent: many bytes, and reports that the loop asked for, at once; others when
    /// [`REPORT_WITHIN`] is over.
    fn report_sent(&mut self) {
        if self.unreported.is_empty() {
            return;
        }
        let all = self.last_report.elapsed() >= REPORT_WITHIN;
        let unreported = std::mem::take(&mut self.unreported);
        let mut left = Vec::with_capacity(if all { 0 } else { unreported.len() });
        for slot in unreported {
            let Some(connection) = self
                .connections
                .get_mut(slot as usize)
                .and_then(Option::as_mut)
            else {
                continue;
            };
            let wants = connection.wants_report && connection.out.is_empty();
            if connection.sent == 0 && !connection.wants_report {
                // The connection's last read has reported the bytes.
                connection.is_unreported = false;
            } else if all && !connection.wants_report || wants || connection.sent >= REPORT_BYTES {
                connection.wants_report &= !wants;
                connection.is_unreported = connection.wants_report;
                if connection.is_unreported {
                    left.push(slot);
                }
                self.report(slot, 0, ReadState::Continues);
            } else {
                left.push(slot);
            }
        }
        self.unreported = left;
        if all {
            self.last_report = Instant::now();
        }
    }

    /// Sends the batch to the loop if it is not empty.
    fn deliver(&mut self) {
        if !self.open.reports.is_empty() || !self.open.recalled.is_empty() {
            let next = self.served.pop().unwrap_or_default();
            let mut batch = std::mem::replace(&mut self.open, next);
            if self.filled > 0
                && let Some(block) = self.block.take()
            {
                batch.block = block.freeze();
                self.filled = 0;
            }
            self.waiting.push_back(batch);
        }
        let mut has_sent = false;
        while let Some(batch) = self.waiting.pop_front() {
            match self.batches.push(batch) {
                Ok(()) => has_sent = true,
                Err(PushError::Full(batch)) => {
                    self.waiting.push_front(batch);
                    break;
                }
            }
        }
        if has_sent {
            self.loop_waker.wake();
        }
    }

    fn carry_out(&mut self, mut tasks: TaskBatch) {
        let bytes = std::mem::take(&mut tasks.bytes);
        let mut from = 0;
        for count_in_flight in tasks.list.drain(..) {
            match count_in_flight {
                Task::Send(id, len) => {
                    let part = &bytes[from..from + len as usize];
                    from += part.len();
                    self.send(id, part);
                }
                Task::SendAround(id, before, piece, after) => {
                    let (before, after) = (before as usize, after as usize);
                    let own = &bytes[from..from + before + after];
                    from += own.len();
                    let (before, after) = own.split_at(before);
                    self.send_around(id, before, piece, after);
                }
                Task::SendLong(id, pieces) => self.send_long(id, pieces),
                Task::ReadOn(id) => {
                    if let Some(connection) = at(&mut self.connections, id.slot, id.generation) {
                        connection.room = READ_AHEAD;
                        self.read(id.slot);
                    }
                }
                Task::Report(id) => {
                    if let Some(connection) = at(&mut self.connections, id.slot, id.generation) {
                        connection.wants_report = true;
                        queue_report(connection, id.slot, &mut self.unreported);
                    }
                }
                Task::Adopt(id, stream) => self.adopt(id, stream),
                Task::Recall(id) => {
                    if let Some(connection) = at(&mut self.connections, id.slot, id.generation) {
                        connection.is_recalled = true;
                        self.give_back(id.slot);
                    }
                }
                Task::ShutDown(id) => {
                    if let Some(connection) = at(&mut self.connections, id.slot, id.generation) {
                        connection.stream.shut_down();
                    }
                }
                Task::Close(id) => {
                    if let Some(mut connection) = self.remove(id) {
                        connection.stream.deregister(self.poll.registry());
                    }
                    Figures::add(&self.figures.closed, 1);
                }
                Task::Stop => self.stops = true,
            }
        }
        for batch in tasks.spent.drain(..) {
            self.take_back(batch);
        }
        tasks.bytes = bytes;
        tasks.bytes.clear();
        if self.open.spent.len() >= FREE_MAX {
            let counted = tasks.counted;
            tasks = TaskBatch {
                counted,
                ..TaskBatch::default()
            };
        }
        self.open.spent.push(tasks);
    }

    /// Takes back a batch that the loop has served.
    fn take_back(&mut self, mut batch: ReadBatch) {
        let block = std::mem::take(&mut batch.block);
        if self.served.len() < FREE_MAX {
            self.served.push(batch);
        }
        if block.is_empty() {
            return;
        }
        match block.try_into_mut() {
            Ok(block) if block.len() == BLOCK_BYTES => self.free.push(block),
            _ => self.blocks -= 1,
        }
    }

    /// Returns a connection that the loop has recalled, if nothing waits to be sent.
    fn give_back(&mut self, slot: u32) {
        let entry = &mut self.connections[slot as usize];
        let Some(mut connection) =
            entry.take_if(|connection| connection.is_recalled && connection.out.is_empty())
        else {
            return;
        };
        connection.stream.deregister(self.poll.registry());
        let generation = connection.generation;
        self.open
            .recalled
            .push((ConnectionId { slot, generation }, connection.stream));
        self.deliver();
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        at(&mut self.connections, id.slot, id.generation)?;
        self.connections[id.slot as usize].take()
    }

    fn adopt(&mut self, id: ConnectionId, mut stream: Stream) {
        let token = Target::client(id.slot, id.generation).into();
        let registered = stream.register(self.poll.registry(), token);
        let at = id.slot as usize;
        if self.connections.len() <= at {
            self.connections.resize_with(at + 1, || None);
        }
        self.connections[at] = Some(Connection {
            stream,
            generation: id.generation,
            out: OutgoingQueue::default(),
            room: READ_AHEAD,
            sent: 0,
            is_armed: false,
            is_ready: false,
            in_handshakes: false,
            is_unreported: false,
            wants_report: false,
            peer_closed: false,
            is_over: registered.is_err(),
            is_recalled: false,
            seen_in: 0,
        });
        match registered {
            // Bytes that came before are read now: under TLS no event announces them.
            Ok(()) => self.read(id.slot),
            Err(error) => self.report(id.slot, 0, ReadState::Broken(error)),
        }
    }
}

fn at(
    connections: &mut [Option<Connection>],
    slot: u32,
    generation: u32,
) -> Option<&mut Connection> {
    let connection = connections.get_mut(slot as usize)?.as_mut()?;
    (connection.generation == generation).then_some(connection)
}

/// Queues a connection that has bytes to report.
fn queue_report(connection: &mut Connection, slot: u32, unreported: &mut Vec<u32>) {
    if !connection.is_unreported {
        connection.is_unreported = true;
        unreported.push(slot);
    }
}
