//! MERGE, which is russet's own.
//!
//! Effects are commands that every server with the module knows: the key is deleted and made again
//! of its chunks, with its expiry.

use super::super::effect;
use super::super::row::{GROWS, MERGED_KEYS};
use super::row::{NOT_FOUND, WRITING};
use crate::commands::work;
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_sketches::bloom::Unlike;
use russet_types::Bloom;

const UNLIKE: CommandError = CommandError::Text("ERR filters of different shapes");

pub(super) const MERGE: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: GROWS,
    keys: MERGED_KEYS,
    categories: WRITING,
    work: work::EACH_KEY,
    ..Spec::new("bf.merge", merge)
};

/// `BF.MERGE destination source ...`: adds the items of filters to another, which is made if it
/// does not exist.
///
/// Reply: OK; an error if the filters were made with different numbers, or none exists. The number
/// of items becomes the sum. O(bytes of all).
fn merge(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let mut merged: Option<Bloom> = call.db.read::<Bloom>(key)?.map(|its| its.clone());
    for source in call.args.from(2).iter().filter(|source| *source != key) {
        let Some(filter) = call.db.read::<Bloom>(source)? else {
            continue;
        };
        match &mut merged {
            Some(merged) => merged.merge(&filter).map_err(|_: Unlike| UNLIKE)?,
            None => merged = Some(filter.clone()),
        }
    }
    let merged = merged.ok_or(NOT_FOUND)?;
    let copy = call.effects_wanted().then(|| merged.clone());
    let place = call.db.place(key);
    if place.is_taken() {
        *place.open::<Bloom>() = merged;
    } else {
        place.put(merged);
    }
    call.db.changed(key, Class::MODULE, call.name);
    if let Some(filter) = copy {
        effect::record(call, key, b"BF.LOADCHUNK", filter.header(), |at| {
            filter.chunk(at)
        });
    }
    call.reply.ok();
    Ok(())
}
