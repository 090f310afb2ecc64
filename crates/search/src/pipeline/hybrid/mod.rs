//! FT.HYBRID: the best documents of a query and the documents nearest to a vector, in a single
//! list.
//!
//! The best rows of each side, as many as the window has, get a combined score for each document; a
//! document of a single side has that side's part alone. The list goes through the steps of
//! FT.AGGREGATE.
//!
//! Source: Redis 8.10.

mod explain;
mod shards;

use std::cmp::Ordering;

use ahash::RandomState;
use hashbrown::HashMap;

use super::build::Builder;
use super::names::{KEY, Names};
use super::step::{Pipeline, Source, Step};
use crate::error::SearchError;
use crate::hit::{DocumentId, Hit};
use crate::request::{Arrange, Combine, HybridReach, HybridRequest, Limit, Stage};
use crate::schema::{FieldKind, Metric, Schema};
use explain::{Share, explain};
pub use shards::both_sides;

const SCORE: &[u8] = b"__score";

/// The places of documents in the combined list.
type Places = HashMap<DocumentId, usize, RandomState>;

impl Pipeline {
    /// The pipeline of FT.HYBRID over documents of [`combine`].
    ///
    /// Rows have `__key` and `__score` if nothing is loaded; the first ten, if there is no LIMIT.
    ///
    /// # Errors
    ///
    /// If a stage names a property that is not there, or an expression or a reducer is wrong.
    pub fn hybrid(request: &HybridRequest, schema: &Schema) -> Result<Pipeline, SearchError> {
        let mut builder = Builder {
            schema: Some(schema),
            names: vec![Names::default()],
            steps: Vec::new(),
            groups_max: request.aggregate.options.groups_max,
            rows_max: request.aggregate.options.rows_max,
            // The order by the merged score takes all rows in.
            counts_all: !request.is_unsorted,
        };
        let stages = &request.aggregate.stages;
        let loads = |stage: &Stage| matches!(stage, Stage::Load(_) | Stage::LoadAll);
        let is_bare = !stages.iter().any(loads);
        let loads_score = stages.iter().any(|stage| match stage {
            Stage::Load(fields) => fields.iter().any(|field| field.path == SCORE),
            _ => false,
        });
        let names = &mut builder.names[0];
        let mut source = Source::default();
        let yielded = request.text_score_name.iter();
        source
            .distances
            .extend(yielded.map(|name| names.place(name)));
        let key = if is_bare {
            names.load(KEY, KEY, Some(schema))
        } else {
            None
        };
        let score = request.score_name.as_deref();
        if let Some(name) = score.or((is_bare || loads_score).then_some(SCORE)) {
            source.score = Some(names.place(name));
        }
        let yielded = request.vector_score_name.iter();
        source
            .distances
            .extend(yielded.map(|name| names.place(name)));
        if let Some(key) = key {
            builder.push(Step::Load(vec![key]));
        }
        let has_limit = |stage: &Stage| matches!(stage, Stage::Arrange(of) if of.limit.is_some());
        let limit = Limit {
            offset: 0,
            count: 10,
        };
        let is_limited = stages.iter().any(has_limit);
        for stage in stages {
            match stage {
                // An order without a limit gets the usual limit.
                Stage::Arrange(arrange) if !is_limited => {
                    let limit = Some(limit);
                    let arrange = Arrange {
                        limit,
                        ..arrange.clone()
                    };
                    builder.stage(&Stage::Arrange(arrange))?;
                }
                stage => builder.stage(stage)?,
            }
        }
        let is_arranged = stages
            .iter()
            .any(|stage| matches!(stage, Stage::Arrange(_)));
        if !is_arranged {
            let limit = Some(limit);
            builder.stage(&Stage::Arrange(Arrange {
                limit,
                ..Arrange::default()
            }))?;
        }
        Ok(Pipeline::new(builder.names, builder.steps, source).counting(false, true))
    }
}

/// How the vectors of a request are compared.
pub fn metric_of(request: &HybridRequest, schema: &Schema) -> Metric {
    match schema.field(&request.field) {
        Some((_, field)) => match &field.kind {
            FieldKind::Vector(vector) => vector.metric,
            _ => Metric::L2,
        },
        None => Metric::L2,
    }
}

/// The documents of both sides with their combined scores, the best first, equal scores by document
/// number. The distances are the scores that the request names, in the order of the rows; NaN if a
/// side lacks the document.
///
/// `texts` have scores, `vectors` a distance each. O(n log n).
pub fn combine(
    request: &HybridRequest,
    metric: Metric,
    mut texts: Vec<Hit>,
    mut vectors: Vec<Hit>,
) -> Vec<Hit> {
    let mut window = request.window;
    keep_best(&mut texts, window);
    if let Some(HybridReach::Nearest(k)) = request.reach {
        window = window.min(usize::try_from(k).unwrap_or(usize::MAX));
    }
    let distance = |hit: &Hit| hit.distances.first().copied().unwrap_or(f64::NAN);
    vectors.retain(|hit| !distance(hit).is_nan());
    best(&mut vectors, window, |a, b| {
        distance(a).total_cmp(&distance(b))
    });

    let is_named = [&request.text_score_name, &request.vector_score_name].map(Option::is_some);
    let mut all: Vec<(Hit, [Option<Share>; 2])> = Vec::new();
    let mut places = Places::default();
    for (side, hits) in [texts, vectors].into_iter().enumerate() {
        for (at, hit) in hits.into_iter().enumerate() {
            let own = match side {
                0 => hit.score,
                _ => similarity(metric, distance(&hit)),
            };
            let part = match request.combine {
                Combine::ReciprocalRank { constant } => 1.0 / (constant + (at + 1) as f64),
                Combine::Linear { alpha, .. } if side == 0 => alpha * own,
                Combine::Linear { beta, .. } => beta * own,
            };
            let place = *places.entry(hit.document).or_insert_with(|| {
                let score = 0.0;
                all.push((Hit { score, ..hit }, [None; 2]));
                all.len() - 1
            });
            let (hit, owns) = &mut all[place];
            hit.score += part;
            let rank = at + 1;
            owns[side] = Some(Share { rank, own });
        }
    }
    all.sort_by(|(a, _), (b, _)| {
        let scores = b.score.total_cmp(&a.score);
        scores.then(a.document.cmp(&b.document))
    });
    let hits = all.into_iter().map(|(mut hit, shares)| {
        let named = shares.into_iter().zip(is_named);
        let named = named.filter(|(_, is_named)| *is_named);
        let own = |share: Option<Share>| share.map_or(f64::NAN, |share| share.own);
        hit.distances = named.map(|(share, _)| own(share)).collect();
        if request.aggregate.options.explains_scores {
            let of_text = hit.explanation.take();
            hit.explanation = Some(explain(request, shares, of_text, hit.score));
        }
        hit
    });
    hits.collect()
}

/// Keeps the hits with the highest scores, in order; of equal scores, the hits with the lowest
/// numbers. O(n log n).
pub fn keep_best(hits: &mut Vec<Hit>, count: usize) {
    best(hits, count, |a, b| b.score.total_cmp(&a.score));
}

/// Keeps the same hits as [`keep_best`], at least one, in any order; returns the lowest score among
/// them. O(n).
pub fn keep_any_best(hits: &mut Vec<Hit>, count: usize) -> Option<f64> {
    let last = count.min(hits.len()).checked_sub(1)?;
    let order = |a: &Hit, b: &Hit| {
        let scores = b.score.total_cmp(&a.score);
        scores.then(a.document.cmp(&b.document))
    };
    let (_, least, _) = hits.select_nth_unstable_by(last, order);
    let least = least.score;
    hits.truncate(count);
    Some(least)
}

/// Keeps the first hits of an order, equal hits by number.
fn best(hits: &mut Vec<Hit>, count: usize, order: impl Fn(&Hit, &Hit) -> Ordering) {
    hits.sort_by(|a, b| order(a, b).then(a.document.cmp(&b.document)));
    hits.truncate(count);
}

/// How alike two vectors of a distance are: of cosines 0 to 1.
fn similarity(metric: Metric, distance: f64) -> f64 {
    match metric {
        Metric::L2 => 1.0 / (1.0 + distance),
        Metric::Cosine => (2.0 - distance) / 2.0,
        // It grows with the distance: Redis has it so.
        Metric::InnerProduct => (1.0 + distance) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Hit, Pipeline, combine, keep_any_best, keep_best, metric_of};
    use crate::expression::Value;
    use crate::hit::DocumentId;
    use crate::index::Index;
    use crate::pipeline::{Context, FieldName, Loader};
    use crate::query::Dialect;
    use crate::record::words;
    use crate::request::{Defaults, HybridRequest};
    use crate::schema::parse::{JsonPath, create};

    /// Documents without fields.
    struct EmptyDocument;

    impl crate::document::Document for EmptyDocument {
        fn find(&self, _: &[u8]) -> crate::document::PathValues<'_> {
            crate::document::PathValues::Nothing
        }
    }

    impl Loader for EmptyDocument {
        fn load(&self, _: &[u8], _: &[u8]) -> Option<Value> {
            None
        }

        fn load_all(&self, _: &[u8]) -> Option<Vec<(Vec<u8>, Value)>> {
            None
        }
    }

    fn hit(document: u32, score: f64, distances: &[f64]) -> Hit {
        let document = DocumentId(document);
        Hit {
            document,
            score,
            distances: distances.into(),
            terms: Vec::new(),
            explanation: None,
        }
    }

    /// Four documents, of which the query finds 0, 1 and 2, and the vector 3, 2 and 1.
    fn combined(line: &str) -> (Vec<Hit>, (HybridRequest, Index)) {
        let schema = words("SCHEMA v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2");
        let schema: Vec<&[u8]> = schema.iter().map(Vec::as_slice).collect();
        let schema = create(b"i", &schema, &|_| Some(JsonPath::Ordered)).expect("a schema");
        let mut index = Index::new(schema);
        for key in ["a", "b", "c", "d"] {
            index.put(key.as_bytes(), &EmptyDocument);
        }
        let words = words(line);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let defaults = Defaults {
            dialect: Dialect::FIRST,
            rows_max: 100,
            offset_max: 100,
            groups_max: 100,
            is_resp3: false,
        };
        let request = HybridRequest::parse(&words, &defaults).expect("a request");
        let texts = [3.0, 2.0, 1.0].into_iter().zip(0..);
        let texts = texts.map(|(score, id)| hit(id, score, &[]));
        let vectors = [(3, 0.0), (2, 1.0), (1, 3.0)];
        let vectors = vectors.map(|(id, distance)| hit(id, 0.0, &[distance]));
        let metric = metric_of(&request, index.schema());
        let hits = combine(&request, metric, texts.collect(), vectors.to_vec());
        (hits, (request, index))
    }

    #[test]
    fn the_best_in_any_order_are_the_best() {
        let hits = (0..500u32).map(|n| hit(n, f64::from(n * 7919 % 61), &[]));
        let hits: Vec<Hit> = hits.collect();
        for count in [1, 2, 99, 499, 500, 900] {
            let (mut ordered, mut any) = (hits.clone(), hits.clone());
            keep_best(&mut ordered, count);
            let least = keep_any_best(&mut any, count);
            assert_eq!(least, ordered.last().map(|hit| hit.score));
            keep_best(&mut any, count);
            assert_eq!(any, ordered);
        }
        assert_eq!(keep_any_best(&mut Vec::new(), 3), None);
    }

    /// Both sides were merged in the square of their windows.
    #[test]
    fn large_windows_are_merged_at_once() {
        let line = "SEARCH a VSIM @v $b KNN 2 K 200000 COMBINE RRF 2 WINDOW 200000";
        let (_, (request, index)) = combined(line);
        let texts = (0..200_000u32).map(|n| hit(n, f64::from(n), &[]));
        let vectors = (100_000..300_000u32).map(|n| hit(n, 0.0, &[f64::from(n)]));
        let metric = metric_of(&request, index.schema());
        let hits = combine(&request, metric, texts.collect(), vectors.collect());
        assert_eq!(hits.len(), 300_000);
    }

    fn rows_of(line: &str) -> Vec<Vec<(String, String)>> {
        let (hits, (request, index)) = combined(line);
        let mut pipeline = Pipeline::hybrid(&request, index.schema()).expect("a pipeline");
        let mut context = Context {
            hits: &mut hits.into_iter(),
            index: &index,
            loader: &EmptyDocument,
            budget: u64::MAX,
            is_over: false,
        };
        let batch = pipeline.next_rows(100, &mut context).expect("rows");
        let field = |(name, value): &(FieldName, Value)| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (
                text(name.bytes(|place| pipeline.name(place))),
                text(&value.text().expect("a scalar")),
            )
        };
        let rows = batch.rows.iter();
        rows.map(|row| row.fields.iter().map(field).collect())
            .collect()
    }

    fn keys(line: &str) -> String {
        let rows = rows_of(line);
        let key = |row: &Vec<(String, String)>| row[0].1.clone();
        rows.iter().map(key).collect()
    }

    #[test]
    fn ranks_add_up() {
        // b: 1/62 + 1/63, c: 1/63 + 1/62, a and d: 1/61.
        let start = "SEARCH x VSIM @v $b RANGE 2 RADIUS 9";
        assert_eq!(keys(start), "bcad");
        assert_eq!(keys(&format!("{start} COMBINE RRF 2 WINDOW 1")), "ad");
        assert_eq!(keys("SEARCH x VSIM @v $b KNN 2 K 1"), "adbc");
        assert_eq!(keys(&format!("{start} LIMIT 1 2")), "ca");
        let row = &rows_of(start)[2];
        assert_eq!(row[1], ("__score".to_owned(), "0.016393442623".to_owned()));
    }

    #[test]
    fn scores_are_explained() {
        let (hits, _) = combined("SEARCH x VSIM @v $b RANGE 2 RADIUS 9 EXPLAINSCORE");
        let steps = hits[3].explanation.as_ref().expect("steps");
        let text = "final score: 0 [text: no match] + 1 / (constant 60.00 + rank 1) = ";
        assert_eq!(steps.text, format!("{text}0.016393442622950821"));
        let [head] = &steps.parts[..] else {
            panic!("one part");
        };
        assert_eq!(head.text, "Hybrid score (RRF: window=20, constant=60.00)");
        let lines = head.parts.iter().map(|part| part.text.as_str());
        assert_eq!(
            lines.collect::<Vec<_>>(),
            [
                "text rank = <no match>",
                "vector branch (RANGE: radius=9.0000)"
            ]
        );
    }

    #[test]
    fn weighted_scores_add_up() {
        let start = "SEARCH x YIELD_SCORE_AS s VSIM @v $b RANGE 2 RADIUS 9 YIELD_SCORE_AS d";
        let rows = rows_of(&format!("{start} COMBINE LINEAR 4 ALPHA 1 BETA 2"));
        let shown: Vec<_> = rows
            .iter()
            .map(|row| row.iter().map(|(name, value)| format!("{name} {value}")))
            .map(|pairs| pairs.collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            shown,
            [
                "s 3 __key a __score 3",
                "s 2 __key b __score 2.5 d 0.25",
                "s 1 __key c __score 2 d 0.5",
                "__key d __score 2 d 1",
            ]
        );
    }
}
