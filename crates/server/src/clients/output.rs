//! A client's pending output and its buffers, as limits and INFO count them.

use crate::clients::client::Client;
use crate::figures::recent::Buffers;
use russet_resp::Reply;

/// Pending reply bytes up to this size are reported as `obl`, more as `omem`, and only the latter
/// count for the output buffer limits: Redis's static buffer has this size.
pub(crate) const STATIC_REPLY_BYTES: usize = 16 * 1024;

/// Pending bytes beyond that buffer, which is bypassed once Redis keeps a list of blocks.
pub(crate) fn listed_bytes(reply: &Reply) -> usize {
    if reply.has_deferred() {
        reply.pending_len()
    } else {
        reply.pending_len().saturating_sub(STATIC_REPLY_BYTES)
    }
}

/// The buffers of a client as INFO counts them.
pub fn buffers(client: &Client, reply: &Reply) -> Buffers {
    Buffers {
        input: client.buffers.query_capacity
            + client.buffers.query_growth
            + client.buffers.query_list,
        output: listed_bytes(reply),
    }
}
