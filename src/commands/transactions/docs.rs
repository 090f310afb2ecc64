//! COMMAND DOCS of the transactions commands, sorted by name.

use russet_command::docs::{Arg, Doc, Group};

const fn doc(
    name: &'static str,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
) -> Doc {
    Doc::new(Group::Transactions, name, since, complexity, summary)
}

pub(in crate::commands) const DOCS: &[Doc] = &[
    doc(
        "discard",
        "2.0.0",
        "O(N), N = number of queued commands",
        "Throw away the queued commands of a transaction.",
    ),
    doc(
        "exec",
        "1.2.0",
        "That of the queued commands",
        "Run the queued commands of a transaction.",
    ),
    doc("multi", "1.2.0", "O(1)", "Begin a transaction."),
    doc("unwatch", "2.2.0", "O(1)", "Forget all watched keys."),
    doc(
        "watch",
        "2.2.0",
        "O(1) per key",
        "Make the next transaction depend on keys staying unchanged.",
    )
    .args(&[Arg::key("key", 0).multiple()]),
];
