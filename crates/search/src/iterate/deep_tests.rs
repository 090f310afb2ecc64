//! Queries as deep and as long as they may be, through all that walks their trees, on the stack of
//! the thread that runs commands.

use crate::index::Index;
use crate::index::testbed::{Hash, field, hits, root, tag, text};
use crate::iterate::{Analysis, Clock};
use crate::query::{Node, explain_with};
use crate::schema::{FieldKind, KeyType, Schema};
use crate::score::Scorer;
use crate::search::Search;

const STACK_BYTES: usize = 8 << 20;

/// A part that is repeated, the part within all of them, and the end of each repetition.
const DEEP: [(&str, &str, &str); 9] = [
    ("-", "foo", ""),
    ("~", "foo", ""),
    ("-(", "foo", ")"),
    ("(foo ", "bar", ")"),
    ("(foo|", "bar", ")"),
    ("(foo -(bar|", "@n:[1 2]", "))"),
    ("(@t:foo (bar|", "@t:(foo bar)", "))"),
    ("(\"foo bar\" (~foo|", "foo", "))"),
    ("(foo ", "@g:{a}", ")=>{$slop: 1; $weight: 2}"),
];

/// A beginning, a part that is repeated, and an end.
const LONG: [(&str, &str, &str); 8] = [
    ("", "foo ", ""),
    ("foo", "|bar", ""),
    ("foo", " -none", ""),
    ("foo", " ~bar", ""),
    ("foo", "|@n:[1 2]", ""),
    ("@g:{a", "|b", "}"),
    ("\"foo", " bar", "\""),
    ("foo", "|b*", ""),
];

fn index() -> Index {
    let mut schema = Schema::new(KeyType::Hash);
    schema.fields = vec![text("t", 1.0), tag("g"), field("n", FieldKind::Number)];
    let mut index = Index::new(schema);
    for at in 0..10 {
        let word = if at % 2 == 0 { "foo bar" } else { "foo" };
        let document = Hash(&[("t", word), ("g", "a"), ("n", "1")]);
        index.put(format!("d{at}").as_bytes(), &document);
    }
    index
}

fn walk(index: &Index, root: &Node) {
    for scorer in [Scorer::Bm25Std, Scorer::TfIdf, Scorer::DisMax] {
        let search = Search {
            scorer,
            explains: true,
            terms: true,
            profiles: true,
            ..Search::default()
        };
        let mut root = index.expand(root, &search).expect("a tree");
        let mut matches = index.matches(&root, &search).expect("matches");
        let hits: Vec<_> = matches.by_ref().collect();
        assert!(hits.len() <= 10);
        assert!(!format!("{:?}", matches.profile()).is_empty());
        drop(hits);
        drop(matches);
        let mut analysis = Analysis::new(root.clone(), &search);
        let clock = &mut Clock::endless();
        assert!(analysis.advance(index, clock).expect("figures"));
        let figures = analysis.figures();
        let note = |node: &Node| Some(figures[&std::ptr::from_ref(node)].steps.to_string());
        assert!(!explain_with(Some(analysis.root()), index.schema(), &note).is_empty());
        root.forget();
    }
}

fn on_the_stack_of_commands(check: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let thread = thread.spawn(check).expect("a thread");
    thread.join().expect("nothing overflows");
}

#[test]
fn the_deepest_queries_are_walked() {
    on_the_stack_of_commands(|| {
        let index = index();
        for (open, inner, close) in DEEP {
            // The most that is read, by halves.
            let of = |times: usize| [&open.repeat(times), inner, &close.repeat(times)].concat();
            let is_read = |times: usize| {
                let dialect = crate::query::Dialect::new(2).expect("a dialect");
                let (text, none) = (of(times), crate::query::Params::new());
                crate::query::parse(text.as_bytes(), dialect, index.schema(), &none).is_ok()
            };
            let (mut least, mut most) = (1_usize, 2000);
            while least < most {
                let middle = (least + most).div_ceil(2);
                if is_read(middle) {
                    least = middle;
                } else {
                    most = middle - 1;
                }
            }
            assert!((250..2000).contains(&least), "{open}: {least}");
            walk(&index, &root(&index, &of(least)));
        }
    });
}

#[test]
fn long_queries_are_walked() {
    on_the_stack_of_commands(|| {
        let index = index();
        for (begin, part, end) in LONG {
            let query = [begin, &part.repeat(10_000), end].concat();
            walk(&index, &root(&index, &query));
        }
    });
}

#[test]
fn long_words_are_found_by_themselves() {
    const PUT: [usize; 6] = [128, 129, 300, 1024, 1025, 5000];
    let mut index = index();
    for len in PUT {
        let word = "x".repeat(len);
        let document = Hash(&[("t", &word), ("g", &word)]);
        index.put(format!("x{len}").as_bytes(), &document);
    }
    for (len, found) in [
        (128, 1),
        (129, 1),
        (130, 0),
        (300, 1),
        (1023, 0),
        (1024, 3),
        (5000, 3),
    ] {
        let word = "x".repeat(len);
        for query in [
            word.clone(),
            format!("\"{word}\""),
            format!("@t:({word}|none)"),
        ] {
            let hits = hits(&index, &query, &Search::default());
            assert_eq!(hits.len(), found, "{len}");
        }
        let tagged = hits(&index, &format!("@g:{{{word}}}"), &Search::default());
        assert_eq!(tagged.len(), usize::from(PUT.contains(&len)), "{len}");
    }
}

#[test]
fn backslashes_of_patterns_are_bytes() {
    let mut index = index();
    let document = Hash(&[("t", r"a\\b"), ("g", r"a\b")]);
    index.put(b"back", &document);
    for (query, found) in [
        (r"w'*\\*'", 1),
        (r"w'a\\b'", 1),
        (r"w'a\?b'", 1),
        (r"w'a\*'", 1),
        (r"w'a\b'", 0),
        (r"@g:{w'*\\\\*'}", 1),
        (r"@g:{w'a\\\\b'}", 1),
        (r"@g:{w'a\\b'}", 0),
    ] {
        let hits = hits(&index, query, &Search::default());
        assert_eq!(hits.len(), found, "{query}");
    }
}

#[test]
fn documents_without_words_have_no_score_by_their_words() {
    let mut index = index();
    index.put(b"bare", &Hash(&[("n", "7")]));
    for scorer in [Scorer::TfIdf, Scorer::TfIdfDocNorm] {
        let search = Search {
            scorer,
            ..Search::default()
        };
        for query in ["*", "@n:[7 7]", "-foo"] {
            let hits = hits(&index, query, &search);
            let bare = hits.iter().find(|(key, _)| key == "bare");
            assert_eq!(bare.expect("it matches").1.score, 0.0, "{query}");
        }
    }
}
