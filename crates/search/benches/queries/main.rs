//! The cost of queries without the server, and of documents that come and go: which part of a row
//! of `benches/search.py` is the engine's?
//!
//! 100,000 documents as `benches/search.py` has them: 12 words of 20,000 with a cubic skew, a tag
//! of 50, a number; and 20,000 vectors of 128 floats in 200 clusters. Of each row the least
//! microseconds of the thread's own time in five rounds. Arguments choose rows by parts of their
//! names; `DOCUMENTS` and `VECTORS` are numbers of the environment.

use std::borrow::Cow;

use russet_search::document::{Document, Item, PathValues};
use russet_search::expression::Value;
use russet_search::index::Index;
use russet_search::pipeline::{BatchEnd, Context, Loader, Pipeline};
use russet_search::query::{Dialect, Params, parse};
use russet_search::request::{AggregateRequest, Defaults, SearchRequest};
use russet_search::schema::parse::create;
use russet_search::search::Search;
use rustix::time::{ClockId, clock_gettime};

const WORDS: usize = 20_000;
const ROUNDS: usize = 5;
const DIMENSIONS: usize = 128;
/// As the server has it.
const BUDGET: u64 = 256;

/// A xorshift generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.share() * end as f64) as usize
    }

    /// Nearly a normal distribution.
    fn gauss(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}

/// A hash: names and values.
struct Hash<'h>(&'h [(&'static str, Vec<u8>)]);

impl Document for Hash<'_> {
    fn find(&self, path: &[u8]) -> PathValues<'_> {
        let found = self.0.iter().find(|(name, _)| name.as_bytes() == path);
        found.map_or(PathValues::Nothing, |(_, value)| {
            PathValues::One(Item::Text(Cow::Borrowed(value)))
        })
    }
}

/// Documents have nothing to read.
struct NoLoader;

impl Loader for NoLoader {
    fn load(&self, _key: &[u8], _path: &[u8]) -> Option<Value> {
        None
    }

    fn load_all(&self, _key: &[u8]) -> Option<Vec<(Vec<u8>, Value)>> {
        Some(Vec::new())
    }
}

fn number_of(name: &str, usual: usize) -> usize {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Nanoseconds that this thread ran.
fn thread_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn vocabulary() -> Vec<String> {
    let mut random = Random(3);
    let letter = |random: &mut Random| char::from(b'a' + random.below(26) as u8);
    let word = |random: &mut Random| {
        let length = 3 + random.below(7);
        (0..length).map(|_| letter(random)).collect()
    };
    (0..WORDS).map(|_| word(&mut random)).collect()
}

fn documents(count: usize) -> Vec<[(&'static str, Vec<u8>); 3]> {
    let words = vocabulary();
    let mut random = Random(9);
    let of = |at: usize| {
        let skewed = |random: &mut Random| (random.share().powi(3) * WORDS as f64) as usize;
        let mut text: Vec<&str> = (0..12).map(|_| &*words[skewed(&mut random)]).collect();
        let planted = [
            ("onepercent", at % 100 == 7),
            ("tenone", at.is_multiple_of(10)),
            ("tentwo", (at / 10).is_multiple_of(10)),
        ];
        for (place, (word, is_in)) in planted.into_iter().enumerate() {
            if is_in {
                text[place] = word;
            }
        }
        [
            ("t", text.join(" ").into_bytes()),
            ("g", format!("tag{}", at % 50).into_bytes()),
            ("n", at.to_string().into_bytes()),
        ]
    };
    (0..count).map(of).collect()
}

fn index_of(schema: &str) -> Index {
    let words: Vec<&[u8]> = schema.split(' ').map(str::as_bytes).collect();
    Index::new(create(b"i", &words, &|_| None).expect("a schema"))
}

fn defaults() -> Defaults {
    Defaults {
        dialect: Dialect::new(2).expect("a dialect"),
        rows_max: 1_000_000,
        offset_max: 1_000_000,
        groups_max: 1_000_000,
        is_resp3: false,
    }
}

/// Runs a pipeline to its end; the number of rows.
fn run(
    index: &Index,
    root: &russet_search::query::Node,
    search: &Search,
    pipeline: &mut Pipeline,
) -> usize {
    let root = index.expand(root, search).expect("a query");
    let mut hits = index.matches(&root, search).expect("a query");
    let mut rows = 0;
    loop {
        let mut context = Context {
            hits: &mut hits,
            index,
            loader: &NoLoader,
            budget: BUDGET,
            is_over: false,
        };
        let batch = pipeline.next_rows(usize::MAX, &mut context);
        let batch = batch.expect("rows");
        rows += batch.rows.len();
        if batch.ending == BatchEnd::Done {
            return rows;
        }
    }
}

fn search(index: &Index, words: &str) -> usize {
    let words: Vec<&[u8]> = words.split(", ").map(str::as_bytes).collect();
    let request = SearchRequest::parse(&words[1..], &defaults()).expect("a request");
    let schema = index.schema();
    let root = request.query(words[0], schema).expect("a query");
    let search = Search {
        scores: request.limit().count > 0 && request.sort.is_none(),
        ..Search::default()
    };
    let mut pipeline = Pipeline::search(&request, schema, &[]).expect("a pipeline");
    run(index, &root.expect("words"), &search, &mut pipeline)
}

fn aggregate(index: &Index, words: &str) -> usize {
    let words: Vec<&[u8]> = words.split(", ").map(str::as_bytes).collect();
    let request = AggregateRequest::parse(&words[1..], &defaults()).expect("a request");
    let schema = index.schema();
    let root = request.options.query(words[0], schema).expect("a query");
    let search = Search {
        scores: false,
        ..Search::default()
    };
    let mut pipeline = Pipeline::aggregate(&request, schema, &[]).expect("a pipeline");
    run(index, &root.expect("words"), &search, &mut pipeline)
}

fn is_wanted(name: &str) -> bool {
    let mut parts = std::env::args()
        .skip(1)
        .filter(|part| !part.starts_with('-'))
        .peekable();
    parts.peek().is_none() || parts.any(|part| name.contains(&part))
}

/// Shows the microseconds of one of `count` calls.
fn row(name: &str, count: usize, mut call: impl FnMut() -> usize) {
    if !is_wanted(name) {
        return;
    }
    let mut least = u64::MAX;
    let mut result = 0;
    for _ in 0..ROUNDS {
        let began = thread_nanos();
        for _ in 0..count {
            result = call();
        }
        least = least.min(thread_nanos() - began);
    }
    let micros = least as f64 / 1000.0 / count as f64;
    println!("{name:32}{micros:12.2}{result:10}");
}

fn texts() {
    let count = number_of("DOCUMENTS", 100_000);
    let all = documents(count);
    let mut index = index_of("SCHEMA t TEXT g TAG n NUMERIC");
    let put = |index: &mut Index, at: usize| {
        index.put(format!("d:{at}").as_bytes(), &Hash(&all[at]));
    };
    (0..count).for_each(|at| put(&mut index, at));
    for (name, words, times) in [
        ("1 % term", "onepercent, LIMIT, 0, 10", 500),
        ("1 % term, LIMIT 0 0", "onepercent, LIMIT, 0, 0", 500),
        ("two terms AND", "tenone tentwo, LIMIT, 0, 10", 100),
        ("two terms OR", "tenone|tentwo, LIMIT, 0, 10", 20),
        ("phrase", "\"tenone tentwo\", LIMIT, 0, 10", 100),
        (
            "tag AND numbers",
            "@g:{tag7} @n:[20000 30000], LIMIT, 0, 10",
            100,
        ),
        ("numbers", "@n:[20000 30000], LIMIT, 0, 10", 100),
        ("prefix", "ab*, LIMIT, 0, 10", 100),
        ("fuzzy", "%tenone%, LIMIT, 0, 10", 50),
        ("all, by score", "*, LIMIT, 0, 10", 10),
    ] {
        row(name, times, || search(&index, words));
    }
    if is_wanted("DEL") {
        let some: Vec<usize> = (1..count).step_by(10).collect();
        let (mut removed, mut put_back) = (u64::MAX, u64::MAX);
        for _ in 0..ROUNDS {
            let began = thread_nanos();
            for at in &some {
                assert!(index.remove(format!("d:{at}").as_bytes()));
            }
            let between = thread_nanos();
            some.iter().for_each(|at| put(&mut index, *at));
            removed = removed.min(between - began);
            put_back = put_back.min(thread_nanos() - between);
        }
        let micros = |nanos: u64| nanos as f64 / 1000.0 / some.len() as f64;
        println!("{:32}{:12.2}", "DEL", micros(removed));
        println!("{:32}{:12.2}", "put back", micros(put_back));
    }
    if is_wanted("GROUPBY") {
        let mut index = index_of("SCHEMA t TEXT g TAG SORTABLE n NUMERIC SORTABLE");
        (0..count).for_each(|at| put(&mut index, at));
        let words = "*, GROUPBY, 1, @g, REDUCE, COUNT, 0, AS, c";
        row("GROUPBY tag, SORTABLE", 20, || aggregate(&index, words));
    }
}

fn vectors(count: usize, random: &mut Random) -> Vec<[(&'static str, Vec<u8>); 1]> {
    let mut of_centres = Random(7);
    let centre = |random: &mut Random| [(); DIMENSIONS].map(|()| random.gauss());
    let centres: Vec<_> = (0..200).map(|_| centre(&mut of_centres)).collect();
    let of = |_| {
        let numbers = centres[random.below(centres.len())];
        let numbers = numbers.iter().map(|x| (x + random.gauss() * 0.4) as f32);
        [("v", numbers.flat_map(f32::to_le_bytes).collect())]
    };
    (0..count).map(of).collect()
}

fn nearest(index: &Index, vector: &[u8], options: &str) -> Vec<u32> {
    let text = format!("*=>[KNN 10 @v $b {options} AS d]");
    let params = Params::from([(b"b".to_vec(), vector.to_vec())]);
    let dialect = Dialect::new(2).expect("a dialect");
    let root = parse(text.as_bytes(), dialect, index.schema(), &params);
    let root = root.expect("a query").expect("words");
    let search = Search {
        scores: false,
        ..Search::default()
    };
    let found = index.matches(&root, &search).expect("a query");
    found.map(|hit| hit.document.0).collect()
}

fn graphs() {
    if !["KNN 10", "KNN 10, EF 50", "vector put"]
        .into_iter()
        .any(is_wanted)
    {
        return;
    }
    let count = number_of("VECTORS", 20_000);
    let all = vectors(count, &mut Random(1));
    let asked = vectors(100, &mut Random(2));
    let kind = "TYPE FLOAT32 DIM 128 DISTANCE_METRIC L2";
    let mut flat = index_of(&format!("SCHEMA v VECTOR FLAT 6 {kind}"));
    let mut index = index_of(&format!(
        "SCHEMA v VECTOR HNSW 10 {kind} M 16 EF_CONSTRUCTION 200"
    ));
    for (at, vector) in all.iter().enumerate() {
        flat.put(format!("v:{at}").as_bytes(), &Hash(vector));
    }
    let began = thread_nanos();
    for (at, vector) in all.iter().enumerate() {
        index.put(format!("v:{at}").as_bytes(), &Hash(vector));
    }
    let micros = (thread_nanos() - began) as f64 / 1000.0 / count as f64;
    println!("{:32}{micros:12.2}", "vector put");
    for (name, options) in [
        ("KNN 10", ""),
        ("KNN 10, EF 50", "EF_RUNTIME 50"),
        ("KNN 10, EF 100", "EF_RUNTIME 100"),
    ] {
        let mut found = 0;
        row(name, 20, || {
            found = 0;
            for vector in &asked {
                found += nearest(&index, &vector[0].1, options).len();
            }
            found
        });
        let same = asked.iter().map(|vector| {
            let exact = nearest(&flat, &vector[0].1, "");
            let near = nearest(&index, &vector[0].1, options);
            near.iter().filter(|id| exact.contains(id)).count()
        });
        println!(
            "  recall {:.4}",
            same.sum::<usize>() as f64 / asked.len() as f64 / 10.0
        );
    }
}

fn main() {
    texts();
    graphs();
}
