//! The keys that a command opens, recorded for tests of what the plans of rows tell.
//!
//! Every lookup of a command hashes its key in one place, and every change is stated in one:
//! both note the key here. Not in the library as it ships.

use std::cell::RefCell;
use std::mem;

/// A key that was looked up or changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenedKey {
    pub key: Box<[u8]>,
    pub is_written: bool,
}

/// See the module. Nothing is noted before the first [`Opened::begin`].
#[derive(Debug, Default)]
pub struct Opened {
    keys: RefCell<Option<Vec<OpenedKey>>>,
}

impl Opened {
    /// Forgets what was noted, and notes what is opened from now on.
    pub fn begin(&mut self) {
        *self.keys.get_mut() = Some(Vec::new());
    }

    /// What was opened, in order of the keys, each kind once; nothing is noted any more.
    pub fn end(&mut self) -> Vec<OpenedKey> {
        let mut keys = mem::take(self.keys.get_mut()).unwrap_or_default();
        keys.sort();
        keys.dedup();
        keys
    }

    pub(super) fn note(&self, key: &[u8], is_written: bool) {
        if let Some(keys) = &mut *self.keys.borrow_mut() {
            let key = key.into();
            keys.push(OpenedKey { key, is_written });
        }
    }
}
