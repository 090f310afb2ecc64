//! Acknowledged writes survive a failover: the quorum of a group, a machine without I/O.
//!
//!     write    leader --stream--> members --offsets--> leader: k of them have it, the reply leaves
//!     takeover candidate --SEAL--> N - k members promise, the longest stream is fetched, it leads
//!
//! k + 1 copies of a write and N - k promises always meet in one member (flexible quorums, Vertical
//! Paxos's and Raft's rules for the stream). So a write that enough members have is at every later
//! leader, and an older leader never gets enough acknowledgements again. Sentinels, voters and
//! operators only say when, and whom.
//!
//!     ballot     names of nodes, ballots, positions under ballots
//!     members    configurations, their quorums, their changes
//!     notes      the facts that are in the stream itself
//!     promise    what a node has promised, and its file
//!     words      what nodes say to each other
//!     safe       the offset up to which enough members have the stream
//!     takeover   how a server comes to lead
//!     handover   how a leader asks a member to take over
//!     lease      until when no other server leads
//!     leaving    the end of a group, and a server that goes on alone
//!
//! # The server's duties
//!
//! - [`Quorum::start`] with the file and the loaded data. Then the host's part
//!   ([`russet_host::Driver`]): ticks, links, saves. [`StreamEnd`] is exact at each event; its
//!   history is that of the last byte, also after a restart (`Stream::resume_following`).
//! - `Persist`: [`Quorum::saved_state`] replaces `quorum.conf`, synced.
//! - Reports ([`Report`]) as they happen: notes as soon as they are in the stream,
//!   acknowledgements only of links that are online and after the link's `QUORUM` was answered.
//! - Orders ([`Order`]), each before the next.
//! - A replica acknowledges only while [`Quorum::may_acknowledge`], and what its log has been
//!   given.
//! - A write asks [`Quorum::write_gate`]; its reply waits for [`Order::Safe`].
//!
//! Invariants
//!   1. Ballots and promises of a node never fall, also over crashes: a promise is saved first.
//!   2. A ballot has one leader, and each leader has one history.
//!   3. An offset that was reported safe is in the stream of every later leader.
//!
//! Cost: O(members) an acknowledgement; a takeover takes a round trip and a save at each end, a
//! second round trip if the candidate lacks something.

mod ballot;
mod core;
mod events;
mod following;
mod handover;
mod leading;
mod lease;
mod leaving;
mod links;
mod members;
mod notes;
mod promise;
mod safe;
mod status;
mod takeover;
mod vows;
mod words;

pub use self::core::Quorum;
pub use ballot::{Ballot, GroupId, NodeId, Position};
#[cfg(any(test, feature = "testing"))]
pub use events::Fault;
pub use events::{Order, PeerId, QuorumSettings, Report, StreamEnd, SyncOn, TakeoverCause};
pub use members::{
    Address, Change, ChangeError, Configuration, Configurations, MEMBERS_MAX, Member,
    PlacedConfiguration,
};
pub use notes::{Lineage, QuorumNote};
pub use promise::{FILE_MAX, FileError, LoadedData, SavedState};
pub use status::{
    FollowerState, GroupState, LeaderState, MemberStatus, QuorumStatus, TakeoverRecord, WriteGate,
};
pub use vows::Vow;
pub use words::{Answer, GroupEnd, SealReport, Word, WordError};
