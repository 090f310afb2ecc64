//! COMMAND DOCS of the cluster commands, sorted by name: `command::docs::find` relies on the order.
//!
//! Versions, arguments and O() terms are as recorded of Redis and Valkey; the wording is russet's.
//! Tests build command lines from the arguments. CLUSTER EXPLAIN, which only russet has, bears
//! russet's version. The rules for all groups: `commands::docs`.

use russet_command::docs::{Arg, Doc, Group};

const fn doc(
    name: &'static str,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
) -> Doc {
    Doc::new(Group::Cluster, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "asking",
        "3.0.0",
        "O(1)",
        "Let the next command use a slot that is being imported.",
    ),
    doc(
        "cluster",
        "3.0.0",
        "That of the subcommand",
        "Inspect and manage the cluster.",
    ),
    doc(
        "clusterscan",
        "9.1.0",
        "O(N), N = number of elements returned",
        "Walk over the keys of the cluster step by step.",
    )
    .args(&[
        Arg::string("cursor"),
        Arg::pattern("match-pattern").token("MATCH").optional(),
        Arg::integer("count").token("COUNT").optional(),
        Arg::string("type").token("TYPE").optional(),
        Arg::integer("slot").token("SLOT").optional(),
    ]),
    doc(
        "cluster|addslots",
        "3.0.0",
        "O(N), N = number of hash slot arguments",
        "Assign slots to this node.",
    )
    .args(&[Arg::integer("slot").multiple()]),
    doc(
        "cluster|addslotsrange",
        "7.0.0",
        "O(N), N = number of the slots between the start slot and end slot arguments",
        "Assign ranges of slots to this node.",
    )
    .args(&[Arg::block(
        "range",
        &[Arg::integer("start-slot"), Arg::integer("end-slot")],
    )
    .multiple()]),
    doc(
        "cluster|bumpepoch",
        "3.0.0",
        "O(1)",
        "Advance the config epoch.",
    ),
    doc(
        "cluster|cancelslotmigrations",
        "9.0.0",
        "O(N), N = number of slot migration operations cancelled",
        "Cancel the slot migrations of this node.",
    ),
    doc(
        "cluster|count-failure-reports",
        "3.0.0",
        "O(N), N = number of failure reports",
        "Count the active failure reports about a node.",
    )
    .args(&[Arg::string("node-id")]),
    doc(
        "cluster|countkeysinslot",
        "3.0.0",
        "O(1)",
        "Count the keys in a slot.",
    )
    .args(&[Arg::integer("slot")]),
    doc(
        "cluster|delslots",
        "3.0.0",
        "O(N), N = number of hash slot arguments",
        "Take slots from this node.",
    )
    .args(&[Arg::integer("slot").multiple()]),
    doc(
        "cluster|delslotsrange",
        "7.0.0",
        "O(N), N = number of the slots between the start slot and end slot arguments",
        "Take ranges of slots from this node.",
    )
    .args(&[Arg::block(
        "range",
        &[Arg::integer("start-slot"), Arg::integer("end-slot")],
    )
    .multiple()]),
    doc(
        "cluster|explain",
        "0.1.0",
        "O(N), N = number of nodes",
        "Say why the cluster is not well, and which failovers would not happen.",
    ),
    doc(
        "cluster|failover",
        "3.0.0",
        "O(1)",
        "Let this replica take over from its primary.",
    )
    .args(&[Arg::one_of(
        "options",
        &[
            Arg::word("force", "FORCE"),
            Arg::word("takeover", "TAKEOVER"),
        ],
    )
    .optional()]),
    doc(
        "cluster|flushslot",
        "9.0.0",
        "O(N), N = number of keys in the target slot",
        "Delete all keys of a slot.",
    )
    .args(&[
        Arg::integer("slot"),
        Arg::one_of(
            "flush-type",
            &[Arg::word("async", "ASYNC"), Arg::word("sync", "SYNC")],
        )
        .optional(),
    ]),
    doc(
        "cluster|flushslots",
        "3.0.0",
        "O(1)",
        "Take all slots from this node.",
    ),
    doc(
        "cluster|forget",
        "3.0.0",
        "O(1)",
        "Remove a node from the list of known nodes.",
    )
    .args(&[Arg::string("node-id")]),
    doc(
        "cluster|getkeysinslot",
        "3.0.0",
        "O(N), N = number of requested keys",
        "List keys in a slot.",
    )
    .args(&[Arg::integer("slot"), Arg::integer("count")]),
    doc(
        "cluster|getslotmigrations",
        "9.0.0",
        "O(N), N = number of active slot import and export jobs",
        "Describe the slot migrations of this node.",
    ),
    doc(
        "cluster|help",
        "5.0.0",
        "O(1)",
        "List the subcommands of CLUSTER.",
    ),
    doc(
        "cluster|info",
        "3.0.0",
        "O(1)",
        "Show the state of the cluster.",
    ),
    doc(
        "cluster|keyslot",
        "3.0.0",
        "O(N), N = number of bytes in the key",
        "Compute the slot of a key.",
    )
    .args(&[Arg::string("key")]),
    doc(
        "cluster|links",
        "7.0.0",
        "O(N), N = number of Cluster nodes",
        "List the TCP links between this node and its peers.",
    ),
    doc("cluster|meet", "3.0.0", "O(1)", "Introduce another node.")
        .history(&[("4.0.0", "Takes the port of the cluster bus.")])
        .args(&[
            Arg::string("ip"),
            Arg::integer("port"),
            Arg::integer("cluster-bus-port").since("4.0.0").optional(),
        ]),
    doc(
        "cluster|migrateslots",
        "9.0.0",
        "O(N), N = number of the slots between all start slot and end slot arguments",
        "Migrate slots to another node.",
    )
    .args(&[Arg::block(
        "migration-group",
        &[
            Arg::word("slotsrange-token", "SLOTSRANGE"),
            Arg::block(
                "range",
                &[Arg::integer("start-slot"), Arg::integer("end-slot")],
            )
            .multiple(),
            Arg::word("node-token", "NODE"),
            Arg::string("node-id"),
        ],
    )
    .multiple()]),
    doc(
        "cluster|migration",
        "8.4.0",
        "O(N), N = number of the slots between all start slot and end slot arguments",
        "Pull slots from another node, and see or cancel that.",
    )
    .args(&[Arg::one_of(
        "subcommand",
        &[
            Arg::block(
                "import",
                &[Arg::integer("start-slot"), Arg::integer("end-slot")],
            )
            .token("IMPORT")
            .multiple(),
            Arg::one_of(
                "cancel",
                &[Arg::string("task-id").token("ID"), Arg::word("all", "ALL")],
            )
            .token("CANCEL"),
            Arg::one_of(
                "status",
                &[
                    Arg::string("task-id").token("ID").optional(),
                    Arg::word("all", "ALL").optional(),
                ],
            )
            .token("STATUS"),
        ],
    )]),
    doc("cluster|myid", "3.0.0", "O(1)", "Get the ID of this node."),
    doc(
        "cluster|myshardid",
        "7.2.0",
        "O(1)",
        "Get the ID of this node's shard.",
    ),
    doc(
        "cluster|nodes",
        "3.0.0",
        "O(N), N = number of Cluster nodes",
        "Show the nodes as this node knows them.",
    ),
    doc(
        "cluster|replicas",
        "5.0.0",
        "O(N), N = number of replicas",
        "List the replicas of a primary.",
    )
    .args(&[Arg::string("node-id")]),
    doc(
        "cluster|replicate",
        "3.0.0",
        "O(1)",
        "Make this node a replica of another.",
    )
    .args(&[Arg::string("node-id")]),
    doc(
        "cluster|reset",
        "3.0.0",
        "O(N), N = number of known nodes, plus FLUSHALL where it is due",
        "Forget the cluster.",
    )
    .args(&[Arg::one_of(
        "reset-type",
        &[Arg::word("hard", "HARD"), Arg::word("soft", "SOFT")],
    )
    .optional()]),
    doc(
        "cluster|saveconfig",
        "3.0.0",
        "O(1)",
        "Write the cluster's state to disk.",
    ),
    doc(
        "cluster|set-config-epoch",
        "3.0.0",
        "O(1)",
        "Set the config epoch of a new node.",
    )
    .args(&[Arg::integer("config-epoch")]),
    doc(
        "cluster|setslot",
        "3.0.0",
        "O(1)",
        "Say which node serves a slot, or where it moves.",
    )
    .args(&[
        Arg::integer("slot"),
        Arg::one_of(
            "subcommand",
            &[
                Arg::string("importing")
                    .token("IMPORTING")
                    .shown_as("node-id"),
                Arg::string("migrating")
                    .token("MIGRATING")
                    .shown_as("node-id"),
                Arg::string("node").token("NODE").shown_as("node-id"),
                Arg::word("stable", "STABLE"),
            ],
        ),
    ]),
    doc(
        "cluster|shards",
        "7.0.0",
        "O(N), N = number of cluster nodes",
        "Describe the shards with their slots and nodes.",
    ),
    doc(
        "cluster|slaves",
        "3.0.0",
        "O(N), N = number of replicas",
        "List the replicas of a primary.",
    )
    .deprecated("5.0.0", "`CLUSTER REPLICAS`")
    .args(&[Arg::string("node-id")]),
    doc(
        "cluster|slot-stats",
        "8.2.0",
        "O(N), N = number of slots based on arguments. O(N*log(N)) with ORDERBY subcommand",
        "Get statistics of slots.",
    )
    .args(&[Arg::one_of(
        "filter",
        &[
            Arg::block(
                "slotsrange",
                &[Arg::integer("start-slot"), Arg::integer("end-slot")],
            )
            .token("SLOTSRANGE"),
            Arg::block(
                "orderby",
                &[
                    Arg::string("metric"),
                    Arg::integer("limit").token("LIMIT").optional(),
                    Arg::one_of(
                        "order",
                        &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
                    )
                    .optional(),
                ],
            )
            .token("ORDERBY"),
        ],
    )]),
    doc(
        "cluster|slots",
        "3.0.0",
        "O(N), N = number of Cluster nodes",
        "Map slots to nodes.",
    )
    .deprecated("7.0.0", "`CLUSTER SHARDS`")
    .history(&[
        ("4.0.0", "Shows node IDs."),
        ("7.0.0", "Shows more about a node's network."),
    ]),
    doc(
        "cluster|syncslots",
        "8.4.0",
        "That of the subcommand",
        "Run the internal steps of a slot migration.",
    )
    .syscmd(),
    doc(
        "readonly",
        "3.0.0",
        "O(1)",
        "Allow this connection to read from a replica.",
    ),
    doc(
        "readwrite",
        "3.0.0",
        "O(1)",
        "Send this connection's reads back to primaries.",
    ),
    Doc::new(
        Group::Server,
        "trimslots",
        "8.4.0",
        "O(N), N = number of keys of the slots",
        "Delete the keys of slots that this node does not serve.",
    )
    .args(&[Arg::block(
        "ranges",
        &[
            Arg::integer("numranges"),
            Arg::block(
                "slots",
                &[Arg::integer("startslot"), Arg::integer("endslot")],
            )
            .multiple(),
        ],
    )
    .token("RANGES")]),
];
