//! Reading a whole file, key by key.
//!
//! The reader knows the format; its [`Loader`] handles the keys. Every error has a position: the
//! offset, and the key whose value was being read.
//!
//! A file may be fed in pieces ([`Reader::of_feed`]). An item - the header, an opcode with its
//! parts, a key - that has not arrived is rewound, and read again when it is whole ([`Scan`]):
//! whatever the pieces, the loader gets the same. Nothing of an item reaches the loader before all
//! of it is read.

use super::error::{LoadStage, RdbError};
use super::fault::Fault;
use super::format::{RdbOrigin, VALKEY_VERSIONS, VERSION_MAX, kind, opcode};
use super::input::Input;
use super::module::{self, ModuleData, Settings};
use super::parse;
use super::rules::Rules;
use super::scan::{Scan, ScanOutcome};
use super::templates::Templates;
use russet_keyspace::{DbIndex, KeyUse, OwnedValue};
use russet_types::Limits;

/// The facts before a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyFacts {
    /// Unix milliseconds.
    pub expiry: Option<i64>,
    /// The idle time or frequency, if the file has it.
    pub last_use: Option<KeyUse>,
    /// BLESS has marked the key.
    pub is_blessed: bool,
    /// Metadata of modules, all of which may be ignored, was passed over.
    pub(crate) had_metadata: bool,
}

/// Receives the content of a file.
pub trait Loader {
    /// Limits for the encodings of values.
    fn limits(&self) -> Limits;

    /// Bytes read up to the end of the item reported next.
    fn at(&mut self, _offset: u64) {}

    /// A fact about the server that wrote the file.
    fn aux(&mut self, _name: &[u8], _value: &[u8]) {}

    /// The keys of this database follow.
    fn database(&mut self, db: u64) -> Result<DbIndex, Fault>;

    /// A key.
    fn key(
        &mut self,
        db: DbIndex,
        key: &[u8],
        value: OwnedValue<'_>,
        facts: KeyFacts,
    ) -> Result<(), Fault>;

    /// A key whose container has no elements: a bug of the writer.
    fn empty_key(&mut self, _db: DbIndex, _key: &[u8]) {}

    /// Data of a module has been passed over ([`ReadOptions::skips_modules`]).
    fn module_skipped(&mut self, _module: &str, _of: ModuleData<'_>) {}

    /// An import of slots that was under way where the file was made: its name, and the first and
    /// the last slot of each range.
    fn slot_import(&mut self, _name: &[u8], _ranges: &[(u64, u64)]) {}

    /// Data that a module keeps beside the keys.
    fn settings(&mut self, _settings: Settings) -> Result<(), Fault> {
        Ok(())
    }

    /// A function library.
    fn function(&mut self, _code: &[u8]) -> Result<(), Fault> {
        Ok(())
    }
}

/// Settings for reading a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions {
    /// Whether the checksum at the end must be right.
    pub checksum: bool,
    /// Whether elements of packed forms must differ.
    pub deep: bool,
    /// Whether data of modules is passed over; otherwise it is a fault.
    pub skips_modules: bool,
    /// Whether files of later versions are tried: anything unknown in them is a fault.
    pub takes_later: bool,
}

/// See the module.
pub struct Reader<'a> {
    input: Input<'a>,
    options: ReadOptions,
    rules: Rules,
    /// 0: the header is not read yet.
    version: u16,
    db: DbIndex,
    key: Vec<u8>,
    /// The facts before the next key.
    facts: KeyFacts,
    /// Where the step began.
    began: u64,
    wait: Wait,
    /// The part being read; key and type are set only within a value.
    doing: LoadStage,
    kind: Option<u8>,
}

/// The bytes that a fed reader waits for.
enum Wait {
    Nothing,
    /// The end of the current item.
    Item(Scan),
    /// This many bytes from the beginning of the file.
    Bytes(u64),
}

/// How a step of the reader ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadStep {
    /// After a key.
    Key,
    /// The next item has not arrived: [`Reader::feed`] comes first.
    Starved,
    /// The end of the file, with its facts.
    End(RdbEnd),
}

/// The end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RdbEnd {
    /// The number after the magic.
    pub(crate) version: u16,
    /// The program that wrote it, as its magic shows.
    pub(crate) dialect: RdbOrigin,
    /// The result of its checksum.
    pub(crate) sum: Sum,
    /// Bytes of the file, the checksum among them.
    pub(crate) bytes: u64,
}

/// The result of a file's checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// The checksum is right.
    Verified,
    /// The file was written without a checksum.
    Disabled,
    /// The version has none, or it was not requested.
    Unknown,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    pub fn begin(
        input: Input<'a>,
        options: ReadOptions,
        loader: &mut dyn Loader,
    ) -> Result<Reader<'a>, RdbError> {
        let mut reader = Reader::new(input, options);
        let read = reader.read_header(loader.limits());
        read.map_err(|fault| reader.error(fault))?;
        Ok(reader)
    }

    /// A file of `total` bytes, if known, that [`Reader::feed`] appends.
    pub fn of_feed(total: Option<u64>, options: ReadOptions) -> Reader<'a> {
        Reader::new(Input::of_feed(total), options)
    }

    fn new(mut input: Input<'a>, options: ReadOptions) -> Reader<'a> {
        if options.checksum {
            input.begin_checksum();
        }
        Reader {
            input,
            options,
            rules: Rules {
                limits: Limits::default(),
                deep: options.deep,
                dialect: RdbOrigin::Redis,
                templates: Templates::default(),
            },
            version: 0,
            db: DbIndex(0),
            key: Vec::new(),
            facts: KeyFacts::default(),
            began: 0,
            wait: Wait::Nothing,
            doing: LoadStage::Start,
            kind: None,
        }
    }

    /// Appends bytes of a file that is fed. Amortised O(bytes).
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.feed(bytes);
    }

    /// Bytes fed and not read yet.
    pub fn waiting_bytes(&self) -> usize {
        self.input.rest().len()
    }

    /// After the end: takes the bytes that were fed after it.
    #[cfg(any(test, feature = "testing"))]
    #[allow(dead_code, reason = "for tests and the fuzz targets")]
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.input.take_rest()
    }

    /// For a fed file: reads the header if it has arrived. True once it has been read.
    ///
    /// An error: it is no RDB file, or of a version that is not known.
    pub fn read_fed_header(&mut self, loader: &mut dyn Loader) -> Result<bool, RdbError> {
        if self.version == 0 && self.input.rest().len() >= HEADER_BYTES {
            let read = self.read_header(loader.limits());
            read.map_err(|fault| self.error(fault))?;
        }
        Ok(self.version != 0)
    }

    fn read_header(&mut self, limits: Limits) -> Result<(), Fault> {
        self.doing = LoadStage::Start;
        let (dialect, version) = header(&mut self.input, self.options.takes_later)?;
        (self.version, self.rules.dialect, self.rules.limits) = (version, dialect, limits);
        self.began = self.input.offset();
        Ok(())
    }

    /// Bytes read.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// Reads the whole file, which is not fed.
    pub fn run(mut self, loader: &mut dyn Loader) -> Result<RdbEnd, RdbError> {
        loop {
            if let ReadStep::End(end) = self.step(loader)? {
                return Ok(end);
            }
        }
    }

    /// Reads up to the end of the next key, or of the file; of a fed file, up to the first item
    /// that has not arrived.
    pub fn step(&mut self, loader: &mut dyn Loader) -> Result<ReadStep, RdbError> {
        if self.must_wait() {
            return Ok(ReadStep::Starved);
        }
        match self.continue_step(loader) {
            Ok(step) => {
                self.began = self.input.offset();
                Ok(step)
            }
            Err(Fault::Starved(missing)) => {
                self.wait_for(missing);
                Ok(ReadStep::Starved)
            }
            Err(fault) => Err(self.error(fault)),
        }
    }

    /// A fault with its position.
    fn error(&self, fault: Fault) -> RdbError {
        RdbError {
            // An unknown item is reported at the beginning of its step.
            offset: match fault {
                Fault::Unknown(_) => self.began,
                _ => self.input.offset(),
            },
            doing: self.doing,
            dialect: self.rules.dialect,
            kind: self.kind,
            key: (self.doing == LoadStage::Value).then(|| self.key.as_slice().into()),
            fault,
        }
    }

    /// Whether the item at which the reader starved has still not arrived.
    fn must_wait(&mut self) -> bool {
        let here = self.input.offset();
        match &mut self.wait {
            Wait::Nothing => false,
            Wait::Bytes(until) => here + (self.input.rest().len() as u64) < *until,
            Wait::Item(scan) => {
                let (rest, left) = (self.input.rest(), self.input.left());
                scan.advance(rest, left, &self.rules.templates) == ScanOutcome::Short
            }
        }
    }

    /// Returns to the beginning of the current item, of which `missing` bytes or more have not
    /// arrived.
    fn wait_for(&mut self, missing: u64) {
        self.input.rewind();
        let rest = self.input.rest();
        let scan = match (&self.wait, rest.first()) {
            (Wait::Nothing, Some(&code)) if self.version > 0 => {
                Scan::begin(code, self.rules.dialect)
            }
            _ => None,
        };
        let arrived = self.input.offset() + rest.len() as u64;
        self.wait = match scan {
            Some(scan) => Wait::Item(scan),
            None => Wait::Bytes(arrived.saturating_add(missing)),
        };
    }

    fn continue_step(&mut self, loader: &mut dyn Loader) -> Result<ReadStep, Fault> {
        if self.version == 0 {
            self.input.begin_item();
            self.read_header(loader.limits())?;
            self.wait = Wait::Nothing;
        }
        loop {
            self.input.begin_item();
            (self.doing, self.kind) = (LoadStage::Type, None);
            match self.input.byte()? {
                opcode::EOF => return self.end().map(ReadStep::End),
                opcode::EXPIRETIME_MS => {
                    self.doing = LoadStage::Expire;
                    self.facts.expiry = Some(self.input.millis()?);
                }
                opcode::EXPIRETIME => {
                    self.doing = LoadStage::Expire;
                    let seconds = i32::from_le_bytes(self.input.array()?);
                    self.facts.expiry = Some(i64::from(seconds) * 1000);
                }
                opcode::FREQ => {
                    self.facts.last_use = Some(KeyUse::Frequency(self.input.byte()?));
                }
                opcode::IDLE => {
                    self.facts.last_use = Some(KeyUse::IdleSeconds(self.input.length()?));
                }
                opcode::BLESSED if self.rules.dialect == RdbOrigin::Redis => {
                    self.facts.is_blessed = true;
                }
                kind if kind < opcode::HASH_TEMPLATE => {
                    self.read_key(kind, loader)?;
                    self.wait = Wait::Nothing;
                    return Ok(ReadStep::Key);
                }
                other => self.other(other, loader)?,
            }
            self.wait = Wait::Nothing;
        }
    }

    fn read_key(&mut self, kind: u8, loader: &mut dyn Loader) -> Result<(), Fault> {
        (self.doing, self.kind) = (LoadStage::Key, Some(kind));
        self.input.string_to(&mut self.key)?;
        self.doing = LoadStage::Value;
        let module = if kind == kind::MODULE_2 && self.options.skips_modules {
            Some(module::read_id(&mut self.input)?)
        } else {
            None
        };
        if let Some(module) = &module
            && !module::KNOWN.contains(&module.name.as_str())
        {
            module::skip_fields(&mut self.input)?;
            loader.module_skipped(&module.name, ModuleData::Key(self.db, &self.key));
        } else {
            let value = match &module {
                Some(module) => parse::module_value(module, &mut self.input, &self.rules),
                None => parse::value(&mut self.input, kind, &self.rules),
            };
            match value {
                Ok(value) => loader.key(self.db, &self.key, value, self.facts)?,
                Err(Fault::Empty) => loader.empty_key(self.db, &self.key),
                Err(fault) => return Err(fault),
            }
        }
        self.facts = KeyFacts::default();
        self.kind = None;
        self.input.trim();
        Ok(())
    }

    fn other(&mut self, code: u8, loader: &mut dyn Loader) -> Result<(), Fault> {
        let input = &mut self.input;
        match code {
            opcode::SELECTDB => {
                self.doing = LoadStage::Length;
                let number = input.length()?;
                loader.at(input.offset());
                self.db = loader.database(number)?;
            }
            opcode::RESIZEDB => {
                // Number of keys that follow, and of volatile keys: unused, tables grow as needed.
                self.doing = LoadStage::Length;
                input.length()?;
                input.length()?;
            }
            opcode::AUX => {
                self.doing = LoadStage::Aux;
                let (mut name, mut value) = (Vec::new(), Vec::new());
                input.string_to(&mut name)?;
                input.string_to(&mut value)?;
                loader.at(input.offset());
                loader.aux(&name, &value);
            }
            // Slots and their numbers of keys: not used, every key determines its own slot.
            opcode::SLOT_INFO => {
                for _ in 0..3 {
                    input.length()?;
                }
            }
            opcode::VALKEY_SLOT_IMPORT if self.rules.dialect == RdbOrigin::Valkey => {
                let mut name = Vec::new();
                input.string_to(&mut name)?;
                let mut ranges = Vec::new();
                for _ in 0..input.count(2)? {
                    ranges.push((input.length()?, input.length()?));
                }
                loader.slot_import(&name, &ranges);
            }
            opcode::HASH_TEMPLATE if self.rules.dialect == RdbOrigin::Redis => {
                self.doing = LoadStage::Aux;
                self.rules.templates.read(input)?;
            }
            opcode::KEY_META if self.rules.dialect == RdbOrigin::Redis => {
                self.facts.had_metadata |= module::skip_metadata(input)? > 0;
            }
            opcode::FUNCTION2 => {
                self.doing = LoadStage::Functions;
                let mut digits = itoa::Buffer::new();
                loader.function(input.string()?.bytes(&mut digits))?;
            }
            opcode::FUNCTION_PRE_GA => return Err(Fault::FunctionPreGa),
            opcode::MODULE_AUX => {
                self.doing = LoadStage::Aux;
                match module::read_settings(input) {
                    Ok(settings) => {
                        loader.at(input.offset());
                        loader.settings(settings)?;
                    }
                    Err(Fault::Module(module)) if self.options.skips_modules => {
                        loader.module_skipped(&module, ModuleData::Settings);
                    }
                    Err(fault) => return Err(fault),
                }
            }
            other => return Err(Fault::Unknown(other)),
        }
        Ok(())
    }

    /// Reads the checksum: old versions have none, and 0 means disabled.
    fn end(&mut self) -> Result<RdbEnd, Fault> {
        self.doing = LoadStage::Checksum;
        let mut sum = Sum::Unknown;
        if self.version >= 5 {
            // A part of an item must not be in the sum.
            self.input.require(size_of::<u64>())?;
            let found = self.input.checksum();
            let stated = u64::from_le_bytes(self.input.array()?);
            sum = match found.filter(|_| self.options.checksum) {
                Some(_) if stated == 0 => Sum::Disabled,
                Some(found) if stated != found => return Err(Fault::Checksum { stated, found }),
                Some(_) => Sum::Verified,
                None => Sum::Unknown,
            };
        }
        Ok(RdbEnd {
            version: self.version,
            dialect: self.rules.dialect,
            sum,
            bytes: self.input.offset(),
        })
    }
}

/// Bytes of the header.
const HEADER_BYTES: usize = 9;

/// `REDIS` and four digits, or `VALKEY` and three. `takes_later`: of any version.
pub(super) fn header(input: &mut Input<'_>, takes_later: bool) -> Result<(RdbOrigin, u16), Fault> {
    let head: [u8; HEADER_BYTES] = input.array()?;
    let (dialect, digits) = match &head {
        [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (RdbOrigin::Redis, &digits[..]),
        [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (RdbOrigin::Valkey, &digits[..]),
        _ => return Err(Fault::Magic),
    };
    let mut version = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(Fault::Magic);
        }
        version = version * 10 + u16::from(digit - b'0');
    }
    let known = match dialect {
        RdbOrigin::Redis => 1..=VERSION_MAX,
        RdbOrigin::Valkey => VALKEY_VERSIONS,
    };
    let is_later = takes_later && version > *known.end();
    if known.contains(&version) || is_later {
        Ok((dialect, version))
    } else {
        Err(Fault::Version(u32::from(version)))
    }
}
