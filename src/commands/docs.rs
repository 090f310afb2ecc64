//! The documentation of all groups, by command name.
//!
//! Each group's `docs.rs` is a list sorted by name, in which [`docs_for`] finds an entry in O(log
//! n). Only COMMAND DOCS and tests read them; the server runs by its rows alone.
//!
//! For every list: `since`, `group`, doc flags, arguments and the O() terms equal the recorded
//! facts of Redis and Valkey (`conformance::facts`); summary, history and the words around O() are
//! russet's. A row without an entry fails `conformance::growth`, and the arguments are the grammar
//! from which `conformance` and the fuzzers make command lines.

use super::GROUPS;
use russet_command::docs::{Doc, find};

/// The documentation of `name`, or of its `subcommand`; names in lower case.
///
/// Commands documented here before they have a row are not shown.
pub fn docs_for(name: &str, subcommand: Option<&str>) -> Option<&'static Doc> {
    let joined;
    let full = match subcommand {
        Some(subcommand) => {
            joined = format!("{name}|{subcommand}");
            &joined
        }
        None => name,
    };
    // Each list is sorted by name.
    GROUPS.iter().find_map(|(_, docs)| find(docs, full))
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_command::docs::{Arg, ArgKind};

    #[test]
    fn lists_are_sorted_so_that_search_finds_every_entry() {
        for (_, docs) in GROUPS {
            let names: Vec<&str> = docs.iter().map(|doc| doc.name).collect();
            assert!(docs.is_sorted_by(|a, b| a.name < b.name), "{names:?}");
        }
        assert_eq!(docs_for("config", Some("get")).unwrap().name, "config|get");
        assert!(docs_for("config", Some("nosuch")).is_none());
        assert!(docs_for("nosuch", None).is_none());
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
        for doc in GROUPS.iter().flat_map(|(_, docs)| *docs) {
            assert!(
                doc.summary.ends_with('.') && doc.summary.len() < 120,
                "{}",
                doc.name
            );
            assert!(!doc.since.is_empty(), "{}", doc.name);
            doc.args.iter().for_each(check);
        }
    }
}
