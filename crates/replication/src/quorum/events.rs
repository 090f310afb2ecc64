//! The reports of the server to the machine, and the machine's orders to the server.
//!
//! Links that the machine dials itself, saves and lines of the log are [`russet_host`]'s.

use super::ballot::Ballot;
use super::members::Address;
use super::notes::{Lineage, QuorumNote};
use super::words::{Answer, Word};
use crate::{ReplId, ReplOffset};

/// A connection to the client port, as the server numbers it: a number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// The server's stream at the moment of an event. It must be exact: a promise reports it, and an
/// acknowledgement beyond it would be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEnd {
    /// The stream's history.
    pub history: ReplId,
    /// The end of the stream: whole units.
    pub end: ReplOffset,
    /// The end of what the server's own log has as safely as `appendfsync` demands; without a log
    /// the stream's end.
    pub stored: ReplOffset,
}

/// The reason why a server takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeoverCause {
    /// An order: REPLICAOF NO ONE, a failover, an election, QUORUM TAKEOVER.
    Order,
    /// The server has started as a primary.
    Start,
    /// A candidate that it promised has not led.
    Sealed,
    /// The server was deposed, and no other leads.
    Deposed,
    /// QUORUM TAKEOVER LOSSY: alone, whatever the other members have.
    Lossy,
}

/// Something that the server reports.
#[derive(Clone, Debug)]
pub enum Report<'r> {
    /// A word of another node, to be answered by [`Order::Answer`].
    Asked {
        /// Its connection.
        peer: PeerId,
        /// Where the node can be reached, if it has announced it.
        address: Option<Address>,
        /// The word.
        word: Word,
    },
    /// A connection is gone that had said a word.
    PeerClosed(PeerId),
    /// A replica has acknowledged the stream, on a link that is online.
    Acknowledged {
        /// Its connection.
        peer: PeerId,
        /// Applied, and given to its log.
        memory: ReplOffset,
        /// Synced by its log (FACK).
        disk: Option<ReplOffset>,
    },
    /// The stream has grown, or the own log has: see [`StreamEnd`].
    Progress,
    /// A note of a group is in the stream, appended by order or applied from a primary.
    Note {
        /// Its content.
        note: &'r QuorumNote,
        /// Where it begins.
        begin: ReplOffset,
        /// Where it ends: not beyond the stream's end.
        end: ReplOffset,
    },
    /// The primary at this address has answered [`Word::Quorum`]; `None`: it does not know the word
    /// ("Unrecognized REPLCONF option"), so it is no server with groups.
    UpstreamAnswered(Address, Option<Answer>),
    /// The stream is that of the primary that was accepted last: the link is online.
    UpstreamOnline,
    /// The link to the primary is lost, or given up.
    UpstreamLost,
    /// The data is about to go, because a full copy comes. It may go with [`Order::Discard`].
    Discarding,
    /// A full copy is loaded, with these facts; before [`Report::UpstreamOnline`].
    Copied(Lineage),
    /// The bytes of [`Order::ApplyTail`] are applied, and their notes were reported.
    TailApplied,
    /// They cannot be applied.
    TailUnusable(String),
    /// Take over: the answer is [`Order::Lead`] or [`Order::TakeoverFailed`].
    TakeOver(TakeoverCause),
    /// Ask the member at this address to take over: [`Order::Depose`] follows, or
    /// [`Order::HandOverFailed`], or nothing if the member fails.
    HandOver(Address),
    /// An order to follow the server at this address; an order of the machine itself is not
    /// reported.
    Follow(Address),
    /// The server leaves its group, of which it is no member, by an operator's order: it may form
    /// another.
    Left,
    /// The process is about to end in order: everything is in the log, and synced.
    Ending,
}

/// Something that the server does for the machine, in the order of the actions.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Send the reply to a word.
    Answer(PeerId, Answer),
    /// Send the stream from an offset to its end as one bulk string; or an error, if the offset of
    /// this history is not in the stream's past, or the backlog does not have it.
    SendTail {
        /// The connection that has asked.
        peer: PeerId,
        /// The history of the other node's data.
        history: ReplId,
        /// Its end.
        offset: ReplOffset,
    },
    /// Close a replica's link.
    EndPeer(PeerId),
    /// End the link to the primary, and drop a unit that is not complete.
    EndUpstream,
    /// The primary may be followed: PSYNC.
    AcceptUpstream,
    /// The primary may not be followed: end the link, keep the data, try again later.
    RefuseUpstream(String),
    /// Become a replica of this server.
    Follow {
        /// Where the leader is.
        address: Address,
        /// Its ballot.
        ballot: Ballot,
    },
    /// The data may go: a full copy comes.
    Discard,
    /// Apply bytes of a stream as a primary's, which continue the own stream under this history.
    /// Report their notes, then [`Report::TailApplied`].
    ApplyTail {
        /// The history under which they continue.
        history: ReplId,
        /// Whole units.
        bytes: Vec<u8>,
    },
    /// Begin a history that continues the one so far.
    BeginHistory,
    /// Append a note to the stream, and report it ([`Report::Note`]) at once.
    Append(QuorumNote),
    /// Be the primary from now on.
    Lead(Ballot),
    /// A takeover has failed. The text begins with its code (NOQUORUM, SEALED).
    TakeoverFailed(TakeoverCause, String),
    /// The member that was to take over does not, for this reason.
    HandOverFailed(String),
    /// Another may lead: nothing is acknowledged any more. End the links of replicas, and replies
    /// that wait with INDOUBT and this text.
    Depose(String),
    /// The server has left its group: the facts of its notes are no facts of the stream any more.
    LeaveGroup {
        /// The group has ended: `min-sync-replicas` is 0 from now on.
        is_off: bool,
    },
    /// The stream is safe up to here.
    Safe(ReplOffset),
    /// The oldest unsafe byte is older than `sync-timeout`: replies that have waited so long end
    /// with INDOUBT.
    Overdue,
}

/// `sync-on`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncOn {
    /// A member has a write when it has applied it, and the kernel has it for the log.
    #[default]
    Memory,
    /// A member has a write when its log is synced.
    Disk,
}

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct QuorumSettings {
    /// `min-sync-replicas`: k of a group that is formed.
    pub acknowledgements: usize,
    /// `sync-replicas`: members to have besides the leader; 0: 2k.
    pub replicas: usize,
    /// `sync-on`.
    pub sync_on: SyncOn,
    /// `sync-timeout`; 0: no limit.
    pub timeout_ms: u64,
    /// `sync-lease` with `sync-reads linear`; 0: no lease.
    pub lease_ms: u64,
    /// `sync-window`: unsafe bytes, then writers wait.
    pub window_bytes: u64,
    /// A cluster's votes decide which replica takes over: a replica does not on its own account.
    pub waits_for_votes: bool,
    /// `sync-takeover-timeout`.
    pub takeover_timeout_ms: u64,
    /// `repl-backlog-size`: the longest tail that is fetched.
    pub tail_max_bytes: usize,
    /// Where the other nodes reach this server.
    pub address: Address,
    /// User and password for the other nodes' client ports.
    pub login: Option<(Option<Vec<u8>>, Vec<u8>)>,
}

impl QuorumSettings {
    /// The defaults, for a server at this address.
    pub fn new(address: Address) -> QuorumSettings {
        QuorumSettings {
            acknowledgements: 0,
            replicas: 0,
            sync_on: SyncOn::Memory,
            timeout_ms: 5000,
            lease_ms: 0,
            window_bytes: 64 << 20,
            waits_for_votes: false,
            takeover_timeout_ms: 10_000,
            tail_max_bytes: 64 << 20,
            address,
            login: None,
        }
    }

    /// N - 1 of a group that is formed.
    pub(super) fn replicas_wanted(&self) -> usize {
        match self.replicas {
            0 => 2 * self.acknowledgements,
            count => count.max(self.acknowledgements),
        }
    }
}

/// A rule that is broken on purpose: each must be found by the simulation.
#[cfg_attr(
    not(any(test, feature = "testing")),
    allow(dead_code, reason = "only tests break rules")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A candidate leads without the promises of others.
    NoPromises,
    /// One promise too few is enough.
    OnePromiseLess,
    /// Acknowledgements count before the term note is safe.
    EarlyCount,
    /// Promises of unclean nodes count.
    UncleanCounts,
    /// A leader resumes its ballot after a restart.
    ResumedBallot,
    /// A new configuration counts alone at once.
    NewMembersAlone,
    /// The longest stream is that with the greatest offset.
    OffsetAlone,
    /// A group has ended before enough members know it.
    EndsAtOnce,
    /// A server that goes on alone keeps the group's id.
    LossyKeepsGroup,
    /// A lease runs from the receipt of an acknowledgement.
    LeaseFromReceipt,
    /// A candidate leads before the vows to another leader have ended.
    NoVow,
    /// Ballots have no node.
    BallotWithoutNode,
    /// Outsiders count as members.
    OutsidersCount,
    /// A promise leaves before it is synced: the simulated disk has this fault.
    UnsyncedPromise,
}

/// A replica's place in the group, for INFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JoinedLeader {
    pub ballot: Ballot,
    pub address: Address,
    /// A replica that has the stream up to there is clean.
    pub goal: ReplOffset,
    /// The lease of the leader for which this replica vows; 0: none.
    pub lease_ms: u64,
    /// The stream is the leader's.
    pub is_online: bool,
}
