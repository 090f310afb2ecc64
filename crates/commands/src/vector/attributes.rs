//! VSETATTR, VGETATTR.

use super::row::{KEYS, READS_FAST};
use russet_command::{Arity, Facts, Flags};
use russet_server::{Call, CommandResult, Spec};
use russet_types::VectorSet;

pub(super) const VSETATTR: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::WRITE.union(Flags::MODULE).union(Flags::FAST),
    keys: KEYS,
    ..Spec::new("VSETATTR", vsetattr)
};

/// `VSETATTR key element attributes`: replaces an element's attributes, or removes them if they are
/// empty.
///
/// Reply: whether the element is there (RESP2: integer). O(1).
fn vsetattr(call: &mut Call<'_>) -> CommandResult {
    let [_, key, element, attributes] = call.args.exactly();
    let Some(mut set) = call.db.write::<VectorSet>(key)? else {
        call.reply.boolean(false);
        return Ok(());
    };
    let is_set = set.write().set_attributes(element, attributes);
    drop(set);
    if is_set {
        call.db.changed_silently(key);
    }
    call.reply.boolean(is_set);
    Ok(())
}

pub(super) const VGETATTR: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: READS_FAST,
    keys: KEYS,
    facts: Facts::SHOWS,
    ..Spec::new("VGETATTR", vgetattr)
};

/// `VGETATTR key element`: an element's attributes.
///
/// Reply: bulk string, or null. O(1).
fn vgetattr(call: &mut Call<'_>) -> CommandResult {
    let [_, key, element] = call.args.exactly();
    let set = call.db.read::<VectorSet>(key)?;
    let content = set.as_ref().map(|set| set.read());
    let element = content.as_ref().and_then(|content| content.get(element));
    match element.map(|element| element.attributes) {
        Some(attributes) if !attributes.is_empty() => call.reply.bulk(attributes),
        _ => call.reply.null(),
    }
    Ok(())
}
