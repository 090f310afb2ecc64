//! An estimate of the memory that packing would save, by prefix, from a sample of the keys.
//!
//!     sample     on the loop: bytes of some keys, and copies of the values that could be packed
//!     estimate   on a thread: a dictionary is trained with a part, the others are packed with it
//!
//! Values that trained the dictionary are not measured, because they would shrink too well; they
//! count as the measured ones of their prefix. Table order is hash order, so the first keys are a
//! fair sample. Cost: a copy of at most [`SAMPLE_MAX`] bytes on the loop, a millisecond or two;
//! some 100 ms on the thread.

use russet_frames::{Dictionary, Encoder, Samples, train};

use super::super::store::container::{bytes_of, raw_value};
use super::super::store::entry::{Entry, bytes_packed};
use super::super::{Database, Keyspace, PrefixRule};
use super::pack::{PackRule, SAMPLE_BYTES_MAX};

/// Bytes of all copies, at most.
const SAMPLE_MAX: usize = 1 << 20;
/// Prefixes with a line of their own, at most.
const PREFIXES_MAX: usize = 32;
/// Values that train the dictionary, at most: more hardly gain.
const TRAINING_MAX: usize = 200;
/// Bytes before a frame in its block: of a text, and what a container has more.
const HEAD_BYTES: usize = 3;
const FORM_BYTES: usize = 3;

/// Keys of which the estimate is made.
#[derive(Debug, Default)]
pub struct PackSample {
    /// Keys of all databases.
    keys: u64,
    prefixes: Vec<Box<[u8]>>,
    items: Vec<SampleItem>,
    /// The copies, one after another.
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct SampleItem {
    prefix: usize,
    /// Bytes of the key with its value.
    before: usize,
    /// Bytes of the entry before its value.
    head: usize,
    /// Bytes of the copy; 0: the value would not be packed.
    raw: usize,
    /// Bytes of the block's head.
    block_head: usize,
}

/// An estimate for the keys under a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixEstimate {
    /// With the delimiter; `(none)` for keys without a prefix, `(other)` for further prefixes.
    pub prefix: Vec<u8>,
    /// Keys of the sample.
    pub sampled: u64,
    /// Keys under the prefix, about.
    pub keys: u64,
    /// Bytes of these, about.
    pub bytes: u64,
    /// The same when all are packed that can be.
    pub packed_bytes: u64,
}

impl PrefixEstimate {
    /// Bytes that packing would save.
    pub fn saved_bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.packed_bytes)
    }
}

/// Sums of a prefix.
#[derive(Clone, Copy, Default)]
struct Sums {
    keys: u64,
    before: u64,
    /// Of the values that were measured.
    measured: u64,
    packed: u64,
    /// Of the values that trained.
    trained: u64,
}

impl Sums {
    fn after(self) -> u64 {
        let rest = self.before - self.measured - self.trained;
        let share = |bytes: u64| {
            let packed = u128::from(self.packed) * u128::from(bytes);
            packed
                .checked_div(u128::from(self.measured))
                .unwrap_or(u128::from(bytes)) as u64
        };
        rest + self.packed + share(self.trained)
    }
}

impl Keyspace {
    /// A sample of about `keys_max` keys for an estimate of what packing by `rule` would save.
    /// O(`keys_max`).
    pub fn sample_for_packing(&self, rule: &PackRule, keys_max: usize) -> PackSample {
        let keys: usize = self.dbs.iter().map(Database::len).sum();
        let mut sample = PackSample {
            keys: keys as u64,
            ..PackSample::default()
        };
        for database in self.dbs.iter().filter(|database| !database.is_empty()) {
            let share = (keys_max as u128 * database.len() as u128).div_ceil(keys as u128);
            for entry in database.entries().take(share as usize) {
                sample.push(entry, rule);
            }
        }
        sample
    }
}

impl PackSample {
    /// Keys of the sample.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn push(&mut self, entry: Entry, rule: &PackRule) {
        let prefix = self.prefix_of(entry.key());
        let before = bytes_of(entry);
        let raw = rule.raw_of(entry).filter(|raw| {
            let is_short = raw.bytes.len() <= SAMPLE_BYTES_MAX;
            is_short && self.bytes.len() + raw.bytes.len() <= SAMPLE_MAX
        });
        // A value that could be packed, but has no room here, would count as one that cannot.
        if raw.is_none() && rule.raw_of(entry).is_some() {
            return;
        }
        let form = raw_value(entry).and_then(|raw| raw.form);
        let bytes = raw.map_or(&[][..], |raw| raw.bytes);
        self.bytes.extend_from_slice(bytes);
        self.items.push(SampleItem {
            prefix,
            before,
            head: entry.head_bytes(),
            raw: bytes.len(),
            block_head: HEAD_BYTES + form.map_or(0, |_| FORM_BYTES),
        });
    }

    fn prefix_of(&mut self, key: &[u8]) -> usize {
        let rule = PrefixRule {
            delimiter: b':',
            depth: 1,
            lines_max: PREFIXES_MAX,
        };
        let name: &[u8] = match rule.prefix_of(key) {
            b"" => b"(none)",
            prefix => prefix,
        };
        let find = |name: &[u8]| self.prefixes.iter().position(|its| **its == *name);
        if let Some(at) = find(name) {
            return at;
        }
        let name: &[u8] = if self.prefixes.len() < PREFIXES_MAX {
            name
        } else {
            b"(other)"
        };
        find(name).unwrap_or_else(|| {
            self.prefixes.push(name.into());
            self.prefixes.len() - 1
        })
    }

    /// The estimate, the greatest savings first. O(bytes of the sample) and a training: for a
    /// thread.
    pub fn estimate(&self) -> Vec<PrefixEstimate> {
        let texts = || {
            let mut rest = &self.bytes[..];
            self.items.iter().map(move |item| {
                let (text, after) = rest.split_at(item.raw);
                rest = after;
                (item, text)
            })
        };
        let could = self.items.iter().filter(|item| item.raw > 0).count();
        // Every other value trains at most, so that each prefix has some that are measured.
        let step = could.div_ceil(TRAINING_MAX).max(2);
        let trains = |at: usize| at.is_multiple_of(step);
        let mut training = Samples::default();
        let coverable = texts().filter(|(item, _)| item.raw > 0);
        for (_, text) in coverable
            .enumerate()
            .filter(|(at, _)| trains(*at))
            .map(|(_, it)| it)
        {
            training.push(text);
        }
        let trained = train(&training);
        let dictionary = trained.or_else(|_| Dictionary::new(b""));
        let encoder = dictionary.and_then(|dictionary| Encoder::new(&dictionary));
        let Ok(mut encoder) = encoder else {
            return Vec::new();
        };
        let mut sums = vec![Sums::default(); self.prefixes.len()];
        let mut at = 0;
        for (item, text) in texts() {
            let sum = &mut sums[item.prefix];
            sum.keys += 1;
            sum.before += item.before as u64;
            if item.raw == 0 {
                continue;
            }
            if trains(at) {
                sum.trained += item.before as u64;
            } else {
                sum.measured += item.before as u64;
                sum.packed += item.packed(text, &mut encoder) as u64;
            }
            at += 1;
        }
        self.scaled(&sums)
    }

    /// The sums of the sample as those of all keys.
    fn scaled(&self, sums: &[Sums]) -> Vec<PrefixEstimate> {
        let of_all = |n: u64| {
            let all = u128::from(n) * u128::from(self.keys);
            all.checked_div(self.items.len() as u128).unwrap_or(0) as u64
        };
        let lines = self
            .prefixes
            .iter()
            .zip(sums)
            .map(|(prefix, sum)| PrefixEstimate {
                prefix: prefix.to_vec(),
                sampled: sum.keys,
                keys: of_all(sum.keys),
                bytes: of_all(sum.before),
                packed_bytes: of_all(sum.after()),
            });
        let mut lines: Vec<PrefixEstimate> = lines.collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.saved_bytes()));
        lines
    }
}

impl SampleItem {
    /// Bytes of the key with its value when that is packed, if packing would be worth it.
    fn packed(&self, text: &[u8], encoder: &mut Encoder) -> usize {
        let frame = encoder.pack(text, text.len());
        let bytes = frame.map(|frame| bytes_packed(self.head, self.block_head + frame.len()));
        bytes
            .filter(|bytes| *bytes <= self.before / 8 * 7)
            .unwrap_or(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DbIndex, Expiry, NewValue};

    const DB: DbIndex = DbIndex(0);

    fn filled() -> Keyspace {
        let mut k = Keyspace::new(2);
        for n in 0..600u64 {
            let text = format!(
                "{{\"user\":\"user {n}\",\"plan\":\"basic\",\"seats\":{},\"city\":\"Berlin\"}}",
                n % 31
            );
            let set = |k: &mut Keyspace, key: String, text: &[u8]| {
                let value = NewValue::text(text);
                k.db(DB).set_string(key.as_bytes(), value, Expiry::Clear);
            };
            set(&mut k, format!("session:{n}"), text.repeat(6).as_bytes());
            // The numbers after 0 are those after 1, one place later.
            let mut seed = n + 1;
            let noise: Vec<u8> = std::iter::repeat_with(|| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .take(500)
            .collect();
            set(&mut k, format!("noise:{n}"), &noise);
            set(&mut k, format!("short{n}"), b"a short text");
        }
        k
    }

    #[test]
    fn the_estimate_is_what_packing_then_saves() {
        let mut k = filled();
        let lines = k
            .sample_for_packing(&PackRule::default(), 10_000)
            .estimate();
        let line = |prefix: &str| {
            let found = lines.iter().find(|line| line.prefix == prefix.as_bytes());
            found.expect("a line").clone()
        };
        let (session, noise, short) = (line("session:"), line("noise:"), line("(none)"));
        assert_eq!(lines[0], session);
        assert_eq!((session.keys, noise.keys, short.keys), (600, 600, 600));
        assert_eq!((noise.saved_bytes(), short.saved_bytes()), (0, 0));
        assert!(session.packed_bytes * 2 < session.bytes);
        let bytes = |k: &Keyspace| -> u64 {
            let entries = k.database(DB).entries();
            let of = entries.filter(|entry| entry.key().starts_with(b"session:"));
            of.map(|entry| bytes_of(entry) as u64).sum()
        };
        assert_eq!(session.bytes, bytes(&k));
        assert!(k.train_for_packing());
        k.pack_all(&PackRule::default());
        let packed = bytes(&k);
        let apart = packed.abs_diff(session.packed_bytes);
        assert!(apart * 5 < packed, "{packed} {}", session.packed_bytes);
    }

    #[test]
    fn a_part_of_the_keys_stands_for_all() {
        let k = filled();
        let sample = k.sample_for_packing(&PackRule::default(), 300);
        assert_eq!(sample.len(), 300);
        let lines = sample.estimate();
        let keys: u64 = lines.iter().map(|line| line.keys).sum();
        assert!((1790..=1800).contains(&keys), "{keys}");
        assert!(
            Keyspace::new(1)
                .sample_for_packing(&PackRule::default(), 9)
                .estimate()
                .is_empty()
        );
    }
}
