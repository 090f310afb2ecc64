//! `redis-check-aof`: looks at append only files of a server that does not run, says where
//! the first fault is, and cuts a file off there or behind a moment. Its words are Redis's,
//! which scripts look for.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

use super::super::check::read_snapshot;
use super::disk::Disk;
use super::manifest::Manifest;
use super::reader::{Fault, Next, Reader};
use crate::resp::{Bounds, Span, Step, step};

const USAGE: &str =
    "Usage: redis-check-aof [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>";

/// What is to be done about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Look,
    /// Cut off what is not sound.
    Fix,
    /// Cut off what was done after this Unix second.
    CutAfter(i64),
}

/// How a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Valid,
    Empty,
    /// It was cut off where it ceased to be sound.
    Truncated,
    /// It was cut off behind the moment that was asked for.
    CutAfter(i64),
}

/// Why the check ends without success; it has been said.
#[derive(Debug)]
enum Failed {
    Told,
    Io(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Io(error)
    }
}

/// The check as a program: `args` without its name; the exit status.
pub fn run(args: &[OsString], input: &mut dyn BufRead, out: &mut dyn Write) -> u8 {
    let Some((action, path)) = arguments(args) else {
        // Nobody reads: there is no other place to say it.
        let _ = writeln!(out, "{USAGE}");
        return 1;
    };
    let mut check = Check { action, input, out };
    match check.all(&path) {
        Ok(()) => 0,
        Err(Failed::Told) => 1,
        Err(Failed::Io(error)) => {
            let _ = writeln!(check.out, "Cannot read {}: {error}", path.display());
            1
        }
    }
}

fn arguments(args: &[OsString]) -> Option<(Action, PathBuf)> {
    match args {
        [path] => Some((Action::Look, path.into())),
        [flag, path] if flag == "--fix" => Some((Action::Fix, path.into())),
        [flag, time, path] if flag == "--truncate-to-timestamp" => {
            let time = time.to_str()?.parse().ok()?;
            Some((Action::CutAfter(time), path.into()))
        }
        _ => None,
    }
}

/// A check under way.
struct Check<'a> {
    action: Action,
    input: &'a mut dyn BufRead,
    out: &'a mut dyn Write,
}

impl Check<'_> {
    fn all(&mut self, path: &Path) -> Result<(), Failed> {
        let begins_with = |text: &[u8]| -> io::Result<bool> {
            let mut head = Vec::new();
            File::open(path)?
                .take(text.len() as u64)
                .read_to_end(&mut head)?;
            Ok(head == text)
        };
        if begins_with(b"file ")? || path.extension().is_some_and(|e| e == "manifest") {
            return self.set(path);
        }
        writeln!(self.out, "Start checking Old-Style AOF")?;
        let verdict = self.file(path, true)?;
        self.tell("AOF", path, verdict)
    }

    /// All files that a manifest names.
    fn set(&mut self, path: &Path) -> Result<(), Failed> {
        writeln!(self.out, "Start checking Multi Part AOF")?;
        let manifest = match Manifest::parse(&std::fs::read(path)?) {
            Ok(manifest) => manifest,
            Err(error) => {
                if let Some((line, text)) = error.line() {
                    writeln!(self.out, "Reading the manifest file, at line {line}")?;
                    writeln!(self.out, ">>> '{text}'")?;
                }
                writeln!(self.out, "{error}")?;
                return Err(Failed::Told);
            }
        };
        let dir = path.parent().unwrap_or(Path::new(""));
        let parts = manifest.parts().count();
        for (at, part) in manifest.parts().enumerate() {
            let (path, is_base) = (dir.join(&part.name), manifest.base.is_some() && at == 0);
            if is_base {
                let form = if is_rdb(&path)? { "RDB" } else { "RESP" };
                writeln!(self.out, "Start to check BASE AOF ({form} format).")?;
            } else if at == usize::from(manifest.base.is_some()) {
                writeln!(self.out, "Start to check INCR files.")?;
            }
            let verdict = self.file(&path, at + 1 == parts)?;
            let kind = if is_base { "BASE AOF" } else { "INCR AOF" };
            self.tell(kind, &path, verdict)?;
        }
        writeln!(self.out, "All AOF files and manifest are valid")?;
        Ok(())
    }

    fn tell(&mut self, kind: &str, path: &Path, verdict: Verdict) -> Result<(), Failed> {
        let name = name(path);
        match verdict {
            Verdict::Valid => writeln!(self.out, "{kind} {name} is valid")?,
            Verdict::Empty => writeln!(self.out, "{kind} {name} is empty")?,
            Verdict::Truncated => writeln!(self.out, "Successfully truncated AOF {name}")?,
            Verdict::CutAfter(time) => {
                writeln!(
                    self.out,
                    "Successfully truncated AOF {name} to timestamp {time}"
                )?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, is_last: bool) -> Result<Verdict, Failed> {
        let mut reader = Reader::open(path)?;
        if reader.size() == 0 {
            return Ok(Verdict::Empty);
        }
        if is_rdb(path)? {
            match read_snapshot(path) {
                Ok(end) => reader.start_at(end)?,
                Err(why) => {
                    writeln!(
                        self.out,
                        "RDB preamble of AOF file is not sane, aborting: {why}"
                    )?;
                    return Err(Failed::Told);
                }
            }
            writeln!(self.out, "RDB preamble is OK, proceeding with AOF tail...")?;
        }
        let found = self.read(&mut reader);
        let fault = match found {
            Ok(Some(offset)) => return self.cut_after(path, offset, is_last),
            Ok(None) => None,
            Err(fault) => Some(fault),
        };
        let (name, size) = (name(path), reader.size());
        let sound = match fault {
            // Where in between is not known.
            Some(Fault::Checksum { from, .. }) => from,
            _ => reader.sound(),
        };
        let line = 1 + lines_before(path, sound)?;
        if let Some(fault) = &fault {
            writeln!(self.out, "0x{sound:016x}: {fault}")?;
        }
        let sound = if fault.is_some() { sound } else { size };
        let diff = size - sound;
        writeln!(
            self.out,
            "AOF analyzed: filename={name}, size={size}, ok_up_to={sound}, \
             ok_up_to_line={line}, diff={diff}"
        )?;
        if fault.is_none() {
            return Ok(Verdict::Valid);
        }
        if self.action != Action::Fix {
            writeln!(
                self.out,
                "AOF {name} is not valid. Use the --fix option to try fixing it."
            )?;
            return Err(Failed::Told);
        }
        if !is_last {
            writeln!(
                self.out,
                "Failed to truncate AOF {name} because it is not the last file"
            )?;
            return Err(Failed::Told);
        }
        writeln!(
            self.out,
            "This will shrink the AOF {name} from {size} bytes, with {diff} bytes, to {sound} bytes"
        )?;
        write!(self.out, "Continue? [y/N]: ")?;
        self.out.flush()?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        if !answer.trim_start().to_ascii_lowercase().starts_with('y') {
            writeln!(self.out, "Aborting...")?;
            return Err(Failed::Told);
        }
        cut(path, sound)?;
        Ok(Verdict::Truncated)
    }

    /// Reads to the end, or to where the moment that was asked for has passed: that offset.
    fn read(&mut self, reader: &mut Reader) -> Result<Option<u64>, Fault> {
        if let Action::CutAfter(time) = self.action {
            reader.stop_after(time);
        }
        let mut commands = Commands::default();
        while commands.unit(reader)?.is_some() {}
        Ok(commands.later())
    }

    fn cut_after(&mut self, path: &Path, offset: u64, is_last: bool) -> Result<Verdict, Failed> {
        let Action::CutAfter(time) = self.action else {
            return Ok(Verdict::Valid);
        };
        let name = name(path);
        if !is_last {
            writeln!(
                self.out,
                "Failed to truncate AOF {name} to timestamp {time} to offset {offset} because it \
                 is not the last file. If you insist, remove the files behind it and their lines \
                 of the manifest, and run this again."
            )?;
            return Err(Failed::Told);
        }
        if offset == 0 {
            writeln!(
                self.out,
                "AOF {name} has nothing before timestamp {time}, aborting..."
            )?;
            return Err(Failed::Told);
        }
        cut(path, offset)?;
        Ok(Verdict::CutAfter(time))
    }
}

/// Goes through a file by what happens together: a command, or a transaction.
#[derive(Debug, Default)]
pub(super) struct Commands {
    spans: Vec<Span>,
    later: Option<u64>,
}

impl Commands {
    /// Where what was done after the time that was asked for begins, if that was met.
    pub(super) fn later(&self) -> Option<u64> {
        self.later
    }

    /// Takes the next unit, up to which the file is sound then: how many commands it holds,
    /// MULTI and EXEC included, SELECT not. `None`: the file, or what was asked for, is over.
    pub(super) fn unit(&mut self, reader: &mut Reader) -> Result<Option<u64>, Fault> {
        let bounds = Bounds {
            bulk_max: i64::MAX as u64,
            unauthenticated: false,
        };
        let (mut in_unit, mut count) = (false, 0);
        loop {
            match reader.next(in_unit)? {
                Next::Request => {}
                Next::End => return Ok(None),
                Next::Later(offset) => {
                    self.later = Some(offset);
                    return Ok(None);
                }
            }
            self.spans.clear();
            let (mut pos, mut progress) = (0, Default::default());
            let spans = &mut self.spans;
            match step(reader.unread(), &mut pos, spans, &mut progress, bounds) {
                Step::Command => {
                    let text = |s: &Span| &reader.unread()[s.start..s.start + s.len];
                    let word = spans.first().map(text).unwrap_or_default();
                    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
                    count += u64::from(!is(b"SELECT"));
                    match in_unit {
                        true if is(b"MULTI") => return Err(reader.malformed("Unexpected MULTI")),
                        false if is(b"EXEC") => return Err(reader.malformed("Unexpected EXEC")),
                        _ => in_unit = !is(b"EXEC") && (in_unit || is(b"MULTI")),
                    }
                    reader.take(pos);
                    if !in_unit {
                        reader.mark_sound();
                        return Ok(Some(count));
                    }
                }
                Step::Incomplete => {
                    let wanted = progress.expects().unwrap_or(0) as u64;
                    let there = reader.left() + reader.unread().len() as u64;
                    if wanted > there || !reader.fill()? {
                        return Err(reader.torn());
                    }
                }
                _ => return Err(reader.malformed("a malformed command")),
            }
        }
    }
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whether a file begins as a snapshot does.
pub fn is_rdb(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(6).read_to_end(&mut head)?;
    Ok(head.starts_with(b"REDIS") || head == b"VALKEY")
}

fn lines_before(path: &Path, offset: u64) -> io::Result<usize> {
    let mut left = File::open(path)?.take(offset);
    let (mut chunk, mut lines) = (vec![0; 64 * 1024], 0);
    loop {
        let n = left.read(&mut chunk)?;
        if n == 0 {
            return Ok(lines);
        }
        lines += memchr::memchr_iter(b'\n', &chunk[..n]).count();
    }
}

fn cut(path: &Path, len: u64) -> io::Result<()> {
    let (disk, file) = (Disk::default(), OpenOptions::new().write(true).open(path)?);
    disk.truncate(&file, len)?;
    disk.sync(&file)
}
