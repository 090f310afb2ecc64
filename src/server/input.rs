//! What a client has sent and is not executed yet.

use std::io::{self, Read};

use crate::base::large::{LARGE_MIN, Large};
use crate::net::Stream;
use crate::resp::{Apart, Args, Progress, Span};

/// Unused room that an idle client's buffer keeps.
const SPARE_MAX: usize = 32 * 1024;

/// Bytes that have come and are not executed yet. Empty (and without memory) for a client
/// whose commands arrive whole: those never leave the loop's shared buffer.
///
/// A large argument whose end has not come moves to a block of its own and is read straight
/// into it; `buf` goes on behind it with the end of its line. A command that did not run
/// stands in one piece again (`put_first`).
#[derive(Debug, Default)]
pub struct Input {
    pub buf: Vec<u8>,
    /// Everything before this is parsed.
    pub pos: usize,
    /// Arguments of the command that has begun.
    pub spans: Vec<Span>,
    pub progress: Progress,
    /// Large arguments of the command that has begun.
    pub apart: Option<Box<Apart>>,
    /// Whole commands may stand here: the client was stopped, not short of bytes.
    pub runnable: bool,
}

impl Input {
    /// Keeps what is left of `from`, whose incomplete last command starts at `start` and
    /// has been parsed up to `pos` into `spans` and `progress`.
    pub fn keep(&mut self, from: &[u8], start: usize, pos: usize, spans: &[Span], p: Progress) {
        self.buf.clear();
        self.buf.extend_from_slice(&from[start..pos]);
        self.pos = pos - start;
        self.spans.clear();
        self.spans.extend(spans.iter().map(|s| s.back_by(start)));
        self.progress = p;
        self.apart = None;
        self.runnable = false;
        let moved = self.set_apart(&from[pos..]);
        self.buf.extend_from_slice(&from[pos + moved..]);
    }

    /// Keeps `buf`, which begins with an incomplete command, as it is: see [`Input::keep`].
    pub fn keep_whole(
        &mut self,
        buf: Vec<u8>,
        pos: usize,
        spans: &[Span],
        p: Progress,
        apart: Option<Box<Apart>>,
    ) {
        (self.buf, self.pos, self.progress, self.apart) = (buf, pos, p, apart);
        self.spans.clear();
        self.spans.extend_from_slice(spans);
        let buf = std::mem::take(&mut self.buf);
        let moved = self.set_apart(&buf[pos..]);
        self.buf = buf;
        if moved > 0 {
            self.buf.drain(pos..pos + moved);
            self.buf.shrink_to_fit();
        }
    }

    /// Gives the argument in progress, of which `come` has come, a block of its own if it is
    /// large; how many bytes moved there.
    fn set_apart(&mut self, come: &[u8]) -> usize {
        let Some(len) = self.progress.expects().filter(|&len| len >= LARGE_MIN) else {
            return 0;
        };
        let moved = len.min(come.len());
        let large = Large::begin(len, &come[..moved]);
        self.apart.get_or_insert_default().push(large);
        self.end_large();
        moved
    }

    /// The large argument in progress may have come to its end.
    fn end_large(&mut self) {
        if let Some(span) = self.apart.as_ref().and_then(|apart| apart.last_whole()) {
            self.progress.came_apart(span);
        }
    }

    /// The large argument in progress.
    fn large(&mut self) -> Option<&mut Large> {
        let last = self.apart.as_mut()?.last_mut()?;
        (!last.is_whole()).then_some(last)
    }

    /// Whether a large argument is in progress: its bytes come next.
    pub fn fills_large(&mut self) -> bool {
        self.large().is_some()
    }

    /// One read behind what is kept, with the help of `inbuf`; how many bytes came, and whether
    /// they were all that was asked for.
    pub fn read(&mut self, from: &mut Stream, inbuf: &mut [u8]) -> io::Result<(usize, bool)> {
        if let Some(large) = self.large() {
            let read = fill(large, from, inbuf)?;
            self.buf.extend_from_slice(&inbuf[..read.behind]);
            self.end_large();
            return Ok((read.bytes, read.full));
        }
        let n = from.read(inbuf)?;
        self.buf.extend_from_slice(&inbuf[..n]);
        Ok((n, n == inbuf.len()))
    }

    /// Puts a command that was executed in front again: it is to run as if it came now.
    pub fn put_first(&mut self, args: Args<'_>) {
        let mut first = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args.iter() {
            first.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            first.extend_from_slice(arg);
            first.extend_from_slice(b"\r\n");
        }
        first.append(&mut self.buf);
        (self.buf, self.pos) = (first, 0);
        self.spans.clear();
        self.progress = Progress::default();
        self.apart = None;
    }

    /// Gives room back that has not been needed for a while.
    pub fn shrink(&mut self) {
        if self.buf.capacity() - self.buf.len() > SPARE_MAX {
            self.buf.shrink_to_fit();
        }
        if let Some(large) = self.large() {
            large.shrink();
        }
    }

    /// Bytes that have come and are kept.
    pub fn bytes(&self) -> usize {
        self.buf.len() + self.apart.as_ref().map_or(0, |apart| apart.bytes())
    }

    /// All is executed: gives the memory back.
    pub fn reset(&mut self) {
        *self = Input::default();
    }

    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }
}

/// What a read into a large argument brought.
struct Filled {
    bytes: usize,
    /// Those among them that stand behind the argument.
    behind: usize,
    /// All that was asked for came: there may be more.
    full: bool,
}

/// One read into a large argument; what stands behind its end goes to `behind`.
fn fill(large: &mut Large, from: &mut Stream, behind: &mut [u8]) -> io::Result<Filled> {
    let (mut beyond, mut beyond_max) = (0, 0);
    let (room, came) = large.fill(|room, ends| {
        beyond_max = if ends { behind.len() } else { 0 };
        let (here, there) = from.read_vectored(room, &mut behind[..beyond_max])?;
        beyond = there;
        Ok::<_, io::Error>(here)
    })?;
    let bytes = came + beyond;
    Ok(Filled {
        bytes,
        behind: beyond,
        full: bytes == room + beyond_max,
    })
}
