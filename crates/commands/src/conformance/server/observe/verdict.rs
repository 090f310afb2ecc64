//! Findings about a server, from its state and its history.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_base::finding::Weight;
use russet_console::history::FIELDS;
use russet_console::history::History;

/// Faults, but for those of memory and the machine, which all tests share.
fn codes(t: &Testbed) -> Vec<(Weight, String)> {
    const SHARED: [&str; 6] = [
        "memory",
        "fragmentation",
        "swap",
        "huge pages",
        "backlog",
        "open files",
    ];
    let found = t.engine.server.verdict(&t.engine.keyspace).into_iter();
    let found = found.filter(|its| its.is_fault() && !SHARED.contains(&&*its.code));
    found
        .map(|its| (its.weight, its.code.into_owned()))
        .collect()
}

/// The history's only row has this figure.
fn show(t: &mut Testbed, name: &str, value: f64) {
    let mut row = [f64::NAN; FIELDS.len()];
    row[FIELDS
        .iter()
        .position(|(its, _)| *its == name)
        .expect("a field")] = value;
    let mut history = History::default();
    history.add(&row);
    t.engine.server.connections.console.history = Some(Box::new(history));
}

#[test]
fn a_server_in_order_has_no_faults() {
    let t = Testbed::new();
    assert_eq!(codes(&t), []);
}

#[test]
fn the_worst_comes_first() {
    let mut t = Testbed::new();
    let warning = |code: &str| (Weight::Warning, code.to_owned());
    let critical = |code: &str| (Weight::Critical, code.to_owned());
    t.engine.server.persist.aof.rewrites.last_ok = false;
    assert_eq!(codes(&t), [warning("rewrite")]);
    t.engine.server.persist.saving.last_status_ok = false;
    assert_eq!(codes(&t), [critical("snapshot"), warning("rewrite")]);
    t.run("CONFIG SET stop-writes-on-bgsave-error no");
    assert_eq!(codes(&t), [critical("snapshot"), warning("rewrite")]);
}

#[test]
fn changes_that_a_crash_would_cost_are_told_of() {
    let mut t = Testbed::new();
    t.run("CONFIG SET save \"3600 1\"");
    t.run("SET a b");
    let found = t.engine.server.verdict(&t.engine.keyspace);
    let snapshot = found.iter().find(|its| its.code == "snapshot");
    let snapshot = snapshot.expect("it is told of");
    assert_eq!(snapshot.weight, Weight::Notice);
    assert!(
        snapshot.text.starts_with("a crash now loses 1 change"),
        "{}",
        snapshot.text
    );
}

#[test]
fn the_history_shows_what_was_refused_or_lost() {
    let mut t = Testbed::new();
    for (name, value, weight, code) in [
        ("rejected", 2.0, Weight::Critical, "clients"),
        ("evicted", 2.0, Weight::Warning, "eviction"),
        ("busy_permille", 950.0, Weight::Warning, "loop"),
        ("p99_us", 47_000.0, Weight::Warning, "latency"),
        ("disk_free", 1e6, Weight::Warning, "disk"),
    ] {
        show(&mut t, name, value);
        assert_eq!(codes(&t), [(weight, code.to_owned())]);
    }
    show(&mut t, "disk_free", 1e12);
    assert_eq!(codes(&t), []);
}
