//! Whether two replies are the same answer.
//!
//! The comparison is byte by byte, except where the protocol leaves freedom: the order of a set, a
//! random member, the passing of time. `accepted` has russet's intended differences.

use std::mem::discriminant;

use crate::{
    accepted::{accepted, without_spelling},
    play::{Answer, FIRST_WAITER, Step, WAITERS},
    search,
    support::{Reply, peers::Peer, resp::printable},
};

/// The freedom that a command's reply has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freedom {
    /// No freedom.
    None,
    /// The order of elements.
    Order,
    /// The order of pairs: a flat array in RESP2, a map in RESP3.
    PairOrder,
    /// The order within the second element: the *SCAN family.
    ScanOrder,
    /// Integers may differ by this number: clocks.
    Near(i64),
    /// The number of levels, and the levels of an element.
    Levels,
    /// Everything except types and lengths.
    Form,
    /// Everything except the type.
    Kind,
}

fn freedom(args: &[Vec<u8>]) -> Freedom {
    let word = |at: usize| {
        args.get(at)
            .map(|arg| String::from_utf8_lossy(arg).to_lowercase())
            .unwrap_or_default()
    };
    match (word(0).as_str(), word(1).as_str()) {
        ("smembers" | "sunion" | "sinter" | "sdiff" | "keys" | "hkeys" | "hvals" | "spop", _) => {
            Freedom::Order
        }
        ("command", "list" | "info" | "") | ("pubsub", "channels" | "shardchannels") => {
            Freedom::Order
        }
        ("config", "get") | ("command", "docs") | ("hgetall", _) => Freedom::PairOrder,
        ("scan" | "sscan" | "hscan" | "zscan", _) => Freedom::ScanOrder,
        ("srandmember" | "hrandfield" | "zrandmember" | "randomkey", _) => Freedom::Form,
        ("ttl" | "expiretime" | "httl" | "hexpiretime", _) => Freedom::Near(1),
        ("pttl" | "pexpiretime" | "hpttl" | "hpexpiretime", _) => Freedom::Near(1500),
        // Equal distances have no order.
        ("vsim", _) => Freedom::Order,
        // The server draws the levels of an element at random.
        ("vlinks", _) => Freedom::Levels,
        ("vrandmember" | "vinfo", _) => Freedom::Form,
        // The elements come in hash table order; `state` compares ordered values.
        ("dump", _) => Freedom::Form,
        ("object", "idletime") => Freedom::Near(3),
        ("client", "id" | "list" | "info") | ("time" | "lastsave", _) => Freedom::Form,
        // ROLE's offset depends on the bytes that replicas were sent.
        ("latency", "histogram") | ("role", _) => Freedom::Kind,
        ("memory", "doctor" | "malloc-stats") | ("latency", "doctor") => Freedom::Form,
        // Times, and milliseconds since then.
        ("xinfo", "consumers") => Freedom::Form,
        ("xinfo", "stream") if word(3) == "full" => Freedom::Form,
        ("hello", _) | ("command", "count") | ("memory", "usage") | ("xpending" | "info", _) => {
            Freedom::Form
        }
        _ => Freedom::None,
    }
}

/// The first difference between two servers' answers to a stream.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The step, or `None` for the final state.
    pub step: Option<usize>,
    pub what: String,
    pub expected: String,
    pub got: String,
}

impl Difference {
    /// The same text for the same mistake: digits do not matter.
    pub fn signature(&self) -> String {
        let form = |text: &str| -> String {
            let text: String = text
                .chars()
                .map(|c| if c.is_ascii_digit() { '0' } else { c })
                .collect();
            text.chars().take(60).collect()
        };
        let name = self
            .what
            .split_ascii_whitespace()
            .next()
            .unwrap_or_default()
            .to_lowercase();
        format!("{name} {} {}", form(&self.expected), form(&self.got))
    }
}

/// The first step whose answers differ.
pub fn first_difference(
    peer: Peer,
    steps: &[Step],
    expected: &[Answer],
    got: &[Answer],
) -> Option<Difference> {
    let mut queued: [Vec<usize>; FIRST_WAITER + WAITERS] = Default::default();
    let mut in_transaction = [false; FIRST_WAITER + WAITERS];
    for (at, step) in steps.iter().enumerate() {
        let name = step.args[0].to_ascii_lowercase();
        let same = match (&expected[at], &got[at]) {
            (Ok(expected), Ok(got)) if name == b"exec" && in_transaction[step.client] => {
                same_exec(peer, steps, &queued[step.client], expected, got)
            }
            (Ok(expected), Ok(got)) => same(peer, &step.args, expected, got),
            (Err(expected), Err(got)) => expected == got,
            _ => false,
        };
        if !same {
            return Some(Difference {
                step: Some(at),
                what: command_line(&step.args),
                expected: show(&expected[at]),
                got: show(&got[at]),
            });
        }
        let Ok((raw, _)) = &expected[at] else {
            continue;
        };
        match name.as_slice() {
            b"multi" if raw == b"+OK\r\n" => {
                in_transaction[step.client] = true;
                queued[step.client].clear();
            }
            b"exec" | b"discard" | b"reset" if raw[0] != b'-' || raw.starts_with(b"-EXECABORT") => {
                in_transaction[step.client] = false;
            }
            _ if raw == b"+QUEUED\r\n" => queued[step.client].push(at),
            _ => {}
        }
    }
    None
}

/// Compares the answers inside an EXEC, each by its command's rule.
fn same_exec(
    peer: Peer,
    steps: &[Step],
    queued: &[usize],
    expected: &(Vec<u8>, Reply),
    got: &(Vec<u8>, Reply),
) -> bool {
    match (&expected.1, &got.1) {
        (Reply::Array(expected), Reply::Array(got)) => {
            expected.len() == got.len()
                && expected.len() == queued.len()
                && queued
                    .iter()
                    .zip(expected.iter().zip(got))
                    .all(|(&at, (expected, got))| same_reply(peer, &steps[at].args, expected, got))
        }
        _ => expected.0 == got.0,
    }
}

fn same(peer: Peer, args: &[Vec<u8>], expected: &(Vec<u8>, Reply), got: &(Vec<u8>, Reply)) -> bool {
    let is_free = || {
        peer == Peer::Redis7
            || search::is_of_indexes(args)
            || freedom(args) != Freedom::None
            || accepted(peer, args, &expected.1, &got.1).is_some()
    };
    expected.0 == got.0 || is_free() && same_reply(peer, args, &expected.1, &got.1)
}

fn same_reply(peer: Peer, args: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    if search::is_of_indexes(args) {
        return search::same(args, expected, got);
    }
    let spelled =
        (peer == Peer::Redis7).then(|| (without_spelling(expected), without_spelling(got)));
    let (expected, got) = spelled.as_ref().map_or((expected, got), |(e, g)| (e, g));
    expected == got
        || accepted(peer, args, expected, got).is_some()
        || match (expected, got) {
            // Errors must be equal.
            (Reply::Error(_), _) | (_, Reply::Error(_)) => false,
            _ => match freedom(args) {
                Freedom::None => false,
                Freedom::Order => sorted(expected) == sorted(got),
                Freedom::PairOrder => paired(expected) == paired(got),
                Freedom::ScanOrder => scanned(args, expected) == scanned(args, got),
                Freedom::Near(distance) => near(expected, got, distance),
                Freedom::Levels => linked(expected) == linked(got),
                Freedom::Form => same_form(expected, got),
                Freedom::Kind => discriminant(expected) == discriminant(got),
            },
        }
}

/// An aggregate's type (array or set) with its elements sorted; anything else alone.
pub fn sorted(reply: &Reply) -> (u8, Vec<Reply>) {
    let (kind, items) = match reply {
        Reply::Array(items) => (b'*', items),
        Reply::Set(items) => (b'~', items),
        other => return (b' ', vec![other.clone()]),
    };
    let mut items = items.clone();
    items.sort();
    (kind, items)
}

/// For a list of levels: all elements with their scores, sorted, without duplicates. Any other
/// reply stays as it is.
fn linked(reply: &Reply) -> Vec<Reply> {
    let Reply::Array(levels) = reply else {
        return vec![reply.clone()];
    };
    let items = levels.iter().flat_map(|level| match level {
        Reply::Array(items) => items.clone(),
        Reply::Map(pairs) => pairs
            .iter()
            .map(|(name, score)| Reply::Array(vec![name.clone(), score.clone()]))
            .collect(),
        other => vec![other.clone()],
    });
    let mut items: Vec<Reply> = items.collect();
    items.sort();
    items.dedup();
    items
}

pub fn paired(reply: &Reply) -> (u8, Vec<(Reply, Reply)>) {
    let (kind, mut pairs) = match reply {
        Reply::Array(items) if items.len() % 2 == 0 => (
            b'*',
            items
                .chunks(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect(),
        ),
        Reply::Map(pairs) => (b'%', pairs.clone()),
        other => return (b' ', vec![(other.clone(), Reply::Null)]),
    };
    pairs.sort();
    (kind, pairs)
}

/// A *SCAN reply: the cursor, and the elements (or pairs) sorted.
fn scanned(args: &[Vec<u8>], reply: &Reply) -> (Reply, Vec<(Reply, Reply)>) {
    let Some([cursor, elements]) = reply.items() else {
        return (reply.clone(), Vec::new());
    };
    let name = args[0].to_ascii_lowercase();
    let novalues = args.iter().any(|arg| arg.eq_ignore_ascii_case(b"novalues"));
    let pairs = match name.as_slice() {
        b"hscan" | b"zscan" if !novalues => paired(elements).1,
        _ => sorted(elements)
            .1
            .into_iter()
            .map(|item| (item, Reply::Null))
            .collect(),
    };
    (cursor.clone(), pairs)
}

fn near(expected: &Reply, got: &Reply, distance: i64) -> bool {
    match (expected, got) {
        (Reply::Integer(expected), Reply::Integer(got)) => {
            // Negative values are codes, not times.
            (*expected >= 0) == (*got >= 0)
                && expected.abs_diff(*got) <= distance.unsigned_abs()
                && (*expected >= 0 || expected == got)
        }
        (Reply::Array(expected), Reply::Array(got)) => {
            expected.len() == got.len()
                && expected
                    .iter()
                    .zip(got)
                    .all(|(expected, got)| near(expected, got, distance))
        }
        _ => expected == got,
    }
}

fn same_form(expected: &Reply, got: &Reply) -> bool {
    match (expected, got) {
        (Reply::Array(expected), Reply::Array(got)) | (Reply::Set(expected), Reply::Set(got)) => {
            expected.len() == got.len()
                && expected
                    .iter()
                    .zip(got)
                    .all(|(expected, got)| same_form(expected, got))
        }
        (Reply::Map(expected), Reply::Map(got)) => expected.len() == got.len(),
        _ => discriminant(expected) == discriminant(got),
    }
}

/// A command as a redis-cli line.
pub fn command_line(args: &[Vec<u8>]) -> String {
    args.iter()
        .map(|arg| quoted(arg))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(arg: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !arg.is_empty() && arg.iter().all(plain) {
        return String::from_utf8_lossy(arg).into_owned();
    }
    let escaped: String = arg
        .iter()
        .map(|&byte| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            b'\r' => "\\r".to_string(),
            b'\n' => "\\n".to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// An answer for a report, shortened.
pub fn show(answer: &Answer) -> String {
    match answer {
        Ok((raw, _)) => {
            let text = printable(raw).replace('\r', "\\r").replace('\n', "\\n");
            match text.char_indices().nth(400) {
                Some((cut, _)) => format!("{} ... ({} bytes)", &text[..cut], raw.len()),
                None => text,
            }
        }
        Err(why) => format!("no reply: {why:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<Vec<u8>> {
        line.split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    fn bulks(words: &str) -> Reply {
        Reply::Array(
            words
                .split(' ')
                .map(|word| Reply::Bulk(word.into()))
                .collect(),
        )
    }

    #[test]
    fn only_unordered_replies_may_change_their_order() {
        assert!(same_reply(
            Peer::Redis810,
            &args("SMEMBERS k"),
            &bulks("a b"),
            &bulks("b a")
        ));
        assert!(!same_reply(
            Peer::Redis810,
            &args("SMEMBERS k"),
            &bulks("a b"),
            &bulks("a a")
        ));
        assert!(!same_reply(
            Peer::Redis810,
            &args("LRANGE k 0 -1"),
            &bulks("a b"),
            &bulks("b a")
        ));
        assert!(same_reply(
            Peer::Redis810,
            &args("HGETALL k"),
            &bulks("a 1 b 2"),
            &bulks("b 2 a 1")
        ));
        assert!(!same_reply(
            Peer::Redis810,
            &args("HGETALL k"),
            &bulks("a 1 b 2"),
            &bulks("b 1 a 2")
        ));
    }

    #[test]
    fn clocks_may_be_near_but_codes_may_not() {
        let ttl = args("PTTL k");
        assert!(same_reply(
            Peer::Redis810,
            &ttl,
            &Reply::Integer(100_000),
            &Reply::Integer(99_990)
        ));
        assert!(!same_reply(
            Peer::Redis810,
            &ttl,
            &Reply::Integer(100_000),
            &Reply::Integer(90_000)
        ));
        assert!(!same_reply(
            Peer::Redis810,
            &ttl,
            &Reply::Integer(-1),
            &Reply::Integer(-2)
        ));
        assert!(!same_reply(
            Peer::Redis810,
            &ttl,
            &Reply::Integer(0),
            &Reply::Integer(-2)
        ));
    }

    #[test]
    fn help_and_documents_may_be_in_own_words_but_not_in_another_form() {
        let help = args("OBJECT HELP");
        assert!(same_reply(
            Peer::Redis810,
            &help,
            &bulks("o A x H p"),
            &bulks("o A y z H p")
        ));
        assert!(!same_reply(
            Peer::Redis810,
            &help,
            &bulks("o A x H p"),
            &bulks("u A x H p")
        ));
        let docs = args("COMMAND DOCS get");
        let of = |summary: &str, since: &str| {
            Reply::Array(vec![
                Reply::Bulk("get".into()),
                bulks(&format!("summary {summary} since {since}")),
            ])
        };
        assert!(same_reply(
            Peer::Redis810,
            &docs,
            &of("x", "1"),
            &of("y", "1")
        ));
        assert!(!same_reply(
            Peer::Redis810,
            &docs,
            &of("x", "1"),
            &of("x", "2")
        ));
    }

    #[test]
    fn a_refusal_has_no_freedom() {
        let wrong = |text: &str| Reply::Error(text.into());
        assert!(!same_reply(
            Peer::Redis810,
            &args("RANDOMKEY x"),
            &wrong("ERR a"),
            &wrong("ERR b")
        ));
    }
}
