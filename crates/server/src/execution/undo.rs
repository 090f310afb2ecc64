//! The undo log of an atomic script: the previous values of the keys that it writes.
//!
//! Before a command writes, each of its keys not yet in the log is added: its value as a DUMP
//! payload, or its absence; so are the keys that a time series is linked with, because its samples
//! write to the destinations of its rules, and a rename reaches both sides. The log undoes a script
//! that fails. The server refuses, before it runs, a command whose undo would exceed the bound, or
//! whose keys cannot be determined (FLUSHALL). Watches on a key touched meanwhile are lost all the
//! same.
//!
//! Cost: O(size of the value) for each key at its first write.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::state::call::Row;
use russet_command::{Access, CommandError, Flags};
use russet_keyspace::{Cause, DbIndex, Keyspace};
use russet_persistence::rdb::{Payload, RdbWriter, VERSION_FIELD_TTLS};
use russet_resp::Args;
use russet_types::TimeSeries;

/// A key's previous state: payload, expiry, bits of its last use, mark of BLESS. `None`: it did not
/// exist.
type PreviousState = Option<(Vec<u8>, Option<i64>, u32, bool)>;

type Keys = HashMap<Box<[u8]>, PreviousState, ahash::RandomState>;

/// See the module.
#[derive(Default)]
pub struct Undo {
    /// For each database written to.
    databases: SmallVec<[(DbIndex, Keys); 1]>,
    bytes: usize,
}

const FULL: &str = "ERR the command is not run: what an atomic script changes would take more \
                    than script-undo-max-bytes to undo";

impl Undo {
    /// Logs the keys that a command is about to change. An error: the command must not run.
    pub fn file(
        &mut self,
        keyspace: &mut Keyspace,
        db: DbIndex,
        row: &Row,
        args: Args<'_>,
        most: usize,
    ) -> Result<(), CommandError> {
        // A command in an invalid form is refused by its handler.
        let Ok(keys) = row.keys(args) else {
            return Ok(());
        };
        if keys.len() == 0 {
            return Err(CommandError::owned(format!(
                "ERR '{}' cannot be undone: it is not allowed in an atomic script",
                row.full_name
            )));
        }
        let all = row.spec.flags.contains(Flags::CROSS_DB);
        const WRITES: Access = Access::RW.union(Access::OW).union(Access::RM);
        // XREADGROUP declares its streams as read, but it writes to their groups.
        let tells = keys.clone().any(|(_, access)| access.intersects(WRITES));
        for (at, access) in keys {
            if tells && !access.intersects(WRITES) {
                continue;
            }
            let key = args.at(at);
            if !all {
                self.file_key(keyspace, db, key, most)?;
                for linked in linked(keyspace, db, key) {
                    self.file_key(keyspace, db, &linked, most)?;
                }
                continue;
            }
            for db in 0..keyspace.databases() {
                self.file_key(keyspace, DbIndex(db as u32), key, most)?;
            }
        }
        Ok(())
    }

    fn file_key(
        &mut self,
        keyspace: &mut Keyspace,
        db: DbIndex,
        key: &[u8],
        most: usize,
    ) -> Result<(), CommandError> {
        let filed = self.databases.iter().find(|(at, _)| *at == db);
        if filed.is_some_and(|(_, keys)| keys.contains_key(key)) {
            return Ok(());
        }
        let left = most.saturating_sub(self.bytes);
        let before = match keyspace.db(db).peek_view(key) {
            None => None,
            Some(view) if view.value.text_bytes() > left => {
                return Err(CommandError::Text(FULL));
            }
            Some(view) => {
                let mut writer = RdbWriter::new(VERSION_FIELD_TTLS, false);
                writer.fit(VERSION_FIELD_TTLS, false, &view.value);
                writer.name_key(key, true);
                if !writer.value_within(&view.value, left) {
                    return Err(CommandError::Text(FULL));
                }
                if writer.is_damaged() {
                    return Err(CommandError::DamagedValue);
                }
                Some((writer.payload(), view.expiry, view.clock, view.is_blessed))
            }
        };
        let bytes = key.len() + before.as_ref().map_or(0, |(payload, ..)| payload.len());
        if bytes > left {
            return Err(CommandError::Text(FULL));
        }
        self.bytes += bytes;
        let at = self.databases.iter().position(|(at, _)| *at == db);
        let at = at.unwrap_or_else(|| {
            self.databases.push((db, Keys::default()));
            self.databases.len() - 1
        });
        self.databases[at].1.insert(key.into(), before);
        Ok(())
    }

    /// Restores all keys.
    pub fn roll_back(self, keyspace: &mut Keyspace) {
        for (db, keys) in self.databases {
            // A series that is new may have made destinations (`ts-compaction-policy`).
            let new = keys.iter().filter(|(_, before)| before.is_none());
            let made = new.flat_map(|(key, _)| linked(keyspace, db, key));
            let made: Vec<_> = made.filter(|dest| !keys.contains_key(dest)).collect();
            for dest in made {
                keyspace.db(db).delete(&dest, Cause::Server);
            }
            for (key, before) in keys {
                keyspace.db(db).delete(&key, Cause::Server);
                let Some((payload, expiry, clock, is_blessed)) = before else {
                    continue;
                };
                let limits = keyspace.limits;
                let payload = Payload::verify(&payload, true).expect("our own payload");
                let put = payload.read(&limits, false, |value| {
                    keyspace.put_back(db, &key, value, expiry, clock);
                });
                assert!(put.is_ok(), "our own payload is whole");
                if is_blessed {
                    keyspace.bless_loaded(db, &key);
                }
            }
        }
    }
}

/// The keys that a time series is linked with: the destinations of the series' rules, and the
/// source of the series.
fn linked(keyspace: &mut Keyspace, db: DbIndex, key: &[u8]) -> Vec<Box<[u8]>> {
    let db = keyspace.db(db);
    let Ok(Some(series)) = db.peek::<TimeSeries>(key) else {
        return Vec::new();
    };
    let rules = series.rules().iter().map(|rule| rule.dest().into());
    rules.chain(series.source().map(Box::from)).collect()
}
