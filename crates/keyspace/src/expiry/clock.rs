//! The 24 bits that record a key's use for eviction: last access (LRU), last change (LRM), or
//! access frequency (LFU, with a decaying counter).
//!
//! All arithmetic wraps: a key unused for 194 days (LRU) or 45 (LFU) looks fresh again, as in
//! Redis.

use rand::RngExt;

use super::super::Keyspace;

/// How the 24 clock bits of an entry are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ClockUse {
    /// Unix seconds, modulo 2^24.
    #[default]
    Lru,
    /// As [`ClockUse::Lru`], but only changes count as uses: `record_change` records them.
    Lrm,
    /// 16 bits of minutes, 8 bits of logarithmic frequency.
    Lfu {
        /// `lfu-log-factor`: the higher, the more uses it takes to raise the counter.
        log_factor: u32,
        /// `lfu-decay-time`: minutes after which the counter falls by 1; 0: never.
        decay_minutes: u32,
    },
}

/// The clock at a moment, to read the bits of many keys.
#[derive(Clone, Copy, Debug)]
pub struct UseClock {
    clock_use: ClockUse,
    lru_now: u32,
    minutes_now: u32,
}

impl UseClock {
    /// Seconds since a key was used (changed under LRM), from its LRU bits; `None` while the bits
    /// are LFU's.
    pub fn idle_seconds(self, clock: u32) -> Option<u32> {
        match self.clock_use {
            ClockUse::Lru | ClockUse::Lrm => Some(self.lru_now.wrapping_sub(clock) & 0xff_ffff),
            ClockUse::Lfu { .. } => None,
        }
    }

    /// How often a key is used, from its LFU bits; `None` while the bits are LRU's.
    pub fn frequency(self, clock: u32) -> Option<u8> {
        let ClockUse::Lfu { decay_minutes, .. } = self.clock_use else {
            return None;
        };
        let passed = self.minutes_now.wrapping_sub(clock >> 8) & 0xffff;
        let steps = passed.checked_div(decay_minutes).unwrap_or(0);
        Some((clock & 0xff).saturating_sub(steps) as u8)
    }
}

/// Initial counter of a new key, so that it is not evicted at once.
const LFU_INIT: u32 = 5;

impl Keyspace {
    /// The LRU or LFU bits of a new key.
    #[inline]
    pub(crate) fn fresh_clock(&self) -> u32 {
        match self.clock_use {
            ClockUse::Lru | ClockUse::Lrm => self.lru_now(),
            ClockUse::Lfu { .. } => (self.minutes_now() << 8) | LFU_INIT,
        }
    }

    /// The LRU bits of a key idle for this long, capped at what 24 bits can hold.
    pub(crate) fn clock_of_idle(&self, seconds: u64) -> u32 {
        self.lru_now().wrapping_sub(seconds.min(0xff_ffff) as u32) & 0xff_ffff
    }

    /// The LFU bits of a key with this counter, used now.
    pub(crate) fn clock_of_count(&self, count: u8) -> u32 {
        (self.minutes_now() << 8) | u32::from(count)
    }

    /// The bits after another lookup.
    #[inline]
    pub(crate) fn used_clock(&mut self, clock: u32) -> u32 {
        match self.clock_use {
            ClockUse::Lru => self.lru_now(),
            ClockUse::Lrm => clock,
            ClockUse::Lfu {
                log_factor,
                decay_minutes,
            } => {
                let count = self.decayed(clock, decay_minutes);
                (self.minutes_now() << 8) | self.lfu_increment(count, log_factor)
            }
        }
    }

    /// The clock as of now.
    pub fn use_clock(&self) -> UseClock {
        UseClock {
            clock_use: self.clock_use,
            lru_now: self.lru_now(),
            minutes_now: self.minutes_now(),
        }
    }

    /// Seconds since the key was used, from its LRU bits.
    pub fn idle_seconds(&self, clock: u32) -> u32 {
        self.lru_now().wrapping_sub(clock) & 0xff_ffff
    }

    /// The frequency after decay for the minutes passed.
    pub(crate) fn decayed(&self, clock: u32, decay_minutes: u32) -> u32 {
        let passed = self.minutes_now().wrapping_sub(clock >> 8) & 0xffff;
        let steps = passed.checked_div(decay_minutes).unwrap_or(0);
        (clock & 0xff).saturating_sub(steps)
    }

    #[inline]
    fn lru_now(&self) -> u32 {
        self.lru_now
    }

    #[inline]
    fn minutes_now(&self) -> u32 {
        ((self.wall_ms() / 60_000) as u32) & 0xffff
    }

    fn wall_ms(&self) -> i64 {
        self.now_ms
    }

    /// A use increments the counter with a probability that falls as the counter grows.
    fn lfu_increment(&mut self, count: u32, log_factor: u32) -> u32 {
        if count >= 255 {
            return 255;
        }
        let base = count.saturating_sub(LFU_INIT) as f64;
        let p = 1.0 / (base * log_factor as f64 + 1.0);
        if self.rng.random::<f64>() < p {
            count + 1
        } else {
            count
        }
    }
}
