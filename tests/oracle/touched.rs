//! Details beside Redis 8.10 and Valkey 9.1: fields that expire when a command touches them, the
//! commands that modify a key (LRM), the commands that count for a client, the expired keys that a
//! scan deletes, and the command that propagates a removal.

use crate::support::peers::Peer;
use crate::support::resp::{Connection, Reply, command, printable};
use crate::support::wait::wait_until;
use crate::support::{Daemon, daemon::russet};

/// A peer and russet in the peer's dialect, if the peer is installed.
fn pair(peer: Peer, what: &str, more: &[&str]) -> Option<[Daemon; 2]> {
    let program = peer.program_for(what)?;
    let common = [&["--save", "", "--enable-debug-command", "yes"], more].concat();
    let ours = [peer.arguments(), &common].concat();
    Some([
        Daemon::start_program(&program, &common),
        Daemon::start_program(&russet(), &ours),
    ])
}

/// Checks that both servers give the same: `play` returns the replies of a reader.
#[track_caller]
fn compare(pair: &[Daemon; 2], what: &str, play: impl Fn(&Daemon) -> String) {
    let [peer, ours] = pair.each_ref().map(play);
    assert_eq!(ours, peer, "{what}");
}

/// All commands that name fields or walk over fields, for a hash `h` with an expired field `f`.
const FIELD_COMMANDS: &[&str] = &[
    "HGET h f",
    "HMGET h f",
    "HGETALL h",
    "HKEYS h",
    "HVALS h",
    "HLEN h",
    "HSTRLEN h f",
    "HEXISTS h f",
    "HSET h f 2",
    "HMSET h f 2",
    "HSETNX h f 2",
    "HINCRBY h f 1",
    "HINCRBYFLOAT h f 1",
    "HDEL h f",
    "HGETDEL h FIELDS 1 f",
    "HGETEX h FIELDS 1 f",
    "HGETEX h EX 100 FIELDS 1 f",
    "HSETEX h FIELDS 1 f 2",
    "HSETEX h FXX FIELDS 1 f 2",
    "HSETEX h FNX FIELDS 1 f 2",
    "HTTL h FIELDS 1 f",
    "HPTTL h FIELDS 1 f",
    "HEXPIRETIME h FIELDS 1 f",
    "HPEXPIRETIME h FIELDS 1 f",
    "HEXPIRE h 100 FIELDS 1 f",
    "HPEXPIRE h 1000 FIELDS 1 f",
    "HEXPIREAT h 9999999999 FIELDS 1 f",
    "HPEXPIREAT h 9999999999000 FIELDS 1 f",
    "HPERSIST h FIELDS 1 f",
    "TYPE h",
];

#[test]
fn a_field_that_is_due_goes_as_in_the_server_of_the_dialect() {
    for peer in [Peer::Redis810, Peer::Valkey9] {
        let Some(pair) = pair(peer, "fields that expire", &[]) else {
            return;
        };
        for daemon in &pair {
            let mut c = daemon.connect();
            c.ask("DEBUG SET-ACTIVE-EXPIRE 0");
            c.ask("CONFIG SET notify-keyspace-events KEA");
        }
        for others in ["", " g 1"] {
            for line in FIELD_COMMANDS {
                compare(
                    &pair,
                    &format!("{peer:?}, fields f{others}: {line}"),
                    |daemon| {
                        let mut c = daemon.connect();
                        c.ask("FLUSHALL");
                        c.ask(&format!("HSET h f 1{others}"));
                        c.ask("HPEXPIRE h 1 FIELDS 1 f");
                        let set = milliseconds(&mut c);
                        wait_until("the field to be due", || milliseconds(&mut c) > set + 2);
                        let mut listener = daemon.connect();
                        listener.ask("PSUBSCRIBE __keyevent@0__:*");
                        let reply = c.ask(line);
                        let exists = c.ask("EXISTS h");
                        c.ask("SET end 1");
                        format!("{reply} {exists} {}", until(&mut listener, "end"))
                    },
                );
            }
        }
    }
}

/// The messages of a subscriber up to a message that names this key.
fn until(listener: &mut Connection, key: &str) -> String {
    let mut heard = String::new();
    loop {
        let message = printable(&listener.reply());
        if message.contains(&format!("\r\n{key}\r\n")) {
            return heard;
        }
        heard.push_str(&message);
    }
}

/// Commands that make keys, and commands to try on them: the test looks at the first key.
const MODIFYING: &[(&[&str], &[&str])] = &[
    (
        &[
            "XADD s 1-1 f v",
            "XADD s 2-1 f v",
            "XADD s 3-1 f v",
            "XGROUP CREATE s g 0",
        ],
        &[
            "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
            "XREADGROUP GROUP g c STREAMS s 0",
            "XREADGROUP GROUP g c STREAMS s >",
            "XREADGROUP GROUP g c STREAMS s >",
            "XACK s g 1-1",
            "XACK s g 9-9",
            "XCLAIM s g d 0 2-1",
            "XAUTOCLAIM s g d 0 0",
            "XGROUP CREATECONSUMER s g q",
            "XGROUP SETID s g 0",
            "XGROUP DELCONSUMER s g nope",
            "XTRIM s MAXLEN 100",
            "XDEL s 7-7",
            "XLEN s",
            "XRANGE s - +",
            "XREAD STREAMS s 0",
            "XPENDING s g",
        ],
    ),
    (
        &["SET k v"],
        &[
            "GETEX k",
            "GETEX k EX 100",
            "GETEX k PERSIST",
            "GET k",
            "SETRANGE k 0 x",
            "APPEND k x",
            "SETNX k y",
            "GETSET k v",
            "BITFIELD k GET u8 0",
            "BITFIELD k SET u8 0 118",
            "EXPIRE k 100",
            "PERSIST k",
            "PERSIST k",
            "TOUCH k",
            "COPY k k3",
            "STRLEN k",
        ],
    ),
    (
        &["RPUSH l a b c"],
        &[
            "LSET l 0 q",
            "LREM l 0 nope",
            "LTRIM l 0 -1",
            "LMOVE l l LEFT LEFT",
            "SORT l ALPHA",
        ],
    ),
    (
        &["HSET h f 1"],
        &[
            "HSET h f 1",
            "HSETNX h f 2",
            "HDEL h nope",
            "HINCRBY h f 0",
            "HPERSIST h FIELDS 1 f",
        ],
    ),
    (
        &["ZADD z 1 a 2 b"],
        &["ZADD z 1 a", "ZADD z NX 5 a", "ZREM z nope", "ZSCORE z a"],
    ),
    (&["SADD m a b"], &["SADD m a", "SREM m no", "SRANDMEMBER m"]),
];

#[test]
fn under_lrm_the_same_commands_modify_a_key() {
    let Some(pair) = pair(Peer::Redis810, "modifications", &[]) else {
        return;
    };
    for policy in ["allkeys-lrm", "volatile-lrm"] {
        compare(&pair, policy, |daemon| {
            let mut c = daemon.connect();
            c.ask(&format!("CONFIG SET maxmemory-policy {policy}"));
            let mut shown = String::new();
            for (keys, lines) in MODIFYING {
                c.ask("FLUSHALL");
                keys.iter().for_each(|line| _ = c.ask(line));
                let key = keys[0].split(' ').nth(1).expect("a key");
                for line in *lines {
                    make_idle(&mut c, key);
                    c.ask(line);
                    let idle = c.value(&format!("OBJECT IDLETIME {key}"));
                    let is_new = matches!(idle, Reply::Integer(seconds) if seconds < 4000);
                    shown.push_str(&format!("{line}: {is_new}\n"));
                }
            }
            shown
        });
    }
}

/// Restores a key with an idle time of more than an hour.
fn make_idle(c: &mut Connection, key: &str) {
    c.send(&command(&["DUMP", key]));
    let (_, Reply::Bulk(payload)) = c.read().expect("a payload") else {
        panic!("no payload of {key}");
    };
    let words: [&[u8]; 7] = [
        b"RESTORE",
        key.as_bytes(),
        b"0",
        &payload,
        b"REPLACE",
        b"IDLETIME",
        b"5000",
    ];
    assert_eq!(c.call(&words), b"+OK\r\n");
}

/// `tot-cmds` of the asking client.
fn commands(c: &mut Connection) -> i64 {
    let line = c.ask("CLIENT INFO");
    let field = line
        .split(' ')
        .find_map(|field| field.strip_prefix("tot-cmds="));
    field
        .and_then(|count| count.parse().ok())
        .expect("the field")
}

#[test]
fn commands_of_scripts_and_of_waits_count_for_their_client() {
    let Some(pair) = pair(Peer::Redis810, "commands of a client", &[]) else {
        return;
    };
    compare(&pair, "a script", |daemon| {
        let mut c = daemon.connect();
        let before = commands(&mut c);
        c.send(&command(&["EVAL", "return redis.call('ping')", "0"]));
        c.reply();
        let script = commands(&mut c) - before;
        let mut waiting = daemon.connect();
        let id = waiting.ask("CLIENT ID").replace([':', '\r', '\n'], "");
        let count = |c: &mut Connection| {
            let line = c.ask(&format!("CLIENT LIST ID {id}"));
            let found = line
                .split(' ')
                .find_map(|field| field.strip_prefix("tot-cmds="));
            found.map(str::to_owned)
        };
        let mut counts = vec![count(&mut c)];
        waiting.send(&command(&["BLPOP", "list", "0"]));
        wait_until("the client to wait", || {
            c.ask("INFO clients").contains("blocked_clients:1")
        });
        counts.push(count(&mut c));
        c.ask("RPUSH list x");
        waiting.reply();
        counts.push(count(&mut c));
        waiting.send(&command(&["BLPOP", "list", "0.05"]));
        waiting.reply();
        counts.push(count(&mut c));
        format!("{script} {counts:?}")
    });
}

/// The server's clock.
fn milliseconds(c: &mut Connection) -> i64 {
    let time = c.value("TIME");
    let number = |at: usize| -> i64 {
        let text = time
            .items()
            .and_then(|its| its[at].text())
            .expect("a number");
        String::from_utf8_lossy(text).parse().expect("digits")
    };
    number(0) * 1000 + number(1) / 1000
}

#[test]
fn scans_and_past_times_leave_the_same_figures() {
    let Some(pair) = pair(Peer::Redis810, "figures of expiry", &[]) else {
        return;
    };
    for daemon in &pair {
        daemon.connect().ask("DEBUG SET-ACTIVE-EXPIRE 0");
    }
    let expired = |c: &mut Connection| {
        let text = c.ask("INFO stats");
        let mut found = text
            .lines()
            .filter_map(|line| line.strip_prefix("expired_keys:"));
        found.next().expect("the figure").to_owned()
    };
    for options in ["MATCH b*", "TYPE list", "MATCH a*", ""] {
        compare(&pair, options, |daemon| {
            let mut c = daemon.connect();
            c.ask("FLUSHALL");
            c.ask("CONFIG RESETSTAT");
            c.ask("SET a1 1 PX 1");
            let set = milliseconds(&mut c);
            wait_until("the key to be due", || milliseconds(&mut c) > set + 2);
            let reply = c.ask(&format!("SCAN 0 COUNT 100 {options}"));
            format!("{reply} {} {}", expired(&mut c), c.ask("DBSIZE"))
        });
    }
    compare(&pair, "RESTORE with a time that has passed", |daemon| {
        let mut c = daemon.connect();
        c.ask("FLUSHALL");
        c.ask("CONFIG RESETSTAT");
        c.ask("SET a 1");
        c.send(&command(&["DUMP", "a"]));
        let (_, Reply::Bulk(payload)) = c.read().expect("a payload") else {
            panic!("no payload");
        };
        let words: [&[u8]; 5] = [b"RESTORE", b"b", b"1000", &payload, b"ABSTTL"];
        format!("{} {}", printable(&c.call(&words)), expired(&mut c))
    });
}

/// The words DEL and UNLINK in a server's log.
fn logged(daemon: &Daemon, c: &mut Connection) -> String {
    let folder = daemon.folder().join("appendonlydir");
    wait_until("the log to be written", || {
        c.ask("INFO persistence")
            .contains("aof_pending_bio_fsync:0")
    });
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of the log")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .collect();
    files.sort();
    let bytes = std::fs::read(files.last().expect("a file")).expect("the file");
    let text = String::from_utf8_lossy(&bytes).to_uppercase();
    let words = text
        .split("\r\n")
        .filter(|word| ["UNLINK", "DEL"].contains(word));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_time_that_has_passed_is_propagated_by_the_same_word() {
    for peer in [Peer::Redis810, Peer::Valkey9] {
        let more = ["--appendonly", "yes", "--appendfsync", "always"];
        let Some(pair) = pair(peer, "removals in the log", &more) else {
            return;
        };
        for server in ["yes", "no"] {
            for expire in ["yes", "no"] {
                for line in ["SET k 2 PXAT 5", "GETEX k PXAT 5", "EXPIRE k -1"] {
                    compare(
                        &pair,
                        &format!("{peer:?} {server} {expire} {line}"),
                        |daemon| {
                            let mut c = daemon.connect();
                            c.ask(&format!(
                            "CONFIG SET lazyfree-lazy-server-del {server} lazyfree-lazy-expire {expire}"
                        ));
                            c.ask("SET k 1");
                            c.ask(line);
                            logged(daemon, &mut c)
                        },
                    );
                }
            }
        }
    }
}
