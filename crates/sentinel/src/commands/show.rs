//! An instance as a map of fields, in Redis's order: a primary, a replica or another Sentinel.
//!
//! Times are ages in milliseconds, 0 for never. The map's length is written last, as optional
//! fields depend on the instance's state (`Fields::count`). Addresses are names if
//! `announce-hostnames` is set. The subcommands that choose the instances are in `lists`.

use crate::instances::{DataNode, FailoverKind, Peer, Primary, Reconf, Replica, Role, Watch};
use crate::shared::Shared;
use crate::time::Ms;
use russet_resp::Reply;

/// Writes fields and counts them.
struct Fields<'r> {
    reply: &'r mut Reply,
    count: usize,
    now: Ms,
}

impl Fields<'_> {
    fn text(&mut self, name: &str, value: &[u8]) {
        self.reply.bulk(name.as_bytes());
        self.reply.bulk(value);
        self.count += 1;
    }

    fn int(&mut self, name: &str, value: i64) {
        self.reply.bulk(name.as_bytes());
        self.reply.bulk_int(value);
        self.count += 1;
    }

    /// The time since `since`; 0 for `None`.
    fn age(&mut self, name: &str, since: Option<Ms>) {
        self.int(name, since.map_or(0, |since| self.now - since));
    }

    fn head(&mut self, shared: &Shared, name: &[u8], watch: &Watch, run_id: &[u8], flags: &[&str]) {
        self.text("name", name);
        let by_name = shared.globals.announce_hostnames;
        self.text("ip", watch.address.shown(by_name));
        self.int("port", watch.address.port.into());
        self.text("runid", run_id);
        self.text("flags", flags.join(",").as_bytes());
        let link = shared.links.get(watch.link);
        self.int("link-pending-commands", link.pending() as i64);
        self.int("link-refcount", link.owners as i64);
    }

    fn health(&mut self, shared: &Shared, watch: &Watch, agreed_down: Option<Ms>, down_after: Ms) {
        let link = shared.links.get(watch.link);
        self.age("last-ping-sent", link.pinged_since);
        self.age("last-ok-ping-reply", Some(link.available_at));
        self.age("last-ping-reply", Some(link.pong_at));
        if watch.is_down {
            self.age("s-down-time", watch.down_since);
        }
        if agreed_down.is_some() {
            self.age("o-down-time", agreed_down);
        }
        self.int("down-after-milliseconds", down_after);
    }

    fn role(&mut self, node: &DataNode) {
        self.age("info-refresh", node.info_at);
        let role: &[u8] = match node.role {
            Role::Primary => b"master",
            Role::Replica | Role::Unknown => b"slave",
        };
        self.text("role-reported", role);
        self.age("role-reported-time", Some(node.role_since));
    }
}

/// The flags that hold.
fn flags<const N: usize>(all: [(bool, &'static str); N]) -> Vec<&'static str> {
    let held = all.into_iter().filter(|(holds, _)| *holds);
    held.map(|(_, name)| name).collect()
}

fn map(shared: &Shared, reply: &mut Reply, write: impl FnOnce(&mut Fields<'_>)) {
    let place = reply.defer();
    let mut fields = Fields {
        reply,
        count: 0,
        now: shared.now,
    };
    write(&mut fields);
    let count = fields.count;
    reply.finish_map(place, count);
}

pub(super) fn primary(shared: &Shared, primary: &Primary, reply: &mut Reply) {
    let (node, settings) = (&primary.node, &primary.settings);
    let failover = &primary.failover;
    let is_running = failover.is_running();
    let flags = flags([
        (node.watch.is_down, "s_down"),
        (primary.is_agreed_down, "o_down"),
        (true, "master"),
        (!shared.links.get(node.watch.link).is_up(), "disconnected"),
        (is_running, "failover_in_progress"),
        (failover.kind == FailoverKind::Forced, "force_failover"),
        (
            failover.kind == FailoverKind::Coordinated,
            "coordinated_failover",
        ),
        (node.watch.is_script_killed, "script_kill_sent"),
        (primary.reboot_since.is_some(), "master_reboot"),
    ]);
    let run_id = node.run_id.as_deref().unwrap_or_default();
    map(shared, reply, |fields| {
        fields.head(shared, &primary.name, &node.watch, run_id, &flags);
        if is_running {
            fields.text("failover-state", failover.state.name().as_bytes());
        }
        let agreed = primary.agreed_down_since.filter(|_| primary.is_agreed_down);
        fields.health(shared, &node.watch, agreed, settings.down_after_ms);
        fields.role(node);
        fields.int("config-epoch", primary.config_epoch as i64);
        fields.int("num-slaves", primary.replicas.len() as i64);
        fields.int("num-other-sentinels", primary.peers.len() as i64);
        fields.int("quorum", settings.quorum as i64);
        fields.int("failover-timeout", settings.failover_timeout_ms);
        fields.int("parallel-syncs", settings.parallel_syncs);
        if !settings.notification_script.is_empty() {
            fields.text("notification-script", &settings.notification_script);
        }
        if !settings.reconfig_script.is_empty() {
            fields.text("client-reconfig-script", &settings.reconfig_script);
        }
    });
}

pub(super) fn replica(
    shared: &Shared,
    primary: &Primary,
    (name, replica): (&[u8], &Replica),
    reply: &mut Reply,
) {
    let node = &replica.node;
    let flags = flags([
        (node.watch.is_down, "s_down"),
        (true, "slave"),
        (!shared.links.get(node.watch.link).is_up(), "disconnected"),
        (primary.is_promoted(name), "promoted"),
        (matches!(replica.reconf, Reconf::Sent(_)), "reconf_sent"),
        (replica.reconf == Reconf::InProgress, "reconf_inprog"),
        (replica.reconf == Reconf::Done, "reconf_done"),
        (node.watch.is_script_killed, "script_kill_sent"),
    ]);
    let run_id = node.run_id.as_deref().unwrap_or_default();
    let down_after = primary.settings.down_after_ms;
    map(shared, reply, |fields| {
        fields.head(shared, name, &node.watch, run_id, &flags);
        fields.health(shared, &node.watch, None, down_after);
        fields.role(node);
        fields.int("master-link-down-time", node.link_down_ms);
        let status: &[u8] = if node.is_link_up { b"ok" } else { b"err" };
        fields.text("master-link-status", status);
        let host = node.primary_host.as_deref().unwrap_or(b"?");
        fields.text("master-host", host);
        fields.int("master-port", node.primary_port.into());
        fields.int("slave-priority", node.priority);
        fields.int("slave-repl-offset", node.offset as i64);
        fields.int("replica-announced", node.is_announced.into());
    });
}

pub(super) fn peer(
    shared: &Shared,
    primary: &Primary,
    (run_id, peer): (&[u8], &Peer),
    reply: &mut Reply,
) {
    let flags = flags([
        (peer.watch.is_down, "s_down"),
        (true, "sentinel"),
        (!shared.links.get(peer.watch.link).is_up(), "disconnected"),
        (peer.says_down, "master_down"),
    ]);
    let down_after = primary.settings.down_after_ms;
    map(shared, reply, |fields| {
        fields.head(shared, run_id, &peer.watch, run_id, &flags);
        fields.health(shared, &peer.watch, None, down_after);
        fields.age("last-hello-message", Some(peer.received_at));
        let vote = peer.vote.as_deref().unwrap_or(b"?");
        fields.text("voted-leader", vote);
        fields.int("voted-leader-epoch", peer.vote_epoch as i64);
    });
}
