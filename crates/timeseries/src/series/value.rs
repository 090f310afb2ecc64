//! A series as the value of a key: memory, signature, and the figures of TS.INFO.

use super::Series;
use crate::Policy;
use crate::chunk::Chunk;
use crate::rule::Links;
use russet_base::memory::alloc::{boxed_bytes, deque_bytes};
use russet_base::memory::content::Content;
use russet_base::memory::mover::Mover;
use std::ops::ControlFlow;

/// Bytes of a chunk beside its samples, in Redis.
const PACKED_HEAD_BYTES: usize = 80;
const PLAIN_HEAD_BYTES: usize = 32;
/// Bytes beside chunks, labels and rules.
const OTHER_BYTES: usize = 8;
/// Bytes of a rule, likewise.
const RULE_BYTES: usize = 64;

impl Content for Series {
    /// O(chunks).
    fn memory_bytes(&self) -> usize {
        let chunks = self.chunks.iter().map(Chunk::memory_bytes);
        let links = self.links.as_ref();
        let links = links.map_or(0, |links| boxed_bytes::<Links>() + links.memory_bytes());
        deque_bytes(&self.chunks) + chunks.sum::<usize>() + self.labels.memory_bytes() + links
    }

    fn free_effort(&self) -> usize {
        self.chunks.len()
    }

    fn free_step(&mut self, n: usize) -> bool {
        for _ in 0..n {
            if self.chunks.pop_back().is_none() {
                return true;
            }
        }
        self.chunks.is_empty()
    }

    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        if at == 0 {
            mover.deque(&mut self.chunks);
            self.labels.relocate(mover);
            if let Some(links) = &mut self.links {
                mover.boxed(links);
            }
        }
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let chunks = self.chunks.iter_mut().skip(start);
        chunks
            .take(n.max(1))
            .for_each(|chunk| chunk.relocate(mover));
        let next = start.saturating_add(n.max(1));
        (next < self.chunks.len()).then_some(next as u64)
    }

    fn sign(&self, take: &mut dyn FnMut(&[u8])) {
        let options = &self.options;
        let numbers = [
            options.retention_ms,
            options.chunk_bytes.into(),
            options.is_packed.into(),
            options.policy.map_or(0, Policy::number),
            options.ignored_ms,
            options.ignored_change.to_bits(),
        ];
        numbers.iter().for_each(|n| take(&n.to_le_bytes()));
        for (name, value) in self.labels.iter() {
            take(name);
            take(value);
        }
        for rule in self.rules() {
            take(rule.dest());
            take(&rule.aggregator().number().to_le_bytes());
        }
        take(self.source().unwrap_or_default());
        self.for_each(0, u64::MAX, |sample| {
            take(&sample.timestamp.to_le_bytes());
            take(&sample.value.to_bits().to_le_bytes());
        });
    }

    /// O(samples).
    fn check_invariants(&self) {
        let total: u64 = self.chunks.iter().map(|chunk| chunk.len() as u64).sum();
        assert_eq!(total, self.total);
        assert!(!self.chunks.is_empty());
        let mut before = None;
        for chunk in &self.chunks {
            chunk.check_invariants();
            assert!(chunk.len() > 0 || self.chunks.len() == 1);
            assert!(before.is_none_or(|last| chunk.first() > last));
            before = Some(chunk.last().timestamp);
        }
        if self.total > 0 {
            assert_eq!(before, Some(self.last.timestamp));
        }
    }
}

impl Series {
    /// The first timestamp that the retention keeps, and the number of samples from it on; zeros
    /// without samples. O(1), with a retention O(samples of a chunk).
    pub fn seen(&self) -> (u64, u64) {
        let oldest = self.oldest_kept();
        let (mut total, mut first) = (self.total, self.first_timestamp());
        for chunk in &self.chunks {
            if self.total == 0 || chunk.first() >= oldest {
                first = chunk.first();
                break;
            }
            if chunk.last().timestamp < oldest {
                total -= chunk.len() as u64;
                continue;
            }
            let mut kept = 0;
            let _ = chunk.visit(oldest, u64::MAX, &mut |times, _| {
                if kept == 0 {
                    first = times[0];
                }
                kept += times.len() as u64;
                ControlFlow::Continue(())
            });
            total -= chunk.len() as u64 - kept;
            break;
        }
        (first, total)
    }

    /// Bytes as Redis's INFO counts them, with so many rules: of the chunks at their full size.
    pub fn redis_bytes(&self, rules: usize) -> usize {
        let head = if self.options.is_packed {
            PACKED_HEAD_BYTES
        } else {
            PLAIN_HEAD_BYTES
        };
        let chunks = self.chunks.iter();
        let chunks = chunks.map(|chunk| chunk.size() as usize + head);
        let labels = self.labels.iter();
        // Two pointers, and texts with an end of a byte.
        let labels = labels.map(|(name, value)| 16 + name.len() + value.len() + 2);
        chunks.sum::<usize>() + labels.sum::<usize>() + rules * RULE_BYTES + OTHER_BYTES
    }
}
