//! TIME, MONITOR, LOLWUT: the clock, the stream of commands.
//!
//! TIME stands still in a transaction and in a script, because it decides what they do; elsewhere
//! TIME is the system's clock, not the turn's. A monitor receives every command that runs, in order
//! and without secrets.
//!
//! Decided elsewhere: the times: `Turn::time_of_commands_us`; monitors: `server.messages`.

use rand::Rng;

use russet_base::clock;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError, Facts, Flags};
use russet_server::{Call, ClientFlags, CommandResult, Origin, Spec};

pub(super) const TIME: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    tips: &["nondeterministic_output"],
    facts: Facts::SHOWS,
    ..Spec::new("time", time)
};

/// `TIME`: array of two bulk strings, Unix seconds and the microseconds within the second. The time
/// is constant during a transaction and a script, until the script is busy: from then on it is the
/// time at which the server last served other clients, so that a script that waits for a time ends.
/// Keys expire by the constant time.
fn time(call: &mut Call<'_>) -> CommandResult {
    let now = match call.origin {
        Origin::Script | Origin::Exec => call.server.turn.time_of_commands_us(&call.server.now),
        _ => clock::unix_us(),
    };
    call.reply.array(2);
    call.reply.bulk_int(now / 1_000_000);
    call.reply.bulk_int(now % 1_000_000);
    Ok(())
}

pub(super) const MONITOR: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE),
    facts: Facts::NOT_IN_CONSOLE.union(Facts::SHOWS),
    ..Spec::new("monitor", monitor)
};

/// `MONITOR`: OK, then every executed command, until the connection closes or sends RESET. A
/// monitor that sends it again gets no reply.
fn monitor(call: &mut Call<'_>) -> CommandResult {
    if !call.may_block() {
        const NOT_HERE: &str = "ERR MONITOR isn't allowed for DENY BLOCKING client";
        return Err(CommandError::Text(NOT_HERE));
    }
    // A replica's connection carries the stream.
    let receives = ClientFlags::MONITOR | ClientFlags::REPLICA;
    if call.client.flags.intersects(receives) {
        return Ok(());
    }
    call.client.flags |= ClientFlags::MONITOR;
    call.server.set_monitor(call.client.id, true);
    call.reply.ok();
    Ok(())
}

pub(super) const LOLWUT: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: Flags::READONLY.union(Flags::FAST),
    ..Spec::new("lolwut", lolwut)
};

/// The default and maximum size of the drawing.
const COLUMNS: i64 = 48;
const LINES: i64 = 10;
const SIDE_MAX: i64 = 200;

/// `LOLWUT [VERSION version] [columns [lines]]`: verbatim text, a random maze (Smith's version of
/// Truchet's tiles) and the server's versions.
fn lolwut(call: &mut Call<'_>) -> CommandResult {
    let mut args = call.args.from(1);
    // All versions give the same drawing, but only 5 and 6 check the arguments.
    let mut strict = false;
    if args.is(0, "VERSION") && args.len() >= 2 {
        let version = parse_i64(args.at(1)).ok_or(CommandError::NotAnInteger)?;
        strict = matches!(version, 5 | 6);
        args = args.from(2);
    }
    let side = |at: usize, usual: i64| match args.get(at).map(parse_i64) {
        Some(Some(n)) => Ok(n.clamp(1, SIDE_MAX)),
        Some(None) if strict => Err(CommandError::NotAnInteger),
        _ => Ok(usual),
    };
    let (columns, lines) = (side(0, COLUMNS)?, side(1, LINES)?);
    let rng = call.db.rng();
    let mut text = String::new();
    for _ in 0..lines {
        text.extend((0..columns).map(|_| {
            if rng.next_u32() & 1 == 0 {
                '╱'
            } else {
                '╲'
            }
        }));
        text.push('\n');
    }
    let russet = env!("CARGO_PKG_VERSION");
    let dialect = call.server.config.dialect;
    let (product, version) = (dialect.product(), dialect.version());
    text.push_str(&format!(
        "\nrusset ver. {russet}, as {product} ver. {version}\n"
    ));
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn the_time_stands_still_in_a_transaction_and_a_script() {
        let mut t = Testbed::new();
        let now = "*2\r\n$7\r\n1000000\r\n$1\r\n0\r\n";
        assert_ne!(t.run("TIME"), now, "of the clock itself");
        assert_eq!(
            String::from_utf8_lossy(&t.run_args(&[b"EVAL", b"return redis.call('TIME')", b"0"])),
            now
        );
        t.run("MULTI");
        t.run("TIME");
        t.run("TIME");
        assert_eq!(t.run("EXEC"), format!("*2\r\n{now}{now}"));
    }

    #[test]
    fn a_monitor_sees_commands_in_the_order_they_ran() {
        let mut t = Testbed::new();
        let watcher = t.connect();
        t.run_as(watcher, "MONITOR");
        for command in [
            "MULTI",
            "SET a \"x",
            "CONFIG GET x",
            "EXEC",
            "AUTH secret",
            "NOSUCH",
        ] {
            t.run(command);
        }
        let seen = String::from_utf8(t.take_reply(watcher)).expect("text");
        let words: Vec<&str> = seen
            .lines()
            .map(|l| l.split("] ").nth(1).expect("a line"))
            .collect();
        let expected = [
            "\"MULTI\"",
            "\"SET\" \"a\" \"\\\"x\"",
            "\"EXEC\"",
            "\"AUTH\" \"(redacted)\"",
        ];
        assert_eq!(words, expected);
        assert!(seen.contains(" [0 unix:/test] "), "{seen}");
        t.run_as(watcher, "RESET");
        t.run("PING");
        assert_eq!(t.take_reply(watcher), b"");
    }

    /// A monitor once did not see its own commands, and could access keys.
    #[test]
    fn a_monitor_sees_its_own_commands_and_leaves_keys_alone() {
        let mut t = Testbed::new();
        t.run("MONITOR");
        let own = t.run("PING");
        assert!(own.starts_with("+PONG\r\n+"), "{own}");
        assert!(own.ends_with(" [0 unix:/test] \"PING\"\r\n"), "{own}");
        let refusal = "-ERR Replica can't interact with the keyspace\r\n";
        for command in ["GET a", "SET a 1", "KEYS *"] {
            assert_eq!(t.run(command), refusal);
        }
        assert_eq!(t.run("MONITOR"), "");
        assert!(t.run("RESET").starts_with("+RESET\r\n"));
        assert_eq!(t.run("GET a"), "$-1\r\n");
    }

    #[test]
    fn lolwut_is_as_big_as_it_is_asked_to_be_and_forgives_other_words() {
        let mut t = Testbed::new();
        let lines = |t: &mut Testbed, command: &str| t.run(command).matches('\n').count();
        let usual = lines(&mut t, "LOLWUT");
        assert_eq!(lines(&mut t, "LOLWUT 5 2"), usual - 8);
        for command in ["LOLWUT what", "LOLWUT VERSION", "LOLWUT VERSION 8 x y"] {
            assert_eq!(lines(&mut t, command), usual, "{command}");
        }
        for command in [
            "LOLWUT VERSION x",
            "LOLWUT VERSION 5 x",
            "LOLWUT VERSION 6 9 x",
        ] {
            let refusal = "-ERR value is not an integer or out of range\r\n";
            assert_eq!(t.run(command), refusal, "{command}");
        }
    }

    #[test]
    fn a_transaction_cannot_monitor() {
        let mut t = Testbed::new();
        t.run("MULTI");
        t.run("MONITOR");
        let refusal = "*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n";
        assert_eq!(t.run("EXEC"), refusal);
    }

    #[test]
    fn the_server_is_a_master_without_replicas() {
        let mut t = Testbed::new();
        assert_eq!(t.run("ROLE"), "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
    }

    #[test]
    fn a_drawing_has_the_size_asked_for() {
        let mut t = Testbed::new();
        let text = t.run("LOLWUT VERSION 5 20 3");
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines[0].chars().count(), 20);
        assert_eq!(lines[3], "");
        assert!(lines[4].ends_with("Redis ver. 8.10.2"));
        assert_eq!(
            t.run("LOLWUT VERSION x"),
            "-ERR value is not an integer or out of range\r\n"
        );
    }
}
