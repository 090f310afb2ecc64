//! SENTINEL EXPLAIN: why the last failovers of a primary happened, or did not.
//!
//! A primary has a history of episodes. An episode begins when the primary is seen as down, when a
//! failover of it begins or when another Sentinel's is noticed, and ends with that failover or when
//! the primary answers again. What happens in between is noted as lines of text at the moment of
//! the change (`record`, `choice`). What holds now is written when it is asked for (`present`).
//!
//! Bounds: 20 episodes, 120 lines each; beyond that the oldest episode, and the lines in the middle
//! of an episode, are dropped. Cost: nothing while nothing changes.

mod choice;
mod history;
mod present;
pub(crate) mod record;
mod words;

pub(crate) use history::{History, Obstacle};
pub(crate) use present::entries;
