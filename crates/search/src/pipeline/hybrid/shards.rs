//! FT.HYBRID over the shards of a cluster: each sends the best documents of both sides, and the
//! node that was asked combines the documents of all.
//!
//! A row has the text's score and the vector's distance under names that no field has.

use smallvec::{SmallVec, smallvec};

use super::{Places, combine};
use crate::expression::Value;
use crate::hit::{DocumentId, Hit};
use crate::pipeline::FieldName;
use crate::pipeline::names::KEY;
use crate::pipeline::row::Row;
use crate::pipeline::shards::{Answer, ShardRow};
use crate::pipeline::step::{Pipeline, Source};
use crate::request::{HybridReach, HybridRequest};
use crate::schema::Metric;

const TEXT: &[u8] = b"\0text";
const VECTOR: &[u8] = b"\0vector";

/// The documents of both sides that may be among the best of all shards, each with the text's score
/// and the vector's distance; NaN: the side lacks the document. O(n log n).
pub fn both_sides(request: &HybridRequest, mut texts: Vec<Hit>, mut vectors: Vec<Hit>) -> Vec<Hit> {
    super::keep_best(&mut texts, request.window);
    let window = match request.reach {
        Some(HybridReach::Nearest(k)) => usize::try_from(k).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let distance = |hit: &Hit| hit.distances.first().copied().unwrap_or(f64::NAN);
    vectors.retain(|hit| !distance(hit).is_nan());
    super::best(&mut vectors, window.min(request.window), |a, b| {
        distance(a).total_cmp(&distance(b))
    });
    let mut all: Vec<Hit> = texts
        .into_iter()
        .map(|hit| Hit {
            distances: smallvec![hit.score, f64::NAN],
            ..hit
        })
        .collect();
    let texts = all.iter().enumerate();
    let places: Places = texts.map(|(at, hit)| (hit.document, at)).collect();
    for hit in vectors {
        let its = distance(&hit);
        match places.get(&hit.document) {
            Some(at) => all[*at].distances[1] = its,
            None => all.push(Hit {
                distances: smallvec![f64::NAN, its],
                ..hit
            }),
        }
    }
    all
}

impl Pipeline {
    /// The steps of a shard, over documents of [`both_sides`].
    #[must_use]
    pub fn hybrid_of_shard(self) -> Pipeline {
        let mut shard = self.of_shard(true);
        let names = &mut shard.names[0];
        shard.source = Source {
            score: None,
            distances: vec![names.place(TEXT), names.place(VECTOR)],
            rows: None,
        };
        shard
    }

    /// Takes the documents of a side, 0 for the query's side, of all shards into a pipeline of
    /// [`Pipeline::of_shards`] that loads nothing: rows are keys and scores.
    pub fn take_side(
        &mut self,
        request: &HybridRequest,
        metric: Metric,
        mut answers: Vec<Answer>,
        side: usize,
    ) {
        let own = [TEXT, VECTOR][side];
        for answer in &mut answers {
            let names = &mut answer.names;
            answer.rows.retain_mut(|row| {
                row.values
                    .retain(|(name, _)| name.bytes(|place| &names[place]) == own);
                let is_of_side = !row.values.is_empty();
                let key = Value::Text(row.key.clone());
                row.values.push((FieldName::Place(names.len()), key));
                is_of_side
            });
            names.push(KEY.to_vec());
        }
        self.take_hybrid(request, metric, answers);
    }

    /// Takes the documents of all shards into a pipeline of [`Pipeline::of_shards`].
    pub fn take_hybrid(&mut self, request: &HybridRequest, metric: Metric, answers: Vec<Answer>) {
        let mut rows: Vec<(ShardRow, usize)> = Vec::new();
        let mut names: Vec<Vec<Vec<u8>>> = Vec::new();
        let (mut texts, mut vectors) = (Vec::new(), Vec::new());
        for answer in answers {
            for mut row in answer.rows {
                let document = DocumentId(rows.len() as u32);
                let mut own = |wanted: &[u8]| {
                    let is_it = |(name, _): &(FieldName, Value)| {
                        name.bytes(|place| &answer.names[place]) == wanted
                    };
                    let at = row.values.iter().position(is_it)?;
                    row.values.remove(at).1.number()
                };
                let (text, vector) = (own(TEXT), own(VECTOR));
                if let Some(score) = text {
                    texts.push(Hit {
                        document,
                        score,
                        distances: SmallVec::new(),
                        terms: Vec::new(),
                        explanation: row.explanation.take(),
                    });
                }
                if let Some(distance) = vector {
                    vectors.push(Hit {
                        document,
                        score: 0.0,
                        distances: smallvec![distance],
                        terms: Vec::new(),
                        explanation: None,
                    });
                }
                rows.push((row, names.len()));
            }
            names.push(answer.names);
        }
        for hit in combine(request, metric, texts, vectors) {
            let (of, shard) = &rows[hit.document.0 as usize];
            let mut row = Row {
                score: hit.score,
                explanation: hit.explanation,
                ..Row::default()
            };
            for (name, value) in &of.values {
                let name = name.bytes(|place| &names[*shard][place]);
                self.names[0].put(&mut row, name, value.clone(), false);
            }
            if let Some(place) = self.source.score {
                row.set(place, Value::Number(hit.score));
            }
            for (place, distance) in self.source.distances.iter().zip(hit.distances) {
                if !distance.is_nan() {
                    row.set(*place, Value::Number(distance));
                }
            }
            if let Some(shards) = &mut self.source.rows {
                shards.rows.push_back(row);
            }
        }
    }
}
