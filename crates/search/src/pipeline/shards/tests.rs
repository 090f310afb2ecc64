use super::wire::Writer;
use super::{Answer, Order, ShardRow, keep_nearest, merge};
use crate::expression::{Several, Value};
use crate::hit::Explanation;
use crate::pipeline::FieldName;

fn row(key: &str, score: f64) -> ShardRow {
    ShardRow {
        key: key.as_bytes().to_vec(),
        score,
        distance: score,
        explanation: None,
        sort_key: None,
        payload: None,
        is_gone: false,
        values: Vec::new(),
    }
}

fn answer(rows: Vec<ShardRow>) -> Answer {
    Answer {
        total: rows.len() as u64,
        rows,
        ..Answer::default()
    }
}

fn keys(rows: &[(usize, ShardRow)]) -> String {
    let keys = rows.iter().map(|(at, row)| {
        let key = String::from_utf8_lossy(&row.key);
        format!("{at}{key}")
    });
    keys.collect::<Vec<_>>().join(" ")
}

#[test]
fn answers_are_read_as_they_were_written() {
    let list = Value::List(vec![Value::Null, Value::Number(f64::NEG_INFINITY)]);
    let map = Value::Map(vec![(b"n".to_vec(), Value::Text(b"v".to_vec()))]);
    let mut first = row("a", 0.5);
    first.explanation = Some(Explanation {
        text: "sum".to_owned(),
        parts: vec![Explanation {
            text: "part".to_owned(),
            parts: Vec::new(),
        }],
    });
    first.payload = Some(Vec::new());
    first.sort_key = Some(Value::Number(-0.0));
    let several = Value::Several(Box::new(Several {
        first: Value::Number(1.0),
        text: b"[1,2]".to_vec(),
    }));
    let values = [(1, list), (0, map), (1, several)];
    let values = values.map(|(place, value)| (FieldName::Place(place), value));
    first.values = values.to_vec();
    let mut all = answer(vec![first, row("", 1.0)]);
    all.names = vec![b"x".to_vec(), Vec::new()];
    all.warnings = vec!["late".to_owned()];
    let bytes = all.bytes();
    assert_eq!(Answer::read(&bytes), Some(all));
    for len in 0..bytes.len() {
        assert_eq!(Answer::read(&bytes[..len]), None);
    }
    assert_eq!(Answer::read(&[&bytes[..], b"x"].concat()), None);
}

#[test]
fn deep_values_and_long_lengths_are_refused() {
    let mut out = Writer::default();
    for _ in 0..1000 {
        out.byte(3);
        out.size(1);
    }
    out.byte(0);
    assert_eq!(super::Reader(&out.0).value(), None);
    assert_eq!(Answer::read(&[0xff; 64]), None);
}

#[test]
fn rows_of_shards_are_in_one_order() {
    let all = || {
        [
            answer(vec![row("a", 9.0), row("b", 4.0), row("c", 1.0)]),
            answer(vec![row("d", 9.0), row("e", 5.0)]),
            answer(vec![]),
        ]
    };
    let of = |offset, count| keys(&merge(&mut all(), Order::Score, offset, count));
    assert_eq!(of(0, 10), "0a 1d 1e 0b 0c");
    // Parts of the order fit together.
    assert_eq!([of(0, 2), of(2, 2), of(4, 9)].join(" "), of(0, 10));
    assert_eq!(of(9, 9), "");
}

#[test]
fn a_key_of_two_shards_counts_once() {
    let mut all = [
        answer(vec![row("a", 3.0), row("b", 2.0)]),
        answer(vec![row("a", 3.0), row("c", 1.0)]),
    ];
    assert_eq!(keys(&merge(&mut all, Order::Score, 0, 9)), "0a 0b 1c");
}

#[test]
fn sort_keys_order_rows_and_missing_ones_come_last() {
    let with = |key: &str, n: Option<f64>| ShardRow {
        sort_key: n.map(Value::Number),
        ..row(key, 0.0)
    };
    let sorted = |is_descending, lists: [Vec<ShardRow>; 2]| {
        let mut all = lists.map(answer);
        keys(&merge(&mut all, Order::Key { is_descending }, 0, 9))
    };
    let up = [
        vec![with("a", Some(1.0)), with("b", Some(9.0)), with("c", None)],
        vec![with("d", Some(2.0)), with("e", None)],
    ];
    assert_eq!(sorted(false, up), "0a 1d 0b 0c 1e");
    let down = [
        vec![with("b", Some(9.0)), with("a", Some(1.0)), with("c", None)],
        vec![with("d", Some(2.0)), with("e", None)],
    ];
    assert_eq!(sorted(true, down), "0b 1d 0a 0c 1e");
}

#[test]
fn the_nearest_of_all_shards_are_kept() {
    let mut all = [
        answer(vec![row("a", 3.0), row("b", 1.0)]),
        answer(vec![row("c", 2.0), row("d", 3.0)]),
    ];
    keep_nearest(&mut all, 3);
    let left = all.map(|answer| answer.rows.len());
    assert_eq!(left, [2, 1]);
}
