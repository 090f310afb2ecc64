//! Directives whose value is more than one word, number or name.
//!
//! Each type reads its words, prints CONFIG GET's text and says which lines CONFIG
//! REWRITE writes. A value is left as it was when its words are refused.

mod addresses;
mod keyspace_events;
mod max_memory;
mod memory_or_percent;
mod networks;
mod output_buffer;
mod percentiles;
mod process;
mod save_points;

pub use addresses::{BindAddresses, ReplicaOf};
pub use keyspace_events::KeyspaceEvents;
pub use max_memory::MaxMemory;
pub use memory_or_percent::MemoryOrPercent;
pub use networks::Networks;
pub use output_buffer::{OutputBufferLimit, OutputBufferLimits};
pub use percentiles::{Percentiles, percentile_text};
pub use process::{Dir, OomScoreAdjValues, ShutdownFlags};
pub use save_points::SavePoints;

use super::refusal::ValueError;
use super::words::Text;

/// How CONFIG REWRITE writes a directive.
pub enum Lines {
    /// Not at all: the default needs no line, and lines in the file go.
    None,
    /// These values, one line each; a forced line is added even when the file has none.
    Values(Vec<(Vec<u8>, bool)>),
}

/// A value with its own grammar.
pub trait Special: PartialEq + Sized {
    /// Takes the words after the directive's name. `append` says that earlier lines of the
    /// same file gave some already; only `save` adds to them, the others replace.
    fn read(&mut self, words: &[Text], append: bool) -> Result<(), ValueError>;

    /// What CONFIG GET answers.
    fn text(&self) -> Vec<u8>;

    /// One line, forced when the value is not the default.
    fn lines(&self, default: &Self) -> Lines {
        Lines::Values(vec![(self.text(), self != default)])
    }
}
