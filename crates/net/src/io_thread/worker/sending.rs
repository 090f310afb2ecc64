//! A courier's writes: what the loop has ordered, and what a socket did not take before.
//!
//! Cost: one system call for each order; bytes are copied only if the socket is full.

use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::Bytes;

use super::super::Figures;
use super::super::message::{Place, Then};
use super::outgoing::Outgoing;
use super::{PIECES_MAX, Rounds, at, note};
use crate::token::Target;

impl Rounds {
    pub(super) fn send(&mut self, place: Place, bytes: &[u8]) {
        let Some(wire) = at(&mut self.wires, place.slot, place.generation) else {
            return;
        };
        if !wire.out.is_empty() {
            return wire.out.push_copy(bytes);
        }
        let mut left = bytes;
        let written = loop {
            if left.is_empty() {
                break wire.stream.flush();
            }
            match wire.stream.write(left) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    Figures::add(&self.figures.writes, 1);
                    wire.sent += n;
                    left = &left[n..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        if !left.is_empty() {
            wire.out.push_copy(left);
        }
        self.sent(place.slot, written);
    }

    /// Sends a shared piece between short bytes, which are copied only if the socket is full.
    pub(super) fn send_around(&mut self, place: Place, before: &[u8], piece: Bytes, after: &[u8]) {
        let Some(wire) = at(&mut self.wires, place.slot, place.generation) else {
            return;
        };
        let mut n = 0;
        if wire.out.is_empty() {
            let slices = [before, &piece[..], after].map(IoSlice::new);
            match wire.stream.write_vectored(&slices) {
                Ok(0) => return self.sent(place.slot, Err(ErrorKind::WriteZero.into())),
                Ok(taken) => {
                    Figures::add(&self.figures.writes, 1);
                    wire.sent += taken;
                    n = taken;
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::WouldBlock => {}
                    _ => return self.sent(place.slot, Err(error)),
                },
            }
        }
        if n < before.len() + piece.len() + after.len() {
            wire.out.push_copy(&before[n.min(before.len())..]);
            n = n.saturating_sub(before.len());
            wire.out.push(piece.slice(n.min(piece.len())..));
            n = n.saturating_sub(piece.len());
            wire.out.push_copy(&after[n..]);
        }
        if wire.is_armed {
            // The poll says when the socket takes more.
            return;
        }
        self.send_rest(place.slot);
    }

    pub(super) fn send_long(&mut self, place: Place, pieces: Vec<Bytes>) {
        if let Some(wire) = at(&mut self.wires, place.slot, place.generation) {
            let is_first = wire.out.is_empty();
            pieces.into_iter().for_each(|piece| wire.out.push(piece));
            if is_first {
                self.send_rest(place.slot);
            }
        }
    }

    /// Sends what waits, as far as the socket takes it.
    pub(super) fn send_rest(&mut self, slot: u32) {
        let Some(wire) = self.wires.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        let written = loop {
            if wire.out.is_empty() {
                break wire.stream.flush();
            }
            let mut slices = [IoSlice::new(&[]); PIECES_MAX];
            let n = wire.out.front(&mut slices);
            match wire.stream.write_vectored(&slices[..n]) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    Figures::add(&self.figures.writes, 1);
                    wire.sent += n;
                    wire.out.advance(n);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.sent(slot, written);
    }

    /// After writes: the rest is sent when the socket is writable.
    pub(super) fn sent(&mut self, slot: u32, written: io::Result<()>) {
        let Some(wire) = self.wires.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        note(wire, slot, &mut self.noted);
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
        let Some(wire) = self.wires.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        if wire.is_armed != on {
            wire.is_armed = on;
            let token = Target::client(slot, wire.generation).into();
            let armed = wire.stream.want_write(self.poll.registry(), token, on);
            if let Err(error) = armed {
                self.fail(slot, error);
            }
        }
    }

    /// The connection is broken: the loop closes it.
    pub(super) fn fail(&mut self, slot: u32, error: io::Error) {
        let Some(wire) = self.wires.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        wire.out = Outgoing::default();
        wire.is_over = true;
        self.report(slot, 0, Then::Broken(error));
    }
}
