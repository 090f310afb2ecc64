//! A connection whose peer compresses what it sends.
//!
//!     socket --READ_BYTES--> Unpack (push) --> pull --> the caller's buffer; writes pass through
//!
//! Invariants
//!   1. Held bytes are given out before the socket is read.
//!   2. While bytes are held or the socket may have more, a read reports that there is more.
//!
//! A read of the caller costs up to four of the socket, as several may bring only part of a block;
//! then it is `Interrupted`, and the caller asks again without an event. Memory: the read buffer,
//! and what `Unpack` bounds. The format is the replication's (`replication::compression`), unknown
//! here.

use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;

use super::stream::Stream;
use super::sys::FillBuffer;

/// Bytes of a read of the socket.
const READ_BYTES: usize = 32 * 1024;
/// Reads of the socket for each read of the caller: several may bring only parts of what can be
/// unpacked.
const READS_MAX: usize = 4;
/// Bytes that are copied at a time into memory that is not initialized.
const COPY_BYTES: usize = 8 * 1024;

/// Decompresses the bytes of a socket.
pub trait Unpack: Debug + Send {
    /// Takes bytes of the socket.
    fn push(&mut self, bytes: &[u8]);
    /// Gives out bytes, as many as there are and fit. 0: more must come.
    fn pull(&mut self, into: &mut [u8]) -> io::Result<usize>;
    /// Whether nothing is held.
    fn is_drained(&self) -> bool;
}

/// See the module. Each read unpacks at most as much as fits, and one block of the format.
#[derive(Debug)]
pub struct UnpackingStream {
    inner: Stream,
    unpack: Box<dyn Unpack>,
    bytes: Box<[u8]>,
    /// Bytes of the socket since they were counted.
    received: u64,
}

impl UnpackingStream {
    pub(super) fn new(inner: Stream, unpack: Box<dyn Unpack>) -> UnpackingStream {
        UnpackingStream {
            inner,
            unpack,
            bytes: vec![0; READ_BYTES].into(),
            received: 0,
        }
    }

    pub(super) fn inner(&self) -> &Stream {
        &self.inner
    }

    pub(super) fn inner_mut(&mut self) -> &mut Stream {
        &mut self.inner
    }

    pub(super) fn has_unread(&self) -> bool {
        !self.unpack.is_drained() || self.inner.has_unread()
    }

    pub(super) fn take_received(&mut self) -> u64 {
        std::mem::take(&mut self.received)
    }

    /// As [`Stream::fill`].
    pub(super) fn fill(&mut self, into: &mut [u8]) -> io::Result<(usize, bool)> {
        // As long as this call has not read the socket: the event that led to this call may be of
        // bytes there, and held bytes are given first.
        let mut socket_has_more = true;
        for _ in 0..READS_MAX {
            let n = self.unpack.pull(into)?;
            if n > 0 || into.is_empty() {
                return Ok((n, socket_has_more || !self.unpack.is_drained()));
            }
            let (came, more) = self.inner.fill(&mut self.bytes)?;
            if came == 0 {
                return Ok((0, false));
            }
            socket_has_more = more;
            self.received += came as u64;
            self.unpack.push(&self.bytes[..came]);
        }
        // The caller asks again, without an event.
        Err(ErrorKind::Interrupted.into())
    }

    /// As [`Stream::fill_vectored`].
    pub(super) fn fill_vectored<'a>(
        &mut self,
        first: &'a mut [MaybeUninit<u8>],
        behind: &mut [u8],
    ) -> io::Result<(&'a [u8], usize, bool)> {
        let mut filling = FillBuffer::new(first);
        let mut copy = [0; COPY_BYTES];
        let (mut is_begun, mut more) = (false, true);
        while filling.room() > 0 && more {
            let most = copy.len().min(filling.room());
            match self.fill(&mut copy[..most]) {
                Ok((0, _)) if is_begun => break,
                Ok((n, has_more)) => {
                    filling.push(&copy[..n]);
                    more = has_more && n > 0;
                }
                // Bytes before the error are given first; the next read finds it again.
                Err(_) if is_begun => break,
                Err(error) => return Err(error),
            }
            is_begun = true;
        }
        let there = match filling.room() {
            0 => self.unpack.pull(behind).unwrap_or(0),
            _ => 0,
        };
        Ok((filling.written(), there, more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    /// Gives each byte three times; an `!` is damage.
    #[derive(Debug, Default)]
    struct Triple(Vec<u8>);

    impl Unpack for Triple {
        fn push(&mut self, bytes: &[u8]) {
            self.0.extend(bytes.iter().flat_map(|&byte| [byte; 3]));
        }

        fn pull(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.first() == Some(&b'!') {
                return Err(ErrorKind::InvalidData.into());
            }
            let end = self.0.iter().position(|&byte| byte == b'!');
            let n = end.unwrap_or(self.0.len()).min(into.len());
            into[..n].copy_from_slice(&self.0[..n]);
            self.0.drain(..n);
            Ok(n)
        }

        fn is_drained(&self) -> bool {
            self.0.is_empty()
        }
    }

    fn pair(rest: &[u8]) -> (UnixStream, Stream) {
        let (peer, socket) = UnixStream::pair().expect("sockets");
        socket.set_nonblocking(true).expect("a socket");
        let stream = Stream::Unix(mio::net::UnixStream::from_std(socket));
        (peer, stream.unpacking(Box::<Triple>::default(), rest))
    }

    #[test]
    fn reads_give_what_was_made_and_say_whether_there_is_more() {
        let (mut peer, mut stream) = pair(b"ab");
        peer.write_all(b"cd").expect("room");
        assert!(stream.has_unread() && stream.is_unpacking());
        let mut into = [0; 5];
        let mut all = Vec::new();
        // Held bytes, with the last of which more may have come; then bytes of the socket.
        for len in [5, 1, 5, 1] {
            assert_eq!(stream.fill(&mut into).expect("bytes"), (len, true));
            all.extend_from_slice(&into[..len]);
        }
        assert_eq!(all, b"aaabbbcccddd");
        assert_eq!(stream.received_for(5), 2);
        let blocked = stream.fill(&mut into).expect_err("nothing came");
        assert_eq!(blocked.kind(), ErrorKind::WouldBlock);
        peer.write_all(b"e").expect("room");
        assert_eq!(stream.fill(&mut into).expect("bytes"), (3, false));
        let blocked = stream.fill(&mut into).expect_err("nothing came");
        assert_eq!(blocked.kind(), ErrorKind::WouldBlock);
        // Writes are not touched.
        stream.write_all(b"ack").expect("room");
        let mut said = [0; 3];
        std::io::Read::read_exact(&mut peer, &mut said).expect("bytes");
        assert_eq!(&said, b"ack");
        drop(peer);
        assert_eq!(stream.fill(&mut into).expect("the end"), (0, false));
    }

    #[test]
    fn two_pieces_are_filled_one_after_the_other() {
        let (mut peer, mut stream) = pair(b"");
        peer.write_all(b"abc!").expect("room");
        let (mut room, mut behind) = ([MaybeUninit::uninit(); 4], [0; 3]);
        let (here, there, more) = stream.fill_vectored(&mut room, &mut behind).expect("bytes");
        assert_eq!(
            (here, &behind[..there], more),
            (&b"aaab"[..], &b"bbc"[..], true)
        );
        let (here, there, more) = stream.fill_vectored(&mut room, &mut behind).expect("bytes");
        assert_eq!((here, there, more), (&b"cc"[..], 0, true));
        let damage = stream
            .fill_vectored(&mut room, &mut behind)
            .expect_err("damage");
        assert_eq!(damage.kind(), ErrorKind::InvalidData);
    }
}
