//! COMMAND DOCS of the sorted-set commands, sorted by name: `command::docs::find` relies on the
//! order.
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
    Doc::new(Group::SortedSet, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "bzmpop",
        "7.0.0",
        "O(K) + O(M*log(N)), K = number of provided keys, N = number of elements in the \
         sorted set, M = number of elements popped",
        "Pop members from the first sorted set that has any, or wait until one has.",
    )
    .args(&[
        Arg::double("timeout"),
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::one_of("where", &[Arg::word("min", "MIN"), Arg::word("max", "MAX")]),
        Arg::integer("count").token("COUNT").optional(),
    ]),
    doc(
        "bzpopmax",
        "5.0.0",
        "O(log(N)), N = number of elements in the sorted set",
        "Pop the highest member of the first sorted set that has any, or wait until one \
         has.",
    )
    .history(&[("6.0.0", "`timeout` may have a fraction.")])
    .args(&[Arg::key("key", 0).multiple(), Arg::double("timeout")]),
    doc(
        "bzpopmin",
        "5.0.0",
        "O(log(N)), N = number of elements in the sorted set",
        "Pop the lowest member of the first sorted set that has any, or wait until one has.",
    )
    .history(&[("6.0.0", "`timeout` may have a fraction.")])
    .args(&[Arg::key("key", 0).multiple(), Arg::double("timeout")]),
    doc(
        "zadd",
        "1.2.0",
        "O(log(N)) per member, N = number of elements in the sorted set",
        "Add members to a sorted set or change their scores.",
    )
    .history(&[
        ("2.4.0", "Takes more than one element."),
        ("3.0.2", "New options `XX`, `NX`, `CH` and `INCR`."),
        ("6.2.0", "New options `GT` and `LT`."),
    ])
    .args(&[
        Arg::key("key", 0),
        Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")])
            .since("3.0.2")
            .optional(),
        Arg::one_of(
            "comparison",
            &[Arg::word("gt", "GT"), Arg::word("lt", "LT")],
        )
        .since("6.2.0")
        .optional(),
        Arg::word("change", "CH").since("3.0.2").optional(),
        Arg::word("increment", "INCR").since("3.0.2").optional(),
        Arg::block("data", &[Arg::double("score"), Arg::string("member")]).multiple(),
    ]),
    doc(
        "zcard",
        "1.2.0",
        "O(1)",
        "Count the members of a sorted set.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "zcount",
        "2.0.0",
        "O(log(N)), N = number of elements in the sorted set",
        "Count the members with scores in a range.",
    )
    .args(&[Arg::key("key", 0), Arg::double("min"), Arg::double("max")]),
    doc(
        "zdiff",
        "6.2.0",
        "O(L + (N-K)log(N)) at worst, L = number of elements in all the sets, N = the \
         size of the first set, K = the size of the result set",
        "Get the members of the first sorted set that no other has.",
    )
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::word("withscores", "WITHSCORES").optional(),
    ]),
    doc(
        "zdiffstore",
        "6.2.0",
        "O(L + (N-K)log(N)) at worst, L = number of elements in all the sets, N = the \
         size of the first set, K = the size of the result set",
        "Store the members of the first sorted set that no other has.",
    )
    .args(&[
        Arg::key("destination", 0),
        Arg::integer("numkeys"),
        Arg::key("key", 1).multiple(),
    ]),
    doc(
        "zincrby",
        "1.2.0",
        "O(log(N)), N = number of elements in the sorted set",
        "Add to the score of a member.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("increment"),
        Arg::string("member"),
    ]),
    doc(
        "zinter",
        "6.2.0",
        "O(N*K)+O(M*log(M)) at worst, N = the smallest input sorted set, K = number of \
         input sorted sets, M = number of elements in the resulting sorted set",
        "Get the members that all sorted sets share.",
    )
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::integer("weight")
            .token("WEIGHTS")
            .optional()
            .multiple(),
        Arg::one_of(
            "aggregate",
            &[
                Arg::word("sum", "SUM"),
                Arg::word("min", "MIN"),
                Arg::word("max", "MAX"),
                Arg::word("count", "COUNT").since("8.8.0"),
            ],
        )
        .token("AGGREGATE")
        .optional(),
        Arg::word("withscores", "WITHSCORES").optional(),
    ]),
    doc(
        "zintercard",
        "7.0.0",
        "O(N*K) at worst, N = the smallest input sorted set, K = number of input sorted \
         sets",
        "Count the members that all sorted sets share.",
    )
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::integer("limit").token("LIMIT").optional(),
    ]),
    doc(
        "zinterstore",
        "2.0.0",
        "O(N*K)+O(M*log(M)) at worst, N = the smallest input sorted set, K = number of \
         input sorted sets, M = number of elements in the resulting sorted set",
        "Store the members that all sorted sets share.",
    )
    .args(&[
        Arg::key("destination", 0),
        Arg::integer("numkeys"),
        Arg::key("key", 1).multiple(),
        Arg::integer("weight")
            .token("WEIGHTS")
            .optional()
            .multiple(),
        Arg::one_of(
            "aggregate",
            &[
                Arg::word("sum", "SUM"),
                Arg::word("min", "MIN"),
                Arg::word("max", "MAX"),
                Arg::word("count", "COUNT").since("8.8.0"),
            ],
        )
        .token("AGGREGATE")
        .optional(),
    ]),
    doc(
        "zlexcount",
        "2.8.9",
        "O(log(N)), N = number of elements in the sorted set",
        "Count the members in a lexicographical range.",
    )
    .args(&[Arg::key("key", 0), Arg::string("min"), Arg::string("max")]),
    doc(
        "zmpop",
        "7.0.0",
        "O(K) + O(M*log(N)), K = number of provided keys, N = number of elements in the \
         sorted set, M = number of elements popped",
        "Pop members from the first sorted set that has any.",
    )
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::one_of("where", &[Arg::word("min", "MIN"), Arg::word("max", "MAX")]),
        Arg::integer("count").token("COUNT").optional(),
    ]),
    doc(
        "zmscore",
        "6.2.0",
        "O(N), N = number of members requested",
        "Get the scores of several members.",
    )
    .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
    doc(
        "zpopmax",
        "5.0.0",
        "O(log(N)*M), N = number of elements in the sorted set, M = number of elements \
         popped",
        "Pop the members with the highest scores.",
    )
    .args(&[Arg::key("key", 0), Arg::integer("count").optional()]),
    doc(
        "zpopmin",
        "5.0.0",
        "O(log(N)*M), N = number of elements in the sorted set, M = number of elements \
         popped",
        "Pop the members with the lowest scores.",
    )
    .args(&[Arg::key("key", 0), Arg::integer("count").optional()]),
    doc(
        "zrandmember",
        "6.2.0",
        "O(N), N = number of members returned",
        "Pick random members of a sorted set.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "options",
            &[
                Arg::integer("count"),
                Arg::word("withscores", "WITHSCORES").optional(),
            ],
        )
        .optional(),
    ]),
    doc(
        "zrange",
        "1.2.0",
        "O(log(N)+M), N = number of elements in the sorted set, M = number of elements \
         returned",
        "Get the members in a range of ranks, scores or names.",
    )
    .history(&[(
        "6.2.0",
        "New options `REV`, `BYSCORE`, `BYLEX` and `LIMIT`.",
    )])
    .args(&[
        Arg::key("key", 0),
        Arg::string("start"),
        Arg::string("stop"),
        Arg::one_of(
            "sortby",
            &[Arg::word("byscore", "BYSCORE"), Arg::word("bylex", "BYLEX")],
        )
        .since("6.2.0")
        .optional(),
        Arg::word("rev", "REV").since("6.2.0").optional(),
        Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
            .token("LIMIT")
            .since("6.2.0")
            .optional(),
        Arg::word("withscores", "WITHSCORES").optional(),
    ]),
    doc(
        "zrangebylex",
        "2.8.9",
        "O(log(N)+M), N = elements in the sorted set, M = elements returned; O(log(N)) \
         for a fixed M",
        "Get the members in a lexicographical range.",
    )
    .deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument")
    .args(&[
        Arg::key("key", 0),
        Arg::string("min"),
        Arg::string("max"),
        Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
            .token("LIMIT")
            .optional(),
    ]),
    doc(
        "zrangebyscore",
        "1.0.5",
        "O(log(N)+M), N = elements in the sorted set, M = elements returned; O(log(N)) \
         for a fixed M",
        "Get the members with scores in a range.",
    )
    .deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument")
    .history(&[("2.0.0", "New option `WITHSCORES`.")])
    .args(&[
        Arg::key("key", 0),
        Arg::double("min"),
        Arg::double("max"),
        Arg::word("withscores", "WITHSCORES")
            .since("2.0.0")
            .optional(),
        Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
            .token("LIMIT")
            .optional(),
    ]),
    doc(
        "zrangestore",
        "6.2.0",
        "O(log(N)+M), N = number of elements in the sorted set, M = number of elements \
         stored into the destination key",
        "Store the members in a range of another sorted set.",
    )
    .args(&[
        Arg::key("dst", 0),
        Arg::key("src", 1),
        Arg::string("min"),
        Arg::string("max"),
        Arg::one_of(
            "sortby",
            &[Arg::word("byscore", "BYSCORE"), Arg::word("bylex", "BYLEX")],
        )
        .optional(),
        Arg::word("rev", "REV").optional(),
        Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
            .token("LIMIT")
            .optional(),
    ]),
    doc(
        "zrank",
        "2.0.0",
        "O(log(N))",
        "Get the rank of a member, lowest score first.",
    )
    .history(&[("7.2.0", "New argument `WITHSCORE`.")])
    .args(&[
        Arg::key("key", 0),
        Arg::string("member"),
        Arg::word("withscore", "WITHSCORE").optional(),
    ]),
    doc(
        "zrem",
        "1.2.0",
        "O(M*log(N)), N = number of elements in the sorted set, M = number of elements \
         removed",
        "Remove members from a sorted set.",
    )
    .history(&[("2.4.0", "Takes more than one element.")])
    .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
    doc(
        "zremrangebylex",
        "2.8.9",
        "O(log(N)+M), N = number of elements in the sorted set, M = number of elements \
         removed by the operation",
        "Remove the members in a lexicographical range.",
    )
    .args(&[Arg::key("key", 0), Arg::string("min"), Arg::string("max")]),
    doc(
        "zremrangebyrank",
        "2.0.0",
        "O(log(N)+M), N = number of elements in the sorted set, M = number of elements \
         removed by the operation",
        "Remove the members in a range of ranks.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("start"),
        Arg::integer("stop"),
    ]),
    doc(
        "zremrangebyscore",
        "1.2.0",
        "O(log(N)+M), N = number of elements in the sorted set, M = number of elements \
         removed by the operation",
        "Remove the members with scores in a range.",
    )
    .args(&[Arg::key("key", 0), Arg::double("min"), Arg::double("max")]),
    doc(
        "zrevrange",
        "1.2.0",
        "O(log(N)+M), N = number of elements in the sorted set, M = number of elements \
         returned",
        "Get the members in a range of ranks, highest score first.",
    )
    .deprecated("6.2.0", "`ZRANGE` with the `REV` argument")
    .args(&[
        Arg::key("key", 0),
        Arg::integer("start"),
        Arg::integer("stop"),
        Arg::word("withscores", "WITHSCORES").optional(),
    ]),
    doc(
        "zrevrangebylex",
        "2.8.9",
        "O(log(N)+M), N = elements in the sorted set, M = elements returned; O(log(N)) \
         for a fixed M",
        "Get the members in a lexicographical range, in reverse.",
    )
    .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")
    .args(&[
        Arg::key("key", 0),
        Arg::string("max"),
        Arg::string("min"),
        Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
            .token("LIMIT")
            .optional(),
    ]),
    doc(
        "zrevrangebyscore",
        "2.2.0",
        "O(log(N)+M), N = elements in the sorted set, M = elements returned; O(log(N)) \
         for a fixed M",
        "Get the members with scores in a range, highest first.",
    )
    .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")
    .history(&[("2.1.6", "Ranges may exclude their ends.")])
    .args(&[
        Arg::key("key", 0),
        Arg::double("max"),
        Arg::double("min"),
        Arg::word("withscores", "WITHSCORES").optional(),
        Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
            .token("LIMIT")
            .optional(),
    ]),
    doc(
        "zrevrank",
        "2.0.0",
        "O(log(N))",
        "Get the rank of a member, highest score first.",
    )
    .history(&[("7.2.0", "New argument `WITHSCORE`.")])
    .args(&[
        Arg::key("key", 0),
        Arg::string("member"),
        Arg::word("withscore", "WITHSCORE").optional(),
    ]),
    doc(
        "zscan",
        "2.8.0",
        "O(1) per call, O(N) for a whole walk, N = elements in the collection",
        "Walk over the members of a sorted set step by step.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("cursor"),
        Arg::pattern("pattern").token("MATCH").optional(),
        Arg::integer("count").token("COUNT").optional(),
    ]),
    doc("zscore", "1.2.0", "O(1)", "Get the score of a member.")
        .args(&[Arg::key("key", 0), Arg::string("member")]),
    doc(
        "zunion",
        "6.2.0",
        "O(N)+O(M*log(M)), N = the sum of the sizes of the input sorted sets, M = \
         number of elements in the resulting sorted set",
        "Get the members of all sorted sets together.",
    )
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::integer("weight")
            .token("WEIGHTS")
            .optional()
            .multiple(),
        Arg::one_of(
            "aggregate",
            &[
                Arg::word("sum", "SUM"),
                Arg::word("min", "MIN"),
                Arg::word("max", "MAX"),
                Arg::word("count", "COUNT").since("8.8.0"),
            ],
        )
        .token("AGGREGATE")
        .optional(),
        Arg::word("withscores", "WITHSCORES").optional(),
    ]),
    doc(
        "zunionstore",
        "2.0.0",
        "O(N)+O(M log(M)), N = the sum of the sizes of the input sorted sets, M = \
         number of elements in the resulting sorted set",
        "Store the members of all sorted sets together.",
    )
    .args(&[
        Arg::key("destination", 0),
        Arg::integer("numkeys"),
        Arg::key("key", 1).multiple(),
        Arg::integer("weight")
            .token("WEIGHTS")
            .optional()
            .multiple(),
        Arg::one_of(
            "aggregate",
            &[
                Arg::word("sum", "SUM"),
                Arg::word("min", "MIN"),
                Arg::word("max", "MAX"),
                Arg::word("count", "COUNT").since("8.8.0"),
            ],
        )
        .token("AGGREGATE")
        .optional(),
    ]),
];
