//! An I/O thread's writes: the loop's tasks, and what a socket did not take before.
//!
//! Cost: a system call for each task; bytes are copied only if the socket is full.

use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::Bytes;

use super::super::Figures;
use super::super::message::{ConnectionId, ReadState};
use super::outgoing::OutgoingQueue;
use super::{PIECES_MAX, Worker, at, queue_report};
use crate::token::Target;

impl Worker {
    pub(super) fn send(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = at(&mut self.connections, id.slot, id.generation) else {
            return;
        };
        if !connection.out.is_empty() {
            return connection.out.push_copy(bytes);
        }
        let mut left = bytes;
        let written = loop {
            if left.is_empty() {
                break connection.stream.flush();
            }
            match connection.stream.write(left) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    Figures::add(&self.figures.writes, 1);
                    connection.sent += n;
                    left = &left[n..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        if !left.is_empty() {
            connection.out.push_copy(left);
        }
        self.sent(id.slot, written);
    }

    /// Sends a shared piece between short bytes, which are copied only if the socket is full.
    pub(super) fn send_around(
        &mut self,
        id: ConnectionId,
        before: &[u8],
        piece: Bytes,
        after: &[u8],
    ) {
        let Some(connection) = at(&mut self.connections, id.slot, id.generation) else {
            return;
        };
        let mut n = 0;
        if connection.out.is_empty() {
            let slices = [before, &piece[..], after].map(IoSlice::new);
            match connection.stream.write_vectored(&slices) {
                Ok(0) => return self.sent(id.slot, Err(ErrorKind::WriteZero.into())),
                Ok(taken) => {
                    Figures::add(&self.figures.writes, 1);
                    connection.sent += taken;
                    n = taken;
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::WouldBlock => {}
                    _ => return self.sent(id.slot, Err(error)),
                },
            }
        }
        if n < before.len() + piece.len() + after.len() {
            connection.out.push_copy(&before[n.min(before.len())..]);
            n = n.saturating_sub(before.len());
            connection.out.push(piece.slice(n.min(piece.len())..));
            n = n.saturating_sub(piece.len());
            connection.out.push_copy(&after[n..]);
        }
        if connection.is_armed {
            // The poll says when the socket takes more.
            return;
        }
        self.send_rest(id.slot);
    }

    pub(super) fn send_long(&mut self, id: ConnectionId, pieces: Vec<Bytes>) {
        if let Some(connection) = at(&mut self.connections, id.slot, id.generation) {
            let is_first = connection.out.is_empty();
            pieces
                .into_iter()
                .for_each(|piece| connection.out.push(piece));
            if is_first {
                self.send_rest(id.slot);
            }
        }
    }

    /// Sends what waits, as far as the socket takes it.
    pub(super) fn send_rest(&mut self, slot: u32) {
        let Some(connection) = self
            .connections
            .get_mut(slot as usize)
            .and_then(Option::as_mut)
        else {
            return;
        };
        let written = loop {
            if connection.out.is_empty() {
                break connection.stream.flush();
            }
            let mut slices = [IoSlice::new(&[]); PIECES_MAX];
            let n = connection.out.front(&mut slices);
            match connection.stream.write_vectored(&slices[..n]) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    Figures::add(&self.figures.writes, 1);
                    connection.sent += n;
                    connection.out.advance(n);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.sent(slot, written);
    }

    /// After writes: the rest is sent when the socket is writable.
    pub(super) fn sent(&mut self, slot: u32, written: io::Result<()>) {
        let Some(connection) = self
            .connections
            .get_mut(slot as usize)
            .and_then(Option::as_mut)
        else {
            return;
        };
        queue_report(connection, slot, &mut self.unreported);
        match written {
            Ok(()) => {
                self.arm(slot, false);
                self.give_back(slot);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.arm(slot, true),
            Err(error) => self.fail(slot, error),
        }
    }

    pub(super) fn arm(&mut self, slot: u32, on: bool) {
        let Some(connection) = self
            .connections
            .get_mut(slot as usize)
            .and_then(Option::as_mut)
        else {
            return;
        };
        if connection.is_armed != on {
            connection.is_armed = on;
            let token = Target::client(slot, connection.generation).into();
            let armed = connection
                .stream
                .want_write(self.poll.registry(), token, on);
            if let Err(error) = armed {
                self.fail(slot, error);
            }
        }
    }

    /// The connection is broken: the loop closes it.
    pub(super) fn fail(&mut self, slot: u32, error: io::Error) {
        let Some(connection) = self
            .connections
            .get_mut(slot as usize)
            .and_then(Option::as_mut)
        else {
            return;
        };
        connection.out = OutgoingQueue::default();
        connection.is_over = true;
        self.report(slot, 0, ReadState::Broken(error));
    }
}
