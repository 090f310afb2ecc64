//! Packed forms as they are read: checked from end to end, their elements made distinct.

use crate::rdb::{Fault, Input, Rules};
use russet_encodings::listpack::Listpack;
use russet_encodings::ziplist::Ziplist;
use russet_types::Entry;
use russet_types::import::distinct;

/// A listpack whose elements are `width` entries each and distinct.
pub(super) fn pack(input: &mut Input<'_>, rules: &Rules, width: usize) -> Result<Listpack, Fault> {
    let pack = Listpack::from_bytes(input.blob()?)?;
    distinct(pack, width, rules.deep).ok_or(Fault::PackedDuplicate("listpack"))
}

/// A ziplist of members and scores, or fields and values, as a listpack.
pub(super) fn repacked_pairs(input: &mut Input<'_>) -> Result<Listpack, Fault> {
    distinct(repacked(input)?, 2, true).ok_or(Fault::PackedDuplicate("ziplist"))
}

/// A ziplist as a listpack.
pub(super) fn repacked(input: &mut Input<'_>) -> Result<Listpack, Fault> {
    let list = Ziplist::parse(input.blob()?)?;
    let mut pack = Listpack::new();
    for entry in list.iter() {
        if !pack.fits(entry.text_len()) {
            return Err(Fault::Range);
        }
        // A number that a ziplist stores as text is stored as a number in a listpack.
        match entry {
            Entry::Str(text) => pack.append(Entry::parse(text)),
            number => pack.append(number),
        };
    }
    Ok(pack)
}
