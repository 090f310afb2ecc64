//! The documentation of all groups, by command name.
//!
//! Each group's `docs.txt` is parsed when COMMAND DOCS, or a test, first asks for a name; then a
//! name is found in O(log n). The form of the texts: `russet_command::docs`.
//!
//! For every text: `since`, `group`, doc flags, arguments and the O() terms equal the recorded
//! facts of Redis and Valkey (`conformance::facts`); summary, history and the words around O() are
//! russet's. A row without an entry fails `conformance::growth`, and the arguments are the grammar
//! from which `conformance` and the fuzzers make command lines.

use std::sync::LazyLock;

use super::GROUPS;
use russet_command::docs::{Doc, parse};

/// All commands, sorted by name.
static DOCS: LazyLock<Vec<Doc>> = LazyLock::new(|| {
    let mut docs = Vec::new();
    for (_, (path, text)) in GROUPS {
        // A test parses the same texts.
        docs.extend(parse(path, text).unwrap_or_else(|fault| panic!("{fault}")));
    }
    docs.sort_unstable_by_key(|doc| doc.name);
    docs.shrink_to_fit();
    docs
});

/// The documentation of a command or subcommand (`config|get`), by the name in the command's row.
///
/// Commands documented here before they have a row are not shown.
pub fn docs_for(full_name: &str) -> Option<&'static Doc> {
    let at = DOCS.binary_search_by(|doc| doc.name.cmp(full_name)).ok()?;
    Some(&DOCS[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_command::docs::{Arg, ArgKind};

    #[test]
    fn texts_are_well_formed_and_sorted() {
        for (_, (path, text)) in GROUPS {
            let docs = parse(path, text).unwrap_or_else(|fault| panic!("{fault}"));
            let names: Vec<&str> = docs.iter().map(|doc| doc.name).collect();
            assert!(names.is_sorted(), "{path}: {names:?}");
        }
    }

    #[test]
    fn each_command_is_found_by_its_full_name() {
        let twice = DOCS.windows(2).find(|two| two[0].name == two[1].name);
        assert!(twice.is_none(), "{twice:?}");
        assert_eq!(docs_for("config|get").unwrap().name, "config|get");
        assert!(docs_for("config|nosuch").is_none());
        assert!(docs_for("nosuch").is_none());
    }

    #[test]
    fn arguments_are_well_formed() {
        fn check(arg: &Arg) {
            assert!(!arg.name.is_empty());
            assert_eq!(arg.kind.is_nested(), !arg.args.is_empty(), "{}", arg.name);
            assert!(
                arg.kind != ArgKind::PureToken || arg.token.is_some(),
                "{}",
                arg.name
            );
            arg.args.iter().for_each(check);
        }
        for doc in DOCS.iter() {
            assert!(
                doc.summary.ends_with('.') && doc.summary.len() < 120,
                "{}",
                doc.name
            );
            doc.args.iter().for_each(check);
        }
    }
}
