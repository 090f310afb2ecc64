//! LINKS: the links of the bus.

use super::CommandOutcome;
use crate::core::{Cluster, Host};
use russet_resp::Reply;

impl Cluster {
    /// An array with a map for each link of a known node.
    pub(super) fn show_links(&self, host: &Host<'_>, reply: &mut Reply) -> CommandOutcome {
        let place = reply.defer();
        let mut count = 0;
        for (id, link) in self.links.iter() {
            let Some(node) = link.node.and_then(|at| self.nodes.get(at)) else {
                continue;
            };
            count += 1;
            let (allocated, used) = (host.unsent)(id);
            reply.map(6);
            reply.bulk(b"direction");
            reply.bulk(if link.is_inbound { b"from" } else { b"to" });
            reply.bulk(b"node");
            reply.bulk(node.id.as_bytes());
            reply.bulk(b"create-time");
            reply.int(self.wall_of(link.since));
            reply.bulk(b"events");
            reply.bulk(if used > 0 { b"rw" } else { b"r" });
            reply.bulk(b"send-buffer-allocated");
            reply.int(allocated as i64);
            reply.bulk(b"send-buffer-used");
            reply.int(used as i64);
        }
        reply.finish_array(place, count);
        CommandOutcome::Replied
    }
}
