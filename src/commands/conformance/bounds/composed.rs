//! Small commands that syntax alone does not lead to: several options that are dear together.
//!
//! Each is a kind that was found once; words in `values`' notation.

use super::lines::{BYTES_MAX, Line};
use super::values::render;
use super::worlds::World;

/// All of them, each with the world that it is dear in.
pub fn composed() -> Vec<(World, Line)> {
    let mut all = Vec::new();
    for (world, about, words) in WORDS {
        let row = words[0];
        let fixed: usize = words.iter().map(|word| word.len() + 1).sum();
        let room = BYTES_MAX.saturating_sub(fixed);
        let words = words.iter().map(|word| render(word, 0, room)).collect();
        let about = (*about).to_owned();
        all.push((*world, Line { row, about, words }));
    }
    all.push((World::Hashes, lists(20)));
    all
}

/// GROUPBY by so many lists of ten.
fn lists(n: usize) -> Line {
    let mut words: Vec<String> = ["FT.AGGREGATE", "i", "*", "LOAD", "1", "@g"]
        .map(String::from)
        .to_vec();
    for i in 0..n {
        let apply = ["APPLY", "split(@g)", "AS"].map(String::from);
        words.extend(apply);
        words.push(format!("x{i}"));
    }
    words.extend(["GROUPBY".to_owned(), n.to_string()]);
    words.extend((0..n).map(|i| format!("@x{i}")));
    Line {
        row: "FT.AGGREGATE",
        about: "groups by lists".to_owned(),
        words: words.into_iter().map(String::into_bytes).collect(),
    }
}

const ALL: &str = "1000000";
const SHAPES: &str = "(«@s:[INTERSECTS $b]|»@s:[WITHIN $b])";
const WIDE: &str = "POLYGON((-170 -80, 170 -80, 170 80, -170 80, -170 -80))";

/// The world, the reason, the words.
type Words = (World, &'static str, &'static [&'static str]);

const WORDS: &[Words] = &[
    (
        World::Hashes,
        "all with content",
        &["FT.SEARCH", "i", "*", "LIMIT", "0", ALL],
    ),
    (
        World::Hashes,
        "all sorted",
        &["FT.SEARCH", "i", "*", "SORTBY", "t", "LIMIT", "0", ALL],
    ),
    (
        World::Hashes,
        "all without content",
        &["FT.SEARCH", "i", "*", "NOCONTENT", "LIMIT", "0", ALL],
    ),
    (
        World::Hashes,
        "all highlighted",
        &[
            "FT.SEARCH",
            "i",
            "common",
            "HIGHLIGHT",
            "SUMMARIZE",
            "LIMIT",
            "0",
            ALL,
        ],
    ),
    (
        World::Hashes,
        "shapes",
        &[
            "FT.SEARCH",
            "i",
            SHAPES,
            "NOCONTENT",
            "PARAMS",
            "2",
            "b",
            WIDE,
            "DIALECT",
            "3",
        ],
    ),
    (
        World::Hashes,
        "nearest",
        &[
            "FT.SEARCH",
            "i",
            "*=>[KNN 1000000 @v $b]",
            "NOCONTENT",
            "LIMIT",
            "0",
            ALL,
            "PARAMS",
            "2",
            "b",
            "8bytes..",
            "DIALECT",
            "2",
        ],
    ),
    (
        World::Hashes,
        "nearest of some",
        &[
            "FT.SEARCH",
            "i",
            "(*ab* | common)=>[KNN 1000000 @v $b]",
            "NOCONTENT",
            "PARAMS",
            "2",
            "b",
            "8bytes..",
            "DIALECT",
            "2",
        ],
    ),
    (
        World::Hashes,
        "vectors in range",
        &[
            "FT.SEARCH",
            "i",
            "(«@v:[VECTOR_RANGE 2 $b]|»zz)",
            "NOCONTENT",
            "PARAMS",
            "2",
            "b",
            "8bytes..",
            "DIALECT",
            "2",
        ],
    ),
    (
        World::Hashes,
        "load all",
        &["FT.AGGREGATE", "i", "*", "LOAD", "*"],
    ),
    (
        World::Hashes,
        "load all, sorted",
        &[
            "FT.AGGREGATE",
            "i",
            "*",
            "LOAD",
            "*",
            "SORTBY",
            "1",
            "@t",
            "LIMIT",
            "0",
            ALL,
        ],
    ),
    (
        World::Hashes,
        "groups of texts",
        &[
            "FT.AGGREGATE",
            "i",
            "*",
            "GROUPBY",
            "1",
            "@t",
            "REDUCE",
            "TOLIST",
            "1",
            "@g",
            "REDUCE",
            "RANDOM_SAMPLE",
            "2",
            "@n",
            "1000",
        ],
    ),
    (
        World::Hashes,
        "one group",
        &[
            "FT.AGGREGATE",
            "i",
            "*",
            "GROUPBY",
            "0",
            "REDUCE",
            "TOLIST",
            "1",
            "@t",
            "REDUCE",
            "QUANTILE",
            "2",
            "@n",
            "0.5",
            "REDUCE",
            "COUNT_DISTINCT",
            "1",
            "@t",
        ],
    ),
    (
        World::Hashes,
        "cursor",
        &[
            "FT.AGGREGATE",
            "i",
            "*",
            "LOAD",
            "1",
            "@t",
            "WITHCURSOR",
            "COUNT",
            ALL,
        ],
    ),
    (
        World::Hashes,
        "merged",
        &[
            "FT.HYBRID",
            "i",
            "SEARCH",
            "common",
            "VSIM",
            "@v",
            "$b",
            "KNN",
            "2",
            "K",
            "200000",
            "COMBINE",
            "RRF",
            "2",
            "WINDOW",
            "200000",
            "PARAMS",
            "2",
            "b",
            "8bytes..",
        ],
    ),
    (
        World::Hashes,
        "merged and shown",
        &[
            "FT.HYBRID",
            "i",
            "SEARCH",
            "common",
            "VSIM",
            "@v",
            "$b",
            "KNN",
            "2",
            "K",
            "200000",
            "COMBINE",
            "LINEAR",
            "6",
            "ALPHA",
            "0.5",
            "BETA",
            "0.5",
            "WINDOW",
            "200000",
            "LOAD",
            "1",
            "@t",
            "LIMIT",
            "0",
            ALL,
            "PARAMS",
            "2",
            "b",
            "8bytes..",
        ],
    ),
    (
        World::Hashes,
        "analyzed",
        &["FT.EXPLAIN", "i", "(«w#*|»zz)", "ANALYZE"],
    ),
    (
        World::Hashes,
        "profile",
        &[
            "FT.PROFILE",
            "i",
            "SEARCH",
            "QUERY",
            "(«*#*|»zz)",
            "LIMIT",
            "0",
            ALL,
        ],
    ),
    (World::Hashes, "terms", &["_FT.DEBUG", "DUMP_TERMS", "i"]),
    (
        World::Hashes,
        "with documents",
        &["FT.DROPINDEX", "i", "DD"],
    ),
    (
        World::Documents,
        "load all",
        &["FT.AGGREGATE", "i", "*", "LOAD", "*", "DIALECT", "3"],
    ),
    (
        World::Documents,
        "groups of lists",
        &["FT.AGGREGATE", "i", "*", "GROUPBY", "2", "@g", "@t"],
    ),
    (
        World::Documents,
        "all with content",
        &["FT.SEARCH", "i", "*", "LIMIT", "0", ALL, "DIALECT", "3"],
    ),
    (
        World::LongText,
        "summary",
        &[
            "FT.SEARCH",
            "i",
            "common",
            "SUMMARIZE",
            "FRAGS",
            "1000",
            "LEN",
            ALL,
        ],
    ),
    (
        World::LongText,
        "highlight",
        &["FT.SEARCH", "i", "common", "HIGHLIGHT"],
    ),
    (
        World::LongText,
        "phrase",
        &[
            "FT.SEARCH",
            "i",
            "\"common «common »\"",
            "SLOP",
            "100",
            "INORDER",
        ],
    ),
    (
        World::LongText,
        "split",
        &[
            "FT.AGGREGATE",
            "i",
            "*",
            "APPLY",
            "split(@t, \" \")",
            "AS",
            "x",
            "GROUPBY",
            "1",
            "@x",
        ],
    ),
    (
        World::OwnFields,
        "load all",
        &["FT.AGGREGATE", "i", "*", "LOAD", "*"],
    ),
    (
        World::OwnFields,
        "load all, sorted",
        &["FT.AGGREGATE", "i", "*", "LOAD", "*", "SORTBY", "1", "@n"],
    ),
    (
        World::Numbers,
        "one of many numbers",
        &["JSON.NUMINCRBY", "k", "$.n[0]", "1"],
    ),
    (
        World::Numbers,
        "all numbers",
        &["JSON.NUMINCRBY", "k", "$.n[*]", "1"],
    ),
    (
        World::Readers,
        "readers wait",
        &["TS.ADD", "k", "9000000", "1"],
    ),
    (
        World::Zeros,
        "nearest",
        &[
            "FT.SEARCH",
            "i",
            "*=>[KNN 1000000 @v $b]",
            "NOCONTENT",
            "PARAMS",
            "2",
            "b",
            "8bytes..",
            "DIALECT",
            "2",
        ],
    ),
    (
        World::Zeros,
        "vectors in range",
        &[
            "FT.SEARCH",
            "i",
            "(«@v:[VECTOR_RANGE 2 $b]|»zz)",
            "NOCONTENT",
            "PARAMS",
            "2",
            "b",
            "8bytes..",
            "DIALECT",
            "2",
        ],
    ),
    (World::Json, "texts", &["JSON.GET", "k", "$.s[*]"]),
    (
        World::Json,
        "texts of several",
        &["JSON.MGET", "k", "k1", "k", "k1", "$.s[*]"],
    ),
    (
        World::Json,
        "same element",
        &["JSON.GET", "k", "$[\"s\"][0,0,0,0,0,0,0,0]«[0,0,0]»"],
    ),
    (
        World::Json,
        "patterns",
        &["JSON.GET", "k", "$.o[?(@.t=~@.p)]"],
    ),
    (
        World::Json,
        "patterns of several",
        &[
            "JSON.MGET",
            "k",
            "k1",
            "k",
            "k1",
            "k",
            "k1",
            "$.o[?(@.t=~@.p)]",
        ],
    ),
    (
        World::Json,
        "compared",
        &["JSON.TYPE", "k", "$.a[?(@==$..x)]"],
    ),
    (
        World::Series,
        "empty buckets",
        &[
            "TS.RANGE",
            "far",
            "-",
            "+",
            "AGGREGATION",
            "«avg,min,»twa",
            "1",
            "EMPTY",
        ],
    ),
    (World::Series, "all samples", &["TS.RANGE", "k", "-", "+"]),
    (
        World::Series,
        "all buckets",
        &[
            "TS.RANGE",
            "k",
            "-",
            "+",
            "AGGREGATION",
            "«avg,min,»twa",
            "1",
        ],
    ),
    (
        World::Series,
        "all series",
        &["TS.MRANGE", "-", "+", "WITHLABELS", "FILTER", "l!="],
    ),
    (
        World::Series,
        "all groups",
        &[
            "TS.MRANGE",
            "-",
            "+",
            "AGGREGATION",
            "avg",
            "1",
            "FILTER",
            "l!=",
            "GROUPBY",
            "l",
            "REDUCE",
            "max",
        ],
    ),
    (World::Series, "delete", &["TS.DEL", "k", "-", "+"]),
    (
        World::TopK,
        "large increment",
        &["TOPK.INCRBY", "k", "m1", "100000", "new", "100000"],
    ),
    (
        World::Suggestions,
        "all",
        &["FT.SUGGET", "k", "word", "MAX", ALL],
    ),
    (
        World::Suggestions,
        "fuzzy",
        &["FT.SUGGET", "k", "wxrd", "FUZZY", "MAX", ALL],
    ),
    (
        World::VectorSet,
        "all",
        &["VSIM", "k", "ELE", "m1", "COUNT", ALL, "EF", ALL],
    ),
    (
        World::VectorSet,
        "filtered",
        &[
            "VSIM",
            "k",
            "ELE",
            "m1",
            "COUNT",
            "10",
            "FILTER",
            "«.x < 0 or »0",
            "FILTER-EF",
            "0",
        ],
    ),
];
