//! Iterating over keys: KEYS, SCAN, RANDOMKEY.
//!
//! SCAN returns each key that exists throughout at least once, and may return a key twice. SCAN
//! deletes the expired keys that it meets and that fit the pattern; KEYS only hides them. A pattern
//! with a hash tag restricts both to one slot in a cluster.
//!
//! Cost: KEYS O(keys) in one turn; SCAN as COUNT says (`arguments::scan`); RANDOMKEY O(1), all keys
//! equally likely.
//!
//! Decided elsewhere: cursors: the table of `keyspace`.

use crate::arguments::scan::{ScanArgs, parse_cursor};
use crate::work;
use russet_base::glob::Glob;
use russet_command::{Arity, Category, Flags};
use russet_keyspace::slot_of_pattern;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Entry, Type};

pub(super) const KEYS: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY,
    categories: Category::KEYSPACE.union(Category::DANGEROUS),
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    work: work::by(count_keys, "SCAN with MATCH reads the keys in steps"),
    ..Spec::new("keys", keys)
};

/// `KEYS pattern`: all matching keys. Reply: array. O(keys of the database), or of the slot if the
/// pattern names it by a hash tag.
fn keys(call: &mut Call<'_>) -> CommandResult {
    let [_, pattern] = call.args.exactly();
    let glob = Glob::new(pattern, false)?;
    let place = call.reply.defer();
    let mut written = 0;
    let mut write = |key: &[u8]| {
        call.reply.bulk(key);
        written += 1;
    };
    if let Some(key) = glob.literal() {
        if call.db.peek_exists(key) {
            write(key);
        }
    } else {
        let all = pattern == b"*";
        let mut visit = |key: &[u8], _| {
            if all || glob.matches(key) {
                write(key);
            }
        };
        match slot_of_pattern(pattern) {
            Some(slot) => call.db.each_key_of(slot, &mut visit),
            None => call.db.each_key(&mut visit),
        }
    }
    call.reply.finish_array(place, written);
    Ok(())
}

/// The keys that KEYS visits.
fn count_keys(call: &mut Call<'_>) -> CommandResult {
    let [_, pattern] = call.args.exactly();
    let visited = match slot_of_pattern(pattern) {
        _ if Glob::new(pattern, false)?.literal().is_some() => 1,
        Some(slot) if call.server.cluster.is_some() => call.db.slot_len(slot),
        _ => call.db.len(),
    };
    call.touches(visited as u64);
    Ok(())
}

pub(super) const SCAN: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY.union(Flags::MEETS_ANY_KEY),
    categories: Category::KEYSPACE,
    tips: &[
        "nondeterministic_output",
        "request_policy:special",
        "response_policy:special",
    ],
    work: work::SCANNED_KEYS,
    ..Spec::new("scan", scan)
};

/// `SCAN cursor [MATCH pattern] [COUNT n] [TYPE type]`: some keys.
///
/// Reply: the next cursor (0 at the end), then an array of keys. The calls return each key at least
/// once that exists from the first call to the last. O(1) a call, O(n) in all. An unknown type
/// matches no keys, or is an error, by the dialect.
fn scan(call: &mut Call<'_>) -> CommandResult {
    let cursor = parse_cursor(call.args.at(1))?;
    let (options, wanted) = ScanArgs::parse_of_keys(call.args, 2, call.db.dialect())?;
    let place = call.reply.defer();
    let mut written = 0;
    let slot = options.pattern().and_then(slot_of_pattern);
    let (db, reply) = (&mut call.db, &mut *call.reply);
    let next = options.run(cursor, |cursor, seen| {
        let visit = |key: &[u8], kind: Type| {
            *seen += 1;
            let name = kind.name().as_bytes();
            let fits = wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(name));
            if fits && options.admits(Entry::Str(key)) {
                reply.bulk(key);
                written += 1;
            }
        };
        db.scan_in(slot, cursor, |key| options.admits(Entry::Str(key)), visit)
    });
    call.reply.finish_scan(place, next, written);
    Ok(())
}

pub(super) const RANDOMKEY: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::READONLY.union(Flags::MEETS_ANY_KEY),
    categories: Category::KEYSPACE,
    tips: &[
        "request_policy:all_shards",
        "response_policy:special",
        "nondeterministic_output",
    ],
    ..Spec::new("randomkey", randomkey)
};

/// `RANDOMKEY`: a key, all equally likely. Reply: bulk string, null without keys.
/// O(1).
fn randomkey(call: &mut Call<'_>) -> CommandResult {
    match call.db.random_key() {
        Some(key) => call.reply.bulk(&key),
        None => call.reply.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use std::collections::BTreeSet;

    fn scan_all(t: &mut Testbed, options: &str) -> BTreeSet<String> {
        let (mut found, mut cursor) = (BTreeSet::new(), "0".to_string());
        loop {
            let reply = t.run(&format!("SCAN {cursor}{options}"));
            let mut lines = reply.split("\r\n").skip(2);
            cursor = lines.next().expect("a cursor").into();
            found.extend(lines.skip(1).skip(1).step_by(2).map(String::from));
            if cursor == "0" {
                found.remove("");
                return found;
            }
        }
    }

    #[test]
    fn a_scan_gives_every_key_and_deletes_expired_ones() {
        let mut t = Testbed::new();
        for i in 0..1000 {
            t.run(&format!("SET key:{i} 1"));
        }
        t.run("SET gone 1 PX 1");
        t.run("HSET hash f v");
        t.advance_ms(2);
        assert_eq!(t.engine.keyspace.db(Default::default()).len(), 1002);
        assert_eq!(scan_all(&mut t, "").len(), 1001);
        assert_eq!(t.engine.keyspace.db(Default::default()).len(), 1001);
        assert_eq!(scan_all(&mut t, " COUNT 7 MATCH key:1*").len(), 111);
        assert_eq!(scan_all(&mut t, " TYPE HASH"), ["hash".into()].into());
        assert_eq!(scan_all(&mut t, " TYPE nothing"), BTreeSet::new());
    }

    #[test]
    fn keys_hides_what_has_expired_and_leaves_it() {
        let mut t = Testbed::new();
        t.run("SET gone 1 PX 1");
        t.run("SET h[x] 1");
        t.advance_ms(2);
        assert_eq!(t.run("KEYS *"), "*1\r\n$4\r\nh[x]\r\n");
        assert_eq!(t.run("KEYS h\\[x\\]"), "*1\r\n$4\r\nh[x]\r\n");
        assert_eq!(t.run("KEYS gone"), "*0\r\n");
        assert_eq!(t.engine.keyspace.db(Default::default()).len(), 2);
        assert_eq!(t.run("RANDOMKEY"), "$4\r\nh[x]\r\n");
        t.run("DEL h[x]");
        assert_eq!(t.run("RANDOMKEY"), "$-1\r\n");
    }

    #[test]
    fn cursors_and_options_are_checked_in_order() {
        let mut t = Testbed::new();
        assert_eq!(t.run("SCAN x COUNT 0"), "-ERR invalid cursor\r\n");
        assert_eq!(t.run("SCAN -1"), "-ERR invalid cursor\r\n");
        assert_eq!(
            t.run("SCAN 18446744073709551615"),
            "*2\r\n$1\r\n0\r\n*0\r\n"
        );
        assert_eq!(t.run("SCAN 0 COUNT 0"), "-ERR syntax error\r\n");
        assert_eq!(t.run("SCAN 0 TYPE"), "-ERR syntax error\r\n");
        assert_eq!(
            t.run("SCAN 0 NOVALUES"),
            "-ERR NOVALUES option can only be used in HSCAN\r\n"
        );
        assert_eq!(
            t.run("SCAN 0 COUNT 9223372036854775807"),
            "*2\r\n$1\r\n0\r\n*0\r\n"
        );
    }
}
