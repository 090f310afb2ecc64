//! `redis-check-aof`: checks append only files of a server that is not running, reports the first
//! fault, and truncates a file there or after a moment. Its messages are Redis's, which scripts
//! match; a folder stands for the set that it holds, and for a damaged set the command is named
//! that copies what precedes the fault.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

use super::super::check::check_snapshot;
use super::super::rdb::is_snapshot;
use super::disk::Disk;
use super::manifest::Manifest;
use super::reader::{Fault, Reader};
use super::restore::{command_before, find_set};
use super::units::{Commands, Misfit};
use russet_base::text::system_text;

const USAGE: &str =
    "Usage: redis-check-aof [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>";

/// The requested treatment of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Look,
    /// Truncate at the first fault.
    Fix,
    /// Truncate the commands executed after this Unix second.
    CutAfter(i64),
}

/// The state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Valid,
    Empty,
    /// Truncated at the first fault.
    Truncated,
    /// Truncated after the requested moment.
    CutAfter(i64),
}

/// Why the check failed.
#[derive(Debug)]
enum CheckFailure {
    /// The failure is already reported.
    Reported,
    Open(PathBuf, io::Error),
    Io(io::Error),
}

impl From<io::Error> for CheckFailure {
    fn from(error: io::Error) -> CheckFailure {
        CheckFailure::Io(error)
    }
}

/// The check as a program: `args` without the program's name; returns the exit status.
pub fn run(args: &[OsString], input: &mut dyn BufRead, out: &mut dyn Write) -> u8 {
    let (action, path) = match arguments(args) {
        Ok(asked) => asked,
        Err(text) => {
            // If the output is closed, there is nowhere else to report it.
            let _ = writeln!(out, "{text}");
            return 1;
        }
    };
    let mut check = Check {
        action,
        input,
        out,
        dir: None,
    };
    match check.all(&path) {
        Ok(()) => 0,
        Err(CheckFailure::Reported) => 1,
        Err(CheckFailure::Open(path, error)) => {
            let (path, why) = (path.display(), system_text(&error));
            let _ = writeln!(check.out, "Cannot open file {path}: {why}");
            1
        }
        Err(CheckFailure::Io(error)) => {
            let (path, why) = (path.display(), system_text(&error));
            let _ = writeln!(check.out, "Cannot read file {path}: {why}");
            1
        }
    }
}

/// The requested action and path, or a message about the arguments.
fn arguments(args: &[OsString]) -> Result<(Action, PathBuf), &'static str> {
    match args {
        [path] => Ok((Action::Look, path.into())),
        [flag, path] if flag == "--fix" => Ok((Action::Fix, path.into())),
        [flag, time, path] if flag == "--truncate-to-timestamp" => {
            let time = time
                .to_str()
                .and_then(|text| text.trim_start().parse().ok());
            let time = time.ok_or("Invalid timestamp, aborting...")?;
            Ok((Action::CutAfter(time), path.into()))
        }
        _ => Err(USAGE),
    }
}

/// A check under way.
struct Check<'a> {
    action: Action,
    input: &'a mut dyn BufRead,
    out: &'a mut dyn Write,
    /// The folder of the set.
    dir: Option<PathBuf>,
}

impl Check<'_> {
    fn all(&mut self, path: &Path) -> Result<(), CheckFailure> {
        if path.is_dir() {
            return match find_set(path) {
                Ok((names, _)) => self.set(&names.path(&names.manifest())),
                Err(why) => {
                    writeln!(self.out, "{why}")?;
                    Err(CheckFailure::Reported)
                }
            };
        }
        let file = File::open(path).map_err(|error| CheckFailure::Open(path.into(), error))?;
        if is_manifest(file)? {
            return self.set(path);
        }
        writeln!(self.out, "Start checking Old-Style AOF")?;
        let name = path.to_string_lossy();
        let verdict = self.file(path, &name, true)?;
        self.report("AOF", &name, verdict)
    }

    /// All files that a manifest lists.
    fn set(&mut self, path: &Path) -> Result<(), CheckFailure> {
        writeln!(self.out, "Start checking Multi Part AOF")?;
        let manifest = match Manifest::parse(&std::fs::read(path)?) {
            Ok(manifest) => manifest,
            Err(error) => {
                if let Some((line, text)) = error.line() {
                    writeln!(self.out, "Reading the manifest file, at line {line}")?;
                    writeln!(self.out, ">>> '{text}'")?;
                }
                writeln!(self.out, "{error}")?;
                return Err(CheckFailure::Reported);
            }
        };
        let dir = path.parent().unwrap_or(Path::new(""));
        self.dir = Some(dir.to_owned());
        let parts = manifest.parts().count();
        for (at, part) in manifest.parts().enumerate() {
            let (path, is_base) = (dir.join(&part.name), manifest.base.is_some() && at == 0);
            if is_base {
                let form = if is_snapshot(&path)? { "RDB" } else { "RESP" };
                writeln!(self.out, "Start to check BASE AOF ({form} format).")?;
            } else if at == usize::from(manifest.base.is_some()) {
                writeln!(self.out, "Start to check INCR files.")?;
            }
            let name = part.name.to_string();
            let verdict = self.file(&path, &name, at + 1 == parts)?;
            let kind = if is_base { "BASE AOF" } else { "INCR AOF" };
            self.report(kind, &name, verdict)?;
        }
        writeln!(self.out, "All AOF files and manifest are valid")?;
        Ok(())
    }

    fn report(&mut self, kind: &str, name: &str, verdict: Verdict) -> Result<(), CheckFailure> {
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

    /// `name`: the file's name in messages.
    fn file(&mut self, path: &Path, name: &str, is_last: bool) -> Result<Verdict, CheckFailure> {
        let mut reader =
            Reader::open(path).map_err(|error| CheckFailure::Open(path.into(), error))?;
        if reader.size() == 0 {
            return Ok(Verdict::Empty);
        }
        if is_snapshot(path)? {
            let (said, end) = check_snapshot(path);
            self.out.write_all(said.as_bytes())?;
            let Some(end) = end else {
                writeln!(self.out, "RDB preamble of AOF file is not sane, aborting.")?;
                return Err(CheckFailure::Reported);
            };
            reader.start_at(end)?;
            writeln!(self.out, "RDB preamble is OK, proceeding with AOF tail...")?;
        }
        let mut commands = Commands::default();
        let fault = match self.read(&mut reader, &mut commands) {
            Ok(Some(offset)) => return self.cut_after(path, name, offset, is_last),
            Ok(None) => None,
            Err(fault) => Some(fault),
        };
        let size = reader.size();
        let sound = match &fault {
            None => size,
            // Where in between the fault is, is unknown.
            Some(Fault::Checksum { from, .. }) => *from,
            Some(_) => reader.sound(),
        };
        if let Some(fault) = &fault {
            self.explain(path, name, fault, &commands, sound)?;
        } else if let Action::CutAfter(time) = self.action {
            writeln!(
                self.out,
                "Truncate nothing in AOF {name} to timestamp {time}"
            )?;
            return Ok(Verdict::Valid);
        }
        let (line, diff) = (1 + commands.lines(), size - sound);
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
            let dir = self.dir.as_ref().and_then(|dir| dir.canonicalize().ok());
            if let Some(command) = dir.and_then(|dir| command_before(&dir, name, sound)) {
                writeln!(
                    self.out,
                    "--fix would cut off {diff} bytes for good, sound ones among them if any follow \
                     the fault. To keep the files, and start on a copy of what precedes it:\n  {command}"
                )?;
            }
            return Err(CheckFailure::Reported);
        }
        if !is_last {
            writeln!(
                self.out,
                "Failed to truncate AOF {name} because it is not the last file"
            )?;
            return Err(CheckFailure::Reported);
        }
        self.confirm(name, size, sound)?;
        cut(path, sound)?;
        Ok(Verdict::Truncated)
    }

    /// Asks whether to cut a file; anything but yes ends the check.
    fn confirm(&mut self, name: &str, size: u64, sound: u64) -> Result<(), CheckFailure> {
        let diff = size - sound;
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
            return Err(CheckFailure::Reported);
        }
        Ok(())
    }

    /// Reports a fault, in Redis's words where it has any.
    fn explain(
        &mut self,
        path: &Path,
        name: &str,
        fault: &Fault,
        commands: &Commands,
        sound: u64,
    ) -> Result<(), CheckFailure> {
        let is_damage = matches!(fault, Fault::Checksum { .. } | Fault::Damaged { .. });
        match (commands.misfit(), fault) {
            (Some(Misfit { offset, why }), _) if !is_damage => {
                write!(self.out, "0x{offset:16x}: {why}")?;
                if why.starts_with("Unexpected") {
                    write!(self.out, " in AOF {}", path.display())?;
                }
                writeln!(self.out)?;
            }
            (_, Fault::Format { .. }) => writeln!(self.out, "AOF {name} format error")?,
            _ => writeln!(self.out, "0x{sound:16x}: {fault}")?,
        }
        Ok(())
    }

    /// Reads to the end, or to the first command after the requested moment: its offset.
    fn read(&mut self, reader: &mut Reader, commands: &mut Commands) -> Result<Option<u64>, Fault> {
        if let Action::CutAfter(time) = self.action {
            reader.stop_after(time);
        }
        while commands.unit(reader)? {}
        Ok(commands.later())
    }

    fn cut_after(
        &mut self,
        path: &Path,
        name: &str,
        offset: u64,
        is_last: bool,
    ) -> Result<Verdict, CheckFailure> {
        let Action::CutAfter(time) = self.action else {
            return Ok(Verdict::Valid);
        };
        if !is_last {
            writeln!(
                self.out,
                "Failed to truncate AOF {name} to timestamp {time} to offset {offset} because it \
                 is not the last file.\nIf you insist, remove the files behind it and their lines \
                 of the manifest, and run this again."
            )?;
            return Err(CheckFailure::Reported);
        }
        if offset == 0 {
            writeln!(
                self.out,
                "AOF {name} has nothing before timestamp {time}, aborting..."
            )?;
            return Err(CheckFailure::Reported);
        }
        cut(path, offset)?;
        Ok(Verdict::CutAfter(time))
    }
}

/// Whether the first line that is no comment lists a file.
pub fn is_manifest(file: impl Read) -> io::Result<bool> {
    /// Longest manifest line; other files need not have lines at all.
    const LINE_MAX: u64 = 1024;
    let mut file = io::BufReader::new(file);
    loop {
        let mut line = Vec::new();
        (&mut file).take(LINE_MAX).read_until(b'\n', &mut line)?;
        if line.first() != Some(&b'#') {
            return Ok(line.starts_with(b"file"));
        }
    }
}

fn cut(path: &Path, len: u64) -> io::Result<()> {
    let (disk, file) = (Disk::default(), OpenOptions::new().write(true).open(path)?);
    disk.truncate(&file, len)?;
    disk.sync(&file)
}
