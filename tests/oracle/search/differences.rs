//! Differences between RediSearch 2.10, which Redis Stack 7.4 has, and russet, with a reason each.

use crate::support::Reply;

struct Difference {
    is_it: fn(args: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool,
    reason: &'static str,
}

/// Why two different answers to a command of indexes are accepted, if they are.
pub fn accepted(args: &[Vec<u8>], expected: &Reply, got: &Reply) -> Option<&'static str> {
    DIFFERENCES
        .iter()
        .find(|row| (row.is_it)(args, expected, got))
        .map(|row| row.reason)
}

fn error_of(reply: &Reply) -> &[u8] {
    match reply {
        Reply::Error(text) => text,
        _ => b"",
    }
}

fn has(text: &[u8], part: &str) -> bool {
    text.windows(part.len())
        .any(|window| window == part.as_bytes())
}

/// Whether an expression cannot be computed for a row.
fn is_of_a_row(text: &[u8]) -> bool {
    [
        "has no value, consider using EXISTS",
        "Could not convert value to a number",
        "Error converting string",
        "cannot convert string",
        "Invalid type (",
        "Invalid geo string",
        "Unknown format specifier",
        "Not enough arguments",
    ]
    .iter()
    .any(|part| has(text, part))
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        is_it: |args, expected, got| {
            args[0].eq_ignore_ascii_case(b"ft.aggregate")
                && (is_of_a_row(error_of(got)) || is_of_a_row(error_of(expected)))
        },
        reason: "an expression that fails ends the reply, and rows come in an order of their own",
    },
    Difference {
        is_it: |args, expected, _| {
            let Reply::Map(pairs) = expected else {
                return false;
            };
            let warnings = pairs
                .iter()
                .filter(|(name, _)| name.text() == Some(b"warning"));
            args[0].eq_ignore_ascii_case(b"ft.aggregate")
                && warnings
                    .filter_map(|(_, list)| list.items()?.first()?.text())
                    .any(is_of_a_row)
        },
        reason: "an expression that fails for a later row is no warning",
    },
    Difference {
        is_it: |_, expected, got| {
            has(error_of(got), "Alias conflicts with an existing index name")
                && !matches!(expected, Reply::Error(_))
        },
        reason: "an alias is no index's name, as since Redis 8",
    },
    Difference {
        is_it: |args, expected, got| {
            args.len() == 2
                && has(error_of(expected), "No query string provided")
                && has(error_of(got), "wrong number of arguments")
        },
        reason: "rows know how many arguments there are, before any is looked at",
    },
    Difference {
        is_it: |_, expected, got| {
            has(error_of(got), "Invalid numeric range (min > max)")
                && (!matches!(expected, Reply::Error(_)) || has(error_of(expected), "Syntax error"))
        },
        reason: "a range that ends before it begins is refused, as since Redis 8",
    },
    Difference {
        is_it: |args, expected, got| {
            args[0].eq_ignore_ascii_case(b"ft.dictdump")
                && expected.items().is_some_and(<[Reply]>::is_empty)
                && has(error_of(got), "could not open dict key")
        },
        reason: "terms that are removed make no dictionary",
    },
    Difference {
        is_it: |args, expected, got| {
            args[0].eq_ignore_ascii_case(b"ft.create")
                && has(error_of(expected), "wrong number of arguments")
                && has(error_of(got), "Fields arguments are missing")
        },
        reason: "a schema without fields has the text of Redis 8",
    },
    Difference {
        is_it: |args, expected, got| {
            has(error_of(got), "not loaded nor in schema")
                && !matches!(expected, Reply::Error(_))
                && args
                    .windows(3)
                    .any(|words| words == [&b"LIMIT"[..], b"0", b"0"])
        },
        reason: "SORTBY must be known even where no rows are asked for",
    },
    Difference {
        is_it: |args, expected, got| {
            let is_number = |number: &str| args.get(2).is_some_and(|text| has(text, number));
            !matches!((expected, got), (Reply::Error(_), _) | (_, Reply::Error(_)))
                && [":42", ":2024"].into_iter().any(is_number)
        },
        reason: "a number as a word of one field is looked for in all of them by 2.10",
    },
    Difference {
        is_it: |_, expected, got| {
            has(error_of(expected), "Use `INDEXEMPTY` in field creation")
                && !matches!(got, Reply::Error(_))
        },
        reason: "an empty text is asked of the fields that are named, not of all",
    },
    Difference {
        is_it: |_, expected, got| {
            has(error_of(got), "'ismissing' requires field")
                && has(error_of(expected), "Syntax error")
        },
        reason: "of several mistakes each server names another",
    },
];
