//! A blocking outgoing connection, each step with a time limit, with TLS if configured: for
//! commands that talk to another server while all clients wait (MIGRATE), and for tools.
//!
//! The limit of `connect` covers all addresses of the host and the handshake; `send` has a limit
//! for each 64 KiB; `read_into` has an end. Resolving the name has no limit. A limit that has
//! passed is `TimedOut`, whatever the system calls it. Links of the loop never use this: see
//! `connecting`.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Bytes passed to a write.
const WRITE_BYTES: usize = 64 * 1024;
/// Maximum bytes of a read.
const READ_BYTES: usize = 16 * 1024;

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Unix(UnixStream),
}

impl Socket {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(s) => s.as_fd(),
            Socket::Tls(s) => s.sock.as_fd(),
            Socket::Unix(s) => s.as_fd(),
        }
    }

    fn limit_writes(&self, limit: Duration) -> io::Result<()> {
        match self {
            Socket::Tcp(s) => s.set_write_timeout(Some(limit)),
            Socket::Tls(s) => s.sock.set_write_timeout(Some(limit)),
            Socket::Unix(s) => s.set_write_timeout(Some(limit)),
        }
    }

    fn limit_reads(&self, limit: Duration) -> io::Result<()> {
        match self {
            Socket::Tcp(s) => s.set_read_timeout(Some(limit)),
            Socket::Tls(s) => s.sock.set_read_timeout(Some(limit)),
            Socket::Unix(s) => s.set_read_timeout(Some(limit)),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Socket::Tcp(s) => s.write_all(bytes),
            Socket::Tls(s) => {
                s.write_all(bytes)?;
                s.flush()
            }
            Socket::Unix(s) => s.write_all(bytes),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.read(bytes),
            Socket::Tls(s) => s.read(bytes),
            Socket::Unix(s) => s.read(bytes),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct DialledStream {
    stream: Socket,
    /// The limit of writes that the socket has; `None`: the system's.
    write_limit: Option<Duration>,
}

impl From<Socket> for DialledStream {
    fn from(stream: Socket) -> DialledStream {
        DialledStream {
            stream,
            write_limit: None,
        }
    }
}

/// The time limit has passed.
fn timed_out() -> io::Error {
    io::Error::from(io::ErrorKind::TimedOut)
}

/// The time left until `end`.
fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(timed_out());
    }
    Ok(left)
}

/// The system reports `WouldBlock` when a socket's timeout has passed.
fn name_timeout(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => timed_out(),
        _ => error,
    }
}

/// The name that is sent to a server (SNI); the certificate may have another name.
pub(super) fn server_name(host: &str) -> ServerName<'static> {
    ServerName::try_from(host.to_owned())
        .unwrap_or_else(|_| ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED)))
}

/// Runs the TLS handshake until `end`.
fn agree(
    mut socket: TcpStream,
    host: &str,
    config: &Arc<ClientConfig>,
    end: Instant,
) -> io::Result<Socket> {
    let connection = ClientConnection::new(Arc::clone(config), server_name(host));
    let mut connection = connection.map_err(io::Error::other)?;
    while connection.is_handshaking() {
        let limit = left(end)?;
        socket.set_read_timeout(Some(limit))?;
        socket.set_write_timeout(Some(limit))?;
        connection.complete_io(&mut socket).map_err(name_timeout)?;
    }
    Ok(Socket::Tls(Box::new(StreamOwned::new(connection, socket))))
}

impl DialledStream {
    /// Connects to the first address of `host` that answers within `limit`; with `tls`, the
    /// handshake has the rest of that time.
    pub fn connect(
        host: &str,
        port: u16,
        limit: Duration,
        tls: Option<&Arc<ClientConfig>>,
    ) -> io::Result<DialledStream> {
        DialledStream::connect_as(host, port, limit, tls, host)
    }

    /// As [`DialledStream::connect`], with another name for the handshake (SNI).
    pub fn connect_as(
        host: &str,
        port: u16,
        limit: Duration,
        tls: Option<&Arc<ClientConfig>>,
        name: &str,
    ) -> io::Result<DialledStream> {
        let end = Instant::now() + limit;
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, left(end)?) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let stream = match tls {
                        None => Socket::Tcp(stream),
                        Some(config) => agree(stream, name, config, end)?,
                    };
                    return Ok(stream.into());
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Connects to a Unix socket.
    pub fn connect_unix(path: &Path) -> io::Result<DialledStream> {
        Ok(Socket::Unix(UnixStream::connect(path)?).into())
    }

    /// The same connection for another thread, so that one sends while the other reads; `None`
    /// under TLS, whose two directions share a state.
    pub fn twin(&self) -> io::Result<Option<DialledStream>> {
        let stream = match &self.stream {
            Socket::Tcp(s) => Socket::Tcp(s.try_clone()?),
            Socket::Unix(s) => Socket::Unix(s.try_clone()?),
            Socket::Tls(_) => return Ok(None),
        };
        Ok(Some(stream.into()))
    }

    /// Which of the streams have bytes, or have ended; waits up to `limit` for the first.
    /// O(streams).
    ///
    /// # Errors
    ///
    /// If the kernel refuses to wait; a signal that interrupts it is no error.
    pub fn await_readable(
        streams: &mut [&mut DialledStream],
        limit: Duration,
    ) -> io::Result<Vec<bool>> {
        // Bytes that TLS has deciphered already are the kernel's no more.
        let unread: Vec<bool> = streams.iter_mut().map(|its| its.has_unread()).collect();
        let limit = if unread.contains(&true) {
            Duration::ZERO
        } else {
            limit
        };
        let timeout = Timespec::try_from(limit).map_err(io::Error::other)?;
        let mut asked: Vec<PollFd<'_>> = streams
            .iter()
            .map(|its| PollFd::from_borrowed_fd(its.stream.fd(), PollFlags::IN))
            .collect();
        match poll(&mut asked, Some(&timeout)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => asked.clear(),
            Err(error) => return Err(error.into()),
        }
        let mut ready = unread;
        for (is_ready, fd) in ready.iter_mut().zip(&asked) {
            *is_ready |= !fd.revents().is_empty();
        }
        Ok(ready)
    }

    /// Whether TLS has deciphered bytes that have not been read.
    fn has_unread(&mut self) -> bool {
        match &mut self.stream {
            // A fault of the bytes is the next read's to report.
            Socket::Tls(s) => s
                .conn
                .process_new_packets()
                .map_or(true, |state| state.plaintext_bytes_to_read() > 0),
            Socket::Tcp(_) | Socket::Unix(_) => false,
        }
    }

    /// Sends all of `bytes`; each part of it within `limit`.
    pub fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        if self.write_limit != Some(limit) {
            self.stream.limit_writes(limit)?;
            self.write_limit = Some(limit);
        }
        for part in bytes.chunks(WRITE_BYTES) {
            self.stream.write_all(part).map_err(name_timeout)?;
        }
        Ok(())
    }

    /// As [`DialledStream::read_into`], for a stream that [`DialledStream::await_readable`] has
    /// found: it saves the system call that sets a limit. Under TLS it may wait for the rest of a
    /// record.
    pub fn read_ready(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let mut bytes = [0; READ_BYTES];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                Ok(n) => {
                    into.extend_from_slice(&bytes[..n]);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(name_timeout(error)),
            }
        }
    }

    /// Appends the arrived bytes to `into`, at least 1; waits for it until `end`.
    pub fn read_into(&mut self, into: &mut Vec<u8>, end: Instant) -> io::Result<()> {
        self.stream.limit_reads(left(end)?)?;
        self.read_ready(into)
    }
}
