//! NODES, REPLICAS, COUNT-FAILURE-REPORTS: nodes as lines.

use super::{Answer, CommandOutcome};
use crate::conf::write_node;
use crate::core::Cluster;
use crate::membership::nodes::NodeIndex;
use russet_resp::Reply;

impl Cluster {
    /// `NODES`: a line for each, as in nodes.conf but without further names. RESP3: verbatim text.
    pub(super) fn show_nodes(&self, reply: &mut Reply) -> CommandOutcome {
        let mut text = String::new();
        for (at, _) in self.nodes.iter() {
            text.push_str(&self.line(at));
            text.push('\n');
        }
        reply.verbatim_owned("txt", text);
        CommandOutcome::Replied
    }

    /// `REPLICAS id`: an array of such lines.
    pub(super) fn show_replicas(&self, args: &[&[u8]], reply: &mut Reply) -> Answer {
        let at = self.named(args.first().copied().unwrap_or_default())?;
        if self.nodes[at].is_replica() {
            return Err("ERR The specified node is not a master".into());
        }
        let replicas = &self.nodes[at].replicas;
        reply.array(replicas.len());
        for &replica in replicas {
            reply.bulk(self.line(replica).as_bytes());
        }
        Ok(CommandOutcome::Replied)
    }

    fn line(&self, at: NodeIndex) -> String {
        let mut line = String::new();
        write_node(&mut line, &self.saved(at), None);
        line
    }

    /// `COUNT-FAILURE-REPORTS id`: how many primaries have reported it lately.
    pub(super) fn count_reports(&mut self, args: &[&[u8]], reply: &mut Reply) -> Answer {
        let at = self.named(args.first().copied().unwrap_or_default())?;
        let count = self.reports(at);
        reply.int(count as i64);
        Ok(CommandOutcome::Replied)
    }
}
