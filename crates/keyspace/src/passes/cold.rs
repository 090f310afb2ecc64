//! The pass that packs cold strings, in steps of a scan: the loop copies their texts into a batch,
//! a thread makes the frames, and the loop adopts those whose texts are still the same.
//!
//!     gather   a step of the walk: cold texts with their keys go into a batch
//!     pack     on the thread: frames, each read again and compared with its text
//!     adopt    a key whose text equals the batch's gets the frame
//!
//! The comparison makes every interleaving right, so writers know nothing of the pass. Memory of
//! packed strings that are read again and again is given back by the same walk: a string used
//! before each of two rounds in a row becomes text again, within a budget.
//!
//! Cost: a scan that prefetches; a copy and a comparison of each cold text.

use std::sync::Arc;

use russet_frames::Samples;

use super::super::slots::slot_set::SlotFilter;
use super::super::store::container::{bytes_of, raw_value};
use super::super::store::dictionaries::PackDictionary;
use super::super::store::entry::Entry;
use super::super::store::packed::{Packer, RawValue, holds};
use super::super::{ClockUse, DbIndex, Keyspace, NewValue};
use super::pack::{PackRule, PackState, SAMPLE_BYTES_MAX, worth};
use russet_types::Type;
use russet_types::block::BlockForm;

/// Bytes of a batch at which it is sent to the thread.
pub const BATCH_BYTES: usize = 64 << 10;

/// Bytes of the loaded texts that are collected between two slices of a load, at most.
const COLLECTED_BYTES_MAX: usize = 512 << 10;

/// The use up to which strings are cold. Under an LFU policy the counter decides, else the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColdLimit {
    /// Seconds since the last use, at least. 0: every string is cold, whatever the policy.
    pub idle_seconds: u32,
    /// The decayed counter, at most.
    pub uses_max: u32,
}

impl ColdLimit {
    /// The stricter of two in each respect.
    pub fn stricter(self, other: ColdLimit) -> ColdLimit {
        ColdLimit {
            idle_seconds: self.idle_seconds.max(other.idle_seconds),
            uses_max: self.uses_max.min(other.uses_max),
        }
    }
}

/// Which strings are cold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColdRule {
    /// Their lengths.
    pub texts: PackRule,
    /// Whether strings are packed at all, or only unpacked.
    pub packs: bool,
    /// How cold a string must be to be packed.
    pub cold: ColdLimit,
    /// A packed string that was used within this time has been used since the last round; under an
    /// LFU policy, a packed string that is no longer cold has been. `None`: uses do not count in
    /// this round, because the clock has not gone on since the last.
    pub used_seconds: Option<u32>,
    /// Bytes of texts that may be unpacked in this step because they are in use.
    pub unpacked_max: u64,
}

/// Texts with their keys, on their way to the thread and back with their frames.
#[derive(Default)]
pub struct ColdBatch {
    items: Vec<ColdItem>,
    /// Keys and texts, one after another.
    texts: Vec<u8>,
    /// Blocks of the packed ones.
    blocks: Vec<u8>,
    /// The dictionary of the blocks, which exists as long as they may be adopted.
    dictionary: Option<Arc<PackDictionary>>,
}

#[derive(Clone, Copy)]
struct ColdItem {
    db: DbIndex,
    key: usize,
    text: usize,
    /// Type and form of the value that the text is of.
    kind: Type,
    form: Option<BlockForm>,
    /// Bytes of the block; 0: the text does not shrink.
    block: usize,
    /// Most bytes of a block that is worth it.
    block_max: usize,
}

/// The result of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchCounts {
    /// Strings that are packed now.
    pub packed: u64,
    /// Strings that do not shrink.
    pub refused: u64,
    /// Strings that have changed meanwhile.
    pub changed: u64,
    /// Bytes of memory saved.
    pub saved_bytes: u64,
    /// Bytes of the texts that are packed now.
    pub raw_bytes: u64,
    /// Bytes of their blocks.
    pub block_bytes: u64,
}

/// Chooses the batches of cold texts.
pub trait Batches {
    /// The batch of the text at a key. `None`: the text is left as it is.
    fn batch(&mut self, key: &[u8]) -> Option<&mut ColdBatch>;
}

impl Batches for ColdBatch {
    fn batch(&mut self, _key: &[u8]) -> Option<&mut ColdBatch> {
        Some(self)
    }
}

impl ColdBatch {
    /// Whether it has no texts.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes of its keys and texts.
    pub fn bytes(&self) -> usize {
        self.texts.len()
    }

    /// Adds each text to the batch that is chosen for its key. O(bytes).
    pub fn distribute(self, batches: &mut impl Batches) {
        let mut rest = &self.texts[..];
        for item in &self.items {
            let (both, after) = rest.split_at(item.key + item.text);
            rest = after;
            if let Some(batch) = batches.batch(&both[..item.key]) {
                batch.texts.extend_from_slice(both);
                batch.items.push(*item);
            }
        }
    }

    /// Whether it should be sent.
    pub fn is_full(&self) -> bool {
        self.texts.len() >= BATCH_BYTES
    }

    /// Adds the texts to samples, of which there are `most` at most; the batch is empty then.
    pub fn sample(&mut self, samples: &mut Samples, most: usize) {
        let mut rest = &self.texts[..];
        for item in &self.items {
            let text = &rest[item.key..item.key + item.text];
            rest = &rest[item.key + item.text..];
            if samples.len() < most {
                samples.push(&text[..text.len().min(SAMPLE_BYTES_MAX)]);
            }
        }
        self.items.clear();
        self.texts.clear();
    }

    fn push(&mut self, db: DbIndex, entry: Entry, raw: &RawValue<'_>, block_max: usize) {
        let key = entry.key();
        self.texts.extend_from_slice(key);
        self.texts.extend_from_slice(raw.bytes);
        self.items.push(ColdItem {
            db,
            key: key.len(),
            text: raw.bytes.len(),
            kind: raw.kind,
            form: raw.form,
            block: 0,
            block_max,
        });
    }

    /// Makes the frames; for the thread. A frame that does not lead back to its text is left out.
    pub fn pack(&mut self, packer: &mut Packer) {
        self.dictionary = Some(packer.dictionary());
        let mut rest = &self.texts[..];
        for item in &mut self.items {
            let text = &rest[item.key..item.key + item.text];
            rest = &rest[item.key + item.text..];
            let Some(block) = packer.block_of(text, item.form, item.block_max) else {
                continue;
            };
            if holds(block, item.form, text) {
                item.block = block.len();
                self.blocks.extend_from_slice(block);
            }
        }
    }
}

/// Texts that a load collects to be packed.
pub struct CollectedTexts {
    texts: PackRule,
    batch: ColdBatch,
}

impl CollectedTexts {
    /// Collects the text of an entry that has just been loaded, if the rule covers it. A text that
    /// finds no room stays for a walk.
    pub(crate) fn add(&mut self, db: DbIndex, entry: Entry) {
        // Containers are left to the walk, because their elements may still be on their way.
        if let Some(raw) = self.texts.raw_of(entry)
            && raw.form.is_none()
            && self.batch.texts.len() < COLLECTED_BYTES_MAX
        {
            match self.texts.block_max(entry, &raw) {
                Some(most) => self.batch.push(db, entry, &raw, most),
                None => entry.set_refused(),
            }
        }
    }
}

impl PackState {
    /// From now on, the loaded texts that the rule covers are collected; `None`: none are.
    pub fn collect(&mut self, rule: Option<PackRule>) {
        match (rule, &mut self.collected) {
            (None, collected) => *collected = None,
            (Some(texts), Some(collected)) => collected.texts = texts,
            (Some(texts), collected) => {
                let batch = ColdBatch::default();
                *collected = Some(Box::new(CollectedTexts { texts, batch }));
            }
        }
    }

    /// Takes what was collected so far, if anything.
    pub fn take_collected(&mut self) -> Option<ColdBatch> {
        let collected = self.collected.as_mut()?;
        (!collected.batch.is_empty()).then(|| std::mem::take(&mut collected.batch))
    }
}

/// The position of a walk over all databases.
#[derive(Clone, Copy, Debug, Default)]
pub struct ColdWalk {
    db: u32,
    cursor: u64,
}

/// The strings that a step has met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColdStep {
    /// The walk has seen all databases and begins anew.
    pub is_round: bool,
    /// Strings that were copied into batches.
    pub gathered: u64,
    /// Strings unpacked because they are in use, and their bytes.
    pub promoted: u64,
    /// Bytes of these texts.
    pub promoted_bytes: u64,
}

impl Keyspace {
    /// Whether an entry is cold by its clock.
    fn is_cold(&self, entry: Entry, limit: ColdLimit) -> bool {
        if limit.idle_seconds == 0 {
            return true;
        }
        match self.clock_use {
            ClockUse::Lfu { decay_minutes, .. } => {
                self.decayed(entry.clock(), decay_minutes) <= limit.uses_max
            }
            ClockUse::Lru | ClockUse::Lrm => self.idle_seconds(entry.clock()) >= limit.idle_seconds,
        }
    }

    /// A step of a walk: copies cold strings into their batches, and unpacks strings in use.
    /// O(step).
    pub fn gather_cold(
        &mut self,
        walk: &mut ColdWalk,
        rule: &ColdRule,
        batches: &mut impl Batches,
    ) -> ColdStep {
        let mut step = ColdStep::default();
        let (at, found) = self.next_entries(walk);
        for &entry in &found {
            if entry.is_packed() {
                self.visit_packed(at, entry, rule, &mut step);
            } else if rule.packs
                && let Some(raw) = rule.texts.raw_of(entry)
                && !entry.is_refused()
                && self.is_cold(entry, rule.cold)
            {
                match rule.texts.block_max(entry, &raw) {
                    Some(most) => {
                        if let Some(batch) = batches.batch(entry.key()) {
                            batch.push(at, entry, &raw, most);
                            step.gathered += 1;
                        }
                    }
                    None => entry.set_refused(),
                }
            }
        }
        step.is_round = self.end_step(walk, found);
        step
    }

    /// The database and the entries of a walk's next step, in a buffer for
    /// [`Keyspace::end_step`].
    fn next_entries(&mut self, walk: &mut ColdWalk) -> (DbIndex, Vec<Entry>) {
        if walk.db as usize >= self.dbs.len() {
            *walk = ColdWalk::default();
        }
        let at = DbIndex(walk.db);
        let mut found = std::mem::take(&mut self.packing.scratch);
        found.clear();
        let table = self.dbs[at].table();
        walk.cursor = table.scan_ahead(walk.cursor, SlotFilter::All, |entry| found.push(entry));
        (at, found)
    }

    /// Whether the walk has seen all databases, and begins anew.
    fn end_step(&mut self, walk: &mut ColdWalk, found: Vec<Entry>) -> bool {
        self.packing.scratch = found;
        if walk.cursor != 0 {
            return false;
        }
        walk.db += 1;
        walk.db as usize == self.dbs.len()
    }

    /// A step of a walk that stores packed strings as text, whatever their use; damaged ones stay.
    /// O(step).
    pub fn unpack_step(&mut self, walk: &mut ColdWalk) -> ColdStep {
        let mut step = ColdStep::default();
        let (at, found) = self.next_entries(walk);
        let rule = ColdRule {
            unpacked_max: u64::MAX,
            ..ColdRule::default()
        };
        for &entry in found.iter().filter(|entry| entry.is_packed()) {
            self.promote(at, entry, &rule, &mut step);
        }
        step.is_round = self.end_step(walk, found);
        step
    }

    /// A packed string used in two rounds in a row becomes text again.
    fn visit_packed(&mut self, at: DbIndex, entry: Entry, rule: &ColdRule, step: &mut ColdStep) {
        let Some(idle_seconds) = rule.used_seconds else {
            return;
        };
        let unused = ColdLimit {
            idle_seconds,
            ..rule.cold
        };
        let is_used = !self.is_cold(entry, unused);
        if !is_used || !entry.was_used() {
            return entry.set_used(is_used);
        }
        self.promote(at, entry, rule, step);
    }

    /// Stores a packed value as it was, within the step's budget.
    fn promote(&mut self, at: DbIndex, entry: Entry, rule: &ColdRule, step: &mut ColdStep) {
        let bytes = entry.raw_len() as u64;
        if step.promoted_bytes + bytes > rule.unpacked_max {
            return;
        }
        let database = &mut self.dbs[at];
        let hash = database.hash(entry.key());
        let found = database.find(hash, entry.key());
        if found.is_some_and(|found| database.unpack(hash, found).is_ok()) {
            step.promoted += 1;
            step.promoted_bytes += bytes;
        }
    }

    /// Gives keys the frames of a batch, if their texts are still those of the batch. O(bytes).
    pub fn adopt(&mut self, batch: &ColdBatch) -> BatchCounts {
        let mut adopted = BatchCounts::default();
        let Some(dictionary) = &batch.dictionary else {
            return adopted;
        };
        self.packing.keep(dictionary);
        let (mut texts, mut blocks) = (&batch.texts[..], &batch.blocks[..]);
        for item in &batch.items {
            let (key, after) = texts.split_at(item.key);
            let (text, after) = after.split_at(item.text);
            let (block, left) = blocks.split_at(item.block);
            (texts, blocks) = (after, left);
            let database = &mut self.dbs[item.db];
            let hash = database.hash(key);
            let found = database.find(hash, key);
            let raw = RawValue {
                kind: item.kind,
                form: item.form,
                bytes: text,
            };
            let same = found.filter(|found| raw_value(found.entry) == Some(raw));
            let Some(found) = same else {
                adopted.changed += 1;
                continue;
            };
            let before = bytes_of(found.entry);
            if block.is_empty() || found.entry.bytes_packed(block.len()) > worth(found.entry) {
                found.entry.set_refused();
                adopted.refused += 1;
                continue;
            }
            let value = NewValue::Packed {
                kind: item.kind,
                block,
                modified: found.entry.is_modified(),
            };
            let entry = database.change_form(hash, found, value);
            adopted.packed += 1;
            adopted.raw_bytes += text.len() as u64;
            adopted.block_bytes += block.len() as u64;
            adopted.saved_bytes += before.saturating_sub(entry.memory_bytes()) as u64;
        }
        adopted
    }
}

impl Keyspace {
    /// The limit of the coldest strings that have `share` of the bytes of all strings that `texts`
    /// covers and that are not packed, by `samples` random keys. `None`: there are none among
    /// these.
    pub fn limit_of_share(
        &mut self,
        texts: &PackRule,
        share: f64,
        samples: usize,
    ) -> Option<ColdLimit> {
        let mut limits: Vec<(ColdLimit, usize)> = Vec::new();
        let used: Vec<DbIndex> = self.in_use().map(|(at, _)| at).collect();
        for sample in 0..samples {
            let at = *used.get(sample % used.len().max(1))?;
            let random = self.dbs[at].table().random(&mut self.rng);
            let covered =
                random.filter(|(entry, _)| !entry.is_refused() && texts.raw_of(*entry).is_some());
            if let Some((entry, _)) = covered {
                limits.push((self.limit_of(entry), bytes_of(entry)));
            }
        }
        limits.sort_unstable_by_key(|(limit, _)| (limit.uses_max, u32::MAX - limit.idle_seconds));
        let all: usize = limits.iter().map(|(_, bytes)| bytes).sum();
        let mut wanted = (all as f64 * share.clamp(0.0, 1.0)) as usize;
        let reached = limits.iter().find(|(_, bytes)| {
            wanted = wanted.saturating_sub(*bytes);
            wanted == 0
        });
        reached.or(limits.last()).map(|(limit, _)| *limit)
    }

    /// The limit that an entry just reaches; the policy's own clock alone differs.
    fn limit_of(&self, entry: Entry) -> ColdLimit {
        match self.clock_use {
            ClockUse::Lfu { decay_minutes, .. } => ColdLimit {
                idle_seconds: 1,
                uses_max: self.decayed(entry.clock(), decay_minutes),
            },
            ClockUse::Lru | ClockUse::Lrm => ColdLimit {
                idle_seconds: self.idle_seconds(entry.clock()),
                uses_max: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expiry;
    use crate::worlds::both;
    use russet_frames::Dictionary;
    use russet_types::{Encoding, Hash, Limits};

    const DB: DbIndex = DbIndex(0);

    fn text(n: usize) -> Vec<u8> {
        format!(
            "a session of the user {n} with the plan basic, which has {} seats; ",
            n % 31
        )
        .repeat(4)
        .into_bytes()
    }

    /// With a dictionary of its own: figures of the empty one are shared with other tests.
    fn packer() -> Packer {
        let dictionary = Dictionary::new(b"").expect("an empty one");
        Packer::new(PackDictionary::register(dictionary).expect("a number")).expect("memory")
    }

    fn filled() -> Keyspace {
        let mut k = Keyspace::new(2);
        k.set_now_ms(1_000_000);
        for n in 0..300 {
            let key = format!("session:{n}");
            k.db(DB)
                .set_string(key.as_bytes(), NewValue::text(&text(n)), Expiry::Clear);
        }
        k
    }

    fn rule(idle_seconds: u32) -> ColdRule {
        ColdRule {
            texts: PackRule::default(),
            packs: true,
            cold: ColdLimit {
                idle_seconds,
                uses_max: 1,
            },
            used_seconds: Some(60),
            unpacked_max: u64::MAX,
        }
    }

    /// A round; its batches go through a packer.
    fn round(k: &mut Keyspace, walk: &mut ColdWalk, rule: &ColdRule) -> (BatchCounts, u64) {
        let mut packer = packer();
        let (mut all, mut promoted) = (BatchCounts::default(), 0);
        loop {
            let mut batch = ColdBatch::default();
            let step = k.gather_cold(walk, rule, &mut batch);
            promoted += step.promoted;
            batch.pack(&mut packer);
            let adopted = k.adopt(&batch);
            all.packed += adopted.packed;
            all.refused += adopted.refused;
            all.changed += adopted.changed;
            all.saved_bytes += adopted.saved_bytes;
            if step.is_round {
                return (all, promoted);
            }
        }
    }

    #[test]
    fn cold_strings_are_packed_and_used_ones_become_text_in_the_second_round() {
        both(|| {
            let mut k = filled();
            let mut walk = ColdWalk::default();
            let (none, _) = round(&mut k, &mut walk, &rule(300));
            assert_eq!(none, BatchCounts::default());
            k.set_now_ms(1_000_000 + 400_000);
            for n in 0..50 {
                assert!(k.db(DB).exists(format!("session:{n}").as_bytes()));
            }
            let (all, _) = round(&mut k, &mut walk, &rule(300));
            assert_eq!((all.packed, all.refused, all.changed), (250, 0, 0));
            assert!(all.saved_bytes > 250 * 100);
            k.check_invariants();
            for at in [0, 1] {
                k.set_now_ms(1_000_000 + 500_000 + at * 100_000);
                for n in 100..110 {
                    assert!(k.db(DB).exists(format!("session:{n}").as_bytes()));
                }
                let (_, promoted) = round(&mut k, &mut walk, &rule(300_000));
                assert_eq!(promoted, if at == 0 { 0 } else { 10 });
            }
            k.check_invariants();
        });
    }

    #[test]
    fn a_text_that_has_changed_meanwhile_is_left_alone() {
        both(|| {
            let mut k = filled();
            k.set_now_ms(9_000_000);
            let mut packer = packer();
            let (mut walk, mut batch) = (ColdWalk::default(), ColdBatch::default());
            while !k.gather_cold(&mut walk, &rule(300), &mut batch).is_round {}
            assert!(batch.is_full());
            batch.pack(&mut packer);
            for n in 0..300 {
                let key = format!("session:{n}");
                match n % 5 {
                    0 => _ = k.db(DB).delete(key.as_bytes(), crate::Cause::User),
                    1 => k
                        .db(DB)
                        .set_string(key.as_bytes(), NewValue::Int(7), Expiry::Clear),
                    2 => k.db(DB).place(key.as_bytes()).grow(600)[3] = b'!',
                    _ => {}
                }
            }
            let adopted = k.adopt(&batch);
            assert_eq!((adopted.packed, adopted.changed), (120, 180));
            let again = k.adopt(&batch);
            assert_eq!((again.packed, again.changed), (0, 300));
            k.check_invariants();
        });
    }

    fn hash(n: usize) -> Hash {
        let text = text(n);
        let fields: [(&[u8], &[u8]); 5] = [
            (b"session", &text[..60]),
            (b"plan", &text[..50]),
            (b"seats", &text[..n % 40 + 10]),
            (b"agent", &text[..55]),
            (b"since", &text[..60]),
        ];
        let mut hash = Hash::of_distinct(fields.into_iter(), &Limits::default());
        hash.share_names(&Limits::default());
        hash
    }

    #[test]
    fn cold_containers_are_packed_whole_and_changed_ones_are_left_alone() {
        both(|| {
            let mut k = Keyspace::new(2);
            k.set_now_ms(1_000_000);
            k.set_counts_bytes(true);
            for n in 0..200 {
                k.db(DB).put(format!("session:{n}").as_bytes(), hash(n));
            }
            let records = |k: &Keyspace| {
                let entries = k.database(DB).entries();
                let of = entries.filter(|its| its.encoding() == Encoding::Record);
                of.count()
            };
            assert!(records(&k) > 100);
            k.set_now_ms(9_000_000);
            let mut packer = packer();
            let (mut walk, mut batch) = (ColdWalk::default(), ColdBatch::default());
            while !k.gather_cold(&mut walk, &rule(300), &mut batch).is_round {}
            batch.pack(&mut packer);
            for n in 0..50 {
                let key = format!("session:{n}");
                let mut db = k.db(DB);
                let mut hash = db
                    .write::<Hash>(key.as_bytes())
                    .expect("a hash")
                    .expect("there");
                hash.set(
                    b"plan",
                    b"other",
                    russet_types::Expiry::Clear,
                    &Limits::default(),
                );
            }
            let adopted = k.adopt(&batch);
            assert_eq!((adopted.packed, adopted.changed), (150, 50));
            assert!(adopted.saved_bytes > 150 * 50, "{}", adopted.saved_bytes);
            k.check_invariants();
            for n in 50..200 {
                let key = format!("session:{n}");
                let mut db = k.db(DB);
                assert_eq!(db.count::<Hash>(key.as_bytes()), Ok(5));
                let read = db
                    .read::<Hash>(key.as_bytes())
                    .expect("a hash")
                    .expect("there");
                let field = read.get(b"since").expect("a field");
                assert_eq!(field.value.to_vec(), text(n)[..60]);
            }
            assert!(records(&k) <= 50);
            assert_eq!(k.unpack_all(), 150);
            assert!(records(&k) > 100);
            k.check_invariants();
        });
    }

    #[test]
    fn a_text_that_does_not_shrink_is_tried_once() {
        let mut k = Keyspace::new(1);
        k.set_now_ms(1_000_000);
        let mut seed = 7u64;
        let mut noise = |_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        };
        let text: Vec<u8> = (0..900).map(&mut noise).collect();
        k.db(DB)
            .set_string(b"noise", NewValue::text(&text), Expiry::Clear);
        let mut walk = ColdWalk::default();
        assert_eq!(round(&mut k, &mut walk, &rule(0)).0.refused, 1);
        assert_eq!(round(&mut k, &mut walk, &rule(0)).0, BatchCounts::default());
        let other: Vec<u8> = (0..900).map(&mut noise).collect();
        k.db(DB)
            .set_string(b"noise", NewValue::text(&other), Expiry::Clear);
        assert_eq!(round(&mut k, &mut walk, &rule(0)).0.refused, 1);
    }

    #[test]
    fn loaded_texts_are_collected_while_a_rule_asks_for_it() {
        both(|| {
            let mut k = Keyspace::new(1);
            let load = |k: &mut Keyspace, n: usize| {
                let key = format!("session:{n}");
                let value = crate::OwnedValue::Bytes(&text(n));
                assert!(k.load(DB, key.as_bytes(), value, None, None));
            };
            (0..10).for_each(|n| load(&mut k, n));
            assert!(k.packing.take_collected().is_none());
            k.packing.collect(Some(PackRule::default()));
            (10..60).for_each(|n| load(&mut k, n));
            let mut packer =
                Packer::new(PackDictionary::of(0).expect("the empty one")).expect("memory");
            let mut batch = k.packing.take_collected().expect("texts");
            batch.pack(&mut packer);
            let adopted = k.adopt(&batch);
            assert_eq!((adopted.packed, adopted.changed), (50, 0));
            (60..9000).for_each(|n| load(&mut k, n));
            let bytes = k.packing.take_collected().expect("texts").texts.len();
            assert!(bytes < COLLECTED_BYTES_MAX + 1000, "{bytes}");
            k.packing.collect(None);
            load(&mut k, 9000);
            assert!(k.packing.take_collected().is_none());
            k.check_invariants();
        });
    }

    #[test]
    fn a_walk_unpacks_all_strings_whatever_their_use() {
        both(|| {
            let mut k = filled();
            assert_eq!(k.pack_all(&PackRule::default()), 300);
            let (mut walk, mut all) = (ColdWalk::default(), ColdStep::default());
            while !all.is_round {
                let step = k.unpack_step(&mut walk);
                all.promoted += step.promoted;
                all.promoted_bytes += step.promoted_bytes;
                all.is_round = step.is_round;
            }
            let bytes: usize = (0..300).map(|n| text(n).len()).sum();
            assert_eq!((all.promoted, all.promoted_bytes), (300, bytes as u64));
            // Figures of the empty dictionary are shared with other tests.
            assert_eq!(k.unpack_step(&mut ColdWalk::default()).promoted, 0);
            k.check_invariants();
        });
    }

    #[test]
    fn a_batch_is_distributed_by_its_keys() {
        /// Two batches for odd and even numbers, none for those that end in 0.
        #[derive(Default)]
        struct ByLast([ColdBatch; 2]);

        impl Batches for ByLast {
            fn batch(&mut self, key: &[u8]) -> Option<&mut ColdBatch> {
                let last = key.last().filter(|last| **last != b'0')?;
                Some(&mut self.0[usize::from(last % 2)])
            }
        }

        let mut k = filled();
        let (mut walk, mut batch) = (ColdWalk::default(), ColdBatch::default());
        while !k.gather_cold(&mut walk, &rule(0), &mut batch).is_round {}
        let mut parts = ByLast::default();
        batch.distribute(&mut parts);
        let mut packer =
            Packer::new(PackDictionary::of(0).expect("the empty one")).expect("memory");
        for (mut part, many) in parts.0.into_iter().zip([120, 150]) {
            part.pack(&mut packer);
            let adopted = k.adopt(&part);
            assert_eq!((adopted.packed, adopted.changed), (many, 0));
            assert!(adopted.block_bytes * 2 < adopted.raw_bytes);
        }
        k.check_invariants();
    }

    #[test]
    fn the_oldest_share_has_an_age() {
        let mut k = Keyspace::new(1);
        for n in 0..100 {
            k.set_now_ms(1_000_000 + n * 10_000);
            let key = format!("session:{n}");
            k.db(DB)
                .set_string(key.as_bytes(), NewValue::text(&text(7)), Expiry::Clear);
        }
        k.set_now_ms(2_000_000);
        let texts = PackRule::default();
        let idle = |k: &mut Keyspace, share| {
            let limit = k.limit_of_share(&texts, share, 2000).expect("texts");
            limit.idle_seconds
        };
        let half = idle(&mut k, 0.5);
        assert!((400..600).contains(&half), "{half}");
        assert!(idle(&mut k, 0.1) > idle(&mut k, 0.9));
        assert_eq!(Keyspace::new(1).limit_of_share(&texts, 0.5, 100), None);
    }

    #[test]
    fn under_an_lfu_policy_the_least_used_share_has_a_counter() {
        let mut k = Keyspace::new(2);
        k.clock_use = ClockUse::Lfu {
            log_factor: 0,
            decay_minutes: 0,
        };
        for n in 0..300 {
            let key = format!("session:{n}");
            k.db(DB)
                .set_string(key.as_bytes(), NewValue::text(&text(n)), Expiry::Clear);
            for _ in 0..if n < 200 { 0 } else { 20 } {
                assert!(k.db(DB).exists(key.as_bytes()));
            }
        }
        let texts = PackRule::default();
        let few = k.limit_of_share(&texts, 0.5, 2000).expect("texts");
        let all = k.limit_of_share(&texts, 1.0, 2000).expect("texts");
        assert!(few.uses_max < 10 && all.uses_max >= 20, "{few:?} {all:?}");
        let rule = ColdRule {
            cold: few,
            ..rule(1)
        };
        let (packed, _) = round(&mut k, &mut ColdWalk::default(), &rule);
        assert_eq!(packed.packed, 200);
    }
}
