//! A keyspace with slots behaves like a map of keys by slot, whatever is dropped, hidden, flushed,
//! expired, moved in memory or saved meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::super::access::view::{KeyView, ValueView};
use super::super::{
    Cause, DbIndex, Expiry, ExpiryMode, Keyspace, NewValue, SLOTS, Saver, Slice, SlotSet, Walk,
    slot_of,
};
use crate::{Audience, Eviction, EvictionOrder};
use russet_base::memory::mover::Mover;
use russet_types::{Expiry as FieldExpiry, Hash, Limits};

const DATABASES: u32 = 2;
/// Few, so that they fill, split, empty and are dropped.
const TAGS: usize = 7;

type Key = (u32, String);
/// A key's value, and when it expires.
type Model = BTreeMap<Key, (i64, Option<i64>)>;

fn tag_slot(tag: usize) -> u16 {
    slot_of(format!("t{tag}").as_bytes())
}

fn random_key(rng: &mut SmallRng) -> Key {
    let tag = rng.random_range(0..TAGS);
    // A slot is large: several segments.
    let keys = if tag == 0 { 3000 } else { 60 };
    let name = format!("{{t{tag}}}{}", rng.random_range(0..keys));
    (rng.random_range(0..DATABASES), name)
}

/// Keeps the keys that a pass saves.
#[derive(Default)]
struct SavedKeys(BTreeMap<Key, i64>);

impl Saver for SavedKeys {
    fn database(&mut self, _: DbIndex, _: usize, _: usize) {}

    fn key(&mut self, db: DbIndex, view: &KeyView<'_>) {
        let number = match &view.value {
            ValueView::Int(number) => *number,
            _ => -1,
        };
        let name = String::from_utf8(view.key.to_vec()).expect("a name");
        assert!(self.0.insert((db.0, name), number).is_none(), "saved once");
    }

    fn begin_large(&mut self, db: DbIndex, view: &KeyView<'_>) -> u64 {
        self.key(db, view);
        0
    }

    fn part(&mut self, _: &KeyView<'_>, _: u64) -> Option<u64> {
        None
    }

    fn has_room(&self) -> bool {
        true
    }
}

/// A pass under way: the keys that it has saved, and those that it has to save.
struct RunningPass {
    kept: SavedKeys,
    expected: BTreeMap<Key, i64>,
}

struct World {
    k: Keyspace,
    model: Model,
    /// The slots that are received and the slots that are kept, and both together.
    why_hidden: [SlotSet; 2],
    hidden: SlotSet,
    saving: Option<RunningPass>,
    next: i64,
}

impl World {
    fn new() -> World {
        let mut k = Keyspace::with_slots(DATABASES as usize);
        k.set_now_ms(1000);
        k.set_counts_slot_bytes(true);
        World {
            k,
            model: Model::new(),
            why_hidden: Default::default(),
            hidden: SlotSet::default(),
            saving: None,
            next: 0,
        }
    }

    fn forget(&mut self, gone: impl Fn(&Key) -> bool) -> usize {
        let before = self.model.len();
        self.model.retain(|key, _| !gone(key));
        before - self.model.len()
    }

    fn is_live(&self, key: &Key) -> bool {
        let known = self.model.get(key);
        known.is_some_and(|(_, when)| when.is_none_or(|when| when >= self.k.now_ms()))
    }

    fn begin_pass(&mut self, slots: Option<SlotSet>) {
        let is_saved = |name: &str| {
            let slots = slots.as_ref();
            slots.is_none_or(|slots| slots.has(slot_of(name.as_bytes())))
        };
        let saved = self.model.iter().filter(|((_, name), _)| is_saved(name));
        let expected = saved
            .map(|(key, (number, _))| (key.clone(), *number))
            .collect();
        match slots {
            Some(slots) => self.k.begin_pass_of(slots),
            None => self.k.begin_pass(),
        }
        let kept = SavedKeys::default();
        self.saving = Some(RunningPass { kept, expected });
    }

    fn continue_saving(&mut self) {
        let Some(saving) = &mut self.saving else {
            return;
        };
        if self.k.pass_slice(&mut saving.kept, 0) == Slice::Done {
            assert_eq!(saving.kept.0, saving.expected);
            self.saving = None;
        }
    }

    fn change(&mut self, rng: &mut SmallRng) {
        let key = random_key(rng);
        let (db, name) = (DbIndex(key.0), key.1.as_bytes());
        let slot = slot_of(name);
        let of_slot = |key: &Key| slot_of(key.1.as_bytes()) == slot;
        match rng.random_range(0..200) {
            0..90 => {
                self.next += 1;
                let (number, now) = (self.next, self.k.now_ms());
                let when = rng.random::<bool>().then(|| now + rng.random_range(1..500));
                let expiry = when.map_or(Expiry::Clear, Expiry::At);
                let mut db = self.k.db(db);
                db.set_string(name, NewValue::Int(number), expiry);
                self.model.insert(key, (number, when));
            }
            90..130 => {
                let was = self.k.db(db).delete(name, Cause::User);
                let live = self.is_live(&key);
                assert_eq!(was, live);
                self.model.remove(&key);
            }
            130..134 => {
                let to = random_key(rng);
                if to == key {
                    return;
                }
                let renamed = self.k.db(db).rename(name, DbIndex(to.0), to.1.as_bytes());
                assert_eq!(renamed, self.is_live(&key));
                // The lookup has deleted it if it had expired.
                let value = self.model.remove(&key);
                if let Some(value) = value.filter(|_| renamed) {
                    self.model.insert(to, value);
                }
            }
            134..138 => {
                let count = self.k.drop_slots(&[(slot, slot)], Audience::empty());
                assert_eq!(count, self.forget(of_slot));
            }
            138..142 => {
                let both = [slot, tag_slot(0)];
                let ranges = both.map(|slot| (slot, slot));
                let count = self.k.drop_slots(&ranges, Audience::empty());
                let of_both = |key: &Key| both.contains(&slot_of(key.1.as_bytes()));
                assert_eq!(count, self.forget(of_both));
            }
            142..144 => {
                let count = self.k.flush(db, rng.random());
                assert_eq!(count, self.forget(|other| other.0 == key.0));
            }
            144..147 => {
                let is_kept = rng.random::<bool>();
                if is_kept {
                    self.k.keep_slots(&[(slot, slot)]);
                } else {
                    self.k.hide_slots(&[(slot, slot)]);
                }
                self.why_hidden[usize::from(is_kept)].insert(slot);
                self.hiding_changed();
            }
            147..152 => {
                let is_kept = rng.random::<bool>();
                if is_kept {
                    self.k.release_slots(&[(slot, slot)]);
                } else {
                    self.k.show_slots(&[(slot, slot)]);
                }
                self.why_hidden[usize::from(is_kept)].remove(slot);
                self.hiding_changed();
            }
            152..158 => _ = self.k.free_dropped(rng.random_range(0..20_000), true),
            158..164 => self.expire(rng),
            164..168 if self.saving.is_none() && !self.k.in_pass() => {
                let slots = SlotSet::of_ranges(&[(slot, slot), (tag_slot(0), tag_slot(0))]);
                self.begin_pass(rng.random::<bool>().then_some(slots));
            }
            168..169 => {
                self.k.abort_pass();
                self.saving = None;
            }
            169..171 => _ = self.k.mark_on_if_aborted(),
            171..174 => self.evict(),
            174..176 => {
                let mut walk = Walk::new(Mover::default());
                let steps = rng.random_range(1..400);
                (0..steps).any(|_| !self.k.relocate_step(&mut walk));
            }
            _ => self.continue_saving(),
        }
    }

    /// Time passes: keys that are due go, except those of hidden slots.
    fn expire(&mut self, rng: &mut SmallRng) {
        self.k.set_now_ms(self.k.now_ms() + rng.random_range(1..60));
        self.k.expire_cycle(Duration::MAX);
        let now = self.k.now_ms();
        // A slot that was shown lately may have late ones.
        for ((db, name), (_, when)) in &self.model {
            let is_there = self
                .k
                .db(DbIndex(*db))
                .find_entry(name.as_bytes())
                .is_some();
            let is_due = when.is_some_and(|when| when < now);
            assert!(is_there || is_due, "{name}");
            assert!(
                is_there || !self.hidden.has(slot_of(name.as_bytes())),
                "{name}"
            );
        }
        let k = &mut self.k;
        self.model
            .retain(|(db, name), _| k.db(DbIndex(*db)).find_entry(name.as_bytes()).is_some());
    }

    fn evict(&mut self) {
        let order = [
            EvictionOrder::SoonestExpiry,
            EvictionOrder::Random,
            EvictionOrder::LeastRecentlyUsed,
        ][self.model.len() % 3];
        let policy = Eviction {
            order,
            volatile_only: order == EvictionOrder::SoonestExpiry,
            samples: 5,
        };
        let once = std::cell::Cell::new(true);
        self.k
            .evict_while(|_| once.replace(false), policy, u64::MAX);
        let (k, before) = (&mut self.k, self.model.len());
        let hidden = &self.hidden;
        self.model.retain(|(db, name), _| {
            let is_there = k.db(DbIndex(*db)).find_entry(name.as_bytes()).is_some();
            assert!(is_there || !hidden.has(slot_of(name.as_bytes())));
            is_there
        });
        assert!(before - self.model.len() <= 1);
    }

    fn hiding_changed(&mut self) {
        self.hidden = SlotSet::default();
        self.why_hidden
            .iter()
            .for_each(|slots| self.hidden.add(slots));
    }

    fn shown(&self, db: u32) -> BTreeSet<String> {
        let shown = |name: &str| !self.hidden.has(slot_of(name.as_bytes()));
        let keys = self.model.keys().filter(|key| key.0 == db && shown(&key.1));
        keys.map(|key| key.1.clone()).collect()
    }

    fn check(&mut self) {
        self.k.check_invariants();
        assert_eq!(self.k.len(), self.model.len());
        let kept = &self.why_hidden[1];
        assert!(self.k.kept_slots().eq(kept.iter()) && self.k.has_kept() != kept.is_empty());
        let is_kept = |key: &Key| kept.has(slot_of(key.1.as_bytes()));
        assert_eq!(self.k.has_only_kept(), self.model.keys().all(is_kept));
        // Expired keys stay: the comparison is of all entries.
        let mode = self.k.set_expiring(ExpiryMode::Replay);
        for at in 0..DATABASES {
            let shown = self.shown(at);
            let mut db = self.k.db(DbIndex(at));
            assert_eq!(db.len(), shown.len());
            let text = |key: &[u8]| String::from_utf8(key.to_vec()).expect("a name");
            let (mut seen, mut cursor) = (BTreeSet::new(), 0);
            loop {
                cursor = db.scan(cursor, |key, _| _ = seen.insert(text(key)));
                assert!(cursor < 1 << 53);
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(seen, shown);
            let mut each = BTreeSet::new();
            db.each_key(|key, _| assert!(each.insert(text(key))));
            assert_eq!(each, shown);
            let random = db.random_key().map(|key| text(&key));
            assert_eq!(random.is_none(), shown.is_empty());
            assert!(random.is_none_or(|key| shown.contains(&key)));
            for slot in (0..TAGS).map(tag_slot) {
                let in_slot = |name: &&String| slot_of(name.as_bytes()) == slot;
                let expected: BTreeSet<String> = shown.iter().filter(in_slot).cloned().collect();
                let keys: BTreeSet<String> = db.slot_keys(slot).map(text).collect();
                assert_eq!((db.slot_len(slot), &keys), (expected.len(), &expected));
                let mut one = BTreeSet::new();
                let mut cursor = 0;
                loop {
                    cursor = db.scan_slot(slot, cursor, |key, _| _ = one.insert(text(key)));
                    if cursor == 0 {
                        break;
                    }
                }
                assert_eq!(one, expected);
            }
        }
        self.k.set_expiring(mode);
    }
}

impl Keyspace {
    /// Marks on, if that is all that the pass does.
    fn mark_on_if_aborted(&mut self) -> bool {
        self.in_pass() && !self.is_saving() && self.continue_marking(0)
    }
}

#[test]
fn it_behaves_like_a_map_by_slot() {
    for seed in 0..12 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut world = World::new();
        for step in 0..6000 {
            world.change(&mut rng);
            if step % 250 == 0 {
                world.check();
            }
        }
        for slot in (0..TAGS).map(tag_slot) {
            world.k.drop_slots(&[(slot, slot)], Audience::empty());
        }
        assert!(!world.k.free_dropped(u64::MAX, true));
        assert!(!world.k.has_dropped() && world.k.len() == 0);
        world.k.check_invariants();
    }
}

#[test]
fn a_dropped_slot_takes_the_lines_of_its_hashes_along() {
    for others in [1, 300] {
        let mut k = Keyspace::with_slots(1);
        k.set_now_ms(1000);
        let limits = Limits {
            hash_max_listpack_entries: 0,
            ..Limits::default()
        };
        let mut put = |name: String, when: u64| {
            let mut hash = Hash::new();
            hash.set(b"f", b"v", FieldExpiry::Set(when), &limits);
            k.db(DbIndex(0)).put(name.as_bytes(), hash);
        };
        (0..100).for_each(|i| put(format!("{{a}}{i}"), 2000));
        (0..others).for_each(|i| put(format!("{{b}}{i}"), 3000));
        let slot = slot_of(b"a");
        assert_eq!(k.drop_slots(&[(slot, slot)], Audience::empty()), 100);
        k.check_invariants();
        assert_eq!(k.next_expiry(), Some(3001));
        assert_eq!(k.database(DbIndex(0)).fields().len(), others);
    }
}

#[test]
fn a_drop_notifies_watchers_and_records_nothing() {
    use crate::{Class, ClientId};
    let mut k = Keyspace::with_slots(1);
    for name in [&b"{a}1"[..], b"{a}2", b"{b}1"] {
        k.db(DbIndex(0))
            .set_string(name, NewValue::Int(1), Expiry::Clear);
    }
    k.watchers.watch(DbIndex(0), b"{a}1", ClientId(1), false);
    k.watchers.watch(DbIndex(0), b"{b}1", ClientId(2), false);
    k.effects.set_wanted(Audience::LOG);
    k.journal.listen(Class::empty(), true);
    let slot = slot_of(b"a");
    assert_eq!(k.drop_slots(&[(slot, slot)], Audience::empty()), 2);
    assert_eq!(k.watchers.take_touched(), [ClientId(1)]);
    let informed: BTreeSet<&[u8]> = k.journal.changes().map(|change| change.key).collect();
    assert_eq!(informed, [&b"{a}1"[..], b"{a}2"].into());
    assert!(!k.effects.has_complete());
    k.journal.clear();
    let slot = slot_of(b"b");
    assert_eq!(k.drop_slots(&[(slot, slot)], Audience::LOG), 1);
    assert_eq!(k.watchers.take_touched(), [ClientId(2)]);
    assert_eq!(k.effects.units().count(), 1, "each deletion is stated");
}

/// Keys of recorded DELs, each with its listeners; a DEL has few.
fn take_deleted(k: &mut Keyspace, deleted: &mut BTreeMap<String, Audience>) {
    for request in k.effects.units().flat_map(|unit| unit.requests()) {
        assert_eq!(request.db, DbIndex(1));
        let audience = request.audience;
        let text = std::str::from_utf8(request.bytes).expect("ASCII");
        let words: Vec<&str> = text
            .split("\r\n")
            .filter(|w| !w.starts_with(['*', '$']))
            .collect();
        assert_eq!((words[0], words[words.len() - 1]), ("DEL", ""));
        let keys = &words[1..words.len() - 1];
        assert!((1..=64).contains(&keys.len()), "{}", keys.len());
        for key in keys {
            assert!(
                deleted.insert((*key).to_owned(), audience).is_none(),
                "{key} twice"
            );
        }
    }
    k.effects.clear_complete();
}

#[test]
fn listeners_are_notified_of_each_dropped_key_in_slices() {
    let mut k = Keyspace::with_slots(2);
    let both = Audience::BOTH;
    k.effects.set_wanted(both);
    let names = |tag: char| (0..3000).map(move |i| format!("{{{tag}}}{i}"));
    for name in names('a').chain(names('b')) {
        let mut db = k.db(DbIndex(1));
        db.set_string(name.as_bytes(), NewValue::Int(1), Expiry::Clear);
    }
    let [a, b] = [b"a", b"b"].map(|tag| slot_of(tag));
    // A snapshot that began before saves the dropped keys.
    k.begin_pass();
    let mut kept = SavedKeys::default();
    k.pass_slice(&mut kept, 0);
    assert_eq!(k.drop_slots(&[(a, a), (b, b)], both), 6000);
    assert!(k.len() == 0 && k.has_unrecorded());
    let mut deleted = BTreeMap::new();
    assert!(!k.free_dropped(u64::MAX, false), "nothing may be told now");
    take_deleted(&mut k, &mut deleted);
    assert!(deleted.is_empty());
    for _ in 0..10 {
        assert!(k.free_dropped(0, true));
        k.pass_slice(&mut kept, 0);
        k.check_invariants();
    }
    take_deleted(&mut k, &mut deleted);
    let first = deleted.len();
    assert!((10..2000).contains(&first), "{first}");
    let progress = k.drop_progress();
    assert_eq!(
        (progress.running, progress.keys, progress.reported_keys),
        (1, 6000, first)
    );
    assert!(k.unrecorded_slots().any(|slot| slot == a));
    // A role changes: from now on only the log receives the deletions, all of them immediately.
    k.record_dropped(Audience::LOG);
    assert!(!k.has_unrecorded());
    take_deleted(&mut k, &mut deleted);
    let all: BTreeSet<String> = names('a').chain(names('b')).collect();
    assert_eq!(deleted.keys().cloned().collect::<BTreeSet<_>>(), all);
    let for_log = deleted
        .values()
        .filter(|&&audience| audience == Audience::LOG);
    assert_eq!(for_log.count(), 6000 - first);
    while k.free_dropped(0, true) {}
    while k.pass_slice(&mut kept, 0) != Slice::Done {}
    assert_eq!(kept.0.len(), 6000, "the snapshot is of the time before");
    let progress = k.drop_progress();
    assert_eq!(
        (progress.started, progress.completed, progress.running),
        (1, 1, 0)
    );
}

#[test]
fn a_large_slot_is_dropped_at_once_and_freed_in_slices() {
    let mut k = Keyspace::with_slots(1);
    for i in 0..20_000 {
        let name = format!("{{big}}{i}");
        k.db(DbIndex(0))
            .set_string(name.as_bytes(), NewValue::Int(1), Expiry::Clear);
    }
    let slot = slot_of(b"big");
    assert_eq!(k.drop_slots(&[(slot, slot)], Audience::empty()), 20_000);
    assert_eq!(k.len(), 0);
    let mut steps = 0;
    while k.has_dropped() {
        k.check_invariants();
        k.free_dropped(0, true);
        steps += 1;
        // New keys of the slot are others.
        let name = format!("{{big}}{steps}");
        k.db(DbIndex(0))
            .set_string(name.as_bytes(), NewValue::Int(1), Expiry::Clear);
    }
    assert!(steps > 100, "{steps}");
    assert_eq!(k.slot_len(slot_of(b"big")), steps);
}

#[test]
fn random_keys_of_uneven_slots_are_equally_likely() {
    let mut k = Keyspace::with_slots(1);
    // Half of the keys are in one slot.
    for i in 0..500 {
        for name in [format!("{{x}}{i}"), format!("{i}")] {
            k.db(DbIndex(0))
                .set_string(name.as_bytes(), NewValue::Int(1), Expiry::Clear);
        }
    }
    *k.db(DbIndex(0)).rng() = SmallRng::seed_from_u64(1);
    let mut drawn: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for _ in 0..100_000 {
        *drawn
            .entry(k.db(DbIndex(0)).random_key().expect("a key"))
            .or_default() += 1;
    }
    let chi2: f64 = drawn
        .values()
        .map(|&n| (f64::from(n) - 100.0).powi(2) / 100.0)
        .sum();
    assert_eq!(drawn.len(), 1000);
    assert!((850.0..1150.0).contains(&chi2), "{chi2}");
}

#[test]
fn an_empty_node_takes_little_memory() {
    let mut k = Keyspace::with_slots(16);
    assert_eq!(k.database(DbIndex(0)).table_bytes(), 0);
    // A key in every page of slots: the most that the tables take, without their entries.
    let mut slots = BTreeSet::new();
    for i in 0..40_000 {
        let name = format!("{:x}", (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        slots.insert(slot_of(name.as_bytes()));
        k.db(DbIndex(0))
            .set_string(name.as_bytes(), NewValue::Int(1), Expiry::Clear);
    }
    assert!(slots.len() > SLOTS * 8 / 10);
    k.drop_slots(&[(0, SLOTS as u16 - 1)], Audience::empty());
    let left = k.database(DbIndex(0)).table_bytes();
    assert!(left < 300_000, "{left}");
}

#[test]
fn one_scan_sees_hidden_keys_and_the_other_does_not() {
    let mut k = Keyspace::with_slots(1);
    for name in [&b"{a}1"[..], b"{a}2", b"{b}1"] {
        let mut db = k.db(DbIndex(0));
        db.set_string(name, NewValue::Int(1), Expiry::Clear);
    }
    let slot = slot_of(b"a");
    k.hide_slots(&[(slot, slot)]);
    let mut db = k.db(DbIndex(0));
    let (mut shown, mut all) = (0, 0);
    let mut cursor = 0;
    loop {
        cursor = db.scan(cursor, |_, _| shown += 1);
        if cursor == 0 {
            break;
        }
    }
    loop {
        cursor = db.scan_with_hidden(cursor, |_, _| all += 1);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!([shown, all], [1, 3]);
}
