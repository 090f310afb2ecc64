//! Reading a whole file, key by key.
//!
//! The reader knows the format; its [`Loader`] handles the keys. Every error has a position: the
//! offset, and the key whose value was being read.

use super::fault::{Doing, Fault, RdbError};
use super::format::{Dialect, VALKEY_VERSIONS, VERSION_MAX, opcode};
use super::input::Input;
use super::module;
use super::parse::{self, Rules};
use crate::keyspace::{DbIndex, KeyUse, OwnedValue};
use crate::types::Limits;

/// The facts before a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyFacts {
    /// Unix milliseconds.
    pub expiry: Option<i64>,
    pub last_use: Option<KeyUse>,
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
}

/// See the module.
pub struct Reader<'a> {
    input: Input<'a>,
    options: ReadOptions,
    rules: Rules,
    pub version: u16,
    db: DbIndex,
    key: Vec<u8>,
    /// What is being read; key and type are set only within a value.
    doing: Doing,
    kind: Option<u8>,
}

/// The end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RdbEnd {
    pub version: u16,
    pub dialect: Dialect,
    pub sum: Sum,
    pub bytes: u64,
}

/// The result of a file's checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    Verified,
    /// The file was written without one.
    Disabled,
    /// The version has none, or it was not requested.
    Unknown,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    pub fn begin(
        mut input: Input<'a>,
        options: ReadOptions,
        loader: &mut dyn Loader,
    ) -> Result<Reader<'a>, RdbError> {
        if options.checksum {
            input.begin_checksum();
        }
        let head = header(&mut input);
        let (dialect, version) = head.map_err(|fault| RdbError {
            offset: input.offset(),
            doing: Doing::Start,
            kind: None,
            key: None,
            fault,
        })?;
        Ok(Reader {
            input,
            options,
            rules: Rules {
                limits: loader.limits(),
                deep: options.deep,
                dialect,
            },
            version,
            db: DbIndex(0),
            key: Vec::new(),
            doing: Doing::Start,
            kind: None,
        })
    }

    /// Bytes read.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// Reads the whole file.
    pub fn run(mut self, loader: &mut dyn Loader) -> Result<RdbEnd, RdbError> {
        loop {
            if let Some(end) = self.step(loader)? {
                return Ok(end);
            }
        }
    }

    /// Reads up to the end of the next key, or of the file.
    pub fn step(&mut self, loader: &mut dyn Loader) -> Result<Option<RdbEnd>, RdbError> {
        let begin = self.input.offset();
        self.kind = None;
        self.step_on(loader).map_err(|fault| RdbError {
            // An unknown item is reported at its beginning.
            offset: match fault {
                Fault::Unknown(_) => begin,
                _ => self.input.offset(),
            },
            doing: self.doing,
            kind: self.kind,
            key: (self.doing == Doing::Value).then(|| self.key.as_slice().into()),
            fault,
        })
    }

    fn step_on(&mut self, loader: &mut dyn Loader) -> Result<Option<RdbEnd>, Fault> {
        let mut facts = KeyFacts::default();
        loop {
            self.doing = Doing::Type;
            match self.input.byte()? {
                opcode::EOF => return self.end().map(Some),
                opcode::EXPIRETIME_MS => {
                    self.doing = Doing::Expire;
                    facts.expiry = Some(self.input.millis()?);
                }
                opcode::EXPIRETIME => {
                    self.doing = Doing::Expire;
                    let seconds = i32::from_le_bytes(self.input.array()?);
                    facts.expiry = Some(i64::from(seconds) * 1000);
                }
                opcode::FREQ => facts.last_use = Some(KeyUse::Frequency(self.input.byte()?)),
                opcode::IDLE => facts.last_use = Some(KeyUse::IdleSeconds(self.input.length()?)),
                kind if kind < opcode::VALKEY_SLOT_IMPORT => {
                    self.read_key(kind, facts, loader)?;
                    return Ok(None);
                }
                other => self.other(other, loader)?,
            }
        }
    }

    fn read_key(
        &mut self,
        kind: u8,
        facts: KeyFacts,
        loader: &mut dyn Loader,
    ) -> Result<(), Fault> {
        (self.doing, self.kind) = (Doing::Key, Some(kind));
        self.input.string_to(&mut self.key)?;
        self.doing = Doing::Value;
        match parse::value(&mut self.input, kind, &self.rules) {
            Ok(value) => loader.key(self.db, &self.key, value, facts)?,
            Err(Fault::Empty) => loader.empty_key(self.db, &self.key),
            Err(fault) => return Err(fault),
        }
        self.kind = None;
        self.input.trim();
        Ok(())
    }

    fn other(&mut self, code: u8, loader: &mut dyn Loader) -> Result<(), Fault> {
        let input = &mut self.input;
        match code {
            opcode::SELECTDB => {
                self.doing = Doing::Length;
                let number = input.length()?;
                loader.at(input.offset());
                self.db = loader.database(number)?;
            }
            opcode::RESIZEDB => {
                // Number of keys that follow, and of volatile ones: unused, tables grow as needed.
                self.doing = Doing::Length;
                input.length()?;
                input.length()?;
            }
            opcode::AUX => {
                self.doing = Doing::Aux;
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
            opcode::VALKEY_SLOT_IMPORT if self.rules.dialect == Dialect::Valkey => {
                input.string()?;
                for _ in 0..input.count(2)? {
                    input.length()?;
                    input.length()?;
                }
            }
            opcode::FUNCTION2 => {
                self.doing = Doing::Functions;
                let mut digits = itoa::Buffer::new();
                loader.function(input.string()?.bytes(&mut digits))?;
            }
            opcode::FUNCTION_PRE_GA => return Err(Fault::FunctionPreGa),
            opcode::MODULE_AUX => return Err(Fault::Module(module::name(input)?)),
            other => return Err(Fault::Unknown(other)),
        }
        Ok(())
    }

    /// Reads the checksum: old versions have none, and 0 means disabled.
    fn end(&mut self) -> Result<RdbEnd, Fault> {
        self.doing = Doing::Checksum;
        let found = self.input.checksum();
        let mut sum = Sum::Unknown;
        if self.version >= 5 {
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

/// `REDIS` and four digits, or `VALKEY` and three.
fn header(input: &mut Input<'_>) -> Result<(Dialect, u16), Fault> {
    let head: [u8; 9] = input.array()?;
    let (dialect, digits) = match &head {
        [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (Dialect::Redis, &digits[..]),
        [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (Dialect::Valkey, &digits[..]),
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
        Dialect::Redis => 1..=VERSION_MAX,
        Dialect::Valkey => VALKEY_VERSIONS,
    };
    match known.contains(&version) {
        true => Ok((dialect, version)),
        false => Err(Fault::Version(u32::from(version))),
    }
}
