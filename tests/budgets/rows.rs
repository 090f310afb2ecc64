//! The inputs that grow, a row each.
//!
//! A row has a size `n`, a preparation, and the measured work, which runs once with `n` and once
//! with `2n`.

use std::time::Duration;

use crate::{
    measure::World,
    support::{Connection, resp::command},
};

/// An input that grows, and the cost that it may have.
pub struct Row {
    pub name: &'static str,
    pub n: usize,
    /// The preparation.
    pub before: fn(&mut World, usize),
    /// The measured work.
    pub run: fn(&mut World, usize),
    /// Bound on the rise of resident memory, bytes per `n`.
    pub bytes_each: usize,
    /// Bound on a turn at `2n`, which a debug build on a shared machine must keep.
    pub turn_ms: f64,
    /// A command that the row needs.
    pub needs: &'static str,
    /// The reason why the row may fail today; empty if it must not fail.
    pub open: &'static str,
}

impl Row {
    const fn new(name: &'static str, n: usize, run: fn(&mut World, usize)) -> Row {
        Row {
            name,
            n,
            before: |_, _| {},
            run,
            bytes_each: 0,
            turn_ms: 100.0,
            needs: "PING",
            open: "",
        }
    }
}

pub const ROWS: &[Row] = &[
    Row {
        bytes_each: 160,
        turn_ms: 300.0,
        open: "all that has been parsed is copied at each read",
        ..Row::new("arguments of one command", 100_000, |world, n| {
            let words = words("DEL", n);
            world.fill([words].into_iter());
        })
    },
    Row {
        bytes_each: 160,
        turn_ms: 300.0,
        open: "all that has been parsed is copied at each read",
        ..Row::new(
            "an unfinished command, in small pieces",
            60_000,
            |world, n| {
                let bytes = command(&words("DEL", n));
                world.connect();
                for piece in bytes.chunks(2048) {
                    world.clients[0].send(piece);
                    world.control.ask("PING");
                }
                world.clients[0].reply();
            },
        )
    },
    Row {
        bytes_each: 100,
        open: "a stopped client's input is copied again and again",
        ..Row::new("input behind BLPOP", 300_000, |world, n| {
            world.connect().send(&command(&["BLPOP", "queue", "0"]));
            world.until_blocked(1);
            world.clients[0].send(&command(&["PING"]).repeat(n));
            world.control.ask("RPUSH queue x");
            replies(&mut world.clients[0], n + 1);
        })
    },
    Row {
        bytes_each: 100,
        open: "a stopped client's input is copied again and again",
        ..Row::new("input behind WAIT", 300_000, |world, n| {
            world.connect().send(&command(&["WAIT", "1", "300"]));
            world.until_blocked(1);
            world.clients[0].send(&command(&["PING"]).repeat(n));
            replies(&mut world.clients[0], n + 1);
        })
    },
    Row {
        bytes_each: 100,
        ..Row::new("input behind CLIENT PAUSE", 150_000, |world, n| {
            world.control.ask("CLIENT PAUSE 100000 WRITE");
            world.connect();
            let mut bytes = command(&["SET", "k", "v"]);
            bytes.extend(command(&["PING"]).repeat(n));
            world.clients[0].send(&bytes);
            world.control.ask("CLIENT UNPAUSE");
            replies(&mut world.clients[0], n + 1);
        })
    },
    Row {
        bytes_each: 100,
        ..Row::new("a pipeline of inline commands", 200_000, |world, n| {
            world.connect().send(&b"PING\r\n".repeat(n));
            replies(&mut world.clients[0], n);
        })
    },
    Row {
        before: |world, n| {
            world.fill((0..n).map(|_| vec!["RPUSH".into(), "list".into(), text(100)]))
        },
        bytes_each: 300,
        turn_ms: 300.0,
        ..Row::new("LRANGE of n elements", 100_000, |world, _| {
            world
                .connect()
                .send(&command(&["LRANGE", "list", "0", "-1"]));
            world.clients[0].reply();
        })
    },
    Row {
        before: |world, _| {
            world.fill([vec!["SET".to_string(), "k".into(), text(10_000)]].into_iter())
        },
        bytes_each: 24_000,
        ..Row::new(
            "replies of 10 kB that nobody reads yet",
            3_000,
            |world, n| {
                world.connect().send(&command(&["GET", "k"]).repeat(n));
                world.until("PING", "+PONG\r\n");
                replies(&mut world.clients[0], n);
            },
        )
    },
    Row {
        before: |world, _| {
            for _ in 0..200 {
                world.connect().ask("WATCH k");
            }
        },
        bytes_each: 260,
        turn_ms: 400.0,
        ..Row::new(
            "MSET of a key that 200 clients watch",
            50_000,
            |world, n| {
                let mut words = vec!["MSET"];
                words.extend(["k", "v"].repeat(n));
                world.fill([words].into_iter());
            },
        )
    },
    Row {
        bytes_each: 700,
        turn_ms: 400.0,
        ..Row::new("WATCH of n keys in one command", 10_000, |world, n| {
            world.fill([words("WATCH", n)].into_iter());
            world.control.ask("UNWATCH");
        })
    },
    Row {
        bytes_each: 700,
        turn_ms: 200.0,
        ..Row::new("WATCH of n keys, one by one", 10_000, |world, n| {
            world.fill((0..n).map(|at| vec!["WATCH".to_string(), key(at)]));
            world.control.ask("MULTI");
            world.control.ask("EXEC");
        })
    },
    Row {
        before: |world, _| world.fill((0..2_000).map(|at| vec!["WATCH".to_string(), key(at)])),
        bytes_each: 2_000,
        ..Row::new("INFO while keys are watched", 400, |world, n| {
            world.fill((0..n).map(|_| vec!["INFO", "memory"]));
        })
    },
    Row {
        before: strings,
        bytes_each: 0,
        turn_ms: 200.0,
        ..Row::new("evictions of strings", 50_000, evict_all)
    },
    Row {
        before: |world, n| world.fill((0..n).map(|at| hash_of(at, 100))),
        bytes_each: 0,
        turn_ms: 200.0,
        ..Row::new("evictions of hashes of 100 fields", 2_000, evict_all)
    },
    Row {
        before: |world, n| members(world, "SADD", n),
        turn_ms: 100.0,
        ..Row::new("DEL of a set", 200_000, |world, _| gone(world, "DEL big"))
    },
    Row {
        before: |world, n| members(world, "SADD", n),
        ..Row::new("UNLINK of a set", 200_000, |world, _| {
            gone(world, "UNLINK big")
        })
    },
    Row {
        before: |world, n| members(world, "SADD", n),
        ..Row::new("expiry of a set", 200_000, |world, _| {
            gone(world, "PEXPIRE big 1")
        })
    },
    Row {
        before: |world, n| members(world, "RPUSH", n),
        turn_ms: 100.0,
        ..Row::new("DEL of a list", 200_000, |world, _| gone(world, "DEL big"))
    },
    Row {
        before: |world, n| {
            world.fill(
                (0..n).map(|at| vec!["ZADD".to_string(), "big".into(), at.to_string(), key(at)]),
            );
        },
        turn_ms: 100.0,
        ..Row::new("DEL of a sorted set", 100_000, |world, _| {
            gone(world, "DEL big")
        })
    },
    Row {
        before: |world, n| {
            strings(world, n);
            world.control.ask("DEBUG SET-ACTIVE-EXPIRE 0");
            world.fill((0..n).map(|at| vec!["PEXPIRE".to_string(), key(at), "1".into()]));
        },
        turn_ms: 100.0,
        ..Row::new("keys that expire at once", 50_000, |world, _| {
            world.control.ask("DEBUG SET-ACTIVE-EXPIRE 1");
            world.until("DBSIZE", ":0\r\n");
        })
    },
    Row {
        bytes_each: 500,
        turn_ms: 300.0,
        ..Row::new("a queue of MULTI", 50_000, |world, n| {
            world.control.ask("MULTI");
            world.fill((0..n).map(|at| vec!["SET".to_string(), key(at % 1000), "v".into()]));
            world.control.ask("EXEC");
        })
    },
    Row {
        before: |world, n| blocked(world, n),
        bytes_each: 3_000,
        ..Row::new("clients that wait for one key", 200, |world, n| {
            let mut words = vec!["RPUSH", "queue"];
            words.extend(["x"].repeat(n));
            world.fill([words].into_iter());
            for client in &mut world.clients {
                client.reply();
            }
        })
    },
    Row {
        before: |world, n| blocked(world, n),
        bytes_each: 3_000,
        ..Row::new("clients that wait, and leave", 200, |world, _| {
            world.clients.clear();
            world.until_blocked(0);
        })
    },
    Row {
        before: |world, _| {
            world.control.ask("CONFIG SET maxclients 10");
        },
        ..Row::new("connections over maxclients", 300, |world, n| {
            // Clients below the limit stay, all others get an error and are closed.
            for _ in 0..n {
                let mut client = world.daemon.connect();
                client.finish_sending();
                client.rest();
            }
        })
    },
    Row {
        before: |world, n| {
            world.allow_descriptors(false);
            for _ in 0..n {
                world.connect();
            }
        },
        // Redis retries without a pause; russet's cost is bounded.
        ..Row::new("accepts that fail, for half a second", 60, |world, _| {
            std::thread::sleep(Duration::from_millis(500));
            world.allow_descriptors(true);
        })
    },
    Row {
        needs: "PUBLISH",
        before: |world, n| {
            for _ in 0..n {
                world.connect().ask("SUBSCRIBE news");
            }
        },
        bytes_each: 20_000,
        ..Row::new("PUBLISH to n subscribers", 100, |world, _| {
            world.fill((0..200).map(|_| vec!["PUBLISH".to_string(), "news".into(), text(1000)]));
            for client in &mut world.clients {
                replies(client, 200);
            }
        })
    },
    Row {
        needs: "PUBLISH",
        bytes_each: 500,
        // Redis takes 40 to 45 ms, a build without optimisation 50 to 60.
        turn_ms: 160.0,
        ..Row::new("SUBSCRIBE to n channels", 10_000, |world, n| {
            world.connect().send(&command(&words("SUBSCRIBE", n)));
            replies(&mut world.clients[0], n);
        })
    },
];

fn key(at: usize) -> String {
    format!("key:{at:08}")
}

fn text(length: usize) -> String {
    "x".repeat(length)
}

/// A command with n keys.
fn words(name: &str, n: usize) -> Vec<String> {
    std::iter::once(name.to_string())
        .chain((0..n).map(key))
        .collect()
}

fn hash_of(at: usize, fields: usize) -> Vec<String> {
    let pairs = (0..fields).flat_map(|field| [format!("field:{field}"), text(100)]);
    ["HSET".to_string(), key(at)]
        .into_iter()
        .chain(pairs)
        .collect()
}

fn strings(world: &mut World, n: usize) {
    world.fill((0..n).map(|at| vec!["SET".to_string(), key(at), text(100)]));
}

/// A container of n elements, with the key `big`.
fn members(world: &mut World, name: &str, n: usize) {
    world.fill((0..n / 100).map(|hundred| {
        let members = (hundred * 100..(hundred + 1) * 100).map(key);
        [name.to_string(), "big".into()]
            .into_iter()
            .chain(members)
            .collect()
    }));
}

fn replies(client: &mut Connection, count: usize) {
    for _ in 0..count {
        client.reply();
    }
}

/// n clients that block on the key `queue`.
fn blocked(world: &mut World, n: usize) {
    for _ in 0..n {
        world.connect().send(&command(&["BLPOP", "queue", "0"]));
    }
    world.until_blocked(n as i64);
}

/// The limit evicts every key, and the remaining keys show how many were evicted.
fn evict_all(world: &mut World, _: usize) {
    world
        .control
        .ask("CONFIG SET maxmemory-policy allkeys-random maxmemory 1");
    world.until("DBSIZE", ":0\r\n");
    freed(world);
}

fn gone(world: &mut World, line: &str) {
    world.control.ask(line);
    world.until("EXISTS big", ":0\r\n");
    freed(world);
}

/// Waits for the threads that free memory.
fn freed(world: &mut World) {
    while world.number("lazyfree_pending_objects") > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}
