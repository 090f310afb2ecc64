//! COMMAND DOCS of the bitmap commands, sorted by name: `command::docs::find` relies on the order.
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
    Doc::new(Group::Bitmap, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "bitcount",
        "2.6.0",
        "O(N)",
        "Count the bits that are set in a string.",
    )
    .history(&[("7.0.0", "New option `BYTE|BIT`.")])
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "range",
            &[
                Arg::integer("start"),
                Arg::integer("end"),
                Arg::one_of(
                    "unit",
                    &[Arg::word("byte", "BYTE"), Arg::word("bit", "BIT")],
                )
                .since("7.0.0")
                .optional(),
            ],
        )
        .optional(),
    ]),
    doc(
        "bitfield",
        "3.2.0",
        "O(1) per subcommand specified",
        "Read and change integers of any width inside a string.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "operation",
            &[
                Arg::block(
                    "get-block",
                    &[Arg::string("encoding"), Arg::integer("offset")],
                )
                .token("GET"),
                Arg::block(
                    "write",
                    &[
                        Arg::one_of(
                            "overflow-block",
                            &[
                                Arg::word("wrap", "WRAP"),
                                Arg::word("sat", "SAT"),
                                Arg::word("fail", "FAIL"),
                            ],
                        )
                        .token("OVERFLOW")
                        .optional(),
                        Arg::one_of(
                            "write-operation",
                            &[
                                Arg::block(
                                    "set-block",
                                    &[
                                        Arg::string("encoding"),
                                        Arg::integer("offset"),
                                        Arg::integer("value"),
                                    ],
                                )
                                .token("SET"),
                                Arg::block(
                                    "incrby-block",
                                    &[
                                        Arg::string("encoding"),
                                        Arg::integer("offset"),
                                        Arg::integer("increment"),
                                    ],
                                )
                                .token("INCRBY"),
                            ],
                        ),
                    ],
                ),
            ],
        )
        .optional()
        .multiple(),
    ]),
    doc(
        "bitfield_ro",
        "6.0.0",
        "O(1) per subcommand specified",
        "Read integers of any width inside a string.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "get-block",
            &[Arg::string("encoding"), Arg::integer("offset")],
        )
        .token("GET")
        .optional()
        .multiple()
        .multiple_token(),
    ]),
    doc(
        "bitop",
        "2.6.0",
        "O(N)",
        "Combine strings bit by bit and store the outcome.",
    )
    .args(&[
        Arg::one_of(
            "operation",
            &[
                Arg::word("and", "AND"),
                Arg::word("or", "OR"),
                Arg::word("xor", "XOR"),
                Arg::word("not", "NOT"),
                Arg::word("diff", "DIFF"),
                Arg::word("diff1", "DIFF1"),
                Arg::word("andor", "ANDOR"),
                Arg::word("one", "ONE"),
            ],
        ),
        Arg::key("destkey", 0),
        Arg::key("key", 1).multiple(),
    ]),
    doc(
        "bitpos",
        "2.8.7",
        "O(N)",
        "Find the first bit that is set or clear.",
    )
    .history(&[("7.0.0", "New option `BYTE|BIT`.")])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("bit"),
        Arg::block(
            "range",
            &[
                Arg::integer("start"),
                Arg::block(
                    "end-unit-block",
                    &[
                        Arg::integer("end"),
                        Arg::one_of(
                            "unit",
                            &[Arg::word("byte", "BYTE"), Arg::word("bit", "BIT")],
                        )
                        .since("7.0.0")
                        .optional(),
                    ],
                )
                .optional(),
            ],
        )
        .optional(),
    ]),
    doc("getbit", "2.2.0", "O(1)", "Get one bit of a string.")
        .args(&[Arg::key("key", 0), Arg::integer("offset")]),
    doc(
        "setbit",
        "2.2.0",
        "O(1)",
        "Set or clear one bit of a string.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("offset"),
        Arg::integer("value"),
    ]),
];
