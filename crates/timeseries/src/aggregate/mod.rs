//! Aggregators: a single number for the samples of a bucket.
//!
//!     (here)     the aggregators, by name and by number
//!     state      the facts about some samples
//!
//! The time-weighted average is in [`crate::range`], because it looks at samples around the bucket.

mod state;

pub use state::State;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregator {
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The sum.
    Sum,
    /// The mean.
    Avg,
    /// The number of samples.
    Count,
    /// The sample that came first.
    First,
    /// The sample that came last.
    Last,
    /// The greatest less the least.
    Range,
    /// Standard deviation, of all.
    StdP,
    /// Standard deviation, of a choice.
    StdS,
    /// Variance, of all.
    VarP,
    /// Variance, of a choice.
    VarS,
    /// The mean, weighted by time.
    Twa,
    /// The number of NaNs.
    CountNan,
    /// The number of samples and NaNs.
    CountAll,
}

use Aggregator::{
    Avg, Count, CountAll, CountNan, First, Last, Max, Min, Range, StdP, StdS, Sum, Twa, VarP, VarS,
};

impl Aggregator {
    /// All, in the order of their numbers in files.
    pub const ALL: [Aggregator; 15] = [
        Min, Max, Sum, Avg, Count, First, Last, Range, StdP, StdS, VarP, VarS, Twa, CountNan,
        CountAll,
    ];

    /// As INFO replies it.
    pub fn name(self) -> &'static str {
        match self {
            Min => "MIN",
            Max => "MAX",
            Sum => "SUM",
            Avg => "AVG",
            Count => "COUNT",
            First => "FIRST",
            Last => "LAST",
            Range => "RANGE",
            StdP => "STD.P",
            StdS => "STD.S",
            VarP => "VAR.P",
            VarS => "VAR.S",
            Twa => "TWA",
            CountNan => "COUNTNAN",
            CountAll => "COUNTALL",
        }
    }

    /// The aggregator of a name, in any case.
    pub fn by_name(name: &[u8]) -> Option<Aggregator> {
        let mut all = Aggregator::ALL.into_iter();
        all.find(|one| one.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The aggregator's number in files, from 1.
    pub fn number(self) -> u64 {
        self as u64 + 1
    }

    /// The aggregator of a number in files.
    pub fn by_number(number: u64) -> Option<Aggregator> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        Aggregator::ALL.get(at).copied()
    }

    /// Whether rows of several series can be reduced by it.
    pub fn reduces(self) -> bool {
        !matches!(self, First | Last | Twa)
    }

    /// The value of a bucket without samples; `last`: of the bucket that came before.
    pub(crate) fn of_nothing(self, last: f64) -> f64 {
        match self {
            Sum | Count | CountNan | CountAll => 0.0,
            Last => last,
            _ => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_find_their_aggregator() {
        for aggregator in Aggregator::ALL {
            let name = aggregator.name().to_lowercase();
            assert_eq!(Aggregator::by_name(name.as_bytes()), Some(aggregator));
            assert_eq!(Aggregator::by_number(aggregator.number()), Some(aggregator));
        }
        assert_eq!(Aggregator::by_number(0), None);
        assert_eq!(Aggregator::by_number(16), None);
        assert_eq!(Aggregator::by_name(b""), None);
    }
}
