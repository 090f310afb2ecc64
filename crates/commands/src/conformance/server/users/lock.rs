//! The rights of a locked session, for every command.
//! Real commands run in process, because a table of a few would not show it.

use russet_acl::CommandLine;
use russet_command::Facts;
use russet_command::Flags;
use russet_resp::OwnedArgs;
use russet_server::commands_of;
use russet_server::inside::lock;
use russet_server::{CommandTable, Row};

#[test]
fn a_locked_session_runs_commands_that_show_and_none_that_writes() {
    let specs = crate::all_tables();
    let of_sentinel = CommandTable::of(&specs, |spec| spec.flags.contains(Flags::SENTINEL));
    for table in [CommandTable::new(&crate::table()), of_sentinel] {
        let lock = lock(&commands_of(&table));
        let is_permitted = |row: &&Row| {
            let words: OwnedArgs = row.full_name.split('|').map(str::as_bytes).collect();
            let mut line = CommandLine::of(row, words.args(), 0, 16);
            line.is_whole = false;
            lock.check(&line).is_ok()
        };
        let permitted: Vec<&Row> = table.rows().iter().filter(is_permitted).collect();
        assert!(permitted.len() > 40);
        for row in table.rows() {
            let (name, facts) = (row.full_name, row.spec.facts);
            let is_there = permitted.iter().any(|its| its.id == row.id);
            let changes = facts.contains(Facts::ACTS) || row.spec.flags.contains(Flags::WRITE);
            assert!(is_there || !facts.contains(Facts::SHOWS), "{name}");
            assert!(!is_there || !changes, "{name}");
        }
    }
}
