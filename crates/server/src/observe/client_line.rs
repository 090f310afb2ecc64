//! A client as a line of text: CLIENT LIST, CLIENT INFO, the log.
//!
//!     id=3 addr=127.0.0.1:50000 laddr=... fd=8 name= age=1 idle=0 flags=N db=0 ... cmd=get ...
//!
//! Fields have Redis's order and names. Valkey's `capa` is shown only for clients that declared it,
//! russet's `held` and `held-ms` only for clients with budgets, `sync-held` only while replies wait
//! for replicas.
//! Cost: O(references of its pending replies); sizes of input are figures (`ClientBuffers`).

use std::io::Write;

use crate::TrackingMode;
use crate::clients::client::{Client, ClientFlags};
use crate::clients::output::listed_bytes;
use crate::parts::messages::tracking::Tracker;
use crate::state::Server;
use russet_pubsub::Kind;
use russet_resp::{Args, Reply};

/// The line, without its end: `id=3 addr=... avg-pipeline-len-cnt=1`. `running`: the arguments of
/// the client's own command, if that asks for the line.
pub fn client_line(
    server: &Server,
    client: &Client,
    reply: &Reply,
    running: Option<Args<'_>>,
) -> Vec<u8> {
    let mut line = ClientLine {
        server,
        client,
        reply,
        running,
        text: Vec::with_capacity(512),
    };
    line.write_identity();
    line.write_input();
    line.write_output();
    line.write_protocol_and_traffic();
    line.write_waits();
    line.text
}

/// A line, while it is written. Writing to memory cannot fail.
struct ClientLine<'a> {
    server: &'a Server,
    client: &'a Client,
    reply: &'a Reply,
    /// The arguments of the client's own command, if that asks for the line.
    running: Option<Args<'a>>,
    text: Vec<u8>,
}

impl ClientLine<'_> {
    fn tracker(&self) -> Option<&Tracker> {
        self.server.messages.tracking.of(self.client.id)
    }

    fn write_identity(&mut self) {
        let client = self.client;
        let now_ms = self.server.now.mono_ms;
        let age_s = |since_ms: u64| now_ms.saturating_sub(since_ms) / 1000;
        let letters = flag_letters(client.flags, self.tracker());
        let _ = write!(
            self.text,
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={letters}{} db={}",
            client.id.0,
            client.identity.peer,
            client.identity.local,
            client.identity.fd,
            client.identity.name.as_deref().unwrap_or(""),
            age_s(client.identity.created_ms),
            age_s(client.traffic.last_active_ms),
            // Valkey's field, only of clients that have declared it: other lines are Redis's.
            if client.flags.contains(ClientFlags::REDIRECTS) {
                " capa=r"
            } else {
                ""
            },
            client.db.0,
        );
    }

    /// Subscriptions, the transaction, and the request that is being read.
    fn write_input(&mut self) {
        let client = self.client;
        let transaction = client.transaction.as_ref();
        let args_bytes = match &client.blocked {
            Some(blocked) => blocked.args.args().bytes(),
            None => self.running.map_or(0, |args| args.bytes()),
        };
        let buffers = &client.buffers;
        // A request that an I/O thread has read is in its block, unless it began in an earlier one.
        let query_bytes = if client.io_thread > 0 && buffers.query_capacity == 0 {
            0
        } else {
            buffers.query_bytes
        };
        let _ = write!(
            self.text,
            " sub={} psub={} ssub={} multi={} watch={} qbuf={} qbuf-free={} argv-mem={} \
             multi-mem={}",
            client.subscribed(Kind::Channel),
            client.subscribed(Kind::Pattern),
            client.subscribed(Kind::Shard),
            transaction.map_or(-1, |t| t.commands.len() as i64),
            client.watched.len(),
            query_bytes,
            (buffers.query_capacity + buffers.query_growth).saturating_sub(query_bytes),
            args_bytes,
            transaction.map_or(0, |t| t.args_bytes),
        );
    }

    /// Replies, memory, the last command and the user.
    fn write_output(&mut self) {
        let (server, client, reply) = (self.server, self.client, self.reply);
        let waiting = reply.pending_len();
        let beyond = listed_bytes(reply);
        let unsent = server.replication.unsent_to(&server.stream, client.id);
        let (shared, unshared) = reply.referenced_bytes();
        let last = client.traffic.last_command;
        let _ = write!(
            self.text,
            " rbs={} rbp={} obl={} oll={} omem={} omem-shared={} omem-unshared={} tot-mem={} \
             events={} cmd={} user=",
            reply.capacity(),
            client.buffers.reply_peak.max(waiting),
            waiting - beyond,
            (beyond > 0 || unsent > 0) as u8,
            beyond + unsent,
            shared + unsent,
            unshared,
            client.memory_bytes(reply) + unsent,
            if waiting + unsent > 0 && self.running.is_none() {
                "rw"
            } else {
                "r"
            },
            last.map_or("NULL", |id| server.table.row(id).full_name),
        );
        self.text
            .extend_from_slice(server.acl.users.name(client.user));
    }

    fn write_protocol_and_traffic(&mut self) {
        let client = self.client;
        let traffic = &client.traffic;
        let redirect = self.tracker().map(|tracker| tracker.redirect);
        let _ = write!(
            self.text,
            " redir={} resp={} lib-name={} lib-ver={} io-thread={} tot-net-in={} tot-net-out={} \
             tot-cmds={} read-events={} avg-pipeline-len-sum={} avg-pipeline-len-cnt={}",
            redirect.map_or(-1, |redirect| redirect.map_or(0, |id| id.0 as i64)),
            if self.reply.resp3() { 3 } else { 2 },
            client.identity.lib_name.as_deref().unwrap_or(""),
            client.identity.lib_ver.as_deref().unwrap_or(""),
            client.io_thread,
            traffic.bytes_in,
            traffic.bytes_out,
            // The command that asks is not counted yet.
            traffic.commands - u64::from(self.running.is_some() && traffic.commands > 0),
            traffic.reads,
            traffic.batched,
            traffic.batches,
        );
    }

    /// russet's own fields: what the client waits for.
    fn write_waits(&mut self) {
        let (server, client) = (self.server, self.client);
        if client.flags.contains(ClientFlags::BUDGETED) {
            let held = client.held.as_deref();
            let budget = held.map_or("no", |held| held.budget.name());
            let held_ms = held.map_or(0, |held| server.now.mono_ms.saturating_sub(held.since_ms));
            let _ = write!(self.text, " held={budget} held-ms={held_ms}");
        }
        // Bytes of replies that wait for replicas (`min-sync-replicas`).
        let sync = &server.replication.sync_writes;
        if sync.is_on() || sync.shown.is_some() {
            let bytes = server.replies.bytes_of(client.id);
            let _ = write!(self.text, " sync-held={bytes}");
        }
    }
}

/// A letter for each flag, in Redis's order; `N` without flags.
pub fn flag_letters(flags: ClientFlags, tracker: Option<&Tracker>) -> String {
    let letters = [
        (ClientFlags::MONITOR, 'O'),
        (ClientFlags::REPLICA, 'S'),
        (ClientFlags::RDB_CHANNEL, 'C'),
        (ClientFlags::PRIMARY, 'M'),
        (ClientFlags::PUBSUB, 'P'),
        (ClientFlags::MULTI, 'x'),
        (ClientFlags::BLOCKED.union(ClientFlags::POSTPONED), 'b'),
        (ClientFlags::TRACKING, 't'),
        (ClientFlags::DIRTY_CAS, 'd'),
        (ClientFlags::CLOSE_AFTER_REPLY, 'c'),
        (ClientFlags::CLOSE_ASAP, 'A'),
        (ClientFlags::UNIX_SOCKET, 'U'),
        (ClientFlags::NO_EVICT, 'e'),
        (ClientFlags::NO_TOUCH, 'T'),
        (ClientFlags::IMPORTS, 'I'),
    ];
    let mut out = String::new();
    for &(flag, letter) in &letters {
        if flags.intersects(flag) {
            out.push(letter);
        }
        if let Some(tracker) = tracker.filter(|_| letter == 't') {
            out.extend(tracker.is_broken.then_some('R'));
            out.extend((tracker.mode == TrackingMode::Broadcast).then_some('B'));
        }
    }
    if out.is_empty() { "N".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_in_redis_order() {
        assert_eq!(flag_letters(ClientFlags::empty(), None), "N");
        assert_eq!(flag_letters(ClientFlags::REPLY_OFF, None), "N");
        let flags = ClientFlags::NO_TOUCH | ClientFlags::UNIX_SOCKET | ClientFlags::MULTI;
        assert_eq!(flag_letters(flags, None), "xUT");
    }
}
