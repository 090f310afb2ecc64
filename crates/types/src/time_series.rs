//! A time series: the value of TS.* commands.
//!
//! Samples, chunks and aggregation are in `russet_timeseries`. A key holds one series, so its
//! length is 1: a series without samples is a value, too. The encoding is that of all values of
//! modules.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};

use super::{Container, Encoding, Measured, Relocate, Signature, Type, boxed};
use russet_base::memory::alloc::boxed_bytes;
use russet_base::memory::mover::Mover;
use russet_timeseries::Series;

/// See the module.
#[derive(Clone)]
pub struct TimeSeries(Box<Series>);

impl From<Series> for TimeSeries {
    fn from(series: Series) -> TimeSeries {
        TimeSeries(Box::new(series))
    }
}

impl Deref for TimeSeries {
    type Target = Series;

    #[inline]
    fn deref(&self) -> &Series {
        &self.0
    }
}

impl DerefMut for TimeSeries {
    #[inline]
    fn deref_mut(&mut self) -> &mut Series {
        &mut self.0
    }
}

impl Measured for TimeSeries {
    fn memory_bytes(&self) -> usize {
        boxed_bytes::<Series>() + self.0.memory_bytes()
    }
}

impl Relocate for TimeSeries {
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        if at == 0 {
            mover.boxed(&mut self.0);
        }
        self.0.relocate(mover, at, n)
    }
}

impl Container for TimeSeries {
    const TYPE: Type = Type::TimeSeries;
    const NAME: &'static str = "TSDB-TYPE";
    /// Redis's number of values of modules.
    const NUMBER: u32 = 5;

    #[inline]
    fn into_word(self) -> (Encoding, u64) {
        (Encoding::OfModule, boxed::into_word(self.0))
    }

    #[inline]
    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        assert_eq!(encoding, Encoding::OfModule);
        // SAFETY: the caller guarantees it.
        TimeSeries(unsafe { boxed::from_word(word) })
    }

    fn encoding(&self) -> Encoding {
        Encoding::OfModule
    }

    fn len(&self) -> usize {
        1
    }

    fn check_invariants(&self) {
        self.0.check_invariants();
    }

    /// Redis has no signature of these values: this is of their content.
    fn sign(&self, signature: &mut Signature) {
        self.0.sign(&mut |part| signature.follow(part));
    }

    fn free_effort(&self) -> usize {
        self.0.free_effort()
    }

    fn free_step(&mut self, n: usize) -> bool {
        self.0.free_step(n)
    }
}
