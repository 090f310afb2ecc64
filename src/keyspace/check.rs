//! The invariants of the keyspace, walked through in tests and fuzz builds.

use super::database::{Database, rehash};
use super::entry::Entry;
use super::{Keyspace, Ref};
use crate::types::{Container, Hash, List, Set, Type, Zset};

impl Keyspace {
    /// Panics if an invariant of any database or value does not hold. O(everything).
    pub fn check_invariants(&self) {
        self.dbs.iter().for_each(Database::check_invariants);
    }
}

impl Database {
    fn check_invariants(&self) {
        let table = self.table();
        table.check_invariants(rehash);
        let mut volatile = 0;
        for word in table.iter() {
            let entry = Entry::of(word);
            assert_eq!(entry.table_word(), word, "the word's mark is the entry's");
            if let Some(when) = entry.expiry() {
                volatile += 1;
                let due = table.next_due().expect("somebody expires");
                assert!(due <= when.max(0), "the bound is not after any expiry");
            }
            self.check_value(entry);
        }
        assert_eq!(volatile, self.volatile());
        for key in self.fields().keys() {
            let found = self.find(crate::base::hash::keys().hash(key), key);
            let kind = found.map(|found| found.entry.kind());
            assert_eq!(kind, Some(Type::Hash), "only hashes have a line");
        }
    }

    fn check_value(&self, entry: Entry) {
        fn check<T: Container>(entry: Entry) {
            let value = Ref::<T>::of(entry);
            assert!(!value.is_empty(), "an empty container is no key");
            value.check_invariants();
        }
        match entry.kind() {
            Type::List => check::<List>(entry),
            Type::Set => check::<Set>(entry),
            Type::Zset => check::<Zset>(entry),
            Type::Hash => {
                check::<Hash>(entry);
                if let Some(due) = Ref::<Hash>::of(entry).next_due() {
                    let line = self.fields().line(entry.key());
                    assert!(
                        line.is_some_and(|line| line <= due as i64),
                        "a line in time"
                    );
                }
            }
            Type::String => _ = entry.string().expect("a string").len(),
            Type::Stream => {}
        }
    }
}
