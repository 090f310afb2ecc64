//! Reading an RDB file key by key and writing each for a target.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::super::rdb::{self, Fault, KeyFacts, Loader, ModuleData, ReadOptions, Reader, Use};
use super::ConvertError;
use super::output::TargetFile;
use crate::keyspace::{Cause, DbIndex, Expiring, KeyUse, Keyspace, OwnedValue};
use crate::types::Limits;

/// Facts of a file that hold for its copy as well. Others are about a server and its stream, which
/// the copy does not continue.
const FACTS_KEPT: [&str; 3] = ["ctime", "used-mem", "aof-base"];

/// Judges a library of functions: its name, and why the target cannot load it.
pub type JudgeLibrary<'a> = dyn FnMut(&[u8]) -> Option<(Vec<u8>, String)> + 'a;

/// The end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is an RDB file.
    Whole,
    /// Commands follow: it is an append only file that begins with a snapshot.
    Commands,
}

/// Reads a file and gives its content to `to`. Faults of the file end it.
pub fn read_rdb(
    from: &Path,
    to: &mut TargetFile<'_, '_>,
    judge: &mut JudgeLibrary<'_>,
) -> Result<End, ConvertError> {
    let io = |error| ConvertError::Io(from.to_owned(), error);
    let damaged = |error| ConvertError::Damaged(from.to_owned(), error);
    let (input, progress) = rdb::open(from).map_err(io)?;
    let options = ReadOptions {
        checksum: true,
        deep: true,
        skips_modules: true,
        takes_later: false,
    };
    let mut keyspace = Keyspace::new(1);
    // Expired keys are data as others: whoever loads the file removes them.
    keyspace.set_expiring(Expiring::Replay);
    let mut passed = Passed {
        keyspace,
        to,
        judge,
    };
    let reader = Reader::begin(input, options, &mut passed).map_err(damaged)?;
    let end = reader.run(&mut passed).map_err(damaged)?;
    let end = progress.end(end.bytes);
    if end >= progress.bytes() {
        return Ok(End::Whole);
    }
    match byte_at(from, end).map_err(io)? {
        Some(b'*' | b'#') => Ok(End::Commands),
        _ => {
            let more = progress.bytes() - end;
            let text = format!("{}: {more} bytes follow its end", from.display());
            Err(ConvertError::Told(text))
        }
    }
}

fn byte_at(path: &Path, offset: u64) -> std::io::Result<Option<u8>> {
    use std::io::{Seek, SeekFrom};
    let mut file = fs::File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut byte = Vec::new();
    file.take(1).read_to_end(&mut byte)?;
    Ok(byte.first().copied())
}

/// Passes keys on. A value goes through a keyspace that has no other.
struct Passed<'a, 'b, 'c, 't> {
    keyspace: Keyspace,
    to: &'a mut TargetFile<'b, 't>,
    judge: &'a mut JudgeLibrary<'c>,
}

impl Loader for Passed<'_, '_, '_, '_> {
    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        if let Some(name) = FACTS_KEPT.iter().find(|kept| kept.as_bytes() == name) {
            self.to.fact(name, value);
        }
    }

    fn database(&mut self, db: u64) -> Result<DbIndex, Fault> {
        // Redis's limit.
        match u32::try_from(db) {
            Ok(db) if i32::try_from(db).is_ok() => Ok(DbIndex(db)),
            _ => Err(Fault::Database(db)),
        }
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
        self.keyspace.load(ONE, key, value, facts.expiry, None);
        let mut alone = self.keyspace.db(ONE);
        let view = alone.view_even_expired(key).expect("it was loaded");
        let written = self.to.key(db, &view, used);
        alone.delete(key, Cause::Server);
        written.map_err(Fault::Io)
    }

    fn module_skipped(&mut self, module: &str, of: ModuleData<'_>) {
        match of {
            ModuleData::Key(db, key) => {
                let why = format!("a value of the module '{module}'");
                self.to.obstacles.key(db, key, &why);
            }
            ModuleData::Settings => self.to.obstacles.settings(module),
        }
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
