//! The targets of a snapshot, each with its maker: a sink in this process, or the child.
//!
//! [`FanOut`] is the `Saver` that feeds several sinks from one pass: each sink has its own position
//! in a large value, because their forms divide it differently. The driver ends a target that has
//! no reader left.

use super::end::SnapshotEnd;
use super::making::{Hands, SnapshotContext};
use super::sink::Sink;
use super::target::Target;

use russet_base::memory::pin::PinnedBytes;
use russet_base::wake::Wake;
use russet_config::system_text;
use russet_keyspace::{DbIndex, KeyView, Keyspace, Saver};
use russet_persistence::background::BackgroundFile;

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
    /// A child has made the file, which is being renamed.
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
        making: &SnapshotContext<'_>,
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

    fn text(&mut self, db: DbIndex, view: &KeyView<'_>, text: PinnedBytes) {
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

    /// The slowest sink decides; failed sinks do not count.
    fn has_room(&self) -> bool {
        self.outlets.iter().all(|outlet| match &outlet.maker {
            Maker::Sink(sink) => outlet.end.is_some() || sink.has_room(),
            Maker::Child | Maker::Name(_) => true,
        })
    }
}
