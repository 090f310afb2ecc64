//! Findings of each node: its CLUSTER EXPLAIN, or the same rules applied to what it shows
//! (`asking`).
//!
//! Nodes find much the same: findings that differ only in a time are one, with the addresses of the
//! nodes that have it. Ids are shown as addresses. A node that does not answer here is reported
//! with the reason (`members`), so what others find of its silence is left out.
//!
//! Cost: O(findings of all nodes).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::facts::{Cluster, some};
use super::view::short;
use russet_base::finding::{Finding, Weight};

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
    let mut merged: Vec<(Finding, Vec<String>)> = Vec::new();
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    for (at, said) in cluster.said() {
        for finding in said.verdict.iter().filter(|its| its.weight > Weight::Ok) {
            let is_silence = matches!(finding.code.as_ref(), "nodes" | "bus");
            if is_silence && finding.text.split(' ').any(|word| silent.contains(word)) {
                continue;
            }
            let key = (finding.code.to_string(), timeless(&finding.text));
            let place = *places.entry(key).or_insert(merged.len());
            if place == merged.len() {
                merged.push((finding.clone(), Vec::new()));
            }
            let (first, by) = &mut merged[place];
            first.weight = first.weight.max(finding.weight);
            by.push(at.to_string());
        }
    }
    let has = |codes: &[&str]| {
        merged
            .iter()
            .any(|(its, _)| codes.contains(&its.code.as_ref()))
    };
    let all = cluster.said().count();
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
    for (mut finding, by) in merged {
        let who = match by.len() {
            n if n == all && n > 1 => "all nodes".to_owned(),
            _ => some(&by),
        };
        finding.text = format!("{who}: {}", readable(&finding.text, &names));
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

/// The text without lengths of time (`3.2 s`).
fn timeless(text: &str) -> String {
    let is_unit = |word: &str| {
        matches!(
            word.trim_end_matches([',', ';', ':', ')']),
            "ms" | "s" | "min"
        )
    };
    let mut words = text.split(' ').peekable();
    let mut out = String::new();
    while let Some(word) = words.next() {
        let is_time = word.parse::<f64>().is_ok() && words.peek().is_some_and(|next| is_unit(next));
        if is_time {
            words.next();
        } else {
            out += word;
            out.push(' ');
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
