//! Whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB.
//!
//! A flush takes the tables away in O(watched keys). A thread frees their memory, or the command
//! itself if the client cannot block. SYNC waits for the thread, the loop does not. With
//! `flush-grace` the flush sets the data aside instead, and FLUSH UNDO restores it.
//!
//! FLUSHALL also ends a save and full synchronizations, because their data would be old. The
//! handler propagates the client's own word for the command, which may be renamed.
//!
//! Decided elsewhere: freeing: `keyspace`; data set aside: `flush`, `Server::flush_aside`.

use crate::arguments::db_index;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError, DatabaseUse, Flags};
use russet_keyspace::DbIndex;
use russet_server::{Call, CommandResult, Spec};

pub(super) const DBSIZE: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::READONLY.union(Flags::FAST),
    categories: Category::KEYSPACE,
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    ..Spec::new("dbsize", dbsize)
};

/// `DBSIZE`: the number of keys in the database, including expired keys that are not deleted yet.
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
    databases: DatabaseUse::All,
    ..FLUSHDB
};

/// When and where flushed memory is freed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FreeMode {
    /// After the reply.
    Later,
    /// Before the reply, by the helper thread: only this client waits.
    Awaited,
    /// Before the reply, by the command itself, because the client cannot block (EXEC, scripts).
    Here,
}

impl FreeMode {
    /// `later`: the reply does not wait.
    fn of(call: &mut Call<'_>, later: bool) -> FreeMode {
        if later {
            FreeMode::Later
        } else if call.may_block() && call.db.keyspace().lazyfree.can_notify() {
            FreeMode::Awaited
        } else {
            FreeMode::Here
        }
    }
}

/// SYNC or ASYNC, the only argument; the default is `lazyfree-lazy-user-flush`.
fn parse_freeing(call: &mut Call<'_>) -> Result<FreeMode, CommandError> {
    let args = call.args;
    let later = match args.len() {
        1 => call.server.config.lazyfree_lazy_user_flush,
        2 if args.is(1, "SYNC") => false,
        2 if args.is(1, "ASYNC") => true,
        _ => return Err(CommandError::Syntax),
    };
    Ok(FreeMode::of(call, later))
}

/// Empties databases: sets their data aside for `flush-grace`, or frees it; with `now` frees all
/// data that was set aside before, too. Returns whether the reply waits until the memory is free.
fn empty(call: &mut Call<'_>, dbs: &[DbIndex], freeing: FreeMode, now: bool) -> bool {
    let origin = call.origin;
    let world = call.world();
    let at = (&*world.client, origin);
    let aside = world.server.flush_aside(world.keyspace, at, dbs, now);
    let off_loop = freeing != FreeMode::Here;
    let keys = aside.unwrap_or_else(|| {
        let dbs = dbs.iter();
        dbs.map(|&db| world.keyspace.flush(db, off_loop)).sum()
    });
    call.db.add_dirty(keys as u64);
    call.server.record_flush();
    aside.is_none() && freeing == FreeMode::Awaited
}

fn reply(call: &mut Call<'_>, is_awaited: bool) -> CommandResult {
    if !is_awaited || !call.block_until_freed() {
        call.reply.ok();
    }
    Ok(())
}

/// `FLUSHDB [SYNC | ASYNC]`: deletes all keys of the database. With `flush-grace` they are set
/// aside, and FLUSH UNDO brings them back.
///
/// Reply: OK; without ASYNC, once the memory is freed. O(watched keys) for the loop: a thread frees
/// big databases; unless ASYNC, the loop does it in EXEC and scripts. Propagated even if there was
/// nothing to delete.
fn flushdb(call: &mut Call<'_>) -> CommandResult {
    let freeing = parse_freeing(call)?;
    let db = call.db.index();
    let is_awaited = empty(call, &[db], freeing, false);
    call.always_effect();
    reply(call, is_awaited)
}

/// `FLUSHALL [SYNC | ASYNC | NOW]`: deletes all keys of all databases, as FLUSHDB. With NOW nothing
/// is set aside, and everything that was is freed.
///
/// The log and the stream have NOW as SYNC, which every server knows; with `flush-grace` a client's
/// SYNC is plain there.
fn flushall(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let asks_for = |word| args.len() == 2 && args.is(1, word);
    let is_asked = asks_for("NOW");
    let is_repeated = call.client.repeats(call.origin);
    let now = is_asked || is_repeated && asks_for("SYNC");
    let freeing = if is_asked {
        let later = call.server.config.lazyfree_lazy_user_flush;
        FreeMode::of(call, later)
    } else {
        parse_freeing(call)?
    };
    let world = call.world();
    world.server.cancel_save(world.keyspace);
    // Replicas need no snapshot of the old data: replicas that are receiving it synchronize again.
    world.server.give_up_sync(world.keyspace);
    let all = 0..world.keyspace.databases() as u32;
    let all: Vec<DbIndex> = all.map(DbIndex).collect();
    let is_awaited = empty(call, &all, freeing, now);
    // The effect has the client's word for the command, because it may be renamed, here and on the
    // receiver.
    let name = args.at(0);
    let keeps = call.server.config.flush_grace > 0;
    if now {
        call.rewrite(&[name, b"SYNC"]);
    } else if keeps && asks_for("SYNC") {
        call.rewrite(&[name]);
    } else {
        call.always_effect();
    }
    let world = call.world();
    world.server.flushed_all(world.keyspace);
    reply(call, is_awaited)
}

pub(super) const SWAPDB: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::FAST),
    categories: Category::KEYSPACE.union(Category::DANGEROUS),
    databases: DatabaseUse::Named(&[1, 2]),
    ..Spec::new("swapdb", swapdb)
};

/// `SWAPDB index1 index2`: swaps the contents of two databases; clients keep their index.
///
/// Reply: OK. O(watched keys and keys that clients wait for).
fn swapdb(call: &mut Call<'_>) -> CommandResult {
    let [_, first, second] = call.args.exactly();
    if call.server.cluster.is_some() {
        const REFUSED: &str = "ERR SWAPDB is not allowed in cluster mode";
        return Err(CommandError::Text(REFUSED));
    }
    let parse = |text, error| {
        parse_i64(text)
            .and_then(|n| i32::try_from(n).ok())
            .ok_or(CommandError::Text(error))
    };
    let first = parse(first, "ERR invalid first DB index")?;
    let second = parse(second, "ERR invalid second DB index")?;
    let first = db_index::existing(call, first)?;
    let second = db_index::existing(call, second)?;
    if call.server.search.are_dropped {
        if call.may_leave_loop() {
            call.wait_for_turn(Box::new(()), None);
            return Ok(());
        }
        call.server.finish_drops(call.db.keyspace());
    }
    call.db.keyspace().swap(first, second);
    call.server.stats.cluster_incompatible_ops += 1;
    call.db.add_dirty(1);
    call.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use crate::testbed::{AllCommands as _, Testbed};
    use russet_base::wake::Wake;

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
        assert_eq!(t.run("FLUSHDB later"), "-ERR syntax error\r\n");
    }

    /// A hundred keys, more than are freed inline.
    fn fill(t: &mut Testbed) {
        for i in 0..100 {
            t.run(&format!("SET key:{i} v"));
        }
    }

    /// Makes the helper thread report each mark and then block until released; the thread is
    /// already blocked at the first mark.
    fn hold_helper(t: &mut Testbed) -> (Receiver<()>, Sender<()>) {
        let ((reported, freed), (go, gate)) = (channel(), channel());
        let gate = Mutex::new(gate);
        let wake = move || {
            let _ = reported.send(());
            let _ = gate.lock().expect("no panic").recv();
        };
        t.engine.keyspace.lazyfree.set_wake(Wake::new(wake));
        loop {
            fill(t);
            t.run("FLUSHALL ASYNC");
            // If all was freed inline, there is nothing to queue a mark after.
            if t.engine.keyspace.lazyfree.mark().is_some() {
                break;
            }
        }
        freed.recv().expect("the first mark is met");
        (freed, go)
    }

    #[test]
    fn a_client_that_asks_for_sync_waits_until_the_memory_is_free() {
        let mut t = Testbed::new();
        let (freed, go) = hold_helper(&mut t);
        let (first, second) = (t.connect(), t.connect());
        for (client, line) in [(first, "FLUSHDB SYNC"), (second, "FLUSHALL")] {
            fill(&mut t);
            t.take_effects();
            assert_eq!(t.run_as(client, line), "");
            assert_eq!(t.run("DBSIZE"), ":0\r\n", "others go on");
            assert_eq!(
                t.take_effects(),
                [line],
                "stated when it is done, not when told"
            );
            go.send(()).expect("the thread waits");
            freed.recv().expect("the mark is met");
            assert_eq!(t.engine.keyspace.lazyfree.pending(), 0);
            t.serve_freed();
            assert_eq!(t.take_reply(client), b"+OK\r\n");
            assert_eq!(t.run_as(client, "ECHO x"), "$1\r\nx\r\n");
        }
        assert_eq!(t.run("FLUSHALL SYNC"), "+OK\r\n", "nothing to wait for");
        fill(&mut t);
        assert_eq!(t.run("FLUSHALL ASYNC"), "+OK\r\n");
    }

    #[test]
    fn a_released_client_is_not_notified_of_memory() {
        let mut t = Testbed::new();
        let (freed, go) = hold_helper(&mut t);
        let waiter = t.connect();
        fill(&mut t);
        assert_eq!(t.run_as(waiter, "FLUSHALL SYNC"), "");
        let id = waiter.0;
        assert_eq!(t.run(&format!("CLIENT UNBLOCK {id}")), ":1\r\n");
        assert_eq!(t.take_reply(waiter), b"+OK\r\n");
        assert_eq!(t.run_as(waiter, "BLPOP list 0"), "");
        go.send(()).expect("the thread waits");
        freed.recv().expect("the mark is met");
        t.serve_freed();
        assert_eq!(t.take_reply(waiter), b"");
        t.run("RPUSH list x");
        assert_eq!(t.take_reply(waiter), b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
    }

    #[test]
    fn a_flush_inside_a_transaction_frees_before_it_answers() {
        let mut t = Testbed::new();
        t.engine.keyspace.lazyfree.set_wake(Wake::default());
        fill(&mut t);
        t.run("MULTI");
        t.run("FLUSHALL SYNC");
        assert_eq!(t.run("EXEC"), "*1\r\n+OK\r\n");
        let lazyfree = &t.engine.keyspace.lazyfree;
        assert_eq!((lazyfree.pending(), lazyfree.freed()), (0, 0));
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
        // A missing key that becomes an expired key counts as unchanged.
        t.run("SET x 1 PX 1");
        t.advance_ms(2);
        t.run_as(watcher, "SELECT 1");
        t.run_as(watcher, "WATCH x");
        t.run("SWAPDB 0 1");
        assert!(!lost(&mut t));
        t.run_as(watcher, "SELECT 0");
        t.run("FLUSHALL");
        // A key that expired before it was watched may be removed without effect on the watch.
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
