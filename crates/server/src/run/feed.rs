//! Writes to replicas: the snapshot of a full synchronization from its spool, and the stream from
//! the backlog. Nothing is copied for a replica: the loop writes to its socket from the shared
//! blocks. A replica that is further back gets the stream from the files of the log, until the
//! backlog has the replica's position.

use std::io::{ErrorKind, IoSlice, Write};

use super::Loop;
use super::write::SendOutcome;

use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::parts::replication::replica_link::Replica;
use crate::parts::replication::sending::Next;
use crate::state::Server;
use russet_keyspace::ClientId;
use russet_persistence::aof::Feed;
use russet_replication::compression::BLOCK_BYTES;
use russet_replication::primary::{ReplicaState, SentSnapshot, SnapshotFraming};
use russet_replication::{Backlog, Position};

/// Bytes of the log that are read at a time while a position is looked for.
const SEEK_BYTES: usize = 512 * 1024;
/// A replica is sent the stream from the backlog again if it is no further back than the backlog's
/// size and this; `replication::cron` allows twice as much.
const NEAR_BYTES: u64 = 4 << 20;
/// Blocks of a write.
const SLICES_MAX: usize = 16;

/// Bytes of the stream that are compressed for a replica in a turn: half a millisecond.
const PACKED_BYTES: usize = 256 * 1024;

/// While turn follows turn, less of the stream than this waits for more, for at most that long.
const GATHER_BYTES: u64 = 64 * 1024;
const GATHER_NANOS: u64 = 1_000_000;

/// How a write to a replica's socket ended.
enum Wrote {
    Bytes(usize),
    /// Nothing yet: the position is still looked for in the log.
    Later,
    /// The socket is full.
    Full,
    Over,
}

fn wrote(result: std::io::Result<usize>) -> Option<Wrote> {
    match result {
        Ok(0) => Some(Wrote::Over),
        Ok(n) => Some(Wrote::Bytes(n)),
        Err(error) if error.kind() == ErrorKind::Interrupted => None,
        Err(error) if error.kind() == ErrorKind::WouldBlock => Some(Wrote::Full),
        Err(error) => {
            tracing::debug!("Writing to a replica: {error}");
            Some(Wrote::Over)
        }
    }
}

/// Takes a replica's stream from the backlog instead of the log, if the backlog has the replica's
/// position and the replica is near its end.
fn leave_log_if_near(replica: &mut Replica, backlog: Option<&Backlog>) {
    let is_near = |b: &Backlog| {
        let behind = b.end().saturating_sub(replica.sent);
        b.holds(replica.sent) && behind <= b.size() + NEAR_BYTES
    };
    if let Some(log) = &replica.transport.log
        && !log.is_inside_hole()
        && backlog.is_some_and(is_near)
    {
        replica.transport.log = None;
        if let Some(packing) = &mut replica.transport.packing {
            packing.leaves_log(replica.sent);
        }
    }
}

/// The blocks of the backlog from an offset on, at most `room` bytes.
fn slices_of(backlog: &Backlog, from: u64, mut room: usize) -> Vec<IoSlice<'_>> {
    let mut slices = Vec::with_capacity(SLICES_MAX);
    for block in backlog.read(from).take(SLICES_MAX) {
        let part = &block[..block.len().min(room)];
        room -= part.len();
        slices.push(IoSlice::new(part));
        if room == 0 {
            break;
        }
    }
    slices
}

impl Server {
    /// Queues replicas for which there is something to send. O(replicas).
    ///
    /// While turn follows turn (`began`, in ticks), a little of the stream waits for more, so that
    /// a single write takes the bytes of several turns; `None`: the loop is about to sleep, and all
    /// is sent. Nothing is delayed while a client waits for acknowledgements.
    pub(crate) fn queue_replicas(&mut self, began: Option<u64>) {
        let sends_at_once = std::mem::take(&mut self.replication.sends_at_once);
        if self.replication.replicas.is_empty() {
            self.replication.gathers_since = None;
            return;
        }
        let since = self.replication.gathers_since;
        let patience = self.cycles.ticks(GATHER_NANOS);
        let may_gather = !sends_at_once
            && began.is_some_and(|began| {
                since.is_none_or(|since| began.wrapping_sub(since) < patience)
            });
        let sendable = self.past().sendable();
        let mut gathers = false;
        let has_more = |replica: &&Replica| match &replica.state {
            ReplicaState::Online | ReplicaState::Streams => {
                if replica.transport.is_inside_block() {
                    return true;
                }
                let unsent = sendable.saturating_sub(replica.sent);
                let is_little = may_gather && unsent < GATHER_BYTES;
                gathers |= is_little && unsent > 0;
                unsent > 0 && !is_little
            }
            ReplicaState::Sending => true,
            _ => false,
        };
        let replicas = self.replication.replicas.iter().filter(has_more);
        let queued: Vec<ClientId> = replicas.map(|replica| replica.id).collect();
        self.replication.gathers_since = if gathers { since.or(began) } else { None };
        let before = self.turn.flush.len();
        for id in queued {
            if let Some(mut session) = self.clients.take(id) {
                if !session.write_armed {
                    self.turn.queue_flush(&mut session);
                }
                self.clients.put_back(session);
            }
        }
        if self.replication.sync_writes.is_on() {
            // The clients wait for the replicas: the stream leaves first.
            let replicas = self.turn.flush.len() - before;
            self.turn.flush.rotate_right(replicas);
        }
    }
}

impl Loop {
    /// Sends a replica its pending bytes, at most `left` of them, after its replies.
    pub(super) fn feed(&mut self, session: &mut Session, mut left: usize) -> SendOutcome {
        let replica = self
            .engine
            .server
            .replication
            .replicas
            .get(session.client.id);
        if replica.is_some_and(|replica| replica.transport.packing.is_some()) {
            left = left.min(PACKED_BYTES);
        }
        loop {
            if left == 0 {
                return SendOutcome::Part;
            }
            let wrote = match self.feed_once(session, left) {
                Ok(Some(wrote)) => wrote,
                Ok(None) => return SendOutcome::All,
                Err(why) => {
                    tracing::warn!("{why}");
                    return SendOutcome::Over;
                }
            };
            match wrote {
                Wrote::Bytes(n) => left -= n.min(left),
                Wrote::Later => return SendOutcome::Part,
                Wrote::Full => return SendOutcome::Stuck,
                Wrote::Over => return SendOutcome::Over,
            }
        }
    }

    /// A write. `None`: there is nothing to send now.
    fn feed_once(&mut self, session: &mut Session, most: usize) -> Result<Option<Wrote>, String> {
        let server = &mut self.engine.server;
        let (id, now_ms, sendable) = (
            session.client.id,
            server.now.mono_ms,
            server.past().sendable(),
        );
        let Some(stream) = session.stream.as_mut() else {
            return Ok(Some(Wrote::Over));
        };
        let Some(replica) = server.replication.replicas.get_mut(id) else {
            return Ok(None);
        };
        if !std::mem::replace(&mut replica.transport.is_tuned, true)
            && server.config.repl_disable_tcp_nodelay
        {
            stream.set_nodelay(false);
        }
        leave_log_if_near(replica, server.stream.backlog());
        if replica.transport.packing.is_some() && replica.gets_stream() {
            return self.feed_packed(session);
        }
        let mut done = None;
        let wrote = match replica.state {
            ReplicaState::Online
                if replica.sent < sendable
                    && let Some(log) = &mut replica.transport.log =>
            {
                let room = most.min((sendable - replica.sent) as usize);
                let next = match log.peek(server.persist.aof.log(), SEEK_BYTES) {
                    Ok(Feed::Bytes(bytes)) => wrote(stream.write(&bytes[..bytes.len().min(room)])),
                    Ok(Feed::Seeks) => return Ok(Some(Wrote::Later)),
                    Ok(Feed::Wait) => return Ok(None),
                    Err(why) => {
                        server.persist.aof.forget_chain();
                        return Err(why);
                    }
                };
                if let Some(Wrote::Bytes(n)) = next {
                    log.advance(n);
                }
                next
            }
            ReplicaState::Online | ReplicaState::Streams if replica.sent < sendable => {
                let Some(backlog) = server.stream.backlog() else {
                    return Ok(None);
                };
                let room = most.min((sendable - replica.sent) as usize);
                wrote(stream.write_vectored(&slices_of(backlog, replica.sent, room)))
            }
            ReplicaState::Sending if let Some(sending) = &mut replica.transport.snapshot => {
                match sending.next() {
                    Ok(Next::Bytes(bytes)) => {
                        let part = &bytes[..bytes.len().min(most)];
                        let wrote = wrote(stream.write(part));
                        if let Some(Wrote::Bytes(n)) = wrote {
                            sending.advance(n, now_ms);
                        }
                        wrote
                    }
                    Ok(Next::Wait) => return Ok(None),
                    Ok(Next::Done(form)) => {
                        done = Some(form);
                        Some(Wrote::Bytes(0))
                    }
                    Ok(Next::Failed(why)) => {
                        return Err(format!("A full synchronization failed: {why}"));
                    }
                    Err(error) => return Err(format!("Reading a snapshot for a replica: {error}")),
                }
            }
            _ => return Ok(None),
        };
        if let Some(form) = done {
            return Ok(self.sent_snapshot(session, form));
        }
        if let Some(Wrote::Bytes(n)) = wrote {
            if replica.gets_stream() {
                replica.sent += n as u64;
            }
            session.client.traffic.bytes_out += n as u64;
            session.client.traffic.last_active_ms = now_ms;
            server.stats.net_repl_output_bytes += n as u64;
            server.stats.writes += 1;
        }
        Ok(Some(wrote.unwrap_or(Wrote::Bytes(0))))
    }

    /// A write to a replica whose stream is compressed. The cost is counted in bytes of the stream
    /// that were compressed, because compression takes the time.
    fn feed_packed(&mut self, session: &mut Session) -> Result<Option<Wrote>, String> {
        let server = &mut self.engine.server;
        let (id, now_ms, sendable) = (
            session.client.id,
            server.now.mono_ms,
            server.past().sendable(),
        );
        let is_shared = server.replication.replicas.packing() > 1;
        let Some(stream) = session.stream.as_mut() else {
            return Ok(Some(Wrote::Over));
        };
        let Some(replica) = server.replication.replicas.get_mut(id) else {
            return Ok(None);
        };
        let Some(packing) = &mut replica.transport.packing else {
            return Ok(None);
        };
        let mut packed = 0;
        if packing.unsent().is_empty() {
            if replica.sent >= sendable {
                return Ok(None);
            }
            let packs = &mut server.replication.packs;
            let block = match (&mut replica.transport.log, server.stream.backlog()) {
                (Some(log), _) => {
                    let room = BLOCK_BYTES.min((sendable - replica.sent) as usize);
                    match log.peek(server.persist.aof.log(), SEEK_BYTES) {
                        Ok(Feed::Bytes(bytes)) => {
                            packed = bytes.len().min(room);
                            let block = packs.pack(&[], &bytes[..packed]);
                            log.advance(packed);
                            block
                        }
                        Ok(Feed::Seeks) => return Ok(Some(Wrote::Later)),
                        Ok(Feed::Wait) => return Ok(None),
                        Err(why) => {
                            server.persist.aof.forget_chain();
                            return Err(why);
                        }
                    }
                }
                (None, Some(backlog)) => {
                    let place = Position {
                        id: server.stream.history().id,
                        offset: replica.sent,
                    };
                    let made = packs.block(backlog, packing, place, sendable, is_shared);
                    packed = made.1;
                    made.0
                }
                (None, None) => return Ok(None),
            };
            packing.put(block, packed);
            replica.sent += packed as u64;
        }
        let wrote = wrote(stream.write(packing.unsent()));
        if let Some(Wrote::Bytes(n)) = wrote {
            packing.advance(n);
            session.client.traffic.bytes_out += n as u64;
            session.client.traffic.last_active_ms = now_ms;
            server.stats.net_repl_output_bytes += n as u64;
            server.stats.writes += 1;
        }
        Ok(Some(match wrote {
            Some(Wrote::Bytes(_)) | None => Wrote::Bytes(packed),
            Some(ended) => ended,
        }))
    }

    /// A replica has been sent its whole snapshot.
    fn sent_snapshot(&mut self, session: &mut Session, form: SnapshotFraming) -> Option<Wrote> {
        let server = &mut self.engine.server;
        let (id, now_ms) = (session.client.id, server.now.mono_ms);
        let replicas = &mut server.replication.replicas;
        let sent = replicas.snapshot_sent(id, form, now_ms)?;
        let replica = replicas.get_mut(id)?;
        let name = replica.name();
        replica.transport.snapshot = None;
        match sent {
            SentSnapshot::Closes(main) => {
                tracing::info!("Replica {name} requested an RDB only, it is closed.");
                let detail = "it asked for a snapshot alone, and has it";
                session
                    .client
                    .close_after_reply(Disconnection::new(EndReason::Link, detail));
                if let Some(main) = main {
                    server.replica_online(main);
                }
                return Some(Wrote::Over);
            }
            SentSnapshot::AwaitsAck => {
                tracing::info!(
                    "Streamed replica with replica {name}: waiting for its REPLCONF ACK"
                );
            }
            SentSnapshot::Streams => server.replica_online(id),
        }
        Some(Wrote::Bytes(0))
    }
}
