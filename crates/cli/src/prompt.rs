//! The prompt: lines of a terminal, their history, completion and hints; `help`, `clear`, `exit`.
//!
//! History is `~/.rediscli_history` (`$REDISCLI_HISTFILE`), readable by its owner alone. A line
//! with a password never gets there. Completion and hints come from the server's COMMAND DOCS,
//! which is asked for once, at the start.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};

use crate::docs::Docs;
use crate::session::{Outcome, Session};
use crate::words::split;

/// Lines of history that are read.
const HISTORY_LINES: usize = 1000;

/// Names and syntax of commands, for the line editor.
#[derive(Debug, Default)]
struct LineHelper {
    docs: RefCell<Docs>,
}

impl Helper for LineHelper {}
impl Validator for LineHelper {}

impl Highlighter for LineHelper {
    fn highlight_hint<'h>(&self, hint: &'h str) -> std::borrow::Cow<'h, str> {
        format!("\x1b[90m{hint}\x1b[0m").into()
    }
}

impl Completer for LineHelper {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok((0, candidates(&self.docs.borrow(), &line[..position])))
    }
}

impl Hinter for LineHelper {
    type Hint = String;

    fn hint(&self, line: &str, position: usize, _context: &Context<'_>) -> Option<String> {
        if position < line.len() {
            return None;
        }
        let words = split(line.as_bytes())?;
        let hint = self.docs.borrow().hint(&words)?;
        let gap = if line.ends_with(' ') { "" } else { " " };
        Some(format!("{gap}{hint}"))
    }
}

/// The names that begin like the line; after `help ` likewise.
fn candidates(docs: &Docs, line: &str) -> Vec<Pair> {
    let (before, begun) = match line.get(..5) {
        Some(help) if help.eq_ignore_ascii_case("help ") => line.split_at(5),
        _ => ("", line),
    };
    if begun.is_empty() {
        return Vec::new();
    }
    let wanted = begun.to_uppercase();
    let names = docs
        .commands
        .keys()
        .filter(|name| name.starts_with(&wanted));
    names
        .map(|name| {
            let name = if begun.chars().any(char::is_lowercase) {
                name.to_lowercase()
            } else {
                name.clone()
            };
            Pair {
                display: name.clone(),
                replacement: format!("{before}{name}"),
            }
        })
        .collect()
}

/// A password from the terminal, not shown.
pub(crate) fn ask_password() -> io::Result<Vec<u8>> {
    eprint!("Please input password: ");
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).ok();
    if let Some(before) = &before {
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Now, &hidden)?;
    }
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    if let Some(before) = &before {
        tcsetattr(&stdin, OptionalActions::Now, before)?;
        eprintln!();
    }
    read?;
    Ok(line.trim_end_matches(['\r', '\n']).as_bytes().to_vec())
}

fn history_file() -> Option<PathBuf> {
    match std::env::var_os("REDISCLI_HISTFILE") {
        Some(file) if file == "/dev/null" || file.is_empty() => None,
        Some(file) => Some(file.into()),
        None => Some(PathBuf::from(std::env::var_os("HOME")?).join(".rediscli_history")),
    }
}

/// Whether a line has a password, so that it must not be kept.
fn is_secret(words: &[Vec<u8>]) -> bool {
    let word = |at: usize| {
        words
            .get(at)
            .map(|word| word.to_ascii_lowercase())
            .unwrap_or_default()
    };
    match word(0).as_slice() {
        b"auth" => true,
        b"acl" => matches!(word(1).as_slice(), b"setuser" | b"deluser" | b"dryrun"),
        b"config" => {
            let secret = [
                "requirepass",
                "masterauth",
                "masteruser",
                "tls-key-file-pass",
            ];
            let is_secret = |word: &Vec<u8>| {
                let name = String::from_utf8_lossy(word).to_lowercase();
                secret.iter().any(|secret| name.starts_with(secret)) || name.ends_with("-pass")
            };
            word(1) == b"set" && words[2..].iter().any(is_secret)
        }
        b"hello" | b"migrate" => words.iter().any(|word| {
            ["auth", "auth2"]
                .iter()
                .any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
        }),
        b"sentinel" => words
            .iter()
            .any(|word| word.to_ascii_lowercase().ends_with(b"-pass")),
        _ => false,
    }
}

/// Appends a line to the file. Without a file, or the right to write it, there is no history.
fn keep(line: &str) {
    let Some(path) = history_file() else { return };
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path);
    if let Ok(mut file) = file {
        let _ = writeln!(file, "{line}");
    }
}

/// The text before a line.
fn prompt(session: &Session) -> String {
    if !session.is_connected() {
        return "not connected> ".to_owned();
    }
    let options = &session.options;
    let mut text = match &options.socket {
        Some(path) => format!("redis {}", path.display()),
        None if options.host.contains(':') => format!("[{}]:{}", options.host, options.port),
        None => format!("{}:{}", options.host, options.port),
    };
    if options.database != 0 {
        text += &format!("[{}]", options.database);
    }
    if session.is_in_transaction {
        text += "(TX)";
    }
    text + "> "
}

/// Reads lines until the end, `exit`, or an interrupt.
pub(crate) fn run(mut session: Session) -> io::Result<u8> {
    let config = Config::builder()
        .max_history_size(HISTORY_LINES)
        .map_err(io::Error::other)?;
    let config = config.auto_add_history(false).build();
    let history = MemHistory::with_config(&config);
    let mut editor: Editor<LineHelper, MemHistory> =
        Editor::with_history(config, history).map_err(io::Error::other)?;
    editor.set_helper(Some(LineHelper::default()));
    if let Some(text) = history_file().and_then(|path| std::fs::read_to_string(path).ok()) {
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(HISTORY_LINES)..] {
            let _ = editor.add_history_entry(*line);
        }
    }
    match session.link() {
        Ok(link) => {
            // At once, so that the first line has hints.
            if let (Ok(reply), Some(known)) = (link.ask(&["COMMAND", "DOCS"]), editor.helper()) {
                known.docs.replace(Docs::of(&reply));
            }
        }
        Err(why) => eprintln!("{why}"),
    }
    loop {
        let line = match editor.readline(&prompt(&session)) {
            Ok(line) => line,
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => return Ok(0),
            Err(why) => return Err(io::Error::other(why)),
        };
        let words = split(line.as_bytes());
        if words
            .as_ref()
            .is_none_or(|words| !words.is_empty() && !is_secret(words))
        {
            let _ = editor.add_history_entry(line.as_str());
            keep(&line);
        }
        let first = words.as_ref().and_then(|words| words.first());
        if first.is_some_and(|word| word.eq_ignore_ascii_case(b"help") || word == b"?") {
            let known = editor.helper().map(|known| known.docs.borrow().clone());
            help(&known.unwrap_or_default(), &words.unwrap_or_default()[1..])?;
            continue;
        }
        if run_line(&mut session, line.as_bytes())?.is_break() {
            return Ok(0);
        }
    }
}

/// Runs a line; `Break`: it asks for the end.
pub(crate) fn run_line(session: &mut Session, line: &[u8]) -> io::Result<ControlFlow<()>> {
    let Some(mut words) = split(line) else {
        println!("Invalid argument(s)");
        return Ok(ControlFlow::Continue(()));
    };
    // `3 ping` is three times ping.
    let mut times = 1;
    if words.len() > 1
        && let Some(count) = std::str::from_utf8(&words[0])
            .ok()
            .and_then(|word| word.parse().ok())
    {
        times = count;
        words.remove(0);
    }
    let Some(first) = words.first() else {
        return Ok(ControlFlow::Continue(()));
    };
    match first.to_ascii_lowercase().as_slice() {
        b"quit" | b"exit" => return Ok(ControlFlow::Break(())),
        b"clear" => {
            io::stdout().write_all(b"\x1b[H\x1b[2J")?;
            return Ok(ControlFlow::Continue(()));
        }
        b"connect" if words.len() >= 3 => {
            let port = std::str::from_utf8(&words[2])
                .ok()
                .and_then(|port| port.parse().ok());
            if let Some(port) = port {
                session.move_to(&String::from_utf8_lossy(&words[1]), port);
            }
            if let Err(why) = session.link() {
                eprintln!("{why}");
            }
            return Ok(ControlFlow::Continue(()));
        }
        _ => {}
    }
    for _ in 0_u32..times {
        if session.run(&words)? == Outcome::Unreachable {
            break;
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// `help`, `help NAME`, `help @group`.
fn help(docs: &Docs, words: &[Vec<u8>]) -> io::Result<()> {
    let mut out = String::new();
    let group = words.first().and_then(|word| word.strip_prefix(b"@"));
    match words {
        [] => {
            out += "\"help <command>\" for help on a command, \"help @<group>\" for a group,\n";
            out += "<tab> completes a name, \"exit\" ends. Groups:\n ";
            let groups = docs.commands.values().map(|doc| doc.group.as_str());
            let groups: std::collections::BTreeSet<&str> = groups.collect();
            for group in groups.iter().filter(|group| !group.is_empty()) {
                out += &format!(" @{group}");
            }
            out.push('\n');
        }
        _ => {
            let found = docs.commands.iter().filter(|(name, doc)| match group {
                Some(group) => doc.group.as_bytes().eq_ignore_ascii_case(group),
                None => docs
                    .find(words)
                    .is_some_and(|found| found.0 == name.as_str()),
            });
            for (name, doc) in found {
                let arguments = &doc.arguments;
                out += &format!("\n  \x1b[1m{name}\x1b[0m \x1b[90m{arguments}\x1b[0m\n");
                out += &format!("  \x1b[33msummary:\x1b[0m {}\n", doc.summary);
                out += &format!("  \x1b[33msince:\x1b[0m {}\n", doc.since);
                if group.is_none() {
                    out += &format!("  \x1b[33mgroup:\x1b[0m {}\n", doc.group);
                }
            }
            out.push('\n');
        }
    }
    io::stdout().write_all(out.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs::Doc;
    use crate::options::Options;
    use crate::print::Form;

    fn words(line: &str) -> Vec<Vec<u8>> {
        split(line.as_bytes()).expect("words")
    }

    #[test]
    fn passwords_are_not_kept() {
        for line in [
            "AUTH x",
            "acl setuser al >x",
            "config set maxmemory 1 requirepass x",
            "HELLO 3 AUTH default x",
            "migrate h 1 k 0 1 AUTH x",
            "sentinel set m auth-pass x",
        ] {
            assert!(is_secret(&words(line)), "{line}");
        }
        for line in [
            "get auth",
            "config get requirepass",
            "config set maxmemory 1",
            "hello 3",
        ] {
            assert!(!is_secret(&words(line)), "{line}");
        }
    }

    #[test]
    fn names_are_completed_as_they_were_begun() {
        let mut docs = Docs::default();
        for name in ["GET", "GETDEL", "CLIENT KILL"] {
            docs.commands.insert(name.to_owned(), Doc::default());
        }
        let names = |line| {
            let found = candidates(&docs, line).into_iter();
            found.map(|pair| pair.replacement).collect::<Vec<_>>()
        };
        assert_eq!(names("get"), ["get", "getdel"]);
        assert_eq!(names("help GETD"), ["help GETDEL"]);
        assert_eq!(names("client k"), ["client kill"]);
        assert!(names("").is_empty() && names("x").is_empty());
    }

    #[test]
    fn the_prompt_shows_where_one_is() {
        let mut options = Options {
            database: 2,
            ..Options::default()
        };
        let session = Session::new(options.clone(), Form::Terminal, true);
        assert_eq!(prompt(&session), "not connected> ");
        options.host = "::1".to_owned();
        let session = Session::new(options, Form::Terminal, true);
        assert!(!session.is_connected());
    }
}
