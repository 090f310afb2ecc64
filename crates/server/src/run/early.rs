//! Early reads: the requests of several clients, of which each sends a single short command at a
//! time, are read before the first request runs, so that their keys are in the cache by then.
//!
//!     read, read, read ...  -> directory words prefetched, bytes kept in `Turn::early`
//!     before the first runs -> table lines, then entries, of all keys
//!     run, run, run ...     -> in the order of the reads
//!
//! A client that pipelines has this within its batch (`clients::batch`). Between two requests of
//! different clients lie two system calls, so a lookup otherwise waits for the memory each time:
//! half a microsecond of a GET among a million keys, of seven.
//!
//! Invariants
//!   1. Commands run in the order of their clients' reads: a read that is not early waits, in the
//!      client's own input, for the early reads.
//!   2. A client's early bytes run before any later bytes of the client: a guest, which reads from
//!      clients while a script is busy, gets them first ([`Loop::give_back_early`]).
//!   3. Between its read and its run a client is in the table, as any other: commands may stop or
//!      close it, and the bytes read are then kept in its input.
//!
//! Cost: a copy of up to [`EARLY_BYTES_MAX`] bytes, and the command is parsed twice.

use super::Loop;

use crate::clients::client::ClientFlags;
use crate::clients::session::Session;
use crate::parts::run::early::{EARLY_BYTES_MAX, EARLY_MAX};

impl Loop {
    /// Before an event: if the most reads wait, they run, and the next reads are early.
    #[inline]
    pub(super) fn begin_early(&mut self) {
        if !self.reads_early {
            self.run_early();
            self.reads_early = true;
        }
    }

    /// Runs the early reads that are left; further reads of the turn are not early.
    pub(super) fn end_early(&mut self) {
        self.reads_early = false;
        self.run_early();
    }

    /// Whether the bytes read are a single short command, which is kept and runs later.
    #[inline]
    pub(super) fn try_keep_early(&mut self, session: &Session, bytes: &[u8]) -> bool {
        self.reads_early && bytes.len() <= EARLY_BYTES_MAX && self.keep_early(session, bytes)
    }

    fn keep_early(&mut self, session: &Session, bytes: &[u8]) -> bool {
        if session.client.flags.contains(ClientFlags::PRIMARY) {
            return false;
        }
        let batch = &mut self.batch;
        batch.clear();
        if !self.engine.parse_only_command(session, batch, bytes) {
            return false;
        }
        let early = &mut self.engine.server.turn.early;
        early.add(session, bytes, batch.first_key());
        self.reads_early = early.len() < EARLY_MAX;
        true
    }

    /// Runs the early reads, in their order.
    fn run_early(&mut self) {
        let engine = &mut self.engine;
        let keys = engine.server.turn.early.prefetch(&engine.keyspace);
        let stats = &mut engine.server.stats.batches;
        stats.prefetches += u64::from(keys > 0);
        stats.keys_prefetched += keys as u64;
        while let Some(read) = self.engine.server.turn.early.next() {
            let clients = &mut self.engine.server.clients;
            let Some(mut session) = clients.take_at(read.slot, read.generation) else {
                continue;
            };
            let keep = if session.client.runs() {
                self.run_read(&mut session, &read.bytes, 0)
            } else {
                session.input.give(read.bytes.clone());
                self.keep_read(&mut session)
            };
            self.engine.server.turn.early.reuse(read.bytes);
            self.settle(session, keep);
        }
    }

    /// Runs the early reads that precede this client's read, whose bytes are in its input; `None`:
    /// the client has been closed.
    #[cold]
    pub(super) fn after_early(&mut self, session: Box<Session>) -> Option<Box<Session>> {
        let (slot, generation) = (session.slot, session.generation);
        self.engine.server.clients.put_back(session);
        self.run_early();
        self.engine.server.clients.take_at(slot, generation)
    }

    /// A guest runs the early reads, before it reads more of their clients.
    pub(super) fn give_back_early(&mut self) {
        while let Some(read) = self.engine.server.turn.early.next() {
            let clients = &mut self.engine.server.clients;
            if let Some(mut session) = clients.take_at(read.slot, read.generation) {
                session.input.give(read.bytes);
                let id = session.client.id;
                clients.put_back(session);
                self.advance(id);
            }
        }
    }
}
