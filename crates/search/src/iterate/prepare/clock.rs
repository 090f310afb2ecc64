//! The time that a step of a query's work may take, and the documents that it may find.

/// Units of work between two looks at the clock: some 10 microseconds.
const UNITS: usize = 256;

/// Asks now and then whether the time is over. A unit of work takes some tens of nanoseconds.
pub struct Clock<'c> {
    is_over: &'c dyn Fn() -> bool,
    /// Whether the key of a document has not expired; `None`: no key has.
    lives: Option<&'c dyn Fn(u32) -> bool>,
    left: usize,
    has_ended: bool,
}

impl<'c> Clock<'c> {
    pub fn new(is_over: &'c dyn Fn() -> bool) -> Clock<'c> {
        Clock {
            is_over,
            lives: None,
            left: UNITS,
            has_ended: false,
        }
    }

    /// Documents whose keys have expired, as `lives` says if some may have, are not found among the
    /// nearest.
    #[must_use]
    pub fn among_living(mut self, lives: Option<&'c dyn Fn(u32) -> bool>) -> Clock<'c> {
        self.lives = lives;
        self
    }

    pub(crate) fn living(&self) -> Option<&'c dyn Fn(u32) -> bool> {
        self.lives
    }

    /// Whether the key of a document has not expired.
    pub(crate) fn lives(&self, document: u32) -> bool {
        self.lives.is_none_or(|lives| lives(document))
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
