//! Reading one file of an append only file: bytes in slices, annotations verified. A fault is
//! either a torn end, which may be cut off, or damage, which stops the reader.
//!
//!     |<- dropped ->|<- taken ->|<- unread ->|      buf holds taken and unread
//!     0             at          at + pos
//!
//! A file that ends too early is torn, unless a checksum line follows the fault: a corrupt length
//! swallows the bytes after it, and then the end of the file is not the fault. Zeros up to the end,
//! which file systems leave after a power failure, are a torn end, too.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::annotation::{Annotation, AsideLine, Checksum, LINE_MAX, holds_checksum};
use russet_base::hashing::crc64;
use russet_replication::{Mark, Position, ReplId, ReplOffset};

const CHUNK: usize = 256 * 1024;
/// Histories before the last that are remembered.
const EARLIER_MAX: usize = 64;

/// Why reading stops before the end.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system's error when the file was read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file ends within a command or a transaction; everything before `sound` is whole.
    #[error("the file ends inside a command or a transaction; it is sound up to offset {sound}")]
    Torn {
        /// The offset up to which it is whole.
        sound: u64,
    },
    /// The bytes are no command, and no annotation that is ours and whole.
    #[error("{why} at offset {offset}")]
    Format {
        /// The offset of the first byte that is not understood.
        offset: u64,
        /// The fault, in words.
        why: &'static str,
    },
    /// The bytes between two checksum lines are not the bytes that were written.
    #[error(
        "the bytes from offset {from} to {to}, written between the Unix times {since_s} and \
         {until_s}, do not have their checksum"
    )]
    Checksum {
        /// The offset at which the checksummed bytes begin.
        from: u64,
        /// The offset at which they end.
        to: u64,
        /// The Unix second of the checksum line before them.
        since_s: i64,
        /// The Unix second of the checksum line after them.
        until_s: i64,
    },
    /// The bytes from an offset on are damaged, and sound bytes follow.
    #[error(
        "the bytes from offset {offset} on, written after the Unix time {since_s}, are damaged: \
         others with a checksum follow them"
    )]
    Damaged {
        /// The offset up to which the file is known to be sound.
        offset: u64,
        /// The Unix second of the last sound checksum line.
        since_s: i64,
    },
}

/// The kind of the next bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextBytes {
    /// A request begins, or may.
    Request,
    /// The end of the file.
    End,
    /// The commands from this offset on were executed after the requested time.
    Later(u64),
}

/// See the module.
#[derive(Debug)]
pub struct Reader<R = File> {
    file: R,
    size: u64,
    /// Nothing is read beyond this offset.
    end: u64,
    buf: Vec<u8>,
    pos: usize,
    /// Where `buf` begins in the file.
    at: u64,
    /// The offset up to which the file is whole.
    sound: u64,
    /// Checksum lines have been seen.
    checksummed: bool,
    /// The checksum of the bytes dropped from the buffer since the last checksum line.
    crc: u64,
    /// Start of the bytes in `buf` that are not in `crc`.
    summed: usize,
    /// Where the last checksum line ended.
    covered_from: u64,
    /// The time of the last annotation that has a time.
    time_s: i64,
    aside: AsideLines,
    stop_after_s: Option<i64>,
    stream: StreamPlace,
    /// The offset of the stream at `sound`.
    sound_stream: ReplOffset,
}

/// The facts about data set aside by flushes, from consecutive lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsideLines {
    /// [`AsideLine::Kept`].
    pub kept: Option<u64>,
    /// [`AsideLine::SetAside`].
    pub set_aside_ms: Option<i64>,
}

impl AsideLines {
    fn add(&mut self, line: AsideLine) {
        match line {
            AsideLine::SetAside(at_ms) => self.set_aside_ms = Some(at_ms),
            AsideLine::Kept(n) => {
                // A flush that followed a line before was cut off.
                self.set_aside_ms = None;
                self.kept = Some(self.kept.map_or(n, |kept| kept.min(n)));
            }
        }
    }
}

/// The reader's position in the replication stream.
#[derive(Clone, Debug, Default)]
struct StreamPlace {
    /// The history, if a line has named it.
    id: Option<ReplId>,
    /// The histories before it, each with its last offset.
    earlier: Vec<(ReplId, ReplOffset)>,
    offset: ReplOffset,
    /// Bytes to come that are not part of the stream.
    extra: u64,
    /// A line gave the position: the bytes after it are counted exactly.
    is_reported: bool,
}

impl StreamPlace {
    fn take(&mut self, n: u64) {
        let extra = self.extra.min(n);
        self.extra -= extra;
        self.offset = self.offset.saturating_add(n - extra);
    }

    fn mark(&mut self, mark: Mark) {
        match mark {
            Mark::Position(Position { id, offset }) => {
                if let Some(before) = self.id.filter(|&before| before != id) {
                    self.earlier.push((before, offset));
                    let oldest = self.earlier.len().saturating_sub(EARLIER_MAX);
                    self.earlier.drain(..oldest);
                }
                (self.id, self.offset, self.is_reported) = (Some(id), offset, true);
            }
            Mark::ReplicasOnly(len) => self.offset = self.offset.saturating_add(len),
            Mark::NotInStream(len) => self.extra = len,
            Mark::LogOnly(_) => {}
        }
    }
}

impl Reader {
    /// Opens a file, to be read from its beginning.
    pub fn open(path: &Path) -> io::Result<Reader> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Reader::of(file, size))
    }
}

impl<R: Read + Seek> Reader<R> {
    /// A file of this length, at its beginning.
    pub fn of(file: R, size: u64) -> Reader<R> {
        Reader {
            file,
            size,
            end: u64::MAX,
            buf: Vec::new(),
            pos: 0,
            at: 0,
            sound: 0,
            checksummed: false,
            crc: 0,
            summed: 0,
            covered_from: 0,
            time_s: 0,
            aside: AsideLines::default(),
            stop_after_s: None,
            stream: StreamPlace::default(),
            sound_stream: 0,
        }
    }

    /// Continues where another reader has stopped, at `offset`.
    pub fn start_at(&mut self, offset: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        (self.at, self.sound, self.covered_from) = (offset, offset, offset);
        Ok(())
    }

    /// The file ends at this offset, whatever it has after it.
    pub(crate) fn end_at(&mut self, offset: u64) {
        self.end = offset;
        self.size = self.size.min(offset);
    }

    /// Up to `most` bytes that may be read from an offset on.
    fn readable(&self, offset: u64, most: usize) -> u64 {
        self.end.saturating_sub(offset).min(most as u64)
    }

    /// The bytes read and not yet taken.
    pub fn unread(&self) -> &[u8] {
        &self.buf[self.pos..]
    }

    /// The offset of the next byte.
    pub fn offset(&self) -> u64 {
        self.at + self.pos as u64
    }

    /// Bytes of the file when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The offset up to which the file is known to be whole.
    pub fn sound(&self) -> u64 {
        self.sound
    }

    /// From now on [`Reader::next`] reports the first command executed after this Unix second.
    pub(crate) fn stop_after(&mut self, unix_s: i64) {
        self.stop_after_s = Some(unix_s);
    }

    /// Takes the facts about data set aside by flushes, from the lines since the last call.
    pub fn take_aside_lines(&mut self) -> AsideLines {
        std::mem::take(&mut self.aside)
    }

    /// Whether the bytes read contain times.
    pub(crate) fn has_times(&self) -> bool {
        self.time_s > 0
    }

    /// Sets the stream offset at which the file begins, from the manifest.
    pub fn begin_stream_at(&mut self, offset: ReplOffset) {
        (self.stream.offset, self.sound_stream) = (offset, offset);
    }

    /// Sets the history in which the file begins, from the file before.
    pub fn begin_history(&mut self, id: Option<ReplId>) {
        self.stream.id = id;
    }

    /// The histories that the file's lines end, each with its last offset, oldest first.
    pub fn take_earlier(&mut self) -> Vec<(ReplId, ReplOffset)> {
        std::mem::take(&mut self.stream.earlier)
    }

    /// The stream offset up to which the file is whole, and the history if a line has named it.
    pub fn stream(&self) -> (Option<ReplId>, ReplOffset) {
        (self.stream.id, self.sound_stream)
    }

    /// The stream's offset once `n` more bytes of commands are taken.
    pub fn stream_after(&self, n: usize) -> ReplOffset {
        let n = n as u64;
        let added = n - self.stream.extra.min(n);
        self.stream.offset.saturating_add(added)
    }

    /// Whether lines of the file give the stream's position, so that the offset is exact.
    pub fn has_positions(&self) -> bool {
        self.stream.is_reported
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

    /// Everything taken is whole: no command or transaction is open.
    pub(crate) fn mark_sound(&mut self) {
        self.mark_sound_at(self.offset());
    }

    /// As [`Reader::mark_sound`], up to `offset`: everything taken after it must be commands.
    pub fn mark_sound_at(&mut self, offset: u64) {
        self.sound = offset;
        let later = self.offset() - offset;
        self.sound_stream = self.stream.offset.saturating_sub(later);
    }

    /// Reads more. `false`: the end of the file.
    pub fn fill(&mut self) -> io::Result<bool> {
        self.sum_to(self.pos);
        self.buf.drain(..self.pos);
        self.at += self.pos as u64;
        (self.pos, self.summed) = (0, 0);
        // An incomplete command is parsed again from its start, and reads double each time, so that
        // a long command costs no more than its length.
        let have = self.buf.len();
        let want = CHUNK.max(have);
        let most = self.readable(self.at + have as u64, want);
        let read = (&mut self.file).take(most).read_to_end(&mut self.buf)?;
        Ok(read > 0)
    }

    /// Bytes of memory that the buffer takes.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.buf.capacity()
    }

    /// Bytes of the file not read yet.
    pub fn left(&self) -> u64 {
        self.size.saturating_sub(self.at + self.buf.len() as u64)
    }

    fn sum_to(&mut self, end: usize) {
        if self.checksummed && end > self.summed {
            self.crc = crc64::update(self.crc, &self.buf[self.summed..end]);
        }
        self.summed = self.summed.max(end);
    }

    /// Skips annotations, up to the next request. `in_unit`: a transaction is open.
    pub fn next(&mut self, in_unit: bool) -> Result<NextBytes, Fault> {
        loop {
            match self.unread().first().copied() {
                None if self.fill()? => {}
                None if in_unit => return Err(self.torn()),
                None => return Ok(NextBytes::End),
                Some(b'*') => return Ok(NextBytes::Request),
                Some(b'#') => {
                    // A checksum line has the time of the bytes before it.
                    let (line, covered) = (self.offset(), self.covered_from);
                    let is_checksum = self.annotation()?;
                    if self.stop_after_s.is_some_and(|limit| self.time_s > limit) {
                        return Ok(NextBytes::Later(if is_checksum { covered } else { line }));
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

    /// Takes an annotation, and verifies it if it is a checksum; returns whether it is.
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
            Annotation::Aside(line) => self.aside.add(line),
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

    /// The fault of a file that ends too early: torn, or damaged if a checksum line follows.
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

    /// The fault of next bytes that are no valid input.
    pub fn malformed(&self, why: &'static str) -> Fault {
        let offset = self.offset();
        Fault::Format { offset, why }
    }

    /// The fault of a zero byte where a command should begin.
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

    /// Whether a checksum line follows after `offset`, in a file that has such lines.
    fn checksum_behind(&mut self, offset: u64) -> io::Result<bool> {
        if !self.checksummed {
            return Ok(false);
        }
        self.file.seek(SeekFrom::Start(offset))?;
        let (mut buf, mut at) = (Vec::new(), offset);
        loop {
            let most = self.readable(at + buf.len() as u64, CHUNK);
            let read = (&mut self.file).take(most).read_to_end(&mut buf)?;
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
