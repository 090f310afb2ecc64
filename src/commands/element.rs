//! Elements of containers as replies: names, members and values, packed or not.

use crate::resp::Reply;
use crate::types::Entry;

/// An element as a bulk string.
#[inline]
pub(super) fn write(reply: &mut Reply, element: Entry<'_>) {
    match element {
        Entry::Str(text) => reply.bulk(text),
        Entry::Int(value) => reply.bulk_int(value),
    }
}
