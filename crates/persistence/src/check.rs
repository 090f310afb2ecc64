//! `check-rdb`: checks a file offline.
//!
//! Everything is read as a server reads it, including types that have no commands here; a fault is
//! reported with its offset and its key. The lines are `redis-check-rdb`'s, because scripts match
//! them; additional information follows them.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use super::rdb::{
    self, Fault, KeyFacts, Loader, ModuleData, RdbEnd, RdbError, ReadOptions, ReadStep, Reader, Sum,
};
use super::values::form_name;
use russet_base::clock;
use russet_base::numbers::number::parse_i64;
use russet_base::text::{Printable, system_text};
use russet_keyspace::{DbIndex, OwnedValue};
use russet_types::{AnyContainer, Limits, Type};

/// Number of largest keys reported per type.
const LARGEST: usize = 5;

/// The findings for one type.
#[derive(Debug, Default)]
struct TypeFindings {
    keys: u64,
    bytes: u64,
    /// The largest keys by their bytes in the file, largest first.
    largest: Vec<(u64, Box<[u8]>)>,
}

/// Reads a whole snapshot at the beginning of a file: returns the report, and where the snapshot
/// ends if it is whole.
pub(crate) fn check_snapshot(path: &Path) -> (String, Option<u64>) {
    let report = Report::of(path, false);
    (report.to_string(), report.end.map(|end| end.bytes))
}

/// When a snapshot was made, Unix seconds, if recorded. Reads only up to the first key.
pub(crate) fn snapshot_time(path: &Path) -> Result<Option<i64>, String> {
    let (input, _) = rdb::open(path).map_err(|error| error.to_string())?;
    let options = ReadOptions {
        skips_modules: true,
        ..ReadOptions::default()
    };
    let mut head = FileHead::default();
    let read = Reader::begin(input, options, &mut head);
    let read = read.and_then(|reader| reader.run(&mut head));
    match read {
        Err(error) if !head.is_over => Err(error.to_string()),
        _ => Ok(head.time_s),
    }
}

/// The part before the first key.
#[derive(Debug, Default)]
struct FileHead {
    time_s: Option<i64>,
    is_over: bool,
}

impl Loader for FileHead {
    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        if name == b"ctime" {
            self.time_s = parse_i64(value);
        }
    }

    fn database(&mut self, db: u64) -> Result<DbIndex, Fault> {
        self.is_over = true;
        // Nothing more is needed.
        Err(Fault::Database(db))
    }

    fn key(
        &mut self,
        _db: DbIndex,
        _key: &[u8],
        _value: OwnedValue<'_>,
        _facts: KeyFacts,
    ) -> Result<(), Fault> {
        self.is_over = true;
        Err(Fault::Empty)
    }
}

/// A file's contents and faults.
#[derive(Debug, Default)]
struct Report {
    path: PathBuf,
    /// Lines reported while the file is read.
    lines: String,
    offset: u64,
    kinds: [TypeFindings; Type::ALL.len()],
    keys: u64,
    expires: u64,
    expired: u64,
    /// Hashes with fields that expire.
    subexpires: u64,
    functions: u64,
    empty: u64,
    /// Keys and settings by module: a server without the module passes over them, or refuses them.
    modules: BTreeMap<String, (u64, u64)>,
    /// Unix milliseconds: keys whose expiry is before this count as expired.
    now_ms: i64,
    /// The key read last.
    last: Option<(Type, Box<[u8]>)>,
    end: Option<RdbEnd>,
    error: Option<CheckError>,
    with_stats: bool,
}

impl Loader for Report {
    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn at(&mut self, offset: u64) {
        self.offset = offset;
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        let (name, value) = (Printable(name), Printable(value));
        self.line(format_args!("AUX FIELD {name} = '{value}'"));
    }

    fn database(&mut self, db: u64) -> Result<DbIndex, Fault> {
        self.line(format_args!("Selecting DB ID {db}"));
        u32::try_from(db)
            .map(DbIndex)
            .map_err(|_| Fault::Database(db))
    }

    fn key(
        &mut self,
        _db: DbIndex,
        key: &[u8],
        value: OwnedValue<'_>,
        facts: KeyFacts,
    ) -> Result<(), Fault> {
        self.count(value.kind(), key, facts);
        self.subexpires += u64::from(match &value {
            OwnedValue::Container(AnyContainer::Hash(hash)) => hash.expire_min().is_some(),
            OwnedValue::Container(AnyContainer::Set(set)) => set.expire_min().is_some(),
            _ => false,
        });
        Ok(())
    }

    fn empty_key(&mut self, _db: DbIndex, _key: &[u8]) {
        self.empty += 1;
    }

    fn module_skipped(&mut self, module: &str, of: ModuleData<'_>) {
        let (keys, settings) = self.modules.entry(module.to_owned()).or_default();
        match of {
            ModuleData::Key(..) => {
                *keys += 1;
                self.keys += 1;
            }
            ModuleData::Settings => *settings += 1,
        }
    }

    fn function(&mut self, _code: &[u8]) -> Result<(), Fault> {
        self.functions += 1;
        Ok(())
    }
}

impl Report {
    /// Reads a file to the end or to the first fault.
    fn of(path: &Path, with_stats: bool) -> Report {
        let mut report = Report {
            path: path.into(),
            now_ms: clock::unix_us() / 1000,
            with_stats,
            ..Report::default()
        };
        report.line(format_args!("Checking RDB file {}", path.display()));
        report.error = report.read(path).err();
        report
    }

    fn line(&mut self, text: fmt::Arguments<'_>) {
        let offset = self.offset;
        // Writing to a string cannot fail.
        let _ = writeln!(self.lines, "[offset {offset}] {text}");
    }

    fn count(&mut self, kind: Type, key: &[u8], facts: KeyFacts) {
        self.keys += 1;
        self.expires += u64::from(facts.expiry.is_some());
        self.expired += u64::from(facts.expiry.is_some_and(|at| at < self.now_ms));
        self.last = Some((kind, key.into()));
    }

    /// The key read last takes this many bytes of the file.
    fn weigh(&mut self, bytes: u64) {
        let Some((kind, key)) = self.last.take() else {
            return;
        };
        let kind = &mut self.kinds[kind as usize];
        kind.keys += 1;
        kind.bytes += bytes;
        let at = kind.largest.partition_point(|(other, _)| *other >= bytes);
        if at < LARGEST {
            kind.largest.truncate(LARGEST - 1);
            kind.largest.insert(at, (bytes, key));
        }
    }

    fn read(&mut self, path: &Path) -> Result<(), CheckError> {
        let (input, progress) = rdb::open(path)?;
        let options = ReadOptions {
            checksum: true,
            deep: true,
            skips_modules: true,
            takes_later: false,
        };
        let mut reader = Reader::begin(input, options, self)?;
        loop {
            let from = reader.offset();
            if let ReadStep::End(end) = reader.step(self)? {
                let bytes = progress.end(end.bytes);
                self.end = Some(RdbEnd { bytes, ..end });
                return Ok(());
            }
            self.weigh(reader.offset() - from);
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Damaged(#[from] RdbError),
}

/// Reads a file to the end or to the first fault; returns the report, and whether the file is
/// whole.
pub fn check_rdb(path: &Path, with_stats: bool) -> (String, bool) {
    let report = Report::of(path, with_stats);
    let is_sound = report.error.is_none();
    (report.to_string(), is_sound)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines)?;
        match (&self.error, self.end) {
            (Some(CheckError::Io(error)), _) => {
                let (path, why) = (self.path.display(), system_text(error));
                return writeln!(f, "Cannot open file {path}: {why}");
            }
            (Some(CheckError::Damaged(error)), _) => write!(f, "{}", FaultReport(error))?,
            (None, Some(end)) => {
                let offset = end.bytes;
                match end.sum {
                    Sum::Verified => writeln!(f, "[offset {offset}] Checksum OK")?,
                    Sum::Disabled => writeln!(
                        f,
                        "[offset {offset}] RDB file was saved with checksum disabled: no check \
                         performed."
                    )?,
                    Sum::Unknown => {}
                }
                writeln!(f, "[offset {offset}] \\o/ RDB looks OK! \\o/")?;
            }
            (None, None) => {}
        }
        // The key with the fault counts as read.
        let begun = match &self.error {
            Some(CheckError::Damaged(error)) => u64::from(error.key.is_some()),
            _ => 0,
        };
        writeln!(f, "[info] {} keys read", self.keys + begun)?;
        writeln!(f, "[info] {} expires", self.expires)?;
        writeln!(f, "[info] {} already expired", self.expired)?;
        writeln!(f, "[info] {} subexpires", self.subexpires)?;
        if self.functions > 0 {
            writeln!(f, "[info] {} function libraries", self.functions)?;
        }
        if self.empty > 0 {
            writeln!(f, "[info] {} keys without elements", self.empty)?;
        }
        for (module, (keys, settings)) in &self.modules {
            let module = Printable(module.as_bytes());
            writeln!(
                f,
                "[info] module '{module}': {keys} keys, {settings} settings; loaded only with \
                 rdb-unknown-modules skip, which leaves them out"
            )?;
        }
        if self.with_stats {
            if let Some(end) = self.end {
                writeln!(f, "[stats] version {} of {:?}", end.version, end.dialect)?;
            }
            f.write_str(&self.stats()?)?;
        }
        Ok(())
    }
}

/// The lines that describe a fault, except the number of keys read.
#[derive(Debug)]
pub struct FaultReport<'a>(pub &'a RdbError);

impl fmt::Display for FaultReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0;
        writeln!(f, "--- RDB ERROR DETECTED ---")?;
        let offset = error.offset;
        match &error.fault {
            Fault::Truncated => writeln!(f, "[offset {offset}] Unexpected EOF reading RDB file")?,
            Fault::Magic => writeln!(
                f,
                "[offset {offset}] Wrong signature trying to load DB from file"
            )?,
            Fault::Version(version) => writeln!(
                f,
                "[offset {offset}] Can't handle RDB format version {version}"
            )?,
            Fault::Unknown(kind) => writeln!(f, "[offset {offset}] Invalid object type: {kind}")?,
            Fault::Checksum { stated, found } => writeln!(
                f,
                "[offset {offset}] RDB CRC error: {stated:016x} is stated, {found:016x} was found"
            )?,
            other => writeln!(f, "[offset {offset}] {other}")?,
        }
        let info = "[additional info]";
        writeln!(f, "{info} While doing: {}", error.doing.name())?;
        if let Some(key) = &error.key {
            writeln!(f, "{info} Reading key '{}'", Printable(key))?;
        }
        if let Some(number) = error.kind {
            writeln!(
                f,
                "{info} Reading type {number} ({})",
                form_name(number, error.dialect)
            )?;
        }
        Ok(())
    }
}

impl Report {
    fn stats(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        for (kind, found) in Type::ALL.iter().zip(&self.kinds) {
            if found.keys == 0 {
                continue;
            }
            let (keys, bytes) = (found.keys, found.bytes);
            writeln!(out, "[stats] {}: {keys} keys, {bytes} bytes", kind.name())?;
            for (bytes, key) in &found.largest {
                writeln!(out, "[stats]     {bytes} bytes: {}", Printable(key))?;
            }
        }
        Ok(out)
    }
}
