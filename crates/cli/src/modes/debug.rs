//! `--ldb`: a script step by step, in the server's debugger. `--ldb-sync-mode` keeps the changes,
//! and blocks the server meanwhile.
//!
//!     SCRIPT DEBUG YES -> EVAL -> lines of the debugger <-> lines of the user -> <endsession>
//!
//! `restart` runs the script again, read anew. After a session the commands of the user run as
//! usual, so this mode ends with it.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use russet_resp::ReplyValue;

use super::{ErrorLine, ask, ended};
use crate::link::{Link, reason_of};
use crate::options::Options;
use crate::print::{self, Form};
use crate::words::split;

const END: &[u8] = b"<endsession>";

/// The end of a session.
enum End {
    Script,
    Restart,
    Quit,
}

/// Runs the session; `words` are the script's keys, a comma, and its arguments.
pub(crate) fn debug(
    link: &mut Link,
    options: &Options,
    file: &Path,
    is_sync: bool,
) -> Result<u8, ErrorLine> {
    println!("Lua debugging session started, please use:");
    println!("quit    -- End the session.");
    println!("restart -- Restart the script in debug mode again.");
    println!("help    -- Show Lua script debugging commands.\n");
    loop {
        let script = std::fs::read(file).map_err(|why| {
            let why = reason_of(&why);
            format!("Can't open file '{}': {why}", file.display())
        })?;
        ask(
            link,
            &["SCRIPT", "DEBUG", if is_sync { "sync" } else { "yes" }],
        )?;
        let words = crate::eval_words(script, &options.words);
        link.send(&words).map_err(ended)?;
        match session(link)? {
            End::Restart => {}
            End::Quit => return Ok(0),
            End::Script => {
                let note = if is_sync {
                    ""
                } else {
                    " -- dataset changes rolled back"
                };
                println!("\n(Lua debugging session ended{note})\n");
                return Ok(0);
            }
        }
    }
}

/// Prints what the debugger says, and sends it the user's lines, until the script ends.
fn session(link: &mut Link) -> Result<End, ErrorLine> {
    let is_terminal = io::stdin().is_terminal();
    let mut is_over = false;
    loop {
        let reply = link.next().map_err(ended)?;
        if let ReplyValue::Array(lines) = &reply
            && is_status(lines)
        {
            is_over |= lines.iter().any(|line| bytes_of(line) == Some(END));
            show(lines);
            if is_over {
                // The script's own reply follows.
                let result = link.next().map_err(ended)?;
                print_reply(&result);
                return Ok(End::Script);
            }
        } else {
            print_reply(&reply);
            return Ok(End::Script);
        }
        loop {
            if is_terminal {
                print!("lua debugger> ");
                let _ = io::stdout().flush();
            }
            let mut line = Vec::new();
            let read = io::stdin().lock().read_until(b'\n', &mut line);
            if read.map_err(|why| why.to_string())? == 0 {
                return Ok(End::Quit);
            }
            let Some(words) = split(&line) else {
                println!("Invalid argument(s)");
                continue;
            };
            match words.first().map(|word| word.to_ascii_lowercase()) {
                None => {}
                Some(word) if word == b"restart" => {
                    link.send(&["abort"]).map_err(ended)?;
                    drain(link)?;
                    return Ok(End::Restart);
                }
                Some(word) if word == b"quit" || word == b"exit" => {
                    link.send(&["abort"]).map_err(ended)?;
                    return Ok(End::Quit);
                }
                Some(_) => {
                    link.send(&words).map_err(ended)?;
                    break;
                }
            }
        }
    }
}

/// Reads the end of an aborted script.
fn drain(link: &mut Link) -> Result<(), ErrorLine> {
    while let ReplyValue::Array(lines) = link.next().map_err(ended)? {
        if lines.iter().any(|line| bytes_of(line) == Some(END)) {
            link.next().map_err(ended)?;
            return Ok(());
        }
    }
    Ok(())
}

/// Whether these are lines of the debugger, which are simple strings, and no reply of the script.
fn is_status(lines: &[ReplyValue]) -> bool {
    lines
        .iter()
        .all(|line| matches!(line, ReplyValue::Simple(_)))
}

fn bytes_of(line: &ReplyValue) -> Option<&[u8]> {
    match line {
        ReplyValue::Simple(text) => Some(text),
        _ => None,
    }
}

fn show(lines: &[ReplyValue]) {
    for line in lines
        .iter()
        .filter_map(bytes_of)
        .filter(|line| *line != END)
    {
        println!("{}", String::from_utf8_lossy(line));
    }
}

fn print_reply(reply: &ReplyValue) {
    let mut text = Vec::new();
    print::reply(&mut text, Form::Terminal, reply, b"\n");
    println!("\n{}", String::from_utf8_lossy(&text).trim_end());
}
