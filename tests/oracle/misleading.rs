//! Command lines with misleading words: repeated, moved and missing options, and keys and operands
//! with the names of options. The test compares with Redis: the keys of COMMAND GETKEYSANDFLAGS,
//! ACL DRYRUN for users of some keys, and whether EXEC fails for a client that watches a word of
//! the line.

use std::collections::BTreeMap;

use crate::compare::command_line;
use crate::permissions::Side;
use crate::random::Random;
use crate::streams::grammar::Row;
use crate::streams::rows::{self, Group};
use crate::support::{Daemon, Reply, peers::Peer};

/// Lines per row.
const LINES: usize = 60;

/// Maximum mistakes shown per command.
const SHOWN_MAX: usize = 3;

const GROUPS: &[&Group] = &[
    &rows::STRING,
    &rows::GENERIC,
    &rows::LIST,
    &rows::SET,
    &rows::HASH,
    &rows::ZSET,
    &rows::SORT,
    &rows::BITMAP,
    &rows::HYPERLOGLOG,
    &rows::GEO,
    &rows::STREAM,
];

/// Commands for which Redis 8.0 reports keys that it does not touch, or omits a key that it
/// touches. `commands::conformance::opened_keys` checks the keys that russet touches, next to its
/// handlers.
const REDIS_TELLS_OTHERS: &[(&str, &str)] = &[
    (
        "georadius",
        "tells the first STORE and the first STOREDIST, takes the last of both",
    ),
    ("georadiusbymember", "as georadius"),
    (
        "sort",
        "a destination that is called like an option hides the next one",
    ),
    (
        "xread",
        "the first STREAMS begins the keys, also as an operand",
    ),
    ("xreadgroup", "as xread"),
    (
        "pfmerge",
        "without a source no key is told, and the destination is written",
    ),
];

/// Users with rights on some keys: to read them, to write them, to use them at all.
const USERS: &[(&str, &str)] = &[("reader", "%R~*"), ("writer", "%W~*"), ("some", "~[g-s]*")];

/// A line of a row with up to four words replaced, repeated, moved or added.
fn mislead(row: &Row, random: &mut Random) -> Vec<Vec<u8>> {
    let mut line = row.generate_plain(random);
    let words = row.words();
    let word = |random: &mut Random, line: &[Vec<u8>]| -> Vec<u8> {
        if random.chance(50) && !words.is_empty() {
            random.pick(&words).as_bytes().to_vec()
        } else {
            random.pick(line).clone()
        }
    };
    for _ in 0..random.below(5) {
        // A place after the name; the end is a place, too.
        let at = 1 + random.below(line.len());
        match random.below(4) {
            0 if at < line.len() => line[at] = word(random, &line),
            1 if at < line.len() => {
                let other = 1 + random.below(line.len() - 1);
                line.swap(at, other);
            }
            2 => {
                let end = (at + 1 + random.below(3)).min(line.len());
                let again = line[at.min(end)..end].to_vec();
                line.extend(again);
            }
            _ => line.insert(at, word(random, &line)),
        }
    }
    line
}

/// Both servers, each with a client that writes and a client that watches.
struct Both {
    writers: [Side; 2],
    watchers: [Side; 2],
    mistakes: BTreeMap<&'static str, Vec<String>>,
}

impl Both {
    fn new(reference: Daemon, subject: Daemon) -> Both {
        let watchers = [&reference, &subject].map(Side::beside);
        let writers = [reference, subject].map(Side::new);
        Both {
            writers,
            watchers,
            mistakes: BTreeMap::new(),
        }
    }

    fn ask<A: AsRef<[u8]>>(sides: &mut [Side; 2], words: &[A]) -> [Reply; 2] {
        let [reference, subject] = sides;
        [reference.ask(words), subject.ask(words)]
    }

    fn set_up(&mut self) {
        for (name, keys) in USERS {
            let rules = ["ACL", "SETUSER", name, "reset", "+@all", keys];
            Both::ask(&mut self.writers, &rules);
        }
    }

    /// Sends the line after the words `before`: the answers must be the same bytes.
    fn compare(&mut self, row: &Row, before: &[&str], line: &[Vec<u8>]) {
        let before = before.iter().map(|word| word.as_bytes());
        let words: Vec<&[u8]> = before.chain(line.iter().map(Vec::as_slice)).collect();
        let [expected, got] = Both::ask(&mut self.writers, &words);
        if expected != got {
            self.note(row, &words, format!("{expected:?} but {got:?}"));
        }
    }

    /// A client watches a word of the line: EXEC must fail on both servers or on neither.
    fn watch(&mut self, row: &Row, fill: &[Vec<Vec<u8>>], line: &[Vec<u8>], watched: &[u8]) {
        Both::ask(&mut self.writers, &["FLUSHALL"]);
        Both::ask(&mut self.writers, &["SELECT", "0"]);
        for call in fill {
            let words: Vec<&[u8]> = call.iter().map(Vec::as_slice).collect();
            Both::ask(&mut self.writers, &words);
        }
        Both::ask(&mut self.watchers, &["WATCH".as_bytes(), watched]);
        Both::ask(&mut self.watchers, &["MULTI"]);
        // In a transaction no command blocks.
        Both::ask(&mut self.writers, &["MULTI"]);
        let words: Vec<&[u8]> = line.iter().map(Vec::as_slice).collect();
        Both::ask(&mut self.writers, &words);
        Both::ask(&mut self.writers, &["EXEC"]);
        let [expected, got] = Both::ask(&mut self.watchers, &["EXEC"]);
        if expected != got {
            let what = format!("watching {watched:?}: {expected:?} but {got:?}");
            self.note(row, &words, what);
        }
    }

    fn note(&mut self, row: &Row, words: &[&[u8]], what: String) {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
        let mistakes = self.mistakes.entry(row.name()).or_default();
        if mistakes.len() < SHOWN_MAX {
            mistakes.push(format!("{}: {what}", command_line(&words)));
        }
    }
}

#[test]
fn misleading_words_are_understood_as_by_redis() {
    let Some(program) = Peer::Redis810.program_for("misleading words beside Redis") else {
        return;
    };
    let reference = Daemon::start_program(&program, &[]);
    let mut both = Both::new(reference, Daemon::start(&[]));
    both.set_up();
    let mut random = Random::new(1);
    for group in GROUPS {
        let beside = group.beside();
        for row in group.rows() {
            let is_wrong = REDIS_TELLS_OTHERS
                .iter()
                .any(|(name, _)| *name == row.name());
            for _ in 0..LINES {
                let line = mislead(&row, &mut random);
                if !is_wrong {
                    both.compare(&row, &["COMMAND", "GETKEYSANDFLAGS"], &line);
                    for (user, _) in USERS {
                        both.compare(&row, &["ACL", "DRYRUN", user], &line);
                    }
                }
                let watched = random.pick(&line).clone();
                let fill = (0..6).map(|_| random.pick(&beside).generate_plain(&mut random));
                let fill: Vec<_> = fill.collect();
                both.watch(&row, &fill, &line, &watched);
            }
        }
    }
    let mistakes: Vec<String> = both.mistakes.into_values().flatten().collect();
    assert!(
        mistakes.is_empty(),
        "otherwise than Redis 8.0:\n{}",
        mistakes.join("\n")
    );
}
