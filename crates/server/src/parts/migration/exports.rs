//! Exports: the snapshot of some slots, and the effects on them since its moment.

use super::feed::SlotFeed;
use russet_cluster::migration::{MigrationLink, MigrationProtocol, Name, Ranges};
use russet_keyspace::DbIndex;
use russet_resp::write_request;

/// The stage of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportStage {
    /// Another snapshot is being made.
    Waits,
    Passing,
    Sent,
}

/// See the module.
#[derive(Debug)]
pub struct Export {
    pub job: Name,
    pub slots: Ranges,
    pub snapshot: MigrationLink,
    pub stream: MigrationLink,
    pub wire: MigrationProtocol,
    pub stage: ExportStage,
    pub feed: SlotFeed,
    /// Effects that wait for the snapshot's end, because the snapshot goes by the same link.
    pub held: Option<Vec<u8>>,
    /// The database of the last effect.
    selected: Option<DbIndex>,
}

/// All exports; few.
#[derive(Debug, Default)]
pub struct Exports {
    pub all: Vec<Export>,
}

impl Exports {
    pub fn begin(
        &mut self,
        (job, slots): (Name, Ranges),
        snapshot: MigrationLink,
        stream: MigrationLink,
        wire: MigrationProtocol,
    ) {
        self.all.push(Export {
            job,
            slots,
            snapshot,
            stream,
            wire,
            stage: ExportStage::Waits,
            feed: SlotFeed::default(),
            held: (snapshot == stream).then(Vec::new),
            // A separate link has database 0 selected from the start.
            selected: (snapshot != stream).then_some(DbIndex(0)),
        });
    }

    pub fn find(&mut self, job: Name) -> Option<&mut Export> {
        self.all.iter_mut().find(|export| export.job == job)
    }

    pub fn remove(&mut self, job: Name) -> Option<Export> {
        let at = self.all.iter().position(|export| export.job == job)?;
        Some(self.all.remove(at))
    }

    /// Whether effects are wanted.
    pub fn are_streamed(&self) -> bool {
        self.all
            .iter()
            .any(|export| export.stage != ExportStage::Waits)
    }

    /// Whether a snapshot has something to send, or has ended.
    pub fn has_news(&self) -> bool {
        let is_passing = |export: &&Export| export.stage == ExportStage::Passing;
        let mut passing = self.all.iter().filter(is_passing);
        passing.any(|export| !export.feed.is_empty() || export.feed.end().is_some())
    }

    pub fn waiting_bytes(&self) -> usize {
        let held = self.all.iter().filter_map(|export| export.held.as_ref());
        held.map(Vec::len).sum()
    }
}

impl Export {
    /// The bytes that repeat, at the target, an effect on the export's slots.
    pub fn encode(&mut self, db: DbIndex, request: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(request.len() + 32);
        if self.selected.replace(db) != Some(db) {
            let number = db.0.to_string();
            write_request(&mut bytes, [&b"SELECT"[..], number.as_bytes()].into_iter());
        }
        bytes.extend_from_slice(request);
        bytes
    }
}
