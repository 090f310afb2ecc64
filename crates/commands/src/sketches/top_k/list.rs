//! LIST and INFO.

use super::super::row::{READ_KEY, READS};
use super::{MISSING, READING};
use crate::work;
use russet_command::{Arity, Category, CommandError};
use russet_server::{Call, CommandResult, Spec};
use russet_types::TopK;

const BAD_WORD: CommandError = CommandError::Text("WITHCOUNT keyword expected");

pub(super) const LIST: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    keys: READ_KEY,
    categories: READING,
    work: work::by(count_places, "keep a shorter list"),
    ..Spec::new("topk.list", list)
};

fn count_places(call: &mut Call<'_>) -> CommandResult {
    let k = call
        .db
        .peek::<TopK>(call.args.at(1))?
        .map(|list| list.shape().k);
    call.touches(k.unwrap_or(0).into());
    Ok(())
}

/// `TOPK.LIST key [WITHCOUNT]`: the most frequent items, the most frequent first.
///
/// Reply: array of bulk strings; with counts, an integer after each. O(k log k).
fn list(call: &mut Call<'_>) -> CommandResult {
    let (args, key) = (call.args, call.args.at(1));
    if args.len() > 3 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let with_count = args.len() == 3;
    if with_count && !args.is(2, "WITHCOUNT") {
        return Err(BAD_WORD);
    }
    let list = call.db.read::<TopK>(key)?.ok_or(MISSING)?;
    let items = list.list();
    call.reply.array(if with_count {
        2 * items.len()
    } else {
        items.len()
    });
    for (item, count) in items {
        call.reply.bulk(item);
        if with_count {
            call.reply.int(count.into());
        }
    }
    Ok(())
}

pub(super) const INFO: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READS,
    keys: READ_KEY,
    categories: READING.union(Category::FAST),
    ..Spec::new("topk.info", info)
};

/// `TOPK.INFO key`: the size and the decay of a list.
///
/// Reply: map (RESP2: array) of names and numbers; decay is a double.
fn info(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let shape = call.db.read::<TopK>(key)?.ok_or(MISSING)?.shape();
    let reply = &mut *call.reply;
    reply.map(4);
    for (name, n) in [
        ("k", shape.k),
        ("width", shape.width),
        ("depth", shape.depth),
    ] {
        reply.simple(name);
        reply.int(n.into());
    }
    reply.simple("decay");
    reply.double(shape.decay);
    Ok(())
}
