//! Crashes of either end: no write that WAIT has acknowledged is lost while a node of the pair
//! lives.
//!
//! The primary appends every write to its file before it replies. Writers send `SET k n` and `WAIT
//! 1` with rising n. The test kills a node at a random moment and starts it again. A killed primary
//! comes back as primary, or its replica is promoted and the old primary comes back as its replica.
//!
//! The module also tests a replica that stops reading: it costs the primary no more memory than the
//! configuration allows.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::compare::compare;
use super::node::{Kind, Node, report, wait};
use crate::support::Connection;
use crate::support::random::Random;
use crate::support::resp::{Reply, command};
use crate::support::wait::SetOnDrop;

const WRITERS: usize = 3;
const KEYS: usize = 40;
/// Milliseconds of WAIT.
const WAIT_MS: &str = "300";
/// Longest time between a start and the next crash.
const CALM_MS: usize = 1200;
/// Time limit until a replica is in sync again.
const LINKED: Duration = Duration::from_secs(30);

/// The numbers of a key.
#[derive(Clone, Copy, Default)]
struct Numbers {
    sent: u64,
    /// The last number that the primary has answered with +OK, and so has in its file.
    written: u64,
    /// The last number that a replica has acknowledged.
    replicated: u64,
}

/// The data that the writers share with the test.
struct Ledger {
    keys: Mutex<HashMap<String, Numbers>>,
    /// `appendonly` of both nodes.
    log: &'static str,
    primary: AtomicU16,
    has_ended: AtomicBool,
    acknowledged: AtomicU64,
}

impl Ledger {
    fn keys(&self) -> MutexGuard<'_, HashMap<String, Numbers>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes each key with rising numbers until the end.
    fn write(&self, writer: usize) {
        let mut random = Random::new(writer as u64);
        let mut connection: Option<(u16, Connection)> = None;
        while !self.has_ended.load(Ordering::Relaxed) {
            let port = self.primary.load(Ordering::Relaxed);
            if connection.as_ref().is_none_or(|(to, _)| *to != port) {
                connection = Connection::open(port).ok().map(|c| (port, c));
            }
            let done = match &mut connection {
                Some((_, c)) => self.write_one(c, writer, &mut random),
                None => None,
            };
            if done.is_none() {
                connection = None;
                thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// `None` if the connection broke, or the server refuses.
    fn write_one(&self, c: &mut Connection, writer: usize, random: &mut Random) -> Option<()> {
        let key = format!("{writer}:{}", random.below(KEYS));
        let n = {
            let mut keys = self.keys();
            let numbers = keys.entry(key.clone()).or_default();
            numbers.sent += 1;
            numbers.sent
        };
        let mut bytes = command(&["SET", &key, &n.to_string()]);
        bytes.extend(command(&["WAIT", "1", WAIT_MS]));
        c.write(&bytes).ok()?;
        if c.read().ok()?.1 != Reply::Simple(b"OK".to_vec()) {
            return None;
        }
        self.keys().get_mut(&key)?.written = n;
        if let Reply::Integer(1..) = c.read().ok()?.1 {
            self.keys().get_mut(&key)?.replicated = n;
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        Some(())
    }

    /// Fails unless the server has the writes that were acknowledged before the check: by WAIT, and
    /// if it is the `same` server that replied, by +OK.
    fn check(&self, node: &Node, same: bool) -> Result<(), String> {
        let before = self.keys().clone();
        for (key, numbers) in before {
            let held = match node.try_ask(&["GET", &key])? {
                Reply::Bulk(text) => String::from_utf8_lossy(&text).parse().unwrap_or(0),
                Reply::Null => 0,
                other => return Err(format!("GET {key}: {other:?}")),
            };
            let (floor, what) = if same {
                (numbers.written.max(numbers.replicated), "+OK")
            } else {
                (numbers.replicated, "WAIT")
            };
            if held < floor {
                return Err(format!(
                    "{key} is {held}, {floor} was acknowledged by {what}"
                ));
            }
        }
        Ok(())
    }

    /// A promoted replica need not have writes that only its primary has answered.
    fn forget_unreplicated(&self) {
        for numbers in self.keys().values_mut() {
            numbers.written = numbers.replicated;
        }
    }
}

/// A crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crash {
    Replica,
    /// The primary comes back.
    Primary,
    /// The replica takes over.
    Promotion,
}

/// The number of crashes of each type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Crashes {
    replica: u64,
    primary: u64,
    promotion: u64,
    acknowledged: u64,
}

impl fmt::Display for Crashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} crashes of the replica, {} of the primary, {} promotions, {} writes acknowledged",
            self.replica, self.primary, self.promotion, self.acknowledged
        )
    }
}

fn settings(log: &str, primary: Option<u16>) -> Vec<String> {
    let mut settings: Vec<String> = [
        "--appendonly",
        log,
        "--appendfsync",
        "always",
        "--repl-diskless-sync-delay",
        "0",
    ]
    .map(str::to_owned)
    .to_vec();
    if let Some(port) = primary {
        settings.extend(["--replicaof", "127.0.0.1", &port.to_string()].map(str::to_owned));
    }
    settings
}

/// Crashes a pair this many times, beginning with this primary and this replica. `log`:
/// `appendonly` of both.
pub fn crash(
    first: (Kind, Kind),
    log: &'static str,
    cycles: u64,
    seed: u64,
) -> Result<Crashes, String> {
    let mut primary = Node::start(first.0, &settings(log, None));
    let mut replica = Node::start(first.1, &settings(log, Some(primary.port())));
    let ledger = Ledger {
        keys: Mutex::default(),
        log,
        primary: AtomicU16::new(primary.port()),
        has_ended: AtomicBool::new(false),
        acknowledged: AtomicU64::new(0),
    };
    let mut crashes = Crashes::default();
    thread::scope(|scope| {
        // Also after a panic, because the scope waits for the threads.
        let end = SetOnDrop(&ledger.has_ended);
        for writer in 0..WRITERS {
            let ledger = &ledger;
            scope.spawn(move || ledger.write(writer));
        }
        let mut random = Random::new(seed);
        wait(LINKED, "the first sync", || replica.is_linked())
            .map_err(|why| why + &report(&primary, &replica))?;
        for cycle in 0..cycles {
            if random.chance(50) {
                wait(LINKED, "the next sync", || replica.is_linked())
                    .map_err(|why| why + &report(&primary, &replica))?;
            }
            let calm = random.below(CALM_MS) as u64;
            thread::sleep(Duration::from_millis(calm));
            let crash = [Crash::Replica, Crash::Primary, Crash::Promotion][random.below(3)];
            let played = play(crash, &mut primary, &mut replica, &ledger, &mut crashes);
            played.map_err(|why| {
                let report = report(&primary, &replica);
                format!("seed {seed}, cycle {cycle}, {crash:?}: {why}{report}")
            })?;
        }
        drop(end);
        wait(LINKED, "the last sync", || replica.is_linked())
            .and_then(|()| ledger.check(&primary, true))
            .and_then(|()| compare(&primary, &replica))
            .map_err(|why| why + &report(&primary, &replica))
    })?;
    crashes.acknowledged = ledger.acknowledged.into_inner();
    if crashes.acknowledged == 0 {
        return Err("no write was ever acknowledged".to_owned());
    }
    Ok(crashes)
}

fn play(
    crash: Crash,
    primary: &mut Node,
    replica: &mut Node,
    ledger: &Ledger,
    crashes: &mut Crashes,
) -> Result<(), String> {
    match crash {
        Crash::Replica => {
            crashes.replica += 1;
            replica.server.kill();
            replica.server.restart();
            ledger.check(primary, true)
        }
        // A replica in the middle of a full sync has lost writes that it once acknowledged, so its
        // primary must live.
        Crash::Promotion if replica.is_linked() => {
            crashes.promotion += 1;
            primary.server.kill();
            replica.ask("REPLICAOF NO ONE")?;
            ledger.forget_unreplicated();
            ledger.check(replica, false)?;
            std::mem::swap(primary, replica);
            primary.server.set_args(&settings(ledger.log, None));
            ledger.primary.store(primary.port(), Ordering::Relaxed);
            replica
                .server
                .set_args(&settings(ledger.log, Some(primary.port())));
            replica.server.restart();
            wait(LINKED, "the old primary as a replica", || {
                replica.is_linked()
            })
        }
        Crash::Primary | Crash::Promotion => {
            crashes.primary += 1;
            primary.server.kill();
            primary.server.restart();
            ledger.check(primary, true)
        }
    }
}

/// Stops a replica while its primary writes this much. The primary's memory stays within its
/// limits, and the replica comes back with the same data.
pub fn stop_reading(primary: Kind, replica: Kind, megabytes: usize) -> Result<String, String> {
    const LIMIT_MB: u64 = 32;
    const BACKLOG_MB: u64 = 1;
    /// Room for the data, the writer's buffers, and partly filled blocks.
    const BESIDE_MB: u64 = 30;
    let mut args = settings("no", None);
    let limit = format!("replica {LIMIT_MB}mb {LIMIT_MB}mb 60");
    let backlog = format!("{BACKLOG_MB}mb");
    args.extend(["--client-output-buffer-limit", &limit].map(str::to_owned));
    args.extend(["--repl-backlog-size", &backlog].map(str::to_owned));
    let primary = Node::start(primary, &args);
    args.extend(["--replicaof", "127.0.0.1", &primary.port().to_string()].map(str::to_owned));
    let replica = Node::start(replica, &args);
    // Also after a failure, because a stopped process does not end.
    struct Continue<'a>(&'a Node);
    impl Drop for Continue<'_> {
        fn drop(&mut self) {
            self.0.server.signal(Signal::CONT);
        }
    }
    let played = (|| {
        wait(LINKED, "the first sync", || replica.is_linked())?;
        let used = || primary.info().map(|info| info.number("used_memory"));
        let before = used()?;
        let mut most = 0;
        replica.server.signal(Signal::STOP);
        let stopped = Continue(&replica);
        let mut c = Connection::open(primary.port()).map_err(|error| error.to_string())?;
        let value = vec![b'x'; 1 << 20];
        for n in 0..megabytes {
            c.write(&command(&[
                b"SET".as_slice(),
                &[b'a' + (n % 8) as u8],
                &value,
            ]))
            .and_then(|()| c.read())
            .map_err(|error| error.to_string())?;
            if n % 4 == 0 {
                most = most.max(used()? - before);
            }
        }
        let until = Instant::now() + LINKED;
        while primary.info()?.number("connected_slaves") > 0 {
            most = most.max(used()? - before);
            if Instant::now() > until {
                return Err("the stopped replica has not been dropped".to_owned());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let allowed = (LIMIT_MB + BACKLOG_MB + BESIDE_MB) << 20;
        if most > allowed as i64 {
            return Err(format!("{most} bytes more while a replica did not read"));
        }
        drop(stopped);
        wait(LINKED, "the replica to return", || replica.is_linked())?;
        compare(&primary, &replica)?;
        Ok(format!("{} MiB more at most", most >> 20))
    })();
    played.map_err(|why: String| why + &report(&primary, &replica))
}
