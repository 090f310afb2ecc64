//! The couriers of this server (`net::io_thread`): threads that read and write for clients.
//!
//! Invariants
//!   1. A session whose stream is carried is a connection of the courier that the stream names,
//!      under the session's slot and generation, until [`Couriers::close`] or its return.
//!   2. A connection's reports are served in their order: those of parcels that are being served,
//!      then late ones, then those of further parcels.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use russet_net::io_thread::scaling::{Advice, Spread, Staffing, spread};
use russet_net::io_thread::{Bell, Courier, Late, Parcel, Place, Report};
use russet_net::{Role, Stream, Target};

use crate::server::clients::client::ClientFlags;
use crate::server::clients::session::Session;
use crate::server::clients::table::Clients;

/// Connections that one courier has more than another, at least, before some are moved.
const UNEVEN_MIN: usize = 4;
/// A socket that is wanted at once has come within this time.
const FETCH_WITHIN: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(in crate::server) struct Couriers {
    all: Vec<Courier>,
    /// The loop's, once there was a courier.
    bell: Option<Arc<Bell>>,
    /// Clients are given to couriers when their turn comes.
    pub(in crate::server) takes_clients: bool,
    /// A ring was full: orders wait here.
    is_full: bool,
    /// Reads and writes of couriers that have ended.
    ended: (u64, u64),
    /// Whether the last one is to end, when it has no connection.
    retires: bool,
    staffing: Staffing,
    /// Parcels that came while a socket was fetched, each with its courier's index.
    fetched: VecDeque<(usize, Parcel)>,
    /// Parts of parcels for clients that were in the middle of a command.
    late: VecDeque<Parcel>,
    /// The parcels that are being served. A busy script's guest serves the rest of the loop's, and
    /// its own after that.
    serving: Vec<Serving>,
    /// At the last tick: the clock, the microseconds of turns, and of each courier's work.
    last: (u64, u64, Vec<u64>),
    /// The shares of the time before it in which the loop and each courier were busy.
    shares: (f64, Vec<f64>),
    /// The number of the courier whose connections go to others now.
    overloaded: Option<u32>,
}

/// A parcel that is being served.
#[derive(Debug)]
struct Serving {
    /// Its courier's index; `None`: its block is no courier's.
    at: Option<usize>,
    parcel: Parcel,
    /// The next report.
    next: usize,
}

/// The place of a session, as couriers name it.
fn place_of(session: &Session) -> Place {
    Place {
        slot: session.slot,
        generation: session.generation,
    }
}

impl Couriers {
    #[inline]
    pub(in crate::server) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(in crate::server) fn len(&self) -> usize {
        self.all.len()
    }

    /// All of them, by their numbers.
    pub(in crate::server) fn iter(&self) -> impl Iterator<Item = &Courier> {
        self.all.iter()
    }

    /// Starts one more, which wakes the poll of `registry`.
    pub(in crate::server) fn start(
        &mut self,
        registry: &mio::Registry,
        rest_us: u32,
    ) -> io::Result<()> {
        let bell = match &self.bell {
            Some(bell) => Arc::clone(bell),
            None => {
                let bell = Bell::new(registry, Target::lasting(Role::Couriers, 0).into())?;
                Arc::clone(self.bell.insert(bell))
            }
        };
        let number = self.all.len() as u32 + 1;
        self.all.push(Courier::start(number, bell, rest_us)?);
        Ok(())
    }

    /// The courier of a session's socket.
    fn of(&mut self, session: &Session) -> Option<&mut Courier> {
        let number = session.stream.as_ref()?.courier()?;
        self.all.get_mut(number as usize - 1)
    }

    /// Gives a session's socket, which is in no poll, to the courier with the fewest connections,
    /// of those that have not too much to do.
    pub(in crate::server) fn adopt(&mut self, session: &mut Session) {
        let staying = self.all.len() - usize::from(self.retires);
        let overloaded = self.overloaded;
        let fewest = self.all[..staying]
            .iter_mut()
            .min_by_key(|courier| (Some(courier.number()) == overloaded, courier.connections()));
        if let Some(courier) = fewest
            && let Some(stream) = session.stream.take()
        {
            session.client.courier = courier.number();
            session.stream = Some(courier.adopt(place_of(session), stream));
        }
    }

    /// Takes along what was written to a session, and what its courier is to do.
    #[inline]
    pub(in crate::server) fn collect(&mut self, session: &mut Session) {
        let place = place_of(session);
        if let Some(Stream::Carried(carried)) = &mut session.stream
            && let Some(courier) = self.all.get_mut(carried.courier() as usize - 1)
        {
            courier.collect(place, carried);
            session.client.buffers.carried(carried);
        }
    }

    /// Ends a session's connection in both directions, now.
    pub(in crate::server) fn shut_down(&mut self, session: &mut Session) {
        self.collect(session);
        let place = place_of(session);
        if let Some(courier) = self.of(session) {
            courier.shut_down(place);
            self.post();
        }
    }

    /// Has a session's socket closed; `false`: it is not a courier's.
    pub(in crate::server) fn close(&mut self, session: &mut Session) -> bool {
        self.collect(session);
        let place = place_of(session);
        let buffers = &session.client.buffers;
        let memory = match buffers.in_flight {
            0 => 0,
            _ => buffers.at_courier,
        };
        let Some(courier) = self.of(session) else {
            return false;
        };
        courier.close(place, memory);
        session.stream = None;
        true
    }

    /// Asks for a session's socket.
    pub(in crate::server) fn recall(&mut self, session: &mut Session) {
        let place = place_of(session);
        if let Some(Stream::Carried(carried)) = &mut session.stream
            && !carried.is_recalled()
            && let Some(courier) = self.all.get_mut(carried.courier() as usize - 1)
        {
            courier.recall(place, carried);
        }
    }

    /// Has a session's socket back at once, in the poll of this registry. It takes a round of its
    /// courier; what others have sent meanwhile is served later.
    pub(in crate::server) fn fetch(&mut self, session: &mut Session, registry: &mio::Registry) {
        if session.client.courier == 0 || !self.has_back(session) {
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
    fn has_back(&mut self, session: &mut Session) -> bool {
        self.recall(session);
        self.post();
        let place = place_of(session);
        let give = |session: &mut Session, block: &Bytes, report: Report| {
            let bytes = &block[report.start as usize..][..report.len as usize];
            session.input.give(bytes.to_vec());
        };
        for Serving { parcel, next, .. } in &mut self.serving {
            let left = parcel.reports[*next..].iter_mut();
            for report in left.filter(|report| report.place == place) {
                give(session, &parcel.block, report.take());
            }
        }
        let began = Instant::now();
        while began.elapsed() < FETCH_WITHIN {
            let Some(courier) = self.of(session) else {
                return true;
            };
            let at = courier.number() as usize - 1;
            let Some(mut parcel) = courier.take() else {
                std::thread::yield_now();
                continue;
            };
            for report in parcel
                .reports
                .extract_if(.., |report| report.place == place)
            {
                give(session, &parcel.block, report);
            }
            let mine = parcel.recalled.iter().position(|(at, _)| *at == place);
            let mine = mine.map(|index| parcel.recalled.remove(index));
            self.fetched.push_back((at, parcel));
            if let Some((_, socket)) = mine {
                self.returned(session, socket);
                return true;
            }
        }
        false
    }

    /// Begins to serve the next parcel of a courier, those first that came with a socket that was
    /// fetched. `false`: there is none.
    #[inline]
    pub(in crate::server) fn begin(&mut self, at: usize) -> bool {
        let fetched = self.fetched.iter().position(|(of, _)| *of == at);
        let parcel = match fetched.and_then(|index| self.fetched.remove(index)) {
            Some((_, parcel)) => Some(parcel),
            None => self.all.get_mut(at).and_then(Courier::take),
        };
        self.serve(Some(at), parcel)
    }

    /// Begins to serve what came for clients in the middle of a command. `false`: there is nothing.
    #[inline]
    pub(in crate::server) fn begin_late(&mut self) -> bool {
        let parcel = self.late.pop_front();
        self.serve(None, parcel)
    }

    fn serve(&mut self, at: Option<usize>, parcel: Option<Parcel>) -> bool {
        let serving = parcel.map(|parcel| Serving {
            at,
            parcel,
            next: 0,
        });
        let is_there = serving.is_some();
        self.serving.extend(serving);
        is_there
    }

    /// The block, and all reports, of the parcel that is being served.
    #[inline]
    pub(in crate::server) fn served(&self) -> Option<(&Bytes, &[Report])> {
        let parcel = &self.serving.last()?.parcel;
        Some((&parcel.block, &parcel.reports))
    }

    /// The next report of the parcel that is being served.
    #[inline]
    pub(in crate::server) fn next_report(&mut self) -> Option<Report> {
        let serving = self.serving.last_mut()?;
        let report = serving.parcel.reports.get_mut(serving.next)?.take();
        serving.next += 1;
        Some(report)
    }

    /// A report that was not served of the parcel that is: its turn comes before all later ones of
    /// its connection.
    #[cold]
    pub(in crate::server) fn keep_late(&mut self, report: Report) {
        let mut late = Late::default();
        if let Some(serving) = self.serving.last() {
            late.add(&serving.parcel.block, report);
        }
        self.late.extend(late.into_parcel());
    }

    /// As [`Couriers::keep_late`], for a socket that has come back.
    #[cold]
    pub(in crate::server) fn keep_late_socket(&mut self, place: Place, socket: Stream) {
        let mut late = Late::default();
        late.recalled(place, socket);
        self.late.extend(late.into_parcel());
    }

    /// For a guest: the reports that are left of the loop's parcel, of connections for which
    /// `is_free`.
    pub(in crate::server) fn take_reports(
        &mut self,
        is_free: impl Fn(Place) -> bool,
    ) -> Vec<Report> {
        let Some(Serving { parcel, next, .. }) = self.serving.last_mut() else {
            return Vec::new();
        };
        let left = parcel.reports[*next..].iter_mut();
        let free = left.filter(|report| is_free(report.place));
        free.map(Report::take).collect()
    }

    /// The next socket that the parcel that is being served has brought back, of a connection for
    /// which `is_free`.
    #[inline]
    pub(in crate::server) fn next_recalled(
        &mut self,
        is_free: impl Fn(Place) -> bool,
    ) -> Option<(Place, Stream)> {
        let recalled = &mut self.serving.last_mut()?.parcel.recalled;
        let free = recalled.iter().position(|(place, _)| is_free(*place))?;
        Some(recalled.remove(free))
    }

    /// The parcel that is being served is at its end, and goes back to its courier; what a
    /// connection has not taken of its block is copied.
    #[inline]
    pub(in crate::server) fn end(&mut self, clients: &mut Clients) {
        let Some(Serving { at, parcel, .. }) = self.serving.pop() else {
            return;
        };
        if !parcel.block.is_unique() {
            for report in &parcel.reports {
                let place = report.place;
                let session = clients.at_mut(place.slot);
                let session = session.filter(|session| session.generation == place.generation);
                if let Some(carried) = session.and_then(|s| s.stream.as_mut()?.carried()) {
                    carried.keep();
                }
            }
        }
        if let Some(courier) = at.and_then(|at| self.all.get_mut(at)) {
            courier.give_back(parcel);
        }
    }

    /// A session's socket has come back.
    pub(in crate::server) fn returned(&mut self, session: &mut Session, socket: Stream) {
        if let Some(courier) = self.of(session) {
            courier.returned();
        }
        if let Some(Stream::Carried(carried)) = &mut session.stream {
            session.input.give(carried.take_unread());
        }
        session.stream = Some(socket);
        session.client.courier = 0;
        session.client.buffers.in_flight = 0;
        session.client.buffers.at_courier = 0;
        session.write_armed = false;
        session.more_to_read = true;
    }

    /// A tick of cron, `now_us` on the clock, after turns of so many microseconds: measures how
    /// busy the loop and the couriers were since the last one.
    pub(in crate::server) fn measure(&mut self, now_us: u64, turns_us: u64) {
        let busy = |courier: &Courier| courier.figures().busy_us.load(Relaxed);
        let works: Vec<u64> = self.all.iter().map(busy).collect();
        let (then_us, turns_then, works_then) =
            std::mem::replace(&mut self.last, (now_us, turns_us, works));
        let span = now_us.saturating_sub(then_us).max(1) as f64;
        let share = |now: u64, then: u64| now.saturating_sub(then) as f64 / span;
        let works = self.last.2.iter().zip(works_then.iter().chain([&u64::MAX]));
        self.shares.0 = share(turns_us, turns_then);
        self.shares.1 = works.map(|(now, then)| share(*now, *then)).collect();
    }

    /// The change of the number of couriers, of which there may be `most`.
    pub(in crate::server) fn advise(
        &mut self,
        most: usize,
        are_active: impl Fn(usize) -> bool,
    ) -> Advice {
        let (of_loop, couriers) = &self.shares;
        self.staffing.advise(*of_loop, couriers, most, are_active)
    }

    /// The last courier is to end: its connections are asked for. Ends it if it has none.
    pub(in crate::server) fn retire(&mut self, clients: &mut Clients) {
        self.retires = false;
        let Some(last) = self.all.last() else {
            return;
        };
        let number = last.number();
        if last.connections() > 0 || self.have_parcels() {
            self.retires = true;
            self.takes_clients = self.all.len() > 1;
            for session in clients.iter_mut() {
                if session.client.courier == number {
                    self.recall(session);
                }
            }
        } else if let Some(courier) = self.all.pop() {
            let figures = courier.figures();
            self.ended.0 += figures.reads.load(Relaxed);
            self.ended.1 += figures.writes.load(Relaxed);
            self.takes_clients = !self.all.is_empty();
            courier.stop();
        }
    }

    /// Whether one is about to end.
    pub(in crate::server) fn retires(&self) -> bool {
        self.retires
    }

    /// Evens out the couriers' work, by how busy they were; where none is, their connections.
    pub(in crate::server) fn even_out(
        &mut self,
        clients: &mut Clients,
        is_active: impl Fn(&Session) -> bool,
    ) {
        self.overloaded = None;
        match spread(&self.shares.1) {
            Spread::Even => {}
            Spread::Idle => self.even_out_connections(clients),
            Spread::Uneven(at, part) => {
                let Some(number) = self.all.get(at).map(Courier::number) else {
                    return;
                };
                let its =
                    |session: &&mut Session| session.client.courier == number && is_active(session);
                let mut active: Vec<_> = clients.iter_mut().filter(its).collect();
                // One that is busy by itself stays: it would be as busy elsewhere.
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

    /// Asks the courier with the most for connections, up to half of what it has more than the one
    /// with the fewest.
    fn even_out_connections(&mut self, clients: &mut Clients) {
        let count = |courier: &&Courier| courier.connections();
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
            .filter(|session| session.client.courier == number)
            .take((most - fewest) / 2);
        moved.for_each(|session| self.recall(session));
    }

    /// Sends all orders.
    #[inline]
    pub(in crate::server) fn post(&mut self) {
        self.is_full = false;
        for courier in &mut self.all {
            self.is_full |= !courier.post();
        }
    }

    /// Whether orders wait for room in a ring.
    pub(in crate::server) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether any has something for the loop.
    #[inline]
    pub(in crate::server) fn have_parcels(&self) -> bool {
        !self.fetched.is_empty()
            || !self.late.is_empty()
            || self.all.iter().any(Courier::has_parcels)
    }

    /// The loop is about to sleep; `false`: there is something for it.
    pub(in crate::server) fn lie_down(&self) -> bool {
        let Some(bell) = &self.bell else {
            return true;
        };
        bell.lie_down();
        if self.have_parcels() {
            bell.get_up();
            return false;
        }
        true
    }

    /// The loop is awake.
    pub(in crate::server) fn get_up(&self) {
        if let Some(bell) = &self.bell {
            bell.get_up();
        }
    }

    /// Memory for replies on their way through couriers, beyond the room that they have from the
    /// start: that, and their blocks, count as any memory does. O(couriers).
    pub(in crate::server) fn memory_bytes(&self) -> usize {
        self.all.iter().map(Courier::memory_bytes).sum()
    }

    /// Reads and writes of all couriers so far.
    pub(in crate::server) fn reads_and_writes(&self) -> (u64, u64) {
        self.all
            .iter()
            .fold(self.ended, |(reads, writes), courier| {
                let figures = courier.figures();
                (
                    reads + figures.reads.load(Relaxed),
                    writes + figures.writes.load(Relaxed),
                )
            })
    }

    /// Ends all of them, with their connections.
    pub(in crate::server) fn stop(&mut self) {
        self.all.drain(..).for_each(Courier::stop);
    }
}
