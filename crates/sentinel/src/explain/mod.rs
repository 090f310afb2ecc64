//! SENTINEL EXPLAIN: why the last failovers of a primary happened, or did not.
//!
//! A primary has a history of episodes. An episode begins when the primary is seen as down, when a
//! failover of it begins or when another Sentinel's is noticed, and ends with that failover or when
//! the primary answers again. Each change in between is recorded as a line of text at its moment
//! (`record`, `choice`). The current state is described when EXPLAIN asks for it (`present`), as
//! findings: their texts for people, all of them for programs (FINDINGS).
//!
//! Bounds: 20 episodes, 120 lines each; beyond that the oldest episode, and the lines in the middle
//! of an episode, are dropped. Cost: nothing while nothing changes.

mod choice;
mod history;
mod present;
pub mod record;
mod words;

use super::core::Sentinel;
use russet_base::finding::Finding;
use russet_base::text::Printable;

pub use history::{History, Obstacle};
pub use present::{entries, findings};

impl Sentinel {
    /// The reply to SENTINEL EXPLAIN FINDINGS for each primary, with its name. O(instances).
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        let found = |primary| findings(&self.shared, primary).into_iter();
        self.primaries.values().flat_map(move |primary| {
            found(primary).map(|mut finding| {
                finding.text = format!("{}: {}", Printable(&primary.name), finding.text);
                finding
            })
        })
    }
}
