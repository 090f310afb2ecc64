//! CLUSTER EXPLAIN names each fault.

use super::net::{Net, TIMEOUT_MS};
use russet_config::Dialect::Redis;

/// Whether some line has all of these words.
#[track_caller]
fn has_line(net: &mut Net, at: usize, words: &[&str]) {
    let text = net.command(at, "EXPLAIN");
    let mut lines = text.lines();
    let has_all = |line: &str| words.iter().all(|word| line.contains(word));
    assert!(lines.any(has_all), "{words:?} in\n{text}");
}

#[test]
fn a_well_cluster_needs_few_words() {
    let mut net = Net::cluster(Redis, 3, 3);
    has_line(&mut net, 0, &["the cluster is ok, since"]);
    let text = net.command(0, "EXPLAIN");
    assert!(!text.contains("does not answer"), "{text}");
}

#[test]
fn a_slot_that_nobody_serves_is_named() {
    let mut net = Net::cluster(Redis, 3, 0);
    net.ok(0, "DELSLOTS 5");
    has_line(
        &mut net,
        0,
        &["not ok", "no node serves 1 slot, the first is 5"],
    );
}

#[test]
fn a_failed_primary_is_named_and_that_nobody_replaces_it() {
    let mut net = Net::cluster(Redis, 3, 0);
    let id = net.id(0);
    net.kill(0);
    net.run(TIMEOUT_MS * 3);
    has_line(
        &mut net,
        1,
        &["not ok", "slot 0 and others are of node", &id],
    );
}

#[test]
fn a_minority_and_a_bad_disk_are_named() {
    let mut net = Net::cluster(Redis, 3, 0);
    net.cut = vec![(0, 1), (1, 0), (0, 2), (2, 0)];
    net.run(TIMEOUT_MS * 3);
    has_line(
        &mut net,
        0,
        &["I reach 1 of 3 primaries with slots, 2 are needed"],
    );
    let mut net = Net::cluster(Redis, 3, 0);
    net.nodes[0].can_save = false;
    _ = net.command(0, "DELSLOTS 5");
    net.run(500);
    has_line(&mut net, 0, &["not ok", "nodes.conf cannot be saved"]);
}

#[test]
fn findings_have_their_weight_and_remedy_for_programs() {
    let mut net = Net::cluster(Redis, 3, 0);
    net.ok(0, "DELSLOTS 5");
    let text = net.command(0, "EXPLAIN FINDINGS");
    let state = "*4\r\n$8\r\ncritical\r\n$5\r\nstate\r\n";
    assert!(text.contains(state), "{text}");
    assert!(text.contains("--cluster fix with this node\r\n"), "{text}");
    assert!(net.command(0, "EXPLAIN x").starts_with("-ERR syntax error"));
}
