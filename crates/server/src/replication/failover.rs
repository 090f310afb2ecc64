//! FAILOVER at work, and its other end: a replica that takes over on PSYNC with FAILOVER.
//!
//!     WaitingForSync  writes are held until a replica has acknowledged the whole stream
//!     InProgress      this server follows the target, and asks it by PSYNC to take over
//!
//! The leader of a group (`sync-quorum`) asks the target by a word of the group instead, and leads
//! until the group's members have promised the target.
//!
//! Held writes continue when the failover ends or is aborted; with FORCE the deadline leads to
//! `InProgress` without the acknowledgement. An observer is never a target. Cost: O(replicas) a
//! turn while a failover is in progress. Its state: `parts::replication::failover`. The change of
//! role itself: `role`.

use crate::parts::replication::Replication;
use crate::parts::replication::failover::{Failover, FailoverStage};
use crate::parts::replication::replica_link::Replica;
use crate::state::Server;
use russet_command::CommandError;
use russet_keyspace::Keyspace;
use russet_replication::quorum::{Address, Report};

/// The arguments of FAILOVER.
#[derive(Clone, Debug, Default)]
pub struct FailoverRequest {
    pub target: Option<(Vec<u8>, u16)>,
    pub forced: bool,
    pub timeout_ms: Option<u64>,
}

impl Server {
    /// FAILOVER: writes wait from now on, until a replica has everything.
    pub fn fail_over(&mut self, request: FailoverRequest) -> Result<(), CommandError> {
        let refuse = |text| Err(CommandError::Text(text));
        if self.replication.failover.is_some() {
            return refuse("ERR FAILOVER already in progress.");
        }
        if self.replication.is_replica() {
            return refuse("ERR FAILOVER is not valid when server is a replica.");
        }
        if self.replication.replicas.is_empty() {
            return refuse("ERR FAILOVER requires connected replicas.");
        }
        if request.forced && (request.timeout_ms.is_none() || request.target.is_none()) {
            return refuse(
                "ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
            );
        }
        let mut target = None;
        if let Some((host, port)) = &request.target {
            let host = String::from_utf8_lossy(host).into_owned();
            let replica = self.replication.replica_at(&host, *port);
            let Some(replica) = replica else {
                return refuse("ERR FAILOVER target HOST and PORT is not a replica.");
            };
            if !replica.is_online() {
                return refuse("ERR FAILOVER target replica is not online.");
            }
            if !self.may_hand_over_to(&host, *port) {
                return refuse("ERR FAILOVER target replica is not a member of the group.");
            }
            target = Some((host, *port));
        }
        tracing::info!(
            "FAILOVER requested{}.",
            match &target {
                Some((host, port)) => format!(" to {host}:{port}"),
                None => String::new(),
            }
        );
        let now_ms = self.now.mono_ms;
        self.replication.failover = Some(Failover {
            stage: FailoverStage::WaitingForSync,
            target,
            forced: request.forced,
            deadline_ms: request.timeout_ms.map(|ms| now_ms.saturating_add(ms)),
        });
        self.change_pause(|gates| gates.fails_over = true);
        Ok(())
    }

    /// FAILOVER ABORT. `false`: none is in progress.
    pub fn abort_failover(&mut self, keyspace: &mut Keyspace, why: &str) -> bool {
        let Some(failover) = self.replication.failover.take() else {
            return false;
        };
        tracing::info!("Aborting failover: {why}");
        if failover.stage == FailoverStage::InProgress {
            // Its replicas reconnect and learn the new id; the data is the same.
            self.become_primary(keyspace);
        }
        self.change_pause(|gates| gates.fails_over = false);
        true
    }

    /// The failover has succeeded: this server is a replica now.
    pub(crate) fn end_failover(&mut self) {
        if self.replication.failover.take().is_some() {
            self.change_pause(|gates| gates.fails_over = false);
        }
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.core.failover = false;
        }
    }

    /// Continues a failover: called each turn while a failover is in progress.
    pub(crate) fn continue_failover(&mut self, keyspace: &mut Keyspace) {
        let Some(failover) = &self.replication.failover else {
            return;
        };
        let is_late = failover
            .deadline_ms
            .is_some_and(|at| at <= self.now.mono_ms);
        if failover.stage == FailoverStage::InProgress {
            // A primary that follows the target waits for it; a leader of a group still leads.
            if is_late && !self.replication.is_replica() {
                self.abort_failover(keyspace, "The member has not taken over in time");
            }
            return;
        }
        let forced = failover.forced;
        let target = failover.target.clone();
        let offset = self.stream.offset();
        if self.replication.replicas.is_empty() {
            self.abort_failover(keyspace, "no replica is connected");
            return;
        }
        let synced = |replica: &&Replica| {
            let address = replica.address();
            let is_wanted = target.as_ref().is_none_or(|(host, port)| {
                address.1 == *port && address.0.eq_ignore_ascii_case(host)
            });
            is_wanted
                && !replica.facts.observer
                && replica.has_acked(offset)
                && self.may_hand_over_to(&address.0, address.1)
        };
        let found = self.replication.replicas.iter().find(synced);
        let found = found.map(|replica| replica.address());
        let to = match (found, is_late) {
            (Some(found), _) => {
                tracing::info!("Failover target is synced, failing over.");
                found
            }
            (None, true) if forced => {
                tracing::info!("Failover to {:?} time out exceeded, failing over.", target);
                match target {
                    Some(target) => target,
                    None => return,
                }
            }
            (None, true) => {
                self.abort_failover(keyspace, "Replica never caught up before timeout");
                return;
            }
            (None, false) => return,
        };
        if let Some(failover) = &mut self.replication.failover {
            failover.stage = FailoverStage::InProgress;
        }
        let (host, port) = to;
        if self.leads_group() {
            return self.hand_over(keyspace, &host, port);
        }
        self.follow(keyspace, host.as_bytes(), port);
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.core.failover = true;
        }
    }

    fn leads_group(&self) -> bool {
        let driver = self.replication.quorum.as_ref();
        driver.is_some_and(|driver| !driver.core.is_off())
    }

    /// Whether a replica may take over: the leader of a group hands over to members.
    fn may_hand_over_to(&self, host: &str, port: u16) -> bool {
        let driver = self.replication.quorum.as_ref();
        let driver = driver.filter(|driver| !driver.core.is_off());
        driver.is_none_or(|driver| {
            let mut members = driver.core.linked_members().into_iter();
            members.any(|its| its.port == port && its.host.eq_ignore_ascii_case(host))
        })
    }

    /// Asks a member of the group to take over; this server leads until the members promise that.
    fn hand_over(&mut self, keyspace: &mut Keyspace, host: &str, port: u16) {
        let wait_ms = u64::from(self.config.sync_takeover_timeout);
        let deadline_ms = (wait_ms > 0).then(|| self.now.mono_ms.saturating_add(wait_ms));
        if let Some(failover) = &mut self.replication.failover {
            failover.deadline_ms = deadline_ms;
        }
        let address = Address {
            host: host.to_owned(),
            port,
        };
        self.report_quorum(keyspace, Report::HandOver(address));
    }

    /// PSYNC .. FAILOVER: our primary asks us to take over.
    pub fn take_over(&mut self, keyspace: &mut Keyspace, id: &[u8]) -> Result<(), CommandError> {
        if id != self.stream.history().id.as_str().as_bytes() {
            return Err(CommandError::Text(
                "ERR PSYNC FAILOVER replid must match my replid.",
            ));
        }
        if self.replication.quorum.is_some() {
            return Err(CommandError::Text(
                "ERR PSYNC FAILOVER can't be sent to a member of a group.",
            ));
        }
        if !self.replication.is_replica() {
            return Err(CommandError::Text(
                "ERR PSYNC FAILOVER can't be sent to a master.",
            ));
        }
        tracing::info!("Failover request was accepted, this replica becomes a primary.");
        self.become_primary(keyspace);
        Ok(())
    }
}

impl Replication {
    pub(crate) fn replica_at(&self, host: &str, port: u16) -> Option<&Replica> {
        let mut replicas = self.replicas.iter();
        replicas.find(|replica| {
            let (ip, its_port) = replica.address();
            its_port == port && ip.eq_ignore_ascii_case(host)
        })
    }
}
