//! A database as a command sees it: lookups that expire, and typed values.
//!
//! Further operations are in sibling files: `place` (look up, decide, write), `change` (recording
//! changes), `relocate` (RENAME, COPY), `walk` (SCAN, KEYS), `info` (OBJECT), `fields` (field
//! TTLs), `expired_fields`.

use std::cell::Cell;

use super::super::store::container::DetachedValue;
use super::super::store::entry::{Entry, is_past};
use super::super::store::prefixes::KeyUse;
use super::super::store::sizes::Size;
use super::super::store::table::FoundKey;
use super::super::{
    AnyRef, Blessings, Cause, Class, Database, DbIndex, Effects, Expiry, KeyHash, KeyView,
    Keyspace, NewValue, Place, Ref, RefMut, Str,
};
use russet_base::memory::pin::PIN_MIN;
use russet_command::CommandError;
use russet_config::Dialect;
use russet_resp::Reply;
use russet_timeseries::Labels;
use russet_timeseries::index::LabelIndex;
use russet_types::{Container, Limits, Type};
use smallvec::SmallVec;

/// See the module. Created for every command.
pub struct Db<'a> {
    /// All databases.
    pub(crate) keyspace: &'a mut Keyspace,
    /// The number of the database that it is a view of.
    pub(crate) at: DbIndex,
    /// Hashes that the batch has already computed, in the order of the arguments.
    hashed: &'a [KeyHash],
    /// Index of the hash used last: handlers take their keys in order.
    at_hash: Cell<usize>,
    /// Whether lookups count as uses (CLIENT NO-TOUCH, OBJECT, TYPE ... do not).
    pub touch: bool,
}

impl<'a> Db<'a> {
    /// A view without hashes computed before; its lookups count as uses.
    pub(crate) fn new(keyspace: &'a mut Keyspace, at: DbIndex) -> Db<'a> {
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

    /// Finds the containers of several keys that are read next, and prefetches their beginnings
    /// and, of hashes that are tables, these fields. Each stage is over all keys: their reads
    /// overlap. No statistics, use or deletion.
    ///
    /// Returns the containers by the places of their keys, without keys that have none.
    pub fn find_ahead<'k>(
        &self,
        keys: impl Iterator<Item = &'k [u8]> + Clone,
        fields: &[impl AsRef<[u8]>],
    ) -> SmallVec<[(usize, AnyRef<'_>); 16]> {
        let hashes: SmallVec<[KeyHash; 16]> = keys.clone().map(|key| self.hash(key)).collect();
        self.keyspace.prefetch_lines(self.at, &hashes);
        self.keyspace.prefetch_entries(self.at, &hashes);
        let due_ms = self.keyspace.due_ms;
        let found = self.database().find_ahead(keys.zip(hashes), fields);
        let living = found
            .into_iter()
            .filter(|(_, entry)| !is_past(entry.expiry(), due_ms));
        living.map(|(at, entry)| (at, AnyRef::of(entry))).collect()
    }

    /// The database's number.
    pub fn index(&self) -> DbIndex {
        self.at
    }

    /// The time of this turn, Unix milliseconds: the base of relative times.
    pub fn now_ms(&self) -> i64 {
        self.keyspace.now_ms
    }

    /// A key whose expiry is before this time has expired, Unix milliseconds.
    pub fn due_ms(&self) -> i64 {
        self.keyspace.due_ms
    }

    /// Whether a lookup deletes an expired key that it finds.
    pub(crate) fn removes_expired(&self) -> bool {
        !self.keyspace.hides_expired()
    }

    /// All of the keyspace, to change.
    pub fn keyspace(&mut self) -> &mut Keyspace {
        self.keyspace
    }

    /// All of the keyspace, to read.
    pub fn whole(&self) -> &Keyspace {
        self.keyspace
    }

    /// The buffer that receives effects.
    #[inline]
    pub fn effects(&mut self) -> &mut Effects {
        &mut self.keyspace.effects
    }

    /// Whether there is a listener for effects.
    #[inline]
    pub fn effects_wanted(&self) -> bool {
        self.keyspace.effects.has_listeners()
    }

    /// The command that is propagated for a removal by expiry.
    pub fn expire_word(&self) -> &'static [u8] {
        self.keyspace.removal_words.expire
    }

    /// `DEL` or `UNLINK`, as a key's removal by a command of another name is propagated.
    pub fn removal_word(&self) -> &'static [u8] {
        self.keyspace.removal_words.server
    }

    /// Thresholds at which encodings change.
    pub fn limits(&self) -> &Limits {
        &self.keyspace.limits
    }

    /// Redis or Valkey, for commands that differ.
    #[inline]
    pub fn dialect(&self) -> Dialect {
        self.keyspace.dialect
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

    /// The database itself, without the checks of a lookup.
    #[inline]
    pub(crate) fn database(&self) -> &Database {
        &self.keyspace.dbs[self.at]
    }

    #[inline]
    pub(crate) fn database_mut(&mut self) -> &mut Database {
        &mut self.keyspace.dbs[self.at]
    }

    /// The key's hash: that of the batch, if it has one for the key, else computed now. Every
    /// lookup of a command passes here.
    #[inline(always)]
    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        #[cfg(any(test, feature = "testing"))]
        self.keyspace.opened.note(key, false);
        let hash = self.known_hash(key);
        self.keyspace.unconfirmed.ask(self.at, hash.hash());
        hash
    }

    #[inline(always)]
    fn known_hash(&self, key: &[u8]) -> KeyHash {
        let at = self.at_hash.get();
        for i in [at, at + 1] {
            if let Some(known) = self.hashed.get(i)
                && known.is_of(key)
            {
                self.at_hash.set(i);
                return *known;
            }
        }
        self.keyspace.hasher.hash(key)
    }

    // --- lookup ---

    /// The live entry of a key. An expired key is deleted on the way.
    ///
    /// A single function with all of the lookup in it, because most commands spend a quarter of
    /// their time here.
    #[inline(never)]
    pub fn find(&mut self, key: &[u8]) -> Option<FoundKey> {
        self.look_up(self.hash(key), key)
    }

    /// As [`Db::find`], with a hash the caller already has.
    #[inline(never)]
    pub(crate) fn find_hashed(&mut self, hash: KeyHash, key: &[u8]) -> Option<FoundKey> {
        self.look_up(hash, key)
    }

    #[inline(always)]
    fn look_up(&mut self, hash: KeyHash, key: &[u8]) -> Option<FoundKey> {
        let found = self.database().find_inlined(hash, key)?;
        if is_past(found.entry.expiry(), self.keyspace.due_ms) {
            if !self.keyspace.hides_expired() {
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
        Some(found)
    }

    /// As [`Db::find`] for a reader: counts hits and misses.
    #[inline]
    pub(super) fn find_to_read(&mut self, key: &[u8]) -> Option<FoundKey> {
        let found = self.find(key);
        self.count_read(key, found.is_some());
        found
    }

    /// Counts a further hit or miss, for commands in which Redis makes a second lookup.
    #[inline]
    pub fn count_read(&mut self, key: &[u8], hit: bool) {
        let seen = if hit { KeyUse::Read } else { KeyUse::Miss };
        self.keyspace.count_use(self.at, key, seen);
        if hit {
            self.keyspace.stats.hits += 1;
        } else {
            self.keyspace.stats.misses += 1;
            self.event(key, Class::KEY_MISS, "keymiss");
        }
    }

    /// The key in the table, expired or not.
    pub fn find_entry(&self, key: &[u8]) -> Option<FoundKey> {
        self.database().find(self.hash(key), key)
    }

    pub(crate) fn expire_found(&mut self, found: FoundKey) {
        let key: Box<[u8]> = found.entry.key().into();
        if let Some(entry) = self.database_mut().detach(found) {
            self.keyspace.lazyfree.free_entry(entry, Cause::Expiry);
        }
        self.expired(&key);
    }

    /// Whether the key is there. Counts as a lookup for hits and misses.
    pub fn exists(&mut self, key: &[u8]) -> bool {
        self.find_to_read(key).is_some()
    }

    /// Whether the key is there, for a writer: no statistics.
    pub fn contains(&mut self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// Whether the key is there, without deleting anything.
    pub fn peek_exists(&self, key: &[u8]) -> bool {
        self.peek_entry(key).is_some()
    }

    /// Whether the key is still in the table although it has expired.
    pub fn is_expired(&self, key: &[u8]) -> bool {
        self.database()
            .find(self.hash(key), key)
            .is_some_and(|f| is_past(f.entry.expiry(), self.keyspace.due_ms))
    }

    pub(crate) fn peek_entry(&self, key: &[u8]) -> Option<Entry> {
        let found = self.database().find(self.hash(key), key)?;
        (!is_past(found.entry.expiry(), self.keyspace.due_ms)).then_some(found.entry)
    }

    /// Read-only view of the key for a reader; counts as a lookup.
    pub fn view(&mut self, key: &[u8]) -> Option<KeyView<'_>> {
        self.find_to_read(key).map(|found| KeyView::of(found.entry))
    }

    /// Read-only view of the key outside of commands: no use, no hit or miss, no `keymiss` event.
    pub fn peek_view(&mut self, key: &[u8]) -> Option<KeyView<'_>> {
        self.touch = false;
        self.find(key).map(|found| KeyView::of(found.entry))
    }

    /// TYPE.
    pub fn kind(&mut self, key: &[u8]) -> Option<Type> {
        self.find_to_read(key).map(|f| f.entry.kind())
    }

    /// The type of the value at a key, for a writer: no statistics.
    pub fn kind_to_write(&mut self, key: &[u8]) -> Option<Type> {
        self.find(key).map(|found| found.entry.kind())
    }

    /// `Some(None)`: there without expiry; `Some(Some(t))`: expires at `t`.
    pub fn expiry(&mut self, key: &[u8]) -> Option<Option<i64>> {
        self.find(key).map(|found| found.entry.expiry())
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

    /// The strings at several keys, each looked up once and in order, for a reader.
    pub fn strings<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<Str<'_>>>, CommandError> {
        self.strings_as(keys, Ok)
    }

    /// As [`Db::strings`], mapped through `each`; the first error ends the lookups.
    pub fn strings_as<'d, 'k, T>(
        &'d mut self,
        keys: impl Iterator<Item = &'k [u8]>,
        mut each: impl FnMut(Option<Str<'d>>) -> Result<T, CommandError>,
    ) -> Result<Vec<T>, CommandError> {
        // A lookup may free an expired entry, never an entry that this call found before.
        let texts = keys.map(|key| match self.find_to_read(key) {
            None => each(None),
            Some(f) => each(Some(f.entry.string().ok_or(CommandError::WrongType)?)),
        });
        texts.collect()
    }

    /// Writes the string at `key` as a bulk string; a large string is not copied. `false`: no such
    /// key.
    #[inline]
    pub fn reply_string(&mut self, key: &[u8], reply: &mut Reply) -> Result<bool, CommandError> {
        let Some(found) = self.find_to_read(key) else {
            return Ok(false);
        };
        match found.entry.string() {
            Some(Str::Bytes(text)) if text.len() < PIN_MIN => reply.bulk(text),
            Some(text) => match found.entry.pin_string() {
                Some(pinned) => reply.bulk_pinned(pinned),
                None => text.reply(reply)?,
            },
            None => return Err(CommandError::WrongType),
        }
        Ok(true)
    }

    /// A string seen without statistics, use or deletion.
    pub fn peek_string(&self, key: &[u8]) -> Result<Option<Str<'_>>, CommandError> {
        match self.peek_entry(key) {
            None => Ok(None),
            Some(e) => e.string().map(Some).ok_or(CommandError::WrongType),
        }
    }

    /// The key's place, there or not: look, decide, write, with a single lookup.
    #[inline]
    pub fn place<'d, 'k>(&'d mut self, key: &'k [u8]) -> Place<'d, 'a, 'k> {
        Place::of(self, key)
    }

    /// Sets the key to a string, whatever it held.
    #[inline]
    pub fn set_string(&mut self, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        self.place(key).set_string(value, expiry);
    }

    /// Gives a found key another value and expiry. As in Redis, this does not wake clients that
    /// wait for the key: only a new key or a write to its container does.
    #[inline(always)]
    pub fn overwrite(
        &mut self,
        hash: KeyHash,
        found: FoundKey,
        expiry: Option<i64>,
        value: NewValue<'_>,
    ) {
        if let Some(old) = self.database_mut().replace(hash, found, expiry, value) {
            self.keyspace.lazyfree.free_value(old, Cause::Server);
        }
    }

    /// Makes a key that is not there.
    #[inline]
    pub fn insert_new(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        expiry: Option<i64>,
        value: NewValue<'_>,
    ) -> Entry {
        let entry = Entry::new(key, expiry, self.keyspace.fresh_clock(), value);
        self.insert(hash, key, entry);
        entry
    }

    /// Adds the entry of a key that is not there.
    #[inline]
    pub fn insert(&mut self, hash: KeyHash, key: &[u8], entry: Entry) {
        self.drop_hidden(hash, key);
        self.database_mut().insert(hash, entry);
        self.event(key, Class::NEW, "new");
        if entry.kind() != Type::String {
            self.keyspace.waiting.signal(self.at, key);
        }
    }

    /// An expired key that was kept is removed for a new entry.
    #[inline]
    fn drop_hidden(&mut self, hash: KeyHash, key: &[u8]) {
        if self.keyspace.hides_expired()
            && let Some(hidden) = self.database().find(hash, key)
        {
            self.expire_found(hidden);
        }
    }

    // --- containers ---

    /// The container at `key`, for a reader.
    #[inline]
    pub fn read<T: Container>(&mut self, key: &[u8]) -> Result<Option<Ref<'_, T>>, CommandError> {
        match self.find_to_read(key) {
            None => Ok(None),
            Some(f) if f.entry.kind() == T::TYPE => {
                self.keyspace.unpacked.clear();
                self.keyspace.unpacked.open(f.entry).map(Some)
            }
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// The elements of the container at `key`, for a reader; 0: no such key. O(1), also of a packed
    /// container.
    #[inline]
    pub fn count<T: Container>(&mut self, key: &[u8]) -> Result<usize, CommandError> {
        match self.find_to_read(key) {
            None => Ok(0),
            Some(f) if f.entry.kind() != T::TYPE => Err(CommandError::WrongType),
            Some(f) if f.entry.is_packed() => Ok(Size::of(f.entry).elements()),
            Some(f) => Ok(Ref::<T>::of(f.entry).len()),
        }
    }

    /// A container read without statistics, use or deletion: several can be held at once. Call
    /// [`Db::exists`] or [`Db::read`] first if the lookup must count.
    pub fn peek<T: Container>(&self, key: &[u8]) -> Result<Option<Ref<'_, T>>, CommandError> {
        match self.peek_entry(key) {
            None => Ok(None),
            Some(e) if e.kind() == T::TYPE => self.keyspace.unpacked.open(e).map(Some),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// The container at `key`, for writing. A caller that empties it calls
    /// [`Db::delete_emptied`].
    #[inline]
    pub fn write<T: Container>(
        &mut self,
        key: &[u8],
    ) -> Result<Option<RefMut<'_, T>>, CommandError> {
        match self.find(key) {
            None => Ok(None),
            Some(f) if f.entry.kind() == T::TYPE => {
                let database = self.database_mut();
                let Some(entry) = database.open(f) else {
                    return Err(CommandError::DamagedValue);
                };
                Ok(Some(database.write(entry)))
            }
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// As [`Db::write`]; a missing key is created with the value of `make`.
    #[inline]
    pub fn write_or<T: Container>(
        &mut self,
        key: &[u8],
        make: impl FnOnce() -> T,
    ) -> Result<RefMut<'_, T>, CommandError> {
        let hash = self.hash(key);
        match self.find_hashed(hash, key) {
            Some(f) if f.entry.kind() == T::TYPE => {
                let database = self.database_mut();
                let Some(entry) = database.open(f) else {
                    return Err(CommandError::DamagedValue);
                };
                Ok(database.write(entry))
            }
            Some(_) => Err(CommandError::WrongType),
            None => {
                let value = NewValue::container(make());
                let entry = self.insert_new(hash, key, None, value);
                Ok(self.database_mut().write(entry))
            }
        }
    }

    /// Changes the labels of a series; `false`: there is none at the key.
    pub fn set_labels(&mut self, key: &[u8], labels: Labels) -> bool {
        match self.find(key) {
            Some(found) if found.entry.kind() == Type::TimeSeries => {
                self.database_mut().set_labels(found.entry, labels);
                true
            }
            _ => false,
        }
    }

    /// Time series by their labels, expired ones included, if there are any.
    pub fn labels(&self) -> Option<&LabelIndex> {
        self.database().labels()
    }

    /// Whether eviction passes over a key; `None`: there is no such key. No use of the key.
    pub fn is_blessed(&self, key: &[u8]) -> Option<bool> {
        Some(self.find_entry(key)?.entry.is_blessed())
    }

    /// Makes eviction pass over a key, or not; `Some(false)`: it is so already, `None`: there is no
    /// such key. The caller records the change. O(length of the name).
    pub fn bless(&mut self, key: &[u8], on: bool) -> Option<bool> {
        let found = self.find(key)?;
        Some(self.database_mut().bless(found, on))
    }

    /// The keys that eviction passes over, if there are any.
    pub fn blessings(&self) -> Option<&Blessings> {
        self.database().blessings()
    }

    /// Sets the key to this container, whatever the key held, and removes the key's expiry.
    pub fn put<T: Container>(&mut self, key: &[u8], value: T) {
        self.place(key).set(NewValue::container(value), None);
    }

    /// A pending entry of the stream can be claimed when it has been idle for long enough.
    pub fn claimable_later(&mut self, key: &[u8]) {
        self.keyspace.waiting.claimable_later(self.at, key);
    }

    /// Signals new data to clients that wait for the key.
    #[inline]
    pub fn signal(&mut self, key: &[u8]) {
        self.keyspace.waiting.signal(self.at, key);
    }

    /// Frees a part that a command has taken out of a container.
    pub fn free_part<T: Container>(&mut self, part: T) {
        let (encoding, word) = part.into_word();
        let part = DetachedValue::new(T::TYPE, encoding, word);
        self.keyspace.lazyfree.free_value(part, Cause::Server);
    }

    // --- whole keys ---

    /// Deletes the key. The caller records the change.
    pub fn delete(&mut self, key: &[u8], cause: Cause) -> bool {
        self.place(key).delete(cause)
    }

    /// The process's random source, seeded explicitly in tests.
    pub fn rng(&mut self) -> &mut rand::rngs::SmallRng {
        &mut self.keyspace.rng
    }
}
