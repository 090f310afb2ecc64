//! A client's socket, TCP or Unix.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use socket2::{SockRef, TcpKeepalive};

use super::sys;

/// One end of a connection, as CLIENT LIST prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
    /// The system does not say. It may be anywhere.
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
            // Mapped addresses are printed as the IPv4 ones they are.
            Address::Tcp(SocketAddr::V6(a)) => match a.ip().to_ipv4_mapped() {
                Some(v4) => write!(f, "{}:{}", v4, a.port()),
                None => write!(f, "[{}]:{}", a.ip(), a.port()),
            },
            Address::Unix(path) => write!(f, "{}:0", path.display()),
            Address::Unknown => f.write_str("?:0"),
        }
    }
}

/// Which of the streams have something to read, or have ended: asked of the kernel anew,
/// whatever a poll has told. O(streams).
pub fn readable<'s>(streams: impl Iterator<Item = &'s Stream>) -> Vec<bool> {
    use rustix::event::{PollFd, PollFlags, poll};
    let flags = PollFlags::IN;
    let mut asked: Vec<PollFd<'_>> = streams.map(|stream| PollFd::new(stream, flags)).collect();
    let now = rustix::event::Timespec::default();
    if poll(&mut asked, Some(&now)).is_err() {
        return vec![false; asked.len()];
    }
    asked.iter().map(|fd| !fd.revents().is_empty()).collect()
}

/// A connected socket.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsFd for Stream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Stream::Tcp(s) => s.as_fd(),
            Stream::Unix(s) => s.as_fd(),
        }
    }
}

impl Stream {
    /// Sets what every client connection has: no Nagle delay, and keepalive if asked for.
    pub fn tune(&self, keepalive_s: u64) {
        if let Stream::Tcp(tcp) = self {
            // A peer that has gone already makes these fail; the first read will tell.
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

    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source().register(registry, token, Interest::READABLE)
    }

    /// Listens for writability too, or no longer.
    pub fn want_write(&mut self, registry: &Registry, token: Token, on: bool) -> io::Result<()> {
        let interest = if on {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        self.source().reregister(registry, token, interest)
    }

    pub fn deregister(&mut self, registry: &Registry) {
        // Closing the socket takes it out of the poll anyway.
        let _ = self.source().deregister(registry);
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Stream::Tcp(s) => s,
            Stream::Unix(s) => s,
        }
    }

    /// Our end. What the other end is, accept tells ([`super::Listener::accept`]): a peer that
    /// has gone has no address any more.
    pub fn local(&self) -> Address {
        match self {
            Stream::Tcp(s) => s.local_addr().map_or(Address::Unknown, Address::Tcp),
            Stream::Unix(s) => {
                let address = s.local_addr().ok();
                let path = address.and_then(|a| a.as_pathname().map(Into::into));
                Address::Unix(path.unwrap_or_default())
            }
        }
    }

    pub fn fd(&self) -> RawFd {
        match self {
            Stream::Tcp(s) => s.as_raw_fd(),
            Stream::Unix(s) => s.as_raw_fd(),
        }
    }

    /// One read into `first`, which nobody needs to have written to, and what does not fit
    /// there into `behind`: what has come to each.
    pub fn read_vectored<'a>(
        &mut self,
        first: &'a mut [MaybeUninit<u8>],
        behind: &mut [u8],
    ) -> io::Result<(&'a [u8], usize)> {
        match self {
            Stream::Tcp(s) => sys::read_vectored(s.as_fd(), first, behind),
            Stream::Unix(s) => sys::read_vectored(s.as_fd(), first, behind),
        }
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.read(buf),
            Stream::Unix(s) => s.read(buf),
        }
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.write(buf),
            Stream::Unix(s) => s.write(buf),
        }
    }

    #[inline]
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.write_vectored(pieces),
            Stream::Unix(s) => s.write_vectored(pieces),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
