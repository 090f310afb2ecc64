//! Effects: the bytes that repeat a write.
//!
//! A command records its effect (its own arguments, others, or none), and so does a removal by
//! expiry or eviction. The effect is encoded once, as a RESP request, and appended to the current
//! unit. When the unit is complete the append only file and the replicas take the bytes unchanged.
//!
//!     bytes     request ... request request ...
//!     records   one for each request: its database, slot, end, whether its unit ends there
//!
//! A unit is applied together or not at all: a command with the removals it caused, a transaction,
//! a script. Each removal between commands is a unit of its own. While there is no listener nothing
//! is encoded ([`Effects::has_listeners`]). A request's slot is for [`Audience::EXPORTS`] alone,
//! and computed only for these.

use super::super::ids::DbIndex;
use super::super::slots::slot::slot_of;
use russet_resp::write_request;

bitflags::bitflags! {
    /// The listeners that repeat effects.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Audience: u8 {
        /// The append only file.
        const LOG = 1;
        /// Replicas, by the replication stream.
        const REPLICAS = 2;
        /// Nodes that take over slots: they receive what replicas receive.
        const EXPORTS = 4;
        /// Log and replicas.
        const BOTH = 3;
        /// All three.
        const ALL = 7;
    }
}

/// Whether effects are recorded for their listeners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EffectRecording {
    /// Effects are recorded, as usual.
    #[default]
    Effects,
    /// Effects are on record already, as other bytes.
    Nothing,
}

/// Capacity kept for the next unit; more than that is released.
const BYTES_KEPT: usize = 256 * 1024;
const RECORDS_KEPT: usize = 4096;

/// Effects that are recorded and not yet taken by the listeners.
#[derive(Debug, Default)]
pub struct Effects {
    listeners: Audience,
    recording: EffectRecording,
    /// The listeners, unless nothing is recorded for them.
    wanted: Audience,
    bytes: Vec<u8>,
    records: Vec<EffectRecord>,
    /// A command, transaction or script is running: its effects form a unit.
    in_unit: bool,
    /// Requests of complete units.
    complete: usize,
    /// The command under way has reported a change.
    changed: bool,
}

#[derive(Clone, Copy, Debug)]
struct EffectRecord {
    db: DbIndex,
    audience: Audience,
    /// The slot of the request's keys, if it has any; recorded for exports alone.
    slot: Option<u16>,
    /// Where the request's bytes end; they begin at the end of the record before.
    end: usize,
    ends_unit: bool,
    /// A removal that no command did: expiry, eviction.
    by_itself: bool,
}

impl Effects {
    /// Whether there is a listener, and effects are recorded for it.
    #[inline]
    pub fn has_listeners(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// The listeners that effects are recorded for now.
    pub fn informed(&self) -> Audience {
        self.wanted
    }

    /// Whether any of these listens.
    pub fn is_wanted_by(&self, audience: Audience) -> bool {
        self.wanted.intersects(audience)
    }

    /// Sets the listeners from now on.
    pub fn set_wanted(&mut self, audience: Audience) {
        self.listeners = audience;
        self.set_recording(self.recording);
    }

    /// Sets whether effects are recorded from now on; returns what was set.
    pub fn set_recording(&mut self, recording: EffectRecording) -> EffectRecording {
        self.wanted = match recording {
            EffectRecording::Effects => self.listeners,
            EffectRecording::Nothing => Audience::empty(),
        };
        std::mem::replace(&mut self.recording, recording)
    }

    /// Sets the unit under way aside while commands of other clients run; the caller must put it
    /// back afterwards.
    pub fn set_aside(&mut self) -> Effects {
        let fresh = Effects {
            listeners: self.listeners,
            recording: self.recording,
            wanted: self.wanted,
            ..Effects::default()
        };
        std::mem::replace(self, fresh)
    }

    /// Records a request; nothing while there is no listener. `slot`: the slot of the request's
    /// keys, called only if exports listen.
    #[inline]
    pub fn record<'a>(
        &mut self,
        db: DbIndex,
        slot: impl FnOnce() -> Option<u16>,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        if self.has_listeners() {
            let slot = self.wanted.contains(Audience::EXPORTS).then(slot).flatten();
            write_request(&mut self.bytes, args);
            self.close_request(db, (Audience::ALL, slot), false);
        }
    }

    /// Records a request for log or replicas, or both; nothing while none of them is present.
    /// Exports take none of these, because exports need a slot.
    #[inline]
    pub fn record_for<'a>(
        &mut self,
        audience: Audience,
        db: DbIndex,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        if self.wanted.intersects(audience) {
            write_request(&mut self.bytes, args);
            self.close_request(db, (audience, None), false);
        }
    }

    /// Records a removal of `key`, or of a part of it, that no command did.
    #[inline]
    pub(super) fn record_removal<'a>(
        &mut self,
        db: DbIndex,
        key: &[u8],
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        if self.has_listeners() {
            let slot = self.wanted.contains(Audience::EXPORTS);
            let slot = slot.then(|| slot_of(key));
            write_request(&mut self.bytes, args);
            self.close_request(db, (Audience::ALL, slot), true);
        }
    }

    /// Records removals that no command did, for log or replicas, or both.
    #[inline]
    pub(crate) fn record_removals_for<'a>(
        &mut self,
        audience: Audience,
        db: DbIndex,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        if self.wanted.intersects(audience) {
            write_request(&mut self.bytes, args);
            self.close_request(db, (audience, None), true);
        }
    }

    #[inline]
    fn close_request(
        &mut self,
        db: DbIndex,
        (audience, slot): (Audience, Option<u16>),
        by_itself: bool,
    ) {
        self.records.push(EffectRecord {
            db,
            audience,
            slot,
            end: self.bytes.len(),
            ends_unit: !self.in_unit,
            by_itself,
        });
        if !self.in_unit {
            self.complete = self.records.len();
        }
    }

    /// Opens a unit: effects recorded from here on belong together, until [`Effects::end_unit`].
    #[inline]
    pub fn begin_unit(&mut self) {
        self.in_unit = true;
    }

    /// Completes the unit.
    #[inline]
    pub fn end_unit(&mut self) {
        self.in_unit = false;
        if self.complete < self.records.len() {
            self.records.last_mut().expect("at least one").ends_unit = true;
            self.complete = self.records.len();
        }
    }

    /// Begins a command; returns the enclosing command's state, for [`Effects::end_command`].
    #[inline]
    pub fn begin_command(&mut self) -> bool {
        std::mem::replace(&mut self.changed, false)
    }

    /// Records that the command under way has changed data.
    #[inline]
    pub(crate) fn record_changed(&mut self) {
        self.changed = true;
    }

    /// Ends the command: returns whether it has changed data, so that it must be propagated.
    #[inline]
    pub fn end_command(&mut self, outer: bool) -> bool {
        std::mem::replace(&mut self.changed, outer)
    }

    /// Whether complete units wait to be taken.
    #[inline]
    pub fn has_complete(&self) -> bool {
        self.complete > 0
    }

    /// The position of the next request, for [`Effects::take_back`] and [`Effects::address`].
    pub fn mark(&self) -> usize {
        self.records.len()
    }

    /// Takes back the effects that commands of the unit under way have recorded since `mark`;
    /// removals by expiry or eviction are kept. O(effects since).
    pub fn take_back(&mut self, mark: usize) {
        let mark = mark.max(self.complete);
        let mut kept = match mark {
            0 => 0,
            mark => self.records[mark - 1].end,
        };
        let (mut begin, mut count) = (kept, mark);
        for at in mark..self.records.len() {
            let record = self.records[at];
            if record.by_itself {
                self.bytes.copy_within(begin..record.end, kept);
                kept += record.end - begin;
                let end = kept;
                self.records[count] = EffectRecord { end, ..record };
                count += 1;
            }
            begin = record.end;
        }
        self.records.truncate(count);
        self.bytes.truncate(kept);
    }

    /// Limits the effects that commands of the unit under way have recorded since `mark` to these
    /// listeners (`redis.set_repl`), except removals by expiry or eviction. O(effects since).
    pub fn address(&mut self, mark: usize, audience: Audience) {
        let mut audience = audience;
        audience.set(Audience::EXPORTS, audience.contains(Audience::REPLICAS));
        if !self.wanted.intersects(audience) {
            return self.take_back(mark);
        }
        let mark = mark.max(self.complete);
        for record in self.records[mark..].iter_mut().filter(|s| !s.by_itself) {
            record.audience &= audience;
        }
    }

    /// Bytes of the recorded effects.
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity() + self.records.capacity() * size_of::<EffectRecord>()
    }

    /// The complete units, oldest first.
    pub fn units(&self) -> impl Iterator<Item = Unit<'_>> {
        let mut begin = 0;
        self.records[..self.complete]
            .split_inclusive(|s| s.ends_unit)
            .map(move |records| {
                let unit = Unit {
                    bytes: &self.bytes,
                    begin,
                    records,
                };
                begin = records.last().map_or(begin, |s| s.end);
                unit
            })
    }

    /// Drops the complete units, which all listeners have taken.
    #[inline]
    pub fn clear_complete(&mut self) {
        if self.complete == self.records.len() {
            self.records.clear();
            self.bytes.clear();
            if self.records.capacity() > RECORDS_KEPT || self.bytes.capacity() > BYTES_KEPT {
                self.records.shrink_to(RECORDS_KEPT);
                self.bytes.shrink_to(BYTES_KEPT);
            }
        } else {
            let end = self.records[self.complete - 1].end;
            self.records.drain(..self.complete);
            self.bytes.drain(..end);
            self.records.iter_mut().for_each(|s| s.end -= end);
        }
        self.complete = 0;
    }
}

/// A request of a unit.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub db: DbIndex,
    /// The listeners of the request.
    pub audience: Audience,
    /// The slot of the request's keys, if it has any and exports listened.
    pub slot: Option<u16>,
    pub bytes: &'a [u8],
}

/// Requests that are applied together.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    bytes: &'a [u8],
    begin: usize,
    records: &'a [EffectRecord],
}

impl<'a> Unit<'a> {
    /// The requests of the unit, in order.
    pub fn requests(self) -> impl Iterator<Item = Request<'a>> {
        let mut begin = self.begin;
        self.records.iter().map(move |s| {
            let bytes = &self.bytes[begin..s.end];
            begin = s.end;
            Request {
                db: s.db,
                audience: s.audience,
                slot: s.slot,
                bytes,
            }
        })
    }

    /// Whether it has several requests: these are wrapped in MULTI and EXEC.
    pub fn is_several(self) -> bool {
        self.records.len() > 1
    }

    /// Whether log and replicas repeat all of it.
    #[inline]
    pub fn is_for_both(self) -> bool {
        self.records
            .iter()
            .all(|s| s.audience.contains(Audience::BOTH))
    }
}

/// The commands propagated for removals by expiry, by eviction and by commands, according to
/// `lazyfree-lazy-expire`, `lazyfree-lazy-eviction` and `lazyfree-lazy-server-del`.
#[derive(Clone, Copy, Debug)]
pub struct RemovalWords {
    /// `DEL` or `UNLINK`, for a key that has expired.
    pub(crate) expire: &'static [u8],
    /// `DEL` or `UNLINK`, for a key that is evicted.
    pub(crate) evict: &'static [u8],
    /// `DEL` or `UNLINK`, for a key that a command of another name removes.
    pub(crate) server: &'static [u8],
}

impl Default for RemovalWords {
    fn default() -> RemovalWords {
        RemovalWords::new(false, false, false)
    }
}

impl RemovalWords {
    /// `UNLINK` if the memory is freed off the loop, else `DEL`.
    pub fn new(lazy_expire: bool, lazy_evict: bool, lazy_server: bool) -> RemovalWords {
        let word = |lazy| if lazy { &b"UNLINK"[..] } else { b"DEL" };
        RemovalWords {
            expire: word(lazy_expire),
            evict: word(lazy_evict),
            server: word(lazy_server),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(e: &mut Effects, db: u32, words: &[&str]) {
        e.record(DbIndex(db), || None, words.iter().map(|w| w.as_bytes()));
    }

    /// The complete units: each request's database and words, a bar after each unit.
    fn complete_units(e: &mut Effects) -> String {
        let mut text = String::new();
        for unit in e.units() {
            for request in unit.requests() {
                let (db, audience) = (request.db, request.audience);
                let request = String::from_utf8(request.bytes.to_vec()).expect("text");
                let words = request.split("\r\n").filter(|w| !w.starts_with(['*', '$']));
                let words = words.collect::<Vec<_>>().join(" ");
                let only = if audience == Audience::ALL {
                    ""
                } else {
                    "(some) "
                };
                text += &format!("{only}{}: {words}", db.0);
            }
            text += "|";
        }
        e.clear_complete();
        text
    }

    #[test]
    fn nothing_is_built_while_nobody_listens() {
        let mut e = Effects::default();
        e.begin_unit();
        record(&mut e, 0, &["SET", "a", "1"]);
        e.end_unit();
        assert!(!e.has_complete() && e.bytes.capacity() == 0);
    }

    #[test]
    fn a_slot_is_asked_for_only_while_exports_listen() {
        let mut e = Effects::default();
        let words = || [&b"DEL"[..], b"a"].into_iter();
        let slots = |e: &mut Effects| {
            let slots: Vec<_> = e.units().flat_map(Unit::requests).map(|r| r.slot).collect();
            e.clear_complete();
            slots
        };
        e.set_wanted(Audience::BOTH);
        e.record(DbIndex(0), || unreachable!("no export listens"), words());
        e.record_removal(DbIndex(0), b"a", words());
        assert_eq!(slots(&mut e), vec![None, None]);
        e.set_wanted(Audience::EXPORTS);
        e.record(DbIndex(0), || Some(7), words());
        e.record(DbIndex(0), || None, words());
        e.record_removal(DbIndex(0), b"a", words());
        assert_eq!(slots(&mut e), vec![Some(7), None, Some(slot_of(b"a"))]);
    }

    #[test]
    fn what_goes_by_itself_is_a_unit_and_a_command_is_one() {
        let mut e = Effects::default();
        e.set_wanted(Audience::LOG);
        record(&mut e, 0, &["DEL", "x"]);
        record(&mut e, 0, &["DEL", "y"]);
        e.begin_unit();
        record(&mut e, 1, &["SET", "a", "1"]);
        record(&mut e, 2, &["SET", "b", "2"]);
        assert_eq!(complete_units(&mut e), "0: DEL x |0: DEL y |");
        e.end_unit();
        assert_eq!(complete_units(&mut e), "1: SET a 1 2: SET b 2 |");
    }

    #[test]
    fn what_a_unit_under_way_recorded_can_be_taken_back() {
        let mut e = Effects::default();
        e.set_wanted(Audience::LOG);
        e.begin_unit();
        record(&mut e, 0, &["SET", "a", "1"]);
        let mark = e.mark();
        record(&mut e, 0, &["SET", "b", "1"]);
        e.take_back(mark);
        e.end_unit();
        assert_eq!(complete_units(&mut e), "0: SET a 1 |");
    }

    #[test]
    fn nothing_is_recorded_of_effects_that_have_other_bytes() {
        let mut e = Effects::default();
        e.set_wanted(Audience::LOG);
        let usual = e.set_recording(EffectRecording::Nothing);
        record(&mut e, 0, &["SET", "a", "1"]);
        e.set_wanted(Audience::BOTH);
        record(&mut e, 0, &["SET", "a", "1"]);
        assert!(!e.has_complete() && !e.has_listeners());
        e.set_recording(usual);
        assert_eq!(
            e.informed(),
            Audience::BOTH,
            "listeners that came meanwhile"
        );
    }

    #[test]
    fn effects_may_be_for_some_listeners_alone() {
        let mut e = Effects::default();
        for (wanted, shown) in [
            (Audience::ALL, "0: SET a 1 (some) 0: SET b 1 |"),
            (Audience::LOG, "0: SET a 1 |"),
            (Audience::REPLICAS, "0: SET a 1 (some) 0: SET b 1 |"),
        ] {
            e.set_wanted(wanted);
            e.begin_unit();
            record(&mut e, 0, &["SET", "a", "1"]);
            let mark = e.mark();
            record(&mut e, 0, &["SET", "b", "1"]);
            e.address(mark, Audience::REPLICAS);
            e.end_unit();
            assert_eq!(complete_units(&mut e), shown);
        }
    }
}
