//! A connection that this process opens and waits for, each step with a limit of time, under
//! TLS where that is wanted: for commands that talk to another server while everybody waits (MIGRATE).

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// A line of a reply is no longer.
const LINE_MAX: usize = 64 * 1024;
/// Bytes that one write offers.
const WRITE_BYTES: usize = 64 * 1024;

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(stream) => {
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(into),
            Stream::Tls(stream) => stream.read(into),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Dialled {
    stream: Stream,
    /// Read and not yet taken.
    unread: Vec<u8>,
}

/// No time is left.
fn timed_out() -> io::Error {
    io::Error::from(io::ErrorKind::TimedOut)
}

/// What is left until `end`.
fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(timed_out());
    }
    Ok(left)
}

/// The system says that a call would block where a socket's limit of time has passed.
fn name_timeout(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => timed_out(),
        _ => error,
    }
}

/// Agrees on keys until `end`.
fn agree(
    mut socket: TcpStream,
    host: &str,
    config: &Arc<ClientConfig>,
    end: Instant,
) -> io::Result<Stream> {
    // The name is for the server to know; it need not be the certificate's.
    let name = ServerName::try_from(host.to_owned())
        .unwrap_or_else(|_| ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED)));
    let connection = ClientConnection::new(Arc::clone(config), name);
    let mut connection = connection.map_err(io::Error::other)?;
    while connection.is_handshaking() {
        let limit = left(end)?;
        socket.set_read_timeout(Some(limit))?;
        socket.set_write_timeout(Some(limit))?;
        connection.complete_io(&mut socket).map_err(name_timeout)?;
    }
    Ok(Stream::Tls(Box::new(StreamOwned::new(connection, socket))))
}

impl Dialled {
    /// Connects to the first address of `host` that answers within `limit`, and under `tls`
    /// agrees on keys in what is left of it.
    pub fn connect(
        host: &str,
        port: u16,
        limit: Duration,
        tls: Option<&Arc<ClientConfig>>,
    ) -> io::Result<Dialled> {
        let end = Instant::now() + limit;
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, left(end)?) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let stream = match tls {
                        None => Stream::Plain(stream),
                        Some(config) => agree(stream, host, config, end)?,
                    };
                    return Ok(Dialled {
                        stream,
                        unread: Vec::new(),
                    });
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Sends all of `bytes`; each part of it within `limit`.
    pub fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        self.stream.socket().set_write_timeout(Some(limit))?;
        for part in bytes.chunks(WRITE_BYTES) {
            self.stream.write_all(part).map_err(name_timeout)?;
        }
        Ok(())
    }

    /// One line, without its end, within `limit`.
    pub fn line(&mut self, limit: Duration) -> io::Result<Vec<u8>> {
        let end = Instant::now() + limit;
        let mut looked_at = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.unread[looked_at..]) {
                let at = looked_at + at;
                let mut line: Vec<u8> = self.unread.drain(..=at).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            looked_at = self.unread.len();
            if looked_at > LINE_MAX {
                return Err(io::Error::from(io::ErrorKind::InvalidData));
            }
            self.stream.socket().set_read_timeout(Some(left(end)?))?;
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                Ok(n) => self.unread.extend_from_slice(&bytes[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(name_timeout(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn lines_come_whole_and_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let limit = Duration::from_secs(5);
        let mut dialled = Dialled::connect("localhost", port, limit, None)
            .or_else(|_| Dialled::connect("127.0.0.1", port, limit, None))
            .expect("connected");
        let (mut theirs, _) = listener.accept().expect("accepted");
        dialled.send(b"PING\r\n", limit).expect("sent");
        let mut bytes = [0; 6];
        theirs.read_exact(&mut bytes).expect("read");
        assert_eq!(&bytes, b"PING\r\n");
        theirs.write_all(b"+PONG\r\n-ERR x\r\n+O").expect("sent");
        assert_eq!(dialled.line(limit).expect("a line"), b"+PONG");
        assert_eq!(dialled.line(limit).expect("a line"), b"-ERR x");
        let late = dialled.line(Duration::from_millis(5)).expect_err("half");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
        let gone = dialled.line(limit).expect_err("the end");
        assert_eq!(gone.kind(), io::ErrorKind::UnexpectedEof);
    }
}
