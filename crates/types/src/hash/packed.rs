//! A small hash as the entries of a listpack: pairs, or records of three with an expiry.
//!
//!     width 2   name | value | name | value ...
//!     width 3   name | value | expiry ...     Unix ms, the soonest first; 0: none, at the end
//!
//! Invariants of width 3
//!   1. Every third entry is an integer, 0 to the greatest expiry of a field.
//!   2. Expiries ascend: a change of an expiry moves its record (`move_to_expiry`).
//!
//! Cost: by name O(bytes of the listpack); the soonest expiry O(1). When a hash leaves these forms,
//! and what an expired field is: `hash`.

use super::super::Entry;
use super::{Expiry, HashField};
use crate::import::FIELD_EXPIRY_MAX;
use russet_encodings::fields::Ttl;
use russet_encodings::listpack::{Listpack, Pos};

/// The value for "no expiry" in the extended listpack.
pub(super) const NO_EXPIRY: i64 = 0;

pub(crate) fn stored_expiry(expire_ms: Option<u64>) -> i64 {
    expire_ms.map_or(NO_EXPIRY, |ms| i64::try_from(ms).unwrap_or(i64::MAX))
}

pub(super) fn expiry_at(pack: &Listpack, pos: Option<Pos>) -> Option<u64> {
    let stored = pack.get(pos?).as_int()?;
    u64::try_from(stored).ok().filter(|&ms| ms > 0)
}

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

/// Whether the third entry of each record is a valid field expiry, in ascending order, with those
/// without an expiry at the end.
pub(crate) fn expiries_in_order(pack: &Listpack) -> bool {
    let mut before = 0;
    pack.iter().skip(2).step_by(3).all(|entry| match entry {
        Entry::Int(NO_EXPIRY) => {
            before = i64::MAX;
            true
        }
        Entry::Int(ms) => {
            let is_possible = u64::try_from(ms).is_ok_and(|ms| ms <= FIELD_EXPIRY_MAX);
            is_possible && std::mem::replace(&mut before, ms) <= ms
        }
        Entry::Str(_) => false,
    })
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

/// Position of a field's name in a listpack.
pub(super) fn find(pack: &Listpack, name: &[u8], width: usize) -> Option<Pos> {
    pack.find(pack.first()?, name, width - 1)
}

/// Inserts a record in expiry order: before all records that expire no sooner.
pub(crate) fn insert_by_expiry(pack: &mut Listpack, record: [Entry<'_>; 3]) {
    let Entry::Int(expiry) = record[2] else {
        unreachable!("an expiry is an integer")
    };
    let at = place_of(pack, expiry, None);
    pack.insert_all_before(at, &record);
}

/// Changes the expiry of the record at `at`, and moves the record to its place in expiry order.
pub(super) fn move_to_expiry(pack: &mut Listpack, at: Pos, expire_ms: Option<u64>) {
    let third = third_of(pack, at);
    if expire_ms.is_none() && expiry_at(pack, Some(third)).is_none() {
        return;
    }
    let expiry = stored_expiry(expire_ms);
    pack.replace(third, Entry::Int(expiry));
    let to = place_of(pack, expiry, Some(at));
    pack.move_span(at, 3, to);
}

/// The first record that expires no sooner, except the record at `moving`; `None`: the end.
fn place_of(pack: &Listpack, expiry: i64, moving: Option<Pos>) -> Option<Pos> {
    if expiry == NO_EXPIRY {
        return None;
    }
    let mut at = pack.first();
    while let Some(name) = at {
        let third = third_of(pack, name);
        let other = pack.get(third).as_int().unwrap_or(NO_EXPIRY);
        if Some(name) != moving && (other == NO_EXPIRY || other >= expiry) {
            break;
        }
        at = pack.next(third);
    }
    at
}

/// The last entry of a record.
fn third_of(pack: &Listpack, name: Pos) -> Pos {
    let third = pack.next(name).and_then(|value| pack.next(value));
    third.expect("whole records")
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
    insert_by_expiry(pack, [Entry::parse(name), Entry::parse(value), stored]);
    found.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A moved record ends up where a record removed and inserted again would.
        #[test]
        fn a_moved_record_stands_where_an_inserted_one_would(
            expiries in prop::collection::vec(prop_oneof![Just(0), 1..9i64, 1000..1_000_000_000_000i64], 1..9),
            moved in any::<prop::sample::Index>(),
            to in prop_oneof![Just(None), (1..9u64).prop_map(Some), (1000..1_000_000_000_000u64).prop_map(Some)],
        ) {
            let mut pack = Listpack::new();
            for (name, &expiry) in expiries.iter().enumerate() {
                let record = [Entry::Int(name as i64), Entry::Str(b"value"), Entry::Int(expiry)];
                insert_by_expiry(&mut pack, record);
            }
            let name = moved.index(expiries.len());
            let at = find(&pack, name.to_string().as_bytes(), 3).expect("just inserted");
            let mut expected = pack.clone();
            if to.is_some() || expiries[name] != NO_EXPIRY {
                expected.delete_span(at, 3);
                let stored = Entry::Int(stored_expiry(to));
                insert_by_expiry(&mut expected, [Entry::Int(name as i64), Entry::Str(b"value"), stored]);
            }
            move_to_expiry(&mut pack, at, to);
            pack.check_invariants();
            prop_assert!(expiries_in_order(&pack));
            prop_assert_eq!(pack.as_bytes(), expected.as_bytes());
        }
    }
}
