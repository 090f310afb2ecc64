//! RDB files and payloads of any bytes: refused, or their contents are sound.

use std::cell::RefCell;

use crate::keyspace::{DbIndex, Keyspace, OwnedValue};
use crate::persistence::rdb::seal;
use crate::persistence::rdb::{Fault, Input, KeyFacts, Loader, RdbError, ReadOptions, Reader};
use crate::server::Testbed;
use crate::types::Limits;

const DATABASES: u64 = 16;

/// A keyspace that takes all keys of a file, whatever else it announces.
struct Taker(Keyspace);

impl Loader for Taker {
    fn limits(&self) -> Limits {
        self.0.limits
    }

    fn database(&mut self, db: u64) -> Result<DbIndex, Fault> {
        match db {
            0..DATABASES => Ok(DbIndex(db as u32)),
            other => Err(Fault::Database(other)),
        }
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

/// The contents of a valid file; what was read before an error must be sound, too.
pub(super) fn load(file: &[u8]) -> Result<Keyspace, RdbError> {
    let mut taker = Taker(Keyspace::new(DATABASES as usize));
    let options = ReadOptions {
        checksum: false,
        deep: true,
    };
    let reader = Reader::begin(Input::of_bytes(file), options, &mut taker)?;
    let read = reader.run(&mut taker);
    taker.0.check_invariants();
    read.map(|_| taker.0)
}

/// Any bytes as a file, and as its contents after the header.
pub fn rdb(bytes: &[u8]) {
    let _ = load(bytes);
    for magic in [&b"REDIS0012"[..], b"VALKEY080"] {
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
    /// Kept: creating one takes longer than most payloads.
    static BED: RefCell<Testbed> = RefCell::new(Testbed::unheard());
}

/// Any bytes as a value with a correct checksum: the restored value stays sound in use.
pub fn dump(bytes: &[u8]) {
    BED.with_borrow_mut(|bed| dump_to(bed, bytes));
}

fn dump_to(bed: &mut Testbed, bytes: &[u8]) {
    let (version, body) = match bytes.split_first() {
        Some((0x80.., body)) => (80, body),
        Some((_, body)) => (12, body),
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
    use crate::persistence::rdb::{RdbWriter, Use, VERSION_FIELD_TTLS};

    /// A file with only the key `k`: its type and value.
    fn file(kind: u8, value: &[u8]) -> Vec<u8> {
        let mut file = b"REDIS0012\xfe\0".to_vec();
        file.extend_from_slice(&[kind, 1, b'k']);
        file.extend_from_slice(value);
        file.extend_from_slice(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        file
    }

    /// A small file of each type and encoding that we write.
    fn written() -> Vec<Vec<u8>> {
        let mut files = Vec::new();
        for lines in seeds::LINES {
            let mut bed = Testbed::unheard();
            for line in lines.split("; ") {
                let reply = bed.run(line);
                assert!(!reply.starts_with('-'), "{line}: {reply}");
            }
            bed.run("PEXPIREAT k 9000000000000");
            let mut writer = RdbWriter::new(VERSION_FIELD_TTLS, true);
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

    /// Forms that only older or other servers write.
    fn foreign() -> Vec<Vec<u8>> {
        let files = seeds::foreign().into_iter().map(|(kind, value)| {
            let mut file = file(kind, &value);
            if kind == seeds::VALKEY_HASH {
                file[..9].copy_from_slice(b"VALKEY080");
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

    #[test]
    fn every_change_of_one_byte_is_loaded_or_refused() {
        for file in written().into_iter().chain(foreign()) {
            for at in 0..file.len() {
                let mut changed = file.clone();
                for value in 0..=255 {
                    changed[at] = value;
                    let _ = load(&changed);
                }
            }
        }
    }
}
