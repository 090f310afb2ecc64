//! A small sorted set as the entries of a listpack: a member and its score, by score and
//! among equal scores by the member's bytes.

use super::super::Entry;
use russet_base::numbers::float::{as_integer, parse_double, write_double};
use russet_encodings::listpack::{Listpack, Pos};

/// A score in the form that a listpack stores.
pub(super) struct PackedScore {
    integer: Option<i64>,
    text: Vec<u8>,
}

impl PackedScore {
    pub(super) fn new(score: f64) -> Self {
        let (integer, mut text) = (as_integer(score), Vec::new());
        if integer.is_none() {
            write_double(&mut text, score);
        }
        PackedScore { integer, text }
    }

    pub(super) fn entry(&self) -> Entry<'_> {
        self.integer.map_or(Entry::parse(&self.text), Entry::Int)
    }
}

/// A stored score; `None`: it is no number.
#[inline]
fn score_of(entry: Entry<'_>) -> Option<f64> {
    match entry {
        Entry::Int(value) => Some(value as f64),
        Entry::Str(text) => parse_double(text),
    }
}

/// Whether the pairs of a listpack from outside are in the module's order; `None`: a score is no
/// number.
pub(crate) fn are_in_order(pack: &Listpack) -> Option<bool> {
    let (mut in_order, mut before) = (true, None);
    let (mut digits, mut others) = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut items = pack.iter();
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        let score = score_of(score)?;
        in_order &= before.is_none_or(|(lower, other): (f64, Entry<'_>)| {
            lower < score || lower == score && other.bytes(&mut others) < member.bytes(&mut digits)
        });
        before = Some((score, member));
    }
    Some(in_order)
}

/// A member and score, the member at `at`.
pub fn element(pack: &Listpack, at: Pos) -> (f64, Entry<'_>) {
    let score = pack.next(at).expect("whole pairs");
    (score_of(pack.get(score)).unwrap_or(0.0), pack.get(at))
}

/// The members and scores from the member at `at` on.
#[inline]
pub(super) fn pairs_from(pack: &Listpack, at: Pos) -> impl Iterator<Item = (f64, Entry<'_>)> {
    let mut entries = pack.iter_from(at);
    std::iter::from_fn(move || {
        let member = entries.next()?;
        let score = entries.next().expect("whole pairs");
        Some((score_of(score).unwrap_or(0.0), member))
    })
}

/// The pair after the pair at `at`.
pub(crate) fn next_pair(pack: &Listpack, at: Pos) -> Option<Pos> {
    pack.next(pack.next(at)?)
}

/// The pair before the pair at `at`.
pub(super) fn prev_pair(pack: &Listpack, at: Pos) -> Option<Pos> {
    pack.prev(pack.prev(at)?)
}

/// The member's position.
pub(super) fn find(pack: &Listpack, member: &[u8]) -> Option<Pos> {
    pack.find(pack.first()?, member, 1)
}

/// Inserts a pair in score order.
pub(super) fn insert_pair(pack: &mut Listpack, member: &[u8], score: f64) {
    let mut buffer = itoa::Buffer::new();
    let mut at = pack.first();
    while let Some(pos) = at {
        let (other, name) = element(pack, pos);
        if other > score || other == score && name.bytes(&mut buffer) > member {
            break;
        }
        at = next_pair(pack, pos);
    }
    pack.insert_all_before(at, &[Entry::parse(member), PackedScore::new(score).entry()]);
}
