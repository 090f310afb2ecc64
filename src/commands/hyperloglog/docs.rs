//! COMMAND DOCS of the hyperloglog commands, sorted by name.

use russet_command::docs::{Arg, Doc, Group};

const fn doc(
    name: &'static str,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
) -> Doc {
    Doc::new(Group::HyperLogLog, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "pfadd",
        "2.8.9",
        "O(1) to add every element",
        "Add elements to a HyperLogLog.",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("element").optional().multiple(),
    ]),
    doc(
        "pfcount",
        "2.8.9",
        "O(1) and fast for one key; O(N) with a far bigger constant for N keys",
        "Estimate how many different elements HyperLogLogs have seen.",
    )
    .args(&[Arg::key("key", 0).multiple()]),
    doc(
        "pfdebug",
        "2.8.9",
        "N/A",
        "Run HyperLogLog internals meant for testing.",
    )
    .syscmd()
    .args(&[Arg::string("subcommand"), Arg::key("key", 0)]),
    doc(
        "pfmerge",
        "2.8.9",
        "O(N) for N HyperLogLogs, with a big constant",
        "Merge HyperLogLogs into one.",
    )
    .args(&[
        Arg::key("destkey", 0),
        Arg::key("sourcekey", 1).optional().multiple(),
    ]),
    doc(
        "pfselftest",
        "2.8.9",
        "N/A",
        "Test the HyperLogLog implementation.",
    )
    .syscmd(),
];
