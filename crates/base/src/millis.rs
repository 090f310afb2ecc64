//! Milliseconds of a setting: a directive in seconds cannot be taken for a directive in
//! milliseconds.

/// A length of time in milliseconds, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(i64);

impl Millis {
    /// The time of a directive in milliseconds.
    pub const fn of_ms(ms: u64) -> Millis {
        Millis(if ms > i64::MAX as u64 {
            i64::MAX
        } else {
            ms as i64
        })
    }

    /// The time of a directive in seconds.
    pub const fn of_s(seconds: u64) -> Millis {
        Millis::of_ms(seconds.saturating_mul(1000))
    }

    /// The milliseconds; never negative.
    #[inline]
    pub const fn get(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_thousand_milliseconds_and_the_greatest_is_bounded() {
        assert_eq!(Millis::of_s(60), Millis::of_ms(60_000));
        assert_eq!(Millis::of_s(u64::MAX).get(), i64::MAX);
    }
}
