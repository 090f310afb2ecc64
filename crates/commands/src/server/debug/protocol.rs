//! DEBUG PROTOCOL: a reply of each type, for client tests.
#![allow(
    clippy::unit_arg,
    clippy::approx_constant,
    reason = "one line a type, with the values that clients' tests know"
)]

use russet_command::CommandError;
use russet_resp::Reply;
use russet_server::{Call, CommandResult};

type Write = fn(&mut Reply) -> CommandResult;

static TYPES: &[(&str, Write)] = &[
    ("string", |r| done(r.bulk(b"Hello World"))),
    ("integer", |r| done(r.int(12345))),
    ("double", |r| done(r.double(3.141))),
    ("bignum", |r| {
        done(r.big_number(b"1234567999999999999999999999999999999"))
    }),
    ("null", |r| done(r.null())),
    ("array", array),
    ("set", set),
    ("map", map),
    ("attrib", attribute),
    ("push", push),
    ("verbatim", |r| {
        done(r.verbatim("txt", b"This is a verbatim\nstring"))
    }),
    ("true", |r| done(r.boolean(true))),
    ("false", |r| done(r.boolean(false))),
];

const UNKNOWN: &str = "ERR Wrong protocol type name. Please use one of the following: \
    string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false";

/// `DEBUG PROTOCOL type`.
pub(crate) fn protocol(call: &mut Call<'_>) -> CommandResult {
    let found = TYPES.iter().find(|(name, _)| call.args.is(2, name));
    let (_, write) = found.ok_or(CommandError::Text(UNKNOWN))?;
    write(call.reply)
}

fn done((): ()) -> CommandResult {
    Ok(())
}

fn array(reply: &mut Reply) -> CommandResult {
    reply.array(3);
    (0..3).for_each(|n| reply.int(n));
    Ok(())
}

fn set(reply: &mut Reply) -> CommandResult {
    reply.set(3);
    (0..3).for_each(|n| reply.int(n));
    Ok(())
}

fn map(reply: &mut Reply) -> CommandResult {
    reply.map(3);
    for n in 0..3 {
        reply.int(n);
        reply.boolean(n == 1);
    }
    Ok(())
}

/// RESP2 has no attributes: it gets only the real reply.
fn attribute(reply: &mut Reply) -> CommandResult {
    if reply.resp3() {
        reply.attribute(1);
        reply.bulk(b"key-popularity");
        reply.array(2);
        reply.bulk(b"key:123");
        reply.int(90);
    }
    reply.bulk(b"Some real reply following the attribute");
    Ok(())
}

/// A push is not a reply; the handler writes a reply, too, so that clients that drop pushes can
/// continue. Like every push that a client's own command causes, this push comes after the reply.
fn push(reply: &mut Reply) -> CommandResult {
    if !reply.resp3() {
        const NOT_IN_RESP2: &str = "ERR RESP2 is not supported by this command";
        return Err(CommandError::Text(NOT_IN_RESP2));
    }
    reply.bulk(b"Some real reply following the push reply");
    reply.push(2);
    reply.bulk(b"server-cpu-usage");
    reply.int(42);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use russet_config::Allowed;

    #[test]
    fn every_type_has_its_form_in_both_protocols() {
        let mut t = Testbed::new();
        t.engine.server.config.enable_debug_command = Allowed::Yes;
        for (name, resp2, resp3) in [
            (
                "map",
                "*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n",
                "%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n",
            ),
            ("double", "$5\r\n3.141\r\n", ",3.141\r\n"),
            ("null", "$-1\r\n", "_\r\n"),
            (
                "verbatim",
                "$25\r\nThis is a verbatim\nstring\r\n",
                "=29\r\ntxt:This is a verbatim\nstring\r\n",
            ),
            (
                "push",
                "-ERR RESP2 is not supported by this command\r\n",
                "$40\r\nSome real reply following the push reply\r\n>2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n",
            ),
        ] {
            t.run("HELLO 2");
            assert_eq!(t.run(&format!("DEBUG PROTOCOL {name}")), resp2);
            t.run("HELLO 3");
            assert_eq!(t.run(&format!("debug protocol {name}")), resp3);
        }
        assert!(
            t.run("DEBUG PROTOCOL x")
                .starts_with("-ERR Wrong protocol type name. Please")
        );
    }
}
