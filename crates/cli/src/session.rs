//! Commands, from arguments or lines: sent, followed to another node if asked, printed.
//!
//!     words -> ask -> (-MOVED, -ASK: another connection) -> the reply's form -> standard output
//!
//! SUBSCRIBE and its kin, and MONITOR, have no end of replies: they are printed as they come, until
//! the process is interrupted or the server closes; at a prompt Ctrl-C ends them, with their
//! connection, and the prompt comes back. At a prompt a lost connection is made again
//! once for a command, but not within a transaction, which is gone with it.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use russet_resp::ReplyValue;

use crate::interrupt::Interrupt;
use crate::link::{FOREVER, Failure, Link, reason_of};
use crate::options::{FromInput, Options, Protocol};
use crate::print::{self, Form};

/// Commands whose reply is a text for people, which is printed as it is.
const TEXTS: &[&[&str]] = &[
    &["info"],
    &["lolwut"],
    &["debug", "htstats"],
    &["debug", "htstats-key"],
    &["debug", "client-eviction"],
    &["memory", "malloc-stats"],
    &["memory", "doctor"],
    &["cluster", "nodes"],
    &["cluster", "info"],
    &["client", "list"],
    &["client", "info"],
    &["latency", "graph"],
    &["latency", "doctor"],
];

/// Redirections of a command; more are a circle.
const REDIRECTS_MAX: usize = 16;

/// A reply later than this has its time printed, at a prompt.
const SLOW: Duration = Duration::from_millis(500);

/// Between two looks at the keyboard.
const LOOK: Duration = Duration::from_millis(100);

/// The end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Replied,
    /// The server refused it.
    Refused,
    /// There is no connection; the reason is printed.
    Unreachable,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) options: Options,
    pub(crate) form: Form,
    link: Option<Link>,
    /// Commands come from a person at a prompt.
    is_prompted: bool,
    /// After MULTI, before EXEC or DISCARD.
    pub(crate) is_in_transaction: bool,
    /// Of a prompt, once it is needed.
    interrupt: Option<Interrupt>,
}

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

fn begins_with(words: &[Vec<u8>], names: &[&str]) -> bool {
    words.len() >= names.len() && words.iter().zip(names).all(|(word, name)| is(word, name))
}

/// Whether replies follow without an end.
fn is_stream(words: &[Vec<u8>]) -> bool {
    ["monitor", "sync", "psync"]
        .iter()
        .any(|name| is(&words[0], name))
}

fn subscribes(words: &[Vec<u8>]) -> bool {
    ["subscribe", "psubscribe", "ssubscribe"]
        .iter()
        .any(|name| is(&words[0], name))
}

impl Session {
    /// A session without a connection.
    pub(crate) fn new(options: Options, form: Form, is_prompted: bool) -> Session {
        Session {
            options,
            form,
            link: None,
            is_prompted,
            is_in_transaction: false,
            interrupt: None,
        }
    }

    /// The connection, made if there is none.
    pub(crate) fn link(&mut self) -> Result<&mut Link, Failure> {
        if self.link.is_none() {
            self.is_in_transaction = false;
            let opened = match Link::open(&self.options) {
                // The server answers, to this login as well; the commands say what it refuses.
                Err(Failure::Refused(why)) => {
                    eprintln!("{why}");
                    let without = Options {
                        password: None,
                        protocol: Protocol::Unset,
                        name: None,
                        ..self.options.clone()
                    };
                    Link::open(&without)?
                }
                opened => opened?,
            };
            self.link = Some(opened);
        }
        Ok(self.link.as_mut().expect("just made"))
    }

    /// Uses another server from now on.
    pub(crate) fn move_to(&mut self, host: &str, port: u16) {
        host.clone_into(&mut self.options.host);
        self.options.port = port;
        self.options.socket = None;
        self.link = None;
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Runs the command of the arguments as often as asked. The exit status.
    pub(crate) fn run_arguments(&mut self) -> io::Result<u8> {
        let mut words = self.options.words.clone();
        if let Err(why) = add_input(&mut words, &self.options.from_input) {
            eprintln!("{why}");
            return Ok(1);
        }
        let mut left = self.options.repeat;
        while left != 0 {
            match self.run(&words)? {
                Outcome::Unreachable => return Ok(1),
                Outcome::Refused if self.options.fails_by_errors => return Ok(1),
                _ => {}
            }
            left -= i64::from(left > 0);
            if left != 0 {
                thread::sleep(self.options.interval.unwrap_or_default());
            }
        }
        Ok(0)
    }

    /// Runs one command, and prints what comes of it.
    pub(crate) fn run(&mut self, words: &[Vec<u8>]) -> io::Result<Outcome> {
        let begun = Instant::now();
        let mut reply = None;
        for attempt in 0..2 {
            match self.link() {
                Err(why) => {
                    eprintln!("{why}");
                    return Ok(Outcome::Unreachable);
                }
                Ok(_) if is_stream(words) || subscribes(words) => return self.follow(words),
                Ok(link) => match link.ask(words) {
                    Ok(value) => {
                        reply = Some(value);
                        break;
                    }
                    Err(why) => {
                        self.link = None;
                        // SHUTDOWN has no reply.
                        if is(&words[0], "shutdown") {
                            return Ok(Outcome::Replied);
                        }
                        if attempt == 1 || !self.is_prompted || self.is_in_transaction {
                            self.is_in_transaction = false;
                            eprintln!("Error: {}", reason_of(&why));
                            return Ok(Outcome::Unreachable);
                        }
                    }
                },
            }
        }
        let mut reply = reply.expect("a reply, or the function has returned");
        if self.options.follows_redirects {
            match self.redirected(words, reply) {
                Ok(value) => reply = value,
                Err(why) => {
                    eprintln!("{why}");
                    return Ok(Outcome::Unreachable);
                }
            }
        }
        self.note(words, &reply);
        self.print_pushes()?;
        self.print(words, &reply)?;
        if self.is_prompted && begun.elapsed() > SLOW && self.form == Form::Terminal {
            println!("({:.2}s)", begun.elapsed().as_secs_f64());
        }
        Ok(match reply {
            ReplyValue::Error(_) => Outcome::Refused,
            _ => Outcome::Replied,
        })
    }

    /// Asks where the refusal says, until a node answers.
    fn redirected(&mut self, words: &[Vec<u8>], first: ReplyValue) -> Result<ReplyValue, String> {
        let mut reply = first;
        for _ in 0..REDIRECTS_MAX {
            let ReplyValue::Error(text) = &reply else {
                break;
            };
            let Some((slot, host, port, is_ask)) = redirect(text) else {
                break;
            };
            if self.is_prompted && self.form == Form::Terminal {
                println!("-> Redirected to slot [{slot}] located at {host}:{port}");
            }
            // Without a host it is the node that was asked.
            let host = Some(host).filter(|host| !host.is_empty());
            let host = host.unwrap_or_else(|| self.options.host.clone());
            self.move_to(&host, port);
            let link = self.link().map_err(|why| why.to_string())?;
            if is_ask {
                link.ask(&[b"ASKING"]).map_err(|why| reason_of(&why))?;
            }
            reply = link.ask(words).map_err(|why| reason_of(&why))?;
        }
        Ok(reply)
    }

    /// Keeps what the prompt shows: the database, a transaction, subscriptions.
    fn note(&mut self, words: &[Vec<u8>], reply: &ReplyValue) {
        if matches!(reply, ReplyValue::Error(_)) {
            self.is_in_transaction &= !is(&words[0], "exec");
            return;
        }
        if is(&words[0], "multi") {
            self.is_in_transaction = true;
        } else if is(&words[0], "exec") || is(&words[0], "discard") {
            self.is_in_transaction = false;
        } else if is(&words[0], "reset") {
            self.is_in_transaction = false;
            self.options.database = 0;
        } else if is(&words[0], "select") && !self.is_in_transaction {
            let number = words
                .get(1)
                .and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
            self.options.database = number.unwrap_or(self.options.database);
        } else if is(&words[0], "auth") && words.len() <= 3 {
            self.options.password = words.last().cloned();
            self.options.user = (words.len() == 3).then(|| words[1].clone());
        }
    }

    /// Prints values as they come, until the connection or, at a prompt, the user ends that.
    fn follow(&mut self, words: &[Vec<u8>]) -> io::Result<Outcome> {
        if self.is_prompted && self.interrupt.is_none() {
            self.interrupt = Some(Interrupt::register()?);
        }
        let link = self.link.as_mut().expect("the caller made it");
        if let Err(why) = link.send(words) {
            eprintln!("Error: {}", reason_of(&why));
            self.link = None;
            return Ok(Outcome::Unreachable);
        }
        if self.is_prompted && self.form == Form::Terminal {
            println!("Reading messages... (press Ctrl-C to quit)");
        }
        if let Some(interrupt) = &self.interrupt {
            interrupt.begin();
        }
        let outcome = self.follow_values(words);
        if let Some(interrupt) = &self.interrupt {
            interrupt.end();
        }
        outcome
    }

    fn follow_values(&mut self, words: &[Vec<u8>]) -> io::Result<Outcome> {
        let limit = match self.interrupt {
            Some(_) => LOOK,
            None => FOREVER,
        };
        let mut is_first = true;
        loop {
            let is_pressed = self.interrupt.as_ref().is_some_and(Interrupt::is_pressed);
            if is_pressed {
                println!();
                // Whatever follows on this connection belongs to the command that has ended.
                self.link = None;
                if let Err(why) = self.link() {
                    eprintln!("{why}");
                }
                return Ok(Outcome::Replied);
            }
            let link = self.link.as_mut().expect("the caller made it");
            let value = match link.next_within(limit) {
                Ok(value) => value,
                Err(why) if why.kind() == io::ErrorKind::TimedOut => continue,
                Err(why) => {
                    eprintln!("Error: {}", reason_of(&why));
                    self.link = None;
                    return Ok(Outcome::Unreachable);
                }
            };
            self.print(words, &value)?;
            if is_first && matches!(value, ReplyValue::Error(_)) {
                return Ok(Outcome::Refused);
            }
            is_first = false;
        }
    }

    fn print_pushes(&mut self) -> io::Result<()> {
        let pushes = self
            .link
            .as_mut()
            .map(Link::take_pushes)
            .unwrap_or_default();
        if !self
            .options
            .shows_pushes
            .unwrap_or(self.form == Form::Terminal)
        {
            return Ok(());
        }
        for push in pushes {
            let keys = match &push {
                ReplyValue::Push(values) => match values.as_slice() {
                    [ReplyValue::Bulk(kind), ReplyValue::Array(keys)] if kind == b"invalidate" => {
                        Some(keys)
                    }
                    _ => None,
                },
                _ => None,
            };
            let mut out = Vec::new();
            match keys {
                Some(keys) => {
                    out.extend(b"-> invalidate: ");
                    for (at, key) in keys.iter().enumerate() {
                        out.extend(if at > 0 { &b", '"[..] } else { b"'" });
                        print::reply(&mut out, Form::Raw, key, b"");
                        out.push(b'\'');
                    }
                    out.push(b'\n');
                }
                None => print::reply(&mut out, self.form, &push, &self.options.element_delimiter),
            }
            io::stdout().write_all(&out)?;
        }
        Ok(())
    }

    fn print(&self, words: &[Vec<u8>], reply: &ReplyValue) -> io::Result<()> {
        let is_text = TEXTS.iter().any(|names| begins_with(words, names));
        let form = if is_text { Form::Raw } else { self.form };
        let is_apart = self.options.fails_by_errors && !self.options.words.is_empty();
        if let ReplyValue::Error(why) = reply
            && is_apart
        {
            return io::stderr().write_all(&[why, &b"\n"[..]].concat());
        }
        let mut out = Vec::new();
        print::reply(&mut out, form, reply, &self.options.element_delimiter);
        match form {
            Form::Terminal => {}
            Form::Raw if is_text => {}
            Form::Raw => out.extend(&self.options.reply_delimiter),
            Form::Csv | Form::Json | Form::QuotedJson => out.push(b'\n'),
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(&out)?;
        stdout.flush()
    }
}

/// Puts the standard input in its place among the arguments.
fn add_input(words: &mut Vec<Vec<u8>>, from: &FromInput) -> Result<(), String> {
    let read = || {
        let mut bytes = Vec::new();
        io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(|why| why.to_string())?;
        Ok::<_, String>(bytes)
    };
    match from {
        FromInput::Nothing => {}
        FromInput::Last => words.push(read()?),
        FromInput::Tag(tag) => {
            let place = words.iter_mut().find(|word| *word == tag);
            *place.ok_or("Using -X option but stdin tag not match.")? = read()?;
        }
    }
    Ok(())
}

/// The slot, host and port of `MOVED 3999 127.0.0.1:6381`, and whether it is `ASK` instead.
fn redirect(error: &[u8]) -> Option<(u16, String, u16, bool)> {
    let text = std::str::from_utf8(error).ok()?;
    let mut parts = text.split(' ');
    let is_ask = match parts.next()? {
        "MOVED" => false,
        "ASK" => true,
        _ => return None,
    };
    let slot = parts.next()?.parse().ok()?;
    let (host, port) = parts.next()?.rsplit_once(':')?;
    Some((slot, host.to_owned(), port.parse().ok()?, is_ask))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn a_refusal_names_another_node() {
        let moved = redirect(b"MOVED 3999 10.0.0.1:6381");
        assert_eq!(moved, Some((3999, "10.0.0.1".to_owned(), 6381, false)));
        let ask = redirect(b"ASK 1 ::1:7");
        assert_eq!(ask, Some((1, "::1".to_owned(), 7, true)));
        assert_eq!(redirect(b"ERR MOVED"), None);
    }

    #[test]
    fn texts_for_people_are_known_by_their_first_words() {
        let is_text = |line| TEXTS.iter().any(|names| begins_with(&words(line), names));
        assert!(is_text("INFO server") && is_text("Client List") && is_text("memory doctor"));
        assert!(!is_text("client kill") && !is_text("client") && !is_text("get info"));
    }

    #[test]
    fn the_prompt_follows_the_commands() {
        let mut session = Session::new(Options::default(), Form::Raw, true);
        let ok = ReplyValue::Simple(b"OK".to_vec());
        session.note(&words("select 3"), &ok);
        session.note(&words("MULTI"), &ok);
        assert!(session.is_in_transaction && session.options.database == 3);
        session.note(&words("exec"), &ReplyValue::Error(b"EXECABORT".to_vec()));
        assert!(!session.is_in_transaction);
        session.note(&words("select x"), &ReplyValue::Error(b"ERR".to_vec()));
        assert_eq!(session.options.database, 3);
        session.note(&words("auth al pw"), &ok);
        assert_eq!(session.options.user.as_deref(), Some(&b"al"[..]));
    }
}
