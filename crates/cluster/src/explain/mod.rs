//! CLUSTER EXPLAIN: why the cluster is as it is, and what would go wrong next, as lines for a
//! person.
//!
//! It reports what this node knows. Faults come after the state, worst first; a cluster without
//! faults has few lines. O(nodes x replicas) and the number of faults. Nothing is kept for it but
//! some fields of each node (`nodes`).

mod failovers;
mod faults;
mod state;
mod views;

use super::core::Cluster;

/// At most this many lines of one kind; the rest is counted.
const LINES_MAX: usize = 20;

impl Cluster {
    pub(super) fn explain(&self) -> Vec<String> {
        let mut lines = state::lines(self);
        let parts = [
            faults::lines(self),
            views::lines(self),
            failovers::lines(self),
        ];
        for mut part in parts {
            let more = part.len().saturating_sub(LINES_MAX);
            part.truncate(LINES_MAX);
            lines.append(&mut part);
            if more > 0 {
                lines.push(format!("and {more} more of this kind"));
            }
        }
        lines
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
