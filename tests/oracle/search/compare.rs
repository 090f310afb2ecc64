//! Whether two replies to a search command are the same answer.
//!
//! Rows without an order are compared as a set. Documents with equal scores come in the order of
//! their numbers, and only Redis gives a document a new number when it changes; groups come in hash
//! table order. If LIMIT cuts off rows in such an order, the number of rows and their sort values
//! must agree.

use crate::support::Reply;

/// Whether this module compares the command's replies.
pub fn is_of_indexes(args: &[Vec<u8>]) -> bool {
    args[0].to_ascii_lowercase().starts_with(b"ft.")
}

pub fn same(args: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    let is_search = args[0].eq_ignore_ascii_case(b"ft.search");
    let has_nan = is_search && has_nan(expected);
    let alike = is_search.then(|| [expected, got].map(|reply| rounded(&without_nan(reply))));
    let [expected, got] = match &alike {
        Some([expected, got]) => [expected, got],
        None => [expected, got],
    };
    if expected == got {
        return true;
    }
    match (expected, got) {
        (Reply::Error(expected), Reply::Error(got)) => same_error(expected, got),
        (Reply::Error(_), _) | (_, Reply::Error(_)) => false,
        _ => match args[0].to_ascii_lowercase().as_slice() {
            b"ft.search" => {
                let mut rows = [expected, got].map(|reply| searched(args, reply));
                if has_nan {
                    // A score that is no number has no place in the order.
                    rows.iter_mut()
                        .flatten()
                        .for_each(|rows| rows.order.clear());
                }
                let [expected, got] = rows;
                same_rows(args, expected, got)
            }
            b"ft.aggregate" => same_rows(args, aggregated(args, expected), aggregated(args, got)),
            b"ft.info" => facts(expected) == facts(got),
            // The blanks beside a tag decide whether its backslashes stay, so the comparison
            // ignores backslashes.
            b"ft.explain" | b"ft.explaincli" => without_escapes(expected) == without_escapes(got),
            b"ft.syndump" => unordered(expected) == unordered(got),
            b"ft._list" | b"ft.tagvals" | b"ft.dictdump" => unordered(expected) == unordered(got),
            _ => false,
        },
    }
}

/// Whether two replies to FT.SEARCH have the same rows, apart from scores and order.
pub fn same_but_scores(args: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    let rows = [expected, got].map(|reply| {
        let mut rows = searched(args, &without_nan(reply))?;
        for row in &mut rows.rows {
            match row {
                Reply::Array(parts) if parts.len() > 1 => _ = parts.remove(1),
                Reply::Map(pairs) => pairs.retain(|(name, _)| name.text() != Some(b"score")),
                _ => {}
            }
        }
        rows.rows.sort();
        if is_fourth(args) {
            rows.head.drain(..rows.head.len() - 1);
        }
        Some((rows.head, rows.rows))
    });
    rows[0].is_some() && rows[0] == rows[1]
}

/// Whether two replies to FT.AGGREGATE have the same rows, apart from a reducer's results over
/// texts that are no numbers.
pub fn same_but_no_numbers(args: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    fn without(reply: &Reply, none: &[&[u8]]) -> Reply {
        match reply {
            Reply::Bulk(text) if none.contains(&text.as_slice()) => Reply::Bulk(b"0".to_vec()),
            Reply::Array(items) => {
                Reply::Array(items.iter().map(|item| without(item, none)).collect())
            }
            Reply::Map(pairs) => {
                let pair = |(name, value): &(Reply, Reply)| (name.clone(), without(value, none));
                Reply::Map(pairs.iter().map(pair).collect())
            }
            other => other.clone(),
        }
    }
    let none: [&[u8]; 5] = [b"nan", b"-nan", b"inf", b"-inf", b"0"];
    let [expected, got] = [expected, got].map(|reply| aggregated(args, &without(reply, &none)));
    args[0].eq_ignore_ascii_case(b"ft.aggregate") && same_rows(args, expected, got)
}

/// Whether a value is a reducer's result over texts that are no numbers.
pub fn has_no_number(reply: &Reply) -> bool {
    match reply {
        Reply::Bulk(text) => [&b"nan"[..], b"-nan", b"inf", b"-inf"].contains(&text.as_slice()),
        Reply::Array(items) => items.iter().any(has_no_number),
        Reply::Map(pairs) => pairs.iter().any(|(_, value)| has_no_number(value)),
        _ => false,
    }
}

/// Whether two replies have the same rows, apart from null values.
pub fn same_but_nulls(args: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    let is_search = args[0].eq_ignore_ascii_case(b"ft.search");
    let [expected, got] = [expected, got].map(|reply| {
        let mut rows = if is_search {
            searched(args, &rounded(reply))
        } else {
            aggregated(args, reply)
        }?;
        rows.rows = rows.rows.iter().map(without_nulls).collect();
        Some(rows)
    });
    (is_search || args[0].eq_ignore_ascii_case(b"ft.aggregate")) && same_rows(args, expected, got)
}

/// A row whose fields are pairs, as `sorted_lists` makes them.
fn without_nulls(row: &Reply) -> Reply {
    match row {
        Reply::Array(parts) => {
            let is_null = |pair: &&Reply| {
                let value = pair.items().and_then(|pair| pair.get(1));
                value == Some(&Reply::Null)
            };
            let kept = parts.iter().filter(|pair| !is_null(pair));
            Reply::Array(kept.map(without_nulls).collect())
        }
        Reply::Map(pairs) => {
            let pairs = pairs.iter().filter(|(_, value)| *value != Reply::Null);
            let inner = |(name, value): &(Reply, Reply)| match value {
                Reply::Map(_) => (name.clone(), without_nulls(value)),
                other => (name.clone(), other.clone()),
            };
            Reply::Map(pairs.map(inner).collect())
        }
        other => other.clone(),
    }
}

/// The beginnings of texts that 2.10 and 8.10 have for the same mistake.
const WORDED_OTHERWISE: &[(&str, &str)] = &[
    ("Unknown Index name", "Index not found"),
    ("Unknown index name", "Index not found"),
    ("No such parameter", "Parameter not found"),
    ("Bad arguments for LOAD: SUCCESS", "Bad arguments for LOAD"),
    (
        "Cannot use highlight/summarize",
        "Cannot use HIGHLIGHT/SUMMARIZE",
    ),
];

fn same_error(expected: &[u8], got: &[u8]) -> bool {
    let is_code = |word: &[u8]| word.starts_with(b"SEARCH_");
    let bare = match got.iter().position(|byte| *byte == b' ') {
        Some(blank) if is_code(&got[..blank]) => &got[blank + 1..],
        _ => got,
    };
    let is_unknown = expected.ends_with(b": no such index") && bare.starts_with(b"Index not found");
    let expected = expected.strip_prefix(b"ERR ").unwrap_or(expected);
    let bare = bare.strip_prefix(b"ERR ").unwrap_or(bare);
    expected == bare
        || is_unknown
        || WORDED_OTHERWISE.iter().any(|(old, new)| {
            expected.starts_with(old.as_bytes()) && bare.starts_with(new.as_bytes())
        })
}

/// A reply in parts.
#[derive(Debug, PartialEq)]
struct Rows {
    /// Everything except the rows.
    head: Vec<Reply>,
    rows: Vec<Reply>,
    /// The value by which each row is sorted.
    order: Vec<Reply>,
}

/// Whether a score of the reply is no number.
pub fn has_nan(reply: &Reply) -> bool {
    *reply != without_nan(reply)
}

/// A document without words, which a query finds by what it lacks, has the score 0. In 2.10 the
/// score is a division by 0.
fn without_nan(reply: &Reply) -> Reply {
    let all = |items: &[Reply]| items.iter().map(without_nan).collect();
    match reply {
        Reply::Bulk(text) if text == b"nan" || text == b"inf" => Reply::Bulk(b"0".to_vec()),
        Reply::Double(text) if text == b"nan" || text == b"inf" => Reply::Double(b"0".to_vec()),
        Reply::Array(items) => Reply::Array(all(items)),
        Reply::Map(pairs) => Reply::Map(
            pairs
                .iter()
                .map(|(name, value)| (name.clone(), without_nan(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn without_escapes(reply: &Reply) -> Vec<u8> {
    let lines = reply.items().unwrap_or(std::slice::from_ref(reply));
    let text: Vec<&[u8]> = lines.iter().filter_map(Reply::text).collect();
    let mut text = text.join(&b'\n');
    text.retain(|byte| *byte != b'\\');
    text
}

/// Scores with 12 digits, because sums of many parts differ in the last digits.
fn rounded(reply: &Reply) -> Reply {
    let digits = |text: &[u8]| -> Option<Vec<u8>> {
        let number: f64 = std::str::from_utf8(text)
            .ok()
            .filter(|text| text.len() > 14)?
            .parse()
            .ok()?;
        Some(format!("{number:.11e}").into_bytes())
    };
    match reply {
        Reply::Bulk(text) => Reply::Bulk(digits(text).unwrap_or_else(|| text.clone())),
        Reply::Double(text) => Reply::Double(digits(text).unwrap_or_else(|| text.clone())),
        Reply::Array(items) => Reply::Array(items.iter().map(rounded).collect()),
        Reply::Map(pairs) => Reply::Map(
            pairs
                .iter()
                .map(|(name, value)| (name.clone(), rounded(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn word_at(args: &[Vec<u8>], name: &str) -> Option<usize> {
    args.iter()
        .skip(3)
        .position(|arg| arg.eq_ignore_ascii_case(name.as_bytes()))
        .map(|at| at + 3)
}

fn searched(args: &[Vec<u8>], reply: &Reply) -> Option<Rows> {
    let has = |name: &str| word_at(args, name).is_some();
    if let Reply::Map(pairs) = reply {
        let rows: Vec<Reply> = field(pairs, "results")?
            .items()?
            .iter()
            .map(sorted_lists)
            .collect();
        let mut head: Vec<Reply> = pairs
            .iter()
            .filter(|(name, _)| name.text() != Some(b"results"))
            .map(|(_, value)| value.clone())
            .collect();
        head.push(Reply::Integer(rows.len() as i64));
        let order = rows
            .iter()
            .map(|row| {
                let Reply::Map(pairs) = row else {
                    return Reply::Null;
                };
                let name = if has("SORTBY") { "sortkey" } else { "score" };
                match field(pairs, name) {
                    Some(Reply::Array(parts)) => parts[0].clone(),
                    Some(value) => value.clone(),
                    None => Reply::Null,
                }
            })
            .collect();
        return Some(Rows { head, rows, order });
    }
    let items = reply.items()?;
    let options = ["WITHSCORES", "WITHPAYLOADS", "WITHSORTKEYS"].map(has);
    let is_bare = has("NOCONTENT") || returns_nothing(args);
    let of_row = 1 + options.iter().filter(|is| **is).count() + usize::from(!is_bare);
    let (head, rest) = items.split_first()?;
    if rest.len() % of_row != 0 {
        return None;
    }
    // The fields of a document come in hash table order.
    let pairs = |part: &Reply| match part {
        Reply::Array(items) if !is_bare => {
            let mut pairs: Vec<Reply> = items
                .chunks(2)
                .map(|pair| Reply::Array(pair.to_vec()))
                .collect();
            pairs.sort();
            Reply::Array(pairs)
        }
        other => other.clone(),
    };
    let of_parts = |row: &[Reply]| {
        let (last, others) = row.split_last().expect("a row has parts");
        let others = others.iter().cloned().chain([pairs(last)]);
        Reply::Array(others.collect())
    };
    let rows: Vec<Reply> = rest.chunks(of_row).map(of_parts).collect();
    let order = rest
        .chunks(of_row)
        .map(|row| {
            let at = if has("SORTBY") && options[2] {
                1 + usize::from(options[0]) + usize::from(options[1])
            } else if !has("SORTBY") && options[0] {
                1
            } else {
                return Reply::Null;
            };
            match &row[at] {
                Reply::Array(parts) => parts[0].clone(),
                value => value.clone(),
            }
        })
        .collect();
    let head = vec![head.clone(), Reply::Integer(rows.len() as i64)];
    Some(Rows { head, rows, order })
}

fn returns_nothing(args: &[Vec<u8>]) -> bool {
    word_at(args, "RETURN").is_some_and(|at| args.get(at + 1).is_some_and(|n| n == b"0"))
}

fn field<'r>(pairs: &'r [(Reply, Reply)], name: &str) -> Option<&'r Reply> {
    let found = pairs
        .iter()
        .find(|(key, _)| key.text() == Some(name.as_bytes()));
    found.map(|(_, value)| value)
}

fn aggregated(args: &[Vec<u8>], reply: &Reply) -> Option<Rows> {
    let mut head = Vec::new();
    let mut reply = reply;
    // With a cursor: the reply, and the cursor's number.
    if let Reply::Array(items) = reply
        && let [
            inner @ (Reply::Array(_) | Reply::Map(_)),
            Reply::Integer(id),
        ] = items.as_slice()
    {
        // With LIMIT, the cursor of 2.10 has not ended, because it counts the rows that LIMIT cuts
        // off.
        if args.iter().all(|arg| arg != b"LIMIT") {
            head.push(Reply::Boolean(*id == 0));
        }
        reply = inner;
    }
    let rows = if let Reply::Map(pairs) = reply {
        for (name, value) in pairs {
            if name.text() != Some(b"results") {
                head.push(value.clone());
            }
        }
        field(pairs, "results")?.items()?.to_vec()
    } else {
        let (total, rows) = reply.items()?.split_first()?;
        head.push(total.clone());
        rows.to_vec()
    };
    head.push(Reply::Integer(rows.len() as i64));
    let rows: Vec<Reply> = rows.iter().map(sorted_lists).collect();
    Some(Rows {
        head,
        order: vec![Reply::Null; rows.len()],
        rows,
    })
}

/// The lists of a row's values have no order, and neither have its fields.
fn sorted_lists(row: &Reply) -> Reply {
    let value = |value: &Reply| match value {
        Reply::Array(items) => {
            let mut items = items.clone();
            items.sort();
            Reply::Array(items)
        }
        other => other.clone(),
    };
    match row {
        Reply::Array(items) => {
            let pairs = items
                .chunks(2)
                .map(|pair| Reply::Array(pair.iter().map(value).collect()));
            let mut pairs: Vec<Reply> = pairs.collect();
            pairs.sort();
            Reply::Array(pairs)
        }
        Reply::Map(pairs) => {
            let pairs = pairs.iter().map(|(name, inner)| {
                let inner = match inner {
                    Reply::Map(fields) => {
                        let fields = fields.iter().map(|(name, v)| (name.clone(), value(v)));
                        let mut fields: Vec<_> = fields.collect();
                        fields.sort();
                        Reply::Map(fields)
                    }
                    other => other.clone(),
                };
                (name.clone(), inner)
            });
            Reply::Map(pairs.collect())
        }
        other => other.clone(),
    }
}

fn same_rows(args: &[Vec<u8>], expected: Option<Rows>, got: Option<Rows>) -> bool {
    let (Some(expected), Some(got)) = (expected, got) else {
        return false;
    };
    let is_search = args[0].eq_ignore_ascii_case(b"FT.SEARCH");
    // An expression that fails for a row ends the reply, and each engine has its own order of rows.
    let computes = args.iter().any(|arg| arg == b"APPLY" || arg == b"FILTER");
    if computes && !is_search && expected.rows.len() != got.rows.len() {
        return true;
    }
    // The number of rows that a FILTER skips before the first row depends on that order, too.
    let is_passed_over = !is_search && args.iter().any(|arg| arg == b"FILTER");
    // In dialect 4, and over RESP3, the total of 2.10 is its count when it began to reply.
    let is_fourth = is_fourth(args);
    let is_counted = is_fourth && expected.head.last() == got.head.last();
    if expected.head != got.head && !is_counted && !is_passed_over
        || !is_fourth && !same_order(&expected.order, &got.order)
    {
        return false;
    }
    let sorts: Vec<&[u8]> = args
        .windows(2)
        .filter(|pair| pair[0] == b"SORTBY")
        .map(|pair| pair[1].as_slice())
        .collect();
    // Each document has a different `uid`, so rows have no ties, unless a renamed document has the
    // number of another document.
    let is_renamed = |row: &Reply| key_of(row).is_some_and(|key| key.starts_with(b"away:"));
    if is_search && sorts == [b"uid"] && !expected.rows.iter().any(is_renamed) {
        return expected.rows == got.rows;
    }
    let is_cut = args
        .iter()
        .position(|arg| arg == b"LIMIT")
        .is_some_and(|at| args[at + 2] != b"100");
    if is_cut && is_search {
        return true;
    }
    let sorted = |rows: &[Reply]| {
        let mut rows = rows.to_vec();
        rows.sort();
        rows
    };
    let (expected, got) = (sorted(&expected.rows), sorted(&got.rows));
    expected == got
}

/// The key of a row of FT.SEARCH.
fn key_of(row: &Reply) -> Option<&[u8]> {
    match row {
        Reply::Array(parts) => parts.first()?.text(),
        Reply::Map(pairs) => field(pairs, "id")?.text(),
        _ => None,
    }
}

fn is_fourth(args: &[Vec<u8>]) -> bool {
    let is_it = |pair: &[Vec<u8>]| pair[0] == b"DIALECT" && pair[1] == b"4";
    args.windows(2).any(is_it)
}

fn same_order(expected: &[Reply], got: &[Reply]) -> bool {
    expected == got
}

/// The facts of FT.INFO that both engines share: definitions and counts. Sizes and times differ.
fn facts(reply: &Reply) -> Vec<(Vec<u8>, Reply)> {
    const ALIKE: &[&str] = &[
        "index_name",
        "index_options",
        "index_definition",
        "attributes",
        "num_docs",
        "stopwords_list",
    ];
    let pairs: Vec<(Reply, Reply)> = match reply {
        Reply::Map(pairs) => pairs.clone(),
        Reply::Array(items) => items
            .chunks(2)
            .filter(|pair| pair.len() == 2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect(),
        _ => Vec::new(),
    };
    pairs
        .into_iter()
        .filter_map(|(name, value)| {
            let name = name.text()?.to_vec();
            let is_alike = ALIKE.iter().any(|alike| alike.as_bytes() == name);
            is_alike.then_some((name, without_newer_facts(value)))
        })
        .collect()
}

/// The facts without those that 8.0 added to a definition and its fields.
fn without_newer_facts(reply: Reply) -> Reply {
    const NEWER: [&[u8]; 2] = [b"indexes_all", b"ef_runtime"];
    let is_newer = |name: &Reply| name.text().is_some_and(|name| NEWER.contains(&name));
    match reply {
        Reply::Array(mut items) => {
            if let Some(at) = items.iter().position(is_newer) {
                items.drain(at..at + 2);
            }
            Reply::Array(items.into_iter().map(without_newer_facts).collect())
        }
        Reply::Map(pairs) => {
            let pairs = pairs.into_iter().filter(|(name, _)| !is_newer(name));
            let inner = |(name, value)| (name, without_newer_facts(value));
            Reply::Map(pairs.map(inner).collect())
        }
        other => other,
    }
}

fn unordered(reply: &Reply) -> Reply {
    match reply {
        Reply::Array(items)
            if items.len() % 2 == 0
                && items
                    .iter()
                    .skip(1)
                    .step_by(2)
                    .all(|item| matches!(item, Reply::Array(_))) =>
        {
            let mut pairs: Vec<Reply> = items
                .chunks(2)
                .map(|pair| Reply::Array(pair.iter().map(unordered_list).collect()))
                .collect();
            pairs.sort();
            Reply::Array(pairs)
        }
        Reply::Map(pairs) => {
            let mut pairs: Vec<_> = pairs
                .iter()
                .map(|(k, v)| (k.clone(), unordered_list(v)))
                .collect();
            pairs.sort();
            Reply::Map(pairs)
        }
        other => unordered_list(other),
    }
}

fn unordered_list(reply: &Reply) -> Reply {
    let sort = |items: &[Reply]| {
        let mut items = items.to_vec();
        items.sort();
        items
    };
    match reply {
        Reply::Array(items) => Reply::Array(sort(items)),
        Reply::Set(items) => Reply::Set(sort(items)),
        other => other.clone(),
    }
}
