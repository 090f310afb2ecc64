//! Writes while replicas come and go: commands of all types in several databases, from threads that
//! reconnect.
//!
//! There are few keys, so that commands meet. A name begins with its type, so that no command is
//! refused because of the type. Short times of expiry are over within a second, long times outlast
//! the test.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::thread;
use std::time::Duration;

use crate::support::Connection;
use crate::support::random::Random;
use crate::support::resp::{Reply, command, printable};

/// The number of databases in use.
pub const DATABASES: usize = 4;
/// The fields of `fields:` hashes: f0, f1, ...
pub const FIELDS_WITH_TTL: usize = 8;

/// The database that the writers empty and swap with the database before it.
const EMPTIED: usize = DATABASES - 1;
const LIBRARY: &str = "#!lua name=lib\nredis.register_function('note', function(keys, args)\n\
    redis.call('INCR', keys[1]) return redis.call('LPUSH', keys[2], args[1]) end)";
const SCRIPT: &str = "redis.call('INCR', KEYS[1]) redis.call('INCR', KEYS[2])\n\
    redis.call('SET', KEYS[3], redis.call('TIME')[2], 'PX', 600) return redis.call('SPOP', KEYS[4])";

type Words = Vec<Vec<u8>>;

fn words(line: &str) -> Words {
    let words = line.split_ascii_whitespace();
    words.map(|word| word.as_bytes().to_vec()).collect()
}

/// The abilities that both ends of a pair share.
#[derive(Clone, Copy)]
pub struct Knows {
    /// TTLs of hash fields.
    pub field_ttls: bool,
    /// HPERSIST of a field that expires while the command travels.
    pub late_hpersist: bool,
    /// Both write a score that is no multiple of a half in the same way in DEBUG DIGEST.
    pub fractions: bool,
}

/// Makes commands.
struct Source {
    random: Random,
    knows: Knows,
    count: u64,
}

impl Source {
    fn number(&mut self, limit: usize) -> usize {
        self.random.below(limit)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.random.below(256) as u8).collect()
    }

    /// A batch: a database, and commands in it, often in a transaction.
    fn batch(&mut self) -> Vec<Words> {
        let db = self.number(DATABASES);
        let mut batch = vec![words(&format!("SELECT {db}"))];
        match self.number(20) {
            0..4 => {
                batch.push(words("MULTI"));
                batch.extend((0..self.random.few()).map(|_| self.of_all_types()));
                if self.random.chance(30) {
                    batch.push(words(&format!("SELECT {}", self.number(DATABASES))));
                    batch.push(self.of_all_types());
                }
                batch.push(words("EXEC"));
            }
            // The reader of the replica sees both writes or neither.
            4..8 => {
                for line in ["SELECT 0", "MULTI", "INCR both:a", "INCR both:b", "EXEC"] {
                    batch.push(words(line));
                }
            }
            8 => {
                batch.push(words("SELECT 0"));
                let name = format!("string:{}", self.number(50));
                let keys = ["both:a", "both:b", &name, "set:1"];
                let mut script = vec![b"EVAL".to_vec(), SCRIPT.as_bytes().to_vec(), b"4".to_vec()];
                script.extend(keys.map(|key| key.as_bytes().to_vec()));
                batch.push(script);
            }
            9 if self.random.chance(20) => batch.push(self.of_a_database()),
            10 if self.random.chance(20) => batch.push(self.large()),
            11 if self.random.chance(30) => batch.extend(self.with_functions()),
            _ => batch.extend((0..20).map(|_| self.of_all_types())),
        }
        batch
    }

    fn of_a_database(&mut self) -> Words {
        words(&match self.number(4) {
            0 => format!("SWAPDB {} {}", EMPTIED - 1, EMPTIED),
            1 => format!("MOVE string:{} {EMPTIED}", self.number(50)),
            2 => format!(
                "COPY list:{0} list:{0} DB {EMPTIED} REPLACE",
                self.number(9)
            ),
            // In a script, because the connection may have any database. ASYNC, because a plain
            // flush blocks the link of a Redis 8 replica for a moment, and a link that is cut then
            // is not resumed.
            _ => format!("EVAL redis.call('SELECT',{EMPTIED})redis.call('FLUSHDB','ASYNC') 0"),
        })
    }

    fn large(&mut self) -> Words {
        let name = format!("string:large{}", self.number(2)).into_bytes();
        let length = 1 << (14 + self.number(6));
        let value = self.bytes(1024).repeat(length / 1024);
        vec![b"SET".to_vec(), name, value]
    }

    fn with_functions(&mut self) -> Vec<Words> {
        let mut load = words("FUNCTION LOAD REPLACE");
        load.push(format!("{LIBRARY} -- {}", self.number(100)).into_bytes());
        let call = format!("FCALL note 2 string:calls list:calls {}", self.count);
        vec![load, words(&call)]
    }

    fn of_all_types(&mut self) -> Words {
        self.count += 1;
        let (n, m, small) = (self.number(1000), self.number(1000), self.number(9));
        let (a, b) = (self.number(9), self.number(9));
        let text = format!("v{}-{m}", self.count);
        let half = if self.knows.fractions { m } else { 5 };
        let line = match self.number(14) {
            0..3 => match self.number(16) {
                0..4 => format!("SET string:{} {text}", n % 50),
                4 => format!("SET string:{} {text} PX {}", n % 50, 1 + m % 500),
                5 => format!("SET string:{} {text} EX {}", n % 50, 10_000 + m),
                6 => format!("GETEX string:{} PX {}", n % 50, 1 + m % 500),
                7 => format!("APPEND string:{} {text}", n % 50),
                8 => format!("SETRANGE string:{} {} {text}", n % 50, m % 300),
                9 => format!("SETBIT bits:{a} {n} 1"),
                10 => format!("BITOP XOR bits:{a} bits:{b} bits:1"),
                11 => format!("INCRBYFLOAT float:{a} 0.{n}"),
                12 => format!("INCRBY integer:{a} {n}"),
                13 => format!("GETDEL string:{}", n % 50),
                14 => format!("MSET string:{a} {text} string:{} {m}", n % 50),
                _ => format!("BITFIELD bits:{a} INCRBY u5 {} {small}", n % 80),
            },
            3..5 => match self.number(12) {
                0..3 => format!("RPUSH list:{a} {text} {n}"),
                3..5 => format!("LPUSH list:{a} {text}"),
                5 => format!("LPOP list:{a} {}", 1 + small),
                6 => format!("LMOVE list:{a} list:{b} LEFT RIGHT"),
                7 => format!("LREM list:{a} 1 {n}"),
                8 => format!("LTRIM list:{a} -200 -1"),
                9 => format!("LINSERT list:{a} BEFORE {n} {text}"),
                10 => format!("BLPOP list:{a} list:{b} 0.005"),
                _ => format!("BLMOVE list:{a} list:{b} RIGHT LEFT 0.005"),
            },
            5..7 => match self.number(9) {
                0..3 => format!("SADD set:{a} {text} {n}"),
                3 => format!("SADD set:{a} {n} {m}"),
                4 => format!("SPOP set:{a} {small}"),
                5 => format!("SREM set:{a} {n}"),
                6 => format!("SUNIONSTORE set:{a} set:{b} set:{small}"),
                7 => format!("SDIFFSTORE set:{a} set:{b} set:{small}"),
                _ => format!("SMOVE set:{a} set:{b} {n}"),
            },
            7..9 => match self.number(10) {
                0..3 => format!("HSET hash:{a} {} {text} f{m} {n}", n % 200),
                3 => format!("HINCRBYFLOAT hash:{a} float 1.{n}"),
                4 => format!("HINCRBY hash:{a} integer {n}"),
                5 => format!("HDEL hash:{a} {}", n % 200),
                _ if !self.knows.field_ttls => format!("HSETNX hash:{a} x{n} {m}"),
                6 => format!("HSET fields:{a} f{} {text}", n % FIELDS_WITH_TTL),
                7 => format!(
                    "HPEXPIRE fields:{a} {} FIELDS 2 f{} f{}",
                    1 + m % 500,
                    n % FIELDS_WITH_TTL,
                    m % FIELDS_WITH_TTL
                ),
                8 => format!(
                    "HEXPIRE fields:{a} {} FIELDS 1 f{}",
                    10_000 + m,
                    n % FIELDS_WITH_TTL
                ),
                _ if !self.knows.late_hpersist => format!("HSETNX hash:{a} x{n} {m}"),
                _ => format!("HPERSIST fields:{a} FIELDS 1 f{}", n % FIELDS_WITH_TTL),
            },
            9..11 => match self.number(10) {
                0..4 => format!("ZADD zset:{a} {n}.{half} m{} {m} {text}", n % 100),
                4 => format!("ZINCRBY zset:{a} 0.{half} m{}", n % 100),
                5 => format!("ZPOPMIN zset:{a} {small}"),
                6 => format!("ZREMRANGEBYSCORE zset:{a} {n} ({m}"),
                7 => format!("ZUNIONSTORE zset:{a} 2 zset:{b} set:{small} WEIGHTS 1 2"),
                8 => format!("BZPOPMAX zset:{a} zset:{b} 0.005"),
                _ => format!("GEOADD geo:{a} {}.{m} {}.{n} p{}", n % 80, m % 80, n % 100),
            },
            11..13 => match self.number(14) {
                0..4 => format!("XADD stream:{a} * f {text} g {n}"),
                4 => format!("XADD stream:{a} MAXLEN ~ 300 * f {text}"),
                5 => format!("XGROUP CREATE stream:{a} group{} 0 MKSTREAM", n % 2),
                6..8 => format!(
                    "XREADGROUP GROUP group{} c{} COUNT {small} STREAMS stream:{a} >",
                    n % 2,
                    m % 3
                ),
                8 => format!("XREADGROUP GROUP group0 c0 COUNT 3 NOACK STREAMS stream:{a} >"),
                9 => {
                    let keys = [
                        ACKNOWLEDGES,
                        "1",
                        &format!("stream:{a}"),
                        &format!("group{}", n % 2),
                    ];
                    let mut script = words("EVAL");
                    script.extend(keys.map(|word| word.as_bytes().to_vec()));
                    return script;
                }
                10 => format!(
                    "XAUTOCLAIM stream:{a} group{} c{} 0 0 COUNT 3",
                    n % 2,
                    m % 3
                ),
                11 => format!("XTRIM stream:{a} MAXLEN {}", 100 + n),
                12 => format!("XGROUP SETID stream:{a} group1 $"),
                _ => format!("XGROUP DELCONSUMER stream:{a} group1 c{}", m % 3),
            },
            _ => match self.number(12) {
                0..3 => format!("PFADD hll:{a} {n} {m} {text}"),
                3 => format!("PFMERGE hll:{a} hll:{b}"),
                4 => format!("PFCOUNT hll:{a}"),
                5 => format!("PUBLISH news {text}"),
                6 => format!("PEXPIRE list:{a} {}", 1 + m % 500),
                7 => format!("EXPIRE set:{a} {} NX", 10_000 + n),
                8 => format!("PERSIST set:{a}"),
                9 => format!("RENAME hash:{a} hash:{b}"),
                10 => format!("UNLINK zset:{a} list:{b}"),
                _ => format!("SORT set:{a} ALPHA LIMIT 0 20 STORE list:sorted{b}"),
            },
        };
        words(&line)
    }
}

/// Acknowledges the oldest pending entries of a group.
const ACKNOWLEDGES: &str = "local oldest = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 5)\n\
    for _, entry in ipairs(oldest) do redis.call('XACK', KEYS[1], ARGV[1], entry[1]) end";

/// Refusals that random commands may meet.
const EXPECTED: [&str; 7] = [
    "NOGROUP",
    "BUSYGROUP",
    "LOADING",
    "ERR no such key",
    "ERR source and destination objects are the same",
    "ERR The XGROUP subcommand requires the key to exist",
    "UNBLOCKED",
];

/// Writers and what they share.
pub struct Load {
    /// The ports of the primary, for writes, and of the replica, for reads.
    primary: AtomicU16,
    replica: AtomicU16,
    knows: Knows,
    /// A writer holds it for reading during a batch.
    gate: RwLock<()>,
    /// The end of the test: writers and readers return.
    pub has_ended: AtomicBool,
    /// The first wrong reply.
    wrong: Mutex<Option<String>>,
}

/// The time between two batches of a writer.
const PAUSE: Duration = Duration::from_millis(4);
/// The time between two looks of the reader, and before a new connection.
const READER_PAUSE: Duration = Duration::from_millis(10);

/// The connection, or a new connection if there is none to this port; `None` if no server listens.
fn to(port: &AtomicU16, connection: Option<(u16, Connection)>) -> Option<(u16, Connection)> {
    let port = port.load(Ordering::Relaxed);
    let same = connection.filter(|(to, _)| *to == port);
    same.or_else(|| Some((port, Connection::open(port).ok()?)))
}

impl Load {
    pub fn on(primary: u16, replica: u16, knows: Knows) -> Load {
        Load {
            primary: AtomicU16::new(primary),
            replica: AtomicU16::new(replica),
            knows,
            gate: RwLock::new(()),
            has_ended: AtomicBool::new(false),
            wrong: Mutex::new(None),
        }
    }

    /// Pauses the writers while the guard lives.
    pub fn pause(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the two nodes have changed places. The writers must pause.
    pub fn exchange(&self) {
        let primary = self.primary.load(Ordering::Relaxed);
        let replica = self.replica.swap(primary, Ordering::Relaxed);
        self.primary.store(replica, Ordering::Relaxed);
    }

    /// The first failure of a writer or reader so far.
    pub fn verdict(&self) -> Result<(), String> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.clone().map_or(Ok(()), Err)
    }

    fn continues(&self) -> bool {
        !self.has_ended.load(Ordering::Relaxed)
    }

    fn is_wrong(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.get_or_insert(what);
    }

    /// Writes until the end, and reconnects after a broken connection.
    pub fn write(&self, seed: u64) {
        let mut source = Source {
            random: Random::new(seed),
            knows: self.knows,
            count: seed << 32,
        };
        let mut connection = None;
        while self.continues() {
            {
                let _turn = self.gate.read().unwrap_or_else(PoisonError::into_inner);
                connection = to(&self.primary, connection);
                if let Some((_, c)) = &mut connection {
                    let batch = source.batch();
                    if self.send(c, &batch).is_none() {
                        connection = None;
                    }
                }
            }
            thread::sleep(PAUSE);
        }
    }

    /// `None` if the connection broke.
    fn send(&self, c: &mut Connection, batch: &[Words]) -> Option<()> {
        let bytes: Vec<u8> = batch.iter().flat_map(|one| command(one)).collect();
        c.write(&bytes).ok()?;
        for one in batch {
            if let Reply::Error(text) = c.read().ok()?.1 {
                let text = printable(&text);
                if text.starts_with("LOADING") {
                    return None;
                }
                if !EXPECTED.iter().any(|prefix| text.starts_with(prefix)) {
                    let command = printable(&one.join(&b' '));
                    let end = command.floor_char_boundary(200);
                    self.is_wrong(format!("{}: {text}", &command[..end]));
                }
            }
        }
        Some(())
    }

    /// Reads the keys that transactions and scripts write together, on the replica. It must never
    /// see one key without the other, or an older value than before.
    pub fn read(&self) {
        let mut connection = None;
        let mut last = 0;
        while self.continues() {
            connection = to(&self.replica, connection);
            if let Some((_, c)) = &mut connection {
                let asked = c.write(b"MGET both:a both:b\r\n").and_then(|()| c.read());
                match asked {
                    Err(_) => connection = None,
                    Ok((_, Reply::Array(both))) if both[0] == both[1] => {
                        let text = both[0].text().map(String::from_utf8_lossy);
                        if let Some(n) = text.and_then(|text| text.parse::<u64>().ok()) {
                            if n < last {
                                self.is_wrong(format!("the replica went back from {last} to {n}"));
                            }
                            last = n;
                        }
                    }
                    Ok((_, Reply::Error(_))) => {}
                    Ok((_, other)) => {
                        self.is_wrong(format!("half a transaction at the replica: {other:?}"));
                    }
                }
            }
            thread::sleep(READER_PAUSE);
        }
    }
}
