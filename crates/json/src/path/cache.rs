//! Compiled paths by their texts.
//!
//! Two generations: a path that is used is, or comes back, in the young generation. When that has
//! half of what the cache may keep, it becomes the old generation, and the previous old generation
//! goes. So paths in use stay, at the cost of a hash and a lookup for a path of the young
//! generation.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;

use super::{Path, PathError};

/// Keeps compiled paths within bounds of number and bytes.
#[derive(Debug)]
pub struct PathCache {
    young: HashMap<Box<str>, Arc<Path>, RandomState>,
    young_bytes: usize,
    old: HashMap<Box<str>, Arc<Path>, RandomState>,
    old_bytes: usize,
    entries_max: usize,
    bytes_max: usize,
}

impl PathCache {
    /// A cache for at most so many paths, which take at most so many bytes.
    pub fn new(entries_max: usize, bytes_max: usize) -> Self {
        PathCache {
            young: HashMap::default(),
            young_bytes: 0,
            old: HashMap::default(),
            old_bytes: 0,
            entries_max,
            bytes_max,
        }
    }

    /// The compiled path of a text, which is that of [`Path::parse`]. Failures are not kept.
    pub fn get(&mut self, text: &str) -> Result<Arc<Path>, PathError> {
        if let Some(path) = self.young.get(text) {
            return Ok(Arc::clone(path));
        }
        let path = match self.old.remove(text) {
            Some(path) => {
                self.old_bytes -= path.memory();
                path
            }
            None => Arc::new(Path::parse(text)?),
        };
        self.keep(text, &path);
        Ok(path)
    }

    /// Paths that are kept.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the kept paths take, about.
    pub fn memory(&self) -> usize {
        self.young_bytes + self.old_bytes
    }

    fn keep(&mut self, text: &str, path: &Arc<Path>) {
        let bytes = path.memory();
        if bytes > self.bytes_max / 2 || self.entries_max < 2 {
            return;
        }
        if self.young.len() + 1 > self.entries_max / 2
            || self.young_bytes + bytes > self.bytes_max / 2
        {
            self.old = std::mem::take(&mut self.young);
            self.old_bytes = std::mem::take(&mut self.young_bytes);
        }
        self.young.insert(text.into(), Arc::clone(path));
        self.young_bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_compiled_once() {
        let mut cache = PathCache::new(10, 1 << 20);
        let first = cache.get("$.a").unwrap();
        assert!(Arc::ptr_eq(&first, &cache.get("$.a").unwrap()));
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn both_dialects_of_a_path_are_kept_apart() {
        let mut cache = PathCache::new(10, 1 << 20);
        assert!(!cache.get("$.a").unwrap().is_legacy());
        assert!(cache.get(".a").unwrap().is_legacy());
    }

    #[test]
    fn bounds_hold_and_what_is_in_use_stays() {
        let mut cache = PathCache::new(20, 10_000);
        let used = cache.get("$.used").unwrap();
        for number in 0..1000 {
            cache
                .get(&format!("$.a{number}[?(@.b > {number})]"))
                .unwrap();
            assert!(Arc::ptr_eq(&used, &cache.get("$.used").unwrap()));
            assert!(cache.len() <= 20 && cache.memory() <= 10_000);
        }
    }

    #[test]
    fn errors_and_huge_paths_are_not_kept() {
        let mut cache = PathCache::new(20, 10_000);
        cache.get("$.").unwrap_err();
        cache.get(&format!("$.{}", "a".repeat(20_000))).unwrap();
        assert!(cache.is_empty());
    }
}
