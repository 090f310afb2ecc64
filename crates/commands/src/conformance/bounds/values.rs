//! The worst values of each argument, by the argument's name and the row's engine.
//!
//! A value is a template: `#` is the number of the repetition, and the text between `«` and `»` is
//! repeated as often as there is room, with the number of the inner repetition as `#`. Tests of
//! other arguments use the first template of an argument. The names are the names of `worlds`.

use russet_command::docs::{Arg, ArgKind};

/// Templates by the argument's name.
type Table = &'static [(&'static str, &'static [&'static str])];

const QUERIES: &[&str] = &[
    "*",
    "(«*#a*|»zz)",
    "@x:(«*#*|»zz)",
    "(«w#*|»zz)",
    "@x:(«*a#|»zz)",
    "(«%%%word#%%%|»zz)",
    "(«w'*a*#*'|»zz)",
    "@x:(«w'*a*#*'|»zz)",
    "@g:{«*#*|»zz}",
    "@g:{«c#*|»zz}",
    "@g:{«w'*a*#*'|»zz}",
    "(«@n:[# inf]|»zz)",
    "«@n:[# inf] »",
    "(«@n:[#.5 #.7]|»zz)",
    "(«@p:[# 0 30000 km]|»zz)",
    "(«@g:{a#}|»zz)",
    "«-@g:{a#} »",
    "«-*a#* »",
    "«~common »",
    "«(-(»zz«))»",
    "common «common »",
    "\"common «common »\"",
    "(«common => {$weight: 0.#; $slop: 100; $inorder: true} »)",
    "«-w# »",
    "«word# »",
    "wxrd# «wxrd# »",
    "«%w# »",
    "ismissing(@g) «| ismissing(@g) »",
];

const EXPRESSIONS: &[&str] = &[
    "@n+1",
    "«@n+»1",
    "«(»@n«)»",
    "«sqrt(»@n«)»",
    "«!»@n",
    "split(@g, \",\")",
    "«split(»@g«)»",
    "format(\"«%s»\", @t)",
    "substr(\"«common »\", 0, -1)",
    "upper(@t)",
    "«contains(@t, \"w\")+»1",
    "matched_terms(1000000)",
    "parsetime(@t, \"«%Y»\")",
    "timefmt(@n, \"«%c»\")",
    "geodistance(@p, \"1,1\")",
    "levenshtein(@t, \"«a»\")",
    "case(@n>1, «case(@n>2, 1, »2«)», 3)",
    "«exists(@t) && »1",
];

const NUMBERS: &[&str] = &["1", "1000000", "9223372036854775807"];

const SEARCH: Table = &[
    ("index", &["i"]),
    ("new_index", &["new#"]),
    ("new_field", &["new#"]),
    ("alias", &["alias#"]),
    ("dict", &["d"]),
    ("dictionary", &["d"]),
    ("synonym_group_id", &["s"]),
    ("term", &["word#"]),
    ("query", QUERIES),
    ("tag_query", QUERIES),
    ("field_name", &["g"]),
    ("numeric_field", &["n"]),
    ("geo_field", &["p"]),
    ("field", &["t", "@t", "@g", "zz#"]),
    ("identifier", &["t", "g", "zz#"]),
    ("property", &["@n", "@g", "@t", "@zz#"]),
    ("sortby", &["n", "t", "zz"]),
    (
        "function",
        &[
            "SUM",
            "TOLIST",
            "COUNT_DISTINCT",
            "COUNT_DISTINCTISH",
            "STDDEV",
            "FIRST_VALUE",
        ],
    ),
    ("expression", EXPRESSIONS),
    ("filter", EXPRESSIONS),
    ("vector_field", &["@v"]),
    ("vector_param", &["$b"]),
    ("query_vector", &["$b"]),
    ("knn_option", &["K", "EF_RUNTIME", "RADIUS", "EPSILON"]),
    ("knn_value", &["10", "1000000"]),
    ("combine_option", &["WINDOW", "CONSTANT"]),
    ("combine_value", &["20", "1000000"]),
    ("name", &["b", "b#"]),
    ("value", &["8bytes..", "word# «word# »"]),
    ("min", &["-inf"]),
    ("max", &["inf", "1000000"]),
    ("lon", &["0"]),
    ("lat", &["0"]),
    ("radius", &["30000"]),
    ("offset", &["0", "999999"]),
    ("num", &["10", "1000000"]),
    ("read_size", &["10", "1000000"]),
    ("count", &["1000000"]),
    ("distance", &["1", "4"]),
    ("dialect", &["2", "1", "3", "4"]),
    (
        "scorer",
        &[
            "BM25STD",
            "TFIDF",
            "TFIDF.DOCNORM",
            "DISMAX",
            "DOCSCORE",
            "HAMMING",
            "BM25STD.NORM",
        ],
    ),
    ("language", &["english", "chinese"]),
    ("prefix", &["k:"]),
    ("score", &["1"]),
    ("timeout", &["0"]),
    ("slop", &["0", "1000000"]),
    ("fragsize", &["20", "1000000"]),
    ("key", &["k:#"]),
    (
        "subcommand",
        &[
            "DUMP_TERMS",
            "DUMP_TAGIDX",
            "DUMP_NUMIDX",
            "DUMP_INVIDX",
            "DOCINFO",
        ],
    ),
    ("word", &["g", "n", "common"]),
];

const SUGGESTIONS: Table = &[
    ("prefix", &["w", "", "wxrd", "word"]),
    ("string", &["word#", "«word# »"]),
    ("score", &["1", "1e308"]),
    ("max", &["5", "1000000"]),
];

const JSON_PATHS: &[&str] = &[
    "$.a",
    "$",
    "$..*",
    "$.a[*]",
    "$.r[*]",
    "$.b[*]",
    "$..x",
    "$«..*»",
    "$.a«[0,0,0]»",
    "$.d«[*]»",
    "$.a[«#,»0]",
    "$.a[?(@=~@)]",
    "$.o[?(@.t=~@.p)]",
    "$.a[?(@=~\"«.*»zz\")]",
    "$..[?(@..x)]",
    "$.a[?(«@!=1&&»@!=2)]",
    "$.a[?(«(»@!=1«)»)]",
    "$.a[?(@==$.a[?(@==$.a[0])])]",
    "$[?(@..*)]",
    "$.a[0:1000000:1]",
    "$.a[-1000000:-1:1]",
    "..x",
    ".",
];

const JSON: Table = &[
    ("path", JSON_PATHS),
    (
        "json",
        &[
            "1",
            "\"«word»\"",
            "«[»1«]»",
            "[«#,»1]",
            "{«\"m#\":#,»\"z\":1}",
        ],
    ),
    ("json-value", &["\"zz\"", "[«#,»1]"]),
    ("json-string", &["\"m\"", "\"«word»\""]),
    ("number", &["1", "1e308"]),
    ("index", &["0", "-1"]),
    ("start", &["0", "-1000000"]),
    ("stop", &["-1", "1000000"]),
    ("indent", &[" ", "«    »"]),
    ("newline", &["\n", "«\n»"]),
    ("space", &[" ", "«    »"]),
];

const AGGREGATORS: &[&str] = &[
    "avg",
    "avg,«count,»min",
    "twa",
    "«first,last,»twa",
    "std.p,«var.s,»min",
];

const SERIES: Table = &[
    ("key", &["k"]),
    ("from_timestamp", &["-", "0"]),
    ("to_timestamp", &["+", "9223372036854775807"]),
    ("timestamp", &["#", "9223372036854775#"]),
    ("filter", &["l=v", "l!=", "l=(«v#,»v)", "m!=(«v#,»v)"]),
    ("label", &["l", "m"]),
    ("value", &["1", "-1e308"]),
    ("aggregator", AGGREGATORS),
    ("aggregators", AGGREGATORS),
    ("duration", &["1", "1000000"]),
    ("count", &["1000000", "1"]),
    ("milliseconds", &["0"]),
    ("min_count", &["1000000", "1"]),
    ("max_count", &["1000000"]),
    ("min", &["-1e308"]),
    ("max", &["1e308"]),
    ("reducer", &["max", "avg", "std.p"]),
    ("align", &["start", "0"]),
    ("stamp", &["+", "~"]),
    ("size", &["48", "1048576"]),
];

const SKETCH: Table = &[
    ("item", &["m#", "«word»"]),
    ("increment", &["1", "100000"]),
    ("width", &["100", "100000"]),
    ("depth", &["5", "1000000"]),
    ("decay", &["0.9", "1"]),
    ("topk", &["10", "1000000"]),
    ("capacity", &["100", "10000000"]),
    ("error_rate", &["0.01", "1e-300"]),
    ("error", &["0.01", "1e-9"]),
    ("probability", &["0.01", "1e-300"]),
    ("expansion", &["1", "32768"]),
    ("bucketsize", &["2", "255"]),
    ("maxiterations", &["20", "65535"]),
    ("iterator", &["0", "1"]),
    ("data", &["«word»"]),
    ("value", &["#", "1e308"]),
    ("quantile", &["0.#"]),
    ("rank", &["#", "1000000"]),
    ("reverse_rank", &["#"]),
    ("low_cut_quantile", &["0"]),
    ("high_cut_quantile", &["1"]),
    ("weight", &["1", "1000000"]),
    ("compression", &["100", "1000000"]),
    ("destination", &["k"]),
    ("destination-key", &["k"]),
];

const VECTORS: Table = &[
    ("vector", &["8bytes.."]),
    ("vector_or_element", &["m#"]),
    ("element", &["m#", "new#"]),
    ("count", &["1000000", "-1000000", "9223372036854775807"]),
    ("dim", &["1", "1000000"]),
    ("numlinks", &["16", "4096"]),
    ("build-exploration-factor", &["200", "1000000"]),
    ("search-exploration-factor", &["200", "1000000"]),
    ("max-filtering-effort", &["0", "1000000"]),
    ("max_distance", &["2"]),
    (
        "expression",
        &[
            ".x > 1",
            "«.x > # and »1",
            "«(»1«)»",
            "«\"a\" in .y or »0",
            "«!»1",
            "«1+»1",
        ],
    ),
    ("attributes", &["{\"x\":1}", "{«\"m#\":#,»\"z\":1}"]),
    ("json", &["{\"x\":1}", "{«\"m#\":#,»\"z\":1}"]),
    ("start", &["-", "[m"]),
    ("end", &["+"]),
];

const ARRAYS: Table = &[
    ("index", &["#", "1000000", "18446744073709551614"]),
    ("start", &["0", "-"]),
    ("end", &["1000000", "+", "18446744073709551614"]),
    ("string", &["zz", "«a»"]),
    ("pattern", &["«*a»b", "«(a*)*»b", "«?»"]),
    ("value", &["#", "«word»"]),
    ("size", &["1000000", "9223372036854775807"]),
    ("count", &["1000000", "9223372036854775807"]),
    ("limit", &["1000000"]),
];

fn table(row: &str) -> Table {
    let lower = row.to_ascii_lowercase();
    let is_of = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    if is_of(&["ft.sug"]) {
        SUGGESTIONS
    } else if is_of(&["ft.", "_ft."]) {
        SEARCH
    } else if is_of(&["json."]) {
        JSON
    } else if is_of(&["ts.", "timeseries."]) {
        SERIES
    } else if is_of(&["bf.", "cf.", "cms.", "topk.", "tdigest."]) {
        SKETCH
    } else if lower.starts_with('v') {
        VECTORS
    } else {
        ARRAYS
    }
}

fn templates(row: &str, arg: &Arg) -> &'static [&'static str] {
    if arg.kind.is_nested() || arg.kind == ArgKind::PureToken {
        return &[];
    }
    if arg.token == Some("AS") {
        return &["x#"];
    }
    let makes = ["reserve", "initbydim", "initbyprob", ".create"];
    if arg.kind == ArgKind::Key && makes.iter().any(|end| row.ends_with(end)) {
        return &["new"];
    }
    let named = table(row).iter().find(|(name, _)| *name == arg.name);
    if let Some((_, templates)) = named {
        return templates;
    }
    match arg.kind {
        ArgKind::Integer => NUMBERS,
        ArgKind::Double => &["1", "1e308"],
        ArgKind::Key => &["k"],
        ArgKind::Pattern => &["«*a»b"],
        _ => &["m#"],
    }
}

/// Whether a row is refused without an optional argument, or uninteresting.
pub fn is_needed(row: &str, arg: &Arg) -> bool {
    match row {
        "json.debug" => true,
        "FT.DEBUG" | "_FT.DEBUG" => ["index", "word"].contains(&&*arg.name),
        _ => row.starts_with("json.") && ["path", "path_index"].contains(&&*arg.name),
    }
}

/// How many values an argument has: none if it is made of others.
pub fn count(row: &str, arg: &Arg) -> usize {
    templates(row, arg).len()
}

/// The `n`th value of an argument, or the last.
pub fn template(row: &str, arg: &Arg, n: usize) -> &'static str {
    let templates = templates(row, arg);
    templates[n.min(templates.len() - 1)]
}

/// The bytes of a template's `at`th repetition, in about `room` bytes.
pub fn render(template: &str, at: usize, room: usize) -> Vec<u8> {
    let parts: Vec<&str> = template.split(['«', '»']).collect();
    let repeated: usize = parts.iter().skip(1).step_by(2).map(|unit| unit.len()).sum();
    let fixed = template.len().saturating_sub(repeated);
    // Numbers have up to three digits.
    let widest = repeated + 2 * template.matches('#').count();
    let times = room.saturating_sub(fixed) / widest.max(1);
    let mut text = String::new();
    for (place, part) in parts.iter().enumerate() {
        match place % 2 {
            0 => text += &part.replace('#', &at.to_string()),
            _ => (0..times).for_each(|i| text += &part.replace('#', &(at + i).to_string())),
        }
    }
    text.into_bytes()
}
