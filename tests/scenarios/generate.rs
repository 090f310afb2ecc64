//! Generates a scenario from a seed.
//!
//! Each scenario has two or three themes, and most of its steps are from them, so that related
//! commands meet often. The generator leaves out commands that a server lacks.

use std::collections::BTreeSet;

use crate::{
    random::Random,
    scenario::{Act, CLIENTS, Scenario, Step},
};

/// Related lines. [`word`] fills in each `{word}`; `;` separates commands that a connection sends
/// in a single write.
struct Theme {
    name: &'static str,
    lines: &'static [&'static str],
}

// FLUSHALL and FLUSHDB only with ASYNC or in a transaction, because otherwise Redis empties the
// data on a thread and replies afterwards, in no particular turn.

const DATA: &[&str] = &[
    "RPUSH {list} {value}",
    "RPUSH {list} {value} {value}",
    "LPUSH {list} {value}",
    "LPOP {list}",
    "LRANGE {list} 0 -1",
    "ZADD {zset} {number} {value}",
    "ZADD {zset} 1 a 2 b 3 c",
    "ZPOPMIN {zset}",
    "SET {string} {value}",
    "GET {string}",
    "INCR {string}",
    "APPEND {string} {value}",
    "HSET {hash} {value} {value}",
    "SADD {set} {value}",
    "DEL {key}",
    "UNLINK {key} {key}",
    "RENAME {key} {key}",
    "COPY {key} {key} REPLACE",
    "MOVE {key} {db}",
    "ECHO {value}",
];

const THEMES: &[Theme] = &[
    Theme {
        name: "blocking",
        lines: &[
            "BLPOP {list} {list} 0",
            "BRPOP {list} 0",
            "BLPOP {zset} {list} 0",
            "BLMOVE {list} {list} LEFT RIGHT 0",
            "BLMOVE {list} {list} RIGHT LEFT 0",
            "BRPOPLPUSH {list} {list} 0",
            "BLMPOP 0 2 {list} {list} LEFT COUNT 2",
            "BZPOPMIN {zset} 0",
            "BZPOPMAX {zset} {zset} 0",
            "BZMPOP 0 2 {zset} {zset} MIN COUNT 2",
            "BLPOP {list} 0 ; ECHO {value}",
            "BLPOP {list} 0 ; RPUSH {list} {value} ; ECHO {value}",
            "ECHO {value} ; BLPOP {list} 0 ; BLPOP {list} 0",
            "WAIT 1 0",
            "WAIT 0 0",
            "XREAD BLOCK 0 STREAMS {stream} $",
            "XADD {stream} 1-* f {value}",
            "RPUSH {list} {value}",
            "RPUSH {list} {value} {value} {value}",
            "ZADD {zset} {number} {value}",
            "RENAME {key} {list}",
            "COPY {list} {list} REPLACE",
            "SORT {list} ALPHA STORE {list}",
            "LMOVE {list} {list} LEFT LEFT",
        ],
    },
    Theme {
        name: "timeouts",
        lines: &[
            "BLPOP {list} {short}",
            "BLPOP {list} {list} {short} ; ECHO {value}",
            "BLMOVE {list} {list} LEFT RIGHT {short}",
            "BLMPOP {short} 1 {list} LEFT",
            "BZPOPMIN {zset} {short}",
            "BZMPOP {short} 1 {zset} MIN",
            "WAIT 1 {short_ms}",
            "WAIT 1 {short_ms} ; ECHO {value}",
            "MULTI ; BLPOP {list} {short} ; WAIT 1 {short_ms} ; EXEC",
        ],
    },
    Theme {
        name: "replies",
        lines: &[
            "CLIENT REPLY OFF",
            "CLIENT REPLY ON",
            "CLIENT REPLY ON",
            "CLIENT REPLY SKIP",
            "CLIENT REPLY SKIP ; GET {string} ; ECHO {value}",
            "CLIENT REPLY SKIP ; BLPOP {list} 0 ; ECHO {value}",
            "CLIENT REPLY OFF ; BLPOP {list} 0 ; CLIENT REPLY ON",
            "CLIENT REPLY SKIP ; CLIENT REPLY ON ; ECHO {value}",
            "CLIENT REPLY SKIP ; RESET",
            "CLIENT REPLY OFF ; RESET ; ECHO {value}",
            "CLIENT REPLY OFF ; NOSUCH ; CLIENT REPLY ON",
            "CLIENT REPLY SKIP ; MULTI ; ECHO {value} ; EXEC",
        ],
    },
    Theme {
        name: "replies of timeouts",
        lines: &[
            "CLIENT REPLY OFF ; BLPOP {list} {short}",
            "CLIENT REPLY SKIP ; BLMOVE {list} {list} LEFT RIGHT {short} ; ECHO {value}",
            "CLIENT REPLY SKIP ; WAIT 1 {short_ms} ; ECHO {value}",
            "CLIENT REPLY OFF ; WAIT 1 {short_ms} ; CLIENT REPLY ON",
            "CLIENT REPLY ON",
        ],
    },
    Theme {
        name: "transactions",
        lines: &[
            "MULTI",
            "EXEC",
            "DISCARD",
            "MULTI ; RPUSH {list} {value} ; DEL {list} ; EXEC",
            "MULTI ; RPUSH {list} {value} ; ZADD {zset} {number} {value} ; EXEC",
            "MULTI ; BLPOP {list} 0 ; SET {string} {value} ; EXEC",
            "MULTI ; INCR {key} ; GET {key} ; EXEC",
            "MULTI ; NOSUCH ; EXEC",
            "MULTI ; GET ; EXEC",
            "MULTI ; SELECT {db} ; SET {string} {value} ; EXEC",
            "MULTI ; WATCH {key}",
            "MULTI ; MULTI",
        ],
    },
    Theme {
        name: "watches",
        lines: &[
            "WATCH {key}",
            "WATCH {key} {key} {key}",
            "WATCH {key} ; WATCH {key}",
            "UNWATCH",
            "WATCH {key} ; MULTI ; ECHO {value}",
            "EXEC",
            "MULTI ; UNWATCH ; EXEC",
            "DISCARD",
            "FLUSHDB ASYNC",
            "MULTI ; FLUSHDB ; EXEC",
            "SWAPDB {db} {db}",
            "SELECT {db}",
            "MSET {string} {value} {string} {value}",
            "DEL {key}",
        ],
    },
    Theme {
        name: "expiry",
        lines: &[
            "SET {string} {value} PX {short_ms}",
            "PEXPIRE {key} {short_ms}",
            "WATCH {key} ; PEXPIRE {key} {short_ms}",
            "WATCH {key}",
            "MULTI ; GET {key} ; EXEC",
            "EXPIRE {key} 100",
            "PERSIST {key}",
            "EXPIRE {key} 0",
            "PEXPIREAT {key} 1",
            "GETEX {string} PX {short_ms}",
            "TTL {key}",
            "EXISTS {key} {key}",
            "DBSIZE",
            "HPEXPIRE {hash} {short_ms} FIELDS 1 a",
            "HGETALL {hash}",
            "HSET {hash} a 1 b 2",
            "TOUCH {key}",
            "RENAME {key} {key}",
            "COPY {key} {key}",
            "SWAPDB {db} {db}",
        ],
    },
    Theme {
        name: "pause",
        lines: &[
            "CLIENT PAUSE 100000 WRITE",
            "CLIENT PAUSE 100000 WRITE",
            "CLIENT UNPAUSE",
            "CLIENT UNPAUSE",
            "CLIENT UNPAUSE",
            "SET {string} {value} ; GET {string}",
            "GET {string} ; SET {string} {value}",
            "MULTI ; SET {string} {value} ; EXEC",
            "MULTI ; GET {string} ; EXEC",
            "PUBLISH {channel} {value}",
            "BLPOP {list} 0",
        ],
    },
    Theme {
        name: "kills",
        lines: &[
            "CLIENT KILL ID {id}",
            "CLIENT KILL ID {id} SKIPME NO",
            "CLIENT KILL ID {id} SKIPME YES",
            "CLIENT KILL {addr}",
            "CLIENT KILL ADDR {addr} SKIPME NO ; ECHO {value}",
            "CLIENT KILL ID {id} ID {id}",
            "CLIENT KILL ID {id} USER nobody",
            "CLIENT KILL TYPE pubsub",
            "CLIENT UNBLOCK {id}",
            "CLIENT UNBLOCK {id}",
            "CLIENT UNBLOCK {id} ERROR",
            "CLIENT UNBLOCK {id} TIMEOUT",
            "QUIT ; ECHO {value}",
            "BLPOP {list} 0",
            "BZPOPMIN {zset} 0",
            "WATCH {key}",
            "{reconnect}",
            "{reconnect}",
        ],
    },
    Theme {
        name: "connections",
        lines: &[
            "RESET",
            "RESET ; ECHO {value}",
            "SELECT {db}",
            "HELLO 3",
            "HELLO 2",
            "HELLO 3 SETNAME {value}",
            "CLIENT SETNAME {value}",
            "CLIENT GETNAME",
            "CLIENT NO-EVICT ON",
            "CLIENT NO-TOUCH ON",
            "CLIENT NO-TOUCH OFF",
            "CLIENT SETINFO LIB-NAME {value}",
            "AUTH wrong",
            "NOSUCH {value}",
            "GET",
            "CLIENT REPLY MAYBE",
            "SELECT 99",
        ],
    },
    Theme {
        name: "databases",
        lines: &[
            "SWAPDB 0 1",
            "SWAPDB {db} {db}",
            "SELECT {db}",
            "FLUSHDB ASYNC",
            "FLUSHALL ASYNC",
            "MULTI ; FLUSHALL ; EXEC",
            "MOVE {key} {db}",
            "COPY {key} {key} DB {db}",
            "BLPOP {list} 0",
            "WATCH {key}",
            "DBSIZE",
        ],
    },
    Theme {
        name: "configuration",
        lines: &[
            "CONFIG SET maxmemory 0",
            "CONFIG SET maxmemory 0",
            "CONFIG SET maxmemory 1",
            "CONFIG SET maxmemory-policy noeviction",
            "CONFIG SET maxmemory-policy allkeys-lru",
            "CONFIG SET maxmemory-policy allkeys-random",
            "CONFIG SET maxmemory-policy volatile-ttl",
            "CONFIG SET maxmemory-policy volatile-lru",
            "CONFIG SET hash-max-listpack-entries 1",
            "CONFIG SET list-max-listpack-size 2",
            "CONFIG SET set-max-listpack-entries 1",
            "CONFIG SET zset-max-listpack-entries 1",
            "CONFIG SET nosuch 1",
            "CONFIG SET maxmemory 1 maxmemory nosuch",
            "CONFIG RESETSTAT",
            "MULTI ; RPUSH {list} {value} ; CONFIG SET maxmemory 1 ; EXEC",
            "MULTI ; ZADD {zset} 1 {value} ; CONFIG SET maxmemory 0 ; EXEC",
            "BLMOVE {list} {list} LEFT RIGHT 0",
            "BLPOP {list} 0",
            "HINCRBY {hash} a 1",
            "HINCRBYFLOAT {hash} b 1.5",
            "OBJECT ENCODING {key}",
            "EXPIRE {key} 100",
        ],
    },
    Theme {
        name: "subscriptions",
        lines: &[
            "SUBSCRIBE {channel}",
            "SUBSCRIBE {channel} {channel}",
            "PSUBSCRIBE n*",
            "PSUBSCRIBE * n?ws",
            "SSUBSCRIBE {channel}",
            "UNSUBSCRIBE",
            "UNSUBSCRIBE {channel}",
            "PUNSUBSCRIBE",
            "SUNSUBSCRIBE",
            "PUBLISH {channel} {value}",
            "PUBLISH {channel} {value}",
            "SPUBLISH {channel} {value}",
            "PUBSUB NUMSUB {channel}",
            "MULTI ; PUBLISH {channel} {value} ; ECHO {value} ; EXEC",
            "SUBSCRIBE {channel} ; PUBLISH {channel} {value} ; ECHO {value}",
            "CONFIG SET notify-keyspace-events KEA",
            "CONFIG SET notify-keyspace-events \"\"",
            "PSUBSCRIBE __key*__:*",
            "PING",
            "RESET",
            "HELLO 3",
        ],
    },
];

/// Themes with timeouts: a gap follows each step.
const WITH_GAPS: &[&str] = &["timeouts", "replies of timeouts", "expiry"];

/// Longer than every `{short}`, with a margin for a busy machine.
const GAP_MS: u64 = 25;
const SHORT_MS: &str = "8";
const SHORT: &str = "0.008";

/// The material of scenarios, for servers that have these commands.
pub struct Generator {
    themes: Vec<(&'static str, Vec<&'static str>)>,
    data: Vec<&'static str>,
}

impl Generator {
    pub fn new(has_command: impl Fn(&str) -> bool) -> Generator {
        let known = |line: &&str| {
            commands_of(line)
                .all(|name| ["NOSUCH", "{reconnect}"].contains(&name) || has_command(name))
        };
        let keep = |lines: &[&'static str]| lines.iter().copied().filter(known).collect::<Vec<_>>();
        let subscribe = has_command("PUBLISH");
        let themes = THEMES
            .iter()
            .filter(|theme| theme.name != "subscriptions" || subscribe)
            .map(|theme| (theme.name, keep(theme.lines)))
            .collect();
        Generator {
            themes,
            data: keep(DATA),
        }
    }

    /// The scenario that belongs to a seed.
    pub fn scenario(&self, seed: u64) -> Scenario {
        let mut random = Random::new(seed);
        let themes: Vec<_> = (0..2 + random.below(2))
            .map(|_| random.pick(&self.themes))
            .collect();
        let gap_ms = if themes.iter().any(|(name, _)| WITH_GAPS.contains(name)) {
            GAP_MS
        } else {
            0
        };
        // Steps with gaps take longer.
        let length = if gap_ms > 0 { 12 } else { 30 };
        let mut steps = Vec::new();
        while steps.len() < length {
            let line = if random.chance(30) {
                random.pick(&self.data)
            } else {
                let (_, lines) = random.pick(&themes);
                random.pick(lines)
            };
            let client = random.below(CLIENTS);
            let together = random.chance(15);
            for (at, command) in line.split(" ; ").enumerate() {
                steps.push(Step {
                    client,
                    act: act(command, &mut random),
                    joined: !steps.is_empty() && (at > 0 || together),
                });
            }
        }
        Scenario {
            seed,
            steps,
            gap_ms,
        }
    }
}

/// The commands of all lines.
pub fn command_names() -> BTreeSet<&'static str> {
    let lines = THEMES.iter().flat_map(|theme| theme.lines).chain(DATA);
    lines.flat_map(|line| commands_of(line)).collect()
}

fn commands_of(line: &str) -> impl Iterator<Item = &str> {
    line.split(" ; ")
        .filter_map(|command| command.split(' ').next())
}

fn act(command: &str, random: &mut Random) -> Act {
    if command == "{reconnect}" {
        return Act::Reconnect;
    }
    Act::Send(command.split(' ').map(|at| word(at, random)).collect())
}

/// Few keys, so that connections share them.
const KEYS: &[&str] = &["l1", "l2", "l3", "z1", "z2", "s1", "s2", "h", "m"];

fn word(template: &str, random: &mut Random) -> String {
    let mut one_of = |words: &[&str]| random.pick(words).to_string();
    match template {
        "{list}" => one_of(&["l1", "l1", "l2", "l3"]),
        "{zset}" => one_of(&["z1", "z1", "z2"]),
        "{string}" => one_of(&["s1", "s1", "s2"]),
        "{hash}" => "h".to_string(),
        "{set}" => "m".to_string(),
        "{stream}" => "x".to_string(),
        "{key}" => one_of(KEYS),
        "{value}" => one_of(&["a", "b", "c", "10", "text"]),
        "{number}" => one_of(&["1", "2", "3.5"]),
        "{db}" => one_of(&["0", "0", "1"]),
        "{channel}" => one_of(&["news", "notes"]),
        "{short}" => SHORT.to_string(),
        "{short_ms}" => SHORT_MS.to_string(),
        "{id}" => format!("{{id:{}}}", random.below(CLIENTS)),
        "{addr}" => format!("{{addr:{}}}", random.below(CLIENTS)),
        "\"\"" => String::new(),
        plain => {
            assert!(!plain.starts_with('{'), "{plain} has no meaning");
            plain.to_string()
        }
    }
}
