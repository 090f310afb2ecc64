//! COMMAND DOCS of the pile commands, sorted by name.

use crate::command::docs::{Arg, Doc, Group};

pub(in crate::commands) const DOCS: &[Doc] = &[
    Doc::new(
        Group::Pile,
        "pileadd",
        "8.0.0",
        "O(N) of N numbers",
        "Add numbers to a pile.",
    )
    .args(&[Arg::key("key", 0), Arg::string("number").multiple()]),
    Doc::new(Group::Pile, "pilelen", "8.0.0", "O(1)", "Numbers of a pile.")
        .args(&[Arg::key("key", 0)]),
];
