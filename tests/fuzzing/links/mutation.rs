//! Random changes of tapes, which depend on a seed.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::{Act, LinkStep, steps};

/// Words of both ends of a link.
const WORDS: [&str; 44] = [
    "\r\n",
    "\n",
    "+OK\r\n",
    "+PONG\r\n",
    "-ERR no\r\n",
    "-LOADING x\r\n",
    "-NOMASTERLINK x\r\n",
    "+CONTINUE\r\n",
    "+CONTINUE aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
    "+FULLRESYNC aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0\r\n",
    "+FULLRESYNC aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 18446744073709551615\r\n",
    "+RDBCHANNELSYNC 1\r\n",
    "+DUALCHANNELSYNC\r\n",
    "$ENDOFF:0 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -1 1\r\n",
    "$ENDOFF:9223372036854775807 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 4294967295 1\r\n",
    "$EOF:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n",
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    "$0\r\n",
    "$9\r\nREDIS0011",
    "$18446744073709551615\r\n",
    "$536870912\r\n",
    "REDIS0012",
    "VALKEY080",
    "REPLCONF capa eof capa psync2\r\n",
    "REPLCONF capa rdb-channel-repl capa dual-channel\r\n",
    "REPLCONF version 9.1.2\r\n",
    "REPLCONF rdb-only 1 rdb-channel 1\r\n",
    "REPLCONF rdb-filter-only functions\r\n",
    "REPLCONF main-ch-client-id 1\r\n",
    "REPLCONF set-rdb-client-id 4\r\n",
    "REPLCONF listening-port 65535 ip-address 1.2.3.4\r\n",
    "REPLCONF ack 9223372036854775807 fack 9223372036854775807\r\n",
    "REPLCONF ack -1\r\n",
    "REPLCONF getack *\r\n",
    "PSYNC ? -1\r\n",
    "PSYNC @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@ 1\r\n",
    "PSYNC @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@ 0\r\n",
    "PSYNC @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@ 9223372036854775807 FAILOVER\r\n",
    "SYNC\r\n",
    "PING\r\n",
    "*1\r\n$5\r\nMULTI\r\n",
    "*1\r\n$4\r\nEXEC\r\n",
    "*2\r\n$6\r\nSELECT\r\n$3\r\n999\r\n",
    "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n",
];

/// A tape with some changes, which depend only on the seed.
pub fn mutate(tape: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let Some((&how, rest)) = tape.split_first() else {
        return Vec::new();
    };
    let how = match rng.random_range(0..3) {
        0 => how ^ (1 << rng.random_range(0..8)),
        _ => how,
    };
    let mut all: Vec<(LinkStep<'_>, Vec<u8>)> = steps(rest)
        .into_iter()
        .map(|step| {
            let bytes = match step.act {
                Act::Say(bytes) | Act::Drip(bytes) => bytes.to_vec(),
                _ => Vec::new(),
            };
            (step, bytes)
        })
        .collect();
    for _ in 0..rng.random_range(0..5) {
        if all.is_empty() {
            break;
        }
        change(&mut all, &mut rng);
    }
    let mut out = vec![how];
    for (step, bytes) in &all {
        let act = match step.act {
            Act::Say(_) => Act::Say(bytes),
            Act::Drip(_) => Act::Drip(bytes),
            other => other,
        };
        LinkStep { act, ..*step }.write(&mut out);
    }
    out
}

fn change(all: &mut Vec<(LinkStep<'_>, Vec<u8>)>, rng: &mut SmallRng) {
    let at = rng.random_range(0..all.len());
    let link = rng.random_range(0..3);
    let argument: u8 = rng.random();
    let word = WORDS[rng.random_range(0..WORDS.len())].as_bytes();
    let insert = |all: &mut Vec<(LinkStep<'_>, Vec<u8>)>, act, bytes| {
        all.insert(at, (LinkStep { link, act }, bytes));
    };
    match rng.random_range(0..16) {
        0 => drop(all.remove(at)),
        1 => {
            let (step, bytes) = (all[at].0, all[at].1.clone());
            all.insert(rng.random_range(0..=at), (step, bytes));
        }
        2 => all.truncate(at + 1),
        3 => insert(all, Act::Close, Vec::new()),
        4 => insert(all, Act::Pass(argument), Vec::new()),
        5 => insert(all, Act::PassLong(argument), Vec::new()),
        6 => insert(all, Act::Client(argument), Vec::new()),
        7 => insert(all, Act::Open, Vec::new()),
        8 => insert(all, Act::Deafen, Vec::new()),
        9 => insert(all, Act::Say(b""), word.to_vec()),
        10 => {
            let other = rng.random_range(0..all.len());
            all.swap(at, other);
        }
        11 => {
            let random = rng.random_range(0..200);
            insert(
                all,
                Act::Drip(b""),
                (0..random).map(|_| rng.random()).collect(),
            );
        }
        _ => change_bytes(&mut all[at].1, word, rng),
    }
}

fn change_bytes(bytes: &mut Vec<u8>, word: &[u8], rng: &mut SmallRng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.random_range(0..bytes.len());
    let end = (at + rng.random_range(1..=20)).min(bytes.len());
    match rng.random_range(0..6) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => bytes[at] = rng.random(),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        4 => drop(bytes.splice(at..at, word.iter().copied())),
        _ => bytes.truncate(at),
    }
}
