//! Checks that every key that a handler opens is among the row's planned keys, and that every key
//! that it changes is planned as written, because permissions, the undo log and read-only views
//! rely on the plan.
//!
//! Command lines follow the documented syntax of each row, with the freedoms of clients: options
//! repeated and reordered, keys and operands named like options, words too many and too few. The
//! keyspace records what the handler opens.

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::super::docs_for;
use crate::testbed::{AllCommands as _, Testbed};
use russet_command::docs::{Arg, ArgFlags, ArgKind, Group};
use russet_command::keys::KeyAt;
use russet_command::{Access, Flags};
use russet_resp::OwnedArgs;
use russet_server::{CommandTable, Row};

/// Command lines per row, and per row whose options decide the keys.
const LINES: usize = 300;
const LINES_OF_OPTIONS: usize = 3000;

/// Lines between two fillings of the database.
pub(super) const LINES_OF_A_FILLING: usize = 25;

/// Rows that the test does not run, with the reason.
const EXEMPT: &[(&str, &str)] = &[
    (
        "debug",
        "an administrator's tool without key specs, also in Redis; disabled by default",
    ),
    (
        "eval",
        "each command that a script runs is checked by itself",
    ),
    ("eval_ro", "as eval"),
    ("evalsha", "as eval"),
    ("evalsha_ro", "as eval"),
    ("fcall", "as eval"),
    ("fcall_ro", "as eval"),
    (
        "keys",
        "tells the names of all keys, and looks whether they are there",
    ),
    ("randomkey", "as keys"),
];

/// Rows whose plans say less than a change: PFCOUNT caches the result in the value, BLESS marks the
/// key and leaves the value.
const SPARES_VALUE: &[&str] = &["pfcount", "bless|set", "bless|clear"];

/// Rows that read, but never write, keys that are not among the arguments: a user needs permission
/// to read all keys.
const READ_BY_PATTERN: &[&str] = &["sort", "sort_ro"];

/// Generates command lines from the syntax.
pub(super) struct Lines {
    rng: SmallRng,
    /// Option words of the row, lower and upper case: some keys and operands get these names.
    words: Vec<String>,
    keys: Vec<String>,
}

impl Lines {
    pub(super) fn of(args: &[Arg], seed: u64) -> Lines {
        fn collect(args: &[Arg], words: &mut Vec<String>) {
            for arg in args {
                if let Some(token) = arg.token.filter(|token| !token.is_empty()) {
                    words.extend([token.to_owned(), token.to_ascii_lowercase()]);
                }
                collect(&arg.args, words);
            }
        }
        let mut words = Vec::new();
        collect(args, &mut words);
        words.extend(["1", "2", "k", "other"].map(str::to_owned));
        let keys = words.clone();
        words.extend(["0", "3", "-1", "a", "g", "*", "$", ">", "w*", ""].map(str::to_owned));
        Lines {
            rng: SmallRng::seed_from_u64(seed),
            words,
            keys,
        }
    }

    fn pick<'a>(rng: &mut SmallRng, of: &'a [String]) -> &'a str {
        of.choose(rng).expect("some words")
    }

    /// The arguments of a syntax as chunks that belong together.
    fn chunks(&mut self, args: &'static [Arg]) -> Vec<(bool, Vec<String>)> {
        let mut chunks = Vec::new();
        // The number of values that a preceding count declared.
        let mut announced = None;
        for arg in args {
            let is_optional = arg.flags.contains(ArgFlags::OPTIONAL);
            let times = if is_optional {
                any_of(&mut self.rng, &[0, 0, 1, 1, 2])
            } else {
                1
            };
            for _ in 0..times {
                let mut chunk = Vec::new();
                if arg.name.starts_with("num") && arg.kind == ArgKind::Integer {
                    let count = self.rng.random_range(1..4);
                    announced = Some(count);
                    chunk.push(count.to_string());
                } else {
                    let count = announced.take();
                    self.emit(arg, count, &mut chunk);
                }
                chunks.push((is_optional, chunk));
            }
        }
        chunks
    }

    /// `count`: the number of values, if fixed.
    fn emit(&mut self, arg: &'static Arg, count: Option<usize>, out: &mut Vec<String>) {
        let token = arg.token.filter(|_| arg.kind != ArgKind::PureToken);
        let many = arg.flags.contains(ArgFlags::MULTIPLE);
        let each = arg.flags.contains(ArgFlags::MULTIPLE_TOKEN);
        let count = if many {
            count.unwrap_or_else(|| self.rng.random_range(1..4))
        } else {
            1
        };
        for i in 0..count {
            out.extend(token.filter(|_| i == 0 || each).map(str::to_owned));
            self.value(arg, out);
        }
    }

    fn value(&mut self, arg: &'static Arg, out: &mut Vec<String>) {
        let rng = &mut self.rng;
        let word = match arg.kind {
            ArgKind::Key => Lines::pick(rng, &self.keys),
            ArgKind::String if ["min", "max", "start", "stop", "end"].contains(&&*arg.name) => {
                any_of(rng, &["-", "+", "[a", "0", "1"])
            }
            ArgKind::String if arg.name.starts_with("aggregator") => any_of(rng, &["avg", "a"]),
            ArgKind::String | ArgKind::Pattern if rng.random_bool(0.4) => {
                Lines::pick(rng, &self.keys)
            }
            ArgKind::String | ArgKind::Pattern => Lines::pick(rng, &self.words),
            ArgKind::Integer => any_of(rng, &["1", "2", "0", "3", "-1", "64"]),
            ArgKind::Double => any_of(rng, &["1", "0.5", "-1", "2"]),
            ArgKind::UnixTime => "99999999999",
            ArgKind::PureToken => arg.token.expect("a token has its word"),
            ArgKind::OneOf => {
                let one = arg.args.choose(rng).expect("choices");
                return self.emit(one, None, out);
            }
            ArgKind::Block => {
                // Parallel lists (STREAMS) have the same length.
                let count = rng.random_range(1..3);
                for (_, chunk) in self.block(&arg.args, count) {
                    out.extend(chunk);
                }
                return;
            }
        };
        out.push(word.to_owned());
    }

    fn block(&mut self, args: &'static [Arg], count: usize) -> Vec<(bool, Vec<String>)> {
        let counted = args.iter().any(|arg| arg.name.starts_with("num"));
        if counted {
            return self.chunks(args);
        }
        let mut chunks = Vec::new();
        for arg in args {
            let is_optional = arg.flags.contains(ArgFlags::OPTIONAL);
            if is_optional && self.rng.random_bool(0.5) {
                continue;
            }
            let mut chunk = Vec::new();
            self.emit(arg, Some(count), &mut chunk);
            chunks.push((is_optional, chunk));
        }
        chunks
    }

    /// A line of the command: the name, then random words by the syntax.
    pub(super) fn line(&mut self, name: &str, args: &'static [Arg]) -> Vec<String> {
        let chunks = self.chunks(args);
        let (mut options, mut line) = (Vec::new(), Vec::new());
        // Options are shuffled, also required ones (XREADGROUP's GROUP), except the last; other
        // required arguments keep their positions.
        let has_word = |chunk: &[String]| chunk.first().is_some_and(|w| self.words.contains(w));
        let moves = self.rng.random_bool(0.5);
        let mut places = Vec::new();
        let last = chunks.len().saturating_sub(1);
        for (at, (is_optional, chunk)) in chunks.into_iter().enumerate() {
            let may_move = moves && at < last && has_word(&chunk) && chunk.len() > 2;
            let is_option = is_optional || may_move;
            places.push((!is_option).then(|| chunk.clone()));
            if is_option {
                options.push(chunk);
            }
        }
        options.shuffle(&mut self.rng);
        line.extend(name.split('|').map(str::to_owned));
        let named = line.len();
        for place in places {
            line.extend(place.or_else(|| options.pop()).expect("as many as places"));
        }
        for _ in 0..any_of(&mut self.rng, &[0, 0, 0, 1, 1, 2]) {
            let word = Lines::pick(&mut self.rng, &self.words).to_owned();
            let at = self.rng.random_range(named..line.len() + 1);
            match self.rng.random_range(0..4) {
                0 => line.insert(at, word),
                1 if at < line.len() => _ = line.remove(at),
                _ if at < line.len() => line[at] = word,
                _ => line.push(word),
            }
        }
        // An address that refuses connections.
        if name == "migrate" && line.len() > 2 {
            (line[1], line[2]) = ("127.0.0.1".to_owned(), "1".to_owned());
        }
        line
    }
}

fn any_of<T: Copy>(rng: &mut SmallRng, all: &[T]) -> T {
    *all.choose(rng).expect("some")
}

/// Fills every key, mostly with the type that the command is for.
pub(super) fn fill(t: &mut Testbed, lines: &mut Lines, group: Group) {
    t.run("FLUSHALL");
    for key in lines.keys.clone() {
        let kind = match group {
            _ if lines.rng.random_bool(0.15) => lines.rng.random_range(0..7),
            Group::String | Group::Bitmap => 0,
            Group::HyperLogLog => 1,
            Group::List => 2,
            Group::Set => 3,
            Group::Hash => 4,
            Group::SortedSet => 5,
            Group::Geo => 5,
            Group::Stream => 6,
            _ => 2,
        };
        let mut run = |line: &str| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let at = words.iter().position(|word| word == b"KEY");
            let mut words = words;
            words[at.expect("a key")] = key.as_bytes();
            t.run_args(&words);
        };
        match kind {
            0 => run("SET KEY 1"),
            1 => run("PFADD KEY a b"),
            2 => run("RPUSH KEY 3 1 2"),
            3 => run("SADD KEY a 1 2"),
            4 => run("HSET KEY a 1 1 2 k v"),
            5 => run("GEOADD KEY 1 1 a 0.5 0.5 1 1 0.5 k"),
            _ => {
                run("XADD KEY 1-1 f v");
                for group in lines.words.iter().filter(|word| !word.is_empty()) {
                    run(&format!("XGROUP CREATE KEY {group} 0"));
                }
            }
        }
    }
    for weight in ["w1", "w2", "w3"] {
        t.run(&format!("SET {weight} 1"));
    }
}

/// Whether the handler opened any key; an error if a key was not planned.
fn judge(t: &mut Testbed, row: &Row, line: &[String]) -> Result<bool, String> {
    let args: OwnedArgs = line.iter().map(|word| word.as_bytes()).collect();
    let args = args.args();
    let reported: Vec<KeyAt> = row.keys(args).map(Iterator::collect).unwrap_or_default();
    t.engine.keyspace.opened.begin();
    t.run_row(row.id, args);
    let opened = t.engine.keyspace.opened.end();
    const WRITES: Access = Access::RW.union(Access::OW).union(Access::RM);
    const CHANGES: Access = Access::INSERT.union(Access::UPDATE).union(Access::DELETE);
    for found in &opened {
        let of_key = reported
            .iter()
            .filter(|(at, _)| args.at(*at) == &*found.key);
        let accesses: Vec<Access> = of_key.map(|(_, access)| *access).collect();
        let key = String::from_utf8_lossy(&found.key);
        if accesses.is_empty() {
            if READ_BY_PATTERN.contains(&row.full_name) && !found.is_written {
                continue;
            }
            return Err(format!(
                "{line:?}: opens {key:?}, the plan gave {reported:?}"
            ));
        }
        let is_spared = SPARES_VALUE.contains(&row.full_name);
        let is_written = |a: &Access| a.intersects(WRITES) && (a.intersects(CHANGES) || is_spared);
        if found.is_written && !accesses.iter().any(is_written) {
            return Err(format!(
                "{line:?}: changes {key:?}, the plan gave {reported:?}"
            ));
        }
    }
    Ok(!opened.is_empty())
}

/// Handlers and plans disagreed: GEORADIUS and GEORADIUSBYMEMBER took the last destination, SORT a
/// destination whose word the plan read as an operand, XREADGROUP the streams after the second
/// STREAMS. For PFMERGE without sources the plan had no key at all.
#[test]
fn handlers_open_the_keys_that_plans_give() {
    let mut t = Testbed::unheard();
    let table = CommandTable::new(&super::super::table());
    let (mut wrong, mut idle) = (Vec::new(), Vec::new());
    for row in table.rows() {
        let on_keys = Flags::READONLY | Flags::WRITE;
        let is_exempt = EXEMPT.iter().any(|(name, _)| *name == row.spec.name);
        if is_exempt || !row.has_keys() && !row.spec.flags.intersects(on_keys) {
            continue;
        }
        let Some(doc) = docs_for(row.full_name) else {
            panic!("{}: no documentation", row.full_name);
        };
        // By the name, so that a new row leaves the lines of others as they are.
        let bytes = row.full_name.bytes();
        let seed = bytes.fold(0, |seed: u64, byte| seed.wrapping_mul(31) ^ u64::from(byte));
        let mut lines = Lines::of(&doc.args, seed);
        let (mut mistakes, mut opened) = (Vec::new(), false);
        let count = match row.spec.find_keys {
            Some(_) => LINES_OF_OPTIONS,
            None => LINES,
        };
        // A few rows need more lines before a line is valid.
        for i in 0..8 * count {
            if i >= count && opened {
                break;
            }
            if i % LINES_OF_A_FILLING == 0 {
                fill(&mut t, &mut lines, doc.group);
            }
            let line = lines.line(row.full_name, &doc.args);
            if !row.spec.arity.admits(line.len()) {
                continue;
            }
            match judge(&mut t, row, &line) {
                Ok(any) => opened |= any,
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if !opened && row.has_keys() && !NEED_AN_INDEX.contains(&row.full_name) {
            idle.push(row.full_name);
        }
        wrong.extend(mistakes.into_iter().take(3));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(idle.is_empty(), "never opened a key: {idle:?}");
}

/// Rows that refuse all lines, because there is no index.
const NEED_AN_INDEX: &[&str] = &["FT.ADD", "FT.DEL", "FT.GET", "FT.SAFEADD"];

/// Option words that select keys, also used as names of keys and operands.
const MISLEADING: &[&str] = &[
    "SORT list STORE get STORE victim",
    "SORT list STORE by STORE victim",
    "GEORADIUS geo 1 1 9 km STORE get STORE victim",
    "GEORADIUS geo 1 1 9 km STOREDIST get STORE get STOREDIST victim",
    "GEORADIUSBYMEMBER geo a 9 km STORE get STOREDIST victim",
    "GEORADIUSBYMEMBER geo a 9 km STORE store STORE victim",
    "XREADGROUP NOACK GROUP g streams STREAMS victim >",
    "XREADGROUP GROUP g streams COUNT 1 STREAMS victim >",
    "XREADGROUP BLOCK 1 GROUP streams streams STREAMS victim >",
];

fn with_victim(line: &str) -> Testbed {
    let mut t = Testbed::new();
    for fill in [
        "RPUSH list 3 1 2",
        "GEOADD geo 1 1 a",
        "GEOADD store 1 1 b",
        "XADD victim 1-1 f v",
        "XGROUP CREATE victim g 0",
        "XGROUP CREATE victim streams 0",
    ] {
        assert!(!t.run(fill).starts_with('-'), "{line}: {fill}");
    }
    t
}

#[test]
fn misleading_words_open_no_key_that_a_user_may_not_touch() {
    // A destination without sources.
    for line in MISLEADING.iter().chain(&["PFMERGE victim"]) {
        let mut t = with_victim(line);
        t.run("ACL SETUSER u on nopass +@all ~list ~geo ~get ~store ~by ~streams ~STREAMS");
        let reported = t.run(&format!("ACL DRYRUN u {line}"));
        let denied = "User u has no permissions to access the 'victim' key\r\n";
        assert!(reported.ends_with(denied), "{line}: {reported}");
        t.run("AUTH u any");
        let refusal = "-NOPERM No permissions to access a key\r\n";
        assert_eq!(t.run(line), refusal, "{line}");
    }
}

#[test]
fn misleading_words_hide_no_change_from_the_undo_log() {
    for line in MISLEADING {
        let mut t = with_victim(line);
        let state = |t: &mut Testbed| {
            let lines = ["DUMP victim", "DUMP get", "DUMP store", "XPENDING victim g"];
            lines.map(|line| t.run(line)).concat()
        };
        let before = state(&mut t);
        let call: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
        let body = format!("redis.call({}) error('on purpose')", call.join(","));
        let script = format!("#!lua flags=atomic\n{body}");
        let reply = t.run_args(&[b"EVAL", script.as_bytes(), b"0"]);
        let reply = String::from_utf8_lossy(&reply);
        assert!(reply.contains("on purpose"), "{line}: {reply}");
        assert_eq!(state(&mut t), before, "{line}");
        assert!(!t.run(line).starts_with('-'), "{line}");
        assert_ne!(state(&mut t), before, "{line}: changes something");
    }
}
