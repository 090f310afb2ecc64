//! A Sentinel process: the test starts it from a file in its own folder, and ends it by its pid.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::daemon::{free_port_of, russet};
use crate::support::peers::Peer;
use crate::support::resp::{Reply, command, printable};
use crate::support::{Connection, wait_until};

/// The name of the primary in all tests.
pub const NAME: &str = "m";

/// Time limit of a start, and of the end after SIGTERM.
const LIMIT: Duration = Duration::from_secs(20);
/// The test does not wait longer for a stopped or dead Sentinel.
const REPLY_LIMIT: Duration = Duration::from_secs(5);

/// The program of a Sentinel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Russet,
    Redis80,
    Valkey91,
    /// Redis 8.0 with TLS.
    Redis80Tls,
}

impl Kind {
    fn program(self) -> PathBuf {
        let peer = |peer: Peer| peer.program().expect("asked before");
        match self {
            Kind::Russet => russet(),
            Kind::Redis80 => peer(Peer::Redis8),
            Kind::Valkey91 => peer(Peer::Valkey9),
            Kind::Redis80Tls => crate::support::peers::folder().join("redis8-tls/redis-server"),
        }
    }
}

/// A running or killed Sentinel.
pub struct Sentinel {
    pub kind: Kind,
    port: u16,
    folder: TempDir,
    child: Child,
    password: Option<String>,
}

impl Sentinel {
    /// Starts a Sentinel that watches the server at `primary`; `settings` are further lines of its
    /// file.
    #[track_caller]
    pub fn start(kind: Kind, primary: u16, quorum: usize, settings: &str) -> Sentinel {
        let monitor = format!("sentinel monitor {NAME} 127.0.0.1 {primary} {quorum}\n");
        Sentinel::start_from(kind, &format!("{monitor}{settings}"), None)
    }

    /// Starts a Sentinel with these lines after its address and folder. `password` has the words of
    /// AUTH for the test's own commands.
    #[track_caller]
    pub fn start_from(kind: Kind, lines: &str, password: Option<&str>) -> Sentinel {
        let folder = new_folder();
        let port = free_port();
        let head = format!(
            "port {port}\nbind 127.0.0.1\ndir \"{}\"\nprotected-mode no\n",
            folder.path().display()
        );
        fs::write(file_in(folder.path()), format!("{head}{lines}")).expect("a file");
        let child = spawn(kind, folder.path());
        let mut sentinel = Sentinel {
            kind,
            port,
            folder,
            child,
            password: password.map(str::to_owned),
        };
        sentinel.wait_ready();
        sentinel
    }

    #[track_caller]
    fn wait_ready(&mut self) {
        let end = Instant::now() + LIMIT;
        while self.try_ask(&["PING"]).is_err() {
            let has_ended = !matches!(self.child.try_wait(), Ok(None));
            assert!(
                !has_ended && Instant::now() < end,
                "{:?} does not start; its log:\n{}",
                self.kind,
                self.log()
            );
            pause();
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The text of the Sentinel's file.
    pub fn file(&self) -> String {
        fs::read_to_string(file_in(self.folder())).expect("it has a file")
    }

    /// The Sentinel's whole output, over all its starts.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[track_caller]
    pub fn connect(&self) -> Connection {
        self.try_connect().expect("the Sentinel accepts")
    }

    fn try_connect(&self) -> std::io::Result<Connection> {
        let mut c = Connection::open(self.port)?;
        c.reply_limit(REPLY_LIMIT);
        if let Some(password) = &self.password {
            let words: Vec<&str> = ["AUTH"].into_iter().chain(password.split(' ')).collect();
            c.write(&command(&words))?;
            c.read()?;
        }
        Ok(c)
    }

    /// The reply to a command on a new connection; an error reply is an error.
    pub fn try_ask<A: AsRef<[u8]>>(&self, args: &[A]) -> Result<Reply, String> {
        let ask = || {
            let mut c = self.try_connect()?;
            c.write(&command(args))?;
            Ok(c.read()?.1)
        };
        match ask() {
            Ok(Reply::Error(text)) => Err(printable(&text)),
            Ok(reply) => Ok(reply),
            Err(error) => Err(std::io::Error::to_string(&error)),
        }
    }

    /// The reply to the words of `line`.
    #[track_caller]
    pub fn ask(&self, line: &str) -> Reply {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let reply = self.try_ask(&words);
        reply.unwrap_or_else(|why| panic!("{:?} to {line}: {why}", self.kind))
    }

    /// The port of the primary that the Sentinel names to clients.
    pub fn primary_port(&self) -> Option<u16> {
        let reply = self.try_ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]);
        let reply = reply.ok()?;
        text(reply.items()?.get(1)?).parse().ok()
    }

    /// The fields of SENTINEL MASTER.
    pub fn master(&self) -> Option<BTreeMap<String, String>> {
        let reply = self.try_ask(&["SENTINEL", "MASTER", NAME]).ok()?;
        Some(fields(&reply))
    }

    /// The fields of each replica or Sentinel: `REPLICAS`, `SENTINELS`.
    pub fn list(&self, which: &str) -> Vec<BTreeMap<String, String>> {
        let reply = self.try_ask(&["SENTINEL", which, NAME]);
        let reply = reply.unwrap_or(Reply::Null);
        reply
            .items()
            .unwrap_or_default()
            .iter()
            .map(fields)
            .collect()
    }

    /// The Sentinel's messages on all patterns.
    #[track_caller]
    pub fn events(&self) -> Events {
        let mut connection = self.connect();
        connection.send(&command(&["PSUBSCRIBE", "*"]));
        connection.reply();
        Events {
            connection,
            seen: Vec::new(),
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the Sentinel's process exists");
    }

    /// Kills the Sentinel with SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The exit status of a Sentinel that ends by itself.
    #[track_caller]
    pub fn wait_end(&mut self, limit: Duration) -> ExitStatus {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status;
            }
            assert!(
                Instant::now() < end,
                "{:?} has not ended; its log:\n{}",
                self.kind,
                self.log()
            );
            pause();
        }
    }

    /// Starts the Sentinel again from its file, after its end.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.kind, self.folder.path());
        self.wait_ready();
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.char_indices().rev().nth(3000).map_or(0, |(at, _)| at);
            let (kind, port) = (self.kind, self.port);
            eprintln!(
                "--- the end of the log of {kind:?} on {port}\n{}",
                &log[from..]
            );
        }
        self.kill();
    }
}

/// The messages of a Sentinel.
pub struct Events {
    connection: Connection,
    /// `channel text`
    pub seen: Vec<String>,
}

impl Events {
    /// The next message that begins with `what`; earlier messages are in `seen`.
    #[track_caller]
    pub fn wait(&mut self, what: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            assert!(Instant::now() < end, "no {what}, only {:#?}", self.seen);
            let Ok((_, message)) = self.connection.read() else {
                continue;
            };
            let words: Vec<String> = message
                .items()
                .unwrap_or_default()
                .iter()
                .map(text)
                .collect();
            let line = words.get(2..).unwrap_or_default().join(" ");
            self.seen.push(line.clone());
            if line.starts_with(what) {
                return line;
            }
        }
    }
}

/// The names and values of a reply.
fn fields(reply: &Reply) -> BTreeMap<String, String> {
    let words: Vec<String> = reply.items().unwrap_or_default().iter().map(text).collect();
    let pairs = words.chunks_exact(2);
    pairs
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

pub fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.text().unwrap_or_default()).into_owned()
}

/// The pause between two looks at a condition.
pub fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

pub fn new_folder() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder
        .prefix("russet-sentinel-")
        .tempdir()
        .expect("a folder")
}

/// The path of the Sentinel's file in this folder.
pub fn file_in(folder: &Path) -> PathBuf {
    folder.join("sentinel.conf")
}

fn spawn(kind: Kind, folder: &Path) -> Child {
    let mut log = fs::OpenOptions::new();
    let log = log.create(true).append(true).open(folder.join("log"));
    let log = log.expect("the log file opens");
    Command::new(kind.program())
        .arg(file_in(folder))
        .arg("--sentinel")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{kind:?} does not start: {error}"))
}

/// A port that was free just now, below the ports of data nodes and of the kernel.
pub fn free_port() -> u16 {
    free_port_of(20_000, 1_900)
}

/// The text of a file that another program writes; empty if it does not exist.
pub fn read(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(mut file) = fs::File::open(path) {
        let _ = file.read_to_string(&mut text);
    }
    text
}

/// Waits until the file has this many lines.
#[track_caller]
pub fn wait_for_lines(path: &Path, count: usize) -> Vec<String> {
    let what = format!("{count} lines in {}", path.display());
    wait_until(&what, || read(path).lines().count() >= count);
    read(path).lines().map(str::to_owned).collect()
}
