//! ACL SETROLE, DELROLE, GETROLE, ROLES: roles of users, as in Valkey 9.2.
//!
//! A role is a named set of rules that users hold. A change applies to the users of the role at
//! once. If a user holds any of the roles DELROLE deletes nothing.
//!
//! Cost: SETROLE and GETROLE O(rules + users), DELROLE O(names * users), ROLES O(roles).
//!
//! Decided elsewhere: the grammar of rules and names: `russet_acl`; connections that lose a
//! channel: `World::set_role`.

use super::inspect::write_selector;
use russet_acl::Roles;
use russet_command::CommandError;
use russet_server::{Call, CommandResult};

/// `ACL SETROLE name [rule ...]`: changes a role, or creates one without any permission.
///
/// Reply: OK, or an error for the first wrong rule; then nothing has changed. Closes connections of
/// the role's users with subscriptions to channels that the users may no longer read. O(rules +
/// users), and O(connections) if a user has gained or lost all rights.
pub(super) fn set(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let name = args.at(2);
    Roles::check_name(name).map_err(|why| CommandError::owned(format!("ERR {why}")))?;
    call.world().set_role(name, args.from(3).iter())?;
    call.reply.ok();
    Ok(())
}

/// `ACL DELROLE name ...`: deletes roles.
///
/// Reply: how many existed. If a user holds any of the roles the reply is an error, and no role is
/// deleted. O(names * users).
pub(super) fn delete(call: &mut Call<'_>) -> CommandResult {
    let names = call.args.from(2);
    let users = &mut call.server.acl.users;
    if let Some(held) = names
        .iter()
        .find(|name| users.holders(name).next().is_some())
    {
        let end = "' is assigned to one or more users. Remove it from them first.";
        return Err(CommandError::naming("ERR Role '", held, end));
    }
    let deleted = names.iter().filter(|name| users.remove_role(name)).count();
    call.reply.int(deleted as i64);
    Ok(())
}

/// `ACL GETROLE name`.
///
/// Reply: a map of commands, keys, channels, databases, selectors (each a map of the first four)
/// and users, the names of the users that hold the role; null if there is no such role. O(rules +
/// users).
pub(super) fn get(call: &mut Call<'_>) -> CommandResult {
    let (users, name) = (&call.server.acl.users, call.args.at(2));
    let Some(role) = users.roles().get(name) else {
        call.reply.null();
        return Ok(());
    };
    let reply = &mut *call.reply;
    reply.map(6);
    write_selector(reply, role.root(), true);
    reply.bulk(b"selectors");
    reply.array(role.selectors().len());
    for selector in role.selectors() {
        reply.map(4);
        write_selector(reply, selector, true);
    }
    reply.bulk(b"users");
    reply.array(users.holders(name).count());
    for (holder, _) in users.holders(name) {
        reply.bulk(holder);
    }
    Ok(())
}

/// `ACL ROLES`: the names of all roles, in order.
pub(super) fn names(call: &mut Call<'_>) -> CommandResult {
    let roles = call.server.acl.users.roles();
    call.reply.array(roles.len());
    for (name, _) in roles.iter() {
        call.reply.bulk(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn roles_are_made_shown_and_deleted() {
        let mut t = Testbed::new();
        assert_eq!(t.run("ACL ROLES"), "*0\r\n");
        assert_eq!(t.run("ACL SETROLE reader ~app:* +@read (+info)"), "+OK\r\n");
        assert_eq!(t.run("ACL SETROLE b db=1"), "+OK\r\n");
        assert_eq!(t.run("ACL ROLES"), "*2\r\n$1\r\nb\r\n$6\r\nreader\r\n");
        assert_eq!(t.run("ACL SETUSER bob on nopass role=reader"), "+OK\r\n");
        let shown = "*12\r\n$8\r\ncommands\r\n$11\r\n-@all +@read\r\n$4\r\nkeys\r\n$6\r\n~app:*\r\n\
                     $8\r\nchannels\r\n$0\r\n\r\n$9\r\ndatabases\r\n$6\r\nalldbs\r\n$9\r\nselectors\r\n*1\r\n\
                     *8\r\n$8\r\ncommands\r\n$11\r\n-@all +info\r\n$4\r\nkeys\r\n$0\r\n\r\n$8\r\nchannels\r\n\
                     $0\r\n\r\n$9\r\ndatabases\r\n$6\r\nalldbs\r\n$5\r\nusers\r\n*1\r\n$3\r\nbob\r\n";
        let shown = shown.replace("$11\r\n-@all +@read", "$12\r\n-@all +@read");
        assert_eq!(t.run("ACL GETROLE reader"), shown);
        assert_eq!(t.run("ACL GETROLE default"), "$-1\r\n");
        let list = t.run("ACL LIST");
        let role = "role reader ~app:* resetchannels -@all +@read (resetchannels -@all +info)";
        assert!(list.starts_with("*4\r\n$") && list.contains(role), "{list}");
        assert!(list.contains("resetchannels -@all role=reader"), "{list}");
        assert!(
            t.run("ACL GETUSER bob")
                .ends_with("$5\r\nroles\r\n*1\r\n$6\r\nreader\r\n")
        );
        assert!(!t.run("ACL GETUSER default").contains("roles"));
        let held =
            "-ERR Role 'reader' is assigned to one or more users. Remove it from them first.\r\n";
        assert_eq!(t.run("ACL DELROLE b reader"), held);
        assert_eq!(t.run("ACL SETUSER bob resetroles"), "+OK\r\n");
        assert_eq!(t.run("ACL DELROLE b reader nosuch b"), ":2\r\n");
        assert_eq!(t.run("ACL ROLES"), "*0\r\n");
        for (line, reported) in [
            (
                "ACL SETROLE r on",
                "-ERR Error in ACL SETROLE modifier 'on': Syntax error\r\n",
            ),
            (
                "ACL SETROLE a,b +get",
                "-ERR Role names can't contain commas\r\n",
            ),
            (
                "ACL SETROLE r (+get",
                "-ERR Unmatched parenthesis in acl selector starting at '(+get'.\r\n",
            ),
            (
                "ACL SETUSER u role=nosuch",
                "-ERR Error in ACL SETUSER modifier 'role=nosuch': The specified role does not exist\r\n",
            ),
            (
                "ACL SETUSER u role=",
                "-ERR Error in ACL SETUSER modifier 'role=': Syntax error\r\n",
            ),
        ] {
            assert_eq!(t.run(line), reported);
        }
        assert_eq!(t.run("ACL ROLES"), "*0\r\n");
    }

    #[test]
    fn a_changed_role_changes_its_users_at_once() {
        let mut t = Testbed::new();
        t.run("ACL SETROLE live +@all ~* &news:*");
        t.run("ACL SETUSER carol on nopass role=live");
        let carol = t.connect();
        t.run_as(carol, "AUTH carol x");
        assert_eq!(t.run_as(carol, "SET any v"), "+OK\r\n");
        t.run_as(carol, "SUBSCRIBE news:x");
        t.run("ACL SETROLE live resetkeys ~r:*");
        assert!(
            t.run("ACL DRYRUN carol SET any v")
                .contains("no permissions")
        );
        assert_eq!(t.run("ACL DRYRUN carol SET r:a v"), "+OK\r\n");
        assert!(t.run("CLIENT LIST").contains("user=carol"));
        // All rights, and then not: others of the user notice.
        let other = t.connect();
        t.run_as(other, "AUTH carol x");
        t.run("ACL SETROLE live allkeys allchannels");
        assert_eq!(t.run_as(other, "GET x"), "$-1\r\n");
        t.run("ACL SETROLE live -get");
        assert!(t.run_as(other, "GET x").starts_with("-NOPERM"));
        // The server closes the user's connections that are subscribed to lost channels.
        let users = |t: &mut Testbed| t.run("CLIENT LIST").matches("user=carol").count();
        let before = users(&mut t);
        t.run("ACL SETROLE live resetchannels &alerts:*");
        assert!(users(&mut t) < before);
    }

    #[test]
    fn a_digest_is_that_of_the_rules_in_effect() {
        let mut t = Testbed::new();
        let first = t.run("ACL DIGEST");
        assert!(first.starts_with("$64\r\n"), "{first}");
        t.run("ACL SETROLE r +get");
        let with_role = t.run("ACL DIGEST");
        t.run("ACL SETUSER b on");
        t.run("ACL SETUSER a role=r");
        let all = t.run("ACL DIGEST");
        assert!(first != with_role && with_role != all);
        t.run("ACL SETROLE r +set");
        assert_ne!(t.run("ACL DIGEST"), all);
        t.run("ACL SETROLE r -set");
        t.run("ACL DELUSER a b");
        t.run("ACL DELROLE r");
        assert_eq!(t.run("ACL DIGEST"), first);
    }
}
