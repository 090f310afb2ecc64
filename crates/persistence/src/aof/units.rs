//! Reading a file of commands unit by unit, without executing them.
//!
//! A unit is a command, or MULTI to EXEC. After each, the reader is marked sound up to its end: the
//! position to which a faulty file is truncated.
//!
//! Two readers: [`Commands`] holds one command in memory and finds the faulty part of a broken
//! command, in `redis-check-aof`'s words; [`pass_unit`] holds no argument, and knows only that a
//! command is broken. Neither looks at a command's name, except for MULTI and EXEC. Cost: O(bytes);
//! a broken command is read twice. Annotations and checksums are `aof::reader`'s, executing is
//! `aof::restore`'s.

use std::io::{Read, Seek};

use super::reader::{Fault, NextBytes, Reader};
use russet_base::numbers::number::parse_i64;
use russet_resp::{Bounds, INLINE_MAX, ParseStep, Span, step};

/// Reads a file by units: a command, or a transaction.
#[derive(Debug, Default)]
pub(super) struct Commands {
    spans: Vec<Span>,
    later: Option<u64>,
    /// Lines of commands read, including the lines of a faulty command.
    lines: u64,
    misfit: Option<Misfit>,
}

/// The faulty part of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub offset: u64,
    pub why: String,
}

impl Misfit {
    fn unclosed(reader: &Reader) -> Misfit {
        Misfit {
            offset: reader.offset(),
            why: "Reached EOF before reading EXEC for MULTI".to_owned(),
        }
    }
}

impl Commands {
    /// The offset of the first command after the requested time, if it was reached.
    pub(super) fn later(&self) -> Option<u64> {
        self.later
    }

    /// Lines of commands read, as `redis-check-aof` counts them: a line for the number of
    /// arguments, for each length and for each argument, whatever it contains.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// The faulty part of the command at which reading stopped, in `redis-check-aof`'s words.
    /// `None`: the file ends within a line, or the fault is not in a part of a command.
    pub(super) fn misfit(&self) -> Option<&Misfit> {
        self.misfit.as_ref()
    }

    /// Takes the next unit, and marks the file sound up to its end. `false`: the end of the file or
    /// of the requested range.
    pub(super) fn unit(&mut self, reader: &mut Reader) -> Result<bool, Fault> {
        let bounds = Bounds::of_servers(i64::MAX as u64);
        let mut in_unit = false;
        loop {
            let next = reader.next(in_unit);
            if in_unit && matches!(next, Err(Fault::Torn { .. })) {
                self.misfit = Some(Misfit::unclosed(reader));
            }
            match next? {
                NextBytes::Request => {}
                NextBytes::End => return Ok(false),
                NextBytes::Later(offset) => {
                    self.later = Some(offset);
                    return Ok(false);
                }
            }
            self.spans.clear();
            let (mut pos, mut progress) = (0, Default::default());
            let spans = &mut self.spans;
            match step(reader.unread(), &mut pos, spans, &mut progress, bounds) {
                ParseStep::Command => {
                    if !lines_end(&reader.unread()[..pos], spans) {
                        return Err(self.broken(reader, in_unit, Some("a malformed command")));
                    }
                    let text = |s: &Span| &reader.unread()[s.start..s.start + s.len];
                    let word = spans.first().map(text).unwrap_or_default();
                    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
                    self.lines += 1 + 2 * spans.len() as u64;
                    let name_at = spans.first().map_or(0, |span| span.start);
                    match in_unit {
                        true if is(b"MULTI") => {
                            return Err(self.stray(reader, name_at, "Unexpected MULTI"));
                        }
                        false if is(b"EXEC") => {
                            return Err(self.stray(reader, name_at, "Unexpected EXEC"));
                        }
                        _ => in_unit = !is(b"EXEC") && (in_unit || is(b"MULTI")),
                    }
                    reader.take(pos);
                    if !in_unit {
                        reader.mark_sound();
                        return Ok(true);
                    }
                }
                ParseStep::Incomplete => {
                    let wanted = progress.expects().unwrap_or(0) as u64;
                    let there = reader.left() + reader.unread().len() as u64;
                    if wanted > there || !reader.fill()? {
                        return Err(self.broken(reader, in_unit, None));
                    }
                }
                _ => return Err(self.broken(reader, in_unit, Some("a malformed command"))),
            }
        }
    }

    fn stray(&mut self, reader: &Reader, at: usize, why: &'static str) -> Fault {
        self.misfit = Some(Misfit {
            offset: reader.offset() + at as u64,
            why: why.to_owned(),
        });
        reader.malformed(why)
    }

    /// The fault in the next command: it is malformed, or the file ends in it.
    fn broken(
        &mut self,
        reader: &mut Reader,
        in_unit: bool,
        malformed: Option<&'static str>,
    ) -> Fault {
        let look = FaultScan {
            bytes: reader.unread(),
            pos: 0,
            left: reader.left(),
            lines: 0,
        };
        let (lines, misfit) = look.at_command();
        self.lines += lines;
        self.misfit = misfit.map(|(pos, why)| Misfit {
            offset: reader.offset() + pos as u64,
            why,
        });
        if in_unit && self.misfit.is_none() {
            self.misfit = Some(Misfit::unclosed(reader));
        }
        match malformed {
            Some(why) => reader.malformed(why),
            None => reader.torn(),
        }
    }
}

/// Passes over the next unit. As [`Commands::unit`], but holds no argument: it needs the memory of
/// the reader's buffer, whatever the lengths are.
pub(super) fn pass_unit<R: Read + Seek>(reader: &mut Reader<R>) -> Result<bool, Fault> {
    let mut in_unit = false;
    loop {
        match reader.next(in_unit)? {
            NextBytes::Request => {}
            NextBytes::End | NextBytes::Later(_) => return Ok(false),
        }
        let begin = reader.offset();
        let stray = |why| Err(Fault::Format { offset: begin, why });
        match pass_command(reader)? {
            Name::Multi if in_unit => return stray("Unexpected MULTI"),
            Name::Exec if !in_unit => return stray("Unexpected EXEC"),
            Name::Multi => in_unit = true,
            Name::Exec => in_unit = false,
            Name::Other => {}
        }
        if !in_unit {
            reader.mark_sound();
            return Ok(true);
        }
    }
}

/// A command's name, as far as it matters here.
enum Name {
    Multi,
    Exec,
    Other,
}

fn pass_command<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Name, Fault> {
    let malformed = Fault::Format {
        offset: reader.offset(),
        why: "a malformed command",
    };
    let count = match pass_number(reader, b'*')? {
        Some(count) if count > 0 && count <= i64::from(i32::MAX) => count,
        _ => return Err(malformed),
    };
    let mut name = Name::Other;
    for at in 0..count {
        let Some(len) = pass_number(reader, b'$')?.and_then(|len| u64::try_from(len).ok()) else {
            return Err(malformed);
        };
        if len > reader.left() + reader.unread().len() as u64 {
            return Err(reader.torn());
        }
        if at == 0 && (4..=5).contains(&len) {
            have(reader, len as usize)?;
            let word = &reader.unread()[..len as usize];
            if word.eq_ignore_ascii_case(b"MULTI") {
                name = Name::Multi;
            } else if word.eq_ignore_ascii_case(b"EXEC") {
                name = Name::Exec;
            }
        }
        let mut rest = len;
        while rest > 0 {
            have(reader, 1)?;
            let here = rest.min(reader.unread().len() as u64);
            reader.take(here as usize);
            rest -= here;
        }
        have(reader, 2)?;
        if !reader.unread().starts_with(b"\r\n") {
            return Err(malformed);
        }
        reader.take(2);
    }
    Ok(name)
}

/// Passes over a line of a prefix and a number. `None`: it is no such line.
fn pass_number<R: Read + Seek>(reader: &mut Reader<R>, prefix: u8) -> Result<Option<i64>, Fault> {
    let end = loop {
        let unread = reader.unread();
        let bytes = unread.len();
        match memchr::memchr(b'\n', &unread[..bytes.min(INLINE_MAX)]) {
            Some(end) => break end,
            None if bytes >= INLINE_MAX => return Ok(None),
            None => have(reader, bytes + 1)?,
        }
    };
    let line = reader.unread()[..end].strip_suffix(b"\r");
    let number = line.and_then(|line| parse_i64(line.strip_prefix(&[prefix])?));
    reader.take(end + 1);
    Ok(number)
}

/// Reads on until this many bytes are there; if the file ends before, it is torn.
fn have<R: Read + Seek>(reader: &mut Reader<R>, bytes: usize) -> Result<(), Fault> {
    while reader.unread().len() < bytes {
        if !reader.fill()? {
            return Err(reader.torn());
        }
    }
    Ok(())
}

/// Whether each line of a command ends correctly, which servers do not check.
fn lines_end(command: &[u8], arguments: &[Span]) -> bool {
    let ends_at = |at: usize| command[..at].ends_with(b"\r\n");
    let first = memchr::memchr(b'\r', command).unwrap_or(command.len());
    command[first..].starts_with(b"\r\n")
        && arguments
            .iter()
            .all(|s| ends_at(s.start) && command[s.start + s.len..].starts_with(b"\r\n"))
}

/// A second pass over a faulty command, part by part.
struct FaultScan<'a> {
    bytes: &'a [u8],
    pos: usize,
    /// Bytes of the file after `bytes`.
    left: u64,
    lines: u64,
}

/// Position and description of the fault; `None` for a file that ends within a line.
type FoundFault = Option<(usize, String)>;

impl FaultScan<'_> {
    fn at_command(mut self) -> (u64, FoundFault) {
        let wrong = self.command().err().flatten();
        (self.lines, wrong)
    }

    fn command(&mut self) -> Result<(), FoundFault> {
        for _ in 0..self.number(b'*')?.max(0) {
            self.argument()?;
        }
        Ok(())
    }

    fn argument(&mut self) -> Result<(), FoundFault> {
        let line = self.pos;
        let len = self.number(b'$')?;
        let begin = self.pos;
        let Some(len) = u64::try_from(len)
            .ok()
            .filter(|len| *len < i64::MAX as u64 - 1)
        else {
            let why = "which is not in the suitable range";
            let why = format!("Expected to read string of {len} bytes, {why}");
            return Err(Some((line, why)));
        };
        let (want, here) = (len + 2, (self.bytes.len() - begin) as u64);
        if want > here {
            let there = here + self.left;
            let why = format!("Expected to read {want} bytes, got {there} bytes");
            return Err(Some((begin, why)));
        }
        self.pos += len as usize;
        self.line_end(begin)
    }

    /// A line of a number, after a prefix.
    fn number(&mut self, prefix: u8) -> Result<i64, FoundFault> {
        let begin = self.pos;
        let first = *self.bytes.get(begin).ok_or(None)?;
        if first != prefix {
            let (wanted, got) = (char::from(prefix), char::from(first));
            let why = format!("Expected prefix '{wanted}', got: '{got}'");
            return Err(Some((begin, why)));
        }
        let is_part =
            |(at, byte): &(usize, &u8)| byte.is_ascii_digit() || (*at == 0 && **byte == b'-');
        let digits = self.bytes[begin + 1..].iter().enumerate();
        let len = digits.take_while(is_part).count();
        self.pos += 1 + len;
        let text = std::str::from_utf8(&self.bytes[begin + 1..self.pos]).unwrap_or_default();
        let number = match text.parse::<i64>() {
            Ok(number) => number,
            Err(_) if len < 2 => 0,
            Err(_) if text.starts_with('-') => i64::MIN,
            Err(_) => i64::MAX,
        };
        self.line_end(begin)?;
        Ok(number)
    }

    fn line_end(&mut self, begin: usize) -> Result<(), FoundFault> {
        let at = |pos| self.bytes.get(pos).copied();
        match (at(self.pos), at(self.pos + 1)) {
            (Some(b'\r'), Some(b'\n')) => {
                self.pos += 2;
                self.lines += 1;
                Ok(())
            }
            (first, second) => {
                let (first, second) = (first.unwrap_or(0), second.unwrap_or(0));
                let why = format!("Expected \\r\\n, got: {first:02x}{second:02x}");
                Err(Some((begin, why)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::annotation;
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};
    use russet_resp::write_request;
    use std::io::Cursor;

    /// Commands and transactions with a checksum after them.
    fn log() -> Vec<u8> {
        let mut bytes = Vec::new();
        annotation::write_begin(&mut bytes, 0, 5);
        let begin = bytes.len();
        let mut covered = Vec::new();
        for i in 0..40 {
            let value = "v".repeat(i);
            let set = [&b"SET"[..], b"key", value.as_bytes()];
            let units: &[&[&[u8]]] = match i % 4 {
                0 => &[&[b"MULTI"], &set, &set, &[b"exec"]],
                _ => &[&set],
            };
            for words in units {
                write_request(&mut covered, words.iter().copied());
            }
        }
        let offset = (begin + covered.len()) as u64;
        annotation::write_checksum(&mut covered, 0, offset, 6);
        bytes.extend_from_slice(&covered);
        bytes
    }

    /// The offset up to which the units of a file are whole, and whether that is all of it.
    fn sound<R: Read + Seek>(
        mut reader: Reader<R>,
        mut unit: impl FnMut(&mut Reader<R>) -> Result<bool, Fault>,
    ) -> (u64, bool) {
        loop {
            match unit(&mut reader) {
                Ok(true) => {}
                Ok(false) => return (reader.sound(), true),
                Err(_) => return (reader.sound(), false),
            }
        }
    }

    #[test]
    fn passing_over_units_finds_the_same_faults_as_reading_them() {
        let whole = log();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.aof");
        let mut rng = SmallRng::seed_from_u64(3);
        for round in 0..3000 {
            let mut bytes = whole.clone();
            match round {
                0 => {}
                _ if round % 3 == 0 => bytes.truncate(rng.random_range(0..whole.len())),
                _ => {
                    let at = rng.random_range(0..bytes.len());
                    bytes[at] = match round % 2 {
                        0 => rng.random_range(b'0'..=b'9'),
                        _ => rng.random_range(0..=255),
                    };
                }
            }
            std::fs::write(&path, &bytes).expect("written");
            let mut commands = Commands::default();
            let reader = Reader::open(&path).expect("a file");
            let read = sound(reader, |reader| commands.unit(reader));
            let size = bytes.len() as u64;
            let passed = sound(Reader::of(Cursor::new(&bytes), size), pass_unit);
            assert_eq!(passed, read, "{round}");
            assert!(round > 0 || read == (size, true));
        }
    }

    #[test]
    fn a_long_argument_is_not_held() {
        const LEN: usize = 8 << 20;
        let value = vec![b'v'; LEN];
        let mut bytes = Vec::new();
        write_request(&mut bytes, [&b"SET"[..], b"key", &value].into_iter());
        let size = bytes.len() as u64;
        let mut reader = Reader::of(Cursor::new(bytes), size);
        assert!(pass_unit(&mut reader).expect("sound"));
        assert_eq!(reader.sound(), size);
        assert!(reader.held_bytes() < LEN / 4, "{}", reader.held_bytes());
    }
}
