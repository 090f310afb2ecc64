//! Recorded values, and what no expression may do.

use proptest::prelude::*;

use super::{ExpressionError, Row, Value, parse};
use crate::record::bytes;

/// The row of `answers.txt`.
struct Recorded;

impl Row for Recorded {
    fn property(&self, name: &[u8]) -> Option<Value> {
        let fields: [(&[u8], &str); 11] = [
            (b"n", "5"),
            (b"m", "2.5"),
            (b"s", "Hello World"),
            (b"e", ""),
            (b"neg", "-3"),
            (b"num", "12"),
            (b"loc", "1.5,2.5"),
            (b"loc2", "1.6,2.5"),
            (b"csv", "a, b,,c "),
            (b"t", "1517417144"),
            (b"z", "0"),
        ];
        let (_, text) = fields.into_iter().find(|(field, _)| *field == name)?;
        Some(match name {
            // The one that the index sorts by is a number.
            b"n" => Value::Number(5.0),
            _ => Value::Text(text.into()),
        })
    }
}

fn value_of(text: &[u8]) -> Result<Value, ExpressionError> {
    parse(text)?.evaluate(&Recorded)
}

fn shown(text: &[u8]) -> Vec<u8> {
    match value_of(text) {
        Ok(Value::Null) => b"(nil)".to_vec(),
        Ok(Value::List(items)) => {
            let parts = items.iter().filter_map(Value::shown);
            parts.fold(b"[]".to_vec(), |all, part| [all, part].join(&b'\t'))
        }
        Ok(value) => value.shown().expect("it is not null"),
        Err(ExpressionError(text)) => [b"-", text.as_slice()].concat(),
    }
}

#[test]
fn values_are_those_of_redis_stack() {
    let mut wrong = Vec::new();
    for line in include_str!("answers.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        let (text, expected) = line.split_once("  =>  ").expect("a value");
        let got = shown(&bytes(text));
        if got
            != expected
                .split('\t')
                .map(bytes)
                .collect::<Vec<_>>()
                .join(&b'\t')
        {
            wrong.push(format!("{line}\n  got {}", got.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn operators_bind_as_in_redis_8() {
    for (text, expected) in [
        ("2 * 3 ^ 2", 18.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("1 || 0 && 0", 1.0),
        ("!1 == 0", 1.0),
        ("1 + 2 < 2 * 2 && 1", 1.0),
        ("case(@n > 3, 1, strlen(5))", 1.0),
        ("1e+3", 1000.0),
    ] {
        assert_eq!(
            value_of(text.as_bytes()),
            Ok(Value::Number(expected)),
            "{text}"
        );
    }
    assert!(parse(b"1 < 2 < 3").is_err());
}

#[test]
fn nesting_is_bounded() {
    for opening in ["(", "!", "abs(", "2^"] {
        let text = opening.repeat(50_000);
        assert!(parse(text.as_bytes()).is_err(), "{opening}");
    }
}

proptest! {
    #[test]
    fn any_text_is_an_expression_or_an_error(text in "[-a-e0-9 ()@+*/%^<>=!&|,.'\"\\\\]{0,40}") {
        let _ = value_of(text.as_bytes());
    }
}
