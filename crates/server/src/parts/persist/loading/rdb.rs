//! RDB files: from disk ([`RdbFile`]: at the start, for DEBUG RELOAD, as the base of an append only
//! file), or from a primary's socket ([`RdbStream`]).
//!
//! Both are read in slices. A stream is fed, and never waits: a step that needs bytes that have not
//! arrived ends as [`LoadStep::Starved`]. Function libraries are loaded after the keys. A faulty
//! file leaves the keys read before the fault in the keyspace.
//!
//! Cost: O(bytes of the file), in slices of about the given bytes, but whole keys. A stream needs
//! memory for the bytes that wait, at least the bytes of the current key.

use std::collections::BTreeMap;
use std::path::Path;

use super::{LoadError, LoadFigures};
use crate::parts::search::{Definitions, OTHER_INDEXES, REFUSED_INDEXES};
use russet_base::text::Printable;
use russet_cluster::SLOT_STATES;
use russet_cluster::migration::SLOT_IMPORT;
use russet_config::Config;
use russet_keyspace::{Cause, DbIndex, Keyspace, OwnedValue};
use russet_persistence::rdb::{
    self, DICTIONARIES, Fault, FileProgress, INDEXES, KeyFacts, Loader, ModuleData, ReadOptions,
    ReadStep, Reader, Settings, VALKEY_INDEXES,
};
use russet_replication::change_stream::Cursors;
use russet_replication::quorum::Lineage;
use russet_replication::{ReplId, ReplOffset};
use russet_scripting::{Libraries, Setup};
use russet_search::file::{self, Definition, Dictionaries};
use russet_types::Limits;

/// The treatment of keys that have expired already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiredKeys {
    /// Expired keys are left out.
    #[default]
    Skip,
    /// Expired keys are left out, and their names kept: a primary repeats their removal to its
    /// replicas.
    SkipNamed,
    /// Expired keys are loaded: a replica hides them until its primary deletes them.
    Keep,
}

/// A key's database and name.
pub type NamedKey = (DbIndex, Box<[u8]>);

/// How a file is loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    pub read: ReadOptions,
    /// Existing keys and libraries are overwritten; otherwise they are an error.
    pub merges: bool,
    pub expired: ExpiredKeys,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadStep {
    More,
    /// The next part has not arrived.
    Starved,
    Done,
}

/// The data that a load has collected besides keys.
#[derive(Debug, Default)]
struct NonKeyData {
    figures: LoadFigures,
    /// Function libraries, which are loaded after the keys.
    functions: Vec<Vec<u8>>,
    /// Data of indexes beside the keys, which is loaded after them.
    settings: Vec<Settings>,
    /// Expired keys that were left out, if their names are kept.
    expired: Vec<NamedKey>,
    /// Keys and settings left out, by module.
    modules: BTreeMap<String, (u64, u64)>,
    /// Marks of slots that were open on the node that made the file.
    open_slots: Option<Vec<u8>>,
    /// The imports of slots under way there: each a name and ranges, as `SLOT_IMPORT` has them.
    slot_imports: Vec<Vec<u8>>,
    /// The cursors of consumers of the change stream.
    cursors: Cursors,
    /// Definitions of indexes over other databases than Redis's.
    other_indexes: Option<Vec<u8>>,
    refused_indexes: Option<Vec<u8>>,
    /// The facts of a group's notes in the stream up to the file's position.
    lineage: Option<Box<Lineage>>,
}

impl NonKeyData {
    /// Logs the data of modules that was left out.
    fn log_modules(&self) {
        for (module, (keys, settings)) in &self.modules {
            tracing::warn!(
                "Loading: left out the data of the module '{}': {keys} keys, {settings} settings",
                Printable(module.as_bytes())
            );
        }
    }
}

/// Puts a file's keys into the keyspace.
struct Filler<'a> {
    keyspace: &'a mut Keyspace,
    options: &'a LoadOptions,
    to: &'a mut NonKeyData,
}

impl Loader for Filler<'_> {
    fn limits(&self) -> Limits {
        self.keyspace.limits
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        let number = || std::str::from_utf8(value).ok()?.parse::<i64>().ok();
        let figures = &mut self.to.figures;
        match name {
            b"redis-ver" | b"valkey-ver" => {
                tracing::info!("Loading RDB produced by version {}", Printable(value));
            }
            b"ctime" => {
                let now_s = self.keyspace.now_ms() / 1000;
                let age = number().map_or(0, |at| now_s.saturating_sub(at).max(0));
                tracing::info!("RDB age {age} seconds");
            }
            b"used-mem" => {
                let bytes = number().unwrap_or(0);
                figures.used_mem = u64::try_from(bytes).unwrap_or(0);
                let mb = bytes as f64 / (1024.0 * 1024.0);
                tracing::info!("RDB memory usage when created {mb:.2} Mb");
            }
            b"repl-id" => figures.repl_id = ReplId::parse(value),
            b"repl-offset" => {
                let offset = number().and_then(|n| ReplOffset::try_from(n).ok());
                figures.repl_offset = offset;
            }
            _ if name == SLOT_STATES.as_bytes() => self.to.open_slots = Some(value.to_vec()),
            _ if name == SLOT_IMPORT.as_bytes() => self.to.slot_imports.push(value.to_vec()),
            _ if name == OTHER_INDEXES.as_bytes() => {
                self.to.other_indexes = Some(value.to_vec());
            }
            _ if name == REFUSED_INDEXES.as_bytes() => {
                self.to.refused_indexes = Some(value.to_vec());
            }
            _ if name == Cursors::AUX.as_bytes() => self.to.cursors.take_aux(value),
            _ if name == Lineage::AUX.as_bytes() => {
                self.to.lineage = Lineage::parse(value).map(Box::new);
            }
            b"repl-stream-db" => {
                // -1: none was selected.
                let db = number().and_then(|n| u32::try_from(n).ok());
                let exists = |db: &u32| (*db as usize) < self.keyspace.databases();
                figures.stream_db = db.filter(exists).map(DbIndex);
            }
            _ => {}
        }
    }

    fn database(&mut self, db: u64) -> Result<DbIndex, Fault> {
        match u32::try_from(db) {
            Ok(at) if (at as usize) < self.keyspace.databases() => Ok(DbIndex(at)),
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
        let is_expired = facts.expiry.is_some_and(|at| at < self.keyspace.due_ms());
        if is_expired && self.options.expired != ExpiredKeys::Keep {
            self.to.figures.keys_expired += 1;
            if self.options.expired == ExpiredKeys::SkipNamed {
                self.to.expired.push((db, key.into()));
            }
            return Ok(());
        }
        if self.options.merges {
            self.keyspace.db(db).delete(key, Cause::Server);
        }
        let is_new = self
            .keyspace
            .load(db, key, value, facts.expiry, facts.last_use);
        if !is_new {
            return Err(Fault::DuplicateKey(db.0));
        }
        if facts.is_blessed {
            self.keyspace.bless_loaded(db, key);
        }
        self.to.figures.keys_loaded += 1;
        Ok(())
    }

    fn empty_key(&mut self, _db: DbIndex, key: &[u8]) {
        // A few of them are enough in the log.
        const REPORTED_MAX: u64 = 10;
        self.to.figures.empty_keys += 1;
        if self.to.figures.empty_keys <= REPORTED_MAX {
            tracing::info!("Loading: skipping empty key: {}", Printable(key));
        }
    }

    fn module_skipped(&mut self, module: &str, of: ModuleData<'_>) {
        let (keys, settings) = self.to.modules.entry(module.to_owned()).or_default();
        match of {
            ModuleData::Key(..) => *keys += 1,
            ModuleData::Settings => *settings += 1,
        }
    }

    fn slot_import(&mut self, name: &[u8], ranges: &[(u64, u64)]) {
        let mut text = name.to_vec();
        for (first, last) in ranges {
            text.extend_from_slice(format!(" {first}-{last}").as_bytes());
        }
        self.to.slot_imports.push(text);
    }

    fn settings(&mut self, settings: Settings) -> Result<(), Fault> {
        self.to.settings.push(settings);
        Ok(())
    }

    fn function(&mut self, code: &[u8]) -> Result<(), Fault> {
        self.to.figures.functions += 1;
        self.to.functions.push(code.to_vec());
        Ok(())
    }
}

/// A load in progress, from a file or a socket, and the data that it has found beside the keys.
pub struct RdbLoad {
    reader: Reader<'static>,
    options: LoadOptions,
    collected: NonKeyData,
}

impl RdbLoad {
    /// Loads about `bytes` bytes.
    fn step(&mut self, keyspace: &mut Keyspace, bytes: u64) -> Result<LoadStep, LoadError> {
        let until = self.reader.offset().saturating_add(bytes);
        let mut filler = Filler {
            keyspace,
            options: &self.options,
            to: &mut self.collected,
        };
        loop {
            match self.reader.step(&mut filler)? {
                ReadStep::Key if self.reader.offset() < until => {}
                ReadStep::Key => return Ok(LoadStep::More),
                ReadStep::Starved => return Ok(LoadStep::Starved),
                ReadStep::End(_) => {
                    self.collected.log_modules();
                    return Ok(LoadStep::Done);
                }
            }
        }
    }

    pub fn figures(&self) -> LoadFigures {
        self.collected.figures
    }

    /// Takes the marks of open slots, if the file has them.
    pub fn take_open_slots(&mut self) -> Option<Vec<u8>> {
        self.collected.open_slots.take()
    }

    /// Takes the imports of slots that the file names.
    pub fn take_slot_imports(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.collected.slot_imports)
    }

    /// The cursors of the change stream on the server that made the file.
    pub fn take_cursors(&mut self) -> Cursors {
        std::mem::take(&mut self.collected.cursors)
    }

    /// Takes the facts of a group's notes; `None`: the file has none.
    pub fn take_lineage(&mut self) -> Option<Box<Lineage>> {
        self.collected.lineage.take()
    }

    /// Takes the names of the expired keys left out so far ([`ExpiredKeys::SkipNamed`]).
    pub fn take_expired(&mut self) -> Vec<NamedKey> {
        std::mem::take(&mut self.collected.expired)
    }

    /// Loads the libraries read so far. A library that exists already is replaced if the file
    /// merges, otherwise it is an error.
    pub fn load_functions(
        &mut self,
        libraries: &mut Libraries,
        config: &Config,
    ) -> Result<(), LoadError> {
        let setup = Setup::of(config);
        for code in std::mem::take(&mut self.collected.functions) {
            let loaded = libraries.load(&code, self.options.merges, false, setup);
            loaded.map_err(|why| LoadError::Function(Printable(&why).to_string()))?;
        }
        Ok(())
    }

    /// After [`LoadStep::Done`]: the definitions of indexes.
    pub fn take_search(&mut self) -> Result<SearchData, LoadError> {
        let mut data = SearchData::default();
        let mut of_valkey = Vec::new();
        for Settings { id, items, .. } in std::mem::take(&mut self.collected.settings) {
            if id.name == INDEXES {
                data.definitions
                    .append(&mut file::read(id.version, &items)?);
            } else if id.name == DICTIONARIES {
                data.dictionaries
                    .append(&mut file::read_dictionaries(&items)?);
            } else if id.name == VALKEY_INDEXES && !items.is_empty() {
                of_valkey.extend(file::read_valkey(&items)?);
            }
        }
        if let Some(bytes) = self.collected.other_indexes.take() {
            let damaged = file::DecodeError("indexes over other databases");
            data.others = Definitions::read(&bytes).ok_or(damaged)?;
        }
        for (name, create) in of_valkey {
            data.others.indexes.insert(name, vec![create]);
        }
        data.refused = self.collected.refused_indexes.take();
        Ok(data)
    }
}

/// Definitions of indexes and dictionaries of a file.
#[derive(Default)]
pub struct SearchData {
    pub definitions: Vec<Definition>,
    pub dictionaries: Dictionaries,
    /// Indexes over other databases than Redis's.
    pub others: Definitions,
    /// Commands that the server which made the file had kept aside.
    pub refused: Option<Vec<u8>>,
}

/// A file that is loaded in slices.
pub struct RdbFile {
    pub load: RdbLoad,
    progress: FileProgress,
}

impl RdbFile {
    /// Reads the header.
    pub fn open(
        options: LoadOptions,
        keyspace: &mut Keyspace,
        path: &Path,
    ) -> Result<RdbFile, LoadError> {
        let (input, progress) = rdb::open(path)?;
        let mut collected = NonKeyData::default();
        let mut filler = Filler {
            keyspace,
            options: &options,
            to: &mut collected,
        };
        let reader = Reader::begin(input, options.read, &mut filler)?;
        let load = RdbLoad {
            reader,
            options,
            collected,
        };
        Ok(RdbFile { load, progress })
    }

    /// Loads about `bytes` bytes; at the end of the file returns the file's offset.
    pub fn step(&mut self, keyspace: &mut Keyspace, bytes: u64) -> Result<Option<u64>, LoadError> {
        let step = self.load.step(keyspace, bytes)?;
        let end = || self.progress.end(self.load.reader.offset());
        Ok((step == LoadStep::Done).then(end))
    }

    /// Length of the file.
    pub fn bytes(&self) -> u64 {
        self.progress.bytes()
    }

    /// The offset reached.
    pub fn offset(&self) -> u64 {
        self.progress.offset(self.load.reader.offset())
    }
}

/// A file that arrives from a socket.
pub struct RdbStream {
    pub load: RdbLoad,
}

impl RdbStream {
    /// A file of `total` bytes, if they are announced (`$<length>`): a length beyond them is then a
    /// fault at once.
    pub fn new(options: LoadOptions, total: Option<u64>) -> RdbStream {
        RdbStream {
            load: RdbLoad {
                reader: Reader::of_feed(total, options.read),
                options,
                collected: NonKeyData::default(),
            },
        }
    }

    /// Appends bytes from the socket. Amortised O(bytes).
    pub fn feed(&mut self, bytes: &[u8]) {
        self.load.reader.feed(bytes);
    }

    /// Bytes fed and not loaded yet. While many wait and the last step did not starve, the caller
    /// should not read more; a key that has starved needs more, however many wait.
    pub fn buffered(&self) -> usize {
        self.load.reader.waiting_bytes()
    }

    /// Reads the header, if it has arrived; true once it has been read. A caller that keeps the old
    /// data until then loses it only to a file of a known version.
    pub fn read_header(&mut self, keyspace: &mut Keyspace) -> Result<bool, LoadError> {
        let mut filler = Filler {
            keyspace,
            options: &self.load.options,
            to: &mut self.load.collected,
        };
        Ok(self.load.reader.read_fed_header(&mut filler)?)
    }

    /// Loads about `bytes` of the bytes fed. [`LoadStep::Starved`]: not before [`RdbStream::feed`].
    /// After [`LoadStep::Done`] there must be no further step.
    pub fn step(&mut self, keyspace: &mut Keyspace, bytes: u64) -> Result<LoadStep, LoadError> {
        self.load.step(keyspace, bytes)
    }

    /// Bytes of the file that have been loaded.
    pub fn offset(&self) -> u64 {
        self.load.reader.offset()
    }

    /// After [`LoadStep::Done`]: takes the bytes fed after the file's checksum.
    #[cfg(test)]
    pub fn take_leftover(&mut self) -> Vec<u8> {
        self.load.reader.take_rest()
    }
}

/// Loads a file fed in random pieces.
#[cfg(any(test, feature = "testing"))]
pub fn load_pieces(
    keyspace: &mut Keyspace,
    file: &[u8],
    rng: &mut rand::rngs::SmallRng,
) -> Result<LoadFigures, LoadError> {
    use rand::RngExt;

    let options = LoadOptions {
        expired: ExpiredKeys::Keep,
        ..LoadOptions::default()
    };
    let total = rng.random::<bool>().then_some(file.len() as u64);
    let mut stream = RdbStream::new(options, total);
    let piece_max = [20, 3000, 200_000][rng.random_range(0..3)];
    let mut rest = file;
    loop {
        match stream.step(keyspace, rng.random_range(1..100_000))? {
            LoadStep::More => {}
            LoadStep::Starved => {
                assert!(!rest.is_empty(), "it is whole");
                let piece = rng.random_range(1..=piece_max).min(rest.len());
                stream.feed(&rest[..piece]);
                rest = &rest[piece..];
            }
            LoadStep::Done => return Ok(stream.load.figures()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};
    use russet_persistence::rdb::{RdbWriter, Use, VERSION_USUAL};

    const NOW: i64 = 1_000_000;
    const DB: DbIndex = DbIndex(3);

    /// A file of `keys` keys, of which every third has expired, and a stream position.
    fn file(keys: usize, stream_db: &str) -> Vec<u8> {
        let mut source = keyspace();
        for i in 0..keys {
            let expiry = [None, Some(NOW + 100), Some(NOW - 100)][i % 3];
            let value = vec![b'a' + (i % 26) as u8; i * 97 % 30_000];
            let key = format!("key:{i}");
            source.load(DB, key.as_bytes(), OwnedValue::Bytes(&value), expiry, None);
        }
        source.set_now_ms(0);
        let mut writer = RdbWriter::new(VERSION_USUAL, false);
        writer.magic();
        writer.aux("repl-stream-db", stream_db.as_bytes());
        writer.aux("repl-id", &[b'7'; 40]);
        writer.aux("repl-offset", b"12345");
        writer.function(b"#!lua name=lib\nredis.register_function('f', function() end)");
        writer.select(DB, None);
        for i in 0..keys {
            let mut db = source.db(DB);
            let view = db.view(format!("key:{i}").as_bytes());
            writer.key(&view.expect("it was loaded"), Use::Nothing);
        }
        writer.end();
        [writer.take(Vec::new()), vec![0; 8]].concat()
    }

    fn keyspace() -> Keyspace {
        let mut keyspace = Keyspace::new(16);
        keyspace.set_now_ms(NOW);
        keyspace
    }

    fn options(expired: ExpiredKeys) -> LoadOptions {
        LoadOptions {
            expired,
            ..LoadOptions::default()
        }
    }

    #[test]
    fn a_stream_is_loaded_in_slices_as_it_arrives() {
        let file = file(300, "5");
        let sent = [&file[..], b"next"].concat();
        let mut rng = SmallRng::seed_from_u64(1);
        for total in [None, Some(file.len() as u64)] {
            let mut keyspace = keyspace();
            let mut stream = RdbStream::new(options(ExpiredKeys::Keep), total);
            assert!(!stream.read_header(&mut keyspace).expect("no fault"));
            let (mut rest, mut slices, mut starved) = (&sent[..], 0, 0);
            loop {
                match stream.step(&mut keyspace, 10_000).expect("no fault") {
                    LoadStep::More => slices += 1,
                    LoadStep::Starved => {
                        starved += 1;
                        let n = rng.random_range(1..60_000);
                        let (now, later) = rest.split_at(n.min(rest.len()));
                        stream.feed(now);
                        rest = later;
                        assert!(stream.buffered() <= 60_000 + 30_010);
                    }
                    LoadStep::Done => break,
                }
                assert!(stream.offset() <= file.len() as u64);
            }
            assert!(slices > 20 && starved > 5, "{slices} {starved}");
            assert_eq!(stream.offset(), file.len() as u64);
            assert_eq!([&stream.take_leftover(), rest].concat(), b"next");
            assert_eq!(stream.buffered(), 0);
            let figures = stream.load.figures();
            assert_eq!((figures.keys_loaded, figures.keys_expired), (300, 0));
            assert_eq!(
                (figures.functions, figures.stream_db()),
                (1, Some(DbIndex(5)))
            );
            assert_eq!(figures.position().map(|its| its.offset), Some(12345));
            keyspace.check_invariants();
            assert_eq!(keyspace.len(), 300);
            let mut libraries = Libraries::default();
            let config = Config::default();
            stream
                .load
                .load_functions(&mut libraries, &config)
                .expect("a library");
        }
    }

    #[test]
    fn expired_keys_are_skipped_named_or_kept() {
        let file = file(30, "-1");
        for expired in [ExpiredKeys::Skip, ExpiredKeys::SkipNamed, ExpiredKeys::Keep] {
            let mut keyspace = keyspace();
            let path = std::env::temp_dir().join(format!(
                "russet-load-{}-{expired:?}.rdb",
                std::process::id()
            ));
            std::fs::write(&path, &file).expect("written");
            let mut load = RdbFile::open(options(expired), &mut keyspace, &path).expect("a file");
            let end = load.step(&mut keyspace, u64::MAX).expect("no fault");
            std::fs::remove_file(&path).expect("removed");
            assert_eq!(end, Some(load.bytes()));
            let kept = if expired == ExpiredKeys::Keep { 30 } else { 20 };
            assert_eq!(keyspace.len(), kept);
            let figures = load.load.figures();
            assert_eq!(figures.keys_expired, 30 - kept as u64);
            assert_eq!(figures.stream_db(), None);
            let named = load.load.take_expired();
            match expired {
                ExpiredKeys::SkipNamed => {
                    assert_eq!(named.len(), 10);
                    assert_eq!(named[0], (DB, (*b"key:2").into()));
                }
                _ => assert!(named.is_empty()),
            }
        }
    }

    /// A file of `tests/data/redis-8.10-payloads.txt`.
    fn newer(name: &str) -> Vec<u8> {
        let text = include_str!("../../../../../../tests/data/redis-8.10-payloads.txt");
        let line = text.lines().find(|line| line.starts_with(name));
        let hex = line.and_then(|line| line.rsplit(" | ").next());
        let hex = hex.expect("it is listed");
        let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("digits");
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    /// A module's value in a file with settings of the module, and keys around it. The value is a
    /// vector set of Redis 8.10, under the name of a module that does not exist: `wectorset`.
    #[test]
    fn data_of_modules_ends_a_load_or_is_left_out() {
        let payload = newer("7 ");
        let mut value = payload[1..payload.len() - 10].to_vec();
        // The highest six bits are the number of the first letter.
        value[1] = value[1] & 3 | 48 << 2;
        let (value, id) = (&value[..], &value[..9]);
        let key = |name: u8, kind: u8, value: &[u8]| [&[kind, 1, name][..], value].concat();
        let file = [
            b"REDIS0015".to_vec(),
            [&[0xf7][..], id, &[2, 1, 5, 2, b'a', b'b', 0]].concat(),
            vec![0xfe, 0],
            key(b'a', 0, b"\x01x"),
            [&[0xfc][..], &(NOW + 5).to_le_bytes()].concat(),
            key(b'v', 7, value),
            key(b'b', 0, b"\x01y"),
            [&[0xff][..], &[0; 8]].concat(),
        ]
        .concat();
        let mut rng = SmallRng::seed_from_u64(7);
        let refused = load_pieces(&mut keyspace(), &file, &mut rng);
        let why = refused.expect_err("a module's data").to_string();
        assert!(
            why.contains("data of the module 'wectorset', which is not there"),
            "{why}"
        );
        for piece in [1, 7, file.len()] {
            let mut keyspace = keyspace();
            let mut options = options(ExpiredKeys::Keep);
            options.read.skips_modules = true;
            let mut stream = RdbStream::new(options, None);
            let mut pieces = file.chunks(piece);
            let end = loop {
                match stream.step(&mut keyspace, 1000).expect("no fault") {
                    LoadStep::Starved => stream.feed(pieces.next().expect("it is whole")),
                    LoadStep::More => {}
                    LoadStep::Done => break stream.load.figures(),
                }
            };
            assert_eq!(end.keys_loaded, 2);
            let modules = &stream.load.collected.modules;
            assert_eq!(modules["wectorset"], (1, 1));
            // The expiry was that of the key left out.
            let mut db = keyspace.db(DbIndex(0));
            assert_eq!(db.expiry(b"b"), Some(None));
            assert_eq!(db.expiry(b"v"), None);
        }
    }

    #[test]
    fn a_header_is_refused_before_anything_is_loaded() {
        for (header, is_known) in [
            (&b"REDIS0012"[..], true),
            (b"REDIS0099", false),
            (b"-NOMASTERLINK", false),
        ] {
            let mut keyspace = keyspace();
            let mut stream = RdbStream::new(LoadOptions::default(), None);
            stream.feed(&header[..4]);
            assert!(!stream.read_header(&mut keyspace).expect("not arrived"));
            stream.feed(&header[4..]);
            let read = stream.read_header(&mut keyspace);
            assert_eq!(read.is_ok_and(|read| read), is_known);
        }
    }
}
