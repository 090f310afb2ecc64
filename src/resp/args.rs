//! The arguments of one command: slices of the buffer that they came in.

use std::ops::Index;

/// Where an argument stands in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub len: usize,
}

/// A command's arguments, its name first. Copying it copies two slices.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buf: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Every span must lie inside `buf`.
    pub fn new(buf: &'a [u8], spans: &'a [Span]) -> Args<'a> {
        Args { buf, spans }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    #[inline]
    pub fn get(&self, at: usize) -> Option<&'a [u8]> {
        self.spans
            .get(at)
            .map(|s| &self.buf[s.start..s.start + s.len])
    }

    /// Like indexing, but the slice lives as long as the buffer.
    #[inline]
    pub fn at(&self, at: usize) -> &'a [u8] {
        let s = self.spans[at];
        &self.buf[s.start..s.start + s.len]
    }

    /// All arguments as an array; the arity was checked by dispatch.
    #[inline]
    pub fn exactly<const N: usize>(&self) -> [&'a [u8]; N] {
        assert_eq!(self.spans.len(), N, "arity checked by dispatch");
        std::array::from_fn(|i| self.at(i))
    }

    /// The arguments from `at` on.
    #[inline]
    pub fn from(&self, at: usize) -> Args<'a> {
        Args {
            buf: self.buf,
            spans: self.spans.get(at..).unwrap_or(&[]),
        }
    }

    /// The first `n` arguments, or all if there are fewer.
    #[inline]
    pub fn first(&self, n: usize) -> Args<'a> {
        Args {
            buf: self.buf,
            spans: self.spans.get(..n).unwrap_or(self.spans),
        }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + use<'a> {
        let buf = self.buf;
        self.spans
            .iter()
            .map(move |s| &buf[s.start..s.start + s.len])
    }

    /// Whether argument `at` is this word, whatever its case.
    #[inline]
    pub fn is(&self, at: usize, word: &str) -> bool {
        self.get(at)
            .is_some_and(|a| a.eq_ignore_ascii_case(word.as_bytes()))
    }

    pub fn to_vec(&self) -> Vec<&'a [u8]> {
        self.iter().collect()
    }

    /// A copy that owns its bytes: for MULTI's queue, for blocked clients.
    pub fn to_owned(&self) -> OwnedArgs {
        OwnedArgs::from_iter(self.iter())
    }

    /// Total bytes of the arguments.
    pub fn bytes(&self) -> usize {
        self.spans.iter().map(|s| s.len).sum()
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];
    #[inline]
    fn index(&self, at: usize) -> &[u8] {
        self.at(at)
    }
}

/// Arguments in two allocations of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedArgs {
    buf: Vec<u8>,
    spans: Vec<Span>,
}

impl OwnedArgs {
    pub fn new() -> OwnedArgs {
        OwnedArgs::default()
    }

    pub fn push(&mut self, arg: &[u8]) {
        self.spans.push(Span {
            start: self.buf.len(),
            len: arg.len(),
        });
        self.buf.extend_from_slice(arg);
    }

    pub fn args(&self) -> Args<'_> {
        Args::new(&self.buf, &self.spans)
    }

    /// Bytes held, for memory accounting.
    pub fn memory_bytes(&self) -> usize {
        self.buf.capacity() + self.spans.capacity() * size_of::<Span>()
    }
}

impl<'b> FromIterator<&'b [u8]> for OwnedArgs {
    fn from_iter<I: IntoIterator<Item = &'b [u8]>>(args: I) -> OwnedArgs {
        let mut out = OwnedArgs::new();
        for a in args {
            out.push(a);
        }
        out.buf.shrink_to_fit();
        out.spans.shrink_to_fit();
        out
    }
}
