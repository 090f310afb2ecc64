//! The change stream (CHANGES) over restarts, rewrites, replicas and failovers, and the example
//! that mirrors a prefix with it (`docs/examples/mirror.py`).

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::replication::{pair, wait_for_link, wait_for_offset};
use crate::support::peers;
use crate::support::random::Random;
use crate::support::wait::wait_within;
use crate::support::{Connection, Daemon, wait_until};

const ON: [&str; 4] = ["--appendonly", "yes", "--changes-retain", "100mb"];

/// The offsets of the changes of a reply, and the position after them.
fn offsets(reply: &str) -> (Vec<u64>, String) {
    let position = reply.lines().nth(2).expect("a position").to_owned();
    let number = |line: &str| line.strip_prefix(':')?.parse().ok();
    let changes = reply.split("*6\r\n").skip(1);
    let offsets = changes.map(|change| number(change.lines().next()?));
    (offsets.map(|n| n.expect("an offset")).collect(), position)
}

#[test]
fn a_consumer_gets_each_change_once_over_restarts_and_rewrites() {
    let mut server = Daemon::start(&ON);
    let mut client = server.connect();
    assert_eq!(client.ask("CHANGES CONSUMER CREATE c"), "+OK\r\n");
    let (mut seen, mut wanted) = (Vec::new(), 0);
    for round in 0..6 {
        for i in 0..50 {
            client.ask(&format!("RPUSH l {round}-{i}"));
            wanted += 1;
        }
        if round % 3 != 0 {
            client.ask("BGREWRITEAOF");
            wait_until("the rewrite", || {
                server.info("aof_rewrite_in_progress").as_deref() == Some("0")
            });
        }
        // The server keeps the files that a rewrite has replaced, also over a start.
        if round % 3 != 2 {
            server.restart();
        }
        client = server.connect();
        // The consumer acknowledges only a part.
        for _ in 0..3 {
            let (found, position) = offsets(&client.ask("CHANGES READ CONSUMER c COUNT 15"));
            assert_eq!(found.len(), 15);
            seen.extend(found);
            assert_eq!(
                client.ask(&format!("CHANGES CONSUMER ACK c {position}")),
                ":1\r\n"
            );
        }
    }
    let (found, position) = offsets(&client.ask("CHANGES READ CONSUMER c COUNT 1000"));
    seen.extend(found);
    assert_eq!(seen.len(), wanted);
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    // The server deletes files that no consumer needs any more.
    client.ask(&format!("CHANGES CONSUMER ACK c {position}"));
    client.ask("BGREWRITEAOF");
    wait_until("old files to go", || {
        let reply = client.ask("CHANGES READ 1");
        reply.starts_with("-CHANGESLOST ")
    });
    assert!(
        client
            .ask("CHANGES CONSUMER LIST")
            .contains("$4\r\nlost\r\n:0\r\n")
    );
}

/// A position in a file of an earlier process is reached through all changes before it. A READ that
/// ends on the way returns a position, and the next READ continues there.
#[test]
fn a_reader_that_waits_for_less_than_its_way_arrives() {
    let [append, yes, retain, bytes] = ON;
    let settings = [append, yes, retain, bytes, "--repl-backlog-size", "16kb"];
    let mut server =
        Daemon::start(&[&settings[..], &["--auto-aof-rewrite-percentage", "0"]].concat());
    let mut client = server.connect();
    let value = "v".repeat(400_000);
    for _ in 0..150 {
        client.ask(&format!("SET k {value}"));
    }
    let (_, mut position) = offsets(&client.ask("CHANGES READ $"));
    client.ask("SET last 1");
    // Larger than the backlog, so that the change is read from the file.
    client.ask(&format!("SET k {value}"));
    server.restart();
    client = server.connect();
    wait_within(Duration::from_secs(30), "the change", || {
        let command = format!("CHANGES READ {position} BLOCK 1 PREFIX last");
        let (found, next) = offsets(&client.ask(&command));
        position = next;
        !found.is_empty()
    });
}

#[test]
fn a_consumer_that_is_too_far_behind_gets_an_error() {
    // With `appendonly no` the server retains the changes in memory.
    let server = Daemon::start(&["--changes-retain", "3mb", "--repl-backlog-size", "16kb"]);
    let mut client = server.connect();
    client.ask("CHANGES CONSUMER CREATE c");
    let value = "v".repeat(100_000);
    for _ in 0..20 {
        client.ask(&format!("SET k {value}"));
    }
    let (found, _) = offsets(&client.ask("CHANGES READ CONSUMER c COUNT 20"));
    assert!(!found.is_empty());
    let list = client.ask("CHANGES CONSUMER LIST");
    assert!(list.contains("$4\r\nlost\r\n:0\r\n"), "{list}");
    for _ in 0..30 {
        client.ask(&format!("SET k {value}"));
    }
    wait_until("it is lost", || {
        client
            .ask("CHANGES READ CONSUMER c")
            .starts_with("-CHANGESLOST ")
    });
    let list = client.ask("CHANGES CONSUMER LIST");
    assert!(list.contains("$4\r\nlost\r\n:1\r\n"), "{list}");
    assert!(client.ask("INFO changes").contains(",lost=1,name=c"));
    assert_eq!(client.ask("CHANGES CONSUMER ACK c -"), ":1\r\n");
    assert!(
        client
            .ask("CHANGES READ CONSUMER c COUNT 1")
            .starts_with("*2\r\n")
    );
}

#[test]
fn consumers_and_positions_survive_a_failover() {
    let (primary, replica) = pair(&ON, &ON);
    let mut client = primary.connect();
    client.ask("SET before 1");
    assert_eq!(client.ask("CHANGES CONSUMER CREATE c -"), "+OK\r\n");
    client.ask("MULTI");
    client.ask("SET a 1");
    client.ask("INCR b");
    client.ask("EXEC");
    let (all, position) = offsets(&client.ask("CHANGES READ CONSUMER c"));
    assert_eq!(all.len(), 3);
    assert_eq!(all[1], all[2]);
    wait_for_offset(&replica, &primary);
    // A replica answers the same, but changes no consumer.
    let mut second = replica.connect();
    let since = "CHANGES READ CONSUMER c";
    assert_eq!(second.ask(since), client.ask(since));
    let refused = second.ask("CHANGES CONSUMER ACK c $");
    assert!(refused.starts_with("-READONLY "), "{refused}");
    second.ask("REPLICAOF NO ONE");
    let (found, _) = offsets(&second.ask(since));
    assert_eq!(found, all);
    second.ask("SET c 1");
    let (found, next) = offsets(&second.ask(&format!("CHANGES READ {position}")));
    assert_eq!(found.len(), 1);
    // The old primary's later writes are not in the history of the new primary.
    client.ask("SET lost 1");
    let (_, lost) = offsets(&client.ask(&format!("CHANGES READ {position}")));
    let reported = second.ask(&format!("CHANGES READ {lost}"));
    assert!(
        reported.starts_with("-DIVERGED This dataset has that history up to "),
        "{reported}"
    );
    let reported = client.ask(&format!("CHANGES READ {next}"));
    assert!(
        reported.starts_with("-DIVERGED This dataset has no such history"),
        "{reported}"
    );
}

#[test]
fn readers_wait_for_replicas_if_they_ask_for_it() {
    let (primary, replica) = pair(&ON, &ON);
    let mut client = primary.connect();
    client.ask("SET a 1");
    let mut reader = primary.connect();
    let (found, position) = offsets(&reader.ask("CHANGES READ - REPLICAS 1 BLOCK 10000"));
    assert_eq!(found.len(), 1);
    let two = reader.ask(&format!("CHANGES READ {position} REPLICAS 2 BLOCK 50"));
    assert!(offsets(&two).0.is_empty());
    reader.send(format!("CHANGES READ {position} REPLICAS 1 BLOCK 60000\r\n").as_bytes());
    wait_until("it waits", || {
        primary.info("changes_readers_waiting").as_deref() == Some("1")
    });
    client.ask("SET b 1");
    let reply = reader.reply();
    assert!(
        String::from_utf8_lossy(&reply).contains("$1\r\nb\r\n"),
        "{reply:?}"
    );
    drop(replica);
}

/// Regression: a unit that is longer than the backlog was dropped before a waiting reader had it.
#[test]
fn a_reader_that_waits_gets_a_unit_longer_than_the_backlog() {
    let server = Daemon::start(&["--changes-retain", "50mb", "--repl-backlog-size", "16kb"]);
    let (mut reader, mut client) = (server.connect(), server.connect());
    reader.send(b"CHANGES READ $ BLOCK 0\r\n");
    wait_until("it waits", || {
        server.info("changes_readers_waiting").as_deref() == Some("1")
    });
    client.ask("MULTI");
    for i in 0..20 {
        client.ask(&format!("SET k{i} {}", "v".repeat(10_000)));
    }
    client.ask("EXEC");
    let (found, _) = offsets(&String::from_utf8_lossy(&reader.reply()));
    assert_eq!(found.len(), 20);
    // The stream is turned off: waiting readers get an error.
    reader.send(b"CHANGES READ $ BLOCK 0\r\n");
    wait_until("it waits", || {
        server.info("changes_readers_waiting").as_deref() == Some("1")
    });
    client.ask("CONFIG SET changes-retain 0");
    assert!(reader.reply().starts_with(b"-ERR The change stream is off"));
}

/// A change from a time without notes has no user.
#[test]
fn users_and_times_end_with_the_notes() {
    let mut server = Daemon::start(&ON);
    let mut client = server.connect();
    client.ask("SELECT 3");
    client.ask("SET a 1");
    client.ask("CONFIG SET changes-retain 0");
    client.ask("SET b 1");
    client.ask("CONFIG SET changes-retain 1mb");
    let (_, position) = offsets(&client.ask("CHANGES READ $"));
    client.ask("SET c 1");
    let check = |client: &mut Connection| {
        let all = client.ask("CHANGES READ -");
        let users: Vec<bool> = all
            .split("*6\r\n")
            .skip(1)
            .map(|c| c.contains("default"))
            .collect();
        assert_eq!(users, [true, false, true], "{all}");
        assert_eq!(all.matches("\r\n:3\r\n").count(), 3, "{all}");
        assert_eq!(
            offsets(&client.ask(&format!("CHANGES READ {position}")))
                .0
                .len(),
            1
        );
    };
    check(&mut client);
    server.restart();
    check(&mut server.connect());
}

/// Regression: a reader that had read everything got the error for a diverged reader.
#[test]
fn a_reader_that_has_everything_goes_on_after_a_rewrite_and_restarts() {
    let mut server = Daemon::start(&ON);
    let mut client = server.connect();
    client.ask("SET a 1");
    client.ask("BGREWRITEAOF");
    wait_until("the rewrite", || {
        server.info("aof_rewrite_in_progress").as_deref() == Some("0")
    });
    let (_, position) = offsets(&client.ask("CHANGES READ -"));
    for _ in 0..2 {
        server.restart();
        client = server.connect();
        let read = client.ask(&format!("CHANGES READ {position}"));
        assert!(read.ends_with("\r\n*0\r\n"), "{read}");
    }
    client.ask("SET b 1");
    let (found, _) = offsets(&client.ask(&format!("CHANGES READ {position}")));
    assert_eq!(found.len(), 1);
}

/// Regression: a server that was killed after a rewrite, before the next file had its first bytes,
/// began another history.
#[test]
fn a_base_names_its_history_while_the_next_file_is_empty() {
    let mut server = Daemon::start(&ON);
    let mut client = server.connect();
    client.ask("SET a 1");
    client.ask("BGREWRITEAOF");
    wait_until("the rewrite", || {
        server.info("aof_rewrite_in_progress").as_deref() == Some("0")
    });
    let (_, position) = offsets(&client.ask("CHANGES READ -"));
    server.kill();
    let next = server
        .folder()
        .join("appendonlydir/appendonly.aof.2.incr.aof");
    std::fs::write(next, "").expect("emptied");
    server.restart();
    client = server.connect();
    let read = client.ask(&format!("CHANGES READ {position}"));
    assert!(read.ends_with("\r\n*0\r\n"), "{read}");
}

/// The example program as a process.
struct Mirror {
    child: Child,
    args: Vec<String>,
    /// Its output.
    log: PathBuf,
}

impl Mirror {
    fn start(from: &[&Daemon], target: &Daemon) -> Mirror {
        let from: Vec<String> = from
            .iter()
            .map(|s| format!("127.0.0.1:{}", s.port()))
            .collect();
        let to = format!("127.0.0.1:{}", target.port());
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/mirror.py");
        let mut args = vec![
            program.display().to_string(),
            "--from".into(),
            from.join(","),
        ];
        args.extend(["--to".into(), to, "--prefix".into(), "m:".into()]);
        args.extend(["--replicas".into(), "1".into()]);
        let log = target.folder().join("mirror.log");
        Mirror {
            child: spawn(&args, &log),
            args,
            log,
        }
    }

    fn kill(&mut self) {
        // The test's own child: no other code has waited for it, so its number is not reused.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.args, &self.log);
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(args: &[String], log: &Path) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(log);
    let mut command = Command::new("python3");
    command.args(args).stdin(Stdio::null());
    command.stderr(log.expect("a log"));
    command.spawn().expect("python3 runs")
}

fn has_python() -> bool {
    let version = Command::new("python3")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let is_there = version.is_ok_and(|status| status.success());
    if !is_there {
        peers::left_out("the example of a mirror, which needs python3");
    }
    is_there
}

/// Values of all mirrored keys, in a form that does not depend on encodings.
fn digest(server: &Daemon) -> String {
    let mut client = server.connect();
    let script = "local all = redis.call('keys', 'm:*') table.sort(all) local out = {} \
                  for _, k in ipairs(all) do local t = redis.call('type', k).ok \
                  local v = t == 'list' and table.concat(redis.call('lrange', k, 0, -1), ' ') \
                  or t == 'hash' and redis.call('hlen', k) or redis.call('get', k) \
                  out[#out + 1] = k .. '=' .. v end return table.concat(out, '\\n')";
    String::from_utf8_lossy(&client.call(&["EVAL", script, "0"])).into_owned()
}

fn number_of(server: &Daemon, field: &str) -> u64 {
    let text = server.info(field);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Writes that show if a mirror applies a change twice or never.
fn write_some(client: &mut Connection, random: &mut Random, number: &mut u64) {
    for _ in 0..20 {
        *number += 1;
        let n = *number;
        let key = random.below(5);
        let line = match random.below(12) {
            0 => format!("INCR m:count:{key}"),
            1 => format!("RPUSH m:list:{key} {n}"),
            2 => format!("HSET m:hash:{key} f{n} 1"),
            3 => format!("APPEND m:text:{key} {n},"),
            4 => format!("MSET m:a{key} {n} other{key} {n}"),
            5 => format!("RENAME other{key} m:renamed:{key}"),
            6 => format!("SET m:passing:{key} {n} PX 300"),
            7 => format!("PEXPIRE m:passing:{key} 100000"),
            8 => format!("APPEND m:passing:{key} ,{n}"),
            9 => format!("COPY m:text:{key} m:copy:{key} REPLACE"),
            10 if n.is_multiple_of(50) => "FLUSHDB".to_owned(),
            _ => format!("SET other{key} {n}"),
        };
        client.ask(&line);
    }
    // A failover loses no write that a replica has.
    assert_eq!(client.ask("WAIT 1 10000"), ":1\r\n");
}

/// The test kills the mirror and both servers again and again, and a replica takes over: in the end
/// both sides have the same data.
#[test]
fn the_example_mirrors_a_prefix_whatever_is_killed() {
    if !has_python() {
        return;
    }
    let mut random = Random::new(7);
    let (mut source, mut other) = pair(&ON, &ON);
    let mut target = Daemon::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    source.connect().ask("RPUSH m:list:0 from the beginning");
    let mut mirror = Mirror::start(&[&source, &other], &target);
    let mut number = 0;
    for round in 0..12 {
        let mut client = source.connect();
        let before = number_of(&source, "master_repl_offset");
        for _ in 0..5 {
            write_some(&mut client, &mut random, &mut number);
        }
        match round % 4 {
            0 => mirror.restart(),
            1 => {
                target.kill();
                target.restart();
            }
            2 => {
                source.kill();
                source.restart();
                wait_for_link(&other);
            }
            _ => {
                // The mirror has acknowledged all writes. The other server has only the changes
                // since its last full copy.
                wait_until("the mirror to follow", || {
                    let line = source.info("changes_consumer_1").unwrap_or_default();
                    let offset = line
                        .split(',')
                        .find_map(|field| field.strip_prefix("offset="));
                    offset
                        .and_then(|n| n.parse().ok())
                        .is_some_and(|n: u64| n >= before)
                });
                source.kill();
                other.connect().ask("REPLICAOF NO ONE");
                // The old primary starts as a replica, because even a short time as a primary would
                // give the mirror another history.
                let port = other.port().to_string();
                let as_replica = [&ON[..], &["--replicaof", "127.0.0.1", &port]].concat();
                source.set_args(
                    &as_replica
                        .into_iter()
                        .map(str::to_owned)
                        .collect::<Vec<_>>(),
                );
                source.restart();
                source.set_args(&ON.map(str::to_owned));
                wait_for_link(&source);
                std::mem::swap(&mut source, &mut other);
            }
        }
    }
    let wanted = digest(&source);
    let mut found = String::new();
    let is_equal = || {
        found = digest(&target);
        found == wanted
    };
    wait_within(Duration::from_secs(30), "both sides to be equal", is_equal);
    // The mirror applied each change: it never had to copy all data again.
    let said = fs::read_to_string(&mirror.log).expect("a log");
    let logs = source.log() + &other.log();
    assert!(!said.contains("begins anew"), "{said}\n{logs}");
}

/// Regression: a command with other filters continued at the place where a command with an error
/// had ended.
#[test]
fn a_command_that_was_unblocked_with_an_error_has_read_nothing() {
    let server = Daemon::start(&ON);
    let (mut reader, mut client) = (server.connect(), server.connect());
    client.ask("SET k 0");
    let (_, position) = offsets(&reader.ask("CHANGES READ $"));
    let id = reader
        .ask("CLIENT ID")
        .trim_matches([':', '\r', '\n'])
        .to_owned();
    reader.send(format!("CHANGES READ {position} PREFIX zz BLOCK 0\r\n").as_bytes());
    wait_until("it waits", || {
        server.info("changes_readers_waiting").as_deref() == Some("1")
    });
    for i in 0..5 {
        client.ask(&format!("SET k {i}"));
    }
    assert_eq!(client.ask(&format!("CLIENT UNBLOCK {id} ERROR")), ":1\r\n");
    assert!(reader.reply().starts_with(b"-UNBLOCKED "));
    assert_eq!(
        offsets(&reader.ask(&format!("CHANGES READ {position}")))
            .0
            .len(),
        5
    );
}
