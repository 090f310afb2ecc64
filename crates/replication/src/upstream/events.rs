//! Orders of this machine to its server, and the server's answers.
//!
//! Dialling, bytes of links and lines of the log are [`russet_host`]'s. An order that asks for
//! something ([`Order::Survey`], [`Order::Count`], ...) is answered before the next action is
//! taken.

use super::super::history::{Position, ReplId};
use russet_config::{Dialect, DisklessLoad};
use russet_keyspace::DbIndex;

/// A connection of a synchronization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It brings the stream, and as a rule the snapshot before it.
    Main,
    /// It brings the snapshot while the main link brings the stream.
    Second,
}

/// How a connection was lost. Texts are the system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The other end has closed it.
    Ended,
    /// It cannot be read.
    Reading(String),
    /// It cannot be written to.
    Writing(String),
    /// A compressed block of it is damaged.
    Damaged(String),
}

/// A step of storing a snapshot in a file that has failed. Texts are the system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// The file cannot be created.
    Opening(String),
    /// It takes no more bytes.
    Writing(String),
}

/// The result of a slice of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The header can be read; nothing is loaded yet.
    Header,
    /// There is more to load.
    More,
    /// The bytes that have come are loaded, or too few for the header.
    Starved,
    /// The end of the snapshot is loaded; beside the old data, this many keys.
    Done(Option<u64>),
}

/// Facts about this server's data before a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalDataset {
    /// The history of the data.
    pub id: ReplId,
    /// Keys that have not expired.
    pub keys: u64,
    /// Neither keys nor functions.
    pub is_empty: bool,
    /// `repl-diskless-load`.
    pub diskless: DisklessLoad,
}

/// The keys to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedKeys {
    /// The keys of the file that was received.
    File,
    /// The keys that the first bytes of the snapshot announce.
    Head,
    /// The keys that were loaded beside the old data.
    Beside,
}

/// Something that the server has done for the machine, or that has happened to it.
#[derive(Debug)]
pub enum Answer {
    /// The connection that was asked for last cannot be begun.
    Undialled(String),
    /// A connection was lost.
    Lost(Link, Loss),
    /// The answer to [`Order::Survey`].
    Own(LocalDataset),
    /// [`Order::OpenFile`] or [`Order::Store`] has failed.
    NotStored(StoreFault),
    /// The answer to [`Order::Count`]: keys of this server, and of the snapshot. `None`: they
    /// cannot be counted (yet).
    Counted(u64, Option<u64>),
    /// A slice of loading is done.
    Stepped(Step),
    /// The snapshot cannot be loaded.
    Unloadable(String),
    /// [`Order::Adopt`] is done.
    Adopted,
    /// [`Order::GoOnline`] is done, or has failed.
    Online(bool),
    /// The client that is the link can take the next held bytes, at most so many.
    Drained(usize),
    /// The client that is the link is gone.
    StreamEnded,
    /// The role changes: the link ends, whatever its stage.
    GivenUp,
    /// The answer to [`Order::Introduced`]: the primary may be followed.
    Accepted,
    /// The answer to [`Order::Introduced`], or to an order to load: it may not be followed, for
    /// this reason.
    NotAccepted(String),
}

/// Something that the server does for the machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// The primary has answered the introduction of a node of a group with this line. Answer:
    /// [`Answer::Accepted`], [`Answer::NotAccepted`].
    Introduced(Vec<u8>),
    /// The main link may be compressed from here on, these bytes first.
    Unpack(Vec<u8>),
    /// Send a newline if the socket takes it.
    KeepAlive(Link),
    /// The attempt is over: connections and the file go.
    HangUp,
    /// The replica that was asked to take over does not; then the line is logged.
    TakeOverRefused(String),
    /// The primary continues our history, perhaps under another id.
    ContinueHistory(Option<ReplId>),
    /// Report facts about the data. Answer: [`Answer::Own`].
    Survey,
    /// A file for the snapshot. Only a failure is answered.
    OpenFile,
    /// Append to the file. Only a failure is answered.
    Store(Vec<u8>),
    /// Count keys. `u32`: the percentage of our own that a snapshot needs, so that more need not be
    /// counted. Answer: [`Answer::Counted`].
    Count(CountedKeys, u32),
    /// Prepare to load the file. Only a failure is answered.
    LoadFile,
    /// Prepare to load bytes as they come.
    LoadStream {
        /// Into a keyspace beside the keyspace in use.
        beside: bool,
        /// The first bytes are kept for [`CountedKeys::Head`].
        keeps_head: bool,
    },
    /// Bytes to load.
    Feed(Vec<u8>),
    /// The old data goes, unless the new data is loaded beside it; the load begins.
    BeginLoad {
        /// Clients see the old data meanwhile.
        serves_old: bool,
        /// Bytes of the snapshot; 0: unknown.
        length: u64,
    },
    /// The loaded data is the dataset from now on. Answer: [`Answer::Adopted`],
    /// [`Answer::Unloadable`].
    Adopt {
        /// The position. `None`: the primary has not announced it.
        position: Option<Position>,
        /// The database that the stream has selected, if the primary announced it.
        selected: Option<Option<DbIndex>>,
    },
    /// A load has failed.
    Abandon {
        /// Loading has begun.
        has_begun: bool,
        /// The data of before is still whole.
        keeps_data: bool,
    },
    /// The main link is the stream's from now on: it becomes a client. Answer: [`Answer::Online`].
    GoOnline {
        /// Bytes of the stream that were read already.
        rest: Vec<u8>,
        /// The stream may be compressed.
        unpacks: bool,
        /// The link is not read yet: held bytes come first ([`Answer::Drained`]).
        replays: bool,
    },
    /// The next held bytes, for the link's client.
    Replay(Vec<u8>),
    /// All held bytes were replayed: the link is read from now on.
    ReadLink,
    /// Acknowledge the position to the primary.
    Acknowledge,
    /// The link's client ends, because the primary is silent.
    EndLink,
}

/// Settings of the server that decide.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// The words of the log.
    pub dialect: Dialect,
    /// `repl-timeout`.
    pub timeout_ms: u64,
    /// The most bytes of the stream that are held meanwhile; 0: no limit.
    pub held_max_bytes: u64,
    /// `replica-min-retain-percent`.
    pub retain_percent: u32,
    /// The server is a node of a cluster.
    pub is_cluster: bool,
    /// Data of this server's own is being loaded: no attempt begins.
    pub is_loading: bool,
}
