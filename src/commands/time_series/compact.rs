//! Compaction: what samples of a source write to the destinations of its rules.
//!
//! Links are of two sides, and both must agree: a rule whose destination is gone, or has another
//! source, is none. So no key needs to be looked at when another one is deleted, expires or is
//! replaced; a rename reaches the other side (`keyspace::access::relocate`).
//!
//! The log and replicas get the samples of sources alone, and compute the rest.

use crate::server::Call;
use russet_keyspace::{Class, Db};
use russet_timeseries::series::{Change, Write};
use russet_timeseries::{Policy, Rule, Sample};
use russet_types::TimeSeries;

/// Applies writes of a source; a rule that turns out to be none is removed.
pub(super) fn apply(call: &mut Call<'_>, source: &[u8], writes: &[Write]) {
    for Write { dest, change } in writes {
        let event = match *change {
            Change::Set(sample) => set(&mut call.db, source, dest, sample),
            Change::Remove(from, to) => remove(&mut call.db, source, dest, (from, to)),
        };
        match event {
            Some(event) => call.db.also_changed(dest, Class::MODULE, event),
            None if is_linked(&call.db, source, dest) => {}
            None => {
                if let Ok(Some(mut series)) = call.db.write::<TimeSeries>(source) {
                    series.change_rules(|rules| rules.retain(|rule| rule.dest() != &**dest));
                }
            }
        }
    }
}

fn set(db: &mut Db<'_>, source: &[u8], dest: &[u8], sample: Sample) -> Option<&'static str> {
    let mut series = db.write::<TimeSeries>(dest).ok()??;
    if series.source() != Some(source) {
        return None;
    }
    // A bucket beyond the destination's retention is none.
    series.add(sample, Policy::Last, false).ok()?;
    Some("ts.add:dest")
}

fn remove(
    db: &mut Db<'_>,
    source: &[u8],
    dest: &[u8],
    (from, to): (u64, u64),
) -> Option<&'static str> {
    let mut series = db.write::<TimeSeries>(dest).ok()??;
    if series.source() != Some(source) || series.remove(from, to) == 0 {
        return None;
    }
    Some("ts.del:dest")
}

/// Whether both sides agree that the source's rule writes to the destination.
pub(super) fn is_linked(db: &Db<'_>, source: &[u8], dest: &[u8]) -> bool {
    rule_of(db, dest).is_some_and(|(its, _)| *its == *source)
}

/// The source of a destination with the rule that writes to it, if both sides agree.
pub(super) fn rule_of(db: &Db<'_>, dest: &[u8]) -> Option<(Box<[u8]>, Rule)> {
    let series = db.peek::<TimeSeries>(dest).ok()??;
    let source: Box<[u8]> = series.source()?.into();
    let rules = db.peek::<TimeSeries>(&source).ok()??;
    let rule = rules.rules().iter().find(|rule| rule.dest() == dest)?;
    Some((source, rule.clone()))
}

/// The open bucket of the rule that writes to a destination.
pub(super) fn open_bucket(db: &Db<'_>, dest: &[u8]) -> Option<Sample> {
    rule_of(db, dest)?.1.latest()
}

/// As [`open_bucket`], if it is after all samples of the destination.
pub(super) fn latest(db: &Db<'_>, dest: &[u8]) -> Option<Sample> {
    let series = db.peek::<TimeSeries>(dest).ok()??;
    let latest = open_bucket(db, dest)?;
    let is_last = series
        .last()
        .is_none_or(|last| last.timestamp < latest.timestamp);
    is_last.then_some(latest)
}
