//! Time as machines see it: it comes with each event.

use russet_base::clock;

/// The two clocks at one moment, in milliseconds. Timers use the monotonic clock; the wall clock is
/// for times that users and other nodes see, and its jumps show that the system stood still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Of a clock that is never set back; its zero has no meaning.
    pub monotonic_ms: i64,
    /// Unix milliseconds.
    pub wall_ms: i64,
}

impl From<clock::Now> for Now {
    fn from(now: clock::Now) -> Now {
        Now {
            monotonic_ms: now.mono_ms as i64,
            wall_ms: now.unix_ms(),
        }
    }
}
