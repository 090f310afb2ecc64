//! The work of a courier, round after round.
//!
//!     orders     adopt, send, read on, close
//!     handshakes a share of the round, at least one step
//!     reports    connections that have sent all they were to send
//!     poll       without sleep if reads are left; else rest where many are active, else sleep
//!     read       one read for each readable connection, into one block
//!     deliver    the block and its reports, after every [`REPORTS_MAX`] of them
//!
//! `reading` has the reads and handshakes, `sending` the writes, `outgoing` what a socket did not
//! take.
//!
//! Invariants
//!   1. A connection is read for [`READ_AHEAD`] bytes; then it waits until the loop has taken them.
//!   2. Bytes sent are reported with the connection's next read, or within [`REPORT_WITHIN`].
//!   3. The courier sleeps only if it has no parcel that the ring did not take.

mod outgoing;
mod reading;
mod sending;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use self::outgoing::Outgoing;
use super::message::{BLOCK_BYTES, Order, Orders, Parcel, Place, Report, Then, new_block};
use super::{Bell, FREE_MAX, Figures};
use crate::gather::Gather;
use crate::outside::atomic::Ordering;
use crate::outside::{Consumer, Events, Instant, Poll, Producer, PushError, sleep};
use crate::stream::Stream;
use crate::token::{Role, Target};

/// Blocks of a courier, at the loop or here.
pub(super) const BLOCKS_MAX: usize = 8;
/// Bytes that the loop has not taken of one connection, at most.
const READ_AHEAD: usize = 64 * 1024;
/// A block with less room is delivered.
const ROOM_MIN: usize = 4096;
/// Reports of a parcel, at most: the loop begins with the first ones while others are read.
const REPORTS_MAX: usize = 64;
/// Bytes sent that are reported at once.
const REPORT_BYTES: usize = 64 * 1024;
/// Other bytes sent are reported within this time.
const REPORT_WITHIN: Duration = Duration::from_millis(5);
/// A round's share for handshakes, as the loop's: their steps cost up to a millisecond each.
const HANDSHAKES: Duration = Duration::from_micros(200);
/// A ring that is full is tried again after this time.
const FULL_AGAIN: Duration = Duration::from_millis(1);
const EVENTS: usize = 1024;
/// Bytes of an event of epoll.
const EVENT_BYTES: usize = 12;
/// Pieces of one write, at most.
const PIECES_MAX: usize = 16;

/// A connection.
struct Wire {
    stream: Stream,
    generation: u32,
    /// Replies that the socket did not take.
    out: Outgoing,
    /// Bytes that may be read before the loop has taken all.
    room: usize,
    /// Bytes sent and not reported.
    sent: usize,
    /// The poll reports when it is writable.
    is_armed: bool,
    /// It is in the list of those to be read.
    is_ready: bool,
    /// It is in the list of those whose handshake goes on.
    is_shaking: bool,
    /// It is in the list of those with bytes to report.
    is_noted: bool,
    /// A report is wanted once all is sent.
    wants_report: bool,
    /// The peer sends no more: reading goes on until the end is read.
    peer_closed: bool,
    /// The end, or an error, was reported: nothing is read.
    is_over: bool,
    /// The loop wants it back.
    is_recalled: bool,
    seen_in: u32,
}

/// See the module.
pub(crate) struct Rounds {
    poll: Poll,
    events: Events,
    wires: Vec<Option<Wire>>,
    /// Slots of connections that may have more to read.
    ready: VecDeque<u32>,
    /// Slots of connections whose handshake may have something to read.
    shaking: VecDeque<u32>,
    /// Slots of connections with bytes to report.
    noted: Vec<u32>,
    last_report: Instant,
    orders: Consumer<Orders>,
    parcels: Producer<Parcel>,
    /// Parcels that the ring did not take.
    waiting: VecDeque<Parcel>,
    /// The parcel that is filled; its block, filled up to `filled`.
    open: Parcel,
    block: Option<BytesMut>,
    filled: usize,
    /// Served ones, empty.
    served: Vec<Parcel>,
    /// Blocks that are free, and all there are.
    free: Vec<BytesMut>,
    blocks: usize,
    bell: Arc<Bell>,
    loop_bell: Arc<Bell>,
    gather: Gather,
    figures: Arc<Figures>,
    stops: bool,
}

impl Rounds {
    /// Bytes that it has from the start: blocks, parcels, and the events of a poll.
    pub(super) const OWN_BYTES: usize = BLOCKS_MAX * BLOCK_BYTES
        + (FREE_MAX + 1) * REPORTS_MAX * size_of::<Report>()
        + EVENTS * EVENT_BYTES;
    /// Bytes of a connection.
    pub(super) const WIRE_BYTES: usize = size_of::<Option<Wire>>();

    pub(super) fn new(
        orders: Consumer<Orders>,
        parcels: Producer<Parcel>,
        loop_bell: Arc<Bell>,
        figures: Arc<Figures>,
    ) -> io::Result<Rounds> {
        let poll = Poll::new()?;
        let token = Target::lasting(Role::Couriers, 0).into();
        let bell = Bell::new(poll.registry(), token)?;
        Ok(Rounds {
            poll,
            events: Events::with_capacity(EVENTS),
            wires: Vec::new(),
            ready: VecDeque::new(),
            shaking: VecDeque::new(),
            noted: Vec::new(),
            last_report: Instant::now(),
            orders,
            parcels,
            waiting: VecDeque::new(),
            open: Parcel::roomy(REPORTS_MAX),
            block: None,
            filled: 0,
            // All at once: used memory does not grow by them as traffic comes.
            served: (0..FREE_MAX).map(|_| Parcel::roomy(REPORTS_MAX)).collect(),
            free: (0..BLOCKS_MAX).map(|_| new_block()).collect(),
            blocks: BLOCKS_MAX,
            bell,
            loop_bell,
            gather: Gather::threaded(),
            figures,
            stops: false,
        })
    }

    pub(super) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// Works until the order to stop.
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

    /// A round after its poll.
    pub(crate) fn work(&mut self) {
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.event(event);
        }
        self.events = events;
        self.events.clear();
        self.gather.judge();
        self.continue_reading();
        while let Ok(orders) = self.orders.pop() {
            self.carry_out(orders);
        }
        self.shake_hands();
        self.report_sent();
        self.deliver();
    }

    /// Sleeps until there is something to do.
    fn sleep(&mut self) -> io::Result<()> {
        let has_more = !self.ready.is_empty() || !self.shaking.is_empty();
        let may_read = has_more && self.has_block();
        if may_read || self.has_orders() {
            return self.poll_for(Some(Duration::ZERO));
        }
        let rest = u64::from(self.figures.rest_us.load(Ordering::Relaxed));
        if rest > 0 && self.gather.wants_rest() {
            self.poll_for(Some(Duration::ZERO))?;
            if !self.events.is_empty() || self.has_orders() {
                return Ok(());
            }
            sleep(Duration::from_micros(rest * u64::from(self.gather.times())));
            self.gather.rested();
            self.poll_for(Some(Duration::ZERO))?;
            if !self.events.is_empty() || self.has_orders() {
                return Ok(());
            }
        }
        let timeout = if !self.waiting.is_empty() {
            Some(FULL_AGAIN)
        } else if !self.noted.is_empty() {
            Some(REPORT_WITHIN)
        } else {
            None
        };
        self.bell.lie_down();
        if self.has_orders() {
            self.bell.get_up();
            return self.poll_for(Some(Duration::ZERO));
        }
        Figures::add(&self.figures.sleeps, 1);
        let polled = self.poll_for(timeout);
        self.bell.get_up();
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

    fn has_orders(&self) -> bool {
        !self.orders.is_empty()
    }

    /// Adds a report of the last `n` bytes read.
    fn report(&mut self, slot: u32, n: usize, then: Then) {
        let Some(wire) = self.wires.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        let generation = wire.generation;
        self.open.reports.push(Report {
            place: Place { slot, generation },
            start: self.filled as u32,
            len: n as u32,
            sent: std::mem::take(&mut wire.sent) as u32,
            then,
        });
        self.filled += n;
        if self.open.reports.len() >= REPORTS_MAX {
            self.deliver();
        }
    }

    /// Reports what was sent: what is much or asked for at once, the rest when it is time.
    fn report_sent(&mut self) {
        if self.noted.is_empty() {
            return;
        }
        let all = self.last_report.elapsed() >= REPORT_WITHIN;
        let noted = std::mem::take(&mut self.noted);
        let mut left = Vec::with_capacity(if all { 0 } else { noted.len() });
        for slot in noted {
            let Some(wire) = self.wires.get_mut(slot as usize).and_then(Option::as_mut) else {
                continue;
            };
            let wants = wire.wants_report && wire.out.is_empty();
            if wire.sent == 0 && !wire.wants_report {
                // Its last read has reported it.
                wire.is_noted = false;
            } else if all && !wire.wants_report || wants || wire.sent >= REPORT_BYTES {
                wire.wants_report &= !wants;
                wire.is_noted = wire.wants_report;
                if wire.is_noted {
                    left.push(slot);
                }
                self.report(slot, 0, Then::Continues);
            } else {
                left.push(slot);
            }
        }
        self.noted = left;
        if all {
            self.last_report = Instant::now();
        }
    }

    /// Sends the parcel to the loop, if there is anything in it.
    fn deliver(&mut self) {
        if !self.open.reports.is_empty() || !self.open.recalled.is_empty() {
            let next = self.served.pop().unwrap_or_default();
            let mut parcel = std::mem::replace(&mut self.open, next);
            if self.filled > 0
                && let Some(block) = self.block.take()
            {
                parcel.block = block.freeze();
                self.filled = 0;
            }
            self.waiting.push_back(parcel);
        }
        let mut has_sent = false;
        while let Some(parcel) = self.waiting.pop_front() {
            match self.parcels.push(parcel) {
                Ok(()) => has_sent = true,
                Err(PushError::Full(parcel)) => {
                    self.waiting.push_front(parcel);
                    break;
                }
            }
        }
        if has_sent {
            self.loop_bell.ring();
        }
    }

    fn carry_out(&mut self, mut orders: Orders) {
        let bytes = std::mem::take(&mut orders.bytes);
        let mut from = 0;
        for order in orders.list.drain(..) {
            match order {
                Order::Send(place, len) => {
                    let part = &bytes[from..from + len as usize];
                    from += part.len();
                    self.send(place, part);
                }
                Order::SendAround(place, before, piece, after) => {
                    let (before, after) = (before as usize, after as usize);
                    let own = &bytes[from..from + before + after];
                    from += own.len();
                    let (before, after) = own.split_at(before);
                    self.send_around(place, before, piece, after);
                }
                Order::SendLong(place, pieces) => self.send_long(place, pieces),
                Order::ReadOn(place) => {
                    if let Some(wire) = at(&mut self.wires, place.slot, place.generation) {
                        wire.room = READ_AHEAD;
                        self.read(place.slot);
                    }
                }
                Order::Report(place) => {
                    if let Some(wire) = at(&mut self.wires, place.slot, place.generation) {
                        wire.wants_report = true;
                        note(wire, place.slot, &mut self.noted);
                    }
                }
                Order::Adopt(place, stream) => self.adopt(place, stream),
                Order::Recall(place) => {
                    if let Some(wire) = at(&mut self.wires, place.slot, place.generation) {
                        wire.is_recalled = true;
                        self.give_back(place.slot);
                    }
                }
                Order::ShutDown(place) => {
                    if let Some(wire) = at(&mut self.wires, place.slot, place.generation) {
                        wire.stream.shut_down();
                    }
                }
                Order::Close(place) => {
                    if let Some(mut wire) = self.remove(place) {
                        wire.stream.deregister(self.poll.registry());
                    }
                    Figures::add(&self.figures.closed, 1);
                }
                Order::Stop => self.stops = true,
            }
        }
        for parcel in orders.spent.drain(..) {
            self.take_back(parcel);
        }
        orders.bytes = bytes;
        orders.bytes.clear();
        if self.open.spent.len() >= FREE_MAX {
            let counted = orders.counted;
            orders = Orders {
                counted,
                ..Orders::default()
            };
        }
        self.open.spent.push(orders);
    }

    /// A parcel that the loop has served.
    fn take_back(&mut self, mut parcel: Parcel) {
        let block = std::mem::take(&mut parcel.block);
        if self.served.len() < FREE_MAX {
            self.served.push(parcel);
        }
        if block.is_empty() {
            return;
        }
        match block.try_into_mut() {
            Ok(block) if block.len() == BLOCK_BYTES => self.free.push(block),
            _ => self.blocks -= 1,
        }
    }

    /// Gives a connection back that is asked for, if nothing waits to be sent.
    fn give_back(&mut self, slot: u32) {
        let place = &mut self.wires[slot as usize];
        let Some(mut wire) = place.take_if(|wire| wire.is_recalled && wire.out.is_empty()) else {
            return;
        };
        wire.stream.deregister(self.poll.registry());
        let generation = wire.generation;
        self.open
            .recalled
            .push((Place { slot, generation }, wire.stream));
        self.deliver();
    }

    fn remove(&mut self, place: Place) -> Option<Wire> {
        at(&mut self.wires, place.slot, place.generation)?;
        self.wires[place.slot as usize].take()
    }

    fn adopt(&mut self, place: Place, mut stream: Stream) {
        let token = Target::client(place.slot, place.generation).into();
        let registered = stream.register(self.poll.registry(), token);
        let at = place.slot as usize;
        if self.wires.len() <= at {
            self.wires.resize_with(at + 1, || None);
        }
        self.wires[at] = Some(Wire {
            stream,
            generation: place.generation,
            out: Outgoing::default(),
            room: READ_AHEAD,
            sent: 0,
            is_armed: false,
            is_ready: false,
            is_shaking: false,
            is_noted: false,
            wants_report: false,
            peer_closed: false,
            is_over: registered.is_err(),
            is_recalled: false,
            seen_in: 0,
        });
        match registered {
            // Bytes that came before are read now: under TLS no event announces them.
            Ok(()) => self.read(place.slot),
            Err(error) => self.report(place.slot, 0, Then::Broken(error)),
        }
    }
}

fn at(wires: &mut [Option<Wire>], slot: u32, generation: u32) -> Option<&mut Wire> {
    let wire = wires.get_mut(slot as usize)?.as_mut()?;
    (wire.generation == generation).then_some(wire)
}

/// Notes that a connection has bytes to report.
fn note(wire: &mut Wire, slot: u32, noted: &mut Vec<u32>) {
    if !wire.is_noted {
        wire.is_noted = true;
        noted.push(slot);
    }
}
