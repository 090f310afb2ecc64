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
