//! COMMAND DOCS of the hash commands, sorted by name: `command::docs::find` relies on the order.
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
    Doc::new(Group::Hash, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "hdel",
        "2.0.0",
        "O(N), N = number of fields removed",
        "Delete fields of a hash.",
    )
    .history(&[("2.4.0", "Takes more than one `field`.")])
    .args(&[Arg::key("key", 0), Arg::string("field").multiple()]),
    doc(
        "hexists",
        "2.0.0",
        "O(1)",
        "Check whether a hash has a field.",
    )
    .args(&[Arg::key("key", 0), Arg::string("field")]),
    doc(
        "hexpire",
        "7.4.0",
        "O(N), N = number of specified fields",
        "Let hash fields expire after a number of seconds.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("seconds"),
        Arg::one_of(
            "condition",
            &[
                Arg::word("nx", "NX"),
                Arg::word("xx", "XX"),
                Arg::word("gt", "GT"),
                Arg::word("lt", "LT"),
            ],
        )
        .optional(),
        Arg::block(
            "fields",
            &[Arg::integer("numfields"), Arg::string("field").multiple()],
        )
        .token("FIELDS"),
    ]),
    doc(
        "hexpireat",
        "7.4.0",
        "O(N), N = number of specified fields",
        "Let hash fields expire at a Unix time in seconds.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::unix_time("unix-time-seconds"),
        Arg::one_of(
            "condition",
            &[
                Arg::word("nx", "NX"),
                Arg::word("xx", "XX"),
                Arg::word("gt", "GT"),
                Arg::word("lt", "LT"),
            ],
        )
        .optional(),
        Arg::block(
            "fields",
            &[Arg::integer("numfields"), Arg::string("field").multiple()],
        )
        .token("FIELDS"),
    ]),
    doc(
        "hexpiretime",
        "7.4.0",
        "O(N), N = number of specified fields",
        "Get the Unix times in seconds at which hash fields expire.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "fields",
            &[Arg::integer("numfields"), Arg::string("field").multiple()],
        )
        .token("FIELDS"),
    ]),
    doc("hget", "2.0.0", "O(1)", "Get the value of a hash field.")
        .args(&[Arg::key("key", 0), Arg::string("field")]),
    doc(
        "hgetall",
        "2.0.0",
        "O(N), N = the size of the hash",
        "Get all fields of a hash with their values.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "hgetdel",
        "8.0.0",
        "O(N), N = number of specified fields",
        "Get the values of hash fields and delete the fields.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "fields",
            &[Arg::integer("numfields"), Arg::string("field").multiple()],
        )
        .token("FIELDS"),
    ]),
    doc(
        "hgetex",
        "8.0.0",
        "O(N), N = number of specified fields",
        "Get the values of hash fields and change their expiration.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "expiration",
            &[
                Arg::integer("seconds").token("EX"),
                Arg::integer("milliseconds").token("PX"),
                Arg::unix_time("unix-time-seconds").token("EXAT"),
                Arg::unix_time("unix-time-milliseconds").token("PXAT"),
                Arg::word("persist", "PERSIST"),
            ],
        )
        .optional(),
        Arg::block(
            "fields",
            &[Arg::integer("numfields"), Arg::string("field").multiple()],
        )
        .token("FIELDS"),
    ]),
    doc(
        "himport",
        "8.10.0",
        "That of the subcommand",
        "Make hashes from lists of field names that the connection keeps.",
    ),
    doc(
        "himport|discard",
        "8.10.0",
        "O(N), N = number of the connection's fieldsets",
        "Forget one of the connection's fieldsets.",
    )
    .args(&[Arg::string("fieldset-name")]),
    doc(
        "himport|discardall",
        "8.10.0",
        "O(N), N = number of the connection's fieldsets",
        "Forget all of the connection's fieldsets.",
    ),
    doc(
        "himport|prepare",
        "8.10.0",
        "O(N*log(N)), N = number of fields",
        "Keep a list of field names under a name for this connection.",
    )
    .args(&[
        Arg::string("fieldset-name"),
        Arg::string("field").multiple(),
    ]),
    doc(
        "himport|set",
        "8.10.0",
        "O(N), N = number of fields of the fieldset",
        "Make a hash of a fieldset's names and the given values.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("fieldset-name"),
        Arg::string("value").multiple(),
    ]),
    doc(
        "hincrby",
        "2.0.0",
        "O(1)",
        "Add a number to the integer in a hash field; a missing field counts as 0.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("field"),
        Arg::integer("increment"),
    ]),
    doc(
        "hincrbyfloat",
        "2.6.0",
        "O(1)",
        "Add a floating point number to a hash field; a missing field counts as 0.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("field"),
        Arg::double("increment"),
    ]),
    doc(
        "hkeys",
        "2.0.0",
        "O(N), N = the size of the hash",
        "Get all field names of a hash.",
    )
    .args(&[Arg::key("key", 0)]),
    doc("hlen", "2.0.0", "O(1)", "Count the fields of a hash.").args(&[Arg::key("key", 0)]),
    doc(
        "hmget",
        "2.0.0",
        "O(N), N = number of fields requested",
        "Get the values of several hash fields.",
    )
    .args(&[Arg::key("key", 0), Arg::string("field").multiple()]),
    doc(
        "hmset",
        "2.0.0",
        "O(N), N = number of fields set",
        "Set several fields of a hash.",
    )
    .deprecated("4.0.0", "`HSET` with multiple field-value pairs")
    .args(&[
        Arg::key("key", 0),
        Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
    ]),
    doc(
        "hpersist",
        "7.4.0",
        "O(N), N = number of specified fields",
        "Drop the expiration of hash fields.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "fields",
            &[Arg::integer("numfields"), Arg::string("field").multiple()],
        )
        .token("FIELDS"),
    ]),
    doc(
        "hpexpire",
        "7.4.0",
        "O(N), N = number of specified fields",
        "Let hash fields expire after a number of milliseconds.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("milliseconds"),
        Arg::one_of(
            "condition",
            &[
                Arg::word("nx", "NX"),
                Arg::word("xx", "XX"),
                Arg::word("gt", "GT"),
                Arg::word("lt", "LT"),
            ],
        )
        .optional(),
        Arg::block(
            "fields",
            &[Arg::integer("numfields"), Arg::string("field").multiple()],
        )
        .token("FIELDS"),
    ]),
    doc(
        "hpexpireat",
        "7.4.0",
        "O(N), N = number of specified fields",
        "Let hash fields expire at a Unix time in milliseconds.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::unix_time("unix-time-milliseconds"),
        Arg::one_of(
            "condition",
            &[
                Arg::word("nx", "NX"),
                Arg::word("xx", "XX"),
                Arg::word("gt", "GT"),
                Arg::word("lt", "LT"),
            ],
        )
        .optional(),
        Arg::block(
            "fields",
            &[Arg::integer("numfields"), Arg::string("field").multiple()],
        )
        .token("FIELDS"),
    ]),
    doc(
        "hpexpiretime",
        "7.4.0",
        "O(N), N = number of specified fields",
        "Get the Unix times in milliseconds at which hash fields expire.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "fields",
            &[Arg::integer("numfields"), Arg::string("field").multiple()],
        )
        .token("FIELDS"),
    ]),
    doc(
        "hpttl",
        "7.4.0",
        "O(N), N = number of specified fields",
        "Get the milliseconds until hash fields expire.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "fields",
            &[Arg::integer("numfields"), Arg::string("field").multiple()],
        )
        .token("FIELDS"),
    ]),
    doc(
        "hrandfield",
        "6.2.0",
        "O(N), N = number of fields returned",
        "Pick random fields of a hash.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "options",
            &[
                Arg::integer("count"),
                Arg::word("withvalues", "WITHVALUES").optional(),
            ],
        )
        .optional(),
    ]),
    doc(
        "hscan",
        "2.8.0",
        "O(1) per call, O(N) for a whole walk, N = elements in the collection",
        "Walk over the fields of a hash step by step.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("cursor"),
        Arg::pattern("pattern").token("MATCH").optional(),
        Arg::integer("count").token("COUNT").optional(),
        Arg::word("novalues", "NOVALUES").optional(),
    ]),
    doc(
        "hset",
        "2.0.0",
        "O(1) per field, O(N) for N of them",
        "Set fields of a hash.",
    )
    .history(&[("4.0.0", "Takes more than one `field` and `value`.")])
    .args(&[
        Arg::key("key", 0),
        Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
    ]),
    doc(
        "hsetex",
        "8.0.0",
        "O(N), N = number of fields set",
        "Set fields of a hash with an expiration.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "condition",
            &[Arg::word("fnx", "FNX"), Arg::word("fxx", "FXX")],
        )
        .optional(),
        Arg::one_of(
            "expiration",
            &[
                Arg::integer("seconds").token("EX"),
                Arg::integer("milliseconds").token("PX"),
                Arg::unix_time("unix-time-seconds").token("EXAT"),
                Arg::unix_time("unix-time-milliseconds").token("PXAT"),
                Arg::word("keepttl", "KEEPTTL"),
            ],
        )
        .optional(),
        Arg::block(
            "fields",
            &[
                Arg::integer("numfields"),
                Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
            ],
        )
        .token("FIELDS"),
    ]),
    doc(
        "hsetnx",
        "2.0.0",
        "O(1)",
        "Set a hash field if it is missing.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("field"),
        Arg::string("value"),
    ]),
    doc(
        "hstrlen",
        "3.2.0",
        "O(1)",
        "Get the length of the value in a hash field.",
    )
    .args(&[Arg::key("key", 0), Arg::string("field")]),
    doc(
        "httl",
        "7.4.0",
        "O(N), N = number of specified fields",
        "Get the seconds until hash fields expire.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "fields",
            &[Arg::integer("numfields"), Arg::string("field").multiple()],
        )
        .token("FIELDS"),
    ]),
    doc(
        "hvals",
        "2.0.0",
        "O(N), N = the size of the hash",
        "Get all values of a hash.",
    )
    .args(&[Arg::key("key", 0)]),
];
