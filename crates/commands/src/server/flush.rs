//! FLUSH UNDO, FLUSH PENDING: the data that flushes have set aside (`flush-grace`). russet's own;
//! no other server has them.

use crate::arguments::db_index;
use crate::help::{self, write_help};
use russet_base::numbers::number::parse_digits;
use russet_command::{Arity, Category, CommandError, DatabaseUse, Flags};
use russet_server::{Call, CommandResult, Spec, UndoRequest};

const CATEGORIES: Category = Category::KEYSPACE.union(Category::DANGEROUS);

pub(super) const FLUSH: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[HELP, PENDING, UNDO],
    ..Spec::new("flush", help)
};

const HELP: Spec = help::row(help);

/// `FLUSH HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "PENDING",
            "    The flushes that can be undone, the last one first.",
            "UNDO [DB <index>] [REPLACE]",
            "    Bring back what the last flush has deleted, or of database <index> alone.",
            "    REPLACE: what is there now is flushed, and can be brought back in its turn.",
        ],
    );
    Ok(())
}

const PENDING: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY,
    categories: CATEGORIES,
    tips: &["nondeterministic_output"],
    databases: DatabaseUse::All,
    ..Spec::new("pending", pending)
};

/// `FLUSH PENDING`: the flushes whose data is set aside, the latest first.
///
/// Reply: array of maps (flat arrays in RESP2): `id`; `age-seconds`, `seconds-left`; `keys`,
/// `bytes` (an estimate); `databases`, a map from the number of each database to the number of its
/// keys. O(flushes).
fn pending(call: &mut Call<'_>) -> CommandResult {
    let world = call.world();
    let now_ms = world.keyspace.now_ms();
    let flushes: Vec<_> = world.keyspace.pending_flushes().rev().collect();
    let reply = world.reply;
    reply.array(flushes.len());
    for its in flushes {
        let age_s = (now_ms - its.at_ms).max(0) / 1000;
        reply.map(6);
        for (name, n) in [
            ("id", its.number as i64),
            ("age-seconds", age_s),
            (
                "seconds-left",
                world
                    .server
                    .replication
                    .seconds_left(&world.server.config, its.at_ms, now_ms),
            ),
            ("keys", its.keys() as i64),
            ("bytes", its.bytes as i64),
        ] {
            reply.bulk(name.as_bytes());
            reply.int(n);
        }
        reply.bulk(b"databases");
        reply.map(its.databases.len());
        for (db, keys) in its.databases {
            reply.int(i64::from(db.0));
            reply.int(keys as i64);
        }
    }
    Ok(())
}

const UNDO: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE,
    categories: CATEGORIES,
    databases: DatabaseUse::All,
    ..Spec::new("undo", undo)
};

/// `FLUSH UNDO [DB index] [REPLACE]`: restores the data of the last flush that is set aside, with
/// the keys' expiries; with DB the data of the last flush of this database, and this database
/// alone. The databases must be empty; with REPLACE the handler flushes their keys, and sets them
/// aside as FLUSHDB does.
///
/// Reply: integer, the keys that are restored, without keys of slots that other nodes serve by now.
/// O(watched keys and keys that clients wait for). Propagated with `OF back keys`, which names the
/// flush by the number of flushes since, and is only understood there.
fn undo(call: &mut Call<'_>) -> CommandResult {
    let asked = parse(call)?;
    let (args, origin) = (call.args, call.origin);
    let world = call.world();
    let at = (world.client, origin);
    let found = world.server.undo_flush(world.keyspace, at, asked)?;
    let (back, keys) = (found.back.to_string(), found.keys().to_string());
    let mut words: Vec<&[u8]> = vec![args.at(0), args.at(1)];
    words.extend([&b"OF"[..], back.as_bytes(), keys.as_bytes()]);
    let db = asked.db.map(|db| db.0.to_string());
    if let Some(db) = &db {
        words.extend([&b"DB"[..], db.as_bytes()]);
    }
    if asked.replaces {
        words.push(b"REPLACE");
    }
    call.rewrite(&words);
    let world = call.world();
    let foreign = world.server.flush_undone(world.keyspace);
    call.reply.int(found.keys() as i64 - foreign as i64);
    Ok(())
}

fn parse(call: &mut Call<'_>) -> Result<UndoRequest, CommandError> {
    let args = call.args;
    let mut asked = UndoRequest {
        db: None,
        replaces: false,
        named: None,
    };
    let is_repeated = call.client.repeats(call.origin);
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "REPLACE") {
            asked.replaces = true;
            at += 1;
        } else if args.is(at, "DB") && at + 1 < args.len() {
            let index = parse_digits(args.at(at + 1)).and_then(|n| i32::try_from(n).ok());
            let index = index.ok_or(CommandError::Text("ERR invalid DB index"))?;
            asked.db = Some(db_index::existing(call, index)?);
            at += 2;
        } else if is_repeated && args.is(at, "OF") && at + 2 < args.len() {
            let number = |at: usize| parse_digits(args.at(at)).ok_or(CommandError::NotAnInteger);
            asked.named = Some((number(at + 1)?, number(at + 2)? as usize));
            at += 3;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn bed() -> Testbed {
        let mut t = Testbed::new();
        assert_eq!(t.run("CONFIG SET flush-grace 60"), "+OK\r\n");
        t
    }

    #[test]
    fn the_undo_is_stated_by_the_flushes_since() {
        let mut t = bed();
        t.run("SET a 1");
        t.run("FLUSHDB");
        t.run("FLUSHDB ASYNC");
        t.take_effects();
        assert_eq!(t.run("FLUSH UNDO"), ":1\r\n");
        assert_eq!(t.take_effects(), ["FLUSH UNDO OF 1 1"]);
        t.run("FLUSHALL");
        t.run("SET b 1");
        t.take_effects();
        assert_eq!(t.run("flush undo replace db 0"), ":1\r\n");
        assert_eq!(t.take_effects(), ["flush undo OF 0 1 DB 0 REPLACE"]);
        assert_eq!(t.run("FLUSHALL NOW"), "+OK\r\n");
        t.run("FLUSHALL SYNC");
        t.run("FLUSHDB SYNC");
        assert_eq!(
            t.take_effects(),
            ["FLUSHALL SYNC", "FLUSHALL", "FLUSHDB SYNC"],
            "others do not know NOW: it is SYNC there"
        );
        t.run("CONFIG SET flush-grace 0");
        t.run("FLUSHALL SYNC");
        assert_eq!(t.take_effects(), ["FLUSHALL SYNC"]);
        assert_eq!(t.run("FLUSHDB NOW"), "-ERR syntax error\r\n");
    }

    #[test]
    fn what_cannot_be_undone_is_refused_and_stated_nowhere() {
        let mut t = bed();
        let nothing = "-ERR there is no flush to undo\r\n";
        assert_eq!(t.run("FLUSH UNDO"), nothing);
        t.run("FLUSHALL");
        assert_eq!(t.run("FLUSH UNDO REPLACE"), nothing, "there was nothing");
        t.run("SET a 1");
        t.run("FLUSHALL");
        t.run("SET b 1");
        t.take_effects();
        assert!(
            t.run("FLUSH UNDO")
                .starts_with("-ERR the database is not empty")
        );
        assert_eq!(t.run("FLUSH UNDO DB 1"), nothing);
        for line in ["FLUSH UNDO DB", "FLUSH UNDO OF 0 1", "FLUSH UNDO x"] {
            assert_eq!(t.run(line), "-ERR syntax error\r\n", "{line}");
        }
        assert_eq!(t.run("FLUSH UNDO DB -1"), "-ERR invalid DB index\r\n");
        assert!(t.take_effects().is_empty());
        assert_eq!(t.run("DBSIZE"), ":1\r\n");
    }

    #[test]
    fn what_waits_is_listed_the_last_one_first() {
        let mut t = bed();
        t.run("SET a 1");
        t.run("FLUSHALL");
        t.advance_ms(2000);
        t.run("MSET a 1 b 2");
        t.run("SELECT 2");
        t.run("SET c 1");
        t.run("FLUSHALL");
        t.advance_ms(1000);
        t.run("HELLO 3");
        let listed = t.run("FLUSH PENDING");
        let words: Vec<&str> = listed
            .split("\r\n")
            .filter(|w| !w.starts_with('$'))
            .collect();
        let words = words.join(" ");
        let last = "*2 %6 id :2 age-seconds :1 seconds-left :59 keys :3 bytes ";
        assert!(words.starts_with(last), "{words}");
        assert!(
            words.contains(" databases %2 :0 :2 :2 :1 %6 id :1 age-seconds :3"),
            "{words}"
        );
        assert!(words.ends_with(" databases %1 :0 :1 "), "{words}");
    }

    #[test]
    fn without_a_grace_nothing_waits() {
        let mut t = Testbed::new();
        t.run("SET a 1");
        t.run("FLUSHALL");
        assert_eq!(t.run("FLUSH PENDING"), "*0\r\n");
        t.run("CONFIG SET flush-grace 60");
        t.run("SET a 1");
        t.run("FLUSHALL");
        t.run("CONFIG SET flush-grace 0");
        assert_eq!(t.run("FLUSH PENDING"), "*0\r\n");
    }
}
