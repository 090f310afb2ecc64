//! An I/O thread's reads: of connections that are readable, and of connections in a handshake.
//!
//! Cost: one system call a read, into a block that all connections share.

use std::collections::VecDeque;
use std::io::ErrorKind;

use super::super::Figures;
use super::super::message::{BLOCK_BYTES, ConnectionId, ReadState, Report, new_block};
use super::{BLOCKS_MAX, Connection, HANDSHAKES, ROOM_MIN, Worker, at};
use crate::outside::{Event, Instant};
use crate::token::{Role, Target};

impl Worker {
    pub(super) fn event(&mut self, event: &Event) {
        let target = Target::from(event.token());
        if target.role != Role::Client {
            return;
        }
        let Some(connection) = at(&mut self.connections, target.slot, target.generation) else {
            return;
        };
        self.gather.event(&mut connection.seen_in);
        connection.peer_closed |= event.is_read_closed();
        if event.is_writable() && connection.is_armed {
            self.send_rest(target.slot);
        }
        if event.is_readable() || event.is_read_closed() {
            self.read(target.slot);
        }
    }

    /// Reads once more from connections that have filled their reads.
    pub(super) fn continue_reading(&mut self) {
        for _ in 0..self.ready.len() {
            if !self.has_block() {
                return;
            }
            let Some(slot) = self.ready.pop_front() else {
                return;
            };
            if let Some(connection) = self
                .connections
                .get_mut(slot as usize)
                .and_then(Option::as_mut)
            {
                connection.is_ready = false;
                self.read(slot);
            }
        }
    }

    /// Whether no handshake waits for its share.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.handshakes.is_empty()
    }

    /// Continues handshakes, first come, first served.
    pub(super) fn continue_handshakes(&mut self) {
        if self.handshakes.is_empty() {
            return;
        }
        let began = Instant::now();
        while self.has_block()
            && let Some(slot) = self.handshakes.pop_front()
        {
            if let Some(connection) = self
                .connections
                .get_mut(slot as usize)
                .and_then(Option::as_mut)
            {
                connection.in_handshakes = false;
                self.read_now(slot);
            }
            if began.elapsed() >= HANDSHAKES {
                return;
            }
        }
    }

    pub(super) fn has_block(&self) -> bool {
        self.block.is_some() || !self.free.is_empty() || self.blocks < BLOCKS_MAX
    }

    /// Opens a block with room; `false`: all blocks are at the loop.
    fn open_block(&mut self) -> bool {
        if self.block.is_some() && BLOCK_BYTES - self.filled < ROOM_MIN {
            self.deliver();
        }
        if self.block.is_some() {
            return true;
        }
        self.filled = 0;
        self.block = self.free.pop();
        if self.block.is_none() && self.blocks < BLOCKS_MAX {
            self.blocks += 1;
            self.block = Some(new_block());
        }
        self.block.is_some()
    }

    /// Reads once: now, or with the handshakes of this iteration.
    pub(super) fn read(&mut self, slot: u32) {
        let Some(connection) = self
            .connections
            .get_mut(slot as usize)
            .and_then(Option::as_mut)
        else {
            return;
        };
        if !connection.stream.is_handshaking() {
            self.read_now(slot);
        } else if !std::mem::replace(&mut connection.in_handshakes, true) {
            self.handshakes.push_back(slot);
        }
    }

    /// A read. TLS may have to answer: what its socket does not take is sent when it is writable.
    fn read_now(&mut self, slot: u32) {
        self.fill_from(slot);
        let connection = self.connections.get(slot as usize).and_then(Option::as_ref);
        if connection
            .is_some_and(|connection| !connection.is_over && connection.stream.has_unsent())
        {
            self.arm(slot, true);
        }
    }

    fn fill_from(&mut self, slot: u32) {
        let has_block = self.open_block();
        let Some(connection) = self
            .connections
            .get_mut(slot as usize)
            .and_then(Option::as_mut)
        else {
            return;
        };
        if connection.is_over || connection.is_recalled || connection.room == 0 {
            // The loop asks for more when it has taken what there is.
            return;
        }
        let queue = |connection: &mut Connection, ready: &mut VecDeque<u32>| {
            if !connection.is_ready {
                connection.is_ready = true;
                ready.push_back(slot);
            }
        };
        let Some(block) = self.block.as_mut().filter(|_| has_block) else {
            return queue(connection, &mut self.ready);
        };
        let room = connection.room.min(BLOCK_BYTES - self.filled);
        let shakes = connection.stream.is_handshaking();
        let filled = connection.stream.fill(&mut block[self.filled..][..room]);
        if shakes && !connection.stream.is_handshaking() {
            // It goes with the report of what was read: the block is not delivered before.
            let link = connection.stream.tls();
            let certificate = link.and_then(|link| link.peer_der().cloned());
            let generation = connection.generation;
            self.open.reports.push(Report {
                id: ConnectionId { slot, generation },
                start: 0,
                len: 0,
                sent: 0,
                reading: ReadState::Secured(certificate.map(Box::new)),
            });
        }
        let (n, reading) = match filled {
            Ok((0, _)) => (0, ReadState::Ended),
            Ok((n, more)) => {
                Figures::add(&self.figures.reads, 1);
                connection.room -= n;
                if connection.room == 0 {
                    (n, ReadState::Waits)
                } else {
                    if more || connection.peer_closed {
                        queue(connection, &mut self.ready);
                    }
                    (n, ReadState::Continues)
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                return queue(connection, &mut self.ready);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Under TLS the bytes may have held no data: the end may follow them.
                if connection.peer_closed {
                    queue(connection, &mut self.ready);
                }
                return;
            }
            Err(error) => (0, ReadState::Broken(error)),
        };
        connection.is_over = matches!(reading, ReadState::Ended | ReadState::Broken(_));
        self.report(slot, n, reading);
    }
}
