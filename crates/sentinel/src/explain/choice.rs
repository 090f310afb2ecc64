//! Why a replica was chosen, and why the others were not.

use super::words::{place, short, span};
use crate::failover::select::{Fitness, PromotionObstacle, rank, unfit};
use crate::instances::{Primary, Replica};
use crate::shared::Shared;
use russet_base::finding::Finding;

const RECONNECT: &str = "start it, or see why this Sentinel does not reach it; if it is gone for \
                         good, SENTINEL RESET at each of them, one after the other";
const SEE_ITS_LOG: &str =
    "see its log for the reason: masterauth, the address, the version of the snapshot";

impl Fitness {
    /// Why the replica at `place` cannot be promoted; `None`: it can be.
    pub fn finding(&self, place: &str) -> Option<Finding> {
        self.fault().map(|unfit| finding(place, unfit))
    }
}

fn finding(place: &str, unfit: PromotionObstacle) -> Finding {
    let (reason, remedy) = match unfit {
        PromotionObstacle::Down(ms) => (format!("it is down (SDOWN) for {}", span(ms)), RECONNECT),
        PromotionObstacle::Disconnected => ("it is disconnected".to_owned(), RECONNECT),
        PromotionObstacle::Silent(age) => (format!("no PONG for {}", span(age)), RECONNECT),
        PromotionObstacle::Excluded => ("its priority is 0".to_owned(), ""),
        PromotionObstacle::NoInfo => ("its INFO was never seen".to_owned(), RECONNECT),
        PromotionObstacle::OldInfo { age, max } => (
            format!(
                "its INFO is too old: {}, at most {} are allowed",
                span(age),
                span(max)
            ),
            RECONNECT,
        ),
        PromotionObstacle::LinkDown { age, max } => (
            format!(
                "its link to the primary is down for too long: {}, at most {} are allowed",
                span(age),
                span(max)
            ),
            SEE_ITS_LOG,
        ),
    };
    let text = format!("replica {place} cannot be promoted: {reason}");
    // Somebody has decided on a priority of 0.
    match unfit {
        PromotionObstacle::Excluded => Finding::notice("priority", text),
        _ => Finding::warning("replica", text, remedy),
    }
}

/// The first difference between two replicas that could both be promoted, as a fault of the lesser.
fn difference(better: &Replica, lesser: &Replica) -> String {
    let (a, b) = (&better.node, &lesser.node);
    if a.priority != b.priority {
        return format!("priority {} comes after {}", b.priority, a.priority);
    }
    if a.offset != b.offset {
        return format!(
            "same priority, but less data: offset {} against {}",
            b.offset, a.offset
        );
    }
    "same priority and offset, but a later run id in alphabetical order".to_owned()
}

/// A finding for each replica: the best one first, then the others with the reason why not.
pub(super) fn findings(shared: &Shared, primary: &Primary, verb: &str) -> Vec<Finding> {
    let mut fit = Vec::new();
    let mut others = Vec::new();
    for replica in primary.replicas.values() {
        match unfit(shared, primary, replica) {
            None => fit.push(replica),
            Some(unfit) => {
                let place = place(shared, &replica.node.watch.address);
                others.push(finding(&place, unfit));
            }
        }
    }
    fit.sort_by_key(|replica| rank(replica));
    let mut found = Vec::new();
    if let Some((best, rest)) = fit.split_first() {
        let node = &best.node;
        let why = match rest.first().map(|second| &second.node) {
            None => "the only one that can be promoted",
            Some(second) if second.priority != node.priority => "the lowest priority number",
            Some(second) if second.offset != node.offset => "most data at the lowest priority",
            Some(_) => "the first run id among those with the same priority and offset",
        };
        let text = format!(
            "replica {} {verb}: {why} (priority {}, offset {}, run id {})",
            place(shared, &node.watch.address),
            node.priority,
            node.offset,
            short(node.run_id.as_deref().unwrap_or(b"unknown")),
        );
        found.push(Finding::ok("promotion", text));
        for other in rest {
            let place = place(shared, &other.node.watch.address);
            let text = format!("replica {place} not chosen: {}", difference(best, other));
            found.push(Finding::ok("replica", text));
        }
    }
    found.extend(others);
    if found.is_empty() {
        let remedy = "REPLICAOF at another server, with the primary's address";
        let text = "no replica of it is known";
        found.push(Finding::critical("replicas", text, remedy));
    }
    found
}
