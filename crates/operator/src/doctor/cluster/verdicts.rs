//! Findings of each node: its CLUSTER EXPLAIN, or the same rules applied to what it shows
//! (`asking`).
//!
//! The same finding of several nodes is joined (`joined`). Ids are shown as addresses. A node that
//! does not answer here is reported with the reason (`members`), so what others find of its silence
//! is left out.
//!
//! Cost: O(findings of all nodes).

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Cluster;
use super::view::short;
use crate::doctor::joined::join;
use russet_base::finding::Finding;

pub(super) fn look(cluster: &Cluster, found: &mut Vec<Finding>) {
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    for (at, said) in cluster.said() {
        // A node that no other has met does not know its own address.
        let called = format!("{at} ({})", short(&said.view.me));
        names.insert(&said.view.me, called);
    }
    let mut silent: BTreeSet<&str> = BTreeSet::new();
    for (_, said) in cluster.said() {
        for node in said.view.nodes.values() {
            names.entry(&node.id).or_insert_with(|| node.called());
            if let Some(at) = &node.at
                && let Some(Err(_)) = cluster.nodes.get(at)
            {
                silent.insert(&node.id);
            }
        }
    }
    let all = cluster.said().count();
    let told = |finding: &Finding| {
        let is_silence = matches!(finding.code.as_ref(), "nodes" | "bus");
        !(is_silence && finding.text.split(' ').any(|word| silent.contains(word)))
    };
    let each = cluster
        .said()
        .flat_map(|(at, said)| said.verdict.iter().map(move |its| (at, its)));
    let joined = join(each.filter(|(_, its)| told(its)), (all, "nodes"));
    let has = |codes: &[&str]| joined.iter().any(|its| codes.contains(&its.code.as_ref()));
    if !has(&["state", "slots"]) {
        let text = format!("ok, say all nodes that answer ({all})");
        found.push(Finding::ok("state", text));
    }
    if !has(&["failover", "majority", "machines"]) {
        found.push(Finding::ok(
            "failover",
            "every primary has a replica that may replace it",
        ));
    }
    for mut finding in joined {
        finding.text = readable(&finding.text, &names);
        found.push(finding);
    }
}

/// The text with addresses in the place of ids, and without the empty names after them.
fn readable(text: &str, names: &BTreeMap<&str, String>) -> String {
    let mut out = String::new();
    for word in text.split(' ') {
        let known = word.get(..40).and_then(|id| names.get(id));
        if let Some(rest) = word.strip_prefix("()") {
            out += rest;
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        match known {
            Some(name) => {
                out += name;
                out += &word[40..];
            }
            None => out += word,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, cluster, id};
    use super::*;
    use crate::doctor::group::facts::Fault;

    fn lines(cluster: &Cluster) -> Vec<String> {
        let mut found = Vec::new();
        look(cluster, &mut found);
        let line = |f: Finding| format!("{} {}: {}", f.weight.name(), f.code, f.text);
        found.into_iter().map(line).collect()
    }

    #[test]
    fn the_same_finding_of_several_nodes_is_one() {
        let mut cluster = cluster();
        let silence = |since: &str| {
            let text = format!(
                "node {} () at 10.0.0.2:17000 has failed, since {since}",
                id(2)
            );
            Finding::warning("nodes", text, "start it")
        };
        cluster.of(1).verdict = vec![silence("1.5 s")];
        cluster.of(3).verdict = vec![silence("900 ms"), Finding::ok("state", "ok")];
        let wanted = "warning nodes: 10.0.0.1:7000, 10.0.0.3:7000: node 10.0.0.2:7000 (00000000) at \
                      10.0.0.2:17000 has failed, since 1.5 s";
        assert_eq!(lines(&cluster)[2..], [wanted]);
        for number in 1..=6 {
            cluster.of(number).verdict = vec![Finding::critical("state", "not ok", "fix")];
        }
        let found = lines(&cluster);
        assert_eq!(found[1..], ["critical state: all nodes: not ok"]);
        assert!(found[0].starts_with("ok failover"));
    }

    #[test]
    fn the_silence_of_a_node_that_does_not_answer_here_is_said_once() {
        let mut cluster = cluster();
        let text = format!("no link to node {} () at 10.0.0.5:17000", id(5));
        cluster.of(1).verdict = vec![Finding::warning("bus", text, "open it")];
        assert_eq!(lines(&cluster).len(), 3);
        cluster.nodes.insert(at(5), Err(Fault::unreachable("gone")));
        assert_eq!(lines(&cluster).len(), 2);
    }
}
