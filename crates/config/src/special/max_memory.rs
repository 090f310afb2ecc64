//! `maxmemory`: an amount of memory, or all that the machine or container has.

use super::{Lines, Special};
use crate::problem::refusal::ValueError;
use crate::words::{self, Text};

/// `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxMemory {
    /// Zero means no limit.
    Bytes(u64),
    /// All available memory, less `maxmemory-reserve`.
    Auto,
}

impl Special for MaxMemory {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [word] = words else {
            return Err(ValueError::ArgumentCount);
        };
        *self = if word.eq_ignore_ascii_case(b"auto") {
            MaxMemory::Auto
        } else {
            MaxMemory::Bytes(words::parse_memory(word).ok_or(ValueError::NotMemory)?)
        };
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        match self {
            MaxMemory::Bytes(bytes) => bytes.to_string().into_bytes(),
            MaxMemory::Auto => b"auto".to_vec(),
        }
    }

    fn lines(&self, default: &Self) -> Lines {
        let line = match self {
            MaxMemory::Bytes(bytes) => words::memory_text(*bytes).into_bytes(),
            MaxMemory::Auto => self.text(),
        };
        Lines::Values(vec![(line, self != default)])
    }
}
