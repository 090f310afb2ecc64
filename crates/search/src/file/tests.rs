//! Definitions are read as they were written, and damaged definitions are refused.
//!
//! Each version's additions have a test of their own, because no file has all of them.

use super::*;
use crate::schema::parse::{self, JsonPath};

fn definition(words: &str) -> Definition {
    let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    let check = |path: &[u8]| {
        let has_no_order = path.contains(&b'*');
        Some(if has_no_order {
            JsonPath::Unordered
        } else {
            JsonPath::Ordered
        })
    };
    Definition {
        name: b"idx".to_vec(),
        schema: parse::create(b"idx", &words, &check).expect("well formed"),
        synonyms: Groups::from([(b"boy".to_vec(), vec![b"1".to_vec(), b"2".to_vec()])]),
        aliases: vec![b"other".to_vec()],
        left_ms: None,
        unread_filter: None,
    }
}

const DEFINITIONS: [&str; 4] = [
    "ON HASH PREFIX 2 a: b: LANGUAGE german SCORE 0.5 STOPWORDS 2 x y SCHEMA t TEXT WEIGHT 2 \
     SORTABLE g TAG SEPARATOR ; CASESENSITIVE n NUMERIC SORTABLE p GEO INDEXMISSING",
    "ON JSON SCHEMA $.a AS a TEXT NOSTEM $.t[*] AS tags TAG $.v AS v VECTOR HNSW 6 TYPE FLOAT32 \
     DIM 4 DISTANCE_METRIC COSINE",
    "NOOFFSETS NOFREQS FILTER @n>5 SCHEMA n NUMERIC w VECTOR FLAT 8 TYPE FLOAT64 DIM 2 \
     DISTANCE_METRIC L2 INITIAL_CAP 5 s GEOSHAPE FLAT",
    "STOPWORDS 0 SCHEMA t TEXT PHONETIC dm:en WITHSUFFIXTRIE INDEXEMPTY",
];

#[test]
fn definitions_are_read_as_they_were_written() {
    let all: Vec<Definition> = DEFINITIONS.iter().map(|words| definition(words)).collect();
    let (version, items) = write(&all);
    assert_eq!(version, 23);
    let again = read(version, &items).expect("as written");
    assert_eq!(again.len(), all.len());
    for (a, b) in all.iter().zip(&again) {
        assert_eq!(a.schema.fields, b.schema.fields);
        assert_eq!(a.schema.prefixes, b.schema.prefixes);
        assert_eq!(a.schema.filter, b.schema.filter);
        assert_eq!(a.schema.stop_words, b.schema.stop_words);
        assert_eq!(a.synonyms, b.synonyms);
        assert_eq!(a.aliases, b.aliases);
    }
    assert_eq!(write(&again), (version, items));
}

#[test]
fn graphs_that_are_compressed_need_a_later_version() {
    let words = "SCHEMA v VECTOR SVS-VAMANA 10 TYPE FLOAT32 DIM 4 DISTANCE_METRIC L2 \
                 COMPRESSION LVQ8 GRAPH_MAX_DEGREE 48 w VECTOR HNSW 8 TYPE FLOAT16 DIM 4 \
                 DISTANCE_METRIC IP M 20 f VECTOR FLAT 6 TYPE INT8 DIM 3 DISTANCE_METRIC L2";
    let all = [definition(words)];
    let (version, items) = write(&all);
    assert_eq!(version, 25);
    let again = read(version, &items).expect("as written");
    assert_eq!(again[0].schema.fields, all[0].schema.fields);
}

/// Version 28 adds two numbers after the number of version 27.
#[test]
fn graphs_with_sq8_need_the_version_of_redis_8_12() {
    let words = "SCHEMA v VECTOR HNSW 10 TYPE FLOAT32 DIM 4 DISTANCE_METRIC L2 COMPRESSION SQ8 \
                 TRAINING_THRESHOLD 2048 w VECTOR HNSW 8 TYPE FLOAT16 DIM 4 DISTANCE_METRIC L2 \
                 M 20 s VECTOR SVS-VAMANA 6 TYPE FLOAT32 DIM 4 DISTANCE_METRIC L2";
    let all = [definition(words)];
    let (version, items) = write(&all);
    assert_eq!(version, 28);
    let again = read(version, &items).expect("as written");
    assert_eq!(again[0].schema.fields, all[0].schema.fields);
    let numbers = |all: &[u64]| all.iter().map(|n| Item::Number(*n)).collect::<Vec<_>>();
    let ends = [numbers(&[0, 1, 2048]), numbers(&[0, 0, 0])];
    for end in ends {
        let has = |three: &[Item]| three == end;
        assert!(items.windows(3).any(has), "{items:?}");
    }
}

/// Vectors of the versions before graphs were tiered: their numbers from the algorithm on, with
/// what each version adds.
#[test]
fn vectors_of_earlier_versions_are_read() {
    let words = "SCHEMA v VECTOR HNSW 12 TYPE FLOAT64 DIM 3 DISTANCE_METRIC COSINE M 20 \
                 EF_CONSTRUCTION 300 EF_RUNTIME 30 f VECTOR FLAT 6 TYPE FLOAT32 DIM 2 \
                 DISTANCE_METRIC IP";
    let all = [definition(words)];
    let (version, items) = write(&all);
    assert_eq!(version, 23);
    let numbers = |all: &[u64]| all.iter().map(|n| Item::Number(*n)).collect::<Vec<_>>();
    for version in 19..=21 {
        let length = |bytes: u64| (version >= 20).then_some(bytes);
        let several = (version >= 21).then_some(0);
        let graph = [length(24), Some(1), Some(1), Some(3), Some(2), several];
        let flat = [length(8), Some(0), Some(0), Some(2), Some(1), several];
        // Up to the capacity; the numbers after it are as in version 23.
        let mut changes = vec![
            (numbers(&[24, 2, 1, 0, 1, 3, 2, 0]), graph),
            (numbers(&[8, 0, 0, 2, 1, 0]), flat),
        ]
        .into_iter()
        .peekable();
        let (mut early, mut rest) = (Vec::new(), items.as_slice());
        while let [first, others @ ..] = rest {
            match changes.next_if(|(now, _)| rest.starts_with(now)) {
                Some((now, then)) => {
                    early.extend(then.into_iter().flatten().map(Item::Number));
                    rest = &rest[now.len()..];
                }
                None => {
                    early.push(first.clone());
                    rest = others;
                }
            }
        }
        assert_eq!(changes.count(), 0, "{items:?}");
        let again = read(version, &early).expect("an earlier version");
        assert_eq!(again[0].schema.fields, all[0].schema.fields, "{version}");
        assert!(read(18, &early).is_err());
    }
}

#[test]
fn the_words_of_a_schema_make_it_again() {
    for words in DEFINITIONS {
        let schema = definition(words).schema;
        let said = crate::schema::words(&schema);
        let said: Vec<&str> = said
            .iter()
            .map(|word| std::str::from_utf8(word).unwrap())
            .collect();
        let again = definition(&said.join(" ")).schema;
        assert_eq!(
            crate::schema::words(&again),
            crate::schema::words(&schema),
            "{words}"
        );
        assert_eq!(again.fields, schema.fields);
    }
}

#[test]
fn damaged_definitions_are_refused() {
    let all = [definition(DEFINITIONS[0])];
    let (version, items) = write(&all);
    for end in 0..items.len() {
        assert!(read(version, &items[..end]).is_err(), "{end}");
    }
    assert!(read(16, &items).is_err());
    assert!(read(28, &items).is_err());
}

#[test]
fn dictionaries_are_read_as_they_were_written() {
    let terms = [&b"a"[..], b"b\0c"].map(Box::from);
    let all = [(Box::from(&b"d"[..]), terms.into())].into();
    let items = write_dictionaries(&all);
    assert_eq!(read_dictionaries(&items), Ok(all));
    assert!(read_dictionaries(&items[..items.len() - 1]).is_err());
    assert_eq!(read_dictionaries(&[]), Ok([].into()));
}
