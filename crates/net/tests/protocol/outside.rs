//! Rings, polls, threads and the clock under shuttle: each step is one that its scheduler orders.
//! Time passes as it likes: a limited sleep may end at once, and a span is none or long.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use mio::Token;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::{Arc, Condvar, Mutex};

pub use shuttle::sync::atomic;
pub use shuttle::thread::yield_now;

/// Small, so that a ring is full all the time.
pub const RING: usize = 1;

pub fn sleep(_: Duration) {
    yield_now();
}

pub struct JoinHandle<T>(shuttle::thread::JoinHandle<T>, Arc<atomic::AtomicBool>);

impl<T> std::fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a thread")
    }
}

impl<T> JoinHandle<T> {
    pub fn is_finished(&self) -> bool {
        self.1.load(atomic::Ordering::SeqCst)
    }

    pub fn join(self) -> std::thread::Result<T> {
        self.0.join()
    }
}

pub fn start(_: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let ends = Arc::new(atomic::AtomicBool::new(false));
    let end = Arc::clone(&ends);
    let thread = shuttle::thread::spawn(move || {
        work();
        end.store(true, atomic::Ordering::SeqCst);
    });
    Ok(JoinHandle(thread, ends))
}

/// A clock on which any time may have passed.
pub struct Instant;

impl Instant {
    pub fn now() -> Instant {
        Instant
    }

    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(10 * thread_rng().gen_range(0..2))
    }
}

type Ring<T> = Arc<Mutex<VecDeque<T>>>;

#[derive(Debug)]
pub struct Producer<T>(Ring<T>, usize);

#[derive(Debug)]
pub struct Consumer<T>(Ring<T>);

pub enum PushError<T> {
    Full(T),
}

pub struct RingBuffer;

impl RingBuffer {
    #[expect(clippy::new_ret_no_self, reason = "as `rtrb` has it")]
    pub fn new<T>(room: usize) -> (Producer<T>, Consumer<T>) {
        let ring = Ring::default();
        (Producer(Arc::clone(&ring), room), Consumer(ring))
    }
}

impl<T> Producer<T> {
    pub fn push(&mut self, message: T) -> Result<(), PushError<T>> {
        let mut ring = self.0.lock().expect("a lock");
        if ring.len() == self.1 {
            return Err(PushError::Full(message));
        }
        ring.push_back(message);
        Ok(())
    }
}

impl<T> Consumer<T> {
    pub fn pop(&mut self) -> Result<T, ()> {
        self.0.lock().expect("a lock").pop_front().ok_or(())
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().expect("a lock").is_empty()
    }
}

/// A source of events has become readable, writable, or closed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event {
    pub token: usize,
    pub readable: bool,
    pub writable: bool,
    pub closed: bool,
}

impl Event {
    pub fn token(&self) -> Token {
        Token(self.token)
    }

    pub fn is_readable(&self) -> bool {
        self.readable
    }

    pub fn is_writable(&self) -> bool {
        self.writable
    }

    pub fn is_read_closed(&self) -> bool {
        self.closed
    }
}

pub struct Events(Vec<Event>);

impl Events {
    pub fn with_capacity(_: usize) -> Events {
        Events(Vec::new())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a Event;
    type IntoIter = std::slice::Iter<'a, Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Events that nothing has polled yet, by their tokens; and who waits for some.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<(Mutex<BTreeMap<usize, Event>>, Condvar)>);

impl Registry {
    pub fn announce(&self, event: Event) {
        let (events, news) = &*self.0;
        let mut events = events.lock().expect("a lock");
        let known = events.entry(event.token).or_default();
        known.token = event.token;
        known.readable |= event.readable;
        known.writable |= event.writable;
        known.closed |= event.closed;
        news.notify_one();
    }

    pub fn forget(&self, token: usize) {
        self.0.0.lock().expect("a lock").remove(&token);
    }
}

pub struct Poll(Registry);

impl Poll {
    pub fn new() -> io::Result<Poll> {
        Ok(Poll(Registry::default()))
    }

    pub fn registry(&self) -> &Registry {
        &self.0
    }

    /// With a time limit: some events, or none as yet. Without: a sleep that never ends is a
    /// deadlock, which the scheduler reports.
    pub fn poll(&mut self, into: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        into.clear();
        if timeout.is_some() {
            yield_now();
        }
        let (events, news) = &*self.0.0;
        let mut events = events.lock().expect("a lock");
        while events.is_empty() && timeout.is_none() {
            events = news.wait(events).expect("a lock");
        }
        into.0.extend(std::mem::take(&mut *events).into_values());
        Ok(())
    }
}

#[derive(Debug)]
pub struct Waker(Registry, Token);

impl Waker {
    pub fn new(registry: &Registry, token: Token) -> io::Result<Waker> {
        Ok(Waker(registry.clone(), token))
    }

    pub fn wake(&self) -> io::Result<()> {
        self.0.announce(Event {
            token: self.1.0,
            readable: true,
            ..Event::default()
        });
        Ok(())
    }
}
