//! COMMAND DOCS of the server commands, sorted by name: `command::docs::find` relies on the order.
//!
//! ACL and COMMAND, whose folders have no list, are here too: Redis counts them to this group.
//!
//! Versions, arguments and O() terms are as recorded of Redis and Valkey; the wording is russet's.
//! Tests build command lines from the arguments. BACKUP CREATE and DROP, CHANGES, FLUSH,
//! PREFIXSTATS and CONFIG DOCS, which only russet has, bear russet's version. The rules for all
//! groups: `commands::docs`.

use russet_command::docs::{Arg, Doc, Group};

const fn doc(
    name: &'static str,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
) -> Doc {
    Doc::new(Group::Server, name, since, complexity, summary)
}

/// The arguments of REPLICAOF.
const FOLLOWED: &[Arg] = &[Arg::one_of(
    "args",
    &[
        Arg::block("host-port", &[Arg::string("host"), Arg::integer("port")]),
        Arg::block("no-one", &[Arg::word("no", "NO"), Arg::word("one", "ONE")]),
    ],
)];

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "acl",
        "6.0.0",
        "That of the subcommand",
        "Manage users and their permissions.",
    ),
    doc(
        "acl|cat",
        "6.0.0",
        "O(1), as categories and commands are fixed",
        "List the ACL categories, or the commands of one.",
    )
    .args(&[Arg::string("category").optional()]),
    doc(
        "acl|delrole",
        "9.2.0",
        "O(N), N = number of roles to delete",
        "Delete roles that no user holds.",
    )
    .args(&[Arg::string("rolename").multiple()]),
    doc(
        "acl|deluser",
        "6.0.0",
        "O(1) amortized for a usual user",
        "Delete users and close their connections.",
    )
    .args(&[Arg::string("username").multiple()]),
    doc(
        "acl|digest",
        "9.2.0",
        "O(N), N = number of users and roles",
        "Show a fingerprint of all rules.",
    ),
    doc(
        "acl|dryrun",
        "7.0.0",
        "O(1)",
        "Check whether a user may run a command, without running it.",
    )
    .args(&[
        Arg::string("username"),
        Arg::string("command"),
        Arg::string("arg").optional().multiple(),
    ]),
    doc("acl|genpass", "6.0.0", "O(1)", "Make a random password.")
        .args(&[Arg::integer("bits").optional()]),
    doc(
        "acl|getrole",
        "9.2.0",
        "O(N), N = number of rules of the role",
        "Show the rules of a role and the users that hold it.",
    )
    .args(&[Arg::string("rolename")]),
    doc(
        "acl|getuser",
        "6.0.0",
        "O(N), N = number of password, command and pattern rules that the user has",
        "Show the rules of a user.",
    )
    .history(&[
        ("6.2.0", "Knows channel patterns."),
        (
            "7.0.0",
            "Shows selectors; key and channel patterns are rules instead of lists.",
        ),
    ])
    .args(&[Arg::string("username")]),
    doc("acl|help", "6.0.0", "O(1)", "List the subcommands of ACL."),
    doc(
        "acl|list",
        "6.0.0",
        "O(N), N = number of configured users",
        "Show all users in the form of an ACL file.",
    ),
    doc(
        "acl|load",
        "6.0.0",
        "O(N), N = number of configured users",
        "Reload the users from the ACL file.",
    ),
    doc(
        "acl|log",
        "6.0.0",
        "O(N), N = number of entries shown",
        "Show or clear the recent security events.",
    )
    .history(&[(
        "7.2.0",
        "Entries carry an ID and the times of creation and last change.",
    )])
    .args(&[Arg::one_of(
        "operation",
        &[Arg::integer("count"), Arg::word("reset", "RESET")],
    )
    .optional()]),
    doc(
        "acl|roles",
        "9.2.0",
        "O(N), N = number of configured roles",
        "List the names of all roles.",
    ),
    doc(
        "acl|save",
        "6.0.0",
        "O(N), N = number of configured users",
        "Write the users to the ACL file.",
    ),
    doc(
        "acl|setrole",
        "9.2.0",
        "O(N+M*C), N = number of rules provided, M = users of the role, C = connections",
        "Create a role or change its rules.",
    )
    .args(&[
        Arg::string("rolename"),
        Arg::string("rule").optional().multiple(),
    ]),
    doc(
        "acl|setuser",
        "6.0.0",
        "O(N), N = number of rules provided",
        "Create a user or change its rules.",
    )
    .history(&[
        ("6.2.0", "Knows channel patterns."),
        ("7.0.0", "Knows selectors and permissions by key."),
    ])
    .args(&[
        Arg::string("username"),
        Arg::string("rule").optional().multiple(),
    ]),
    doc(
        "acl|users",
        "6.0.0",
        "O(N), N = number of configured users",
        "List the names of all users.",
    ),
    doc(
        "acl|whoami",
        "6.0.0",
        "O(1)",
        "Get the name of the connection's user.",
    ),
    doc(
        "backup",
        "8.10.0",
        "That of the subcommand",
        "Make, list and remove backups of the server's files.",
    ),
    doc(
        "backup|abort",
        "8.10.0",
        "O(1)",
        "End the backup that START has begun, and remove its files.",
    ),
    doc(
        "backup|cleanup",
        "8.10.0",
        "O(1)",
        "Remove the files of a sealed or failed backup.",
    ),
    doc(
        "backup|create",
        "0.1.0",
        "O(N), N = the number of files, or of all keys where a snapshot is saved",
        "Make a sealed set of the server's files.",
    )
    .args(&[Arg::string("name").optional()]),
    doc("backup|drop", "0.1.0", "O(1)", "Remove a sealed set.").args(&[Arg::string("name")]),
    doc(
        "backup|help",
        "8.10.0",
        "O(1)",
        "List the subcommands of BACKUP.",
    ),
    doc(
        "backup|list",
        "8.10.0",
        "O(1)",
        "List the files of the backup that START has begun, or the sealed sets.",
    ),
    doc(
        "backup|seal",
        "8.10.0",
        "O(1)",
        "Complete the backup that START has begun.",
    ),
    doc(
        "backup|start",
        "8.10.0",
        "O(1)",
        "Begin a backup with a new base of the append only file.",
    ),
    doc(
        "backup|status",
        "8.10.0",
        "O(1)",
        "Get the state of the backup that START has begun.",
    ),
    doc(
        "bgrewriteaof",
        "1.0.0",
        "O(1)",
        "Rewrite the append only file in the background.",
    ),
    doc(
        "bgsave",
        "1.0.0",
        "O(1)",
        "Save the data set to disk in the background.",
    )
    .history(&[("3.2.2", "New option `SCHEDULE`.")])
    .args(&[Arg::word("schedule", "SCHEDULE").since("3.2.2").optional()]),
    doc(
        "changes",
        "0.1.0",
        "That of the subcommand",
        "Read the changes of the data as a stream.",
    ),
    doc(
        "changes|consumer",
        "0.1.0",
        "O(N), N = number of consumers",
        "Create, list and remove consumers, and acknowledge changes.",
    )
    .args(&[Arg::one_of(
        "action",
        &[
            Arg::block(
                "create",
                &[
                    Arg::string("name").token("CREATE"),
                    Arg::string("position").optional(),
                ],
            ),
            Arg::block(
                "ack",
                &[Arg::string("name").token("ACK"), Arg::string("position")],
            ),
            Arg::word("list", "LIST"),
            Arg::string("dropped").token("DROP"),
        ],
    )]),
    doc(
        "changes|help",
        "0.1.0",
        "O(1)",
        "List the subcommands of CHANGES.",
    ),
    doc(
        "changes|read",
        "0.1.0",
        "O(N), N = bytes of the stream after the position",
        "Get the changes after a position.",
    )
    .args(&[
        Arg::one_of(
            "start",
            &[
                Arg::string("position"),
                Arg::string("name").token("CONSUMER"),
            ],
        ),
        Arg::integer("count").token("COUNT").optional(),
        Arg::integer("milliseconds").token("BLOCK").optional(),
        Arg::string("prefix").token("PREFIX").optional().multiple(),
        Arg::integer("index").token("DB").optional(),
        Arg::string("type").token("TYPES").optional().multiple(),
        Arg::integer("replicas").token("REPLICAS").optional(),
    ]),
    doc(
        "command",
        "2.8.13",
        "O(N), N = number of Redis commands",
        "Describe all commands.",
    ),
    doc(
        "commandlog",
        "8.1.0",
        "That of the subcommand",
        "Inspect and clear the log of remarkable commands.",
    ),
    doc(
        "commandlog|get",
        "8.1.0",
        "O(N), N = number of entries returned",
        "Get entries of the command log.",
    )
    .args(&[
        Arg::integer("count"),
        Arg::one_of(
            "type",
            &[
                Arg::word("slow", "SLOW"),
                Arg::word("large-request", "LARGE-REQUEST"),
                Arg::word("large-reply", "LARGE-REPLY"),
            ],
        ),
    ]),
    doc(
        "commandlog|help",
        "8.1.0",
        "O(1)",
        "List the subcommands of COMMANDLOG.",
    ),
    doc(
        "commandlog|len",
        "8.1.0",
        "O(1)",
        "Count the entries of the command log.",
    )
    .args(&[Arg::one_of(
        "type",
        &[
            Arg::word("slow", "SLOW"),
            Arg::word("large-request", "LARGE-REQUEST"),
            Arg::word("large-reply", "LARGE-REPLY"),
        ],
    )]),
    doc(
        "commandlog|reset",
        "8.1.0",
        "O(N), N = number of entries in the commandlog",
        "Clear the command log.",
    )
    .args(&[Arg::one_of(
        "type",
        &[
            Arg::word("slow", "SLOW"),
            Arg::word("large-request", "LARGE-REQUEST"),
            Arg::word("large-reply", "LARGE-REPLY"),
        ],
    )]),
    doc("command|count", "2.8.13", "O(1)", "Count the commands."),
    doc(
        "command|docs",
        "7.0.0",
        "O(N), N = number of commands to look up",
        "Get the documentation of commands.",
    )
    .args(&[Arg::string("command-name").optional().multiple()]),
    doc(
        "command|getkeys",
        "2.8.13",
        "O(N), N = number of arguments to the command",
        "Find the keys in a full command.",
    )
    .args(&[
        Arg::string("command"),
        Arg::string("arg").optional().multiple(),
    ]),
    doc(
        "command|getkeysandflags",
        "7.0.0",
        "O(N), N = number of arguments to the command",
        "Find the keys in a full command, and how each is accessed.",
    )
    .args(&[
        Arg::string("command"),
        Arg::string("arg").optional().multiple(),
    ]),
    doc(
        "command|help",
        "5.0.0",
        "O(1)",
        "List the subcommands of COMMAND.",
    ),
    doc(
        "command|info",
        "2.8.13",
        "O(N), N = number of commands to look up",
        "Describe commands.",
    )
    .history(&[("7.0.0", "Without names it describes all commands.")])
    .args(&[Arg::string("command-name").optional().multiple()]),
    doc(
        "command|list",
        "7.0.0",
        "O(N), N = number of Redis commands",
        "List the names of the commands.",
    )
    .args(&[Arg::one_of(
        "filterby",
        &[
            Arg::string("module-name").token("MODULE"),
            Arg::string("category").token("ACLCAT"),
            Arg::pattern("pattern").token("PATTERN"),
        ],
    )
    .token("FILTERBY")
    .optional()]),
    doc(
        "config",
        "2.0.0",
        "That of the subcommand",
        "Read and change the configuration.",
    ),
    doc(
        "config|docs",
        "0.1.0",
        "O(N), N = number of configuration parameters",
        "Describe parameters: their meaning, default and value in the file.",
    )
    .args(&[Arg::string("pattern").optional().multiple()]),
    doc(
        "config|get",
        "2.0.0",
        "O(N), N = number of configuration parameters given",
        "Get the values of parameters.",
    )
    .history(&[("7.0.0", "Takes more than one pattern.")])
    .args(&[Arg::string("parameter").multiple()]),
    doc(
        "config|help",
        "5.0.0",
        "O(1)",
        "List the subcommands of CONFIG.",
    ),
    doc(
        "config|resetstat",
        "2.0.0",
        "O(1)",
        "Set the statistics back to zero.",
    ),
    doc(
        "config|rewrite",
        "2.8.0",
        "O(1)",
        "Write the running configuration to its file.",
    ),
    doc(
        "config|set",
        "2.0.0",
        "O(N), N = number of configuration parameters given",
        "Change parameters at run time.",
    )
    .history(&[("7.0.0", "Takes more than one parameter.")])
    .args(&[Arg::block("data", &[Arg::string("parameter"), Arg::string("value")]).multiple()]),
    doc("dbsize", "1.0.0", "O(1)", "Count the keys of the database."),
    doc(
        "debug",
        "1.0.0",
        "That of the subcommand",
        "Run internals meant for testing.",
    )
    .syscmd(),
    doc(
        "failover",
        "6.2.0",
        "O(1)",
        "Hand over to a replica in an orderly way.",
    )
    .args(&[
        Arg::block(
            "target",
            &[
                Arg::string("host"),
                Arg::integer("port"),
                Arg::word("force", "FORCE").optional(),
            ],
        )
        .token("TO")
        .optional(),
        Arg::word("abort", "ABORT").optional(),
        Arg::integer("milliseconds").token("TIMEOUT").optional(),
    ]),
    doc(
        "flush",
        "0.1.0",
        "That of the subcommand",
        "List and undo flushes.",
    ),
    doc(
        "flushall",
        "1.0.0",
        "O(N), N = number of keys in all databases",
        "Delete all keys of all databases.",
    )
    .history(&[
        ("4.0.0", "New option `ASYNC`."),
        ("6.2.0", "New option `SYNC`."),
    ])
    .args(&[Arg::one_of(
        "flush-type",
        &[
            Arg::word("async", "ASYNC").since("4.0.0"),
            Arg::word("sync", "SYNC").since("6.2.0"),
        ],
    )
    .optional()]),
    doc(
        "flushdb",
        "1.0.0",
        "O(N), N = number of keys in the selected database",
        "Delete all keys of the database.",
    )
    .history(&[
        ("4.0.0", "New option `ASYNC`."),
        ("6.2.0", "New option `SYNC`."),
    ])
    .args(&[Arg::one_of(
        "flush-type",
        &[
            Arg::word("async", "ASYNC").since("4.0.0"),
            Arg::word("sync", "SYNC").since("6.2.0"),
        ],
    )
    .optional()]),
    doc(
        "flush|help",
        "0.1.0",
        "O(1)",
        "List the subcommands of FLUSH.",
    ),
    doc(
        "flush|pending",
        "0.1.0",
        "O(N), N = number of flushes whose data is set aside",
        "List the flushes that can be undone.",
    ),
    doc(
        "flush|undo",
        "0.1.0",
        "O(N), N = number of keys that clients watch or wait for",
        "Bring back what the last flush has deleted.",
    )
    .args(&[
        Arg::integer("index").token("DB").optional(),
        Arg::word("replace", "REPLACE").optional(),
    ]),
    doc(
        "hotkeys",
        "8.6.0",
        "That of the subcommand",
        "Find the keys that cost the most.",
    ),
    doc(
        "hotkeys|get",
        "8.6.0",
        "O(K), K = the number of keys that are counted",
        "Get the keys that have cost the most.",
    ),
    doc(
        "hotkeys|help",
        "8.6.1",
        "O(1)",
        "List the subcommands of HOTKEYS.",
    ),
    doc(
        "hotkeys|reset",
        "8.6.0",
        "O(1)",
        "Forget what a session has found.",
    ),
    doc(
        "hotkeys|start",
        "8.6.0",
        "O(1)",
        "Begin to count what keys cost.",
    )
    .args(&[
        Arg::block(
            "metrics",
            &[
                Arg::integer("count"),
                Arg::word("cpu", "CPU").optional(),
                Arg::word("net", "NET").optional(),
            ],
        )
        .token("METRICS"),
        Arg::integer("k").token("COUNT").optional(),
        Arg::integer("seconds").token("DURATION").optional(),
        Arg::integer("ratio").token("SAMPLE").optional(),
        Arg::block(
            "slots",
            &[Arg::integer("count"), Arg::integer("slot").multiple()],
        )
        .token("SLOTS")
        .optional(),
    ]),
    doc(
        "hotkeys|stop",
        "8.6.0",
        "O(1)",
        "End the session; what it has found stays.",
    ),
    doc(
        "info",
        "1.0.0",
        "O(1)",
        "Show the state and statistics of the server.",
    )
    .history(&[("7.0.0", "Takes more than one section.")])
    .args(&[Arg::string("section").optional().multiple()]),
    doc(
        "lastsave",
        "1.0.0",
        "O(1)",
        "Get the Unix time of the last successful save.",
    ),
    doc(
        "latency",
        "2.8.13",
        "That of the subcommand",
        "Diagnose latency.",
    ),
    doc(
        "latency|doctor",
        "2.8.13",
        "O(1)",
        "Explain the latency found, in words.",
    ),
    doc(
        "latency|graph",
        "2.8.13",
        "O(1)",
        "Draw the latency of an event.",
    )
    .args(&[Arg::string("event")]),
    doc(
        "latency|help",
        "2.8.13",
        "O(1)",
        "List the subcommands of LATENCY.",
    ),
    doc(
        "latency|histogram",
        "7.0.0",
        "O(N), N = number of commands with latency information retrieved",
        "Get the latency distribution of commands.",
    )
    .args(&[Arg::string("command").optional().multiple()]),
    doc(
        "latency|history",
        "2.8.13",
        "O(1)",
        "Get the latency samples of an event.",
    )
    .args(&[Arg::string("event")]),
    doc(
        "latency|latest",
        "2.8.13",
        "O(1)",
        "Get the newest latency sample of every event.",
    ),
    doc(
        "latency|reset",
        "2.8.13",
        "O(1)",
        "Forget the samples of events.",
    )
    .args(&[Arg::string("event").optional().multiple()]),
    doc(
        "lolwut",
        "5.0.0",
        "",
        "Draw computer art and show the version.",
    )
    .args(&[Arg::integer("version").token("VERSION").optional()]),
    doc(
        "memory",
        "4.0.0",
        "That of the subcommand",
        "Diagnose memory use.",
    ),
    doc(
        "memory|doctor",
        "4.0.0",
        "O(1)",
        "Explain memory problems, in words.",
    ),
    doc(
        "memory|help",
        "4.0.0",
        "O(1)",
        "List the subcommands of MEMORY.",
    ),
    doc(
        "memory|malloc-stats",
        "4.0.0",
        "Grows with the memory in use; can be slow",
        "Show the statistics of the allocator.",
    ),
    doc(
        "memory|purge",
        "4.0.0",
        "Grows with the memory in use; can be slow",
        "Ask the allocator to give memory back.",
    ),
    doc(
        "memory|stats",
        "4.0.0",
        "O(1)",
        "Get details of memory use.",
    ),
    doc(
        "memory|usage",
        "4.0.0",
        "O(N), N = number of samples",
        "Estimate the memory that a key takes.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("count").token("SAMPLES").optional(),
    ]),
    doc(
        "module",
        "4.0.0",
        "That of the subcommand",
        "Manage modules.",
    ),
    doc(
        "module|help",
        "5.0.0",
        "O(1)",
        "List the subcommands of MODULE.",
    ),
    doc(
        "module|list",
        "4.0.0",
        "O(N), N = number of loaded modules",
        "List the loaded modules.",
    ),
    doc("module|load", "4.0.0", "O(1)", "Load a module.").args(&[
        Arg::string("path"),
        Arg::string("arg").optional().multiple(),
    ]),
    doc(
        "module|loadex",
        "7.0.0",
        "O(1)",
        "Load a module with configuration and arguments.",
    )
    .args(&[
        Arg::string("path"),
        Arg::block("configs", &[Arg::string("name"), Arg::string("value")])
            .token("CONFIG")
            .optional()
            .multiple()
            .multiple_token(),
        Arg::string("args").token("ARGS").optional().multiple(),
    ]),
    doc("module|unload", "4.0.0", "O(1)", "Unload a module.").args(&[Arg::string("name")]),
    doc(
        "monitor",
        "1.0.0",
        "",
        "Stream every command that the server executes.",
    ),
    doc(
        "prefixstats",
        "0.1.0",
        "O(N log N), N = the number of prefixes",
        "Tell who uses what, by the prefixes of keys.",
    )
    .args(&[
        Arg::integer("count").token("COUNT").optional(),
        Arg::one_of(
            "by",
            &[
                Arg::word("bytes", "BYTES"),
                Arg::word("keys", "KEYS"),
                Arg::word("reads", "READS"),
                Arg::word("writes", "WRITES"),
                Arg::word("misses", "MISSES"),
                Arg::word("expired", "EXPIRED"),
            ],
        )
        .token("BY")
        .optional(),
    ]),
    doc(
        "psync",
        "2.8.0",
        "",
        "Receive the stream from an offset on, or a snapshot and the stream after it.",
    )
    .args(&[Arg::string("replicationid"), Arg::integer("offset")]),
    doc(
        "replconf",
        "3.0.0",
        "O(1)",
        "What a replica says of itself, and acknowledgements.",
    )
    .syscmd(),
    doc(
        "replicaof",
        "5.0.0",
        "O(1)",
        "Follow another server, or none.",
    )
    .args(FOLLOWED),
    doc(
        "restore-asking",
        "3.0.0",
        "O(1) to create the key, O(N*M) to rebuild N parts of average size M; \
         O(1)+O(1*M) for a string, so O(1) for a small one; O(N*M*log(N)) for a sorted \
         set, whose inserts are O(log(N))",
        "Create a key from a serialized value while its slot migrates.",
    )
    .syscmd()
    .history(&[
        ("3.0.0", "New option `REPLACE`."),
        ("5.0.0", "New option `ABSTTL`."),
        ("5.0.0", "New options `IDLETIME` and `FREQ`."),
    ])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("ttl"),
        Arg::string("serialized-value"),
        Arg::word("replace", "REPLACE").since("3.0.0").optional(),
        Arg::word("absttl", "ABSTTL").since("5.0.0").optional(),
        Arg::integer("seconds")
            .token("IDLETIME")
            .since("5.0.0")
            .optional(),
        Arg::integer("frequency")
            .token("FREQ")
            .since("5.0.0")
            .optional(),
    ]),
    doc(
        "role",
        "2.8.12",
        "O(1)",
        "Describe the part the server plays in replication.",
    ),
    doc(
        "save",
        "1.0.0",
        "O(N), N = number of keys in all databases",
        "Save the data set to disk and wait for it.",
    ),
    doc(
        "shutdown",
        "1.0.0",
        "O(N) when it saves, N = keys in all databases; else O(1)",
        "Save if configured so and stop the server.",
    )
    .history(&[("7.0.0", "New options `NOW`, `FORCE` and `ABORT`.")])
    .args(&[
        Arg::one_of(
            "save-selector",
            &[Arg::word("nosave", "NOSAVE"), Arg::word("save", "SAVE")],
        )
        .optional(),
        Arg::word("now", "NOW").since("7.0.0").optional(),
        Arg::word("force", "FORCE").since("7.0.0").optional(),
        Arg::word("abort", "ABORT").since("7.0.0").optional(),
    ]),
    doc("slaveof", "1.0.0", "O(1)", "The old name of `REPLICAOF`.")
        .deprecated("5.0.0", "`REPLICAOF`")
        .args(FOLLOWED),
    doc(
        "slowlog",
        "2.2.12",
        "That of the subcommand",
        "Inspect and clear the slow log.",
    ),
    doc(
        "slowlog|get",
        "2.2.12",
        "O(N), N = number of entries returned",
        "Get entries of the slow log.",
    )
    .history(&[("4.0.0", "Entries name the client and its address.")])
    .args(&[Arg::integer("count").optional()]),
    doc(
        "slowlog|help",
        "6.2.0",
        "O(1)",
        "List the subcommands of SLOWLOG.",
    ),
    doc(
        "slowlog|len",
        "2.2.12",
        "O(1)",
        "Count the entries of the slow log.",
    ),
    doc(
        "slowlog|reset",
        "2.2.12",
        "O(N), N = number of entries in the slowlog",
        "Clear the slow log.",
    ),
    doc(
        "swapdb",
        "4.0.0",
        "O(N), N = the count of clients watching or blocking on keys from both databases",
        "Exchange two databases.",
    )
    .args(&[Arg::integer("index1"), Arg::integer("index2")]),
    doc(
        "sync",
        "1.0.0",
        "",
        "Receive a snapshot, and the stream after it.",
    ),
    doc("time", "2.6.0", "O(1)", "Get the server's clock."),
];
