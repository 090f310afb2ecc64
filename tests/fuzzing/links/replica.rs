//! Hostile replicas: any number of links to a server that is a primary, while a client writes.
//!
//! The default user has only the rights of a replica, so that a tape cannot stop the server; the
//! client logs in as another user. [`ID`] in a tape stands for the id of the server's history,
//! which differs from run to run. After each step [`ReplicaPlay::check`] compares the backlog with
//! the offset and with the bytes that online replicas still need; [`hostile_replica`] lists the
//! properties. The tape's first byte chooses the form of full synchronization, small output
//! buffers, an append only file, and whether links stay open at the end.

use super::{
    Act, END_MS, End, LINKS_MAX, LinkStep, Play, Site, TapeOutcome, play, words, write_step,
};

/// Bits of a tape's first byte.
pub(super) const DISKLESS: u8 = 1;
pub(super) const RDB_CHANNEL: u8 = 2;
pub(super) const DUAL_CHANNEL: u8 = 4;
const LOG: u8 = 8;
/// The output buffers of replicas have a small limit.
const SMALL_OUTPUTS: u8 = 16;
/// The server compresses the stream for replicas that accept it.
pub(super) const LZ4: u8 = 64;

/// Stands for the id of the server's history in a tape.
pub(super) const ID: &[u8; 40] = b"@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@";

/// The rights of a replica, because a client with all rights could stop the server.
const RIGHTS: &str = "-@all +psync +sync +replconf +ping +auth +hello +select +get +set +info +role \
                      +wait +multi +exec +quit +reset +publish +subscribe";

/// The options of a primary.
pub(super) fn options(how: u8) -> Vec<String> {
    let flag = |bit: u8| if how & bit != 0 { "yes" } else { "no" };
    words(&format!(
        "--port 7000 --save  --databases 4 --rdbchecksum no --snapshot-method loop --repl-backlog-size 16384 \
         --repl-diskless-sync-delay 0 --repl-diskless-sync {} --repl-rdb-channel {} \
         --dual-channel-replication-enabled {} --appendonly {} --repl-compression {} --repl-timeout 60",
        flag(DISKLESS),
        flag(RDB_CHANNEL),
        flag(DUAL_CHANNEL),
        flag(LOG),
        flag(LZ4),
    ))
}

struct ReplicaPlay {
    site: Site,
    links: Vec<End>,
    was_online: bool,
    has_log: bool,
    writes: u64,
    /// The lowest position of a replica after the last step.
    unsent: Option<u64>,
}

/// Plays the replicas of a server with the options of a tape's first byte, while a client writes.
///
/// - The server does not fail an assertion, and is idle after each step.
/// - The backlog ends at the offset, has the bytes that online replicas still need, and is no
///   longer than its size and these bytes.
/// - When the replicas are gone or silent, the server has no replica, and it answers a client.
pub fn hostile_replica(bytes: &[u8]) -> TapeOutcome {
    play::<ReplicaPlay>(bytes)
}

impl Play for ReplicaPlay {
    const HALF_OPEN: u8 = 32;

    fn begin(how: u8) -> ReplicaPlay {
        let refuse = |_: &str, _| Err(std::io::ErrorKind::ConnectionRefused.into());
        let mut site = Site::start(&options(how), refuse);
        let mut setup = vec!["ACL SETUSER writer on >pw ~* &* +@all".to_owned()];
        setup.push("AUTH writer pw".to_owned());
        setup.push(format!("ACL SETUSER default {RIGHTS}"));
        if how & SMALL_OUTPUTS != 0 {
            let limit = "CONFIG SET client-output-buffer-limit";
            let line: Vec<&[u8]> = limit.split(' ').map(str::as_bytes).collect();
            site.ask(&[&line[..], &[b"replica 20000 10000 1"]].concat());
        }
        setup.extend(["SET kept 1", "RPUSH list a b c", "HSET h f v"].map(str::to_owned));
        for line in setup {
            let reply = site.ask_line(&line);
            assert!(
                reply.starts_with(b"+OK") || reply.starts_with(b":"),
                "{line}"
            );
        }
        ReplicaPlay {
            site,
            links: Vec::new(),
            was_online: false,
            has_log: how & LOG != 0,
            writes: 0,
            unsent: None,
        }
    }

    fn step(&mut self, step: LinkStep<'_>) {
        match step.act {
            Act::Pass(tens) => self.site.pass(10 * u64::from(tens)),
            Act::PassLong(seconds) => self.site.pass(1000 * u64::from(seconds)),
            Act::Client(what) => self.write(what),
            Act::Open => {
                if self.links.len() == LINKS_MAX {
                    self.links.remove(0);
                }
                self.links.push(End::to(&mut self.site.node, 7001));
                self.site.run();
            }
            _ if self.links.is_empty() => {}
            _ => {
                let at = self.links.len() - 1 - usize::from(step.link) % self.links.len();
                match step.act {
                    Act::Close => drop(self.links.remove(at)),
                    Act::Deafen => self.links[at].is_deaf ^= true,
                    Act::Say(bytes) => self.write_step(at, bytes, false),
                    Act::Drip(bytes) => self.write_step(at, bytes, true),
                    _ => {}
                }
                self.site.run();
            }
        }
        for link in &mut self.links {
            link.read();
        }
        self.site.client.read();
    }

    fn check(&mut self) {
        let facts = self.site.node.facts();
        let online = || facts.replicas.iter().filter(|replica| replica.is_online);
        self.was_online |= online().next().is_some();
        let sent = facts.replicas.iter().map(|replica| replica.sent);
        let unsent = sent.filter(|&sent| sent > 0).min();
        if let Some((first, end, size)) = facts.backlog {
            assert!(first <= end && end == facts.offset, "{facts:?}");
            let held = self.site.node.stream_from(first).map(|bytes| bytes.len());
            assert_eq!(held, Some((end - first) as usize), "{facts:?}");
            for replica in online() {
                let is_held = self.has_log || replica.sent >= first;
                assert!(is_held && replica.sent <= end, "{facts:?}");
            }
            let read = [unsent, self.unsent].into_iter().flatten().min();
            let pinned = read.map_or(0, |at| end.saturating_sub(at));
            let most = size.max(pinned) + 3 * 16 * 1024 + 128 * 1024;
            assert!(end - first <= most, "{facts:?}");
        }
        self.unsent = unsent;
    }

    fn end(mut self, half_open: bool) -> TapeOutcome {
        if !half_open {
            self.links.clear();
        }
        let keys = self.site.node.contents().len();
        for _ in 0..4 {
            self.site.pass(END_MS / 2);
        }
        let facts = self.site.node.facts();
        assert!(facts.replicas.is_empty(), "{facts:?}");
        self.site.check_served();
        let reply = self.site.ask_line("PING");
        assert_eq!(reply, b"+PONG\r\n");
        TapeOutcome {
            was_online: self.was_online,
            keys,
            syncs: (facts.syncs.0, facts.syncs.1),
        }
    }
}

impl ReplicaPlay {
    fn write_step(&mut self, at: usize, bytes: &[u8], drips: bool) {
        let mut bytes = bytes.to_vec();
        let id = self.site.node.facts().id;
        while let Some(at) = bytes.windows(ID.len()).position(|window| window == ID) {
            bytes[at..at + ID.len()].copy_from_slice(id.as_bytes());
        }
        let act = if drips {
            Act::Drip(&bytes)
        } else {
            Act::Say(&bytes)
        };
        write_step(&mut self.site, &mut self.links[at], act);
    }

    /// A command of a client.
    fn write(&mut self, what: u8) {
        self.writes += 1;
        let number = self.writes.to_string();
        match what % 16 {
            0..=7 => {
                let value = vec![b'v'; 1 << (what % 8 + 6)];
                self.site.ask(&[b"SET", b"k", &value]);
            }
            8 => _ = self.site.ask(&[b"RPUSH", b"list", number.as_bytes()]),
            9 => _ = self.site.ask_line("WAIT 1 100"),
            10 => _ = self.site.ask_line("INFO"),
            11 => _ = self.site.ask_line("ROLE"),
            12 => _ = self.site.ask_line("BGSAVE"),
            13 => _ = self.site.ask_line("CLIENT LIST"),
            14 => _ = self.site.ask_line("FAILOVER TIMEOUT 500"),
            _ => _ = self.site.ask_line("CONFIG SET repl-backlog-size 32768"),
        }
    }
}
