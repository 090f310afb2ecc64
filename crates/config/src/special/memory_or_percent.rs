//! `maxmemory-clients`: an amount of memory, or a share of `maxmemory`.

use super::{Lines, Special};
use crate::problem::refusal::ValueError;
use crate::words::{self, Text};
use russet_base::numbers::number;

/// `maxmemory-clients`: bytes, or a share of `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryOrPercent {
    /// Zero means no limit.
    Bytes(u64),
    /// 1 to 100.
    Percent(u8),
}

impl MemoryOrPercent {
    /// The limit in bytes, given `maxmemory`. Zero means no limit.
    pub fn of(self, maxmemory: u64) -> u64 {
        match self {
            MemoryOrPercent::Bytes(bytes) => bytes,
            MemoryOrPercent::Percent(percent) => {
                (u128::from(maxmemory) * u128::from(percent) / 100) as u64
            }
        }
    }
}

impl Special for MemoryOrPercent {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [word] = words else {
            return Err(ValueError::ArgumentCount);
        };
        if let Some(bytes) = words::parse_memory(word) {
            if bytes > i64::MAX as u64 {
                let (min, max) = ("-100".to_owned(), i64::MAX.to_string());
                return Err(ValueError::OutOfRange { min, max });
            }
            *self = MemoryOrPercent::Bytes(bytes);
            return Ok(());
        }
        let percent = word
            .strip_suffix(b"%")
            .and_then(number::parse_i64)
            .filter(|&n| n >= 0);
        *self = match percent.ok_or(ValueError::NotMemoryOrPercent)? {
            0 => MemoryOrPercent::Bytes(0),
            percent @ 1..=100 => MemoryOrPercent::Percent(percent as u8),
            _ => return Err(ValueError::PercentTooLarge),
        };
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        match self {
            MemoryOrPercent::Bytes(bytes) => bytes.to_string().into_bytes(),
            MemoryOrPercent::Percent(percent) => format!("{percent}%").into_bytes(),
        }
    }

    fn lines(&self, default: &Self) -> Lines {
        let line = match self {
            MemoryOrPercent::Bytes(bytes) => words::memory_text(*bytes).into_bytes(),
            MemoryOrPercent::Percent(_) => self.text(),
        };
        Lines::Values(vec![(line, self != default)])
    }
}
