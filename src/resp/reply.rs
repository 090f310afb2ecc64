//! The reply writer: what a client will be sent, in the protocol version that it speaks.
//!
//! One `Vec<u8>` per client, flushed with one write a turn. Large strings are not copied into
//! it: they stand beside it, pinned, and go out between its bytes with the same `writev`.
//! Lengths that are known only afterwards are put in front of what was written meanwhile
//! ([`Reply::defer`]).

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use crate::base::pin::Pinned;
use crate::command::CommandError;

/// A client's output, and how it wants its replies.
#[derive(Debug, Default)]
pub struct Reply {
    out: Vec<u8>,
    /// Bytes at the front of `out` that the socket has taken.
    sent: usize,
    /// Pinned strings, each with the position in `out` that it stands before.
    shared: VecDeque<(usize, Pinned)>,
    /// Bytes of the first pinned string that the socket has taken.
    shared_sent: usize,
    /// Bytes of pinned strings that wait.
    shared_bytes: usize,
    /// An aggregate of what waits was written before its length was known.
    has_deferred: bool,
    resp3: bool,
    /// Errors that the command under way has written, for its statistics.
    errors: u64,
    /// The code of the last error (`ERR`, `WRONGTYPE` ...), for errorstats.
    last_error: Vec<u8>,
}

/// A place where an aggregate's header goes once its length is known.
#[must_use]
#[derive(Debug)]
pub struct Deferred {
    at: usize,
    shared: usize,
}

/// A point in the output; see [`Reply::mark`].
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    at: usize,
    shared: usize,
}

/// Pieces that one write takes at most.
const PIECES_MAX: usize = 64;

impl Reply {
    pub fn new() -> Reply {
        Reply::default()
    }

    #[inline]
    pub fn resp3(&self) -> bool {
        self.resp3
    }

    pub fn set_resp3(&mut self, on: bool) {
        self.resp3 = on;
    }

    /// `+text`. The text holds neither CR nor LF.
    #[inline]
    pub fn simple(&mut self, text: &str) {
        self.out.push(b'+');
        self.out.extend_from_slice(text.as_bytes());
        self.crlf();
    }

    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// `-line`: CR and LF inside become spaces.
    pub fn error(&mut self, error: &CommandError) {
        self.error_line(&error.line());
    }

    /// See [`Reply::error`]; `line` starts with its code.
    pub fn error_line(&mut self, line: &[u8]) {
        self.errors += 1;
        self.last_error.clear();
        let code = line.split(|&b| b == b' ').next().unwrap_or(b"ERR");
        self.last_error.extend_from_slice(code);
        self.out.push(b'-');
        // Redis drops line ends at the tail and turns the inner ones to spaces.
        let end = line
            .iter()
            .rposition(|&b| b != b'\r' && b != b'\n')
            .map_or(0, |i| i + 1);
        let clean = |&b: &u8| if b == b'\r' || b == b'\n' { b' ' } else { b };
        self.out.extend(line[..end].iter().map(clean));
        self.crlf();
    }

    #[inline]
    pub fn int(&mut self, n: i64) {
        match n {
            0 => self.out.extend_from_slice(b":0\r\n"),
            1 => self.out.extend_from_slice(b":1\r\n"),
            n => self.header(b':', n),
        }
    }

    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        let len = bytes.len();
        self.out.reserve(len + 32);
        // Most strings are short: their header is put together without a number's formatting.
        match len {
            0..=9 => self
                .out
                .extend_from_slice(&[b'$', b'0' + len as u8, b'\r', b'\n']),
            10..=99 => {
                let (tens, ones) = (b'0' + (len / 10) as u8, b'0' + (len % 10) as u8);
                self.out
                    .extend_from_slice(&[b'$', tens, ones, b'\r', b'\n']);
            }
            _ => self.header(b'$', len as i64),
        }
        self.out.extend_from_slice(bytes);
        self.crlf();
    }

    /// A large string that stays where it is until it is sent.
    pub fn bulk_pinned(&mut self, text: Pinned) {
        self.header(b'$', text.len() as i64);
        self.shared_bytes += text.len();
        self.shared.push_back((self.out.len(), text));
        self.crlf();
    }

    /// An integer as a bulk string.
    #[inline]
    pub fn bulk_int(&mut self, n: i64) {
        self.bulk(itoa::Buffer::new().format(n).as_bytes());
    }

    /// No value: `$-1` or `_`.
    #[inline]
    pub fn null(&mut self) {
        self.out
            .extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// No array: `*-1` or `_`.
    #[inline]
    pub fn null_array(&mut self) {
        self.out
            .extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len as i64);
    }

    /// A map of `pairs`; in RESP2 an array of twice as many.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        if self.resp3 {
            self.header(b'%', pairs as i64);
        } else {
            self.header(b'*', pairs as i64 * 2);
        }
    }

    /// A set; in RESP2 an array.
    #[inline]
    pub fn set(&mut self, len: usize) {
        self.header(if self.resp3 { b'~' } else { b'*' }, len as i64);
    }

    /// Out-of-band data; in RESP2 an array.
    pub fn push(&mut self, len: usize) {
        self.header(if self.resp3 { b'>' } else { b'*' }, len as i64);
    }

    /// An attribute in front of the next reply (RESP3 only; nothing in RESP2).
    pub fn attribute(&mut self, pairs: usize) {
        if self.resp3 {
            self.header(b'|', pairs as i64);
        }
    }

    /// `#t`/`#f`; in RESP2 1/0.
    pub fn boolean(&mut self, yes: bool) {
        if self.resp3 {
            self.out
                .extend_from_slice(if yes { b"#t\r\n" } else { b"#f\r\n" });
        } else {
            self.int(yes as i64);
        }
    }

    /// A double; in RESP2 a bulk string of the same text.
    pub fn double(&mut self, value: f64) {
        if self.resp3 {
            self.out.push(b',');
            crate::base::float::write_double(&mut self.out, value);
            return self.crlf();
        }
        // The text is shorter than 100 bytes: its length gets two digits, or gives one back.
        let at = self.out.len();
        self.out.extend_from_slice(b"$00\r\n");
        let text_at = self.out.len();
        crate::base::float::write_double(&mut self.out, value);
        let len = self.out.len() - text_at;
        debug_assert!(len < 100);
        let (tens, ones) = (b'0' + (len / 10) as u8, b'0' + (len % 10) as u8);
        if len < 10 {
            self.out.remove(at + 1);
            self.out[at + 1] = ones;
        } else {
            self.out[at + 1] = tens;
            self.out[at + 2] = ones;
        }
        self.crlf();
    }

    /// A number too big for 64 bits; in RESP2 a bulk string.
    pub fn big_number(&mut self, digits: &[u8]) {
        if self.resp3 {
            self.out.push(b'(');
            self.out.extend_from_slice(digits);
            self.crlf();
        } else {
            self.bulk(digits);
        }
    }

    /// Text with a three-letter format (`txt`, `mkd`); in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        if self.resp3 {
            self.header(b'=', text.len() as i64 + 4);
            self.out.extend_from_slice(format.as_bytes());
            self.out.push(b':');
            self.out.extend_from_slice(text);
            self.crlf();
        } else {
            self.bulk(text);
        }
    }

    /// Marks where an aggregate begins whose length is not known yet.
    pub fn defer(&mut self) -> Deferred {
        self.has_deferred = true;
        Deferred {
            at: self.out.len(),
            shared: self.shared.len(),
        }
    }

    /// Puts the array header in front of all written since `defer`. O(bytes since).
    pub fn finish_array(&mut self, place: Deferred, len: usize) {
        self.insert_header(place, b'*', len);
    }

    /// As [`Reply::finish_array`] for a map of `pairs`.
    pub fn finish_map(&mut self, place: Deferred, pairs: usize) {
        if self.resp3 {
            self.insert_header(place, b'%', pairs);
        } else {
            self.insert_header(place, b'*', pairs * 2);
        }
    }

    /// As [`Reply::finish_array`] for a set.
    pub fn finish_set(&mut self, place: Deferred, len: usize) {
        self.insert_header(place, if self.resp3 { b'~' } else { b'*' }, len);
    }

    /// Puts what a SCAN replies, cursor and array header, in front of the elements written
    /// since `defer`.
    pub fn finish_scan(&mut self, place: Deferred, cursor: u64, len: usize) {
        let (mut cursor_digits, mut digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        let cursor = cursor_digits.format(cursor).as_bytes();
        let width = digits.format(cursor.len()).as_bytes();
        let mut header = [b"*2\r\n$", width, b"\r\n", cursor, b"\r\n*"].concat();
        header.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
        header.extend_from_slice(b"\r\n");
        for (at, _) in self.shared.iter_mut().skip(place.shared) {
            *at += header.len();
        }
        self.out.splice(place.at..place.at, header);
    }

    fn insert_header(&mut self, place: Deferred, kind: u8, n: usize) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(n).as_bytes();
        let len = digits.len() + 3;
        let mut header = [0; 24];
        header[0] = kind;
        header[1..len - 2].copy_from_slice(digits);
        header[len - 2..len].copy_from_slice(b"\r\n");
        for (at, _) in self.shared.iter_mut().skip(place.shared) {
            *at += len;
        }
        let header = header[..len].iter().copied();
        self.out.splice(place.at..place.at, header);
    }

    /// Bytes that already have the protocol's form.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[inline]
    fn header(&mut self, kind: u8, n: i64) {
        self.out.push(kind);
        if (0..10).contains(&n) {
            self.out.push(b'0' + n as u8);
        } else {
            self.out
                .extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
        }
        self.crlf();
    }

    #[inline]
    fn crlf(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }

    // --- what the connection does with it ---

    /// Where the next reply will start; see [`Reply::truncate`].
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark {
            at: self.out.len(),
            shared: self.shared.len(),
        }
    }

    /// Takes back all written since `mark` (CLIENT REPLY OFF, a command that blocks).
    pub fn truncate(&mut self, mark: Mark) {
        self.out.truncate(mark.at);
        for (_, text) in self.shared.drain(mark.shared..) {
            self.shared_bytes -= text.len();
        }
    }

    /// What waits to be sent, in one piece: for tests and small outputs.
    pub fn pending(&self) -> Vec<u8> {
        let mut all = Vec::new();
        self.each_piece(|piece| {
            all.extend_from_slice(piece);
            true
        });
        all
    }

    /// Bytes that wait to be sent.
    #[inline]
    pub fn pending_len(&self) -> usize {
        self.out.len() - self.sent + self.shared_bytes - self.shared_sent
    }

    /// Whether an aggregate of what waits was written before its length was known: Redis keeps
    /// those, and what follows them, in a list of blocks from the first byte on.
    pub fn has_deferred(&self) -> bool {
        self.has_deferred
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.sent == self.out.len() && self.shared.is_empty()
    }

    /// Visits what waits, piece by piece, until told to stop.
    fn each_piece<'r>(&'r self, mut visit: impl FnMut(&'r [u8]) -> bool) {
        let (mut from, mut skip) = (self.sent, self.shared_sent);
        for (at, text) in &self.shared {
            if from < *at && !visit(&self.out[from..*at]) || !visit(&text[skip..]) {
                return;
            }
            (from, skip) = (*at, 0);
        }
        if from < self.out.len() {
            visit(&self.out[from..]);
        }
    }

    /// Writes what waits, with one call, and forgets what was taken. Gives its length.
    #[inline]
    pub fn write_to(&mut self, socket: &mut impl Write) -> io::Result<usize> {
        let n = if self.shared.is_empty() {
            socket.write(&self.out[self.sent..])?
        } else {
            let mut pieces = Vec::with_capacity(PIECES_MAX);
            self.each_piece(|piece| {
                pieces.push(IoSlice::new(piece));
                pieces.len() < PIECES_MAX
            });
            socket.write_vectored(&pieces)?
        };
        self.advance(n);
        Ok(n)
    }

    /// The socket took `n` bytes. Positions of marks change only when all is sent.
    pub fn advance(&mut self, mut n: usize) {
        while let Some((at, text)) = self.shared.front() {
            let before = (at - self.sent).min(n);
            (self.sent, n) = (self.sent + before, n - before);
            let rest = text.len() - self.shared_sent;
            if self.sent < *at || n < rest {
                self.shared_sent += n;
                return;
            }
            n -= rest;
            self.shared_bytes -= text.len();
            self.shared_sent = 0;
            self.shared.pop_front();
        }
        self.sent += n;
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
            self.has_deferred = false;
        } else if self.sent > 1 << 20 && self.shared.is_empty() {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Gives the empty buffer away to be reused.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        debug_assert!(self.is_empty());
        self.sent = 0;
        std::mem::take(&mut self.out)
    }

    /// Whether a buffer is held at all.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.out.capacity()
    }

    /// Bytes held for the client: the buffer, and pinned strings until they are sent.
    pub fn memory_bytes(&self) -> usize {
        self.out.capacity() + self.shared_bytes
    }

    /// Uses `buffer`, which is empty, for what comes next.
    #[inline]
    pub fn give_buffer(&mut self, buffer: Vec<u8>) {
        debug_assert!(buffer.is_empty() && self.out.is_empty());
        self.out = buffer;
    }

    /// A command begins to write; gives what is known of the one that runs it, for
    /// [`Reply::end_errors`].
    #[inline]
    pub fn begin_errors(&mut self) -> u64 {
        std::mem::take(&mut self.errors)
    }

    /// The command is over: how many errors it wrote itself.
    #[inline]
    pub fn end_errors(&mut self, outer: u64) -> u64 {
        std::mem::replace(&mut self.errors, outer)
    }

    pub fn last_error(&self) -> &[u8] {
        &self.last_error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(resp3: bool, f: impl FnOnce(&mut Reply)) -> String {
        let mut r = Reply::new();
        r.set_resp3(resp3);
        f(&mut r);
        String::from_utf8(r.pending()).unwrap()
    }

    #[test]
    fn each_protocol_has_its_own_nulls_and_maps() {
        let all = |r: &mut Reply| {
            r.null();
            r.null_array();
            r.map(2);
            r.set(3);
            r.boolean(true);
            r.verbatim("txt", b"hi");
        };
        assert_eq!(
            written(false, all),
            "$-1\r\n*-1\r\n*4\r\n*3\r\n:1\r\n$2\r\nhi\r\n"
        );
        assert_eq!(
            written(true, all),
            "_\r\n_\r\n%2\r\n~3\r\n#t\r\n=6\r\ntxt:hi\r\n"
        );
    }

    #[test]
    fn doubles_have_their_length_in_the_old_protocol() {
        let all = |r: &mut Reply| {
            r.double(3.0);
            r.double(0.1 + 0.2);
        };
        let digits = "0.30000000000000004";
        assert_eq!(
            written(false, all),
            format!("$1\r\n3\r\n$19\r\n{digits}\r\n")
        );
        assert_eq!(written(true, all), format!(",3\r\n,{digits}\r\n"));
    }

    #[test]
    fn a_deferred_length_stands_in_front() {
        let text = written(false, |r| {
            r.int(7);
            let d = r.defer();
            r.int(12);
            r.int(-1);
            r.finish_array(d, 2);
        });
        assert_eq!(text, ":7\r\n*2\r\n:12\r\n:-1\r\n");
    }

    #[test]
    fn pinned_strings_go_out_in_their_place_however_short_the_writes() {
        use crate::base::{alloc, pin};
        /// Takes at most so many bytes a write.
        struct Narrow(Vec<u8>, usize);
        impl Write for Narrow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let n = bytes.len().min(self.1);
                self.0.extend_from_slice(&bytes[..n]);
                Ok(n)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        const LEN: usize = pin::PIN_MIN;
        let block = alloc::block(LEN);
        // SAFETY: LEN bytes, all written.
        #[allow(unsafe_code)]
        unsafe {
            block.as_ptr().write_bytes(b'x', LEN);
        }
        for width in [1, 3, 1000, LEN + 5, 10 * LEN] {
            let mut r = Reply::new();
            r.int(1);
            let d = r.defer();
            // SAFETY: initialised above and freed through `pin::free` below.
            #[allow(unsafe_code)]
            r.bulk_pinned(unsafe { Pinned::new(block, LEN) });
            r.int(2);
            #[allow(unsafe_code)]
            // SAFETY: as above.
            r.bulk_pinned(unsafe { Pinned::new(block, LEN) });
            r.finish_array(d, 3);
            let big = format!("$16384\r\n{}\r\n", "x".repeat(LEN));
            let want = format!(":1\r\n*3\r\n{big}:2\r\n{big}");
            assert_eq!(r.pending(), want.as_bytes());
            let mut out = Narrow(Vec::new(), width);
            while !r.is_empty() {
                assert_eq!(r.pending_len(), want.len() - out.0.len());
                r.write_to(&mut out).unwrap();
            }
            assert!(out.0 == want.as_bytes());
        }
        assert!(!pin::is_pinned(block));
        // SAFETY: the last name of the block.
        #[allow(unsafe_code)]
        unsafe {
            pin::free(block, LEN);
        }
    }

    #[test]
    fn line_ends_cannot_leave_an_error() {
        let text = written(false, |r| r.error_line(b"ERR a\r\nb\r\n"));
        assert_eq!(text, "-ERR a  b\r\n");
    }
}
