//! Listening sockets: TCP for clients with or without TLS, and Unix sockets.
//!
//! All are non-blocking before they are registered. An IPv6 socket takes IPv6 only, as in Redis; a
//! stale Unix socket at the path is removed first, its mode is set before it listens. An error has
//! the system call that failed, which the log names. TLS begins after accept, with the caller
//! (`AcceptedStream::Tls`). Which addresses are bound, and how many connections a turn accepts:
//! `server`.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mio::net::{TcpListener, TcpStream, UnixListener};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Address, Stream};

/// Maximum number of listening sockets.
pub const LISTENERS_MAX: usize = 64;

/// The protocol of a TCP listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Bytes as they are.
    Plain,
    /// TLS, whose handshake follows accept.
    Tls,
}

/// A socket that accepts clients.
#[derive(Debug)]
pub enum Listener {
    /// A TCP socket, and the protocol of its connections.
    Tcp(TcpListener, Transport),
    /// The path is removed when the server stops.
    Unix(UnixListener, PathBuf),
}

/// Why a socket does not listen: the failed system call and its error.
#[derive(Debug)]
pub struct ListenError {
    /// The system call, as the log names it; or that a path is too long.
    pub step: &'static str,
    /// The system's error; or how long the path is.
    pub error: io::Error,
}

/// An accepted connection.
#[derive(Debug)]
pub enum AcceptedStream {
    /// A connection that can be read at once: TCP or Unix.
    Plain(Stream),
    /// The TLS handshake comes first.
    Tls(TcpStream),
}

fn failed(step: &'static str) -> impl FnOnce(io::Error) -> ListenError {
    move |error| ListenError { step, error }
}

/// How sockets are made, for listening and for connecting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketSettings {
    /// `socket-mark-id`: a mark for the system's packet filter; 0: none.
    pub mark: u32,
    /// `mptcp` and `repl-mptcp`: a connection may use several paths.
    pub multipath: bool,
}

impl SocketSettings {
    /// A new TCP socket. A mark that the system refuses, for which a privilege is needed, is left
    /// out.
    ///
    /// Error: the system has no multipath TCP, or no descriptor left.
    pub(super) fn open(self, domain: Domain, kind: Type) -> io::Result<Socket> {
        let protocol = if self.multipath {
            Protocol::MPTCP
        } else {
            Protocol::TCP
        };
        let socket = Socket::new(domain, kind, Some(protocol))?;
        if self.mark != 0
            && let Err(error) = socket.set_mark(self.mark)
        {
            tracing::warn!("Unable to set the mark of a socket: {error}");
        }
        Ok(socket)
    }
}

/// Listens on a single address. IPv6 sockets accept only IPv6, as in Redis.
pub fn bind_tcp(
    address: SocketAddr,
    transport: Transport,
    backlog: i32,
    settings: SocketSettings,
) -> Result<Listener, ListenError> {
    let domain = Domain::for_address(address);
    let socket = settings
        .open(domain, Type::STREAM)
        .map_err(failed("socket"))?;
    let options = || -> io::Result<()> {
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)
    };
    options().map_err(failed("setsockopt"))?;
    socket.bind(&address.into()).map_err(failed("bind"))?;
    socket.listen(backlog).map_err(failed("listen"))?;
    let listener = TcpListener::from_std(socket.into());
    Ok(Listener::Tcp(listener, transport))
}

/// Listens on a Unix socket; removes a stale socket at the path first. `mode` as for `chmod`.
pub fn bind_unix(path: &Path, mode: Option<u32>, backlog: i32) -> Result<Listener, ListenError> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    if std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket()) {
        std::fs::remove_file(path).map_err(failed("unlink"))?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed("socket"))?;
    socket.set_nonblocking(true).map_err(failed("setsockopt"))?;
    let address = unix_address(path)?;
    socket.bind(&address).map_err(failed("bind"))?;
    if let Some(mode) = mode {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).map_err(failed("chmod"))?;
    }
    socket.listen(backlog).map_err(failed("listen"))?;
    let std: std::os::unix::net::UnixListener = socket.into();
    Ok(Listener::Unix(
        UnixListener::from_std(std),
        path.to_path_buf(),
    ))
}

/// The address of a Unix socket; an error if the system allows no path that long.
pub fn unix_address(path: &Path) -> Result<socket2::SockAddr, ListenError> {
    socket2::SockAddr::unix(path).map_err(|_| path_too_long(path))
}

/// The system's limit on the path of a Unix socket, including the terminating NUL.
const UNIX_PATH_MAX: usize = 108;

fn path_too_long(path: &Path) -> ListenError {
    let len = path.as_os_str().len();
    ListenError {
        step: "unix socket path too long",
        error: io::Error::other(format!("{len} bytes, must be under {UNIX_PATH_MAX}")),
    }
}

impl Listener {
    /// Accepts the next connection and returns its peer's address; `WouldBlock` if there is none.
    /// The address is the peer's at connect time: a peer that has disconnected since cannot hide
    /// it.
    pub fn accept(&self) -> io::Result<(AcceptedStream, Address)> {
        match self {
            Listener::Tcp(l, transport) => {
                let (stream, address) = l.accept()?;
                let accepted = match transport {
                    Transport::Plain => AcceptedStream::Plain(Stream::Tcp(stream)),
                    Transport::Tls => AcceptedStream::Tls(stream),
                };
                Ok((accepted, Address::Tcp(address)))
            }
            Listener::Unix(l, path) => {
                let (stream, _) = l.accept()?;
                // Unix peers have no address; Redis shows the listener's path.
                let plain = AcceptedStream::Plain(Stream::Unix(stream));
                Ok((plain, Address::Unix(path.clone())))
            }
        }
    }

    /// Registers for connections to accept, under `token`; edge-triggered.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Listener::Tcp(l, _) => registry.register(l, token, Interest::READABLE),
            Listener::Unix(l, _) => registry.register(l, token, Interest::READABLE),
        }
    }

    /// Takes it out of the poll; an error is ignored.
    pub fn deregister(&mut self, registry: &Registry) {
        // Closing the socket removes it from the poll anyway.
        let _ = match self {
            Listener::Tcp(l, _) => registry.deregister(l),
            Listener::Unix(l, _) => registry.deregister(l),
        };
    }

    /// Whether it is a Unix socket.
    pub fn is_unix(&self) -> bool {
        matches!(self, Listener::Unix(..))
    }

    /// Whether its connections begin with a TLS handshake.
    pub fn is_tls(&self) -> bool {
        matches!(self, Listener::Tcp(_, Transport::Tls))
    }

    /// The path of a Unix socket.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Listener::Unix(_, path) => Some(path),
            Listener::Tcp(..) => None,
        }
    }

    /// The address of a TCP socket, and its protocol.
    pub fn place(&self) -> Option<(SocketAddr, Transport)> {
        match self {
            Listener::Tcp(_, transport) => Some((self.address()?, *transport)),
            Listener::Unix(..) => None,
        }
    }

    /// The address of a TCP socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(l, _) => l.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_peer_that_is_gone_before_it_is_accepted_keeps_its_address() {
        let any = "127.0.0.1:0".parse().expect("an address");
        let listener =
            bind_tcp(any, Transport::Plain, 10, SocketSettings::default()).expect("a socket");
        let peer = std::net::TcpStream::connect(listener.address().expect("bound")).expect("room");
        let address = peer.local_addr().expect("connected");
        // Closing it now resets the connection: getpeername fails from then on.
        let linger = Some(Duration::ZERO);
        socket2::SockRef::from(&peer)
            .set_linger(linger)
            .expect("an option");
        drop(peer);
        let (stream, from) = listener.accept().expect("it has been there");
        let AcceptedStream::Plain(Stream::Tcp(tcp)) = &stream else {
            panic!("a TCP socket gives TCP streams");
        };
        assert!(tcp.peer_addr().is_err());
        assert_eq!(from, Address::Tcp(address));
    }
}
