//! SCANDUMP and LOADCHUNK: a filter as header and chunks, with names as for Bloom filters.
//!
//! The command propagates chunks as it does the header; Redis before 8.2 propagates no chunks.

use super::super::room::room;
use super::super::row::{GROWS, READ_KEY, READS_FAST, WRITTEN_KEY};
use super::row::{ITEM_EXISTS, NOT_FOUND, READING, WRITING};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Cuckoo;

const BAD_POSITION: CommandError = CommandError::Text("Invalid position");
const BAD_HEADER: CommandError = CommandError::Text("Invalid header");
const NO_FILTER: CommandError = CommandError::Text("Couldn't create filter!");
const BAD_CHUNK: CommandError = CommandError::Text("Couldn't load chunk!");

pub(super) const SCANDUMP: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: READS_FAST,
    keys: READ_KEY,
    categories: READING,
    tips: &["dont_cache"],
    ..Spec::new("cf.scandump", scandump)
};

/// `CF.SCANDUMP key position`: the header at position 0, then chunks.
///
/// Reply: array of the next position and the bytes; after the last chunk, and of a filter without
/// items, 0 and null. A chunk has at most 16 MiB.
fn scandump(call: &mut Call<'_>) -> CommandResult {
    let [_, key, at] = call.args.exactly();
    let at = parse_i64(at).filter(|at| *at >= 0).ok_or(BAD_POSITION)?;
    let filter = call.db.read::<Cuckoo>(key)?.ok_or(NOT_FOUND)?;
    call.reply.array(2);
    if filter.items() == 0 {
        call.reply.int(0);
        call.reply.null();
    } else if at == 0 {
        call.reply.int(1);
        call.reply.bulk_owned(filter.header());
    } else if let Some((next, chunk)) = filter.chunk(at) {
        call.reply.int(next);
        call.reply.bulk(chunk);
    } else {
        call.reply.int(0);
        call.reply.null();
    }
    Ok(())
}

pub(super) const LOADCHUNK: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    ..Spec::new("cf.loadchunk", loadchunk)
};

/// `CF.LOADCHUNK key position bytes`: makes a filter of a header, whose position is 1, or puts a
/// chunk in place.
///
/// Reply: OK; an error if the bytes are no header, or do not fit.
fn loadchunk(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let [_, key, at, bytes] = call.args.exactly();
    let at = parse_i64(at).filter(|at| *at != 0).ok_or(BAD_POSITION)?;
    if at == 1 {
        let place = call.db.place(key);
        if place.holds::<Cuckoo>()? {
            return Err(ITEM_EXISTS);
        }
        let filter = russet_sketches::Cuckoo::from_header(bytes).ok_or(BAD_HEADER)?;
        place.put(Cuckoo::from(filter.map_err(|_| NO_FILTER)?));
    } else {
        let mut filter = call.db.write::<Cuckoo>(key)?.ok_or(NOT_FOUND)?;
        if bytes.is_empty() {
            return Err(BAD_CHUNK);
        }
        filter.load_chunk(at, bytes).map_err(|_| BAD_CHUNK)?;
    }
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}
