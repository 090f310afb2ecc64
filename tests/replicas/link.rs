//! The network between a replica and its primary: a TCP proxy that the test can cut, halt and slow
//! down.
//!
//! The first bytes of each connection travel one by one, so that a handshake is split at every
//! byte. The link keeps the first bytes of the primary, which show the form of a full sync,
//! whatever the programs log.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::node::Form;

/// The number of bytes that the link keeps of each connection.
const HEAD_BYTES: usize = 2048;
/// The number of bytes that each direction of a connection sends one by one.
const SINGLE_BYTES: usize = 400;
/// The size of a chunk: [`Link::slow`] waits after each chunk.
const CHUNK_BYTES: usize = 16 << 10;

/// A proxy on its own loopback port.
pub struct Link {
    port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    /// The primary's port.
    to: u16,
    pipes: Mutex<Vec<Pipe>>,
    /// The first bytes from the primary, by connection.
    heads: Mutex<Vec<Vec<u8>>>,
    is_halted: AtomicBool,
    /// The delay after each chunk.
    delay_us: AtomicU64,
    has_ended: AtomicBool,
}

/// One connection.
struct Pipe {
    replica: TcpStream,
    primary: TcpStream,
    /// The primary's end stays open, and the link does not read it.
    is_half_open: Arc<AtomicBool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// A link to the server on this port.
    pub fn to(to: u16) -> Link {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
        let port = listener.local_addr().expect("bound").port();
        let inner = Arc::new(Inner {
            to,
            pipes: Mutex::default(),
            heads: Mutex::default(),
            is_halted: AtomicBool::new(false),
            delay_us: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
        });
        let own = Arc::clone(&inner);
        thread::spawn(move || own.accept(&listener));
        Link { port, inner }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes both ends of all connections. The link accepts new connections.
    pub fn cut(&self) {
        for pipe in lock(&self.inner.pipes).drain(..) {
            let _ = pipe.replica.shutdown(Shutdown::Both);
            let _ = pipe.primary.shutdown(Shutdown::Both);
        }
    }

    /// Closes the replica's end of all connections. The primary's end stays open until the next
    /// [`Link::cut`], and the link neither reads it nor writes to it.
    pub fn cut_half(&self) {
        for pipe in lock(&self.inner.pipes).iter() {
            pipe.is_half_open.store(true, Ordering::Relaxed);
            let _ = pipe.replica.shutdown(Shutdown::Both);
        }
    }

    /// Passes no byte on until [`Link::advance`]; no connection closes.
    pub fn halt(&self) {
        self.inner.is_halted.store(true, Ordering::Relaxed);
    }

    pub fn advance(&self) {
        self.inner.is_halted.store(false, Ordering::Relaxed);
    }

    /// Waits for `delay` after each 16 KiB.
    pub fn slow(&self, delay: Duration) {
        let delay_us = u64::try_from(delay.as_micros()).expect("a short delay");
        self.inner.delay_us.store(delay_us, Ordering::Relaxed);
    }

    /// The form of the full syncs so far; `None` if there was none, or if the forms differ.
    pub fn form(&self) -> Option<Form> {
        let heads = lock(&self.inner.heads);
        let has = |word: &str| {
            let word = word.as_bytes();
            let mut heads = heads.iter();
            heads.any(|head| head.windows(word.len()).any(|window| window == word))
        };
        let has_length = heads.iter().any(|head| {
            let text = String::from_utf8_lossy(head).into_owned();
            let after = text.split_once("+FULLRESYNC").map(|(_, after)| after);
            let mut lines = after.unwrap_or_default().lines();
            let header = lines.find_map(|line| line.strip_prefix('$'));
            header.is_some_and(|length| length.trim_end().parse::<u64>().is_ok())
        });
        let is_two_channel = has("+RDBCHANNELSYNC") || has("+DUALCHANNELSYNC");
        match (has_length, is_two_channel, has("$EOF:")) {
            (true, false, false) => Some(Form::Disk),
            (false, false, true) => Some(Form::Diskless),
            (false, true, _) => Some(Form::TwoChannel),
            _ => None,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.inner.has_ended.store(true, Ordering::Relaxed);
        self.cut();
        // Wakes the accepting thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Inner {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for replica in listener.incoming() {
            if self.has_ended.load(Ordering::Relaxed) {
                return;
            }
            // Without a primary the replica gets a connection that closes at once.
            if let Ok(replica) = replica
                && let Ok(primary) = TcpStream::connect(("127.0.0.1", self.to))
            {
                // A failure means that an end has already gone.
                let _ = self.join(replica, primary);
            }
        }
    }

    fn join(self: &Arc<Self>, replica: TcpStream, primary: TcpStream) -> std::io::Result<()> {
        replica.set_nodelay(true)?;
        primary.set_nodelay(true)?;
        let is_half_open = Arc::new(AtomicBool::new(false));
        let head = {
            let mut heads = lock(&self.heads);
            heads.push(Vec::new());
            heads.len() - 1
        };
        let (from_primary, to_replica) = (primary.try_clone()?, replica.try_clone()?);
        let (from_replica, to_primary) = (replica.try_clone()?, primary.try_clone()?);
        let (down, up) = (Arc::clone(self), Arc::clone(self));
        let (half_down, half_up) = (Arc::clone(&is_half_open), Arc::clone(&is_half_open));
        lock(&self.pipes).push(Pipe {
            replica,
            primary,
            is_half_open,
        });
        thread::spawn(move || down.copy(from_primary, to_replica, &half_down, Some(head)));
        thread::spawn(move || up.copy(from_replica, to_primary, &half_up, None));
        Ok(())
    }

    /// Passes bytes on until an end closes, then closes the other end.
    fn copy(
        &self,
        mut from: TcpStream,
        mut to: TcpStream,
        is_half_open: &AtomicBool,
        head: Option<usize>,
    ) {
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut singles = SINGLE_BYTES;
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let chunk = &buffer[..count];
            if let Some(head) = head {
                let kept = &mut lock(&self.heads)[head];
                let room = HEAD_BYTES.saturating_sub(kept.len());
                kept.extend_from_slice(&chunk[..count.min(room)]);
            }
            while self.is_halted.load(Ordering::Relaxed) && !self.has_ended.load(Ordering::Relaxed)
            {
                thread::sleep(Duration::from_millis(1));
            }
            let (first, others) = chunk.split_at(singles.min(count));
            singles -= first.len();
            let mut parts = first.chunks(1).chain([others]);
            if is_half_open.load(Ordering::Relaxed) || parts.any(|part| to.write_all(part).is_err())
            {
                break;
            }
            let delay = self.delay_us.load(Ordering::Relaxed);
            if delay > 0 {
                thread::sleep(Duration::from_micros(delay));
            }
        }
        if !is_half_open.load(Ordering::Relaxed) {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
    }
}
