//! Directives whose value is more than a word, number or name.
//!
//! Each type reads its words, formats the text of CONFIG GET, and chooses the lines of CONFIG
//! REWRITE. If a type refuses the words, the value does not change.

mod addresses;
mod compression;
mod error_rate;
mod host_names;
mod keyspace_events;
mod max_memory;
mod memory_or_percent;
mod networks;
mod output_buffer;
mod percentiles;
mod process;
mod save_points;
mod slot_stats;
mod subnets;
mod time_series;

pub use addresses::ReplicaOf;

pub(crate) use addresses::BindAddresses;
pub use compression::RdbCompression;
pub use error_rate::ErrorRate;
pub(crate) use host_names::HostNames;
pub use keyspace_events::{EventClass, KeyspaceEvents};
pub use max_memory::MaxMemory;
pub use memory_or_percent::MemoryOrPercent;
pub(crate) use networks::Networks;
pub use output_buffer::OutputBufferLimit;
pub(crate) use output_buffer::OutputBufferLimits;
pub use percentiles::{Percentiles, percentile_text};
pub use process::ShutdownFlags;
pub(crate) use process::{Dir, OomScoreAdjValues};
pub(crate) use save_points::SavePoints;
pub use slot_stats::SlotStats;
pub(crate) use subnets::Subnets;
pub use time_series::{ChunkSize, Compaction, CompactionPolicy, IgnoredChange};

use super::problem::refusal::ValueError;
use super::words::Text;

/// How CONFIG REWRITE writes a directive.
pub enum Lines {
    /// Not at all: the default needs no line, and existing lines are removed.
    None,
    /// These values, one line each; a forced line is added even if the file has none.
    Values(Vec<(Vec<u8>, bool)>),
}

impl Lines {
    /// The line of a list of words; an empty list is `""`.
    fn of_list(text: Vec<u8>, is_forced: bool) -> Lines {
        let line = if text.is_empty() {
            b"\"\"".to_vec()
        } else {
            text
        };
        Lines::Values(vec![(line, is_forced)])
    }
}

/// The words of a list; a single empty one stands for none.
fn listed(words: &[Text]) -> &[Text] {
    match words {
        [only] if only.is_empty() => &[],
        words => words,
    }
}

/// A value with its own grammar.
pub(crate) trait Special: PartialEq + Sized {
    /// Reads the words after the directive's name. `append`: earlier lines of the same file gave
    /// some already; only `save` adds to them, the others replace them.
    fn read(&mut self, words: &[Text], append: bool) -> Result<(), ValueError>;

    /// The value as CONFIG GET shows it.
    fn text(&self) -> Vec<u8>;

    /// A line, forced if the value is not the default.
    fn lines(&self, default: &Self) -> Lines {
        Lines::Values(vec![(self.text(), self != default)])
    }
}
