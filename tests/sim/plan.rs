//! The plan of a run: nodes with their settings, and events with their times, made from a seed.

use crate::random::Random;

/// The milliseconds with events; after them the network is healed.
pub const CHAOS_MS: u64 = 20_000;
pub const REPL_TIMEOUT_S: u64 = 4;

/// An event. Nodes are numbers; an event of a node that does not exist has no effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A client's command, already split into words.
    Run(usize, Vec<String>),
    /// Several commands in MULTI and EXEC, which set two keys to this number.
    Unit(usize, u64),
    /// This many commands at once, of this many bytes each.
    Burst(usize, usize, usize),
    /// A write, and WAIT for this many replicas.
    Wait(usize, usize, u64),
    /// Ends the connections between two nodes; each side still gets a part of the bytes on their
    /// way.
    Cut(usize, usize),
    /// The connections between two nodes carry no more bytes, and do not end.
    Silence(usize, usize),
    /// Two nodes cannot reach each other for this time; bytes on their way arrive afterwards.
    Part(usize, usize, u64),
    /// A node dies and is back after this time. `true`: with its machine, so unsynced bytes are
    /// lost and peers do not see connections end.
    Crash(usize, bool, u64),
    /// SHUTDOWN, and back after this time.
    Stop(usize, u64),
    Follow(usize, usize),
    Promote(usize),
    /// FAILOVER to this node or to any node, with a time limit, and with FORCE.
    Failover(usize, Option<usize>, Option<u64>, bool),
    /// The wall clock jumps.
    Jump(usize, i64),
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Options of each node.
    pub nodes: Vec<Vec<String>>,
    /// The primary of each node at the start.
    pub follows: Vec<Option<usize>>,
    pub events: Vec<(u64, Event)>,
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn options(random: &mut Random) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut set = |name: &str, value: &str| {
        all.push(format!("--{name}"));
        all.push(value.to_owned());
    };
    set("repl-timeout", &REPL_TIMEOUT_S.to_string());
    set("repl-ping-replica-period", "1");
    set(
        "repl-diskless-sync-delay",
        ["0", "0", "0", "1"][random.below(4)],
    );
    set("repl-diskless-sync", ["yes", "yes", "no"][random.below(3)]);
    let loads = ["disabled", "on-empty-db", "swapdb", "flush-before-load"];
    set("repl-diskless-load", loads[random.below(4)]);
    set(
        "repl-backlog-size",
        ["16384", "16384", "1mb"][random.below(3)],
    );
    set("flush-grace", ["0", "5", "60"][random.below(3)]);
    set("save", "");
    set("databases", "4");
    set("enable-debug-command", "yes");
    set("snapshot-method", "loop");
    if random.chance(20) {
        set("repl-backlog-ttl", "3");
    }
    if random.chance(50) {
        set("appendonly", "yes");
        set("appendfsync", ["always", "everysec"][random.below(2)]);
    }
    // Links are compressed if both nodes want it, which is a third of them.
    set(
        "repl-compression",
        ["lz4", "lz4", "lz4", "no", "no"][random.below(5)],
    );
    all
}

/// A client's write. There are few keys, so that commands meet.
fn write(random: &mut Random, number: u64) -> Vec<String> {
    let key = random.below(6);
    let n = number;
    words(&match random.below(20) {
        0..=3 => format!("SET s:{key} {n}"),
        4 => format!("SET x:{key} {n} PX {}", 1 + random.below(3000)),
        5 => format!("SET big:{} {}", key % 2, "b".repeat(1 + random.below(6000))),
        6 => format!("INCR n:{key}"),
        7 => format!("APPEND a:{key} {n},"),
        8 => format!("RPUSH l:{key} {n} {n}"),
        9 => format!("LPOP l:{key}"),
        10 => format!("SADD m:{key} {} {n}", n % 7),
        11 => format!("SPOP m:{key}"),
        12 => format!("HSET h:{key} f{} {n}", n % 5),
        13 => format!("ZADD z:{key} {n} e{}", n % 5),
        14 => format!("DEL s:{key} l:{key} x:{}", key / 2),
        15 => format!("PEXPIRE s:{key} {}", 1 + random.below(2000)),
        16 => format!("XADD t:{key} MAXLEN 5 * f {n}"),
        17 => format!("INCRBYFLOAT f:{key} 0.5"),
        18 => format!("PUBLISH channel {n}"),
        _ => match random.below(10) {
            0 => "FLUSHALL".to_owned(),
            1 => "FLUSHDB".to_owned(),
            2 => "SWAPDB 1 2".to_owned(),
            3 => format!("COPY s:{key} s:{key} DB 1 REPLACE"),
            4 => format!("MOVE s:{key} 2"),
            5 => "FLUSH UNDO".to_owned(),
            6 => "FLUSH UNDO REPLACE".to_owned(),
            7 => format!("HPEXPIRE h:{key} {} FIELDS 1 f1", 1 + random.below(2000)),
            _ => format!("GET x:{key}"),
        },
    })
}

impl Plan {
    pub fn new(seed: u64) -> Plan {
        let mut random = Random::new(seed.wrapping_mul(0x9e37).wrapping_add(77));
        let count = [2, 3, 3, 4][random.below(4)];
        let nodes = (0..count).map(|_| options(&mut random)).collect();
        let follows = (0..count)
            .map(|node| match node {
                0 => None,
                1 => Some(0),
                _ => Some(random.below(node)),
            })
            .collect();
        let mut events = Vec::new();
        let calm = random.chance(25);
        let mut at = 0;
        let mut number = 0;
        while at < CHAOS_MS {
            at += 10 + random.below(250) as u64;
            number += 1;
            let node = random.below(count);
            let other = (node + 1 + random.below(count - 1)) % count;
            let ms = 1 + random.below(9000) as u64;
            let event = match random.below(if calm { 75 } else { 100 }) {
                0..=54 => Event::Run(node, write(&mut random, number)),
                55..=61 => Event::Unit(node, number),
                62..=64 => Event::Burst(node, 1 + random.below(60), 1 + random.below(1500)),
                65..=69 => Event::Wait(node, 1 + random.below(2), number),
                70 => Event::Run(node, words("BGSAVE")),
                71 => Event::Run(node, words("BGREWRITEAOF")),
                72..=74 => Event::Cut(node, other),
                75..=77 => Event::Cut(node, other),
                78..=80 => Event::Silence(node, other),
                81..=84 => Event::Part(node, other, ms),
                85..=88 => Event::Crash(node, random.chance(50), ms / 3),
                89 => Event::Stop(node, ms / 3),
                90..=93 => Event::Follow(node, other),
                94..=95 => Event::Promote(node),
                96..=97 => {
                    let to = random.chance(70).then_some(other);
                    let limit = random.chance(60).then_some(ms / 3 + 1);
                    Event::Failover(node, to, limit, random.chance(30))
                }
                _ => Event::Jump(node, random.below(10_000) as i64 - 5000),
            };
            events.push((at, event));
        }
        Plan {
            seed,
            nodes,
            follows,
            events,
        }
    }
}
