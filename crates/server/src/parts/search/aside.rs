//! The definitions that went with a flush whose data is set aside: FLUSH UNDO brings both back.
//!
//! They are kept by the flush's number and database, as long as the data is. Cost: O(definitions)
//! of a flush.

use super::{DATABASE, Indexes, restore_synonyms};
use russet_keyspace::DbIndex;
use russet_search::file::{Definition, Dictionaries};
use russet_search::text::TextSettings;

/// The definitions of a database that was flushed.
struct FlushedDefinitions {
    number: u64,
    db: DbIndex,
    definitions: Vec<Definition>,
    dictionaries: Dictionaries,
}

/// See the module.
#[derive(Default)]
pub(super) struct UndoDefinitions(Vec<FlushedDefinitions>);

impl Indexes {
    /// The data of databases is about to be set aside, by the flush of this number; `oldest`: the
    /// number of the oldest flush whose data is kept.
    pub fn set_aside(&mut self, number: u64, dbs: &[DbIndex], oldest: u64, now_ms: u64) {
        self.aside.0.retain(|flushed| flushed.number >= oldest);
        for &db in dbs {
            let definitions = self.definitions_of(now_ms, |held| held.database() == db);
            let dictionaries = if db == DATABASE {
                self.dictionaries.clone()
            } else {
                Dictionaries::default()
            };
            if !definitions.is_empty() || !dictionaries.is_empty() {
                self.aside.0.push(FlushedDefinitions {
                    number,
                    db,
                    definitions,
                    dictionaries,
                });
            }
        }
    }

    /// The data that the flush of this number had set aside is back, or only the data of database
    /// `only`: makes the indexes of that data again, which then read it.
    pub fn bring_back(
        &mut self,
        (number, only): (u64, Option<DbIndex>),
        texts: TextSettings,
        now_ms: u64,
    ) {
        let is_it = |flushed: &mut FlushedDefinitions| {
            flushed.number == number && only.is_none_or(|db| flushed.db == db)
        };
        let back: Vec<FlushedDefinitions> = self.aside.0.extract_if(.., is_it).collect();
        for flushed in back {
            self.make_again(flushed.definitions, texts, now_ms);
            for (name, terms) in flushed.dictionaries {
                self.dictionaries.entry(name).or_default().extend(terms);
            }
            self.count_change();
        }
    }

    /// Makes the indexes of a file, or of an undone flush. An index whose name is taken is left
    /// out.
    pub(super) fn make_again(&mut self, all: Vec<Definition>, texts: TextSettings, now_ms: u64) {
        for definition in all {
            let name = &definition.name;
            if self.is_index(name) {
                continue;
            }
            let mut schema = definition.schema;
            schema.skips_scan = false;
            self.create(name, schema, texts, now_ms);
            if let Some(held) = self.held.get_mut(name.as_slice()) {
                restore_synonyms(&mut held.index, &definition.synonyms);
                held.is_recovering = true;
            }
            for alias in &definition.aliases {
                if self.name_of(alias).is_none() {
                    self.set_alias(alias, name);
                }
            }
        }
    }
}
