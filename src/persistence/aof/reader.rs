//! Reading one file of an append only file: bytes in slices, annotations verified, and what
//! a fault is: a torn end, which may be cut off, or damage, which stops whoever reads.
//!
//!     |<- dropped ->|<- taken ->|<- unread ->|      buf holds taken and unread
//!     0             at          at + pos
//!
//! A file that ends too early is torn, unless a line of checksum stands behind the fault:
//! a changed length swallows what follows, and the end of the file is then not its fault.
//! Zeros up to the end, which file systems leave after a power failure, are a torn end, too.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::annotation::{Annotation, Checksum, LINE_MAX, holds_checksum};
use crate::base::crc64;
use crate::replication::{Mark, Position, ReplId, ReplOffset};

const CHUNK: usize = 256 * 1024;

/// Why reading stops before the end.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file ends within a command or a transaction; all before `sound` is whole.
    #[error("the file ends inside a command or a transaction; it is sound up to offset {sound}")]
    Torn { sound: u64 },
    #[error("{why} at offset {offset}")]
    Format { offset: u64, why: &'static str },
    /// The bytes between two lines of checksum are not those that were written.
    #[error(
        "the bytes from offset {from} to {to}, written between the Unix times {since_s} and \
         {until_s}, do not have their checksum"
    )]
    Checksum {
        from: u64,
        to: u64,
        since_s: i64,
        until_s: i64,
    },
    /// The bytes from an offset on are damaged, and sound ones follow.
    #[error(
        "the bytes from offset {offset} on, written after the Unix time {since_s}, are damaged: \
         others with a checksum follow them"
    )]
    Damaged { offset: u64, since_s: i64 },
}

/// What the bytes that come next are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A request begins, or may.
    Request,
    /// The file is over.
    End,
    /// What stands from this offset on was done after the time that was asked for.
    Later(u64),
}

/// See the module.
#[derive(Debug)]
pub struct Reader {
    file: File,
    size: u64,
    buf: Vec<u8>,
    pos: usize,
    /// Where `buf` begins in the file.
    at: u64,
    /// Up to where the file is whole.
    sound: u64,
    /// Lines of checksum have been seen.
    checksummed: bool,
    /// The sum of what was dropped from the buffer since the last line of checksum.
    crc: u64,
    /// Where in `buf` the bytes begin that are not in `crc`.
    summed: usize,
    /// Where the last line of checksum ended.
    covered_from: u64,
    /// The time of the last annotation with one.
    time_s: i64,
    stop_after_s: Option<i64>,
    stream: StreamPlace,
    /// The offset of the stream at `sound`.
    sound_stream: ReplOffset,
}

/// Where in the stream a file is read.
#[derive(Clone, Copy, Debug, Default)]
struct StreamPlace {
    /// The history, where a line has told it.
    id: Option<ReplId>,
    offset: ReplOffset,
    /// Bytes to come that are not in the stream.
    extra: u64,
}

impl StreamPlace {
    fn take(&mut self, n: u64) {
        let extra = self.extra.min(n);
        self.extra -= extra;
        self.offset += n - extra;
    }

    fn mark(&mut self, mark: Mark) {
        match mark {
            Mark::Position(Position { id, offset }) => {
                (self.id, self.offset) = (Some(id), offset);
            }
            Mark::ReplicasOnly(len) => self.offset = self.offset.saturating_add(len),
            Mark::NotInStream(len) => self.extra = len,
            Mark::LogOnly(_) => {}
        }
    }
}

impl Reader {
    pub fn open(path: &Path) -> io::Result<Reader> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Reader {
            file,
            size,
            buf: Vec::new(),
            pos: 0,
            at: 0,
            sound: 0,
            checksummed: false,
            crc: 0,
            summed: 0,
            covered_from: 0,
            time_s: 0,
            stop_after_s: None,
            stream: StreamPlace::default(),
            sound_stream: 0,
        })
    }

    /// Goes on behind what another reader has taken, which ends at `offset`.
    pub fn start_at(&mut self, offset: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        (self.at, self.sound, self.covered_from) = (offset, offset, offset);
        Ok(())
    }

    /// The bytes that were read and not taken.
    pub fn unread(&self) -> &[u8] {
        &self.buf[self.pos..]
    }

    /// The offset of the next byte.
    pub fn offset(&self) -> u64 {
        self.at + self.pos as u64
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Up to where the file is known to be whole.
    pub fn sound(&self) -> u64 {
        self.sound
    }

    /// From now on [`Reader::next`] tells where what was done after this Unix second begins.
    pub fn stop_after(&mut self, unix_s: i64) {
        self.stop_after_s = Some(unix_s);
    }

    /// Whether what was read tells when something was done.
    pub fn tells_times(&self) -> bool {
        self.time_s > 0
    }

    /// The file begins at this offset of the stream, as the manifest has it.
    pub fn begin_stream_at(&mut self, offset: ReplOffset) {
        (self.stream.offset, self.sound_stream) = (offset, offset);
    }

    /// The offset of the stream up to where the file is whole, and the history if a line has
    /// told it.
    pub fn stream(&self) -> (Option<ReplId>, ReplOffset) {
        (self.stream.id, self.sound_stream)
    }

    /// Takes `n` bytes of commands.
    pub fn take(&mut self, n: usize) {
        self.pass(n);
        self.stream.take(n as u64);
    }

    fn pass(&mut self, n: usize) {
        self.pos += n;
        debug_assert!(self.pos <= self.buf.len());
    }

    /// All that was taken is whole: no command or transaction is under way.
    pub fn mark_sound(&mut self) {
        self.mark_sound_at(self.offset());
    }

    /// As [`Reader::mark_sound`], for what ends at `offset`: between there and what was taken
    /// are commands alone.
    pub fn mark_sound_at(&mut self, offset: u64) {
        self.sound = offset;
        self.sound_stream = self.stream.offset - (self.offset() - offset);
    }

    /// Reads on. `false`: the file is over.
    pub fn fill(&mut self) -> io::Result<bool> {
        self.sum_to(self.pos);
        self.buf.drain(..self.pos);
        self.at += self.pos as u64;
        (self.pos, self.summed) = (0, 0);
        // What has not come to its end is looked at again from its start: each time twice
        // as much, so that a long command costs no more than its length.
        let have = self.buf.len();
        let want = CHUNK.max(have);
        let read = (&self.file).take(want as u64).read_to_end(&mut self.buf)?;
        Ok(read > 0)
    }

    /// Bytes of the file that were not read.
    pub fn left(&self) -> u64 {
        self.size.saturating_sub(self.at + self.buf.len() as u64)
    }

    fn sum_to(&mut self, end: usize) {
        if self.checksummed && end > self.summed {
            self.crc = crc64::update(self.crc, &self.buf[self.summed..end]);
        }
        self.summed = self.summed.max(end);
    }

    /// Passes annotations, up to the next request. `in_unit`: a transaction is under way.
    pub fn next(&mut self, in_unit: bool) -> Result<Next, Fault> {
        loop {
            match self.unread().first().copied() {
                None if self.fill()? => {}
                None if in_unit => return Err(self.torn()),
                None => return Ok(Next::End),
                Some(b'*') => return Ok(Next::Request),
                Some(b'#') => {
                    // A line of checksum tells the time of what stands before it.
                    let (line, covered) = (self.offset(), self.covered_from);
                    let is_checksum = self.annotation()?;
                    if self.stop_after_s.is_some_and(|limit| self.time_s > limit) {
                        return Ok(Next::Later(if is_checksum { covered } else { line }));
                    }
                    if !in_unit {
                        self.mark_sound();
                    }
                }
                Some(0) => return Err(self.zeros()?),
                Some(_) => return Err(self.malformed("no command begins")),
            }
        }
    }

    /// Takes an annotation, and verifies it if it is a checksum; whether it is.
    fn annotation(&mut self) -> Result<bool, Fault> {
        let len = loop {
            let line = &self.unread()[..self.unread().len().min(LINE_MAX)];
            match memchr::memchr(b'\n', line) {
                Some(end) => break end + 1,
                None if line.len() == LINE_MAX => {
                    return Err(self.malformed("a line without an end"));
                }
                None if self.fill()? => {}
                None => return Err(self.torn()),
            }
        };
        let annotation = Annotation::parse(&self.unread()[..len]);
        match annotation {
            Annotation::Time(unix_s) => self.time_s = unix_s,
            Annotation::Stream(mark) => self.stream.mark(mark),
            Annotation::Foreign => {}
            Annotation::Damaged => return Err(self.malformed("a damaged annotation")),
            Annotation::Checksum(line) => self.verify(line)?,
        }
        self.pass(len);
        let is_checksum = matches!(annotation, Annotation::Checksum(_));
        if is_checksum {
            (self.covered_from, self.summed) = (self.offset(), self.pos);
        }
        Ok(is_checksum)
    }

    fn verify(&mut self, line: Checksum) -> Result<(), Fault> {
        let offset = self.offset();
        let mismatch = Fault::Checksum {
            from: self.covered_from,
            to: offset,
            since_s: self.time_s,
            until_s: line.unix_s,
        };
        if line.offset != offset {
            return Err(mismatch);
        }
        if let Some(crc) = line.crc {
            self.checksummed = true;
            self.sum_to(self.pos + line.covered);
            if self.crc != crc {
                return Err(mismatch);
            }
        }
        self.checksummed = true;
        self.crc = 0;
        self.time_s = line.unix_s;
        Ok(())
    }

    /// The file ends too early, or something in it says that it should be longer.
    pub fn torn(&mut self) -> Fault {
        let sound = self.sound;
        match self.checksum_behind(sound) {
            Ok(false) => Fault::Torn { sound },
            Ok(true) => Fault::Damaged {
                offset: sound,
                since_s: self.time_s,
            },
            Err(error) => Fault::Io(error),
        }
    }

    /// The next bytes are nothing that belongs here.
    pub fn malformed(&self, why: &'static str) -> Fault {
        let offset = self.offset();
        Fault::Format { offset, why }
    }

    /// A zero byte stands where a command should begin.
    fn zeros(&mut self) -> Result<Fault, Fault> {
        let malformed = self.malformed("no command begins");
        loop {
            if self.unread().iter().any(|&b| b != 0) {
                return Ok(malformed);
            }
            self.pass(self.unread().len());
            if !self.fill()? {
                return Ok(self.torn());
            }
        }
    }

    /// Whether a line of checksum stands behind `offset`, in a file that has such lines.
    fn checksum_behind(&mut self, offset: u64) -> io::Result<bool> {
        if !self.checksummed {
            return Ok(false);
        }
        self.file.seek(SeekFrom::Start(offset))?;
        let (mut buf, mut at) = (Vec::new(), offset);
        loop {
            let read = (&self.file).take(CHUNK as u64).read_to_end(&mut buf)?;
            if holds_checksum(&buf, at) {
                return Ok(true);
            }
            if read == 0 {
                return Ok(false);
            }
            let done = buf.len().saturating_sub(LINE_MAX);
            buf.drain(..done);
            at += done as u64;
        }
    }
}
