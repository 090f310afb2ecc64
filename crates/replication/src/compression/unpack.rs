//! Decompression, as the bytes come.
//!
//!     Unknown -> Plain                                bytes pass through
//!             -> Header -> Blocks -> Sum? -> End      Sum and End only in a snapshot
//!
//!     output: | window: 64 KiB | given out | still to be given out | free |
//!
//! Invariants
//!   1. A block is decompressed only when all of it is there and all earlier output was given out.
//!   2. After damage nothing is given out but what was decompressed before it.
//!
//! Cost: each byte is copied once into `input` and once out of `output`; memory is the
//! input not taken yet, and the window, `SLACK_BYTES` and one block of output from the first block
//! on.

use std::io::{self, ErrorKind};

use lz4_flex::block::decompress_into_with_dict;
use xxhash_rust::xxh32::Xxh32;

use super::{
    ENVELOPE_BYTES, FLAG_BLOCK_SUM, FLAG_CONTENT_SIZE, FLAG_CONTENT_SUM, FLAG_INDEPENDENT,
    FLAGS_VERSION, FRAME_MAGIC, Kind, LZ4, MAGIC, STORED, VERSION, WINDOW_BYTES, header_sum, sum,
};
use russet_net::Unpack;

/// Decompressed bytes are moved to the front once there are this many before the window.
const SLACK_BYTES: usize = 128 * 1024;
/// Input that was taken is moved away once there is this much of it.
const TAKEN_MAX: usize = 64 * 1024;

/// The damage of compressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Another version, codec or kind than is expected.
    #[error("it is compressed in an unknown way")]
    Envelope,
    /// A header of LZ4's that is malformed, or has flags that are not known.
    #[error("the header of its frame is wrong")]
    Header,
    /// A block whose length is above that of its frame.
    #[error("a block is longer than its frame permits")]
    Length,
    /// Bytes of a block that are no LZ4.
    #[error("a block cannot be decompressed")]
    Block,
    /// A checksum that differs from the checksum of the bytes: the header's, a block's or the
    /// content's.
    #[error("a checksum is wrong")]
    Checksum,
    /// The link has ended inside the frame.
    #[error("its frame ends too early")]
    Short,
    /// An end in a stream, which has none.
    #[error("its frame ends, but the stream has no end")]
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnpackStage {
    /// It is not known whether it is compressed.
    Unknown,
    /// It is not.
    Plain,
    Header,
    Blocks,
    /// The checksum of the content follows.
    Sum,
    End,
}

/// The frame's properties.
#[derive(Debug, Default)]
struct Frame {
    block_max: usize,
    is_independent: bool,
    has_block_sums: bool,
}

/// The checksum of what was decompressed so far.
struct ContentSum(Box<Xxh32>);

impl std::fmt::Debug for ContentSum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0.digest())
    }
}

/// See the module above. Bytes that are not compressed pass through as they are: the first bytes
/// decide, as neither a snapshot nor a request begins like an envelope.
#[derive(Debug)]
pub struct Unpacker {
    kind: Kind,
    stage: UnpackStage,
    frame: Frame,
    content_sum: Option<ContentSum>,
    /// The received bytes; the bytes before `at` are taken.
    input: Vec<u8>,
    at: usize,
    /// The last decompressed bytes, `len` of them: the window for the next block. The bytes from
    /// `given` on are still to be given out.
    output: Vec<u8>,
    len: usize,
    given: usize,
    /// The first damage: nothing is given out after it.
    damage: Option<Damage>,
}

impl Unpacker {
    /// For a link whose envelope, if any, has this kind.
    pub fn new(kind: Kind) -> Unpacker {
        Unpacker {
            kind,
            stage: UnpackStage::Unknown,
            frame: Frame::default(),
            content_sum: None,
            input: Vec::new(),
            at: 0,
            output: Vec::new(),
            len: 0,
            given: 0,
            damage: None,
        }
    }

    /// Takes bytes of the link.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at == self.input.len() || self.at >= TAKEN_MAX {
            self.input.drain(..self.at);
            self.at = 0;
        }
        self.input.extend_from_slice(bytes);
    }

    /// Whether nothing is held that could be given out: if not, [`Unpacker::pull`] may give nothing
    /// all the same.
    pub fn is_drained(&self) -> bool {
        self.given == self.len && self.at == self.input.len() && self.damage.is_none()
    }

    /// Whether it is known that nothing is compressed.
    pub fn is_plain(&self) -> bool {
        self.stage == UnpackStage::Plain && self.is_drained()
    }

    /// Whether an envelope has been taken.
    #[cfg(test)]
    pub fn is_compressed(&self) -> bool {
        !matches!(self.stage, UnpackStage::Unknown | UnpackStage::Plain)
    }

    /// Memory, bytes.
    #[cfg(test)]
    pub fn memory_bytes(&self) -> usize {
        self.input.capacity() + self.output.capacity()
    }

    /// Gives out as many bytes as there are and fit; 0: more must come. Decompresses at most one
    /// block beyond `into`.
    pub fn pull(&mut self, into: &mut [u8]) -> Result<usize, Damage> {
        let mut n = 0;
        while n < into.len() {
            let given = self.give(&mut into[n..]);
            n += given;
            if given > 0 {
                continue;
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => break,
                // Bytes before the damage are given out first.
                Err(_) if n > 0 => break,
                Err(damage) => return Err(damage),
            }
        }
        Ok(n)
    }

    /// As [`Unpacker::pull`]: appends everything.
    pub fn pull_all(&mut self, into: &mut Vec<u8>) -> Result<(), Damage> {
        loop {
            if self.given < self.len {
                into.extend_from_slice(&self.output[self.given..self.len]);
                self.given = self.len;
            }
            if self.stage == UnpackStage::Plain {
                into.extend_from_slice(&self.input[self.at..]);
                self.at = self.input.len();
            }
            if !self.advance()? {
                return Ok(());
            }
        }
    }

    /// Nothing more comes: appends bytes too few to be recognized. Error: the frame has not ended.
    pub fn finish(&mut self, into: &mut Vec<u8>) -> Result<(), Damage> {
        match self.stage {
            UnpackStage::Unknown => {
                into.extend_from_slice(&self.input[self.at..]);
                self.at = self.input.len();
                Ok(())
            }
            UnpackStage::Plain | UnpackStage::End => Ok(()),
            UnpackStage::Header | UnpackStage::Blocks | UnpackStage::Sum => Err(Damage::Short),
        }
    }

    fn give(&mut self, into: &mut [u8]) -> usize {
        let from = match self.stage {
            UnpackStage::Plain => &self.input[self.at..],
            _ => &self.output[self.given..self.len],
        };
        let n = from.len().min(into.len());
        into[..n].copy_from_slice(&from[..n]);
        match self.stage {
            UnpackStage::Plain => self.at += n,
            _ => self.given += n,
        }
        n
    }

    fn waiting(&self) -> &[u8] {
        &self.input[self.at..]
    }

    /// A step: `false` if more must come first.
    fn advance(&mut self) -> Result<bool, Damage> {
        if let Some(damage) = self.damage {
            return Err(damage);
        }
        let went = self.step();
        self.damage = went.err();
        went
    }

    fn step(&mut self) -> Result<bool, Damage> {
        match self.stage {
            UnpackStage::Unknown => self.classify(),
            UnpackStage::Plain => Ok(false),
            UnpackStage::Header => self.take_header(),
            UnpackStage::Blocks => self.take_block(),
            UnpackStage::Sum => self.take_sum(),
            UnpackStage::End => {
                // As after the end of a plain snapshot.
                self.at = self.input.len();
                Ok(false)
            }
        }
    }

    fn classify(&mut self) -> Result<bool, Damage> {
        // All of the output was given out.
        (self.len, self.given) = (0, 0);
        let waiting = &self.input[self.at..];
        // Newlines keep a link alive, and stand for bytes that replicas do not get.
        let newlines = waiting.iter().take_while(|&&byte| byte == b'\n').count();
        if self.kind == Kind::Stream && newlines > 0 {
            self.output.clear();
            self.output.resize(newlines, b'\n');
            self.len = newlines;
            self.at += newlines;
            return Ok(true);
        }
        let begin = &waiting[..waiting.len().min(MAGIC.len())];
        if !MAGIC.starts_with(begin) {
            self.output = Vec::new();
            self.stage = UnpackStage::Plain;
            return Ok(true);
        }
        let Some(envelope) = waiting.get(..ENVELOPE_BYTES) else {
            return Ok(false);
        };
        if envelope[MAGIC.len()..] != [VERSION, LZ4, 0, self.kind.byte()] {
            return Err(Damage::Envelope);
        }
        self.at += ENVELOPE_BYTES;
        self.stage = UnpackStage::Header;
        Ok(true)
    }

    fn take_header(&mut self) -> Result<bool, Damage> {
        let waiting = self.waiting();
        let begin = &waiting[..waiting.len().min(FRAME_MAGIC.len())];
        if !FRAME_MAGIC.starts_with(begin) {
            return Err(Damage::Header);
        }
        let Some(&flags) = waiting.get(FRAME_MAGIC.len()) else {
            return Ok(false);
        };
        const KNOWN: u8 = FLAG_INDEPENDENT | FLAG_BLOCK_SUM | FLAG_CONTENT_SIZE | FLAG_CONTENT_SUM;
        if flags & !KNOWN != FLAGS_VERSION {
            return Err(Damage::Header);
        }
        let has_size = flags & FLAG_CONTENT_SIZE != 0;
        let end = FRAME_MAGIC.len() + if has_size { 2 + 8 } else { 2 };
        let Some(&stated) = waiting.get(end) else {
            return Ok(false);
        };
        let header = &waiting[FRAME_MAGIC.len()..end];
        if header_sum(header) != stated {
            return Err(Damage::Checksum);
        }
        let block_max = match header[1] {
            0x40 => 64 << 10,
            0x50 => 256 << 10,
            0x60 => 1 << 20,
            0x70 => 4 << 20,
            _ => return Err(Damage::Header),
        };
        self.frame = Frame {
            block_max,
            is_independent: flags & FLAG_INDEPENDENT != 0,
            has_block_sums: flags & FLAG_BLOCK_SUM != 0,
        };
        let has_sum = flags & FLAG_CONTENT_SUM != 0;
        self.content_sum = has_sum.then(|| ContentSum(Box::new(Xxh32::new(0))));
        self.at += end + 1;
        self.stage = UnpackStage::Blocks;
        Ok(true)
    }

    fn take_block(&mut self) -> Result<bool, Damage> {
        let Some((word, rest)) = self.waiting().split_first_chunk::<4>() else {
            return Ok(false);
        };
        let word = u32::from_le_bytes(*word);
        let length = (word & !STORED) as usize;
        if word == 0 {
            self.at += 4;
            self.stage = match (self.kind, self.content_sum.is_some()) {
                (Kind::Stream, _) => return Err(Damage::Ended),
                (Kind::Snapshot, true) => UnpackStage::Sum,
                (Kind::Snapshot, false) => UnpackStage::End,
            };
            return Ok(true);
        }
        if length > self.frame.block_max {
            return Err(Damage::Length);
        }
        let whole = length + if self.frame.has_block_sums { 4 } else { 0 };
        if rest.len() < whole {
            return Ok(false);
        }
        let begin = self.at + 4;
        self.at = begin + whole;
        // All of it was given out: what stays is the window.
        let window = if self.frame.is_independent {
            0
        } else {
            self.len.min(WINDOW_BYTES)
        };
        if self.len > window + SLACK_BYTES || window == 0 {
            self.output.copy_within(self.len - window..self.len, 0);
            self.len = window;
        }
        let room = self.len + self.frame.block_max;
        if self.output.len() < room {
            // Once, or twice: the window grows to its size.
            let room = WINDOW_BYTES + SLACK_BYTES + self.frame.block_max;
            self.output.resize(room, 0);
        }
        let (bytes, sums) = self.input[begin..self.at].split_at(length);
        if let Some(stated) = sums.first_chunk::<4>()
            && sum(bytes) != u32::from_le_bytes(*stated)
        {
            return Err(Damage::Checksum);
        }
        let (before, free) = self.output.split_at_mut(self.len);
        let free = &mut free[..self.frame.block_max];
        let made = if word & STORED != 0 {
            free[..length].copy_from_slice(bytes);
            length
        } else {
            let window = &before[before.len() - window..];
            let made = decompress_into_with_dict(bytes, free, window);
            made.map_err(|_| Damage::Block)?
        };
        if let Some(sum) = &mut self.content_sum {
            sum.0.update(&free[..made]);
        }
        self.given = self.len;
        self.len += made;
        Ok(true)
    }

    fn take_sum(&mut self) -> Result<bool, Damage> {
        let Some(stated) = self.waiting().first_chunk::<4>() else {
            return Ok(false);
        };
        let stated = u32::from_le_bytes(*stated);
        let sum = self.content_sum.take().map(|sum| sum.0.digest());
        if sum != Some(stated) {
            return Err(Damage::Checksum);
        }
        self.at += 4;
        self.stage = UnpackStage::End;
        Ok(true)
    }
}

impl Unpack for Unpacker {
    fn push(&mut self, bytes: &[u8]) {
        Unpacker::push(self, bytes);
    }

    fn pull(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Unpacker::pull(self, into).map_err(|damage| io::Error::new(ErrorKind::InvalidData, damage))
    }

    fn is_drained(&self) -> bool {
        Unpacker::is_drained(self)
    }
}
