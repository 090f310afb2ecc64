//! A raw RESP connection that keeps every byte of a reply, so that tests compare bytes.
//!
//! [`Connection::read`] returns the exact bytes of a reply and its parsed form. This parser is not
//! russet's own, because the two must not share a bug.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

/// A parsed reply, RESP2 or RESP3. Numbers stay text, because their spelling is part of the answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// `+text`
    Simple(Vec<u8>),
    /// `-CODE text`
    Error(Vec<u8>),
    /// `:1`
    Integer(i64),
    /// `$n`, and `=n` (verbatim, format included) and `!n` (bulk error)
    Bulk(Vec<u8>),
    /// `$-1`, `*-1`, `_`
    Null,
    /// `,1.5`
    Double(Vec<u8>),
    /// `#t`
    Boolean(bool),
    /// `(123`
    BigNumber(Vec<u8>),
    /// `*n`
    Array(Vec<Reply>),
    /// `%n`
    Map(Vec<(Reply, Reply)>),
    /// `~n`
    Set(Vec<Reply>),
    /// `>n`
    Push(Vec<Reply>),
}

impl Reply {
    /// The elements of an array, set or push.
    pub fn items(&self) -> Option<&[Reply]> {
        match self {
            Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a string-like reply.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Reply::Simple(text) | Reply::Bulk(text) | Reply::Error(text) | Reply::Double(text) => {
                Some(text)
            }
            _ => None,
        }
    }
}

/// A client's connection to a server.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

/// A slower reply is a failure.
const REPLY_LIMIT: Duration = Duration::from_secs(20);

/// Maximum bulk string; a larger header is a server's error.
const BULK_BYTES_MAX: usize = 1 << 30;

impl Connection {
    pub fn open(port: u16) -> io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        stream.set_write_timeout(Some(REPLY_LIMIT))?;
        Ok(Connection {
            stream: BufReader::new(stream),
        })
    }

    /// Writes raw bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Writes raw bytes, and fails the test if the server does not take them.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.write(bytes).expect("the server takes the bytes");
    }

    /// The exact bytes of the next reply, and its parsed form.
    pub fn read(&mut self) -> io::Result<(Vec<u8>, Reply)> {
        let mut raw = Vec::new();
        let reply = read_reply(&mut self.stream, &mut raw, 0)?;
        Ok((raw, reply))
    }

    /// The exact bytes of the next reply.
    #[track_caller]
    pub fn reply(&mut self) -> Vec<u8> {
        self.read().expect("a whole reply in time").0
    }

    /// Sends a command and returns the exact bytes of its reply.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        self.send(&command(args));
        self.reply()
    }

    /// Sends the words of `line` as a command; returns the reply's bytes as text, with bytes
    /// outside ASCII escaped. For short tests: `assert_eq!(c.ask("INCR k"), ":1\r\n")`.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        printable(&self.call(&words))
    }

    /// Sends the words of `line` as a command; returns the parsed reply.
    #[track_caller]
    pub fn value(&mut self, line: &str) -> Reply {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        self.send(&command(&words));
        self.read().expect("a whole reply in time").1
    }

    /// The bytes received until the server closes the connection.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => bytes,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => bytes,
            Err(error) => panic!("the server did not close the connection: {error}"),
        }
    }

    /// Whether nothing at all arrives within `quiet`.
    pub fn is_silent_for(&mut self, quiet: Duration) -> bool {
        if !self.stream.buffer().is_empty() {
            return false;
        }
        let socket = self.stream.get_ref();
        socket.set_read_timeout(Some(quiet)).expect("a timeout");
        // A process that was stopped for a moment gets EINTR in the middle of its wait.
        let silent = loop {
            match socket.peek(&mut [0]).map_err(|error| error.kind()) {
                Err(io::ErrorKind::Interrupted) => {}
                Err(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => break true,
                _ => break false,
            }
        };
        socket
            .set_read_timeout(Some(REPLY_LIMIT))
            .expect("a timeout");
        silent
    }

    /// Sets the time limit of a reply.
    pub fn reply_limit(&mut self, limit: Duration) {
        self.stream
            .get_ref()
            .set_read_timeout(Some(limit))
            .expect("a timeout");
    }

    /// Shuts down the sending direction, as a client does that has written everything.
    pub fn finish_sending(&mut self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
    }
}

/// A command as a RESP array of bulk strings.
pub fn command<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Bytes as text: ASCII and line ends as they are, everything else escaped.
pub fn printable(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| match byte {
            b'\r' | b'\n' | b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect()
}

/// Reads a reply from any source, and collects its bytes in `raw`.
fn read_reply(from: &mut impl BufRead, raw: &mut Vec<u8>, depth: usize) -> io::Result<Reply> {
    if depth > 64 {
        return Err(bad("a reply nested deeper than 64"));
    }
    let line = read_line(from, raw)?;
    let Some((&kind, rest)) = line.split_first() else {
        return Err(bad("an empty line where a reply begins"));
    };
    Ok(match kind {
        b'+' => Reply::Simple(rest.to_vec()),
        b'-' => Reply::Error(rest.to_vec()),
        b':' => Reply::Integer(number(rest)?),
        b',' => Reply::Double(rest.to_vec()),
        b'(' => Reply::BigNumber(rest.to_vec()),
        b'_' => Reply::Null,
        b'#' => Reply::Boolean(rest == b"t"),
        b'$' | b'=' | b'!' => match usize::try_from(number(rest)?) {
            Err(_) => Reply::Null,
            Ok(length) if length > BULK_BYTES_MAX => return Err(bad("a bulk string over 1 GiB")),
            Ok(length) => Reply::Bulk(read_bulk(from, raw, length)?),
        },
        b'*' | b'~' | b'>' => match usize::try_from(number(rest)?) {
            Err(_) => Reply::Null,
            Ok(count) => {
                let mut items = Vec::new();
                for _ in 0..count {
                    items.push(read_reply(from, raw, depth + 1)?);
                }
                match kind {
                    b'*' => Reply::Array(items),
                    b'~' => Reply::Set(items),
                    _ => Reply::Push(items),
                }
            }
        },
        b'%' => {
            let mut pairs = Vec::new();
            for _ in 0..number(rest)? {
                let key = read_reply(from, raw, depth + 1)?;
                pairs.push((key, read_reply(from, raw, depth + 1)?));
            }
            Reply::Map(pairs)
        }
        // An attribute precedes the reply it describes; its bytes stay in `raw`.
        b'|' => {
            for _ in 0..number(rest)? * 2 {
                read_reply(from, raw, depth + 1)?;
            }
            read_reply(from, raw, depth)?
        }
        _ => return Err(bad(&format!("no reply begins with {:?}", printable(&line)))),
    })
}

fn read_line(from: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let start = raw.len();
    from.read_until(b'\n', raw)?;
    match raw[start..].strip_suffix(b"\r\n") {
        Some(line) => Ok(line.to_vec()),
        None if raw.len() == start => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Err(bad(&format!(
            "a line without CRLF: {:?}",
            printable(&raw[start..])
        ))),
    }
}

fn read_bulk(from: &mut impl BufRead, raw: &mut Vec<u8>, length: usize) -> io::Result<Vec<u8>> {
    let start = raw.len();
    from.take(length as u64 + 2).read_to_end(raw)?;
    if raw.len() - start != length + 2 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match raw[start..].strip_suffix(b"\r\n") {
        Some(text) => Ok(text.to_vec()),
        None => Err(bad("a bulk string longer than its header says")),
    }
}

fn number(text: &[u8]) -> io::Result<i64> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| bad(&format!("not a number: {:?}", printable(text))))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(mut bytes: &[u8]) -> io::Result<(Vec<u8>, Reply)> {
        let mut raw = Vec::new();
        let reply = read_reply(&mut bytes, &mut raw, 0)?;
        Ok((raw, reply))
    }

    #[test]
    fn every_byte_of_a_nested_reply_is_kept() {
        let bytes = b"*3\r\n$3\r\na\r\n\r\n%1\r\n+k\r\n,1.5\r\n>1\r\n_\r\n";
        let (raw, reply) = parse(bytes).unwrap();
        assert_eq!(raw, bytes);
        assert_eq!(
            reply,
            Reply::Array(vec![
                Reply::Bulk(b"a\r\n".to_vec()),
                Reply::Map(vec![(
                    Reply::Simple(b"k".to_vec()),
                    Reply::Double(b"1.5".to_vec())
                )]),
                Reply::Push(vec![Reply::Null]),
            ])
        );
    }

    #[test]
    fn a_cut_or_broken_reply_is_an_error() {
        for bytes in [
            &b""[..],
            b"$5\r\nab",
            b"$1\r\nabc\r\n",
            b"+OK\n",
            b"?\r\n",
            b"*2\r\n:1\r\n",
        ] {
            assert!(parse(bytes).is_err(), "{:?}", printable(bytes));
        }
    }
}
