//! The I/O threads of this server (`net::io_thread`): threads that read and write for clients.
//!
//! Invariants
//!   1. A session whose stream is carried is a connection of the I/O thread that the stream names,
//!      under the session's slot and generation, until [`IoThreads::close`] or its return.
//!   2. A connection's reports are served in their order: first the reports of batches that are
//!      being served, then late reports, then the reports of further batches.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use russet_net::io_thread::scaling::{Advice, Scaling, Spread, spread};
use russet_net::io_thread::{
    ConnectionId, DeferredReads, IoThread, ReadBatch, Report, ThreadWaker,
};
use russet_net::{Role, Stream, Target};

use crate::clients::client::ClientFlags;
use crate::clients::session::Session;
use crate::clients::table::Clients;

/// Connections that an I/O thread must have more than another I/O thread before some are moved.
const UNEVEN_MIN: usize = 4;
/// A socket that is wanted at once has come within this time.
const FETCH_WITHIN: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub struct IoThreads {
    all: Vec<IoThread>,
    /// The loop's, once there was an I/O thread.
    waker: Option<Arc<ThreadWaker>>,
    /// Clients are given to I/O threads when their turn comes.
    pub(crate) takes_clients: bool,
    /// A ring was full: tasks wait here.
    is_full: bool,
    /// Reads and writes of I/O threads that have ended.
    ended: (u64, u64),
    /// Whether the last I/O thread is to end, when it has no connection.
    retires: bool,
    scaling: Scaling,
    /// Batches that came while a socket was fetched, each with its I/O thread's index.
    fetched: VecDeque<(usize, ReadBatch)>,
    /// Parts of batches for clients that were in the middle of a command.
    deferred: VecDeque<ReadBatch>,
    /// The batches that are being served. A busy script's guest serves the rest of the loop's, and
    /// its own after that.
    serving: Vec<ServedBatch>,
    /// At the last tick: the clock, the microseconds of turns, and of each I/O thread's work.
    last: (u64, u64, Vec<u64>),
    /// The shares of the time before the last tick in which the loop and each I/O thread were busy.
    shares: (f64, Vec<f64>),
    /// The number of the I/O thread that hands connections to others now.
    overloaded: Option<u32>,
}

/// A batch that is being served.
#[derive(Debug)]
struct ServedBatch {
    /// The index of the batch's I/O thread; `None`: the block is no I/O thread's.
    at: Option<usize>,
    batch: ReadBatch,
    /// The next report.
    next: usize,
}

/// The place of a session, as I/O threads name it.
fn id_of(session: &Session) -> ConnectionId {
    ConnectionId {
        slot: session.slot,
        generation: session.generation,
    }
}

impl IoThreads {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// All of them, by their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &IoThread> {
        self.all.iter()
    }

    /// Starts a further I/O thread, which wakes the poll of `registry`.
    pub fn start(&mut self, registry: &mio::Registry, rest_us: u32) -> io::Result<()> {
        let waker = match &self.waker {
            Some(waker) => Arc::clone(waker),
            None => {
                let waker = ThreadWaker::new(registry, Target::lasting(Role::IoThreads, 0).into())?;
                Arc::clone(self.waker.insert(waker))
            }
        };
        let number = self.all.len() as u32 + 1;
        self.all.push(IoThread::start(number, waker, rest_us)?);
        Ok(())
    }

    /// The I/O thread of a session's socket.
    fn of(&mut self, session: &Session) -> Option<&mut IoThread> {
        let number = session.stream.as_ref()?.io_thread()?;
        self.all.get_mut(number as usize - 1)
    }

    /// Gives a session's socket, which is in no poll, to the I/O thread with the fewest
    /// connections, among I/O threads that are not overloaded.
    pub fn adopt(&mut self, session: &mut Session) {
        let staying = self.all.len() - usize::from(self.retires);
        let overloaded = self.overloaded;
        let fewest = self.all[..staying].iter_mut().min_by_key(|io_thread| {
            (
                Some(io_thread.number()) == overloaded,
                io_thread.connections(),
            )
        });
        if let Some(io_thread) = fewest
            && let Some(stream) = session.stream.take()
        {
            session.client.io_thread = io_thread.number();
            session.stream = Some(io_thread.adopt(id_of(session), stream));
        }
    }

    /// Collects the replies written to a session, and the orders for its I/O thread.
    #[inline]
    pub fn collect(&mut self, session: &mut Session) {
        let id = id_of(session);
        if let Some(Stream::Handoff(handoff)) = &mut session.stream
            && let Some(io_thread) = self.all.get_mut(handoff.io_thread() as usize - 1)
        {
            io_thread.collect(id, handoff);
            session.client.buffers.count_handoff(handoff);
        }
    }

    /// Ends a session's connection in both directions, now.
    pub(crate) fn shut_down(&mut self, session: &mut Session) {
        self.collect(session);
        let id = id_of(session);
        if let Some(io_thread) = self.of(session) {
            io_thread.shut_down(id);
            self.post();
        }
    }

    /// Has a session's socket closed; `false`: it is not an I/O thread's.
    pub(crate) fn close(&mut self, session: &mut Session) -> bool {
        self.collect(session);
        let id = id_of(session);
        let buffers = &session.client.buffers;
        let memory = match buffers.in_flight {
            0 => 0,
            _ => buffers.at_io_thread,
        };
        let Some(io_thread) = self.of(session) else {
            return false;
        };
        io_thread.close(id, memory);
        session.stream = None;
        true
    }

    /// Asks for a session's socket.
    pub(crate) fn recall(&mut self, session: &mut Session) {
        let id = id_of(session);
        if let Some(Stream::Handoff(handoff)) = &mut session.stream
            && !handoff.is_recalled()
            && let Some(io_thread) = self.all.get_mut(handoff.io_thread() as usize - 1)
        {
            io_thread.recall(id, handoff);
        }
    }

    /// Takes a session's socket back at once, into the poll of this registry. This takes a round of
    /// the session's I/O thread; reports of other connections that come meanwhile are served later.
    pub(crate) fn fetch(&mut self, session: &mut Session, registry: &mio::Registry) {
        if session.client.io_thread == 0 || !self.wait_for_socket(session) {
            return;
        }
        let token = Target::client(session.slot, session.generation).into();
        if let Some(stream) = &mut session.stream
            && stream.register(registry, token).is_err()
        {
            session.client.flags.insert(ClientFlags::CLOSE_ASAP);
        }
    }

    /// Waits until a session's socket is back. `false`: it is not within a second.
    fn wait_for_socket(&mut self, session: &mut Session) -> bool {
        self.recall(session);
        self.post();
        let id = id_of(session);
        let give = |session: &mut Session, block: &Bytes, report: Report| {
            let bytes = &block[report.start as usize..][..report.len as usize];
            session.input.give(bytes.to_vec());
        };
        for ServedBatch { batch, next, .. } in &mut self.serving {
            let left = batch.reports[*next..].iter_mut();
            for report in left.filter(|report| report.id == id) {
                give(session, &batch.block, report.take());
            }
        }
        let began = Instant::now();
        while began.elapsed() < FETCH_WITHIN {
            let Some(io_thread) = self.of(session) else {
                return true;
            };
            let at = io_thread.number() as usize - 1;
            let Some(mut batch) = io_thread.take() else {
                std::thread::yield_now();
                continue;
            };
            for report in batch.reports.extract_if(.., |report| report.id == id) {
                give(session, &batch.block, report);
            }
            let mine = batch.recalled.iter().position(|(at, _)| *at == id);
            let mine = mine.map(|index| batch.recalled.remove(index));
            self.fetched.push_back((at, batch));
            if let Some((_, socket)) = mine {
                self.returned(session, socket);
                return true;
            }
        }
        false
    }

    /// Begins to serve the next batch of an I/O thread, first the batches that came with a fetched
    /// socket. `false`: there is none.
    #[inline]
    pub fn begin(&mut self, at: usize) -> bool {
        let fetched = self.fetched.iter().position(|(of, _)| *of == at);
        let batch = match fetched.and_then(|index| self.fetched.remove(index)) {
            Some((_, batch)) => Some(batch),
            None => self.all.get_mut(at).and_then(IoThread::take),
        };
        self.serve(Some(at), batch)
    }

    /// Begins to serve the reports that came for clients in the middle of a command. `false`: there
    /// is nothing.
    #[inline]
    pub(crate) fn begin_deferred(&mut self) -> bool {
        let batch = self.deferred.pop_front();
        self.serve(None, batch)
    }

    fn serve(&mut self, at: Option<usize>, batch: Option<ReadBatch>) -> bool {
        let serving = batch.map(|batch| ServedBatch { at, batch, next: 0 });
        let is_there = serving.is_some();
        self.serving.extend(serving);
        is_there
    }

    /// The block, and all reports, of the batch that is being served.
    #[inline]
    pub fn served(&self) -> Option<(&Bytes, &[Report])> {
        let batch = &self.serving.last()?.batch;
        Some((&batch.block, &batch.reports))
    }

    /// The next report of the batch that is being served.
    #[inline]
    pub(crate) fn next_report(&mut self) -> Option<Report> {
        let serving = self.serving.last_mut()?;
        let report = serving.batch.reports.get_mut(serving.next)?.take();
        serving.next += 1;
        Some(report)
    }

    /// A report of the batch that is being served, not served itself: it comes before all later
    /// reports of its connection.
    #[cold]
    pub(crate) fn defer(&mut self, report: Report) {
        let mut deferred = DeferredReads::default();
        if let Some(serving) = self.serving.last() {
            deferred.add(&serving.batch.block, report);
        }
        self.deferred.extend(deferred.into_batch());
    }

    /// As [`IoThreads::defer`], for a socket that has come back.
    #[cold]
    pub(crate) fn defer_socket(&mut self, id: ConnectionId, socket: Stream) {
        let mut deferred = DeferredReads::default();
        deferred.recalled(id, socket);
        self.deferred.extend(deferred.into_batch());
    }

    /// For a guest: the reports that are left of the loop's batch, of connections for which
    /// `is_free`.
    pub(crate) fn take_reports(&mut self, is_free: impl Fn(ConnectionId) -> bool) -> Vec<Report> {
        let Some(ServedBatch { batch, next, .. }) = self.serving.last_mut() else {
            return Vec::new();
        };
        let left = batch.reports[*next..].iter_mut();
        let free = left.filter(|report| is_free(report.id));
        free.map(Report::take).collect()
    }

    /// The next socket that the batch that is being served has brought back, of a connection for
    /// which `is_free`.
    #[inline]
    pub(crate) fn next_recalled(
        &mut self,
        is_free: impl Fn(ConnectionId) -> bool,
    ) -> Option<(ConnectionId, Stream)> {
        let recalled = &mut self.serving.last_mut()?.batch.recalled;
        let free = recalled.iter().position(|(id, _)| is_free(*id))?;
        Some(recalled.remove(free))
    }

    /// The batch that is being served is at its end: returns it to its I/O thread, and copies the
    /// bytes of its block that a connection has not taken.
    #[inline]
    pub fn end(&mut self, clients: &mut Clients) {
        let Some(ServedBatch { at, batch, .. }) = self.serving.pop() else {
            return;
        };
        if !batch.block.is_unique() {
            for report in &batch.reports {
                let id = report.id;
                let session = clients.at_mut(id.slot);
                let session = session.filter(|session| session.generation == id.generation);
                if let Some(handoff) = session.and_then(|s| s.stream.as_mut()?.handoff()) {
                    handoff.keep();
                }
            }
        }
        if let Some(io_thread) = at.and_then(|at| self.all.get_mut(at)) {
            io_thread.give_back(batch);
        }
    }

    /// A session's socket has come back.
    pub(crate) fn returned(&mut self, session: &mut Session, socket: Stream) {
        if let Some(io_thread) = self.of(session) {
            io_thread.returned();
        }
        if let Some(Stream::Handoff(handoff)) = &mut session.stream {
            session.input.give(handoff.take_unread());
        }
        session.stream = Some(socket);
        session.client.io_thread = 0;
        session.client.buffers.in_flight = 0;
        session.client.buffers.at_io_thread = 0;
        session.write_armed = false;
        session.more_to_read = true;
    }

    /// A tick of cron, `now_us` on the clock, after turns of so many microseconds: measures how
    /// busy the loop and the I/O threads were since the last tick.
    pub fn measure(&mut self, now_us: u64, turns_us: u64) {
        let busy = |io_thread: &IoThread| io_thread.figures().busy_us.load(Relaxed);
        let works: Vec<u64> = self.all.iter().map(busy).collect();
        let (then_us, turns_then, works_then) =
            std::mem::replace(&mut self.last, (now_us, turns_us, works));
        let span = now_us.saturating_sub(then_us).max(1) as f64;
        let share = |now: u64, before: u64| now.saturating_sub(before) as f64 / span;
        let works = self.last.2.iter().zip(works_then.iter().chain([&u64::MAX]));
        self.shares.0 = share(turns_us, turns_then);
        self.shares.1 = works.map(|(now, before)| share(*now, *before)).collect();
    }

    /// The change of the number of I/O threads, of which there may be `most`.
    pub(crate) fn advise(&mut self, most: usize, are_active: impl Fn(usize) -> bool) -> Advice {
        let (of_loop, io_threads) = &self.shares;
        self.scaling.advise(*of_loop, io_threads, most, are_active)
    }

    /// The last I/O thread is to end: its connections are asked for. Ends it if it has none.
    pub(crate) fn retire(&mut self, clients: &mut Clients) {
        self.retires = false;
        let Some(last) = self.all.last() else {
            return;
        };
        let number = last.number();
        if last.connections() > 0 || self.have_batches() {
            self.retires = true;
            self.takes_clients = self.all.len() > 1;
            for session in clients.iter_mut() {
                if session.client.io_thread == number {
                    self.recall(session);
                }
            }
        } else if let Some(io_thread) = self.all.pop() {
            let figures = io_thread.figures();
            self.ended.0 += figures.reads.load(Relaxed);
            self.ended.1 += figures.writes.load(Relaxed);
            self.takes_clients = !self.all.is_empty();
            io_thread.stop();
        }
    }

    /// Whether an I/O thread is about to end.
    pub(crate) fn retires(&self) -> bool {
        self.retires
    }

    /// Evens out the I/O threads' work, by how busy they were; if none was busy, their connections.
    pub(crate) fn even_out(&mut self, clients: &mut Clients, is_active: impl Fn(&Session) -> bool) {
        self.overloaded = None;
        match spread(&self.shares.1) {
            Spread::Even => {}
            Spread::Idle => self.even_out_connections(clients),
            Spread::Uneven(at, part) => {
                let Some(number) = self.all.get(at).map(IoThread::number) else {
                    return;
                };
                let its = |session: &&mut Session| {
                    session.client.io_thread == number && is_active(session)
                };
                let mut active: Vec<_> = clients.iter_mut().filter(its).collect();
                // A connection that keeps an I/O thread busy by itself stays, because it would keep
                // another I/O thread as busy.
                let moved = (active.len() as f64 * part) as usize;
                if moved > 0 {
                    self.overloaded = Some(number);
                }
                for session in &mut active[..moved] {
                    self.recall(session);
                }
            }
        }
    }

    /// Asks the I/O thread with the most connections to give some away: up to half of the
    /// difference to the I/O thread with the fewest.
    fn even_out_connections(&mut self, clients: &mut Clients) {
        let count = |io_thread: &&IoThread| io_thread.connections();
        let (Some(most), Some(fewest)) = (
            self.all.iter().max_by_key(count),
            self.all.iter().min_by_key(count),
        ) else {
            return;
        };
        let (number, most, fewest) = (most.number(), most.connections(), fewest.connections());
        if most < fewest + fewest / 4 + UNEVEN_MIN {
            return;
        }
        let moved = clients
            .iter_mut()
            .filter(|session| session.client.io_thread == number)
            .take((most - fewest) / 2);
        moved.for_each(|session| self.recall(session));
    }

    /// Sends all tasks.
    #[inline]
    pub(crate) fn post(&mut self) {
        self.is_full = false;
        for io_thread in &mut self.all {
            self.is_full |= !io_thread.post();
        }
    }

    /// Whether tasks wait for room in a ring.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether any has something for the loop.
    #[inline]
    pub(crate) fn have_batches(&self) -> bool {
        !self.fetched.is_empty()
            || !self.deferred.is_empty()
            || self.all.iter().any(IoThread::has_batches)
    }

    /// The loop is about to sleep; `false`: there is something for it.
    pub(crate) fn begin_sleep(&self) -> bool {
        let Some(waker) = &self.waker else {
            return true;
        };
        waker.begin_sleep();
        if self.have_batches() {
            waker.end_sleep();
            return false;
        }
        true
    }

    /// The loop is awake.
    pub(crate) fn end_sleep(&self) {
        if let Some(waker) = &self.waker {
            waker.end_sleep();
        }
    }

    /// Memory for replies on their way through I/O threads, beyond their initial room: the initial
    /// room and the blocks count as any memory does. O(I/O threads).
    pub fn memory_bytes(&self) -> usize {
        self.all.iter().map(IoThread::memory_bytes).sum()
    }

    /// Reads and writes of all I/O threads so far.
    pub(crate) fn reads_and_writes(&self) -> (u64, u64) {
        self.all
            .iter()
            .fold(self.ended, |(reads, writes), io_thread| {
                let figures = io_thread.figures();
                (
                    reads + figures.reads.load(Relaxed),
                    writes + figures.writes.load(Relaxed),
                )
            })
    }

    /// Ends all I/O threads, with their connections.
    pub fn stop(&mut self) {
        self.all.drain(..).for_each(IoThread::stop);
    }
}
