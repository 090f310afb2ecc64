//! ACL GETUSER, LIST, DIGEST, USERS, WHOAMI, CAT, GENPASS, DRYRUN: the read-only subcommands.
//!
//! No subcommand here changes a user or a key. They list users and roles in the order of the names,
//! and print a user's rules in the form that ACL SETUSER and the configuration file take, passwords
//! as SHA-256 only.
//!
//! Cost: WHOAMI O(1), USERS O(users), LIST and DIGEST O(rules of all users and roles), CAT
//! O(commands).
//!
//! Decided elsewhere: the text of rules: `russet_acl`; DRYRUN's denial: `server::parts::users`,
//! which checks as the gates do.

use super::at_most_one;
use sha2::{Digest as _, Sha256};

use russet_acl::{CommandLine, Selector, Users};
use russet_base::numbers::number::parse_i64;
use russet_command::{CommandError, up_to_nul};
use russet_config::Dialect;
use russet_resp::Reply;
use russet_server::{Call, CommandResult};

/// `ACL GETUSER name`.
///
/// Reply: a map of flags (a set), passwords (SHA-256), commands, keys, channels and selectors, each
/// selector a map of commands, keys and channels; null if there is no such user. If the user has
/// rules about databases, or the dialect always shows them, each map also has `databases`; if the
/// user has roles, their names follow; if the user has budgets, their rules on one line are last.
pub(super) fn get(call: &mut Call<'_>) -> CommandResult {
    let users = &call.server.acl.users;
    let Some(id) = users.find(call.args.at(2)) else {
        call.reply.null();
        return Ok(());
    };
    let dialect = call.server.config.dialect;
    let user = users.get(id).describe(dialect);
    let databases = dialect.shows_all_databases() || user.limits_databases();
    let reply = &mut *call.reply;
    let roles = user.roles();
    let budgets = user.budgets().join(" ");
    let more = [databases, !roles.is_empty(), !budgets.is_empty()];
    reply.map(6 + more.map(usize::from).iter().sum::<usize>());
    reply.bulk(b"flags");
    let flags = user.flags();
    reply.set(flags.len());
    for flag in flags {
        reply.bulk(flag.as_bytes());
    }
    reply.bulk(b"passwords");
    let passwords = user.passwords();
    reply.array(passwords.len());
    for hash in passwords {
        reply.bulk(hash.as_bytes());
    }
    write_selector(reply, user.root(), databases);
    reply.bulk(b"selectors");
    reply.array(user.selectors().len());
    for selector in user.selectors() {
        reply.map(3 + usize::from(databases));
        write_selector(reply, selector, databases);
    }
    if !roles.is_empty() {
        reply.bulk(b"roles");
        reply.array(roles.len());
        for role in roles {
            reply.bulk(role);
        }
    }
    if !budgets.is_empty() {
        reply.bulk(b"budgets");
        reply.bulk(budgets.as_bytes());
    }
    Ok(())
}

pub(super) fn write_selector(reply: &mut Reply, selector: &Selector, databases: bool) {
    reply.bulk(b"commands");
    reply.bulk(selector.command_rules().as_bytes());
    reply.bulk(b"keys");
    reply.bulk(&selector.key_rules());
    reply.bulk(b"channels");
    reply.bulk(&selector.channel_rules());
    if databases {
        reply.bulk(b"databases");
        reply.bulk(selector.database_rule().as_bytes());
    }
}

/// The lines of ACL LIST.
fn lines(users: &Users, dialect: Dialect) -> impl Iterator<Item = Vec<u8>> {
    let line = |what: &[u8], name: &[u8], rules: Vec<u8>| [what, name, b" ", &rules].concat();
    let roles = users.roles().iter();
    let roles = roles.map(move |(name, role)| line(b"role ", name, role.line()));
    let users = users.iter().map(move |(name, id)| {
        let rules = users.get(id).describe(dialect).line();
        line(b"user ", name, rules)
    });
    roles.chain(users)
}

/// `ACL LIST`: all roles, then all users, in the order of their names, as lines of a configuration
/// file.
pub(super) fn list(call: &mut Call<'_>) -> CommandResult {
    let dialect = call.server.config.dialect;
    let users = &call.server.acl.users;
    call.reply.array(users.roles().len() + users.len());
    for line in lines(users, dialect) {
        call.reply.bulk(&line);
    }
    Ok(())
}

/// `ACL DIGEST`: 64 hexadecimal digits that change with any rule: the SHA-256 of each line of ACL
/// LIST, all combined by exclusive or. O(rules).
pub(super) fn digest(call: &mut Call<'_>) -> CommandResult {
    let mut all = [0u8; 32];
    let dialect = call.server.config.dialect;
    for line in lines(&call.server.acl.users, dialect) {
        for (to, byte) in all.iter_mut().zip(Sha256::digest(&line)) {
            *to ^= byte;
        }
    }
    let text: String = all.iter().map(|byte| format!("{byte:02x}")).collect();
    call.reply.bulk(text.as_bytes());
    Ok(())
}

/// `ACL USERS`: the names of all users, in order.
pub(super) fn names(call: &mut Call<'_>) -> CommandResult {
    let users = &call.server.acl.users;
    call.reply.array(users.len());
    for (name, _) in users.iter() {
        call.reply.bulk(name);
    }
    Ok(())
}

/// `ACL WHOAMI`: the name of the connection's user.
pub(super) fn who_am_i(call: &mut Call<'_>) -> CommandResult {
    let name = call.server.acl.users.name(call.client.user);
    call.reply.bulk(name);
    Ok(())
}

/// `ACL CAT [category]`: all categories, or the commands and subcommands of a category.
pub(super) fn cat(call: &mut Call<'_>) -> CommandResult {
    let commands = &call.server.acl.commands;
    let Some(category) = at_most_one(call.args)? else {
        let lists_all = call.server.config.dialect.lists_path_hashes();
        let names = commands.category_names();
        let names: Vec<&str> = names
            .filter(|&name| lists_all || name != "pathhash")
            .collect();
        call.reply.array(names.len());
        for name in names {
            call.reply.bulk(name.as_bytes());
        }
        return Ok(());
    };
    let unknown = || {
        let shown = &category[..category.len().min(128)];
        CommandError::naming("ERR Unknown category '", shown, "'")
    };
    let members = commands.of_category(category).ok_or_else(unknown)?;
    let members: Vec<&str> = members.collect();
    call.reply.array(members.len());
    for name in members {
        call.reply.bulk(name.as_bytes());
    }
    Ok(())
}

/// `ACL GENPASS [bits]`: random hexadecimal digits, 64 by default.
pub(super) fn generate(call: &mut Call<'_>) -> CommandResult {
    const BITS_MAX: i64 = 4096;
    const BAD_BITS: &str = "ERR ACL GENPASS argument must be the number of bits for the output \
                            password, a positive number up to 4096";
    let bits = match at_most_one(call.args)? {
        None => 256,
        Some(text) => parse_i64(text).ok_or(CommandError::NotAnInteger)?,
    };
    if !(1..=BITS_MAX).contains(&bits) {
        return Err(CommandError::Text(BAD_BITS));
    }
    let digits = bits.unsigned_abs().div_ceil(4) as usize;
    let text = russet_base::random::hex(digits);
    call.reply.bulk(text.as_bytes());
    Ok(())
}

/// `ACL DRYRUN name command [arg ...]`: whether a user may run a command, by the gates' own check.
///
/// Reply: OK, or the denial as a bulk string; an error if there is no such user or command. The
/// handler checks commands that exist only for rules as if they were implemented.
pub(super) fn dry_run(call: &mut Call<'_>) -> CommandResult {
    let (name, args) = (call.args.at(2), call.args.from(3));
    let server = &*call.server;
    let user = server.acl.users.find(name);
    let user = user.ok_or_else(|| CommandError::naming("ERR User '", name, "' not found"))?;
    let row = server.table.find(args.at(0));
    let row = match (row, args.get(1)) {
        (Some(row), Some(sub)) if !row.subcommands.is_empty() => {
            server.table.find_subcommand(row, sub)
        }
        (row, _) => row,
    };
    let (db, databases) = (call.client.db.0, server.config.databases);
    let line = match row {
        Some(row) => Some(CommandLine::of(row, args, db, databases)),
        None => server.acl.commands.reserved_line(args, db, databases),
    };
    let unknown = || {
        let shown = up_to_nul(args.at(0));
        CommandError::naming("ERR Command '", shown, "' not found")
    };
    let line = line.ok_or_else(unknown)?;
    if !line.is_whole {
        let name = server.acl.commands.row(line.id).full_name;
        return Err(CommandError::WrongArity(name.into()));
    }
    match server.acl.denial_of(user, &line) {
        None => call.reply.ok(),
        Some(denial) => call.reply.bulk(&denial),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn rules_may_name_commands_that_the_server_does_not_have() {
        let mut t = Testbed::new();
        let rules = "on nopass ~a* resetchannels -@all +cluster|addslots +psync -module|load \
                     +@array -arget +sentinel|masters +xnack";
        assert_eq!(t.run(&format!("ACL SETUSER u {rules}")), "+OK\r\n");
        let shown = t.run("ACL LIST");
        let listed =
            "+cluster|addslots +psync -module|load +@array -arget +sentinel|masters +xnack";
        assert!(shown.contains(listed), "{shown}");
        for (line, reported) in [
            ("CLUSTER ADDSLOTS 1", "+OK"),
            ("psync a 1", "+OK"),
            ("arset a1 0 v", "+OK"),
            (
                "CLUSTER INFO",
                "User u has no permissions to run the 'cluster|info' command",
            ),
            (
                "arget a1 0",
                "User u has no permissions to run the 'arget' command",
            ),
            (
                "arset b 0 v",
                "User u has no permissions to access the 'b' key",
            ),
            (
                "CLUSTER ADDSLOTS",
                "-ERR wrong number of arguments for 'cluster|addslots' command",
            ),
            (
                "arset a",
                "-ERR wrong number of arguments for 'arset' command",
            ),
            ("CLUSTER NOSUCH 1", "-ERR Command 'CLUSTER' not found"),
            ("sentinel masters", "-ERR Command 'sentinel' not found"),
        ] {
            let reply = t.run(&format!("ACL DRYRUN u {line}"));
            let text = reply.trim_end().rsplit("\r\n").next();
            assert_eq!(text, Some(reported), "{line}");
        }
        let refused = t.run("ACL SETUSER u +cluster|nosuch");
        assert!(
            refused.ends_with("Unknown command or category name in ACL\r\n"),
            "{refused}"
        );
        // A command that rules know is not thereby implemented.
        let unknown = "-ERR unknown command 'SENTINEL'";
        assert!(t.run("SENTINEL MASTERS").starts_with(unknown));
        assert!(!t.run("COMMAND LIST").contains("sentinel"));
        assert_eq!(t.run("COMMAND INFO sentinel"), "*1\r\n$-1\r\n");
        assert!(t.run("ACL CAT array").contains("arset"));
        assert!(t.run("ACL CAT dangerous").contains("cluster|addslots"));
        assert!(!t.run("ACL CAT dangerous").contains("sentinel"));
    }
}
