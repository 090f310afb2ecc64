//! Patterns, found by what they begin with.
//!
//! Every pattern begins with literal bytes, be they none: `news.*` with `news.`, `h?llo` with
//! `h`, `*` with nothing. A channel that it matches begins so, too. Patterns stand under those
//! bytes; a channel is looked up by its first n bytes for every n that some pattern has, and
//! only what stands there is matched - nothing at all where the rest is one star.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::subscribers::Subscribers;
use super::{Hashed, Name, gives_back};
use crate::base::glob;
use crate::keyspace::ClientId;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    by_pattern: HashMap<Name, Subscribers, Hashed>,
    /// The patterns that begin with these bytes.
    by_head: HashMap<Box<[u8]>, HashSet<Name, Hashed>, Hashed>,
    /// Lengths of those bytes, and how many heads have each.
    lengths: BTreeMap<usize, usize>,
}

/// How many literal bytes a pattern begins with.
fn head_len(pattern: &[u8]) -> usize {
    let special = |b: &u8| matches!(b, b'*' | b'?' | b'[' | b'\\');
    pattern.iter().position(special).unwrap_or(pattern.len())
}

impl Patterns {
    pub fn is_empty(&self) -> bool {
        self.by_pattern.is_empty()
    }

    pub fn len(&self) -> usize {
        self.by_pattern.len()
    }

    pub fn add(&mut self, pattern: &[u8], client: ClientId) -> Name {
        if let Some((name, _)) = self.by_pattern.get_key_value(pattern) {
            let name = Arc::clone(name);
            self.by_pattern
                .get_mut(&name)
                .expect("it was found")
                .add(client);
            return name;
        }
        let name: Name = pattern.into();
        let one = Subscribers::One(client);
        self.by_pattern.insert(Arc::clone(&name), one);
        let head = &pattern[..head_len(pattern)];
        match self.by_head.get_mut(head) {
            Some(patterns) => _ = patterns.insert(Arc::clone(&name)),
            None => {
                let patterns = HashSet::from_iter([Arc::clone(&name)]);
                self.by_head.insert(head.into(), patterns);
                *self.lengths.entry(head.len()).or_default() += 1;
            }
        }
        name
    }

    pub fn remove(&mut self, pattern: &[u8], client: ClientId) {
        let Some(subscribers) = self.by_pattern.get_mut(pattern) else {
            return;
        };
        if !subscribers.remove(client) {
            return;
        }
        self.by_pattern.remove(pattern);
        if gives_back(self.by_pattern.len(), self.by_pattern.capacity()) {
            self.by_pattern.shrink_to(self.by_pattern.len() * 2);
        }
        let head = &pattern[..head_len(pattern)];
        let Some(patterns) = self.by_head.get_mut(head) else {
            return;
        };
        patterns.remove(pattern);
        if patterns.is_empty() {
            self.by_head.remove(head);
            if gives_back(self.by_head.len(), self.by_head.capacity()) {
                self.by_head.shrink_to(self.by_head.len() * 2);
            }
            if let Some(heads) = self.lengths.get_mut(&head.len()) {
                *heads -= 1;
                if *heads == 0 {
                    self.lengths.remove(&head.len());
                }
            }
        }
    }

    pub fn matching(&self, channel: &[u8], mut visit: impl FnMut(&Name, &[ClientId])) {
        for &len in self.lengths.range(..=channel.len()).map(|(len, _)| len) {
            let Some(patterns) = self.by_head.get(&channel[..len]) else {
                continue;
            };
            for pattern in patterns {
                if matches(pattern, len, channel)
                    && let Some(subscribers) = self.by_pattern.get(pattern)
                {
                    visit(pattern, subscribers.ids());
                }
            }
        }
    }
}

/// Whether a pattern matches a channel that begins with its `head` literal bytes.
fn matches(pattern: &[u8], head: usize, channel: &[u8]) -> bool {
    match &pattern[head..] {
        // Nothing but an empty pattern matches an empty text.
        b"*" if !channel.is_empty() => true,
        _ => glob::matches(pattern, channel, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(p: &Patterns, channel: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        p.matching(channel, |name, _| found.push(name.to_vec()));
        found.sort();
        found
    }

    proptest! {
        /// What is found is what trying every pattern finds.
        #[test]
        fn no_match_is_missed_and_none_made(
            patterns in proptest::collection::hash_set("[ab*?\\[\\]\\\\^-]{0,5}", 0..20),
            gone in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
            channel in "[ab*]{0,5}",
        ) {
            let mut p = Patterns::default();
            let mut left: Vec<Vec<u8>> = patterns.into_iter().map(String::into_bytes).collect();
            for pattern in &left {
                p.add(pattern, ClientId(1));
            }
            for at in gone {
                if !left.is_empty() {
                    let pattern = left.swap_remove(at.index(left.len()));
                    p.remove(&pattern, ClientId(1));
                }
            }
            left.retain(|pattern| glob::matches(pattern, channel.as_bytes(), false));
            left.sort();
            prop_assert_eq!(found(&p, channel.as_bytes()), left);
        }
    }

    #[test]
    fn nothing_is_left_of_what_went() {
        let mut p = Patterns::default();
        for n in 0..1000 {
            p.add(format!("news.{n}.*").as_bytes(), ClientId(1));
            p.add(format!("*{n}").as_bytes(), ClientId(1));
        }
        assert_eq!(found(&p, b"news.77.x"), [b"news.77.*"]);
        for n in 0..1000 {
            p.remove(format!("news.{n}.*").as_bytes(), ClientId(1));
            p.remove(format!("*{n}").as_bytes(), ClientId(1));
        }
        assert!(p.is_empty() && p.by_head.is_empty() && p.lengths.is_empty());
    }
}
