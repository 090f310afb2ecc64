//! Messages to clients in their wire form: arrays that are encoded once for all receivers, and
//! invalidations (`tracking`), whose form depends on the receiver's protocol.

use bytes::Bytes;

use crate::clients::client::{Client, ClientFlags};
use russet_keyspace::ClientId;
use russet_resp::{Reply, write_request};

/// The channel on which a RESP2 connection gets another connection's invalidations.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// Encodes strings as an array.
pub(crate) fn message(parts: &[&[u8]]) -> Bytes {
    let bytes: usize = parts.iter().map(|part| part.len() + 16).sum();
    let mut out = Vec::with_capacity(bytes + 8);
    write_request(&mut out, parts.iter().copied());
    russet_resp::message(out)
}

/// An invalidation message.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Keys have changed: an array in its wire form; `None`: all keys.
    Changed {
        keys: Option<Bytes>,
        /// The message is for another client, by redirection.
        redirected: bool,
    },
    /// The target of the redirection is gone.
    RedirectionGone(ClientId),
}

impl Notice {
    /// Writes the message in the client's protocol; RESP2 may have no form for it.
    pub fn write(&self, client: &Client, reply: &mut Reply) {
        match self {
            Notice::Changed { keys, .. } if reply.resp3() => {
                reply.push(2);
                reply.bulk(b"invalidate");
                write_keys(reply, keys);
            }
            Notice::Changed { keys, redirected } => {
                if *redirected && client.flags.contains(ClientFlags::PUBSUB) {
                    reply.array(3);
                    reply.bulk(b"message");
                    reply.bulk(CHANNEL);
                    write_keys(reply, keys);
                }
            }
            Notice::RedirectionGone(id) => {
                if reply.resp3() {
                    reply.push(2);
                    reply.bulk(b"tracking-redir-broken");
                    reply.int(id.0 as i64);
                }
            }
        }
    }
}

fn write_keys(reply: &mut Reply, keys: &Option<Bytes>) {
    match keys {
        Some(array) => reply.shared(array.clone()),
        None => reply.null(),
    }
}
