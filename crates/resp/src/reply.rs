//! The reply writer: a client's output, in the protocol version it uses.
//!
//!     out      | sent | waits ......... | waits ...... | waits .. |
//!     pieces                            ^ pinned       ^ message
//!
//! A `Vec<u8>` per client, flushed with a write per turn. Large strings and messages shared by many
//! clients are not copied into it: they are pieces, pinned or shared, each at a position in `out`,
//! sent between the bytes of `out` with the same `writev`. A length that is known only afterwards
//! is inserted before the bytes written meanwhile ([`Reply::defer`]).
//!
//! Invariants
//!   1. `sent` is at most the position of the first piece, and positions never decrease.
//!   2. `piece_bytes` is the length of all pieces; `piece_sent` is less than the length of the
//!      first.
//!   3. Nothing is added to a full reply. A full reply is empty and never sent: the server closes
//!      the client. Only if a bound of a single reply was exceeded ([`Reply::begin_bounded`]) the
//!      buffer keeps the bytes before that reply, and is no longer full when the bound ends.
//!
//! Cost: sent bytes stay at the front until they are half of the buffer, so a byte is moved at most
//! once, however slowly the socket takes the rest. The limit of pending bytes is decided in
//! `server::memory::limits` and set by [`Reply::set_limit`].

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::ops::Deref;

use bytes::{Buf, Bytes};

use super::error::CommandError;
use super::message::{SHARED_MIN, message};
use russet_base::memory::alloc;
use russet_base::memory::append::{self, FRAME_ROOM};
use russet_base::memory::pin::PinnedBytes;

bitflags::bitflags! {
    /// Errors of a command.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Errors: u8 {
        /// The command has written an error of its own, which must be counted.
        const OWN = 1;
        /// The command has repeated an error of a command that it has run, which is counted
        /// already.
        const REPEATED = 2;
        /// A command that the current command has run has failed, and is counted; the reply need
        /// not show the failure.
        const WITHIN = 4;
    }
}

impl Errors {
    /// Whether the command itself has failed.
    #[inline]
    pub fn any(self) -> bool {
        self.intersects(Errors::OWN.union(Errors::REPEATED))
    }
}

/// A client's output, and its protocol.
#[derive(Debug)]
pub struct Reply {
    out: Vec<u8>,
    /// Bytes at the front of `out` that the socket has taken.
    sent: usize,
    /// Pieces outside of `out`, each with the position in `out` that it precedes.
    pieces: VecDeque<(usize, Piece)>,
    /// Bytes of the first piece that the socket has taken.
    piece_sent: usize,
    /// Bytes of all pieces, including the sent part of the first.
    piece_bytes: usize,
    /// Maximum pending bytes.
    limit: usize,
    /// The limit was exceeded.
    is_full: bool,
    /// A reply with a limit of its own is being written.
    floor: Option<ReplyFloor>,
    /// A pending aggregate was written before its length was known.
    has_deferred: bool,
    /// Everything is copied into the buffer: no pieces.
    copies: bool,
    resp3: bool,
    /// Errors written by the current command, for its statistics.
    errors: Errors,
    /// The last error's line, cut to [`ERROR_KEPT`] bytes, and the length of its code.
    last_error: Vec<u8>,
    last_code: usize,
}

/// Bytes that are not copied into the client's own buffer.
#[derive(Debug)]
enum Piece {
    Pinned(PinnedBytes),
    Shared(Bytes),
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Piece::Pinned(text) => text,
            Piece::Shared(message) => message,
        }
    }
}

impl Piece {
    fn into_bytes(self) -> Bytes {
        match self {
            Piece::Pinned(text) => Bytes::from_owner(text),
            Piece::Shared(message) => message,
        }
    }
}

/// A part of the output that is given away; see [`Reply::give_away`].
#[derive(Debug)]
pub enum Part<'a> {
    /// Bytes of the client's own buffer.
    Own(&'a [u8]),
    /// Bytes that are shared, not copied.
    Shared(Bytes),
}

/// The place for an aggregate's header, once its length is known.
#[must_use]
#[derive(Debug)]
pub struct DeferredHeader {
    at: usize,
    pieces: usize,
}

/// A point in the output; see [`Reply::mark`].
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    at: usize,
    pieces: usize,
}

/// The beginning of a reply with its own limit: above the limit, only the bytes from here on are
/// dropped.
#[derive(Clone, Copy, Debug)]
struct ReplyFloor {
    mark: Mark,
    /// The limit of all pending bytes, after it.
    limit: usize,
}

/// A reply with a limit of its own; see [`Reply::begin_bounded`].
#[must_use]
#[derive(Debug)]
pub struct BoundedReply {
    mark: Mark,
    /// Bytes pending before it.
    before: usize,
}

impl BoundedReply {
    /// Bytes pending before it.
    #[inline]
    pub fn before(&self) -> usize {
        self.before
    }
}

/// The length of a reply with its own limit, against that limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// At most as long as the limit.
    Within,
    /// Longer, and all of it is there.
    Over,
    /// The reply exceeded the limit, and none of it is kept.
    Cut,
}

/// Maximum pieces in a write.
const PIECES_MAX: usize = 256;
/// Shorter owned strings are copied: this frees them at once.
const OWNED_MIN: usize = 4 * 1024;
/// Up to this many sent bytes are kept rather than moving the rest. A client that takes its replies
/// slowly has them for as long, beside what waits.
const SENT_KEPT: usize = 128 << 10;
/// Bytes kept of an error.
const ERROR_KEPT: usize = 512;
/// Room for type byte, number and line end, as they are appended.
const HEADER_MAX: usize = 40;
/// A longer buffer is freed when its whole contents are taken back.
const TAKEN_BACK_KEPT: usize = 64 * 1024;
/// The smallest buffer.
const FIRST_BYTES: usize = 64;
/// Capacities up to this are powers of two.
const ROUNDED_BYTES_MAX: usize = 64 * 1024;

impl Default for Reply {
    fn default() -> Reply {
        Reply {
            out: Vec::new(),
            sent: 0,
            pieces: VecDeque::new(),
            piece_sent: 0,
            piece_bytes: 0,
            limit: usize::MAX,
            is_full: false,
            floor: None,
            has_deferred: false,
            copies: false,
            resp3: false,
            errors: Errors::empty(),
            last_error: Vec::new(),
            last_code: 0,
        }
    }
}

/// The headers of bulk strings shorter than 100 bytes.
static HEADERS: [[u8; 8]; 100] = {
    let mut all = [[0; 8]; 100];
    let mut n = 0;
    while n < 100 {
        let (tens, ones) = (b'0' + n as u8 / 10, b'0' + n as u8 % 10);
        all[n] = if n < 10 {
            [b'$', ones, b'\r', b'\n', 0, 0, 0, 0]
        } else {
            [b'$', tens, ones, b'\r', b'\n', 0, 0, 0]
        };
        n += 1;
    }
    all
};

/// The header of a number below 100, and its length.
#[inline(always)]
fn short_header(kind: u8, n: u8) -> ([u8; 8], usize) {
    let mut head = HEADERS[usize::from(n)];
    head[0] = kind;
    (head, if n < 10 { 4 } else { 5 })
}

impl Reply {
    /// An empty reply in RESP2, without a limit.
    pub fn new() -> Reply {
        Reply::default()
    }

    /// Whether the protocol is RESP3.
    #[inline]
    pub fn resp3(&self) -> bool {
        self.resp3
    }

    /// Sets the protocol of what is written from here on: RESP3, or RESP2.
    pub fn set_resp3(&mut self, on: bool) {
        self.resp3 = on;
    }

    /// `+text`. The text must contain neither CR nor LF.
    #[inline]
    pub fn simple(&mut self, text: &str) {
        if self.room(text.len() + FRAME_ROOM) {
            append::framed(&mut self.out, *b"+       ", 1, text.as_bytes());
        }
    }

    /// Like [`Reply::simple`], for any bytes: CR and LF become spaces.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        if self.room(text.len() + 3) {
            self.out.push(b'+');
            self.extend_clean(text);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// A name of any bytes: a simple string, or a bulk string if it has CR or LF, which must not be
    /// lost.
    pub fn name_bytes(&mut self, name: &[u8]) {
        if name.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            self.bulk(name);
        } else {
            self.simple_bytes(name);
        }
    }

    /// Appends text with line ends replaced by spaces.
    fn extend_clean(&mut self, text: &[u8]) {
        let clean = |&b: &u8| if b == b'\r' || b == b'\n' { b' ' } else { b };
        self.out.extend(text.iter().map(clean));
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// `-line`: CR and LF inside become spaces.
    pub fn error(&mut self, error: &CommandError) {
        self.error_line(&error.line());
    }

    /// See [`Reply::error`]; `line` starts with its code.
    pub fn error_line(&mut self, line: &[u8]) {
        self.errors |= Errors::OWN;
        self.push_error(line);
    }

    /// Repeats an error of another command, which has already counted it.
    pub fn counted_error_line(&mut self, line: &[u8]) {
        self.errors |= Errors::REPEATED;
        self.push_error(line);
    }

    /// Records that a command that the current command has run has failed. It is counted already.
    pub fn record_error_within(&mut self) {
        self.errors |= Errors::WITHIN;
    }

    fn push_error(&mut self, line: &[u8]) {
        let kept = &line[..line.len().min(ERROR_KEPT)];
        self.last_code = memchr::memchr(b' ', kept).unwrap_or(kept.len());
        self.last_error.clear();
        self.last_error.extend_from_slice(kept);
        if !self.room(line.len() + 3) {
            return;
        }
        self.out.push(b'-');
        // Redis drops trailing line ends and turns the inner ones into spaces.
        let end = line
            .iter()
            .rposition(|&b| b != b'\r' && b != b'\n')
            .map_or(0, |i| i + 1);
        self.extend_clean(&line[..end]);
        self.crlf();
    }

    /// `:n`.
    #[inline]
    pub fn int(&mut self, n: i64) {
        match n {
            0 => self.raw(b":0\r\n"),
            1 => self.raw(b":1\r\n"),
            n => self.header(b':', n),
        }
    }

    /// `$length` and the bytes, which are copied.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        let room = self.out.capacity() - self.out.len();
        // The branch calls no function, so that nothing is saved around calls.
        if bytes.len() <= append::SHORT_MAX && room >= append::SHORT_MAX + FRAME_ROOM {
            let (head, len) = short_header(b'$', bytes.len() as u8);
            append::framed(&mut self.out, head, len, bytes);
        } else {
            self.any_bulk(bytes);
        }
    }

    /// See [`Reply::bulk`].
    #[inline(never)]
    fn any_bulk(&mut self, bytes: &[u8]) {
        if self.room(bytes.len() + HEADER_MAX + 2) {
            self.header(b'$', bytes.len() as i64);
            append::framed(&mut self.out, [0; 8], 0, bytes);
        }
    }

    /// A large string that is pinned in place until it is sent.
    pub fn bulk_pinned(&mut self, text: PinnedBytes) {
        self.header(b'$', text.len() as i64);
        self.push_piece(Piece::Pinned(text));
        self.crlf();
    }

    /// An owned string: a long string is not copied.
    pub fn bulk_owned(&mut self, text: Vec<u8>) {
        if text.len() < OWNED_MIN {
            return self.bulk(&text);
        }
        self.header(b'$', text.len() as i64);
        self.push_piece(Piece::Shared(message(text)));
        self.crlf();
    }

    /// An encoded message that may be shared with other clients.
    pub fn shared(&mut self, message: Bytes) {
        if message.len() < SHARED_MIN {
            self.raw(&message);
        } else {
            self.push_piece(Piece::Shared(message));
        }
    }

    /// The first byte of a message that is encoded for RESP2, in this protocol.
    #[inline]
    pub fn push_kind(&self, message: &[u8]) -> u8 {
        if self.resp3 { b'>' } else { message[0] }
    }

    /// A message that is an array in RESP2 and a push in RESP3; `message` is encoded for RESP2.
    pub fn pushed(&mut self, message: &Bytes) {
        let rest = &message[1..];
        self.raw(&[self.push_kind(message)]);
        if rest.len() < SHARED_MIN {
            self.raw(rest);
        } else {
            self.push_piece(Piece::Shared(message.slice(1..)));
        }
    }

    fn push_piece(&mut self, piece: Piece) {
        if self.is_full || piece.is_empty() {
            return;
        }
        if self.copies {
            return self.raw(&piece);
        }
        if self.pending_len() + piece.len() > self.limit {
            return self.overflow();
        }
        self.piece_bytes += piece.len();
        self.pieces.push_back((self.out.len(), piece));
    }

    /// An integer as a bulk string.
    #[inline]
    pub fn bulk_int(&mut self, n: i64) {
        self.bulk(itoa::Buffer::new().format(n).as_bytes());
    }

    /// No value: `$-1` or `_`.
    #[inline]
    pub fn null(&mut self) {
        self.raw(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// No array: `*-1` or `_`.
    #[inline]
    pub fn null_array(&mut self) {
        self.raw(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// `*len`: the header of an array, whose elements follow.
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
            self.raw(if yes { b"#t\r\n" } else { b"#f\r\n" });
        } else {
            self.int(yes as i64);
        }
    }

    /// A double; in RESP2 a bulk string of the same text.
    pub fn double(&mut self, value: f64) {
        // The text is shorter than 100 bytes.
        if !self.room(128) {
            return;
        }
        if self.resp3 {
            self.out.push(b',');
            russet_base::numbers::float::write_double(&mut self.out, value);
            return self.crlf();
        }
        // The length needs two digits, or a single digit.
        let at = self.out.len();
        self.out.extend_from_slice(b"$00\r\n");
        let text_at = self.out.len();
        russet_base::numbers::float::write_double(&mut self.out, value);
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

    /// A double given as text without CR and LF; in RESP2 a bulk string.
    pub fn double_text(&mut self, text: &[u8]) {
        if !self.resp3 {
            return self.bulk(text);
        }
        if self.room(text.len() + 3) {
            self.out.push(b',');
            self.out.extend_from_slice(text);
            self.crlf();
        }
    }

    /// A number too big for 64 bits; in RESP2 a bulk string. CR and LF become spaces.
    pub fn big_number(&mut self, digits: &[u8]) {
        if !self.room(digits.len() + HEADER_MAX + 2) {
            return;
        }
        if self.resp3 {
            self.out.push(b'(');
        } else {
            self.header(b'$', digits.len() as i64);
        }
        self.extend_clean(digits);
        self.crlf();
    }

    /// Text with a three-letter format (`txt`, `mkd`); in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        self.verbatim_of(format.as_bytes(), text);
    }

    /// Like [`Reply::verbatim`], for an owned text: a long text is not copied.
    pub fn verbatim_owned(&mut self, format: &str, text: String) {
        if text.len() < OWNED_MIN {
            return self.verbatim(format, text.as_bytes());
        }
        if !self.resp3 {
            return self.bulk_owned(text.into_bytes());
        }
        self.verbatim_header(format.as_bytes(), text.len());
        self.push_piece(Piece::Shared(text.into()));
        self.crlf();
    }

    /// Like [`Reply::verbatim`], for any bytes.
    pub fn verbatim_bytes(&mut self, format: [u8; 3], text: &[u8]) {
        self.verbatim_of(&format, text);
    }

    fn verbatim_of(&mut self, format: &[u8], text: &[u8]) {
        if !self.resp3 {
            return self.bulk(text);
        }
        self.verbatim_header(format, text.len());
        self.raw(text);
        self.crlf();
    }

    fn verbatim_header(&mut self, format: &[u8], len: usize) {
        self.header(b'=', len as i64 + 4);
        self.raw(format);
        self.raw(b":");
    }

    /// Marks the start of an aggregate whose length is not known yet.
    pub fn defer(&mut self) -> DeferredHeader {
        self.has_deferred = true;
        DeferredHeader {
            at: self.out.len(),
            pieces: self.pieces.len(),
        }
    }

    /// Inserts the array header before everything written since `defer`. O(bytes since).
    pub fn finish_array(&mut self, place: DeferredHeader, len: usize) {
        self.insert_header(place, b'*', len);
    }

    /// Like [`Reply::finish_array`], for a map of `pairs`.
    pub fn finish_map(&mut self, place: DeferredHeader, pairs: usize) {
        if self.resp3 {
            self.insert_header(place, b'%', pairs);
        } else {
            self.insert_header(place, b'*', pairs * 2);
        }
    }

    /// Like [`Reply::finish_array`], for a set.
    pub fn finish_set(&mut self, place: DeferredHeader, len: usize) {
        self.insert_header(place, if self.resp3 { b'~' } else { b'*' }, len);
    }

    /// Inserts the header of a SCAN reply, cursor and array header, before the elements written
    /// since `defer`.
    pub fn finish_scan(&mut self, place: DeferredHeader, cursor: u64, len: usize) {
        let (mut cursor_digits, mut digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        let cursor = cursor_digits.format(cursor).as_bytes();
        let width = digits.format(cursor.len()).as_bytes();
        let mut header = [b"*2\r\n$", width, b"\r\n", cursor, b"\r\n*"].concat();
        header.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
        header.extend_from_slice(b"\r\n");
        self.insert(place, &header);
    }

    /// Inserts a bulk string and an array header before the elements written since `defer`.
    pub fn finish_array_behind(&mut self, place: DeferredHeader, text: &[u8], len: usize) {
        let (mut digits, mut len_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        let header = [
            b"$",
            digits.format(text.len()).as_bytes(),
            b"\r\n",
            text,
            b"\r\n*",
            len_digits.format(len).as_bytes(),
            b"\r\n",
        ];
        self.insert(place, &header.concat());
    }

    /// Like [`Reply::array`]. Redis learns this length only afterwards, so the reply is treated
    /// like those of [`Reply::defer`].
    pub fn deferred_array(&mut self, len: usize) {
        self.has_deferred = true;
        self.array(len);
    }

    /// Like [`Reply::deferred_array`], for a map of `pairs`.
    pub fn deferred_map(&mut self, pairs: usize) {
        self.has_deferred = true;
        self.map(pairs);
    }

    /// Like [`Reply::deferred_array`], for a set.
    pub fn deferred_set(&mut self, len: usize) {
        self.has_deferred = true;
        self.set(len);
    }

    fn insert_header(&mut self, place: DeferredHeader, kind: u8, n: usize) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(n).as_bytes();
        let len = digits.len() + 3;
        let mut header = [0; 24];
        header[0] = kind;
        header[1..len - 2].copy_from_slice(digits);
        header[len - 2..len].copy_from_slice(b"\r\n");
        self.insert(place, &header[..len]);
    }

    fn insert(&mut self, place: DeferredHeader, header: &[u8]) {
        if !self.room(header.len()) {
            return;
        }
        for (at, _) in self.pieces.iter_mut().skip(place.pieces) {
            *at += header.len();
        }
        let header = header.iter().copied();
        self.out.splice(place.at..place.at, header);
    }

    /// Bytes that are already encoded.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        if self.room(bytes.len()) {
            append::bytes(&mut self.out, bytes);
        }
    }

    #[inline]
    fn header(&mut self, kind: u8, n: i64) {
        if !self.room(HEADER_MAX) {
            return;
        }
        // Most numbers are short: appended as a word, without formatting them.
        match n {
            0..=99 => {
                let (head, len) = short_header(kind, n as u8);
                append::word(&mut self.out, head, len);
            }
            _ => self.long_header(kind, n),
        }
    }

    /// There is room for it and [`FRAME_ROOM`] more.
    #[inline(never)]
    fn long_header(&mut self, kind: u8, n: i64) {
        let head = [kind, 0, 0, 0, 0, 0, 0, 0];
        let mut digits = itoa::Buffer::new();
        append::framed(&mut self.out, head, 1, digits.format(n).as_bytes());
    }

    #[inline]
    fn crlf(&mut self) {
        self.raw(b"\r\n");
    }

    // --- limit of pending bytes ---

    /// Sets the maximum of pending bytes (bytes pending already are kept). A reply that is being
    /// written with a limit of its own keeps that limit.
    #[inline]
    pub fn set_limit(&mut self, bytes: usize) {
        match &mut self.floor {
            Some(floor) => floor.limit = bytes,
            None => self.limit = bytes,
        }
    }

    /// Bytes that may yet be added.
    pub fn left(&self) -> usize {
        self.limit.saturating_sub(self.pending_len())
    }

    /// The limit was exceeded: all output was dropped, and nothing is added any more.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Begins a reply that may be `bytes` long: a reply that needs more room is cut off while it is
    /// written. The limit of pending bytes stays in force.
    #[inline]
    pub fn begin_bounded(&mut self, bytes: usize) -> BoundedReply {
        let before = self.pending_len();
        let (mark, limit) = (self.mark(), self.limit);
        // `end_bounded` decides to the byte: this limit only has to be no lower.
        let most = before.saturating_add(bytes.saturating_add(HEADER_MAX + 2));
        if most < limit && !self.is_full {
            self.limit = most;
            self.floor = Some(ReplyFloor { mark, limit });
        }
        BoundedReply { mark, before }
    }

    /// Ends the bounded reply, and returns whether it is longer than `bytes`: the caller may then
    /// remove it ([`Reply::remove_bounded`]).
    #[inline]
    pub fn end_bounded(&mut self, bounded: &BoundedReply, bytes: usize) -> Extent {
        if let Some(floor) = self.floor.take() {
            self.limit = floor.limit;
            if self.is_full {
                self.is_full = false;
                return Extent::Cut;
            }
        }
        if self.pending_len().saturating_sub(bounded.before) > bytes {
            Extent::Over
        } else {
            Extent::Within
        }
    }

    /// Removes a reply that was too long.
    pub fn remove_bounded(&mut self, bounded: &BoundedReply) {
        self.truncate(bounded.mark);
    }

    /// Reserves `n` bytes. `false`: do not write them. The limit is checked only when the buffer
    /// must grow, which it does at most up to the limit.
    #[inline]
    fn room(&mut self, n: usize) -> bool {
        n <= self.out.capacity() - self.out.len() || self.grow(n)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, n: usize) -> bool {
        if self.is_full {
            return false;
        }
        if self.pending_len().saturating_add(n) > self.limit {
            self.overflow();
            return false;
        }
        let most = self.limit.saturating_add(self.sent);
        let needed = self.out.len() + n;
        // Not to the byte: a reply a little longer than the last would double the buffer again.
        let rounded = if needed <= ROUNDED_BYTES_MAX {
            needed.next_power_of_two()
        } else {
            needed
        };
        let capacity = rounded.max(2 * self.out.capacity()).max(FIRST_BYTES);
        let capacity = capacity.min(most).max(needed);
        let more = capacity - self.out.len();
        self.out.reserve_exact(more);
        true
    }

    #[cold]
    fn overflow(&mut self) {
        self.is_full = true;
        if let Some(floor) = self.floor {
            self.truncate(floor.mark);
            // [`Reply::room`] checks no limit within the capacity: none may be left.
            self.out = self.out.as_slice().to_vec();
            return;
        }
        self.out = Vec::new();
        self.pieces = VecDeque::new();
        (self.sent, self.piece_sent, self.piece_bytes) = (0, 0, 0);
    }

    // --- for the connection ---

    /// The position of the next reply; see [`Reply::truncate`].
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark {
            at: self.out.len(),
            pieces: self.pieces.len(),
        }
    }

    /// Removes everything written since `mark` (CLIENT REPLY OFF, a command that blocks).
    pub fn truncate(&mut self, mark: Mark) {
        self.out.truncate(mark.at);
        while self.pieces.len() > mark.pieces
            && let Some((_, piece)) = self.pieces.pop_back()
        {
            self.piece_bytes -= piece.len();
        }
        if self.out.is_empty() && self.out.capacity() > TAKEN_BACK_KEPT {
            self.out = Vec::new();
        }
    }

    /// Like [`Reply::truncate`], and resets the errors to `errors`.
    pub fn take_back(&mut self, mark: Mark, errors: Errors) {
        self.truncate(mark);
        self.errors = errors;
    }

    /// Reserves `bytes` at once. `false`: they exceed the limit, see [`Reply::is_full`].
    pub fn make_room(&mut self, bytes: usize) -> bool {
        self.room(bytes)
    }

    /// All pending bytes in a vector: for tests and small outputs.
    pub fn pending(&self) -> Vec<u8> {
        let mut all = Vec::new();
        self.each_piece(|piece| {
            all.extend_from_slice(piece);
            true
        });
        all
    }

    /// All written bytes, if there are no pieces: the reply of a command that a script runs
    /// ([`Reply::copy_pieces`]).
    pub fn text(&self) -> &[u8] {
        debug_assert!(self.pieces.is_empty() && self.sent == 0);
        &self.out
    }

    /// Takes [`Reply::text`] with its buffer.
    pub fn take_text(&mut self) -> Vec<u8> {
        debug_assert!(self.pieces.is_empty() && self.sent == 0);
        std::mem::take(&mut self.out)
    }

    /// From now on copies everything into the buffer, without pieces.
    pub fn copy_pieces(&mut self) {
        self.copies = true;
    }

    /// Drops the contents; frees a buffer of more than `kept` bytes.
    pub fn clear(&mut self, kept: usize) {
        if self.out.capacity() > kept {
            self.out = Vec::new();
        }
        self.out.clear();
        self.has_deferred = false;
        self.is_full = false;
    }

    /// Drops the pending bytes, unless a part of them is sent: a reply would end in its middle.
    pub fn drop_unsent(&mut self) {
        if self.sent == 0 && self.piece_sent == 0 {
            self.truncate(Mark { at: 0, pieces: 0 });
        }
    }

    /// Keeps the first `len` pending bytes and drops the rest, also within a reply. O(pieces).
    pub fn keep_pending(&mut self, len: usize) {
        let mut left = len;
        let (mut from, mut skip) = (self.sent, self.piece_sent);
        for i in 0..self.pieces.len() {
            let at = self.pieces[i].0;
            let piece = self.pieces[i].1.len() - skip;
            let own = at - from;
            if left < own + piece {
                // A piece is whole or gone: a part of one is copied.
                let part = left.saturating_sub(own);
                let kept = self.pieces[i].1[skip..skip + part].to_vec();
                self.truncate(Mark {
                    at: from + left.min(own),
                    pieces: i,
                });
                if i == 0 {
                    self.piece_sent = 0;
                }
                self.out.extend_from_slice(&kept);
                return;
            }
            left -= own + piece;
            (from, skip) = (at, 0);
        }
        let at = (from + left).min(self.out.len());
        self.out.truncate(at);
    }

    /// Number of pending bytes.
    #[inline]
    pub fn pending_len(&self) -> usize {
        self.out.len() - self.sent + self.piece_bytes - self.piece_sent
    }

    /// Bytes of pending pieces that are not copied: of strings still in the keyspace and of
    /// messages to several clients; of strings that only this output keeps. O(pieces).
    pub fn referenced_bytes(&self) -> (usize, usize) {
        let (mut shared, mut unshared) = (0, 0);
        for (_, piece) in &self.pieces {
            match piece {
                Piece::Pinned(text) if text.is_orphan() => unshared += text.len(),
                Piece::Shared(message) if message.is_unique() => unshared += message.len(),
                Piece::Pinned(_) | Piece::Shared(_) => shared += piece.len(),
            }
        }
        (shared, unshared)
    }

    /// Whether a pending aggregate was written before its length was known: Redis keeps those, and
    /// all that follows, in a list of blocks from the first byte on.
    pub fn has_deferred(&self) -> bool {
        self.has_deferred
    }

    /// Whether no byte is pending.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.sent == self.out.len() && self.pieces.is_empty()
    }

    /// Visits the pending bytes piece by piece, until `visit` returns false.
    pub fn each_piece<'r>(&'r self, mut visit: impl FnMut(&'r [u8]) -> bool) {
        let (mut from, mut skip) = (self.sent, self.piece_sent);
        for (at, piece) in &self.pieces {
            if from < *at && !visit(&self.out[from..*at]) || !visit(&piece[skip..]) {
                return;
            }
            (from, skip) = (*at, 0);
        }
        if from < self.out.len() {
            visit(&self.out[from..]);
        }
    }

    /// Writes pending bytes with a single call, at most `max`, and drops the sent ones. Returns
    /// their number.
    #[inline]
    pub fn write_to(&mut self, socket: &mut impl Write, max: usize) -> io::Result<usize> {
        let n = if self.pieces.is_empty() {
            let waits = &self.out[self.sent..];
            socket.write(&waits[..waits.len().min(max)])?
        } else {
            self.write_pieces(socket, max)?
        };
        self.advance(n);
        Ok(n)
    }

    fn write_pieces(&self, socket: &mut impl Write, max: usize) -> io::Result<usize> {
        let mut slices = Vec::with_capacity(PIECES_MAX.min(2 * self.pieces.len() + 1));
        let mut left = max;
        self.each_piece(|piece| {
            let piece = &piece[..piece.len().min(left)];
            left -= piece.len();
            slices.push(IoSlice::new(piece));
            left > 0 && slices.len() < PIECES_MAX
        });
        socket.write_vectored(&slices)
    }

    /// Whether some of the output is not in the client's own buffer.
    #[inline]
    pub fn has_pieces(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Gives pending output away in its order, without copying shared parts; gives no further part
    /// when `max` bytes have gone. Returns the number of bytes. Invalidates all marks.
    pub fn give_away(&mut self, max: usize, mut take: impl FnMut(Part<'_>)) -> usize {
        let mut given = 0;
        while given < max && !self.is_empty() {
            let until = self.pieces.front().map_or(self.out.len(), |(at, _)| *at);
            given += if self.sent < until {
                let n = (until - self.sent).min(max - given);
                take(Part::Own(&self.out[self.sent..][..n]));
                self.advance(n);
                n
            } else {
                let (_, piece) = self.pieces.pop_front().expect("it is not empty");
                self.piece_bytes -= piece.len();
                let mut bytes = piece.into_bytes();
                bytes.advance(std::mem::take(&mut self.piece_sent));
                let n = bytes.len();
                take(Part::Shared(bytes));
                self.advance(0);
                n
            };
        }
        given
    }

    /// The socket took `n` bytes. Invalidates all marks.
    pub fn advance(&mut self, mut n: usize) {
        while let Some((at, piece)) = self.pieces.front() {
            let before = (at - self.sent).min(n);
            (self.sent, n) = (self.sent + before, n - before);
            let rest = piece.len() - self.piece_sent;
            if self.sent < *at || n < rest {
                self.piece_sent += n;
                n = 0;
                break;
            }
            n -= rest;
            self.piece_bytes -= piece.len();
            self.piece_sent = 0;
            self.pieces.pop_front();
        }
        self.sent += n;
        if self.is_empty() {
            self.out.clear();
            self.sent = 0;
            self.has_deferred = false;
        } else if self.sent > SENT_KEPT {
            let len = self.out.len();
            if 2 * self.sent >= len || len <= 8 * SENT_KEPT {
                self.forget_sent();
            }
        }
    }

    /// Moves the pending bytes to the front and shrinks the buffer to fit.
    #[cold]
    fn forget_sent(&mut self) {
        self.out.drain(..self.sent);
        self.out.shrink_to_fit();
        for (at, _) in &mut self.pieces {
            *at -= self.sent;
        }
        self.sent = 0;
    }

    /// Takes the empty buffer for reuse.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        debug_assert!(self.is_empty());
        self.sent = 0;
        std::mem::take(&mut self.out)
    }

    /// Capacity of the buffer; 0: there is none.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.out.capacity()
    }

    /// Bytes held for the client: the buffer and unsent pieces.
    pub fn memory_bytes(&self) -> usize {
        self.out.capacity() + self.piece_bytes
    }

    /// The held bytes of this reply alone: the buffer and the list of pieces. The bytes of pieces
    /// may be in the keyspace or in other replies, too (`alloc::bytes_for_replies`).
    pub fn own_bytes(&self) -> usize {
        alloc::vec_bytes(&self.out) + alloc::deque_bytes(&self.pieces)
    }

    /// Bytes of the pieces, see [`Reply::own_bytes`].
    pub fn piece_bytes(&self) -> usize {
        self.piece_bytes
    }

    /// Gives the reply an empty buffer to write into.
    #[inline]
    pub fn give_buffer(&mut self, buffer: Vec<u8>) {
        debug_assert!(buffer.is_empty() && self.out.is_empty());
        self.out = buffer;
    }

    /// Starts the record of a command's errors; returns that of the command that runs it, for
    /// [`Reply::end_errors`].
    #[inline]
    pub fn begin_errors(&mut self) -> Errors {
        std::mem::take(&mut self.errors)
    }

    /// Ends a command: returns the errors it wrote, and restores the outer ones.
    #[inline]
    pub fn end_errors(&mut self, outer: Errors) -> Errors {
        std::mem::replace(&mut self.errors, outer)
    }

    /// The errors written so far by the current command.
    pub fn errors(&self) -> Errors {
        self.errors
    }

    /// The code of the last error (`ERR`, `WRONGTYPE` ...), for errorstats.
    pub fn last_error(&self) -> &[u8] {
        &self.last_error[..self.last_code]
    }

    /// The last error as it was written, without `-` and line end; a long error is cut.
    pub fn last_error_line(&self) -> &[u8] {
        &self.last_error
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use russet_base::memory::{alloc, pin};

    fn written(resp3: bool, f: impl FnOnce(&mut Reply)) -> String {
        let mut r = Reply::new();
        r.set_resp3(resp3);
        f(&mut r);
        String::from_utf8(r.pending()).unwrap()
    }

    #[test]
    fn a_string_that_is_handed_over_reads_as_one_that_is_copied() {
        for len in [0, 5, OWNED_MIN - 1, OWNED_MIN, 3 * OWNED_MIN] {
            let text = vec![b'x'; len];
            let both = [false, true].map(|is_owned| {
                written(false, |r| {
                    if is_owned {
                        r.bulk_owned(text.clone())
                    } else {
                        r.bulk(&text)
                    }
                    r.int(7);
                })
            });
            assert_eq!(both[0], both[1], "{len}");
        }
    }

    #[test]
    fn the_front_of_a_reply_is_kept_byte_for_byte() {
        let piece = |byte| bytes::Bytes::from(vec![byte; 2 * SHARED_MIN]);
        let whole = |sent: usize| {
            let mut reply = Reply::new();
            reply.ok();
            reply.shared(piece(b'a'));
            reply.int(7);
            reply.shared(piece(b'b'));
            reply.shared(piece(b'c'));
            reply.ok();
            reply.advance(sent);
            reply
        };
        let bytes = whole(0).pending();
        for sent in (0..bytes.len()).step_by(SHARED_MIN / 3) {
            for kept in (0..=bytes.len() - sent).step_by(SHARED_MIN / 5) {
                let mut reply = whole(sent);
                reply.keep_pending(kept);
                assert_eq!(reply.pending_len(), kept, "{sent}");
                reply.int(1);
                let shown = [&bytes[sent..][..kept], b":1\r\n"].concat();
                assert_eq!(reply.pending(), shown, "{sent} {kept}");
                reply.advance(kept + 4);
                assert!(reply.is_empty(), "{sent} {kept}");
            }
        }
    }

    #[test]
    fn a_reply_a_little_longer_than_the_last_one_needs_no_larger_buffer() {
        let mut reply = Reply::new();
        reply.bulk(&[b'x'; 5000]);
        let capacity = reply.capacity();
        reply.clear(usize::MAX);
        reply.bulk(&[b'x'; 5500]);
        assert_eq!(reply.capacity(), capacity);
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

    /// Accepts a limited number of bytes per write.
    struct Narrow(Vec<u8>, usize);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let mut taken = 0;
            for slice in slices {
                let n = slice.len().min(self.1 - taken);
                self.0.extend_from_slice(&slice[..n]);
                taken += n;
            }
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A block whose bytes can be pinned; freed when dropped.
    struct Block(std::ptr::NonNull<u8>);

    const BLOCK: usize = pin::PIN_MIN;

    impl Block {
        #[allow(unsafe_code)]
        fn new() -> Block {
            let block = alloc::block(BLOCK);
            // SAFETY: BLOCK bytes, all written.
            unsafe { block.as_ptr().write_bytes(b'x', BLOCK) };
            Block(block)
        }

        #[allow(unsafe_code)]
        fn pin(&self) -> PinnedBytes {
            // SAFETY: initialised above, never written to again, freed below.
            unsafe { PinnedBytes::new(self.0, BLOCK) }
        }
    }

    impl Drop for Block {
        #[allow(unsafe_code)]
        fn drop(&mut self) {
            assert!(!pin::is_pinned(self.0));
            // SAFETY: the last reference to the block.
            unsafe { pin::free(self.0, BLOCK) }
        }
    }

    #[test]
    fn pinned_strings_go_out_in_their_place_however_short_the_writes() {
        let block = Block::new();
        for width in [1, 3, 1000, BLOCK + 5, 10 * BLOCK] {
            let mut r = Reply::new();
            r.int(1);
            let d = r.defer();
            r.bulk_pinned(block.pin());
            r.int(2);
            r.bulk_pinned(block.pin());
            r.finish_array(d, 3);
            let big = format!("$16384\r\n{}\r\n", "x".repeat(BLOCK));
            let want = format!(":1\r\n*3\r\n{big}:2\r\n{big}");
            assert_eq!(r.pending(), want.as_bytes());
            let mut out = Narrow(Vec::new(), width);
            while !r.is_empty() {
                assert_eq!(r.pending_len(), want.len() - out.0.len());
                r.write_to(&mut out, usize::MAX).unwrap();
            }
            assert!(out.0 == want.as_bytes());
        }
    }

    /// An operation on a reply.
    #[derive(Clone, Debug)]
    enum Act {
        Own(usize),
        Pin,
        Share(usize),
        /// An array of a single string, whose header is written last.
        Defer(usize),
        /// Something written and taken back at once.
        TakeBack(usize),
        Write {
            max: usize,
            width: usize,
        },
    }

    fn an_act() -> impl Strategy<Value = Act> {
        let len = prop_oneof![0..3usize, 0..2000usize, Just(700_000)];
        prop_oneof![
            len.clone().prop_map(Act::Own),
            Just(Act::Pin),
            len.clone().prop_map(Act::Share),
            len.clone().prop_map(Act::Defer),
            len.clone().prop_map(Act::TakeBack),
            (len.clone(), len).prop_map(|(max, width)| Act::Write {
                max: max + 1,
                width: width + 1
            }),
        ]
    }

    proptest! {
        #[test]
        fn any_mixture_leaves_in_order_however_short_the_writes(
            acts in prop::collection::vec(an_act(), 1..40),
        ) {
            let block = Block::new();
            let text = |len: usize, kind: u8| vec![kind; len];
            let mut r = Reply::new();
            let (mut want, mut out) = (Vec::new(), Narrow(Vec::new(), 0));
            for (kind, act) in (b'a'..).zip(acts) {
                match act {
                    Act::Own(len) => {
                        r.raw(&text(len, kind));
                        want.extend(text(len, kind));
                    }
                    Act::Pin => {
                        r.bulk_pinned(block.pin());
                        want.extend(format!("$16384\r\n{}\r\n", "x".repeat(BLOCK)).bytes());
                    }
                    Act::Share(len) => {
                        r.shared(text(len, kind).into());
                        want.extend(text(len, kind));
                    }
                    Act::Defer(len) => {
                        let place = r.defer();
                        r.shared(text(len, kind).into());
                        r.int(7);
                        r.finish_array(place, len);
                        want.extend(format!("*{len}\r\n").bytes());
                        want.extend(text(len, kind));
                        want.extend(b":7\r\n");
                    }
                    Act::TakeBack(len) => {
                        let mark = r.mark();
                        r.raw(&text(len, kind));
                        r.shared(text(len, kind).into());
                        r.bulk_pinned(block.pin());
                        r.truncate(mark);
                    }
                    Act::Write { max, width } => {
                        out.1 = width;
                        let n = r.write_to(&mut out, max).unwrap();
                        prop_assert!(n <= max.min(width));
                    }
                }
                prop_assert_eq!(r.pending_len(), want.len() - out.0.len());
                prop_assert!(r.pending_len() <= r.memory_bytes());
            }
            out.1 = 1 << 16;
            while !r.is_empty() {
                r.write_to(&mut out, usize::MAX).unwrap();
            }
            prop_assert!(out.0 == want);
            prop_assert_eq!((r.pending_len(), r.pieces.len(), r.piece_bytes), (0, 0, 0));
        }
    }

    #[test]
    fn a_message_is_shared_by_all_who_are_sent_it() {
        let message = Bytes::from(vec![b'm'; 10_000]);
        let mut all: Vec<Reply> = (0..10).map(|_| Reply::new()).collect();
        for r in &mut all {
            r.ok();
            r.shared(message.clone());
            assert_eq!(r.pending_len(), 10_005);
            assert!(r.memory_bytes() >= 10_005 && r.capacity() < 200);
        }
        drop(all);
        assert!(message.is_unique());
    }

    #[test]
    fn what_is_over_the_limit_is_not_kept() {
        let block = Block::new();
        type Add = fn(&mut Reply, &Block);
        let adds: [Add; 6] = [
            |r, _| r.bulk(&[b'x'; 1000]),
            |r, _| r.int(1234),
            |r, block| r.bulk_pinned(block.pin()),
            |r, _| r.shared(vec![b'x'; 2000].into()),
            |r, _| r.double(1.5),
            |r, _| {
                let place = r.defer();
                r.null();
                r.finish_scan(place, 1 << 38, 1);
            },
        ];
        for add in adds {
            let mut r = Reply::new();
            r.set_limit(100_000);
            let mark = r.mark();
            while !r.is_full() {
                add(&mut r, &block);
                assert!(r.memory_bytes() < 220_000);
                assert!(r.pending_len() <= 200_000);
            }
            for add in adds {
                add(&mut r, &block);
            }
            r.truncate(mark);
            assert_eq!((r.memory_bytes(), r.pending_len()), (0, 0));
        }
        let mut r = Reply::new();
        r.set_limit(100);
        r.bulk(&[b'x'; 1 << 20]);
        assert!(r.is_full());
    }

    #[test]
    fn a_bound_of_one_reply_takes_it_back_alone() {
        type Add = fn(&mut Reply);
        let adds: [Add; 3] = [
            |r| r.bulk(&[b'x'; 50]),
            |r| r.shared(vec![b'x'; 2000].into()),
            |r| {
                let place = r.defer();
                r.bulk(&[b'x'; 20]);
                r.finish_array(place, 1);
            },
        ];
        for add in adds {
            let mut r = Reply::new();
            r.shared(vec![b'a'; 3000].into());
            r.simple("BEFORE");
            let before = r.pending();
            for times in [1, 100] {
                let bounded = r.begin_bounded(5);
                let place = r.defer();
                for _ in 0..times {
                    add(&mut r);
                }
                r.finish_array(place, times);
                let extent = r.end_bounded(&bounded, 5);
                assert_ne!(extent, Extent::Within);
                if extent == Extent::Over {
                    r.remove_bounded(&bounded);
                }
                assert!(r.pending() == before && !r.is_full());
            }
            let bounded = r.begin_bounded(5);
            r.simple("OK");
            assert_eq!(r.end_bounded(&bounded, 5), Extent::Within);
            assert_eq!(r.pending(), [&before[..], b"+OK\r\n"].concat());
        }
        // The limit of everything that is pending stays in force.
        let mut r = Reply::new();
        r.set_limit(1000);
        let bounded = r.begin_bounded(1 << 20);
        r.bulk(&[b'x'; 2000]);
        assert_eq!(r.end_bounded(&bounded, 1 << 20), Extent::Within);
        assert!(r.is_full() && r.pending_len() == 0);
        // A command may set it meanwhile.
        let mut r = Reply::new();
        r.set_limit(100_000);
        for (bound, limit) in [(usize::MAX, 50_000), (5, 60_000)] {
            let bounded = r.begin_bounded(bound);
            r.set_limit(limit);
            r.simple("OK");
            assert_eq!(r.end_bounded(&bounded, bound), Extent::Within);
            assert_eq!(r.limit, limit);
        }
    }

    /// A client that takes 64 KiB whenever 100 KB more have been written.
    #[test]
    fn a_slow_reader_has_little_more_than_what_waits() {
        let mut r = Reply::new();
        let mut out = Narrow(Vec::new(), 64 << 10);
        for _ in 0..100 {
            while r.pending_len() < 300_000 {
                r.raw(&[b'x'; 100_000]);
            }
            r.write_to(&mut out, usize::MAX).unwrap();
            assert!(r.capacity() <= 1 << 20, "{}", r.capacity());
        }
    }

    #[test]
    fn what_is_sent_of_a_large_reply_is_not_kept_for_long() {
        const MIB: usize = 1 << 20;
        let mut r = Reply::new();
        r.raw(&vec![b'x'; 32 * MIB]);
        let mut out = Narrow(Vec::new(), MIB);
        for sent in 1..32 {
            r.write_to(&mut out, usize::MAX).unwrap();
            assert_eq!(r.pending_len(), (32 - sent) * MIB);
            assert!(r.capacity() <= 2 * r.pending_len() + 2 * MIB);
        }
    }

    #[test]
    fn line_ends_cannot_leave_an_error() {
        let text = written(false, |r| r.error_line(b"ERR a\r\nb\r\n"));
        assert_eq!(text, "-ERR a  b\r\n");
    }
}
