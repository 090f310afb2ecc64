//! One database as one command sees it: lookups that expire, typed values, changes.

use std::cell::Cell;

use super::database::{Found, copy_container, take_container};
use super::entry::Entry;
use super::expire::is_past;
use super::{
    Class, ClockUse, Database, DbIndex, KeyEvent, Keyspace, NewValue, Ref, RefMut, RemovedPart, Str,
};
use crate::base::hash;
use crate::command::CommandError;
use crate::resp::Reply;
use crate::types::{Container, Encoding, Hash, Limits, Type};

/// The hash of a key, with where that key stands in memory: it is told by its place.
#[derive(Clone, Copy, Debug)]
pub struct KeyHash {
    at: usize,
    len: usize,
    pub hash: u64,
}

impl KeyHash {
    /// Hashes `key`. Valid for as long as the key stays where it is.
    #[inline]
    pub fn new(keys: &hash::HashKeys, key: &[u8]) -> KeyHash {
        KeyHash {
            at: key.as_ptr() as usize,
            len: key.len(),
            hash: keys.hash(key),
        }
    }

    #[inline]
    fn is_of(&self, key: &[u8]) -> bool {
        self.at == key.as_ptr() as usize && self.len == key.len()
    }
}

/// Picks of a random key before an expired one will do.
const RANDOM_TRIES: usize = 100;

/// What becomes of a key's expiry when its value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Clear,
    Keep,
    /// Unix milliseconds.
    At(i64),
}

/// What OBJECT and DEBUG tell of a key.
#[derive(Clone, Copy, Debug)]
pub struct KeyInfo {
    pub kind: Type,
    /// As OBJECT ENCODING says it.
    pub encoding: Encoding,
    pub expiry: Option<i64>,
    pub idle_seconds: u32,
    /// The LFU counter, decayed to now; meaningful when the policy is an LFU one.
    pub frequency: u32,
    pub address: usize,
    /// Bytes of the entry and a string's block; containers count themselves.
    pub entry_bytes: usize,
}

/// See the module. Made anew for every command.
pub struct Db<'a> {
    keyspace: &'a mut Keyspace,
    at: DbIndex,
    /// Hashes that the batch has already computed, in the order of the arguments.
    hashed: &'a [KeyHash],
    /// The one that was used last: handlers take their keys in order.
    at_hash: Cell<usize>,
    /// Whether lookups count as uses (CLIENT NO-TOUCH, OBJECT, TYPE ... do not).
    touch: bool,
}

impl<'a> Db<'a> {
    pub(super) fn new(keyspace: &'a mut Keyspace, at: DbIndex) -> Db<'a> {
        Db {
            keyspace,
            at,
            hashed: &[],
            at_hash: Cell::new(0),
            touch: true,
        }
    }

    /// Hashes of keys of this command, computed when the batch was prefetched.
    #[inline]
    pub fn with_hashes(mut self, hashed: &'a [KeyHash]) -> Self {
        self.hashed = hashed;
        self
    }

    /// Lookups of this command are not uses of the keys.
    pub fn without_touch(mut self) -> Self {
        self.touch = false;
        self
    }

    /// As [`Db::without_touch`], in the middle of a command.
    pub fn set_touch(&mut self, on: bool) {
        self.touch = on;
    }

    pub fn index(&self) -> DbIndex {
        self.at
    }

    pub fn now_ms(&self) -> i64 {
        self.keyspace.now_ms
    }

    pub fn keyspace(&mut self) -> &mut Keyspace {
        self.keyspace
    }

    /// Thresholds at which encodings change.
    pub fn limits(&self) -> &Limits {
        &self.keyspace.limits
    }

    /// Another database under the same keyspace.
    pub fn other(&mut self, at: DbIndex) -> Db<'_> {
        let touch = self.touch;
        Db {
            keyspace: self.keyspace,
            at,
            hashed: &[],
            at_hash: Cell::new(0),
            touch,
        }
    }

    fn database(&self) -> &Database {
        &self.keyspace.dbs[self.at.0 as usize]
    }

    fn database_mut(&mut self) -> &mut Database {
        &mut self.keyspace.dbs[self.at.0 as usize]
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        let at = self.at_hash.get();
        for (i, known) in self.hashed.iter().enumerate().skip(at).take(2) {
            if known.is_of(key) {
                self.at_hash.set(i);
                return known.hash;
            }
        }
        hash::keys().hash(key)
    }

    // --- lookup ---

    /// The live entry of a key. A key whose time has come is deleted on the way.
    #[inline]
    fn find(&mut self, key: &[u8]) -> Option<(u64, Found)> {
        let hash = self.hash(key);
        let found = self.database().find(hash, key)?;
        if is_past(found.entry.expiry(), self.keyspace.now_ms) {
            if !self.keyspace.keep_expired {
                self.expire_found(found);
            }
            return None;
        }
        if self.touch {
            let clock = found.entry.clock();
            let used = self.keyspace.used_clock(clock);
            if used != clock {
                found.entry.set_clock(used);
            }
        }
        Some((hash, found))
    }

    /// As [`Db::find`] for a reader: counts hits and misses.
    #[inline]
    fn find_to_read(&mut self, key: &[u8]) -> Option<Found> {
        let found = self.find(key).map(|(_, found)| found);
        self.count_read(key, found.is_some());
        found
    }

    #[inline]
    fn count_read(&mut self, key: &[u8], hit: bool) {
        if hit {
            self.keyspace.stats.hits += 1;
        } else {
            self.keyspace.stats.misses += 1;
            self.event(key, Class::KEY_MISS, "keymiss");
        }
    }

    fn expire_found(&mut self, found: Found) {
        let key: Box<[u8]> = found.entry.key().into();
        let entry = self.database_mut().detach(found);
        self.keyspace.lazyfree.free_entry(entry);
        self.expired(key);
    }

    /// States the removal of an expired key that is already gone.
    pub(super) fn expired(&mut self, key: Box<[u8]>) {
        // Not a change of the command that met it: `dirty` decides what that one states.
        self.keyspace.stats.expired += 1;
        self.keyspace.touch_watchers(self.at, &key);
        self.event(&key, Class::EXPIRED, "expired");
        self.keyspace
            .record_removed(self.at, &key, RemovedPart::Expired);
    }

    /// Whether the key is there. Counts as a lookup for hits and misses.
    pub fn exists(&mut self, key: &[u8]) -> bool {
        self.find_to_read(key).is_some()
    }

    /// Whether the key is there, for a writer: no statistics.
    pub fn contains(&mut self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// Whether the key is there, seen without deleting anything.
    pub fn peek_exists(&self, key: &[u8]) -> bool {
        self.peek_entry(key).is_some()
    }

    /// Whether the key is still in the table although its time has come.
    pub fn is_expired(&self, key: &[u8]) -> bool {
        self.database()
            .find(self.hash(key), key)
            .is_some_and(|f| is_past(f.entry.expiry(), self.keyspace.now_ms))
    }

    fn peek_entry(&self, key: &[u8]) -> Option<Entry> {
        let found = self.database().find(self.hash(key), key)?;
        (!is_past(found.entry.expiry(), self.keyspace.now_ms)).then_some(found.entry)
    }

    /// TYPE.
    pub fn kind(&mut self, key: &[u8]) -> Option<Type> {
        self.find_to_read(key).map(|f| f.entry.kind())
    }

    /// What OBJECT shows; no use of the key, no statistics.
    pub fn info(&self, key: &[u8]) -> Option<KeyInfo> {
        self.peek_entry(key).map(|e| self.info_of(e))
    }

    /// As [`Db::info`], of a key that may have expired but was not deleted yet (DEBUG OBJECT).
    pub fn info_even_expired(&self, key: &[u8]) -> Option<KeyInfo> {
        self.database()
            .find(self.hash(key), key)
            .map(|f| self.info_of(f.entry))
    }

    fn info_of(&self, e: Entry) -> KeyInfo {
        let decay = match self.keyspace.clock_use {
            ClockUse::Lfu { decay_minutes, .. } => decay_minutes,
            ClockUse::Lru => 0,
        };
        KeyInfo {
            kind: e.kind(),
            encoding: e.reported_encoding(),
            expiry: e.expiry(),
            idle_seconds: self.keyspace.idle_seconds(e.clock()),
            frequency: self.keyspace.decayed(e.clock(), decay),
            address: e.address(),
            entry_bytes: e.memory_bytes(),
        }
    }

    /// `Some(None)`: there without expiry; `Some(Some(t))`: expires at `t`.
    pub fn expiry(&mut self, key: &[u8]) -> Option<Option<i64>> {
        self.find(key).map(|(_, f)| f.entry.expiry())
    }

    // --- strings ---

    /// The string at `key`, for a reader.
    #[inline]
    pub fn string(&mut self, key: &[u8]) -> Result<Option<Str<'_>>, CommandError> {
        match self.find_to_read(key) {
            None => Ok(None),
            Some(f) => f.entry.string().map(Some).ok_or(CommandError::WrongType),
        }
    }

    /// Writes the string at `key` as a bulk string; a large one is not copied. `false`: no
    /// such key.
    #[inline]
    pub fn reply_string(&mut self, key: &[u8], reply: &mut Reply) -> Result<bool, CommandError> {
        let Some(found) = self.find_to_read(key) else {
            return Ok(false);
        };
        match found.entry.string().ok_or(CommandError::WrongType)? {
            Str::Int(n) => reply.bulk_int(n),
            Str::Bytes(text) => match found.entry.pin_string() {
                Some(pinned) => reply.bulk_pinned(pinned),
                None => reply.bulk(text),
            },
        }
        Ok(true)
    }

    /// The string at `key`, to be changed.
    #[inline]
    pub fn string_mut(&mut self, key: &[u8]) -> Result<Option<StringMut<'_>>, CommandError> {
        match self.find(key) {
            None => Ok(None),
            Some((hash, found)) if found.entry.kind() == Type::String => Ok(Some(StringMut {
                database: self.database_mut(),
                hash,
                found,
            })),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// A string seen without statistics, use or deletion.
    pub fn peek_string(&self, key: &[u8]) -> Result<Option<Str<'_>>, CommandError> {
        match self.peek_entry(key) {
            None => Ok(None),
            Some(e) => e.string().map(Some).ok_or(CommandError::WrongType),
        }
    }

    /// The key's place, there or not: look, decide, write, with one lookup.
    #[inline]
    pub fn place<'d, 'k>(&'d mut self, key: &'k [u8]) -> Place<'d, 'a, 'k> {
        let hash = self.hash(key);
        let found = self.find(key).map(|(_, found)| found);
        Place {
            db: self,
            key,
            hash,
            found,
        }
    }

    /// Sets the key to a string, whatever it held.
    #[inline]
    pub fn set_string(&mut self, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        self.place(key).set_string(value, expiry);
    }

    /// An expired key that was kept makes room for a new one.
    #[inline]
    fn drop_hidden(&mut self, key: &[u8]) {
        if self.keyspace.keep_expired
            && let Some(hidden) = self.database().find(self.hash(key), key)
        {
            self.expire_found(hidden);
        }
    }

    fn overwrite(&mut self, hash: u64, found: Found, expiry: Option<i64>, value: NewValue<'_>) {
        if let Some(old) = take_container(found.entry) {
            self.keyspace.lazyfree.free_value(old);
        }
        self.database_mut().replace(hash, found, expiry, value);
    }

    fn insert_new(&mut self, key: &[u8], expiry: Option<i64>, value: NewValue<'_>) {
        let hash = self.hash(key);
        self.drop_hidden(key);
        let entry = Entry::new(key, expiry, self.keyspace.fresh_clock(), value);
        self.database_mut().insert(hash, entry);
        self.event(key, Class::NEW, "new");
        if entry.kind() != Type::String {
            self.keyspace.waiting.signal(self.at, key);
        }
    }

    // --- containers ---

    /// The container at `key`, for a reader.
    #[inline]
    pub fn read<T: Container>(&mut self, key: &[u8]) -> Result<Option<Ref<'_, T>>, CommandError> {
        match self.find_to_read(key) {
            None => Ok(None),
            Some(f) if f.entry.kind() == T::TYPE => Ok(Some(Ref::of(f.entry))),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// A container seen without statistics, use or deletion: several can be held at once.
    /// Call [`Db::exists`] or [`Db::read`] first where the lookup must count.
    pub fn peek<T: Container>(&self, key: &[u8]) -> Result<Option<Ref<'_, T>>, CommandError> {
        match self.peek_entry(key) {
            None => Ok(None),
            Some(e) if e.kind() == T::TYPE => Ok(Some(Ref::of(e))),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// The container at `key`, to be changed. Whoever empties it calls
    /// [`Db::remove_if_empty`].
    #[inline]
    pub fn write<T: Container>(
        &mut self,
        key: &[u8],
    ) -> Result<Option<RefMut<'_, T>>, CommandError> {
        match self.find(key) {
            None => Ok(None),
            Some((_, f)) if f.entry.kind() == T::TYPE => Ok(Some(RefMut::of(f.entry))),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// As [`Db::write`]; a missing key is made with what `make` gives.
    #[inline]
    pub fn write_or<T: Container>(
        &mut self,
        key: &[u8],
        make: impl FnOnce() -> T,
    ) -> Result<RefMut<'_, T>, CommandError> {
        match self.find(key) {
            Some((_, f)) if f.entry.kind() == T::TYPE => Ok(RefMut::of(f.entry)),
            Some(_) => Err(CommandError::WrongType),
            None => {
                let (encoding, word) = make().into_word();
                self.insert_new(key, None, NewValue::Container(T::TYPE, encoding, word));
                let hash = self.hash(key);
                let found = self.database().find(hash, key).expect("just inserted");
                Ok(RefMut::of(found.entry))
            }
        }
    }

    /// Sets the key to this container, whatever it held; its expiry goes.
    pub fn put<T: Container>(&mut self, key: &[u8], value: T) {
        let (encoding, word) = value.into_word();
        let value = NewValue::Container(T::TYPE, encoding, word);
        match self.find(key) {
            None => self.insert_new(key, None, value),
            Some((hash, found)) => {
                self.overwrite(hash, found, None, value);
                self.keyspace.waiting.signal(self.at, key);
            }
        }
    }

    /// Deletes the key if its container has no elements left.
    pub fn remove_if_empty<T: Container>(&mut self, key: &[u8]) -> bool {
        let empty = matches!(self.peek::<T>(key), Ok(Some(v)) if v.is_empty());
        empty && self.delete(key)
    }

    /// Removes up to `limit` fields of a hash whose time has come, and the hash with the last
    /// one: states HDELs, tells watchers, notes the next due time. Gives the number of fields.
    pub fn expire_fields(&mut self, key: &[u8], limit: usize) -> usize {
        let Some(entry) = self.peek_entry(key).filter(|e| e.kind() == Type::Hash) else {
            return 0;
        };
        let past = self.keyspace.now_ms.saturating_sub(1).max(0) as u64;
        let mut hash = RefMut::<Hash>::of(entry);
        let keyspace = &mut *self.keyspace;
        let removed = hash.remove_expired(past, limit, |field| {
            keyspace.record_removed(self.at, key, RemovedPart::Field(field.into()));
        });
        let (next, empty) = (hash.next_due(), hash.is_empty());
        drop(hash);
        if let Some(next) = next {
            // A table's bound may be of a field that has gone: never twice in one turn.
            let next = if removed == 0 {
                next.max(past + 1)
            } else {
                next
            };
            self.note_field_expiry(key, next as i64);
        }
        if removed == 0 {
            return 0;
        }
        self.keyspace.stats.expired_fields += removed as u64;
        self.event(key, Class::HASH, "hexpired");
        if empty {
            self.delete(key);
            self.event(key, Class::GENERIC, "del");
        }
        self.keyspace.touch_watchers(self.at, key);
        removed
    }

    /// A field of this key's hash expires at `when_ms`: the keyspace's own active cycle
    /// must come by (see `keyspace::expire`).
    pub fn note_field_expiry(&mut self, key: &[u8], when_ms: i64) {
        self.database_mut().fields_mut().note(key, when_ms);
    }

    /// No field of this key's hash expires any more.
    pub fn forget_field_expiry(&mut self, key: &[u8]) {
        self.database_mut().fields_mut().forget(key);
    }

    /// States that a field is gone because its time has come: as with keys, not a change of
    /// the command that met it. Events are the caller's, who may have met several.
    pub fn field_expired(&mut self, key: &[u8], field: &[u8]) {
        self.keyspace.stats.expired_fields += 1;
        self.keyspace.touch_watchers(self.at, key);
        let part = RemovedPart::Field(field.into());
        self.keyspace.record_removed(self.at, key, part);
    }

    // --- whole keys ---

    /// Deletes the key; big values are freed off the loop. The caller states the change.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let Some((_, found)) = self.find(key) else {
            return false;
        };
        let entry = self.database_mut().detach(found);
        self.keyspace.lazyfree.free_entry(entry);
        true
    }

    /// Sets or clears the expiry of a key that is there. No lookup statistics.
    pub fn set_expiry(&mut self, key: &[u8], expiry: Option<i64>) -> bool {
        let Some((hash, found)) = self.find(key) else {
            return false;
        };
        let had = found.entry.has_expiry();
        let entry = found.entry.with_expiry(expiry);
        self.database_mut().moved(found.slot, hash, had, entry);
        true
    }

    /// Moves key `from` to `to` in database `db` with its expiry; what was at `to` goes.
    /// `false`: no such key.
    pub fn rename(&mut self, from: &[u8], db: DbIndex, to: &[u8]) -> bool {
        let Some((_, found)) = self.find(from) else {
            return false;
        };
        let entry = self.database_mut().detach(found);
        let (expiry, clock) = (entry.expiry(), entry.clock());
        let mut target = self.other(db);
        target.delete(to);
        target.drop_hidden(to);
        let hash = target.hash(to);
        let moved = match take_container(entry) {
            Some(v) => {
                let (kind, encoding, word) = v.into_parts();
                Entry::new(to, expiry, clock, NewValue::Container(kind, encoding, word))
            }
            None => {
                let modified = entry.reported_encoding() == Encoding::Raw;
                let value = match entry.string().expect("no container") {
                    Str::Int(n) => NewValue::Int(n),
                    Str::Bytes(text) => NewValue::Bytes { text, modified },
                };
                Entry::new(to, expiry, clock, value)
            }
        };
        entry.free();
        target.database_mut().insert(hash, moved);
        target.event(to, Class::NEW, "new");
        if moved.kind() != Type::String {
            target.keyspace.waiting.signal(db, to);
        }
        true
    }

    /// Copies key `from` to `to` in database `db` with its expiry; what was at `to` goes.
    /// `false`: no such key.
    pub fn copy(&mut self, from: &[u8], db: DbIndex, to: &[u8]) -> bool {
        let Some((_, found)) = self.find(from) else {
            return false;
        };
        let expiry = found.entry.expiry();
        let modified = found.entry.reported_encoding() == Encoding::Raw;
        // The table may move entries when it changes, so the value is copied first.
        let copied;
        let value = match found.entry.string() {
            Some(Str::Int(n)) => NewValue::Int(n),
            Some(Str::Bytes(text)) => {
                copied = text.to_vec();
                NewValue::Bytes {
                    text: &copied,
                    modified,
                }
            }
            None => {
                let (kind, encoding, word) = copy_container(found.entry).into_parts();
                NewValue::Container(kind, encoding, word)
            }
        };
        let mut target = self.other(db);
        target.delete(to);
        target.insert_new(to, expiry, value);
        true
    }

    pub fn len(&self) -> usize {
        self.database().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One step of SCAN: visits some live keys and gives the next cursor (0: done). Expired
    /// keys that it meets are deleted.
    pub fn scan(&mut self, cursor: u64, mut visit: impl FnMut(&[u8], Type)) -> u64 {
        let now = self.keyspace.now_ms;
        let mut expired: Vec<Box<[u8]>> = Vec::new();
        let next = self.database().table().scan(cursor, |word| {
            let entry = Entry::of(word);
            if is_past(entry.expiry(), now) {
                expired.push(entry.key().into());
            } else {
                visit(entry.key(), entry.kind());
            }
        });
        for key in expired {
            self.find(&key);
        }
        next
    }

    /// Every live key.
    pub fn each_key(&self, mut visit: impl FnMut(&[u8], Type)) {
        let now = self.keyspace.now_ms;
        for entry in self.database().entries() {
            if !is_past(entry.expiry(), now) {
                visit(entry.key(), entry.kind());
            }
        }
    }

    /// A key picked fairly, deleting expired ones that turn up. `None`: no live key.
    /// While expired keys are kept, one of them may be given at last.
    pub fn random_key(&mut self) -> Option<Vec<u8>> {
        let mut tries = 0;
        loop {
            let at = self.at.0 as usize;
            let word = self.keyspace.dbs[at]
                .table()
                .random(&mut self.keyspace.rng)?;
            let key = Entry::of(word).key().to_vec();
            let touch = std::mem::replace(&mut self.touch, false);
            let live = self.contains(&key);
            self.touch = touch;
            tries += 1;
            if live || (self.keyspace.keep_expired && tries >= RANDOM_TRIES) {
                return Some(key);
            }
        }
    }

    // --- what others learn of it ---

    /// States that the key was changed by this command: watchers, the dirty counter and
    /// keyspace events hear of it here and nowhere else.
    #[inline]
    pub fn changed(&mut self, key: &[u8], class: Class, event: &'static str) {
        self.keyspace.dirty += 1;
        self.keyspace.touch_watchers(self.at, key);
        self.event(key, class, event);
    }

    /// As [`Db::changed`] for another key of the same command: one command that changes two
    /// keys counts once.
    pub fn also_changed(&mut self, key: &[u8], class: Class, event: &'static str) {
        self.keyspace.touch_watchers(self.at, key);
        self.event(key, class, event);
    }

    /// As [`Db::changed`], by `n` elements; none of them is a change too, of which only
    /// watchers and events hear.
    #[inline]
    pub fn changed_by(&mut self, key: &[u8], n: usize, class: Class, event: &'static str) {
        self.keyspace.dirty += n as u64;
        self.keyspace.touch_watchers(self.at, key);
        self.event(key, class, event);
    }

    /// Deletes the container that a command has emptied, and tells of it.
    #[cold]
    pub fn delete_emptied(&mut self, key: &[u8]) {
        self.delete(key);
        self.event(key, Class::GENERIC, "del");
    }

    /// Counts `n` more changes than [`Db::changed`] was called (elements of one command).
    pub fn add_dirty(&mut self, n: u64) {
        self.keyspace.dirty += n;
    }

    /// An event without a change of its own (`keymiss`, `new`, a second event of a command).
    #[inline]
    pub fn event(&mut self, key: &[u8], class: Class, event: &'static str) {
        if self.keyspace.notify.intersects(class) {
            let event = KeyEvent {
                db: self.at,
                class,
                event,
                key: key.into(),
            };
            self.keyspace.events.push(event);
        }
    }

    pub fn rng(&mut self) -> &mut rand::rngs::SmallRng {
        &mut self.keyspace.rng
    }
}

/// A key's place in the table, with what it holds, if anything.
pub struct Place<'d, 'a, 'k> {
    db: &'d mut Db<'a>,
    key: &'k [u8],
    hash: u64,
    found: Option<Found>,
}

impl<'d> Place<'d, '_, '_> {
    /// Whether the key is there.
    pub fn is_taken(&self) -> bool {
        self.found.is_some()
    }

    /// The string that is there. `Err`: another type.
    pub fn string(&self) -> Result<Option<Str<'_>>, CommandError> {
        match self.found {
            None => Ok(None),
            Some(f) => f.entry.string().map(Some).ok_or(CommandError::WrongType),
        }
    }

    pub fn expiry(&self) -> Option<i64> {
        self.found.and_then(|f| f.entry.expiry())
    }

    /// The command reads what is there, too: it counts as a hit or a miss.
    pub fn count_read(&mut self) {
        self.db.count_read(self.key, self.found.is_some());
    }

    /// Sets or clears the expiry of a key that is there.
    pub fn set_expiry(&mut self, expiry: Option<i64>) {
        if let Some(found) = &mut self.found {
            let had = found.entry.has_expiry();
            found.entry = found.entry.with_expiry(expiry);
            let (slot, entry) = (found.slot, found.entry);
            self.db.database_mut().moved(slot, self.hash, had, entry);
        }
    }

    /// Sets the key to a string, whatever it held.
    #[inline]
    pub fn set_string(self, value: NewValue<'_>, expiry: Expiry) {
        let expiry = match expiry {
            Expiry::Clear => None,
            Expiry::Keep => self.expiry(),
            Expiry::At(when) => Some(when),
        };
        match self.found {
            None => self.db.insert_new(self.key, expiry, value),
            Some(found) => self.db.overwrite(self.hash, found, expiry, value),
        }
    }

    /// The bytes of the string that is there, extended with zeros to at least `len`; it
    /// reports as `raw` from now on. To be called only of a string.
    pub fn grow(self, len: usize) -> &'d mut [u8] {
        let found = self.found.expect("a string is there");
        let old = found.entry.string().expect("a string is there").len();
        let had = found.entry.has_expiry();
        let (entry, text) = found.entry.grow_string(len.max(old));
        let database = self.db.database_mut();
        database.moved(found.slot, self.hash, had, entry);
        text
    }

    /// Changes an integer in place; `false`: there is none to change.
    #[inline]
    pub fn set_int(&mut self, n: i64) -> bool {
        match self.found {
            Some(f) if f.entry.encoding() == Encoding::Int && f.entry.kind() == Type::String => {
                f.entry.set_int(n);
                true
            }
            _ => false,
        }
    }

    /// Deletes the key if it is there.
    pub fn delete(self) -> bool {
        let Some(found) = self.found else {
            return false;
        };
        let entry = self.db.database_mut().detach(found);
        self.db.keyspace.lazyfree.free_entry(entry);
        true
    }
}

/// A string that is about to change, with its place in the table.
pub struct StringMut<'a> {
    database: &'a mut Database,
    hash: u64,
    found: Found,
}

impl StringMut<'_> {
    #[inline]
    pub fn get(&self) -> Str<'_> {
        self.found.entry.string().expect("a string")
    }

    pub fn expiry(&self) -> Option<i64> {
        self.found.entry.expiry()
    }

    /// Overwrites the value, keeping the expiry.
    #[inline]
    pub fn set(&mut self, value: NewValue<'_>) {
        if let (NewValue::Int(n), Encoding::Int) = (value, self.found.entry.encoding()) {
            self.found.entry.set_int(n);
            return;
        }
        let expiry = self.found.entry.expiry();
        self.replace(expiry, value);
    }

    /// Overwrites value and expiry.
    pub fn replace(&mut self, expiry: Option<i64>, value: NewValue<'_>) {
        self.found.entry = self.database.replace(self.hash, self.found, expiry, value);
    }

    /// Sets or clears the expiry.
    pub fn set_expiry(&mut self, expiry: Option<i64>) {
        let had = self.found.entry.has_expiry();
        let entry = self.found.entry.with_expiry(expiry);
        self.database.moved(self.found.slot, self.hash, had, entry);
        self.found.entry = entry;
    }

    /// The bytes, extended with zeros to at least `len`; reports as `raw` from now on.
    pub fn grow(&mut self, len: usize) -> &mut [u8] {
        let len = len.max(self.get().len());
        let had = self.found.entry.has_expiry();
        let (entry, text) = self.found.entry.grow_string(len);
        self.database.moved(self.found.slot, self.hash, had, entry);
        self.found.entry = entry;
        text
    }

    /// Deletes the key.
    pub fn delete(self) {
        self.database.detach(self.found).free();
    }
}
