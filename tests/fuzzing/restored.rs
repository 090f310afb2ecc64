//! Damaged payloads with a right checksum. RESTORE refuses a payload, or every command that takes
//! keys runs on the value, and the contents survive payloads and files.
//!
//! The target splits a valid value into listpacks and the bytes between them. It damages listpacks
//! entry by entry (repeated records, records in another order, edge numbers, digits as text), and
//! the bytes between them byte by byte.
//!
//! After each command the invariants hold. A second engine repeats the effects and has the same
//! contents at the end.

use std::sync::OnceLock;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::commands::Play;
use super::input::Input;
use super::rdb;
use super::seeds::{self, Seed};
use super::words::{self, KnownCommand, TEXTS};
use russet_base::hashing::crc64;
use russet_commands::testbed::{AllCommands as _, Testbed};
use russet_config::SanitizePayload;
use russet_encodings::listpack::{Entry, Listpack};
use russet_keyspace::{DbIndex, Saver};
use russet_persistence::aof::CommandWriter;
use russet_persistence::rdb::{RdbWriter, Use, VERSION_MEMBER_TTLS, seal};
use russet_types::Limits;

/// Keys that hold the damaged value; `words` uses these names.
const DAMAGED: [&[u8]; 2] = [b"a", b"b"];
/// The key that holds the value undamaged.
const SOUND: &[u8] = b"c";
const DAMAGES_MAX: usize = 4;
/// Bytes that choose the arguments of all commands of a run.
const CHOICES: usize = 32 << 10;
/// The number of attempts to draw arguments that include a damaged value.
const TRIES: usize = 32;
const NUMBERS: [i64; 9] = [
    0,
    1,
    -1,
    5,
    1 << 46,
    1_000_000_500,
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
];
const STRANGE: [&[u8]; 8] = [b"5", b"-1", b"nan", b"-inf", b"-0", b"1e400", b"05", b""];

/// The first byte chooses `sanitize-dump-payload` (bit 0), and whether containers change their
/// encoding early after the RESTORE (bit 1). The value follows, then its damages and the choice of
/// arguments.
pub fn restored(bytes: &[u8]) {
    static SEEDS: OnceLock<Vec<Seed>> = OnceLock::new();
    let seeds = SEEDS.get_or_init(seeds::all);
    let mut input = Input::new(bytes);
    let how = input.byte();
    let mut play = Play::new(false);
    play.set_limits(Limits::default());
    for bed in [&mut play.first, &mut play.second] {
        bed.engine.server.config.sanitize_dump_payload = match how & 1 {
            0 => SanitizePayload::No,
            _ => SanitizePayload::Yes,
        };
    }
    let seed = &seeds[input.below(seeds.len())];
    let damaged = sealed(&damaged(&seed.body, &mut input), seed.version);
    let is_taken = DAMAGED.map(|key| restore(&mut play, key, &damaged))[0];
    assert!(restore(&mut play, SOUND, &sealed(&seed.body, seed.version)));
    if how & 2 != 0 {
        play.change_early();
    }
    if is_taken {
        run_all(&mut play, &damaged, input.rest());
    }
    play.compare();
    let Play { first, second, .. } = play;
    survives_payloads(first);
    survives_files(second);
}

fn sealed(body: &[u8], version: u32) -> Vec<u8> {
    let mut payload = body.to_vec();
    seal(&mut payload, version);
    payload
}

/// Whether RESTORE took the payload.
fn restore(play: &mut Play, key: &[u8], payload: &[u8]) -> bool {
    let words = [b"RESTORE", key, b"0", payload, b"REPLACE"].map(<[u8]>::to_vec);
    let reply = play.run(play.clients[0], &words);
    play.first.engine.keyspace.check_invariants();
    let is_taken = reply == b"+OK\r\n";
    assert!(is_taken || reply.starts_with(b"-ERR "), "{reply:?}");
    is_taken
}

/// Runs every command that takes keys once on a damaged value, beginning with any of them. If a
/// command deletes a value, the value is restored before the next command.
fn run_all(play: &mut Play, payload: &[u8], choices: &[u8]) {
    let mut rng = SmallRng::seed_from_u64(crc64::update(0, choices));
    let mut all = choices.to_vec();
    all.extend((0..CHOICES).map(|_| rng.random::<u8>()));
    let mut input = Input::new(&all);
    let mut known = words::known(&play.first.engine.server.table);
    known.retain(|known| known.is_keyed);
    let from = input.below(known.len());
    let client = play.clients[1];
    for at in 0..known.len() {
        let known = &known[(from + at) % known.len()];
        let words = words_on_damaged(known, &mut input);
        play.run(client, &words);
        play.first.engine.keyspace.check_invariants();
        for key in DAMAGED {
            if !is_there(&mut play.first, key) {
                restore_again(play, key, payload);
            }
        }
    }
}

/// Restores with the limits of the first RESTORE. With other limits the value may get an encoding
/// whose checks refuse it, for example for a repeated field.
fn restore_again(play: &mut Play, key: &[u8], payload: &[u8]) {
    let limits = play.set_limits(Limits::default());
    assert!(restore(play, key, payload), "it was taken before");
    play.set_limits(limits);
}

/// A command with a damaged value among its arguments, unless chance gives none.
fn words_on_damaged(known: &KnownCommand, input: &mut Input<'_>) -> Vec<Vec<u8>> {
    let mut words = known.words(input);
    for _ in 1..TRIES {
        let is_damaged = |word: &Vec<u8>| DAMAGED.contains(&word.as_slice());
        if words.iter().any(is_damaged) {
            break;
        }
        words = known.words(input);
    }
    words
}

fn is_there(bed: &mut Testbed, key: &[u8]) -> bool {
    bed.engine.keyspace.db(DbIndex(0)).peek_view(key).is_some()
}

/// Names of all keys of a database.
fn keys_of(bed: &mut Testbed, at: DbIndex) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let db = bed.engine.keyspace.db(at);
    db.each_key(|key, _| keys.push(key.to_vec()));
    keys
}

/// A small sorted set forgets the sign of a zero score, as in Redis. A large set may become small
/// when it is loaded, so it forgets the sign before the comparison.
fn forget_signs_of_zero(bed: &mut Testbed, key: &[u8]) {
    const FORGET: &str = "for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, 0, 'BYSCORE')) do \
        redis.call('ZINCRBY', KEYS[1], 1, member) \
        redis.call('ZINCRBY', KEYS[1], -1, member) end";
    if bed.run_args(&[b"TYPE", key]) == b"+zset\r\n" {
        let reply = bed.run_args(&[b"EVAL", FORGET.as_bytes(), b"1", key]);
        assert_eq!(reply, b"$-1\r\n");
    }
}

/// A strict RESTORE accepts the payload of DUMP, and makes the same value from it.
fn survives_payloads(mut bed: Testbed) {
    const COPY: &[u8] = b"a copy";
    bed.reconnect();
    bed.engine.server.config.sanitize_dump_payload = SanitizePayload::Yes;
    for key in keys_of(&mut bed, DbIndex(0)) {
        bed.run_args(&[b"PERSIST", &key]);
        forget_signs_of_zero(&mut bed, &key);
        let payload = seeds::dump(&mut bed, &key);
        let reply = bed.run_args(&[b"RESTORE", COPY, b"0", &payload, b"REPLACE"]);
        assert_eq!(reply, b"+OK\r\n", "{payload:?}");
        let [one, other] = [&key, COPY].map(|key| bed.run_args(&[b"DEBUG", b"DIGEST-VALUE", key]));
        assert_eq!(one, other, "{payload:?}");
    }
}

/// An RDB file and a base file of commands load to the same contents.
fn survives_files(mut bed: Testbed) {
    bed.reconnect();
    let mut file = RdbWriter::new(VERSION_MEMBER_TTLS, true);
    let mut log = CommandWriter::default();
    file.magic();
    let in_use: Vec<DbIndex> = bed.engine.keyspace.in_use().map(|(at, _)| at).collect();
    for at in in_use {
        file.select(at, None);
        bed.run(&format!("SELECT {}", at.0));
        for key in keys_of(&mut bed, at) {
            forget_signs_of_zero(&mut bed, &key);
            let mut db = bed.engine.keyspace.db(at);
            let view = db.peek_view(&key).expect("it was just there");
            file.key(&view, Use::Nothing);
            log.key(at, &view);
        }
    }
    file.end();
    let file = [&file.take(Vec::new())[..], &[0; 8]].concat();
    let (now_ms, may_debug) = (
        bed.engine.keyspace.now_ms(),
        bed.engine.server.config.enable_debug_command,
    );
    let fresh = || {
        let mut fresh = Testbed::unheard();
        fresh.engine.server.config.enable_debug_command = may_debug;
        fresh.set_time_ms(now_ms);
        fresh
    };
    let mut loaded = fresh();
    loaded.engine.keyspace = rdb::load(&file).expect("a file that was written here");
    loaded.set_time_ms(now_ms);
    assert_same(&mut bed, &mut loaded, "the file");
    let mut repeated = fresh();
    repeated.run_pipeline(&log.out);
    let errors = repeated.run("INFO errorstats");
    assert!(!errors.contains("errorstat_"), "the log: {errors}");
    assert_same(&mut bed, &mut repeated, "the log");
}

/// Asserts that both engines have the same contents; shows the differences.
fn assert_same(one: &mut Testbed, other: &mut Testbed, what: &str) {
    let mut beds = [one, other];
    let digests = beds.each_mut().map(|bed| bed.run("DEBUG DIGEST"));
    if digests[0] == digests[1] {
        return;
    }
    let in_use = beds[0].engine.keyspace.in_use();
    let databases: Vec<DbIndex> = in_use.map(|(at, _)| at).collect();
    for at in databases {
        let select = format!("SELECT {}", at.0);
        beds.iter_mut().for_each(|bed| _ = bed.run(&select));
        for key in keys_of(beds[0], at) {
            let [values, ends, dumps] = [
                &[&b"DEBUG"[..], b"DIGEST-VALUE", &key][..],
                &[b"PEXPIRETIME", &key],
                &[b"DUMP", &key],
            ]
            .map(|words| beds.each_mut().map(|bed| bed.run_args(words)));
            let is_same = values[0] == values[1] && ends[0] == ends[1];
            assert!(is_same, "{what}: {key:?} of {at:?}: {ends:?} {dumps:?}");
        }
    }
    panic!("{what}: other keys");
}

/// A piece of a value's bytes.
#[derive(Debug)]
enum Part {
    Bytes(Vec<u8>),
    /// The entries of a listpack.
    Entries(Vec<Item>),
}

#[derive(Clone, Debug)]
enum Item {
    Int(i64),
    Str(Vec<u8>),
}

impl Item {
    fn entry(&self) -> Entry<'_> {
        match self {
            Item::Int(value) => Entry::Int(*value),
            Item::Str(text) => Entry::Str(text),
        }
    }
}

/// The listpack in the string at the start of `bytes`, and the length of that string with its
/// header.
fn packed(bytes: &[u8]) -> Option<(Listpack, usize)> {
    let (len, at): (_, usize) = match *bytes.first()? {
        short @ ..0x40 => (usize::from(short), 1),
        high @ 0x40..0x80 => (
            usize::from(high & 0x3f) << 8 | usize::from(*bytes.get(1)?),
            2,
        ),
        0x80 => {
            let len = bytes.get(1..5)?.try_into().ok()?;
            (u32::from_be_bytes(len) as usize, 5)
        }
        _ => return None,
    };
    let pack = bytes.get(at..at.checked_add(len)?)?;
    Some((Listpack::from_bytes(pack).ok()?, at + len))
}

fn parts(mut bytes: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = Vec::new();
    while let Some((&first, rest)) = bytes.split_first() {
        let Some((pack, len)) = packed(bytes) else {
            plain.push(first);
            bytes = rest;
            continue;
        };
        parts.push(Part::Bytes(std::mem::take(&mut plain)));
        let items = pack.iter().map(|entry| match entry {
            Entry::Int(value) => Item::Int(value),
            Entry::Str(text) => Item::Str(text.to_vec()),
        });
        parts.push(Part::Entries(items.collect()));
        bytes = &bytes[len..];
    }
    parts.push(Part::Bytes(plain));
    parts
}

fn joined(parts: &[Part]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        match part {
            Part::Bytes(plain) => bytes.extend_from_slice(plain),
            Part::Entries(items) => {
                let pack = Listpack::from_entries(items.iter().map(Item::entry));
                bytes.push(0x80);
                bytes.extend_from_slice(&(pack.as_bytes().len() as u32).to_be_bytes());
                bytes.extend_from_slice(pack.as_bytes());
            }
        }
    }
    bytes
}

/// The value with up to [`DAMAGES_MAX`] damages.
fn damaged(body: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut parts = parts(body);
    for _ in 0..input.below(DAMAGES_MAX + 1) {
        let packs = parts.iter().filter(|part| matches!(part, Part::Entries(_)));
        // Three damages out of four are in listpacks, if there are any.
        let in_pack = packs.count() > 0 && !input.byte().is_multiple_of(4);
        let fit = |part: &&mut Part| matches!(part, Part::Entries(_)) == in_pack;
        let mut choices: Vec<&mut Part> = parts.iter_mut().filter(fit).collect();
        let at = input.below(choices.len());
        match &mut *choices[at] {
            Part::Bytes(plain) => damage_bytes(plain, input),
            Part::Entries(items) => damage_items(items, input),
        }
    }
    joined(&parts)
}

fn damage_bytes(plain: &mut Vec<u8>, input: &mut Input<'_>) {
    if plain.is_empty() {
        return;
    }
    let at = input.below(plain.len());
    match input.below(4) {
        0 => plain[at] = input.byte(),
        1 => plain[at] ^= 1 << input.below(8),
        2 => plain.insert(at, input.byte()),
        _ => _ = plain.remove(at),
    }
}

fn damage_items(items: &mut Vec<Item>, input: &mut Input<'_>) {
    if items.is_empty() {
        return;
    }
    let width = 1 + input.below(3);
    let records = (items.len() / width).max(1);
    let record = |at: usize| at * width..items.len().min((at + 1) * width);
    let (from, to) = (record(input.below(records)), record(input.below(records)));
    match input.below(7) {
        // A copy elsewhere, perhaps with the digits as text, or with another second entry.
        0..=2 => {
            let mut copy = items[from].to_vec();
            if let Some(Item::Int(value)) = copy.first()
                && input.byte().is_multiple_of(2)
            {
                copy[0] = Item::Str(value.to_string().into_bytes());
            }
            if let [_, second, ..] = &mut copy[..] {
                *second = any_item(input);
            }
            items.splice(to.start..to.start, copy);
        }
        3 => {
            let moved: Vec<Item> = items.drain(from).collect();
            let at = to.start.min(items.len());
            items.splice(at..at, moved);
        }
        4 => items[from.start] = any_item(input),
        5 => _ = items.drain(from),
        _ => items.insert(to.start, any_item(input)),
    }
}

fn any_item(input: &mut Input<'_>) -> Item {
    match input.below(3) {
        0 => Item::Int(input.pick(&NUMBERS)),
        1 => Item::Str(input.pick(&STRANGE).to_vec()),
        _ => match Entry::parse(input.pick(&TEXTS).as_bytes()) {
            Entry::Int(value) => Item::Int(value),
            Entry::Str(text) => Item::Str(text.to_vec()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_apart_and_put_together() {
        let (mut packs, seeds) = (0, seeds::all());
        for seed in seeds {
            let parts = parts(&seed.body);
            packs += parts
                .iter()
                .filter(|part| matches!(part, Part::Entries(_)))
                .count();
            let mut bed = Testbed::unheard();
            let payload = sealed(&joined(&parts), seed.version);
            let reply = bed.run_args(&[b"RESTORE", b"k", b"0", &payload]);
            assert_eq!(reply, b"+OK\r\n", "{parts:?}");
        }
        assert!(packs > 10, "{packs}");
    }

    /// Regression: a repeated member in a payload crashed the server in later commands.
    #[test]
    fn a_member_that_came_twice_is_there_once() {
        let pack = |words: &[&str]| {
            Part::Entries(
                words
                    .iter()
                    .map(|word| Item::Str(word.as_bytes().to_vec()))
                    .collect(),
            )
        };
        let set = joined(&[Part::Bytes(vec![20]), pack(&["x", "y", "x"])]);
        let zset = joined(&[Part::Bytes(vec![17]), pack(&["x", "5", "y", "6", "x", "7"])]);
        for (value, card) in [(&set, "SCARD"), (&zset, "ZCARD")] {
            let mut bed = Testbed::unheard();
            bed.engine.keyspace.limits.zset_max_listpack_entries = 4;
            let payload = sealed(value, 12);
            assert_eq!(
                bed.run_args(&[b"RESTORE", b"k", b"0", &payload]),
                b"+OK\r\n"
            );
            bed.engine.keyspace.limits.zset_max_listpack_entries = 0;
            assert_eq!(bed.run(&format!("{card} k")), ":2\r\n");
            for command in ["ZDIFFSTORE l 1 k", "ZINTERSTORE l 1 k", "ZUNIONSTORE l 1 k"] {
                assert_eq!(bed.run(command), ":2\r\n", "{command}");
                assert_eq!(bed.run("ZREM l x"), ":1\r\n", "{command}");
                assert_eq!(bed.run("ZRANGE l 0 -1"), "*1\r\n$1\r\ny\r\n", "{command}");
            }
            bed.engine.server.config.sanitize_dump_payload = SanitizePayload::Yes;
            let reply = bed.run_args(&[b"RESTORE", b"other", b"0", &payload]);
            assert_eq!(reply, b"-ERR Bad data format\r\n");
        }
    }
}
