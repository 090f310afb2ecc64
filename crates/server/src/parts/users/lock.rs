//! The lock of the console: rules of ACL that permit commands that read, and no others, on top of a
//! user's own.
//!
//! A command runs in a locked session if the session's user and the lock permit it; the gate checks
//! it against both (`server::execution::gates`). The lock is made once, at start, from the command
//! table. Which sessions are locked: `server::console`.

use russet_acl::{Commands, Roles, Terms, User};
use russet_command::Facts;
use russet_config::PubsubDefault;

/// Data and channels of any name, and commands that read data.
const RULES: [&str; 3] = ["~*", "&*", "+@read"];

/// A user with these rights and no other.
pub fn lock(commands: &Commands) -> User {
    let roles = Roles::default();
    let terms = Terms {
        commands,
        roles: &roles,
        channels: PubsubDefault::ResetChannels,
    };
    let rows = (0..commands.built()).map(|id| commands.row(id));
    let with = |facts, sign| {
        let rows = rows.clone().filter(move |row| row.facts.contains(facts));
        rows.map(move |row| format!("{sign}{}", row.full_name))
    };
    let (shown, acting) = (with(Facts::SHOWS, '+'), with(Facts::ACTS, '-'));
    let of_rows: Vec<String> = shown.chain(acting).collect();
    let rules = RULES.into_iter().chain(of_rows.iter().map(String::as_str));
    let mut lock = User::new(PubsubDefault::ResetChannels);
    let applied = lock.apply_all(rules.map(str::as_bytes), terms);
    debug_assert!(applied.is_ok(), "each rule names what there is");
    lock
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::commands_of;
    use crate::server::state::call::{CommandTable, Row};
    use russet_acl::CommandLine;
    use russet_command::Flags;
    use russet_resp::OwnedArgs;

    #[test]
    fn a_locked_session_runs_commands_that_show_and_none_that_writes() {
        let specs = crate::commands::all_tables();
        let of_sentinel = CommandTable::of(&specs, |spec| spec.flags.contains(Flags::SENTINEL));
        for table in [CommandTable::new(&crate::commands::table()), of_sentinel] {
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
}
