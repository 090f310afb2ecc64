//! Hostile ends of replication links: a whole server in the process (`server::node`) that takes its
//! sockets and its clock from a tape.
//!
//!     tape = how: u8 | step ...
//!     step = op: u8 | length: u16be | bytes      to be written to a link
//!          | op: u8 | argument: u8               anything else
//!     op   = link (4 bits, counted from the newest) | kind (4 bits)
//!
//! [`primary`] plays the primary of a server that is a replica; [`replica`] plays the replicas of a
//! primary. The seeds are conversations of two servers ([`record`]). Without libFuzzer [`mutate`]
//! makes them hostile.
//!
//! A server writes its files to the process's working folder, so a process plays a single tape at a
//! time.

mod mutation;
mod primary;
mod recording;
mod replica;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use super::input::Input;
use russet_commands::testbed::command_table;
use russet_server::node::ServerNode;

pub use mutation::mutate;
pub use primary::hostile_primary;
pub use recording::record;
pub use replica::hostile_replica;

/// The outcome of a tape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapeOutcome {
    /// The link to the primary was online, or a replica was.
    pub was_online: bool,
    /// Keys at the end.
    pub keys: usize,
    /// Syncs that the server as primary began: full, partial.
    pub syncs: (u64, u64),
}

/// Microseconds of Unix time at the beginning.
const BASE_US: i64 = 1_700_000_000_000_000;
/// The number of steps that a tape plays at most.
const STEPS_MAX: usize = 300;
/// The number of links that a tape holds open at most.
const LINKS_MAX: usize = 16;
/// Bytes that a step writes one by one, with turns of the server after each.
const SINGLE_BYTES: usize = 48;
/// Longer than every time limit of a link.
const END_MS: u64 = 70_000;

/// The action of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act<'a> {
    Say(&'a [u8]),
    /// Writes the first bytes one by one, then the rest at once.
    Drip(&'a [u8]),
    Close,
    /// Tens of milliseconds.
    Pass(u8),
    /// Seconds.
    PassLong(u8),
    /// A client of the server writes.
    Client(u8),
    Open,
    /// Stops or resumes reading this link.
    Deafen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkStep<'a> {
    /// Counted from the newest link.
    pub link: u8,
    pub act: Act<'a>,
}

impl<'a> LinkStep<'a> {
    fn take(input: &mut Input<'a>) -> LinkStep<'a> {
        let op = input.byte();
        let kind = op & 15;
        let act = match kind {
            0..=7 => {
                let len = usize::from(input.byte()) << 8 | usize::from(input.byte());
                let bytes = input.bytes(len);
                if kind < 6 {
                    Act::Say(bytes)
                } else {
                    Act::Drip(bytes)
                }
            }
            8 => Act::Close,
            9 | 10 => Act::Pass(input.byte()),
            11 => Act::PassLong(input.byte()),
            12 | 13 => Act::Client(input.byte()),
            14 => Act::Open,
            _ => Act::Deafen,
        };
        LinkStep { link: op >> 4, act }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let (kind, argument) = match self.act {
            Act::Say(bytes) | Act::Drip(bytes) => {
                // A longer write takes several steps.
                for part in bytes.chunks(0xffff) {
                    let kind = if matches!(self.act, Act::Say(_)) {
                        0
                    } else {
                        6
                    };
                    out.push(self.link << 4 | kind);
                    out.extend((part.len() as u16).to_be_bytes());
                    out.extend(part);
                }
                return;
            }
            Act::Close => (8, None),
            Act::Pass(tens) => (9, Some(tens)),
            Act::PassLong(seconds) => (11, Some(seconds)),
            Act::Client(what) => (12, Some(what)),
            Act::Open => (14, None),
            Act::Deafen => (15, None),
        };
        out.push(self.link << 4 | kind);
        out.extend(argument);
    }
}

/// The steps of a tape, after its first byte.
pub(super) fn steps(bytes: &[u8]) -> Vec<LinkStep<'_>> {
    let mut input = Input::new(bytes);
    let mut steps = Vec::new();
    while !input.is_empty() && steps.len() < STEPS_MAX {
        steps.push(LinkStep::take(&mut input));
    }
    steps
}

/// A server and the hostile ends that a tape plays.
pub(super) trait Play: Sized {
    /// The bit of a tape's first byte that makes links silent at the end, instead of closed.
    const HALF_OPEN: u8;

    /// Starts the server with the options of the tape's first byte.
    fn begin(how: u8) -> Self;
    fn step(&mut self, step: LinkStep<'_>);
    /// Asserts the properties that hold after each step.
    fn check(&mut self);
    /// Ends the links, and asserts the properties that hold afterwards.
    fn end(self, half_open: bool) -> TapeOutcome;
}

/// Plays a tape.
fn play<P: Play>(bytes: &[u8]) -> TapeOutcome {
    let Some((&how, tape)) = bytes.split_first() else {
        return TapeOutcome::default();
    };
    let _folder = Folder::enter();
    let mut play = P::begin(how);
    for step in steps(tape) {
        play.step(step);
        play.check();
    }
    play.end(how & P::HALF_OPEN != 0)
}

static ONE: Mutex<()> = Mutex::new(());

/// Makes a write to a closed socket an error, as in the daemon. libFuzzer's program would end,
/// because it leaves the signal as it is.
fn ignore_broken_pipes() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let flag = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGPIPE, flag).expect("a signal");
    });
}

/// An empty working folder for the servers of a tape.
struct Folder {
    before: PathBuf,
    path: PathBuf,
    threads: usize,
    _one: MutexGuard<'static, ()>,
}

impl Folder {
    fn enter() -> Folder {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        ignore_broken_pipes();
        let memory = PathBuf::from("/dev/shm");
        let under = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        let path = under.join(format!("russet-links-{}", std::process::id()));
        let before = std::env::current_dir().expect("a working folder");
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        std::env::set_current_dir(&path).expect("a folder");
        Folder {
            before,
            path,
            threads: threads(),
            _one: one,
        }
    }
}

/// Threads of this process; 0 if the system does not report them.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Waits for ending threads, because the checker would report their memory as a leak.
        let end = Instant::now() + Duration::from_millis(200);
        while threads() > self.threads && Instant::now() < end {
            std::thread::sleep(Duration::from_micros(200));
        }
        let _ = std::env::set_current_dir(&self.before);
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// An end of a connection; the server has the other end.
struct End {
    socket: UnixStream,
    is_deaf: bool,
}

impl End {
    fn new(socket: UnixStream) -> End {
        socket.set_nonblocking(true).expect("a socket");
        End {
            socket,
            is_deaf: false,
        }
    }

    /// Connects to a server.
    fn to(node: &mut ServerNode, from: u16) -> End {
        let (mine, its) = UnixStream::pair().expect("sockets");
        node.accept(its, from).expect("a client");
        End::new(mine)
    }

    /// Writes as many bytes as the socket takes. The server may have closed the socket.
    fn write(&mut self, bytes: &[u8]) {
        let _ = self.socket.write(bytes);
    }

    /// The bytes that the server has sent.
    fn read(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut part = [0; 16 * 1024];
        while !self.is_deaf
            && let Ok(n @ 1..) = self.socket.read(&mut part)
        {
            all.extend_from_slice(&part[..n]);
        }
        all
    }
}

/// A server with its clock and a client.
struct Site {
    node: ServerNode,
    now_ms: u64,
    client: End,
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

impl Site {
    fn start(
        options: &[String],
        dial: impl FnMut(&str, u16) -> std::io::Result<UnixStream> + 'static,
    ) -> Site {
        let mut node =
            ServerNode::start(command_table(), options, BASE_US, dial).expect("it starts");
        node.run().expect("it rests");
        let client = End::to(&mut node, 9);
        Site {
            node,
            now_ms: 0,
            client,
        }
    }

    fn run(&mut self) {
        if let Err(why) = self.node.run() {
            panic!("{why}");
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.node
            .set_time(BASE_US + 1000 * self.now_ms as i64, self.now_ms);
        self.run();
    }

    /// Sends a command; returns the bytes that the client has received so far.
    fn ask(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let mut request = Vec::new();
        russet_resp::write_request(&mut request, words.iter().copied());
        self.client.write(&request);
        self.run();
        self.client.read()
    }

    fn ask_line(&mut self, line: &str) -> Vec<u8> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.ask(&words)
    }

    /// Asserts that the server answers a new client.
    fn check_served(&mut self) {
        if self.node.has_stopped() {
            return;
        }
        self.client = End::to(&mut self.node, 9);
        let reply = self.ask_line("PING");
        let is_reply = reply.ends_with(b"\r\n") && (reply[0] == b'+' || reply[0] == b'-');
        assert!(is_reply, "PING: {:?}", String::from_utf8_lossy(&reply));
    }
}

/// Writes a link's bytes by its step, with turns of the server in between.
fn write_step(site: &mut Site, end: &mut End, act: Act<'_>) {
    let (first, rest) = match act {
        Act::Say(bytes) => bytes.split_at(0),
        Act::Drip(bytes) => bytes.split_at(bytes.len().min(SINGLE_BYTES)),
        _ => return,
    };
    for byte in first {
        end.write(std::slice::from_ref(byte));
        site.run();
        end.read();
    }
    end.write(rest);
    site.run();
    end.read();
}
