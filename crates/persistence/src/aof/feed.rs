//! A reader of the log for a replica: the stream from a position on, from the incremental files.
//!
//! The bytes differ from the bytes in the memory backlog where the log has less than replicas
//! received (`decode`), but the positions are the same. A reader may change from one source to the
//! other anywhere but inside such a hole ([`LogFeed::is_inside_hole`]).
//!
//! Cost: two buffers of at most 256 KiB; the files from its position on stay open, even if a
//! rewrite removes them. Finding a position reads at most [`super::writer::PLACE_BYTES`] of a file
//! that was written by this process, and up to all of an older file.

use std::collections::VecDeque;
use std::sync::Arc;

use super::chain::{Chain, LogFile, WrittenFile};
use super::decode::{Decoder, Piece};
use super::log::Log;
use russet_config::system_text;
use russet_replication::ReplOffset;

const READ_BYTES: usize = 128 * 1024;
/// Bytes of the stream that are prepared at a time.
const READY_BYTES: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub struct LogFeed {
    file: Arc<LogFile>,
    decoder: Decoder,
    /// Bytes of the file from `pos` on that are not decoded.
    raw: Vec<u8>,
    pos: usize,
    /// The end of `raw` in the file.
    read_to: u64,
    /// The next bytes of the stream, from `given` on.
    ready: Vec<u8>,
    given: usize,
    /// The stream position at the end of `ready`.
    next: ReplOffset,
    /// Newlines of the current hole that are still to come.
    fill: u64,
    /// Positions of the stream that the log has as newlines alone, as far as `ready` has them, and
    /// the position at which the reading began.
    holes: VecDeque<(ReplOffset, ReplOffset)>,
}

/// The next part of the log.
#[derive(Debug)]
pub enum Feed<'a> {
    /// Bytes of the stream, from the position on.
    Bytes(&'a [u8]),
    /// The position is not found yet: the next call reads on.
    Seeks,
    /// Everything written so far has been given.
    Wait,
}

impl LogFeed {
    /// Reads from a position on, if the log has it.
    pub(super) fn open(
        chain: &Chain,
        written: Option<WrittenFile<'_>>,
        from: ReplOffset,
    ) -> Option<LogFeed> {
        let file = Arc::clone(chain.find(from)?);
        let place = Chain::place(&file, written, from);
        Some(LogFeed {
            decoder: Decoder::new(place.map(|place| place.offset)),
            read_to: place.map_or(0, |place| place.at),
            file,
            raw: Vec::new(),
            pos: 0,
            ready: Vec::new(),
            given: 0,
            next: from,
            fill: 0,
            holes: VecDeque::new(),
        })
    }

    /// The next bytes of the stream. Reads about `most` bytes of the file. `log`: the log being
    /// written, if it is on.
    ///
    /// # Errors
    /// The log is damaged, has a gap, or was switched off: it cannot serve this reader any more.
    pub fn peek(&mut self, log: Option<&Log>, most: usize) -> Result<Feed<'_>, String> {
        let mut left = most;
        if self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
            let waits = self.prepare(log, &mut left)?;
            if self.ready.is_empty() {
                return Ok(if waits { Feed::Wait } else { Feed::Seeks });
            }
        }
        Ok(Feed::Bytes(&self.ready[self.given..]))
    }

    /// The reader has taken this many bytes.
    pub fn advance(&mut self, n: usize) {
        self.given += n;
        debug_assert!(self.given <= self.ready.len());
        let at = self.position();
        while self.holes.front().is_some_and(|&(_, end)| end <= at) {
            self.holes.pop_front();
        }
    }

    /// The position of the next byte.
    pub fn position(&self) -> ReplOffset {
        self.next - (self.ready.len() - self.given) as u64
    }

    /// Whether the next byte is in the middle of bytes that only replicas received.
    pub fn is_inside_hole(&self) -> bool {
        self.hole_end().is_some()
    }

    /// The end of the hole in which the next byte is.
    pub fn hole_end(&self) -> Option<ReplOffset> {
        let at = self.position();
        let inside = |&&(start, end): &&(ReplOffset, ReplOffset)| start < at && at < end;
        self.holes.iter().find(inside).map(|&(_, end)| end)
    }

    /// The reader has the begin of a hole as replicas received it: these bytes are its rest.
    pub fn complete_hole(&mut self, rest: &[u8]) {
        let Some(end) = self.hole_end() else { return };
        let at = self.position();
        debug_assert_eq!(rest.len() as u64, end - at);
        // Bytes after the hole in `ready` stay; newlines still to come are dropped.
        let in_ready = (self.next.min(end) - at) as usize;
        let behind = self.ready.split_off(self.given + in_ready);
        self.ready.clear();
        self.given = 0;
        self.ready.extend_from_slice(rest);
        self.ready.extend_from_slice(&behind);
        if self.next < end {
            (self.next, self.fill) = (end, 0);
        }
        self.holes.retain(|&(start, _)| start >= end);
    }

    /// Decodes until some bytes are ready. Returns whether everything written has been read.
    fn prepare(&mut self, log: Option<&Log>, left: &mut usize) -> Result<bool, String> {
        while self.ready.len() < READY_BYTES {
            if self.fill > 0 {
                let room = (READY_BYTES - self.ready.len()) as u64;
                let n = self.fill.min(room);
                self.ready.resize(self.ready.len() + n as usize, b'\n');
                (self.fill, self.next) = (self.fill - n, self.next + n);
                continue;
            }
            let decoded = self.decoder.next(&self.raw[self.pos..]);
            let decoded = decoded.map_err(|why| self.unreadable(&why.to_string()))?;
            if decoded.consumed == 0 {
                if *left == 0 {
                    return Ok(false);
                }
                if !self.read_more(log, left)? {
                    return Ok(true);
                }
                continue;
            }
            let from = self.pos;
            self.pos += decoded.consumed;
            let (len, is_hole) = match decoded.piece {
                Piece::Nothing => continue,
                Piece::Verbatim => (decoded.consumed as u64, false),
                Piece::Newlines(n) => (n, false),
                Piece::Filler(n) => (n, true),
            };
            // Bytes before the first known position are not asked for, or found missing below.
            let Some(at) = decoded.at else { continue };
            if at > self.next {
                return Err(self.unreadable(&format!(
                    "it has no bytes between the offsets {} and {at}",
                    self.next
                )));
            }
            let skip = (self.next - at).min(len);
            if skip == len {
                continue;
            }
            if is_hole {
                self.holes.push_back((at, at.saturating_add(len)));
            }
            match decoded.piece {
                Piece::Verbatim => {
                    let part = &self.raw[from + skip as usize..self.pos];
                    self.ready.extend_from_slice(part);
                    self.next += part.len() as u64;
                }
                _ => self.fill = len - skip,
            }
        }
        Ok(false)
    }

    /// Reads more of the file, or begins the next file. `false`: there is no more.
    fn read_more(&mut self, log: Option<&Log>, left: &mut usize) -> Result<bool, String> {
        let written = log.and_then(|log| log.length_of(&self.file));
        let Some(length) = self.file.closed_length().or(written) else {
            return Err(self.unreadable("it is not written any more"));
        };
        let behind = length.saturating_sub(self.read_to);
        if behind > 0 {
            self.raw.drain(..self.pos);
            self.pos = 0;
            let n = READ_BYTES.min(usize::try_from(behind).unwrap_or(READ_BYTES));
            let read = self.file.read(&mut self.raw, self.read_to, n);
            let read = read.map_err(|error| self.unreadable(&system_text(&error)))?;
            if read == 0 {
                return Err(self.unreadable("it is shorter than what was written"));
            }
            self.read_to += read as u64;
            *left = left.saturating_sub(read);
            return Ok(true);
        }
        if self.file.closed_length().is_none() {
            return Ok(false);
        }
        if self.pos < self.raw.len() || !self.decoder.is_between_requests() {
            return Err(self.unreadable("it ends inside a request"));
        }
        let Some(next) = self.file.next().cloned() else {
            return Err(self.unreadable("nothing follows it"));
        };
        if next.first > self.next.max(self.decoder.at().unwrap_or(0)) {
            return Err(self.unreadable("it ends before the next file begins"));
        }
        self.file = next;
        self.decoder = Decoder::new(None);
        self.raw.clear();
        (self.pos, self.read_to) = (0, 0);
        Ok(true)
    }

    fn unreadable(&self, why: &str) -> String {
        format!(
            "The append only file {} cannot be read as the replication stream from offset {} on: {why}",
            self.file.name(),
            self.next
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::BaseForm;
    use super::super::writer::{Rules, Time};
    use super::super::{Disk, Manifest, Names};
    use super::*;
    use russet_keyspace::{Audience, DbIndex, Effects};
    use russet_replication::Stream;

    /// A log, the stream that it holds, and the bytes that readers get: newlines for replicas'
    /// requests.
    struct Bench {
        log: Log,
        stream: Stream,
        wanted: Vec<u8>,
        _folder: tempfile::TempDir,
    }

    impl Bench {
        fn new(checksums: bool) -> Bench {
            let folder = tempfile::tempdir().expect("a folder");
            let names = Names {
                dir: folder.path().join("dir"),
                basename: "a".to_owned(),
            };
            let mut log = Log::new(names, Manifest::default(), Disk::default(), None, 0);
            log.set_rules(Rules {
                checksums,
                ..Rules::default()
            });
            log.open_at_start(BaseForm::Commands, b"", 0)
                .expect("opened");
            let mut stream = Stream::default();
            stream.count(true);
            Bench {
                log,
                stream,
                wanted: Vec::new(),
                _folder: folder,
            }
        }

        fn append(&mut self, audience: Audience, value: &str) {
            let mut effects = Effects::default();
            effects.set_wanted(Audience::ALL);
            let words = [&b"SET"[..], b"key", value.as_bytes()];
            effects.record_for(audience, DbIndex(0), words.into_iter());
            for unit in effects.units() {
                let before = self.stream.offset();
                let from = self
                    .log
                    .writer
                    .append(unit, &mut self.stream, Time::default());
                let n = (self.stream.offset() - before) as usize;
                if audience == Audience::ALL {
                    let bytes = self.log.writer.appended_bytes(from);
                    self.wanted.extend_from_slice(&bytes[bytes.len() - n..]);
                } else {
                    self.wanted.resize(self.wanted.len() + n, b'\n')
                }
            }
        }

        fn flush(&mut self) {
            self.log.writer.flush(Time::default(), true);
        }

        /// Reads all that a feed gives, in pieces of at most `most` bytes.
        fn read(&self, feed: &mut LogFeed, most: usize) -> Result<Vec<u8>, String> {
            let mut out = Vec::new();
            loop {
                let n = match feed.peek(Some(&self.log), 1000)? {
                    Feed::Bytes(bytes) => {
                        let part = &bytes[..bytes.len().min(most)];
                        out.extend_from_slice(part);
                        part.len()
                    }
                    Feed::Seeks => 0,
                    Feed::Wait => return Ok(out),
                };
                feed.advance(n);
            }
        }
    }

    #[test]
    fn a_feed_gives_the_stream_from_any_position_across_files() {
        let mut bench = Bench::new(true);
        bench.append(Audience::ALL, "first");
        bench.flush();
        let mut follower = bench.log.feed(3).expect("the log has it");
        let mut followed = bench.read(&mut follower, 7).expect("sound");
        for n in 0..300 {
            let value = "v".repeat(n * 7 % 90);
            match n % 5 {
                0 => bench.append(Audience::REPLICAS, &value),
                1 => bench.append(Audience::LOG, &value),
                _ => bench.append(Audience::ALL, &value),
            }
            if n % 3 == 0 {
                bench.flush();
            }
            if n % 70 == 69 {
                bench.flush();
                let offset = bench.stream.offset();
                bench
                    .log
                    .begin_incr(false, offset, "a test")
                    .expect("begun");
                bench.stream.select_anew();
                bench.append(Audience::ALL, "selects its database");
            }
            followed.extend(bench.read(&mut follower, 50).expect("sound"));
        }
        bench.flush();
        followed.extend(bench.read(&mut follower, 50).expect("sound"));
        let all = bench.wanted.clone();
        assert_eq!(bench.stream.offset(), all.len() as u64);
        // Bytes that only the log took are newlines, too.
        let same = |read: &[u8], from: usize| {
            assert_eq!(read.len(), all.len() - from, "from {from}");
            assert!(read == &all[from..], "from {from}");
        };
        same(&followed, 3);
        for from in (0..all.len()).step_by(37) {
            let mut feed = bench.log.feed(from as u64).expect("the log has it");
            same(&bench.read(&mut feed, 1 << 20).expect("sound"), from);
        }
        // Only the file being written needs descriptors, however many files are retained.
        assert!(bench.log.manifest.incrs.len() > 4);
        assert_eq!(bench.log.chain.open_files(), 1);
        // A reader continues in files that have been removed.
        let mut feed = bench.log.feed(0).expect("the log has it");
        let begin = match feed.peek(Some(&bench.log), 1000) {
            Ok(Feed::Bytes(bytes)) => bytes[..5].to_vec(),
            other => panic!("{other:?}"),
        };
        feed.advance(5);
        let chain_end = bench.log.chain.current().expect("one is written").first;
        bench.log.chain.forget_before(chain_end);
        assert!(bench.log.feed(0).is_none());
        for part in bench.log.manifest.incrs.iter().rev().skip(1) {
            let path = bench.log.names.path(&part.name);
            std::fs::remove_file(path).expect("it was there");
        }
        let rest = bench.read(&mut feed, 999).expect("sound");
        same(&[begin, rest].concat(), 0);
    }

    #[test]
    fn a_hole_is_completed_with_what_replicas_received() {
        let mut bench = Bench::new(true);
        bench.append(Audience::ALL, "first");
        let start = bench.stream.offset() as usize;
        bench.append(Audience::REPLICAS, "only for replicas");
        let end = bench.stream.offset() as usize;
        bench.append(Audience::ALL, "last");
        bench.flush();
        for from in start..=end {
            let mut feed = bench.log.feed(from as u64).expect("the log has it");
            assert!(matches!(
                feed.peek(Some(&bench.log), 1000),
                Ok(Feed::Bytes(_))
            ));
            let is_inside = start < from && from < end;
            assert_eq!(feed.is_inside_hole(), is_inside, "{from}");
            let mut wanted = bench.wanted[from..].to_vec();
            if is_inside {
                let rest = vec![b'x'; end - from];
                feed.complete_hole(&rest);
                wanted[..rest.len()].copy_from_slice(&rest);
                assert!(!feed.is_inside_hole());
            }
            assert_eq!(bench.read(&mut feed, 9), Ok(wanted));
        }
    }

    #[test]
    fn a_log_that_does_not_count_serves_no_replica() {
        let mut bench = Bench::new(false);
        bench.append(Audience::ALL, "first");
        bench.flush();
        assert_eq!(bench.log.first(), None);
        assert!(bench.log.feed(0).is_none());
        let mut bench = Bench::new(true);
        bench.append(Audience::ALL, "first");
        bench.flush();
        let mut feed = bench.log.feed(0).expect("the log has it");
        bench.read(&mut feed, 100).expect("sound");
        bench.log.set_rules(Rules::default());
        assert_eq!(bench.log.first(), None);
        bench.append(Audience::ALL, "second");
        bench.flush();
        bench.read(&mut feed, 100).expect_err("it does not count");
    }
}
