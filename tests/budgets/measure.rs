//! Measures a server's cost: CPU of all its threads, its loop's longest turn, and the rise of its
//! resident memory.

use std::{
    fs,
    ops::AddAssign,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::support::{Connection, Daemon, Reply, resp};

/// Time limit for everything that a row waits for.
const LIMIT: Duration = Duration::from_secs(60);

/// A separate server for a single measurement, and the connections of its row.
pub struct World {
    pub daemon: Daemon,
    /// A connection that the row does not load.
    pub control: Connection,
    pub clients: Vec<Connection>,
}

/// A measured cost.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Cost {
    pub cpu_ms: f64,
    pub turn_ms: f64,
    /// The highest resident memory, less the memory at the start.
    pub bytes: f64,
}

impl Cost {
    /// The lower of each figure: noise of a busy machine differs between tries.
    pub fn lower(self, other: Cost) -> Cost {
        Cost {
            cpu_ms: self.cpu_ms.min(other.cpu_ms),
            turn_ms: self.turn_ms.min(other.turn_ms),
            bytes: self.bytes.min(other.bytes),
        }
    }
}

impl World {
    pub fn new(program: &Path) -> World {
        let daemon = Daemon::start_program(program, &[]);
        let mut control = daemon.connect();
        control.reply_limit(LIMIT);
        // From here on the server has accepted this connection. A row that leaves no descriptors
        // would otherwise leave the connection in the kernel.
        control.ask("PING");
        World {
            daemon,
            control,
            clients: Vec::new(),
        }
    }

    /// The server's cost of `run`.
    pub fn cost_of(&mut self, run: impl FnOnce(&mut World)) -> Cost {
        self.control.ask("CONFIG RESETSTAT");
        let pid = self.daemon.pid();
        // Resets the highest resident size.
        fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("our own process");
        let (cpu, resident) = (self.cpu(), self.resident());
        run(self);
        self.control.ask("PING");
        Cost {
            cpu_ms: (self.cpu() - cpu).as_secs_f64() * 1e3,
            turn_ms: self.number("eventloop_duration_max") as f64 / 1e3,
            bytes: (self.resident() - resident) as f64,
        }
    }

    /// CPU of all threads, from the scheduler's own nanoseconds.
    fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.daemon.pid()));
        let mut total = Duration::ZERO;
        for task in tasks.expect("the server runs").flatten() {
            // A thread may end while the files are read.
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let nanos = text.split(' ').next().and_then(|word| word.parse().ok());
            total.add_assign(Duration::from_nanos(nanos.unwrap_or(0)));
        }
        total
    }

    /// The highest resident size, in bytes.
    fn resident(&self) -> i64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.daemon.pid()));
        let status = status.expect("the server runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<i64>().ok());
        kib.expect("a number of KiB") * 1024
    }

    /// A field of INFO.
    pub fn number(&mut self, field: &str) -> i64 {
        let Reply::Bulk(text) = self.control.value("INFO everything debug") else {
            panic!("INFO is not a bulk string");
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
            .unwrap_or_else(|| panic!("INFO has no {field}"))
            .trim()
            .parse()
            .expect("a number")
    }

    /// Opens a further connection.
    pub fn connect(&mut self) -> &mut Connection {
        let mut client = self.daemon.connect();
        client.reply_limit(LIMIT);
        self.clients.push(client);
        self.clients.last_mut().expect("pushed above")
    }

    /// Sends commands in a single stream over the control connection, and waits for all replies.
    pub fn fill<A: AsRef<[u8]>>(&mut self, commands: impl Iterator<Item = Vec<A>>) {
        let mut commands = commands.peekable();
        while commands.peek().is_some() {
            let batch: Vec<Vec<u8>> = commands
                .by_ref()
                .take(1000)
                .map(|words| resp::command(&words))
                .collect();
            self.control.send(&batch.concat());
            for _ in &batch {
                self.control.reply();
            }
        }
    }

    /// Repeats `line` until the reply is `wanted`.
    #[track_caller]
    pub fn until(&mut self, line: &str, wanted: &str) {
        let until = Instant::now() + LIMIT;
        while self.control.ask(line) != wanted {
            assert!(Instant::now() < until, "{line} is not {wanted:?} in time");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until this many clients are blocked.
    pub fn until_blocked(&mut self, count: i64) {
        let until = Instant::now() + LIMIT;
        while self.number("blocked_clients") != count {
            assert!(Instant::now() < until, "never {count} clients blocked");
        }
    }

    /// Forbids the server further descriptors, or restores the limit.
    pub fn allow_descriptors(&self, further: bool) {
        let open = fs::read_dir(format!("/proc/{}/fd", self.daemon.pid()));
        let open = open.expect("the server runs").count() as u64;
        let limit = Rlimit {
            current: Some(if further { 1024 } else { open }),
            // The limit that the server inherited.
            maximum: getrlimit(Resource::Nofile).maximum,
        };
        let pid = i32::try_from(self.daemon.pid())
            .ok()
            .and_then(Pid::from_raw);
        prlimit(pid, Resource::Nofile, limit).expect("the limit of our own child");
    }
}
