//! Differences between RediSearch 2.10, which Redis Stack 7.4 has, and russet, each with its
//! reason.

use super::compare;
use crate::support::Reply;

struct Difference {
    is_it: fn(args: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool,
    reason: &'static str,
}

/// The reason for accepting two different answers to a search command, if there is a reason.
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

/// Whether the error means that an expression cannot be computed for a row.
fn is_of_a_row(text: &[u8]) -> bool {
    [
        "has no value, consider using EXISTS",
        "Could not convert value to a number",
        "Error converting string",
        "cannot convert string",
        "Invalid type (",
        "Invalid type for",
        "Invalid geo string",
        "Unknown format specifier",
        "Not enough arguments",
    ]
    .iter()
    .any(|part| has(text, part))
}

/// Whether the error refuses a part of the query.
fn is_of_a_query(text: &[u8]) -> bool {
    [
        "'ismissing' requires field",
        "Syntax error",
        "Use `INDEXEMPTY` in field creation",
        "No such parameter",
        "Parameter not found",
        "Invalid numeric range (min > max)",
        "Unknown function name",
        "not loaded nor in",
    ]
    .iter()
    .any(|part| has(text, part))
}

/// Whether the query's words must be near each other.
fn is_near(args: &[Vec<u8>]) -> bool {
    let query = args.get(2).map_or(&b""[..], Vec::as_slice);
    args.iter().any(|arg| arg == b"INORDER" || arg == b"SLOP")
        || has(query, "$slop")
        || has(query, "$inorder")
}

/// Whether a query has numeric ranges or geographic places.
fn has_numbers(args: &[Vec<u8>]) -> bool {
    let query = args.get(2).map_or(&b""[..], Vec::as_slice);
    let marks = [":[", "=", "<", ">"];
    args.iter()
        .any(|arg| arg == b"FILTER" || arg == b"GEOFILTER")
        || marks.into_iter().any(|mark| has(query, mark))
}

/// Whether a query has several parts, and its scores depend on word forms or on distances.
fn has_uncertain_scores(args: &[Vec<u8>], expected: &Reply) -> bool {
    let word = |name: &str| {
        let is_it = |arg: &Vec<u8>| arg.eq_ignore_ascii_case(name.as_bytes());
        args.iter().skip(3).position(is_it).map(|at| at + 3)
    };
    let scorer = word("SCORER").and_then(|at| args.get(at + 1));
    let has_distances = scorer.is_none_or(|name| name.starts_with(b"TFIDF") || name == b"BM25");
    let has_forms = word("VERBATIM").is_none();
    // With a limit on fields, keys or distances, the explanation leaves out empty parts.
    let options = ["INFIELDS", "INKEYS", "SLOP", "INORDER"];
    let has_fewer_parts =
        args[2].contains(&b'@') || options.into_iter().any(|name| word(name).is_some());
    // For a document without words BM25STD is no number. Of several words with the same part the
    // first counts, and each engine has its own order. A tag that the query names twice counts
    // twice.
    args[0].eq_ignore_ascii_case(b"ft.search")
        && word("WITHSCORES").is_some()
        && (compare::has_nan(expected)
            || word("EXPLAINSCORE").is_some() && has_fewer_parts
            || ["*", "w'", ":{"]
                .into_iter()
                .any(|mark| has(&args[2], mark))
            || args[2].iter().any(|byte| b" |".contains(byte))
                && (has_distances || has_forms || has(&args[2], "~(~")))
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
            // With a cursor: the reply, and the cursor's number.
            let reply = expected.items().and_then(<[Reply]>::first);
            let Reply::Map(pairs) = reply.unwrap_or(expected) else {
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
        reason: "an expression that fails for a later row warns, and rows come in an order of their own",
    },
    Difference {
        is_it: |_, expected, got| {
            has(error_of(got), "Alias conflicts with an existing index name")
                && (!matches!(expected, Reply::Error(_))
                    || has(error_of(expected), "Alias already exists"))
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
        is_it: |_, expected, got| is_of_a_query(error_of(got)) && is_of_a_query(error_of(expected)),
        reason: "of several mistakes each server names another",
    },
    Difference {
        is_it: |args, expected, got| {
            let query = args.get(2).map_or(&b""[..], Vec::as_slice);
            let is_error = |reply: &Reply| matches!(reply, Reply::Error(_));
            has(query, "VECTOR_RANGE") && has(query, "-") && !is_error(expected) && !is_error(got)
        },
        reason: "what lies beyond a distance holds, in 2.10, the last of what lies within it",
    },
    Difference {
        is_it: |args, expected, got| {
            let is_error = |reply: &Reply| matches!(reply, Reply::Error(_));
            let is_loose = has_numbers(args) || !args.iter().any(|arg| arg == b"VERBATIM");
            is_near(args) && is_loose && !is_error(expected) && !is_error(got)
        },
        reason: "numbers, places and words with forms are near or not by how 2.10 keeps them",
    },
    Difference {
        is_it: |_, expected, got| {
            has(error_of(got), "Use `INDEXEMPTY` in field creation")
                && !matches!(expected, Reply::Error(_))
        },
        reason: "a part is refused, too, where 2.10 does not look at it",
    },
    Difference {
        is_it: |args, expected, got| {
            let is_filtered = args
                .iter()
                .any(|arg| arg == b"FILTER" || arg == b"GEOFILTER");
            let is_phrase = |query: &Vec<u8>| query.starts_with(b"\"") && query.ends_with(b"\"");
            let is_error = |reply: &Reply| matches!(reply, Reply::Error(_));
            is_filtered
                && args.get(2).is_some_and(is_phrase)
                && !is_error(expected)
                && !is_error(got)
        },
        reason: "a filter beside a phrase is a word of it in 2.10",
    },
    Difference {
        is_it: |args, expected, got| {
            let is_error = |reply: &Reply| matches!(reply, Reply::Error(_));
            let is_marked = |query: &Vec<u8>| {
                let of_all = query.starts_with(b"*=>[KNN");
                !of_all && query.iter().any(|byte| b"-@".contains(byte))
            };
            args.iter()
                .any(|arg| arg == b"INFIELDS" || arg == b"INKEYS")
                && args.get(2).is_some_and(is_marked)
                && !is_error(expected)
                && !is_error(got)
        },
        reason: "2.10 forgets INFIELDS and INKEYS, or what is not to be there, where it seeks",
    },
    Difference {
        is_it: |args, expected, got| compare::same_but_no_numbers(args, expected, got),
        reason: "reducers of no number, and literals by 0, are those of Redis 8",
    },
    Difference {
        is_it: |args, expected, got| {
            let reduces = args.iter().any(|arg| arg.eq_ignore_ascii_case(b"REDUCE"));
            reduces && compare::has_no_number(got) && !compare::has_no_number(expected)
        },
        reason: "what is computed of reducers of no number follows them",
    },
    Difference {
        is_it: |args, expected, got| compare::same_but_nulls(args, expected, got),
        reason: "a null of JSON in a SORTABLE field is none",
    },
    Difference {
        is_it: |args, expected, got| {
            has_uncertain_scores(args, expected) && compare::same_but_scores(args, expected, got)
        },
        reason: "a union that seeks loses parts in 2.10, and parts without positions are far away",
    },
];
