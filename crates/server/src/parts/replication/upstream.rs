//! The link to the primary: its machine, and the machine's resources: connections, a file, a load.
//!
//! `russet_replication::upstream` decides; `replication::upstream` carries its actions out, and
//! `run::upstream` reads the connections. Once the link is online it is a client with the
//! flag `PRIMARY`, whose commands are the stream (`replication::stream`).

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::parts::persist::loading::{RdbFile, RdbStream};
use russet_host::{Action, LinkId};
use russet_keyspace::{ClientId, Keyspace};
use russet_net::{ConnectAttempt, Stream};
use russet_replication::upstream::{self as machine, Link, Order};

/// See the module.
pub struct Upstream {
    /// The machine that decides.
    pub core: machine::Upstream,
    /// A connection that is being made.
    pub(crate) dialing: Option<(LinkId, Box<ConnectAttempt>)>,
    /// The connections that are made.
    pub main: Option<Socket>,
    pub second: Option<Socket>,
    /// The snapshot's file, while it is received.
    pub file: Option<SyncFile>,
    /// Bytes that were stored in the file in this turn.
    pub stored: usize,
    pub load: Option<Box<SyncLoad>>,
    /// The client that is the link, while the link is online.
    pub client: Option<ClientId>,
    /// Actions that need the loop's poll.
    pub(crate) for_loop: VecDeque<Action<Order>>,
}

/// A connection to the primary that is no client's.
pub struct Socket {
    pub stream: Stream,
    /// Bytes that the socket has not taken.
    pub out: Vec<u8>,
}

impl Socket {
    pub fn new(stream: Stream) -> Socket {
        Socket {
            stream,
            out: Vec::new(),
        }
    }

    /// Writes as many bytes as the socket takes. Error: the system's.
    pub fn send(&mut self) -> io::Result<()> {
        let Socket { stream, out } = self;
        while !out.is_empty() {
            match stream.write(out) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => _ = out.drain(..n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        match stream.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }
}

/// A file for a snapshot. Dropped, it is deleted.
pub struct SyncFile {
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

    /// Appends bytes. Error: that of the system.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Waits until the whole file is on disk. Error: the system's.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Renames the file, which stays. Error: the system's; the file is deleted.
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
pub struct SyncLoad {
    pub source: Source,
    /// The keyspace that is loaded beside the keyspace in use (`swapdb`).
    pub beside: Option<Box<Keyspace>>,
    /// A copy of the first bytes, until it is known whether the snapshot has enough keys.
    pub head: Option<Vec<u8>>,
    /// The header has been read, and the load has begun.
    pub has_begun: bool,
    /// The new data waits until the helper thread has freed the old data, up to this mark.
    pub awaits_freed: Option<u64>,
    /// The last step needed bytes that have not come.
    pub is_starved: bool,
}

/// The source of a snapshot.
pub enum Source {
    File(Box<RdbFile>),
    /// The link, as its bytes come.
    Link(Box<RdbStream>),
}

impl Upstream {
    pub fn new(host: String, port: u16, now_ms: u64) -> Upstream {
        Upstream {
            core: machine::Upstream::new(host, port, now_ms),
            dialing: None,
            main: None,
            second: None,
            file: None,
            stored: 0,
            load: None,
            client: None,
            for_loop: VecDeque::new(),
        }
    }

    pub fn socket(&mut self, link: Link) -> Option<&mut Socket> {
        match link {
            Link::Main => self.main.as_mut(),
            Link::Second => self.second.as_mut(),
        }
    }

    /// Ends what an attempt has made, but for a load.
    pub(crate) fn hang_up(&mut self) {
        (self.main, self.second, self.dialing) = (None, None, None);
        (self.file, self.client) = (None, None);
        self.for_loop.clear();
    }

    /// Whether the stream is being received.
    #[inline]
    pub fn is_online(&self) -> bool {
        self.core.is_online()
    }

    /// Whether a snapshot is being loaded.
    #[cfg(any(test, feature = "testing"))]
    pub fn is_loading(&self) -> bool {
        use russet_replication::upstream::Phase;
        matches!(self.core.phase(), Phase::LoadingFile | Phase::LoadingStream)
    }

    /// The current snapshot: bytes expected (0: unknown) and received.
    pub fn transfer(&self) -> Option<(u64, u64)> {
        match self.load.as_ref().map(|load| &load.source) {
            Some(Source::File(file)) => Some((file.bytes(), file.bytes())),
            _ => self.core.transfer(),
        }
    }
}
