//! A client's input that has not been executed yet.
//!
//! Invariants
//!   1. `buf[start..]` begins with a command; bytes before `start` are executed.
//!   2. `pos` and `spans` are relative to `start`, and belong to the first command alone.
//!   3. At most one large argument is in progress: the last of `apart`. The bytes of that argument
//!      come next.
//!
//! Elsewhere: `run::read` decides when and how much is read, and enforces
//! `client-query-buffer-limit`; `execution::batch` parses and runs.

use std::io;

use crate::clients::batch::{Batch, InputRemainder};
use russet_base::memory::alloc;
use russet_base::memory::large::{LARGE_MIN, LargeText};
use russet_net::Stream;
use russet_resp::{Args, LargeArgs, Progress, Source, Span, write_request};

/// Unused capacity that an idle client's buffer keeps.
const SPARE_MAX: usize = 32 * 1024;

/// Received bytes that have not been executed. Empty (and without memory) for a client whose
/// commands arrive whole: such commands never leave the loop's shared buffer. The short beginning
/// of a command returns there with the next read.
///
///     buf    | executed | parsed ...... | not parsed ........... |
///            0        start        start + pos
///
/// An incomplete large argument moves to a block of its own, and further bytes are read straight
/// into it; `buf` continues with the end of its line. A command that did not run is put back whole
/// (`put_first`).
///
/// Cost: executed bytes are removed only when they are half of the buffer, so a byte is moved a few
/// times at most, over however many turns the commands run. The spans of an unfinished command's
/// arguments stay here and are lent to the batch each time more bytes arrive.
#[derive(Debug, Default)]
pub struct Input {
    buf: Vec<u8>,
    start: usize,
    /// Relative to `start`, as are `spans`.
    pos: usize,
    /// Arguments of the unfinished command.
    spans: Vec<Span>,
    progress: Progress,
    /// Large arguments of the unfinished command.
    apart: Option<Box<LargeArgs>>,
    /// The input may contain whole commands: the client was stopped, not short of bytes.
    pub runnable: bool,
}

impl Input {
    /// The bytes to be executed; they begin with a command.
    pub fn waiting(&self) -> &[u8] {
        &self.buf[self.start..]
    }

    /// All bytes that are waiting; `None` if large arguments are stored apart from them.
    pub fn beginning(&self) -> Option<&[u8]> {
        self.apart.is_none().then(|| self.waiting())
    }

    /// Gives the batch the parsed part of an unfinished command, whose bytes were copied to another
    /// buffer; returns where parsing stopped.
    pub fn move_to(&mut self, batch: &mut Batch) -> (usize, Progress) {
        let input = std::mem::take(self);
        batch.spans.extend(input.spans);
        (input.pos, input.progress)
    }

    /// Lends the batch the parsed part of an unfinished command; returns where parsing stopped.
    pub fn lend(&mut self, batch: &mut Batch) -> (usize, Progress) {
        batch.borrow(&mut self.spans, self.apart.take());
        (self.pos, std::mem::take(&mut self.progress))
    }

    /// Takes back the spans and large arguments that were lent; `rest` is how the batch left the
    /// buffer.
    pub fn take_back(&mut self, batch: &mut Batch, rest: InputRemainder) {
        let apart = batch.give_back(&mut self.spans);
        match rest {
            InputRemainder::Nothing | InputRemainder::Closed => self.reset(),
            InputRemainder::Stopped { start } => self.stop_at(start),
            InputRemainder::Partial {
                start,
                pos,
                progress,
                first_span,
            } => {
                if start > 0 {
                    self.spans.drain(..first_span);
                    self.spans.shrink_to_fit();
                    for span in &mut self.spans {
                        *span = span.back_by(start);
                    }
                }
                (self.start, self.pos) = (self.start + start, pos - start);
                (self.progress, self.apart) = (progress, apart);
                let buf = std::mem::take(&mut self.buf);
                let at = self.start + self.pos;
                let moved = self.set_apart(&buf[at..]);
                self.buf = buf;
                if moved > 0 {
                    self.buf.drain(at..at + moved);
                    self.buf.shrink_to_fit();
                }
                self.forget_executed();
            }
            InputRemainder::Postponed { next } => {
                let spans = std::mem::take(&mut self.spans);
                let source = Source::new(self.waiting(), apart.as_deref());
                let first = request(Args::of(source, &spans[..batch.first_len()]));
                self.stop_at(next);
                self.put_in_front(first);
                self.runnable = true;
            }
        }
    }

    /// Everything before `start` is executed, and whole commands may follow.
    fn stop_at(&mut self, start: usize) {
        self.spans = Vec::new();
        (self.start, self.pos) = (self.start + start, 0);
        (self.progress, self.apart) = Default::default();
        self.runnable = true;
        self.forget_executed();
    }

    fn forget_executed(&mut self) {
        if 2 * self.start >= self.buf.len() {
            self.buf = self.buf[self.start..].to_vec();
            self.start = 0;
        }
    }

    /// Keeps the rest of the shared buffer `from`; `rest` is how the batch left it.
    pub fn keep(&mut self, from: &[u8], batch: &Batch, rest: InputRemainder) {
        match rest {
            InputRemainder::Nothing | InputRemainder::Closed => {}
            InputRemainder::Stopped { start } => {
                self.buf.extend_from_slice(&from[start..]);
                self.runnable = true;
            }
            InputRemainder::Partial {
                start,
                pos,
                progress,
                first_span,
            } => {
                self.buf.extend_from_slice(&from[start..pos]);
                self.pos = pos - start;
                let spans = batch.spans_from(first_span);
                self.spans.extend(spans.iter().map(|s| s.back_by(start)));
                self.progress = progress;
                let moved = self.set_apart(&from[pos..]);
                self.buf.extend_from_slice(&from[pos + moved..]);
            }
            InputRemainder::Postponed { .. } => {
                unreachable!("no argument of the shared buffer stands apart")
            }
        }
    }

    /// If the argument in progress is large, moves it to its own block; `come` has the bytes so
    /// far. Returns the number of bytes moved.
    fn set_apart(&mut self, come: &[u8]) -> usize {
        let Some(len) = self.progress.expects().filter(|&len| len >= LARGE_MIN) else {
            return 0;
        };
        let moved = len.min(come.len());
        let large = LargeText::begin(len, &come[..moved]);
        self.apart.get_or_insert_default().push(large);
        self.end_large();
        moved
    }

    /// Ends the large argument in progress if it is complete.
    fn end_large(&mut self) {
        if let Some(span) = self.apart.as_ref().and_then(|apart| apart.last_whole()) {
            self.progress.finish_apart(span);
        }
    }

    /// The large argument in progress, if there is one.
    fn large(&mut self) -> Option<&mut LargeText> {
        let last = self.apart.as_mut()?.last_mut()?;
        (!last.is_whole()).then_some(last)
    }

    /// Whether a large argument is in progress: its bytes come next.
    pub fn fills_large(&mut self) -> bool {
        self.large().is_some()
    }

    /// A read that appends to the kept bytes, using `inbuf`; returns how many bytes came, and
    /// whether there may be more.
    pub fn read(&mut self, from: &mut Stream, inbuf: &mut [u8]) -> io::Result<(usize, bool)> {
        if let Some(large) = self.large() {
            let read = fill(large, from, inbuf)?;
            self.buf.extend_from_slice(&inbuf[..read.behind]);
            self.end_large();
            return Ok((read.bytes, read.more));
        }
        let (n, more) = from.fill(inbuf)?;
        self.buf.extend_from_slice(&inbuf[..n]);
        Ok((n, more))
    }

    /// Adds bytes that were received before the connection became a client's.
    pub fn give(&mut self, mut bytes: Vec<u8>) {
        self.runnable |= !bytes.is_empty();
        if let Some(large) = self.large() {
            let taken = large.take(&bytes);
            bytes.drain(..taken);
            self.end_large();
        }
        self.buf.extend(bytes);
    }

    /// Puts an executed command back in front, to run as if it arrived now.
    pub fn put_first(&mut self, args: Args<'_>) {
        self.put_in_front(request(args));
    }

    fn put_in_front(&mut self, mut first: Vec<u8>) {
        first.extend_from_slice(self.waiting());
        (self.buf, self.start, self.pos) = (first, 0, 0);
        self.spans = Vec::new();
        (self.progress, self.apart) = Default::default();
    }

    /// Frees capacity that has not been needed for a while.
    pub fn shrink(&mut self) {
        if self.buf.capacity() - self.buf.len() > SPARE_MAX {
            self.buf.shrink_to_fit();
        }
        if let Some(large) = self.large() {
            large.shrink();
        }
    }

    /// Bytes received and kept.
    pub fn bytes(&self) -> usize {
        self.waiting().len() + self.apart.as_ref().map_or(0, |apart| apart.bytes())
    }

    /// Bytes received and not parsed, bytes of large arguments included.
    pub fn unparsed_bytes(&self) -> usize {
        self.bytes() - self.pos
    }

    /// Memory of the buffers, bytes.
    pub fn buffer_bytes(&self) -> usize {
        let apart = self.apart.as_ref();
        alloc::vec_bytes(&self.buf) + apart.map_or(0, |apart| apart.memory_bytes())
    }

    /// Bytes that a large argument in progress will still add.
    pub fn growth_bytes(&self) -> usize {
        self.apart.as_ref().map_or(0, |apart| apart.growth_bytes())
    }

    /// Memory of the list of an unfinished command's arguments, bytes.
    pub fn list_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Span>()
    }

    /// Whether an unfinished command has a large argument, complete or not.
    pub fn has_large(&self) -> bool {
        self.apart.is_some()
    }

    /// Everything is executed: frees the memory.
    pub fn reset(&mut self) {
        *self = Input::default();
    }

    pub fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }
}

/// A command in its wire form.
pub fn request(args: Args<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(args.bytes() + 16 * (args.len() + 1));
    write_request(&mut out, args.iter());
    out
}

/// The result of a read into a large argument.
struct FillResult {
    bytes: usize,
    /// Of these bytes, the bytes that follow the argument.
    behind: usize,
    /// There may be more.
    more: bool,
}

/// A single read into a large argument; bytes after its end go to the second buffer.
fn fill(large: &mut LargeText, from: &mut Stream, behind: &mut [u8]) -> io::Result<FillResult> {
    let (mut beyond, mut more) = (0, false);
    let (_, came) = large.fill(|room, ends| {
        let beyond_max = if ends { behind.len() } else { 0 };
        let (here, there, rest) = from.fill_vectored(room, &mut behind[..beyond_max])?;
        (beyond, more) = (there, rest);
        Ok::<_, io::Error>(here)
    })?;
    Ok(FillResult {
        bytes: came + beyond,
        behind: beyond,
        more,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_executed_in_many_turns_is_moved_a_few_times() {
        const LEN: usize = 1 << 20;
        let mut input = Input {
            buf: (0..LEN).map(|i| i as u8).collect(),
            ..Input::default()
        };
        let (mut moves, mut at) = (0, input.buf.as_ptr());
        for executed in (0..LEN).step_by(64) {
            assert_eq!(input.waiting()[0], executed as u8);
            assert_eq!(input.bytes(), LEN - executed);
            assert!(input.buffer_bytes() <= 2 * input.bytes());
            input.stop_at(64);
            moves += usize::from(input.buf.as_ptr() != at);
            at = input.buf.as_ptr();
        }
        assert!(input.is_empty());
        assert!(moves <= 20, "{moves}");
    }

    #[test]
    fn a_command_that_is_put_first_stands_before_the_rest() {
        let mut input = Input {
            buf: b"PING\r\nECHO a\r\n".to_vec(),
            ..Input::default()
        };
        input.stop_at(6);
        let spans = [Span { start: 0, len: 3 }, Span { start: 3, len: 1 }];
        input.put_first(Args::new(b"GETk", &spans));
        let wanted = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nECHO a\r\n";
        assert_eq!(input.waiting(), wanted);
    }
}
