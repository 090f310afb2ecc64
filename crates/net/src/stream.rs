//! A client's socket: TCP, Unix, or TCP under TLS; each of them may also unpack what it reads.
//!
//! Invariants
//!   1. A read that fills its buffer, or a `true` beside its length, may have left bytes: with
//!      edge-triggered events the caller must read again.
//!   2. Bytes can be held here, by TLS or unpacking: [`Stream::has_unread`] knows of bytes that no
//!      event announces, [`Stream::has_unsent`] of bytes that `flush` sends.
//!
//! Cost: one match per call beside the system's. Buffers for requests and replies belong to
//! `server`.

use std::fmt;
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, SendFlags};
use socket2::{SockRef, TcpKeepalive};

use super::io_thread::Handoff;
use super::sys;
use super::tls::{Certificate, TlsLink};
use super::unpacking::{Unpack, UnpackingStream};

/// An end of a connection, as CLIENT LIST prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Printed as `address:port`, IPv6 in brackets.
    Tcp(SocketAddr),
    /// Printed as `path:0`; the path is empty for a socket without a name.
    Unix(PathBuf),
    /// The system does not report it. It may be anywhere.
    Unknown,
}

impl Address {
    /// Whether it is certainly on this machine: a Unix socket or a loopback address.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Address::Unix(_) => true,
            Address::Unknown => false,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(SocketAddr::V4(a)) => write!(f, "{}:{}", a.ip(), a.port()),
            // Mapped addresses are printed as IPv4.
            Address::Tcp(SocketAddr::V6(a)) => match a.ip().to_ipv4_mapped() {
                Some(v4) => write!(f, "{}:{}", v4, a.port()),
                None => write!(f, "[{}]:{}", a.ip(), a.port()),
            },
            Address::Unix(path) => write!(f, "{}:0", path.display()),
            Address::Unknown => f.write_str("?:0"),
        }
    }
}

/// Which of the streams are readable or ended: checks the kernel anew, whatever the last poll
/// returned, and the bytes buffered by TLS. O(streams).
pub fn readable(streams: &[&Stream]) -> Vec<bool> {
    use rustix::event::{PollFd, PollFlags, poll};
    let flags = PollFlags::IN;
    let mut asked: Vec<PollFd<'_>> = streams
        .iter()
        .filter_map(|stream| Some(PollFd::from_borrowed_fd(stream.socket()?, flags)))
        .collect();
    let now = rustix::event::Timespec::default();
    if poll(&mut asked, Some(&now)).is_err() {
        asked.clear();
    }
    let mut reported = asked.iter().map(|fd| !fd.revents().is_empty());
    let mut is_reported =
        |stream: &Stream| stream.socket().is_some() && reported.next() == Some(true);
    streams
        .iter()
        .map(|stream| is_reported(stream) || stream.has_unread())
        .collect()
}

/// Waits until the stream is readable or ended, or (`to_write`) takes bytes, for `timeout_ms` at
/// most. Whether it is.
pub fn await_stream(stream: &Stream, to_write: bool, timeout_ms: u32) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    if !to_write && stream.has_unread() {
        return true;
    }
    let flags = if to_write {
        PollFlags::OUT
    } else {
        PollFlags::IN
    };
    let timeout = Timespec {
        tv_sec: i64::from(timeout_ms / 1000),
        tv_nsec: i64::from(timeout_ms % 1000) * 1_000_000,
    };
    let Some(socket) = stream.socket() else {
        return false;
    };
    let mut asked = [PollFd::from_borrowed_fd(socket, flags)];
    poll(&mut asked, Some(&timeout)).is_ok_and(|ready| ready > 0)
}

/// A read of a socket. The system call is made here, because the C library's call may end the
/// thread (`pthread_cancel`), and allowing that costs 2 % of a request's time, with both calls.
#[inline]
fn receive(socket: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    let (n, _) = rustix::net::recv(socket, into, RecvFlags::empty())?;
    Ok(n)
}

/// A write to a socket, as [`receive`]. A peer that is gone raises no signal.
#[inline]
fn send(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?)
}

/// A connected socket.
#[derive(Debug)]
pub enum Stream {
    /// TCP without TLS.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TCP under TLS; its handshake may be in progress ([`Stream::is_handshaking`]).
    Tls(Box<TlsLink>),
    /// Such a socket whose peer compresses its bytes.
    Unpacking(Box<UnpackingStream>),
    /// An I/O thread has the socket.
    Handoff(Box<Handoff>),
}

impl Stream {
    /// The socket, if it is here.
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Stream::Tcp(s) => Some(s.as_fd()),
            Stream::Unix(s) => Some(s.as_fd()),
            Stream::Tls(s) => Some(s.socket().as_fd()),
            Stream::Unpacking(s) => s.inner().socket(),
            Stream::Handoff(_) => None,
        }
    }

    /// The loop's end of a connection whose socket an I/O thread has.
    #[inline]
    pub fn handoff(&mut self) -> Option<&mut Handoff> {
        match self {
            Stream::Handoff(handoff) => Some(handoff),
            _ => None,
        }
    }

    /// The I/O thread that has the socket.
    pub fn io_thread(&self) -> Option<u32> {
        match self {
            Stream::Handoff(handoff) => Some(handoff.io_thread()),
            _ => None,
        }
    }

    /// The underlying TCP socket, if any.
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Stream::Tcp(s) => Some(s),
            Stream::Unix(_) | Stream::Handoff(_) => None,
            Stream::Tls(s) => Some(s.socket()),
            Stream::Unpacking(s) => s.inner().tcp(),
        }
    }

    /// The TLS state, if any.
    pub fn tls(&self) -> Option<&TlsLink> {
        match self {
            Stream::Tls(link) => Some(link),
            Stream::Unpacking(s) => s.inner().tls(),
            Stream::Tcp(_) | Stream::Unix(_) | Stream::Handoff(_) => None,
        }
    }

    /// Whether a TLS handshake is in progress: nothing can be written yet, and a read may cost a
    /// thousand times as much as any other.
    #[inline]
    pub fn is_handshaking(&self) -> bool {
        match self {
            Stream::Tls(link) => link.is_handshaking(),
            Stream::Handoff(handoff) => handoff.is_handshaking(),
            Stream::Tcp(_) | Stream::Unix(_) | Stream::Unpacking(_) => false,
        }
    }

    /// The peer's verified certificate, if the peer has sent it.
    pub fn peer_certificate(&self) -> Option<Certificate<'_>> {
        match self {
            Stream::Handoff(handoff) => handoff.peer_certificate(),
            other => other.tls()?.peer_certificate(),
        }
    }

    /// Whether bytes are readable that the kernel has already delivered.
    pub fn has_unread(&self) -> bool {
        match self {
            Stream::Tls(link) => link.has_unread(),
            Stream::Unpacking(s) => s.has_unread(),
            Stream::Handoff(s) => s.has_unread(),
            Stream::Tcp(_) | Stream::Unix(_) => false,
        }
    }

    /// Whether bytes are buffered here that the socket has not taken: `flush` sends them.
    #[inline]
    pub fn has_unsent(&self) -> bool {
        match self {
            Stream::Tls(link) => link.has_unsent(),
            Stream::Unpacking(s) => s.inner().has_unsent(),
            Stream::Tcp(_) | Stream::Unix(_) | Stream::Handoff(_) => false,
        }
    }

    /// Sets the options of client connections: no Nagle delay, and keepalive if configured.
    pub fn tune(&self, keepalive_s: u64) {
        if let Some(tcp) = self.tcp() {
            // These calls fail if the peer has disconnected; the first read will report that.
            let _ = tcp.set_nodelay(true);
            if keepalive_s > 0 {
                let idle = Duration::from_secs(keepalive_s);
                let interval = Duration::from_secs((keepalive_s / 3).max(1));
                let keepalive = TcpKeepalive::new()
                    .with_time(idle)
                    .with_interval(interval)
                    .with_retries(3);
                let _ = SockRef::from(tcp).set_tcp_keepalive(&keepalive);
            }
        }
    }

    /// Whether small writes leave at once.
    pub fn set_nodelay(&self, on: bool) {
        if let Some(tcp) = self.tcp() {
            // The call fails if the peer has disconnected; the next write will report that.
            let _ = tcp.set_nodelay(on);
        }
    }

    /// Registers for reading, under `token`; edge-triggered.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self.source() {
            Some(source) => source.register(registry, token, Interest::READABLE),
            None => Ok(()),
        }
    }

    /// Adds or removes interest in writability.
    pub fn want_write(&mut self, registry: &Registry, token: Token, on: bool) -> io::Result<()> {
        let interest = if on {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        match self.source() {
            Some(source) => source.reregister(registry, token, interest),
            // The reports of the stream's I/O thread say when there is room.
            None => Ok(()),
        }
    }

    /// Another process has this connection as well, and goes on with it: closing it here says
    /// nothing to the peer.
    pub fn hand_over(&mut self) {
        if let Stream::Tls(link) = self {
            link.hand_over();
        }
    }

    /// Takes it out of the poll; an error is ignored.
    pub fn deregister(&mut self, registry: &Registry) {
        // Closing the socket removes it from the poll anyway.
        if let Some(source) = self.source() {
            let _ = source.deregister(registry);
        }
    }

    fn source(&mut self) -> Option<&mut dyn Source> {
        match self {
            Stream::Tcp(s) => Some(s),
            Stream::Unix(s) => Some(s),
            Stream::Tls(s) => Some(s.socket_mut()),
            Stream::Unpacking(s) => s.inner_mut().source(),
            Stream::Handoff(_) => None,
        }
    }

    /// Ends the connection in both directions; the socket itself is closed later.
    pub fn shut_down(&self) {
        // The call fails if the peer has disconnected.
        let _ = match self {
            Stream::Tcp(s) => s.shutdown(std::net::Shutdown::Both),
            Stream::Unix(s) => s.shutdown(std::net::Shutdown::Both),
            Stream::Tls(s) => s.socket().shutdown(std::net::Shutdown::Both),
            Stream::Unpacking(s) => return s.inner().shut_down(),
            // The stream's I/O thread gets an order to do so.
            Stream::Handoff(_) => return,
        };
    }

    /// The peer's end, of a connection that this side has made.
    pub fn peer(&self) -> Address {
        let tcp = self.tcp().and_then(|tcp| tcp.peer_addr().ok());
        tcp.map_or(Address::Unknown, Address::Tcp)
    }

    /// Our end. The address of the peer comes from accept ([`super::Listener::accept`]): a peer
    /// that has disconnected no longer has an address.
    pub fn local(&self) -> Address {
        if let Stream::Unpacking(s) = self {
            return s.inner().local();
        }
        if let Stream::Unix(s) = self {
            let address = s.local_addr().ok();
            let path = address.and_then(|a| a.as_pathname().map(Into::into));
            return Address::Unix(path.unwrap_or_default());
        }
        let tcp = self.tcp().and_then(|tcp| tcp.local_addr().ok());
        tcp.map_or(Address::Unknown, Address::Tcp)
    }

    /// The socket's descriptor, CLIENT LIST's `fd`.
    pub fn fd(&self) -> RawFd {
        match (self, self.socket()) {
            (Stream::Handoff(handoff), _) => handoff.fd(),
            (_, Some(socket)) => socket.as_raw_fd(),
            (_, None) => -1,
        }
    }

    /// From here on the peer may compress its bytes, and reads decompress them by `unpack`; `rest`
    /// is their first part, which has been read already. Writes stay as they are.
    pub fn unpacking(self, mut unpack: Box<dyn Unpack>, rest: &[u8]) -> Stream {
        unpack.push(rest);
        Stream::Unpacking(Box::new(UnpackingStream::new(self, unpack)))
    }

    /// Whether what is read is unpacked.
    pub fn is_unpacking(&self) -> bool {
        matches!(self, Stream::Unpacking(_))
    }

    /// The bytes received by the socket for the last `n` that were read.
    #[inline]
    pub fn received_for(&mut self, n: usize) -> u64 {
        match self {
            Stream::Unpacking(s) => s.take_received(),
            _ => n as u64,
        }
    }

    /// A read: the number of bytes, and whether there may be more without a further event.
    /// 0 bytes: the peer sends no more.
    #[inline]
    pub fn fill(&mut self, into: &mut [u8]) -> io::Result<(usize, bool)> {
        let n = match self {
            Stream::Tcp(s) => receive(s, into)?,
            Stream::Unix(s) => receive(s, into)?,
            Stream::Tls(s) => return s.fill(into),
            Stream::Unpacking(s) => return s.fill(into),
            Stream::Handoff(s) => return s.fill(into),
        };
        Ok((n, n == into.len()))
    }

    /// A read into `first`, which may be uninitialized, and beyond its length into the second
    /// buffer. Returns the bytes in each, and whether there may be more.
    pub fn fill_vectored<'a>(
        &mut self,
        first: &'a mut [MaybeUninit<u8>],
        behind: &mut [u8],
    ) -> io::Result<(&'a [u8], usize, bool)> {
        let room = first.len() + behind.len();
        let (here, there) = match self {
            Stream::Tls(s) => return s.fill_vectored(first, behind),
            Stream::Unpacking(s) => return s.fill_vectored(first, behind),
            Stream::Handoff(s) => return s.fill_vectored(first, behind),
            Stream::Tcp(s) => sys::read_vectored(s.as_fd(), first, behind)?,
            Stream::Unix(s) => sys::read_vectored(s.as_fd(), first, behind)?,
        };
        Ok((here, there, here.len() + there == room))
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => send(s, buf),
            Stream::Unix(s) => send(s, buf),
            Stream::Tls(s) => s.write(buf),
            Stream::Unpacking(s) => s.inner_mut().write(buf),
            Stream::Handoff(s) => s.write(buf),
        }
    }

    #[inline]
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => Ok(rustix::io::writev(s, pieces)?),
            Stream::Unix(s) => Ok(rustix::io::writev(s, pieces)?),
            Stream::Tls(s) => s.write_vectored(pieces),
            Stream::Unpacking(s) => s.inner_mut().write_vectored(pieces),
            Stream::Handoff(s) => s.write_vectored(pieces),
        }
    }

    /// `WouldBlock`: the socket has not taken all written bytes.
    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Tcp(_) | Stream::Unix(_) | Stream::Handoff(_) => Ok(()),
            Stream::Tls(s) => s.flush(),
            Stream::Unpacking(s) => s.inner_mut().flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certainly_here_is_local() {
        for (local, address) in [
            (true, "127.0.0.1:1"),
            (true, "[::1]:1"),
            (true, "[::ffff:127.0.0.1]:1"),
            (false, "192.0.2.1:1"),
            (false, "[2001:db8::1]:1"),
        ] {
            let address = Address::Tcp(address.parse().expect("an address"));
            assert_eq!(address.is_local(), local, "{address}");
        }
        assert!(Address::Unix("/tmp/s".into()).is_local());
        assert!(!Address::Unknown.is_local());
        assert_eq!(Address::Unknown.to_string(), "?:0");
    }
}
