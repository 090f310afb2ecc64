//! One watched instance: the fields that all kinds share, and the fields of data nodes and
//! Sentinels.
//!
//! Plain state. Decisions on it are made in `down` (SDOWN), `refresh` (INFO), `votes` (answers) and
//! `discovery` (hellos). A data node keeps the text of its last INFO for SENTINEL INFO-CACHE,
//! packed anew for each INFO (`PackedText`): its largest part.

use super::info::{Report, Role};
use crate::address::Address;
use crate::links::LinkId;
use crate::time::Ms;
use russet_base::lzf;

/// The fields that all kinds share.
#[derive(Debug)]
pub struct Watch {
    pub address: Address,
    pub link: LinkId,
    /// We see it as down (SDOWN).
    pub is_down: bool,
    /// When SDOWN last began; kept when the instance is up again.
    pub(crate) down_since: Option<Ms>,
    /// The last hello that it took from us.
    pub(crate) published_at: Ms,
    /// SCRIPT KILL was sent since it is down.
    pub(crate) is_script_killed: bool,
}

impl Watch {
    pub fn new(address: Address, link: LinkId, now: Ms) -> Watch {
        Watch {
            address,
            link,
            is_down: false,
            down_since: None,
            published_at: now,
            is_script_killed: false,
        }
    }
}

/// Whether a data node carries out a failover by itself (the command FAILOVER).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverSeen {
    /// The node does not know the command.
    Unsupported,
    No,
    Yes,
}

/// A text that is kept for SENTINEL INFO-CACHE and seldom read: compressed, if that makes it
/// shorter.
#[derive(Debug)]
pub struct PackedText {
    bytes: Box<[u8]>,
    /// The length of the text; `bytes` is the text itself if it has as many.
    len: usize,
}

impl PackedText {
    pub fn new(text: &[u8]) -> PackedText {
        let mut bytes = Vec::new();
        if !lzf::compress(text, text.len().saturating_sub(1), &mut bytes) {
            bytes = text.to_vec();
        }
        PackedText {
            bytes: bytes.into(),
            len: text.len(),
        }
    }

    pub fn text(&self) -> Vec<u8> {
        if self.bytes.len() == self.len {
            return self.bytes.to_vec();
        }
        let mut text = Vec::with_capacity(self.len);
        lzf::decompress(&self.bytes, self.len, &mut text).expect("compressed here");
        text
    }
}

/// A data node, and what it last reported.
#[derive(Debug)]
pub struct DataNode {
    pub watch: Watch,
    pub run_id: Option<Vec<u8>>,
    pub(crate) info_at: Option<Ms>,
    pub info: Option<PackedText>,
    pub role: Role,
    pub(crate) role_since: Ms,
    /// As a replica: the primary it names, and since when.
    pub(crate) primary_host: Option<Vec<u8>>,
    pub primary_port: u16,
    pub(crate) primary_since: Ms,
    pub is_link_up: bool,
    /// 0: the link is up.
    pub(crate) link_down_ms: Ms,
    pub priority: i64,
    pub offset: u64,
    pub is_announced: bool,
    pub failover: FailoverSeen,
    pub(crate) failover_since: Ms,
}

/// The changes by one INFO that have consequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InfoChanges {
    /// The run id has changed: the node was restarted.
    pub run_id: bool,
    pub role: bool,
}

impl DataNode {
    pub fn new(watch: Watch, role: Role, now: Ms) -> DataNode {
        DataNode {
            watch,
            run_id: None,
            info_at: None,
            info: None,
            role,
            role_since: now,
            primary_host: None,
            primary_port: 0,
            primary_since: now,
            is_link_up: false,
            link_down_ms: 0,
            priority: 100,
            offset: 0,
            is_announced: true,
            failover: FailoverSeen::Unsupported,
            failover_since: now,
        }
    }

    /// Takes over a report.
    pub fn take(&mut self, report: &Report, info: Vec<u8>, now: Ms) -> InfoChanges {
        let mut changed = InfoChanges::default();
        self.info = Some(PackedText::new(&info));
        self.info_at = Some(now);
        if let Some(run_id) = &report.run_id {
            let old = self.run_id.replace(run_id.clone());
            changed.run_id = old.is_some_and(|old| old != *run_id);
        }
        self.link_down_ms = report.link_down_ms;
        if let Some(host) = &report.primary_host {
            let old = self.primary_host.as_ref();
            if !old.is_some_and(|old| old.eq_ignore_ascii_case(host)) {
                self.primary_host = Some(host.clone());
                self.primary_since = now;
            }
        }
        if let Some(port) = report
            .primary_port
            .filter(|&port| port != self.primary_port)
        {
            self.primary_port = port;
            self.primary_since = now;
        }
        self.is_link_up = report.is_link_up.unwrap_or(self.is_link_up);
        self.priority = report.priority.unwrap_or(self.priority);
        self.offset = report.offset.unwrap_or(self.offset);
        self.is_announced = report.is_announced.unwrap_or(self.is_announced);
        if let Some(has_failover) = report.has_failover {
            let seen = if has_failover {
                FailoverSeen::Yes
            } else {
                FailoverSeen::No
            };
            if seen != self.failover {
                (self.failover, self.failover_since) = (seen, now);
            }
        }
        if report.role != self.role {
            (self.role, self.role_since) = (report.role, now);
            changed.role = true;
            if report.role == Role::Replica {
                self.primary_since = now;
            }
        }
        changed
    }

    /// Whether it was not noticed to be down within this time.
    pub(crate) fn is_up_for(&self, period: Ms, now: Ms) -> bool {
        self.watch
            .down_since
            .is_none_or(|since| now - since > period)
    }
}

/// How far a replica is on its way to the new primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reconf {
    None,
    /// The Sentinel ordered the replica to follow at this moment.
    Sent(Ms),
    /// The replica names the new primary.
    InProgress,
    /// The link is up.
    Done,
}

#[derive(Debug)]
pub struct Replica {
    pub node: DataNode,
    pub(crate) reconf: Reconf,
}

/// Another Sentinel, as far as it concerns one primary.
#[derive(Debug)]
pub struct Peer {
    pub watch: Watch,
    /// The last hello.
    pub received_at: Ms,
    /// The last answer to whether the primary is down.
    pub(crate) answered_at: Ms,
    pub(crate) says_down: bool,
    /// The vote, and the epoch of it.
    pub vote: Option<Vec<u8>>,
    pub(crate) vote_epoch: u64,
}

impl Peer {
    pub fn new(watch: Watch, now: Ms) -> Peer {
        Peer {
            watch,
            received_at: now,
            answered_at: now,
            says_down: false,
            vote: None,
            vote_epoch: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let long = b"role:slave\r\nmaster_host:10.0.0.1\r\n".repeat(100);
        for text in [&b""[..], b"a", b"role:master\r\n", &long] {
            assert_eq!(PackedText::new(text).text(), text);
        }
        assert!(PackedText::new(&long).bytes.len() < long.len() / 5);
    }
}
