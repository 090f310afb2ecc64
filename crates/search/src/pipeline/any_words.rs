//! Any words of FT.AGGREGATE, FT.SEARCH and FT.HYBRID are rows or an error.

use proptest::prelude::*;

use super::tests::{run, server};
use super::{Pipeline, combine, metric_of};
use crate::query::{Dialect, Kind, Node};
use crate::request::{AggregateRequest, Defaults, HybridRequest, SearchRequest};

const WORDS: &str = "0 0 1 1 2 2 3 -1 9223372036854775807 99999999999999999999 0.5 x @t @n @g @k @j @c \
    t n c LOAD * AS GROUPBY REDUCE COUNT SUM AVG MIN TOLIST QUANTILE FIRST_VALUE RANDOM_SAMPLE HLL \
    HLL_SUM COUNT_DISTINCTISH COLLECT FIELDS DISTINCT BY APPLY @n+1 split(@j) upper(@t) FILTER @n>1 \
    exists(@g) SORTBY ASC DESC MAX LIMIT ADDSCORES WITHCURSOR MAXIDLE RETURN HIGHLIGHT SUMMARIZE \
    FRAGS LEN TAGS SEPARATOR PARAMS DIALECT 4 SLOP INORDER INFIELDS INKEYS NOCONTENT WITHSORTKEYS \
    WITHSCORES EXPLAINSCORE GEOFILTER km SEARCH VSIM @v $b KNN RANGE K RADIUS COMBINE RRF LINEAR \
    WINDOW ALPHA BETA CONSTANT YIELD_SCORE_AS POLICY";

fn words() -> impl Strategy<Value = Vec<&'static [u8]>> {
    let all: Vec<&[u8]> = WORDS.split_ascii_whitespace().map(str::as_bytes).collect();
    let any = prop::sample::select(all);
    // Stages that are right, so that rows get beyond wrong stages.
    let right: Vec<Vec<&[u8]>> = [
        "LOAD 1 @j",
        "LOAD *",
        "APPLY split(@j) AS c",
        "GROUPBY 1 @g REDUCE COUNT 0 AS c",
        "GROUPBY 2 @c @k REDUCE TOLIST 1 @n AS n REDUCE COLLECT 3 FIELDS 1 @n AS j",
        "SORTBY 2 @n DESC MAX 2",
        "SORTBY 1 @c",
        "LIMIT 1 2",
        "FILTER @n>1",
        "APPLY @n+1 AS n",
        "SEARCH x VSIM @v $b",
        "COMBINE LINEAR 2 WINDOW 2",
    ]
    .map(|stage: &str| stage.split(' ').map(str::as_bytes).collect())
    .to_vec();
    let part = prop_oneof![
        3 => prop::sample::select(right),
        1 => prop::collection::vec(any, 1..6),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_words_are_rows_or_an_error(
        words in words(),
        most in 1_usize..4,
        budget in 1_u64..5,
    ) {
        let defaults = Defaults {
            dialect: Dialect::FIRST,
            rows_max: 1_000_000,
            offset_max: 1_000_000,
            groups_max: 1_000_000,
            is_resp3: true,
        };
        let server = server();
        let schema = server.index.schema();
        let all = Node::new(Kind::Everything);
        let hits = || server.hits(Some(&all));
        if let Ok(request) = AggregateRequest::parse(&words, &defaults)
            && let Ok(mut pipeline) = Pipeline::aggregate(&request, schema, &[])
        {
            let _ = run(&mut pipeline, &mut hits(), &server, most, budget);
        }
        if let Ok(request) = SearchRequest::parse(&words, &defaults) {
            let _ = request.query(b"hello @n:[1 2]", schema);
            if let Ok(mut pipeline) = Pipeline::search(&request, schema, &[]) {
                let rows = run(&mut pipeline, &mut hits(), &server, most, budget);
                prop_assert_eq!(pipeline.total(), 7);
                prop_assert!(rows.is_ok_and(|rows| rows.len() as u64 <= request.limit().count));
            }
        }
        if let Ok(request) = HybridRequest::parse(&words, &defaults) {
            let metric = metric_of(&request, schema);
            let combined = combine(&request, metric, hits().collect(), hits().collect());
            if let Ok(mut pipeline) = Pipeline::hybrid(&request, schema) {
                let _ = run(&mut pipeline, &mut combined.into_iter(), &server, most, budget);
            }
        }
    }
}
