//! The arguments of a command: slices of the buffer they arrived in. Large arguments may be outside
//! of the buffer, each in a block of its own ([`LargeArgs`]); readers see no difference.

use std::ops::Index;

use russet_base::memory::alloc;
use russet_base::memory::large::LargeText;

/// The place of an argument in its buffer, or its index among the arguments in blocks of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte's place in the buffer; for an argument in a block of its own see
    /// [`LargeArgs`].
    pub start: usize,
    /// Bytes.
    pub len: usize,
}

/// Starts from here on are indices into [`LargeArgs`]: no buffer is that long.
const APART: usize = 1 << (usize::BITS - 1);

impl Span {
    fn apart(number: usize, len: usize) -> Span {
        let start = APART + number;
        Span { start, len }
    }

    fn is_apart(self) -> bool {
        self.start >= APART
    }

    /// The span after the first `bytes` of the buffer have been removed.
    pub fn back_by(self, bytes: usize) -> Span {
        if self.is_apart() {
            return self;
        }
        let start = self.start - bytes;
        Span { start, ..self }
    }
}

/// The large arguments of a command. All but the last are complete.
#[derive(Debug, Default)]
pub struct LargeArgs {
    all: Vec<LargeText>,
    /// Bytes of all but the last, and the memory they take.
    earlier_bytes: usize,
    earlier_memory: usize,
}

impl LargeArgs {
    /// Adds an argument.
    pub fn push(&mut self, large: LargeText) {
        if let Some(last) = self.all.last() {
            assert!(last.is_whole());
            self.earlier_bytes += last.len();
            self.earlier_memory += last.memory_bytes();
        }
        self.all.push(large);
    }

    /// The last argument.
    pub fn last_mut(&mut self) -> Option<&mut LargeText> {
        self.all.last_mut()
    }

    /// The span of the last argument, if it is complete.
    pub fn last_whole(&self) -> Option<Span> {
        let last = self.all.last().filter(|large| large.is_whole())?;
        Some(Span::apart(self.all.len() - 1, last.len()))
    }

    /// Bytes received.
    pub fn bytes(&self) -> usize {
        self.earlier_bytes + self.all.last().map_or(0, |large| large.len())
    }

    /// Bytes held, for memory accounting.
    pub fn memory_bytes(&self) -> usize {
        let last = self.all.last().map_or(0, LargeText::memory_bytes);
        self.earlier_memory + last + alloc::vec_bytes(&self.all)
    }

    /// Additional bytes once everything announced has arrived.
    pub fn growth_bytes(&self) -> usize {
        self.all.last().map_or(0, LargeText::growth_bytes)
    }
}

/// The bytes that spans refer to: a buffer, and the large arguments outside of it.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    buf: &'a [u8],
    apart: Option<&'a LargeArgs>,
}

impl<'a> Source<'a> {
    /// `apart`: the large arguments of the command, if it may have some.
    pub fn new(buf: &'a [u8], apart: Option<&'a LargeArgs>) -> Source<'a> {
        Source { buf, apart }
    }

    /// The bytes of a span.
    #[inline]
    pub fn text(self, span: Span) -> &'a [u8] {
        // The bounds check of slicing also detects large arguments.
        match self.buf.get(span.start..span.start + span.len) {
            Some(text) => text,
            None => self.large(span).expect("spans lie inside their source"),
        }
    }

    #[cold]
    #[inline(never)]
    fn large(self, span: Span) -> Option<&'a LargeText> {
        self.apart?.all.get(span.start.checked_sub(APART)?)
    }
}

/// A command's arguments, its name first. Copying it copies a few words.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    source: Source<'a>,
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Every span must lie inside `buf`.
    pub fn new(buf: &'a [u8], spans: &'a [Span]) -> Args<'a> {
        Args::of(Source::new(buf, None), spans)
    }

    /// Every span must lie inside `source`.
    #[inline]
    pub fn of(source: Source<'a>, spans: &'a [Span]) -> Args<'a> {
        Args { source, spans }
    }

    /// Argument `at`, if it has a block of its own, which the caller may take over.
    #[inline]
    pub fn large(&self, at: usize) -> Option<&'a LargeText> {
        let span = self.spans[at];
        if span.is_apart() {
            self.source.large(span)
        } else {
            None
        }
    }

    /// Number of arguments, the name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is not even a name.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Argument `at`, 0 being the name; `None` past the last argument.
    #[inline]
    pub fn get(&self, at: usize) -> Option<&'a [u8]> {
        self.spans.get(at).map(|&s| self.source.text(s))
    }

    /// Like indexing, but the slice lives as long as the buffer.
    #[inline]
    pub fn at(&self, at: usize) -> &'a [u8] {
        self.source.text(self.spans[at])
    }

    /// All arguments as an array; the arity was checked by dispatch.
    #[inline(always)]
    pub fn exactly<const N: usize>(&self) -> [&'a [u8]; N] {
        assert_eq!(self.spans.len(), N, "arity checked by dispatch");
        // In a loop: closures of `from_fn` are shared by handlers, and then called.
        let mut all = [&[][..]; N];
        for (at, arg) in all.iter_mut().enumerate() {
            *arg = self.at(at);
        }
        all
    }

    /// The arguments from `at` on.
    #[inline]
    pub fn from(&self, at: usize) -> Args<'a> {
        Args {
            source: self.source,
            spans: self.spans.get(at..).unwrap_or(&[]),
        }
    }

    /// The first `n` arguments, or all if there are fewer.
    #[inline]
    pub fn first(&self, n: usize) -> Args<'a> {
        Args {
            source: self.source,
            spans: self.spans.get(..n).unwrap_or(self.spans),
        }
    }

    /// All arguments, the name first.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + Clone + use<'a> {
        let source = self.source;
        self.spans.iter().map(move |&s| source.text(s))
    }

    /// Whether argument `at` is this word, in any case.
    #[inline]
    pub fn is(&self, at: usize, word: &str) -> bool {
        self.get(at)
            .is_some_and(|a| a.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The arguments as a list, the name first; their bytes are not copied.
    pub fn to_vec(self) -> Vec<&'a [u8]> {
        self.iter().collect()
    }

    /// A copy that owns its bytes, for the MULTI queue and blocked clients.
    pub fn to_owned(self) -> OwnedArgs {
        let mut out = OwnedArgs {
            buf: Vec::with_capacity(self.bytes()),
            spans: Vec::with_capacity(self.len()),
            apart: None,
        };
        self.iter().for_each(|arg| out.push(arg));
        out
    }

    /// As [`Args::to_owned`], but large arguments outside of the buffer are shared with their
    /// readers, not copied.
    pub fn to_shared(self) -> OwnedArgs {
        let mut out = OwnedArgs::new();
        for at in 0..self.len() {
            match self.large(at) {
                Some(large) => out.push_large(large.share()),
                None => out.push(self.at(at)),
            }
        }
        out
    }

    /// Total bytes of the arguments.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.spans.iter().map(|s| s.len).sum()
    }

    /// At least [`Args::bytes`], and about that if all arguments are of the same request; any
    /// number if some are outside of the buffer. O(1).
    #[inline]
    pub fn bytes_most(&self) -> usize {
        match self.spans {
            // The arguments lie in their order.
            [first, .., last] if self.source.apart.is_none() => {
                (last.start + last.len).saturating_sub(first.start)
            }
            [only] => only.len,
            [] => 0,
            _ => usize::MAX / 2,
        }
    }

    /// The bytes of the request on the wire, as an array of bulk strings.
    pub fn wire_bytes(&self) -> usize {
        let line = |n: usize| 3 + n.checked_ilog10().unwrap_or(0) as usize + 1;
        let argument = |span: &Span| line(span.len) + span.len + 2;
        line(self.len()) + self.spans.iter().map(argument).sum::<usize>()
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];
    #[inline]
    fn index(&self, at: usize) -> &[u8] {
        self.at(at)
    }
}

/// Arguments in two allocations of their own; large ones may be shared ([`Args::to_shared`]).
#[derive(Debug, Default)]
pub struct OwnedArgs {
    buf: Vec<u8>,
    spans: Vec<Span>,
    apart: Option<Box<LargeArgs>>,
}

impl Clone for OwnedArgs {
    fn clone(&self) -> OwnedArgs {
        self.args().to_owned()
    }
}

impl PartialEq for OwnedArgs {
    fn eq(&self, other: &OwnedArgs) -> bool {
        self.args().iter().eq(other.args().iter())
    }
}

impl Eq for OwnedArgs {}

impl OwnedArgs {
    /// No arguments: the first argument pushed is the name.
    pub fn new() -> OwnedArgs {
        OwnedArgs::default()
    }

    /// Appends a copy of an argument.
    #[inline]
    pub fn push(&mut self, arg: &[u8]) {
        self.spans.push(Span {
            start: self.buf.len(),
            len: arg.len(),
        });
        self.buf.extend_from_slice(arg);
    }

    /// Appends an argument in a block of its own, which is whole.
    fn push_large(&mut self, large: LargeText) {
        let apart = self.apart.get_or_insert_default();
        apart.push(large);
        let span = apart.last_whole();
        self.spans.push(span.expect("only whole ones are shared"));
    }

    /// The arguments, as handlers take them.
    #[inline]
    pub fn args(&self) -> Args<'_> {
        Args::of(Source::new(&self.buf, self.apart.as_deref()), &self.spans)
    }

    /// Bytes held, for memory accounting.
    pub fn memory_bytes(&self) -> usize {
        alloc::vec_bytes(&self.buf) + alloc::vec_bytes(&self.spans) + self.large_bytes()
    }

    /// Bytes of large arguments in blocks of their own.
    pub fn large_bytes(&self) -> usize {
        self.apart.as_ref().map_or(0, |apart| apart.memory_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_arguments_are_shared() {
        let text = vec![b'x'; 100_000];
        let mut apart = LargeArgs::default();
        apart.push(LargeText::begin(text.len(), &text));
        let span = apart.last_whole().expect("whole");
        let spans = [Span { start: 0, len: 3 }, span];
        let args = Args::of(Source::new(b"SET", Some(&apart)), &spans);
        let shared = args.to_shared();
        let at = args.at(1).as_ptr();
        drop(apart);
        assert_eq!(shared.args().at(0), b"SET");
        assert!(shared.args().at(1) == text && shared.args().at(1).as_ptr() == at);
        assert!(shared.large_bytes() >= text.len() && shared.clone() == shared);
    }

    #[test]
    fn a_request_has_the_bytes_of_its_form() {
        for (words, wire) in [
            (&["GET", "foo"][..], "*2\r\n$3\r\nGET\r\n$3\r\nfoo\r\n"),
            (
                &["SET", "a", ""],
                "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n",
            ),
            (
                &["ECHO", "0123456789"],
                "*2\r\n$4\r\nECHO\r\n$10\r\n0123456789\r\n",
            ),
        ] {
            let mut args = OwnedArgs::new();
            words.iter().for_each(|word| args.push(word.as_bytes()));
            assert_eq!(args.args().wire_bytes(), wire.len());
        }
    }
}
