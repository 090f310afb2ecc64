//! COMMAND DOCS of the stream commands, sorted by name: `command::docs::find` relies on the order.
//!
//! Versions, arguments and O() terms are as recorded of Redis and Valkey; the wording is russet's.
//! Tests build command lines from the arguments. The rules for all groups: `commands::docs`.

use russet_command::docs::{Arg, Doc, Group};

const fn doc(
    name: &'static str,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
) -> Doc {
    Doc::new(Group::Stream, name, since, complexity, summary)
}

/// KEEPREF, DELREF or ACKED.
const REFERENCES: Arg = Arg::one_of(
    "condition",
    &[
        Arg::word("keepref", "KEEPREF"),
        Arg::word("delref", "DELREF"),
        Arg::word("acked", "ACKED"),
    ],
)
.optional();

/// IDS and their number.
const IDS: Arg = Arg::block(
    "ids",
    &[Arg::integer("numids"), Arg::string("id").multiple()],
)
.token("IDS");

const MAXCOUNT: Arg = Arg::integer("maxcount")
    .token("MAXCOUNT")
    .since("8.10.0")
    .optional();

const MAXSIZE: Arg = Arg::integer("maxsize")
    .token("MAXSIZE")
    .since("8.10.0")
    .optional();

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "xack",
        "5.0.0",
        "O(1) per message ID processed",
        "Acknowledge messages of a consumer group.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::string("id").multiple(),
    ]),
    doc(
        "xackdel",
        "8.2.0",
        "O(1) per message ID processed",
        "Acknowledge messages of a consumer group, and delete them.",
    )
    .args(&[Arg::key("key", 0), Arg::string("group"), REFERENCES, IDS]),
    doc(
        "xadd",
        "5.0.0",
        "O(1) to add, O(N) to trim, N = messages evicted",
        "Append a message to a stream.",
    )
    .history(&[
        ("6.2.0", "New options `NOMKSTREAM`, `MINID` and `LIMIT`."),
        ("7.0.0", "IDs may have the form `<ms>-*`."),
        ("8.2.0", "New options `KEEPREF`, `DELREF` and `ACKED`."),
        ("8.6.0", "New options `IDMP` and `IDMPAUTO`."),
    ])
    .args(&[
        Arg::key("key", 0),
        Arg::word("nomkstream", "NOMKSTREAM")
            .since("6.2.0")
            .optional(),
        REFERENCES,
        Arg::one_of(
            "idmp",
            &[
                Arg::string("pid").token("IDMPAUTO"),
                Arg::block("idmp", &[Arg::string("pid"), Arg::string("iid")]).token("IDMP"),
            ],
        )
        .since("8.6.0")
        .optional(),
        Arg::block(
            "trim",
            &[
                Arg::one_of(
                    "strategy",
                    &[
                        Arg::word("maxlen", "MAXLEN"),
                        Arg::word("minid", "MINID").since("6.2.0"),
                    ],
                ),
                Arg::one_of(
                    "operator",
                    &[Arg::word("equal", "="), Arg::word("approximately", "~")],
                )
                .optional(),
                Arg::string("threshold"),
                Arg::integer("count")
                    .token("LIMIT")
                    .since("6.2.0")
                    .optional(),
            ],
        )
        .optional(),
        Arg::one_of(
            "id-selector",
            &[Arg::word("auto-id", "*"), Arg::string("id")],
        ),
        Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
    ]),
    doc(
        "xautoclaim",
        "6.2.0",
        "O(1) if COUNT is small",
        "Take over pending messages that have been idle for long.",
    )
    .history(&[(
        "7.0.0",
        "The reply also lists deleted messages dropped from the PEL.",
    )])
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::string("consumer"),
        Arg::string("min-idle-time"),
        Arg::string("start"),
        Arg::integer("count").token("COUNT").optional(),
        Arg::word("justid", "JUSTID").optional(),
    ]),
    doc(
        "xcfgset",
        "8.6.0",
        "O(1)",
        "Set how a stream remembers the idempotent IDs of its producers.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("idmp-duration")
            .token("IDMP-DURATION")
            .optional(),
        Arg::integer("idmp-maxsize")
            .token("IDMP-MAXSIZE")
            .optional(),
    ]),
    doc(
        "xclaim",
        "5.0.0",
        "O(log N), N = number of messages in the PEL of the consumer group",
        "Take over pending messages by ID.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::string("consumer"),
        Arg::string("min-idle-time"),
        Arg::string("id").multiple(),
        Arg::integer("ms").token("IDLE").optional(),
        Arg::unix_time("unix-time-milliseconds")
            .token("TIME")
            .optional(),
        Arg::integer("count").token("RETRYCOUNT").optional(),
        Arg::word("force", "FORCE").optional(),
        Arg::word("justid", "JUSTID").optional(),
        Arg::string("lastid").token("LASTID").optional(),
    ]),
    doc(
        "xdel",
        "5.0.0",
        "O(1) per message, whatever the length of the stream",
        "Delete messages of a stream.",
    )
    .args(&[Arg::key("key", 0), Arg::string("id").multiple()]),
    doc(
        "xdelex",
        "8.2.0",
        "O(1) per message, whatever the length of the stream",
        "Delete messages of a stream, with a view to its consumer groups.",
    )
    .args(&[Arg::key("key", 0), REFERENCES, IDS]),
    doc(
        "xgroup",
        "5.0.0",
        "That of the subcommand",
        "Manage consumer groups.",
    ),
    doc("xgroup|create", "5.0.0", "O(1)", "Create a consumer group.")
        .history(&[("7.0.0", "New argument `entries_read`.")])
        .args(&[
            Arg::key("key", 0),
            Arg::string("group"),
            Arg::one_of(
                "id-selector",
                &[Arg::string("id"), Arg::word("new-id", "$")],
            ),
            Arg::word("mkstream", "MKSTREAM").optional(),
            Arg::integer("entriesread")
                .token("ENTRIESREAD")
                .shown_as("entries-read")
                .optional(),
        ]),
    doc(
        "xgroup|createconsumer",
        "6.2.0",
        "O(1)",
        "Create a consumer in a group.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::string("consumer"),
    ]),
    doc(
        "xgroup|delconsumer",
        "5.0.0",
        "O(1)",
        "Delete a consumer of a group.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::string("consumer"),
    ]),
    doc(
        "xgroup|destroy",
        "5.0.0",
        "O(N), N = number of entries in the group's pending entries list (PEL)",
        "Delete a consumer group.",
    )
    .args(&[Arg::key("key", 0), Arg::string("group")]),
    doc(
        "xgroup|help",
        "5.0.0",
        "O(1)",
        "List the subcommands of XGROUP.",
    ),
    doc(
        "xgroup|setid",
        "5.0.0",
        "O(1)",
        "Set the ID of the last message a group was given.",
    )
    .history(&[("7.0.0", "New argument `entries_read`.")])
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::one_of(
            "id-selector",
            &[Arg::string("id"), Arg::word("new-id", "$")],
        ),
        Arg::integer("entriesread")
            .token("ENTRIESREAD")
            .shown_as("entries-read")
            .optional(),
    ]),
    doc(
        "xidmprecord",
        "8.6.2",
        "O(1)",
        "Record the idempotent ID of a message, to rebuild a stream.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("pid"),
        Arg::string("iid"),
        Arg::string("stream-id"),
    ]),
    doc(
        "xinfo",
        "5.0.0",
        "That of the subcommand",
        "Inspect streams.",
    ),
    doc(
        "xinfo|consumers",
        "5.0.0",
        "O(1)",
        "Describe the consumers of a group.",
    )
    .history(&[(
        "7.2.0",
        "New field `inactive`; `idle` means something else.",
    )])
    .args(&[Arg::key("key", 0), Arg::string("group")]),
    doc(
        "xinfo|groups",
        "5.0.0",
        "O(1)",
        "Describe the groups of a stream.",
    )
    .history(&[("7.0.0", "New fields `entries-read` and `lag`.")])
    .args(&[Arg::key("key", 0)]),
    doc(
        "xinfo|help",
        "5.0.0",
        "O(1)",
        "List the subcommands of XINFO.",
    ),
    doc("xinfo|stream", "5.0.0", "O(1)", "Describe a stream.")
        .history(&[
            ("6.0.0", "New option `FULL`."),
            (
                "7.0.0",
                "New fields `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, \
         `entries-read` and `lag`.",
            ),
            (
                "7.2.0",
                "New field `active-time`; `seen-time` means something else.",
            ),
        ])
        .args(&[
            Arg::key("key", 0),
            Arg::block(
                "full-block",
                &[
                    Arg::word("full", "FULL"),
                    Arg::integer("count").token("COUNT").optional(),
                ],
            )
            .optional(),
        ]),
    doc("xlen", "5.0.0", "O(1)", "Count the messages of a stream.").args(&[Arg::key("key", 0)]),
    doc(
        "xnack",
        "8.8.0",
        "O(1) per message ID processed",
        "Give pending messages back to a consumer group, without an owner.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::one_of(
            "mode",
            &[
                Arg::word("silent", "SILENT"),
                Arg::word("fail", "FAIL"),
                Arg::word("fatal", "FATAL"),
            ],
        ),
        IDS,
        Arg::integer("count").token("RETRYCOUNT").optional(),
        Arg::word("force", "FORCE").optional(),
    ]),
    doc(
        "xpending",
        "5.0.0",
        "O(N), N = elements returned, so O(1) for a small fixed number; O(M) with IDLE, \
         M = entries looked at; the summary is O(1) for few consumers, else O(N) over \
         them",
        "Describe the messages a group has not acknowledged.",
    )
    .history(&[("6.2.0", "New option `IDLE`; ranges may exclude their ends.")])
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::block(
            "filters",
            &[
                Arg::integer("min-idle-time")
                    .token("IDLE")
                    .since("6.2.0")
                    .optional(),
                Arg::string("start"),
                Arg::string("end"),
                Arg::integer("count"),
                Arg::string("consumer").optional(),
            ],
        )
        .optional(),
    ]),
    doc(
        "xrange",
        "5.0.0",
        "O(N), N = elements returned; O(1) for a fixed N",
        "Get the messages in a range of IDs.",
    )
    .history(&[("6.2.0", "Ranges may exclude their ends.")])
    .args(&[
        Arg::key("key", 0),
        Arg::string("start"),
        Arg::string("end"),
        Arg::integer("count").token("COUNT").optional(),
    ]),
    doc(
        "xread",
        "5.0.0",
        "",
        "Get the messages behind given IDs, or wait for some.",
    )
    .history(&[("8.10.0", "New options `MAXCOUNT` and `MAXSIZE`.")])
    .args(&[
        Arg::integer("count").token("COUNT").optional(),
        MAXCOUNT,
        MAXSIZE,
        Arg::integer("milliseconds").token("BLOCK").optional(),
        Arg::block(
            "streams",
            &[Arg::key("key", 0).multiple(), Arg::string("id").multiple()],
        )
        .token("STREAMS"),
    ]),
    doc(
        "xreadgroup",
        "5.0.0",
        "O(M) per stream, M = elements returned, so O(1) for a fixed M; XADD then pays \
         O(N) for N blocked clients",
        "Get messages on behalf of a consumer in a group, or wait for some.",
    )
    .history(&[
        ("8.4.0", "New option `CLAIM`."),
        ("8.10.0", "New options `MAXCOUNT` and `MAXSIZE`."),
    ])
    .args(&[
        Arg::block(
            "group-block",
            &[Arg::string("group"), Arg::string("consumer")],
        )
        .token("GROUP"),
        Arg::integer("count").token("COUNT").optional(),
        MAXCOUNT,
        MAXSIZE,
        Arg::integer("milliseconds").token("BLOCK").optional(),
        Arg::integer("min-idle-time")
            .token("CLAIM")
            .since("8.4.0")
            .optional(),
        Arg::word("noack", "NOACK").optional(),
        Arg::block(
            "streams",
            &[Arg::key("key", 0).multiple(), Arg::string("id").multiple()],
        )
        .token("STREAMS"),
    ]),
    doc(
        "xrevrange",
        "5.0.0",
        "O(N), N = elements returned; O(1) for a fixed N",
        "Get the messages in a range of IDs, newest first.",
    )
    .history(&[("6.2.0", "Ranges may exclude their ends.")])
    .args(&[
        Arg::key("key", 0),
        Arg::string("end"),
        Arg::string("start"),
        Arg::integer("count").token("COUNT").optional(),
    ]),
    doc("xsetid", "5.0.0", "O(1)", "Set the last ID of a stream.")
        .history(&[(
            "7.0.0",
            "New arguments `entries_added` and `max_deleted_entry_id`.",
        )])
        .args(&[
            Arg::key("key", 0),
            Arg::string("last-id"),
            Arg::integer("entries-added")
                .token("ENTRIESADDED")
                .since("7.0.0")
                .optional(),
            Arg::string("max-deleted-id")
                .token("MAXDELETEDID")
                .since("7.0.0")
                .optional(),
        ]),
    doc(
        "xtrim",
        "5.0.0",
        "O(N), N = messages evicted, with a small constant: they go in whole nodes",
        "Delete the oldest messages of a stream.",
    )
    .history(&[
        ("6.2.0", "New options `MINID` and `LIMIT`."),
        ("8.2.0", "New options `KEEPREF`, `DELREF` and `ACKED`."),
    ])
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "trim",
            &[
                Arg::one_of(
                    "strategy",
                    &[
                        Arg::word("maxlen", "MAXLEN"),
                        Arg::word("minid", "MINID").since("6.2.0"),
                    ],
                ),
                Arg::one_of(
                    "operator",
                    &[Arg::word("equal", "="), Arg::word("approximately", "~")],
                )
                .optional(),
                Arg::string("threshold"),
                Arg::integer("count")
                    .token("LIMIT")
                    .since("6.2.0")
                    .optional(),
                REFERENCES,
            ],
        ),
    ]),
];
