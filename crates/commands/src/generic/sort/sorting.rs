//! Loads and sorts the elements of a key.
//!
//! `SortElements` copies all texts (elements, and weights for ALPHA) into one buffer, so that
//! sorting moves small records and lookups may expire keys.

use std::cmp::Ordering;

use super::options::SortOptions;
use super::pattern::Pattern;
use russet_base::sys::locale::Collation;
use russet_command::CommandError;
use russet_config::Dialect;
use russet_keyspace::Db;
use russet_types::{Container, Entry, List, Set, Type, Zset, is_expired};

/// The elements and their texts.
#[derive(Default)]
pub(super) struct SortElements {
    pub(super) buffer: Vec<u8>,
    pub(super) items: Vec<Item>,
    is_set: bool,
}

/// An element and the element's weight.
#[derive(Clone, Copy)]
pub(super) struct Item {
    pub(super) text: Text,
    weight: Weight,
}

/// A text in the buffer.
#[derive(Clone, Copy)]
pub(super) struct Text {
    at: usize,
    len: usize,
}

impl Text {
    pub(super) fn of(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.at..][..self.len]
    }

    fn copy(entry: Entry<'_>, buffer: &mut Vec<u8>) -> Text {
        let at = buffer.len();
        let mut digits = itoa::Buffer::new();
        buffer.extend_from_slice(entry.bytes(&mut digits));
        Text {
            at,
            len: buffer.len() - at,
        }
    }
}

/// The sort key of an element.
#[derive(Clone, Copy)]
enum Weight {
    Score(f64),
    Text(Option<Text>),
}

impl SortElements {
    fn add(&mut self, entry: Entry<'_>) {
        let text = Text::copy(entry, &mut self.buffer);
        let weight = match entry {
            Entry::Int(value) => Weight::Score(value as f64),
            Entry::Str(_) => Weight::Text(None),
        };
        self.items.push(Item { text, weight });
    }

    /// Loads the elements. For a list or sorted set that need not be sorted, loads only the range
    /// of LIMIT, which then starts at 0, and returns true.
    pub(super) fn load(
        &mut self,
        db: &mut Db<'_>,
        key: &[u8],
        o: &SortOptions<'_>,
    ) -> Result<bool, CommandError> {
        let kind = db.kind(key);
        let now = db.due_ms() as u64;
        let len = match kind {
            None => 0,
            Some(Type::List) => db.peek::<List>(key)?.map_or(0, |v| v.len()),
            Some(Type::Set) => db.peek::<Set>(key)?.map_or(0, |v| v.len()),
            Some(Type::Zset) => db.peek::<Zset>(key)?.map_or(0, |v| v.len()),
            Some(_) => return Err(CommandError::WrongType),
        };
        if len == 0 {
            return Ok(false);
        }
        let ordered = o.unsorted && kind != Some(Type::Set);
        let (first, count, backward) = if ordered {
            let (start, end) = o.range(len);
            let first = if o.descending {
                len as i64 - 1 - start
            } else {
                start
            };
            (first as usize, (end - start + 1) as usize, o.descending)
        } else {
            (0, len, false)
        };
        self.items.reserve_exact(count);
        self.is_set = kind == Some(Type::Set);
        match kind {
            Some(Type::List) => {
                if let Some(list) = db.peek::<List>(key)? {
                    list.visit(first, count, backward, |entry| {
                        self.add(entry);
                        true
                    });
                }
            }
            Some(Type::Zset) => {
                if let Some(mut zset) = db.write::<Zset>(key)? {
                    // Redis sorts only large sorted sets: visible in OBJECT ENCODING.
                    zset.become_table();
                    zset.visit(first, count, backward, |_, entry| {
                        self.add(entry);
                        true
                    });
                }
            }
            _ => {
                if let Some(set) = db.peek::<Set>(key)? {
                    set.visit_expiries(|entry, expiry| {
                        if !is_expired(expiry, now) {
                            self.add(entry);
                        }
                        true
                    });
                }
            }
        }
        Ok(ordered)
    }

    /// Determines each element's weight, a text: the element itself, or the text that `by` finds.
    pub(super) fn weigh_texts(
        &mut self,
        db: &mut Db<'_>,
        by: Option<&Pattern<'_>>,
        collation: Option<&Collation>,
    ) {
        let mut key = Vec::new();
        let buffer = &mut self.buffer;
        let mut weights = Vec::new();
        for item in &mut self.items {
            let own = item.text.of(buffer);
            let mut add = |text: Entry<'_>| {
                let mut weight = match collation {
                    Some(collation) => {
                        let mut digits = itoa::Buffer::new();
                        let at = weights.len();
                        collation.write_key(text.bytes(&mut digits), &mut weights);
                        let len = weights.len() - at;
                        Text { at, len }
                    }
                    None => Text::copy(text, &mut weights),
                };
                weight.at += buffer.len();
                weight
            };
            item.weight = Weight::Text(match (by, collation) {
                (Some(by), _) => by.look_up(db, own, &mut key, add),
                (None, Some(_)) => Some(add(Entry::Str(own))),
                (None, None) => Some(item.text),
            });
        }
        buffer.append(&mut weights);
    }

    /// Determines each element's weight, a number; `false` if any weight is no number.
    pub(super) fn weigh_numbers(
        &mut self,
        db: &mut Db<'_>,
        by: Option<&Pattern<'_>>,
        dialect: Dialect,
    ) -> bool {
        let mut key = Vec::new();
        let mut numbers = true;
        for item in &mut self.items {
            let own = item.text.of(&self.buffer);
            item.weight = match (by, item.weight) {
                (None, Weight::Score(_)) => continue,
                (None, Weight::Text(_)) => number(own, dialect, &mut numbers),
                (Some(by), _) => {
                    let found = by.look_up(db, own, &mut key, |weight| match weight {
                        Entry::Int(value) => Weight::Score(value as f64),
                        Entry::Str(text) => number(text, dialect, &mut numbers),
                    });
                    found.unwrap_or(Weight::Score(0.0))
                }
            };
        }
        numbers
    }

    /// Puts the elements from `start` to `end` into order. Equal weights are ordered by the
    /// elements' bytes, except for texts that BY finds for a list or sorted set: elements with
    /// equal texts keep the order in which they were loaded. A set's order differs from server to
    /// server.
    pub(super) fn sort(&mut self, start: i64, end: i64, o: &SortOptions<'_>) {
        let SortElements {
            buffer,
            items,
            is_set,
        } = self;
        let text = |t: Text| t.of(buffer);
        let compare = |a: &Item, b: &Item| {
            let order = match (a.weight, b.weight) {
                (Weight::Score(x), Weight::Score(y)) => x
                    .partial_cmp(&y)
                    .unwrap_or(Ordering::Equal)
                    .then_with(|| text(a.text).cmp(text(b.text))),
                (Weight::Text(x), Weight::Text(y)) => {
                    let order = x.map(text).cmp(&y.map(text));
                    if *is_set {
                        order.then_with(|| text(a.text).cmp(text(b.text)))
                    } else {
                        order
                    }
                }
                _ => unreachable!("all weights are of one kind"),
            };
            if o.descending { order.reverse() } else { order }
        };
        if end < start {
            return;
        }
        if o.alpha && o.by.is_some() {
            items.sort_by(compare);
            return;
        }
        // The order is total, so a short range can be selected before it is sorted.
        let (start, end) = (start as usize, end as usize);
        let mut part = &mut items[..];
        if end + 1 < part.len() {
            part.select_nth_unstable_by(end, compare);
            part = &mut part[..=end];
        }
        if start > 0 && start < part.len() {
            part.select_nth_unstable_by(start, compare);
        }
        part[start..].sort_unstable_by(compare);
    }
}

/// Parses a text as a score.
fn number(text: &[u8], dialect: Dialect, all: &mut bool) -> Weight {
    let value = dialect.parse_double(text);
    *all &= value.is_some();
    Weight::Score(value.unwrap_or(0.0))
}
