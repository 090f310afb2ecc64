//! CREATE and RESET.

use super::super::room::room;
use super::super::row::{GROWS, WRITTEN_KEY};
use super::row::{BAD_WORD, COMPRESSION, MISSING, WRITING, compression};
use russet_command::{Arity, Category, CommandError};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::t_digest::COMPRESSION_USUAL;
use russet_types::{BoxedValue, TDigest, Type};

const EXISTS: CommandError = CommandError::Text("ERR T-Digest: key already exists");
const NO_ROOM: &str = "ERR T-Digest: allocation failed";

pub(super) const CREATE: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING.union(Category::FAST),
    ..Spec::new("tdigest.create", create)
};

/// `TDIGEST.CREATE key [COMPRESSION n]`: makes an empty digest, the more exact the greater
/// the compression.
///
/// Reply: OK; an error if the key exists. Bytes: at most 16 for each of 6 * n + 10 nodes.
fn create(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let (args, key) = (call.args, call.args.at(1));
    if args.len() != 2 && args.len() != 4 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    match call.db.kind_to_write(key) {
        Some(Type::TDigest) => return Err(EXISTS),
        Some(_) => return Err(CommandError::WrongType),
        None => {}
    }
    let mut exactness = COMPRESSION_USUAL;
    if args.len() == 4 {
        // Redis finds the word in either place, and the number in the last.
        if !args.is(2, COMPRESSION) && !args.is(3, COMPRESSION) {
            return Err(BAD_WORD);
        }
        exactness = compression(args.at(3), NO_ROOM)?;
    }
    if !russet_sketches::TDigest::admits(exactness) {
        return Err(CommandError::Text(NO_ROOM));
    }
    call.db.put(
        key,
        BoxedValue::from(russet_sketches::TDigest::new(exactness)),
    );
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}

pub(super) const RESET: Spec = Spec {
    arity: Arity::Exactly(2),
    handler: reset,
    name: "tdigest.reset",
    ..CREATE
};

/// `TDIGEST.RESET key`: makes a digest empty.
///
/// Reply: OK.
fn reset(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    call.db.write::<TDigest>(key)?.ok_or(MISSING)?.reset();
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}
