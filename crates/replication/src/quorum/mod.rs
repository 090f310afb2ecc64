//! Acknowledged writes survive a failover: the facts of a group that are in the stream.
//!
//!     ballot     names of nodes, ballots, positions under ballots
//!     members    configurations, their quorums, their changes
//!     notes      the facts that are in the stream itself

mod ballot;
mod members;
mod notes;

pub use ballot::{Ballot, GroupId, NodeId, Position};
pub use members::{
    Address, Change, ChangeError, Configuration, Configurations, MEMBERS_MAX, Member,
    PlacedConfiguration,
};
pub use notes::{Lineage, QuorumNote};
