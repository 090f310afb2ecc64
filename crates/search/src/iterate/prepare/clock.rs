//! How long a step of a query's work may go on.

/// Units of work between two looks at the clock: some 10 microseconds.
const UNITS: usize = 256;

/// Asks now and then whether the time is over. A unit of work is that of some tens of nanoseconds.
pub struct Clock<'c> {
    is_over: &'c dyn Fn() -> bool,
    left: usize,
    has_ended: bool,
}

impl<'c> Clock<'c> {
    pub fn new(is_over: &'c dyn Fn() -> bool) -> Clock<'c> {
        Clock {
            is_over,
            left: UNITS,
            has_ended: false,
        }
    }

    /// A clock that never ends.
    pub fn endless() -> Clock<'static> {
        Clock::new(&|| false)
    }

    /// Counts units of work. Whether the time is over.
    #[inline]
    pub fn spend(&mut self, units: usize) -> bool {
        if self.left > units {
            self.left -= units;
            return self.has_ended;
        }
        self.left = UNITS;
        self.has_ended |= (self.is_over)();
        self.has_ended
    }
}
