//! A server process: the test starts it on a free port in its own folder, and ends it by its pid.
//!
//! Invariants
//!   1. A `Daemon` that exists has answered PING; after `restart_loading` perhaps with LOADING.
//!   2. Dropping it ends that process and no other: SIGTERM, a deadline, then SIGKILL.
//!   3. When it ends otherwise, and is russet and answers, its memory figures agree.

use std::{
    env,
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{
    memory::Memory,
    resp::{Connection, Reply},
    wait::{SOON, wait_within},
};

/// A running server and its folder.
pub struct Daemon {
    child: Child,
    port: u16,
    program: PathBuf,
    file: Option<String>,
    args: Vec<String>,
    environment: Vec<(String, String)>,
    folder: TempDir,
    /// Keeps the port from other daemons of the tests, even during a restart.
    _claim: File,
}

/// Time limits of the first PING after a start, and of the end after SIGTERM.
const START_LIMIT: Duration = Duration::from_secs(20);
const END_LIMIT: Duration = Duration::from_secs(60);

impl Daemon {
    /// Starts russet with `args` after the test defaults: 127.0.0.1, no save points,
    /// DEBUG allowed. `args` are as on a command line: `["--maxclients", "10"]`.
    #[track_caller]
    pub fn start(args: &[&str]) -> Daemon {
        Daemon::start_program(&russet(), args)
    }

    /// Starts russet with a second port, which this directive sets.
    #[track_caller]
    pub fn start_with_port(directive: &str, args: &[&str]) -> (Daemon, u16) {
        for _ in 0..5 {
            let port = free_side_port();
            let text = port.to_string();
            let all = [&[directive, text.as_str()][..], args].concat();
            let server = Daemon::start(&all);
            // Another process may have taken the port.
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return (server, port);
            }
        }
        panic!("no free port");
    }

    /// Starts any Redis-like server the same way.
    #[track_caller]
    pub fn start_program(program: &Path, args: &[&str]) -> Daemon {
        let folder = tempfile::Builder::new()
            .prefix("russet-test-")
            .tempdir()
            .expect("a folder");
        Daemon::start_in(program, args, folder)
    }

    /// Starts russet with a configuration file in `folder`; the test defaults and
    /// `args` come after it.
    #[track_caller]
    pub fn start_with_file(file: &str, args: &[&str], folder: TempDir) -> Daemon {
        Daemon::start_from(&russet(), Some(file), args, &[], folder)
    }

    /// The same with any Redis-like server.
    #[track_caller]
    pub fn start_program_with_file(
        program: &Path,
        file: &str,
        args: &[&str],
        folder: TempDir,
    ) -> Daemon {
        Daemon::start_from(program, Some(file), args, &[], folder)
    }

    /// Starts a server in a folder that already holds files.
    #[track_caller]
    pub fn start_in(program: &Path, args: &[&str], folder: TempDir) -> Daemon {
        Daemon::start_from(program, None, args, &[], folder)
    }

    /// The same with additional environment variables; [`Daemon::restart`] drops them.
    #[track_caller]
    pub fn start_with_environment(
        args: &[&str],
        environment: &[(&str, &str)],
        folder: TempDir,
    ) -> Daemon {
        let mut daemon = Daemon::start_from(&russet(), None, args, environment, folder);
        daemon.environment.clear();
        daemon
    }

    #[track_caller]
    fn start_from(
        program: &Path,
        file: Option<&str>,
        args: &[&str],
        environment: &[(&str, &str)],
        folder: TempDir,
    ) -> Daemon {
        let pair = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let environment: Vec<_> = environment.iter().map(pair).collect();
        let file = file.map(str::to_owned);
        let args: Vec<String> = args.iter().map(|arg| arg.to_string()).collect();
        for _ in 0..5 {
            let (port, claim) = claim_port();
            let file_name = file.as_deref();
            let mut child = spawn(program, port, folder.path(), file_name, &args, &environment);
            match wait_for(Answer::Ready, &mut child, port) {
                Ok(()) => {
                    pack_after_each(program, port);
                    return Daemon {
                        child,
                        port,
                        program: program.to_path_buf(),
                        file,
                        args,
                        environment,
                        folder,
                        _claim: claim,
                    };
                }
                Err(why) => {
                    let log = read_log(folder.path());
                    end(&mut child);
                    // Another process took the port between the test's check and the server's bind.
                    if log.contains("Failed listening on port") || log.contains("already in use") {
                        continue;
                    }
                    panic!(
                        "{} {}: {why}; its log:\n{}",
                        program.display(),
                        args.join(" "),
                        log
                    );
                }
            }
        }
        panic!("no free port for {}", program.display());
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The server's working folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A raw connection.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.port).expect("the server accepts")
    }

    /// A connection of the `redis` crate.
    #[track_caller]
    pub fn client(&self) -> redis::Connection {
        redis::Client::open(("127.0.0.1", self.port))
            .and_then(|client| client.get_connection())
            .expect("the redis crate connects")
    }

    /// The server's whole output on stdout and stderr.
    pub fn log(&self) -> String {
        read_log(self.folder.path())
    }

    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        wait_within(SOON, &format!("the log line {text:?}"), || {
            self.log().contains(text)
        });
    }

    /// A field of INFO, as text.
    #[track_caller]
    pub fn info(&self, field: &str) -> Option<String> {
        let Reply::Bulk(text) = self.connect().value("INFO everything") else {
            panic!("INFO is not a bulk string");
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| *name == field)
            .map(|(_, value)| value.to_string())
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the server's process exists");
    }

    /// Ends the server with SIGTERM; returns its exit status.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_end()
    }

    /// The exit status of a server that ends by itself (SHUTDOWN, a crash).
    #[track_caller]
    pub fn wait_end(&mut self) -> ExitStatus {
        let until = Instant::now() + END_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status;
            }
            assert!(
                Instant::now() < until,
                "the server has not ended; its log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills the server with SIGKILL, which leaves the same files as a crash.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// See invariant 3.
    fn memory_agrees(&mut self) -> Result<(), String> {
        let is_running = matches!(self.child.try_wait(), Ok(None));
        let Some(mut connection) = Connection::open(self.port)
            .ok()
            .filter(|_| is_running && self.program == russet())
        else {
            return Ok(());
        };
        connection.reply_limit(LAST_REPLY_LIMIT);
        Memory::settle(&mut connection)
    }

    /// Sets the arguments of the next [`Daemon::restart`].
    pub fn set_args(&mut self, args: &[String]) {
        self.args = args.to_vec();
    }

    /// Starts again in the same folder, on the same port, with the same arguments; ends
    /// the running process first (SIGTERM) if there is one.
    #[track_caller]
    pub fn restart(&mut self) {
        self.restart_until(Answer::Ready);
    }

    /// As [`Daemon::restart`], but does not wait for the end of a load.
    #[track_caller]
    pub fn restart_loading(&mut self) {
        self.restart_until(Answer::Any);
    }

    #[track_caller]
    fn restart_until(&mut self, answer: Answer) {
        end(&mut self.child);
        let (folder, file) = (self.folder.path(), self.file.as_deref());
        let environment = &self.environment;
        self.child = spawn(
            &self.program,
            self.port,
            folder,
            file,
            &self.args,
            environment,
        );
        if let Err(why) = wait_for(answer, &mut self.child, self.port) {
            panic!(
                "{} after a restart: {why}; its log:\n{}",
                self.program.display(),
                self.log()
            );
        }
        pack_after_each(&self.program, self.port);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            if let Some(at) = log.find("BUG REPORT START") {
                let report: String = log[at..].chars().take(1000).collect();
                eprintln!("--- the server (port {}) has ended:\n{report}", self.port);
            }
            let from = log.char_indices().rev().nth(4000).map_or(0, |(at, _)| at);
            eprintln!(
                "--- the end of the server's log (port {})\n{}",
                self.port,
                &log[from..]
            );
        }
        let agree = if std::thread::panicking() {
            Ok(())
        } else {
            self.memory_agrees()
        };
        end(&mut self.child);
        if let Err(why) = agree {
            panic!("{why}; its log:\n{}", self.log());
        }
    }
}

/// Time limit of the last replies before the end: some tests leave a server that no longer answers.
const LAST_REPLY_LIMIT: Duration = Duration::from_secs(2);

/// The program under test: russet, or `$RUSSET_SUBJECT`.
pub fn russet() -> PathBuf {
    env::var_os("RUSSET_SUBJECT").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_russet")),
        PathBuf::from,
    )
}

fn spawn(
    program: &Path,
    port: u16,
    folder: &Path,
    file: Option<&str>,
    args: &[String],
    environment: &[(String, String)],
) -> Child {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .expect("the log file opens");
    Command::new(program)
        .args(file)
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--daemonize",
            "no",
        ])
        .args(["--save", "", "--enable-debug-command", "yes", "--dir"])
        .arg(folder)
        .args(io_threads(program))
        .args(args)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()))
}

/// With `$RUSSET_IO_THREADS` this many threads own the clients' sockets, from the first request on,
/// so the same tests also test the threads.
fn io_threads(program: &Path) -> Vec<String> {
    let threads = env::var("RUSSET_IO_THREADS").ok();
    let threads = threads.filter(|_| program == russet());
    threads.map_or_else(Vec::new, |threads| {
        let words = [
            "--io-threads",
            &threads,
            "--io-threads-always-active",
            "yes",
        ];
        words.map(str::to_owned).into()
    })
}

/// With `$RUSSET_PACK_EVERY` all values are packed after each command, so the same tests also test
/// packed values. A server that asks for a password or still loads stays as it is.
fn pack_after_each(program: &Path, port: u16) {
    if env::var_os("RUSSET_PACK_EVERY").is_none() || program != russet() {
        return;
    }
    if let Ok(mut connection) = Connection::open(port)
        && connection.write(b"DEBUG PACK EVERY yes\r\n").is_ok()
    {
        // The reply: the test's first command comes after it.
        let _ = connection.read();
    }
}

/// The answer to PING that a start waits for. A refusal because of a missing password is always
/// enough.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    /// PONG.
    Ready,
    /// PONG, or an error that the server still loads or that its disk takes no writes.
    Any,
}

/// Waits for an answer to PING.
fn wait_for(answer: Answer, child: &mut Child, port: u16) -> Result<(), String> {
    let until = Instant::now() + START_LIMIT;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Err(format!("it ended with {status}"));
        }
        if let Ok(mut connection) = Connection::open(port)
            && connection.write(b"PING\r\n").is_ok()
            && let Ok((_, reply)) = connection.read()
        {
            match reply {
                Reply::Simple(text) if text == b"PONG" => return Ok(()),
                Reply::Error(text) if text.starts_with(b"NOAUTH") => return Ok(()),
                Reply::Error(text)
                    if answer == Answer::Any
                        && (text.starts_with(b"LOADING") || text.starts_with(b"MISCONF")) =>
                {
                    return Ok(());
                }
                _ => {} // loading
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(format!("no answer to PING within {START_LIMIT:?}"))
}

/// Ends exactly this process: SIGTERM, and SIGKILL after the deadline.
fn end(child: &mut Child) {
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    let until = Instant::now() + END_LIMIT;
    while Instant::now() < until {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// A port that was free just now: below the kernel's range of client ports, and with room for the
/// cluster bus 10,000 above. The holder of the file owns it among all test processes of this build,
/// because several processes run at a time and each goes through the whole range.
fn claim_port() -> (u16, File) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ports");
    fs::create_dir_all(&folder).expect("a folder");
    loop {
        let port = free_port_of(22_000, 1_000);
        let file = File::create(folder.join(port.to_string())).expect("a file");
        if file.try_lock().is_ok() {
            return (port, file);
        }
    }
}

/// A port for a console, metrics or TLS beside the plain port, free just now. No port of the
/// kernel's choice (port 0) serves: the kernel may give it to another test before the server binds.
pub fn free_side_port() -> u16 {
    free_port_of(24_000, 4_900)
}

/// A port that was free just now: one of `count` ports from `first` on.
pub fn free_port_of(first: u32, count: u32) -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..count {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = first + (std::process::id().wrapping_mul(61).wrapping_add(step)) % count;
        let port = u16::try_from(port).expect("below 65,536");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port in {first}..{}", first + count);
}

fn read_log(folder: &Path) -> String {
    fs::read(folder.join("log"))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
