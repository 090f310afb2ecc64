//! Records the keys that a command opens, to test the plans of command rows.
//!
//! Every lookup of a command hashes its key in the same function, and every change is recorded in
//! another: both functions record the key here. Test builds only.

use std::cell::RefCell;
use std::mem;

/// A key that was looked up or changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenedKey {
    pub key: Box<[u8]>,
    pub is_written: bool,
}

/// See the module. Records nothing before the first [`OpenedKeys::begin`].
#[derive(Debug, Default)]
pub struct OpenedKeys {
    keys: RefCell<Option<Vec<OpenedKey>>>,
}

impl OpenedKeys {
    /// Clears the record and starts recording.
    pub fn begin(&mut self) {
        *self.keys.get_mut() = Some(Vec::new());
    }

    /// The keys opened, sorted and without duplicates; stops recording.
    pub fn end(&mut self) -> Vec<OpenedKey> {
        let mut keys = mem::take(self.keys.get_mut()).unwrap_or_default();
        keys.sort();
        keys.dedup();
        keys
    }

    pub fn note(&self, key: &[u8], is_written: bool) {
        if let Some(keys) = &mut *self.keys.borrow_mut() {
            let key = key.into();
            keys.push(OpenedKey { key, is_written });
        }
    }
}
