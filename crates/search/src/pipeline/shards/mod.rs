//! Answers of a cluster's shards to a query, and how they are merged.
//!
//! | module | what |
//! |---|---|
//! | `wire` | numbers, texts and values as bytes |
//! | `merge` | rows of all shards in a single order |
//!
//! `pipeline::split` divides the stages of FT.AGGREGATE between shards and the node that was asked.
//!
//! Invariants
//!   1. The rows of an answer are in the order of the shard.
//!   2. A row's values are in the order of the answer's `names`.

mod merge;
#[cfg(test)]
mod tests;
pub mod wire;

use super::{FieldName, OutputRow, Pipeline};
use crate::expression::Value;
use crate::hit::Explanation;
use ahash::RandomState;
use hashbrown::HashMap;
use wire::{Reader, Writer};

pub use merge::{Order, keep_nearest, merge};

/// A row of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ShardRow {
    /// Empty: it is a group.
    pub key: Vec<u8>,
    pub score: f64,
    /// Of the first vector part of the query; NaN: it has none.
    pub distance: f64,
    pub explanation: Option<Explanation>,
    pub sort_key: Option<Value>,
    pub payload: Option<Vec<u8>>,
    /// Whether the row's document was gone when it was to be loaded.
    pub is_gone: bool,
    pub values: Vec<(FieldName, Value)>,
}

/// The answer of a shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Documents that match.
    pub total: u64,
    pub warnings: Vec<String>,
    /// The names of places.
    pub names: Vec<Vec<u8>>,
    pub rows: Vec<ShardRow>,
    /// FT.PROFILE: the shard's part of the reply, as replies of RESP2 and of RESP3. Empty: not
    /// asked for.
    pub profile: [Vec<u8>; 2],
}

impl Answer {
    /// Rows of a pipeline; `key` and `payload` return the keys and payloads of documents.
    pub fn of<'k>(
        rows: Vec<OutputRow>,
        pipeline: &Pipeline,
        document: impl Fn(&OutputRow) -> (Option<&'k [u8]>, Option<&'k [u8]>),
    ) -> Answer {
        let mut answer = Answer {
            total: pipeline.total(),
            names: pipeline.all_names(),
            ..Answer::default()
        };
        answer.rows.reserve_exact(rows.len());
        for row in rows {
            let (key, payload) = document(&row);
            answer.rows.push(ShardRow {
                key: key.unwrap_or_default().to_vec(),
                payload: payload.map(<[u8]>::to_vec),
                score: row.score,
                distance: row.distance,
                explanation: row.explanation,
                sort_key: row.sort_key,
                is_gone: row.is_gone,
                values: row.fields,
            });
        }
        answer.place_names();
        answer
    }

    /// Gives places to the names that rows have of their own.
    fn place_names(&mut self) {
        let mut places: HashMap<Box<[u8]>, usize, RandomState> = HashMap::default();
        let names = &mut self.names;
        for (name, _) in self.rows.iter_mut().flat_map(|row| &mut row.values) {
            let FieldName::Own(own) = name else {
                continue;
            };
            let place = *places.entry(std::mem::take(own)).or_insert_with_key(|own| {
                names.push(own.to_vec());
                names.len() - 1
            });
            *name = FieldName::Place(place);
        }
    }

    /// The answer as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(self.total);
        out.size(self.warnings.len());
        let warnings = self.warnings.iter();
        warnings.for_each(|text| out.text(text.as_bytes()));
        out.size(self.names.len());
        self.names.iter().for_each(|name| out.text(name));
        out.size(self.rows.len());
        for row in &self.rows {
            out.text(&row.key);
            out.double(row.score);
            out.double(row.distance);
            out.option(row.explanation.as_ref(), Writer::explanation);
            out.option(row.sort_key.as_ref(), Writer::value);
            out.option(row.payload.as_deref(), Writer::text);
            out.byte(row.is_gone.into());
            out.size(row.values.len());
            for (name, value) in &row.values {
                let FieldName::Place(place) = name else {
                    unreachable!("`Answer::of` gives places to all names");
                };
                out.size(*place);
                out.value(value);
            }
        }
        self.profile.iter().for_each(|text| out.text(text));
        out.0
    }

    /// The answer of bytes. `None`: they are damaged.
    pub fn read(bytes: &[u8]) -> Option<Answer> {
        let mut from = Reader(bytes);
        let total = from.number()?;
        let warnings = from.list(|its| String::from_utf8(its.text()?.to_vec()).ok())?;
        let names = from.list(|its| its.text().map(<[u8]>::to_vec))?;
        let rows = from.list(|its| {
            Some(ShardRow {
                key: its.text()?.to_vec(),
                score: its.double()?,
                distance: its.double()?,
                explanation: its.option(Reader::explanation)?,
                sort_key: its.option(Reader::value)?,
                payload: its.option(|its| its.text().map(<[u8]>::to_vec))?,
                is_gone: its.byte()? != 0,
                values: its.list(|its| {
                    let place = usize::try_from(its.number()?).ok()?;
                    let place = Some(place).filter(|place| *place < names.len())?;
                    Some((FieldName::Place(place), its.value()?))
                })?,
            })
        })?;
        let mut profile = || from.text().map(<[u8]>::to_vec);
        let profile = [profile()?, profile()?];
        let answer = Answer {
            total,
            warnings,
            names,
            rows,
            profile,
        };
        from.0.is_empty().then_some(answer)
    }
}
