//! `ts-chunk-size-bytes` and `ts-ignore-max-val-diff`: time series that are made without them.

use super::Special;
use crate::problem::refusal::ValueError;
use crate::words::Text;
use russet_base::numbers::{float, number};

/// `ts-chunk-size-bytes`: a multiple of 8 from 48 up to 1 MiB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChunkSize(pub u32);

impl Special for ChunkSize {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [word] = words else {
            return Err(ValueError::ArgumentCount);
        };
        let bytes = number::parse_digits(word).and_then(|n| u32::try_from(n).ok());
        let is_size = |n: &u32| (48..=1 << 20).contains(n) && n.is_multiple_of(8);
        self.0 = bytes.filter(is_size).ok_or(ValueError::NotAChunkSize)?;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}

/// `ts-ignore-max-val-diff`: 0 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IgnoredChange(pub f64);

impl Special for IgnoredChange {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [word] = words else {
            return Err(ValueError::ArgumentCount);
        };
        let change = float::parse_double(word).filter(|change| *change >= 0.0);
        self.0 = change.ok_or(ValueError::NegativeDifference)?;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}
