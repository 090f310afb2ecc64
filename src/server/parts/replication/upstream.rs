//! The link to the primary that this server follows.
//!
//!     Down -> Dialing -> Talking -> Receiving -> Loading -> Online
//!      ^                    |  (partial: straight to Online)  |
//!      +--------------------+---------------------------------+   an error, or silence
//!
//! If the snapshot comes by a second link, the first one becomes [`Upstream::main`], and the second
//! one goes through the stages:
//!
//!     Talking -> Dialing -> Announcing -> Joining -> Receiving -> Loading -> Online (replaying)
//!
//! Meanwhile the main link's stream is held ([`HeldStream`]); it is replayed once the snapshot is
//! loaded. The loss of either link ends the attempt, unless a file is being loaded.
//!
//! Until it is online the link is a role of its own (`run::links::upstream`); then it is a client
//! with the flag `PRIMARY`, whose commands are the stream (`execution::upstream`). Attempts follow
//! each other at once after a link that worked, after a second if the primary refuses or if several
//! links have ended as soon as they began, and with a growing delay if its snapshots cannot be
//! loaded ([`Upstream::lose`]).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::server::parts::persist::loading::{RdbFile, RdbStream};
use crate::server::process::log::{MASTER, MASTER_FIRST, of_primary};
use russet_keyspace::{ClientId, DbIndex, Keyspace};
use russet_net::{Connecting, Stream};
use russet_replication::compression::{Kind, Unpacker};
use russet_replication::{
    Announced, ChannelHandshake, ChannelProtocol, Handshake, HeldStream, Join, Mark, Payload,
    Position,
};

/// Delay after a refused attempt.
const RETRY_MS: u64 = 1000;
/// A link that ended sooner than this after it began was a short one.
const SHORT_MS: u64 = 1000;
/// Short links in a row after which the next attempt waits.
const SHORT_LINKS: u32 = 3;
/// The longest delay after snapshots that could not be loaded.
const RETRY_MAX_MS: u64 = 30_000;

/// See the module.
pub struct Upstream {
    pub host: String,
    pub port: u16,
    pub(in crate::server) link: UpstreamLink,
    /// Distinguishes the sockets of successive attempts.
    pub(in crate::server) generation: u32,
    /// No attempt before this time, monotonic milliseconds.
    pub(in crate::server) retry_ms: u64,
    /// Snapshots in a row that could not be loaded.
    failures: u32,
    /// Short links in a row.
    short_links: u32,
    /// The last bytes of the primary, monotonic milliseconds.
    pub(in crate::server) received_ms: u64,
    /// When the link went down; `None`: it has never been up.
    pub(in crate::server) down_since_ms: Option<u64>,
    /// When the last ACK or newline was sent.
    pub(in crate::server) reported_ms: u64,
    /// The position of the last snapshot or stream is known: the dataset is a copy of the
    /// primary's.
    pub has_data: bool,
    /// Our data is a copy of this address's: the link has been online, or was at the last run.
    pub(in crate::server) is_familiar: bool,
    /// Our data was this server's as a primary, whose slots the cluster has given to the one that
    /// is followed.
    pub(in crate::server) guards_own: bool,
    /// The next snapshot is taken even if it has few keys.
    pub(in crate::server) accepts_any: bool,
    /// The snapshot that was refused last (`replication::guard`); `None` since the link is online.
    pub refused: Option<RefusedSync>,
    /// The position at which this server stopped being a primary, until it is known which of its
    /// writes its new primary has (`replication::demotion`).
    pub(in crate::server) demoted: Option<Position>,
    /// The bytes of a transaction whose EXEC has not come.
    pub(in crate::server) unit: Unit,
    /// The link that brings the stream, while a second one brings the snapshot.
    pub(in crate::server) main: Option<Box<MainLink>>,
    /// Bytes of the main link that the link's client has not been given.
    pub(in crate::server) held: HeldStream,
    /// The link is online, and its client gets the held bytes before its socket is read.
    pub(in crate::server) replays: bool,
    /// The primary's stream needs data that is not here: it is not followed any further, and the
    /// next link begins with a full copy.
    pub(in crate::server) diverged: bool,
    /// PSYNC asks the other end to take over.
    pub(in crate::server) failover: bool,
    /// It was announced to the primary that it may compress the stream and the snapshot.
    pub(in crate::server) unpacks: bool,
    pub figures: Attempts,
}

/// A snapshot that was refused because it has too few keys.
#[derive(Clone, Copy, Debug)]
pub struct RefusedSync {
    /// Keys of the snapshot, and our own.
    pub keys: u64,
    pub own_keys: u64,
    /// Monotonic milliseconds.
    pub at_ms: u64,
}

/// Attempts to synchronize, for INFO.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempts {
    /// Attempts since the link was last up.
    pub current: u64,
    pub total: u64,
    pub up_since_ms: u64,
    pub disconnected_ms: u64,
}

/// See the module.
pub(in crate::server) enum UpstreamLink {
    Down,
    Dialing(Box<Connecting>, u64),
    Talking(Box<Talking>),
    /// The conversation on the second link, before the snapshot.
    Announcing(Box<Announcing>),
    /// The second link waits until the main one has joined it.
    Joining(Box<Joining>),
    Receiving(Box<Receiving>),
    Loading(Box<SyncLoad>),
    Online(ClientId),
}

/// A part of the stream that is appended to this server's own at once.
#[derive(Debug, Default)]
pub(in crate::server) struct Unit {
    /// The bytes as the primary sent them.
    pub bytes: Vec<u8>,
    /// The bytes that the log takes, with the lengths of the parts that it does not take.
    pub logged: Vec<u8>,
    /// Bytes since the last that the log takes.
    pub left_out: u64,
}

impl Unit {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds bytes that the log does not take.
    pub fn leave_out(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.left_out += bytes.len() as u64;
    }

    /// Adds a command. `with_marks`: the log has annotations.
    pub fn add(&mut self, command: &[u8], with_marks: bool) {
        let left_out = std::mem::take(&mut self.left_out);
        if with_marks && left_out > 0 {
            Mark::ReplicasOnly(left_out).write(&mut self.logged);
        }
        self.bytes.extend_from_slice(command);
        self.logged.extend_from_slice(command);
    }
}

/// The conversation before the stream.
pub(in crate::server) struct Talking {
    pub stream: Stream,
    pub handshake: Handshake,
    /// Bytes that the socket has not taken.
    pub out: Vec<u8>,
}

/// The link that brings the stream, while a second one brings the snapshot.
pub(in crate::server) struct MainLink {
    pub stream: Stream,
    pub dialect: ChannelProtocol,
    /// The database that the stream has selected after the snapshot, if the primary announced it.
    pub selected: Option<Option<DbIndex>>,
    /// It was lost while a file is loaded; the load continues.
    pub is_lost: bool,
}

/// The conversation on the second link.
pub(in crate::server) struct Announcing {
    pub stream: Stream,
    pub handshake: ChannelHandshake,
    pub out: Vec<u8>,
}

/// A second link whose snapshot is announced.
pub(in crate::server) struct Joining {
    pub stream: Stream,
    pub announced: Announced,
    /// Bytes of the second link after the announcement.
    pub rest: Vec<u8>,
    /// The conversation on the main link, and the bytes that its socket has not taken.
    pub join: Join,
    pub out: Vec<u8>,
}

/// A snapshot that is received into a file.
pub(in crate::server) struct Receiving {
    pub stream: Stream,
    pub payload: Payload,
    /// `None`: the primary has not announced it (SYNC).
    pub position: Option<Position>,
    pub file: SyncFile,
    /// Bytes of the link that were read already.
    pub rest: Vec<u8>,
    pub bytes: Vec<u8>,
}

/// A file for a snapshot. Dropped, it is deleted.
pub(in crate::server) struct SyncFile {
    file: File,
    path: PathBuf,
}

impl SyncFile {
    /// Creates the file. Error: that of the system.
    pub fn create(path: PathBuf) -> io::Result<SyncFile> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        Ok(SyncFile { file, path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Waits until all of it is on disk. Error: that of the system.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Renames it; it stays. Error: that of the system; the file is deleted.
    pub fn keep_as(mut self, name: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, name)?;
        self.path = PathBuf::new();
        Ok(())
    }
}

impl Drop for SyncFile {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // Best effort: a file that stays has no reader.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A snapshot that is being loaded (`replication::load`).
pub(in crate::server) struct SyncLoad {
    pub stream: Stream,
    pub position: Option<Position>,
    pub source: Source,
    /// Bytes of the stream that came after the snapshot.
    pub rest: Vec<u8>,
    /// The keyspace that is loaded beside the one in use (`swapdb`).
    pub beside: Option<Box<Keyspace>>,
    /// Clients see the old data meanwhile.
    pub serves_old: bool,
    /// The header has been read, and the load has begun.
    pub has_begun: bool,
    /// The new data waits until the helper thread has freed the old one, up to this mark.
    pub awaits_freed: Option<u64>,
    /// The last step needed bytes that have not come.
    pub is_starved: bool,
}

/// The source of a snapshot.
pub(in crate::server) enum Source {
    File(Box<RdbFile>),
    /// The link's socket.
    Socket {
        rdb: Box<RdbStream>,
        payload: Payload,
        /// Bytes that were read before the load began.
        unread: Vec<u8>,
        /// The end of the file has been loaded; the end of the frame may not have come.
        is_loaded: bool,
        /// A copy of the first bytes, while it is to be seen whether the snapshot has enough keys.
        head: Option<Vec<u8>>,
    },
}

impl Receiving {
    /// Takes bytes of the link: those of the snapshot go to the file.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.bytes.clear();
        let taken = self
            .payload
            .receive(bytes, &mut self.bytes)
            .map_err(|error| of_primary(&error))?;
        self.rest.extend_from_slice(&bytes[taken..]);
        self.file.write_all(&self.bytes).map_err(|error| {
            format!(
                "Write error or short write writing to the DB dump file needed for {MASTER} <-> \
                     REPLICA synchronization: {}",
                russet_config::system_text(&error)
            )
        })
    }
}

impl Upstream {
    pub fn new(host: String, port: u16, now_ms: u64) -> Upstream {
        Upstream {
            host,
            port,
            link: UpstreamLink::Down,
            generation: 0,
            retry_ms: now_ms,
            failures: 0,
            short_links: 0,
            received_ms: now_ms,
            down_since_ms: None,
            reported_ms: now_ms,
            has_data: false,
            diverged: false,
            is_familiar: false,
            guards_own: false,
            accepts_any: false,
            refused: None,
            demoted: None,
            unit: Unit::default(),
            main: None,
            held: HeldStream::default(),
            replays: false,
            failover: false,
            unpacks: false,
            figures: Attempts::default(),
        }
    }

    /// The stream follows on this connection, `rest` first, which was read already. Bytes that are
    /// still to be read in the same way are returned beside it.
    pub(in crate::server) fn hand_over_stream(
        &self,
        stream: Stream,
        rest: Vec<u8>,
    ) -> (Stream, Vec<u8>) {
        if !self.unpacks || stream.is_unpacking() {
            return (stream, rest);
        }
        let unpacker = Unpacker::new(Kind::Stream);
        (stream.unpacking(Box::new(unpacker), &rest), Vec::new())
    }

    /// Whether the stream is being received.
    #[inline]
    pub fn is_online(&self) -> bool {
        matches!(self.link, UpstreamLink::Online(_))
    }

    /// Whether a snapshot is being received or loaded.
    pub fn is_syncing(&self) -> bool {
        self.main.is_some()
            || matches!(
                self.link,
                UpstreamLink::Receiving(_) | UpstreamLink::Loading(_)
            )
    }

    /// The client that is the link, while it is online.
    pub fn client(&self) -> Option<ClientId> {
        match self.link {
            UpstreamLink::Online(id) => Some(id),
            _ => None,
        }
    }

    /// ROLE's word for the link.
    pub fn state_name(&self) -> &'static str {
        match self.link {
            UpstreamLink::Receiving(_) | UpstreamLink::Loading(_) => "sync",
            // The second link is on its way to the snapshot.
            _ if self.main.is_some() => "handshake",
            UpstreamLink::Down => "connect",
            UpstreamLink::Dialing(..) => "connecting",
            UpstreamLink::Talking(_) => "handshake",
            UpstreamLink::Announcing(_) | UpstreamLink::Joining(_) => "handshake",
            UpstreamLink::Online(_) => "connected",
        }
    }

    /// The snapshot under way: bytes expected (0: unknown) and received.
    pub fn transfer(&self) -> Option<(u64, u64)> {
        match &self.link {
            UpstreamLink::Receiving(receiving) => {
                let payload = &receiving.payload;
                Some((payload.length().unwrap_or(0), payload.received()))
            }
            UpstreamLink::Loading(load) => match &load.source {
                Source::File(file) => Some((file.bytes(), file.bytes())),
                Source::Socket { payload, .. } => {
                    Some((payload.length().unwrap_or(0), payload.received()))
                }
            },
            _ => None,
        }
    }

    /// A snapshot that was refused before is taken: the next attempt is made at once. Without a
    /// refusal nothing changes, so that a repeated REPLICAOF does not disarm the guard.
    pub(in crate::server) fn accept_sync(&mut self, now_ms: u64) {
        if self.refused.is_some() {
            self.accepts_any = true;
            self.retry_ms = self.retry_ms.min(now_ms);
        }
    }

    /// The attempt has failed, or the link is lost. `delay`: the primary refused, or is not there.
    pub(in crate::server) fn lose(&mut self, now_ms: u64, delay: Delay) {
        if self.is_online() {
            self.down_since_ms = Some(now_ms);
            self.figures.current = 0;
            self.short_links = if now_ms.saturating_sub(self.figures.up_since_ms) < SHORT_MS {
                self.short_links.saturating_add(1)
            } else {
                0
            };
        }
        if self.replays {
            tracing::warn!("{MASTER_FIRST} client was freed while streaming replication buffer");
        }
        self.has_data &= !std::mem::take(&mut self.diverged);
        self.link = UpstreamLink::Down;
        self.unit = Unit::default();
        (self.main, self.replays) = (None, false);
        self.held.clear();
        self.generation = self.generation.wrapping_add(1);
        self.retry_ms = now_ms
            + match delay {
                Delay::None if self.short_links >= SHORT_LINKS => RETRY_MS,
                Delay::None => 0,
                Delay::Refused => RETRY_MS,
                Delay::Guarded => RETRY_MAX_MS,
                Delay::Unloadable => {
                    self.failures = self.failures.saturating_add(1);
                    let doubled = RETRY_MS << self.failures.saturating_sub(1).min(5);
                    doubled.min(RETRY_MAX_MS)
                }
            };
    }

    /// The link is online.
    pub(in crate::server) fn establish(&mut self, client: ClientId, now_ms: u64) {
        self.link = UpstreamLink::Online(client);
        (self.failures, self.has_data) = (0, true);
        (self.is_familiar, self.guards_own, self.accepts_any) = (true, false, false);
        (self.refused, self.demoted) = (None, None);
        (self.received_ms, self.reported_ms) = (now_ms, now_ms);
        self.figures.up_since_ms = now_ms;
        if let Some(since_ms) = self.down_since_ms.take() {
            self.figures.disconnected_ms += now_ms.saturating_sub(since_ms);
        }
    }
}

/// Whether the next attempt waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Delay {
    /// A link that worked was lost: none, unless several have ended as soon as they began.
    None,
    Refused,
    /// The primary answers, but its snapshot cannot be taken: 1 s, doubling to 30 s.
    Unloadable,
    /// Its snapshot would delete nearly everything: 30 s.
    Guarded,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: a primary that accepted the link and closed it was dialled again without pause.
    #[test]
    fn links_that_end_at_once_are_not_made_anew_at_once() {
        let mut upstream = Upstream::new("p".into(), 1, 0);
        let mut now = 0;
        let mut wait_after = |upstream: &mut Upstream, lived| {
            upstream.establish(ClientId(1), now);
            now += lived;
            upstream.lose(now, Delay::None);
            upstream.retry_ms - now
        };
        let waits: Vec<u64> = (0..4).map(|_| wait_after(&mut upstream, 10)).collect();
        assert_eq!(waits, [0, 0, RETRY_MS, RETRY_MS]);
        assert_eq!(wait_after(&mut upstream, SHORT_MS), 0);
        assert_eq!(wait_after(&mut upstream, 10), 0);
    }
}
