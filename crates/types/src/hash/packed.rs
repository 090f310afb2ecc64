//! A small hash as the entries of a listpack: pairs, or records of three with an expiry.
//!
//!     width 2   name | value | name | value ...
//!     width 3   name | value | expiry ...     Unix ms, the soonest first; 0: none, at the end
//!
//! Cost: by name O(bytes of the listpack); the soonest expiry O(1). The order of width 3:
//! `expiry_order`. When a hash leaves these forms, and what an expired field is: `hash`.

use super::super::Entry;
use super::super::expiry_order::{expiry_at, find, insert_by_expiry, stored_expiry};
use super::{Expiry, HashField};
use russet_encodings::fields::Ttl;
use russet_encodings::listpack::{Listpack, Pos};

/// Fields of a listpack whose records are `width` entries long.
pub(super) struct Records<'a> {
    pack: &'a Listpack,
    at: Option<Pos>,
    width: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = HashField<'a>;

    fn next(&mut self) -> Option<HashField<'a>> {
        let name = self.at?;
        let value = self.pack.next(name)?;
        let third = self.pack.next(value);
        let (expire_ms, next) = if self.width == 3 {
            (
                expiry_at(self.pack, third),
                third.and_then(|pos| self.pack.next(pos)),
            )
        } else {
            (None, third)
        };
        self.at = next;
        let (name, value) = (self.pack.get(name), self.pack.get(value));
        Some(HashField {
            name,
            value,
            expire_ms,
        })
    }
}

/// All fields.
pub(super) fn records(pack: &Listpack, width: usize) -> Records<'_> {
    Records {
        pack,
        at: pack.first(),
        width,
    }
}

/// The field whose record starts at `at`.
#[inline]
pub(super) fn record(pack: &Listpack, at: Pos, width: usize) -> Option<HashField<'_>> {
    Records {
        pack,
        at: Some(at),
        width,
    }
    .next()
}

/// Sets a pair; true if the field is new.
pub(super) fn set_in_listpack(pack: &mut Listpack, name: &[u8], value: &[u8]) -> bool {
    match find(pack, name, 2).and_then(|pos| pack.next(pos)) {
        Some(pos) => {
            pack.replace(pos, Entry::parse(value));
            false
        }
        None => {
            pack.append_all(&[Entry::parse(name), Entry::parse(value)]);
            true
        }
    }
}

/// Sets a record of three; true if the field is new.
pub(super) fn set_in_extended(
    pack: &mut Listpack,
    name: &[u8],
    value: &[u8],
    expiry: Expiry,
) -> bool {
    let found = find(pack, name, 3);
    let old = found.and_then(|at| {
        let third = pack.next(at).and_then(|pos| pack.next(pos));
        expiry_at(pack, third)
    });
    let new = match expiry {
        Ttl::Keep => old,
        Ttl::Clear => None,
        Ttl::Set(ms) => Some(ms),
    };
    if let Some(at) = found {
        if new == old && !matches!(expiry, Ttl::Set(_)) {
            let pos = pack.next(at).expect("whole records");
            pack.replace(pos, Entry::parse(value));
            return false;
        }
        pack.delete_span(at, 3);
    }
    let stored = Entry::Int(stored_expiry(new));
    insert_by_expiry(pack, &[Entry::parse(name), Entry::parse(value), stored]);
    found.is_none()
}
