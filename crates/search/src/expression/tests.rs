//! Recorded values, and what no expression may do: overflow the stack, whatever is repeated or
//! nested in it ([`PRODUCTIONS`]).
//!
//! Source of the record: Redis Stack 7.4; values of 8.10 stand apart from it.

use proptest::prelude::*;

use super::{ExpressionError, Row, Value, parse};
use crate::record::bytes;

/// The row of `answers.txt`.
struct RecordedRow;

impl Row for RecordedRow {
    fn property(&self, _: usize, name: &[u8]) -> Option<Value> {
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
            // The property that the index sorts by is a number.
            b"n" => Value::Number(5.0),
            _ => Value::Text(text.into()),
        })
    }
}

fn value_of(text: &[u8]) -> Result<Value, ExpressionError> {
    parse(text)?.evaluate(&RecordedRow)
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
fn literals_are_computed_as_in_redis_8() {
    for (text, expected) in [
        ("1 / 0", "inf"),
        ("-1 / 0", "-inf"),
        ("0 / 0", "nan"),
        ("5.5 % 2", "1.5"),
        ("-9223372036854775808 % -1", "0"),
        ("@n / 0", "nan"),
        ("@n % 0", "nan"),
        ("@m % 2", "0"),
        ("-inf", "-inf"),
        ("+inf", "inf"),
        ("1 + -inf", "-inf"),
        ("inf", "-Unknown symbol 'inf'"),
        ("+3", "3"),
        ("2 * +3", "6"),
        ("1+1", "2"),
        ("1 +1", "2"),
        ("@n+1", "6"),
        ("@n+-1", "4"),
        ("@n -1", "-Syntax error at offset 3 near '-1'"),
        ("+ 3", "-Syntax error at offset 0 near ''"),
        ("--5", "5"),
        ("1e+2", "100"),
        ("1 + 2 * 3 - 4 / 2", "5"),
    ] {
        assert_eq!(
            String::from_utf8_lossy(&shown(text.as_bytes())),
            expected,
            "{text}"
        );
    }
}

#[test]
fn quotes_end_on_their_line() {
    for (text, expected) in [
        ("'a\\ b'", "a b"),
        ("strlen('a\nb')", "-Unknown symbol 'a'"),
        ("'a", "-Unknown symbol 'a'"),
        ("'a' 'b'", "-Syntax error at offset 4 near ''b''"),
    ] {
        assert_eq!(
            String::from_utf8_lossy(&shown(text.as_bytes())),
            expected,
            "{text}"
        );
    }
}

#[test]
fn filters_of_indexes_take_what_a_document_lacks_as_null() {
    for (text, expected) in [
        ("@n == 5 || @lacking == 2", true),
        ("@lacking == 2 || @n == 5", true),
        ("@lacking == 2 && @n == 5", false),
        ("@n == 5 && @lacking == 2", false),
        ("!(@lacking == 1)", true),
        ("@lacking != 1", true),
        ("@lacking", false),
        ("!@lacking", true),
        ("@lacking < 5", false),
        ("@lacking <= 5", false),
        ("5 > @lacking", false),
        ("@lacking + 1 > 0 || @n > 4", true),
        ("strlen(@lacking) > 3 || @n > 4", true),
        ("@s < 5 || @n > 4", true),
        ("strlen(@n) > 3", false),
        ("exists(@lacking)", false),
        ("!exists(@lacking) && @lacking != 'x'", true),
        ("case(@lacking == 1, 0, 1)", true),
    ] {
        let expression = parse(text.as_bytes()).expect("an expression");
        assert_eq!(expression.holds(&RecordedRow), expected, "{text}");
    }
}

/// Every way to make an expression longer or deeper: the beginning, the repeated part, the end, and
/// the close of each repetition.
const PRODUCTIONS: [(&str, &str, &str, &str); 28] = [
    ("1", "+1", "", ""),
    ("@n", "+1", "", ""),
    ("@n", "-@m", "", ""),
    ("@n", " - 1", "", ""),
    ("@n", "*1", "", ""),
    ("@n", "/2", "", ""),
    ("@n", "%7", "", ""),
    ("@n", "^1", "", ""),
    ("@n", "||0", "", ""),
    ("0", "||0", "", ""),
    ("@n", "&&1", "", ""),
    ("@n", "&&1||0", "", ""),
    ("1", "==1&&1", "", ""),
    ("", "!", "1", ""),
    ("1", "+!1", "", ""),
    ("", "(", "@n", ")"),
    ("", "!(", "@n", ")"),
    ("", "1+(", "@n", ")"),
    ("", "2^(", "0", ")"),
    ("", "abs(", "@n", ")"),
    ("", "exists(", "@n", ")"),
    ("", "case(1,", "@n", ",2)"),
    ("", "case(0,1,", "@n", ")"),
    ("", "case(", "1", ",1,0)"),
    ("format('%s'", ",@n", ")", ""),
    ("'", "a", "'", ""),
    ("1", ";", "", ""),
    ("1", " ", "", ""),
];

/// Openings that nothing closes, and marks that cannot stand so.
const UNFINISHED: [&str; 12] = [
    "(", "!", "abs(", "2^", "1+", "case(1,", "'\\'", "\"", "'\"\n", ")", ",", "@n ",
];

/// The stack of the thread that runs commands, if nothing sets another.
const STACK_BYTES: usize = 8 << 20;

#[test]
fn no_expression_is_too_long_or_too_deep_for_the_stack() {
    let check = || {
        for times in [1, 10, 1000, 100_000] {
            for (begin, part, end, close) in PRODUCTIONS {
                let text = [begin, &part.repeat(times), end, &close.repeat(times)].concat();
                let Ok(expression) = parse(text.as_bytes()) else {
                    assert_eq!(times, 100_000, "{begin}{part}{end}{close}");
                    continue;
                };
                let copy = expression.clone();
                let value = copy.evaluate(&RecordedRow);
                assert!(value.is_ok(), "{times} {begin}{part}{end}{close}");
                assert_eq!(copy, expression);
                let _ = (copy.holds(&RecordedRow), copy.name(), copy.asks_terms());
            }
            for part in UNFINISHED {
                assert!(parse(part.repeat(times).as_bytes()).is_err() || times == 1);
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let thread = thread.spawn(check).expect("a thread");
    thread.join().expect("nothing overflows");
}

#[test]
fn long_texts_are_refused_by_their_parts() {
    let long = |part: &str, times| parse([&part.repeat(times), "@n"].concat().as_bytes());
    let text = |result: Result<_, ExpressionError>| result.map_err(|error| error.0);
    let parts = Err(b"The expression has too many parts".to_vec());
    assert_eq!(text(long("@n+", 300_000).map(|_| ())), parts);
    let deep = Err(b"The expression is nested too deep".to_vec());
    for part in ["(", "!", "2^", "abs(", "1+("] {
        assert_eq!(text(long(part, 300_000).map(|_| ())), deep, "{part}");
    }
}

proptest! {
    #[test]
    fn any_text_is_an_expression_or_an_error(text in "[-a-e0-9 ()@+*/%^<>=!&|,.'\"\\\\]{0,40}") {
        let _ = value_of(text.as_bytes());
    }
}
