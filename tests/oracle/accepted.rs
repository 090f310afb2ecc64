//! Permanent differences from the real servers, each with its reason.

use std::mem::discriminant;

use crate::{
    compare::{paired, sorted},
    support::{Reply, peers::Peer},
};

/// The reason for accepting two different answers to a command, if there is a reason.
pub fn accepted(
    peer: Peer,
    args: &[Vec<u8>],
    expected: &Reply,
    got: &Reply,
) -> Option<&'static str> {
    if is_help(peer, args, expected, got) {
        return Some("help is in russet's own words");
    }
    let name = String::from_utf8_lossy(&args[0]).to_lowercase();
    if peer == Peer::Valkey9
        && expected != got
        && without_sign_of_zero(expected) == without_sign_of_zero(got)
    {
        return Some("some scores of -0 remain so in Valkey");
    }
    if let (Reply::Error(expected), Reply::Error(got)) = (expected, got)
        && peer == Peer::Stack7
        && name.starts_with("json.")
    {
        let plain =
            |text: &[u8]| -> Vec<u8> { text.iter().copied().filter(u8::is_ascii).collect() };
        if got.starts_with(b"ERR wrong number of arguments") {
            return Some("rows know how many arguments there are, before any is looked at");
        }
        if name == "json.get" && args.len() > 3 {
            return Some("of several mistakes in paths each server names another");
        }
        if plain(expected) == plain(got) {
            return Some("errors are UTF-8; in 7.4 the low byte of each character");
        }
    }
    if let (Reply::Error(_), Reply::Error(got)) = (expected, got)
        && peer == Peer::Stack7
        && ["bf.", "cf.", "cms.", "topk.", "tdigest.", "ts."]
            .iter()
            .any(|family| name.starts_with(family))
        && got.starts_with(b"ERR wrong number of arguments")
    {
        return Some("rows know how many arguments there are, before any is looked at");
    }
    if peer == Peer::Stack7 && name == "ts.madd" && *expected == without_nan(got) {
        return Some("the error names NaN, too, as since Redis 8.6");
    }
    if let (Reply::Error(expected), Reply::Error(got)) = (expected, got)
        && name.starts_with("ts.")
        && got.starts_with(b"ERR TSDB: Error at upsert")
        && got.starts_with(expected)
    {
        return Some("the error names NaN, too, as since Redis 8.6");
    }
    if peer == Peer::Stack7
        && name == "ts.info"
        && expected != got
        && with_policy(expected) == with_policy(got)
    {
        return Some("a series without a policy shows that of the server, as in Redis 8");
    }
    if peer == Peer::Stack7
        && ["topk.add", "topk.incrby"].contains(&&*name)
        && expected != got
        && *expected == cut_at_nul(got)
    {
        return Some("an item that is pushed out is shown whole; 7.4 cuts it at a NUL");
    }
    if let (Reply::Error(_), Reply::Error(_)) = (expected, got)
        && peer == Peer::Stack7
        && ["cms.merge", "tdigest.merge"].contains(&&*name)
    {
        return Some("of several mistakes each server names another");
    }
    if peer == Peer::Stack7
        && [
            "json.get",
            "json.type",
            "json.strlen",
            "json.arrlen",
            "json.objlen",
            "json.objkeys",
            "json.debug",
        ]
        .contains(&&*name)
        && matches!(got, Reply::Error(text) if text == b"Couldn't parse as UTF-8 string")
    {
        return Some("a path that is not UTF-8 is an error; 7.4's finds nothing by it");
    }
    let is_nothing = |reply: &Reply| {
        *reply == Reply::Null || reply.items().is_some_and(|items| items == [Reply::Null])
    };
    if peer == Peer::Stack7
        && ["json.objkeys", "json.objlen", "json.type"].contains(&&*name)
        && is_nothing(expected)
        && matches!(got, Reply::Error(text) if text.starts_with(b"Error occurred"))
    {
        return Some("a wrong legacy path is an error as elsewhere; 7.4 answers null");
    }
    let of_peer = match peer {
        Peer::Redis7 => OF_REDIS_7,
        Peer::Valkey9 => OF_VALKEY,
        Peer::Stack7 => OF_REDIS_STACK,
        Peer::Redis8 | Peer::Redis810 => &[],
    };
    let before_810 = match peer {
        Peer::Redis810 | Peer::Valkey9 => &[],
        _ => BEFORE_REDIS_8_10,
    };
    ACCEPTED
        .iter()
        .chain(of_peer)
        .chain(before_810)
        .find(|row| row.command == name && (row.is_it)(args, expected, got))
        .map(|row| row.reason)
}

fn has_subcommand(args: &[Vec<u8>], name: &[u8]) -> bool {
    args.get(1)
        .is_some_and(|arg| arg.eq_ignore_ascii_case(name))
}

/// An intended difference, and its reason.
struct AcceptedDifference {
    command: &'static str,
    /// Whether two answers differ in this way.
    is_it: fn(args: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool,
    reason: &'static str,
}

/// Permanent differences from every real server.
const ACCEPTED: &[AcceptedDifference] = &[
    AcceptedDifference {
        command: "cms.info",
        is_it: |_, expected, got| match (expected, got) {
            (Reply::Array(expected), Reply::Array(got)) => got.starts_with(expected),
            (Reply::Map(expected), Reply::Map(got)) => got.starts_with(expected),
            _ => false,
        },
        reason: "the size of the counters, since Redis 8.12",
    },
    AcceptedDifference {
        command: "cms.incrby",
        is_it: |_, expected, got| {
            matches!((expected, got), (Reply::Error(_), Reply::Array(_)))
                || matches!((expected, got), (Reply::Array(_), Reply::Array(_)))
        },
        reason: "pairs that do not fit are errors within the reply, since Redis 8.12",
    },
    AcceptedDifference {
        command: "dump",
        is_it: |_, expected, got| {
            // Other increments before are refused in part by Redis 8.12, and as a whole by 7.4.
            let is_sketch = |reply: &Reply| {
                let text = reply.text().unwrap_or_default();
                text.starts_with(b"\x07\x81\x08\xc4\xa4")
            };
            is_sketch(expected) && is_sketch(got)
        },
        reason: "a count-min sketch after increments that did not fit, since Redis 8.12",
    },
    AcceptedDifference {
        command: "client",
        is_it: |args, expected, _| {
            has_subcommand(args, b"list")
                && args.len() > 4
                && matches!(expected, Reply::Error(text) if text == b"ERR syntax error")
        },
        reason: "filters of CLIENT LIST may follow one another, as in Valkey",
    },
    AcceptedDifference {
        command: "lolwut",
        is_it: |_, _, _| true,
        reason: "prints the server's own name and version",
    },
    AcceptedDifference {
        command: "command",
        is_it: |args, _, got| args.len() <= 2 && !matches!(got, Reply::Error(_)),
        reason: "the whole table: russet's also has Valkey's commands",
    },
    AcceptedDifference {
        command: "command",
        is_it: |args, expected, got| {
            let asks = args.get(1).map(|arg| arg.to_ascii_lowercase());
            let own = &["summary", "notes", "history"];
            matches!(asks.as_deref(), Some(b"docs" | b"info"))
                && paired(&without(own, expected)) == paired(&without(own, got))
        },
        reason: "summaries, notes and history are russet's own words",
    },
    AcceptedDifference {
        command: "acl",
        is_it: |args, expected, got| {
            let asks = args.get(1).map(|arg| arg.to_ascii_lowercase());
            match asks.as_deref() {
                Some(b"cat") => {
                    let (Some(expected), Some(got)) = (expected.items(), got.items()) else {
                        return false;
                    };
                    const MODULES: [&[u8]; 8] = [
                        b"json",
                        b"bloom",
                        b"cuckoo",
                        b"cms",
                        b"topk",
                        b"tdigest",
                        b"timeseries",
                        b"search",
                    ];
                    let is_module =
                        |reply: &&Reply| reply.text().is_some_and(|text| MODULES.contains(&text));
                    args.len() == 3 || got.iter().filter(|one| !is_module(one)).eq(expected)
                }
                Some(b"genpass") => match (expected, got) {
                    (Reply::Bulk(expected), Reply::Bulk(got)) => expected.len() == got.len(),
                    _ => false,
                },
                _ => false,
            }
        },
        reason: "commands of a category that one of them does not have; random text",
    },
    AcceptedDifference {
        command: "command",
        is_it: |args, _, _| {
            let word = |at: usize| args.get(at).map(|arg| arg.to_ascii_lowercase());
            let asks = word(1);
            let of = word(2);
            matches!(asks.as_deref(), Some(b"getkeys" | b"getkeysandflags"))
                && matches!(
                    of.as_deref(),
                    Some(b"georadius" | b"georadiusbymember" | b"sort" | b"xread" | b"xreadgroup")
                )
        },
        reason: "Redis tells the keys of options that the command does not use; `misleading` has them",
    },
    AcceptedDifference {
        command: "hello",
        is_it: |_, expected, got| {
            let own = &["version", "id", "modules"];
            expected.items().is_none_or(|_| got.items().is_some())
                && without(own, expected) == without(own, got)
        },
        reason: "the version is russet's, and so is the list of modules",
    },
    AcceptedDifference {
        command: "sort",
        is_it: |_, expected, got| same_to_the_nul(expected, got),
        reason: "ALPHA compares up to a NUL byte, and leaves equal ones in a table's order",
    },
    AcceptedDifference {
        command: "sort_ro",
        is_it: |_, expected, got| same_to_the_nul(expected, got),
        reason: "as SORT",
    },
    AcceptedDifference {
        command: "config",
        is_it: |args, expected, got| {
            args.iter().any(|arg| arg == b"*") && discriminant(expected) == discriminant(got)
        },
        reason: "all directives: russet's own are among them, and each server's port",
    },
    AcceptedDifference {
        command: "config",
        is_it: |args, _, got| {
            args.iter().any(|arg| arg == b"18446744073709551616") && matches!(got, Reply::Error(_))
        },
        reason: "a size beyond 64 bits is refused; Redis takes the highest there is",
    },
    AcceptedDifference {
        command: "function",
        is_it: |args, expected, got| {
            has_subcommand(args, b"list") && sorted(expected) == sorted(got)
        },
        reason: "libraries in the order of their names",
    },
    AcceptedDifference {
        command: "function",
        is_it: |args, expected, got| {
            let dumps = has_subcommand(args, b"dump");
            let len = |reply: &Reply| reply.text().map(<[u8]>::len);
            dumps && len(expected) == len(got)
        },
        reason: "libraries in the order of their names; the bytes that LZF makes of a text may differ",
    },
    AcceptedDifference {
        command: "bitcount",
        is_it: |args, expected, _| {
            args.len() == 3 && *expected == Reply::Error(b"ERR syntax error".to_vec())
        },
        reason: "the end may be left out, as in Valkey",
    },
    AcceptedDifference {
        command: "debug",
        is_it: |_, expected, got| both_refuse(expected, got),
        reason: "the subcommands are the server's own",
    },
    AcceptedDifference {
        command: "object",
        is_it: |_, expected, got| {
            let template = expected
                .text()
                .is_some_and(|text| text.starts_with(b"template-"));
            template && matches!(got.text(), Some(b"listpack" | b"hashtable"))
        },
        reason: "fields of HIMPORT are in no template, whatever memory they share",
    },
    AcceptedDifference {
        command: "scan",
        is_it: |args, expected, got| {
            args[1] != b"0" && expected.items().is_some() && got.items().is_some()
        },
        reason: "a cursor that nobody gave out stands somewhere in a hash table",
    },
];

/// Differences from servers older than Redis 8.10, which russet follows.
const BEFORE_REDIS_8_10: &[AcceptedDifference] = &[
    AcceptedDifference {
        command: "object",
        is_it: |_, expected, got| {
            expected.text() == Some(&b"embstr"[..]) && got.text() == Some(&b"raw"[..])
        },
        reason: "the length of the key counts since 8.2",
    },
    AcceptedDifference {
        command: "hexpire",
        is_it: |_, expected, got| both_refuse(expected, got),
        reason: "options stand in any order, with errors of their own, since 8.4",
    },
    AcceptedDifference {
        command: "hpexpire",
        is_it: |_, expected, got| both_refuse(expected, got),
        reason: "as HEXPIRE",
    },
    AcceptedDifference {
        command: "hexpireat",
        is_it: |_, expected, got| both_refuse(expected, got),
        reason: "as HEXPIRE",
    },
    AcceptedDifference {
        command: "hpexpireat",
        is_it: |_, expected, got| both_refuse(expected, got),
        reason: "as HEXPIRE",
    },
    AcceptedDifference {
        command: "hgetex",
        is_it: |_, expected, got| both_refuse(expected, got),
        reason: "as HEXPIRE",
    },
    AcceptedDifference {
        command: "hsetex",
        is_it: |_, expected, got| both_refuse(expected, got),
        reason: "as HEXPIRE",
    },
    AcceptedDifference {
        command: "sort",
        is_it: sorts_numbers,
        reason: "elements are read as scores since 8.2",
    },
    AcceptedDifference {
        command: "xinfo",
        is_it: |_, expected, got| expected.items().is_some() && got.items().is_some(),
        reason: "streams have more fields since 8.6",
    },
    AcceptedDifference {
        command: "command",
        is_it: |args, expected, got| {
            has_subcommand(args, b"list") && expected.items().is_some() && got.items().is_some()
        },
        reason: "there are more commands",
    },
    AcceptedDifference {
        command: "config",
        is_it: |args, expected, got| {
            has_subcommand(args, b"get") && expected.items().is_some() && got.items().is_some()
        },
        reason: "there are more directives",
    },
    AcceptedDifference {
        command: "msetex",
        is_it: |_, expected, got| both_refuse(expected, got),
        reason: "Valkey has other words",
    },
    AcceptedDifference {
        command: "sort_ro",
        is_it: sorts_numbers,
        reason: "as SORT",
    },
];

/// Differences in JSON: the module of Redis Stack 7.4 against the module of Redis 8.10, and russet.
const OF_REDIS_STACK: &[AcceptedDifference] = &[
    AcceptedDifference {
        command: "json.arrpop",
        is_it: |args, _, got| {
            args.get(3)
                .is_some_and(|word| std::str::from_utf8(word).is_err())
                && matches!(got, Reply::Error(text) if text == b"ERR wrong reply format")
        },
        reason: "a FORMAT that is not UTF-8 is a wrong one; 7.4 takes it for no format at all",
    },
    AcceptedDifference {
        command: "json.get",
        is_it: |args, expected, got| {
            let bytes = |reply: &Reply| {
                let mut bytes = reply.text().map(<[u8]>::to_vec);
                bytes.iter_mut().for_each(|bytes| bytes.sort_unstable());
                bytes
            };
            args.len() > 3 && expected.text().is_some() && bytes(expected) == bytes(got)
        },
        reason: "several paths answer in the order given; in Redis in that of a hash map",
    },
    AcceptedDifference {
        command: "json.get",
        is_it: |args, expected, got| {
            args.len() > 3 && with_sorted_maps(expected) == with_sorted_maps(got)
        },
        reason: "expanded objects have their members in order; in 7.4 in that of a hash map",
    },
    AcceptedDifference {
        command: "json.get",
        is_it: |args, expected, got| {
            let is_path = |text: &[u8]| {
                text.starts_with(b"Error occurred") || text == b"Couldn't parse as UTF-8 string"
            };
            args.len() > 3
                && !matches!(expected, Reply::Error(_))
                && matches!(got, Reply::Error(text) if is_path(text))
        },
        reason: "a wrong path among several is an error; 7.4 leaves it out",
    },
    AcceptedDifference {
        command: "json.arrpop",
        is_it: |args, expected, got| {
            args.len() > 3 && with_sorted_maps(expected) == with_sorted_maps(got)
        },
        reason: "as JSON.GET",
    },
    AcceptedDifference {
        command: "json.mset",
        is_it: |_, expected, got| {
            matches!(expected, Reply::Simple(_)) && matches!(got, Reply::Null)
        },
        reason: "a path that cannot be made is nil, as in 8.10",
    },
    AcceptedDifference {
        command: "json.debug",
        is_it: |args, expected, got| match (expected, got) {
            (Reply::Integer(expected), Reply::Integer(got)) => (*expected == 0) == (*got == 0),
            (Reply::Array(expected), Reply::Array(got)) => {
                has_subcommand(args, b"help") || expected.len() == got.len()
            }
            _ => false,
        },
        reason: "figures of another storage; help is in russet's own words",
    },
];

/// The reply with the pairs of its maps sorted, at every depth.
fn with_sorted_maps(reply: &Reply) -> Reply {
    match reply {
        Reply::Array(items) => Reply::Array(items.iter().map(with_sorted_maps).collect()),
        Reply::Map(pairs) => {
            let pair = |(name, value): &(Reply, Reply)| (name.clone(), with_sorted_maps(value));
            let mut pairs: Vec<(Reply, Reply)> = pairs.iter().map(pair).collect();
            pairs.sort();
            Reply::Map(pairs)
        }
        other => other.clone(),
    }
}

/// Differences between Redis 7.0 and later versions, which russet follows.
const OF_REDIS_7: &[AcceptedDifference] = &[
    AcceptedDifference {
        command: "wait",
        is_it: |_, _, got| matches!(got, Reply::Error(text) if text == b"ERR timeout is out of range"),
        reason: "7.0 takes timeouts that end after the end of time",
    },
    AcceptedDifference {
        command: "object",
        is_it: |_, expected, got| {
            let was = expected.text().unwrap_or_default();
            (was == b"hashtable" || was == b"quicklist") && got.text() == Some(&b"listpack"[..])
        },
        reason: "7.0 has no listpack for small lists and sets",
    },
    AcceptedDifference {
        command: "bitcount",
        is_it: key_first,
        reason: "7.0 looks at the key before it looks at the arguments",
    },
    AcceptedDifference {
        command: "bitpos",
        is_it: key_first,
        reason: "as BITCOUNT",
    },
    AcceptedDifference {
        command: "sscan",
        is_it: strict_cursor,
        reason: "7.0 reads cursors otherwise",
    },
    AcceptedDifference {
        command: "hscan",
        is_it: strict_cursor,
        reason: "as SSCAN",
    },
    AcceptedDifference {
        command: "zscan",
        is_it: strict_cursor,
        reason: "as SSCAN",
    },
    AcceptedDifference {
        command: "command",
        is_it: |_, expected, got| {
            !matches!(expected, Reply::Error(_)) && !matches!(got, Reply::Error(_))
        },
        reason: "what 7.0 tells of commands is that of 7.0",
    },
    AcceptedDifference {
        command: "scan",
        is_it: strict_cursor,
        reason: "as SSCAN",
    },
    AcceptedDifference {
        command: "config",
        is_it: |args, _, _| args.iter().any(|arg| arg.contains(&0)),
        reason: "7.0 reads a value up to a NUL byte",
    },
    AcceptedDifference {
        command: "lrem",
        is_it: |args, _, got| args[2] == b"-9223372036854775808" && matches!(got, Reply::Error(_)),
        reason: "7.0 takes the lowest count, whose opposite there is not",
    },
    AcceptedDifference {
        command: "zrank",
        is_it: |args, expected, got| args.len() == 4 && both_refuse(expected, got),
        reason: "7.0 has no WITHSCORE: a fourth word is one too many",
    },
    AcceptedDifference {
        command: "zrevrank",
        is_it: |args, expected, got| args.len() == 4 && both_refuse(expected, got),
        reason: "as ZRANK",
    },
    AcceptedDifference {
        command: "blmpop",
        is_it: far_timeout,
        reason: "7.0 calls a timeout negative that is too far away",
    },
    AcceptedDifference {
        command: "bzmpop",
        is_it: far_timeout,
        reason: "as BLMPOP",
    },
    AcceptedDifference {
        command: "blpop",
        is_it: far_timeout,
        reason: "as BLMPOP",
    },
    AcceptedDifference {
        command: "brpop",
        is_it: far_timeout,
        reason: "as BLMPOP",
    },
    AcceptedDifference {
        command: "blmove",
        is_it: far_timeout,
        reason: "as BLMPOP",
    },
    AcceptedDifference {
        command: "brpoplpush",
        is_it: far_timeout,
        reason: "as BLMPOP",
    },
    AcceptedDifference {
        command: "bzpopmin",
        is_it: far_timeout,
        reason: "as BLMPOP",
    },
    AcceptedDifference {
        command: "bzpopmax",
        is_it: far_timeout,
        reason: "as BLMPOP",
    },
    AcceptedDifference {
        command: "zcount",
        is_it: bound_without_number,
        reason: "7.0 takes a bracket without a number for zero",
    },
    AcceptedDifference {
        command: "zrangebyscore",
        is_it: bound_without_number,
        reason: "as ZCOUNT",
    },
    AcceptedDifference {
        command: "zrevrangebyscore",
        is_it: bound_without_number,
        reason: "as ZCOUNT",
    },
    AcceptedDifference {
        command: "zremrangebyscore",
        is_it: bound_without_number,
        reason: "as ZCOUNT",
    },
    AcceptedDifference {
        command: "zrange",
        is_it: bound_without_number,
        reason: "as ZCOUNT",
    },
    AcceptedDifference {
        command: "zrangestore",
        is_it: bound_without_number,
        reason: "as ZCOUNT",
    },
    AcceptedDifference {
        command: "geopos",
        is_it: same_positions,
        reason: "7.0 prints positions with 17 digits behind the point",
    },
    AcceptedDifference {
        command: "geosearch",
        is_it: same_positions,
        reason: "as GEOPOS",
    },
    AcceptedDifference {
        command: "georadius",
        is_it: same_positions,
        reason: "as GEOPOS",
    },
    AcceptedDifference {
        command: "georadius_ro",
        is_it: same_positions,
        reason: "as GEOPOS",
    },
    AcceptedDifference {
        command: "georadiusbymember",
        is_it: same_positions,
        reason: "as GEOPOS",
    },
    AcceptedDifference {
        command: "georadiusbymember_ro",
        is_it: same_positions,
        reason: "as GEOPOS",
    },
    AcceptedDifference {
        command: "sort",
        is_it: sorts_numbers,
        reason: "7.0 reads hexadecimal, and remembers an earlier number out of range",
    },
    AcceptedDifference {
        command: "sort_ro",
        is_it: sorts_numbers,
        reason: "as SORT",
    },
];

/// Differences from Valkey that russet's Valkey dialect keeps.
const OF_VALKEY: &[AcceptedDifference] = &[
    AcceptedDifference {
        command: "command",
        is_it: |args, expected, got| {
            has_subcommand(args, b"info") && expected.items().is_some() && got.items().is_some()
        },
        reason: "the facts are those of Redis 8.10: a few flags, tips and notes differ",
    },
    AcceptedDifference {
        command: "command",
        is_it: |args, expected, got| {
            has_subcommand(args, b"list") && expected.items().is_some() && got.items().is_some()
        },
        reason: "there are the commands of both",
    },
    AcceptedDifference {
        command: "config",
        is_it: |args, expected, got| {
            has_subcommand(args, b"get") && discriminant(expected) == discriminant(got)
        },
        reason: "there are the directives of both",
    },
    AcceptedDifference {
        command: "acl",
        is_it: |args, expected, got| {
            has_subcommand(args, b"cat") && expected.items().is_some() && got.items().is_some()
        },
        reason: "there is a category of arrays",
    },
    AcceptedDifference {
        command: "restore",
        is_it: |_, expected, _| {
            let refusal = b"ERR DUMP payload version or checksum are wrong".to_vec();
            *expected == Reply::Error(refusal)
        },
        reason: "payloads of newer versions of Redis are taken in both dialects",
    },
    AcceptedDifference {
        command: "xinfo",
        is_it: |_, expected, got| discriminant(expected) == discriminant(got),
        reason: "streams have the fields of Redis 8.10",
    },
    AcceptedDifference {
        command: "object",
        is_it: |_, expected, got| {
            let was = expected.text().unwrap_or_default();
            (was == b"embstr" || was == b"raw") && got.text() == Some(&b"int"[..])
        },
        reason: "Valkey stores a number as text if a script sets it",
    },
    AcceptedDifference {
        command: "object",
        is_it: |_, expected, got| {
            expected.text() == Some(&b"hashtable"[..]) && got.text() == Some(&b"listpack"[..])
        },
        reason: "a hash that had fields with an expiry remains a hash table in Valkey",
    },
    AcceptedDifference {
        command: "client",
        is_it: |args, _, got| {
            let ends = b"Try CLIENT HELP.";
            let is_refused = matches!(got, Reply::Error(text) if text.ends_with(ends));
            args.len() > 4
                && (has_subcommand(args, b"pause") || has_subcommand(args, b"unblock"))
                && is_refused
        },
        reason: "Valkey ignores further words",
    },
    AcceptedDifference {
        command: "acl",
        is_it: |args, _, _| {
            has_subcommand(args, b"dryrun")
                && args
                    .get(3)
                    .is_some_and(|name| name.eq_ignore_ascii_case(b"xread"))
                && args.len() % 2 != 1
        },
        reason: "Valkey checks keys of an XREAD that has too few IDs",
    },
    AcceptedDifference {
        command: "object",
        is_it: |_, expected, got| {
            expected.text() == Some(&b"skiplist"[..]) && got.text() == Some(&b"listpack"[..])
        },
        reason: "Valkey converts a sorted set for a long member that XX then keeps out",
    },
    AcceptedDifference {
        command: "xautoclaim",
        is_it: |_, expected, _| {
            let refusal = b"ERR Insufficient memory, failed allocating transient memory";
            matches!(expected, Reply::Error(text) if text.starts_with(refusal))
        },
        reason: "a count costs no memory",
    },
    AcceptedDifference {
        command: "hpexpiretime",
        is_it: far_expiry,
        reason: "no field expires after the year 4199",
    },
    AcceptedDifference {
        command: "hexpiretime",
        is_it: far_expiry,
        reason: "as HPEXPIRETIME",
    },
    AcceptedDifference {
        command: "hpttl",
        is_it: far_expiry,
        reason: "as HPEXPIRETIME",
    },
    AcceptedDifference {
        command: "httl",
        is_it: far_expiry,
        reason: "as HPEXPIRETIME",
    },
];

/// Times to live, or times of expiry, beyond the range that the servers store.
fn far_expiry(_: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    const FAR_S: i64 = 60_000_000_000;
    let (Some(expected), Some(got)) = (expected.items(), got.items()) else {
        return false;
    };
    let near = |a: i64, b: i64| (a - b).abs() <= 1500;
    let mut pairs = expected.iter().zip(got);
    expected.len() == got.len()
        && pairs.all(|pair| match pair {
            (Reply::Integer(a), Reply::Integer(b)) => near(*a, *b) || *a > *b && *b > FAR_S,
            _ => false,
        })
}

/// Whether two positions are equal up to the 17th decimal.
fn same_positions(_: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    match (expected, got) {
        (Reply::Array(expected), Reply::Array(got)) => {
            let mut pairs = expected.iter().zip(got);
            expected.len() == got.len() && pairs.all(|(a, b)| a == b || same_positions(&[], a, b))
        }
        (Reply::Bulk(expected), Reply::Bulk(got))
        | (Reply::Double(expected), Reply::Double(got)) => {
            let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
            let (expected, got) = (number(expected), number(got));
            let pair = expected.zip(got);
            pair.is_some_and(|(a, b)| (a - b).abs() < 1e-15 * a.abs().max(1.0))
        }
        _ => false,
    }
}

fn far_timeout(_: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    *expected == Reply::Error(b"ERR timeout is negative".to_vec())
        && *got == Reply::Error(b"ERR timeout is out of range".to_vec())
}

fn bound_without_number(args: &[Vec<u8>], _: &Reply, got: &Reply) -> bool {
    args.iter().any(|arg| arg == b"(")
        && *got == Reply::Error(b"ERR min or max is not a float".to_vec())
}

fn key_first(_: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    let of_key = match expected {
        Reply::Integer(n) => *n == 0 || *n == -1,
        Reply::Error(text) => text.starts_with(b"WRONGTYPE"),
        _ => false,
    };
    of_key && matches!(got, Reply::Error(_))
}

fn both_refuse(expected: &Reply, got: &Reply) -> bool {
    matches!((expected, got), (Reply::Error(_), Reply::Error(_)))
}

fn sorts_numbers(_: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    let refusal = Reply::Error(b"ERR One or more scores can't be converted into double".to_vec());
    *expected == refusal || *got == refusal
}

fn strict_cursor(_: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    let refusal = Reply::Error(b"ERR invalid cursor".to_vec());
    *expected == refusal || *got == refusal
}

/// The replies, with each error cut before it names NaN.
fn without_nan(reply: &Reply) -> Reply {
    match reply {
        Reply::Error(text) => {
            let text = String::from_utf8_lossy(text);
            let end = text.find(", or either current").unwrap_or(text.len());
            Reply::Error(text[..end].as_bytes().to_vec())
        }
        Reply::Array(items) => Reply::Array(items.iter().map(without_nan).collect()),
        other => other.clone(),
    }
}

/// The facts of a series, with a missing policy shown as the policy that blocks.
fn with_policy(facts: &Reply) -> Reply {
    let is_policy = |name: &Reply| name.text() == Some(b"duplicatePolicy");
    let block = || Reply::Simple(b"block".to_vec());
    let mut facts = facts.clone();
    match &mut facts {
        Reply::Array(items) => {
            let at = items.iter().position(is_policy).map(|at| at + 1);
            if let Some(value) = at.and_then(|at| items.get_mut(at))
                && *value == Reply::Null
            {
                *value = block();
            }
        }
        Reply::Map(pairs) => {
            for (name, value) in pairs {
                if is_policy(name) && *value == Reply::Null {
                    *value = block();
                }
            }
        }
        _ => {}
    }
    facts
}

/// The reply with each text cut at its first NUL.
fn cut_at_nul(reply: &Reply) -> Reply {
    match reply {
        Reply::Bulk(text) => {
            let end = text.iter().position(|byte| *byte == 0);
            Reply::Bulk(text[..end.unwrap_or(text.len())].to_vec())
        }
        Reply::Array(items) => Reply::Array(items.iter().map(cut_at_nul).collect()),
        other => other.clone(),
    }
}

/// The reply with 0 in place of -0.
fn without_sign_of_zero(reply: &Reply) -> Reply {
    let all = |items: &[Reply]| items.iter().map(without_sign_of_zero).collect();
    match reply {
        Reply::Bulk(text) if text == b"-0" => Reply::Bulk(b"0".to_vec()),
        Reply::Double(text) if text == b"-0" => Reply::Double(b"0".to_vec()),
        Reply::Array(items) => Reply::Array(all(items)),
        other => other.clone(),
    }
}

/// The reply with normalised numbers: Redis 7.0 prints doubles with 17 digits, 8.0 with as many as
/// needed.
pub fn without_spelling(reply: &Reply) -> Reply {
    let plain = |text: &[u8]| -> Vec<u8> {
        let number = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<f64>().ok());
        number.map_or(text.to_vec(), |number| number.to_string().into_bytes())
    };
    let all = |items: &[Reply]| items.iter().map(without_spelling).collect();
    match reply {
        Reply::Bulk(text) => Reply::Bulk(plain(text)),
        Reply::Double(text) => Reply::Double(plain(text)),
        Reply::Array(items) => Reply::Array(all(items)),
        Reply::Set(items) => Reply::Set(all(items)),
        Reply::Map(pairs) => Reply::Map(
            pairs
                .iter()
                .map(|(name, value)| (without_spelling(name), without_spelling(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// HELP of any command: the same frame around russet's own text.
fn is_help(peer: Peer, args: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    let (Some(expected), Some(got)) = (expected.items(), got.items()) else {
        return false;
    };
    args.len() == 2
        && args[1].eq_ignore_ascii_case(b"help")
        && expected.first() == got.first()
        && got.len() > 3
        && (peer == Peer::Redis7 || expected[expected.len() - 2..] == got[got.len() - 2..])
}

/// The reply without the values of these names, in maps and in arrays of pairs.
fn without(names: &[&str], reply: &Reply) -> Reply {
    let is_one = |reply: &Reply| {
        let text = reply.text();
        text.is_some_and(|text| names.iter().any(|name| name.as_bytes() == text))
    };
    match reply {
        Reply::Array(items) => {
            let (mut kept, mut items) = (Vec::new(), items.iter());
            while let Some(item) = items.next() {
                if is_one(item) {
                    items.next();
                } else {
                    kept.push(without(names, item));
                }
            }
            Reply::Array(kept)
        }
        Reply::Map(pairs) => Reply::Map(
            pairs
                .iter()
                .filter(|(name, _)| !is_one(name))
                .map(|(name, value)| (name.clone(), without(names, value)))
                .collect(),
        ),
        Reply::Set(items) => Reply::Set(items.iter().map(|i| without(names, i)).collect()),
        other => other.clone(),
    }
}

/// Whether both replies have the same elements. Elements that are equal up to a NUL byte may change
/// places.
fn same_to_the_nul(expected: &Reply, got: &Reply) -> bool {
    let cut = |reply: &Reply| -> Option<Vec<Vec<u8>>> {
        let texts = reply.items()?.iter().map(Reply::text);
        texts
            .map(|text| Some(text?.split(|&byte| byte == 0).next()?.to_vec()))
            .collect()
    };
    let (cut_expected, cut_got) = (cut(expected), cut(got));
    cut_expected.is_some() && cut_expected == cut_got && sorted(expected) == sorted(got)
}
