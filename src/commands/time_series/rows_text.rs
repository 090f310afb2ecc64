//! Rows of timestamps and values, written as they are replied.
//!
//!     RESP2    *2 :timestamp +value        RESP3    *2 :timestamp ,value
//!
//! In RESP2 values have digits of their own: see [`write_capital`].

use russet_base::numbers::float::{write_capital, write_double};
use russet_base::numbers::number::write_i64;
use russet_resp::Reply;

/// Rows whose number is known at the end.
pub(super) struct RowsText {
    text: Vec<u8>,
    rows: usize,
    resp3: bool,
}

impl RowsText {
    pub(super) fn new(reply: &Reply) -> RowsText {
        RowsText {
            text: Vec::new(),
            rows: 0,
            resp3: reply.resp3(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, timestamp: u64, values: &[f64]) {
        self.rows += 1;
        self.write(timestamp, values);
    }

    #[inline]
    fn write(&mut self, timestamp: u64, values: &[f64]) {
        let out = &mut self.text;
        out.reserve(32 + 32 * values.len());
        out.push(b'*');
        write_i64(out, 1 + values.len() as i64);
        out.extend_from_slice(b"\r\n:");
        write_i64(out, timestamp as i64);
        out.extend_from_slice(b"\r\n");
        for value in values {
            if self.resp3 {
                out.push(b',');
                if value.is_nan() {
                    out.extend_from_slice(b"nan");
                } else {
                    write_double(out, *value);
                }
            } else {
                out.push(b'+');
                write_capital(out, *value);
            }
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Replies an array of the rows, and forgets them.
    pub(super) fn reply(&mut self, reply: &mut Reply) {
        reply.array(self.rows);
        reply.raw(&self.text);
        self.rows = 0;
        self.text.clear();
    }
}

/// Replies one row.
pub(super) fn reply_sample(reply: &mut Reply, timestamp: u64, value: f64) {
    let mut text = RowsText::new(reply);
    text.write(timestamp, &[value]);
    reply.raw(&text.text);
}
