//! The rows of a reply, written as they come.
//!
//! A reply begins with the number of rows, which is known last. So the walk writes the rows aside,
//! and the reply takes over the bytes without copying most of them. The walk does not keep a row
//! beside the bytes of that row.

use russet_resp::{Reply, message};

/// Bytes after which the next rows go to a new chunk.
const CHUNK_BYTES: usize = 256 << 10;
/// Room for a page of short rows.
const FIRST_BYTES: usize = 512;

/// See the module.
pub(crate) struct Body {
    /// The last chunk, to which rows are added.
    open: Reply,
    chunks: Vec<Vec<u8>>,
    rows: usize,
}

impl Body {
    /// No rows yet, of a reply in RESP3 or RESP2.
    pub(crate) fn new(resp3: bool) -> Body {
        Body {
            open: Body::chunk(resp3),
            chunks: Vec::new(),
            rows: 0,
        }
    }

    fn chunk(resp3: bool) -> Reply {
        let mut open = Reply::new();
        open.set_resp3(resp3);
        open.copy_pieces();
        open
    }

    /// Rows that were written.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Reply)) {
        if self.rows == 0 {
            self.open.make_room(FIRST_BYTES);
        }
        write(&mut self.open);
        self.rows += 1;
        if self.open.pending_len() >= CHUNK_BYTES {
            let mut chunk = self.open.take_text();
            chunk.shrink_to_fit();
            self.chunks.push(chunk);
        }
    }

    /// Adds the bytes of all rows to a reply.
    pub(crate) fn reply(mut self, reply: &mut Reply) {
        for chunk in self.chunks {
            reply.shared(message(chunk));
        }
        reply.raw(&self.open.take_text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_over_chunks() {
        let mut body = Body::new(false);
        let mut expected = Reply::new();
        for n in 0..10_000 {
            let row = format!("{n} {}", "x".repeat(n % 200));
            body.add(|reply| reply.bulk(row.as_bytes()));
            expected.bulk(row.as_bytes());
        }
        assert_eq!(body.rows(), 10_000);
        let mut reply = Reply::new();
        body.reply(&mut reply);
        assert_eq!(reply.pending(), expected.pending());
    }
}
