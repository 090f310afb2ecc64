//! A Bloom filter as the commands of both kinds of filters see it; MERGE, which is russet's own.

use super::super::filter::{Filter, merge};
use super::super::row::{GROWS, MERGED_KEYS};
use super::row::WRITING;
use crate::work;
use russet_command::{Arity, CommandError};
use russet_config::Config;
use russet_server::{CommandResult, Spec};
use russet_sketches::bloom::ShapeMismatch;
use russet_types::Bloom;

const UNLIKE: CommandError = CommandError::Text("ERR filters of different shapes");

impl Filter for Bloom {
    const LOADCHUNK: &'static [u8] = b"BF.LOADCHUNK";

    #[inline]
    fn has(&self, item: &[u8], now_ms: i64) -> bool {
        self.living(now_ms).contains(item)
    }

    #[inline]
    fn has_each<'i>(
        &self,
        items: impl Iterator<Item = &'i [u8]>,
        now_ms: i64,
        see: impl FnMut(bool),
    ) {
        self.living(now_ms).contains_each(items, see);
    }

    fn take_in(&mut self, other: &Bloom, _: &Config) -> CommandResult {
        self.merge(other).map_err(|_: ShapeMismatch| UNLIKE)
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
    ..Spec::new("bf.merge", merge::<Bloom>)
};
