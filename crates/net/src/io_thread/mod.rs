//! Couriers: threads that read and write for the loop, TLS included. The loop keeps all that is
//! said; a courier has the sockets that it was given, and nothing else.
//!
//!     loop     Stream::Carried  --Orders-->  courier: Rounds with a poll of its own
//!              (bytes, no socket) <--Parcel--         Wire (socket, TLS, replies not sent yet)
//!
//! Two rings of messages for each courier, one each way, bounded, without locks. A socket belongs
//! to one thread at a time and moves by message ([`Courier::adopt`], [`Courier::recall`]). To the
//! loop a carried connection is a [`Stream`] like any other: reads give what has come, writes fill
//! up to a window, and the courier's reports take the place of the poll's events.
//!
//! No thread waits for a full ring. The loop keeps the orders that did not fit and adds to them; a
//! courier keeps its parcels and reads nothing before they are gone. A courier has
//! [`worker::BLOCKS_MAX`] blocks to read into and waits for the loop to return them, so bytes that
//! the loop does not take stay in the kernel.
//!
//! Cost a request: no system call of the loop; 20 to 40 bytes of report and order, and a copy of
//! the request and the reply. A courier that has nothing to do sleeps without a timer.

pub(crate) mod handoff;
mod message;
pub mod scaling;
mod sleep_flag;
mod waker;
pub(crate) mod worker;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

pub use self::handoff::Carried;
pub use self::message::{Late, Parcel, Place, Report, Then};
pub use self::waker::Bell;

use self::message::{Order, Orders};
use self::worker::Rounds;
use crate::outside::atomic::{self, AtomicU32, AtomicU64, Ordering};
use crate::outside::{
    Consumer, JoinHandle, Producer, PushError, RING, RingBuffer, start, yield_now,
};
use crate::stream::Stream;

/// Orders that were carried out and are kept for the next ones.
const FREE_MAX: usize = 8;
/// Bytes of replies that such orders keep room for.
const KEPT_BYTES: usize = 256 * 1024;

/// Figures of a courier, which it counts and others read.
#[derive(Debug, Default)]
pub struct Figures {
    /// Reads that brought bytes.
    pub reads: AtomicU64,
    /// Writes that took bytes.
    pub writes: AtomicU64,
    /// Times that it slept.
    pub sleeps: AtomicU64,
    /// Microseconds that it worked.
    pub busy_us: AtomicU64,
    /// Orders to close a connection that were carried out.
    closed: AtomicU64,
    /// Microseconds that it rests where many connections are active, set by the loop.
    pub rest_us: AtomicU32,
}

impl Figures {
    fn add(counter: &AtomicU64, n: u64) {
        // One thread writes it.
        counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }
}

/// The loop's end of a courier.
#[derive(Debug)]
pub struct Courier {
    number: u32,
    orders: Producer<Orders>,
    parcels: Consumer<Parcel>,
    bell: Arc<Bell>,
    figures: Arc<Figures>,
    thread: Option<JoinHandle<()>>,
    /// The orders that are sent next.
    open: Orders,
    /// A block goes back with them, which the courier may wait for.
    returns_block: bool,
    /// Empty ones.
    free: Vec<Orders>,
    /// Memory of the orders that have been sent and have not come back.
    away: usize,
    /// Unsent replies of connections that are ordered to be closed, each with the number of its
    /// order, oldest first.
    closing: VecDeque<(u64, usize)>,
    /// Orders to close a connection so far.
    closes: u64,
    /// Connections that it has.
    connections: usize,
}

impl Courier {
    /// Starts a courier: `number` is at least 1, and `bell` is the loop's.
    ///
    /// Error: the system has no thread or no descriptor left.
    pub fn start(number: u32, bell: Arc<Bell>, rest_us: u32) -> io::Result<Courier> {
        let (mut courier, rounds) = Courier::pair(number, bell, rest_us, RING)?;
        let thread = start(&format!("io-{number}"), move || rounds.run())?;
        courier.thread = Some(thread);
        Ok(courier)
    }

    /// Both ends, with rings for `room` messages each.
    pub(crate) fn pair(
        number: u32,
        bell: Arc<Bell>,
        rest_us: u32,
        room: usize,
    ) -> io::Result<(Courier, Rounds)> {
        let (order_in, order_out) = RingBuffer::new(room);
        let (parcel_in, parcel_out) = RingBuffer::new(room);
        let figures = Arc::<Figures>::default();
        figures.rest_us.store(rest_us, Ordering::Relaxed);
        let rounds = Rounds::new(order_out, parcel_in, bell, Arc::clone(&figures))?;
        let courier = Courier {
            number,
            orders: order_in,
            parcels: parcel_out,
            bell: rounds.bell(),
            figures,
            thread: None,
            open: Orders::roomy(),
            returns_block: false,
            free: (0..FREE_MAX).map(|_| Orders::roomy()).collect(),
            away: 0,
            closing: VecDeque::new(),
            closes: 0,
            connections: 0,
        };
        Ok((courier, rounds))
    }

    /// Its number, from 1 on.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its counters.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Connections that it has.
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// Memory that it has from the start, and for the sockets of its connections: blocks, rings,
    /// and the room of messages.
    pub fn own_bytes(&self) -> usize {
        let orders = (FREE_MAX + 1) * Orders::ROOMY;
        let rings = RING * (size_of::<Orders>() + size_of::<Parcel>());
        orders + rings + Rounds::OWN_BYTES + self.connections * Rounds::WIRE_BYTES
    }

    /// Memory for replies on their way through it, beyond what it has from the start, and without
    /// those of the connections that it has: orders, and replies of connections that it is to
    /// close. O(free orders, and these).
    pub fn memory_bytes(&self) -> usize {
        let closed = self.figures.closed.load(Ordering::Relaxed);
        let closing = self.closing.iter().rev();
        let closing = closing.take_while(|(number, _)| *number > closed);
        let closing: usize = closing.map(|(_, bytes)| bytes).sum();
        let free: usize = self.free.iter().map(Orders::memory_bytes).sum();
        closing + self.away + self.open.memory_bytes() + free
    }

    /// Gives it a connection, which is in no poll; returns the loop's end. It goes on with a
    /// handshake, and the first report of its end says who the peer is ([`Then::Secured`]).
    pub fn adopt(&mut self, place: Place, stream: Stream) -> Stream {
        let carried = Carried::new(self.number, stream.fd(), stream.is_handshaking());
        self.open.list.push(Order::Adopt(place, stream));
        self.connections += 1;
        Stream::Carried(Box::new(carried))
    }

    /// Takes along what was written to a connection, and what its courier is to do.
    #[inline]
    pub fn collect(&mut self, place: Place, carried: &mut Carried) {
        if !carried.has_orders() {
            return;
        }
        let list = &mut self.open.list;
        if let Some((before, piece)) = carried.take_lone_piece() {
            let after = carried.out.len() - before;
            list.push(Order::SendAround(place, before as u32, piece, after as u32));
            self.open.bytes.extend_from_slice(&carried.out);
            carried.copied();
        } else if !carried.is_short() {
            list.push(Order::SendLong(place, carried.take_out()));
        } else if !carried.out.is_empty() {
            list.push(Order::Send(place, carried.out.len() as u32));
            self.open.bytes.extend_from_slice(&carried.out);
            carried.copied();
        }
        if carried.takes_more() {
            list.push(Order::ReadOn(place));
        }
        if carried.takes_report() {
            list.push(Order::Report(place));
        }
    }

    /// Asks for a connection: a parcel brings it back, after all that was read of it and once all
    /// that was written is sent ([`Courier::returned`]).
    pub fn recall(&mut self, place: Place, carried: &mut Carried) {
        self.collect(place, carried);
        carried.recall();
        self.open.list.push(Order::Recall(place));
    }

    /// A connection has come back, or has been closed here.
    pub fn returned(&mut self) {
        self.connections -= 1;
    }

    /// Ends a connection in both directions, without closing the socket.
    pub fn shut_down(&mut self, place: Place) {
        self.open.list.push(Order::ShutDown(place));
    }

    /// Closes a connection, after its socket has taken what it takes at once. `memory`: bytes that
    /// replies hold which the socket is not known to have taken.
    pub fn close(&mut self, place: Place, memory: usize) {
        self.closes += 1;
        if memory > 0 {
            let closed = self.figures.closed.load(Ordering::Relaxed);
            let is_closed = |(number, _): &mut (u64, usize)| *number <= closed;
            while self.closing.pop_front_if(is_closed).is_some() {}
            self.closing.push_back((self.closes, memory));
        }
        self.open.list.push(Order::Close(place));
        self.returned();
    }

    /// Sends the orders, if there are any. `false`: the ring is full, and they wait here.
    pub fn post(&mut self) -> bool {
        if self.open.list.is_empty() && !self.returns_block {
            return true;
        }
        let next = self.free.pop().unwrap_or_default();
        self.open.counted = self.open.memory_bytes();
        let counted = self.open.counted;
        match self.orders.push(std::mem::replace(&mut self.open, next)) {
            Ok(()) => {
                self.returns_block = false;
                self.away += counted;
                self.bell.ring();
                true
            }
            Err(PushError::Full(orders)) => {
                self.free.push(std::mem::replace(&mut self.open, orders));
                false
            }
        }
    }

    /// Whether a parcel is there.
    #[inline]
    pub fn has_parcels(&self) -> bool {
        !self.parcels.is_empty()
    }

    /// The next parcel.
    pub fn take(&mut self) -> Option<Parcel> {
        let mut parcel = self.parcels.pop().ok()?;
        for mut orders in parcel.spent.drain(..) {
            self.away -= orders.counted;
            if self.free.len() < FREE_MAX {
                orders.bytes.shrink_to(KEPT_BYTES);
                self.free.push(orders);
            }
        }
        Some(parcel)
    }

    /// Returns a parcel that was served, of whose block no connection keeps a part. All of it goes
    /// back: memory that one thread frees for the other is missing in the loop's own balance.
    pub fn give_back(&mut self, mut parcel: Parcel) {
        self.returns_block |= !parcel.block.is_empty();
        parcel.reports.clear();
        if !parcel.block.is_empty() || self.open.spent.len() < FREE_MAX {
            self.open.spent.push(parcel);
        }
    }

    /// Applies a report to the connection that it names: its bytes can be read, and what was sent
    /// counts no more. Whether there is room for more replies again.
    #[inline]
    pub fn deliver(block: &bytes::Bytes, report: &mut Report, carried: &mut Carried) -> bool {
        if report.len > 0 {
            let start = report.start as usize;
            carried.push(block.slice(start..start + report.len as usize));
        }
        match std::mem::replace(&mut report.then, Then::Continues) {
            Then::Continues => {}
            Then::Secured(certificate) => carried.secure(certificate),
            Then::Waits => carried.wait(),
            Then::Ended => carried.close(),
            Then::Broken(error) => carried.fail(error),
        }
        carried.sent(report.sent as usize)
    }

    /// Ends the thread: it carries out all orders first, and closes its connections.
    pub fn stop(mut self) {
        self.open.list.push(Order::Stop);
        let Some(thread) = self.thread.take() else {
            return;
        };
        while !self.post() && !thread.is_finished() {
            // It empties its ring without waiting for anything.
            yield_now();
        }
        let _ = thread.join();
    }
}
