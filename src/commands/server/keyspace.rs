//! Whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB.

use crate::base::number::parse_i64;
use crate::command::{Arity, Category, CommandError, Flags};
use crate::commands::db_index;
use crate::keyspace::DbIndex;
use crate::server::{Call, CommandResult, Spec};

pub(super) const DBSIZE: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::READONLY.union(Flags::FAST),
    categories: Category::KEYSPACE,
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    ..Spec::new("dbsize", dbsize)
};

/// `DBSIZE`: keys of the database, expired ones that are still there included.
///
/// Reply: integer. O(1).
fn dbsize(call: &mut Call<'_>) -> CommandResult {
    call.reply.int(call.db.len() as i64);
    Ok(())
}

pub(super) const FLUSHDB: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: Flags::WRITE,
    categories: Category::KEYSPACE.union(Category::DANGEROUS),
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..Spec::new("flushdb", flushdb)
};
pub(super) const FLUSHALL: Spec = Spec {
    name: "flushall",
    handler: flushall,
    ..FLUSHDB
};

/// Whether to free off the loop: if ASYNC was said, and without as well unless the client
/// must not be kept waiting. Either way, what would hold the loop never stays on it.
fn parse_async(call: &Call<'_>) -> Result<bool, CommandError> {
    let args = call.args;
    match args.len() {
        1 => Ok(call.server.config.lazyfree_lazy_user_flush || call.may_block()),
        2 if args.is(1, "SYNC") => Ok(call.may_block()),
        2 if args.is(1, "ASYNC") => Ok(true),
        _ => Err(CommandError::Syntax),
    }
}

/// `FLUSHDB [SYNC | ASYNC]`: deletes all keys of the database.
///
/// Reply: OK. O(watched keys); big databases are freed off the loop. The effect is stated
/// even if there was nothing to delete.
fn flushdb(call: &mut Call<'_>) -> CommandResult {
    let off_loop = parse_async(call)?;
    let db = call.db.index();
    flush(call, db, off_loop);
    call.always_effect();
    call.reply.ok();
    Ok(())
}

/// `FLUSHALL [SYNC | ASYNC]`: deletes all keys of all databases, as FLUSHDB.
fn flushall(call: &mut Call<'_>) -> CommandResult {
    let off_loop = parse_async(call)?;
    for db in 0..call.db.keyspace().databases() {
        flush(call, DbIndex(db as u32), off_loop);
    }
    call.always_effect();
    call.reply.ok();
    Ok(())
}

fn flush(call: &mut Call<'_>, db: DbIndex, off_loop: bool) {
    let keys = call.db.keyspace().flush(db, off_loop);
    call.db.add_dirty(keys as u64);
}

pub(super) const SWAPDB: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::FAST),
    categories: Category::KEYSPACE.union(Category::DANGEROUS),
    ..Spec::new("swapdb", swapdb)
};

/// `SWAPDB index1 index2`: the databases change places; clients keep their numbers.
///
/// Reply: OK. O(keys that are watched or waited for).
fn swapdb(call: &mut Call<'_>) -> CommandResult {
    let [_, first, second] = call.args.exactly();
    let parse = |text, error| {
        parse_i64(text)
            .and_then(|n| i32::try_from(n).ok())
            .ok_or(CommandError::Text(error))
    };
    let first = parse(first, "ERR invalid first DB index")?;
    let second = parse(second, "ERR invalid second DB index")?;
    let first = db_index::existing(call, first)?;
    let second = db_index::existing(call, second)?;
    call.db.keyspace().swap(first, second);
    call.db.add_dirty(1);
    call.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::server::Testbed;

    #[test]
    fn a_flush_is_repeated_even_if_there_was_nothing() {
        let mut t = Testbed::new();
        t.run("SET a 1");
        t.run("SELECT 1");
        t.run("SET b 1");
        t.take_effects();
        assert_eq!(t.run("FLUSHDB ASYNC"), "+OK\r\n");
        assert_eq!(t.run("FLUSHDB SYNC"), "+OK\r\n");
        assert_eq!(t.run("DBSIZE"), ":0\r\n");
        t.run("SELECT 0");
        assert_eq!(t.run("DBSIZE"), ":1\r\n");
        assert_eq!(t.run("FLUSHALL"), "+OK\r\n");
        assert_eq!(t.run("DBSIZE"), ":0\r\n");
        assert_eq!(
            t.take_effects(),
            ["FLUSHDB ASYNC", "FLUSHDB SYNC", "FLUSHALL"]
        );
        assert_eq!(t.run("FLUSHALL SYNC ASYNC"), "-ERR syntax error\r\n");
        assert_eq!(t.run("FLUSHDB now"), "-ERR syntax error\r\n");
    }

    #[test]
    fn watchers_see_through_flush_and_swap() {
        let mut t = Testbed::new();
        let watcher = t.connect();
        let lost = |t: &mut Testbed| {
            t.run_as(watcher, "MULTI");
            t.run_as(watcher, "EXEC") == "*-1\r\n"
        };
        t.run("SET a 1");
        t.run_as(watcher, "WATCH none");
        t.run("FLUSHALL");
        assert!(!lost(&mut t));
        t.run("SET a 1");
        t.run_as(watcher, "WATCH a");
        t.run("FLUSHDB");
        assert!(lost(&mut t));
        t.run("SET a 1");
        t.run_as(watcher, "WATCH a");
        t.run("SWAPDB 0 1");
        assert!(lost(&mut t));
        t.run("SWAPDB 0 1");
        // A missing key that becomes an expired one is as missing as before.
        t.run("SET x 1 PX 1");
        t.advance_ms(2);
        t.run_as(watcher, "SELECT 1");
        t.run_as(watcher, "WATCH x");
        t.run("SWAPDB 0 1");
        assert!(!lost(&mut t));
        t.run_as(watcher, "SELECT 0");
        t.run("FLUSHALL");
        // What has expired before it was watched may be removed unseen.
        t.run("SET e 1 PX 1");
        t.advance_ms(2);
        t.run_as(watcher, "WATCH e");
        t.run("FLUSHALL");
        assert!(!lost(&mut t));
        t.run("SET e 1 PX 1");
        t.advance_ms(2);
        t.run_as(watcher, "WATCH e");
        t.run("GET e");
        assert!(!lost(&mut t));
    }

    #[test]
    fn only_databases_that_exist_are_swapped() {
        let mut t = Testbed::new();
        assert_eq!(t.run("SWAPDB x 99"), "-ERR invalid first DB index\r\n");
        assert_eq!(
            t.run("SWAPDB 0 99999999999"),
            "-ERR invalid second DB index\r\n"
        );
        assert_eq!(t.run("SWAPDB 0 99"), "-ERR DB index is out of range\r\n");
        assert_eq!(t.run("SWAPDB 0 -1"), "-ERR DB index is out of range\r\n");
        assert_eq!(t.run("SWAPDB 0 0"), "+OK\r\n");
    }
}
