//! DEBUG: inspects or breaks the server on purpose, for tests and experiments.
//!
//! As in Redis, the subcommands are not rows of the table: DEBUG is one command for ACLs and
//! statistics. Nothing here is for production; a gate decides which clients may use DEBUG
//! (`enable-debug-command`).

pub(super) mod allocator;
pub(super) mod digest;
pub(super) mod inspect;
pub(super) mod pack;
pub(super) mod protocol;
pub(super) mod reload;

use super::config::NO_FILE;
use crate::cluster::debug as cluster;
use crate::help::{misused, write_help};
use reload::reload;
use russet_base::numbers::float::parse_double;
use russet_base::numbers::number::parse_i64;
use russet_base::text::Printable;
use russet_command::{Arity, CommandError, Flags};
use russet_config::{parse_memory, system_text};
use russet_encodings::quicklist;
use russet_keyspace::{Class, Expiry, NewValue};
use russet_server::{Call, CommandResult, PausePoint, Spec, World};

pub(super) const DEBUG: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::TAKES_OVER
        .union(Flags::ADMIN)
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::PROTECTED),
    ..Spec::new("debug", debug)
};

/// A subcommand: the name, the number of arguments (including DEBUG and the name), the handler.
struct Subcommand {
    name: &'static str,
    args: std::ops::RangeInclusive<usize>,
    run: fn(&mut Call<'_>) -> CommandResult,
}

const MANY: usize = usize::MAX;

static SUBCOMMANDS: &[Subcommand] = &[
    sub("ALLOCSIZE-SLOTS-ASSERT", 3, 3, check_accounts),
    sub("ASSERT", 2, 2, assert),
    sub("BITMAP-RAW", 3, 3, inspect::bitmap_raw),
    sub("CHANGE-REPL-ID", 2, 2, change_repl_id),
    sub(
        "CLOSE-CLUSTER-LINK-ON-PACKET-DROP",
        3,
        3,
        cluster::close_on_drop,
    ),
    sub("CLUSTERLINK", 5, 5, cluster::clusterlink),
    sub("CONFIG-REWRITE-FORCE-ALL", 2, 2, rewrite_all),
    sub("DICT-RESIZING", 3, 3, flag_without_use),
    sub("DIGEST", 2, 2, digest::digest),
    sub("DIGEST-VALUE", 2, MANY, digest::digest_value),
    sub("DISABLE-CLUSTER-RANDOM-PING", 3, 3, cluster::no_random_ping),
    sub(
        "DISABLE-CLUSTER-RECONNECTION",
        3,
        3,
        cluster::no_reconnection,
    ),
    sub("DROP-CLUSTER-PACKET-FILTER", 3, 3, cluster::drop_packets),
    sub("ERROR", 3, 3, error),
    sub("HELP", 2, 2, help),
    sub("HTSTATS", 3, 4, inspect::htstats),
    sub("HTSTATS-KEY", 3, 4, inspect::htstats_key),
    sub("INTERNAL_SECRET", 2, 2, cluster::internal_secret),
    sub("KEYSIZES-HIST-ASSERT", 3, 3, check_accounts),
    sub("LISTPACK", 3, 3, inspect::listpack),
    sub("LOG", 3, 3, log),
    sub("MALLCTL", 3, 3, allocator::number),
    sub("MALLCTL-STR", 3, 4, allocator::text),
    sub("OBJECT", 3, 3, inspect::object),
    sub("OOM", 2, 2, out_of_memory),
    sub("PACK", 3, 4, pack::pack),
    sub("PANIC", 2, 2, panic),
    sub("PAUSE-CRON", 3, 3, pause_cron),
    sub("POPULATE", 3, 5, populate),
    sub("PROTOCOL", 3, 3, protocol::protocol),
    sub("LOADAOF", 2, 2, load_aof),
    sub("AOF-FLUSH-SLEEP", 3, 3, aof_flush_sleep),
    sub("AOF-SCRUB", 2, 2, aof_scrub),
    sub("QUICKLIST-PACKED-THRESHOLD", 3, 3, packed_threshold),
    sub("RELOAD", 2, MANY, reload),
    sub("REPL-PAUSE", 3, 3, repl_pause),
    sub("REPLICATE", 3, MANY, replicate),
    sub("REPLYBUFFER", 4, 4, reply_buffer),
    sub("SEARCH-2.10", 3, 3, search_as_2_10),
    sub("SEGFAULT", 2, 2, segfault),
    sub("SET-ACTIVE-EXPIRE", 3, 3, set_active_expire),
    sub("SET-ALLOW-ACCESS-EXPIRED", 3, 3, show_expired),
    sub("SET-DISABLE-DENY-SCRIPTS", 3, 3, allow_in_scripts),
    sub("SET-SKIP-CHECKSUM-VALIDATION", 3, 3, skip_checksums),
    sub("SLEEP", 3, 3, sleep),
    sub("SLOTMIGRATION", 4, 4, cluster::slotmigration),
    sub("UNPACK", 3, 3, pack::unpack),
];

const fn sub(
    name: &'static str,
    least: usize,
    most: usize,
    run: fn(&mut Call<'_>) -> CommandResult,
) -> Subcommand {
    Subcommand {
        name,
        args: least..=most,
        run,
    }
}

/// `DEBUG subcommand ...`.
fn debug(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let found = SUBCOMMANDS
        .iter()
        .find(|s| args.is(1, s.name) && s.args.contains(&args.len()));
    match found {
        Some(subcommand) => (subcommand.run)(call),
        None => Err(misused(args)),
    }
}

/// `0` is off, other numbers are on; text that is no number is 0, as for C's `atoi`.
pub(crate) fn on_off(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|b| b.is_ascii_digit());
    digits.into_iter().any(|&b| b != b'0')
}

/// The lines of DEBUG HELP.
const HELP: &[&str] = &[
    "ALLOCSIZE-SLOTS-ASSERT <0|1>",
    "    As KEYSIZES-HIST-ASSERT.",
    "AOF-FLUSH-SLEEP <microseconds>",
    "    Sleep before each write of the append only file.",
    "AOF-SCRUB",
    "    Read the append only file again now, as aof-scrub-hours does.",
    "ASSERT",
    "    Stop the server as a broken invariant does.",
    "BITMAP-RAW <key>",
    "    The string with the bits of the native bitmap at <key>.",
    "CHANGE-REPL-ID",
    "    Start a new replication history.",
    "CLOSE-CLUSTER-LINK-ON-PACKET-DROP <0|1>",
    "    Close the link of a message that is dropped.",
    "CLUSTERLINK KILL <to|from|all> <node-id>",
    "    Close the links of the bus to a node, from it, or both.",
    "CONFIG-REWRITE-FORCE-ALL",
    "    As CONFIG REWRITE, with every option written.",
    "DICT-RESIZING <0|1>",
    "    Accepted; tables here grow and shrink a segment at a time, always.",
    "DIGEST",
    "    A signature of all that the databases hold.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Signatures of the values at these keys.",
    "DISABLE-CLUSTER-RANDOM-PING <0|1>",
    "    Ping other nodes only when it is due.",
    "DISABLE-CLUSTER-RECONNECTION <0|1>",
    "    Do not make lost links of the bus again.",
    "DROP-CLUSTER-PACKET-FILTER <type>",
    "    Drop messages of the bus of this type; -1: none, -2: all.",
    "ERROR <string>",
    "    Reply with <string> as an error.",
    "HTSTATS <dbid> [full]",
    "    The shape of a database's table.",
    "HTSTATS-KEY <key> [full]",
    "    The shape of the table at <key>.",
    "INTERNAL_SECRET",
    "    A checksum of the secret that the nodes of a cluster share.",
    "KEYSIZES-HIST-ASSERT <0|1>",
    "    Count all keys again after each command, by type, size and slot, and stop the",
    "    server where the figures that it keeps differ.",
    "LISTPACK <key>",
    "    Log the entries of the listpack at <key>.",
    "LOG <message>",
    "    Write <message> to the log.",
    "LOADAOF",
    "    Write the append only file out, empty the server, load it again.",
    "MALLCTL <name>",
    "    The number that jemalloc keeps under <name>.",
    "MALLCTL-STR <name> [VOID]",
    "    jemalloc's version; with VOID: a purge, a decay or a flush of the thread's cache.",
    "OBJECT <key>",
    "    How the value at <key> is stored.",
    "OOM",
    "    Stop the server as an allocation that fails does.",
    "PACK <key>|ALL|EVERY <yes|no>",
    "    Compress a value, all of them, or all after each command.",
    "PANIC",
    "    Stop the server with a panic.",
    "PAUSE-CRON <0|1>",
    "    Stop the periodic work.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create <count> string keys <prefix>:<number> (\"key\" by default) that do not",
    "    exist, of <size> bytes.",
    "PROTOCOL <type>",
    "    Reply with a value of this type: string, integer, double, bignum, null, array,",
    "    set, map, attrib, push, verbatim, true, false.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    From which size on a list's element has a node of its own.",
    "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
    "    Save, empty the databases, load the file. NOSAVE: as the file is. NOFLUSH:",
    "    beside what is there. MERGE: keys that are there make room.",
    "REPL-PAUSE <clear|after-fork|before-rdb-channel|on-streaming-repl-buf>",
    "    Stop the process at this point of a full sync, until it gets SIGCONT.",
    "REPLYBUFFER PEAK-RESET-TIME <NEVER|RESET|time>",
    "REPLYBUFFER RESIZING <0|1>",
    "    Accepted; an idle client holds no reply buffer here.",
    "SEARCH-2.10 <0|1>",
    "    Whether queries of indexes are scored and refused as by RediSearch 2.10.",
    "SEGFAULT",
    "    Stop the server with a memory fault.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Whether expired keys go without being asked for.",
    "SET-ALLOW-ACCESS-EXPIRED <0|1>",
    "    Whether expired keys are there until something deletes them.",
    "SET-DISABLE-DENY-SCRIPTS <0|1>",
    "    Whether scripts may call commands that they may not otherwise.",
    "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
    "    Whether files and payloads may have any checksum.",
    "SLEEP <seconds>",
    "    Let everybody wait.",
    "SLOTMIGRATION <PREVENT-PAUSE|PREVENT-FAILOVER> <0|1>",
    "    Migrations of slots stop before that step.",
    "UNPACK <key>|ALL",
    "    Store compressed strings as text again.",
];

fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(call, HELP);
    Ok(())
}

/// `DEBUG ERROR text`: an error reply that INFO does not count as an error.
fn error(call: &mut Call<'_>) -> CommandResult {
    let flat = |&b: &u8| if matches!(b, b'\r' | b'\n') { b' ' } else { b };
    let text: Vec<u8> = call.args.at(2).iter().map(flat).collect();
    call.reply.raw(&[b"-", &text[..], b"\r\n"].concat());
    Ok(())
}

fn log(call: &mut Call<'_>) -> CommandResult {
    tracing::warn!("DEBUG LOG: {}", Printable(call.args.at(2)));
    call.reply.ok();
    Ok(())
}

/// `DEBUG SLEEP seconds`: blocks the event loop. Inside a transaction the cached time stays;
/// otherwise later commands of this turn see the new time.
fn sleep(call: &mut Call<'_>) -> CommandResult {
    let seconds = parse_double(call.args.at(2)).unwrap_or(0.0);
    if let Ok(time) = std::time::Duration::try_from_secs_f64(seconds) {
        std::thread::sleep(time);
    }
    if call.may_block() {
        let world = call.world();
        world.server.read_clock(world.keyspace);
    }
    call.reply.ok();
    Ok(())
}

fn set_active_expire(call: &mut Call<'_>) -> CommandResult {
    let on = on_off(call.args.at(2));
    call.server.debug.no_active_expire = !on;
    let expiring = call.server.expiring();
    call.db.keyspace().set_expiring(expiring);
    call.reply.ok();
    Ok(())
}

/// `DEBUG SET-ALLOW-ACCESS-EXPIRED 0|1`.
fn show_expired(call: &mut Call<'_>) -> CommandResult {
    call.server.debug.shows_expired = on_off(call.args.at(2));
    let expiring = call.server.expiring();
    call.db.keyspace().set_expiring(expiring);
    call.reply.ok();
    Ok(())
}

/// `DEBUG KEYSIZES-HIST-ASSERT 0|1` and `DEBUG ALLOCSIZE-SLOTS-ASSERT 0|1`: O(keys) for each
/// command that follows.
fn check_accounts(call: &mut Call<'_>) -> CommandResult {
    let wanted = parse_i64(call.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    call.server.debug.checks_accounts = wanted != 0;
    call.server.update_observers();
    call.reply.ok();
    Ok(())
}

/// `DEBUG SEARCH-2.10 0|1`: for comparison with Redis Stack, whose scores and refusals are older.
fn search_as_2_10(call: &mut Call<'_>) -> CommandResult {
    call.server.debug.searches_as_2_10 = on_off(call.args.at(2));
    call.reply.ok();
    Ok(())
}

fn skip_checksums(call: &mut Call<'_>) -> CommandResult {
    call.server.debug.skips_checksums = on_off(call.args.at(2));
    call.reply.ok();
    Ok(())
}

/// Allows scripts to call commands that are otherwise denied to them.
fn allow_in_scripts(call: &mut Call<'_>) -> CommandResult {
    call.server.scripting.denies_nothing = on_off(call.args.at(2));
    call.reply.ok();
    Ok(())
}

fn pause_cron(call: &mut Call<'_>) -> CommandResult {
    call.server.debug.cron_paused = on_off(call.args.at(2));
    call.reply.ok();
    Ok(())
}

/// Accepts switches for machinery that does not exist here: growth is local and never stops.
fn flag_without_use(call: &mut Call<'_>) -> CommandResult {
    call.reply.ok();
    Ok(())
}

/// `DEBUG REPLYBUFFER ...`: accepted without effect: clients return their buffers once all is sent,
/// so there is no schedule to change.
fn reply_buffer(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.is(2, "PEAK-RESET-TIME") {
        if !args.is(3, "NEVER") && !args.is(3, "RESET") {
            parse_i64(args.at(3)).ok_or(CommandError::NotAnInteger)?;
        }
    } else if !args.is(2, "RESIZING") {
        return Err(misused(args));
    }
    call.reply.ok();
    Ok(())
}

/// Maximum size of a list element before the element needs a separate node.
const PACKED_THRESHOLD_MAX: u64 = (1 << 32) - (1 << 20);

fn packed_threshold(call: &mut Call<'_>) -> CommandResult {
    const BAD: &str = "ERR argument must be a memory value bigger than 1 and smaller than 4gb";
    let bytes = parse_memory(call.args.at(2)).filter(|&n| n <= PACKED_THRESHOLD_MAX);
    // 0 returns to the rule of `list-max-listpack-size`.
    quicklist::set_packed_threshold(bytes.ok_or(CommandError::Text(BAD))? as usize);
    call.reply.ok();
    Ok(())
}

/// `DEBUG POPULATE count [prefix] [size]`: creates keys; existing keys stay unchanged.
fn populate(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let amount = |at: usize| match args.get(at) {
        None => Ok(0),
        Some(text) => {
            let n = parse_i64(text).and_then(|n| u64::try_from(n).ok());
            n.ok_or(CommandError::MustBePositive)
        }
    };
    let (count, size) = (amount(2)?, amount(4)?);
    if size > call.server.config.proto_max_bulk_len {
        return Err(CommandError::StringTooLong);
    }
    let prefix = args.get(3).unwrap_or(b"key");
    call.no_effect();
    for i in 0..count {
        let key = [prefix, format!(":{i}").as_bytes()].concat();
        if call.db.contains(&key) {
            continue;
        }
        let mut value = format!("value:{i}").into_bytes();
        if size > 0 {
            value.resize(size as usize, 0);
        }
        let value = NewValue::text(&value);
        call.db.set_string(&key, value, Expiry::Clear);
        call.db.changed(&key, Class::empty(), "populate");
    }
    call.reply.ok();
    Ok(())
}

/// `DEBUG LOADAOF`: flushes the append only file, empties the keyspace and loads the file. If it
/// cannot be loaded, the server exits, as in Redis.
fn load_aof(call: &mut Call<'_>) -> CommandResult {
    call.no_effect();
    let World {
        keyspace,
        server,
        reply,
        ..
    } = call.world();
    if server.reload_aof(keyspace).is_err() {
        tracing::warn!("DEBUG LOADAOF failed: exiting.");
        std::process::exit(1);
    }
    tracing::info!("Append Only File loaded by DEBUG LOADAOF");
    reply.ok();
    Ok(())
}

fn aof_flush_sleep(call: &mut Call<'_>) -> CommandResult {
    let micros = parse_i64(call.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    call.server.persist.aof.flush_sleep_us = u64::try_from(micros).unwrap_or(0);
    call.reply.ok();
    Ok(())
}

/// A thread reads the files; INFO reports when it has ended.
fn aof_scrub(call: &mut Call<'_>) -> CommandResult {
    let aof = &mut call.server.persist.aof;
    if aof.log().is_none() {
        return Err(CommandError::Text("ERR there is no append only file"));
    }
    aof.scrubs.ask();
    call.reply.ok();
    Ok(())
}

/// Sends a command to the replicas alone, as it is given: they diverge.
fn replicate(call: &mut Call<'_>) -> CommandResult {
    let args = call.args.from(2);
    call.server.replication.replicate(
        &mut call.server.persist,
        &mut call.server.stream,
        &call.server.now,
        args,
    );
    call.reply.ok();
    Ok(())
}

fn change_repl_id(call: &mut Call<'_>) -> CommandResult {
    if call.server.replication.quorum.is_some() {
        return Err(CommandError::Text(
            "ERR The history of a group's stream cannot be changed",
        ));
    }
    tracing::info!("Changing replication IDs after receiving DEBUG change-repl-id");
    call.server.stream.begin_history();
    call.reply.ok();
    Ok(())
}

/// `DEBUG REPL-PAUSE point`: the process stops itself when a full synchronization reaches it.
fn repl_pause(call: &mut Call<'_>) -> CommandResult {
    let point = match &call.args.at(2).to_ascii_lowercase()[..] {
        b"clear" => None,
        b"after-fork" => Some(PausePoint::SnapshotBegun),
        b"before-rdb-channel" => Some(PausePoint::BeforeChannel),
        b"on-streaming-repl-buf" => Some(PausePoint::Replay),
        _ => return Err(misused(call.args)),
    };
    call.server.replication.pause_at = point;
    call.reply.ok();
    Ok(())
}

fn rewrite_all(call: &mut Call<'_>) -> CommandResult {
    let server = &*call.server;
    let file = server.identity.config_file.as_deref();
    let file = file.ok_or(NO_FILE)?;
    if let Err(e) = server
        .acl
        .config_with_users(&server.config)
        .rewrite_file(file, true)
    {
        let reason = system_text(&e);
        let line = format!("ERR CONFIG-REWRITE-FORCE-ALL failed: {reason}");
        return Err(CommandError::owned(line));
    }
    call.reply.ok();
    Ok(())
}

// --- crashes: to test the crash report ---

fn panic(call: &mut Call<'_>) -> CommandResult {
    panic!(
        "DEBUG PANIC called at Unix time {}",
        call.server.now.unix_s()
    );
}

fn assert(_: &mut Call<'_>) -> CommandResult {
    panic!("ASSERTION FAILED: DEBUG ASSERT was called");
}

fn out_of_memory(_: &mut Call<'_>) -> CommandResult {
    let layout = std::alloc::Layout::from_size_align(isize::MAX as usize / 2, 8);
    std::alloc::handle_alloc_error(layout.expect("a size that a layout can have"));
}

fn segfault(_: &mut Call<'_>) -> CommandResult {
    use rustix::process::{Signal, getpid, kill_process};
    let sent = kill_process(getpid(), Signal::SEGV);
    let outcome = sent.map_or_else(|e| e.to_string(), |()| "the signal was survived".into());
    Err(CommandError::owned(format!(
        "ERR no memory fault: {outcome}"
    )))
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use russet_config::Allowed;

    fn bed() -> Testbed {
        let mut t = Testbed::new();
        t.engine.server.config.enable_debug_command = Allowed::Local;
        t
    }

    #[test]
    fn strangers_are_refused_before_anything_runs() {
        let mut t = Testbed::new();
        let refusal = t.run("DEBUG SLEEP 0");
        assert!(refusal.starts_with("-ERR DEBUG command not allowed. If the enable-debug-command"));
        let stats = t.run("INFO commandstats");
        assert!(stats.contains(
            "cmdstat_debug:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0"
        ));
    }

    #[test]
    fn an_unknown_subcommand_is_refused_as_redis_does() {
        let mut t = bed();
        let text =
            "-ERR unknown subcommand or wrong number of arguments for 'x'. Try DEBUG HELP.\r\n";
        assert_eq!(t.run("DEBUG x"), text);
        assert_eq!(t.run("DEBUG sleep"), text.replace("'x'", "'sleep'"));
    }

    #[test]
    fn populate_leaves_what_exists() {
        let mut t = bed();
        t.run("SET key:1 mine");
        assert_eq!(t.run("DEBUG POPULATE 3"), "+OK\r\n");
        assert_eq!(
            t.run("MGET key:0 key:1 key:2 key:3"),
            "*4\r\n$7\r\nvalue:0\r\n$4\r\nmine\r\n$7\r\nvalue:2\r\n$-1\r\n"
        );
        assert_eq!(t.run("DEBUG POPULATE 1 p 9"), "+OK\r\n");
        assert_eq!(t.run("GET p:0"), "$9\r\nvalue:0\0\0\r\n");
        assert_eq!(
            t.run("DEBUG POPULATE -1"),
            "-ERR value is out of range, must be positive\r\n"
        );
    }

    #[test]
    fn an_error_is_repeated_on_one_line_and_not_counted() {
        let mut t = bed();
        assert_eq!(
            t.run_args(&[b"DEBUG", b"ERROR", b"A b\r\nc"]),
            b"-A b  c\r\n"
        );
        assert!(t.run("INFO stats").contains("total_error_replies:0\r\n"));
    }

    #[test]
    fn a_packed_threshold_has_bounds() {
        let mut t = bed();
        assert!(
            t.run("DEBUG QUICKLIST-PACKED-THRESHOLD 4gb")
                .starts_with("-ERR argument must")
        );
        assert_eq!(t.run("DEBUG QUICKLIST-PACKED-THRESHOLD 0"), "+OK\r\n");
    }
}
