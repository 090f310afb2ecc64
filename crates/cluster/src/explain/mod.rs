//! CLUSTER EXPLAIN: the reasons for the cluster's state, and the faults that would come next.
//!
//! It reports this node's knowledge as findings. Faults come after the state, the worst first; a
//! healthy cluster has few findings. EXPLAIN keeps no data except some fields of each node
//! (`nodes`). `shown` judges a node of another program by the same rules. Cost: O(nodes x
//! replicas), and the number of faults.

mod failovers;
mod faults;
mod shown;
mod state;
mod views;

pub use shown::ClusterView;

use super::core::Cluster;
use russet_base::finding::Finding;
use russet_resp::Reply;

/// At most this many findings of a part; the rest is counted.
const FINDINGS_MAX: usize = 20;

/// Remedies of several findings.
const DISK: &str = "see the log for the reason; make room in its directory";
const START_OTHERS: &str =
    "start the others, or CLUSTER FAILOVER TAKEOVER at replicas of the primaries that are gone";
const ANNOUNCE: &str = "cluster-announce-ip and -port at that node";

impl Cluster {
    /// CLUSTER EXPLAIN: the state, then the faults. O(nodes * replicas).
    pub fn explain(&self) -> Vec<Finding> {
        let mut found = state::findings(self);
        found.append(&mut self.faults());
        found
    }

    /// All but this node's state.
    fn faults(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let parts = [
            faults::findings(self),
            views::findings(self),
            failovers::findings(self),
        ];
        for mut part in parts {
            let more = part.len().saturating_sub(FINDINGS_MAX);
            part.truncate(FINDINGS_MAX);
            found.append(&mut part);
            if more > 0 {
                let text = format!("and {more} more of this kind");
                found.push(Finding::notice("size", text));
            }
        }
        found
    }

    /// `EXPLAIN`: an array of texts. `EXPLAIN FINDINGS`: [`Reply::findings`].
    pub(super) fn show_findings(&self, is_for_programs: bool, reply: &mut Reply) {
        let found = self.explain();
        if is_for_programs {
            return reply.findings(&found);
        }
        reply.array(found.len());
        for finding in found {
            reply.bulk(finding.text.as_bytes());
        }
    }
}

/// A time in the unit that suits it.
fn span(ms: i64) -> String {
    match ms {
        ..1000 => format!("{ms} ms"),
        1000..120_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min", ms / 60_000),
    }
}

/// `1 slot`, `2 slots`.
fn count(number: usize, noun: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{end}")
}
