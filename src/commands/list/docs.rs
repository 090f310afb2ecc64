//! COMMAND DOCS of the list commands, sorted by name: `command::docs::find` relies on the order.
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
    Doc::new(Group::List, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "blmove",
        "6.2.0",
        "O(1)",
        "Move an element between lists, or wait until there is one.",
    )
    .args(&[
        Arg::key("source", 0),
        Arg::key("destination", 1),
        Arg::one_of(
            "wherefrom",
            &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
        ),
        Arg::one_of(
            "whereto",
            &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
        ),
        Arg::double("timeout"),
    ]),
    doc(
        "blmovem",
        "8.10.0",
        "O(N), N = number of elements moved",
        "Move several elements between lists, or wait until there are enough.",
    )
    .args(&[
        Arg::key("source", 0),
        Arg::key("destination", 1),
        Arg::one_of(
            "wherefrom",
            &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
        ),
        Arg::one_of(
            "whereto",
            &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
        ),
        Arg::double("timeout"),
        Arg::block(
            "how-many",
            &[
                Arg::one_of(
                    "selector",
                    &[
                        Arg::integer("count").token("COUNT"),
                        Arg::integer("exactly").token("EXACTLY"),
                    ],
                ),
                Arg::one_of(
                    "ordering",
                    &[Arg::word("obo", "OBO"), Arg::word("bulk", "BULK")],
                ),
            ],
        )
        .optional(),
    ]),
    doc(
        "blmpop",
        "7.0.0",
        "O(N+M), N = number of provided keys, M = number of elements returned",
        "Pop elements from the first list that has any, or wait until one has.",
    )
    .args(&[
        Arg::double("timeout"),
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::one_of(
            "where",
            &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
        ),
        Arg::integer("count").token("COUNT").optional(),
    ]),
    doc(
        "blpop",
        "2.0.0",
        "O(N), N = number of provided keys",
        "Pop the head of the first list that has elements, or wait until one has.",
    )
    .history(&[("6.0.0", "`timeout` may have a fraction.")])
    .args(&[Arg::key("key", 0).multiple(), Arg::double("timeout")]),
    doc(
        "brpop",
        "2.0.0",
        "O(N), N = number of provided keys",
        "Pop the tail of the first list that has elements, or wait until one has.",
    )
    .history(&[("6.0.0", "`timeout` may have a fraction.")])
    .args(&[Arg::key("key", 0).multiple(), Arg::double("timeout")]),
    doc(
        "brpoplpush",
        "2.2.0",
        "O(1)",
        "Move a list's tail to another list's head, or wait until there is one.",
    )
    .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")
    .history(&[("6.0.0", "`timeout` may have a fraction.")])
    .args(&[
        Arg::key("source", 0),
        Arg::key("destination", 1),
        Arg::double("timeout"),
    ]),
    doc(
        "lindex",
        "1.0.0",
        "O(N), N = elements passed on the way to the index; the ends are O(1)",
        "Get the list element at an index.",
    )
    .args(&[Arg::key("key", 0), Arg::integer("index")]),
    doc(
        "linsert",
        "2.2.0",
        "O(N), N = elements before the pivot: O(1) near the head, O(N) near the tail",
        "Insert an element before or after another one.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "where",
            &[Arg::word("before", "BEFORE"), Arg::word("after", "AFTER")],
        ),
        Arg::string("pivot"),
        Arg::string("element"),
    ]),
    doc("llen", "1.0.0", "O(1)", "Get the length of a list.").args(&[Arg::key("key", 0)]),
    doc(
        "lmove",
        "6.2.0",
        "O(1)",
        "Move an element from an end of a list to an end of another.",
    )
    .args(&[
        Arg::key("source", 0),
        Arg::key("destination", 1),
        Arg::one_of(
            "wherefrom",
            &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
        ),
        Arg::one_of(
            "whereto",
            &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
        ),
    ]),
    doc(
        "lmovem",
        "8.10.0",
        "O(N), N = number of elements moved",
        "Move several elements between lists.",
    )
    .args(&[
        Arg::key("source", 0),
        Arg::key("destination", 1),
        Arg::one_of(
            "wherefrom",
            &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
        ),
        Arg::one_of(
            "whereto",
            &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
        ),
        Arg::block(
            "how-many",
            &[
                Arg::one_of(
                    "selector",
                    &[
                        Arg::integer("count").token("COUNT"),
                        Arg::integer("exactly").token("EXACTLY"),
                    ],
                ),
                Arg::one_of(
                    "ordering",
                    &[Arg::word("obo", "OBO"), Arg::word("bulk", "BULK")],
                ),
            ],
        )
        .optional(),
    ]),
    doc(
        "lmpop",
        "7.0.0",
        "O(N+M), N = number of provided keys, M = number of elements returned",
        "Pop elements from the first list that has any.",
    )
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::one_of(
            "where",
            &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
        ),
        Arg::integer("count").token("COUNT").optional(),
    ]),
    doc(
        "lpop",
        "1.0.0",
        "O(N), N = number of elements returned",
        "Pop elements from the head of a list.",
    )
    .history(&[("6.2.0", "New argument `count`.")])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("count").since("6.2.0").optional(),
    ]),
    doc(
        "lpos",
        "6.0.6",
        "O(N) on average, N = length of the list; constant near its ends or with MAXLEN",
        "Find the indices of equal elements in a list.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("element"),
        Arg::integer("rank").token("RANK").optional(),
        Arg::integer("num-matches").token("COUNT").optional(),
        Arg::integer("len").token("MAXLEN").optional(),
    ]),
    doc(
        "lpush",
        "1.0.0",
        "O(1) per element, O(N) for N of them",
        "Put elements at the head of a list.",
    )
    .history(&[("2.4.0", "Takes more than one `element`.")])
    .args(&[Arg::key("key", 0), Arg::string("element").multiple()]),
    doc(
        "lpushx",
        "2.2.0",
        "O(1) per element, O(N) for N of them",
        "Put elements at the head of a list that exists.",
    )
    .history(&[("4.0.0", "Takes more than one `element`.")])
    .args(&[Arg::key("key", 0), Arg::string("element").multiple()]),
    doc(
        "lrange",
        "1.0.0",
        "O(S+N), S = distance of the start from the head (small lists) or the nearer \
         end (large ones), N = elements in the range",
        "Get the elements of a list between two indices.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("start"),
        Arg::integer("stop"),
    ]),
    doc(
        "lrem",
        "1.0.0",
        "O(N+M), N = the length of the list, M = number of elements removed",
        "Remove equal elements from a list.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("count"),
        Arg::string("element"),
    ]),
    doc(
        "lset",
        "1.0.0",
        "O(N), N = length of the list; O(1) at either end",
        "Replace the list element at an index.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("index"),
        Arg::string("element"),
    ]),
    doc(
        "ltrim",
        "1.0.0",
        "O(N), N = number of elements removed by the operation",
        "Keep only the elements of a list between two indices.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("start"),
        Arg::integer("stop"),
    ]),
    doc(
        "rpop",
        "1.0.0",
        "O(N), N = number of elements returned",
        "Pop elements from the tail of a list.",
    )
    .history(&[("6.2.0", "New argument `count`.")])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("count").since("6.2.0").optional(),
    ]),
    doc(
        "rpoplpush",
        "1.2.0",
        "O(1)",
        "Move a list's tail to another list's head.",
    )
    .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")
    .args(&[Arg::key("source", 0), Arg::key("destination", 1)]),
    doc(
        "rpush",
        "1.0.0",
        "O(1) per element, O(N) for N of them",
        "Put elements at the tail of a list.",
    )
    .history(&[("2.4.0", "Takes more than one `element`.")])
    .args(&[Arg::key("key", 0), Arg::string("element").multiple()]),
    doc(
        "rpushx",
        "2.2.0",
        "O(1) per element, O(N) for N of them",
        "Put elements at the tail of a list that exists.",
    )
    .history(&[("4.0.0", "Takes more than one `element`.")])
    .args(&[Arg::key("key", 0), Arg::string("element").multiple()]),
];
