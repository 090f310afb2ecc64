//! MEET, FORGET, REPLICATE, RESET, SET-CONFIG-EPOCH, BUMPEPOCH: the cluster's members and their
//! roles.
//!
//! Each checks its arguments and this node's state in Redis's order, and changes nothing if it
//! refuses. `+OK` leaves once the change is saved; other nodes learn of it by handshakes, gossip
//! and headers.
//!
//! Cost: RESET is O(nodes²), since forgetting a node visits all others; the other subcommands are
//! O(nodes), beside the greetings that announce them.
//!
//! Elsewhere: handshakes and what forgetting removes (`meet`), how long an id stays out
//! (`blacklist`), roles (`roles`), epochs (`claims`).

use super::{Answer, CommandOutcome, misused, number};
use crate::actions::Order;
use crate::core::{Cluster, Host};
use crate::membership::members::NAMED;
use crate::membership::nodes::{Address, ME};
use crate::membership::tokens::Members;
use crate::message::{NodeFlags, NodeId};
use crate::ownership::slots::SlotSet;
use russet_resp::Reply;

const FORGET_MIN_MS: i64 = 1000;

impl Cluster {
    /// `MEET ip port [bus-port]`: `+OK` before anything is known of the node.
    pub(super) fn do_meet(&mut self, args: &[&[u8]]) -> Answer {
        let &[ip, port, ref rest @ ..] = args else {
            return Err(wrong_arguments("meet"));
        };
        let bus = match *rest {
            [] => None,
            [bus] => Some(bus),
            _ => return Err(wrong_arguments("meet")),
        };
        let text = String::from_utf8_lossy;
        let read = |kind: &str, port: &[u8]| {
            let invalid = || format!("ERR Invalid {kind} port specified: {}", text(port));
            number(port).ok_or_else(invalid)
        };
        let base_port = read("base", port)?;
        let bus_port = match bus {
            Some(bus) => read("bus", bus)?,
            None => base_port.saturating_add(10_000),
        };
        let invalid = || {
            let (ip, port) = (text(ip), text(port));
            format!("ERR Invalid node address specified: {ip}:{port}")
        };
        let is_valkey = self.is_valkey();
        let in_range = |number: i64, words: &str| {
            let port = u16::try_from(number).ok().filter(|&port| port != 0);
            port.ok_or_else(|| {
                if is_valkey {
                    format!("ERR {words} number is out of range")
                } else {
                    invalid()
                }
            })
        };
        let base_port = in_range(base_port, "Port")?;
        let bus_port = in_range(bus_port, "Cluster bus port")?;
        let ip = Cluster::literal(ip).ok_or_else(invalid)?;
        let ports = if self.settings.tls_cluster {
            (0, base_port)
        } else {
            (base_port, 0)
        };
        let address = Address {
            ip,
            port: ports.0,
            tls_port: ports.1,
            bus_port,
        };
        self.note(format!("Cluster meet {ip}:{base_port} requested by user."));
        if self.meet(address, NodeFlags::MEET) {
            Ok(CommandOutcome::Changed)
        } else {
            Err("ERR Too many nodes are being met".into())
        }
    }

    /// `FORGET id`; no error if the node is forgotten already.
    pub(super) fn do_forget(&mut self, args: &[&[u8]]) -> Answer {
        let &[id] = args else {
            return Err(wrong_arguments("forget"));
        };
        let Some(at) = self.find_text(id) else {
            let known = crate::message::NodeId::parse(id);
            return if known.is_some_and(|id| self.blacklist.contains(&id)) {
                Ok(CommandOutcome::Changed)
            } else {
                Err(format!("ERR Unknown node {}", String::from_utf8_lossy(id)))
            };
        };
        if at == ME {
            return Err("ERR I tried hard but I can't forget myself...".into());
        }
        if self.me().primary == Some(at) {
            return Err("ERR Can't forget my master!".into());
        }
        let ttl = self.settings.blacklist_ttl.get().max(FORGET_MIN_MS);
        self.blacklist.add(self.nodes[at].id, self.ms() + ttl);
        let called = self.called(at);
        self.note(format!("Cluster forget node {called} requested by user."));
        self.forget(at);
        self.save();
        Ok(CommandOutcome::Changed)
    }

    /// `REPLICATE id`; Valkey also `REPLICATE NO ONE`: an empty primary again.
    pub(super) fn do_replicate(&mut self, args: &[&[u8]], host: &Host<'_>) -> Answer {
        let id = match *args {
            [id] => id,
            [no, one]
                if self.is_valkey()
                    && no.eq_ignore_ascii_case(b"no")
                    && one.eq_ignore_ascii_case(b"one") =>
            {
                return self.do_replicate_no_one();
            }
            _ => return Err(wrong_arguments("replicate")),
        };
        _ = host;
        let at = self.named(id)?;
        if at == ME {
            return Err("ERR Can't replicate myself".into());
        }
        if self.nodes[at].is_replica() {
            return Err("ERR I can only replicate a master, not a replica.".into());
        }
        let has_data = !self.own.is_empty || !self.me().slots.is_empty();
        if self.me().is_primary() && has_data {
            return Err(
                "ERR To set a master the node must be empty and without assigned slots.".into(),
            );
        }
        if !self.may_follow(at) {
            self.refuse_if_bound()?;
        }
        self.trust(at, NAMED);
        if self.me().primary != Some(at) {
            let called = self.called(at);
            self.note(format!("Replicating node {called}, as requested by user."));
            self.become_replica(at);
        } else {
            // A snapshot that was refused (`replica-min-retain-percent`) is taken now.
            self.follow_primary();
        }
        Ok(CommandOutcome::Changed)
    }

    fn do_replicate_no_one(&mut self) -> Answer {
        if self.me().is_replica() {
            self.refuse_if_bound()?;
            self.note("Becoming an empty primary, as requested by user.".into());
            self.leave_channels();
            self.become_primary();
            self.out.push(Order::Flush);
            self.nodes[ME].shard = NodeId::drawn(&mut self.random);
            self.election.reset();
            self.end_manual();
            self.announce(false);
        }
        Ok(CommandOutcome::Changed)
    }

    /// `RESET [HARD|SOFT]`: forgets all nodes; HARD also our own id, shard and epochs.
    pub(super) fn do_reset(&mut self, name: &[u8], args: &[&[u8]]) -> Answer {
        let is_hard = match *args {
            [] => false,
            [word] if word.eq_ignore_ascii_case(b"hard") => true,
            [word] if word.eq_ignore_ascii_case(b"soft") => false,
            [_] => return Err("ERR syntax error".into()),
            _ => return Err(misused(name)),
        };
        if self.me().is_primary() && !self.own.is_empty {
            return Err(
                "ERR CLUSTER RESET can't be called with master nodes containing keys".into(),
            );
        }
        self.refuse_if_bound()?;
        self.note(format!(
            "Cluster reset ({}) requested by user.",
            if is_hard { "hard" } else { "soft" }
        ));
        self.leave_channels();
        if self.me().is_replica() {
            self.become_primary();
            self.out.push(Order::Flush);
        }
        self.owners.migrating.clear();
        self.owners.importing.clear();
        self.end_manual();
        self.election.reset();
        for slot in 0..crate::message::SLOTS {
            self.unbind(slot);
        }
        self.owners.known = SlotSet::default();
        for at in self.nodes.others() {
            self.forget(at);
        }
        self.members = Members::new(self.members.key, self.now.monotonic_ms);
        if is_hard {
            self.blacklist.clear();
            (self.current_epoch, self.last_vote_epoch) = (0, 0);
            self.nodes[ME].config_epoch = 0;
            let id = NodeId::drawn(&mut self.random);
            self.nodes.rename(ME, id);
            self.note(format!("Node hard reset, now I'm {id}"));
        }
        if is_hard || self.is_valkey() {
            self.nodes[ME].shard = NodeId::drawn(&mut self.random);
        }
        self.health.is_ok = false;
        (self.changed.health, self.changed.routes) = (true, true);
        self.save();
        Ok(CommandOutcome::Changed)
    }

    /// `SET-CONFIG-EPOCH epoch`, of a node that is alone.
    pub(super) fn do_set_config_epoch(&mut self, args: &[&[u8]]) -> Answer {
        let &[text] = args else {
            return Err(wrong_arguments("set-config-epoch"));
        };
        let Some(epoch) = number(text) else {
            return Err("ERR value is not an integer or out of range".into());
        };
        let max = crate::ownership::claims::EPOCH_MAX;
        let Some(epoch) = u64::try_from(epoch).ok().filter(|&epoch| epoch <= max) else {
            return Err(format!("ERR Invalid config epoch specified: {epoch}"));
        };
        if self.nodes.len() > 1 {
            return Err(
                "ERR The user can assign a config epoch only when the node does not \
                know any other node."
                    .into(),
            );
        }
        if self.me().config_epoch != 0 {
            return Err("ERR Node config epoch is already non-zero".into());
        }
        self.nodes[ME].config_epoch = epoch;
        self.current_epoch = self.current_epoch.max(epoch);
        self.note(format!(
            "configEpoch set to {epoch} via CLUSTER SET-CONFIG-EPOCH"
        ));
        self.save();
        self.announce_change();
        Ok(CommandOutcome::Changed)
    }

    /// `BUMPEPOCH`: `+BUMPED n`, or `+STILL n` if ours is the newest.
    pub(super) fn do_bump_epoch(&mut self, reply: &mut Reply) -> CommandOutcome {
        let word = if self.bump_epoch() {
            self.announce_change();
            "BUMPED"
        } else {
            "STILL"
        };
        reply.simple(&format!("{word} {}", self.me().config_epoch));
        CommandOutcome::Noticed
    }
}

pub(super) fn wrong_arguments(name: &str) -> String {
    format!("ERR wrong number of arguments for 'cluster|{name}' command")
}
