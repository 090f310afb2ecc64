//! The users of connections: login, the effect of changed users on connections, and the log of
//! denials.
//!
//! A connection has its user's number (`Client::user`) and two flags: whether it must log in
//! (`UNAUTHENTICATED`, which matters only while the default user needs a password) and whether its
//! user lacks any permission (`RESTRICTED`). So a user with all permissions is never looked up.
//! Code that changes users must update the flags ([`Server::users_changed`]) and close the
//! connections of deleted users.
//!
//! Invariant: no connection refers to a deleted user. It becomes the default user's, without its
//! permissions until it logs in, and is closed.

use crate::acl::{
    AclLog, Attempts, CommandFacts, CommandLine, Commands, Pattern, RulesError, User, UserId, Users,
};
use crate::base::text::Printable;
use crate::command::table::{CommandTable, Row};
use crate::resp::Args;

/// See the module.
pub struct Acl {
    pub commands: Commands,
    pub users: Users,
    pub log: AclLog,
    pub(in crate::server) attempts: Attempts,
}

impl Acl {
    /// The default user alone, with this password unless it is empty.
    pub(in crate::server) fn new<H>(table: &CommandTable<H>, requirepass: &[u8]) -> Acl {
        let commands = commands_of(table);
        let mut users = Users::new(&commands);
        users.default_mut().set_only_password(requirepass);
        Acl {
            commands,
            users,
            log: AclLog::default(),
            attempts: Attempts::default(),
        }
    }
}

/// The command table in the form that rules use.
pub fn commands_of<H>(table: &CommandTable<H>) -> Commands {
    Commands::new(table.rows().iter().map(|row| CommandFacts {
        full_name: row.full_name,
        categories: row.spec.all_categories(),
        parent: row.parent,
    }))
}

impl<H> Row<H> {
    /// The row with arguments, in the form of a permission check; `db` is the client's.
    #[inline]
    pub fn command_line<'a>(
        &'a self,
        args: Args<'a>,
        db: u32,
        databases_max: u32,
    ) -> CommandLine<'a> {
        CommandLine {
            id: self.id,
            flags: self.spec.flags,
            plan: &self.plan,
            channels: self.spec.channels,
            databases: self.spec.databases,
            args,
            is_whole: self.spec.arity.admits(args.len()),
            db,
            databases_max,
        }
    }
}

/// The reason is in the log.
#[derive(Debug)]
pub(in crate::server) struct UsersNotLoaded;

#[derive(Default)]
pub(in crate::server) struct Replaced {
    pub(in crate::server) gone: Vec<UserId>,
    pub(in crate::server) fewer_channels: Vec<(UserId, Vec<Pattern>)>,
}

impl Replaced {
    pub(in crate::server) fn put(&mut self, known: &mut Users, name: &[u8], user: User) {
        if let Some(before) = known.find(name)
            && let Some(left) = user.channels_left(known.get(before))
        {
            self.fewer_channels.push((before, left));
        }
        known.put(name, user);
    }
}

/// A rule and its error, redacted if the rule may contain a password.
pub(in crate::server) fn rule_problem(error: &RulesError) -> String {
    match error {
        RulesError::Rule { rule, why, .. } => match rule.first() {
            Some(b'>' | b'<' | b'#' | b'!') => format!("'(redacted)': {why}"),
            _ => format!("'{}': {why}", Printable(rule)),
        },
        RulesError::Unmatched(word) => {
            format!(
                "'{}': Unmatched parenthesis in acl selector",
                Printable(word)
            )
        }
    }
}
