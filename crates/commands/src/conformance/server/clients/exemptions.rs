//! Every flag is judged, and no single right changes what its user may do.
//!
//! `GIVEN_BY`, `TAKEN_BY` and `OTHERS` together are all flags: a new flag fails until a table has
//! it. Each command in turn is a user's only right, alone, in MULTI and in EVAL, with many
//! arguments; afterwards the connection may have no flag that the command does not give, and lines
//! that its user may not run must fail. Rights to administer (`ADMINISTER`) are left out.
//! Cost: over 10,000 lines, a server per command. Elsewhere: `tests/cluster/roles.rs` has links
//! between nodes.

use crate::testbed::{AllCommands as _, Testbed};
use russet_keyspace::ClientId;
use russet_server::ClientFlags;

/// Flags that exempt a connection, and the commands that give them to it.
const GIVEN_BY: [(ClientFlags, &[&str]); 15] = [
    (ClientFlags::REPLICA, &["psync", "sync"]),
    (ClientFlags::RDB_CHANNEL, &["psync", "sync"]),
    (ClientFlags::PRIMARY, &[]),
    // At a node alone, and of a user who owns all keys: tests/cluster/roles.rs.
    (ClientFlags::SENDS_SLOTS, &[]),
    (ClientFlags::INTERNAL, &[]),
    (ClientFlags::FAKE, &[]),
    (ClientFlags::PROVEN, &[]),
    (ClientFlags::MONITOR, &["monitor"]),
    (ClientFlags::NO_EVICT, &["client|no-evict"]),
    (ClientFlags::ASKING, &["asking"]),
    (ClientFlags::READS_HERE, &["readonly"]),
    (ClientFlags::REDIRECTS, &["client|capa"]),
    (ClientFlags::IMPORTS, &["client|import-source"]),
    (ClientFlags::REPLY_OFF, &["client|reply"]),
    (ClientFlags::NO_TOUCH, &["client|no-touch"]),
];

/// Flags that bind a connection, and the commands after which a connection may lack the flag.
const TAKEN_BY: [(ClientFlags, &[&str]); 2] = [
    (ClientFlags::RESTRICTED, &[]),
    (ClientFlags::BUDGETED, &["psync", "sync", "reset"]),
];

/// Flags that exempt from nothing.
const OTHERS: ClientFlags = ClientFlags::MULTI
    .union(ClientFlags::DIRTY_CAS)
    .union(ClientFlags::DIRTY_EXEC)
    .union(ClientFlags::BLOCKED)
    .union(ClientFlags::CLOSE_AFTER_REPLY)
    .union(ClientFlags::CLOSE_ASAP)
    .union(ClientFlags::REPLY_SKIP_NEXT)
    .union(ClientFlags::REPLY_SKIP)
    .union(ClientFlags::UNAUTHENTICATED)
    .union(ClientFlags::PUBSUB)
    .union(ClientFlags::UNIX_SOCKET)
    .union(ClientFlags::POSTPONED)
    .union(ClientFlags::TRACKING)
    .union(ClientFlags::CACHES)
    .union(ClientFlags::CACHING_SAID)
    .union(ClientFlags::TLS)
    .union(ClientFlags::HELD)
    .union(ClientFlags::DEBUGS)
    .union(ClientFlags::DEBUGS_HERE);

/// Rights to administer: by them a user may change the rights of users, or the server's use of the
/// machine.
const ADMINISTER: [&str; 17] = [
    "acl|load",
    "acl|save",
    "acl|setrole",
    "acl|setuser",
    "acl|deluser",
    "backup",
    "bgrewriteaof",
    "bgsave",
    "config|rewrite",
    "config|set",
    "debug",
    "failover",
    "migrate",
    "replicaof",
    "save",
    "shutdown",
    "slaveof",
];

/// Arguments that commands take, beside the same word several times.
const LINES: [&str; 21] = [
    "AUTH default wrong",
    "AUTH nobody x",
    "CLIENT CAPA redirect",
    "CLIENT IMPORT-SOURCE ON",
    "CLIENT NO-EVICT ON",
    "CLIENT REPLY OFF",
    "CLIENT REPLY SKIP",
    "CLIENT TRACKING ON BCAST",
    "CLIENT KILL TYPE normal SKIPME yes",
    "CLIENT UNBLOCK 1 ERROR",
    "EVAL return{} 0",
    "HELLO 3 AUTH default wrong",
    "HELLO 3 SETNAME me",
    "PSYNC ? -1",
    "PSYNC ? -1 FAILOVER",
    "REPLCONF capa psync2 capa rdb-channel-repl capa dual-channel",
    "REPLCONF rdb-channel 1",
    "REPLCONF ACK 1 FACK 1",
    "SUBSCRIBE c",
    "SELECT 1",
    "SCRIPT LOAD return{}",
];

fn flags(t: &Testbed, client: ClientId) -> ClientFlags {
    let session = t.engine.server.clients.get(client);
    session.map_or(ClientFlags::CLOSE_ASAP, |session| session.client.flags)
}

/// A server whose default user has a password.
fn bed() -> Testbed {
    let mut t = Testbed::unheard();
    assert_eq!(t.run("ACL SETUSER default >secret"), "+OK\r\n");
    t
}

fn log_in(t: &mut Testbed) -> ClientId {
    let client = t.connect();
    assert_eq!(t.run_as(client, "AUTH u x"), "+OK\r\n");
    client
}

/// The rights of all users, and a setting that only an administrator changes.
fn rights(t: &mut Testbed) -> String {
    let listed = t.run("ACL LIST");
    let limit = t.run("CONFIG GET maxmemory");
    listed + &limit
}

/// After its only permitted command, a connection still cannot exceed the rights of its user.
fn probe(t: &mut Testbed, client: ClientId, name: &str, said: &str) {
    let now = flags(t, client);
    for (flag, by) in GIVEN_BY {
        assert!(
            !now.intersects(flag) || by.contains(&name),
            "{said}: has {flag:?}"
        );
    }
    // Before a login the connection has no user.
    let is_known = !now.contains(ClientFlags::UNAUTHENTICATED);
    for (flag, by) in TAKEN_BY {
        let is_bound = now.contains(flag) || by.contains(&name);
        assert!(!is_known || is_bound, "{said}: has no {flag:?} any more");
    }
    // A connection that ends or waits runs nothing.
    const STANDS: ClientFlags = ClientFlags::CLOSE_ASAP
        .union(ClientFlags::CLOSE_AFTER_REPLY)
        .union(ClientFlags::BLOCKED);
    for line in [
        "ACL SETUSER u +@all",
        "CONFIG SET maxmemory 77mb",
        "DEBUG SET-ACTIVE-EXPIRE 1",
        "SHUTDOWN NOSAVE",
        "FLUSHALL",
        "EXEC",
    ] {
        if flags(t, client).intersects(STANDS) {
            return;
        }
        let reply = t.run_as(client, line);
        let is_its = line.eq_ignore_ascii_case(name);
        assert!(
            is_its || !reply.starts_with("+OK"),
            "{said}, {line}: {reply}"
        );
    }
}

/// Lines of a command: each has the same word as often as the command takes, or is a line of the
/// command in [`LINES`].
fn lines_of(name: &str, arity: usize) -> Vec<String> {
    let start = name.replace('|', " ");
    let words = start.split(' ').count();
    let mut lines = Vec::new();
    for word in ["1", "on", "u"] {
        for more in 0..3 {
            let count = arity.saturating_sub(words) + more;
            lines.push(format!("{start}{}", format!(" {word}").repeat(count)));
        }
    }
    let is_its = |line: &&&str| line.to_ascii_lowercase().starts_with(&start);
    lines.extend(LINES.iter().filter(is_its).map(ToString::to_string));
    lines
}

#[test]
fn every_flag_is_judged() {
    let given = GIVEN_BY.iter().map(|(flag, _)| *flag);
    let taken = TAKEN_BY.iter().map(|(flag, _)| *flag);
    let judged = given.chain(taken).fold(OTHERS, ClientFlags::union);
    assert_eq!(judged, ClientFlags::all());
}

#[test]
fn no_single_right_changes_what_its_user_may_do() {
    let rows: Vec<(&str, usize)> = {
        let t = bed();
        let rows = t.engine.server.table.rows().iter();
        rows.filter(|row| row.subcommands.is_empty())
            .map(|row| (row.full_name, row.spec.arity.wire().unsigned_abs() as usize))
            .collect()
    };
    let mut asked = 0;
    for (name, arity) in rows {
        if ADMINISTER
            .iter()
            .any(|admin| name.split('|').next() == Some(admin) || name == *admin)
        {
            continue;
        }
        let mut t = bed();
        for extra in ["", " +multi +exec", " +eval"] {
            let rules = format!("ACL SETUSER u reset on nopass ~* &* rate=1000000 +{name}{extra}");
            assert_eq!(t.run(&rules), "+OK\r\n", "{rules}");
            let before = rights(&mut t);
            for line in lines_of(name, arity) {
                let client = log_in(&mut t);
                match extra {
                    "" => _ = t.run_as(client, &line),
                    " +eval" => {
                        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
                        let script: &[u8] = b"return redis.pcall(unpack(ARGV))";
                        let head: [&[u8]; 3] = [b"EVAL", script, b"0"];
                        t.run_args_as(client, &[&head[..], &words].concat());
                    }
                    _ => {
                        for line in ["MULTI", &line, "EXEC"] {
                            t.run_as(client, line);
                        }
                    }
                }
                let said = format!("+{name}{extra}: {line:?}");
                probe(&mut t, client, name, &said);
                // CLIENT PAUSE 1 is over.
                t.advance_ms(10);
                assert_eq!(rights(&mut t), before, "{said}");
                t.run(&format!("CLIENT KILL ID {}", client.0));
                asked += 1;
            }
        }
    }
    assert!(asked > 10_000, "{asked}");
}

#[test]
fn a_replica_is_bound_by_its_replies_alone_and_cannot_do_without() {
    let mut t = bed();
    t.run("ACL SETUSER u reset on nopass +psync +client|reply +monitor +ping rate=1000000");
    for lines in [
        &["PSYNC ? -1", "PING"][..],
        &["PSYNC ? -1", "CLIENT REPLY OFF"],
        &["PSYNC ? -1", "CLIENT REPLY SKIP", "PING"],
        &["CLIENT REPLY OFF", "PSYNC ? -1", "PING"],
    ] {
        let client = log_in(&mut t);
        for line in lines {
            t.run_as(client, line);
        }
        let now = flags(&t, client);
        assert!(now.contains(ClientFlags::CLOSE_ASAP), "{lines:?}: {now:?}");
    }
    // As in Redis, a monitor does not become a replica, nor a replica a monitor.
    for (lines, is) in [
        (["MONITOR", "PSYNC ? -1"], ClientFlags::MONITOR),
        (["PSYNC ? -1", "MONITOR"], ClientFlags::REPLICA),
    ] {
        let client = log_in(&mut t);
        for line in lines {
            t.run_as(client, line);
        }
        let both = ClientFlags::MONITOR | ClientFlags::REPLICA;
        assert_eq!(flags(&t, client) & both, is, "{lines:?}");
    }
}
