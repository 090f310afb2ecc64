//! COMMAND DOCS of the generic commands, sorted by name: `command::docs::find` relies on the order.
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
    Doc::new(Group::Generic, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "copy",
        "6.2.0",
        "O(N) at worst for collections, N = nested items; O(1) for strings",
        "Copy a value to another key.",
    )
    .args(&[
        Arg::key("source", 0),
        Arg::key("destination", 1),
        Arg::integer("destination-db").token("DB").optional(),
        Arg::word("replace", "REPLACE").optional(),
    ]),
    doc(
        "del",
        "1.0.0",
        "O(N), N = number of keys; a collection of M elements costs O(M), a string O(1)",
        "Delete keys.",
    )
    .args(&[Arg::key("key", 0).multiple()]),
    doc(
        "dump",
        "2.6.0",
        "O(1) to find the key, O(N*M) to serialize N parts of average size M; \
         O(1)+O(1*M) for a string, so O(1) for a small one",
        "Serialize the value at a key.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "exists",
        "1.0.0",
        "O(N), N = number of keys to check",
        "Count how many of the given keys exist.",
    )
    .history(&[("3.0.3", "Takes more than one `key`.")])
    .args(&[Arg::key("key", 0).multiple()]),
    doc(
        "expire",
        "1.0.0",
        "O(1)",
        "Let a key expire after a number of seconds.",
    )
    .history(&[("7.0.0", "New options `NX`, `XX`, `GT` and `LT`.")])
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
        .since("7.0.0")
        .optional(),
    ]),
    doc(
        "expireat",
        "1.2.0",
        "O(1)",
        "Let a key expire at a Unix time in seconds.",
    )
    .history(&[("7.0.0", "New options `NX`, `XX`, `GT` and `LT`.")])
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
        .since("7.0.0")
        .optional(),
    ]),
    doc(
        "expiretime",
        "7.0.0",
        "O(1)",
        "Get the Unix time in seconds at which a key expires.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "keys",
        "1.0.0",
        "O(N), N = keys in the database, names and pattern being short",
        "List the keys that match a pattern.",
    )
    .args(&[Arg::pattern("pattern")]),
    doc(
        "migrate",
        "2.6.0",
        "DUMP and DEL here, RESTORE there, and O(N) bytes between them",
        "Move keys to another server atomically.",
    )
    .history(&[
        ("3.0.0", "New options `COPY` and `REPLACE`."),
        ("3.0.6", "New option `KEYS`."),
        ("4.0.7", "New option `AUTH`."),
        ("6.0.0", "New option `AUTH2`."),
    ])
    .args(&[
        Arg::string("host"),
        Arg::integer("port"),
        Arg::one_of(
            "key-selector",
            &[Arg::key("key", 0), Arg::word("empty-string", "")],
        ),
        Arg::integer("destination-db"),
        Arg::integer("timeout"),
        Arg::word("copy", "COPY").since("3.0.0").optional(),
        Arg::word("replace", "REPLACE").since("3.0.0").optional(),
        Arg::one_of(
            "authentication",
            &[
                Arg::string("auth")
                    .token("AUTH")
                    .shown_as("password")
                    .since("4.0.7"),
                Arg::block("auth2", &[Arg::string("username"), Arg::string("password")])
                    .token("AUTH2")
                    .since("6.0.0"),
            ],
        )
        .optional(),
        Arg::key("keys", 1)
            .token("KEYS")
            .shown_as("key")
            .since("3.0.6")
            .optional()
            .multiple(),
    ]),
    doc("move", "1.0.0", "O(1)", "Move a key to another database.")
        .args(&[Arg::key("key", 0), Arg::integer("db")]),
    doc(
        "object",
        "2.2.3",
        "That of the subcommand",
        "Inspect how a value is kept.",
    ),
    doc(
        "object|encoding",
        "2.2.3",
        "O(1)",
        "Name the internal encoding of a value.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "object|freq",
        "4.0.0",
        "O(1)",
        "Get the logarithmic access counter of a key (LFU).",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "object|help",
        "6.2.0",
        "O(1)",
        "List the subcommands of OBJECT.",
    ),
    doc(
        "object|idletime",
        "2.2.3",
        "O(1)",
        "Get the seconds since a key was last used.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "object|refcount",
        "2.2.3",
        "O(1)",
        "Get the reference count of a value.",
    )
    .args(&[Arg::key("key", 0)]),
    doc("persist", "2.2.0", "O(1)", "Drop the expiration of a key.").args(&[Arg::key("key", 0)]),
    doc(
        "pexpire",
        "2.6.0",
        "O(1)",
        "Let a key expire after a number of milliseconds.",
    )
    .history(&[("7.0.0", "New options `NX`, `XX`, `GT` and `LT`.")])
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
        .since("7.0.0")
        .optional(),
    ]),
    doc(
        "pexpireat",
        "2.6.0",
        "O(1)",
        "Let a key expire at a Unix time in milliseconds.",
    )
    .history(&[("7.0.0", "New options `NX`, `XX`, `GT` and `LT`.")])
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
        .since("7.0.0")
        .optional(),
    ]),
    doc(
        "pexpiretime",
        "7.0.0",
        "O(1)",
        "Get the Unix time in milliseconds at which a key expires.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "pttl",
        "2.6.0",
        "O(1)",
        "Get the milliseconds until a key expires.",
    )
    .history(&[("2.8.0", "Replies -2 when there is no key.")])
    .args(&[Arg::key("key", 0)]),
    doc(
        "randomkey",
        "1.0.0",
        "O(1)",
        "Pick a random key of the database.",
    ),
    doc(
        "rename",
        "1.0.0",
        "O(1)",
        "Rename a key, replacing the destination.",
    )
    .args(&[Arg::key("key", 0), Arg::key("newkey", 1)]),
    doc(
        "renamenx",
        "1.0.0",
        "O(1)",
        "Rename a key if the new name is free.",
    )
    .history(&[("3.2.0", "Equal names are no error any more.")])
    .args(&[Arg::key("key", 0), Arg::key("newkey", 1)]),
    doc(
        "restore",
        "2.6.0",
        "O(1) to create the key, O(N*M) to rebuild N parts of average size M; \
         O(1)+O(1*M) for a string, so O(1) for a small one; O(N*M*log(N)) for a sorted \
         set, whose inserts are O(log(N))",
        "Create a key from a serialized value.",
    )
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
        "scan",
        "2.8.0",
        "O(1) per call, O(N) for a whole walk, N = elements in the collection",
        "Walk over the keys of the database step by step.",
    )
    .history(&[("6.0.0", "New option `TYPE`.")])
    .args(&[
        Arg::integer("cursor"),
        Arg::pattern("pattern").token("MATCH").optional(),
        Arg::integer("count").token("COUNT").optional(),
        Arg::string("type").token("TYPE").since("6.0.0").optional(),
    ]),
    doc(
        "sort",
        "1.0.0",
        "O(N+M*log(M)), N = elements to sort, M = elements returned; O(N) when nothing \
         is sorted",
        "Sort a list, a set or a sorted set, and optionally store the outcome.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::pattern("by-pattern")
            .key_spec(1)
            .token("BY")
            .shown_as("pattern")
            .optional(),
        Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
            .token("LIMIT")
            .optional(),
        Arg::pattern("get-pattern")
            .key_spec(1)
            .token("GET")
            .shown_as("pattern")
            .optional()
            .multiple()
            .multiple_token(),
        Arg::one_of(
            "order",
            &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
        )
        .optional(),
        Arg::word("sorting", "ALPHA").optional(),
        Arg::key("destination", 2).token("STORE").optional(),
    ]),
    doc(
        "sort_ro",
        "7.0.0",
        "O(N+M*log(M)), N = elements to sort, M = elements returned; O(N) when nothing \
         is sorted",
        "Sort a list, a set or a sorted set without storing anything.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::pattern("by-pattern")
            .key_spec(1)
            .token("BY")
            .shown_as("pattern")
            .optional(),
        Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
            .token("LIMIT")
            .optional(),
        Arg::pattern("get-pattern")
            .key_spec(1)
            .token("GET")
            .shown_as("pattern")
            .optional()
            .multiple()
            .multiple_token(),
        Arg::one_of(
            "order",
            &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
        )
        .optional(),
        Arg::word("sorting", "ALPHA").optional(),
    ]),
    doc(
        "touch",
        "3.2.1",
        "O(N), N = number of keys touched",
        "Update the access time of keys and count those that exist.",
    )
    .args(&[Arg::key("key", 0).multiple()]),
    doc(
        "ttl",
        "1.0.0",
        "O(1)",
        "Get the seconds until a key expires.",
    )
    .history(&[("2.8.0", "Replies -2 when there is no key.")])
    .args(&[Arg::key("key", 0)]),
    doc(
        "type",
        "1.0.0",
        "O(1)",
        "Name the type of the value at a key.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "unlink",
        "4.0.0",
        "O(1) per key whatever its size, then O(N) in the background, N = allocations \
         to free",
        "Delete keys, freeing their memory in the background.",
    )
    .args(&[Arg::key("key", 0).multiple()]),
    doc(
        "wait",
        "3.0.0",
        "O(1)",
        "Block until enough replicas have acknowledged this connection's writes.",
    )
    .args(&[Arg::integer("numreplicas"), Arg::integer("timeout")]),
    doc(
        "waitaof",
        "7.2.0",
        "O(1)",
        "Block until enough append only files, here and on replicas, have synced this \
         connection's writes.",
    )
    .args(&[
        Arg::integer("numlocal"),
        Arg::integer("numreplicas"),
        Arg::integer("timeout"),
    ]),
];
