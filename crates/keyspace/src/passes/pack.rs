//! Values become compressed frames, and text again; to clients nothing changes.
//!
//! A packed value takes a fifth to a half of its memory, and 1 to 2 us more to read (`frames`). A
//! change of the form is no change of the key: no event, watch, effect, use or dirty count, and a
//! running snapshot sees the same value (`Database::change_form`).
//!
//! Strings are packed, and containers of a single block with their whole block: small hashes,
//! lists, sets and sorted sets, and small JSON documents. Integers never are, nor values that would
//! not shrink, nor a value that a pass may save in slices: that one has several blocks.

use std::sync::Arc;

use russet_command::CommandError;
use russet_frames::{Samples, UnusableDictionary, train};

use super::super::store::container::{bytes_of, raw_value};
use super::super::store::database::Database;
use super::super::store::dictionaries::{FrameFigures, PackDictionary};
use super::super::store::entry::Entry;
use super::super::store::packed::{Packer, RawValue};
use super::super::{DbIndex, Keyspace, NewValue};
use super::cold::CollectedTexts;

/// Values that train a dictionary at most; more hardly gain.
const SAMPLES_MAX: usize = 200;

/// Bytes of a value that a sample has at most.
pub(super) const SAMPLE_BYTES_MAX: usize = 16 << 10;

/// Which values are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackRule {
    /// Bytes of a text, at least; of a container's block half as much again, because a listpack has
    /// more that is packed than it has text.
    pub least: usize,
    /// Bytes of the text or block, at most.
    pub most: usize,
    /// A value is packed even if the key does not shrink by an eighth of its memory.
    pub always: bool,
}

impl Default for PackRule {
    fn default() -> PackRule {
        PackRule {
            least: 128,
            most: 256 << 10,
            always: false,
        }
    }
}

impl PackRule {
    /// Everything that can be packed, whatever it costs: for tests.
    pub const ALL: PackRule = PackRule {
        least: 1,
        most: usize::MAX,
        always: true,
    };

    /// The bytes of an entry that are packed, if the rule covers the entry.
    pub(super) fn raw_of<'a>(&self, entry: Entry) -> Option<RawValue<'a>> {
        let raw = raw_value(entry)?;
        let least = match raw.form {
            None => self.least,
            Some(_) => self.least + self.least / 2,
        };
        (least..=self.most)
            .contains(&raw.bytes.len())
            .then_some(raw)
    }

    /// Bytes that a block may have at most, to be used instead of an entry's value. `None`: the
    /// entry cannot shrink by as much.
    pub(super) fn block_max(&self, entry: Entry, raw: &RawValue<'_>) -> Option<usize> {
        if self.always {
            return Some(usize::MAX);
        }
        let wanted = worth(entry);
        let most = raw.bytes.len().min(wanted);
        (entry.bytes_packed(1) <= wanted).then_some(most)
    }
}

/// Bytes that a key may have at most when it is packed: an eighth less than it has.
pub(super) fn worth(entry: Entry) -> usize {
    bytes_of(entry) / 8 * 7
}

/// Figures of the packed values of a keyspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackedFigures {
    /// The frames of all dictionaries.
    pub frames: FrameFigures,
    /// Dictionaries that are in use or kept for use.
    pub dictionaries: usize,
    /// Memory of these.
    pub dictionary_bytes: usize,
}

/// The dictionaries of a keyspace's packed values, and what packs them on the loop.
#[derive(Default)]
pub struct PackState {
    /// Trained dictionaries, the newest last.
    dictionaries: Vec<Arc<PackDictionary>>,
    /// Packs with the newest dictionary.
    packer: Option<Box<Packer>>,
    /// The entries of a step of the cold walk.
    pub(super) scratch: Vec<Entry>,
    /// Texts that a load collects to be packed.
    pub(crate) collected: Option<Box<CollectedTexts>>,
}

impl PackState {
    /// The figures of all packed values. O(dictionaries).
    pub fn figures(&self) -> PackedFigures {
        let empty = PackDictionary::of(0);
        let mut figures = PackedFigures::default();
        for dictionary in self.dictionaries.iter().chain(&empty) {
            let more = dictionary.figures();
            let all = &mut figures.frames;
            all.frames += more.frames;
            all.frame_bytes += more.frame_bytes;
            all.raw_bytes += more.raw_bytes;
            all.reads += more.reads;
            all.read_cycles += more.read_cycles;
        }
        let bytes = |it: &Arc<PackDictionary>| it.dictionary().memory_bytes();
        figures.dictionaries = self.dictionaries.len();
        figures.dictionary_bytes = self.dictionaries.iter().map(bytes).sum();
        figures
    }

    /// Keeps a dictionary whose frames are about to be adopted, and drops those without frames.
    pub(super) fn keep(&mut self, dictionary: &Arc<PackDictionary>) {
        let is_kept = |it: &Arc<PackDictionary>| Arc::ptr_eq(it, dictionary);
        if dictionary.number() != 0 && !self.dictionaries.iter().any(is_kept) {
            self.dictionaries.retain(is_in_use);
            self.dictionaries.push(Arc::clone(dictionary));
            self.packer = None;
        }
    }

    /// Frees the dictionaries that no frame refers to and nothing packs with. O(dictionaries).
    pub fn tidy(&mut self) {
        let before = self.dictionaries.len();
        self.dictionaries.retain(is_in_use);
        if self.dictionaries.len() < before {
            PackDictionary::drop_unused();
        }
    }

    /// Keeps the dictionaries of values that a keyspace has taken over from another.
    pub(super) fn take_over(&mut self, other: &mut PackState) {
        for dictionary in other.dictionaries.drain(..) {
            self.keep(&dictionary);
        }
    }

    /// A packer of the newest dictionary, or of the empty one.
    fn packer(&mut self) -> Result<Box<Packer>, UnusableDictionary> {
        if let Some(packer) = self.packer.take() {
            return Ok(packer);
        }
        let newest = self.dictionaries.last().cloned();
        let dictionary = newest.or_else(|| PackDictionary::of(0));
        Packer::new(dictionary.ok_or(UnusableDictionary)?).map(Box::new)
    }
}

/// Whether frames refer to a dictionary, or something packs with it: both tables of dictionaries
/// own it in any case.
fn is_in_use(dictionary: &Arc<PackDictionary>) -> bool {
    dictionary.figures().frames > 0 || Arc::strong_count(dictionary) > 2
}

impl Keyspace {
    /// Trains a dictionary with values of all databases, which later packing on the loop uses.
    /// `false`: there are too few of them, or no dictionary more is possible. O(keys), and 30 to
    /// 100 ms: for DEBUG.
    pub fn train_for_packing(&mut self) -> bool {
        let rule = PackRule {
            least: 16,
            ..PackRule::default()
        };
        let values = self.dbs.iter().flat_map(Database::entries);
        let values = values.filter_map(|entry| rule.raw_of(entry));
        let texts: Vec<&[u8]> = values.map(|raw| raw.bytes).collect();
        let mut samples = Samples::default();
        let step = texts.len().div_ceil(SAMPLES_MAX).max(1);
        for text in texts.into_iter().step_by(step) {
            samples.push(&text[..text.len().min(SAMPLE_BYTES_MAX)]);
        }
        let trained = train(&samples).ok();
        let Some(dictionary) = trained.and_then(PackDictionary::register) else {
            return false;
        };
        self.packing.packer = None;
        self.packing.dictionaries.push(dictionary);
        self.forget_unused_dictionaries();
        true
    }

    /// Drops the dictionaries without frames, but for the newest.
    fn forget_unused_dictionaries(&mut self) {
        let newest = self.packing.dictionaries.last().map(|it| it.number());
        let is_used =
            |it: &Arc<PackDictionary>| it.figures().frames > 0 || Some(it.number()) == newest;
        self.packing.dictionaries.retain(is_used);
        PackDictionary::drop_unused();
    }

    /// Packs the value at a key on the loop, if the rule covers the value. `false`: it does not.
    /// O(length): for DEBUG.
    pub fn pack_key(&mut self, at: DbIndex, key: &[u8], rule: &PackRule) -> bool {
        let Ok(mut packer) = self.packing.packer() else {
            return false;
        };
        let database = &mut self.dbs[at];
        let entry = database.find_key(key).map(|found| found.entry);
        let packed = entry.is_some_and(|entry| database.pack(entry, &mut packer, rule));
        self.packing.packer = Some(packer);
        packed
    }

    /// Packs all values that the rule covers, on the loop; returns how many. O(bytes): for DEBUG
    /// and tests.
    pub fn pack_all(&mut self, rule: &PackRule) -> usize {
        let Ok(mut packer) = self.packing.packer() else {
            return 0;
        };
        let mut packed = 0;
        for database in self.dbs.iter_mut() {
            let entries = database.entries();
            let covered = |entry: &Entry| rule.raw_of(*entry).is_some();
            let entries: Vec<Entry> = entries.filter(covered).collect();
            for entry in entries {
                packed += usize::from(database.pack(entry, &mut packer, rule));
            }
        }
        self.packing.packer = Some(packer);
        packed
    }

    /// Stores the packed value at a key as it was before. `false`: there is none.
    ///
    /// # Errors
    /// [`CommandError::DamagedValue`]
    pub fn unpack_key(&mut self, at: DbIndex, key: &[u8]) -> Result<bool, CommandError> {
        let database = &mut self.dbs[at];
        let hash = database.hash(key);
        match database.find(hash, key) {
            Some(found) if found.entry.is_packed() => database.unpack(hash, found).map(|_| true),
            _ => Ok(false),
        }
    }

    /// Stores all packed values as they were before, but for damaged ones; returns how many.
    /// O(bytes).
    pub fn unpack_all(&mut self) -> usize {
        let mut unpacked = 0;
        for database in self.dbs.iter_mut() {
            let packed: Vec<Entry> = database.entries().filter(|it| it.is_packed()).collect();
            for entry in packed {
                let hash = database.hash(entry.key());
                let found = database.find(hash, entry.key());
                let whole = found.is_some_and(|found| database.unpack(hash, found).is_ok());
                unpacked += usize::from(whole);
            }
        }
        self.forget_unused_dictionaries();
        unpacked
    }
}

#[cfg(any(test, feature = "testing"))]
impl Keyspace {
    /// Damages the frame of the packed value at a key. `false`: there is none.
    pub fn damage_packed(&mut self, at: DbIndex, key: &[u8]) -> bool {
        let database = &mut self.dbs[at];
        let hash = database.hash(key);
        let Some(found) = database.find(hash, key) else {
            return false;
        };
        let NewValue::Packed {
            kind,
            block,
            modified,
        } = found.entry.value()
        else {
            return false;
        };
        let block = block.to_vec();
        let damaged = NewValue::Packed {
            kind,
            block: &block[..block.len() - 1],
            modified,
        };
        database.change_form(hash, found, damaged);
        true
    }
}

impl Database {
    /// Packs an entry of the table, if the rule covers the entry.
    fn pack(&mut self, entry: Entry, packer: &mut Packer, rule: &PackRule) -> bool {
        let Some(raw) = rule.raw_of(entry) else {
            return false;
        };
        let block_max = rule.block_max(entry, &raw);
        let block = block_max.and_then(|most| packer.block_of(raw.bytes, raw.form, most));
        let Some(block) = block else {
            return false;
        };
        let is_worth = rule.always || entry.bytes_packed(block.len()) <= worth(entry);
        let hash = self.hash(entry.key());
        match self.find(hash, entry.key()) {
            Some(found) if is_worth => {
                let value = NewValue::Packed {
                    kind: raw.kind,
                    block,
                    modified: entry.is_modified(),
                };
                self.change_form(hash, found, value);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::both;
    use crate::{Cause, Expiry, KeyView, Saver, Slice, TextBuffer, Walk};
    use russet_base::memory::mover::Mover;

    const DB: DbIndex = DbIndex(0);

    fn session(n: usize) -> String {
        format!(
            "{{\"user\":\"user {n}\",\"plan\":\"basic\",\"seats\":{},\"since\":\"2024-{:02}-11\"}}",
            n * 7 % 31,
            n % 12 + 1
        )
        .repeat(1 + n % 5)
    }

    /// Sessions under keys of many lengths, every third of which expires.
    fn filled() -> Keyspace {
        let mut k = Keyspace::new(2);
        k.set_now_ms(1000);
        for n in 0..400 {
            let expiry = if n % 3 == 0 {
                Expiry::At(90_000)
            } else {
                Expiry::Clear
            };
            let value = session(n);
            k.db(DB)
                .set_string(&key(n), NewValue::text(value.as_bytes()), expiry);
        }
        k
    }

    fn key(n: usize) -> Vec<u8> {
        format!("session:{n}{}", "k".repeat(n % 140)).into_bytes()
    }

    fn texts(k: &Keyspace) -> Vec<(Vec<u8>, Vec<u8>, Option<i64>)> {
        let text = |entry: Entry| {
            let text = entry.string().expect("a string").to_vec();
            (entry.key().to_vec(), text.expect("whole"), entry.expiry())
        };
        let mut all: Vec<_> = k.database(DB).entries().map(text).collect();
        all.sort();
        all
    }

    #[test]
    fn a_packed_database_has_the_same_texts_in_less_memory() {
        both(|| {
            let mut k = filled();
            k.db(DB).set_string(b"int", NewValue::Int(7), Expiry::Clear);
            k.set_counts_bytes(true);
            let (before, dirty) = (texts(&k), k.dirty);
            let bytes =
                |k: &Keyspace| -> usize { k.database(DB).entries().map(Entry::memory_bytes).sum() };
            let plain = bytes(&k);
            assert!(k.train_for_packing());
            assert_eq!(
                k.pack_all(&PackRule::default()),
                before.len() - 1 - short(&before)
            );
            k.check_invariants();
            assert_eq!((texts(&k), k.dirty), (before.clone(), dirty));
            assert!(bytes(&k) * 10 < plain * 7, "{} {plain}", bytes(&k));
            let figures = k.packing.figures();
            assert!(figures.frames.frame_bytes * 2 < figures.frames.raw_bytes);
            assert_eq!(figures.dictionaries, 1);
            assert!(k.unpack_all() > 200);
            k.check_invariants();
            assert_eq!((texts(&k), bytes(&k)), (before, plain));
            assert_eq!(k.packing.figures().frames.raw_bytes, 0);
        });
    }

    /// Texts below the least length; one that is an integer is no text.
    fn short(texts: &[(Vec<u8>, Vec<u8>, Option<i64>)]) -> usize {
        let is_short = |text: &&(Vec<u8>, Vec<u8>, Option<i64>)| text.1.len() < 128;
        texts.iter().filter(is_short).count() - 1
    }

    #[test]
    fn frames_follow_their_keys_and_are_counted_until_they_are_freed() {
        both(|| {
            let mut k = filled();
            assert!(k.train_for_packing());
            let all = k.pack_all(&PackRule::ALL);
            assert_eq!((all, k.packing.figures().frames.frames), (400, 400));
            for n in 0..400 {
                let other = [&b"other"[..], &key((n * 37 + 5) % 400)].concat();
                assert!(k.db(DB).rename(&key(n), DB, &other));
                if n % 2 == 0 {
                    k.db(DB).copy(&other, DbIndex(1), &key(n));
                }
                k.db(DB)
                    .place(&other)
                    .set_expiry((n % 4 > 1).then_some(70_000));
            }
            assert_eq!(k.packing.figures().frames.frames, 600);
            k.check_invariants();
            let mut walk = Walk::new(Mover::eager());
            k.relocate_all(&mut walk);
            assert!(walk.mover.moved > 0);
            k.check_invariants();
            for n in 0..400 {
                let other = [&b"other"[..], &key((n * 37 + 5) % 400)].concat();
                let mut db = k.db(DB);
                let mut buffer = TextBuffer::new();
                let text = db.string(&other).expect("a string").expect("there");
                assert_eq!(text.text(&mut buffer), Ok(session(n).as_bytes()));
                assert_eq!(db.expiry(&other), Some((n % 4 > 1).then_some(70_000)));
                if n % 3 == 0 {
                    db.delete(&other, Cause::User);
                } else if n % 3 == 1 {
                    db.set_string(&other, NewValue::text(b"short"), Expiry::Keep);
                } else {
                    let mut place = db.place(&other);
                    place.unpack().expect("whole");
                    let room = place.grow(5000);
                    assert!(room.starts_with(session(n).as_bytes()) && room.len() == 5000);
                }
            }
            assert_eq!(k.packing.figures().frames.frames, 200);
            for n in (0..400).step_by(2) {
                assert!(k.db(DbIndex(1)).delete(&key(n), Cause::User));
            }
            let left = k.packing.figures().frames;
            assert_eq!((left.frames, left.frame_bytes, left.raw_bytes), (0, 0, 0));
            k.check_invariants();
        });
    }

    /// Texts by key, as a pass saves them.
    #[derive(Default)]
    struct Texts(Vec<(Vec<u8>, Vec<u8>)>);

    impl Saver for Texts {
        fn database(&mut self, _db: DbIndex, _keys: usize, _volatile: usize) {}

        fn key(&mut self, _db: DbIndex, view: &KeyView<'_>) {
            let mut text = Vec::new();
            match view.value {
                crate::ValueView::Packed(packed) => packed.unpack(&mut text).expect("whole"),
                crate::ValueView::Bytes(bytes) => text.extend_from_slice(bytes),
                _ => unreachable!("only texts"),
            }
            self.0.push((view.key.to_vec(), text));
        }

        fn begin_large(&mut self, _db: DbIndex, _view: &KeyView<'_>) -> u64 {
            unreachable!("only texts")
        }

        fn part(&mut self, _view: &KeyView<'_>, _at: u64) -> Option<u64> {
            unreachable!("only texts")
        }

        fn has_room(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_running_snapshot_saves_each_key_once_whatever_its_form() {
        both(|| {
            let mut k = filled();
            let before: Vec<_> = texts(&k)
                .into_iter()
                .map(|(key, text, _)| (key, text))
                .collect();
            k.train_for_packing();
            let mut saved = Texts::default();
            k.begin_pass();
            let mut n = 0;
            while k.pass_slice(&mut saved, 0) != Slice::Done {
                match n % 4 {
                    0 => _ = k.pack_all(&PackRule::ALL),
                    1 => _ = k.unpack_all(),
                    2 => {
                        let mut db = k.db(DB);
                        let name = key(n * 3 % 400);
                        let mut place = db.place(&name);
                        place.unpack().expect("whole");
                        place.grow(2000);
                    }
                    _ => k.db(DB).set_string(
                        &key(n * 7 % 400),
                        NewValue::text(b"new"),
                        Expiry::Clear,
                    ),
                }
                n += 1;
            }
            assert!(n > 4);
            saved.0.sort();
            assert_eq!(saved.0, before);
            k.check_invariants();
        });
    }
}
