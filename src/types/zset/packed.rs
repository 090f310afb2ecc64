//! A small sorted set as the entries of a listpack: a member and its score, by score and
//! among equal scores by the member's bytes.

use super::super::Entry;
use crate::base::float::{as_integer, parse_double, write_double};
use crate::encodings::listpack::{Listpack, Pos};

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

fn score_of(entry: Entry<'_>) -> f64 {
    match entry {
        Entry::Int(value) => value as f64,
        Entry::Str(text) => parse_double(text).unwrap_or(0.0),
    }
}

/// Whether every second entry is a number.
pub(in crate::types) fn scores_are_numbers(pack: &Listpack) -> bool {
    pack.iter().skip(1).step_by(2).all(|entry| match entry {
        Entry::Int(_) => true,
        Entry::Str(text) => parse_double(text).is_some(),
    })
}

/// A member and score, the member at `at`.
pub(super) fn element(pack: &Listpack, at: Pos) -> (f64, Entry<'_>) {
    let score = pack.next(at).expect("whole pairs");
    (score_of(pack.get(score)), pack.get(at))
}

/// The pair behind the one at `at`.
pub(super) fn next_pair(pack: &Listpack, at: Pos) -> Option<Pos> {
    pack.next(pack.next(at)?)
}

/// The pair before the one at `at`.
pub(super) fn prev_pair(pack: &Listpack, at: Pos) -> Option<Pos> {
    pack.prev(pack.prev(at)?)
}

/// Where the member stands.
pub(super) fn find(pack: &Listpack, member: &[u8]) -> Option<Pos> {
    pack.find(pack.first()?, member, 1)
}

/// Inserts a pair where its score belongs.
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
