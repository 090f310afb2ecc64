//! COMMAND DOCS of the string commands, sorted by name: `command::docs::find` relies on the order.
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
    Doc::new(Group::String, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "append",
        "2.0.0",
        "O(1); amortized O(1) for a short value, as room grows in proportion to the string",
        "Append a value to a string, creating the key if it is missing.",
    )
    .args(&[Arg::key("key", 0), Arg::string("value")]),
    doc(
        "decr",
        "1.0.0",
        "O(1)",
        "Subtract one from an integer; a missing key counts as 0.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "decrby",
        "1.0.0",
        "O(1)",
        "Subtract a number from an integer; a missing key counts as 0.",
    )
    .args(&[Arg::key("key", 0), Arg::integer("decrement")]),
    doc(
        "delex",
        "8.4.0",
        "O(1) for IFEQ and IFNE, O(N) for IFDEQ and IFDNE, N = length of the string",
        "Delete a key, or only if a condition on its string holds.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "condition",
            &[
                Arg::string("ifeq-value").token("IFEQ"),
                Arg::string("ifne-value").token("IFNE"),
                Arg::string("ifdeq-digest").token("IFDEQ"),
                Arg::string("ifdne-digest").token("IFDNE"),
            ],
        )
        .optional(),
    ]),
    doc(
        "delifeq",
        "9.0.0",
        "O(1)",
        "Delete a key if its string equals the given value.",
    )
    .args(&[Arg::key("key", 0), Arg::string("value")]),
    doc(
        "digest",
        "8.4.0",
        "O(N), N = length of the string",
        "Get a hash of a string, as 16 hexadecimal digits.",
    )
    .args(&[Arg::key("key", 0)]),
    doc("get", "1.0.0", "O(1)", "Get the string at a key.").args(&[Arg::key("key", 0)]),
    doc(
        "getdel",
        "6.2.0",
        "O(1)",
        "Get the string at a key and delete the key.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "getex",
        "6.2.0",
        "O(1)",
        "Get the string at a key and change its expiration.",
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
    ]),
    doc(
        "getrange",
        "2.4.0",
        "O(N), N = bytes returned; in practice O(1) for few",
        "Get the bytes of a string between two offsets.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("start"),
        Arg::integer("end"),
    ]),
    doc(
        "getset",
        "1.0.0",
        "O(1)",
        "Set a string and return the one it replaces.",
    )
    .deprecated("6.2.0", "`SET` with the `!GET` argument")
    .args(&[Arg::key("key", 0), Arg::string("value")]),
    doc(
        "incr",
        "1.0.0",
        "O(1)",
        "Add one to an integer; a missing key counts as 0.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "incrby",
        "1.0.0",
        "O(1)",
        "Add a number to an integer; a missing key counts as 0.",
    )
    .args(&[Arg::key("key", 0), Arg::integer("increment")]),
    doc(
        "incrbyfloat",
        "2.6.0",
        "O(1)",
        "Add a floating point number to a string; a missing key counts as 0.",
    )
    .args(&[Arg::key("key", 0), Arg::double("increment")]),
    doc(
        "increx",
        "8.8.0",
        "O(1)",
        "Add to a number within bounds and set its expiration; a missing key counts as 0.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "increment",
            &[
                Arg::double("float").token("BYFLOAT"),
                Arg::integer("integer").token("BYINT"),
            ],
        )
        .optional(),
        Arg::word("saturate", "SATURATE").optional(),
        Arg::string("lowerbound").token("LBOUND").optional(),
        Arg::string("upperbound").token("UBOUND").optional(),
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
        Arg::word("enx", "ENX").optional(),
    ]),
    doc(
        "lcs",
        "7.0.0",
        "O(N*M), N and M = lengths of the strings",
        "Find the longest common subsequence of two strings.",
    )
    .args(&[
        Arg::key("key1", 0),
        Arg::key("key2", 0),
        Arg::word("len", "LEN").optional(),
        Arg::word("idx", "IDX").optional(),
        Arg::integer("min-match-len")
            .token("MINMATCHLEN")
            .optional(),
        Arg::word("withmatchlen", "WITHMATCHLEN").optional(),
    ]),
    doc(
        "mget",
        "1.0.0",
        "O(N), N = number of keys to retrieve",
        "Get the strings at several keys.",
    )
    .args(&[Arg::key("key", 0).multiple()]),
    doc(
        "mset",
        "1.0.1",
        "O(N), N = number of keys to set",
        "Set several keys to string values.",
    )
    .args(&[Arg::block("data", &[Arg::key("key", 0), Arg::string("value")]).multiple()]),
    doc(
        "msetex",
        "8.4.0",
        "O(N), N = number of keys to set",
        "Set several keys to string values with one expiration, optionally under a \
         condition.",
    )
    .args(&[
        Arg::integer("numkeys"),
        Arg::block("data", &[Arg::key("key", 0), Arg::string("value")]).multiple(),
        Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")]).optional(),
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
    ]),
    doc(
        "msetnx",
        "1.0.1",
        "O(N), N = number of keys to set",
        "Set several keys to string values if none of them exists.",
    )
    .args(&[Arg::block("data", &[Arg::key("key", 0), Arg::string("value")]).multiple()]),
    doc(
        "psetex",
        "2.6.0",
        "O(1)",
        "Set a string that expires after a number of milliseconds.",
    )
    .deprecated("2.6.12", "`SET` with the `PX` argument")
    .args(&[
        Arg::key("key", 0),
        Arg::integer("milliseconds"),
        Arg::string("value"),
    ]),
    doc(
        "set",
        "1.0.0",
        "O(1)",
        "Set a key to a string, whatever it held before.",
    )
    .history(&[
        ("2.6.12", "New options `EX`, `PX`, `NX` and `XX`."),
        ("6.0.0", "New option `KEEPTTL`."),
        ("6.2.0", "New options `GET`, `EXAT` and `PXAT`."),
        ("7.0.0", "`NX` and `GET` go together."),
        ("8.4.0", "New options `IFEQ`, `IFNE`, `IFDEQ` and `IFDNE`."),
    ])
    .args(&[
        Arg::key("key", 0),
        Arg::string("value"),
        Arg::one_of(
            "condition",
            &[
                Arg::word("nx", "NX"),
                Arg::word("xx", "XX"),
                Arg::string("ifeq-value").token("IFEQ").since("8.4.0"),
                Arg::string("ifne-value").token("IFNE").since("8.4.0"),
                Arg::string("ifdeq-digest").token("IFDEQ").since("8.4.0"),
                Arg::string("ifdne-digest").token("IFDNE").since("8.4.0"),
            ],
        )
        .since("2.6.12")
        .optional(),
        Arg::word("get", "GET").since("6.2.0").optional(),
        Arg::one_of(
            "expiration",
            &[
                Arg::integer("seconds").token("EX").since("2.6.12"),
                Arg::integer("milliseconds").token("PX").since("2.6.12"),
                Arg::unix_time("unix-time-seconds")
                    .token("EXAT")
                    .since("6.2.0"),
                Arg::unix_time("unix-time-milliseconds")
                    .token("PXAT")
                    .since("6.2.0"),
                Arg::word("keepttl", "KEEPTTL").since("6.0.0"),
            ],
        )
        .optional(),
    ]),
    doc(
        "setex",
        "2.0.0",
        "O(1)",
        "Set a string that expires after a number of seconds.",
    )
    .deprecated("2.6.12", "`SET` with the `EX` argument")
    .args(&[
        Arg::key("key", 0),
        Arg::integer("seconds"),
        Arg::string("value"),
    ]),
    doc(
        "setnx",
        "1.0.0",
        "O(1)",
        "Set a key to a string if the key is missing.",
    )
    .deprecated("2.6.12", "`SET` with the `NX` argument")
    .args(&[Arg::key("key", 0), Arg::string("value")]),
    doc(
        "setrange",
        "2.2.0",
        "O(1) without copying the bytes, so amortized O(1) for short values; else O(M), \
         M = length of the value",
        "Overwrite part of a string from an offset on, padding with zero bytes.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("offset"),
        Arg::string("value"),
    ]),
    doc(
        "strlen",
        "2.2.0",
        "O(1)",
        "Get the length of a string in bytes.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "substr",
        "1.0.0",
        "O(N), N = bytes returned; in practice O(1) for few",
        "Get the bytes of a string between two offsets.",
    )
    .deprecated("2.0.0", "`GETRANGE`")
    .args(&[
        Arg::key("key", 0),
        Arg::integer("start"),
        Arg::integer("end"),
    ]),
];
