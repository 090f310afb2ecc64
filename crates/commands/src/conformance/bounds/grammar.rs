//! The syntax from which the tests generate lines: the syntax of COMMAND DOCS, or a finer syntax of
//! `grammar.txt` for rows whose documentation leaves options or subcommands open.

use std::sync::LazyLock;

use russet_command::docs::{Arg, Doc, parse};

static FINER: LazyLock<Vec<Doc>> = LazyLock::new(|| {
    let parsed = parse("bounds/grammar.txt", include_str!("grammar.txt"));
    parsed.unwrap_or_else(|fault| panic!("{fault}"))
});

/// The arguments of a row.
pub fn args_of(row: &str, doc: &'static Doc) -> &'static [Arg] {
    let finer = FINER.iter().find(|finer| finer.name == row);
    &finer.unwrap_or(doc).args
}
