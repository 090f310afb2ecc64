//! The documents of an index: their keys and numbers, and what each document put into the index.
//!
//!     record = key length | key | text hash u64 | terms: count, distances | fields ...
//!     field  = tags:    count, numbers of tags
//!              numbers: count, f64 ...            geo: the same, of geohashes
//!
//! A record has all facts that the removal of its document needs, without the text. The numbers of
//! removed documents are used again, the last freed number first.
//!
//! Invariants
//!   1. `by_key`, and `alive` as bits, hold the numbers of the existing documents, and no others.
//!   2. `length_total` is the sum of the documents' lengths.
//!
//! Cost: a look-up by key is a hash; 28 bytes, the record and some 6 bytes a document.

mod changes;
mod chunks;
mod id_table;
mod long_values;

use std::collections::HashMap;

use russet_base::hashing::hash::keys;
use russet_encodings::prefetch::prefetch;

pub(crate) use changes::Changes;
use chunks::Chunks;
pub(crate) use id_table::IdTable;
pub(crate) use long_values::LongValues;

use super::postings::{read_varint, write_varint};

/// The facts of a document that scores ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    /// 0 to 1.
    pub(crate) score: f32,
    /// The document's words, weighted.
    pub(crate) length: u32,
    /// The highest frequency of a term in the document.
    pub(crate) frequency_max: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Documents {
    records: Chunks<Option<Box<[u8]>>>,
    /// Beside each other: scores ask for nothing else of a document.
    facts: Chunks<Facts>,
    free: Vec<u32>,
    by_key: IdTable,
    alive: Vec<u64>,
    length_total: u64,
    payloads: HashMap<u32, Box<[u8]>>,
    record_bytes: usize,
}

fn key_of(record: &[u8]) -> &[u8] {
    let mut at = 0;
    let length = read_varint(record, &mut at) as usize;
    &record[at..at + length]
}

impl Documents {
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The number after the highest number in use.
    pub(crate) fn end(&self) -> u32 {
        self.records.len() as u32
    }

    pub(crate) fn length_total(&self) -> u64 {
        self.length_total
    }

    /// The living as bits, the lowest number first.
    pub(crate) fn alive(&self) -> &[u64] {
        &self.alive
    }

    pub(crate) fn find(&self, key: &[u8]) -> Option<u32> {
        let hash = keys().hash(key);
        self.by_key.find(hash, |id| self.key(*id) == key)
    }

    /// The key of a living document.
    pub(crate) fn key(&self, id: u32) -> &[u8] {
        key_of(self.record(id))
    }

    /// Prefetches the key of a document, if there is a document of this number.
    pub(crate) fn prefetch(&self, id: u32) {
        if id < self.end()
            && let Some(record) = &self.records[id]
        {
            prefetch(record.as_ptr().addr());
        }
    }

    fn record(&self, id: u32) -> &[u8] {
        let record = self.records[id].as_deref();
        record.expect("the number is that of a living document")
    }

    #[inline]
    pub(crate) fn facts(&self, id: u32) -> Facts {
        self.facts[id]
    }

    pub(crate) fn payload(&self, id: u32) -> Option<&[u8]> {
        self.payloads.get(&id).map(|payload| &**payload)
    }

    /// All that the document put into the index.
    pub(crate) fn traces(&self, id: u32) -> Traces<'_> {
        let record = self.record(id);
        let key = key_of(record);
        let start = key.as_ptr() as usize - record.as_ptr() as usize;
        Traces {
            rest: &record[start + key.len()..],
        }
    }

    /// A number for a new document, which [`Documents::put`] must follow.
    pub(crate) fn next_number(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.end())
    }

    /// Puts a new document, or a living one anew.
    pub(crate) fn put(&mut self, id: u32, key: &[u8], traces: &TracesWriter, facts: Facts) {
        let mut record = Vec::with_capacity(key.len() + traces.bytes.len() + 2);
        write_varint(&mut record, key.len() as u64);
        record.extend_from_slice(key);
        record.extend_from_slice(&traces.bytes);
        self.record_bytes += record.len();
        if id == self.end() {
            self.records.push(None);
            self.facts.push(Facts::default());
            if self.alive.len() * 64 < self.records.len() {
                self.alive.push(0);
            }
        } else if self.free.last() == Some(&id) {
            self.free.pop();
        }
        let before = self.records[id].replace(record.into());
        let of_before = std::mem::replace(&mut self.facts[id], facts);
        self.length_total -= u64::from(of_before.length);
        self.length_total += u64::from(facts.length);
        if let Some(before) = before {
            self.record_bytes -= before.len();
            return;
        }
        self.alive[id as usize / 64] |= 1 << (id % 64);
        let records = &self.records;
        self.by_key.insert(keys().hash(key), id, |id| {
            let record = records[*id].as_deref();
            keys().hash(key_of(record.expect("a living document")))
        });
    }

    pub(crate) fn set_payload(&mut self, id: u32, payload: Option<&[u8]>) {
        match payload {
            Some(payload) => drop(self.payloads.insert(id, payload.into())),
            None => drop(self.payloads.remove(&id)),
        }
    }

    /// Takes a document out.
    pub(crate) fn remove(&mut self, id: u32) {
        let hash = keys().hash(self.key(id));
        self.by_key.remove(hash, id);
        let record = self.records[id].take();
        self.record_bytes -= record.map_or(0, |record| record.len());
        let facts = std::mem::take(&mut self.facts[id]);
        self.length_total -= u64::from(facts.length);
        self.alive[id as usize / 64] &= !(1 << (id % 64));
        self.payloads.remove(&id);
        self.free.push(id);
    }

    /// Gives a document another key, which no other has.
    pub(crate) fn rename(&mut self, id: u32, key: &[u8]) {
        let facts = self.facts(id);
        let payload = self.payloads.remove(&id);
        let traces = TracesWriter {
            bytes: self.traces(id).rest.to_vec(),
        };
        self.remove(id);
        self.put(id, key, &traces, facts);
        if let Some(payload) = payload {
            self.payloads.insert(id, payload);
        }
    }

    /// Bytes of the table and of the records; of the table of keys.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        let of_document = size_of::<Option<Box<[u8]>>>() + size_of::<Facts>();
        let table = self.records.capacity() * of_document + self.alive.capacity() * 8;
        let payloads: usize = self
            .payloads
            .values()
            .map(|payload| payload.len() + 24)
            .sum();
        (table + self.record_bytes + payloads, self.by_key.bytes())
    }
}

/// Writes what a document puts into the index, in the order in which it is read.
#[derive(Debug, Default)]
pub(crate) struct TracesWriter {
    bytes: Vec<u8>,
}

impl TracesWriter {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(crate) fn text_hash(&mut self, hash: u64) {
        self.bytes.extend_from_slice(&hash.to_le_bytes());
    }

    /// Numbers of terms or tags, ascending.
    pub(crate) fn ids(&mut self, ids: impl ExactSizeIterator<Item = u32>) {
        write_varint(&mut self.bytes, ids.len() as u64);
        let mut before = 0;
        for id in ids {
            write_varint(&mut self.bytes, u64::from(id - before));
            before = id;
        }
    }

    pub(crate) fn numbers(&mut self, numbers: &[f64]) {
        write_varint(&mut self.bytes, numbers.len() as u64);
        for number in numbers {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
}

/// Reads what a document put into the index. Fields that the schema got later read beyond the end,
/// where there is nothing of any kind.
pub(crate) struct Traces<'d> {
    rest: &'d [u8],
}

impl<'d> Traces<'d> {
    fn varint(&mut self) -> u64 {
        if self.rest.is_empty() {
            return 0;
        }
        let mut at = 0;
        let n = read_varint(self.rest, &mut at);
        self.rest = &self.rest[at..];
        n
    }

    pub(crate) fn text_hash(&mut self) -> u64 {
        let (hash, rest) = self.rest.split_first_chunk().expect("a record has a hash");
        self.rest = rest;
        u64::from_le_bytes(*hash)
    }

    pub(crate) fn ids(&mut self, out: &mut Vec<u32>) {
        out.clear();
        let mut id = 0;
        for _ in 0..self.varint() {
            id += self.varint() as u32;
            out.push(id);
        }
    }

    pub(crate) fn numbers(&mut self, out: &mut Vec<f64>) {
        out.clear();
        let count = self.varint() as usize;
        let (numbers, rest) = self.rest.split_at(8 * count);
        self.rest = rest;
        let (numbers, _) = numbers.as_chunks();
        out.extend(numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)));
    }
}
