//! The invariants of single values, walked through in tests and fuzz builds.

use super::Ref;
use super::entry::Entry;
use crate::types::{Container, Hash, List, Set, Type, Zset};

/// Panics if an invariant of an entry's value does not hold.
pub(super) fn check_value(entry: Entry) {
    match entry.kind() {
        Type::List => check::<List>(entry),
        Type::Set => check::<Set>(entry),
        Type::Zset => check::<Zset>(entry),
        Type::Hash => check::<Hash>(entry),
        Type::String => assert!(entry.string().is_some()),
        Type::Stream => {}
    }
}

fn check<T: Container>(entry: Entry) {
    let value = Ref::<T>::of(entry);
    assert!(!value.is_empty(), "an empty container is no key");
    value.check_invariants();
}
