//! Output buffers that no client has, kept for the next replies. They are returned to the allocator
//! before a key is evicted.

use crate::clients::session::Session;

/// Output buffers kept for reuse, and the largest capacity worth keeping.
const SPARE_BUFFERS_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 128 * 1024;
/// Bytes of all of them that are kept although keys are evicted.
const SPARE_BYTES_FREE: usize = 4096;

/// Empty output buffers: a client has a buffer only while replies are pending.
#[derive(Debug, Default)]
pub struct SpareBuffers {
    buffers: Vec<Vec<u8>>,
    /// The capacities of the spare buffers.
    bytes: usize,
}

impl SpareBuffers {
    /// Returns all spare buffers to the allocator, because memory has reached its limit, unless the
    /// buffers have only a few bytes. `true`: they are returned.
    #[cold]
    pub(crate) fn give_up(&mut self) -> bool {
        let is_worth_it = self.bytes > SPARE_BYTES_FREE;
        if is_worth_it {
            *self = SpareBuffers::default();
        }
        is_worth_it
    }

    /// Gives a client a buffer for its next replies if it has none.
    #[inline]
    pub(crate) fn give_to(&mut self, session: &mut Session) {
        if session.reply.capacity() == 0
            && let Some(buffer) = self.buffers.pop()
        {
            self.bytes -= buffer.capacity();
            session.reply.give_buffer(buffer);
        }
    }

    /// Takes the buffer of a client whose replies are all sent.
    #[inline]
    pub(crate) fn take_from(&mut self, session: &mut Session) {
        let capacity = session.reply.capacity();
        if capacity > 0 {
            let buffer = session.reply.take_buffer();
            if self.buffers.len() < SPARE_BUFFERS_MAX && capacity <= SPARE_BYTES_MAX {
                self.bytes += buffer.capacity();
                self.buffers.push(buffer);
            }
        }
    }

    /// Returns most of them to the allocator: now and then, while few are needed.
    pub fn shrink(&mut self) {
        self.buffers.truncate(SPARE_BUFFERS_MAX / 4);
        self.bytes = self.buffers.iter().map(Vec::capacity).sum();
    }
}
