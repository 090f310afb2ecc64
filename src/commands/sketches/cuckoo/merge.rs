//! MERGE, which is russet's own.
//!
//! Effects are commands that every server with the module knows: the key is deleted and made again
//! of its chunks, with its expiry.

use super::super::effect;
use super::super::row::{GROWS, MERGED_KEYS};
use super::row::{NOT_FOUND, TOO_MANY_PARTS, WRITING};
use crate::commands::work;
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_sketches::cuckoo::MergeError;
use russet_types::Cuckoo;

const UNLIKE: CommandError = CommandError::Text("ERR filters of different shapes");
const NO_ROOM: CommandError = CommandError::Text("ERR no room for all items");

pub(super) const MERGE: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: GROWS,
    keys: MERGED_KEYS,
    categories: WRITING,
    work: work::EACH_KEY,
    ..Spec::new("cf.merge", merge)
};

/// `CF.MERGE destination source ...`: adds the items of filters to another, which is made if it
/// does not exist. An item that is in several is there several times.
///
/// Reply: OK; an error if the filters were made with different numbers, none exists, or not all
/// items have room in as many parts as there may be: then nothing has changed. O(slots of all).
fn merge(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let parts_max = call.server.config.cf_max_expansions as usize;
    let mut merged: Option<Cuckoo> = call.db.read::<Cuckoo>(key)?.map(|its| its.clone());
    for source in call.args.from(2).iter().filter(|source| *source != key) {
        let Some(filter) = call.db.read::<Cuckoo>(source)? else {
            continue;
        };
        match &mut merged {
            Some(merged) => merged
                .merge(&filter, parts_max)
                .map_err(|error| match error {
                    MergeError::Unlike => UNLIKE,
                    MergeError::NoRoom => NO_ROOM,
                    MergeError::TooManyParts => TOO_MANY_PARTS,
                })?,
            None => merged = Some(filter.clone()),
        }
    }
    let merged = merged.ok_or(NOT_FOUND)?;
    let copy = call.effects_wanted().then(|| merged.clone());
    let place = call.db.place(key);
    if place.is_taken() {
        *place.open::<Cuckoo>() = merged;
    } else {
        place.put(merged);
    }
    call.db.changed(key, Class::MODULE, call.name);
    if let Some(filter) = copy {
        effect::record(call, key, b"CF.LOADCHUNK", filter.header(), |at| {
            filter.chunk(at)
        });
    }
    call.reply.ok();
    Ok(())
}
