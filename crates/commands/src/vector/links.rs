//! VLINKS.

use super::row::{KEYS, READS_FAST};
use russet_command::{Arity, CommandError, Facts};
use russet_server::{Call, CommandResult, Spec};
use russet_types::VectorSet;

pub(super) const VLINKS: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS_FAST,
    keys: KEYS,
    facts: Facts::SHOWS,
    ..Spec::new("VLINKS", vlinks)
};

/// `VLINKS key element [WITHSCORES]`: the neighbours of an element in the graph, by level from the
/// highest down, with how similar they are.
///
/// Reply: array of arrays, with scores of maps (RESP2: flat arrays); or null. O(links).
fn vlinks(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let with_scores = args.len() == 4 && args.is(3, "withscores");
    if args.len() > 3 && !with_scores {
        return Err(CommandError::WrongArity(call.name.to_owned()));
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
    let (index, node) = (content.index(), element.node);
    let top = index.level(node);
    reply.array(top + 1);
    for level in (0..=top).rev() {
        let links = index.links(node, level);
        if with_scores {
            reply.map(links.len())
        } else {
            reply.array(links.len())
        }
        for link in links {
            reply.bulk(content.element(link).name);
            if with_scores {
                let distance = f64::from(index.distance_of(node, link));
                // As Redis rounds it.
                reply.double(f64::from((1.0 - distance / 2.0) as f32));
            }
        }
    }
    Ok(())
}
