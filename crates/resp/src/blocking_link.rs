//! A blocking link to another server: requests out, replies in, each step with a time limit.
//! MIGRATE uses it, which blocks the loop as in Redis, and so do tools. Links that are driven by
//! the loop use [`ReplyParser`] with their own sockets.

use std::io;
use std::time::{Duration, Instant};

use super::{ReplyBounds, ReplyParser, ReplyValue};
use russet_net::DialledStream;

/// See the module.
#[derive(Debug)]
pub struct BlockingLink {
    dialled: DialledStream,
    parser: ReplyParser,
    /// Bytes received after the last reply.
    unread: Vec<u8>,
}

impl BlockingLink {
    /// A link over an open connection, on which no reply is awaited.
    pub fn new(dialled: DialledStream, bounds: ReplyBounds) -> BlockingLink {
        BlockingLink {
            dialled,
            parser: ReplyParser::new(bounds),
            unread: Vec::new(),
        }
    }

    /// Sends all of `bytes`; each part of it within `limit`.
    pub fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        self.dialled.send(bytes, limit)
    }

    /// The next reply, within `limit`. Invalid bytes are an error of kind `InvalidData`; after it
    /// the link is unusable.
    pub fn reply(&mut self, limit: Duration) -> io::Result<ReplyValue> {
        let end = Instant::now() + limit;
        loop {
            let mut rest = &self.unread[..];
            let value = self.parser.push(&mut rest);
            let taken = self.unread.len() - rest.len();
            self.unread.drain(..taken);
            if let Some(value) = value.map_err(invalid)? {
                return Ok(value);
            }
            self.dialled.read_into(&mut self.unread, end)?;
        }
    }

    /// Waits for more bytes, within `limit`, and gives all that were received after the last reply:
    /// for a link whose other end sends requests. The caller removes the bytes that it takes.
    pub fn more(&mut self, limit: Duration) -> io::Result<&mut Vec<u8>> {
        self.dialled
            .read_into(&mut self.unread, Instant::now() + limit)?;
        Ok(&mut self.unread)
    }

    /// The same connection for another thread, which sends; `None` under TLS.
    pub fn twin(&self) -> io::Result<Option<DialledStream>> {
        self.dialled.twin()
    }

    /// Reads once from a connection that is readable, and passes each complete reply to `take`.
    /// Invalid bytes are an error of kind `InvalidData`; after it the link is unusable.
    pub fn read_replies(&mut self, mut take: impl FnMut(ReplyValue)) -> io::Result<()> {
        self.dialled.read_ready(&mut self.unread)?;
        let mut rest = &self.unread[..];
        while let Some(value) = self.parser.push(&mut rest).map_err(invalid)? {
            take(value);
        }
        let taken = self.unread.len() - rest.len();
        self.unread.drain(..taken);
        Ok(())
    }

    /// The connection itself.
    pub fn stream(&mut self) -> &mut DialledStream {
        &mut self.dialled
    }

    /// The bytes received after the last reply, without waiting.
    pub fn unread(&mut self) -> &mut Vec<u8> {
        &mut self.unread
    }
}

fn invalid(fault: super::ReplyFault) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn replies_come_whole_and_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let limit = Duration::from_secs(5);
        let dialled = DialledStream::connect("127.0.0.1", port, limit, None).expect("connected");
        let mut link = BlockingLink::new(dialled, ReplyBounds::default());
        let (mut theirs, _) = listener.accept().expect("accepted");
        link.send(b"PING\r\n", limit).expect("sent");
        let mut bytes = [0; 6];
        theirs.read_exact(&mut bytes).expect("read");
        assert_eq!(&bytes, b"PING\r\n");
        theirs
            .write_all(b"+PONG\r\n-ERR x\r\n$5\r\nab")
            .expect("sent");
        let mut reply = |limit| link.reply(limit);
        let pong = reply(limit).expect("a reply");
        assert_eq!(pong, ReplyValue::Simple(b"PONG".to_vec()));
        let refused = reply(limit).expect("a reply");
        assert_eq!(refused, ReplyValue::Error(b"ERR x".to_vec()));
        let late = reply(Duration::from_millis(5)).expect_err("half");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        theirs.write_all(b"cde\r\n").expect("sent");
        let rest = reply(limit).expect("the other half");
        assert_eq!(rest, ReplyValue::Bulk(b"abcde".to_vec()));
        theirs.write_all(b"*1\r\n").expect("sent");
        drop(theirs);
        let gone = reply(limit).expect_err("the end");
        assert_eq!(gone.kind(), io::ErrorKind::UnexpectedEof);
    }
}
