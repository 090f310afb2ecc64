//! SLOWLOG: the last slow commands.
//!
//! The server adds an entry when a command ends, also a blocked command. It replaces secrets, and
//! cuts long arguments and long commands. No number is used twice, because RESET only empties the
//! log. A length of 0 turns the log off and keeps the entries.
//!
//! Cost: GET O(entries replied), LEN O(1).
//!
//! Decided elsewhere: recording: `server::parts::observe::command_log`. `commandlog` shares these
//! functions for all three logs.

use crate::help::{self, misused, write_help};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError, Facts, Flags};
use russet_server::{Call, CommandResult, LogKind, Spec};

const FLAGS: Flags = Flags::ADMIN.union(Flags::LOADING).union(Flags::STALE);
/// Default count of GET.
const SHOWN: usize = 10;

pub(super) const SLOWLOG: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[GET, HELP, LEN, RESET],
    ..Spec::new("slowlog", help)
};

pub(super) const GET: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: FLAGS,
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    facts: Facts::SHOWS,
    ..Spec::new("get", get)
};

/// `SLOWLOG GET [count]`: newest first, 10 by default; -1 means all.
///
/// Reply: array of `[id, unix seconds, microseconds, [argument ...], peer, client name, number of
/// arguments, microseconds of processor time]`; of long commands fewer arguments are kept.
fn get(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let count = match args.len() {
        2 => SHOWN,
        3 => parse_count(args.at(2))?,
        _ => return Err(misused(args)),
    };
    write_entries(call, LogKind::Slow, count, true);
    Ok(())
}

/// Parses a number of entries; -1 means all.
pub(super) fn parse_count(text: &[u8]) -> Result<usize, CommandError> {
    const BAD_COUNT: &str = "ERR count should be greater than or equal to -1";
    match parse_i64(text).filter(|&n| n >= -1) {
        Some(-1) => Ok(usize::MAX),
        Some(n) => Ok(n as usize),
        None => Err(CommandError::Text(BAD_COUNT)),
    }
}

/// Replies the newest entries of a log; `is_slowlog`: also how many
/// arguments each command had, and its processor time.
pub(super) fn write_entries(call: &mut Call<'_>, kind: LogKind, count: usize, is_slowlog: bool) {
    let log = &call.server.diagnostics.command_logs.of(kind).entries();
    let reply = &mut *call.reply;
    reply.array(count.min(log.len()));
    for entry in log.iter().take(count) {
        reply.array(if is_slowlog { 8 } else { 6 });
        reply.int(entry.id as i64);
        reply.int(entry.at);
        reply.int(entry.value as i64);
        reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| reply.bulk(arg));
        reply.bulk(entry.peer.as_bytes());
        reply.bulk(entry.name.as_bytes());
        if is_slowlog {
            reply.int(entry.argc as i64);
            reply.int(entry.cpu_micros as i64);
        }
    }
}

const HELP: Spec = help::row(help);

/// `SLOWLOG HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "GET [<count>]",
            "    The last <count> slow commands (default: 10, -1 means all), each with its",
            "    number, time, microseconds, arguments, client address, client name, how many",
            "    arguments there were, and microseconds of processor time.",
            "LEN",
            "    How many are kept.",
            "RESET",
            "    Forget them.",
        ],
    );
    Ok(())
}

pub(super) const LEN: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: FLAGS,
    tips: &[
        "request_policy:all_nodes",
        "response_policy:agg_sum",
        "nondeterministic_output",
    ],
    facts: Facts::SHOWS,
    ..Spec::new("len", len)
};

/// `SLOWLOG LEN`.
fn len(call: &mut Call<'_>) -> CommandResult {
    write_len(call, LogKind::Slow);
    Ok(())
}

/// Replies the number of entries in a log.
pub(super) fn write_len(call: &mut Call<'_>, kind: LogKind) {
    let log = call.server.diagnostics.command_logs.of(kind);
    call.reply.int(log.entries().len() as i64);
}

pub(super) const RESET: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: FLAGS,
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Spec::new("reset", reset)
};

/// `SLOWLOG RESET`: numbering continues.
fn reset(call: &mut Call<'_>) -> CommandResult {
    empty(call, LogKind::Slow);
    Ok(())
}

/// Clears a log.
pub(super) fn empty(call: &mut Call<'_>, kind: LogKind) {
    call.server.diagnostics.command_logs.clear(kind);
    call.reply.ok();
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    /// A test bed in which every command counts as slow.
    fn bed() -> Testbed {
        let mut t = Testbed::new();
        t.run("CONFIG SET slowlog-log-slower-than 0");
        t.run("SLOWLOG RESET");
        t
    }

    #[test]
    fn a_log_of_no_length_is_off_and_keeps_what_it_has() {
        let mut t = bed();
        t.run("GET a");
        t.run("GET b");
        t.run("CONFIG SET slowlog-max-len 0");
        let kept = t.run("SLOWLOG LEN");
        t.run("GET c");
        assert_eq!(t.run("SLOWLOG LEN"), kept);
        assert!(t.run("SLOWLOG GET 3").contains("$1\r\nb\r\n"));
        t.run("CONFIG SET slowlog-max-len 1");
        assert_eq!(t.run("SLOWLOG LEN"), ":1\r\n");
    }

    #[test]
    fn the_newest_comes_first_and_the_oldest_goes() {
        let mut t = bed();
        t.run("CONFIG SET slowlog-max-len 2");
        t.run("CLIENT SETNAME me");
        t.run("GET a");
        let log = t.run("SLOWLOG GET -1");
        assert!(log.starts_with("*2\r\n*8\r\n:"), "{log}");
        let (get, setname) = (log.find("$3\r\nGET\r\n$1\r\na\r\n"), log.find("SETNAME"));
        assert!(get.is_some() && get < setname, "{log}");
        assert!(
            log.contains("$7\r\n/test:0\r\n$2\r\nme\r\n:2\r\n:"),
            "{log}"
        );
        assert_eq!(t.run("SLOWLOG GET 0"), "*0\r\n");
        assert_eq!(t.run("SLOWLOG LEN"), ":2\r\n");
        t.run("CONFIG SET slowlog-log-slower-than -1");
        t.run("SLOWLOG RESET");
        assert_eq!(t.run("SLOWLOG LEN"), ":0\r\n");
    }

    #[test]
    fn long_commands_are_cut_as_configured_and_their_length_is_shown() {
        let mut t = bed();
        t.run("CONFIG SET slowlog-entry-max-argc 3 slowlog-entry-max-string-len 5");
        t.run("MSET k 1234567 c d e f");
        let log = t.run("SLOWLOG GET 1");
        let cut = "*3\r\n$4\r\nMSET\r\n$1\r\nk\r\n$22\r\n... (5 more arguments)\r\n";
        let count = log.rsplit("\r\n").nth(2);
        assert!(log.contains(cut) && count == Some(":7"), "{log}");
        t.run("SET key 1234567");
        let log = t.run("SLOWLOG GET 1");
        assert!(log.contains("\r\n12345... (2 more bytes)\r\n"), "{log}");
        assert!(t.run("COMMANDLOG GET 1 slow").starts_with("*1\r\n*6\r\n"));
    }

    #[test]
    fn slow_commands_are_counted_until_the_figures_are_reset() {
        let mut t = bed();
        t.run("CONFIG RESETSTAT");
        t.run("PING");
        let stats = &t.engine.server.stats.slow;
        assert_eq!(stats.commands, 2);
        assert!(stats.us_sum >= stats.us_max);
        let reported = t.run("INFO commandstats");
        let line = reported
            .lines()
            .find(|line| line.starts_with("cmdstat_ping:"));
        let slow = line.and_then(|line| line.split_once(",failed_calls=0"));
        let slow = slow.expect("PING has run").1;
        assert!(
            slow.starts_with(",slowlog_count=1,slowlog_time_ms_sum="),
            "{reported}"
        );
        assert!(slow.contains(",slowlog_time_ms_max="), "{reported}");
        t.run("CONFIG SET slowlog-log-slower-than -1");
        t.run("CONFIG RESETSTAT");
        t.run("PING");
        let reported = t.run("INFO commandstats");
        assert!(!reported.contains("slowlog_count"), "{reported}");
    }

    #[test]
    fn the_processor_time_is_at_most_the_duration() {
        let mut t = bed();
        t.run("SLOWLOG RESET");
        t.run_args(&[b"EVAL", b"for i = 1, 50000000 do end", b"0"]);
        let log = t.run("SLOWLOG GET 1");
        assert!(log.contains("\r\nEVAL\r\n"), "{log}");
        let number = |line: Option<&str>| line.and_then(|line| line[1..].parse::<u64>().ok());
        let micros = number(log.split("\r\n").nth(4)).expect("the duration");
        let cpu = number(log.rsplit("\r\n").nth(1)).expect("the processor time");
        // 50 million steps take longer than a tick of the system's clock of threads.
        assert!(cpu > 0 && cpu <= micros, "{cpu} of {micros} microseconds");
    }

    #[test]
    fn passwords_are_not_kept() {
        let mut t = bed();
        t.run("AUTH me secret1");
        t.run("HELLO 2 AUTH me secret2");
        t.run("CONFIG SET masterauth secret3");
        let log = t.run("SLOWLOG GET");
        assert!(!log.contains("secret"), "{log}");
        assert_eq!(log.matches("(redacted)").count(), 5, "{log}");
    }

    #[test]
    fn a_blocked_command_is_logged_when_it_is_over() {
        let mut t = bed();
        let waiting = t.connect();
        t.run_as(waiting, "BLPOP list 1");
        assert!(!t.run("SLOWLOG GET").contains("BLPOP"));
        t.advance_ms(2000);
        t.time_out_blocked();
        assert!(t.run("SLOWLOG GET").contains("BLPOP"));
        let stats = t.run("INFO commandstats");
        assert!(stats.contains("cmdstat_blpop:calls=1,"), "{stats}");
    }

    #[test]
    fn counts_are_checked() {
        let mut t = Testbed::new();
        let refusal = "-ERR count should be greater than or equal to -1\r\n";
        assert_eq!(t.run("SLOWLOG GET -2"), refusal);
        assert_eq!(t.run("SLOWLOG GET x"), refusal);
        assert!(
            t.run("SLOWLOG GET 1 2")
                .starts_with("-ERR unknown subcommand or wrong number")
        );
    }
}
