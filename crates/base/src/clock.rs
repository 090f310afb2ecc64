//! Time: the wall clock for key expiry, a monotonic clock for timers, and the cycle counter for
//! command statistics.
//!
//! The loop reads the clocks once a turn; within a command, a script or a transaction the time does
//! not change. Commands are timed with the cycle counter, which costs a few nanoseconds where a
//! system clock costs twenty.
#![allow(unsafe_code)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch.
pub fn unix_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(d) => d.as_micros() as i64,
        Err(before) => -(before.duration().as_micros() as i64),
    }
}

/// The cycle counter: ticks of unspecified length, see [`Cycles::micros`].
#[inline]
pub fn cycles() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: rdtsc reads a register; every x86-64 processor has it.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(target_arch = "aarch64")]
    {
        let ticks: u64;
        // SAFETY: reads the virtual counter register, which is allowed in user mode.
        unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
        ticks
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        use std::sync::OnceLock;
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }
}

/// The length of a cycle-counter tick, measured against the monotonic clock over the whole life of
/// the process, so that it needs no start-up pause.
#[derive(Clone, Debug)]
pub struct Cycles {
    start_ticks: u64,
    start: Instant,
    /// Nanoseconds a tick, times 2^32.
    scale: u64,
}

impl Cycles {
    /// Makes a first, rough measurement: about 200 microseconds.
    pub fn new() -> Cycles {
        let mut c = Cycles {
            start_ticks: cycles(),
            start: Instant::now(),
            scale: 1 << 32,
        };
        while c.start.elapsed() < Duration::from_micros(200) {
            std::hint::spin_loop();
        }
        c.calibrate();
        c
    }

    /// Measures again; the longer the process lives, the more precise it is.
    pub fn calibrate(&mut self) {
        let ticks = cycles().wrapping_sub(self.start_ticks);
        if ticks > 0 {
            let nanos_per_tick = self.start.elapsed().as_nanos() as f64 / ticks as f64;
            self.scale = (nanos_per_tick * (1u64 << 32) as f64) as u64;
        }
    }

    /// Takes each tick for `times` its length from now on, until the next calibration: tests of
    /// slices see a slow machine so.
    pub fn slow_down(&mut self, times: u64) {
        self.scale = self.scale.saturating_mul(times);
    }

    /// Nanoseconds in this many ticks, by the last calibration.
    #[inline]
    pub fn nanos(&self, ticks: u64) -> u64 {
        ((u128::from(ticks) * u128::from(self.scale)) >> 32) as u64
    }

    /// Number of ticks in this many nanoseconds.
    #[inline]
    pub fn ticks(&self, nanos: u64) -> u64 {
        ((u128::from(nanos) << 32) / u128::from(self.scale.max(1))).min(u64::MAX.into()) as u64
    }

    /// Whole microseconds in this many ticks.
    #[inline]
    pub fn micros(&self, ticks: u64) -> u64 {
        self.nanos(ticks) / 1000
    }
}

impl Default for Cycles {
    fn default() -> Self {
        Cycles::new()
    }
}

/// The time of this turn of the loop. Set explicitly in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Unix time, microseconds.
    pub unix_us: i64,
    /// Monotonic time since the process started, milliseconds.
    pub mono_ms: u64,
}

impl Now {
    /// The time now; `start` is when the process started.
    pub fn read(start: Instant) -> Now {
        Now {
            unix_us: unix_us(),
            mono_ms: start.elapsed().as_millis() as u64,
        }
    }

    /// Unix time in milliseconds, for comparison with expiries.
    #[inline]
    pub fn unix_ms(&self) -> i64 {
        self.unix_us / 1000
    }

    /// Unix time in seconds.
    #[inline]
    pub fn unix_s(&self) -> i64 {
        self.unix_us / 1_000_000
    }
}
