//! The buffers of a draft: tokens, the texts that they name, and the bytes to be.
//!
//! The thread keeps the buffers for the next draft, so that parsing a small text allocates its
//! document alone.

use super::Frame;
use crate::document::bytes::{Compound, ShortBytes};
use crate::document::number::Fpha;
use crate::view::Number;
use std::cell::Cell;

/// Buffers up to this many bytes are kept for the next draft.
pub(super) const KEPT_BYTES_MAX: usize = 64 * 1024;

/// Where a text is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    Source,
    Texts,
    Names,
}

/// A text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub at: u32,
    pub len: u32,
    pub origin: Origin,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Token {
    Null,
    Bool(bool),
    Number(Number),
    Text {
        span: Span,
        is_clean: bool,
    },
    Node(Compound, u32),
    /// A name among the draft's.
    Name(u32),
    /// A name that the store shares.
    Shared(u16),
    /// Tokens up to the end, that included.
    Begin(u32),
    End {
        is_object: bool,
        fpha: Option<Fpha>,
        /// Whether all children are numbers.
        numbers: bool,
        count: u32,
    },
}

/// A name that the draft met.
#[derive(Debug)]
pub(super) struct DraftName {
    pub span: Span,
    pub hash: u32,
    pub is_clean: bool,
    /// Uses so far.
    pub count: u32,
    pub owner: u32,
    pub shared: Option<u16>,
}

/// Bytes written from the last to the first.
#[derive(Default)]
pub(super) struct BackwardBytes {
    pub bytes: Vec<u8>,
    pub at: usize,
}

impl BackwardBytes {
    pub(super) fn clear(&mut self) {
        self.at = self.bytes.len();
    }

    #[inline]
    pub(super) fn push(&mut self, part: &[u8]) {
        if part.len() > self.at {
            self.grow(part.len());
        }
        let start = self.at - part.len();
        self.bytes[start..self.at].copy_from_slice(part);
        self.at = start;
    }

    /// A part of a text: a copy of fixed length, whose beginning is overwritten, needs no call.
    #[inline]
    pub(super) fn push_part(&mut self, text: &[u8], start: usize, len: usize) {
        let end = start + len;
        if len <= 16 && end >= 16 {
            self.push_end(text[end - 16..end].try_into().expect("16 bytes"), len);
        } else {
            self.push(&text[start..end]);
        }
    }

    #[inline]
    pub(super) fn push_few(&mut self, few: &ShortBytes) {
        self.push_end(few.at_end(), few.len());
    }

    #[inline]
    fn push_end(&mut self, bytes: [u8; 16], len: usize) {
        if self.at < 16 {
            self.grow(16);
        }
        self.bytes[self.at - 16..self.at].copy_from_slice(&bytes);
        self.at -= len;
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        let written = self.bytes.len() - self.at;
        let size = (2 * self.bytes.len()).max(written + needed).max(1024);
        let mut larger = vec![0; size];
        larger[size - written..].copy_from_slice(&self.bytes[self.at..]);
        self.at = size - written;
        self.bytes = larger;
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.at
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Work {
    /// Strings of waiting tokens that are not in the source, and names.
    pub texts: Vec<u8>,
    pub names: Vec<u8>,
    pub tokens: Vec<Token>,
    pub frames: Vec<Frame>,
    pub known: Vec<DraftName>,
    /// Numbers of known names, plus 1, by hash.
    pub slots: Vec<u32>,
    /// Names of waiting members, and their owners before.
    pub undo: Vec<(u32, u32)>,
    pub back: BackwardBytes,
}

impl Work {
    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.names.clear();
        self.tokens.clear();
        self.frames.clear();
        self.known.clear();
        self.slots.clear();
        self.slots.resize(64, 0);
        self.undo.clear();
        self.back.clear();
    }

    #[inline]
    pub(super) fn text<'a>(&'a self, source: &'a [u8], span: Span) -> &'a [u8] {
        self.all(source).text(span)
    }

    #[inline]
    pub(super) fn all<'a>(&'a self, source: &'a [u8]) -> Texts<'a> {
        Texts {
            source,
            texts: &self.texts,
            names: &self.names,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let tokens = self.tokens.capacity() * size_of::<Token>();
        let known = self.known.capacity() * size_of::<DraftName>();
        let texts = self.texts.capacity() + self.names.capacity();
        tokens + known + texts + self.slots.capacity() * 4 + self.back.bytes.len()
    }
}

/// The texts that spans are parts of.
#[derive(Clone, Copy)]
pub(super) struct Texts<'a> {
    pub source: &'a [u8],
    pub texts: &'a [u8],
    pub names: &'a [u8],
}

impl<'a> Texts<'a> {
    #[inline]
    pub fn origin(self, span: Span) -> &'a [u8] {
        match span.origin {
            Origin::Source => self.source,
            Origin::Texts => self.texts,
            Origin::Names => self.names,
        }
    }

    #[inline]
    pub fn text(self, span: Span) -> &'a [u8] {
        &self.origin(span)[span.at as usize..][..span.len as usize]
    }
}

thread_local! {
    pub(super) static WORK: Cell<Option<Box<Work>>> = const { Cell::new(None) };
}

/// The token after the value that begins at a place.
#[inline]
pub(super) fn skip(tokens: &[Token], at: usize) -> usize {
    match tokens[at] {
        Token::Begin(span) => at + span as usize,
        _ => at + 1,
    }
}
