//! RDB files and payloads from any bytes: the bytes are refused, or their contents are valid.
//!
//!     rdb    bytes -> Reader -> keyspace     as a file, and after each header; no checksum
//!     dump   bytes + valid checksum -> RESTORE -> COMMANDS, each followed by check_invariants
//!
//! The targets do not judge errors: only a panic or a broken invariant fails. `dump` has a testbed
//! for each thread and empties it after each case, because making a testbed takes longer than most
//! payloads.

use std::cell::RefCell;

use russet_commands::testbed::{AllCommands as _, Testbed};
use russet_keyspace::{DbIndex, Keyspace, OwnedValue};
use russet_persistence::rdb::seal;
use russet_persistence::rdb::{Fault, Input, KeyFacts, Loader, RdbError, ReadOptions, Reader};
use russet_types::Limits;

const DATABASES: usize = 16;

/// A keyspace that takes all keys of a file, whatever other facts the file announces.
struct Taker(Keyspace);

impl Loader for Taker {
    fn limits(&self) -> Limits {
        self.0.limits
    }

    fn database(&mut self, db: u64) -> Result<DbIndex, Fault> {
        let is_there = db < self.0.databases() as u64;
        is_there
            .then_some(DbIndex(db as u32))
            .ok_or(Fault::Database(db))
    }

    fn key(
        &mut self,
        db: DbIndex,
        key: &[u8],
        value: OwnedValue<'_>,
        facts: KeyFacts,
    ) -> Result<(), Fault> {
        let is_new = self.0.load(db, key, value, facts.expiry, facts.last_use);
        is_new.then_some(()).ok_or(Fault::DuplicateKey(db.0))
    }
}

/// The contents of a valid file. Contents before an error must be valid, too.
pub(super) fn load(file: &[u8]) -> Result<Keyspace, RdbError> {
    load_into(DATABASES, file)
}

/// As [`load`], with this number of databases; all of them are made and checked.
fn load_into(databases: usize, file: &[u8]) -> Result<Keyspace, RdbError> {
    let mut taker = Taker(Keyspace::new(databases));
    let options = ReadOptions {
        checksum: false,
        deep: true,
        skips_modules: true,
        takes_later: false,
    };
    let reader = Reader::begin(Input::of_bytes(file), options, &mut taker)?;
    let read = reader.run(&mut taker);
    taker.0.check_invariants();
    read.map(|_| taker.0)
}

/// Any bytes as a file, and as its contents after the header.
pub fn rdb(bytes: &[u8]) {
    let _ = load(bytes);
    for magic in [&b"REDIS0016"[..], b"VALKEY080", b"VALKEY081"] {
        let _ = load(&[magic, bytes].concat());
    }
}

/// Commands that read or change a key of any type.
const COMMANDS: &[&str] = &[
    "TYPE k",
    "APPEND k x",
    "LRANGE k 0 -1",
    "LPUSH k a",
    "LREM k 0 a",
    "RPOP k",
    "SMEMBERS k",
    "SADD k 5 b",
    "SREM k 5",
    "SPEXPIRE k 100 MEMBERS 1 b",
    "SPOP k",
    "ZADD k 1 a 2 b",
    "ZRANGE k 0 -1",
    "ZPOPMIN k",
    "ZRANK k a",
    "HSET k f v",
    "HGETALL k",
    "HDEL k f",
    "HEXPIRE k 100 FIELDS 1 f",
    "HLEN k",
    "XRANGE k - +",
    "XREVRANGE k + - COUNT 3",
    "XADD k * f v",
    "XADD k MAXLEN ~ 2 * f v g w",
    "XGROUP CREATE k new 0",
    "XREADGROUP GROUP g c STREAMS k >",
    "XREADGROUP GROUP g c STREAMS k 0",
    "XAUTOCLAIM k g d 0 0",
    "XINFO STREAM k FULL",
    "XDEL k 1-1",
    "XTRIM k MAXLEN 1",
    "ARSET k 3 a 77 longer-than-seven",
    "ARINSERT k b",
    "ARRING k 4 c 5",
    "ARDEL k 0 3 5",
    "ARDELRANGE k 2 1000",
    "ARGETRANGE k 0 20",
    "ARSCAN k 18446744073709551614 0",
    "AROP k 0 18446744073709551614 SUM",
    "ARGREP k - + RE a.*b MATCH 1",
    "ARLASTITEMS k 5 REV",
    "ARINFO k FULL",
    "VADD k VALUES 2 3 4 new",
    "VADD k VALUES 3 3 4 5 a SETATTR {}",
    "VADD k VALUES 3 3 4 5 b NOQUANT M 5",
    "VADD k REDUCE 2 VALUES 3 1 2 3 c BIN",
    "VSETATTR k a {}",
    "VSIM k ELE a WITHSCORES WITHATTRIBS",
    "VSIM k ELE b TRUTH FILTER .n>1",
    "VLINKS k a WITHSCORES",
    "VEMB k a",
    "VEMB k b RAW",
    "VINFO k",
    "VRANDMEMBER k 3",
    "VRANGE k - +",
    "VREM k a",
    "PHSET k a FIELDS 2 f v g w",
    "PHMSET k ab FIELDS 1 f v b FIELDS 1 f w",
    "PHGETALL k a",
    "PHPREFIXES k abc WITHVALUES",
    "PHSCAN k 0 COUNT 2",
    "PHSCAN k 1:61 WITHVALUES",
    "PHDEL k a f none",
    "PHDELPREFIX k ab",
    "PHDEL k b",
    "SORT k ALPHA STORE l",
    "SUNIONSTORE l k",
    "SPOP l",
    "SDIFFSTORE l k none",
    "SADD l a 5",
    "ZUNIONSTORE l 1 k",
    "ZDIFFSTORE l 1 k",
    "ZINTERSTORE l 1 k",
    "ZREM l a",
    "ZRANGESTORE l k 0 -1",
    "GEOSEARCHSTORE l k FROMLONLAT 0 0 BYRADIUS 30000 km",
    "ZADD l 5 a",
    "DUMP k",
    "COPY k l REPLACE",
    "DEL k",
];

thread_local! {
    /// Kept from case to case, because making a testbed takes longer than most payloads.
    static BED: RefCell<Testbed> = RefCell::new(Testbed::unheard());
}

/// The bytes as a value with a correct checksum: the restored value stays valid in use.
pub fn dump(bytes: &[u8]) {
    BED.with_borrow_mut(|bed| dump_to(bed, bytes));
}

fn dump_to(bed: &mut Testbed, bytes: &[u8]) {
    let (version, body) = match bytes.split_first() {
        Some((0x80.., body)) => (81, body),
        Some((_, body)) => (15, body),
        None => return,
    };
    let mut payload = body.to_vec();
    seal(&mut payload, version);
    let reply = bed.run_args(&[b"RESTORE", b"k", b"0", &payload]);
    if reply != b"+OK\r\n" {
        assert!(reply.starts_with(b"-ERR "), "{reply:?}");
        return;
    }
    for command in COMMANDS {
        bed.run(command);
        bed.engine.keyspace.check_invariants();
    }
    assert_eq!(bed.run("FLUSHALL"), "+OK\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::seeds;
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};
    use russet_base::hashing::crc64;
    use russet_config::Allowed;
    use russet_persistence::rdb::{RdbEnd, RdbWriter, ReadStep, Use, VERSION_NEWEST};

    /// A file with only the key `k`: its type and value.
    fn file(kind: u8, value: &[u8]) -> Vec<u8> {
        let mut file = b"REDIS0012\xfe\0".to_vec();
        file.extend_from_slice(&[kind, 1, b'k']);
        file.extend_from_slice(value);
        file.extend_from_slice(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        file
    }

    /// A small file of each type and encoding that russet writes.
    fn written() -> Vec<Vec<u8>> {
        let mut files = Vec::new();
        for lines in seeds::LINES {
            let mut bed = Testbed::unheard();
            for line in lines.split("; ") {
                let reply = bed.run(line);
                assert!(!reply.starts_with('-'), "{line}: {reply}");
            }
            bed.run("PEXPIREAT k 9000000000000");
            let mut writer = RdbWriter::new(VERSION_NEWEST, true);
            writer.magic();
            writer.aux("redis-bits", b"64");
            writer.select(DbIndex(1), Some((1, 1)));
            let mut db = bed.engine.keyspace.db(DbIndex(0));
            writer.key(&db.view(b"k").expect("it is there"), Use::IdleSeconds(70));
            writer.end();
            files.push([&writer.take(Vec::new())[..], &[0; 8]].concat());
        }
        files
    }

    /// Forms that only older servers or other servers write.
    fn foreign() -> Vec<Vec<u8>> {
        let files = seeds::foreign().into_iter().map(|(kind, value)| {
            let mut file = file(kind, &value);
            if [seeds::VALKEY_HASH, seeds::VALKEY_PATHS].contains(&kind) {
                file[..9].copy_from_slice(b"VALKEY081");
            }
            file
        });
        files.collect()
    }

    #[test]
    fn every_small_file_is_loaded_and_its_prefixes_are_refused() {
        for (at, file) in written().into_iter().chain(foreign()).enumerate() {
            let loaded =
                load(&file).unwrap_or_else(|error| panic!("file {at}: {error}: {file:x?}"));
            assert_eq!(loaded.in_use().count(), 1, "file {at}");
            for len in 0..file.len() {
                assert!(load(&file[..len]).is_err(), "file {at}, {len} bytes");
            }
        }
    }

    /// A key's database, name, facts, and a digest of its value.
    type Item = (DbIndex, Vec<u8>, KeyFacts, Vec<u8>);

    /// Everything that a loader receives, in order.
    #[derive(Debug, Default, PartialEq)]
    struct LoadedItems {
        aux: Vec<(Vec<u8>, Vec<u8>)>,
        keys: Vec<Item>,
        empty_keys: usize,
        functions: Vec<Vec<u8>>,
    }

    impl Loader for LoadedItems {
        fn limits(&self) -> Limits {
            Limits::default()
        }

        fn aux(&mut self, name: &[u8], value: &[u8]) {
            self.aux.push((name.to_vec(), value.to_vec()));
        }

        fn database(&mut self, db: u64) -> Result<DbIndex, Fault> {
            u32::try_from(db)
                .map(DbIndex)
                .map_err(|_| Fault::Database(db))
        }

        fn key(
            &mut self,
            db: DbIndex,
            key: &[u8],
            value: OwnedValue<'_>,
            facts: KeyFacts,
        ) -> Result<(), Fault> {
            let text = BED.with_borrow_mut(|bed| {
                let keyspace = &mut bed.engine.keyspace;
                keyspace.load(DbIndex(0), key, value, None, None);
                let mut writer = RdbWriter::new(VERSION_NEWEST, false);
                let mut its = keyspace.db(DbIndex(0));
                writer.key(&its.view(key).expect("it is there"), Use::Nothing);
                // Counts each byte, because the order of a table's elements differs from table to
                // table.
                let mut counts = [0u32; 256];
                for byte in writer.take(Vec::new()) {
                    counts[usize::from(byte)] += 1;
                }
                let mut text: Vec<u8> = counts.into_iter().flat_map(u32::to_le_bytes).collect();
                bed.engine.server.config.enable_debug_command = Allowed::Yes;
                text.extend(bed.run_args(&[b"DEBUG", b"DIGEST-VALUE", key]));
                bed.engine.keyspace.flush(DbIndex(0), false);
                text
            });
            self.keys.push((db, key.to_vec(), facts, text));
            Ok(())
        }

        fn empty_key(&mut self, _db: DbIndex, _key: &[u8]) {
            self.empty_keys += 1;
        }

        fn function(&mut self, code: &[u8]) -> Result<(), Fault> {
            self.functions.push(code.to_vec());
            Ok(())
        }
    }

    const OPTIONS: ReadOptions = ReadOptions {
        checksum: true,
        deep: true,
        skips_modules: false,
        takes_later: false,
    };

    /// The contents of a file, and its end or fault as text; `None` if the reader waits for more
    /// bytes.
    type Outcome = (LoadedItems, Option<String>);

    fn whole(file: &[u8]) -> Outcome {
        let mut received = LoadedItems::default();
        let reader = Reader::begin(Input::of_bytes(file), OPTIONS, &mut received);
        let end = reader.and_then(|reader| reader.run(&mut received));
        (received, Some(format!("{end:?}")))
    }

    /// Feeds the file in pieces. Returns the contents, and the bytes after the end of the file.
    fn in_pieces<'f>(
        file: &'f [u8],
        total: Option<u64>,
        mut cut: impl FnMut(&'f [u8]) -> usize,
    ) -> (Outcome, Vec<u8>) {
        let mut received = LoadedItems::default();
        let mut reader = Reader::of_feed(total, OPTIONS);
        let mut rest = file;
        let mut was_fed = true;
        let end = loop {
            match reader.step(&mut received) {
                Ok(ReadStep::Key) => {}
                Ok(ReadStep::Starved) if rest.is_empty() && !was_fed => break None,
                Ok(ReadStep::Starved) => {
                    let (now, later) = rest.split_at(cut(rest).min(rest.len()));
                    was_fed = !now.is_empty();
                    reader.feed(now);
                    rest = later;
                }
                Ok(ReadStep::End(end)) => {
                    let end: Result<RdbEnd, RdbError> = Ok(end);
                    break Some(format!("{end:?}"));
                }
                Err(error) => {
                    let end: Result<RdbEnd, RdbError> = Err(error);
                    break Some(format!("{end:?}"));
                }
            }
        };
        ((received, end), [&reader.take_rest(), rest].concat())
    }

    #[test]
    fn a_file_in_two_or_many_pieces_is_the_same_file() {
        for file in written().into_iter().chain(foreign()).chain(large()) {
            let expected = whole(&file);
            let ending = expected.1.as_ref().expect("an end");
            assert!(ending.starts_with("Ok"), "{ending}");
            let behind = [&file[..], b"behind"].concat();
            for total in [None, Some(file.len() as u64)] {
                let check = |pieces: &mut dyn FnMut(&[u8]) -> usize| {
                    let (got, left) = in_pieces(&behind, total, pieces);
                    let len = file.len();
                    assert!(got == expected, "{len} bytes: {:?}", got.1);
                    assert_eq!(left, b"behind");
                };
                check(&mut |_| 1 + file.len() / 1000);
                check(&mut |_| 64 * 1024);
                let step = 1 + file.len() / 100;
                for cut in (0..file.len()).step_by(step) {
                    check(&mut |rest| match behind.len() - rest.len() {
                        0 if cut > 0 => cut,
                        _ => rest.len(),
                    });
                }
            }
        }
    }

    #[test]
    fn a_damaged_file_in_pieces_has_the_same_fault() {
        let mut rng = SmallRng::seed_from_u64(7);
        for file in written().into_iter().chain(foreign()) {
            for at in 0..file.len() {
                for _ in 0..4 {
                    let mut changed = file.clone();
                    changed[at] = rng.random();
                    if rng.random_range(0..4) == 0 {
                        changed.truncate(rng.random_range(at..=file.len()));
                    }
                    let expected = whole(&changed);
                    let piece_max = rng.random_range(1..20);
                    let mut cut = |_: &[u8]| rng.random_range(1..=piece_max);
                    let total = Some(changed.len() as u64);
                    let (got, _) = in_pieces(&changed, total, &mut cut);
                    assert!(got == expected, "{got:?} {expected:?} {changed:x?}");
                    // A file of unknown length may also end too early.
                    let (got, _) = in_pieces(&changed, None, &mut cut);
                    let as_expected = got.1.is_none() || got == expected;
                    assert!(as_expected, "{got:?} {expected:?} {changed:x?}");
                }
            }
        }
    }

    /// Files with values of many nodes and elements.
    fn large() -> Vec<Vec<u8>> {
        let mut bed = Testbed::unheard();
        for i in 0..3000 {
            for line in [
                format!("HSET hash field:{i} value:{i}"),
                format!("SADD set {i} member:{i}"),
                format!("ZADD zset {i} member:{i}"),
                format!("RPUSH list {i} element:{i}"),
                format!("XADD stream * field value:{i}"),
            ] {
                bed.run(&line);
            }
        }
        for g in 0..20 {
            bed.run(&format!("XGROUP CREATE stream group:{g} 0"));
            bed.run(&format!(
                "XREADGROUP GROUP group:{g} one COUNT 50 STREAMS stream >"
            ));
            bed.run(&format!(
                "XREADGROUP GROUP group:{g} two COUNT 50 STREAMS stream >"
            ));
        }
        bed.run("HPEXPIREAT hash 9000000000000 FIELDS 2 field:1 field:2");
        bed.run_args(&[b"SET", b"string", &[b'x'; 300_000]]);
        let files = [VERSION_NEWEST, 9].map(|version| {
            let mut writer = RdbWriter::new(version, version > 9);
            writer.magic();
            writer.select(DbIndex(0), None);
            for key in ["hash", "set", "zset", "list", "stream", "string"] {
                let mut db = bed.engine.keyspace.db(DbIndex(0));
                let view = db.view(key.as_bytes()).expect("it is there");
                writer.key(&view, Use::Nothing);
            }
            writer.end();
            let mut file = writer.take(Vec::new());
            let sum = crc64::update(0, &file);
            file.extend_from_slice(&sum.to_le_bytes());
            file
        });
        files.into()
    }

    #[test]
    fn every_change_of_one_byte_is_loaded_or_refused() {
        for file in written().into_iter().chain(foreign()) {
            for at in 0..file.len() {
                let mut changed = file.clone();
                for value in 0..=255 {
                    changed[at] = value;
                    let _ = load_into(2, &changed);
                }
            }
        }
    }
}
