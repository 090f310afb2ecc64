//! Rows of timestamps and values, written as they are replied.
//!
//!     RESP2    *2 :timestamp +value        RESP3    *2 :timestamp ,value
//!     of several series: *2 :timestamp *n value ...
//!
//! In RESP2 values have digits of their own: see [`value_text`]. The timestamps of rows that follow
//! each other differ in their last digits: the others are written once.
//!
//! [`value_text`]: super::value_text

use super::value_text::{TEXT_MAX, write_value};
use russet_base::numbers::float::write_double;
use russet_base::numbers::number::write_i64;
use russet_base::threads::cancel;
use russet_resp::Reply;

/// Digits of a timestamp that change between rows, and the first number that has more of them.
const LOW_DIGITS: usize = 6;
const LOW: u64 = 1_000_000;
/// Bytes of `*2 :timestamp +` at most: two numbers of 64 bits.
const HEAD_MAX: usize = 48;
/// Bytes of a row of one value, at most and mostly.
const LINE_MAX: usize = HEAD_MAX + TEXT_MAX + 2;
const LINE: usize = 32;

/// Rows whose number is known at the end.
pub(super) struct RowsText {
    text: Vec<u8>,
    rows: usize,
    resp3: bool,
    /// The last row up to its first value, which was `head` bytes long, and that value.
    line: [u8; LINE_MAX],
    head: usize,
    /// The head is of this timestamp without its last digits, and of rows of so many values.
    head_of: (u64, usize),
    /// The client has gone, for which a thread makes the rows: they are no longer written.
    is_over: bool,
}

/// Rows between two looks at whether the client has gone.
const ROWS: usize = 256;

impl RowsText {
    pub(super) fn new(reply: &Reply) -> RowsText {
        RowsText {
            text: Vec::new(),
            rows: 0,
            resp3: reply.resp3(),
            line: [0; LINE_MAX],
            head: 0,
            head_of: (0, 0),
            is_over: false,
        }
    }

    /// Counts a row; whether it is written.
    #[inline]
    fn begin_row(&mut self) -> bool {
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS) {
            self.is_over = cancel::is_cancelled();
        }
        !self.is_over
    }

    /// Prepares for about this many rows.
    pub(super) fn expect(&mut self, rows: usize) {
        self.text.reserve(rows * LINE);
    }

    #[inline]
    pub(super) fn push(&mut self, timestamp: u64, values: &[f64]) {
        if !self.begin_row() {
            return;
        }
        self.set_head(timestamp, values.len());
        let Some((first, others)) = values.split_first() else {
            return self.text.extend_from_slice(&self.line[..self.head]);
        };
        if self.resp3 {
            self.text.extend_from_slice(&self.line[..self.head]);
            add_double(&mut self.text, *first);
        } else {
            let len = self.head + add_text(&mut self.line[self.head..], *first);
            self.text.extend_from_slice(&self.line[..len]);
        }
        for value in others {
            add_value(&mut self.text, *value, self.resp3);
        }
    }

    /// As [`RowsText::push`]; the values are an array.
    #[inline]
    pub(super) fn push_joined(&mut self, timestamp: u64, values: &[f64]) {
        if !self.begin_row() {
            return;
        }
        let out = &mut self.text;
        out.extend_from_slice(b"*2\r\n:");
        write_i64(out, timestamp as i64);
        out.extend_from_slice(b"\r\n*");
        write_i64(out, values.len() as i64);
        out.extend_from_slice(b"\r\n");
        for value in values {
            add_value(out, *value, self.resp3);
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    #[inline]
    fn set_head(&mut self, timestamp: u64, width: usize) {
        let (high, low) = (timestamp / LOW, (timestamp % LOW) as u32);
        if high == 0 || self.head_of != (high, width) {
            self.begin_head(timestamp, width);
            self.head_of = (high, width);
            return;
        }
        // The line's end and the type of the value follow.
        let end = self.head - 3;
        let place = &mut self.line[end - LOW_DIGITS..end];
        let place: &mut [u8; LOW_DIGITS] = place.try_into().expect("six digits");
        let pairs = [low / 10_000, low / 100 % 100, low % 100];
        for (at, pair) in pairs.into_iter().enumerate() {
            place[2 * at] = b'0' + (pair / 10) as u8;
            place[2 * at + 1] = b'0' + (pair % 10) as u8;
        }
    }

    fn begin_head(&mut self, timestamp: u64, width: usize) {
        let (mut of_width, mut of_time) = (itoa::Buffer::new(), itoa::Buffer::new());
        let parts: [&[u8]; 5] = [
            b"*",
            of_width.format(1 + width).as_bytes(),
            b"\r\n:",
            of_time.format(timestamp).as_bytes(),
            if self.resp3 { b"\r\n," } else { b"\r\n+" },
        ];
        self.head = 0;
        for part in parts {
            self.line[self.head..self.head + part.len()].copy_from_slice(part);
            self.head += part.len();
        }
    }

    /// Replies an array of the rows, and forgets them.
    pub(super) fn reply(&mut self, reply: &mut Reply) {
        reply.array(self.rows);
        self.reply_more(reply);
    }

    /// Replies the rows as further ones of an array, and forgets them.
    pub(super) fn reply_more(&mut self, reply: &mut Reply) {
        reply.raw(&self.text);
        self.rows = 0;
        self.text.clear();
    }
}

/// Replies one row.
pub(super) fn reply_sample(reply: &mut Reply, timestamp: u64, value: f64) {
    reply.array(2);
    reply.int(timestamp as i64);
    if reply.resp3() {
        let mut text = Vec::with_capacity(LINE);
        add_value(&mut text, value, true);
        return reply.raw(&text);
    }
    let mut line = [b'+'; TEXT_MAX + 3];
    let len = 1 + add_text(&mut line[1..], value);
    reply.raw(&line[..len]);
}

/// Appends a value with its type and the line's end.
fn add_value(out: &mut Vec<u8>, value: f64, is_resp3: bool) {
    if is_resp3 {
        out.push(b',');
        return add_double(out, value);
    }
    let mut line = [b'+'; TEXT_MAX + 3];
    let len = 1 + add_text(&mut line[1..], value);
    out.extend_from_slice(&line[..len]);
}

/// Appends a double with its line's end.
fn add_double(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else {
        write_double(out, value);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a value with its line's end; returns how long both are.
#[inline]
fn add_text(room: &mut [u8], value: f64) -> usize {
    let text = room.first_chunk_mut().expect("room for a value");
    let len = write_value(text, value);
    room[len..len + 2].copy_from_slice(b"\r\n");
    len + 2
}
