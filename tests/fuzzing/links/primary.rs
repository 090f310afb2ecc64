//! A hostile primary: the tape gives its bytes, and the server under test is its replica.
//!
//! The server dials 127.0.0.1:7000 and gets an end of a pair of sockets; the tape writes to the
//! other ends, and keeps the newest few of them. After each step [`PrimaryPlay::check`] compares
//! the server's position and data; [`hostile_primary`] lists the properties. The tape's first byte
//! chooses the forms of full synchronization, an append only file, own data, and whether links stay
//! open at the end. Cost: at the end `END_MS` of simulated time, twice, so that every time limit
//! has passed.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use super::{
    Act, END_MS, End, LINKS_MAX, LinkStep, Play, Site, TapeOutcome, play, words, write_step,
};
use russet_server::node::Facts;

/// Bits of a tape's first byte, after two for `repl-diskless-load`.
pub(super) const RDB_CHANNEL: u8 = 4;
pub(super) const DUAL_CHANNEL: u8 = 8;
const LOG: u8 = 16;
/// The server has its own data when it becomes a replica.
pub(super) const HAS_DATA: u8 = 32;

/// The primary may compress its bytes.
pub(super) const LZ4: u8 = 128;

/// The options of a replica.
pub(super) fn options(how: u8) -> Vec<String> {
    let flag = |bit: u8| if how & bit != 0 { "yes" } else { "no" };
    let load = ["disabled", "swapdb", "flush-before-load", "on-empty-db"][usize::from(how & 3)];
    words(&format!(
        "--port 7001 --save  --databases 4 --rdbchecksum no --snapshot-method loop --repl-backlog-size 16384 \
         --repl-diskless-load {load} --repl-rdb-channel {} --dual-channel-replication-enabled {} \
         --appendonly {} --repl-compression {} --repl-timeout 60",
        flag(RDB_CHANNEL),
        flag(DUAL_CHANNEL),
        flag(LOG),
        flag(LZ4),
    ))
}

/// The links of the server, in the order in which it dialled.
type DialledLinks = Rc<RefCell<Vec<UnixStream>>>;

struct DialledLink {
    end: End,
    said: Vec<u8>,
}

impl DialledLink {
    /// Whether the server has sent a word, in upper or lower case, in a single step or in several.
    fn has_said(&self, word: &[u8]) -> bool {
        let mut windows = self.said.windows(word.len());
        windows.any(|window| window.eq_ignore_ascii_case(word))
    }
}

struct PrimaryPlay {
    site: Site,
    dialled: DialledLinks,
    links: Vec<DialledLink>,
    /// Position and signature of the server's own data.
    own: (Facts, String),
    /// The link was online at some time.
    was_online: bool,
    /// The primary has begun a snapshot, or has continued the stream, on some link.
    may_change: bool,
    /// The primary has sent a CLIENT PAUSE.
    pauses: bool,
}

/// Plays a primary with the bytes of a tape, for a server with the options of its first byte.
///
/// - The server does not fail an assertion, and is idle after each step.
/// - While its position is that of its own data, it has this data. Until a snapshot begins or a
///   +CONTINUE comes, it keeps both.
/// - The backlog ends at the offset.
/// - When the primary is gone or silent, the server no longer loads and has no link online, and it
///   answers a client.
pub fn hostile_primary(bytes: &[u8]) -> TapeOutcome {
    play::<PrimaryPlay>(bytes)
}

impl Play for PrimaryPlay {
    const HALF_OPEN: u8 = 64;

    fn begin(how: u8) -> PrimaryPlay {
        let dialled = DialledLinks::default();
        let own = Rc::clone(&dialled);
        let dial = move |host: &str, port: u16| {
            if (host, port) != ("127.0.0.1", 7000) {
                return Err(ErrorKind::ConnectionRefused.into());
            }
            let (inner, outer) = UnixStream::pair()?;
            own.borrow_mut().push(inner);
            Ok(outer)
        };
        let mut site = Site::start(&options(how), dial);
        if how & HAS_DATA != 0 {
            for line in [
                "SET kept 1",
                "RPUSH list a b c",
                "SELECT 1",
                "HSET h f v",
                "SELECT 0",
            ] {
                let reply = site.ask_line(line);
                assert!(
                    reply.starts_with(b"+OK") || reply.starts_with(b":"),
                    "{line}"
                );
            }
        }
        assert_eq!(site.ask_line("REPLICAOF 127.0.0.1 7000"), b"+OK\r\n");
        site.pass(1000);
        let own = (site.node.facts(), site.node.signature());
        PrimaryPlay {
            site,
            dialled,
            links: Vec::new(),
            own,
            was_online: false,
            may_change: false,
            pauses: false,
        }
    }

    fn step(&mut self, step: LinkStep<'_>) {
        for socket in self.dialled.borrow_mut().drain(..) {
            self.links.push(DialledLink {
                end: End::new(socket),
                said: Vec::new(),
            });
        }
        let surplus = self.links.len().saturating_sub(LINKS_MAX);
        self.links.drain(..surplus);
        match step.act {
            Act::Pass(tens) => self.site.pass(10 * u64::from(tens)),
            Act::PassLong(seconds) => self.site.pass(1000 * u64::from(seconds)),
            Act::Client(what) => self.ask(what),
            _ if self.links.is_empty() => {}
            _ => {
                let at = self.links.len() - 1 - usize::from(step.link) % self.links.len();
                match step.act {
                    Act::Close => drop(self.links.remove(at)),
                    Act::Deafen => self.links[at].end.is_deaf ^= true,
                    Act::Say(bytes) | Act::Drip(bytes) => {
                        let link = &mut self.links[at];
                        link.said.extend_from_slice(bytes);
                        let mut begins = [&b"REDIS"[..], b"VALKEY", b"+CONTINUE"].into_iter();
                        self.may_change |= begins.any(|word| link.has_said(word));
                        self.pauses |= link.has_said(b"PAUSE");
                        write_step(&mut self.site, &mut link.end, step.act);
                    }
                    _ => {}
                }
                self.site.run();
            }
        }
        for link in &mut self.links {
            link.end.read();
        }
    }

    fn check(&mut self) {
        let facts = self.site.node.facts();
        self.was_online |= facts.link == "connected";
        if let Some((first, end, _)) = facts.backlog {
            assert!(first <= end && end == facts.offset, "{facts:?}");
        }
        let (before, signature) = &self.own;
        let is_own = facts.id == before.id
            && facts.offset == before.offset
            && facts.is_known
            && facts.follows.is_some();
        // Without `has_data` the position says nothing about the data.
        if (is_own && facts.has_data && before.has_data) || !self.may_change {
            let now = self.site.node.signature();
            assert_eq!(&now, signature, "{facts:?} {:?}", self.site.node.contents());
        }
    }

    fn end(mut self, half_open: bool) -> TapeOutcome {
        self.dialled.borrow_mut().clear();
        if !half_open {
            self.links.clear();
        }
        for _ in 0..4 {
            self.site.pass(END_MS / 2);
            self.dialled.borrow_mut().clear();
        }
        let facts = self.site.node.facts();
        let is_over = !facts.is_loading && facts.link != "connected" && facts.link != "sync";
        assert!(self.site.node.has_stopped() || is_over, "{facts:?}");
        // A primary may make a replica pause its clients.
        if !self.pauses {
            self.site.check_served();
        }
        TapeOutcome {
            was_online: self.was_online,
            keys: self.site.node.contents().len(),
            syncs: (facts.syncs.0, facts.syncs.1),
        }
    }
}

impl PrimaryPlay {
    /// A command of a client.
    fn ask(&mut self, what: u8) {
        const LINES: [&str; 8] = [
            "GET kept",
            "INFO",
            "ROLE",
            "SET kept 2",
            "EVAL return{redis.call('get','kept')} 0",
            "WAIT 1 10",
            "REPLICAOF 127.0.0.1 7000",
            "BGSAVE",
        ];
        self.site.ask_line(LINES[usize::from(what) % LINES.len()]);
    }
}
