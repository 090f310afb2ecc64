//! `client-output-buffer-limit`: how many reply bytes may be pending for a client of each class,
//! and for how long.
//!
//! Invariant: a reply never grows past the hard limit of its class: [`limit`] is set before a
//! command writes, and the excess is not even written.
//!
//! Functions of the configuration and a client, O(1); the limit last applied is in the reply
//! itself.

use crate::clients::client::{Client, ClientFlags};
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::output::{STATIC_REPLY_BYTES, listed_bytes};
use crate::clients::session::Session;
use crate::clients::table::Clients;
use russet_config::{Config, OutputBufferLimit};
use russet_resp::Reply;

/// Pending reply bytes allowed before authentication: the errors of one turn, no more.
const UNAUTHENTICATED_OUTPUT_MAX: u64 = 256 * 1024;

fn of_class(config: &Config, client: &Client) -> OutputBufferLimit {
    let limits = &config.client_output_buffer_limit;
    // A node that takes slots is sent a stream, as a replica is.
    if client
        .flags
        .intersects(ClientFlags::REPLICA | ClientFlags::INTERNAL)
    {
        limits.replica
    } else if client.flags.contains(ClientFlags::PUBSUB) {
        limits.pubsub
    } else {
        limits.normal
    }
}

/// Limits the client's replies to the hard limit of the client's class: the excess is not written,
/// and the client is then over its limit ([`is_exceeded`]).
#[inline]
pub fn limit(client: &Client, reply: &mut Reply, config: &Config) {
    let limit = match of_class(config, client).hard_bytes {
        0 => usize::MAX,
        _ if client
            .flags
            .intersects(ClientFlags::FAKE | ClientFlags::PRIMARY) =>
        {
            usize::MAX
        }
        hard => usize::try_from(hard)
            .unwrap_or(usize::MAX)
            .saturating_add(STATIC_REPLY_BYTES),
    };
    reply.set_limit(limit);
}

/// The limits have changed. O(clients).
pub(crate) fn limit_all(clients: &mut Clients, config: &Config) {
    for session in clients.iter_mut() {
        limit(&session.client, &mut session.reply, config);
    }
}

/// Whether the client has had too much output pending, or for too long. A client that must log in
/// first has a smaller limit.
pub(crate) fn is_exceeded(
    session: &mut Session,
    must_authenticate: bool,
    config: &Config,
    mono_ms: u64,
) -> bool {
    if session.reply.is_full() {
        return true;
    }
    let limit = of_class(config, &session.client);
    let waiting = session.reply.pending_len() as u64;
    if waiting > UNAUTHENTICATED_OUTPUT_MAX && must_authenticate {
        return true;
    }
    let beyond = listed_bytes(&session.reply) as u64;
    if limit.hard_bytes > 0 && beyond >= limit.hard_bytes {
        return true;
    }
    let soft_since_ms = &mut session.client.buffers.soft_limit_since_ms;
    if limit.soft_bytes > 0 && beyond >= limit.soft_bytes {
        let since_ms = *soft_since_ms.get_or_insert(mono_ms);
        return mono_ms - since_ms > limit.soft_seconds.saturating_mul(1000);
    }
    *soft_since_ms = None;
    false
}

/// Why a client that is over its limit is closed, with the figures.
#[cold]
pub fn ending(session: &Session, must_authenticate: bool, config: &Config) -> Disconnection {
    let limit = of_class(config, &session.client);
    let waiting = session.reply.pending_len() as u64;
    let detail = if must_authenticate && waiting > UNAUTHENTICATED_OUTPUT_MAX {
        format!("{waiting} bytes of replies wait before authentication")
    } else {
        format!(
            "{waiting} bytes of replies wait, client-output-buffer-limit {} {} {}",
            limit.hard_bytes, limit.soft_bytes, limit.soft_seconds
        )
    };
    Disconnection::new(EndReason::OutputLimit, detail)
}
