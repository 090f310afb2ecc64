//! A TLS connection: a socket, rustls's state, and buffers that exist only while bytes wait.
//!
//!     socket -> [held] -> rustls -> [plain] -> reader
//!     writer -> rustls -> [unsent] -> socket
//!
//! `held` is an incomplete record; `plain`, bytes for which a reader had no room; `unsent`, bytes
//! that the socket did not take. All three own no memory when empty, which is nearly always:
//! records are opened and sealed in buffers that all connections share. So an idle connection is
//! rustls's state and nothing else.
//!
//! rustls remembers offsets into input it has not consumed. So every call must pass these bytes,
//! `held`, again, even if there is nothing new.
//!
//! A call reads from the socket at most once. The "more" result of [`TlsLink::fill`] is for an
//! edge-triggered poll: while it is true, no event will come. It always reports bytes that are
//! buffered here.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{ClientConfig, Error, ServerConfig};

use super::Certificate;
use crate::sys::FillBuffer;

/// Maximum plaintext in a single record.
const RECORD_BYTES: usize = 16 * 1024;
/// Upper bound of the bytes that sealing adds to a record.
const OVERHEAD_BYTES: usize = 64;
/// Maximum and minimum size of a read.
const READ_BYTES_MAX: usize = 64 * 1024;
const READ_BYTES_MIN: usize = 4 * 1024;
/// Maximum plaintext sealed by a single write.
const WRITE_BYTES_MAX: usize = 4 * RECORD_BYTES;
/// A peer that makes us answer (alerts, new keys) without reading is disconnected at this size.
const UNSENT_BYTES_MAX: usize = 128 * 1024;

/// The type of a peer's first record.
const HANDSHAKE: u8 = 0x16;
const NOT_TLS: &str = "the client does not speak TLS, but this port does";

/// Buffers that all connections of a thread share.
#[derive(Default)]
struct Scratch {
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// Short pieces gathered into a single record.
    gathered: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

enum Connection {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// See the module.
pub struct TlsLink {
    socket: TcpStream,
    connection: Connection,
    held: Vec<u8>,
    plain: Vec<u8>,
    unsent: Vec<u8>,
    /// The part of `unsent` that has been sent.
    sent: usize,
    is_established: bool,
    /// The peer has sent something.
    has_begun: bool,
    /// The last read of the socket filled its buffer.
    socket_has_more: bool,
    /// The peer has closed its side.
    is_ended: bool,
    has_failed: bool,
    /// An error after valid records, whose data the caller reads first. Redis's primary sends such
    /// a record after a snapshot that its child has sent, because the record numbers of the primary
    /// are old then.
    failure: Option<io::Error>,
}

impl std::fmt::Debug for TlsLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("socket", &self.socket)
            .field("is_established", &self.is_established)
            .finish_non_exhaustive()
    }
}

/// The result of a round through rustls.
struct Round {
    /// Bytes consumed from the front.
    done: usize,
    result: Result<(), Error>,
}

/// Processes the records in `$incoming`: plaintext to `$sink`, answers appended to `$unsent`.
/// A macro, because the client and server types share no trait.
macro_rules! go_through {
    ($connection:expr, $incoming:expr, $unsent:expr, $is_ended:expr, $sink:expr) => {{
        let mut done = 0;
        let result = loop {
            let UnbufferedStatus { discard, state } =
                $connection.process_tls_records(&mut $incoming[done..]);
            let continues = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        if let Ok(record) = record {
                            $sink(record.payload);
                        }
                    }
                    true
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append($unsent, |room| data.encode(room));
                    true
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    true
                }
                Ok(ConnectionState::PeerClosed) => {
                    *$is_ended = true;
                    true
                }
                Ok(_) => false,
                Err(error) => {
                    done += discard;
                    break Err(error);
                }
            };
            done += discard;
            if !continues {
                break Ok(());
            }
        };
        Round { done, result }
    }};
}

/// Lets `$act` write; `None`: the connection is over. After the last read all input was processed
/// and all of rustls's own output was taken.
macro_rules! with_traffic {
    ($connection:expr, $held:expr, $act:expr) => {
        match $connection.process_tls_records($held) {
            UnbufferedStatus {
                discard: 0,
                state: Ok(ConnectionState::WriteTraffic(mut traffic)),
            } => Some($act(&mut traffic)),
            _ => None,
        }
    };
}

/// Appends encoded output to `unsent`.
fn append(unsent: &mut Vec<u8>, mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let (end, mut room) = (unsent.len(), 512);
    loop {
        unsent.resize(end + room, 0);
        match encode(&mut unsent[end..]) {
            Ok(n) => return unsent.truncate(end + n),
            Err(EncodeError::InsufficientSize(needs)) => room = needs.required_size,
            Err(EncodeError::AlreadyEncoded) => return unsent.truncate(end),
        }
    }
}

impl TlsLink {
    /// The server side of an accepted connection.
    pub fn accepted(socket: TcpStream, config: &Arc<ServerConfig>) -> io::Result<TlsLink> {
        let connection = UnbufferedServerConnection::new(Arc::clone(config));
        let connection = connection.map_err(io::Error::other)?;
        Ok(TlsLink::new(socket, Connection::Server(connection)))
    }

    /// The client side, to a server of this name. The first bytes are in `unsent`, ready to send.
    pub fn opened(
        socket: TcpStream,
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<TlsLink> {
        let connection = UnbufferedClientConnection::new(Arc::clone(config), name);
        let connection = connection.map_err(io::Error::other)?;
        let mut link = TlsLink::new(socket, Connection::Client(connection));
        link.round(&mut [], &mut |_| {})
            .result
            .map_err(io::Error::other)?;
        Ok(link)
    }

    fn new(socket: TcpStream, connection: Connection) -> TlsLink {
        TlsLink {
            socket,
            connection,
            held: Vec::new(),
            plain: Vec::new(),
            unsent: Vec::new(),
            sent: 0,
            is_established: false,
            has_begun: false,
            socket_has_more: false,
            is_ended: false,
            has_failed: false,
            failure: None,
        }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub(crate) fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Another process goes on with the connection: no closing alert is sent here.
    pub(crate) fn hand_over(&mut self) {
        self.has_failed = true;
    }

    /// The handshake is in progress: nothing can be written, and reading costs much more.
    pub fn is_handshaking(&self) -> bool {
        !self.is_established
    }

    /// Whether bytes wait that the socket has not taken.
    pub fn has_unsent(&self) -> bool {
        self.sent < self.unsent.len()
    }

    /// Whether something can be read without reading the socket.
    pub fn has_unread(&self) -> bool {
        !self.plain.is_empty() || self.is_ended || self.failure.is_some()
    }

    /// The peer's verified certificate, if the peer has sent it.
    pub fn peer_certificate(&self) -> Option<Certificate<'_>> {
        Certificate::read(self.peer_der()?)
    }

    /// As [`TlsLink::peer_certificate`], its bytes.
    pub(crate) fn peer_der(&self) -> Option<&CertificateDer<'static>> {
        let chain: Option<&[CertificateDer<'static>]> = match &self.connection {
            Connection::Server(c) => c.peer_certificates(),
            Connection::Client(c) => c.peer_certificates(),
        };
        chain?.first()
    }

    /// Memory beyond this struct, without rustls's.
    pub fn waiting_bytes(&self) -> usize {
        self.held.capacity() + self.plain.capacity() + self.unsent.capacity()
    }

    /// Reads the available bytes, with at most one read of the socket: their number, and
    /// whether there may be more without a further event. 0 bytes: the peer sends no more.
    ///
    /// `Interrupted`: the records held no data, and there may be more of them.
    pub fn fill(&mut self, into: &mut [u8]) -> io::Result<(usize, bool)> {
        let mut at = 0;
        self.fill_with(into.len(), |bytes| {
            let n = bytes.len().min(into.len() - at);
            into[at..at + n].copy_from_slice(&bytes[..n]);
            at += n;
            n
        })
    }

    /// Like [`TlsLink::fill`], into `first`, which may be uninitialized, and then into the second
    /// buffer. Returns the bytes in each.
    pub fn fill_vectored<'a>(
        &mut self,
        first: &'a mut [MaybeUninit<u8>],
        behind: &mut [u8],
    ) -> io::Result<(&'a [u8], usize, bool)> {
        let room = first.len() + behind.len();
        let mut filling = FillBuffer::new(first);
        let mut there = 0;
        let (_, more) = self.fill_with(room, |bytes| {
            let to_first = filling.push(bytes);
            let rest = &bytes[to_first..];
            let to_behind = rest.len().min(behind.len() - there);
            behind[there..there + to_behind].copy_from_slice(&rest[..to_behind]);
            there += to_behind;
            to_first + to_behind
        })?;
        Ok((filling.written(), there, more))
    }

    /// `take` returns how many bytes of each piece it took.
    fn fill_with(
        &mut self,
        room: usize,
        mut take: impl FnMut(&[u8]) -> usize,
    ) -> io::Result<(usize, bool)> {
        if !self.plain.is_empty() {
            let n = take(&self.plain);
            self.plain.drain(..n);
            if self.plain.is_empty() {
                self.plain = Vec::new();
            }
            // The socket was not read: it may have bytes whose event was for this read.
            return Ok((n, true));
        }
        if self.is_ended {
            return Ok((0, false));
        }
        if self.has_failed {
            let failure = self.failure.take();
            return Err(failure.unwrap_or(ErrorKind::ConnectionAborted.into()));
        }
        let (mut came, mut beyond) = (0, Vec::new());
        let pulled = self.pull(room, &mut |bytes| {
            let n = if beyond.is_empty() { take(bytes) } else { 0 };
            came += n;
            beyond.extend_from_slice(&bytes[n..]);
        });
        self.plain = beyond;
        let is_over = match pulled {
            Err(error) if came > 0 || !self.plain.is_empty() => {
                self.failure = Some(error);
                false
            }
            pulled => pulled?,
        };
        if came > 0 {
            return Ok((came, self.has_unread() || self.socket_has_more));
        }
        if is_over || self.is_ended {
            return Ok((0, false));
        }
        Err(if self.socket_has_more {
            ErrorKind::Interrupted.into()
        } else {
            ErrorKind::WouldBlock.into()
        })
    }

    /// A read of the socket, processed by rustls. `true`: the socket has ended.
    fn pull(&mut self, room: usize, sink: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        SCRATCH.with_borrow_mut(|scratch| {
            let incoming = &mut scratch.incoming;
            let start = self.held.len();
            let asked = room
                .saturating_sub(start)
                .clamp(READ_BYTES_MIN, READ_BYTES_MAX);
            if incoming.len() < start + asked {
                incoming.resize(start + asked, 0);
            }
            let n = self.socket.read(&mut incoming[start..start + asked])?;
            self.socket_has_more = n == asked;
            if n == 0 {
                return Ok(true);
            }
            if !std::mem::replace(&mut self.has_begun, true) && incoming[start] != HANDSHAKE {
                // Such a peer would not understand an alert either.
                self.has_failed = true;
                return Err(io::Error::new(ErrorKind::InvalidData, NOT_TLS));
            }
            incoming[..start].copy_from_slice(&self.held);
            let came = &mut incoming[..start + n];
            let Round { done, result } = self.round(came, sink);
            let failed = result.err().map(|error| {
                self.has_failed = true;
                self.take_alert(&mut came[done..]);
                io::Error::new(ErrorKind::InvalidData, error)
            });
            let left = &came[done..];
            if left.is_empty() || failed.is_some() {
                self.held = Vec::new();
            } else {
                self.held.clear();
                self.held.extend_from_slice(left);
            }
            match self.push() {
                Err(error) if error.kind() != ErrorKind::WouldBlock => {
                    return Err(failed.unwrap_or(error));
                }
                _ => {}
            }
            match failed {
                Some(error) => Err(error),
                None if self.unsent.len() > UNSENT_BYTES_MAX => {
                    self.has_failed = true;
                    Err(io::Error::other(
                        "too much to be answered and nothing is read",
                    ))
                }
                None => Ok(false),
            }
        })
    }

    fn round(&mut self, incoming: &mut [u8], sink: &mut dyn FnMut(&[u8])) -> Round {
        let (unsent, is_ended) = (&mut self.unsent, &mut self.is_ended);
        let round = match &mut self.connection {
            Connection::Server(c) => go_through!(c, incoming, unsent, is_ended, sink),
            Connection::Client(c) => go_through!(c, incoming, unsent, is_ended, sink),
        };
        if !self.is_established {
            self.is_established = !match &self.connection {
                Connection::Server(c) => c.is_handshaking(),
                Connection::Client(c) => c.is_handshaking(),
            };
        }
        round
    }

    /// After an error: encodes the alert for the peer. One call only: rustls returns pending output
    /// before it looks at input again, which it must not do twice.
    fn take_alert(&mut self, left: &mut [u8]) {
        let unsent = &mut self.unsent;
        match &mut self.connection {
            Connection::Server(c) => {
                if let Ok(ConnectionState::EncodeTlsData(mut data)) =
                    c.process_tls_records(left).state
                {
                    append(unsent, |room| data.encode(room));
                }
            }
            Connection::Client(c) => {
                if let Ok(ConnectionState::EncodeTlsData(mut data)) =
                    c.process_tls_records(left).state
                {
                    append(unsent, |room| data.encode(room));
                }
            }
        }
    }

    /// Sends the bytes that the socket has not taken yet; `WouldBlock` if some are left.
    pub fn push(&mut self) -> io::Result<()> {
        while self.has_unsent() {
            match self.socket.write(&self.unsent[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.sent > 0 {
            (self.unsent, self.sent) = (Vec::new(), 0);
        }
        Ok(())
    }

    /// Seals as much of `pieces` as a write takes and sends it. Returns how many bytes were
    /// taken; sealed bytes that the socket did not take are buffered ([`TlsLink::push`]).
    fn send(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.push()?;
        if self.has_failed {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        if !self.is_established {
            return Err(ErrorKind::WouldBlock.into());
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let Scratch {
                outgoing, gathered, ..
            } = scratch;
            let room = WRITE_BYTES_MAX + 8 * OVERHEAD_BYTES;
            if outgoing.len() < room {
                outgoing.resize(room, 0);
            }
            gathered.clear();
            let (mut taken, mut sealed) = (0, 0);
            for piece in pieces {
                let mut piece = &piece[..piece.len().min(WRITE_BYTES_MAX - taken)];
                taken += piece.len();
                while !piece.is_empty() {
                    // A long piece is sealed in place.
                    if gathered.is_empty() && piece.len() >= RECORD_BYTES {
                        let (record, rest) = piece.split_at(RECORD_BYTES);
                        self.seal(record, outgoing, &mut sealed)?;
                        piece = rest;
                        continue;
                    }
                    let n = piece.len().min(RECORD_BYTES - gathered.len());
                    gathered.extend_from_slice(&piece[..n]);
                    piece = &piece[n..];
                    if gathered.len() == RECORD_BYTES {
                        self.seal(gathered, outgoing, &mut sealed)?;
                        gathered.clear();
                    }
                }
                if taken == WRITE_BYTES_MAX {
                    break;
                }
            }
            if !gathered.is_empty() {
                self.seal(gathered, outgoing, &mut sealed)?;
            }
            let sealed = &outgoing[..sealed];
            let n = match self.socket.write(sealed) {
                Ok(n) => n,
                Err(error) => match error.kind() {
                    // Already sealed: it must be sent later.
                    ErrorKind::WouldBlock | ErrorKind::Interrupted => 0,
                    _ => return Err(error),
                },
            };
            if n < sealed.len() {
                self.unsent.extend_from_slice(&sealed[n..]);
            }
            Ok(taken)
        })
    }

    /// Seals one record at `at`. A key update, due every few million records, is written before it.
    fn seal(&mut self, plain: &[u8], outgoing: &mut Vec<u8>, at: &mut usize) -> io::Result<()> {
        loop {
            let (room, held) = (&mut outgoing[*at..], &mut self.held);
            let sealed = match &mut self.connection {
                Connection::Server(c) => {
                    with_traffic!(c, held, |t: &mut WriteTraffic<'_, _>| t
                        .encrypt(plain, room))
                }
                Connection::Client(c) => {
                    with_traffic!(c, held, |t: &mut WriteTraffic<'_, _>| t
                        .encrypt(plain, room))
                }
            };
            match sealed {
                Some(Ok(n)) => {
                    *at += n;
                    return Ok(());
                }
                Some(Err(EncryptError::InsufficientSize(needs))) => {
                    outgoing.resize(*at + needs.required_size, 0);
                }
                Some(Err(error)) => return Err(io::Error::other(error.to_string())),
                None => return Err(ErrorKind::ConnectionAborted.into()),
            }
        }
    }
}

/// Sends the closing alert that the protocol requires, if the socket takes it at once: a drop
/// does not wait for the peer.
impl Drop for TlsLink {
    fn drop(&mut self) {
        if !self.is_established || self.has_failed || self.push().is_err() {
            return;
        }
        let (mut alert, held) = ([0; OVERHEAD_BYTES], &mut self.held);
        let queued = match &mut self.connection {
            Connection::Server(c) => with_traffic!(c, held, |t: &mut WriteTraffic<'_, _>| {
                t.queue_close_notify(&mut alert)
            }),
            Connection::Client(c) => with_traffic!(c, held, |t: &mut WriteTraffic<'_, _>| {
                t.queue_close_notify(&mut alert)
            }),
        };
        if let Some(Ok(n)) = queued {
            let _ = self.socket.write(&alert[..n]);
        }
    }
}

impl Write for TlsLink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;
    use crate::tls::testing::{self, Authority, IssuedCertificate, Subject};
    use crate::tls::{Authentication, Materials};

    /// A server end, a client end, and the wire between them, which the test controls.
    struct Pair {
        server: TlsLink,
        client: TlsLink,
        /// The other ends of their sockets.
        at_server: std::net::TcpStream,
        at_client: std::net::TcpStream,
    }

    fn sockets() -> (TcpStream, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let far = std::net::TcpStream::connect(listener.local_addr().expect("bound"));
        let far = far.expect("connected");
        let (near, _) = listener.accept().expect("accepted");
        near.set_nonblocking(true).expect("a socket");
        far.set_nodelay(true).expect("a socket");
        let limit = Some(std::time::Duration::from_millis(20));
        far.set_read_timeout(limit).expect("a socket");
        (TcpStream::from_std(near), far)
    }

    fn client_of(authority: &Authority) -> Arc<ClientConfig> {
        let mut settings = testing::settings(Authentication::Mandatory);
        settings.opens_links = true;
        let own = authority.issue(&Subject::named("a client"));
        let materials = testing::build(&mut settings, authority, &own).expect("all is well");
        materials.client.expect("there are authorities")
    }

    impl Pair {
        fn new(materials: &Materials, client: &Arc<ClientConfig>) -> Pair {
            let (near, at_server) = sockets();
            let server = TlsLink::accepted(near, &materials.server).expect("a server");
            let (near, at_client) = sockets();
            let name = "localhost".try_into().expect("a name");
            let client = TlsLink::opened(near, client, name).expect("a client");
            Pair {
                server,
                client,
                at_server,
                at_client,
            }
        }

        fn shared() -> Pair {
            use std::sync::OnceLock;
            static SHARED: OnceLock<(Materials, Arc<ClientConfig>)> = OnceLock::new();
            let (materials, client) = SHARED.get_or_init(|| {
                let authority = Authority::shared();
                (authority.materials(), client_of(authority))
            });
            Pair::new(materials, client)
        }

        /// Takes the bytes that an end has sent.
        fn carry(socket: &mut std::net::TcpStream) -> Vec<u8> {
            let mut all = Vec::new();
            let mut bytes = [0; 65_536];
            while let Ok(n) = socket.read(&mut bytes)
                && n > 0
            {
                all.extend_from_slice(&bytes[..n]);
            }
            all
        }

        /// Waits until the client's bytes, which fit one record, are in the server's socket, which
        /// is empty before.
        fn send_to_server(&mut self, bytes: &[u8]) {
            self.client.write_all(bytes).expect("sealed");
            let wire = Pair::carry(&mut self.at_client);
            self.at_server.write_all(&wire).expect("room");
            let deadline = Instant::now() + Duration::from_secs(10);
            while self.server.socket.peek(&mut [0]).is_err() {
                assert!(Instant::now() < deadline, "nothing came");
                std::thread::yield_now();
            }
        }

        /// Runs the handshake; the server end's error if it fails.
        fn agree(&mut self) -> io::Result<()> {
            for _ in 0..4 {
                let _ = self.client.push();
                let sent = Pair::carry(&mut self.at_client);
                self.at_server.write_all(&sent).expect("room");
                while !sent.is_empty() {
                    match self.server.fill(&mut [0; 64]) {
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error),
                        Ok(_) => break,
                    }
                }
                let sent = Pair::carry(&mut self.at_server);
                self.at_client.write_all(&sent).expect("room");
                let _ = self.client.fill(&mut [0; 64]);
                if !self.server.is_handshaking() && !self.client.is_handshaking() {
                    return Ok(());
                }
            }
            Err(ErrorKind::TimedOut.into())
        }
    }

    /// All available bytes of `link`, in reads of `room` bytes, until it reports that an event will
    /// announce more.
    fn read_all(link: &mut TlsLink, room: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let mut into = vec![0; room];
        loop {
            match link.fill(&mut into) {
                Ok((n, more)) => {
                    all.extend_from_slice(&into[..n]);
                    if !more || n == 0 {
                        return all;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return all,
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn an_idle_connection_keeps_no_buffers() {
        let mut pair = Pair::shared();
        pair.agree().expect("keys");
        pair.client.write_all(&[b'x'; 50_000]).expect("sealed");
        let wire = Pair::carry(&mut pair.at_client);
        let (first, last) = wire.split_at(wire.len() - 100);
        pair.at_server.write_all(first).expect("room");
        std::thread::sleep(std::time::Duration::from_millis(5));
        let mut got = read_all(&mut pair.server, 1000);
        assert!(pair.server.waiting_bytes() > 0);
        pair.at_server.write_all(last).expect("room");
        std::thread::sleep(std::time::Duration::from_millis(5));
        got.extend(read_all(&mut pair.server, 1000));
        assert_eq!(got.len(), 50_000);
        assert_eq!(pair.server.waiting_bytes(), 0);
        assert!(size_of::<TlsLink>() < 1300, "{}", size_of::<TlsLink>());
        let peer = pair.server.peer_certificate().expect("shown");
        assert_eq!(peer.common_name, Some(&b"a client"[..]));
    }

    /// Bytes that come while decrypted bytes wait may have no event but the event of the read that
    /// gives the decrypted bytes.
    #[test]
    fn the_socket_is_read_after_the_bytes_that_waited() {
        let mut pair = Pair::shared();
        pair.agree().expect("keys");
        let mut into = [0; 60];
        pair.send_to_server(&[b'x'; 100]);
        assert_eq!(pair.server.fill(&mut into).expect("bytes"), (60, true));
        pair.send_to_server(&[b'y'; 20]);
        assert_eq!(pair.server.fill(&mut into).expect("bytes"), (40, true));
        assert_eq!(pair.server.fill(&mut into).expect("bytes"), (20, false));
    }

    /// Regression: records of the same read as a damaged record were lost with it.
    #[test]
    fn records_before_a_damaged_one_are_read() {
        for room in [7, 100, 60_000] {
            let mut pair = Pair::shared();
            pair.agree().expect("keys");
            pair.server.write_all(&[b'x'; 20_000]).expect("sealed");
            let mut wire = Pair::carry(&mut pair.at_server);
            pair.server.write_all(b"damaged").expect("sealed");
            let mut damaged = Pair::carry(&mut pair.at_server);
            *damaged.last_mut().expect("a record") ^= 1;
            wire.extend(damaged);
            pair.at_client.write_all(&wire).expect("room");
            std::thread::sleep(std::time::Duration::from_millis(5));
            let (mut got, mut into) = (0, vec![0; room]);
            let error = loop {
                match pair.client.fill(&mut into) {
                    Ok((n, more)) => {
                        assert!(more && n > 0);
                        got += n;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => break error,
                }
            };
            assert_eq!((got, error.kind()), (20_000, ErrorKind::InvalidData));
        }
    }

    #[test]
    fn what_the_socket_does_not_take_waits_and_leaves_in_order() {
        let mut pair = Pair::shared();
        pair.agree().expect("keys");
        let text: Vec<u8> = (0..30_000_000u32).map(|i| (i / 7) as u8).collect();
        let (mut sent, mut got, mut stuck) = (0, Vec::new(), 0);
        while got.len() < text.len() {
            while sent < text.len() {
                let (a, b) = text[sent..].split_at((text.len() - sent).min(20_000));
                match pair
                    .server
                    .write_vectored(&[IoSlice::new(a), IoSlice::new(b)])
                {
                    Ok(n) => sent += n,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        assert!(pair.server.has_unsent());
                        stuck += 1;
                        break;
                    }
                }
            }
            if sent == text.len() {
                let _ = pair.server.push();
            }
            let mut bytes = [0; 65_536];
            if let Ok(n) = pair.at_server.read(&mut bytes) {
                let mut at = 0;
                while at < n {
                    at += pair.at_client.write(&bytes[at..n]).expect("room");
                    got.extend(read_all(&mut pair.client, 100_000));
                }
            }
        }
        assert!(got == text);
        assert!(stuck > 0);
        assert_eq!(pair.server.waiting_bytes(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn records_in_any_pieces_are_the_same_bytes(
            writes in prop::collection::vec(prop_oneof![1..100usize, 10_000..70_000usize], 1..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            room in prop_oneof![1..50usize, 4_000..200_000usize],
            is_vectored in any::<bool>(),
        ) {
            let mut pair = Pair::shared();
            pair.agree().expect("keys");
            let (mut wanted, mut wire) = (Vec::new(), Vec::new());
            for (i, len) in writes.into_iter().enumerate() {
                let text: Vec<u8> = (0..len).map(|at| (at * 31 + i) as u8).collect();
                pair.client.write_all(&text).expect("sealed");
                wanted.extend(text);
                wire.extend(Pair::carry(&mut pair.at_client));
            }
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
            ends.push(wire.len());
            ends.sort_unstable();
            let (mut from, mut got) = (0, Vec::new());
            for end in ends {
                pair.at_server.write_all(&wire[from..end]).expect("room");
                from = end;
                if is_vectored {
                    let (mut first, mut behind) = (vec![MaybeUninit::uninit(); room], [0; 3]);
                    while let Ok((here, there, more)) = pair.server.fill_vectored(&mut first, &mut behind) {
                        got.extend_from_slice(here);
                        got.extend_from_slice(&behind[..there]);
                        if !more {
                            break;
                        }
                    }
                }
                got.extend(read_all(&mut pair.server, room));
            }
            let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
            while got.len() < wanted.len() && std::time::Instant::now() < until {
                got.extend(read_all(&mut pair.server, room));
            }
            prop_assert!(got == wanted);
            prop_assert_eq!(pair.server.waiting_bytes(), 0);
        }
    }

    /// A second handshake message after a refused one used to make rustls look for it in bytes that
    /// it was no longer shown.
    #[test]
    fn no_bytes_of_a_handshake_are_too_strange() {
        let authority = Authority::shared();
        let (materials, client) = (authority.materials(), client_of(authority));
        let stranger = client_of(&Authority::new());
        let mut random = 0x2545_f491_4f6c_dd1du64;
        let mut next = move |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below as u64) as usize
        };
        for round in 0..60 {
            let config = if round % 10 == 0 { &stranger } else { &client };
            let mut config = ClientConfig::clone(config);
            // Messages split into many records.
            config.max_fragment_size = (round % 3 == 0).then_some(32 + round);
            let mut pair = Pair::new(&materials, &config.into());
            let spoiled = next(4);
            for flight in 0..4 {
                let _ = pair.client.push();
                let mut sent = Pair::carry(&mut pair.at_client);
                if flight == spoiled && !sent.is_empty() {
                    let (at, to) = (next(sent.len()), next(256));
                    sent[at] = to as u8;
                    if next(3) == 0 {
                        sent.truncate(at);
                    }
                }
                pair.at_server.write_all(&sent).expect("room");
                for _ in 0..5 {
                    let _ = pair.server.fill(&mut [0; 64]);
                    let _ = pair.server.write(b"an answer");
                }
                let sent = Pair::carry(&mut pair.at_server);
                pair.at_client.write_all(&sent).expect("room");
                let _ = pair.client.fill(&mut [0; 64]);
                if pair.client.push().is_ok() && !pair.client.is_handshaking() {
                    let _ = pair.client.write(b"a request");
                }
            }
        }
    }

    #[test]
    fn a_byte_that_is_changed_ends_the_connection_with_an_alert() {
        let mut pair = Pair::shared();
        pair.agree().expect("keys");
        pair.client.write_all(b"PING\r\n").expect("sealed");
        let mut wire = Pair::carry(&mut pair.at_client);
        *wire.last_mut().expect("bytes") ^= 1;
        pair.at_server.write_all(&wire).expect("room");
        std::thread::sleep(std::time::Duration::from_millis(5));
        let error = pair.server.fill(&mut [0; 100]).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(!Pair::carry(&mut pair.at_server).is_empty());
        assert!(pair.server.fill(&mut [0; 100]).is_err());
    }

    #[test]
    fn the_end_is_sent_after_the_last_bytes() {
        let mut pair = Pair::shared();
        pair.agree().expect("keys");
        pair.client.write_all(b"QUIT").expect("sealed");
        drop(pair.client);
        let wire = Pair::carry(&mut pair.at_client);
        pair.at_server.write_all(&wire).expect("room");
        std::thread::sleep(std::time::Duration::from_millis(5));
        let mut into = [0; 100];
        assert_eq!(pair.server.fill(&mut into).expect("bytes"), (4, true));
        assert_eq!(pair.server.fill(&mut into).expect("the end"), (0, false));
    }

    #[test]
    fn whom_a_client_is_believed_to_be() {
        let (ours, others) = (Authority::shared(), Authority::new());
        let materials = ours.materials();
        let refused = |subject: &Subject<'_>, own: IssuedCertificate| {
            let mut settings = testing::settings(Authentication::Mandatory);
            settings.opens_links = true;
            // Built while the certificate is still valid; building would refuse it otherwise.
            let days = subject.days.clone();
            let then = jiff::Timestamp::now().as_second() + (days.start + days.end) / 2 * 86_400;
            let client = testing::build_at(&mut settings, ours, &own, then).expect("all is well");
            let mut pair = Pair::new(&materials, &client.client.expect("authorities"));
            pair.agree().err().map(|error| error.to_string())
        };
        let someone = Subject::named("a");
        assert_eq!(refused(&someone, ours.issue(&someone)), None);
        // A self-signed certificate in the file is trusted as it is, a stranger's is not.
        assert_eq!(refused(&someone, ours.itself()), None);
        assert!(refused(&someone, others.itself()).is_some());
        let on = |days| {
            let subject = Subject {
                days,
                ..Subject::named("a")
            };
            let own = ours.issue(&subject);
            refused(&subject, own).expect("refused")
        };
        let expired = on(-10..-1);
        assert!(expired.contains("xpired"), "{expired}");
        let early = on(1..10);
        assert!(early.contains("not valid yet"), "{early}");
        let stranger = refused(&someone, others.issue(&someone)).expect("refused");
        assert!(
            stranger.contains("UnknownIssuer") || stranger.contains("BadSignature"),
            "{stranger}"
        );
    }
}
