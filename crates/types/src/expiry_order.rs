//! Records of a listpack in the order of their expiries, for hashes whose fields expire and sets
//! whose members do.
//!
//!     width 3   name | value | expiry ...     fields
//!     width 2   member | expiry ...           members
//!
//! Invariants
//!   1. The last entry of each record is an integer, 0 to [`FIELD_EXPIRY_MAX`]: Unix ms; 0 is none.
//!   2. Expiries ascend, records without an expiry are last: a change of an expiry moves its record
//!      ([`move_to_expiry`]). The order is visible to clients, as in Redis.
//!
//! Cost: the soonest expiry O(1); a change of an expiry O(bytes of the listpack).

use super::Entry;
use crate::import::FIELD_EXPIRY_MAX;
use russet_encodings::listpack::{Listpack, Pos};

/// The decision about the expiry of a field or member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryChange {
    /// The expiry stays as it is.
    Keep,
    /// It expires at this time, Unix milliseconds.
    Set(u64),
    /// The field or member is removed.
    Remove,
}

/// A container whose elements may expire one by one.
pub trait Expirable: super::Container {
    /// A lower bound of all expiries, Unix milliseconds. Exact in a listpack; in a table it may be
    /// the expiry of an element since removed or changed. `None`: no element expires. O(1).
    fn next_due(&self) -> Option<u64>;

    /// Removes up to `limit` elements whose expiry is at or before `now_ms`, passing each name to
    /// `see` first; returns how many.
    fn remove_expired(&mut self, now_ms: u64, limit: usize, see: impl FnMut(&[u8])) -> usize;

    /// Removes an element; false if there is none.
    fn remove_element(&mut self, name: &[u8]) -> bool;
}

/// The value for "no expiry".
pub(crate) const NO_EXPIRY: i64 = 0;

pub(crate) fn stored_expiry(expire_ms: Option<u64>) -> i64 {
    expire_ms.map_or(NO_EXPIRY, |ms| i64::try_from(ms).unwrap_or(i64::MAX))
}

#[inline]
pub(crate) fn expiry_at(pack: &Listpack, pos: Option<Pos>) -> Option<u64> {
    let stored = pack.get(pos?).as_int()?;
    u64::try_from(stored).ok().filter(|&ms| ms > 0)
}

/// Whether the last entry of each record is a valid expiry, in ascending order, with those without
/// an expiry at the end.
pub(crate) fn expiries_in_order(pack: &Listpack, width: usize) -> bool {
    let mut before = 0;
    let mut expiries = pack.iter().skip(width - 1).step_by(width);
    expiries.all(|entry| match entry {
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

/// Position of a record with this name.
#[inline]
pub(crate) fn find(pack: &Listpack, name: &[u8], width: usize) -> Option<Pos> {
    pack.find(pack.first()?, name, width - 1)
}

/// Inserts a record in expiry order: before all records that expire no sooner.
pub(crate) fn insert_by_expiry(pack: &mut Listpack, record: &[Entry<'_>]) {
    let Some(&Entry::Int(expiry)) = record.last() else {
        unreachable!("an expiry is an integer")
    };
    let at = place_of(pack, record.len(), expiry, None);
    pack.insert_all_before(at, record);
}

/// Changes the expiry of the record at `at`, and moves the record to its place in expiry order.
pub(crate) fn move_to_expiry(pack: &mut Listpack, width: usize, at: Pos, expire_ms: Option<u64>) {
    let last = last_of(pack, width, at);
    if expire_ms.is_none() && expiry_at(pack, Some(last)).is_none() {
        return;
    }
    let expiry = stored_expiry(expire_ms);
    pack.replace(last, Entry::Int(expiry));
    let to = place_of(pack, width, expiry, Some(at));
    pack.move_span(at, width, to);
}

/// The first record that expires no sooner, except the record at `moving`; `None`: the end.
fn place_of(pack: &Listpack, width: usize, expiry: i64, moving: Option<Pos>) -> Option<Pos> {
    if expiry == NO_EXPIRY {
        return None;
    }
    let mut at = pack.first();
    while let Some(name) = at {
        let last = last_of(pack, width, name);
        let other = pack.get(last).as_int().unwrap_or(NO_EXPIRY);
        if Some(name) != moving && (other == NO_EXPIRY || other >= expiry) {
            break;
        }
        at = pack.next(last);
    }
    at
}

/// The last entry of a record.
#[inline]
pub(crate) fn last_of(pack: &Listpack, width: usize, name: Pos) -> Pos {
    let mut at = name;
    for _ in 1..width {
        at = pack.next(at).expect("whole records");
    }
    at
}

/// Removes up to `limit` records whose expiry is at or before `now_ms`, passing each name to `see`
/// first; returns how many. O(removed), and the bytes of the listpack.
pub(crate) fn remove_due(
    pack: &mut Listpack,
    width: usize,
    now_ms: u64,
    limit: usize,
    mut see: impl FnMut(&[u8]),
) -> usize {
    let mut buffer = itoa::Buffer::new();
    let (mut removed, mut at) = (0, pack.first());
    while let Some(name) = at
        && removed < limit
    {
        let last = last_of(pack, width, name);
        if expiry_at(pack, Some(last)).is_none_or(|ms| ms > now_ms) {
            break;
        }
        see(pack.get(name).bytes(&mut buffer));
        removed += 1;
        at = pack.next(last);
    }
    pack.delete_range(0, removed * width);
    removed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A moved record ends up where a record removed and inserted again would.
        #[test]
        fn a_moved_record_stands_where_an_inserted_one_would(
            width in 2usize..4,
            expiries in prop::collection::vec(prop_oneof![Just(0), 1..9i64, 1000..1_000_000_000_000i64], 1..9),
            moved in any::<prop::sample::Index>(),
            to in prop_oneof![Just(None), (1..9u64).prop_map(Some), (1000..1_000_000_000_000u64).prop_map(Some)],
        ) {
            let record = |name: usize, expiry| {
                let mut record = vec![Entry::Int(name as i64), Entry::Str(b"value")];
                record.truncate(width - 1);
                record.push(Entry::Int(expiry));
                record
            };
            let mut pack = Listpack::new();
            for (name, &expiry) in expiries.iter().enumerate() {
                insert_by_expiry(&mut pack, &record(name, expiry));
            }
            let name = moved.index(expiries.len());
            let at = find(&pack, name.to_string().as_bytes(), width).expect("just inserted");
            let mut expected = pack.clone();
            if to.is_some() || expiries[name] != NO_EXPIRY {
                expected.delete_span(at, width);
                insert_by_expiry(&mut expected, &record(name, stored_expiry(to)));
            }
            move_to_expiry(&mut pack, width, at, to);
            pack.check_invariants();
            prop_assert!(expiries_in_order(&pack, width));
            prop_assert_eq!(pack.as_bytes(), expected.as_bytes());
        }
    }
}
