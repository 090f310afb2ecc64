//! FAILOVER: a replica takes over, by order.

use super::{Answer, CommandOutcome, misused};
use crate::actions::Order;
use crate::core::{Cluster, Host};

impl Cluster {
    /// `FAILOVER [FORCE|TAKEOVER]`; in the replication stream of a Valkey primary that shuts down
    /// also `FAILOVER FORCE REPLICAID id`, which is for one replica only.
    pub(super) fn do_failover(&mut self, name: &[u8], args: &[&[u8]], host: &Host<'_>) -> Answer {
        let (is_forced, is_takeover) = match *args {
            [] => (false, false),
            [word] if word.eq_ignore_ascii_case(b"force") => (true, false),
            [word] if word.eq_ignore_ascii_case(b"takeover") => (true, true),
            [force, word, id]
                if host.is_from_primary
                    && force.eq_ignore_ascii_case(b"force")
                    && word.eq_ignore_ascii_case(b"replicaid") =>
            {
                if id != self.me().id.as_bytes() {
                    return Ok(CommandOutcome::Changed);
                }
                self.note("Forced failover primary request accepted.".into());
                (true, false)
            }
            [_, _, ..] if !self.is_valkey() => return Err(misused(name)),
            _ => return Err("ERR syntax error".into()),
        };
        if self.me().is_primary() {
            return Err("ERR You should send CLUSTER FAILOVER to a replica".into());
        }
        let Some(primary) = self.me().primary else {
            return Err("ERR I'm a replica but my master is unknown to me".into());
        };
        let node = &self.nodes[primary];
        if (node.has_failed() || node.out.is_none()) && !is_forced {
            return Err("ERR Master is down or failed, please use CLUSTER FAILOVER FORCE".into());
        }
        if is_takeover {
            self.note("Taking over the primary (user request).".into());
            self.warn_if_not_synced();
            self.end_manual();
            if self.own.group.is_some() {
                // The slots are claimed once the group's members have promised.
                self.out.push(Order::TakeOver);
                return Ok(CommandOutcome::Changed);
            }
            self.bump_epoch();
            self.replace_primary();
        } else {
            self.begin_manual(is_forced);
        }
        Ok(CommandOutcome::Changed)
    }
}
