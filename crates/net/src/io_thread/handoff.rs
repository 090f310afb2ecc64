//! The loop's end of a connection whose socket an I/O thread has: bytes that the thread has read
//! and the client has not taken, and bytes to be sent.
//!
//!     block_part, then     bytes that the I/O thread has read, in their order: a part of a batch's
//!     unread_copy          block, and copies
//!     out, pieces          bytes written here, and shared bytes between them, which the next tasks
//!                          take along
//!     in_flight            bytes in tasks that the I/O thread has not reported as sent
//!     long                 the tasks in flight whose bytes were not copied
//!
//! Invariants
//!   1. The I/O thread has at most [`WINDOW`] bytes of a connection, and a single shared piece. So
//!      limits on pending replies hold as if the loop had the socket, because the socket's buffer
//!      in the kernel is as large.
//!   2. During a handshake nothing is written. The read that follows the handshake notices its end,
//!      as if the loop had done the handshake.
//!   3. The buffer of a long task is freed with its last byte: until then all of the buffer counts
//!      as memory. Shared pieces do not count, because they are the memory of their owners.
//!   4. `block_part` shares the batch's block only while the loop serves the batch
//!      ([`Handoff::keep`]).

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use bytes::{Buf, Bytes};
use russet_base::memory::alloc;
use rustls::pki_types::CertificateDer;

use crate::sys::FillBuffer;
use crate::tls::Certificate;

/// Bytes of replies that an I/O thread has at most, of a connection.
pub(crate) const WINDOW: usize = 256 * 1024;
/// Bytes that must be free for further writes, once the window was full.
const WINDOW_AGAIN: usize = WINDOW / 2;
/// Replies from this length on are not copied again.
const LONG_MIN: usize = 4096;

/// How a connection ends.
#[derive(Debug)]
enum End {
    Closed,
    Broken(Option<io::Error>),
}

/// A TLS handshake that the I/O thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handshake {
    Begun,
    /// The handshake is complete, and nothing has been read since.
    Done,
    /// There was no handshake, or a read has noticed its end.
    Over,
}

/// A task in flight whose bytes were not copied.
#[derive(Debug)]
struct LongTask {
    /// Bytes of all tasks up to this task.
    end: u64,
    /// The task's bytes.
    len: usize,
    /// Memory that the task holds beside shared pieces.
    memory: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Handoff {
    io_thread: u32,
    fd: RawFd,
    block_part: Bytes,
    unread_copy: Vec<u8>,
    end: Option<End>,
    handshake: Handshake,
    /// The peer's certificate, until [`Handoff::forget_certificate`].
    certificate: Option<Box<CertificateDer<'static>>>,
    /// The I/O thread reads no further until the loop has taken all bytes.
    is_waiting: bool,
    pub(super) out: Vec<u8>,
    /// Shared bytes, each with its place in `out`.
    pieces: Vec<(usize, Bytes)>,
    piece_bytes: usize,
    in_flight: usize,
    /// Bytes of all tasks so far.
    task_bytes: u64,
    long: VecDeque<LongTask>,
    /// The sums of `long`.
    long_len: usize,
    long_memory: usize,
    /// Bytes of messages written and not counted by the loop.
    uncounted: usize,
    /// The loop wants a report as soon as all is sent.
    wants_report: bool,
    /// The socket is on its way back: nothing is written until it is here.
    is_recalled: bool,
}

impl Handoff {
    pub(super) fn new(io_thread: u32, fd: RawFd, is_handshaking: bool) -> Handoff {
        let handshake = if is_handshaking {
            Handshake::Begun
        } else {
            Handshake::Over
        };
        Handoff {
            io_thread,
            fd,
            block_part: Bytes::new(),
            unread_copy: Vec::new(),
            end: None,
            handshake,
            certificate: None,
            is_waiting: false,
            out: Vec::new(),
            pieces: Vec::new(),
            piece_bytes: 0,
            in_flight: 0,
            task_bytes: 0,
            long: VecDeque::new(),
            long_len: 0,
            long_memory: 0,
            uncounted: 0,
            wants_report: false,
            is_recalled: false,
        }
    }

    /// The I/O thread that has the socket.
    pub fn io_thread(&self) -> u32 {
        self.io_thread
    }

    /// The number of the descriptor.
    pub fn fd(&self) -> RawFd {
        self.fd
    }

    /// Bytes written that the socket is not known to have taken.
    pub fn unsent(&self) -> usize {
        self.in_flight + self.out.len() + self.piece_bytes
    }

    /// Bytes that may be written now.
    pub fn room(&self) -> usize {
        if self.is_recalled || self.handshake == Handshake::Begun {
            return 0;
        }
        WINDOW.saturating_sub(self.unsent())
    }

    /// Whether the socket is on its way back.
    pub fn is_recalled(&self) -> bool {
        self.is_recalled
    }

    pub(super) fn recall(&mut self) {
        self.is_recalled = true;
    }

    /// Whether the connection is known to be broken.
    pub fn is_broken(&self) -> bool {
        matches!(self.end, Some(End::Broken(_)))
    }

    /// Whether a handshake is in progress, or its end has not been noticed by a read.
    #[inline]
    pub fn is_handshaking(&self) -> bool {
        self.handshake != Handshake::Over
    }

    /// The certificate that the peer has shown in its handshake, verified.
    pub fn peer_certificate(&self) -> Option<Certificate<'_>> {
        Certificate::read(self.certificate.as_ref()?)
    }

    /// Frees the certificate, which the caller has read.
    pub fn forget_certificate(&mut self) {
        self.certificate = None;
    }

    pub(super) fn secure(&mut self, certificate: Option<Box<CertificateDer<'static>>>) {
        self.handshake = Handshake::Done;
        self.certificate = certificate;
    }

    /// A read notices that the handshake is complete.
    #[inline]
    fn finish_handshake(&mut self) {
        if self.handshake == Handshake::Done {
            self.handshake = Handshake::Over;
        }
    }

    /// Writes bytes that are shared, whatever the room.
    pub fn push_shared(&mut self, bytes: Bytes) {
        self.piece_bytes += bytes.len();
        self.pieces.push((self.out.len(), bytes));
    }

    /// Writes bytes, whatever the room.
    pub fn push_own(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes a short message, `first` and `rest`, if all that waits here stays short: such bytes
    /// are copied once, into a buffer that is kept. Whether it did.
    #[inline]
    pub fn push_message(&mut self, first: u8, rest: &[u8]) -> bool {
        let n = rest.len() + 1;
        let is_short = self.pieces.is_empty() && self.out.len() + n < LONG_MIN;
        if !is_short || self.room() < n || self.end.is_some() {
            return false;
        }
        self.out.push(first);
        self.out.extend_from_slice(rest);
        self.uncounted += n;
        true
    }

    /// Takes the number of bytes of messages written since the last call.
    #[inline]
    pub fn take_uncounted(&mut self) -> usize {
        std::mem::take(&mut self.uncounted)
    }

    /// Memory of the connection here and at the I/O thread, in bytes, without shared pieces.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        let partly_sent = self.long.front().map_or(0, |long| {
            let left = usize::try_from(long.end - self.sent_bytes()).unwrap_or(usize::MAX);
            long.len.saturating_sub(left)
        });
        let copied = self.in_flight + partly_sent - self.long_len;
        copied
            + self.long_memory
            + alloc::vec_bytes(&self.unread_copy)
            + alloc::vec_bytes(&self.out)
    }

    /// Bytes of all tasks that are known to be sent.
    fn sent_bytes(&self) -> u64 {
        self.task_bytes - self.in_flight as u64
    }

    /// Whether bytes, or the end, can be read.
    #[inline]
    pub fn has_unread(&self) -> bool {
        self.has_bytes() || self.end.is_some() || self.handshake == Handshake::Done
    }

    #[inline]
    fn has_bytes(&self) -> bool {
        !self.block_part.is_empty() || !self.unread_copy.is_empty()
    }

    /// Takes all bytes that were read.
    pub fn take_unread(&mut self) -> Vec<u8> {
        self.keep();
        std::mem::take(&mut self.unread_copy)
    }

    /// Asks for a report once all is sent; `false`: all is.
    pub fn request_sent_report(&mut self) -> bool {
        self.wants_report |= self.unsent() > 0;
        self.wants_report
    }

    /// Bytes of a report.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if self.has_bytes() {
            self.unread_copy.extend_from_slice(&bytes);
        } else {
            self.block_part = bytes;
        }
    }

    pub(super) fn wait(&mut self) {
        self.is_waiting = true;
    }

    pub(super) fn close(&mut self) {
        self.end.get_or_insert(End::Closed);
    }

    pub(super) fn fail(&mut self, error: io::Error) {
        self.end = Some(End::Broken(Some(error)));
    }

    /// The I/O thread has sent so many bytes. Whether there is room again for more.
    #[inline]
    pub fn sent(&mut self, n: usize) -> bool {
        self.in_flight = self.in_flight.saturating_sub(n);
        let sent = self.sent_bytes();
        while let Some(long) = self.long.pop_front_if(|long| long.end <= sent) {
            self.long_len -= long.len;
            self.long_memory -= long.memory;
        }
        self.unsent() <= WINDOW_AGAIN
    }

    /// Bytes are on their way to the I/O thread.
    #[inline]
    fn count_in_flight(&mut self, len: usize) {
        self.in_flight += len;
        self.task_bytes += len as u64;
    }

    /// As [`Handoff::count_in_flight`], for bytes that are not copied.
    fn count_long_task(&mut self, len: usize, memory: usize) {
        self.count_in_flight(len);
        let end = self.task_bytes;
        self.long.push_back(LongTask { end, len, memory });
        self.long_len += len;
        self.long_memory += memory;
    }

    /// Copies the bytes that wait to be taken: the block can be used again.
    pub fn keep(&mut self) {
        if !self.block_part.is_empty() {
            let block_part = std::mem::take(&mut self.block_part);
            self.unread_copy.splice(..0, block_part.iter().copied());
        }
    }

    /// Whether the connection has tasks for its I/O thread.
    #[inline]
    pub(super) fn has_tasks(&self) -> bool {
        !self.out.is_empty() || !self.pieces.is_empty() || self.wants_report || self.wants_more()
    }

    /// Whether the written bytes are short, and without shared pieces: they are copied.
    pub(super) fn is_short(&self) -> bool {
        self.pieces.is_empty() && self.out.len() < LONG_MIN
    }

    /// Takes the shared piece, if it is alone among short bytes, and how many of them come before
    /// it: the usual form of a large string.
    #[inline]
    pub(super) fn take_lone_piece(&mut self) -> Option<(usize, Bytes)> {
        if self.pieces.len() != 1 || self.out.len() >= LONG_MIN {
            return None;
        }
        let (at, piece) = self.pieces.pop()?;
        let shared = std::mem::take(&mut self.piece_bytes);
        self.count_long_task(shared, 0);
        Some((at, piece))
    }

    /// Takes the bytes that were written, in their order.
    pub(super) fn take_out(&mut self) -> Vec<Bytes> {
        let mut all: Vec<Bytes> = Vec::with_capacity(2 * self.pieces.len() + 1);
        let shared = std::mem::take(&mut self.piece_bytes);
        let memory = alloc::vec_bytes(&self.out) + alloc::vec_bytes(&all);
        self.count_long_task(self.out.len() + shared, memory);
        let own = Bytes::from(std::mem::take(&mut self.out));
        let mut from = 0;
        for (at, piece) in self.pieces.drain(..) {
            if from < at {
                all.push(own.slice(from..at));
            }
            all.push(piece);
            from = at;
        }
        if from < own.len() {
            all.push(own.slice(from..));
        }
        all
    }

    /// All that was written has been copied.
    pub(super) fn copied(&mut self) {
        self.count_in_flight(self.out.len());
        self.out.clear();
    }

    #[inline]
    fn wants_more(&self) -> bool {
        self.is_waiting && !self.has_bytes() && self.end.is_none()
    }

    /// Whether the I/O thread is to read on.
    pub(super) fn take_wants_more(&mut self) -> bool {
        let wants = self.wants_more();
        self.is_waiting &= !wants;
        wants
    }

    /// Whether a report is to be asked for.
    pub(super) fn take_wants_report(&mut self) -> bool {
        std::mem::take(&mut self.wants_report)
    }

    /// The first `n` bytes of `block_part` are taken; the block is let go with the last.
    #[inline]
    fn pass(&mut self, n: usize) {
        if n == self.block_part.len() {
            self.block_part = Bytes::new();
        } else {
            self.block_part.advance(n);
        }
    }

    /// See [`crate::Stream::fill`].
    #[inline]
    pub(crate) fn fill(&mut self, into: &mut [u8]) -> io::Result<(usize, bool)> {
        self.finish_handshake();
        let n = if self.block_part.is_empty() {
            let n = self.unread_copy.len().min(into.len());
            into[..n].copy_from_slice(&self.unread_copy[..n]);
            if n == self.unread_copy.len() {
                self.unread_copy = Vec::new();
            } else {
                self.unread_copy.drain(..n);
            }
            n
        } else {
            let n = self.block_part.len().min(into.len());
            into[..n].copy_from_slice(&self.block_part[..n]);
            self.pass(n);
            n
        };
        if n > 0 {
            return Ok((n, self.has_unread()));
        }
        match &mut self.end {
            None => Err(ErrorKind::WouldBlock.into()),
            Some(End::Closed) => Ok((0, false)),
            Some(End::Broken(error)) => {
                Err(error.take().unwrap_or_else(|| ErrorKind::BrokenPipe.into()))
            }
        }
    }

    /// See [`crate::Stream::fill_vectored`].
    pub(crate) fn fill_vectored<'a>(
        &mut self,
        first: &'a mut [MaybeUninit<u8>],
        behind: &mut [u8],
    ) -> io::Result<(&'a [u8], usize, bool)> {
        self.finish_handshake();
        let mut filling = FillBuffer::new(first);
        while filling.room() > 0 && self.has_bytes() {
            if self.block_part.is_empty() {
                let n = filling.push(&self.unread_copy);
                self.unread_copy.drain(..n);
            } else {
                let n = filling.push(&self.block_part);
                self.pass(n);
            }
        }
        let goes_on = filling.room() == 0 && self.has_bytes() && !behind.is_empty();
        let here = filling.written();
        if here.is_empty() || goes_on {
            let (there, more) = self.fill(behind)?;
            Ok((here, there, more))
        } else {
            Ok((here, 0, self.has_unread()))
        }
    }

    /// See [`std::io::Write::write_vectored`].
    pub(crate) fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.is_broken() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let room = self.room();
        let mut left = room;
        for piece in pieces {
            let n = piece.len().min(left);
            self.out.extend_from_slice(&piece[..n]);
            left -= n;
            if left == 0 {
                break;
            }
        }
        match room - left {
            0 if pieces.iter().any(|piece| !piece.is_empty()) => Err(ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }

    /// See [`std::io::Write::write`].
    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }
}
