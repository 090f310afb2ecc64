//! Reading an RDB file key by key and writing each for a target.
//!
//! Each value is loaded alone into a keyspace of its own, written, and deleted: the conversion
//! needs the memory of the largest value. Expired keys are written like others. Of the file's facts
//! (`aux`) only facts that hold for a copy are kept. Every fault ends the work, and so do bytes
//! after the snapshot. Obstacles that the target has are written out by `obstacles`; the target's
//! format is `output`'s.
//!
//! Cost: O(bytes). `commands_follow` and `report_left_out` each read the file once more.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::super::rdb::{
    self, Fault, KeyFacts, Loader, ModuleData, RdbEnd, ReadOptions, Reader, Settings, Use,
};
use super::output::TargetFile;
use super::{ConvertError, Obstacles};
use russet_keyspace::{Cause, DbIndex, ExpiryMode, KeyUse, Keyspace, OwnedValue};
use russet_types::Limits;

/// Facts of a file that also hold for a copy. Other facts are about a server and its stream, which
/// the copy does not continue.
const FACTS_KEPT: [&str; 3] = ["ctime", "used-mem", "aof-base"];

/// Judges a library of functions: its name, and why the target cannot load it.
pub(crate) type JudgeLibrary<'a> = dyn FnMut(&[u8]) -> Option<(Vec<u8>, String)> + 'a;

/// Whether commands follow a snapshot: it is then the beginning of an append only file. A snapshot
/// with a fault has no end; [`read_rdb`] reports the fault. O(bytes), without making the values.
pub fn commands_follow(from: &Path) -> io::Result<bool> {
    let (mut input, progress) = rdb::open(from)?;
    let Ok(end) = rdb::verify(&mut input) else {
        return Ok(false);
    };
    let mut file = fs::File::open(from)?;
    file.seek(SeekFrom::Start(progress.end(end)))?;
    let mut next = Vec::new();
    file.take(1).read_to_end(&mut next)?;
    Ok(matches!(next[..], [b'*' | b'#']))
}

/// Reads a file and gives its content to `to`. Faults of the file end it, and so does anything that
/// follows the snapshot.
pub fn read_rdb(
    from: &Path,
    to: &mut TargetFile<'_, '_>,
    judge: &mut JudgeLibrary<'_>,
) -> Result<RdbEnd, ConvertError> {
    let mut keyspace = Keyspace::new(1);
    // Expired keys are data as others: the server that loads the file removes them.
    keyspace.set_expiring(ExpiryMode::Replay);
    let mut passed = ConvertLoader {
        keyspace,
        to,
        judge,
    };
    let (more, end) = read_with(from, &mut passed)?;
    if more > 0 {
        let text = format!("{}: {more} bytes follow the snapshot", from.display());
        return Err(ConvertError::Reported(text));
    }
    Ok(end)
}

/// Names the data that a load of this snapshot leaves out, whatever the target is.
pub fn report_left_out(from: &Path, obstacles: &mut Obstacles<'_>) -> Result<(), ConvertError> {
    read_with(from, &mut LeftOut(obstacles)).map(|_| ())
}

/// Reads a snapshot; returns the number of bytes that follow it, and its end.
fn read_with(from: &Path, loader: &mut dyn Loader) -> Result<(u64, RdbEnd), ConvertError> {
    let io = |error| ConvertError::Io(from.to_owned(), error);
    let damaged = |error| ConvertError::Damaged(from.to_owned(), error);
    let (input, progress) = rdb::open(from).map_err(io)?;
    let options = ReadOptions {
        checksum: true,
        deep: true,
        skips_modules: true,
        takes_later: false,
    };
    let reader = Reader::begin(input, options, loader).map_err(damaged)?;
    let end = reader.run(loader).map_err(damaged)?;
    let more = progress.bytes().saturating_sub(progress.end(end.bytes));
    Ok((more, end))
}

/// A database of a file, up to Redis's limit.
fn database(db: u64) -> Result<DbIndex, Fault> {
    match u32::try_from(db) {
        Ok(db) if i32::try_from(db).is_ok() => Ok(DbIndex(db)),
        _ => Err(Fault::Database(db)),
    }
}

/// Names the parts of a file without a value to pass on.
struct LeftOut<'a, 't>(&'a mut Obstacles<'t>);

impl Loader for LeftOut<'_, '_> {
    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn database(&mut self, db: u64) -> Result<DbIndex, Fault> {
        database(db)
    }

    fn key(
        &mut self,
        db: DbIndex,
        key: &[u8],
        _value: OwnedValue<'_>,
        facts: KeyFacts,
    ) -> Result<(), Fault> {
        if facts.had_metadata {
            self.0.metadata(db, key);
        }
        Ok(())
    }

    fn empty_key(&mut self, _db: DbIndex, _key: &[u8]) {
        self.0.empty_key();
    }

    fn module_skipped(&mut self, module: &str, of: ModuleData<'_>) {
        self.0.module(module, of);
    }

    fn slot_import(&mut self, _name: &[u8], _ranges: &[(u64, u64)]) {
        self.0.slot_import();
    }
}

/// Passes keys on. A value goes through a keyspace that has no other.
struct ConvertLoader<'a, 'b, 'c, 't> {
    keyspace: Keyspace,
    to: &'a mut TargetFile<'b, 't>,
    judge: &'a mut JudgeLibrary<'c>,
}

impl Loader for ConvertLoader<'_, '_, '_, '_> {
    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        if let Some(name) = FACTS_KEPT.iter().find(|kept| kept.as_bytes() == name) {
            self.to.fact(name, value);
        }
    }

    fn database(&mut self, db: u64) -> Result<DbIndex, Fault> {
        database(db)
    }

    fn key(
        &mut self,
        db: DbIndex,
        key: &[u8],
        value: OwnedValue<'_>,
        facts: KeyFacts,
    ) -> Result<(), Fault> {
        const ONE: DbIndex = DbIndex(0);
        let used = match facts.last_use {
            None => Use::Nothing,
            Some(KeyUse::IdleSeconds(seconds)) => Use::IdleSeconds(seconds),
            Some(KeyUse::Frequency(count)) => Use::Frequency(count),
        };
        if facts.had_metadata {
            self.to.obstacles.metadata(db, key);
        }
        self.keyspace.load(ONE, key, value, facts.expiry, None);
        if facts.is_blessed {
            self.keyspace.bless_loaded(ONE, key);
        }
        let mut alone = self.keyspace.db(ONE);
        let view = alone.view_even_expired(key).expect("it was loaded");
        let written = self.to.key(db, &view, used);
        drop(view);
        alone.delete(key, Cause::Server);
        written.map_err(Fault::Io)
    }

    fn empty_key(&mut self, _db: DbIndex, _key: &[u8]) {
        self.to.obstacles.empty_key();
    }

    fn module_skipped(&mut self, module: &str, of: ModuleData<'_>) {
        self.to.obstacles.module(module, of);
    }

    fn settings(&mut self, settings: Settings) -> Result<(), Fault> {
        self.to.settings(&settings)
    }

    fn slot_import(&mut self, _name: &[u8], _ranges: &[(u64, u64)]) {
        self.to.obstacles.slot_import();
    }

    fn function(&mut self, code: &[u8]) -> Result<(), Fault> {
        match (self.judge)(code) {
            Some((name, why)) => {
                self.to.obstacles.library(&name, &why);
                Ok(())
            }
            None => self.to.library(code).map_err(Fault::Io),
        }
    }
}
