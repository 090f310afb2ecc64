//! COMMAND DOCS of the set commands, sorted by name: `command::docs::find` relies on the order.
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
    Doc::new(Group::Set, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "sadd",
        "1.0.0",
        "O(1) per element, O(N) for N of them",
        "Add members to a set.",
    )
    .history(&[("2.4.0", "Takes more than one `member`.")])
    .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
    doc("scard", "1.0.0", "O(1)", "Count the members of a set.").args(&[Arg::key("key", 0)]),
    doc(
        "sdiff",
        "1.0.0",
        "O(N), N = number of elements in all given sets",
        "Get the members of the first set that no other set has.",
    )
    .args(&[Arg::key("key", 0).multiple()]),
    doc(
        "sdiffcard",
        "8.10.0",
        "O(N), N = the total number of elements in all given sets",
        "Count the members of the first set that no other set has.",
    )
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::integer("limit").token("LIMIT").optional(),
    ]),
    doc(
        "sdiffstore",
        "1.0.0",
        "O(N), N = number of elements in all given sets",
        "Store the members of the first set that no other set has.",
    )
    .args(&[Arg::key("destination", 0), Arg::key("key", 1).multiple()]),
    doc(
        "sinter",
        "1.0.0",
        "O(N*M) at worst, N = the cardinality of the smallest set, M = number of sets",
        "Get the members that all sets share.",
    )
    .args(&[Arg::key("key", 0).multiple()]),
    doc(
        "sintercard",
        "7.0.0",
        "O(N*M) at worst, N = the cardinality of the smallest set, M = number of sets",
        "Count the members that all sets share.",
    )
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::integer("limit").token("LIMIT").optional(),
    ]),
    doc(
        "sinterstore",
        "1.0.0",
        "O(N*M) at worst, N = the cardinality of the smallest set, M = number of sets",
        "Store the members that all sets share.",
    )
    .args(&[Arg::key("destination", 0), Arg::key("key", 1).multiple()]),
    doc(
        "sismember",
        "1.0.0",
        "O(1)",
        "Check whether a set has a member.",
    )
    .args(&[Arg::key("key", 0), Arg::string("member")]),
    doc(
        "smembers",
        "1.0.0",
        "O(N), N = the set cardinality",
        "Get all members of a set.",
    )
    .args(&[Arg::key("key", 0)]),
    doc(
        "smismember",
        "6.2.0",
        "O(N), N = number of elements checked for membership",
        "Check which of several members a set has.",
    )
    .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
    doc(
        "smove",
        "1.0.0",
        "O(1)",
        "Move a member from one set to another.",
    )
    .args(&[
        Arg::key("source", 0),
        Arg::key("destination", 1),
        Arg::string("member"),
    ]),
    doc(
        "spop",
        "1.0.0",
        "O(1) without a count, else O(N), N = the count",
        "Remove and return random members of a set.",
    )
    .history(&[("3.2.0", "New argument `count`.")])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("count").since("3.2.0").optional(),
    ]),
    doc(
        "srandmember",
        "1.0.0",
        "O(1) without a count, else O(N), N = its absolute value",
        "Pick random members of a set.",
    )
    .history(&[("2.6.0", "New argument `count`.")])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("count").since("2.6.0").optional(),
    ]),
    doc(
        "srem",
        "1.0.0",
        "O(N), N = number of members removed",
        "Remove members from a set.",
    )
    .history(&[("2.4.0", "Takes more than one `member`.")])
    .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
    doc(
        "sscan",
        "2.8.0",
        "O(1) per call, O(N) for a whole walk, N = elements in the collection",
        "Walk over the members of a set step by step.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::integer("cursor"),
        Arg::pattern("pattern").token("MATCH").optional(),
        Arg::integer("count").token("COUNT").optional(),
    ]),
    doc(
        "sunion",
        "1.0.0",
        "O(N), N = number of elements in all given sets",
        "Get the members of all sets together.",
    )
    .args(&[Arg::key("key", 0).multiple()]),
    doc(
        "sunioncard",
        "8.10.0",
        "O(N), N = the total number of elements in all given sets",
        "Count the members of all sets together.",
    )
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::word("approx", "APPROX").optional(),
        Arg::integer("limit").token("LIMIT").optional(),
    ]),
    doc(
        "sunionstore",
        "1.0.0",
        "O(N), N = number of elements in all given sets",
        "Store the members of all sets together.",
    )
    .args(&[Arg::key("destination", 0), Arg::key("key", 1).multiple()]),
];
