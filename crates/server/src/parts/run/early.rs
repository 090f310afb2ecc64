//! Requests that were read and wait for other reads of the turn (`server::run::early`).

use std::collections::VecDeque;
use std::slice;

use crate::clients::session::Session;
use russet_keyspace::{DbIndex, KeyHash, Keyspace};

/// Bytes of an early read.
pub const EARLY_BYTES_MAX: usize = 512;
/// Early reads that wait together: as many keys as a batch has, and for the same reason.
pub const EARLY_MAX: usize = 16;

/// A client's request.
pub struct EarlyRead {
    pub slot: u32,
    pub(crate) generation: u32,
    pub bytes: Vec<u8>,
}

/// See the module.
#[derive(Default)]
pub struct Early {
    reads: VecDeque<EarlyRead>,
    keys: Vec<(DbIndex, KeyHash)>,
    /// Buffers of reads that have run.
    unused: Vec<Vec<u8>>,
}

impl Early {
    pub fn len(&self) -> usize {
        self.reads.len()
    }

    pub fn is_empty(&self) -> bool {
        self.reads.is_empty()
    }

    /// Keeps the bytes read of a client, with the hash of its key in the client's database.
    pub fn add(&mut self, session: &Session, bytes: &[u8], key: Option<KeyHash>) {
        let mut kept = self.unused.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(bytes);
        self.reads.push_back(EarlyRead {
            slot: session.slot,
            generation: session.generation,
            bytes: kept,
        });
        if let Some(key) = key {
            self.keys.push((session.client.db, key));
        }
    }

    /// Prefetches the memory that the lookups of the keys will read; returns how many keys. A
    /// single key gains nothing: its lookup follows immediately.
    pub fn prefetch(&mut self, keyspace: &Keyspace) -> usize {
        let many = if self.keys.len() > 1 {
            &self.keys[..]
        } else {
            &[]
        };
        for (db, key) in many {
            keyspace.prefetch_lines(*db, slice::from_ref(key));
        }
        for (db, key) in many {
            keyspace.prefetch_entries(*db, slice::from_ref(key));
        }
        let count = many.len();
        self.keys.clear();
        count
    }

    /// The next read to run.
    pub fn next(&mut self) -> Option<EarlyRead> {
        self.reads.pop_front()
    }

    /// Gives a buffer back for later reads.
    pub(crate) fn reuse(&mut self, bytes: Vec<u8>) {
        if self.unused.len() < EARLY_MAX {
            self.unused.push(bytes);
        }
    }
}
