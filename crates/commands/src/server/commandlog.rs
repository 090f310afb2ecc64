//! COMMANDLOG (Valkey): the last commands that were slow, large or had large replies.
//!
//! Three logs whose entries have the same form. The slow log is the log that SLOWLOG shows: a reset
//! by either command empties it, and only the replies differ (SLOWLOG adds the number of
//! arguments).
//!
//! Cost: GET O(entries replied), LEN O(1).
//!
//! Decided elsewhere: thresholds and lengths, and how long commands are cut:
//! `server::parts::observe::command_log`.

use super::slowlog;
use crate::help::{self, write_help};
use russet_command::{Arity, CommandError, Flags};
use russet_server::{Call, CommandResult, LogKind, Spec};

pub(super) const COMMANDLOG: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[GET, HELP, LEN, RESET],
    ..Spec::new("commandlog", help)
};

/// The log that the argument at `at` names.
fn kind(call: &Call<'_>, at: usize) -> Result<LogKind, CommandError> {
    const UNKNOWN: &str =
        "ERR type should be one of the following: slow, large-request, large-reply";
    let kinds = [
        ("slow", LogKind::Slow),
        ("large-request", LogKind::LargeRequest),
        ("large-reply", LogKind::LargeReply),
    ];
    let found = kinds.iter().find(|(name, _)| call.args.is(at, name));
    found
        .map(|(_, kind)| *kind)
        .ok_or(CommandError::Text(UNKNOWN))
}

const GET: Spec = Spec {
    arity: Arity::Exactly(4),
    handler: get,
    ..slowlog::GET
};

/// `COMMANDLOG GET count slow|large-request|large-reply`: newest first; -1 means all.
///
/// Reply: array of `[id, unix seconds, microseconds or bytes, [argument ...], peer, client
/// name]`.
fn get(call: &mut Call<'_>) -> CommandResult {
    let count = slowlog::parse_count(call.args.at(2))?;
    let kind = kind(call, 3)?;
    slowlog::write_entries(call, kind, count, false);
    Ok(())
}

const HELP: Spec = help::row(help);

/// `COMMANDLOG HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "GET <count> <type>",
            "    The last <count> commands of a type (-1 means all), each with its number,",
            "    time, microseconds (slow) or bytes (large-request, large-reply), arguments,",
            "    client address and client name.",
            "LEN <type>",
            "    How many are kept.",
            "RESET <type>",
            "    Forget them.",
        ],
    );
    Ok(())
}

const LEN: Spec = Spec {
    arity: Arity::Exactly(3),
    handler: len,
    ..slowlog::LEN
};

/// `COMMANDLOG LEN slow|large-request|large-reply`.
fn len(call: &mut Call<'_>) -> CommandResult {
    let kind = kind(call, 2)?;
    slowlog::write_len(call, kind);
    Ok(())
}

const RESET: Spec = Spec {
    arity: Arity::Exactly(3),
    handler: reset,
    ..slowlog::RESET
};

/// `COMMANDLOG RESET slow|large-request|large-reply`: numbering continues.
fn reset(call: &mut Call<'_>) -> CommandResult {
    let kind = kind(call, 2)?;
    slowlog::empty(call, kind);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn large_requests_and_replies_are_kept_with_their_bytes() {
        let mut t = Testbed::new();
        t.run("CONFIG SET commandlog-request-larger-than 60 commandlog-reply-larger-than 40");
        for kind in ["slow", "large-request", "large-reply"] {
            t.run(&format!("COMMANDLOG RESET {kind}"));
        }
        t.run("SET k 0123456789012345678901234567890123456789");
        t.run("GET k");
        t.run("GET x");
        let requests = t.run("COMMANDLOG GET -1 large-request");
        // *3, $3 SET, $1 k, $40 and the value: 4 + 9 + 7 + 47 bytes.
        assert!(
            requests.contains(":67\r\n*3\r\n$3\r\nSET\r\n"),
            "{requests}"
        );
        let replies = t.run("COMMANDLOG GET 10 LARGE-REPLY");
        assert!(
            replies.contains(":47\r\n*2\r\n$3\r\nGET\r\n$1\r\nk"),
            "{replies}"
        );
        assert!(!replies.contains("$1\r\nx"), "{replies}");
        t.run("CONFIG SET commandlog-reply-larger-than -1");
        t.run("COMMANDLOG RESET large-reply");
        t.run("GET k");
        assert_eq!(t.run("COMMANDLOG LEN large-reply"), ":0\r\n");
    }

    #[test]
    fn the_slow_log_is_the_same_as_slowlogs() {
        let mut t = Testbed::new();
        t.run("CONFIG SET commandlog-execution-slower-than 0");
        t.run("GET k");
        assert_eq!(t.run("COMMANDLOG LEN slow"), ":2\r\n");
        assert_eq!(t.run("SLOWLOG LEN"), ":3\r\n");
        t.run("COMMANDLOG RESET slow");
        assert_eq!(t.run("SLOWLOG LEN"), ":1\r\n");
        for (command, error) in [
            (
                "COMMANDLOG LEN x",
                "type should be one of the following: slow, large-request, large-reply",
            ),
            (
                "COMMANDLOG GET x slow",
                "count should be greater than or equal to -1",
            ),
            (
                "COMMANDLOG GET -2 slow",
                "count should be greater than or equal to -1",
            ),
        ] {
            assert_eq!(t.run(command), format!("-ERR {error}\r\n"), "{command}");
        }
    }
}
