//! The invariants of single values, walked through in tests and fuzz builds.

use super::super::Str;
use super::super::access::value::UnpackedValues;
use super::entry::Entry;
use russet_types::{Container, for_container};

/// Panics if an invariant of an entry's value does not hold.
pub(crate) fn check_value(entry: Entry) {
    for_container!(
        entry.kind(),
        T => check::<T>(entry),
        _ => match entry.string().expect("a string") {
            Str::Packed(packed) => assert_eq!(packed.with_text(<[u8]>::len), Ok(packed.len())),
            Str::Int(_) | Str::Bytes(_) => {}
        },
    );
}

fn check<T: Container>(entry: Entry) {
    let unpacked = UnpackedValues::default();
    let value = unpacked.open::<T>(entry).expect("a whole frame");
    if let Some(packed) = entry.packed_container() {
        let form = packed.form().expect("a whole head");
        assert_eq!((form.encoding, form.len), (value.encoding(), value.len()));
    }
    assert!(
        T::MAY_BE_EMPTY || !value.is_empty(),
        "an empty container is no key"
    );
    value.check_invariants();
}
