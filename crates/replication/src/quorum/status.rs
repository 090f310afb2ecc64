//! The states of a leader and of a follower, and all that INFO and QUORUM STATUS show.
//!
//! The texts of `Display` are those of `sync_state` and of the log.

use std::fmt;

use super::ballot::{Ballot, GroupId, NodeId, Position};
use super::members::Address;
use crate::ReplOffset;

/// The state of a server that is, or was to be, the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderState {
    /// The mode is off: everything is as without a group.
    Off,
    /// The group has too few members: writes wait, then are refused.
    Forming,
    /// The server has started as a primary, and has not taken over: writes are refused.
    Recovering,
    /// Replies leave when enough members have what they are about.
    Ok,
    /// The oldest unsafe write is older than `sync-timeout`: writes are refused.
    Lost,
    /// Another may lead: writes are refused.
    Deposed,
}

impl fmt::Display for LeaderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LeaderState::Off => "off",
            LeaderState::Forming => "forming",
            LeaderState::Recovering => "recovering",
            LeaderState::Ok => "ok",
            LeaderState::Lost => "lost",
            LeaderState::Deposed => "deposed",
        })
    }
}

/// The state of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowerState {
    /// It counts neither for writes nor for takeovers.
    Outsider,
    /// A member that may lack something that it has acknowledged: its promise does not count.
    Unclean,
    /// A member.
    Member,
    /// It has promised this ballot, and follows no leader yet.
    Sealed(Ballot),
    /// It asks the members for their promises.
    TakingOver,
}

impl fmt::Display for FollowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FollowerState::Outsider => "outsider",
            FollowerState::Unclean => "unclean",
            FollowerState::Member => "member",
            FollowerState::Sealed(_) => "sealed",
            FollowerState::TakingOver => "taking-over",
        })
    }
}

/// The state of a server in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// It is, or was to be, the primary.
    Leader(LeaderState),
    /// It is a replica.
    Follower(FollowerState),
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupState::Leader(state) => state.fmt(f),
            GroupState::Follower(state) => state.fmt(f),
        }
    }
}

/// Whether a server takes a write now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteGate {
    /// It does.
    Open,
    /// The write waits: the unsafe window is full, or the group is being formed.
    Wait,
    /// The write is refused (NOSYNCREPLICAS).
    Refuse,
}

/// A member, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// The node.
    pub id: NodeId,
    /// Its address.
    pub address: Address,
    /// It is this server.
    pub is_self: bool,
    /// It is linked to this server, which leads.
    pub is_linked: bool,
    /// It has acknowledged the stream up to there.
    pub offset: ReplOffset,
    /// Since its link was lost, or since this server leads without it; `None`: it is linked, or
    /// this server does not lead.
    pub missing_ms: Option<u64>,
    /// Since its last acknowledgement; `None`: it has not acknowledged anything.
    pub lag_ms: Option<u64>,
}

/// The facts that INFO and QUORUM STATUS show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumStatus {
    /// `sync_state`.
    pub state: GroupState,
    /// `sync_promised`.
    pub promised: Ballot,
    /// `sync_ballot`: the ballot by which this server, or its leader, leads.
    pub ballot: Option<Ballot>,
    /// `sync_group`.
    pub group: Option<GroupId>,
    /// This node.
    pub node: NodeId,
    /// `sync_min_replicas`: k of the newest configuration.
    pub acknowledgements: usize,
    /// `sync_member`: this server is a member.
    pub is_member: bool,
    /// `sync_members_changing`: the last change of the members is not known to be safe.
    pub is_changing: bool,
    /// `sync_clean`.
    pub is_clean: bool,
    /// `sync_unclean_ms`: since this server is not clean; 0: it is.
    pub unclean_ms: u64,
    /// `sync_position`.
    pub position: Position,
    /// `sync_safe_offset`.
    pub safe: ReplOffset,
    /// `sync_unsafe_bytes`.
    pub unsafe_bytes: u64,
    /// `sync_unsafe_ms`.
    pub unsafe_ms: u64,
    /// `sync_takeovers`: this server has led so often since its start.
    pub takeovers: u64,
    /// `sync_takeover_refused`.
    pub takeovers_refused: u64,
    /// `sync_timeouts`: how often the oldest unsafe byte became older than `sync-timeout`.
    pub timeouts: u64,
    /// `sync_tail_bytes`: bytes that takeovers have fetched.
    pub tail_bytes: u64,
    /// `sync_lossy_takeovers`: QUORUM TAKEOVER LOSSY at this server since its start.
    pub lossy_takeovers: u64,
    /// `sync_left_group`: the group that this server has left last.
    pub replaces: Option<GroupId>,
    /// `sync_memberN`.
    pub members: Vec<MemberStatus>,
    /// Why the last takeover failed, or what a takeover under way waits for.
    pub obstacle: Option<String>,
}

/// A takeover that is over: QUORUM EXPLAIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeoverRecord {
    /// Unix milliseconds of its end.
    pub at_ms: u64,
    /// Its cause.
    pub cause: super::TakeoverCause,
    /// Its ballot.
    pub ballot: Ballot,
    /// `None`: this server led. Otherwise why it did not.
    pub failure: Option<String>,
}
