//! ACL: users, roles and their rules, the log of denials, the commands that rules can name.
//!
//! `russet_acl` interprets rules, `server::parts::users` applies a change to connections; this
//! module parses arguments and writes replies.

mod inspect;
mod log;
mod manage;
mod roles;
#[cfg(test)]
mod tests;

use crate::help::{misused, row as help_row, write_help};
use russet_command::{Arity, CommandError, Facts, Flags};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Handler, Spec};

pub(super) static SPECS: &[Spec] = &[ACL];

const ACL: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER.union(Flags::SENTINEL),
    subcommands: &[
        for_all("cat", inspect::cat, Arity::AtLeast(2)).with(Facts::SHOWS),
        Spec {
            tips: EVERYWHERE,
            flags: ADMIN.union(Flags::SENSITIVE),
            is_secret,
            facts: Facts::NAMES_USERS,
            ..for_admins("deluser", manage::delete, Arity::AtLeast(3))
        },
        Spec {
            tips: EVERYWHERE,
            flags: ADMIN.union(Flags::SENSITIVE),
            is_secret: is_password,
            ..for_admins("delrole", roles::delete, Arity::AtLeast(3))
        },
        for_admins("digest", inspect::digest, Arity::Exactly(2)),
        for_admins("dryrun", inspect::dry_run, Arity::AtLeast(4)).with(Facts::SHOWS),
        for_all("genpass", inspect::generate, Arity::AtLeast(2)),
        Spec {
            flags: ADMIN.union(Flags::SENSITIVE),
            is_secret: is_password,
            facts: Facts::SHOWS,
            ..for_admins("getrole", roles::get, Arity::Exactly(3))
        },
        Spec {
            flags: ADMIN.union(Flags::SENSITIVE),
            is_secret,
            facts: Facts::NAMES_USER.union(Facts::SHOWS),
            ..for_admins("getuser", inspect::get, Arity::Exactly(3))
        },
        help_row(help),
        for_admins("list", inspect::list, Arity::Exactly(2)).with(Facts::SHOWS),
        for_admins("load", manage::load, Arity::Exactly(2)),
        for_admins("log", log::log, Arity::AtLeast(2)).with(Facts::SHOWS.union(Facts::MAY_RESET)),
        for_admins("roles", roles::names, Arity::Exactly(2)).with(Facts::SHOWS),
        Spec {
            tips: EVERYWHERE,
            ..for_admins("save", manage::save, Arity::Exactly(2))
        },
        Spec {
            tips: EVERYWHERE,
            flags: ADMIN.union(Flags::SENSITIVE),
            is_secret: is_password,
            ..for_admins("setrole", roles::set, Arity::AtLeast(3))
        },
        Spec {
            tips: EVERYWHERE,
            flags: ADMIN.union(Flags::SENSITIVE),
            is_secret,
            facts: Facts::NAMES_USER,
            ..for_admins("setuser", manage::set, Arity::AtLeast(3))
        },
        for_admins("users", inspect::names, Arity::Exactly(2)).with(Facts::SHOWS),
        for_all("whoami", inspect::who_am_i, Arity::Exactly(2)).with(Facts::SHOWS),
    ],
    ..Spec::new("acl", help)
};

const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

const ALL: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::SENTINEL);
const ADMIN: Flags = ALL.union(Flags::ADMIN).union(Flags::TAKES_OVER);

const fn for_all(name: &'static str, handler: Handler, arity: Arity) -> Spec {
    Spec {
        arity,
        flags: ALL,
        ..Spec::new(name, handler)
    }
}

const fn for_admins(name: &'static str, handler: Handler, arity: Arity) -> Spec {
    Spec {
        flags: ADMIN,
        ..for_all(name, handler, arity)
    }
}

/// Names and passwords: everything after the subcommand.
fn is_secret(_: Args<'_>, at: usize) -> bool {
    at >= 2
}

/// Roles have no passwords, but an operator may give a password by mistake: a word with a
/// password's sign.
fn is_password(args: Args<'_>, at: usize) -> bool {
    at >= 2 && matches!(args.at(at).first(), Some(b'<' | b'>' | b'#' | b'!'))
}

/// The optional argument of a subcommand; an error if there are more.
fn at_most_one(args: Args<'_>) -> Result<Option<&[u8]>, CommandError> {
    match args.len() {
        2 | 3 => Ok(args.get(2)),
        _ => Err(misused(args)),
    }
}

/// `ACL HELP`: the subcommands, a status line each.
fn help(call: &mut Call<'_>) -> CommandResult {
    let lines = [
        "CAT [<category>]",
        "    List the categories, or the commands and subcommands of one.",
        "DELROLE <rolename> [<rolename> ...]",
        "    Delete roles that no user holds.",
        "DELUSER <username> [<username> ...]",
        "    Delete users and close their connections.",
        "DIGEST",
        "    Show a fingerprint of all rules.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Tell whether a user may run a command, without running it.",
        "GETROLE <rolename>",
        "    Show the rules of a role and who holds it.",
        "GETUSER <username>",
        "    Show the rules of a user.",
        "GENPASS [<bits>]",
        "    Make a password of 256 random bits, or of as many as are asked for.",
        "LIST",
        "    Show all users as lines of a configuration file.",
        "LOAD",
        "    Read the ACL file again.",
        "LOG [<count> | RESET]",
        "    Show what was denied lately, or forget it.",
        "ROLES",
        "    List the names of all roles.",
        "SAVE",
        "    Write all users to the ACL file.",
        "SETROLE <rolename> [<rule> ...]",
        "    Make or change a role.",
        "SETUSER <username> <rule> [<rule> ...]",
        "    Make or change a user.",
        "USERS",
        "    List the names of all users.",
        "WHOAMI",
        "    Tell the name of this connection's user.",
    ];
    write_help(call, &lines);
    Ok(())
}
