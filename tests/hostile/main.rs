//! Malicious scripts, each with a budget.
//!
//! A seed makes a program (`russet::fuzzing::programs`). The program runs with little memory, and
//! the test kills it as soon as other clients get the BUSY error. For each program:
//!
//! - other clients get an answer within [`ANSWER`] while it runs, and the killed script ends within
//!   [`END`];
//! - resident memory never rises by more than the script's limit and [`BESIDE_MB`];
//! - the same process serves clients afterwards.
//!
//! The times are for an optimized build on an idle machine; a debug build and a shared machine get
//! [`SLACK`] times as much, and the test runs a program that was too slow again alone, twice: all
//! three runs must fail. The test shortens a failing program and prints it with the seed.
//!
//! `RUSSET_HOSTILE_PROGRAMS`: the number of programs; `RUSSET_HOSTILE_SEED`: the first seed.

#[path = "../support/mod.rs"]
mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, fmt, fs, thread};

use russet::fuzzing::programs::{Length, statements, text};
use russet_host::simulation::shorten;
use support::Daemon;
use support::random::Random;
use support::resp::command;

/// Time limit of another client's answer.
const ANSWER: Duration = Duration::from_millis(100);
/// Time limit of a script after SCRIPT KILL.
const END: Duration = Duration::from_millis(100);
/// See the module.
const SLACK: u32 = if cfg!(debug_assertions) { 20 } else { 5 };
/// Time limit until other clients get the BUSY error.
const BUSY: Duration = Duration::from_secs(1);
/// A program that runs longer is a failure in any case.
const GIVE_UP_BATCH: Duration = Duration::from_secs(60);

const LIMIT_MB: u64 = 16;
/// Megabytes allowed beyond the scripts' own limit.
const BESIDE_MB: u64 = 64;

const PROGRAMS: u64 = 10_000;
const THREADS: u64 = 2;
const BYTES_MAX: usize = 100;
/// The number of programs that a server runs, because other tests look for slow leaks.
const PER_SERVER: u64 = 2_500;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// The connection broke.
    Died,
    Slow(&'static str, Duration),
    /// The highest rise of memory, in megabytes.
    Memory(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Died => write!(f, "the server died"),
            Fault::Slow(what, time) => write!(f, "{what} took {time:?}"),
            Fault::Memory(most) => write!(f, "resident memory rose by {most} MB"),
        }
    }
}

/// A connection that measures the time of answers.
struct Client {
    stream: TcpStream,
    got: Vec<u8>,
}

impl Client {
    fn new(server: &Daemon) -> Option<Client> {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Client {
            stream,
            got: Vec::new(),
        })
    }

    fn send(&mut self, words: &[&str]) -> Result<(), Fault> {
        self.got.clear();
        let sent = self.stream.write_all(&command(words));
        sent.map_err(|_| Fault::Died)
    }

    /// Whether the received bytes end with `end` within this time.
    fn ends_with(&mut self, end: &[u8], within: Duration) -> Result<bool, Fault> {
        let until = Instant::now() + within;
        let mut part = vec![0; 1 << 16];
        while !self.got.ends_with(end) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.stream.set_read_timeout(Some(left)).expect("a timeout");
            match self.stream.read(&mut part) {
                Ok(0) => return Err(Fault::Died),
                Ok(n) => self.keep(&part[..n]),
                Err(e) if is_late(&e) => {}
                Err(_) => return Err(Fault::Died),
            }
        }
        Ok(true)
    }

    /// Keeps only the end of a long reply.
    fn keep(&mut self, part: &[u8]) {
        const KEPT: usize = 256;
        self.got.extend_from_slice(part);
        let surplus = self.got.len().saturating_sub(KEPT);
        self.got.drain(..surplus);
    }
}

fn is_late(error: &std::io::Error) -> bool {
    let kinds = [
        ErrorKind::WouldBlock,
        ErrorKind::TimedOut,
        ErrorKind::Interrupted,
    ];
    kinds.contains(&error.kind())
}

/// A server that runs programs in sequence.
struct Victim {
    server: Daemon,
    runner: Client,
    other: Client,
    /// Resident memory at first, and the allowed rise, MB.
    before_mb: u64,
    allowed_mb: u64,
}

const MARK: &str = "that was it";

impl Victim {
    fn new() -> Victim {
        let limit = format!("{LIMIT_MB}mb");
        let settings = [
            &["--script-memory-limit", limit.as_str()][..],
            &["--busy-reply-threshold", "10", "--script-rollback", "yes"],
            &["--loglevel", "warning"],
        ];
        let server = Daemon::start(&settings.concat());
        let mut c = server.connect();
        let fill = "redis.call('SET', 'text', string.rep('x', 100000)) redis.call('SET', 'number', 7) \
                    for i = 1, 2000 do redis.call('RPUSH', 'list', i) redis.call('HSET', 'hash', i, i) \
                    redis.call('SADD', 'set', 's' .. i) redis.call('ZADD', 'zset', i, i) end return 1";
        assert_eq!(c.call(&["EVAL", fill, "0"]), b":1\r\n");
        let client = || Client::new(&server).expect("the server accepts");
        let (runner, other) = (client(), client());
        let before_mb = resident_mb(&server);
        Victim {
            server,
            runner,
            other,
            before_mb,
            allowed_mb: LIMIT_MB + BESIDE_MB,
        }
    }

    /// Runs a program; returns the fault.
    fn run(&mut self, program: &str) -> Option<Fault> {
        self.try_run(program).err()
    }

    fn try_run(&mut self, program: &str) -> Result<(), Fault> {
        // The server is not at fault if the client reads the script's own reply slowly.
        let end = format!("${}\r\n{MARK}\r\n", MARK.len());
        let began = Instant::now();
        self.runner.send(&["EVAL", program, "0"])?;
        self.runner
            .stream
            .write_all(&command(&["ECHO", MARK]))
            .map_err(|_| Fault::Died)?;
        if !self
            .runner
            .ends_with(end.as_bytes(), Duration::from_millis(5))?
        {
            self.end_by_force(began, end.as_bytes())?;
        }
        let most = resident_mb(&self.server).saturating_sub(self.before_mb);
        if most > self.allowed_mb {
            Err(Fault::Memory(most))
        } else {
            Ok(())
        }
    }

    /// Pings, kills, and waits for the end.
    fn end_by_force(&mut self, began: Instant, end: &[u8]) -> Result<(), Fault> {
        let mut killed = None;
        loop {
            let asked = Instant::now();
            self.other.send(&["PING"])?;
            let answered = self.other.ends_with(b"\r\n", GIVE_UP_BATCH)?;
            if !answered || asked.elapsed() > ANSWER * SLACK {
                // Until it is busy, a script blocks all other clients.
                let alone = killed.is_none() && asked.elapsed() < BUSY * SLACK / 4;
                if !answered || !alone {
                    return Err(Fault::Slow("PING", asked.elapsed()));
                }
            }
            let is_busy = self.other.got.starts_with(b"-BUSY");
            if is_busy && killed.is_none() {
                self.other.send(&["SCRIPT", "KILL"])?;
                if !self.other.ends_with(b"\r\n", GIVE_UP_BATCH)? {
                    return Err(Fault::Slow("SCRIPT KILL", GIVE_UP_BATCH));
                }
                killed = Some(Instant::now());
            }
            let pause = Duration::from_millis(5);
            if self.runner.ends_with(end, pause)? {
                return Ok(());
            }
            match killed {
                Some(since) if is_busy && since.elapsed() > END * SLACK => {
                    return Err(Fault::Slow("the end after SCRIPT KILL", since.elapsed()));
                }
                _ if began.elapsed() > GIVE_UP_BATCH => {
                    return Err(Fault::Slow("it", began.elapsed()));
                }
                _ => {}
            }
        }
    }
}

/// The highest resident size so far.
fn resident_mb(server: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn program_of(seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let len = 6 + random.below(BYTES_MAX);
    let bytes: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
    statements(&bytes, Length::Any)
}

/// The same fault three times in a row, each in a fresh server; noise of the machine is filtered.
fn confirmed(program: &str) -> Option<Fault> {
    let mut last = None;
    for _ in 0..2 {
        last = Some(Victim::new().run(program)?);
    }
    last
}

/// A report of a seed's program, as short as it still fails.
fn report(seed: u64, program: &[String], fault: &Fault) -> String {
    let kind = std::mem::discriminant(fault);
    let fails = |candidate: &[String]| {
        let fault = Victim::new().run(&text(candidate));
        fault.is_some_and(|fault| std::mem::discriminant(&fault) == kind)
    };
    let shortest = shorten(program, fails);
    format!("seed {seed}: {fault}\n{}\n", text(&shortest))
}

fn number(name: &str, default: u64) -> u64 {
    let text = env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn no_program_harms_others() {
    let (first, count) = (
        number("RUSSET_HOSTILE_SEED", 0),
        number("RUSSET_HOSTILE_PROGRAMS", PROGRAMS),
    );
    let next = AtomicU64::new(0);
    let faults = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS.min(count) {
            scope.spawn(|| {
                let mut victim = Victim::new();
                let mut ran = 0;
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return;
                    }
                    let seed = first + at;
                    let program = program_of(seed);
                    let whole = text(&program);
                    ran += 1;
                    let fault = victim.run(&whole);
                    if fault.is_some() || ran % PER_SERVER == 0 {
                        victim.server.kill();
                        victim = Victim::new();
                    }
                    if fault.is_some()
                        && let Some(fault) = confirmed(&whole)
                    {
                        let mut faults = faults.lock().expect("nobody panics with it");
                        faults.push(report(seed, &program, &fault));
                        // A few failures are enough.
                        if faults.len() >= 5 {
                            next.store(count, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().expect("nobody panics with it");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Checks the other test: it must find a server that takes too much memory, or dies.
#[test]
fn a_fault_is_found() {
    let mut victim = Victim::new();
    assert_eq!(victim.run("return 1"), None);
    assert_eq!(victim.run("while true do end"), None);
    let hoard = "local t = {} for i = 1, 1e6 do t[i] = {} end";
    assert_eq!(victim.run(hoard), None);
    victim.allowed_mb = 0;
    assert!(matches!(victim.run(hoard), Some(Fault::Memory(_))));
    victim.server.kill();
    assert_eq!(victim.run("return 1"), Some(Fault::Died));
}

#[test]
fn a_seed_makes_the_same_program_each_time() {
    let programs: Vec<_> = (0..50).map(program_of).collect();
    let again: Vec<_> = (0..50).map(program_of).collect();
    assert_eq!(programs, again);
    let distinct: std::collections::HashSet<_> = programs.into_iter().collect();
    assert!(distinct.len() > 40);
}
