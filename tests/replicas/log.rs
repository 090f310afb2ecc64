//! The append only file as the backlog. Replicas that come back with a position older than the
//! memory backlog, and replicas that stop reading, continue without a full sync, also after
//! crashes.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use super::compare::compare;
use super::node::{Kind, Node, report, wait};
use crate::support::Connection;
use crate::support::random::Random;
use crate::support::resp::command;

/// Time limit until a replica is in sync again.
const LINKED: Duration = Duration::from_secs(30);
/// The bytes of the memory backlog.
const BACKLOG: &str = "16384";

fn args(own: &[&str], primary: Option<u16>) -> Vec<String> {
    let common = [
        "--repl-diskless-sync-delay",
        "0",
        "--repl-backlog-size",
        BACKLOG,
        // Redis counts newlines together with the next command.
        "--repl-ping-replica-period",
        "1",
    ];
    let mut args: Vec<String> = common.iter().chain(own).map(|&s| s.to_owned()).collect();
    if let Some(port) = primary {
        args.extend(["--replicaof", "127.0.0.1", &port.to_string()].map(str::to_owned));
    }
    args
}

const LOGGED: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];

/// Writes about `kilobytes`, with all commands whose forms in the log and in the stream differ.
fn write(primary: &Node, random: &mut Random, kilobytes: usize) -> Result<(), String> {
    let mut c = Connection::open(primary.port()).map_err(|error| error.to_string())?;
    let mut ask = |words: &[&str]| -> Result<(), String> {
        c.write(&command(words))
            .and_then(|()| c.read())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let value = "v".repeat(700);
    for n in 0..kilobytes {
        let (key, db) = (random.below(500).to_string(), random.below(3).to_string());
        match random.below(6) {
            0 => ask(&["SELECT", &db])?,
            1 => ask(&["PUBLISH", "channel", &value])?,
            2 => {
                for words in [
                    &["MULTI"][..],
                    &["INCR", "n"],
                    &["PUBLISH", "channel", "in a unit"],
                    &["SET", &key, &value],
                    &["EXEC"],
                ] {
                    ask(words)?;
                }
            }
            3 => ask(&[
                "EVAL",
                "redis.set_repl(redis.REPL_AOF) redis.call('set', 'x', ARGV[1]) \
                        redis.set_repl(redis.REPL_ALL) redis.call('set', 'x', ARGV[1]) \
                        redis.call('incr', 'm')",
                "0",
                &n.to_string(),
            ])?,
            _ => ask(&["SET", &key, &value])?,
        }
    }
    Ok(())
}

/// Rewrites the append only file.
fn rewrite(primary: &Node) -> Result<(), String> {
    primary.ask("BGREWRITEAOF")?;
    wait(LINKED, "the rewrite", || {
        primary.server.info("aof_rewrite_in_progress").as_deref() == Some("0")
    })
}

fn number(node: &Node, field: &str) -> Result<i64, String> {
    Ok(node.info()?.number(field))
}

/// Waits until the replica is in sync, and compares.
fn meets(primary: &Node, replica: &Node) -> Result<(), String> {
    let has_met = || {
        let offsets = |node: &Node| number(node, "master_repl_offset").ok();
        replica.is_linked() && offsets(primary).is_some() && offsets(primary) == offsets(replica)
    };
    wait(LINKED, "the replica in sync", has_met)?;
    compare(primary, replica)
}

fn played(primary: &Node, replica: &Node, result: Result<(), String>) {
    if let Err(why) = result {
        panic!("{why}{}", report(primary, replica));
    }
}

/// While the replica is away, the primary writes more than the backlog holds, rewrites its log and
/// restarts. The replica comes back and continues.
pub fn come_back(kind: Kind) {
    let retain = ["--repl-log-retain", "64mb"];
    let mut primary = Node::start(Kind::Russet, &args(&[LOGGED, &retain].concat(), None));
    let mut replica = Node::start(kind, &args(&[], Some(primary.port())));
    let mut random = Random::new(1);
    let result = (|| {
        meets(&primary, &replica)?;
        write(&primary, &mut random, 100)?;
        meets(&primary, &replica)?;
        let full = number(&primary, "sync_full")?;
        for step in 0..4 {
            // The replica's snapshot contains its position.
            replica.ask("SAVE")?;
            let before = number(&primary, "sync_partial_ok")?;
            replica.server.kill();
            write(&primary, &mut random, 300)?;
            if step == 1 {
                for _ in 0..2 {
                    rewrite(&primary)?;
                    write(&primary, &mut random, 100)?;
                }
            }
            if step >= 2 {
                if step == 3 {
                    primary.server.kill();
                }
                primary.server.restart();
                write(&primary, &mut random, 100)?;
            }
            let first = number(&primary, "repl_log_first_byte_offset")?;
            if first != 1 {
                return Err(format!("the log begins at {first}"));
            }
            replica.server.restart();
            meets(&primary, &replica).map_err(|why| format!("step {step}: {why}"))?;
            let (fulls, partials) = match step {
                0 | 1 => (full, before + 1),
                // The counters of a new process begin at 0.
                _ => (0, 1),
            };
            let now = (
                number(&primary, "sync_full")?,
                number(&primary, "sync_partial_ok")?,
            );
            if now != (fulls, partials) {
                return Err(format!("step {step}: full and partial syncs are {now:?}"));
            }
            if !primary
                .server
                .log()
                .contains("bytes of the append only file")
            {
                return Err("the log was not used".to_owned());
            }
        }
        Ok(())
    })();
    played(&primary, &replica, result);
}

/// For a stopped replica the primary keeps only a bounded part of the stream in memory and does not
/// drop the replica, which continues when it reads again.
pub fn stop_reading(kind: Kind, megabytes: usize) {
    let own = [
        LOGGED,
        &["--client-output-buffer-limit", "replica 32mb 32mb 60"],
        // The replica reads nothing during the writes below, which take minutes on a slow machine.
        &["--repl-timeout", "3600"],
    ]
    .concat();
    let primary = Node::start(Kind::Russet, &args(&own, None));
    let patient = ["--repl-timeout", "3600"];
    let replica = Node::start(kind, &args(&patient, Some(primary.port())));
    let mut random = Random::new(2);
    let result = (|| {
        meets(&primary, &replica)?;
        // The writer always writes the same keys, so that the data does not grow.
        write(&primary, &mut random, 3000)?;
        meets(&primary, &replica)?;
        let used = || number(&primary, "repl_backlog_histlen");
        let mut most = 0;
        replica.server.signal(Signal::STOP);
        let written = (|| {
            for n in 0..megabytes {
                write(&primary, &mut random, 1500)?;
                most = most.max(used()?);
                // A rewrite replaces the file with the replica's position while the memory could
                // still serve it.
                if n == 3 {
                    rewrite(&primary)?;
                }
            }
            number(&primary, "connected_slaves")
        })();
        replica.server.signal(Signal::CONT);
        if written? != 1 {
            return Err("the replica was dropped".to_owned());
        }
        if most > 17 << 20 {
            return Err(format!("{most} bytes were held for it"));
        }
        if !primary
            .server
            .log()
            .contains("it is sent the stream from the append only file")
        {
            return Err(format!("the log was not used: {most} bytes at most"));
        }
        meets(&primary, &replica)?;
        write(&primary, &mut random, 100)?;
        meets(&primary, &replica)?;
        match number(&primary, "sync_full")? {
            1 => Ok(()),
            n => Err(format!("{n} full syncs")),
        }
    })();
    played(&primary, &replica, result);
}

/// A primary comes back without the end of its log. A replica that has more gets a full copy, and
/// the log names both offsets.
pub fn lose_the_end(kind: Kind) {
    let mut primary = Node::start(Kind::Russet, &args(LOGGED, None));
    let replica = Node::start(kind, &args(&[], Some(primary.port())));
    let mut random = Random::new(3);
    let result = (|| {
        meets(&primary, &replica)?;
        write(&primary, &mut random, 100)?;
        meets(&primary, &replica)?;
        let ahead = number(&replica, "slave_repl_offset")?;
        primary.server.kill();
        let file = primary
            .server
            .folder()
            .join("appendonlydir/appendonly.aof.1.incr.aof");
        let bytes = fs::read(&file).map_err(|error| error.to_string())?;
        let cut = fs::write(&file, &bytes[..bytes.len() - 5000]);
        cut.map_err(|error| error.to_string())?;
        primary.server.restart();
        meets(&primary, &replica)?;
        let info = primary.info()?;
        let reported = info.text("repl_replicas_ahead");
        if !reported.starts_with(&format!("count=1,last_offset={ahead},own_offset=")) {
            return Err(format!(
                "INFO says {reported:?}, the replica was at {ahead}"
            ));
        }
        if !primary
            .server
            .log()
            .contains(&format!("up to offset {ahead}, this server up to"))
        {
            return Err("the log does not name the offsets".to_owned());
        }
        match info.number("sync_full") {
            1 => Ok(()),
            n => Err(format!("{n} full syncs")),
        }
    })();
    played(&primary, &replica, result);
}

/// The test kills or stops either end at random moments, while writes and rewrites run. No crash
/// leads to a full sync, whatever both persist.
pub fn crash(kind: Kind, replica_args: &[&str], cycles: u64, seed: u64) {
    let own = [
        LOGGED,
        &["--appendfsync", "always", "--repl-log-retain", "256mb"],
    ]
    .concat();
    let mut primary = Node::start(Kind::Russet, &args(&own, None));
    let mut replica = Node::start(kind, &args(replica_args, Some(primary.port())));
    let mut random = Random::new(seed);
    let result = (|| {
        meets(&primary, &replica)?;
        for cycle in 0..cycles {
            let (kills, is_replica) = (random.chance(50), random.chance(50));
            let writes = 20 + random.below(150);
            write(&primary, &mut random, writes)?;
            if !kills && is_replica && !replica_args.contains(&"--appendonly") {
                replica.ask("SAVE")?;
            }
            let node = if is_replica {
                &mut replica
            } else {
                &mut primary
            };
            let has_position = !is_replica || !kills || replica_args.contains(&"--appendonly");
            if !has_position {
                continue;
            }
            if kills {
                node.server.kill();
            } else {
                node.server.terminate();
            }
            if is_replica {
                let writes = random.below(200);
                write(&primary, &mut random, writes)?;
                if random.chance(30) {
                    primary.ask("BGREWRITEAOF")?;
                }
                replica.server.restart();
            } else {
                primary.server.restart();
            }
            let before = number(&primary, "sync_full")?;
            meets(&primary, &replica)
                .map_err(|why| format!("seed {seed}, cycle {cycle}: {why}"))?;
            let after = number(&primary, "sync_full")?;
            let is_first = !is_replica && after > 0;
            if after != before || is_first {
                return Err(format!(
                    "seed {seed}, cycle {cycle}: a full sync after {} of the {}",
                    if kills { "a crash" } else { "a stop" },
                    if is_replica { "replica" } else { "primary" }
                ));
            }
        }
        Ok(())
    })();
    played(&primary, &replica, result);
}
