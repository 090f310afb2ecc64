//! Sinks: they receive the keys of a snapshot, and each becomes a file.
//!
//! A [`Target`] describes the file, and is all that a consumer handles. Its [`Sink`] belongs to the
//! driver, which makes it ([`Making`]); the sink's bytes go to a thread, or, in a child, straight
//! to the file. [`FanOut`] is the `Saver` that feeds several sinks from one pass: each sink has its
//! own position in a large value, because their forms divide it differently.
//!
//! The target of a full sync is a spool that replicas read from, in the form that they can read;
//! the driver ends it when none of them is left.

use std::io;
use std::path::PathBuf;

use super::making::{Hands, Making};
use super::{Consumer, SlotFeed, SnapshotEnd};

use crate::base::memory::pin::Pinned;
use crate::config::system_text;
use crate::keyspace::{DbIndex, KeyView, Keyspace, Saver};
use crate::migration::Ranges;
use crate::persistence::aof::{BaseFile, BaseForm, Names};
use crate::persistence::background::{BackgroundFile, Plan, Wake};
use crate::persistence::rdb::Dialect;
use crate::persistence::spool::{Spool, SpoolUsage};

/// Receives the keys of a snapshot. Dropped before its end, it leaves no file.
pub(super) trait Sink: Saver {
    /// All keys are saved: writes the end of the file, and forces it to disk.
    fn finish(&mut self);

    /// Bytes that wait to be written.
    fn waiting_bytes(&self) -> usize;

    /// How it ended, once it has and once alone. It may end before [`Sink::finish`], with an
    /// error.
    fn ended(&mut self) -> Option<io::Result<()>>;

    /// Fails if it would have room only after the loop has served others, which wait now.
    fn fail_if_stuck(&mut self) {}
}

impl Sink for BaseFile {
    fn finish(&mut self) {
        BaseFile::finish(self);
    }

    fn waiting_bytes(&self) -> usize {
        BaseFile::memory_bytes(self)
    }

    fn ended(&mut self) -> Option<io::Result<()>> {
        Some(BaseFile::ended(self)?.map(|_| ()))
    }
}

/// A file that a snapshot is to produce.
#[derive(Clone, Debug)]
pub(in crate::server) struct Target {
    pub what: What,
    /// The process that writes it, for the temporary name.
    writer: u32,
}

/// See [`Target`].
#[derive(Clone, Debug)]
pub(in crate::server) enum What {
    /// The file of SAVE and BGSAVE.
    Dump { name: PathBuf },
    /// The base of an append only file, which gets its name with the manifest.
    Base {
        names: Names,
        form: BaseForm,
        /// When it was begun, Unix seconds.
        unix_s: i64,
    },
    /// The data that replicas receive.
    Spool { spool: Spool, form: SyncForm },
    /// The keys of some slots, for another node. A pass for it saves nothing else.
    Slots { slots: Ranges, feed: SlotFeed },
}

/// The form and content of a snapshot for replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct SyncForm {
    /// See `rdb::sync_version`.
    pub version: u32,
    pub dialect: Dialect,
    pub content: SyncContent,
    /// They receive it compressed.
    pub packed: bool,
}

/// The parts of a snapshot that a replica wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum SyncContent {
    Everything,
    /// `rdb-filter-only functions`.
    FunctionsOnly,
    /// `rdb-filter-only ""`.
    Nothing,
}

impl Target {
    pub(in crate::server) fn new(what: What) -> Target {
        let writer = std::process::id();
        Target { what, writer }
    }

    pub(super) fn written_by(self, pid: u32) -> Target {
        Target {
            writer: pid,
            ..self
        }
    }

    pub(in crate::server) fn consumer(&self) -> Consumer {
        match self.what {
            What::Dump { .. } => Consumer::Save,
            What::Base { .. } => Consumer::Rewrite,
            What::Spool { .. } => Consumer::FullSync,
            What::Slots { .. } => Consumer::Migration,
        }
    }

    /// Whether it has keys: others need no pass.
    pub(super) fn has_keys(&self) -> bool {
        match &self.what {
            What::Dump { .. } | What::Base { .. } | What::Slots { .. } => true,
            What::Spool { form, .. } => form.content == SyncContent::Everything,
        }
    }

    pub(super) fn spool_usage(&self) -> Option<SpoolUsage> {
        match &self.what {
            What::Dump { .. } | What::Base { .. } | What::Slots { .. } => None,
            What::Spool { spool, .. } => Some(spool.usage()),
        }
    }

    /// Whether it is a spool whose readers have all gone.
    pub(super) fn is_unread(&self) -> bool {
        matches!(&self.what, What::Spool { spool, .. } if spool.is_unread())
    }

    /// The name of the file until its consumer renames it.
    pub(in crate::server) fn path(&self) -> PathBuf {
        match &self.what {
            // It has no file.
            What::Slots { .. } => PathBuf::new(),
            What::Dump { name } => name.with_file_name(temp_name(self.writer)),
            What::Base { names, .. } => {
                names.path(&format!("temp-rewriteaof-bg-{}.aof", self.writer))
            }
            What::Spool { spool, .. } => {
                let name = format!("temp-repl-{}.rdb", self.writer);
                spool.dir().join(name)
            }
        }
    }

    /// Removes a file left by a writer that is gone. A spool has a file only if a child made it.
    pub(super) fn forget(&self) {
        if let What::Slots { .. } = &self.what {
            return;
        }
        // Best effort: it may never have been made, and the next one replaces it.
        let _ = std::fs::remove_file(self.path());
    }

    /// Takes a file written by a child: begins to rename it, or has a spool adopt it. `None`: it is
    /// complete.
    fn take_from_child(&self, wake: Wake) -> io::Result<Option<BackgroundFile>> {
        let name = match &self.what {
            What::Dump { name } => name,
            What::Base { .. } | What::Slots { .. } => return Ok(None),
            What::Spool { spool, .. } => return spool.adopt_file(&self.path()).map(|()| None),
        };
        let plan = Plan {
            temporary: self.path(),
            name: name.clone(),
            checksum: None,
            incremental_fsync: false,
        };
        BackgroundFile::of_child(plan, wake).map(Some)
    }
}

/// The temporary name of a dump file while a process writes it.
pub(in crate::server) fn temp_name(pid: u32) -> String {
    format!("temp-{pid}.rdb")
}

/// A target and its maker.
struct Outlet {
    target: Target,
    maker: Maker,
    /// The sink's position in the open key's value.
    open_at: Option<u64>,
    end: Option<SnapshotEnd>,
}

enum Maker {
    Sink(Box<dyn Sink>),
    Child,
    /// A child has made it: it is being renamed.
    Name(BackgroundFile),
}

/// The targets of a snapshot; feeds all sinks among them.
#[derive(Default)]
pub(super) struct FanOut {
    outlets: Vec<Outlet>,
}

impl FanOut {
    /// Targets made by the child `pid`.
    pub fn of_child(targets: Vec<Target>, pid: u32) -> FanOut {
        let mut all = FanOut::default();
        for target in targets {
            all.add(target.written_by(pid), Maker::Child);
        }
        all
    }

    /// Makes the sinks of a snapshot that begins now. On error no file is left.
    pub fn of_sinks(
        keyspace: &Keyspace,
        targets: Vec<Target>,
        making: &Making<'_>,
        hands: &Hands,
    ) -> Result<FanOut, String> {
        let mut all = FanOut::default();
        for target in targets {
            let sink = making.sink(keyspace, &target, hands)?;
            all.add(target, Maker::Sink(sink));
        }
        Ok(all)
    }

    /// Bytes that wait to be written.
    pub fn waiting_bytes(&self) -> usize {
        let waiting = |outlet: &Outlet| match &outlet.maker {
            Maker::Sink(sink) => sink.waiting_bytes(),
            Maker::Child | Maker::Name(_) => 0,
        };
        self.outlets.iter().map(waiting).sum()
    }

    fn add(&mut self, target: Target, maker: Maker) {
        self.outlets.push(Outlet {
            target,
            maker,
            open_at: None,
            end: None,
        });
    }

    pub fn is_empty(&self) -> bool {
        self.outlets.is_empty()
    }

    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.outlets.iter().map(|outlet| &outlet.target)
    }

    /// Each sink that has not failed, with its position in the open key's value.
    fn sinks(&mut self) -> impl Iterator<Item = (&mut Box<dyn Sink>, &mut Option<u64>)> {
        let outlets = self.outlets.iter_mut();
        outlets.filter_map(|outlet| match &mut outlet.maker {
            Maker::Sink(sink) if outlet.end.is_none() => Some((sink, &mut outlet.open_at)),
            Maker::Sink(_) | Maker::Child | Maker::Name(_) => None,
        })
    }

    /// All keys are saved.
    pub fn finish(&mut self) {
        self.sinks().for_each(|(sink, _)| sink.finish());
    }

    /// See [`Sink::fail_if_stuck`].
    pub fn fail_stuck(&mut self) {
        self.sinks().for_each(|(sink, _)| sink.fail_if_stuck());
    }

    /// The child has ended: renames whole files, removes others.
    pub fn child_ended(&mut self, end: &SnapshotEnd, wake: &Wake) {
        for outlet in &mut self.outlets {
            if *end != SnapshotEnd::Done {
                outlet.target.forget();
                outlet.end = Some(end.clone());
                continue;
            }
            match outlet.target.take_from_child(wake.clone()) {
                Ok(Some(file)) => outlet.maker = Maker::Name(file),
                Ok(None) => outlet.end = Some(SnapshotEnd::Done),
                Err(error) => {
                    outlet.target.forget();
                    outlet.end = Some(SnapshotEnd::Failed(system_text(&error)));
                }
            }
        }
    }

    /// Checks for targets that have ended; returns whether all have.
    pub fn poll(&mut self) -> bool {
        for outlet in self.outlets.iter_mut().filter(|o| o.end.is_none()) {
            let ended = match &mut outlet.maker {
                Maker::Sink(sink) => sink.ended(),
                Maker::Name(file) => file.end().map(|end| end.map(|_| ())),
                Maker::Child => None,
            };
            outlet.end = ended.map(SnapshotEnd::of);
        }
        self.outlets.iter().all(|outlet| outlet.end.is_some())
    }

    /// The first error among targets that have ended.
    pub fn end(self) -> SnapshotEnd {
        let mut ends = self.outlets.into_iter().filter_map(|outlet| outlet.end);
        ends.find(|end| *end != SnapshotEnd::Done)
            .unwrap_or(SnapshotEnd::Done)
    }

    /// Takes the targets that have ended, with their ends.
    pub fn take_ended(&mut self) -> impl Iterator<Item = (Target, SnapshotEnd)> {
        self.poll();
        let ended = self.outlets.extract_if(.., |outlet| outlet.end.is_some());
        ended.filter_map(|outlet| Some((outlet.target, outlet.end?)))
    }

    /// Removes and returns some targets.
    pub fn remove(&mut self, mut which: impl FnMut(&Target) -> bool) -> Vec<Target> {
        let gone = self.outlets.extract_if(.., |outlet| which(&outlet.target));
        gone.map(|outlet| outlet.target).collect()
    }
}

impl Saver for FanOut {
    fn database(&mut self, db: DbIndex, keys: usize, volatile: usize) {
        self.sinks()
            .for_each(|(sink, _)| sink.database(db, keys, volatile));
    }

    fn key(&mut self, db: DbIndex, view: &KeyView<'_>) {
        self.sinks().for_each(|(sink, _)| sink.key(db, view));
    }

    fn text(&mut self, db: DbIndex, view: &KeyView<'_>, text: Pinned) {
        self.sinks()
            .for_each(|(sink, _)| sink.text(db, view, text.clone()));
    }

    fn begin_large(&mut self, db: DbIndex, view: &KeyView<'_>) -> u64 {
        self.sinks()
            .for_each(|(sink, at)| *at = Some(sink.begin_large(db, view)));
        0
    }

    /// Positions belong to the sinks: the pass's own has no meaning.
    fn part(&mut self, view: &KeyView<'_>, _at: u64) -> Option<u64> {
        let mut is_open = false;
        for (sink, open_at) in self.sinks() {
            *open_at = open_at.and_then(|at| sink.part(view, at));
            is_open |= open_at.is_some();
        }
        is_open.then_some(0)
    }

    /// The slowest sink decides; a failed one does not.
    fn has_room(&self) -> bool {
        self.outlets.iter().all(|outlet| match &outlet.maker {
            Maker::Sink(sink) => outlet.end.is_some() || sink.has_room(),
            Maker::Child | Maker::Name(_) => true,
        })
    }
}
