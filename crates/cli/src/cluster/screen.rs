//! Lines for people, in redis-cli's colours, and questions to them.
//!
//! Progress, warnings and most refusals are standard output as in redis-cli; the terminal's kind
//! (`$TERM`) decides about colours, whether or not the output is a terminal.

use std::io::{self, Write};

/// A command that has not succeeded. Its reason is printed already.
#[derive(Debug)]
pub(super) struct CommandFailure;

/// The end of a command.
pub(super) type Outcome<T = ()> = Result<T, CommandFailure>;

fn coloured(colour: &str, text: &str) {
    let kind = std::env::var("TERM").unwrap_or_default();
    let text = if kind.contains("xterm") {
        format!("\x1b[{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    };
    print(&text);
}

/// Text as it is, at once. A reader that has gone is no reason to stop half-way in a change.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

pub(super) fn info(text: &str) {
    coloured("29;1", text);
}

pub(super) fn warn(text: &str) {
    coloured("33;1", text);
}

pub(super) fn success(text: &str) {
    coloured("32;1", text);
}

pub(super) fn error(text: &str) {
    coloured("31;1", text);
}

/// Prints a refusal, and is one.
pub(super) fn fail<T>(text: &str) -> Outcome<T> {
    error(text);
    Err(CommandFailure)
}

/// A refusal on the standard error, without colour.
pub(super) fn fail_plainly<T>(text: &str) -> Outcome<T> {
    eprintln!("{text}");
    Err(CommandFailure)
}

/// A line of the standard input; `None` at its end.
pub(super) fn answer(question: &str) -> Option<String> {
    print(question);
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim().to_owned()),
    }
}

/// Whether a person types `yes`, or has said so on the command line.
pub(super) fn is_confirmed(question: &str, is_yes: bool) -> bool {
    if is_yes {
        return true;
    }
    let question = format!("{question} (type 'yes' to accept): ");
    answer(&question).is_some_and(|line| line.eq_ignore_ascii_case("yes"))
}
