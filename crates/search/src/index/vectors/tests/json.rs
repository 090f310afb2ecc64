//! Values that a path finds in a JSON document as vectors: recorded from Redis Stack 7.4.

use super::*;

fn n(number: f64) -> Item<'static> {
    Item::Number(number)
}

fn list(items: &[Item<'static>]) -> Item<'static> {
    Item::List(items.to_vec())
}

/// How many vectors there are; `None`: the document is refused.
fn count(takes_several: bool, found: &[Item<'_>]) -> Option<usize> {
    let options = schema::Vector {
        dimensions: 2,
        takes_several,
        ..options(Element::Float32, Metric::L2)
    };
    let rows = of_items(&options, found).ok()?;
    Some(rows.len() / 8)
}

#[test]
fn a_path_of_one_value_takes_one_vector_and_others_several() {
    let (a, b) = (list(&[n(1.0), n(2.0)]), list(&[n(3.0), n(4.0)]));
    let both = list(&[a.clone(), b.clone()]);
    let short = list(&[n(1.0)]);
    for (found, one, several) in [
        (vec![a.clone()], Some(1), Some(1)),
        (vec![both.clone()], None, Some(2)),
        (
            vec![list(&[a.clone(), Item::Null, b.clone()])],
            None,
            Some(2),
        ),
        (vec![list(&[Item::Null, a.clone(), b.clone()])], None, None),
        (vec![a.clone(), Item::Null, b.clone()], Some(2), Some(2)),
        (vec![Item::Null, a.clone()], Some(1), Some(1)),
        (vec![list(&[a.clone(), short.clone()])], None, None),
        (vec![a.clone(), short], None, None),
        (vec![a.clone(), both.clone()], None, None),
        (vec![list(&[])], None, None),
        (vec![list(&[list(&[])])], None, None),
        (vec![list(&[both])], None, None),
        (vec![n(1.0), n(2.0)], None, None),
        (vec![n(1.0)], None, None),
        (vec![list(&[n(1.0), Item::Null])], None, None),
        (vec![list(&[Item::Bool(true), n(1.0)])], None, None),
        (vec![list(&[Item::Null, Item::Null])], None, None),
        (vec![Item::Null, Item::Null], Some(0), Some(0)),
        (vec![Item::Text("a".as_bytes().into())], None, None),
        (vec![Item::Object], None, None),
    ] {
        assert_eq!(count(false, &found), one, "one value: {found:?}");
        assert_eq!(count(true, &found), several, "several: {found:?}");
    }
}
