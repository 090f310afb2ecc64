//! SCANDUMP and LOADCHUNK: a filter as header and chunks. LOAD: a filter of Valkey's module as a
//! whole, as that module's log has it.
//!
//! The position after a chunk is the chunk's name, so that a client may send a chunk twice. The log
//! and replicas repeat LOADCHUNK as it is.

use super::super::room::room;
use super::super::row::{GROWS, READ_KEY, READS_FAST, WRITTEN_KEY};
use super::row::{NOT_FOUND, READING, WRITING};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::ChunkError;
use russet_types::Bloom;

const NOT_NUMERIC: CommandError = CommandError::Text("Second argument must be numeric");
const NOT_NUMERIC_TO_LOAD: CommandError = CommandError::Text("ERR Second argument must be numeric");
const BAD_DATA: CommandError = CommandError::Text("ERR received bad data");
const BAD_OFFSET: CommandError = CommandError::Text("ERR invalid offset - no link found");
const TOO_LONG: CommandError = CommandError::Text("ERR invalid chunk - Too big for current filter");

pub(super) const SCANDUMP: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: READS_FAST,
    keys: READ_KEY,
    categories: READING,
    tips: &["dont_cache"],
    ..Spec::new("bf.scandump", scandump)
};

/// `BF.SCANDUMP key position`: the header at position 0, then chunks.
///
/// Reply: array of the next position and the bytes; after the last chunk 0 and an empty text. A
/// chunk has at most 16 MiB.
fn scandump(call: &mut Call<'_>) -> CommandResult {
    let [_, key, at] = call.args.exactly();
    let filter = call.db.read::<Bloom>(key)?.ok_or(NOT_FOUND)?;
    let at = parse_i64(at).ok_or(NOT_NUMERIC)?;
    call.reply.array(2);
    if at == 0 {
        call.reply.int(1);
        call.reply.bulk_owned(filter.header());
        return Ok(());
    }
    let (next, chunk) = filter.chunk(at).unwrap_or((0, &[]));
    call.reply.int(next);
    call.reply.bulk(chunk);
    Ok(())
}

pub(super) const LOADCHUNK: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    ..Spec::new("bf.loadchunk", loadchunk)
};

/// `BF.LOADCHUNK key position bytes`: makes a filter of a header, whose position is 1, or puts a
/// chunk in place.
///
/// Reply: OK; an error if the bytes are no header, or do not fit.
fn loadchunk(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let [_, key, at, bytes] = call.args.exactly();
    let at = parse_i64(at).ok_or(NOT_NUMERIC_TO_LOAD)?;
    let place = call.db.place(key);
    if place.holds::<Bloom>()? {
        let mut filter = place.open::<Bloom>()?;
        filter.load_chunk(at, bytes).map_err(|error| match error {
            ChunkError::Position => BAD_DATA,
            ChunkError::Offset => BAD_OFFSET,
            ChunkError::Length => TOO_LONG,
        })?;
    } else if at == 1 {
        let filter = russet_sketches::Bloom::from_header(bytes).map_err(|_| BAD_DATA)?;
        place.put(Bloom::from(filter));
    } else {
        return Err(NOT_FOUND);
    }
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}

const KEY_EXISTS: CommandError = CommandError::Text("BUSYKEY Target key name already exists.");
const BAD_DUMP: CommandError = CommandError::Text("ERR bloom object decoding failed");

pub(super) const LOAD: Spec = Spec {
    arity: Arity::Exactly(3),
    handler: load,
    name: "bf.load",
    ..LOADCHUNK
};

/// `BF.LOAD key dump`: makes a filter of Valkey's module.
///
/// Reply: OK; an error if the key exists, or the bytes are no filter. O(bytes).
fn load(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let [_, key, dump] = call.args.exactly();
    let place = call.db.place(key);
    if place.holds::<Bloom>()? {
        return Err(KEY_EXISTS);
    }
    let filter = russet_sketches::Bloom::from_dump(dump).map_err(|_| BAD_DUMP)?;
    place.put(Bloom::from(filter));
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}
