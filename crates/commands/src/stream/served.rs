//! The streams in the reply of a read, and the remaining limits of the read.

use russet_resp::{DeferredHeader, Reply};
use russet_types::stream::Range;

use super::read_args::ReadArgs;
use super::reply::write_next;

/// See the module.
pub(super) struct StreamsReply {
    place: Option<DeferredHeader>,
    streams: usize,
    /// Entries that may be added.
    left: usize,
    any_entry: bool,
    /// The reply's length before the first stream, and the length at which it is full. The headers
    /// of all streams and of the last stream's entries do not count, because they are written at
    /// the end.
    begin: usize,
    bytes_max: usize,
}

impl StreamsReply {
    pub fn new(reply: &Reply, read: &ReadArgs<'_>) -> StreamsReply {
        StreamsReply {
            place: None,
            streams: 0,
            left: read.count_max,
            any_entry: false,
            begin: reply.pending_len(),
            bytes_max: read.bytes_max,
        }
    }

    /// Whether `more` bytes would make the reply full. The first entry always has room.
    #[inline]
    fn is_full_with(&self, reply: &Reply, more: usize) -> bool {
        self.left == 0
            || self.bytes_max != usize::MAX
                && self.any_entry
                && reply.pending_len() - self.begin + more >= self.bytes_max
    }

    /// Whether no further entry has room.
    #[inline]
    pub fn is_full(&self, reply: &Reply) -> bool {
        self.is_full_with(reply, 0)
    }

    /// Writes the header of a stream's entries; returns false, and writes nothing, if no entry
    /// would have room then.
    pub fn begin(&mut self, reply: &mut Reply, key: &[u8]) -> bool {
        let header = if reply.resp3() { 0 } else { "*2\r\n".len() };
        let digits = itoa::Buffer::new().format(key.len()).len();
        let name = "$\r\n\r\n".len() + digits + key.len();
        if self.is_full_with(reply, header + name) {
            return false;
        }
        if self.place.is_none() {
            self.place = Some(reply.defer());
        }
        self.streams += 1;
        if !reply.resp3() {
            reply.array(2);
        }
        reply.bulk(key);
        true
    }

    #[inline]
    pub fn count_entry(&mut self) {
        self.any_entry = true;
        self.left -= 1;
    }

    /// Writes up to `count` entries as an array.
    pub fn write_entries(&mut self, reply: &mut Reply, range: &mut Range<'_>, count: usize) {
        let place = reply.defer();
        let mut written = 0;
        while written < count && !self.is_full(reply) && write_next(reply, range) {
            self.count_entry();
            written += 1;
        }
        reply.finish_array(place, written);
    }

    /// Completes the reply; false if it has no streams.
    pub fn finish(self, reply: &mut Reply) -> bool {
        let Some(place) = self.place else {
            return false;
        };
        if reply.resp3() {
            reply.finish_map(place, self.streams)
        } else {
            reply.finish_array(place, self.streams)
        }
        true
    }
}
