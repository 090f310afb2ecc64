//! AUTH and HELLO: authentication and protocol version.
//!
//! HELLO parses all options before it applies the first, so a wrong option changes nothing. Both
//! rows are sensitive, so that passwords stay out of SLOWLOG, MONITOR and crash reports; of HELLO
//! only the words after AUTH are secrets (`stands_behind_auth`).
//!
//! The comparison of a password takes constant time. After too many failures from an address the
//! next attempt from there waits before the check, right or wrong.
//!
//! Decided elsewhere: users and passwords: `russet_acl`; the delay: `Call::begins_to_log_in`.

use crate::server::write_modules;
use russet_acl::Context;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError, Facts, Flags};
use russet_keyspace::ClientId;
use russet_resp::{Args, Reply};
use russet_server::{Call, ClientFlags, CommandResult, Server, Spec, World};

const GREETING: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::FAST)
    .union(Flags::NO_AUTH)
    .union(Flags::SENTINEL)
    .union(Flags::ALLOW_BUSY);

pub(super) const AUTH: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: GREETING.union(Flags::SENSITIVE),
    categories: Category::CONNECTION,
    facts: Facts::LOGS_IN
        .union(Facts::MENDS_AUDIT)
        .union(Facts::INTERNAL)
        .union(Facts::NOT_IN_CONSOLE),
    ..Spec::new("auth", auth)
};

const NO_PASSWORD_SET: &str = "ERR AUTH <password> called without any password configured for \
    the default user. Are you sure your configuration is correct?";
/// `AUTH [username] password`.
///
/// Reply: OK. The comparison takes constant time, wherever the first difference is and whether or
/// not the user exists. After too many failures from an address, the server delays every further
/// attempt before the check, right or wrong.
fn auth(call: &mut Call<'_>) -> CommandResult {
    if let Some(result) = call.log_in_as_node() {
        return result;
    }
    let args = call.args;
    if args.len() == 2 && call.server.acl.users.default().no_password() {
        return Err(CommandError::Text(NO_PASSWORD_SET));
    }
    let login = credentials(args)?;
    if call.begins_to_log_in()? {
        let context = call.context();
        log_in(&mut call.world(), login, (context, args))?;
    }
    Ok(())
}

/// The user's name and the password.
type Login<'a> = (&'a [u8], &'a [u8]);

fn credentials<'a>(args: Args<'a>) -> Result<Login<'a>, CommandError> {
    match args.len() {
        2 => Ok((b"default", args.at(1))),
        3 => Ok((args.at(1), args.at(2))),
        _ => Err(CommandError::Syntax),
    }
}

fn log_in(
    world: &mut World<'_>,
    login: Login<'_>,
    (context, args): (Context, Args<'_>),
) -> CommandResult {
    world.log_in(login, (context, args.at(0)), Some(args))?;
    world.reply.ok();
    Ok(())
}

pub(super) const HELLO: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: GREETING.union(Flags::SENSITIVE),
    is_secret: stands_behind_auth,
    categories: Category::CONNECTION,
    facts: Facts::MAY_LOG_IN
        .union(Facts::MENDS_AUDIT)
        .union(Facts::NOT_IN_CONSOLE),
    ..Spec::new("hello", hello)
};

/// The name and the password after AUTH, wherever AUTH is, and everything after an unknown option,
/// because the meaning cannot be known.
fn stands_behind_auth(args: Args<'_>, at: usize) -> bool {
    // The search is bounded: every argument after the first options counts as a secret.
    const SHOWN_OPTIONS_MAX: usize = 64;
    if at > SHOWN_OPTIONS_MAX {
        return true;
    }
    let mut option = 2;
    while option < at {
        let more = args.len() - option - 1;
        if args.is(option, "AUTH") && more >= 2 {
            if at <= option + 2 {
                return true;
            }
            option += 3;
        } else if args.is(option, "SETNAME") && more >= 1 {
            option += 2;
        } else {
            return true;
        }
    }
    false
}

/// The options of HELLO.
struct HelloOptions<'a> {
    version: Option<i64>,
    login: Option<Login<'a>>,
    name: Option<Option<Box<str>>>,
}

impl<'a> HelloOptions<'a> {
    fn parse(args: Args<'a>) -> Result<HelloOptions<'a>, CommandError> {
        let version = match args.get(1) {
            None => None,
            Some(text) => {
                const NOT_A_VERSION: &str =
                    "ERR Protocol version is not an integer or out of range";
                let n = parse_i64(text).ok_or(CommandError::Text(NOT_A_VERSION))?;
                if !(2..=3).contains(&n) {
                    return Err(CommandError::Text("NOPROTO unsupported protocol version"));
                }
                Some(n)
            }
        };
        let (mut login, mut name) = (None, None);
        let mut at = 2;
        while at < args.len() {
            let more = args.len() - at - 1;
            if args.is(at, "AUTH") && more >= 2 {
                login = Some((args.at(at + 1), args.at(at + 2)));
                at += 3;
            } else if args.is(at, "SETNAME") && more >= 1 {
                name = Some(super::session::client_name(args.at(at + 1))?);
                at += 2;
            } else {
                const BAD_OPTION: &str = "ERR Syntax error in HELLO option '";
                return Err(CommandError::naming(BAD_OPTION, args.at(at), "'"));
            }
        }
        Ok(HelloOptions {
            version,
            login,
            name,
        })
    }

    /// Applies the options and replies.
    fn greet(self, world: &mut World<'_>, (context, args): (Context, Args<'_>)) -> CommandResult {
        if let Some(login) = self.login {
            world.log_in(login, (context, args.at(0)), Some(args))?;
        }
        if world.client.flags.contains(ClientFlags::UNAUTHENTICATED) {
            return Err(CommandError::Text(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise \
                 the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the \
                 client and select the RESP protocol version at the same time",
            ));
        }
        if let Some(name) = self.name {
            world.client.identity.name = name;
        }
        if let Some(version) = self.version {
            world.reply.set_resp3(version == 3);
        }
        write_facts(world.reply, world.client.id, world.server);
        Ok(())
    }
}

/// `HELLO [protover [AUTH username password] [SETNAME name]]`.
///
/// Reply: a map of facts about the server, in the requested protocol. Nothing changes unless every
/// option is valid. HELLO checks the login as AUTH does.
fn hello(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let greeting = HelloOptions::parse(args)?;
    let begins = greeting.login.is_none() || call.begins_to_log_in()?;
    if begins {
        let context = call.context();
        greeting.greet(&mut call.world(), (context, args))?;
    }
    Ok(())
}

fn write_facts(reply: &mut Reply, id: ClientId, server: &Server) {
    // A Sentinel has no role.
    let is_sentinel = server.is_sentinel();
    let (dialect, zone) = (server.config.dialect, &server.config.availability_zone);
    let facts = 6 + usize::from(!is_sentinel) + usize::from(!zone.is_empty());
    reply.map(facts);
    reply.bulk(b"server");
    reply.bulk(dialect.hello_name().as_bytes());
    reply.bulk(b"version");
    reply.bulk(dialect.version().as_bytes());
    reply.bulk(b"proto");
    reply.int(if reply.resp3() { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(id.0 as i64);
    reply.bulk(b"mode");
    reply.bulk(server.config.mode().as_bytes());
    if !is_sentinel {
        let is_replica = server.replication.is_replica();
        reply.bulk(b"role");
        reply.bulk(if is_replica { b"replica" } else { b"master" });
    }
    reply.bulk(b"modules");
    write_modules(reply, dialect);
    if !zone.is_empty() {
        reply.bulk(b"availability_zone");
        reply.bulk(zone);
    }
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn only_what_stands_behind_auth_is_kept_out_of_the_slow_log() {
        let mut t = Testbed::new();
        t.run("CONFIG SET slowlog-log-slower-than 0");
        for (line, shown) in [
            (
                "HELLO 3 AUTH default secret SETNAME me",
                "HELLO 3 AUTH (redacted) (redacted) SETNAME me",
            ),
            (
                "HELLO 3 SETNAME me SETNAME you AUTH default secret",
                "HELLO 3 SETNAME me SETNAME you AUTH (redacted) (redacted)",
            ),
            (
                "HELLO 3 ATH default secret",
                "HELLO 3 ATH (redacted) (redacted)",
            ),
            ("HELLO 3 AUTH secret", "HELLO 3 AUTH (redacted)"),
        ] {
            t.run(line);
            assert_eq!(t.newest_slow().join(" "), shown);
        }
    }
}
