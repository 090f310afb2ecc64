//! AUTH and HELLO: who a client is and which protocol it speaks.

use crate::base::number::parse_i64;
use crate::command::{Arity, Category, CommandError, Flags};
use crate::config::REDIS_VERSION;
use crate::resp::Args;
use crate::server::{Call, ClientFlags, CommandResult, Spec};

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
    ..Spec::new("auth", auth)
};

const NO_PASSWORD_SET: &str = "ERR AUTH <password> called without any password configured for \
    the default user. Are you sure your configuration is correct?";
/// `AUTH [username] password`.
///
/// Reply: OK. The comparison takes the same time wherever the first difference is, and whether
/// there is such a user or not. Who is refused too often waits for the answer.
fn auth(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (user, password) = match args.len() {
        2 => {
            if call.server.acl.users.default().no_password() {
                return Err(CommandError::Text(NO_PASSWORD_SET));
            }
            (&b"default"[..], args.at(1))
        }
        3 => (args.at(1), args.at(2)),
        _ => return Err(CommandError::Syntax),
    };
    if call.log_in(user, password) {
        call.reply.ok();
    }
    Ok(())
}

pub(super) const HELLO: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: GREETING.union(Flags::SENSITIVE),
    is_secret: stands_behind_auth,
    categories: Category::CONNECTION,
    ..Spec::new("hello", hello)
};

/// The name and the password behind AUTH, wherever that stands, and all that follows a word
/// which is no option: what was meant cannot be known.
fn stands_behind_auth(args: Args<'_>, at: usize) -> bool {
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

/// `HELLO [protover [AUTH username password] [SETNAME name]]`.
///
/// Reply: a map of facts about the server, in the protocol asked for. Nothing changes
/// unless all of it is right.
fn hello(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let version = match args.get(1) {
        None => None,
        Some(text) => {
            const NOT_A_VERSION: &str = "ERR Protocol version is not an integer or out of range";
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
    if let Some((user, password)) = login
        && !call.log_in(user, password)
    {
        return Ok(());
    }
    if call.client.flags.contains(ClientFlags::UNAUTHENTICATED) {
        return Err(CommandError::Text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        call.client.identity.name = name;
    }
    if let Some(version) = version {
        call.reply.set_resp3(version == 3);
    }
    let reply = &mut *call.reply;
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.int(if reply.resp3() { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(call.client.id.0 as i64);
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::server::Testbed;

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
