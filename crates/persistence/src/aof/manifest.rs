//! The manifest: which files an append only file consists of, and in what order.
//!
//!     file appendonly.aof.3.base.rdb seq 3 type b
//!     file appendonly.aof.2.base.rdb seq 2 type h
//!     file appendonly.aof.7.incr.aof seq 7 type i
//!
//! At most one base, then incremental files by ascending number. Files that a rewrite has replaced
//! are history until they are removed, so that a crash leaves no unlisted file. Lines that begin
//! with `#` are comments; unknown keys are skipped, as in Redis. `undone`, on the first line and of
//! russet's own, is the replication offset of the last FLUSH UNDO, while there is history. A
//! manifest is replaced atomically: a new file in the same folder, forced to disk, renamed.

use std::path::Path;

use super::disk::Disk;
use russet_config::{quote, split};
use russet_replication::ReplOffset;

/// Redis does not read longer lines.
const LINE_MAX: usize = 1024;

/// The role of a file in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `type b`: the data as of one moment.
    Base,
    /// `type i`: commands since the base.
    Incr,
    /// `type h`: replaced, and to be removed.
    History,
}

impl Role {
    fn letter(self) -> char {
        match self {
            Role::Base => 'b',
            Role::Incr => 'i',
            Role::History => 'h',
        }
    }
}

/// A file of the append only file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The file's name, inside the folder.
    pub name: String,
    /// The number in the file's name, which grows with each file of the role.
    pub(crate) seq: u64,
    /// The part in the set.
    pub role: Role,
    /// The replication offset at which an incremental file begins (Redis 8.0), if it is known; a
    /// replaced one keeps it.
    pub start: Option<ReplOffset>,
    /// The offset at which it ends: only of a file that was closed in order.
    pub end: Option<ReplOffset>,
}

impl Part {
    fn new(name: String, seq: u64, role: Role) -> Part {
        Part {
            name,
            seq,
            role,
            start: None,
            end: None,
        }
    }
}

/// The format of a base file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseForm {
    /// An RDB file, `aof-use-rdb-preamble`.
    Rdb,
    /// Commands alone.
    Commands,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The base; `None`: the commands begin with an empty keyspace.
    pub base: Option<Part>,
    /// The incremental files, oldest first; the last is written to.
    pub incrs: Vec<Part>,
    /// Replaced files that are still in the folder.
    pub(crate) history: Vec<Part>,
    /// The last undo of a flush in the stream is before this offset. It is kept here alone for
    /// history's files.
    pub undone: Option<ReplOffset>,
    /// The highest numbers used so far.
    base_seq: u64,
    incr_seq: u64,
}

/// Why a manifest cannot be read; the messages are Redis's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("Found an empty AOF manifest")]
    Empty,
    #[error("The AOF manifest file contains too long line")]
    LineTooLong { line: usize },
    #[error("Invalid AOF manifest file format")]
    Format { line: usize, text: String },
    #[error("File can't be a path, just a filename")]
    Path { line: usize, text: String },
    #[error("Found duplicate base file information")]
    SecondBase { line: usize, text: String },
    #[error("Found a non-monotonic sequence number")]
    Order { line: usize, text: String },
    #[error("Unknown AOF file type")]
    Type { line: usize, text: String },
}

impl ManifestError {
    /// The number and text of the faulty line, if any.
    pub fn line(&self) -> Option<(usize, &str)> {
        match self {
            ManifestError::Empty | ManifestError::LineTooLong { .. } => None,
            ManifestError::Format { line, text }
            | ManifestError::Path { line, text }
            | ManifestError::SecondBase { line, text }
            | ManifestError::Order { line, text }
            | ManifestError::Type { line, text } => Some((*line, text)),
        }
    }
}

impl Manifest {
    /// A manifest of a single old file, which becomes the base.
    pub fn of_old_file(name: &str) -> Manifest {
        Manifest {
            base: Some(Part::new(name.to_owned(), 1, Role::Base)),
            base_seq: 1,
            ..Manifest::default()
        }
    }

    /// Parses a manifest's text.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        if bytes.is_empty() {
            return Err(ManifestError::Empty);
        }
        let mut manifest = Manifest::default();
        for (at, line) in bytes.split_inclusive(|&b| b == b'\n').enumerate() {
            let number = at + 1;
            if line.first() == Some(&b'#') {
                continue;
            }
            if line.len() > LINE_MAX || !line.ends_with(b"\n") {
                return Err(ManifestError::LineTooLong { line: number });
            }
            manifest.read_line(line.trim_ascii(), number)?;
        }
        Ok(manifest)
    }

    fn read_line(&mut self, text: &[u8], line: usize) -> Result<(), ManifestError> {
        let shown = || String::from_utf8_lossy(text).into_owned();
        let format = || ManifestError::Format {
            line,
            text: shown(),
        };
        let words = split(text).ok_or_else(format)?;
        if words.len() < 6 || !words.len().is_multiple_of(2) {
            return Err(format());
        }
        let (mut name, mut seq, mut kind) = (None, None, None);
        let (mut start, mut end) = (None, None);
        let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u64>().ok();
        for pair in words.chunks_exact(2) {
            let is = |key: &str| pair[0].eq_ignore_ascii_case(key.as_bytes());
            if is("file") {
                if pair[1].contains(&b'/') {
                    return Err(ManifestError::Path {
                        line,
                        text: shown(),
                    });
                }
                name = Some(String::from_utf8(pair[1].to_vec()).map_err(|_| format())?);
            } else if is("seq") {
                seq = number(&pair[1]);
            } else if is("startoffset") {
                start = number(&pair[1]);
            } else if is("endoffset") {
                end = number(&pair[1]);
            } else if is("undone") {
                self.undone = number(&pair[1]);
            } else if is("type") {
                kind = pair[1].first().copied();
            }
        }
        let (Some(name), Some(seq), Some(kind)) = (name, seq, kind) else {
            return Err(format());
        };
        if name.is_empty() || seq == 0 {
            return Err(format());
        }
        match kind {
            b'b' if self.base.is_some() => {
                return Err(ManifestError::SecondBase {
                    line,
                    text: shown(),
                });
            }
            b'b' => {
                self.base_seq = seq;
                self.base = Some(Part::new(name, seq, Role::Base));
            }
            b'i' if seq <= self.incr_seq => {
                return Err(ManifestError::Order {
                    line,
                    text: shown(),
                });
            }
            b'i' => {
                self.incr_seq = seq;
                let part = Part::new(name, seq, Role::Incr);
                self.incrs.push(Part { start, end, ..part });
            }
            b'h' => {
                let part = Part::new(name, seq, Role::History);
                self.history.push(Part { start, end, ..part });
            }
            _ => {
                return Err(ManifestError::Type {
                    line,
                    text: shown(),
                });
            }
        }
        Ok(())
    }

    /// The manifest's text.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut undone = self.undone.filter(|_| !self.history.is_empty());
        for part in self.base.iter().chain(&self.history).chain(&self.incrs) {
            out.extend_from_slice(b"file ");
            let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\');
            if part.name.bytes().all(plain) {
                out.extend_from_slice(part.name.as_bytes())
            } else {
                quote(&mut out, part.name.as_bytes())
            }
            let rest = format!(" seq {} type {}", part.seq, part.role.letter());
            out.extend_from_slice(rest.as_bytes());
            let offsets = [
                ("startoffset", part.start),
                ("endoffset", part.end),
                ("undone", undone.take()),
            ];
            for (key, offset) in offsets {
                if let Some(offset) = offset {
                    out.extend_from_slice(format!(" {key} {offset}").as_bytes());
                }
            }
            out.push(b'\n');
        }
        out
    }

    /// Replaces the manifest `name` in `dir` atomically.
    pub fn save(&self, disk: &Disk, dir: &Path, name: &str) -> std::io::Result<()> {
        disk.replace(dir, name, &self.text())
    }

    /// Whether there is neither a base nor an incremental file.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.incrs.is_empty()
    }

    /// The files that make up the data, in load order.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.base.iter().chain(&self.incrs)
    }

    /// Whether both have the same files, whatever is history.
    pub fn lists_same(&self, other: &Manifest) -> bool {
        let names = |part: &'_ Part| part.name.clone();
        self.parts().map(names).eq(other.parts().map(names))
    }

    /// Whether both have their files begin at the same offsets.
    pub(crate) fn begins_same(&self, other: &Manifest) -> bool {
        let starts = |part: &'_ Part| part.start;
        self.parts().map(starts).eq(other.parts().map(starts))
    }

    /// Adds an incremental file after the others, which begins at a replication offset; returns its
    /// name.
    pub(crate) fn add_incr(&mut self, basename: &str, start: u64) -> String {
        self.incr_seq += 1;
        let name = format!("{basename}.{}.incr.aof", self.incr_seq);
        self.incrs.push(Part {
            start: Some(start),
            ..Part::new(name.clone(), self.incr_seq, Role::Incr)
        });
        name
    }

    /// Adds a new base; the old base, if any, and the incremental files that it replaces (all but
    /// the last `kept`) become history. Returns the new name.
    pub fn replace_base(&mut self, basename: &str, form: BaseForm, kept: usize) -> String {
        self.base_seq += 1;
        let ending = match form {
            BaseForm::Rdb => "rdb",
            BaseForm::Commands => "aof",
        };
        let name = format!("{basename}.{}.base.{ending}", self.base_seq);
        let new = Part::new(name.clone(), self.base_seq, Role::Base);
        let old = self.base.replace(new);
        let replaced = self.incrs.len().saturating_sub(kept);
        // Newest first.
        for part in old.into_iter().chain(self.incrs.drain(..replaced)) {
            let role = Role::History;
            self.history.insert(0, Part { role, ..part });
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, seq: u64, role: Role) -> Part {
        Part::new(name.to_owned(), seq, role)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut m = Manifest::default();
        m.replace_base("a b", BaseForm::Rdb, 0);
        m.add_incr("a b", 0);
        m.add_incr("a b", 7);
        m.replace_base("a b", BaseForm::Commands, 1);
        let text = "file \"a b.2.base.aof\" seq 2 type b\n\
                    file \"a b.1.incr.aof\" seq 1 type h startoffset 0\n\
                    file \"a b.1.base.rdb\" seq 1 type h\n\
                    file \"a b.2.incr.aof\" seq 2 type i startoffset 7\n";
        assert_eq!(String::from_utf8(m.text()).expect("text"), text);
        assert_eq!(Manifest::parse(text.as_bytes()).as_ref(), Ok(&m));
        m.undone = Some(5);
        let text = text.replacen("type b", "type b undone 5", 1);
        assert_eq!(String::from_utf8(m.text()).expect("text"), text);
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(m));
    }

    #[test]
    fn comments_and_unknown_keys_are_passed_over() {
        let text = b"# made by hand\nseq 2 type i new 5 FILE x.aof\n";
        let m = Manifest::parse(text).expect("sound");
        assert_eq!(m.incrs, [part("x.aof", 2, Role::Incr)]);
        assert_eq!(m.clone().add_incr("x", 0), "x.3.incr.aof");
    }

    #[test]
    fn refusals_name_the_line() {
        let good = "file a.1.base.rdb seq 1 type b\nfile a.2.incr.aof seq 2 type i\n";
        let long = format!("file {} seq 3 type i\n", "x".repeat(1100));
        for (bad, why) in [
            ("\n", "Invalid AOF manifest file format"),
            (
                "file a.3.incr.aof seq 3\n",
                "Invalid AOF manifest file format",
            ),
            ("file a seq b type i\n", "Invalid AOF manifest file format"),
            (
                "file a\" seq 3 type i\n",
                "Invalid AOF manifest file format",
            ),
            (
                "file /a seq 3 type i\n",
                "File can't be a path, just a filename",
            ),
            (
                "file a seq 2 type b\n",
                "Found duplicate base file information",
            ),
            (
                "file a seq 2 type i\n",
                "Found a non-monotonic sequence number",
            ),
            ("file a seq 3 type x\n", "Unknown AOF file type"),
        ] {
            let error = Manifest::parse(format!("{good}{bad}").as_bytes()).expect_err(bad);
            assert_eq!(error.to_string(), why, "{bad}");
            let line = error.line().expect("a line");
            assert_eq!(line, (3, bad.trim()), "{bad}");
        }
        for bad in [long.as_str(), "file a seq 3 type i"] {
            let error = Manifest::parse(bad.as_bytes()).expect_err(bad);
            assert_eq!(error, ManifestError::LineTooLong { line: 1 });
        }
        assert_eq!(Manifest::parse(b""), Err(ManifestError::Empty));
    }
}
