//! Values of every type and encoding, for targets that damage them.
//!
//!     LINES, MORE   commands that make the key `k`; its DUMP payload is the seed
//!     foreign       bytes of encodings that only older or other servers write
//!
//! A seed is the value without its footer; the targets add version and checksum. Each seed comes
//! from its own testbed, without compression, so that a changed byte changes a structure. Add new
//! types and encodings to `LINES`.

use russet_commands::testbed::{AllCommands as _, Testbed};

/// Commands, separated by semicolons, that make a key `k` of each type and encoding.
pub(super) const LINES: &[&str] = &[
    "SET k hello",
    "SET k 70000",
    "SET k aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "RPUSH k 1 two 300",
    "SADD k 1 2 70000",
    "SADD k a 2 c",
    "SADD k a 2 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "ZADD k 1 a 2.5 b",
    "ZADD k 1 a 2.5 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "HSET k a 1 b c",
    "HSET k a 1 b aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "HSETEX k EX 100 FIELDS 2 a 1 b c",
    "XADD k 5-1 a 1 b hello; XADD k 5-2 a 2 b two; XADD k 6-0 c 3; XDEL k 5-2",
    "XADD k 5-1 a 1; XADD k 5-2 a 2; XGROUP CREATE k g 0; XREADGROUP GROUP g c COUNT 1 \
     STREAMS k >; XREADGROUP GROUP g d STREAMS k >; XGROUP CREATE k h $",
    "XADD k IDMP p x * a 1; XADD k IDMP q yy * a 2; XADD k IDMPAUTO q * a 3",
    "XADD k 5-1 a 1; XADD k 5-2 a 2; XGROUP CREATE k g 0; XREADGROUP GROUP g c STREAMS k >; \
     XNACK k g FAIL IDS 2 5-2 5-1; XCFGSET k IDMP-DURATION 7; XIDMPRECORD k p x 5-1",
    "HSETEX k EX 100 FIELDS 1 a aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
     aaaaaaaaaaaa",
    "ARSET k 0 hello 7 12345678 3.5; ARSET k 20000 longer-than-seven; ARSEEK k 9",
    "VADD k VALUES 2 3 4 a; VADD k VALUES 2 -1 4 b SETATTR {\"n\":1}; VADD k VALUES 2 0 0 c",
    "PHMSET k a FIELDS 2 f v g 7 ab FIELDS 1 f v b FIELDS 1 f 70000",
    "BF.RESERVE k 0.1 2 EXPANSION 3; BF.MADD k a b c d",
    "CF.RESERVE k 4 BUCKETSIZE 1 EXPANSION 2; CF.INSERT k ITEMS a b c d e",
    "CMS.INITBYDIM k 5 2; CMS.INCRBY k a 3 b 70000",
    "TOPK.RESERVE k 2 3 2 0.9; TOPK.ADD k a b c a; TOPK.INCRBY k d 3",
    "TDIGEST.CREATE k COMPRESSION 1; TDIGEST.ADD k 1 2 3 4 5 6 7 8 9 10 2 2 2 3 -1.5 1e10 7 8 9",
    "TS.CREATE k CHUNK_SIZE 48 RETENTION 1000 LABELS a b; TS.MADD k 1 1 k 2 2.5 k 10 -3 k 11 1e300 k 500 0",
    "FT.SUGADD k hello 1; FT.SUGADD k help 2.5 PAYLOAD p; FT.SUGADD k he -1; FT.SUGADD k x 1e30",
    "TS.CREATE k UNCOMPRESSED DUPLICATE_POLICY MAX IGNORE 5 0.5; TS.MADD k 1 1 k 2 2.5",
];

/// Values with more structure: several nodes and groups, positions, strings with a format.
const MORE: &[&str] = &[
    "SET k 10; APPEND k 4.5",
    "PFADD k x y z one two three",
    "SETBIT k 300 1; SETBIT k 7 1",
    "CONFIG SET list-max-listpack-size 2; RPUSH k x y z one two three 10 -3",
    "CONFIG SET list-max-listpack-size 2 list-compress-depth 1; RPUSH k x y z one two three 10",
    "SADD k x y z one two three 10 -3",
    "SADD k 10 -3 1000000 9223372036854775807",
    "CONFIG SET bitmap-default-roaring yes; SETBIT k 7 1; SETBIT k 90000 1; BITFIELD k SET i64 99 -1",
    "SADD k x y z one 10 -3; SPEXPIRE k 90000 MEMBERS 2 y 10; SPEXPIRE k 5 MEMBERS 1 z",
    "CONFIG SET set-max-listpack-entries 2; SADD k x y z 10; SPEXPIRE k 90000 MEMBERS 2 y 10",
    "ZADD k 1 x 2 y 2 z 2.5 one inf two -inf three 7 10",
    "GEOADD k 13.36 38.11 x 15.08 37.5 y -3 51 z 0 0 one",
    "HSET k x 1 y 2 z 4.5 one two 10 three",
    "HSET k x 1 y 2 z 4.5 one two; HPEXPIRE k 90000 FIELDS 1 y; HPEXPIRE k 5 FIELDS 1 z",
    "ARSET k 5 1 2 3 4 5 6 7 8 9 10 11 12; ARSET k 18446744073709551614 \
     aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; \
     ARINSERT k x -7 007",
    "VADD k VALUES 3 3 4 5 a NOQUANT M 5; VADD k VALUES 3 -1 4 5 b NOQUANT M 5; \
     VADD k VALUES 3 1 4 5 c NOQUANT M 5; VADD k VALUES 3 1 4 -5 d NOQUANT M 5; VREM k b",
    "VADD k REDUCE 2 VALUES 3 1 2 3 a BIN; VADD k REDUCE 2 VALUES 3 -1 2 3 c BIN SETATTR {}",
    "CONFIG SET stream-node-max-entries 2; XADD k 1-1 x 1; XADD k 1-2 x 2; XADD k 2-1 y 3 z 4; \
     XADD k 5-0 x 3; XDEL k 5-0; XADD k 6-0 x 4; XGROUP CREATE k x 0; XGROUP CREATE k y 1-2; \
     XREADGROUP GROUP x one COUNT 2 STREAMS k >; XREADGROUP GROUP x two STREAMS k >; \
     XREADGROUP GROUP y three STREAMS k >",
];

/// The type of Valkey's hashes with expiring fields; the other numbers are Redis's.
pub(super) const VALKEY_HASH: u8 = 22;
/// The type of Valkey's path hashes.
pub(super) const VALKEY_PATHS: u8 = 23;

/// Values in forms that only older servers or other servers write, with their types.
pub(super) fn foreign() -> Vec<(u8, Vec<u8>)> {
    let ziplist = b"\x10\x10\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xf2\xff";
    let field = |name: u8| [1, name, 1, b'v'];
    let metadata = [
        &[200, 0, 0, 0, 0, 0, 0, 0, 2, 1][..],
        &field(b'a'),
        &[0],
        &field(b'b'),
    ];
    let valkey = [&[1][..], &field(b'a'), &[0xff; 8]].concat();
    let path = |name: u8, fields: &[u8]| {
        [
            &[1, name, fields.len() as u8],
            &*fields
                .iter()
                .flat_map(|name| field(*name))
                .collect::<Vec<u8>>(),
        ]
        .concat()
    };
    let paths = [&[2][..], &path(b'a', b"fg"), &path(b'b', b"f")].concat();
    let pack = b"\x13\0\0\0\x0a\0\x01\x01\0\x01\x01\x01\x81f\x02\0\x01\x02\x01";
    let pack = [&pack[..], b"\0\x01\0\x01\x81v\x02\x04\x01\xff"].concat();
    let pack = [&(pack.len() as u32).to_le_bytes(), &pack[4..]].concat();
    let id = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
    let node = [&[1, 16][..], &id, &[pack.len() as u8], &pack].concat();
    let group = |read: &[u8], active: &[u8]| {
        let pending = [&[1][..], &id, &[9, 0, 0, 0, 0, 0, 0, 0, 3]].concat();
        let consumer = [&[1, 1, b'c', 9, 0, 0, 0, 0, 0, 0, 0][..], active, &[1], &id];
        [&[1, 1, b'g', 1, 1][..], read, &pending, &consumer.concat()].concat()
    };
    let facts = [1, 1, 1, 1, 1, 0, 0, 1];
    vec![
        (15, [&node[..], &[1, 1, 1], &group(&[], &[])].concat()),
        (19, [&node[..], &facts, &group(&[1], &[])].concat()),
        (21, [&node[..], &facts, &group(&[1], &[8; 8])].concat()),
        (1, b"\x02\x01a\xc0\x05".to_vec()),
        (2, b"\x02\x01a\xc0\x05".to_vec()),
        (3, b"\x03\x01a\x031.5\x01b\xfe\x01c\xff".to_vec()),
        (9, b"\x08\x01\x01a\x01\x01b-\xff".to_vec()),
        (10, ziplist.to_vec()),
        (12, ziplist.to_vec()),
        (13, ziplist.to_vec()),
        (14, [&[1][..], ziplist].concat()),
        (18, b"\x01\x01\x02hi".to_vec()),
        (24, metadata.concat()),
        (29, b"\0\x0d\x0d\0\0\0\x02\0\x81a\x02\x81b\x02\xff\x0d\x0d\0\0\0\x03\0\x03\x01\x01\x01\x02\x01\xff".to_vec()),
        (31, b"\x01\x02\x01a\x02bb\x02hi\xc0\x05".to_vec()),
        (VALKEY_HASH, valkey),
        (VALKEY_PATHS, paths),
    ]
}

/// A value after its type byte, and its RDB version.
#[derive(Clone)]
pub(super) struct Seed {
    pub body: Vec<u8>,
    pub version: u32,
}

/// Bytes of version and checksum in a payload.
const FOOTER: usize = 10;

/// All values, uncompressed.
pub(super) fn all() -> Vec<Seed> {
    let dumped = LINES.iter().chain(MORE).map(|lines| {
        let mut bed = Testbed::unheard();
        bed.engine.server.config.rdbcompression = russet_config::RdbCompression::No;
        for line in lines.split("; ") {
            let reply = bed.run(line);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
        let payload = dump(&mut bed, b"k");
        let (body, footer) = payload.split_at(payload.len() - FOOTER);
        Seed {
            body: body.to_vec(),
            version: u32::from(u16::from_le_bytes([footer[0], footer[1]])),
        }
    });
    let foreign = foreign().into_iter().map(|(kind, value)| Seed {
        body: [&[kind], &value[..]].concat(),
        version: match kind {
            VALKEY_HASH | VALKEY_PATHS => 81,
            _ => 12,
        },
    });
    dumped.chain(foreign).collect()
}

/// The DUMP payload of an existing key.
pub(super) fn dump(bed: &mut Testbed, key: &[u8]) -> Vec<u8> {
    let reply = bed.run_args(&[b"DUMP", key]);
    let start = memchr::memchr(b'\n', &reply).expect("a line") + 1;
    reply[start..reply.len() - 2].to_vec()
}
