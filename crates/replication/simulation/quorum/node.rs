//! A server of the simulation: its machine, its stream, its log, its file.
//!
//! The log keeps what was synced when the power fails, and everything when the process is killed.

use crate::quorum::{
    Address, Ballot, Fault, GroupId, Lineage, LoadedData, NodeId, Quorum, QuorumNote,
    QuorumSettings, SavedState, StreamEnd, SyncOn,
};
use crate::{ReplId, ReplOffset};
use russet_host::Now;
use russet_host::simulation::Disk;

/// An entry of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A write of a client: the values are unique.
    Write(u64),
    /// A note.
    Note(QuorumNote),
}

impl Entry {
    fn line(&self) -> String {
        match self {
            Entry::Write(value) => format!("{value}\n"),
            Entry::Note(note) => String::from_utf8(note.text()).expect("text") + "\n",
        }
    }

    fn parse(line: &str) -> Entry {
        match QuorumNote::parse(line.as_bytes()) {
            Some(note) => Entry::Note(note),
            None => Entry::Write(line.parse().expect("a value")),
        }
    }

    /// The bytes of a part of the stream.
    pub fn bytes(entries: &[Entry]) -> Vec<u8> {
        entries
            .iter()
            .map(Entry::line)
            .collect::<String>()
            .into_bytes()
    }

    /// The entries of such bytes.
    pub fn read(bytes: &[u8]) -> Vec<Entry> {
        let text = std::str::from_utf8(bytes).expect("text");
        text.lines().map(Entry::parse).collect()
    }
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// It is killed: the kernel keeps what it has written.
    Kill,
    /// The power fails: bytes that were not synced are lost.
    Power,
    /// The disk is lost, too: the node comes back as another.
    Disk,
    /// In order.
    Orderly,
}

/// See the module.
#[derive(Clone)]
pub struct Node {
    pub number: usize,
    pub id: NodeId,
    pub settings: QuorumSettings,
    pub fault: Option<Fault>,
    /// `None`: the process does not run.
    pub machine: Option<Quorum>,
    /// It comes back then.
    pub back_ms: u64,
    /// It stands still until then.
    pub frozen_ms: u64,
    pub disk: Disk<String>,
    pub boot: u64,
    /// How it ended last.
    pub ending: EndCause,
    pub log: Vec<Entry>,
    /// A digest of the stream up to each entry.
    pub digests: Vec<u64>,
    /// The histories of the stream, each with its begin.
    pub histories: Vec<(ReplId, ReplOffset)>,
    /// Entries that are synced.
    pub durable: usize,
    pub is_primary: bool,
    /// The server that it follows, or followed last.
    pub follows: Option<usize>,
    /// No attempt to reach that before this time.
    pub redial_ms: u64,
    /// Writes whose reply waits: their value, their end.
    pub waiting: Vec<(u64, ReplOffset)>,
    /// The last term in which it led: its ballot, its group.
    pub term: Option<(Ballot, GroupId)>,
    /// The greatest promise that was saved, as text for the file has it.
    pub told: Option<Ballot>,
}

/// An id of forty digits.
pub fn digits(number: u64) -> String {
    format!("{number:040x}")
}

/// The address of a node.
pub fn address_of(number: usize) -> Address {
    let text = format!("10.0.0.{number}:6379");
    Address::parse(text.as_bytes()).expect("an address")
}

/// The node with an address.
pub fn number_of(address: &Address) -> usize {
    let last = address.host.rsplit('.').next().expect("four numbers");
    last.parse().expect("a number")
}

impl Node {
    pub fn new(number: usize, settings: QuorumSettings, fault: Option<Fault>) -> Node {
        let id = NodeId::parse(digits(number as u64 + 1).as_bytes()).expect("digits");
        Node {
            number,
            id,
            settings,
            fault,
            machine: None,
            back_ms: 0,
            frozen_ms: 0,
            disk: Disk::new(SavedState::new(id).text()),
            boot: 1,
            ending: EndCause::Orderly,
            log: Vec::new(),
            digests: Vec::new(),
            histories: Vec::new(),
            durable: 0,
            is_primary: number == 0,
            follows: (number > 0).then_some(0),
            redial_ms: 0,
            waiting: Vec::new(),
            term: None,
            told: None,
        }
    }

    /// The machine of a server that runs.
    pub fn machine(&mut self) -> &mut Quorum {
        self.machine.as_mut().expect("it runs")
    }

    pub fn end(&self) -> ReplOffset {
        self.log.len() as u64
    }

    pub fn stream(&self) -> StreamEnd {
        let on_disk = self.settings.sync_on == SyncOn::Disk;
        StreamEnd {
            history: self.histories.last().map_or(ReplId::NONE, |&(id, _)| id),
            end: self.end(),
            stored: if on_disk {
                self.durable as u64
            } else {
                self.end()
            },
        }
    }

    /// The process starts.
    pub fn start(&mut self, now: Now, seed: u64) {
        let saved = SavedState::parse(self.disk.file.as_bytes()).expect("what was written");
        let mut lineage = Lineage::default();
        for (at, entry) in (0..).zip(&self.log) {
            if let Entry::Note(note) = entry {
                lineage.note(note, at, at + 1);
            }
        }
        let loaded = LoadedData {
            lineage,
            offset: self.end(),
            is_whole: true,
            was_synced: self.settings.sync_on == SyncOn::Disk,
            boot: self.boot.to_string(),
        };
        let settings = self.settings.clone();
        let mut machine = Quorum::start(settings, saved, loaded, (now, seed, self.is_primary));
        machine.set_fault(self.fault);
        self.machine = Some(machine);
    }

    /// The process ends.
    pub fn end_process(&mut self, ending: EndCause, next_id: u64) {
        self.machine = None;
        self.ending = ending;
        self.waiting.clear();
        match ending {
            EndCause::Kill | EndCause::Orderly => {}
            EndCause::Power => {
                self.boot += 1;
                self.truncate(self.durable);
                self.disk.crash();
            }
            EndCause::Disk => {
                self.boot += 1;
                self.truncate(0);
                self.durable = 0;
                self.id = NodeId::parse(digits(next_id).as_bytes()).expect("digits");
                self.disk = Disk::new(SavedState::new(self.id).text());
                self.told = None;
                // A server without data that came back as a primary would be a group of its own.
                self.is_primary = false;
                self.follows = self.follows.or(Some(usize::from(self.number == 0)));
            }
        }
    }

    fn truncate(&mut self, len: usize) {
        self.log.truncate(len);
        self.digests.truncate(len);
        let end = self.end();
        self.histories.retain(|&(_, begin)| begin < end);
    }

    pub fn push(&mut self, entry: Entry) {
        let before = self.digests.last().copied().unwrap_or(0);
        let digest = entry.line().bytes().fold(before ^ 0x9e37, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.log.push(entry);
        self.digests.push(digest);
    }

    /// The stream continues under this history.
    pub fn follow_as(&mut self, history: ReplId) {
        if self.stream().history != history {
            self.histories.push((history, self.end()));
        }
    }

    /// Whether a position of a history is in the stream's past.
    pub fn is_past(&self, history: ReplId, offset: ReplOffset) -> bool {
        let ends = self.histories.iter().skip(1).map(|&(_, begin)| begin);
        let ends = ends.chain([self.end()]);
        let mut all = self.histories.iter().zip(ends);
        offset == 0 || all.any(|(&(id, _), end)| id == history && offset <= end)
    }

    /// The data is a full copy of another's.
    pub fn copy(&mut self, histories: Vec<(ReplId, ReplOffset)>, log: Vec<Entry>) -> Lineage {
        self.truncate(0);
        self.durable = 0;
        self.histories = histories;
        let mut lineage = Lineage::default();
        for (at, entry) in (0..).zip(log) {
            if let Entry::Note(note) = &entry {
                lineage.note(note, at, at + 1);
            }
            self.push(entry);
        }
        lineage
    }

    pub fn discard(&mut self) {
        self.truncate(0);
        self.durable = 0;
        self.histories.clear();
    }
}
