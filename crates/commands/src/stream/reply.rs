//! Entries in replies: `[ID, [name, value, ...]]`.

use crate::arguments::element;
use russet_resp::Reply;
use russet_types::stream::{Range, StreamId};

#[inline]
pub(super) fn write_id(reply: &mut Reply, id: StreamId) {
    reply.bulk(id.text().as_bytes());
}

/// Writes the range's current entry.
#[inline]
pub(super) fn write_entry(reply: &mut Reply, range: &mut Range<'_>, id: StreamId) {
    reply.array(2);
    write_id(reply, id);
    write_pairs(reply, range);
}

/// Writes the names and values of the range's current entry.
#[inline]
pub(super) fn write_pairs(reply: &mut Reply, range: &mut Range<'_>) {
    reply.array(2 * range.pairs_left());
    while let Some((name, value)) = range.pair() {
        element::write(reply, name);
        element::write(reply, value);
    }
}

/// Writes the next entry; false if there is none.
pub(super) fn write_next(reply: &mut Reply, range: &mut Range<'_>) -> bool {
    let Some(id) = range.next() else {
        return false;
    };
    write_entry(reply, range, id);
    true
}

/// Writes up to `count` entries as an array.
pub(super) fn write_entries(reply: &mut Reply, range: &mut Range<'_>, count: usize) {
    let place = reply.defer();
    let mut written = 0;
    while written < count && write_next(reply, range) {
        written += 1;
    }
    reply.finish_array(place, written);
}
