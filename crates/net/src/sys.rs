//! Reads into uninitialized memory: the one system call that the libraries do not offer, and a
//! buffer filled piece by piece.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A single `readv` that fills `first` and then the second buffer; returns the bytes in each.
pub(super) fn read_vectored<'a>(
    from: BorrowedFd<'_>,
    first: &'a mut [MaybeUninit<u8>],
    behind: &mut [u8],
) -> io::Result<(&'a [u8], usize)> {
    let pieces = [
        libc::iovec {
            iov_base: first.as_mut_ptr().cast(),
            iov_len: first.len(),
        },
        libc::iovec {
            iov_base: behind.as_mut_ptr().cast(),
            iov_len: behind.len(),
        },
    ];
    // SAFETY: both pieces are mutably borrowed, for their whole lengths.
    let n = unsafe { libc::readv(from.as_raw_fd(), pieces.as_ptr(), 2) };
    let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    let here = n.min(first.len());
    // SAFETY: the kernel has written the first `here` bytes.
    let came = unsafe { first[..here].assume_init_ref() };
    Ok((came, n - here))
}

/// Uninitialized memory, filled from the front.
pub(super) struct FillBuffer<'a> {
    room: &'a mut [MaybeUninit<u8>],
    /// The initialized length.
    len: usize,
}

impl<'a> FillBuffer<'a> {
    pub(super) fn new(room: &'a mut [MaybeUninit<u8>]) -> FillBuffer<'a> {
        FillBuffer { room, len: 0 }
    }

    /// Bytes that still fit.
    pub(super) fn room(&self) -> usize {
        self.room.len() - self.len
    }

    /// Copies as much of `bytes` as fits; returns that number.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.room.len() - self.len);
        self.room[self.len..self.len + n].write_copy_of_slice(&bytes[..n]);
        self.len += n;
        n
    }

    pub(super) fn written(self) -> &'a [u8] {
        // SAFETY: only `push` moves `len`, over what it has just written.
        unsafe { self.room[..self.len].assume_init_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_does_not_fit_into_the_first_piece_goes_to_the_second() {
        let (mut peer, socket) = UnixStream::pair().expect("sockets");
        for (sent, first, behind) in [
            (&b"abc"[..], &b"abc"[..], &b""[..]),
            (b"abcd", b"abcd", b""),
            (b"abcdef", b"abcd", b"ef"),
            (b"abcdefgh", b"abcd", b"efg"),
            (b"", b"h", b""),
        ] {
            peer.write_all(sent).expect("room");
            let (mut room, mut more) = ([MaybeUninit::uninit(); 4], [0; 3]);
            let (came, n) = read_vectored(socket.as_fd(), &mut room, &mut more).expect("bytes");
            assert_eq!((came, &more[..n]), (first, behind));
        }
        drop(peer);
        let mut room = [MaybeUninit::uninit(); 4];
        let end = read_vectored(socket.as_fd(), &mut room, &mut []).expect("an end");
        assert_eq!(end, (&b""[..], 0));
    }
}
