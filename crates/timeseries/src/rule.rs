//! Compaction rules: what a source knows of a destination.
//!
//! A rule keeps the state of the bucket that is open; the bucket's value goes to the destination
//! when a sample of a later bucket arrives.

use crate::aggregate::State;
use crate::range::{Buckets, EvenBuckets};
use crate::twa::Twa;
use crate::{Aggregator, Sample};
use russet_base::memory::alloc::{slice_bytes, vec_bytes};

/// The keys that a series is linked with, if any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    pub(crate) source: Option<Box<[u8]>>,
    pub(crate) rules: Vec<Rule>,
}

impl Links {
    pub(crate) fn is_empty(&self) -> bool {
        self.source.is_none() && self.rules.is_empty()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let names = self.rules.iter().map(|rule| rule.dest.len());
        let names = names.chain(self.source.iter().map(|name| name.len()));
        vec_bytes(&self.rules) + names.map(slice_bytes).sum::<usize>()
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub(crate) dest: Box<[u8]>,
    pub(crate) buckets: EvenBuckets,
    pub(crate) state: State,
    /// Of a time-weighted average, the part of the open bucket that is covered.
    pub(crate) line: Option<Twa>,
    /// The start of the open bucket, as it is shown. `None`: no sample since the rule was made.
    pub(crate) open: Option<u64>,
}

/// The numbers of a state that has taken samples, as files have them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Context {
    /// `sum`, `count`, `last` and counts of NaN.
    One(f64),
    /// `first`: the value, and whether there is none.
    First(f64, bool),
    /// `avg`: sum or mean, samples, whether it is the mean.
    Mean(f64, f64, bool),
    /// `min`, `max`, `range`: greatest, least.
    Ends(f64, f64),
    /// Deviations: sum, sum of squares, samples.
    Squares(f64, f64, u64),
    /// `twa`: the area so far, where it begins, the newest sample, samples.
    Weighted(f64, u64, Sample, u64),
}

impl Context {
    /// All zeros, in the form of an aggregator's state.
    pub fn form(of: Aggregator) -> Context {
        use Aggregator as A;
        match of {
            A::Sum | A::Count | A::Last | A::CountNan | A::CountAll => Context::One(0.0),
            A::First => Context::First(0.0, true),
            A::Avg => Context::Mean(0.0, 0.0, false),
            A::Min | A::Max | A::Range => Context::Ends(-f64::MAX, f64::MAX),
            A::StdP | A::StdS | A::VarP | A::VarS => Context::Squares(0.0, 0.0, 0),
            A::Twa => Context::Weighted(0.0, 0, Sample::new(0, 0.0), 0),
        }
    }
}

impl Rule {
    /// A rule whose first bucket opens with the next sample.
    pub fn new(dest: &[u8], of: Aggregator, buckets: EvenBuckets) -> Rule {
        Rule {
            dest: dest.into(),
            buckets,
            state: State::new(of),
            line: None,
            open: None,
        }
    }

    /// The destination's key.
    pub fn dest(&self) -> &[u8] {
        &self.dest
    }

    /// The destination has another name.
    pub fn set_dest(&mut self, dest: &[u8]) {
        self.dest = dest.into();
    }

    /// The aggregator of the rule's buckets.
    pub fn aggregator(&self) -> Aggregator {
        self.state.of
    }

    pub(crate) fn is_weighted(&self) -> bool {
        self.state.of == Aggregator::Twa
    }

    /// The buckets of the rule.
    pub fn buckets(&self) -> EvenBuckets {
        self.buckets
    }

    /// The start of the open bucket, as it is shown.
    pub fn open(&self) -> Option<u64> {
        self.open
    }

    /// The start of a timestamp's bucket, as it is shown.
    pub(crate) fn start_of(&self, timestamp: u64) -> u64 {
        self.buckets.around(timestamp as i64).0.max(0) as u64
    }

    /// The numbers of the bucket's state.
    pub fn context(&self) -> Context {
        let state = &self.state;
        match Context::form(state.of) {
            Context::One(_) => Context::One(state.a),
            Context::First(..) => Context::First(state.a, state.n == 0),
            Context::Mean(..) => Context::Mean(state.a, state.n as f64, state.is_mean),
            Context::Ends(..) => Context::Ends(state.a, state.b),
            Context::Squares(..) => Context::Squares(state.a, state.b, state.n),
            none @ Context::Weighted(..) => match self.line {
                Some(line) => Context::Weighted(line.area(), line.start(), line.last(), state.n),
                None => none,
            },
        }
    }

    /// Whether no sample of the open bucket was of interest.
    pub fn is_empty(&self) -> bool {
        self.state.is_empty()
    }

    /// Takes up the numbers of a state, with the start of the open bucket; `has_samples`: some were
    /// of interest.
    pub fn resume(&mut self, open: Option<u64>, has_samples: bool, context: Context) {
        let state = &mut self.state;
        self.open = open;
        state.n = u64::from(open.is_some() && has_samples);
        match context {
            Context::One(a) => state.a = a,
            Context::First(a, is_none) => (state.a, state.n) = (a, u64::from(!is_none)),
            Context::Mean(a, n, is_mean) => {
                (state.a, state.n, state.is_mean) = (a, n as u64, is_mean)
            }
            Context::Ends(a, b) => (state.a, state.b) = (a, b),
            Context::Squares(a, b, n) => (state.a, state.b, state.n) = (a, b, n),
            Context::Weighted(area, start, last, n) => {
                state.n = n;
                let is_line = n > 0 && start <= last.timestamp;
                self.line = is_line.then(|| Twa::resume(area, start, last));
            }
        }
    }
}
