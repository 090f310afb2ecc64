//! `audit-categories` and `audit-users`, with the categories of all commands.
//! Real commands run in process, because a table of a few would not show it.

use russet_server::inside::Rules;
use russet_server::{CommandTable, commands_of};

fn rules(categories: &str, users: &str) -> Result<(Rules, CommandTable), String> {
    let table = CommandTable::new(&crate::table());
    let commands = commands_of(&table);
    let rules = Rules::new(categories.as_bytes(), users.as_bytes(), &commands)?;
    Ok((rules, table))
}

#[test]
fn the_last_word_that_fits_decides() {
    let (rules, table) = rules("@admin -config config|set @scripting", "*").expect("words");
    let is_in = |name: &str| {
        let row = table.find_full(name.as_bytes()).expect("a command");
        rules.concerns(row.id)
    };
    for name in ["acl|setuser", "config|set", "eval", "auth", "shutdown"] {
        assert!(is_in(name), "{name}");
    }
    for name in ["get", "config|get", "client|id"] {
        assert!(!is_in(name), "{name}");
    }
}

#[test]
fn unknown_words_are_named() {
    for (words, wanted) in [
        ("@admin @nothing", "unknown category '@nothing'"),
        ("frobnicate", "unknown command 'frobnicate'"),
        ("-@", "unknown category '-@'"),
    ] {
        assert_eq!(rules(words, "*").err().as_deref(), Some(wanted));
    }
}

#[test]
fn users_by_name_all_or_all_but() {
    let (all_but, _) = rules("", "* -metrics").expect("words");
    assert!(all_but.concerns_user(b"ann") && !all_but.concerns_user(b"metrics"));
    let (some, _) = rules("", "ann bob").expect("words");
    assert!(some.concerns_user(b"bob") && !some.concerns_user(b"default"));
}
