//! BLESS: keys that eviction passes over, whatever the policy.
//!
//! The mark is the key's: it stays when the value is replaced, by any command and by any type, goes
//! along with RENAME and MOVE, and ends with the key. A copy has none. `keyspace` keeps it in the
//! entry, and the names of the marked keys beside the table, for SCAN.
//!
//! If nothing is left to evict because of marks, writes go on up to a quarter more than `maxmemory`
//! (`server::memory::memory_limit`).
//!
//! Cost: O(1); SCAN as COUNT says.

use crate::arguments::element;
use crate::arguments::scan::parse_cursor;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Blessings, Class};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};

const NO_EVICT: &str = "NO-EVICT";
/// Marked keys that a call of SCAN sees if the client asks for no other number.
const COUNT: usize = 1024;

pub(super) const BLESS: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[CLEAR, GET, SCAN, SET],
    ..Spec::new("bless", set)
};

const SET: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(2, Access::RW)],
    categories: Category::DANGEROUS,
    ..Spec::new("set", set)
};

/// `BLESS SET key NO-EVICT`: eviction passes over the key from now on.
///
/// Reply: 1, or 0 if it did so already; an error if there is no such key. O(1).
fn set(call: &mut Call<'_>) -> CommandResult {
    mark(call, true, "bless")
}

const CLEAR: Spec = Spec {
    name: "clear",
    handler: clear,
    flags: Flags::WRITE.union(Flags::FAST),
    ..SET
};

/// `BLESS CLEAR key NO-EVICT`: the key may be evicted again.
///
/// Reply: 1, or 0 if it had no mark; an error if there is no such key. O(1).
fn clear(call: &mut Call<'_>) -> CommandResult {
    mark(call, false, "unbless")
}

fn mark(call: &mut Call<'_>, on: bool, event: &'static str) -> CommandResult {
    let key = call.args.at(2);
    // Before the key, as in Redis.
    check_word(call.args, 3)?;
    let is_changed = call.db.bless(key, on).ok_or(CommandError::NoSuchKey)?;
    if is_changed {
        call.db.changed(key, Class::GENERIC, event);
    }
    call.reply.int(i64::from(is_changed));
    Ok(())
}

fn check_word(args: Args<'_>, at: usize) -> CommandResult {
    if args.is(at, NO_EVICT) {
        Ok(())
    } else {
        Err(CommandError::Syntax)
    }
}

const GET: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::FAST,
    keys: &[KeySpec::one(2, Access::RO)],
    categories: Category::KEYSPACE,
    ..Spec::new("get", get)
};

/// `BLESS GET key`: the marks of a key.
///
/// Reply: array of their names, empty without a mark; an error if there is no such key. No use of
/// the key. O(1).
fn get(call: &mut Call<'_>) -> CommandResult {
    call.db.set_touch(false);
    let key = call.args.at(2);
    if !call.db.contains(key) {
        return Err(CommandError::NoSuchKey);
    }
    if call.db.is_blessed(key) == Some(true) {
        call.reply.array(1);
        call.reply.bulk(NO_EVICT.as_bytes());
    } else {
        call.reply.array(0);
    }
    Ok(())
}

const SCAN: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::MEETS_ANY_KEY,
    categories: Category::KEYSPACE,
    tips: &[
        "nondeterministic_output",
        "request_policy:special",
        "response_policy:special",
    ],
    work: work::by(count_scanned, work::SMALLER_COUNT),
    ..Spec::new("scan", scan)
};

/// The arguments of SCAN: cursor and COUNT.
fn parse_scan(args: Args<'_>) -> Result<(u64, usize), CommandError> {
    let cursor = parse_cursor(args.at(2))?;
    check_word(args, 3)?;
    let count = match args.len() {
        4 => COUNT,
        6 if args.is(4, "COUNT") => element::at_least(args.at(5), 1, CommandError::NotAnInteger)?,
        _ => return Err(CommandError::Syntax),
    };
    Ok((cursor, count))
}

fn count_scanned(call: &mut Call<'_>) -> CommandResult {
    let (_, count) = parse_scan(call.args)?;
    let marked = call.db.blessings().map_or(0, Blessings::len);
    call.touches(marked.min(count) as u64);
    Ok(())
}

/// `BLESS SCAN cursor NO-EVICT [COUNT n]`: some of the keys that have a mark.
///
/// Reply: as SCAN's: the next cursor, 0 at the end, and an array of keys of the selected database.
/// A key that keeps its mark from the first call to the last is seen. O(COUNT) a call, O(marked
/// keys) in all.
fn scan(call: &mut Call<'_>) -> CommandResult {
    let (mut cursor, count) = parse_scan(call.args)?;
    let mut names: Vec<Box<[u8]>> = Vec::new();
    if let Some(blessings) = call.db.blessings() {
        loop {
            cursor = blessings.scan(cursor, |name| names.push(name.into()));
            if cursor == 0 || names.len() >= count {
                break;
            }
        }
    } else {
        cursor = 0;
    }
    // Expired keys, and those of slots that this node does not serve, are left out.
    names.retain(|name| call.db.peek_exists(name) && !call.db.whole().hides(name));
    let place = call.reply.defer();
    for name in &names {
        call.reply.bulk(name);
    }
    call.reply.finish_scan(place, cursor, names.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    const MARK: &str = "*1\r\n$8\r\nNO-EVICT\r\n";

    #[test]
    fn a_mark_is_set_once_and_cleared_once() {
        let mut t = Testbed::new();
        t.run("SET k v");
        t.take_effects();
        assert_eq!(t.run("BLESS GET k"), "*0\r\n");
        assert_eq!(t.run("BLESS SET k no-evict"), ":1\r\n");
        assert_eq!(t.run("BLESS SET k NO-EVICT"), ":0\r\n");
        assert_eq!(t.run("BLESS GET k"), MARK);
        assert!(t.run("INFO stats").contains("blessed_keys:1\r\n"));
        assert_eq!(t.run("BLESS CLEAR k NO-EVICT"), ":1\r\n");
        assert_eq!(t.run("BLESS CLEAR k NO-EVICT"), ":0\r\n");
        assert_eq!(t.run("BLESS GET k"), "*0\r\n");
        assert!(t.run("INFO stats").contains("blessed_keys:0\r\n"));
        assert_eq!(
            t.take_effects(),
            ["BLESS SET k no-evict", "BLESS CLEAR k NO-EVICT"]
        );
    }

    #[test]
    fn words_are_checked_before_the_key() {
        let mut t = Testbed::new();
        for (line, error) in [
            ("BLESS SET none NONE", "syntax error"),
            ("BLESS CLEAR none x", "syntax error"),
            ("BLESS SET none NO-EVICT", "no such key"),
            ("BLESS CLEAR none NO-EVICT", "no such key"),
            ("BLESS GET none", "no such key"),
            (
                "BLESS SET none NO-EVICT NO-EVICT",
                "wrong number of arguments for 'bless|set' command",
            ),
            ("BLESS SCAN x NO-EVICT", "invalid cursor"),
            ("BLESS SCAN 0 NONE", "syntax error"),
            ("BLESS SCAN 0 NO-EVICT COUNT", "syntax error"),
            ("BLESS SCAN 0 NO-EVICT MATCH *", "syntax error"),
            (
                "BLESS SCAN 0 NO-EVICT COUNT 0",
                "value is not an integer or out of range",
            ),
        ] {
            assert_eq!(t.run(line), format!("-ERR {error}\r\n"), "{line}");
        }
    }

    /// Each command that replaces a value, or moves a key.
    #[test]
    fn a_mark_outlives_its_value_and_goes_along_with_its_key() {
        let mut t = Testbed::new();
        for line in [
            "SET k v",
            "SADD s a b",
            "BLESS SET k NO-EVICT",
            "APPEND k more",
            "SET k 5 EX 100",
            "INCR k",
            "PERSIST k",
            "SUNIONSTORE k s",
            "EXPIRE k 100",
            "SET k w",
            "SETRANGE k 2000 x",
            "GETSET k y",
            "MSET k 1 l 2",
        ] {
            t.run(line);
            t.engine.keyspace.check_invariants();
        }
        assert_eq!(t.run("BLESS GET k"), MARK);
        let payload = t.run_args(&[b"DUMP", b"s"]);
        let payload = &payload[payload.iter().position(|b| *b == b'\n').unwrap() + 1..];
        let payload = &payload[..payload.len() - 2];
        let restored = t.run_args(&[b"RESTORE", b"k", b"0", payload, b"REPLACE"]);
        assert_eq!(restored, b"+OK\r\n");
        assert_eq!(t.run("BLESS GET k"), MARK);
        t.run("RENAME k r");
        assert_eq!(t.run("BLESS GET r"), MARK);
        t.run("COPY r copy");
        assert_eq!(t.run("BLESS GET copy"), "*0\r\n");
        assert_eq!(t.run("MOVE r 5"), ":1\r\n");
        t.run("SELECT 5");
        assert_eq!(t.run("BLESS GET r"), MARK);
        t.run("SWAPDB 5 6");
        assert_eq!(t.run("BLESS SCAN 0 NO-EVICT"), "*2\r\n$1\r\n0\r\n*0\r\n");
        t.run("SELECT 6");
        let found = "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nr\r\n";
        assert_eq!(t.run("BLESS SCAN 0 NO-EVICT COUNT 1"), found);
        t.run("DEL r");
        t.run("SET r v");
        assert_eq!(t.run("BLESS GET r"), "*0\r\n");
        t.run("BLESS SET r NO-EVICT");
        t.run("FLUSHDB ASYNC");
        assert!(t.run("INFO stats").contains("blessed_keys:0\r\n"));
        t.engine.keyspace.check_invariants();
    }

    #[test]
    fn a_scan_sees_every_marked_key_and_no_expired_one() {
        let mut t = Testbed::new();
        let mut marked = std::collections::BTreeSet::new();
        for i in 0..500 {
            t.run(&format!("SET key:{i} v"));
            if i % 5 == 0 {
                t.run(&format!("BLESS SET key:{i} NO-EVICT"));
                marked.insert(format!("key:{i}"));
            }
        }
        t.run("PEXPIRE key:5 10");
        t.advance_ms(20);
        marked.remove("key:5");
        let (mut cursor, mut seen) = ("0".to_owned(), std::collections::BTreeSet::new());
        loop {
            let reply = t.run(&format!("BLESS SCAN {cursor} NO-EVICT COUNT 7"));
            let mut words = reply.lines().filter(|line| !line.starts_with(['*', '$']));
            cursor = words.next().unwrap().to_owned();
            seen.extend(words.map(str::to_owned));
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen, marked);
    }

    #[test]
    fn watchers_and_events_see_a_change_of_the_mark() {
        let mut t = Testbed::new();
        t.run("SET k v");
        t.take_events();
        t.run("BLESS SET k NO-EVICT");
        t.run("BLESS SET k NO-EVICT");
        t.run("BLESS CLEAR k NO-EVICT");
        let events: Vec<&str> = t.take_events().iter().map(|event| event.event).collect();
        assert_eq!(events, ["bless", "unbless"]);
        let other = t.connect();
        t.run("WATCH k");
        t.run_as(other, "BLESS SET k NO-EVICT");
        t.run("MULTI");
        t.run("GET k");
        assert_eq!(t.run("EXEC"), "*-1\r\n");
    }
}
