//! SETSLOT: the steps of moving a slot, as `redis-cli --cluster reshard` takes them.
//!
//!     target: IMPORTING source    source: MIGRATING target    keys move by MIGRATE
//!     target: NODE target (a new epoch, announced)           source, others: NODE target
//!
//! MIGRATING and IMPORTING only mark the slot as open. NODE gives it to a node; where it ends an
//! import it takes a new epoch without a vote, so that the claim wins.
//!
//! Invariants
//!   1. NODE does not give our slot to another node while we have keys of it.
//!   2. In Valkey's dialect the replicas receive each step, before the reply if they are online and
//!      the client can wait.
//!
//! Elsewhere: commands of open slots (`route`), claims (`claims`), marks in full copies (`marks`).

use super::slots::slot_of;
use super::{Answer, CommandOutcome, number};
use crate::core::{Cluster, Host};
use crate::membership::members::NAMED;
use crate::membership::nodes::{ME, NodeIndex};

/// Valkey: how long replicas may take to have the command.
const TIMEOUT_MS: i64 = 2000;
const MISUSED: &str = "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP";

enum SlotChange {
    Migrating(NodeIndex),
    Importing(NodeIndex),
    Stable,
    Node(NodeIndex),
}

impl Cluster {
    /// `SETSLOT slot MIGRATING id | IMPORTING id | STABLE | NODE id [TIMEOUT ms]`.
    pub(super) fn do_setslot(&mut self, args: &[&[u8]], host: &Host<'_>) -> Answer {
        if self.me().is_replica() && !host.is_from_primary {
            return Err("ERR Please use SETSLOT only with masters.".into());
        }
        let &[slot, word, ref rest @ ..] = args else {
            return Err(MISUSED.into());
        };
        let slot = slot_of(slot)?;
        let (rest, timeout_ms) = self.timeout(rest)?;
        let step = self.step(slot, word, rest, host)?;
        // Valkey's replicas know of open slots, so that these survive a failover.
        let replicates = self.is_valkey() && self.me().is_primary() && !host.is_acknowledged;
        let waits = host.may_wait && timeout_ms > 0 && self.own.replicas_online > 0;
        if replicates && waits {
            return Ok(CommandOutcome::Waits { timeout_ms });
        }
        self.is_for_replicas = replicates;
        if let SlotChange::Migrating(at) | SlotChange::Importing(at) | SlotChange::Node(at) = step {
            self.trust(at, NAMED);
        }
        match step {
            SlotChange::Migrating(to) => _ = self.owners.migrating.insert(slot, to),
            SlotChange::Importing(from) => _ = self.owners.importing.insert(slot, from),
            SlotChange::Stable => {
                self.owners.migrating.remove(&slot);
                self.owners.importing.remove(&slot);
            }
            SlotChange::Node(to) => self.assign(slot, to, (host.keys_in_slot)(slot) > 0),
        }
        self.changed.routes = true;
        self.save();
        Ok(CommandOutcome::Changed)
    }

    /// Valkey's last option.
    fn timeout<'a>(&self, rest: &'a [&'a [u8]]) -> Result<(&'a [&'a [u8]], i64), String> {
        if self.is_valkey()
            && let Some(word) = rest.last()
            && word.eq_ignore_ascii_case(b"timeout")
        {
            return Err("ERR Missing timeout value".into());
        }
        if let [kept @ .., word, ms] = rest
            && self.is_valkey()
            && word.eq_ignore_ascii_case(b"timeout")
        {
            let ms = number(ms).ok_or("ERR timeout is not an integer or out of range")?;
            if ms < 0 {
                return Err("ERR timeout is negative".into());
            }
            return Ok((kept, ms));
        }
        Ok((rest, TIMEOUT_MS))
    }

    fn step(
        &self,
        slot: u16,
        word: &[u8],
        rest: &[&[u8]],
        host: &Host<'_>,
    ) -> Result<SlotChange, String> {
        let owner = self.owners.owner(slot);
        let mine = Some(self.me().primary.unwrap_or(ME));
        let peer = |id: &[u8]| {
            let unknown = || {
                let id = String::from_utf8_lossy(id);
                format!("ERR I don't know about node {id}")
            };
            let at = self.find_text(id).ok_or_else(unknown)?;
            if self.is_valkey() && at == ME {
                return Err("ERR Target node is myself".to_owned());
            }
            if self.nodes[at].is_replica() {
                Err("ERR Target node is not a master".to_owned())
            } else {
                Ok(at)
            }
        };
        match (word.to_ascii_uppercase().as_slice(), rest) {
            (b"MIGRATING", &[id]) => {
                if owner != mine {
                    return Err(format!("ERR I'm not the owner of hash slot {slot}"));
                }
                Ok(SlotChange::Migrating(peer(id)?))
            }
            (b"IMPORTING", &[id]) => {
                if owner == mine {
                    return Err(format!("ERR I'm already the owner of hash slot {slot}"));
                }
                Ok(SlotChange::Importing(peer(id)?))
            }
            (b"STABLE", []) => Ok(SlotChange::Stable),
            (b"NODE", &[id]) => {
                let to = self.named(id)?;
                if self.nodes[to].is_replica() {
                    return Err("ERR Target node is not a master".into());
                }
                let has_keys = (host.keys_in_slot)(slot) > 0;
                if owner == Some(ME) && to != ME && has_keys {
                    return Err(format!(
                        "ERR Can't assign hashslot {slot} to a different node while I still hold \
                         keys for this hash slot."
                    ));
                }
                Ok(SlotChange::Node(to))
            }
            _ => Err(MISUSED.into()),
        }
    }

    /// NODE: at the target it ends the import, at the source the migration; others learn it early.
    fn assign(&mut self, slot: u16, to: NodeIndex, has_keys: bool) {
        let mine = self.me().primary.unwrap_or(ME);
        let was_mine = self.owners.owner(slot) == Some(mine);
        if !has_keys {
            self.owners.migrating.remove(&slot);
        }
        let ends_import = to == mine && self.owners.importing.remove(&slot).is_some();
        self.bind_unsynced(slot, to);
        // Other nodes believe the claim, whatever epoch the source had.
        if ends_import && to == ME {
            self.bump_epoch();
            self.save();
            self.announce(false);
        }
        if !was_mine || to == mine {
            return;
        }
        let is_last = self.nodes[mine].slots.is_empty();
        if is_last && self.settings.allow_replica_migration && mine == ME {
            let called = self.called(to);
            self.warn(format!(
                "The last slot went to node {called}: reconfiguring myself as a replica of it"
            ));
            self.become_replica(to);
        }
    }
}
