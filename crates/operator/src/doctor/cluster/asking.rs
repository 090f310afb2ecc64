//! Asks the node that is given, and all nodes that it names. Several at a time, within a bounded
//! time.
//!
//! A russet node is asked for its own findings; of another the same rules are applied to its
//! CLUSTER NODES, CLUSTER INFO and INFO (`russet_cluster::ClusterView`).

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::facts::{Clock, Cluster, NodeReplies};
use super::view::{NODES_MAX, View};
use crate::Target;
use crate::doctor::group::asking::{each, late, optional};
use crate::doctor::group::caller::{Caller, Limits};
use crate::doctor::group::facts::{self, Address, Fault, Fields, fields, info, number, time_us};
use crate::doctor::joined::findings;
use russet_base::finding::Finding;
use russet_cluster::{ClusterView, NodesConf};
use russet_config::Login;
use russet_resp::ReplyValue;

/// The time limit of the whole, in time limits of a step.
const STEPS: u32 = 10;

/// The replies of all nodes of the target's cluster. Fails if the target does not answer, or is no
/// node.
pub(super) fn ask(target: &Target) -> Result<Cluster, Fault> {
    let limits = Limits {
        step: target.limit,
        end: Instant::now() + target.limit * STEPS,
    };
    let first = Address {
        host: target.host.clone(),
        port: target.port,
    };
    let login = Login {
        user: target.user.clone(),
        password: target.password.clone(),
    };
    let said = ask_node(&first, &login, limits)?;
    let myself = said.view.me.clone();
    let others = said.view.nodes.values().filter(|node| node.id != myself);
    let mut others: Vec<Address> = others.filter_map(|node| node.at.clone()).collect();
    let left_out = (others.len() > NODES_MAX)
        .then(|| format!("only {NODES_MAX} of {} nodes are asked", others.len()));
    others.truncate(NODES_MAX);
    let asked = each(others, limits, move |at| ask_node(at, &login, limits));
    let mut nodes: BTreeMap<Address, Result<NodeReplies, Fault>> = asked
        .into_iter()
        .map(|(at, result)| (at, late(result)))
        .collect();
    nodes.insert(first.clone(), Ok(said));
    Ok(Cluster {
        first,
        nodes,
        left_out,
    })
}

fn ask_node(at: &Address, login: &Login, limits: Limits) -> Result<NodeReplies, Fault> {
    let mut caller = Caller::open(at, login, limits)?;
    let (ReplyValue::Bulk(text) | ReplyValue::Verbatim(text)) = caller.run("CLUSTER NODES")? else {
        return Err(Fault::Odd("CLUSTER NODES has no text".to_owned()));
    };
    let saved = NodesConf::parse(&text);
    let saved = saved.map_err(|why| Fault::Odd(format!("CLUSTER NODES: {why}")))?;
    // Without permission for the rest, the checks do without it.
    let explained = optional(caller.run("CLUSTER EXPLAIN FINDINGS"))?;
    let state = caller.run("CLUSTER INFO").map(|reply| info(&reply));
    let start = now_us();
    let time = caller.run("TIME").ok().as_ref().and_then(time_us);
    let config = caller.run("CONFIG GET cluster-*");
    let about = caller.run("INFO");
    let or_nothing = |said: Result<Fields, Fault>| said.unwrap_or_default();
    let mut said = NodeReplies {
        view: View::of(&saved),
        state: facts::text(&or_nothing(state), "cluster_state").to_owned(),
        verdict: Vec::new(),
        clock: clock(start, time),
        info: or_nothing(about.map(|reply| info(&reply))),
        config: or_nothing(config.map(|reply| fields(&reply))),
    };
    said.verdict = match explained {
        Some(reply) => findings(&reply),
        None => judged(&saved, &text, &said, time),
    };
    Ok(said)
}

/// The findings about a node that has no such command.
fn judged(
    saved: &NodesConf,
    nodes: &[u8],
    said: &NodeReplies,
    time_us: Option<i64>,
) -> Vec<Finding> {
    let set = |name: &str| number(&said.config, name);
    let link_down_ms = (facts::text(&said.info, "master_link_status") == "down").then(|| {
        let seconds = number(&said.info, "master_link_down_since_seconds").unwrap_or(-1);
        seconds.saturating_mul(1000)
    });
    let shown = ClusterView {
        nodes: saved,
        wall_ms: time_us.unwrap_or_else(now_us) / 1000,
        is_ok: said.state != "fail",
        link_down_ms,
        node_timeout_ms: set("cluster-node-timeout").map_or(15_000, i64::unsigned_abs),
        validity_factor: set("cluster-replica-validity-factor").unwrap_or(10),
        requires_full_coverage: facts::text(&said.config, "cluster-require-full-coverage") != "no",
    };
    let mut found = shown.findings();
    let lines = String::from_utf8_lossy(nodes);
    let flags = lines.lines().filter_map(|line| line.split(' ').nth(2));
    let met = flags.filter(|flags| flags.contains("handshake")).count();
    if met > 0 {
        let text =
            format!("nodes that were met and have not answered: {met}; is their bus port open?");
        found.push(Finding::notice("members", text));
    }
    found
}

fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

/// A clock that showed `time_us` between `start_us` and now.
fn clock(start_us: i64, time_us: Option<i64>) -> Option<Clock> {
    let end_us = now_us();
    let within_us = end_us.saturating_sub(start_us).max(0);
    let ahead_us = time_us?.saturating_sub(start_us.saturating_add(within_us / 2));
    Some(Clock {
        ahead_us,
        within_us,
    })
}
