//! An error of a reader: a fault with its position. Its text is `at byte N, key 'k': fault`.
//!
//! The names of [`LoadStage`] are Redis's, because tools match them.

use std::fmt;

use super::fault::Fault;
use super::format::RdbOrigin;
use crate::values::form_name;
use russet_base::text::Printable;

/// The part that was being read at a fault; the words are `redis-check-rdb`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadStage {
    Start,
    Type,
    Expire,
    Key,
    Value,
    Checksum,
    Length,
    Aux,
    Functions,
}

impl LoadStage {
    pub fn name(self) -> &'static str {
        match self {
            LoadStage::Start => "start",
            LoadStage::Type => "read-type",
            LoadStage::Expire => "read-expire",
            LoadStage::Key => "read-key",
            LoadStage::Value => "read-object-value",
            LoadStage::Checksum => "check-sum",
            LoadStage::Length => "read-len",
            LoadStage::Aux => "read-aux",
            LoadStage::Functions => "read-functions",
        }
    }
}

/// A fault with its position.
#[derive(Debug)]
pub struct RdbError {
    /// Bytes before the fault.
    pub offset: u64,
    /// The part that was being read.
    pub(crate) doing: LoadStage,
    /// The file's.
    pub dialect: RdbOrigin,
    /// The number of the type of the key that was being read.
    pub kind: Option<u8>,
    /// The key whose value was being read.
    pub key: Option<Box<[u8]>>,
    /// The fault itself.
    pub(crate) fault: Fault,
}

impl RdbError {
    /// The name of the type of the key that was being read, as `redis-check-rdb` has it, and its
    /// number.
    pub fn type_name(&self) -> Option<(&'static str, u8)> {
        let number = self.kind?;
        Some((form_name(number, self.dialect), number))
    }
}

impl fmt::Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}", self.offset)?;
        if let Some(key) = &self.key {
            write!(f, ", key '{}'", Printable(key))?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for RdbError {}
