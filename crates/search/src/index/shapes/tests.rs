//! Recorded replies of Redis Stack 7.4, of shapes drawn at random; and the tree against a look at
//! every shape. Of edges that touch the replies name other faults at times: these lines are left
//! out.

use proptest::prelude::*;

use super::*;
use crate::index::testbed::{self, Hash};
use crate::index::{Index, Outcome};
use crate::query::Params;
use crate::schema::{FieldKind, KeyType, Schema};
use crate::search::Search;

fn relation(name: &str) -> Relation {
    match name {
        "WITHIN" => Relation::Within,
        "CONTAINS" => Relation::Contains,
        "INTERSECTS" => Relation::Intersects,
        _ => Relation::Disjoint,
    }
}

/// Errors up to the text about two edges that touch; for edges on the Earth, up to the point.
fn comparable(error: &str, space: ShapeSpace) -> &str {
    let end = match space {
        ShapeSpace::Spherical => error.find(" found at "),
        ShapeSpace::Flat if error.contains("method: i") => None,
        ShapeSpace::Flat => error.find("; method"),
    };
    &error[..end.unwrap_or(error.len())]
}

/// `answers.txt` has the spaces in turn: shapes that are put, by their line, with the error of
/// refused shapes; then questions with the shapes that were found, or an error.
#[test]
fn shapes_lie_as_redis_stack_has_them() {
    let mut shapes = Shapes::new(ShapeSpace::Flat);
    let (mut next, mut wrong) = (0, Vec::new());
    for line in include_str!("answers.txt").lines() {
        let (name, rest) = line.split_once(' ').expect("a name");
        if name == "space" {
            let is_flat = rest == "FLAT";
            let space = if is_flat {
                ShapeSpace::Flat
            } else {
                ShapeSpace::Spherical
            };
            (shapes, next) = (Shapes::new(space), 0);
            continue;
        }
        let (text, expected) = rest.split_once(" => ").expect("a reply");
        let (text, of) = match name {
            "put" => (text, None),
            _ => {
                let (of, text) = text.split_once(' ').expect("a relation");
                (text, Some(relation(of)))
            }
        };
        let before = if of.is_some() {
            "-Error querying geoshape index: "
        } else {
            "Error indexing geoshape: "
        };
        let got = match (parse(text.as_bytes(), shapes.space), of) {
            (Err(why), _) => format!("{before}{}", String::from_utf8_lossy(&why)),
            (Ok(shape), None) => {
                shapes.put(next, &shape);
                String::new()
            }
            (Ok(shape), Some(of)) => {
                let mut found = shapes.find(of, &shape);
                found.sort_unstable();
                found
                    .iter()
                    .map(u32::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        };
        next += u32::from(of.is_none());
        if comparable(&got, shapes.space) != comparable(expected, shapes.space) {
            wrong.push(format!("{:?} {line}\n  got {got}", shapes.space));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn shape(space: ShapeSpace) -> impl Strategy<Value = Shape> {
    let side = if space == ShapeSpace::Flat {
        12.0
    } else {
        80.0
    };
    let part = move || (0..40i32).prop_map(move |n| f64::from(n - 20) * side / 20.0);
    let corner = (part(), part(), 1..9i32, 1..9i32, any::<bool>());
    corner.prop_map(move |(x, y, width, height, is_point)| {
        let (right, top) = (x + f64::from(width), y + f64::from(height));
        let text = if is_point {
            format!("POINT({x} {y})")
        } else {
            format!("POLYGON(({x} {y},{right} {y},{right} {top},{x} {top}))")
        };
        parse(text.as_bytes(), space).expect("a shape")
    })
}

fn spaces() -> impl Strategy<Value = ShapeSpace> {
    prop_oneof![Just(ShapeSpace::Flat), Just(ShapeSpace::Spherical)]
}

proptest! {
    /// Shapes put, changed and taken out: the tree finds the shapes that a look at each finds.
    #[test]
    fn the_tree_finds_what_a_look_at_each_finds(
        (space, steps, questions) in spaces().prop_flat_map(|space| (
            Just(space),
            prop::collection::vec((0..60u32, prop::option::weighted(0.8, shape(space))), 0..150),
            prop::collection::vec(shape(space), 1..8),
        )),
    ) {
        let mut shapes = Shapes::new(space);
        for (document, shape) in steps {
            match shape {
                Some(shape) => shapes.put(document, &shape),
                None => shapes.remove(document),
            }
        }
        prop_assert_eq!(shapes.tree.size(), shapes.by_document.len());
        for to in questions {
            for name in ["WITHIN", "CONTAINS", "INTERSECTS", "DISJOINT"] {
                let of = relation(name);
                let mut found = shapes.find(of, &to);
                found.sort_unstable();
                let fits = |(_, own): &(&u32, &Shape)| lies(own, of, &to, space);
                let mut expected: Vec<u32> =
                    shapes.by_document.iter().filter(fits).map(|(document, _)| *document).collect();
                expected.sort_unstable();
                prop_assert_eq!(found, expected, "{}", name);
            }
        }
    }

    /// No text makes a shape that cannot be put and asked.
    #[test]
    fn any_numbers_are_answered(
        numbers in prop::collection::vec(prop_oneof![any::<f64>(), -3.0..3.0f64, (-3..3i8).prop_map(f64::from)], 6..24),
        space in spaces(),
    ) {
        let points: Vec<String> = numbers.chunks_exact(2).map(|p| format!("{} {}", p[0], p[1])).collect();
        let text = format!("POLYGON(({}))", points.join(","));
        let point = parse(format!("POINT({})", points[0]).as_bytes(), space);
        let mut shapes = Shapes::new(space);
        let all = [parse(text.as_bytes(), space), point];
        for (number, shape) in all.iter().flatten().enumerate() {
            shapes.put(number as u32, shape);
        }
        for shape in all.iter().flatten() {
            shapes.find(Relation::Within, shape);
            shapes.find(Relation::Intersects, shape);
        }
        shapes.remove(0);
        shapes.remove(1);
        prop_assert_eq!(shapes.tree.size(), 0);
    }
}

#[test]
fn a_document_with_a_bad_shape_is_indexed_without_it() {
    let mut field = testbed::field("s", FieldKind::Shape(ShapeSpace::Flat));
    field.indexes_missing = true;
    let mut schema = Schema::new(KeyType::Hash);
    schema.fields = vec![field, testbed::text("t", 1.0)];
    let mut index = Index::new(schema);
    for (key, shape) in [
        ("a", "POINT(1 1)"),
        ("b", "POLYGON((0 0,0 2,2 2))"),
        ("c", "x"),
    ] {
        let outcome = index.put(key.as_bytes(), &Hash(&[("s", shape), ("t", "word")]));
        assert_eq!(outcome, Outcome::Indexed);
    }
    index.put(b"d", &Hash(&[("t", "word")]));
    let found = |index: &Index, query: &str, shape: &str| {
        let params = Params::from([(b"w".to_vec(), shape.as_bytes().to_vec())]);
        let hits = testbed::hits_with(index, query, &Search::default(), &params);
        hits.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    let square = "POLYGON((0 0,0 3,3 3,3 0))";
    assert_eq!(found(&index, "@s:[within $w] word", square), ["a", "b"]);
    assert_eq!(found(&index, "@s:[disjoint $w]", "POINT(1 1)"), [""; 0]);
    assert_eq!(found(&index, "-@s:[within $w]", square), ["c", "d"]);
    assert_eq!(found(&index, "ismissing(@s)", square), ["d"]);
    let figures = index.figures();
    assert_eq!(
        figures.faults.last_message,
        b"Error indexing geoshape: unknown geometry type"
    );
    assert_eq!(
        (figures.faults.count, figures.field_faults[0].count),
        (1, 1)
    );
    let bytes = figures.shape_bytes;
    index.put(b"b", &Hash(&[("s", "POINT(9 9)")]));
    assert_eq!(found(&index, "@s:[within $w]", square), ["a"]);
    assert!(index.figures().shape_bytes < bytes);
    assert!(index.remove(b"a"));
    assert_eq!(found(&index, "@s:[within $w]", square), [""; 0]);
}
