//! MIGRATE: moves keys to another server.
//!
//!     DUMP here -> RESTORE there -> OK from there -> deleted here
//!
//! The handler deletes a key here only after the other server has acknowledged it: an error or a
//! timeout may leave the key on both servers, but never on neither. The server blocks meanwhile, as
//! in Redis, so that no client sees a key on neither server or on both.
//!
//! Payloads have the form that every server from Redis 7.0 on reads. If this form cannot hold a
//! value, such as a hash whose fields expire, the handler first asks the other server for the
//! version (INFO, once per connection) and sends a form that this version reads; if there is no
//! such form, the handler sends nothing.

use std::io;
use std::time::Duration;

use super::dump::payload_of;
use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_base::text::Printable;
use russet_command::keys::{KeyRun, Keys};
use russet_command::options::{self, Word};
use russet_command::{
    Access, Arity, BadKeys, BeginSearch, Category, CommandError, Facts, Flags, KeyExtent, KeySpec,
};
use russet_keyspace::{Cause, Class};
use russet_persistence::rdb::{Peer, RdbWriter, VERSION_MIGRATE};
use russet_resp::{Args, ReplyValue, write_request};
use russet_server::{Call, CommandResult, MigrateLink, Spec};

const ACCESS: Access = Access::TAKE;

pub(super) const MIGRATE: Spec = Spec {
    arity: Arity::AtLeast(6),
    flags: Flags::WRITE
        .union(Flags::TAKES_OVER)
        .union(Flags::SENSITIVE),
    is_secret,
    keys: &[
        KeySpec::one(3, ACCESS),
        KeySpec {
            access: ACCESS.union(Access::INCOMPLETE),
            begin: BeginSearch::Keyword {
                word: "KEYS",
                from: -2,
            },
            find: KeyExtent::Range {
                last: -1,
                step: 1,
                limit: 0,
            },
            notes: "",
        },
    ],
    find_keys: Some(keys),
    categories: Category::KEYSPACE.union(Category::DANGEROUS),
    tips: &["nondeterministic_output"],
    work: work::WHOLE,
    facts: Facts::MOVES_KEYS,
    ..Spec::new("migrate", migrate)
};

/// The kind of an option word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MigrateOption {
    Copy,
    Replace,
    Auth,
    Auth2,
    Keys,
}

const WORDS: &[Word<MigrateOption>] = &[
    Word::new("COPY", 0, MigrateOption::Copy),
    Word::new("REPLACE", 0, MigrateOption::Replace),
    Word::new("AUTH", 1, MigrateOption::Auth),
    Word::new("AUTH2", 2, MigrateOption::Auth2),
    Word::last("KEYS", 0, MigrateOption::Keys),
];

/// Where the options begin.
const OPTIONS: usize = 6;

fn options(args: Args<'_>) -> options::OptionReader<'_, MigrateOption> {
    options::OptionReader::new(args, OPTIONS, WORDS)
}

/// The key in the old position, or the keys after `KEYS` if that position holds an empty string.
fn keys(args: Args<'_>) -> Result<Keys, BadKeys> {
    let many = options(args)
        .flatten()
        .find(|(asked, _)| *asked == MigrateOption::Keys);
    let keys = match many {
        None => 3..4,
        Some((_, at)) if args.at(3).is_empty() => at + 1..args.len(),
        Some(_) => return Err(BadKeys),
    };
    Ok(Keys::run(KeyRun::new(keys.start, keys.end, 1, ACCESS)))
}

/// Words of options that are looked through for secrets; all words after them count as secrets.
const SHOWN_OPTIONS_MAX: usize = 64;

/// The arguments of AUTH and AUTH2 among the options, and everything from the first argument on
/// that does not have MIGRATE's form, because the meaning cannot be known.
fn is_secret(args: Args<'_>, at: usize) -> bool {
    let is_number = |at: usize| args.get(at).is_some_and(|arg| parse_i64(arg).is_some());
    if !(is_number(OPTIONS - 2) && is_number(OPTIONS - 1)) {
        return at >= OPTIONS - 2;
    }
    let mut next = OPTIONS;
    for option in options(args) {
        let Some((asked, word)) = option.ok().filter(|_| next < OPTIONS + SHOWN_OPTIONS_MAX) else {
            return at >= next;
        };
        let secrets = match asked {
            MigrateOption::Auth => 1,
            MigrateOption::Auth2 => 2,
            _ => 0,
        };
        next = word + 1 + secrets;
        if (word + 1..next).contains(&at) {
            return true;
        }
    }
    false
}

const CANNOT_CONNECT: &str = "IOERR error or timeout connecting to the client";
const CANNOT_WRITE: &str = "IOERR error or timeout writing to target instance";
const CANNOT_READ: &str = "IOERR error or timeout reading to target instance";
const KEY_AND_KEYS: &str =
    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string";
const USUAL_TIMEOUT_MS: i64 = 1000;

/// The parsed options.
struct MigrateOptions<'a> {
    copy: bool,
    replace: bool,
    /// The user, if named, and the password.
    auth: Option<(Option<&'a [u8]>, &'a [u8])>,
    /// The positions of the keys among the arguments.
    keys: std::ops::Range<usize>,
    db: i64,
    timeout: Duration,
}

impl<'a> MigrateOptions<'a> {
    fn parse(call: &Call<'a>) -> Result<MigrateOptions<'a>, CommandError> {
        let args = call.args;
        let (mut copy, mut replace, mut auth, mut keys) = (false, false, None, 3..4);
        for option in self::options(args) {
            let (asked, at) = option?;
            match asked {
                MigrateOption::Copy => copy = true,
                MigrateOption::Replace => replace = true,
                MigrateOption::Auth => auth = Some((None, args.at(at + 1))),
                MigrateOption::Auth2 => auth = Some((Some(args.at(at + 1)), args.at(at + 2))),
                MigrateOption::Keys if !args.at(3).is_empty() => {
                    return Err(CommandError::Text(KEY_AND_KEYS));
                }
                MigrateOption::Keys => keys = at + 1..args.len(),
            }
        }
        let number = |at: usize| parse_i64(args.at(at)).ok_or(CommandError::NotAnInteger);
        let (timeout, db) = (number(5)?, number(4)?);
        let timeout = match timeout {
            1.. => timeout,
            _ => USUAL_TIMEOUT_MS,
        };
        Ok(MigrateOptions {
            copy,
            replace,
            auth,
            keys,
            db,
            timeout: Duration::from_millis(timeout as u64),
        })
    }

    /// Writes the request that logs in, if a login is wanted; returns the number of replies to
    /// expect.
    fn login(&self, out: &mut Vec<u8>) -> usize {
        let Some((user, password)) = self.auth else {
            return 0;
        };
        let words = [Some(&b"AUTH"[..]), user, Some(password)];
        let words: Vec<&[u8]> = words.into_iter().flatten().collect();
        write_request(out, words.into_iter());
        1
    }

    /// Writes the requests to send before the keys; returns the number of their replies.
    fn preface(&self, link: &MigrateLink, out: &mut Vec<u8>) -> usize {
        let mut replies = self.login(out);
        if link.selected != Some(self.db) {
            let mut digits = itoa::Buffer::new();
            let db = digits.format(self.db).as_bytes();
            write_request(out, [b"SELECT", db].into_iter());
            replies += 1;
        }
        replies
    }
}

/// Why sending the keys failed.
enum SendError {
    Connect,
    Write,
    Read,
    /// An error reply of the other server.
    There(Vec<u8>),
    /// The other server cannot read a value: which, and why.
    Unreadable(String),
}

/// `MIGRATE host port key|"" db timeout-ms [COPY] [REPLACE] [AUTH password | AUTH2 user
/// password] [KEYS key ...]`: moves keys to a database of another server.
///
/// Reply: OK; NOKEY if none of the keys exists; otherwise the error of the other server or of the
/// connection. A key stays here until the other server has it. O(size of the values).
fn migrate(call: &mut Call<'_>) -> CommandResult {
    let options = MigrateOptions::parse(call)?;
    let (keys, asks) = find(call, &options);
    if keys.is_empty() {
        call.reply.simple("NOKEY");
        return Ok(());
    }
    let ended = exchange(call, &options, &keys, asks);
    match ended {
        Ok(()) => {
            call.reply.ok();
            Ok(())
        }
        Err(SendError::Connect) => Err(CommandError::Text(CANNOT_CONNECT)),
        Err(SendError::Write) => Err(CommandError::Text(CANNOT_WRITE)),
        Err(SendError::Read) => Err(CommandError::Text(CANNOT_READ)),
        Err(SendError::There(error)) => Err(CommandError::owned(format!(
            "ERR Target instance replied with error: {}",
            String::from_utf8_lossy(&error)
        ))),
        Err(SendError::Unreadable(why)) => {
            Err(CommandError::owned(format!("ERR Nothing was sent: {why}")))
        }
    }
}

/// The keys that exist, and whether any value has no form that all servers read.
fn find<'a>(call: &mut Call<'a>, options: &MigrateOptions<'_>) -> (Vec<&'a [u8]>, bool) {
    let args = call.args;
    let writer = RdbWriter::new(VERSION_MIGRATE, false);
    let (mut keys, mut asks) = (Vec::new(), false);
    for key in options.keys.clone().map(|at| args.at(at)) {
        if let Some(view) = call.db.view(key) {
            asks |= !writer.holds(&view.value);
            keys.push(key);
        }
    }
    (keys, asks)
}

/// Sends the keys and deletes the acknowledged keys. If the other server has closed a cached
/// connection in the meantime, tries a new connection. `asks`: the other server's version matters.
fn exchange(
    call: &mut Call<'_>,
    options: &MigrateOptions<'_>,
    keys: &[&[u8]],
    asks: bool,
) -> Result<(), SendError> {
    let host = call.args.at(1);
    let port = parse_i64(call.args.at(2)).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(SendError::Connect)?;
    let mut may_retry = true;
    loop {
        let tls = call.server.connections.tls.of_cluster(&call.server.config);
        let links = &mut call.server.connections.migrate_links;
        let link = links.take(host, port, options.timeout, tls.as_ref());
        let mut link = link.map_err(|error| match error.kind() {
            // Redis notices this when it writes.
            io::ErrorKind::ConnectionRefused => SendError::Write,
            _ => SendError::Connect,
        })?;
        let asked = if asks && link.peer.is_none() {
            ask(&mut link, options)
        } else {
            Ok(())
        };
        let sent = match asked {
            Err(failed) => failed,
            Ok(()) => match write_restores(call, options, keys, link.peer.as_ref()) {
                Ok(requests) => send(&mut link, options, &requests, keys.len()),
                Err(why) => MigrateOutcome {
                    failed: Some(SendError::Unreadable(why)),
                    ..MigrateOutcome::default()
                },
            },
        };
        if sent.broken.is_none() {
            link.selected = sent.failed.is_none().then_some(options.db);
            let now_ms = call.server.now.mono_ms;
            call.server.connections.migrate_links.keep(link, now_ms);
        }
        let nothing_done = sent.acknowledged.is_empty() && !is_refusal(&sent.failed);
        let is_retried = match sent.broken {
            None | Some(io::ErrorKind::TimedOut) => false,
            Some(_) => may_retry && nothing_done,
        };
        if is_retried {
            may_retry = false;
            continue;
        }
        if !options.copy {
            let moved: Vec<&[u8]> = sent.acknowledged.into_iter().map(|at| keys[at]).collect();
            delete(call, &moved);
        }
        return sent.failed.map_or(Ok(()), Err);
    }
}

fn is_refusal(failed: &Option<SendError>) -> bool {
    matches!(failed, Some(SendError::There(_)))
}

/// Asks the other server for the version. A server that does not reply with a version may still
/// read the keys.
fn ask(link: &mut MigrateLink, options: &MigrateOptions<'_>) -> Result<(), MigrateOutcome> {
    let mut requests = Vec::new();
    let logins = options.login(&mut requests);
    write_request(&mut requests, [&b"INFO"[..], b"server"].into_iter());
    let broken = |failed, error: io::Error| MigrateOutcome {
        failed: Some(failed),
        broken: Some(error.kind()),
        ..MigrateOutcome::default()
    };
    let sent = link.link.send(&requests, options.timeout);
    sent.map_err(|error| broken(SendError::Write, error))?;
    let mut refused = None;
    for at in 0..=logins {
        let reply = link.link.reply(options.timeout);
        let reply = reply.map_err(|error| broken(SendError::Read, error))?;
        match reply {
            ReplyValue::Error(line) if at < logins => refused = Some(line),
            ReplyValue::Bulk(text) => link.peer = Peer::of_info(&text),
            _ => {}
        }
    }
    match refused {
        None => Ok(()),
        Some(line) => Err(MigrateOutcome {
            failed: Some(SendError::There(line)),
            ..MigrateOutcome::default()
        }),
    }
}

/// A RESTORE for each key, in the form that `peer` reads; an error is why there is none.
fn write_restores(
    call: &mut Call<'_>,
    options: &MigrateOptions<'_>,
    keys: &[&[u8]],
    peer: Option<&Peer>,
) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let compress = call.server.config.rdbcompression.of_strings();
    let of_valkey = call.server.config.dialect.valkey_files();
    let mut writer = RdbWriter::new(VERSION_MIGRATE, compress);
    let now = call.db.now_ms();
    // The other node of a cluster does not serve the slot yet.
    let word: &[u8] = if call.server.cluster.is_some() {
        b"RESTORE-ASKING"
    } else {
        b"RESTORE"
    };
    for &key in keys {
        // It was found, and no time has passed since; its use is counted.
        let Some(view) = call.db.peek_view(key) else {
            return Err(format!("key '{}' is not there", Printable(key)));
        };
        match peer {
            None => writer.fit(VERSION_MIGRATE, of_valkey, &view.value),
            Some(peer) => {
                peer.fit(&mut writer, &view.value).map_err(|lost| {
                    let (key, name) = (Printable(key), &peer.name);
                    format!("key '{key}' has {lost}, which {name} cannot read")
                })?;
            }
        }
        let payload = payload_of(&mut writer, &view.value);
        if writer.is_damaged() {
            return Err(format!(
                "the packed value of key '{}' is damaged",
                Printable(key)
            ));
        }
        let ttl = view.expiry.map_or(0, |at| (at - now).max(1));
        let mut digits = itoa::Buffer::new();
        let ttl = digits.format(ttl).as_bytes();
        let words = [word, key, ttl, &payload];
        let replace = options.replace.then_some(&b"REPLACE"[..]);
        let words: Vec<&[u8]> = words.into_iter().chain(replace).collect();
        write_request(&mut out, words.into_iter());
    }
    Ok(out)
}

/// The outcome of the requests.
#[derive(Default)]
struct MigrateOutcome {
    /// Indexes of the keys that the other server has.
    acknowledged: Vec<usize>,
    failed: Option<SendError>,
    /// Why the connection is no longer usable.
    broken: Option<io::ErrorKind>,
}

/// Sends all requests and reads the replies.
fn send(
    link: &mut MigrateLink,
    options: &MigrateOptions<'_>,
    requests: &[u8],
    keys: usize,
) -> MigrateOutcome {
    let mut done = MigrateOutcome::default();
    let mut preface = Vec::new();
    let replies = options.preface(link, &mut preface);
    let sent = link
        .link
        .send(&preface, options.timeout)
        .and_then(|()| link.link.send(requests, options.timeout));
    if let Err(error) = sent {
        done.failed = Some(SendError::Write);
        done.broken = Some(error.kind());
        return done;
    }
    // After a refused AUTH or SELECT a key may have gone to the wrong place.
    let mut preface_refused = false;
    for at in 0..replies + keys {
        let reply = match link.link.reply(options.timeout) {
            Ok(reply) => reply,
            Err(error) => {
                done.failed.get_or_insert(SendError::Read);
                done.broken = Some(error.kind());
                return done;
            }
        };
        if let ReplyValue::Error(line) = reply {
            done.failed.get_or_insert(SendError::There(line));
            preface_refused |= at < replies;
        } else if at >= replies && !preface_refused {
            done.acknowledged.push(at - replies);
        }
    }
    done
}

/// Deletes the moved keys here.
fn delete(call: &mut Call<'_>, moved: &[&[u8]]) {
    let mut words: Vec<&[u8]> = vec![b"DEL"];
    for key in moved {
        if call.db.delete(key, Cause::Server) {
            call.db.changed(key, Class::GENERIC, "del");
            words.push(key);
        }
    }
    if words.len() > 1 {
        call.rewrite(&words);
    }
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn passwords_stay_out_of_the_slow_log() {
        let mut t = Testbed::new();
        t.run("CONFIG SET slowlog-log-slower-than 0");
        for (options, shown) in [
            ("AUTH pass", "AUTH (redacted)"),
            (
                "COPY AUTH pass KEYS a auth",
                "COPY AUTH (redacted) KEYS a auth",
            ),
            ("auth2 me pass", "auth2 (redacted) (redacted)"),
            ("AUTH AUTH2 REPLACE", "AUTH (redacted) REPLACE"),
            ("COPY AUTHH pass", "COPY (redacted) (redacted)"),
            ("AUTH2 pass", "(redacted) (redacted)"),
        ] {
            t.run(&format!("MIGRATE 127.0.0.1 1 none 0 10 {options}"));
            let shown = format!("MIGRATE 127.0.0.1 1 none 0 10 {shown}");
            assert_eq!(t.newest_slow().join(" "), shown);
        }
    }
}
