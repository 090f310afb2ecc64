//! The contents of both servers after a stream: every key's type, encoding, time to live and value.

use crate::{
    accepted::accepted,
    compare::{Difference, command_line, first_difference, show},
    play::{Answer, Side, Step},
    support::{Reply, peers::Peer},
};

/// The databases that streams touch.
const DATABASES: &[&[u8]] = &[b"0", b"1", b"2", b"15"];

/// The first difference between the contents of two servers.
pub fn difference(
    peer: Peer,
    reference: &mut Side,
    subject: &mut Side,
    dumps: bool,
) -> Option<Difference> {
    for database in DATABASES {
        let mut ask = |args: &[&[u8]]| (reference.ask(args), subject.ask(args));
        let (expected, got) = ask(&[b"SELECT", database]);
        if let Some(found) = compare(peer, &[b"SELECT", database], expected, got) {
            return Some(found);
        }
        let (expected, got) = ask(&[b"KEYS", b"*"]);
        let keys: Vec<Vec<u8>> = match &expected {
            Ok((_, Reply::Array(keys))) => keys
                .iter()
                .filter_map(|key| key.text().map(<[u8]>::to_vec))
                .collect(),
            _ => Vec::new(),
        };
        if let Some(found) = compare(peer, &[b"KEYS", b"*"], expected, got) {
            return Some(found);
        }
        for key in &keys {
            if let Some(found) = different_payloads(peer, reference, subject, key) {
                return Some(found);
            }
            for question in questions(reference, key, dumps) {
                let question: Vec<&[u8]> = question.iter().map(Vec::as_slice).collect();
                let (expected, got) = (reference.ask(&question), subject.ask(&question));
                if let Some(found) = compare(peer, &question, expected, got) {
                    return Some(found);
                }
            }
        }
    }
    None
}

/// The commands that inspect a key, by its type on the reference.
fn questions(reference: &mut Side, key: &[u8], dumps: bool) -> Vec<Vec<Vec<u8>>> {
    let text = |answer: Answer| {
        answer
            .ok()
            .and_then(|(_, reply)| reply.text().map(<[u8]>::to_vec))
            .unwrap_or_default()
    };
    let kind = text(reference.ask(&[b"TYPE", key]));
    let encoding = text(reference.ask(&[b"OBJECT", b"ENCODING", key]));
    let mut asked: Vec<Vec<&[u8]>> = vec![
        vec![b"TYPE", key],
        vec![b"OBJECT", b"ENCODING", key],
        vec![b"PTTL", key],
    ];
    match kind.as_slice() {
        b"string" => asked.push(vec![b"GET", key]),
        b"list" => asked.push(vec![b"LRANGE", key, b"0", b"-1"]),
        b"set" => asked.push(vec![b"SMEMBERS", key]),
        b"hash" => asked.push(vec![b"HGETALL", key]),
        b"zset" => asked.push(vec![b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]),
        b"stream" => {
            asked.push(vec![b"XRANGE", key, b"-", b"+"]);
            asked.push(vec![b"XINFO", b"STREAM", key]);
            asked.push(vec![b"XINFO", b"GROUPS", key]);
        }
        b"ReJSON-RL" => asked.push(vec![b"JSON.GET", key]),
        b"vectorset" => {
            asked.push(vec![b"VRANGE", key, b"-", b"+"]);
            asked.push(vec![b"DEBUG", b"DIGEST-VALUE", key]);
        }
        _ => {}
    }
    // No DUMP if its bytes depend on a hash table's order or on the time.
    let undetermined = matches!(
        (kind.as_slice(), encoding.as_slice()),
        (
            _,
            b"hashtable" | b"listpackex" | b"template-listpack" | b"template-array"
        ) | (b"set", b"listpack")
    ) || kind == b"vectorset"
        || kind == b"stream" && has_groups(reference, key);
    if dumps && !undetermined {
        asked.push(vec![b"DUMP", key]);
    }
    asked
        .into_iter()
        .map(|line| line.into_iter().map(<[u8]>::to_vec).collect())
        .collect()
}

/// Compares DUMP of a module's value, without the version of the file format and the checksum.
fn different_payloads(
    peer: Peer,
    reference: &mut Side,
    subject: &mut Side,
    key: &[u8],
) -> Option<Difference> {
    const MODULES: [&[u8]; 5] = [
        b"ReJSON-RL",
        b"MBbloom--",
        b"MBbloomCF",
        b"CMSk-TYPE",
        b"TSDB-TYPE",
    ];
    // A read changes the count of compressions of a digest; streams do not read the digests of this
    // family.
    const DIGEST: &[u8] = b"TDIS-TYPE";
    let is_of_module = |side: &mut Side| {
        let kind = side.ask(&[b"TYPE", key]).ok();
        let is_one =
            |text: &[u8]| MODULES.contains(&text) || text == DIGEST && key.first() == Some(&b'w');
        kind.is_some_and(|(_, reply)| reply.text().is_some_and(is_one))
    };
    if peer != Peer::Stack7 || !is_of_module(reference) || !is_of_module(subject) {
        return None;
    }
    // In Redis the free room of an uncompressed chunk has old memory.
    if let Ok((_, facts)) = subject.ask(&[b"TS.INFO", key])
        && (facts.items())
            .is_some_and(|all| all.iter().any(|it| it.text() == Some(b"uncompressed")))
    {
        return None;
    }
    const FOOTER: usize = 10;
    let question: [&[u8]; 2] = [b"DUMP", key];
    let (expected, got) = (reference.ask(&question), subject.ask(&question));
    let value = |answer: &Answer| {
        let (_, reply) = answer.as_ref().ok()?;
        let payload = reply.text()?;
        Some(payload[..payload.len() - FOOTER].to_vec())
    };
    if value(&expected).is_some() && value(&expected) == value(&got) {
        return None;
    }
    let args: Vec<Vec<u8>> = question.iter().map(|arg| arg.to_vec()).collect();
    if let (Ok((_, expected)), Ok((_, got))) = (&expected, &got)
        && accepted(peer, &args, expected, got).is_some()
    {
        return None;
    }
    Some(Difference {
        step: None,
        what: format!("{} (afterwards)", command_line(&args)),
        expected: show(&expected),
        got: show(&got),
    })
}

/// Whether a stream has groups, whose consumers have a "seen" time.
fn has_groups(reference: &mut Side, key: &[u8]) -> bool {
    let groups = reference.ask(&[b"XINFO", b"GROUPS", key]);
    groups.is_ok_and(|(_, reply)| reply.items().is_none_or(|items| !items.is_empty()))
}

fn compare(peer: Peer, args: &[&[u8]], expected: Answer, got: Answer) -> Option<Difference> {
    let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.to_vec()).collect();
    let step = Step {
        args,
        client: 0,
        pause_ms: 0,
    };
    let mut found = first_difference(peer, std::slice::from_ref(&step), &[expected], &[got])?;
    found.step = None;
    found.what = format!("{} (afterwards)", command_line(&step.args));
    Some(found)
}
