//! Acknowledgements that clients wait for (WAIT, WAITAOF), and acknowledgements that writes need
//! (`min-replicas-to-write`).

use crate::clients::blocked::Until;
use crate::clients::input::request;
use crate::parts::execution::gates::Gates;
use crate::parts::persist::Persist;
use crate::parts::replication::Replication;
use crate::state::world::Engine;
use russet_base::clock::Now;
use russet_keyspace::ClientId;
use russet_replication::Stream;
use russet_resp::Args;

/// The request for an acknowledgement.
const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

impl Engine {
    /// Before the stream of the turn leaves: full synchronizations that are due, requests for
    /// acknowledgements, and clients that have theirs.
    #[inline]
    pub(crate) fn before_stream(&mut self) {
        let replication = &self.server.replication;
        if !replication.replicas.is_empty() || replication.failover.is_some() {
            self.before_stream_now();
        }
        self.continue_quorum();
        self.continue_sync_writes();
        self.continue_shutdown();
        let unread = self.server.unread_in_memory();
        let replicas = &self.server.replication.replicas;
        if let Some(backlog) = self.server.stream.backlog_mut() {
            backlog.trim(|| replicas.unsent().into_iter().chain(unread).min());
        }
    }

    fn before_stream_now(&mut self) {
        self.begin_due_syncs();
        let Engine {
            keyspace, server, ..
        } = self;
        if server.replication.asks_acks && server.gates.pause().is_none() {
            server.replication.asks_acks = false;
            server
                .replication
                .request_acks(&mut server.persist, &mut server.stream, &server.now);
        }
        server.continue_failover(keyspace);
        if std::mem::take(&mut server.replication.has_acks) {
            self.serve_acked();
        }
        self.server.limit_replicas();
    }

    /// Answers clients whose writes have been acknowledged. O(clients that wait for that).
    fn serve_acked(&mut self) {
        let mut waiting = std::mem::take(&mut self.server.replication.awaiting_acks);
        waiting.sort_unstable();
        waiting.dedup();
        let mut served: Vec<ClientId> = Vec::new();
        waiting.retain(|id| {
            let session = self.server.clients.get(*id);
            let blocked = session.and_then(|session| session.client.blocked.as_deref());
            let Some(Until::Acked {
                offset,
                replicas,
                local,
            }) = blocked.map(|b| &b.until)
            else {
                return false;
            };
            let table = &self.server.replication.replicas;
            let is_met = match local {
                None => table.that_acked(*offset) >= *replicas,
                Some(local) => {
                    let kept = self.server.persist.aof.synced() >= *offset;
                    table.that_synced(*offset) >= *replicas && (kept || !local)
                }
            };
            if is_met {
                served.push(*id);
            }
            !is_met
        });
        self.server.replication.awaiting_acks = waiting;
        for id in served {
            self.end_wait(id);
        }
    }
}

impl Persist {
    /// Appends a request for replicas alone; the log records only its length.
    pub(crate) fn append_for_replicas(&mut self, stream: &mut Stream, now: &Now, bytes: &[u8]) {
        self.append_stream(stream, now, bytes, &[], bytes.len() as u64);
    }
}

impl Replication {
    /// Asks all replicas for an acknowledgement.
    pub(crate) fn request_acks(&mut self, persist: &mut Persist, stream: &mut Stream, now: &Now) {
        if !self.is_replica() {
            persist.append_for_replicas(stream, now, GETACK);
            self.sends_at_once = true;
        }
    }

    /// DEBUG REPLICATE: a command for replicas alone.
    pub fn replicate(
        &mut self,
        persist: &mut Persist,
        stream: &mut Stream,
        now: &Now,
        args: Args<'_>,
    ) {
        if stream.backlog().is_some() && !self.is_replica() {
            persist.append_for_replicas(stream, now, &request(args));
        }
    }

    /// Keeps links alive that have nothing to carry.
    pub(crate) fn ping_replicas(
        &mut self,
        gates: &Gates,
        persist: &mut Persist,
        stream: &mut Stream,
        now: &Now,
    ) {
        if gates.pause().is_some() || self.is_replica() {
            return;
        }
        persist.append_for_replicas(stream, now, PING);
    }
}
