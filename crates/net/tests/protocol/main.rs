//! The loop and an I/O thread under shuttle, which tries orders of their steps: rings that are
//! full, sockets that are recalled, given again, closed, and peers that come and go meanwhile.
//!
//! The I/O threads' own code runs here, with rings, polls, threads and sockets of this test instead
//! of the real modules (`outside`, `stream`). The loop echoes all bytes that it reads. The
//! conditions: each peer gets its own bytes back, in order; nothing of a closed connection arrives;
//! all sockets are closed in the end; no thread sleeps for ever, which shuttle reports as a
//! deadlock.
#![allow(
    dead_code,
    unused_imports,
    reason = "parts of the io_threads, and their own tests, that are not used here"
)]

#[path = "../../src/gather.rs"]
mod gather;
#[path = "../../src/io_thread/mod.rs"]
mod io_thread;
mod outside;
mod stream;
#[path = "../../src/sys.rs"]
mod sys;
#[path = "../../src/token.rs"]
mod token;

/// Certificates, of which there are none here.
mod tls {
    use rustls::pki_types::CertificateDer;

    pub struct Certificate<'a>(&'a ());

    impl Certificate<'_> {
        pub fn read<'a>(_: &'a CertificateDer<'static>) -> Option<Certificate<'a>> {
            None
        }
    }
}

use std::io::Write;
use std::time::{Duration, Instant};

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread::JoinHandle;

use self::io_thread::{ConnectionId, IoThread, ThreadWaker};
use self::outside::{Event, Events, Poll, Registry};
use self::stream::{Peer, Stream};

const PEERS: usize = 2;
/// Bytes that each peer sends: more than its socket takes of the echo at once.
const BYTES: u8 = 12;
const WAKER: usize = usize::MAX;

/// Sends numbered bytes and reads their echo; it may end its side early, or find itself closed.
fn peer(peer: Peer, mut poll: Poll, leaves: bool) {
    let mut events = Events::with_capacity(1);
    let (mut sent, mut seen) = (0, 0);
    loop {
        let n = thread_rng().gen_range(1..4).min(BYTES - sent);
        if n > 0 {
            let bytes: Vec<u8> = (sent..sent + n).collect();
            peer.write(&bytes);
            sent += n;
        }
        if leaves && sent > BYTES / 2 {
            return peer.end();
        }
        let (bytes, is_closed) = peer.read();
        for byte in bytes {
            assert_eq!(byte, seen, "an echo in count_in_flight");
            seen += 1;
        }
        if is_closed || seen == BYTES {
            return;
        }
        if sent == BYTES {
            poll.poll(&mut events, None).expect("a poll");
        }
    }
}

/// The loop's end of a connection.
struct Client {
    stream: Option<Stream>,
    generation: u32,
    /// The part of its echo that the I/O thread's window did not take.
    rest: Vec<u8>,
    seen: u8,
}

struct Loop {
    io_thread: IoThread,
    waker: std::sync::Arc<ThreadWaker>,
    poll: Poll,
    clients: Vec<Client>,
    is_full: bool,
    /// Peers that come later, into slots of others.
    to_come: usize,
    /// Peers that have not ended.
    left: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Loop {
    fn id(&self, at: usize) -> ConnectionId {
        ConnectionId {
            slot: at as u32,
            generation: self.clients[at].generation,
        }
    }

    /// A peer comes, whose connection gets this slot.
    fn connect(&mut self, at: usize, leaves: bool) {
        let news = Poll::new().expect("a poll");
        let (other, stream) = Peer::connect(news.registry());
        let client = &mut self.clients[at];
        (client.stream, client.rest, client.seen) = (Some(stream), Vec::new(), 0);
        let (left, registry) = (Arc::clone(&self.left), self.poll.registry().clone());
        left.fetch_add(1, Ordering::SeqCst);
        self.threads.push(shuttle::thread::spawn(move || {
            peer(other, news, leaves);
            left.fetch_sub(1, Ordering::SeqCst);
            wake(&registry);
        }));
        self.adopt(at);
    }

    fn adopt(&mut self, at: usize) {
        let id = self.id(at);
        let is_here = |stream: &mut Stream| matches!(stream, Stream::Socket(_));
        if let Some(stream) = self.clients[at].stream.take_if(is_here) {
            self.clients[at].stream = Some(self.io_thread.adopt(id, stream));
        }
    }

    fn recall(&mut self, at: usize) {
        let id = self.id(at);
        if let Some(Stream::Handoff(handoff)) = &mut self.clients[at].stream
            && !handoff.is_recalled()
        {
            self.io_thread.recall(id, handoff);
        }
    }

    /// Closes a connection: what comes of it later finds nothing.
    fn close(&mut self, at: usize) {
        let id = self.id(at);
        match self.clients[at].stream.take() {
            Some(Stream::Handoff(mut handoff)) => {
                self.io_thread.collect(id, &mut handoff);
                self.io_thread.close(id, handoff.unsent());
            }
            other => drop(other),
        }
        self.clients[at].generation += 1;
        if self.to_come > 0 {
            self.to_come -= 1;
            self.connect(at, false);
        }
    }

    /// Echoes what there is to read. The end of a connection closes it.
    fn serve(&mut self, at: usize) {
        let id = self.id(at);
        let client = &mut self.clients[at];
        let Some(stream) = &mut client.stream else {
            return;
        };
        let mut bytes = [0; 64];
        let ends = match stream.fill(&mut bytes) {
            Ok((0, _)) => true,
            Ok((n, _)) => {
                for byte in &bytes[..n] {
                    assert_eq!(*byte, client.seen, "a request in count_in_flight");
                    client.seen += 1;
                }
                client.rest.extend_from_slice(&bytes[..n]);
                false
            }
            Err(_) => false,
        };
        let n = stream.write(&client.rest).unwrap_or(0);
        client.rest.drain(..n);
        if let Stream::Handoff(handoff) = stream {
            self.io_thread.collect(id, handoff);
        }
        if ends {
            self.close(at);
        }
    }

    fn receive(&mut self) {
        while let Some(mut batch) = self.io_thread.take() {
            let block = std::mem::take(&mut batch.block);
            for report in &mut batch.reports {
                let at = report.id.slot as usize;
                let client = &mut self.clients[at];
                if client.generation == report.id.generation
                    && let Some(handoff) = client.stream.as_mut().and_then(Stream::handoff)
                {
                    IoThread::deliver(&block, report, handoff);
                    handoff.keep();
                }
            }
            for (id, socket) in batch.recalled.drain(..) {
                let at = id.slot as usize;
                if self.clients[at].generation != id.generation {
                    continue;
                }
                self.serve(at);
                let client = &mut self.clients[at];
                if client.generation == id.generation
                    && let Some(stream) = &mut client.stream
                {
                    let unread = stream.handoff().map(io_thread::Handoff::take_unread);
                    assert!(unread.is_none_or(|bytes| bytes.is_empty()), "it was served");
                    *stream = socket;
                    self.io_thread.returned();
                }
            }
            batch.block = block;
            self.io_thread.give_back(batch);
        }
    }

    /// A turn, with a few of the things that commands do to connections.
    fn turn(&mut self, may_close: bool) {
        self.receive();
        for at in 0..PEERS {
            match thread_rng().gen_range(0..12) {
                0 => self.recall(at),
                1 if may_close => self.close(at),
                2 => continue,
                _ => {}
            }
            self.serve(at);
            self.adopt(at);
        }
        self.is_full = !self.io_thread.post();
    }

    fn sleep(&mut self) {
        self.waker.begin_sleep();
        let has_news = self.io_thread.has_batches() || self.is_full;
        // The loop itself reads and writes the rest in its next turn.
        let rests = |client: &Client| match &client.stream {
            None => true,
            Some(Stream::Socket(_)) => false,
            Some(Stream::Handoff(handoff)) => client.rest.is_empty() && !handoff.has_unread(),
        };
        let may_sleep = !has_news && self.clients.iter().all(rests);
        let timeout = (!may_sleep).then_some(Duration::ZERO);
        let mut events = Events::with_capacity(1);
        self.poll.poll(&mut events, timeout).expect("a poll");
        self.waker.end_sleep();
    }
}

/// All of it once: `closes` says whether connections are killed at random.
fn meet(closes: bool) {
    let poll = Poll::new().expect("a poll");
    let waker = ThreadWaker::new(poll.registry(), mio::Token(WAKER)).expect("a waker");
    let io_thread = IoThread::start(1, std::sync::Arc::clone(&waker), 1).expect("a thread");
    let client = |_| Client {
        stream: None,
        generation: 1,
        rest: Vec::new(),
        seen: 0,
    };
    let mut it = Loop {
        io_thread,
        waker,
        poll,
        clients: (0..PEERS).map(client).collect(),
        is_full: false,
        to_come: if closes { PEERS } else { 0 },
        left: Arc::default(),
        threads: Vec::new(),
    };
    for at in 0..PEERS {
        it.connect(at, closes && at == 1);
    }
    while it.left.load(Ordering::SeqCst) > 0 {
        it.turn(closes);
        it.sleep();
    }
    it.to_come = 0;
    (0..PEERS).for_each(|at| it.close(at));
    assert_eq!(it.io_thread.connections(), 0);
    it.io_thread.stop();
    for thread in it.threads {
        thread.join().expect("it ends");
    }
}

fn wake(registry: &Registry) {
    registry.announce(Event {
        token: 0,
        readable: true,
        ..Event::default()
    });
}

fn run(scheduler: impl Scheduler + 'static, closes: bool) -> usize {
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    shuttle::Runner::new(scheduler, config).run(move || meet(closes))
}

fn main() {
    let runs: usize = std::env::var("RUSSET_RUNS").map_or(1500, |n| n.parse().expect("a number"));
    let began = Instant::now();
    for closes in [false, true] {
        run(RandomScheduler::new(runs), closes);
        run(PctScheduler::new(3, runs), closes);
    }
    println!("{} tasks of steps, {:?}", 4 * runs, began.elapsed());
}
