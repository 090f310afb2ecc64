//! A courier's reads: of connections that are readable, and of those whose handshake goes on.
//!
//! Cost: one system call a read, into a block that all connections share.

use std::collections::VecDeque;
use std::io::ErrorKind;

use super::super::Figures;
use super::super::message::{BLOCK_BYTES, Place, Report, Then, new_block};
use super::{BLOCKS_MAX, HANDSHAKES, ROOM_MIN, Rounds, Wire, at};
use crate::outside::{Event, Instant};
use crate::token::{Role, Target};

impl Rounds {
    pub(super) fn event(&mut self, event: &Event) {
        let target = Target::from(event.token());
        if target.role != Role::Client {
            return;
        }
        let Some(wire) = at(&mut self.wires, target.slot, target.generation) else {
            return;
        };
        self.gather.event(&mut wire.seen_in);
        wire.peer_closed |= event.is_read_closed();
        if event.is_writable() && wire.is_armed {
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
            if let Some(wire) = self.wires.get_mut(slot as usize).and_then(Option::as_mut) {
                wire.is_ready = false;
                self.read(slot);
            }
        }
    }

    /// Whether no handshake waits for its share.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.shaking.is_empty()
    }

    /// Goes on with handshakes, first come, first served.
    pub(super) fn shake_hands(&mut self) {
        if self.shaking.is_empty() {
            return;
        }
        let began = Instant::now();
        while self.has_block()
            && let Some(slot) = self.shaking.pop_front()
        {
            if let Some(wire) = self.wires.get_mut(slot as usize).and_then(Option::as_mut) {
                wire.is_shaking = false;
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

    /// Reads once: now, or with the handshakes of this round.
    pub(super) fn read(&mut self, slot: u32) {
        let Some(wire) = self.wires.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        if !wire.stream.is_handshaking() {
            self.read_now(slot);
        } else if !std::mem::replace(&mut wire.is_shaking, true) {
            self.shaking.push_back(slot);
        }
    }

    /// One read. TLS may have to answer: what its socket does not take is sent when it is writable.
    fn read_now(&mut self, slot: u32) {
        self.fill_from(slot);
        let wire = self.wires.get(slot as usize).and_then(Option::as_ref);
        if wire.is_some_and(|wire| !wire.is_over && wire.stream.has_unsent()) {
            self.arm(slot, true);
        }
    }

    fn fill_from(&mut self, slot: u32) {
        let has_block = self.open_block();
        let Some(wire) = self.wires.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        if wire.is_over || wire.is_recalled || wire.room == 0 {
            // The loop asks for more when it has taken what there is.
            return;
        }
        let queue = |wire: &mut Wire, ready: &mut VecDeque<u32>| {
            if !wire.is_ready {
                wire.is_ready = true;
                ready.push_back(slot);
            }
        };
        let Some(block) = self.block.as_mut().filter(|_| has_block) else {
            return queue(wire, &mut self.ready);
        };
        let room = wire.room.min(BLOCK_BYTES - self.filled);
        let shakes = wire.stream.is_handshaking();
        let filled = wire.stream.fill(&mut block[self.filled..][..room]);
        if shakes && !wire.stream.is_handshaking() {
            // It goes with the report of what was read: the block is not delivered before.
            let link = wire.stream.tls();
            let certificate = link.and_then(|link| link.peer_der().cloned());
            let generation = wire.generation;
            self.open.reports.push(Report {
                place: Place { slot, generation },
                start: 0,
                len: 0,
                sent: 0,
                then: Then::Secured(certificate.map(Box::new)),
            });
        }
        let (n, then) = match filled {
            Ok((0, _)) => (0, Then::Ended),
            Ok((n, more)) => {
                Figures::add(&self.figures.reads, 1);
                wire.room -= n;
                if wire.room == 0 {
                    (n, Then::Waits)
                } else {
                    if more || wire.peer_closed {
                        queue(wire, &mut self.ready);
                    }
                    (n, Then::Continues)
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                return queue(wire, &mut self.ready);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Under TLS the bytes may have held no data: the end may follow them.
                if wire.peer_closed {
                    queue(wire, &mut self.ready);
                }
                return;
            }
            Err(error) => (0, Then::Broken(error)),
        };
        wire.is_over = matches!(then, Then::Ended | Then::Broken(_));
        self.report(slot, n, then);
    }
}
