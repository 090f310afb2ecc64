//! Which of two samples at the same timestamp stays.

/// The fate of a second sample at a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The second sample is refused.
    Block,
    /// The second sample replaces the first.
    Last,
    /// The first stays.
    First,
    /// The lesser stays.
    Min,
    /// The greater stays.
    Max,
    /// Both samples are added.
    Sum,
}

/// The policy refuses a second sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateSample;

impl Policy {
    /// All of them, in the order of their numbers in files.
    pub const ALL: [Policy; 6] = [
        Policy::Block,
        Policy::Last,
        Policy::First,
        Policy::Min,
        Policy::Max,
        Policy::Sum,
    ];

    /// In lower case, as INFO replies it.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Block => "block",
            Policy::Last => "last",
            Policy::First => "first",
            Policy::Min => "min",
            Policy::Max => "max",
            Policy::Sum => "sum",
        }
    }

    /// The policy of a name, in any case.
    pub fn by_name(name: &[u8]) -> Option<Policy> {
        let mut all = Policy::ALL.into_iter();
        all.find(|policy| policy.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The policy's number in files, from 1.
    pub fn number(self) -> u64 {
        self as u64 + 1
    }

    /// The policy of a number in files.
    pub fn by_number(number: u64) -> Option<Policy> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        Policy::ALL.get(at).copied()
    }

    /// The value that stays. NaN is neither lesser nor greater than a number, nor has it a sum, so
    /// such policies refuse NaN.
    pub fn resolve(self, old: f64, new: f64) -> Result<f64, DuplicateSample> {
        let is_number = !old.is_nan() && !new.is_nan();
        match self {
            Policy::Min | Policy::Max | Policy::Sum if !is_number => Err(DuplicateSample),
            Policy::Block => Err(DuplicateSample),
            Policy::Last => Ok(new),
            Policy::First => Ok(old),
            Policy::Min => Ok(if old < new { old } else { new }),
            Policy::Max => Ok(if old > new { old } else { new }),
            Policy::Sum => Ok(old + new),
        }
    }
}
