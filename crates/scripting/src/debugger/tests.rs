//! Sessions beside recorded sessions: `recorded.txt` has what Redis 8.10.2 sent.
//!
//!     = script       the text of a script, until the next line
//!     = session      the lines sent at its first stop
//!     > command      a command, and the lines of its answer

use std::collections::VecDeque;

use super::*;
use crate::host::Host;
use crate::vm::{ScriptOutcome, Setup, Vm};
use crate::{ScriptFailure, Use};
use russet_config::Config;
use russet_resp::{Args, CommandError, Span};

/// A client that sends single commands, and keeps each answer.
#[derive(Default)]
struct Client {
    commands: VecDeque<String>,
    answers: Vec<Vec<String>>,
    last: Vec<Vec<u8>>,
    reply: Vec<u8>,
    resp3: bool,
}

impl Host for Client {
    fn call(&mut self, args: Args<'_>, _: usize) -> Result<&[u8], CommandError> {
        let reply = match (&args.at(0).to_ascii_lowercase()[..], args.len()) {
            (b"set" | b"mset", _) => "+OK\r\n",
            (b"ping", _) => "+PONG\r\n",
            (b"hset", _) => ":2\r\n",
            (b"hgetall", _) if self.resp3 => "%2\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n",
            (b"get", 2) if self.resp3 => "_\r\n",
            (b"get", 2) => "$2\r\nv1\r\n",
            (b"lpush", _) => {
                "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
            }
            (b"get", _) => {
                let text = "ERR Wrong number of args calling Redis command from script";
                return Err(CommandError::Text(text));
            }
            _ => {
                let text = "ERR Unknown Redis command called from script";
                return Err(CommandError::Text(text));
            }
        };
        self.reply = reply.as_bytes().to_vec();
        Ok(&self.reply)
    }

    fn take_reply(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.reply)
    }

    fn set_resp3(&mut self, on: bool) {
        self.resp3 = on;
    }

    fn debugger_sends(&mut self, lines: &[u8]) {
        let text = String::from_utf8_lossy(lines).into_owned();
        let lines: Vec<_> = text.split_terminator("\r\n").collect();
        assert_eq!(lines[0], format!("*{}", lines.len() - 1));
        let line = |line: &&str| line.strip_prefix('+').expect("a status").to_owned();
        self.answers.push(lines[1..].iter().map(line).collect());
    }

    fn debugger_receives(&mut self, into: &mut Vec<u8>) -> bool {
        let Some(command) = self.commands.pop_front() else {
            return false;
        };
        let words: Vec<_> = command.split(' ').collect();
        into.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            into.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
        true
    }

    fn debugger_ends(&mut self, lines: Vec<Vec<u8>>) {
        self.last = lines;
    }

    fn interrupt(&mut self) -> bool {
        false
    }
}

/// Debugs a script with these commands. How it ended, and all answers; the last answer is of lines
/// that are sent at the end.
fn debug(script: &str, commands: &[&str]) -> (ScriptOutcome, Vec<Vec<String>>) {
    let mut client = Client {
        commands: commands.iter().map(|&command| command.to_owned()).collect(),
        ..Client::default()
    };
    let vm = Vm::new(Use::Eval, Setup::of(&Config::default()));
    let compiled = vm.compile(script.as_bytes()).expect("it compiles");
    let debugger = Debugger::new(script.as_bytes(), 200);
    let spans = [Span { start: 0, len: 2 }];
    let keys = (Args::new(b"k1", &spans), Args::new(b"", &[]));
    let ended = vm
        .handle()
        .call(&mut client, compiled, keys, Some(debugger));
    client.last.push(b"<endsession>".to_vec());
    client.debugger_sends(&encode(&client.last.clone()));
    (ended, client.answers)
}

#[test]
fn sessions_are_as_recorded() {
    let recorded = include_str!("recorded.txt");
    for session in recorded.split("= script\n").skip(1) {
        let (script, rest) = session.split_once("\n= session\n").expect("a session");
        let mut parts = rest.split("\n> ");
        let first = parts.next().expect("a stop");
        let mut wanted = vec![("", first.to_owned())];
        for part in parts {
            let (command, lines) = part.split_once('\n').unwrap_or((part, ""));
            wanted.push((command, lines.trim_end_matches('\n').to_owned()));
        }
        let commands: Vec<_> = wanted[1..].iter().map(|(command, _)| *command).collect();
        let (_, answers) = debug(script, &commands);
        for ((command, wanted), got) in wanted.iter().zip(&answers) {
            assert_eq!(&got.join("\n"), wanted, "> {command}\n{script}");
        }
        assert_eq!(answers.len(), wanted.len(), "{script}");
    }
}

/// The error of a script that failed.
fn error(ended: ScriptOutcome) -> String {
    match ended {
        ScriptOutcome::Failed(ScriptFailure::Error(failure)) => {
            String::from_utf8_lossy(&failure.line).into()
        }
        ScriptOutcome::Failed(ScriptFailure::Bare(text)) => String::from_utf8_lossy(&text).into(),
        ScriptOutcome::Returned => "no error".to_owned(),
    }
}

#[test]
fn a_script_that_is_aborted_cannot_catch_that() {
    let script = "while true do pcall(function()\n local a = 1\n end) end";
    let (ended, _) = debug(script, &["s", "s", "abort"]);
    assert_eq!(error(ended), "ERR script aborted for user request");
}

#[test]
fn a_client_that_goes_ends_the_script() {
    let (ended, answers) = debug("local a = 1\nreturn a", &["p"]);
    assert_eq!(error(ended), format!("ERR {GONE}"));
    assert_eq!(answers.len(), 3);
}

#[test]
fn an_endless_loop_stops_after_a_while() {
    let script = "local n = 0\nwhile true do n = n + 1 end";
    let (ended, answers) = debug(script, &["c", "a"]);
    assert_eq!(
        answers[1][0],
        "* Stopped at 2, stop reason = timeout reached, infinite loop?"
    );
    assert_eq!(error(ended), "ERR script aborted for user request");
}

#[test]
fn endless_code_of_an_eval_ends() {
    let loops = "e local ok = pcall(function() while true do end end) while true do end";
    let (ended, answers) = debug(
        "local a = 1\nlocal b = 2\nreturn b",
        &[loops, "s", "p", "c"],
    );
    assert_eq!(
        answers[1][0].split(' ').next(),
        Some("<error>"),
        "{answers:?}"
    );
    assert_eq!(answers[2][0], "* Stopped at 2, stop reason = step over");
    assert_eq!(answers[3], ["<value> a = 1"]);
    assert!(matches!(ended, ScriptOutcome::Returned));
}

#[test]
fn a_table_of_itself_has_a_text_of_bounded_length() {
    let script = "local t = {}\nfor i = 1, 100 do t[i] = t end\nlocal x = 1\nreturn 1";
    let (_, answers) = debug(script, &["b 3", "m 0", "c", "p t", "c"]);
    let len = answers[4][0].len();
    assert!((1 << 20..3 << 20).contains(&len), "{len}");
}

#[test]
fn lines_that_nobody_reads_take_bounded_memory() {
    let script = "for i = 1, 100 do redis.debug(string.rep('x', 100000)) end\nreturn 1";
    let (_, answers) = debug(script, &["c"]);
    let last = &answers[1];
    let bytes: usize = last.iter().map(String::len).sum();
    assert!(bytes < 5 << 20, "{bytes}");
    let hint = &last[last.len() - 2];
    assert!(hint.ends_with("more lines are left out."), "{hint}");
}

#[test]
fn coroutines_and_callbacks_are_stepped_through() {
    let script = "local co = coroutine.wrap(function()\n  local z = 5\n  coroutine.yield(z)\nend)\n\
                  local r = co()\nlocal g = string.gsub('a', '.', function(m)\n  return m\nend)\n\
                  return r";
    let (ended, answers) = debug(script, &["b 2 7", "c", "s", "p", "c", "p", "c"]);
    assert_eq!(answers[2][0], "* Stopped at 2, stop reason = break point");
    assert_eq!(answers[4], ["<value> z = 5"]);
    assert_eq!(answers[5][0], "* Stopped at 7, stop reason = break point");
    assert_eq!(answers[6], ["<value> m = \"a\""]);
    assert!(matches!(ended, ScriptOutcome::Returned), "{}", error(ended));
}
