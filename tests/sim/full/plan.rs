//! The settings and events of a full cache, made from a seed.

use crate::policies::POLICIES;
use crate::random::Random;

/// An event. An event names waiting clients by number, and any number stands for one of them.
#[derive(Clone, Debug)]
pub enum Event {
    /// The writer, in both runs: overwrites this many keys in a single pipeline.
    Overwrite(usize),
    /// Writes this many new keys.
    Insert(usize),
    /// Writes in a transaction, and by a script.
    Unit(usize),
    Script(usize),
    /// FLUSHALL with this word.
    Flush(&'static str),
    Policy(&'static str),

    /// A script, or a function, that builds this many kilobytes of strings and keeps none.
    Garbage(usize, bool),
    /// This many clients request this many keys this often, and read nothing.
    Readers(usize, usize, usize),
    /// The same with clients that read.
    Takers(usize, usize, usize),
    /// This many clients, each with this many kilobytes in a transaction's queue.
    Queues(usize, usize),
    /// This many clients, each with an incomplete command of this many kilobytes.
    Halves(usize, usize),
    Subscribers(usize),
    /// This many messages of this many kilobytes.
    Publish(usize, usize),
    Monitors(usize),
    /// A client that is sent a value again and again, while another client overwrites the value.
    Overwritten(usize),
    /// A client that has read keys, so that the server tracks them for it.
    Tracker(usize),
    /// A replica that reads, or does not read.
    Replica(bool),
    /// A waiting client continues: it reads, or ends its command or transaction.
    GoOn(usize),
    Leave(usize),
    Set(&'static str, &'static str),
    Save,
    Rewrite,
    /// Each write to the log takes this many microseconds longer.
    Disk(usize),
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Settings of both runs.
    pub common: Vec<(&'static str, &'static str)>,
    pub settings: Vec<(&'static str, &'static str)>,
    pub has_log: bool,
    /// The plan writes more than fits; otherwise it overwrites the keys of the start.
    pub grows: bool,
    /// The bytes of the backlog, if the plan may have replicas.
    pub backlog: usize,
    pub value_bytes: usize,
    /// The factor of the number of keys: `FULL_SCALE`.
    pub scale: usize,
    /// The keys at the start, and the bytes that `maxmemory` leaves for more.
    pub keys: usize,
    pub room: usize,
    /// Events, each with the milliseconds after it.
    pub events: Vec<(Event, u64)>,
}

/// An event of the writer. A cache that does not grow has only the keys of the start.
fn write(random: &mut Random, grows: bool, keys: usize) -> Event {
    match random.below(if grows { 16 } else { 11 }) {
        0..=6 => Event::Overwrite(1 + random.below(keys)),
        7 => Event::Unit(1 + random.below(keys / 4)),
        8..=9 => Event::Script(1 + random.below(keys / 4)),
        10 => Event::Policy(POLICIES[random.below(POLICIES.len())]),
        11 if random.chance(10) => Event::Flush(["ASYNC", "SYNC"][random.below(2)]),
        _ => Event::Insert(1 + random.below(keys / 2)),
    }
}

/// An event of any other kind.
fn beside(random: &mut Random, has_replicas: bool, grows: bool) -> Event {
    match random.below(34) {
        0..=3 => Event::Garbage(1 + random.below(8000), random.chance(30)),
        4..=7 => Event::Readers(
            1 + random.below(30),
            1 + random.below(40),
            1 + random.below(60),
        ),
        8..=9 => Event::Takers(
            1 + random.below(80),
            1 + random.below(4),
            1 + random.below(30),
        ),
        10..=11 => Event::Queues(1 + random.below(10), 1 + random.below(900)),
        12..=13 => Event::Halves(1 + random.below(10), 1 + random.below(1000)),
        14 => Event::Subscribers(1 + random.below(20)),
        15..=16 => Event::Publish(1 + random.below(40), 1 + random.below(100)),
        17 => Event::Monitors(1 + random.below(4)),
        // Only in a cache that does not grow, because the evicted keys are unknown and this key is
        // large.
        18 if !grows => Event::Overwritten(1 + random.below(8)),
        19 => Event::Tracker(1 + random.below(200)),
        20..=21 if has_replicas => Event::Replica(random.chance(40)),
        22..=25 => Event::GoOn(random.below(1000)),
        26..=27 => Event::Leave(random.below(1000)),
        28 => Event::Save,
        29 => Event::Rewrite,
        30 => Event::Disk([0, 300, 3000, 30_000][random.below(4)]),
        _ => {
            let (name, values) = CHANGES[random.below(CHANGES.len())];
            Event::Set(name, values[random.below(values.len())])
        }
    }
}

/// Settings that may change at any moment.
const CHANGES: [(&str, &[&str]); 5] = [
    ("maxmemory-clients", &["0", "1mb", "5mb", "50%"]),
    (
        "client-output-buffer-limit",
        &[
            "normal 0 0 0",
            "normal 2mb 500kb 1",
            "pubsub 32mb 8mb 60",
            "pubsub 1mb 100kb 1",
            "replica 256mb 64mb 60",
            "replica 1mb 300kb 1",
        ],
    ),
    ("appendfsync", &["no", "everysec"]),
    ("client-query-buffer-limit", &["1gb", "1mb"]),
    ("maxmemory-eviction-tenacity", &["10", "0", "60"]),
];

impl Plan {
    pub fn new(seed: u64) -> Plan {
        let mut random = Random::new(seed.wrapping_mul(0x9e37).wrapping_add(4242));
        let grows = random.chance(45);
        let has_replicas = random.chance(40);
        let has_log = random.chance(75);
        let backlog = if has_replicas {
            *random.pick(&[16 << 10, 64 << 10])
        } else {
            0
        };
        let value_bytes = *random.pick(&[300, 1000, 2000, 2000, 6000]);
        let scale = russet_host::simulation::number("FULL_SCALE").map_or(1, |scale| scale as usize);
        let keys = scale * (if grows { 3 << 20 } else { 2 << 20 }) / value_bytes;
        // More than the memory that counts besides keys (`world::beside_keys`).
        let room = backlog + (5 << 18) + random.below(512 << 10);
        let room = if grows { room + (4 << 20) } else { room };
        let policy = *random.pick(&POLICIES);
        let common = vec![
            ("maxmemory-policy", policy),
            ("flush-grace", *random.pick(&["0", "1", "60"])),
            ("maxmemory-eviction-tenacity", *random.pick(&["10", "100"])),
            ("slowlog-log-slower-than", *random.pick(&["0", "10000"])),
            ("hz", *random.pick(&["10", "50"])),
        ];
        let mut settings = vec![
            ("tracking-table-max-keys", "60"),
            ("repl-diskless-sync-delay", "0"),
            ("maxmemory-clients", *random.pick(&["0", "0", "3mb"])),
        ];
        // With `always` the loop waits for each write to the log.
        let slowest = if has_log {
            let fsync = *random.pick(&["no", "everysec", "everysec", "always"]);
            settings.push(("appendfsync", fsync));
            if fsync == "always" { 300 } else { usize::MAX }
        } else {
            0
        };
        let events = (0..12 + random.below(30)).map(|_| {
            let is_write = random.chance(45);
            let event = if is_write {
                write(&mut random, grows, keys)
            } else {
                beside(&mut random, has_replicas, grows)
            };
            let event = match event {
                Event::Disk(micros) => Event::Disk(micros.min(slowest)),
                Event::Set("appendfsync", _) if slowest == 300 => Event::Save,
                event => event,
            };
            (event, *random.pick(&[0, 0, 1, 20, 100, 300]))
        });
        let mut events: Vec<_> = events.collect();
        // More keys than fit.
        if grows {
            for _ in 0..8 {
                let at = random.below(events.len() + 1);
                events.insert(at, (Event::Insert(keys / 2), 10));
            }
        }
        Plan {
            seed,
            common,
            settings,
            has_log,
            grows,
            backlog,
            value_bytes,
            scale,
            keys,
            room,
            events,
        }
    }
}
