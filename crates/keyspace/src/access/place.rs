//! A key's place in the table: look up, decide, write, with a single lookup.
//!
//! A place is for one key and borrows its database, so that nothing moves between
//! the lookup and the write.

use super::super::store::table::FoundKey;
use super::super::{Cause, Db, KeyHash, NewValue, RefMut, Str};
use russet_command::CommandError;
use russet_types::Container;

/// The new expiry of a key whose value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The key does not expire.
    Clear,
    /// The expiry that it has, if any.
    Keep,
    /// Unix milliseconds.
    At(i64),
}

/// A key's place in the table, with its entry, if any.
pub struct Place<'d, 'a, 'k> {
    db: &'d mut Db<'a>,
    key: &'k [u8],
    hash: KeyHash,
    found: Option<FoundKey>,
}

impl<'d, 'a, 'k> Place<'d, 'a, 'k> {
    /// Looks the key up. A lookup, which later reads and writes of the place share.
    #[inline]
    pub(crate) fn of(db: &'d mut Db<'a>, key: &'k [u8]) -> Place<'d, 'a, 'k> {
        let hash = db.hash(key);
        let found = db.find_hashed(hash, key);
        Place {
            db,
            key,
            hash,
            found,
        }
    }

    /// Whether the key is there.
    #[inline]
    pub fn is_taken(&self) -> bool {
        self.found.is_some()
    }

    /// The string at the key. `Err`: another type.
    #[inline(always)]
    pub fn string(&self) -> Result<Option<Str<'_>>, CommandError> {
        match self.found {
            None => Ok(None),
            Some(f) => f.entry.string().map(Some).ok_or(CommandError::WrongType),
        }
    }

    /// The value, if it is stored as an integer: what counters mostly meet.
    #[inline]
    pub fn int(&self) -> Option<i64> {
        self.found.and_then(|found| found.entry.int())
    }

    /// The expiry of the key, if it is there and expires, Unix milliseconds.
    #[inline]
    pub fn expiry(&self) -> Option<i64> {
        self.found.and_then(|f| f.entry.expiry())
    }

    /// Counts a hit or a miss, for a command that also reads the value.
    pub fn count_read(&mut self) {
        self.db.count_read(self.key, self.found.is_some());
    }

    /// Sets or clears the expiry of an existing key.
    pub fn set_expiry(&mut self, expiry: Option<i64>) {
        if let Some(found) = &mut self.found {
            let database = self.db.database_mut();
            found.entry = database.set_expiry(self.hash, *found, expiry);
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
        self.set(value, expiry);
    }

    /// Sets value and expiry of the key, whatever it held.
    #[inline]
    pub fn set(self, value: NewValue<'_>, expiry: Option<i64>) {
        let Place { db, key, hash, .. } = self;
        match self.found {
            None => _ = db.insert_new(hash, key, expiry, value),
            Some(found) => {
                db.overwritten(key, found.entry.kind(), value.kind());
                db.overwrite(hash, found, expiry, value);
            }
        }
    }

    /// Gives the string another text for a command that modifies the string: the key keeps its
    /// expiry, and does not count as overwritten.
    #[inline]
    pub fn modify_string(self, value: NewValue<'_>) {
        match self.found {
            None => self.set(value, None),
            Some(found) => {
                let expiry = found.entry.expiry();
                self.db.overwrite(self.hash, found, expiry, value);
            }
        }
    }

    /// Whether a container of this type is at the key. `Err`: another type.
    pub fn holds<T: Container>(&self) -> Result<bool, CommandError> {
        match self.found {
            None => Ok(false),
            Some(f) if f.entry.kind() == T::TYPE => Ok(true),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// The container at the key, to change it. Must not be called unless [`Place::holds`] it.
    ///
    /// # Errors
    /// [`CommandError::DamagedValue`], of a packed container only.
    #[inline]
    pub fn open<T: Container>(self) -> Result<RefMut<'d, T>, CommandError> {
        let found = self.found.expect("the key is there");
        let database = self.db.database_mut();
        let Some(entry) = database.open(found) else {
            return Err(CommandError::DamagedValue);
        };
        Ok(database.write(entry))
    }

    /// Sets the key to this container, whatever the key held, and removes the key's expiry.
    pub fn put<T: Container>(self, value: T) {
        self.set(NewValue::container(value), None);
    }

    /// Stores a packed value as it was before, so that [`Place::string`] borrows a string: for
    /// commands that read a value and change a part of it. Nothing else changes.
    ///
    /// # Errors
    /// [`CommandError::DamagedValue`]
    #[inline]
    pub fn unpack(&mut self) -> Result<(), CommandError> {
        match self.found {
            Some(found) if found.entry.is_packed() => self.unpack_found(found),
            _ => Ok(()),
        }
    }

    #[cold]
    #[inline(never)]
    fn unpack_found(&mut self, mut found: FoundKey) -> Result<(), CommandError> {
        found.entry = self.db.database_mut().unpack(self.hash, found)?;
        self.found = Some(found);
        Ok(())
    }

    /// The bytes of the existing string, or of a new string, extended with zeros to at least `len`;
    /// it reports as `raw` from now on. Must not be called for another type, nor for a packed
    /// string ([`Place::unpack`]).
    pub fn grow(self, len: usize) -> &'d mut [u8] {
        let Some(found) = self.found else {
            let value = NewValue::Zeros(len);
            let entry = self.db.insert_new(self.hash, self.key, None, value);
            return entry.string_mut().expect("just made");
        };
        let old = found.entry.string().expect("a string is there").len();
        let database = self.db.database_mut();
        database.grow_string(self.hash, found, len.max(old))
    }

    /// Changes an integer in place; `false`: the value is no integer.
    #[inline]
    pub fn set_int(&mut self, n: i64) -> bool {
        self.found
            .is_some_and(|found| self.db.database_mut().set_int(found, n))
    }

    /// Deletes the key if it is there. The caller records the change.
    pub fn delete(self, cause: Cause) -> bool {
        let Some(found) = self.found else {
            return false;
        };
        if let Some(entry) = self.db.database_mut().detach(found) {
            self.db.keyspace.lazyfree.free_entry(entry, cause);
        }
        true
    }
}
