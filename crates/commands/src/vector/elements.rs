//! VREM, VISMEMBER, VEMB.

use super::row::{KEYS, READS, READS_FAST};
use russet_command::{Arity, CommandError, Facts, Flags};
use russet_keyspace::Cause;
use russet_server::{Call, CommandResult, Spec};
use russet_types::vector_set::Quantization;
use russet_types::{Container, VectorSet};

pub(super) const VREM: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::MODULE),
    keys: KEYS,
    ..Spec::new("VREM", vrem)
};

/// `VREM key element`: removes an element, and mends the graph around it.
///
/// Reply: whether it was there (RESP2: integer). O(M * M) distances.
fn vrem(call: &mut Call<'_>) -> CommandResult {
    let [_, key, element] = call.args.exactly();
    let Some(mut set) = call.db.write::<VectorSet>(key)? else {
        call.reply.boolean(false);
        return Ok(());
    };
    let is_removed = set.write().remove(element);
    let is_empty = set.is_empty();
    drop(set);
    if is_removed {
        call.db.changed_silently(key);
    }
    if is_empty {
        call.db.delete(key, Cause::Server);
    }
    call.reply.boolean(is_removed);
    Ok(())
}

pub(super) const VISMEMBER: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: READS,
    keys: KEYS,
    facts: Facts::SHOWS,
    ..Spec::new("VISMEMBER", vismember)
};

/// `VISMEMBER key element`: whether an element is there.
///
/// Reply: boolean (RESP2: integer). O(1).
fn vismember(call: &mut Call<'_>) -> CommandResult {
    let [_, key, element] = call.args.exactly();
    let set = call.db.read::<VectorSet>(key)?;
    let is_there = set.is_some_and(|set| set.read().get(element).is_some());
    call.reply.boolean(is_there);
    Ok(())
}

const BAD_OPTION: CommandError = CommandError::Text("ERR invalid option");

pub(super) const VEMB: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS_FAST,
    keys: KEYS,
    facts: Facts::SHOWS,
    ..Spec::new("VEMB", vemb)
};

/// `VEMB key element [RAW]`: an element's vector, as near as the stored form allows; with RAW the
/// stored form.
///
/// Reply: array of doubles, or null; RAW: quantization, bytes, norm, and for Q8 the range. O(dim).
fn vemb(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if !(3..args.len()).all(|at| args.is(at, "raw")) {
        return Err(BAD_OPTION);
    }
    let set = call.db.read::<VectorSet>(args.at(1))?;
    let content = set.as_ref().map(|set| set.read());
    let reply = &mut *call.reply;
    let Some(content) = &content else {
        reply.null();
        return Ok(());
    };
    let Some(element) = content.get(args.at(2)) else {
        reply.null();
        return Ok(());
    };
    let index = content.index();
    if args.len() == 3 {
        let vector = index.restore_vector(element.node);
        reply.array(vector.len());
        for x in vector {
            reply.double(f64::from(x));
        }
        return Ok(());
    }
    let quantization = content.parameters().quantization;
    let vector = index.vector(element.node);
    let is_q8 = quantization == Quantization::Q8;
    reply.array(if is_q8 { 4 } else { 3 });
    reply.simple(quantization.name());
    reply.bulk(vector.bytes);
    reply.double(f64::from(vector.l2));
    if is_q8 {
        reply.double(f64::from(vector.range));
    }
    Ok(())
}
