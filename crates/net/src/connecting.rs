//! An outgoing connection that is being made without blocking: for links that the loop drives.
//!
//!     resolving (a thread) -> connecting, address after address -> TLS handshake -> a `Stream`
//!
//! A name is resolved by a helper thread, because the system's resolver blocks. Each address is
//! tried in the system's order; an address that refuses, or whose handshake fails, is followed by
//! the next address. There is no time limit here: the owner drops a connection that takes too long.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::ClientConfig;
use socket2::{Domain, SockAddr, Type};

use super::dial::server_name;
use super::listener::SocketSettings;
use super::stream::Stream;
use super::tls::TlsLink;
use russet_base::threads;
use russet_base::wake::Wake;

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct Destination {
    /// A name or an address.
    pub host: String,
    /// The TCP port, at each of the host's addresses.
    pub port: u16,
    /// The address of our end (`bind-source-addr`); the system chooses if there is none.
    pub source: Option<IpAddr>,
    /// How the socket is made.
    pub socket: SocketSettings,
    /// With TLS.
    pub tls: Option<Arc<ClientConfig>>,
}

/// See the module.
#[derive(Debug)]
pub struct ConnectAttempt {
    to: Destination,
    stage: ConnectStage,
    /// Addresses not tried yet.
    addresses: VecDeque<SocketAddr>,
    /// Why the last address failed.
    failed: Option<io::Error>,
}

#[derive(Debug)]
enum ConnectStage {
    Resolving(Receiver<io::Result<Vec<SocketAddr>>>),
    Connecting(TcpStream),
    Agreeing(Box<TlsLink>),
    /// A simulated network has connected.
    #[cfg(feature = "testing")]
    Given(Box<Stream>),
    /// No address is left, or the stream has been handed over.
    Over,
}

impl ConnectAttempt {
    /// Begins to resolve the destination if it is a name: to be followed by
    /// [`ConnectAttempt::advance`]. `wake` is called by a helper thread when that can continue;
    /// later steps follow events of the poll.
    ///
    /// Error: the system cannot provide a thread.
    pub fn begin(to: Destination, wake: Wake) -> io::Result<ConnectAttempt> {
        #[cfg(feature = "testing")]
        if let Some(dialled) = super::simulated::dial(&to.host, to.port) {
            return Ok(ConnectAttempt {
                to,
                stage: ConnectStage::Given(Box::new(dialled?)),
                addresses: VecDeque::new(),
                failed: None,
            });
        }
        if let Ok(ip) = to.host.parse::<IpAddr>() {
            let address = SocketAddr::new(ip, to.port);
            return Ok(ConnectAttempt {
                to,
                stage: ConnectStage::Over,
                addresses: VecDeque::from([address]),
                failed: None,
            });
        }
        let (sender, reported) = mpsc::channel();
        let (host, port) = (to.host.clone(), to.port);
        threads::start("russet-resolve", move || {
            let found = (host.as_str(), port).to_socket_addrs();
            // The connection may have been given up.
            let _ = sender.send(found.map(Iterator::collect));
            wake.wake();
        })?;
        Ok(ConnectAttempt {
            to,
            stage: ConnectStage::Resolving(reported),
            addresses: VecDeque::new(),
            failed: None,
        })
    }

    /// Continues: after `wake`, and after each event for `token`, under which the sockets are
    /// registered. Returns the stream when it is ready to be written, registered for reading.
    ///
    /// Error: no address is left; the error is the failure of the last address.
    pub fn advance(&mut self, registry: &Registry, token: Token) -> io::Result<Option<Stream>> {
        loop {
            let stepped = match std::mem::replace(&mut self.stage, ConnectStage::Over) {
                ConnectStage::Resolving(reported) => match reported.try_recv() {
                    Ok(found) => {
                        self.addresses = found?.into();
                        Ok(None)
                    }
                    Err(TryRecvError::Empty) => {
                        self.stage = ConnectStage::Resolving(reported);
                        return Ok(None);
                    }
                    Err(TryRecvError::Disconnected) => return Err(ErrorKind::NotFound.into()),
                },
                ConnectStage::Connecting(socket) => self.connected(socket),
                ConnectStage::Agreeing(link) => self.agree(link),
                #[cfg(feature = "testing")]
                ConnectStage::Given(mut stream) => {
                    stream.register(registry, token)?;
                    return Ok(Some(*stream));
                }
                ConnectStage::Over => Ok(None),
            };
            match stepped {
                Ok(Some(mut stream)) => {
                    stream.want_write(registry, token, false)?;
                    return Ok(Some(stream));
                }
                Ok(None) if !matches!(self.stage, ConnectStage::Over) => return Ok(None),
                Ok(None) => {}
                Err(error) => self.failed = Some(error),
            }
            self.next_address(registry, token)?;
        }
    }

    /// Begins to connect to the next address that does not fail at once.
    fn next_address(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        while let Some(address) = self.addresses.pop_front() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let begun = connect(address, &self.to).and_then(|mut socket| {
                registry.register(&mut socket, token, interest)?;
                Ok(socket)
            });
            match begun {
                Ok(socket) => {
                    self.stage = ConnectStage::Connecting(socket);
                    return Ok(());
                }
                Err(error) => self.failed = Some(error),
            }
        }
        Err(self.failed.take().unwrap_or(ErrorKind::NotFound.into()))
    }

    /// The socket has had an event: it is connected, has failed, or is still on its way.
    fn connected(&mut self, socket: TcpStream) -> io::Result<Option<Stream>> {
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotConnected => {
                self.stage = ConnectStage::Connecting(socket);
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        socket.set_nodelay(true)?;
        let Some(config) = &self.to.tls else {
            return Ok(Some(Stream::Tcp(socket)));
        };
        let link = TlsLink::opened(socket, config, server_name(&self.to.host))?;
        self.agree(Box::new(link))
    }

    /// A step of the handshake. Its last bytes must have left before the stream is handed over.
    fn agree(&mut self, mut link: Box<TlsLink>) -> io::Result<Option<Stream>> {
        use std::io::Write;
        loop {
            let is_blocked = match link.flush() {
                Ok(()) => false,
                Err(error) if error.kind() == ErrorKind::WouldBlock => true,
                Err(error) => return Err(error),
            };
            if !link.is_handshaking() && !is_blocked {
                return Ok(Some(Stream::Tls(link)));
            }
            let waits = if link.is_handshaking() {
                // The buffer is empty: bytes after the handshake stay in the link.
                match link.fill(&mut []) {
                    Ok((_, false)) if link.is_handshaking() => {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        link.is_handshaking() && (is_blocked || !link.has_unsent())
                    }
                    Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                    _ => false,
                }
            } else {
                true
            };
            if waits {
                self.stage = ConnectStage::Agreeing(link);
                return Ok(None);
            }
        }
    }
}

/// A socket whose connection has begun.
fn connect(to: SocketAddr, from: &Destination) -> io::Result<TcpStream> {
    let domain = Domain::for_address(to);
    let socket = from.socket.open(domain, Type::STREAM.nonblocking())?;
    if let Some(source) = from.source {
        socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
    }
    match socket.connect(&SockAddr::from(to)) {
        Ok(()) => {}
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use mio::{Events, Poll, Waker};

    use super::*;
    use crate::tls::testing::{self, Authority, Subject};
    use crate::tls::{Authentication, Materials};

    const TOKEN: Token = Token(1);
    const LIMIT: Duration = Duration::from_secs(10);

    /// Drives the connection by a poll's events, as the loop does.
    fn drive(to: Destination) -> io::Result<(Stream, Poll)> {
        let mut poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Token(0))?;
        let mut connecting =
            ConnectAttempt::begin(to, Wake::new(move || waker.wake().expect("a poll")))?;
        let (mut events, end) = (Events::with_capacity(8), Instant::now() + LIMIT);
        while Instant::now() < end {
            poll.poll(&mut events, Some(Duration::from_millis(100)))?;
            if let Some(stream) = connecting.advance(poll.registry(), TOKEN)? {
                return Ok((stream, poll));
            }
        }
        Err(ErrorKind::TimedOut.into())
    }

    fn to(host: &str, port: u16) -> Destination {
        Destination {
            host: host.to_owned(),
            port,
            source: None,
            socket: SocketSettings::default(),
            tls: None,
        }
    }

    /// Reads from the stream, as its events come.
    fn read(stream: &mut Stream, poll: &mut Poll) -> Vec<u8> {
        let (mut events, end) = (Events::with_capacity(8), Instant::now() + LIMIT);
        let mut bytes = [0; 64];
        while Instant::now() < end {
            match stream.fill(&mut bytes) {
                Ok((n, _)) => return bytes[..n].to_vec(),
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
                    "{error}"
                ),
            }
            let limit = Some(Duration::from_millis(100));
            poll.poll(&mut events, limit).expect("a poll");
        }
        panic!("nothing came");
    }

    /// Echoes 5 bytes of a connection.
    fn echo(mut peer: impl Read + Write) {
        let mut bytes = [0; 5];
        peer.read_exact(&mut bytes).expect("bytes");
        peer.write_all(&bytes).expect("room");
        peer.flush().expect("room");
    }

    #[test]
    fn a_name_is_resolved_and_connected() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let peer = threads::start("echo", move || echo(listener.accept().expect("a peer").0));
        let mut there = to("localhost", port);
        there.source = None;
        let (mut stream, mut poll) = drive(there).expect("connected");
        stream.write_all(b"hello").expect("room");
        assert_eq!(read(&mut stream, &mut poll), b"hello");
        peer.expect("a thread").join().expect("it ends");
    }

    #[test]
    fn our_end_has_the_address_that_is_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut there = to("127.0.0.1", listener.local_addr().expect("bound").port());
        there.source = Some("127.0.0.3".parse().expect("an address"));
        let (_stream, _poll) = drive(there).expect("connected");
        let (_, from) = listener.accept().expect("a peer");
        assert_eq!(from.ip().to_string(), "127.0.0.3");
    }

    #[test]
    fn a_port_that_nobody_listens_on_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        let refused = drive(to("127.0.0.1", port)).expect_err("refused");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(drive(to("no such name.invalid", port)).is_err());
    }

    #[test]
    fn with_tls_the_stream_comes_after_the_handshake() {
        let authority = Authority::shared();
        let materials: Materials = authority.materials();
        let mut settings = testing::settings(Authentication::Mandatory);
        settings.opens_links = true;
        let own = authority.issue(&Subject::named("a client"));
        let client = testing::build(&mut settings, authority, &own).expect("all is well");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut there = to("localhost", listener.local_addr().expect("bound").port());
        there.tls = client.client;
        let server = Arc::clone(&materials.server);
        let peer = threads::start("echo", move || {
            let socket = listener.accept().expect("a peer").0;
            let connection = rustls::ServerConnection::new(server).expect("a server");
            echo(rustls::StreamOwned::new(connection, socket));
        });
        let (mut stream, mut poll) = drive(there).expect("connected");
        assert!(stream.tls().is_some() && !stream.is_handshaking());
        stream.write_all(b"hello").expect("room");
        stream.flush().expect("room");
        assert_eq!(read(&mut stream, &mut poll), b"hello");
        peer.expect("a thread").join().expect("it ends");
    }

    #[test]
    fn a_peer_that_does_not_speak_tls_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut there = to("localhost", listener.local_addr().expect("bound").port());
        let mut settings = testing::settings(Authentication::None);
        settings.opens_links = true;
        let authority = Authority::shared();
        let own = authority.issue(&Subject::named("a client"));
        let client = testing::build(&mut settings, authority, &own).expect("all is well");
        there.tls = client.client;
        let peer = threads::start("plain", move || {
            let (mut socket, _) = listener.accept().expect("a peer");
            socket.write_all(b"-ERR plain\r\n").expect("room");
            let _ = socket.read(&mut [0; 4096]);
        });
        assert!(drive(there).is_err());
        peer.expect("a thread").join().expect("it ends");
    }
}
