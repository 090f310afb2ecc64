//! Sorted sets.
//!
//!     n (member, score)                           ZSET: scores as text, ZSET_2: as eight bytes
//!     a ziplist or listpack: member, score, ...
//!
//!     ZADD z score member ... | ZADD z ...

use super::packed::{pack, repacked_pairs};
use super::{NamedForm, SavedContainer, ValueForm};
use crate::aof::{CommandWriter, ELEMENTS_MAX};
use crate::rdb::Part::{Raw, Score, Text, Times};
use crate::rdb::{Fault, Input, RdbWriter, Rules, VERSION_LISTPACKS};
use russet_base::numbers::float::{parse_double, write_double};
use russet_encodings::scored::ScoredBuilder;
use russet_types::{Container, Limits, Zset};

/// Scores as text.
const ZSET: u8 = 3;
/// Scores as eight bytes.
const ZSET_2: u8 = 5;
const ZIPLIST: u8 = 12;
const LISTPACK: u8 = 17;

impl SavedContainer for Zset {
    const FORMS: &[NamedForm] = &[
        (ZSET, "zset-v1", &[Times(&[Text, Score])]),
        (ZSET_2, "zset-v2", &[Times(&[Text, Raw(8)])]),
        (ZIPLIST, "zset-ziplist", &[Text]),
        (LISTPACK, "zset-listpack", &[Text]),
    ];

    fn load(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Zset, Fault> {
        let limits = &rules.limits;
        let pack = match kind {
            LISTPACK => pack(input, rules, 2)?,
            ZIPLIST => repacked_pairs(input)?,
            _ => return scored(input, kind, limits),
        };
        if !pack.len().is_multiple_of(2) {
            return Err(Fault::Records);
        }
        Zset::import_pack(pack, limits).ok_or(Fault::Score)
    }

    fn form(&self, version: u32) -> ValueForm {
        ValueForm::of(match self {
            Zset::Listpack(_) if version >= VERSION_LISTPACKS => LISTPACK,
            _ => ZSET_2,
        })
    }

    fn save_head(&self, to: &mut RdbWriter, form: ValueForm) {
        match self {
            Zset::Listpack(pack) if form.kind == LISTPACK => to.pack(pack),
            _ => to.length(self.len() as u64),
        }
    }

    /// Highest scores first: a reader inserts each before the others.
    fn save_part(&self, to: &mut RdbWriter, form: ValueForm, at: u64, limit: usize) -> Option<u64> {
        if form.kind == LISTPACK {
            return None;
        }
        let (at, len) = (at as usize, self.len());
        let highest = len.saturating_sub(1 + at);
        self.visit(highest, limit, true, |score, member| {
            to.element(member);
            to.raw(&score.to_le_bytes());
            true
        });
        let next = at + limit;
        (next < len).then_some(next as u64)
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], at: u64, most: usize) -> Option<u64> {
        const NAME: &[u8] = b"ZADD";
        let from = at as usize;
        self.visit(from, most, false, |score, member| {
            let mut text = Vec::new();
            write_double(&mut text, score);
            to.word(&text);
            to.entry(member);
            to.end_command(NAME, key, 2 * ELEMENTS_MAX);
            true
        });
        to.end_command(NAME, key, 0);
        let end = from.saturating_add(most);
        (end < self.len()).then_some(end as u64)
    }
}

/// Members with scores, each by itself.
fn scored(input: &mut Input<'_>, kind: u8, limits: &Limits) -> Result<Zset, Fault> {
    let mut table = ScoredBuilder::default();
    let mut member = Vec::new();
    for _ in 0..input.count(2)? {
        input.string_to(&mut member)?;
        let score = match kind {
            ZSET => score_text(input)?,
            _ => input.double()?,
        };
        if score.is_nan() {
            return Err(Fault::Score);
        }
        if !table.add(&member, score) {
            return Err(Fault::Duplicate);
        }
    }
    Ok(Zset::import_table(table.finish(), limits))
}

/// A score in old files: the length in a byte, and the text.
fn score_text(input: &mut Input<'_>) -> Result<f64, Fault> {
    Ok(match input.byte()? {
        255 => f64::NEG_INFINITY,
        254 => f64::INFINITY,
        253 => f64::NAN,
        len => {
            let mut text = [0; 252];
            let text = &mut text[..usize::from(len)];
            for byte in text.iter_mut() {
                *byte = input.byte()?;
            }
            parse_double(text).ok_or(Fault::Score)?
        }
    })
}
