//! The fields of INFO that are metrics, against INFO itself.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_server::inside::rows;
use std::collections::HashSet;

/// Shown only in some states, or by a replica.
const NOT_ALWAYS: [&str; 5] = [
    "snapshot_early_bytes",
    "slave_priority",
    "aof_current_size",
    "aof_base_size",
    "aof_pending_rewrite",
];

#[test]
fn every_row_is_a_field_of_info() {
    let mut t = Testbed::new();
    let info = t.run("INFO all debug");
    let fields: HashSet<&str> = info
        .lines()
        .filter_map(|l| Some(l.split_once(':')?.0))
        .collect();
    let open = [
        "aof_buffer",
        "aof_pending",
        "aof_delayed",
        "aof_scrub",
        "aof_last_scrub",
        "aof_damaged",
        "loading_",
        "sentinel_",
        // While `min-sync-replicas` is on.
        "sync_",
        // CLUSTER INFO's, of a node of a cluster.
        "cluster_s",
        "cluster_known_nodes",
        "cluster_current_epoch",
        "cluster_my_epoch",
    ];
    for row in rows() {
        let may_miss =
            NOT_ALWAYS.contains(&row.field) || open.iter().any(|o| row.field.starts_with(o));
        assert!(may_miss || fields.contains(row.field), "{}", row.field);
    }
}
