//! An index after any changes against an index that is built anew; refusals; values of JSON
//! documents; synonyms, fields that come later, values for sorting.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::testbed::{Hash, field, hits, hits_with, root, tag, text};
use super::{Index, Outcome, Part, Refusal, SortValue};
use crate::document::{Document, Item, PathValues};
use crate::query::Params;
use crate::schema::{Algorithm, Element, Field, FieldKind, KeyType, Metric, Schema, Vector};
use crate::search::Search;

type Fields = Vec<(&'static str, String)>;

fn vector(algorithm: Algorithm) -> Field {
    let vector = Vector {
        element: Element::Float32,
        dimensions: 1,
        metric: Metric::L2,
        algorithm,
        initial_cap: 0,
        takes_several: false,
    };
    field("v", FieldKind::Vector(vector))
}

fn schema(has_offsets: bool) -> Schema {
    let mut schema = Schema::new(KeyType::Hash);
    schema.has_offsets = has_offsets;
    schema.score_field = Some(b"score".to_vec());
    schema.language_field = Some(b"lang".to_vec());
    let mut fields = vec![
        text("t", 1.0),
        text("u", 2.5),
        tag("g"),
        field("n", FieldKind::Number),
        field("p", FieldKind::Geo),
        vector(Algorithm::Flat { block_size: 1 }),
    ];
    fields[0].indexes_empty = true;
    fields
        .iter_mut()
        .for_each(|field| field.indexes_missing = true);
    fields[1].is_sortable = true;
    fields[3].is_sortable = true;
    schema.fields = fields;
    schema
}

fn put(index: &mut Index, key: &str, fields: &Fields) -> Outcome {
    let pairs: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    index.put(key.as_bytes(), &Hash(&pairs))
}

fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "hello", "run", "running", "runs", "the", "blue", "Big",
    ]);
    prop::collection::vec(word, 0..6).prop_map(|words| words.join(" "))
}

fn fields() -> impl Strategy<Value = Fields> {
    let tags = prop::sample::subsequence(vec!["red", "Blue", "green", ""], 0..4);
    let number =
        prop_oneof![4 => (-9..9i32).prop_map(|n| n.to_string()), 1 => Just("x".to_owned())];
    let place = (-179..179i32, -80..80i32).prop_map(|(x, y)| format!("{x},{y}"));
    let language = prop::sample::select(vec!["german", "english", "none"]);
    // Elements that are ASCII: a hash of tests has texts.
    let row = prop::sample::select(vec!["AAAA", "ABCD", "zzzz", "0000"]);
    let maybe = prop::option::of::<BoxedStrategy<String>>;
    (
        maybe(words().boxed()),
        maybe(words().boxed()),
        maybe(tags.prop_map(|tags| tags.join(",")).boxed()),
        maybe(number.boxed()),
        maybe(place.boxed()),
        prop::option::weighted(0.2, language.prop_map(str::to_owned)),
        maybe(row.prop_map(str::to_owned).boxed()),
        prop::option::weighted(0.2, Just("0.5".to_owned())),
    )
        .prop_map(|(t, u, g, n, p, lang, v, score)| {
            let all = [
                ("t", t),
                ("u", u),
                ("g", g),
                ("n", n),
                ("p", p),
                ("lang", lang),
                ("v", v),
                ("score", score),
            ];
            all.into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect()
        })
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, Fields),
    Remove(u8),
    Rename(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..12u8;
    prop_oneof![
        6 => (key(), fields()).prop_map(|(key, fields)| Step::Put(key, fields)),
        1 => key().prop_map(Step::Remove),
        1 => (key(), key()).prop_map(|(old, new)| Step::Rename(old, new)),
    ]
}

const QUERIES: [&str; 24] = [
    "*",
    "hello",
    "run",
    "running blue",
    "\"running blue\"",
    "hello|blue",
    "-run",
    "~run hello",
    "@t:run",
    "@u:(run|big)",
    "ru*",
    "*ell*",
    "%helo%",
    "w'r?n*'",
    "@g:{red}",
    "@g:{blue|green}",
    "@g:{gr*}",
    "@n:[-3 4]",
    "@n:[(0 inf] hello",
    "@p:[0 0 5000 km]",
    "ismissing(@t)",
    "ismissing(@v)",
    "@t:(\"\")",
    "*=>[KNN 50 @v $b]",
];

/// All that can be asked of an index, without numbers of documents.
fn answers(index: &Index) -> Vec<(String, BTreeMap<String, String>)> {
    let params: Params = [(b"b".to_vec(), b"ABCE".to_vec())].into();
    let search = Search {
        explains: true,
        ..Search::default()
    };
    let answer = |query: &&str| {
        let found = hits_with(index, query, &search, &params);
        let shown = |(key, hit): (String, crate::hit::Hit)| {
            let sorted = (
                index.sort_value(hit.document, 1),
                index.sort_value(hit.document, 3),
            );
            let shown = format!("{} {:?} {sorted:?}", hit.score, hit.distances);
            (key, shown)
        };
        ((*query).to_owned(), found.into_iter().map(shown).collect())
    };
    QUERIES.iter().map(answer).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// An index answers as one that only ever held the documents that it has now.
    #[test]
    fn changes_leave_nothing_in_an_index(
        steps in prop::collection::vec(step(), 0..60),
        has_offsets: bool,
    ) {
        let mut index = Index::new(schema(has_offsets));
        let mut model: BTreeMap<String, Fields> = BTreeMap::new();
        let mut refused = 0;
        for step in steps {
            match step {
                Step::Put(key, fields) => {
                    let key = format!("k{key}");
                    let is_bad = fields.iter().any(|field| *field == ("n", "x".to_owned()));
                    let outcome = put(&mut index, &key, &fields);
                    prop_assert_eq!(outcome == Outcome::Indexed, !is_bad);
                    if is_bad {
                        refused += 1;
                        model.remove(&key);
                    } else {
                        model.insert(key, fields);
                    }
                }
                Step::Remove(key) => {
                    let key = format!("k{key}");
                    prop_assert_eq!(index.remove(key.as_bytes()), model.remove(&key).is_some());
                }
                Step::Rename(old, new) => {
                    let (old, new) = (format!("k{old}"), format!("k{new}"));
                    let moved = model.remove(&old);
                    prop_assert_eq!(
                        index.rename(old.as_bytes(), new.as_bytes()),
                        moved.is_some()
                    );
                    model.extend(moved.map(|fields| (new, fields)));
                }
            }
        }
        prop_assert_eq!(index.len(), model.len());
        let mut fresh = Index::new(schema(has_offsets));
        for (key, fields) in &model {
            put(&mut fresh, key, fields);
        }
        prop_assert_eq!(answers(&index), answers(&fresh));
        let (figures, other) = (index.figures(), fresh.figures());
        prop_assert_eq!(figures.terms, other.terms);
        prop_assert_eq!(figures.records, other.records);
        prop_assert_eq!(figures.faults.count, refused);
        let tags: BTreeSet<&[u8]> = index.tags_from(2, 0).map(|(_, tag)| tag).collect();
        let of_fresh: BTreeSet<&[u8]> = fresh.tags_from(2, 0).map(|(_, tag)| tag).collect();
        prop_assert_eq!(tags, of_fresh);
        let are_counted = |index: &Index| {
            assert_eq!(index.terms().posting_figures(), index.terms().counted_figures());
            let Part::Tags(tags) = index.part_at(2) else {
                panic!("a field of tags");
            };
            let (kept, counted) = tags.counted();
            assert_eq!(kept, counted);
        };
        are_counted(&index);
        for key in model.keys() {
            index.remove(key.as_bytes());
        }
        are_counted(&index);
        let figures = index.figures();
        prop_assert_eq!((figures.terms, figures.records, figures.documents), (0, 0, 0));
    }
}

/// A JSON document: paths and what they find.
struct Json(Vec<(&'static str, PathValues<'static>)>);

impl Document for Json {
    fn find(&self, path: &[u8]) -> PathValues<'_> {
        let found = self.0.iter().find(|(name, _)| name.as_bytes() == path);
        found.map_or(PathValues::Nothing, |(_, found)| found.clone())
    }
}

fn string(text: &'static str) -> Item<'static> {
    Item::Text(text.as_bytes().into())
}

fn json_index() -> Index {
    let mut schema = Schema::new(KeyType::Json);
    schema.fields = vec![
        text("t", 1.0),
        tag("g"),
        field("n", FieldKind::Number),
        field("p", FieldKind::Geo),
        vector(Algorithm::Flat { block_size: 1 }),
    ];
    schema
        .fields
        .iter_mut()
        .for_each(|field| field.indexes_missing = true);
    schema.fields[2].is_sortable = true;
    Index::new(schema)
}

#[test]
fn json_values_are_taken_or_refused_by_their_types() {
    use Item::{Bool, List, Null, Number, Object};
    use PathValues::{One, Several};
    let list = |items: &[Item<'static>]| One(List(items.to_vec()));
    for (path, found, is_taken) in [
        ("t", One(string("hello")), true),
        ("t", One(Null), true),
        ("t", list(&[string("a"), Null, string("b")]), true),
        ("t", One(Number(1.0)), false),
        ("t", One(Bool(true)), false),
        ("t", One(Object), false),
        ("t", list(&[string("a"), Number(1.0)]), false),
        ("g", One(Bool(true)), true),
        ("g", list(&[string("a"), string("b")]), true),
        ("g", One(Number(1.0)), false),
        ("n", One(Number(1.5)), true),
        ("n", list(&[Number(1.0), Number(2.0)]), true),
        ("n", Several(vec![Number(1.0), Number(2.0)]), true),
        ("n", One(string("1")), false),
        ("n", One(Object), false),
        ("p", One(string("1,2")), true),
        ("p", list(&[string("1,2"), string("3,4")]), true),
        ("p", list(&[Number(1.0), Number(2.0)]), false),
        ("v", list(&[Number(1.0)]), true),
        (
            "v",
            Several(vec![List(vec![Number(1.0)]), List(vec![Number(9.0)])]),
            true,
        ),
        ("v", list(&[Number(1.0), Number(2.0)]), false),
        ("v", One(string("AAAA")), false),
        ("v", One(Null), true),
    ] {
        let mut index = json_index();
        let document = Json(vec![(path, found.clone())]);
        let outcome = index.put(b"k", &document);
        assert_eq!(
            outcome == Outcome::Indexed,
            is_taken,
            "{path} {found:?} {outcome:?}"
        );
        assert_eq!(index.len(), usize::from(is_taken));
    }
}

#[test]
fn lists_of_json_are_several_values() {
    let mut index = json_index();
    let numbers = PathValues::One(Item::List(vec![Item::Number(1.0), Item::Number(7.0)]));
    let texts = PathValues::One(Item::List(vec![string("one two"), string("three")]));
    let rows = [5.0, 1.0].map(|n| Item::List(vec![Item::Number(n)]));
    let document = Json(vec![
        ("n", numbers),
        ("t", texts.clone()),
        ("g", texts),
        ("v", PathValues::Several(rows.to_vec())),
    ]);
    assert_eq!(index.put(b"k", &document), Outcome::Indexed);
    let search = Search::default();
    for (query, count) in [
        ("@n:[0 2]", 1),
        ("@n:[6 8]", 1),
        ("@n:[2 6]", 0),
        ("\"one two\"", 1),
        // Texts of a list stand far from each other.
        ("\"two three\"", 0),
        ("@g:{three}", 1),
        ("@g:{one\\ two}", 1),
        ("@g:{one}", 0),
        ("ismissing(@p)", 1),
        ("ismissing(@n)", 0),
    ] {
        assert_eq!(hits(&index, query, &search).len(), count, "{query}");
    }
    // The nearest of its vectors counts.
    let params: Params = [(b"b".to_vec(), 2.0f32.to_le_bytes().to_vec())].into();
    let near = hits_with(&index, "*=>[KNN 3 @v $b]", &search, &params);
    assert_eq!(near[0].1.distances.as_slice(), [1.0]);
}

#[test]
fn a_refusal_takes_the_document_out_and_is_counted() {
    let mut index = Index::new(schema(true));
    let good: Fields = vec![("t", "hello".into()), ("n", "1".into())];
    let bad: Fields = vec![("t", "hello".into()), ("n", "1x".into())];
    assert_eq!(put(&mut index, "k", &good), Outcome::Indexed);
    let refusal = Refusal {
        field: 3,
        message: b"Invalid numeric value: '1x'".to_vec(),
    };
    assert_eq!(put(&mut index, "k", &bad), Outcome::Refused(refusal));
    assert!(!index.has(b"k"));
    let figures = index.figures();
    assert_eq!(
        (figures.faults.count, figures.field_faults[3].count),
        (1, 1)
    );
    assert_eq!(figures.faults.last_key, b"k");
    assert_eq!(figures.field_faults[0].count, 0);
}

#[test]
fn sortable_values_are_kept_as_they_are_and_as_they_sort() {
    let mut index = Index::new(schema(true));
    put(
        &mut index,
        "k",
        &vec![("u", "\u{c9}t\u{c9} 1".into()), ("n", "1.50".into())],
    );
    let id = index.id(b"k").expect("a document");
    let expected = SortValue::Text {
        original: "\u{c9}t\u{c9} 1".as_bytes(),
        sorted: "\u{e9}t\u{e9} 1".as_bytes(),
    };
    assert_eq!(index.sort_value(id, 1), Some(expected));
    assert_eq!(index.sort_value(id, 3), Some(SortValue::Number(1.5)));
    assert_eq!(index.sort_value(id, 0), None);
}

#[test]
fn fields_that_come_later_fill_when_documents_are_put_again() {
    let mut index = Index::new(schema(true));
    let fields: Fields = vec![
        ("t", "hello".into()),
        ("w", "word".into()),
        ("x", "7".into()),
    ];
    put(&mut index, "k", &fields);
    index.add_fields(vec![text("w", 1.0), field("x", FieldKind::Number)]);
    let search = Search::default();
    assert_eq!(hits(&index, "word", &search).len(), 0);
    assert_eq!(hits(&index, "hello", &search).len(), 1);
    put(&mut index, "k", &fields);
    assert_eq!(hits(&index, "@w:word @x:[7 7]", &search).len(), 1);
    assert!(index.remove(b"k"));
    assert_eq!(index.figures().records, 0);
}

#[test]
fn synonyms_find_each_other() {
    let mut index = Index::new(schema(true));
    let (boy, child): (Fields, Fields) = (vec![("t", "boy".into())], vec![("t", "child".into())]);
    put(&mut index, "a", &boy);
    put(&mut index, "b", &child);
    index.set_synonyms(b"g", [b"boy".to_vec(), b"Child".to_vec()]);
    put(&mut index, "a", &boy);
    put(&mut index, "b", &child);
    assert_eq!(hits(&index, "boy", &Search::default()).len(), 2);
    assert_eq!(hits(&index, "\"boy\"", &Search::default()).len(), 1);
    let words: Vec<&[u8]> = index.synonyms().map(|(word, _)| word).collect();
    assert_eq!(words, [b"boy".as_slice(), b"child"]);
}

/// Redis 8 expands words that must not or need not be there, RediSearch 2.10 did not.
#[test]
fn words_that_need_not_be_there_have_stems() {
    let mut index = Index::new(schema(true));
    put(&mut index, "a", &vec![("t", "running dogs".into())]);
    put(&mut index, "b", &vec![("t", "dogs".into())]);
    let of_2_10 = Search {
        is_2_10: true,
        ..Search::default()
    };
    for (query, search, expected) in [
        ("dogs -run", Search::default(), &["b"] as &[_]),
        ("dogs -run", of_2_10.clone(), &["a", "b"]),
    ] {
        let found = hits(&index, query, &search);
        let keys: Vec<&str> = found.iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, expected, "{query}");
    }
    let score = |search: &Search| hits(&index, "~run", search)[0].1.score;
    assert!(score(&Search::default()) > 0.0);
    assert_eq!(score(&of_2_10), 0.0);
}

#[test]
fn words_are_found_by_their_sound() {
    let mut schema = Schema::new(KeyType::Hash);
    let mut sounding = text("t", 10.0);
    if let FieldKind::Text(options) = &mut sounding.kind {
        options.phonetic = Some(crate::schema::Phonetic::English);
    }
    schema.fields = vec![sounding, text("u", 1.0)];
    let mut index = Index::new(schema);
    index.put(b"a", &Hash(&[("t", "smith wesson ab"), ("u", "world")]));
    let found = |query: &str| hits(&index, query, &Search::default()).len();
    assert_eq!(found("smyth"), 1);
    assert_eq!(found("@t:smyth"), 1);
    assert_eq!(found("@t:smyth=>{$phonetic:false}"), 0);
    assert_eq!(found("@u:werld"), 0);
    // Words of two letters are asked by their sound, and not indexed by it.
    assert_eq!(found("ap"), 0);
    let verbatim = Search {
        verbatim: true,
        ..Search::default()
    };
    assert!(hits(&index, "smyth", &verbatim).is_empty());
    let expanded = |query: &str| index.expand(&root(&index, query), &Search::default());
    let shown = crate::query::explain(expanded("hello").ok().as_ref(), index.schema());
    let expected = "UNION {\n  hello\n  <HL(expanded)\n  +hello(expanded)\n}\n";
    assert_eq!(shown, expected.as_bytes());
    for query in ["@u:a1=>{$phonetic:false}", "@zz:hello=>{$phonetic:true}"] {
        let error = expanded(query).expect_err(query);
        assert_eq!(error.0, b"field does not support phonetics");
    }
    assert!(expanded("(@u:hello foo)=>{$phonetic:true}").is_ok());
}

#[test]
fn parts_within_words_are_found_with_and_without_suffixes() {
    let mut with = text("t", 1.0);
    if let FieldKind::Text(options) = &mut with.kind {
        options.has_suffixes = true;
    }
    let mut tags = tag("g");
    if let FieldKind::Tag(options) = &mut tags.kind {
        options.has_suffixes = true;
    }
    let mut schema = Schema::new(KeyType::Hash);
    schema.fields = vec![with, text("u", 1.0), tags, tag("h")];
    let mut index = Index::new(schema);
    let (hello, other) = ("hello world", "hello foo");
    let fields = [("t", hello), ("u", other), ("g", "hello"), ("h", "hello")];
    index.put(b"d", &Hash(&fields));
    let found = |index: &Index, query: &str| hits(index, query, &Search::default()).len();
    for query in [
        "*ell*",
        "@t:*llo",
        "w'*ell*'",
        "@t:w'*e*'",
        "@t:w'h?llo'",
        "@t:w'*'",
        "@t:*hello",
        "@g:{*ell*}",
        "@h:{*ell*}",
        "@g:{*llo}",
        "@g:{w'h*o'}",
        "@u:hel*",
        "@t:w'?????'",
    ] {
        assert_eq!(found(&index, query), 1, "{query}");
    }
    // A word of a field without is not found by its parts.
    for query in [
        "*foo*",
        "*oo",
        "@zz:*ell*",
        "@t:*o",
        "@t:w'?ell'",
        "@g:{*ell}",
    ] {
        assert_eq!(found(&index, query), 0, "{query}");
    }
    for query in ["@u:*ell*", "@t|u:*ell*", "@u:w'hel*'", "@u:*llo"] {
        let error = index
            .matches(&root(&index, query), &Search::default())
            .err();
        let text = error.expect(query).0;
        assert_eq!(
            text,
            b"Contains query on fields without WITHSUFFIXTRIE support"
        );
    }
    index.put(b"d", &Hash(&[("t", "word"), ("g", "tag")]));
    assert_eq!(found(&index, "*ell*") + found(&index, "@g:{*ell*}"), 0);
}

/// Words near each other, beside parts without positions.
#[test]
fn distances_are_of_words_alone() {
    let mut index = Index::new(schema(true));
    let document = Hash(&[("t", "jumped over the casa abc"), ("g", "x")]);
    index.put(b"a", &document);
    let found = |query: &str| !hits(&index, query, &Search::default()).is_empty();
    assert!(found("(jumped casa)=>{$slop:2}"));
    assert!(!found("(jumped casa)=>{$slop:0}"));
    assert!(!found("(casa @g:{x})=>{$slop:9}"));
    assert!(!found("(-hello casa)=>{$slop:9}"));
    assert!(found("(casa @g:{x})=>{$inorder:true}"));
    assert!(found("(@g:{x} @g:{x})=>{$slop:0}"));
}

#[test]
fn an_empty_text_is_no_word() {
    let mut index = Index::new(schema(true));
    index.put(b"a", &Hash(&[("t", "")]));
    let found = |query: &str| hits(&index, query, &Search::default()).len();
    assert_eq!(found("@t:\"\""), 1);
    assert_eq!(found("%%ab%%"), 0);
    assert_eq!(found("w'*'"), 0);
}

/// A document of many numbers.
struct Numbers(Vec<f64>);

impl Document for Numbers {
    fn find(&self, _: &[u8]) -> PathValues<'_> {
        PathValues::Several(self.0.iter().map(|n| Item::Number(*n)).collect())
    }
}

/// The least time of a change of one number among so many, nanoseconds.
fn change_nanos(count: u32) -> u128 {
    let mut schema = Schema::new(KeyType::Json);
    schema.fields = vec![field("n", FieldKind::Number)];
    let mut index = Index::new(schema);
    let mut document = Numbers((0..count).map(f64::from).collect());
    index.put(b"d", &document);
    let changes = (0..3).map(|at| {
        document.0[at] = -1.0 - at as f64;
        let began = std::time::Instant::now();
        index.put(b"d", &document);
        began.elapsed().as_nanos()
    });
    let least = changes.min().expect("some");
    assert_eq!(hits(&index, "@n:[-3 -1]", &Search::default()).len(), 1);
    assert_eq!(hits(&index, "@n:[0 2]", &Search::default()).len(), 0);
    least
}

#[test]
fn a_change_among_many_numbers_costs_no_square_of_them() {
    let (few, many) = (change_nanos(1_000), change_nanos(64_000));
    assert!(
        many < few * 64 * 16,
        "{few} ns, {many} ns of 64 times as many"
    );
}

/// The least time of a change beside a long value, nanoseconds; `renews`: of the value, too.
fn nanos_beside(kind: FieldKind, value: &str, renews: bool) -> u128 {
    let mut schema = Schema::new(KeyType::Hash);
    schema.fields = vec![field("long", kind), field("n", FieldKind::Number)];
    let mut index = Index::new(schema);
    let changes = (0..4).map(|at| {
        let value = format!(
            "{value}{}",
            if renews {
                " ".repeat(at)
            } else {
                String::new()
            }
        );
        let number = at.to_string();
        let began = std::time::Instant::now();
        index.put(b"d", &Hash(&[("long", &value), ("n", &number)]));
        began.elapsed().as_nanos()
    });
    let times: Vec<u128> = changes.collect();
    assert_eq!(hits(&index, "@n:[3 3]", &Search::default()).len(), 1);
    times[1..].iter().copied().min().expect("some")
}

#[test]
fn a_change_beside_a_long_value_does_not_read_that_again() {
    let tags: Vec<String> = (0..50_000).map(|n| format!("tag{n}")).collect();
    // A saw of long teeth, whose edges lie beside each other.
    let saw = |n: u32| format!("{} {},", n % 2 * 9, n);
    let points: String = (0..3_000).map(saw).collect();
    let shape = format!("POLYGON(({points} -9 3000, -9 0, 0 0))");
    let tag = tag("long").kind;
    for (kind, value) in [
        (tag, tags.join(",")),
        (FieldKind::Shape(crate::schema::ShapeSpace::Flat), shape),
    ] {
        let (same, renewed) = (
            nanos_beside(kind.clone(), &value, false),
            nanos_beside(kind.clone(), &value, true),
        );
        assert!(
            same * 4 < renewed,
            "{}: {same} ns, {renewed} ns",
            kind.name()
        );
    }
}

#[test]
fn a_long_value_is_read_again_where_it_has_changed_or_the_document_was_away() {
    let mut schema = Schema::new(KeyType::Hash);
    schema.fields = vec![tag("g")];
    let mut index = Index::new(schema);
    let tags = |last: &str| {
        let tags: Vec<String> = (0..1000).map(|n| format!("tag{n}")).collect();
        format!("{},{last}", tags.join(","))
    };
    let put = |index: &mut Index, key: &str, last: &str| {
        index.put(key.as_bytes(), &Hash(&[("g", &tags(last))]));
    };
    let count =
        |index: &Index, tag: &str| hits(index, &format!("@g:{{{tag}}}"), &Search::default()).len();
    put(&mut index, "a", "first");
    put(&mut index, "a", "first");
    assert_eq!((count(&index, "first"), count(&index, "tag7")), (1, 1));
    put(&mut index, "a", "other");
    assert_eq!((count(&index, "first"), count(&index, "other")), (0, 1));
    index.put(b"a", &Hash(&[("g", "short")]));
    assert_eq!((count(&index, "other"), count(&index, "short")), (0, 1));
    put(&mut index, "a", "other");
    assert_eq!((count(&index, "other"), count(&index, "short")), (1, 0));
    index.remove(b"a");
    assert_eq!(count(&index, "tag7"), 0);
    // The number of the document that is gone is used again.
    put(&mut index, "b", "other");
    assert_eq!((count(&index, "other"), count(&index, "tag7")), (1, 1));
}

/// INKEYS limits the documents among which the nearest are looked for, as a filter does.
#[test]
fn the_nearest_are_those_of_the_keys_that_are_named() {
    let graph = Algorithm::Hnsw(crate::schema::Hnsw::default());
    for algorithm in [Algorithm::Flat { block_size: 1 }, graph] {
        let mut schema = Schema::new(KeyType::Hash);
        schema.fields = vec![vector(algorithm), tag("g")];
        let mut index = Index::new(schema);
        for at in 0..60u8 {
            // Elements that are ASCII, each greater than the one before it.
            let row = String::from_utf8(vec![b'0', b'0', b'0', b'0' + at]).expect("ASCII");
            let group = if at % 2 == 0 { "even" } else { "odd" };
            index.put(
                format!("d{at}").as_bytes(),
                &Hash(&[("v", &row), ("g", group)]),
            );
        }
        let mut params = Params::new();
        params.insert(b"b".to_vec(), b"0000".to_vec());
        let keys = ["d50", "d7", "d50", "d33", "d44"];
        let ids = keys.map(|key| index.id(key.as_bytes()).expect("a document"));
        let search = Search {
            in_keys: Some(ids.to_vec()),
            ..Search::default()
        };
        for (query, expected) in [
            ("*=>[KNN 1 @v $b]", &["d7"][..]),
            ("*=>[KNN 3 @v $b]", &["d33", "d44", "d7"]),
            ("*=>[KNN 10 @v $b]", &["d33", "d44", "d50", "d7"]),
            ("(@g:{even})=>[KNN 1 @v $b]", &["d44"]),
            ("(@g:{even})=>[KNN 10 @v $b]", &["d44", "d50"]),
            ("(@g:{none})=>[KNN 10 @v $b]", &[]),
        ] {
            let hits = hits_with(&index, query, &search, &params);
            let mut found: Vec<&str> = hits.iter().map(|(key, _)| key.as_str()).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{query}");
        }
    }
}
