//! The lock of the console: rules of ACL that permit commands that read, and no others, on top of a
//! user's own.
//!
//! A command runs in a locked session if the session's user and the lock permit it; the gate checks
//! it against both (`server::execution::gates`). The lock is made once, at start, from the command
//! table. Which sessions are locked: `server::console`.

use crate::acl::{Commands, Roles, Terms, User};
use crate::config::PubsubDefault;

/// Data and channels of any name; commands that read data, or show the server's state. The gate
/// checks a command that both reads and resets (ACL LOG). Vector sets are in no category.
const RULES: [&str; 75] = [
    "~*",
    "&*",
    "+@read",
    "+@transaction",
    "-watch",
    "-unwatch",
    "+acl|cat",
    "+acl|dryrun",
    "+acl|getuser",
    "+acl|list",
    "+acl|log",
    "+acl|roles",
    "+acl|getrole",
    "+acl|users",
    "+acl|whoami",
    "+backup|list",
    "+backup|status",
    "+client|closed",
    "+client|getname",
    "+client|id",
    "+client|info",
    "+client|list",
    "+client|trackinginfo",
    "+cluster|countkeysinslot",
    "+cluster|explain",
    "+cluster|getkeysinslot",
    "+cluster|info",
    "+cluster|keyslot",
    "+cluster|links",
    "+cluster|myid",
    "+cluster|nodes",
    "+cluster|shards",
    "+cluster|slot-stats",
    "+cluster|slots",
    "+command",
    "+commandlog|get",
    "+commandlog|len",
    "+config|docs",
    "+config|get",
    "+echo",
    "+function|dump",
    "+function|list",
    "+function|stats",
    "+hotkeys|get",
    "+info",
    "+lastsave",
    "+latency|doctor",
    "+latency|graph",
    "+latency|histogram",
    "+latency|history",
    "+latency|latest",
    "+memory",
    "-memory|purge",
    "+module|list",
    "+ping",
    "+pubsub",
    "+role",
    "+script|exists",
    "+slowlog|get",
    "+slowlog|len",
    "+time",
    "+subscribe",
    "+psubscribe",
    "+ssubscribe",
    "+monitor",
    "+vcard",
    "+vdim",
    "+vemb",
    "+vgetattr",
    "+vinfo",
    "+vismember",
    "+vlinks",
    "+vrandmember",
    "+vrange",
    "+vsim",
];

/// Commands that show a Sentinel's state.
const RULES_OF_SENTINEL: [&str; 14] = [
    "+sentinel|ckquorum",
    "+sentinel|explain",
    "+sentinel|get-master-addr-by-name",
    "+sentinel|get-primary-addr-by-name",
    "+sentinel|info-cache",
    "+sentinel|master",
    "+sentinel|masters",
    "+sentinel|myid",
    "+sentinel|pending-scripts",
    "+sentinel|primaries",
    "+sentinel|primary",
    "+sentinel|replicas",
    "+sentinel|sentinels",
    "+sentinel|slaves",
];

/// A user with these rights and no other. Rules of commands that this server does not have (a
/// Sentinel, `rename-command`) are left out.
pub fn lock(commands: &Commands) -> User {
    let mut lock = User::new(PubsubDefault::ResetChannels);
    let roles = Roles::default();
    let terms = Terms {
        commands,
        roles: &roles,
        channels: PubsubDefault::ResetChannels,
    };
    if lock
        .apply_all(RULES.iter().map(|rule| rule.as_bytes()), terms)
        .is_err()
    {
        for rule in RULES.iter().chain(&RULES_OF_SENTINEL) {
            // The error is that of an unknown command.
            let _ = lock.apply_all(std::iter::once(rule.as_bytes()), terms);
        }
    }
    lock
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Flags;
    use crate::server::commands_of;
    use crate::server::state::call::CommandTable;

    fn assert_all_apply(rules: &[&str], table: &CommandTable) {
        let commands = commands_of(table);
        let roles = Roles::default();
        for rule in rules {
            let terms = Terms {
                commands: &commands,
                roles: &roles,
                channels: PubsubDefault::ResetChannels,
            };
            let mut user = User::new(PubsubDefault::ResetChannels);
            let applied = user.apply_all(std::iter::once(rule.as_bytes()), terms);
            assert!(applied.is_ok(), "{rule}");
        }
    }

    #[test]
    fn every_rule_names_what_there_is() {
        assert_all_apply(&RULES, &CommandTable::new(&crate::commands::table()));
        let specs = crate::commands::all_tables();
        let of_sentinel = CommandTable::of(&specs, |spec| spec.flags.contains(Flags::SENTINEL));
        assert_all_apply(&RULES_OF_SENTINEL, &of_sentinel);
    }
}
