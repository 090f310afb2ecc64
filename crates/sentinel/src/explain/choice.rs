//! Why a replica was chosen, and why the others were not.

use super::words::{place, short, span};
use crate::failover::select::{Unfit, rank, unfit};
use crate::instances::{Primary, Replica};
use crate::shared::Shared;

fn reason(shared: &Shared, replica: &Replica, unfit: Unfit) -> String {
    let watch = &replica.node.watch;
    match unfit {
        Unfit::Down => {
            let since = watch.down_since.unwrap_or(shared.now);
            format!("it is down (SDOWN) for {}", span(shared.now - since))
        }
        Unfit::Disconnected => "it is disconnected".to_owned(),
        Unfit::Silent(age) => format!("no PONG for {}", span(age)),
        Unfit::Excluded => "its priority is 0".to_owned(),
        Unfit::NoInfo => "its INFO was never seen".to_owned(),
        Unfit::OldInfo { age, max } => format!(
            "its INFO is too old: {}, at most {} are allowed",
            span(age),
            span(max)
        ),
        Unfit::LinkDown { age, max } => format!(
            "its link to the primary is down for too long: {}, at most {} are allowed",
            span(age),
            span(max)
        ),
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

/// One line for each replica: the best one first, then the others with the reason why not.
pub(super) fn lines(shared: &Shared, primary: &Primary, verb: &str) -> Vec<String> {
    let mut fit = Vec::new();
    let mut others = Vec::new();
    for replica in primary.replicas.values() {
        match unfit(shared, primary, replica) {
            None => fit.push(replica),
            Some(unfit) => {
                let place = place(shared, &replica.node.watch.address);
                let reason = reason(shared, replica, unfit);
                others.push(format!("replica {place} cannot be promoted: {reason}"));
            }
        }
    }
    fit.sort_by_key(|replica| rank(replica));
    let mut lines = Vec::new();
    if let Some((best, rest)) = fit.split_first() {
        let node = &best.node;
        let why = match rest.first().map(|second| &second.node) {
            None => "the only one that can be promoted",
            Some(second) if second.priority != node.priority => "the lowest priority number",
            Some(second) if second.offset != node.offset => "most data at the lowest priority",
            Some(_) => "the first run id among those with the same priority and offset",
        };
        lines.push(format!(
            "replica {} {verb}: {why} (priority {}, offset {}, run id {})",
            place(shared, &node.watch.address),
            node.priority,
            node.offset,
            short(node.run_id.as_deref().unwrap_or(b"unknown")),
        ));
        for other in rest {
            lines.push(format!(
                "replica {} not chosen: {}",
                place(shared, &other.node.watch.address),
                difference(best, other)
            ));
        }
    }
    lines.extend(others);
    if lines.is_empty() {
        lines.push("no replica of it is known".to_owned());
    }
    lines
}
