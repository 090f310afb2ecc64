//! For tests: each claim on a keyspace must hold with slots, too.

use std::cell::Cell;

thread_local! {
    static HAS_SLOTS: Cell<bool> = const { Cell::new(false) };
}

/// Whether [`Keyspace::new`](super::Keyspace::new) makes a keyspace with slots: inside [`both`],
/// and in a run of all tests with `RUSSET_TEST_SLOTS` in the environment.
pub(super) fn has_slots() -> bool {
    HAS_SLOTS.get() || std::env::var_os("RUSSET_TEST_SLOTS").is_some()
}

/// Runs a test without slots, then with them.
#[cfg(test)]
pub fn both(test: impl Fn()) {
    for has_slots in [false, true] {
        HAS_SLOTS.set(has_slots);
        test();
    }
    HAS_SLOTS.set(false);
}
