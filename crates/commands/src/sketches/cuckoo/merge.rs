//! A cuckoo filter as the commands of both kinds of filters see it; MERGE, which is russet's own.

use super::super::filter::{Filter, merge};
use super::super::row::{GROWS, MERGED_KEYS};
use super::row::{TOO_MANY_PARTS, WRITING};
use crate::work;
use russet_command::{Arity, CommandError};
use russet_config::Config;
use russet_server::{CommandResult, Spec};
use russet_sketches::cuckoo::MergeError;
use russet_types::Cuckoo;

const UNLIKE: CommandError = CommandError::Text("ERR filters of different shapes");
const NO_ROOM: CommandError = CommandError::Text("ERR no room for all items");

impl Filter for Cuckoo {
    const LOADCHUNK: &'static [u8] = b"CF.LOADCHUNK";

    #[inline]
    fn has(&self, item: &[u8], _: i64) -> bool {
        self.contains(item)
    }

    #[inline]
    fn has_each<'i>(&self, items: impl Iterator<Item = &'i [u8]>, _: i64, see: impl FnMut(bool)) {
        self.contains_each(items, see);
    }

    fn take_in(&mut self, other: &Cuckoo, config: &Config) -> CommandResult {
        let merged = self.merge(other, config.cf_max_expansions as usize);
        merged.map_err(|error| match error {
            MergeError::Unlike => UNLIKE,
            MergeError::NoRoom => NO_ROOM,
            MergeError::TooManyParts => TOO_MANY_PARTS,
        })
    }

    fn header(&self) -> Vec<u8> {
        (**self).header()
    }

    fn chunk(&self, at: i64) -> Option<(i64, &[u8])> {
        (**self).chunk(at)
    }
}

pub(super) const MERGE: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: GROWS,
    keys: MERGED_KEYS,
    categories: WRITING,
    work: work::EACH_KEY,
    ..Spec::new("cf.merge", merge::<Cuckoo>)
};
