//! The undo log of an atomic script: what its commands are about to change, as it was.
//!
//! Before a command writes, each of its keys that the log does not have yet is filed: its value
//! in the form of a DUMP payload, or that it is not there. A script that does not come to its
//! end is undone from that. A command whose undo would pass the bound is refused before it
//! runs, and so is one whose keys cannot be told (FLUSHALL). Who watches a key that was touched
//! meanwhile has lost all the same.
//!
//! Cost: O(size of the value) for each key at its first write.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::{Row, Server};
use crate::command::{Access, CommandError, Flags};
use crate::keyspace::{Cause, DbIndex, Keyspace, ValueView};
use crate::persistence::rdb::{Payload, VERSION_FIELD_TTLS, Writer, seal};
use crate::resp::Args;

/// A key as it was: payload, expiry, bits of its last use. `None`: it was not there.
type Before = Option<(Vec<u8>, Option<i64>, u32)>;

type Keys = HashMap<Box<[u8]>, Before, ahash::RandomState>;

/// See the module.
#[derive(Default)]
pub struct Undo {
    /// Of each database that was written to.
    databases: SmallVec<[(DbIndex, Keys); 1]>,
    bytes: usize,
}

const FULL: &str = "ERR the command is not run: what an atomic script changes would take more \
                    than script-undo-max-bytes to undo";

impl Undo {
    /// Files what a command is about to change. An error: it is not to run.
    pub fn file(
        &mut self,
        keyspace: &mut Keyspace,
        db: DbIndex,
        row: &Row,
        args: Args<'_>,
        most: usize,
    ) -> Result<(), CommandError> {
        // A command that does not fit its form is refused by its handler.
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
        // XREADGROUP is said to read its streams, but it writes to their groups.
        let tells = keys.clone().any(|(_, access)| access.intersects(WRITES));
        for (at, access) in keys {
            if tells && !access.intersects(WRITES) {
                continue;
            }
            let key = args.at(at);
            if !all {
                self.file_key(keyspace, db, key, most)?;
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
        let before = match keyspace.db(db).look(key) {
            None => None,
            Some(view) if matches!(view.value, ValueView::Bytes(text) if text.len() > left) => {
                return Err(CommandError::Text(FULL));
            }
            Some(view) => {
                let mut writer = Writer::new(VERSION_FIELD_TTLS, false);
                if !writer.value_within(&view.value, left) {
                    return Err(CommandError::Text(FULL));
                }
                let mut payload = writer.take(Vec::new());
                seal(&mut payload, VERSION_FIELD_TTLS);
                Some((payload, view.expiry, view.clock))
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

    /// Puts everything back.
    pub fn roll_back(self, keyspace: &mut Keyspace) {
        for (db, keys) in self.databases {
            for (key, before) in keys {
                keyspace.db(db).delete(&key, Cause::Server);
                let Some((payload, expiry, clock)) = before else {
                    continue;
                };
                let limits = keyspace.limits;
                let payload = Payload::verify(&payload, true).expect("our own payload");
                let put = payload.read(&limits, false, |value| {
                    keyspace.put_back(db, &key, value, expiry, clock);
                });
                assert!(put.is_ok(), "our own payload is whole");
            }
        }
    }
}

impl Server {
    /// How many bytes an undo log may take.
    pub(super) fn undo_max_bytes(&self) -> usize {
        self.config.script_undo_max_bytes as usize
    }
}
