//! VCARD, VDIM, VINFO.

use super::row::{KEYS, READS_FAST};
use russet_command::{Arity, CommandError, Facts};
use russet_server::{Call, CommandResult, Spec};
use russet_types::vector_set::Projection;
use russet_types::{Container, VectorSet};

pub(super) const VCARD: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READS_FAST,
    keys: KEYS,
    facts: Facts::SHOWS,
    ..Spec::new("VCARD", vcard)
};

/// `VCARD key`: the number of elements.
///
/// Reply: integer; 0 if the key is missing. O(1).
fn vcard(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let len = call.db.read::<VectorSet>(key)?.map_or(0, |set| set.len());
    call.reply.int(len as i64);
    Ok(())
}

const MISSING: CommandError = CommandError::Text("ERR key does not exist");

pub(super) const VDIM: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READS_FAST,
    keys: KEYS,
    facts: Facts::SHOWS,
    ..Spec::new("VDIM", vdim)
};

/// `VDIM key`: the dimension of the vectors, after REDUCE.
///
/// Reply: integer; an error if the key is missing. O(1).
fn vdim(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let set = call.db.read::<VectorSet>(key)?.ok_or(MISSING)?;
    call.reply.int(set.read().parameters().dim.into());
    Ok(())
}

pub(super) const VINFO: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READS_FAST,
    keys: KEYS,
    facts: Facts::SHOWS,
    ..Spec::new("VINFO", vinfo)
};

/// `VINFO key`: the set's parameters, and counts.
///
/// Reply: map (RESP2: flat array), or a null array. O(1).
fn vinfo(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let Some(set) = call.db.read::<VectorSet>(key)? else {
        call.reply.null_array();
        return Ok(());
    };
    let content = set.read();
    let (parameters, index) = (content.parameters(), content.index());
    let input_dim = content.projection().map_or(0, Projection::input_dim);
    let reply = &mut *call.reply;
    reply.map(9);
    reply.simple("quant-type");
    reply.simple(parameters.quantization.name());
    for (name, value) in [
        ("hnsw-m", u64::from(parameters.m)),
        ("vector-dim", u64::from(parameters.dim)),
        ("projection-input-dim", u64::from(input_dim)),
        ("size", content.len() as u64),
        ("max-level", index.max_level() as u64),
        ("attributes-count", content.with_attributes() as u64),
        ("vset-uid", set.uid()),
        ("hnsw-max-node-uid", index.max_uid()),
    ] {
        reply.simple(name);
        reply.int(value.cast_signed());
    }
    Ok(())
}
