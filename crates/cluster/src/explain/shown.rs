//! A node of another kind, which has no CLUSTER EXPLAIN, judged by what it shows of itself.
//!
//! CLUSTER NODES is nodes.conf: a core that has read it, and takes the links, the silence and the
//! link to the primary from what is shown, gives the findings of that node. Of what a node does not
//! show (clocks, disputes about slots, reports of failures) nothing is said.

use super::state;
use crate::NodesConf;
use crate::core::{Cluster, Primary, ServerState};
use crate::membership::nodes::ME;
use crate::message::NodeFlags;
use crate::settings::Settings;
use russet_base::Millis;
use russet_base::finding::Finding;
use russet_host::Now;

/// See the module.
#[derive(Clone, Debug)]
pub struct ClusterView<'a> {
    /// CLUSTER NODES, as [`NodesConf::parse`] has read it.
    pub nodes: &'a NodesConf,
    /// The clock.
    pub wall_ms: i64,
    /// `cluster_state` of CLUSTER INFO.
    pub is_ok: bool,
    /// Of a replica: for how long the link to its primary has been down, negative if it was never
    /// up. `None`: it is up.
    pub link_down_ms: Option<i64>,
    /// `cluster-node-timeout`.
    pub node_timeout_ms: u64,
    /// `cluster-replica-validity-factor`.
    pub validity_factor: i64,
    /// `cluster-require-full-coverage`.
    pub requires_full_coverage: bool,
}

impl ClusterView<'_> {
    /// The node's faults; empty if it shows none.
    pub fn findings(&self) -> Vec<Finding> {
        let cluster = self.core();
        let mut found = Vec::new();
        if !self.is_ok {
            let (why, remedy) = match cluster.illness() {
                None => (
                    "it has started, or was in a minority, a moment ago".to_owned(),
                    "wait",
                ),
                Some(_) => state::illness(&cluster),
            };
            let text = format!("the cluster is not ok: {why}");
            found.push(Finding::critical("state", text, remedy));
        }
        found.append(&mut state::partly(&cluster));
        found.append(&mut cluster.faults());
        found
    }

    fn core(&self) -> Cluster {
        let is_me = |flags: NodeFlags| flags.contains(NodeFlags::MYSELF);
        let me = self.nodes.nodes.iter().find(|line| is_me(line.flags));
        let settings = Settings {
            port: me.map_or(0, |me| me.port),
            announce_bus_port: me.map_or(0, |me| me.bus_port),
            replica_no_failover: me.is_some_and(|me| me.flags.contains(NodeFlags::NO_FAILOVER)),
            node_timeout: Millis::of_ms(self.node_timeout_ms),
            replica_validity_factor: self.validity_factor,
            require_full_coverage: self.requires_full_coverage,
            repl_ping_period: Millis::of_s(10),
            ..Settings::default()
        };
        let now = Now {
            monotonic_ms: self.wall_ms,
            wall_ms: self.wall_ms,
        };
        let mut cluster = Cluster::new(self.nodes.clone(), settings, 0, now);
        cluster.health.is_ok = self.is_ok;
        (cluster.health.started, cluster.health.minority) = (0, None);
        let down_ms = self.link_down_ms;
        let primary = Primary {
            is_up: down_ms.is_none(),
            received_ms: self.wall_ms - down_ms.unwrap_or(0).max(0),
            is_synced: down_ms.is_none_or(|ms| ms >= 0),
        };
        cluster.own = ServerState {
            primary: cluster.me().is_replica().then_some(primary),
            ..ServerState::default()
        };
        self.show_others(&mut cluster);
        cluster
    }

    /// Takes links and silence, which a restart does not.
    fn show_others(&self, cluster: &mut Cluster) {
        for line in &self.nodes.nodes {
            let at = cluster.nodes.find(&line.id);
            let Some(at) = at.filter(|&at| at != ME) else {
                continue;
            };
            let is_suspect = line.flags.contains(NodeFlags::PFAIL);
            cluster.nodes.set_suspect(at, is_suspect);
            if line.is_connected {
                cluster.dial(at);
                let link = cluster.nodes[at].out;
                if let Some(link) = link.and_then(|link| cluster.links.get_mut(link)) {
                    link.is_open = true;
                }
            }
            let moment = |ms: i64| Some(ms).filter(|&ms| ms > 0);
            let node = &mut cluster.nodes[at];
            node.pinged = moment(line.ping_sent_ms);
            node.received_at = moment(line.pong_received_ms).unwrap_or(self.wall_ms);
            node.failed = node.received_at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three primaries, each with a replica, as the first replica shows them.
    fn lines() -> Vec<String> {
        let id = |number: usize| format!("{number:040x}");
        let line = |number: usize| {
            let (role, primary, slots) = match number {
                1 => ("master", "-".to_owned(), " 0-5460"),
                2 => ("master", "-".to_owned(), " 5461-10922"),
                3 => ("master", "-".to_owned(), " 10923-16383"),
                n => ("slave", id(n - 3), ""),
            };
            let myself = if number == 4 { "myself," } else { "" };
            let epoch = (number - 1) % 3 + 1;
            format!(
                "{} 10.0.0.{number}:7000@17000 {myself}{role} {primary} 0 0 {epoch} connected{slots}\n",
                id(number)
            )
        };
        (1..=6).map(line).collect()
    }

    fn codes(lines: &[String], change: impl Fn(&mut ClusterView<'_>)) -> Vec<String> {
        let nodes = NodesConf::parse(lines.concat().as_bytes()).expect("nodes");
        let mut shown = ClusterView {
            nodes: &nodes,
            wall_ms: 1_000_000_000,
            is_ok: true,
            link_down_ms: None,
            node_timeout_ms: 15_000,
            validity_factor: 10,
            requires_full_coverage: true,
        };
        change(&mut shown);
        let found = shown.findings().into_iter();
        let line = |f: Finding| format!("{} {}: {}", f.weight.name(), f.code, f.text);
        found.map(line).collect()
    }

    #[test]
    fn a_node_of_a_sound_cluster_has_no_faults() {
        assert_eq!(codes(&lines(), |_| {}), [""; 0]);
    }

    /// Words of a line, the text for them, and the beginnings of the findings.
    type DamagedLine = (usize, &'static str, &'static str, &'static [&'static str]);

    #[test]
    fn faults_that_the_nodes_show_are_found() {
        let spoilt: [DamagedLine; 6] = [
            (
                2,
                "master -",
                "master,fail? -",
                &["warning nodes: node 0", "warning majority"],
            ),
            (
                5,
                "connected",
                "disconnected",
                &["warning bus: no link to node"],
            ),
            (2, " 0 0 2 ", " 0 0 3 ", &["warning epochs: config epoch 3"]),
            (
                5,
                "slave",
                "slave,nofailover",
                &["critical failover: no failover of node"],
            ),
            (
                6,
                "10.0.0.6",
                "10.0.0.3",
                &["warning addresses", "warning machines"],
            ),
            (
                4,
                "connected",
                "connected [7->-0000000000000000000000000000000000000002]",
                &["warning open slots: 1 slot migrating to"],
            ),
        ];
        for (number, words, text, wanted) in spoilt {
            let mut lines = lines();
            lines[number - 1] = lines[number - 1].replacen(words, text, 1);
            let found = codes(&lines, |_| {});
            let has = |wanted: &&&str| found.iter().any(|line| line.starts_with(**wanted));
            assert_eq!(
                wanted.iter().filter(has).count(),
                wanted.len(),
                "{text}: {found:#?}"
            );
            assert_eq!(found.len(), wanted.len(), "{text}: {found:#?}");
        }
    }

    #[test]
    fn the_state_and_the_link_of_a_replica_are_judged() {
        let down = |shown: &mut ClusterView<'_>, ms| {
            shown.link_down_ms = Some(ms);
        };
        let found = codes(&lines(), |shown| down(shown, 900_000));
        assert!(
            found[0].contains("critical failover: I would not replace"),
            "{found:?}"
        );
        let found = codes(&lines(), |shown| down(shown, -1));
        assert!(found[0].contains("has not been in sync"), "{found:?}");
        let found = codes(&lines(), |shown| down(shown, 2000));
        assert!(
            found[0].contains("my link to my primary is down"),
            "{found:?}"
        );
        let mut gap = lines();
        gap[0] = gap[0].replace("0-5460", "5-5460");
        let found = codes(&gap, |shown| shown.is_ok = false);
        assert!(
            found[0].contains("no node serves 5 slots, the first is 0"),
            "{found:?}"
        );
        let found = codes(&gap, |shown| shown.requires_full_coverage = false);
        assert_eq!(found, ["critical slots: no node serves 5 slots"]);
    }
}
