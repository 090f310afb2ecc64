//! Patterns, indexed by their literal prefix.
//!
//! Every pattern begins with literal bytes, possibly none: `news.*` with `news.`, `h?llo` with
//! `h`, `*` with nothing. A channel that it matches has the same prefix. Patterns are indexed by
//! it; a single pass over the channel's name (`heads`) finds the candidates, and only these are
//! matched, from the end of the prefix on - not at all if the rest is a single star.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::heads::Heads;
use super::subscribers::Subscribers;
use super::{Name, NameHashState, gives_back};
use russet_base::glob;
use russet_keyspace::ClientId;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    by_pattern: HashMap<Name, Subscribers, NameHashState>,
    by_head: Heads<HashSet<Name, NameHashState>>,
}

/// The length of a pattern's literal prefix.
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
        self.by_head.under(head).insert(Arc::clone(&name));
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
        self.by_head.change(head, |patterns| {
            patterns.remove(pattern);
            patterns.is_empty()
        });
    }

    pub fn matching(&self, channel: &[u8], mut visit: impl FnMut(&Name, &[ClientId])) {
        self.by_head.of(channel, |patterns, len| {
            for pattern in patterns {
                if matches(pattern, len, channel)
                    && let Some(subscribers) = self.by_pattern.get(pattern)
                {
                    visit(pattern, subscribers.ids());
                }
            }
        });
    }
}

/// Whether a pattern, whose first `head` bytes are literal, matches a channel of at least that
/// length. These bytes are compared last: a mismatch in the rest is usually found sooner.
fn matches(pattern: &[u8], head: usize, channel: &[u8]) -> bool {
    let (rest, text) = (&pattern[head..], &channel[head..]);
    let matched = match rest {
        _ if head > 0 && text.is_empty() => rest.iter().all(|&byte| byte == b'*'),
        // Only an empty pattern matches an empty text.
        b"*" if !channel.is_empty() => true,
        _ => glob::matches(rest, text, false),
    };
    matched && pattern[..head] == channel[..head]
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
        /// The index finds the same patterns as trying each pattern.
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
        assert!(p.is_empty() && p.by_head.is_empty());
    }

    /// Microseconds for a message if the patterns have prefixes of `n` different lengths, all of
    /// its channel's name.
    fn message_us(n: usize) -> u128 {
        let mut p = Patterns::default();
        let channel = vec![b'a'; 2 * n];
        for len in 0..n {
            p.add(&[&channel[..len], b"[x]"].concat(), ClientId(1));
            p.add(&[&channel[..len], b"?b"].concat(), ClientId(1));
        }
        let once = || {
            let began = std::time::Instant::now();
            assert_eq!(found(&p, &channel), [b""; 0]);
            began.elapsed().as_micros()
        };
        (0..5).map(|_| once()).min().expect("five")
    }

    #[test]
    fn many_lengths_of_heads_cost_what_they_are() {
        let (few, many) = (message_us(1000), message_us(4000));
        // Quadratic time would be sixteen times as much, here more than 200 ms; the slack is for
        // cache misses.
        assert!(many < 10 * few + 30_000, "{few} us, then {many} us");
    }
}
