//! The snapshot of a full synchronization: received into a file or loaded as it comes.
//!
//!     file    received whole, counted, then the old data goes, and it is loaded
//!     stream  after the header the old data goes, or (`swapdb`) the new data is loaded beside it
//!             and replaces it at the end
//!
//! A snapshot that cannot be loaded ends the attempt, not the server: the next attempt is delayed.

use super::super::history::Position;
use super::super::payload::Payload;
use super::core::{Delay, Stage, Upstream};
use super::events::{CountedKeys, LocalDataset, Order, Step, StoreFault};
use super::words::Words;
use russet_config::DisklessLoad;

/// Capacity of the memory that is kept for stored bytes.
const SPARE_BYTES_MAX: usize = 256 * 1024;

/// A snapshot that is received into a file.
#[derive(Debug)]
pub(super) struct SnapshotReceiver {
    payload: Payload,
    /// `None`: the primary has not announced it (SYNC).
    position: Option<Position>,
    /// Bytes of the link that came after the snapshot.
    rest: Vec<u8>,
}

/// A snapshot that is being loaded.
#[derive(Debug)]
pub(super) struct SnapshotLoad {
    /// The frame of a snapshot that is loaded as it comes.
    payload: Option<Payload>,
    position: Option<Position>,
    /// Bytes of the stream that came after the snapshot.
    rest: Vec<u8>,
    /// It is loaded beside the old data (`swapdb`).
    beside: bool,
    /// Clients see the old data meanwhile.
    serves_old: bool,
    /// Bytes of the snapshot so far, while it is to be seen whether it has enough keys.
    head: Option<usize>,
    /// The header has been read, and the load has begun.
    pub has_begun: bool,
    /// The last step needed bytes that have not come.
    is_starved: bool,
    /// The end of the snapshot has been loaded; the end of the frame may not have come.
    is_loaded: bool,
    /// The keys beside the old data, at the end.
    keys: Option<u64>,
}

impl SnapshotReceiver {
    pub fn is_received(&self) -> bool {
        self.payload.is_whole()
    }
}

impl SnapshotLoad {
    pub fn is_file(&self) -> bool {
        self.payload.is_none()
    }

    /// Whether the link has brought the whole snapshot.
    pub fn is_received(&self) -> bool {
        self.payload.as_ref().is_none_or(Payload::is_whole)
    }

    pub fn head_bytes(&self) -> usize {
        self.head.unwrap_or(0)
    }

    /// Whether the load can continue only when the link brings more.
    pub fn awaits_link(&self) -> bool {
        !self.is_received() && (!self.has_begun || self.is_starved || self.is_loaded)
    }

    pub fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }
}

impl Upstream {
    /// The snapshot under way as the link brings it: bytes expected (0: unknown) and received.
    pub fn transfer(&self) -> Option<(u64, u64)> {
        let payload = match &self.stage {
            Stage::Receiving(receiving) => Some(&receiving.payload),
            Stage::Loading(loading) => loading.payload.as_ref(),
            _ => None,
        };
        payload.map(|payload| (payload.length().unwrap_or(0), payload.received()))
    }

    /// Whether the end of the snapshot is loaded, and the end of its frame may not have come.
    pub fn has_loaded(&self) -> bool {
        matches!(&self.stage, Stage::Loading(loading) if loading.is_loaded)
    }

    /// The position in the primary's history of the snapshot that is being loaded, if the primary
    /// gave it.
    pub fn snapshot_position(&self) -> Option<Position> {
        match &self.stage {
            Stage::Loading(loading) => loading.position,
            _ => None,
        }
    }

    /// Takes memory of stored bytes back.
    pub fn recycle(&mut self, mut bytes: Vec<u8>) {
        if bytes.capacity() <= SPARE_BYTES_MAX {
            bytes.clear();
            self.spare = bytes;
        }
    }

    /// A snapshot comes next, `rest` first.
    pub(super) fn begin_snapshot(&mut self, position: Option<Position>, rest: Vec<u8>) {
        self.stage = Stage::Surveying(position, rest);
        self.act(Order::Survey);
    }

    /// It is known what the snapshot replaces: it is loaded as it comes, or received into a file.
    pub(super) fn surveyed(&mut self, now_ms: u64, own: LocalDataset) {
        let Stage::Surveying(position, rest) = &mut self.stage else {
            return;
        };
        let (position, rest) = (*position, std::mem::take(rest));
        let from_link = match own.diskless {
            DisklessLoad::Disabled => false,
            DisklessLoad::OnEmptyDb => own.is_empty,
            DisklessLoad::SwapDb | DisklessLoad::FlushDb | DisklessLoad::FlushBeforeLoad => true,
        };
        if !from_link {
            self.stage = Stage::Receiving(Box::new(SnapshotReceiver {
                payload: Payload::default(),
                position,
                rest: Vec::new(),
            }));
            self.act(Order::OpenFile);
            return self.store(now_ms, &rest);
        }
        let beside = own.diskless == DisklessLoad::SwapDb;
        let keeps_head = !beside && self.guards() && own.keys > 0;
        self.stage = Stage::Loading(Box::new(SnapshotLoad {
            payload: Some(Payload::default()),
            position,
            rest: Vec::new(),
            beside,
            // The old data is another moment of the same history: it may be shown meanwhile.
            serves_old: beside && position.is_some_and(|at| at.id == own.id),
            head: keeps_head.then_some(0),
            has_begun: false,
            is_starved: false,
            is_loaded: false,
            keys: None,
        }));
        self.act(Order::LoadStream { beside, keeps_head });
        self.feed(now_ms, &rest);
    }

    // --- into a file ---

    pub(super) fn store(&mut self, now_ms: u64, bytes: &[u8]) {
        let Stage::Receiving(receiving) = &mut self.stage else {
            return;
        };
        let mut content = std::mem::take(&mut self.spare);
        match receiving.payload.receive(bytes, &mut content) {
            Ok(taken) => receiving.rest.extend_from_slice(&bytes[taken..]),
            Err(error) => {
                let why = self.of_primary(&error);
                return self.fail_sync(now_ms, why, Delay::Unloadable);
            }
        }
        let is_whole = receiving.payload.is_whole();
        if content.is_empty() {
            self.spare = content;
        } else {
            self.act(Order::Store(content));
        }
        if is_whole && !self.asks_count(CountedKeys::File) {
            self.load_file();
        }
    }

    pub(super) fn not_stored(&mut self, now_ms: u64, fault: StoreFault) {
        let Words { master, .. } = self.words();
        let why = match fault {
            StoreFault::Opening(why) => format!(
                "Opening the temp file needed for {master} <-> REPLICA synchronization: {why}"
            ),
            StoreFault::Writing(why) => format!(
                "Write error or short write writing to the DB dump file needed for {master} <-> \
                 REPLICA synchronization: {why}"
            ),
        };
        self.fail_sync(now_ms, why, Delay::Unloadable);
    }

    /// The whole snapshot has been received into a file, and has keys enough.
    pub(super) fn load_file(&mut self) {
        let Stage::Receiving(receiving) = &mut self.stage else {
            return;
        };
        let (position, rest) = (receiving.position, std::mem::take(&mut receiving.rest));
        self.stage = Stage::Loading(Box::new(SnapshotLoad {
            payload: None,
            position,
            rest,
            beside: false,
            serves_old: false,
            head: None,
            has_begun: false,
            is_starved: false,
            is_loaded: false,
            keys: None,
        }));
        self.act(Order::LoadFile);
    }

    // --- as it comes ---

    pub(super) fn feed(&mut self, now_ms: u64, bytes: &[u8]) {
        let Stage::Loading(loading) = &mut self.stage else {
            return;
        };
        let Some(payload) = &mut loading.payload else {
            return;
        };
        let mut content = Vec::new();
        match payload.receive(bytes, &mut content) {
            Ok(taken) => loading.rest.extend_from_slice(&bytes[taken..]),
            Err(error) => {
                return self.fail_sync(now_ms, error.to_string(), Delay::Unloadable);
            }
        }
        if let Some(head) = &mut loading.head {
            *head += content.len();
        }
        if !loading.is_loaded && !content.is_empty() {
            self.act(Order::Feed(content));
        }
    }

    // --- the load ---

    /// A slice of the load has ended.
    pub(super) fn stepped(&mut self, now_ms: u64, step: Step) {
        let Stage::Loading(loading) = &mut self.stage else {
            return;
        };
        let is_received = loading.is_received();
        loading.is_starved = step == Step::Starved;
        match step {
            Step::Header if loading.has_begun => {}
            Step::Header => {
                if loading.head.is_none() || !self.asks_count(CountedKeys::Head) {
                    self.begin_load();
                }
            }
            Step::More => {}
            Step::Starved if is_received => {
                let why = if loading.has_begun {
                    "Short read or OOM loading DB. Unrecoverable error, aborting now."
                } else {
                    "the snapshot has no header"
                };
                self.fail_sync(now_ms, why.to_owned(), Delay::Unloadable);
            }
            Step::Starved => {}
            Step::Done(keys) => {
                loading.is_loaded = true;
                loading.keys = keys;
                // The end of the frame may not have come.
                let counts = is_received && keys.is_some();
                if is_received && !(counts && self.asks_count(CountedKeys::Beside)) {
                    self.adopt();
                }
            }
        }
    }

    /// The header has been read, and the guard lets the snapshot in.
    pub(super) fn begin_load(&mut self) {
        let Stage::Loading(loading) = &mut self.stage else {
            return;
        };
        loading.has_begun = true;
        loading.head = None;
        let payload = loading.payload.as_ref();
        let length = payload.and_then(Payload::length).unwrap_or(0);
        let serves_old = loading.serves_old;
        let Words { master, .. } = self.words();
        self.log(format!("{master} <-> REPLICA sync: Loading DB in memory"));
        self.act(Order::BeginLoad { serves_old, length });
    }

    /// The old data may not go: the load has not begun after all.
    pub(super) fn refuse_load(&mut self, now_ms: u64, why: String) {
        if let Stage::Loading(loading) = &mut self.stage {
            loading.has_begun = false;
        }
        self.fail_sync(now_ms, why, Delay::Unloadable);
    }

    /// Everything is loaded: it is the dataset from now on.
    pub(super) fn adopt(&mut self) {
        let Stage::Loading(loading) = &self.stage else {
            return;
        };
        let position = loading.position;
        let selected = self.main.as_ref().and_then(|main| main.selected);
        self.act(Order::Adopt { position, selected });
    }

    /// The stream that belongs to a snapshot under way was lost, or the snapshot's link is silent.
    pub(super) fn sync_lost(&mut self, now_ms: u64) {
        let Words { master, .. } = self.words();
        let why = format!(
            "Failed trying to load the {master} synchronization DB from socket, check server logs."
        );
        self.cut_short(now_ms, why);
    }

    /// A snapshot that is loaded as it comes ends before its end. The log says how far it came.
    pub(super) fn cut_short(&mut self, now_ms: u64, why: String) {
        if let Stage::Loading(loading) = &self.stage
            && let Some(payload) = loading.payload.as_ref().filter(|_| loading.has_begun)
        {
            let received = payload.received();
            self.warn(format!(
                "Internal error in RDB reading offset {received}: its link ended before it did"
            ));
        }
        self.fail_sync(now_ms, why, Delay::None);
    }

    /// A synchronization has failed. The old data is kept if it is still there.
    pub(super) fn fail_sync(&mut self, now_ms: u64, why: String, delay: Delay) {
        self.warn(why);
        let (has_begun, keeps_data) = match &self.stage {
            Stage::Loading(loading) => (loading.has_begun, !loading.has_begun || loading.beside),
            _ => (false, true),
        };
        self.has_data &= keeps_data;
        self.lose(now_ms, delay);
        self.act(Order::Abandon {
            has_begun,
            keeps_data,
        });
    }
}
