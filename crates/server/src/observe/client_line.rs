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
    let mut line = Vec::with_capacity(512);
    let age_s = |since_ms: u64| server.now.mono_ms.saturating_sub(since_ms) / 1000;
    let transaction = client.transaction.as_ref();
    let args_bytes = match &client.blocked {
        Some(blocked) => blocked.args.args().bytes(),
        None => running.map_or(0, |args| args.bytes()),
    };
    let buffers = &client.buffers;
    // A request that an I/O thread has read is in its block, unless it began in an earlier one.
    let query_bytes = if client.io_thread > 0 && buffers.query_capacity == 0 {
        0
    } else {
        buffers.query_bytes
    };
    let tracker = server.messages.tracking.of(client.id);
    let waiting = reply.pending_len();
    let beyond = listed_bytes(reply);
    let unsent = server.replication.unsent_to(&server.stream, client.id);
    let (shared, unshared) = reply.referenced_bytes();
    let traffic = &client.traffic;
    // Writing to memory cannot fail.
    let _ = write!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={}{} db={}",
        client.id.0,
        client.identity.peer,
        client.identity.local,
        client.identity.fd,
        client.identity.name.as_deref().unwrap_or(""),
        age_s(client.identity.created_ms),
        age_s(client.traffic.last_active_ms),
        flag_letters(client.flags, tracker),
        // Valkey's field, shown only for clients that have declared it: other lines are Redis's.
        if client.flags.contains(ClientFlags::REDIRECTS) {
            " capa=r"
        } else {
            ""
        },
        client.db.0,
    );
    let _ = write!(
        line,
        " sub={} psub={} ssub={} multi={} watch={} qbuf={} qbuf-free={} argv-mem={} multi-mem={}",
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
    let last = client.traffic.last_command;
    let _ = write!(
        line,
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
        if waiting + unsent > 0 && running.is_none() {
            "rw"
        } else {
            "r"
        },
        last.map_or("NULL", |id| server.table.row(id).full_name),
    );
    line.extend_from_slice(server.acl.users.name(client.user));
    let _ = write!(
        line,
        " redir={} resp={} lib-name={} lib-ver={} io-thread={} tot-net-in={} tot-net-out={} \
         tot-cmds={} read-events={} avg-pipeline-len-sum={} avg-pipeline-len-cnt={}",
        tracker.map_or(-1, |t| t.redirect.map_or(0, |id| id.0 as i64)),
        if reply.resp3() { 3 } else { 2 },
        client.identity.lib_name.as_deref().unwrap_or(""),
        client.identity.lib_ver.as_deref().unwrap_or(""),
        client.io_thread,
        traffic.bytes_in,
        traffic.bytes_out,
        // The command that asks is not counted yet.
        traffic.commands - u64::from(running.is_some() && traffic.commands > 0),
        traffic.reads,
        traffic.batched,
        traffic.batches,
    );
    // russet's own fields, of clients whose user has budgets.
    if client.flags.contains(ClientFlags::BUDGETED) {
        let held = client.held.as_deref();
        let budget = held.map_or("no", |held| held.budget.name());
        let held_ms = held.map_or(0, |held| server.now.mono_ms.saturating_sub(held.since_ms));
        let _ = write!(line, " held={budget} held-ms={held_ms}");
    }
    // Bytes of replies that wait for replicas (`min-sync-replicas`).
    let sync = &server.replication.sync_writes;
    if sync.is_on() || sync.shown.is_some() {
        let bytes = server.replies.bytes_of(client.id);
        let _ = write!(line, " sync-held={bytes}");
    }
    line
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
