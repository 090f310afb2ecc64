//! HOTKEYS: which keys cost the most CPU time, or bytes on the network, while a session goes on.
//!
//! [`World::run`](super::World::run) reports every command, by the same test that MONITOR uses:
//! without a session it costs nothing. A command's time is split evenly among its keys, each of
//! which has a counter in a sketch of bounded size ([`sketch`]).
//!
//! A session may spend a share of the commands' own time (one part in [`SHARE`]), and starts with
//! credit for some ten thousand of them. While credit lasts, every command is counted. Without
//! credit commands are skipped; the next counted one also represents their time: samples fall where
//! most of the time is spent, so the sums stay unbiased.
//!
//! Commands inside a script count for the script, whose keys are those it declares.

pub mod sketch;

pub use sketch::Sketch;

use rand::RngExt;
use rand::rngs::SmallRng;

use crate::base::usage::{self, CpuTime, Who};

/// What HOTKEYS START asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub cpu: bool,
    pub net: bool,
    /// The number of keys to report, 1 to 64.
    pub keys: usize,
    /// 0: until it is stopped.
    pub duration_ms: u64,
    /// One command in this many is counted.
    pub sample_ratio: u32,
}

/// A session, going on or over.
#[derive(Debug)]
pub struct Hotkeys {
    pub wanted: Wanted,
    pub(in crate::server) active: bool,
    pub began_unix_ms: i64,
    pub(in crate::server) began_ms: u64,
    /// Its duration, once it is over.
    pub(in crate::server) lasted_ms: u64,
    /// By time, in ticks of the cycle counter, and by bytes.
    pub cpu: Option<Sketch>,
    pub net: Option<Sketch>,
    /// Of all commands with keys.
    pub all_ticks: u64,
    pub all_bytes: u64,
    /// The process's CPU time at its start and end.
    pub(in crate::server) cpu_began: CpuTime,
    pub(in crate::server) cpu_ended: Option<CpuTime>,
    pub(in crate::server) rng: SmallRng,
    /// Ticks of credit, and what counting a key costs.
    pub(in crate::server) credit: u64,
    pub(in crate::server) credit_max: u64,
    pub(in crate::server) key_price: u64,
    /// Ticks of commands skipped since one was counted.
    pub(in crate::server) passed: u64,
}

impl Hotkeys {
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Milliseconds from its start to its end, or to now.
    pub fn lasted_ms(&self, mono_ms: u64) -> u64 {
        match self.active {
            true => mono_ms.saturating_sub(self.began_ms),
            false => self.lasted_ms,
        }
    }

    /// CPU time of the process, in user mode and in the kernel, milliseconds.
    pub fn cpu_ms(&self) -> (u64, u64) {
        let ended = self.cpu_ended.unwrap_or_else(process_time);
        let millis = |from: std::time::Duration, to: std::time::Duration| {
            to.saturating_sub(from).as_millis() as u64
        };
        (
            millis(self.cpu_began.user, ended.user),
            millis(self.cpu_began.system, ended.system),
        )
    }

    /// Memory that it holds, bytes.
    pub fn memory_bytes(&self) -> usize {
        let sketches = self.cpu.iter().chain(&self.net);
        crate::base::alloc::boxed_bytes::<Hotkeys>()
            + sketches.map(Sketch::memory_bytes).sum::<usize>()
    }

    pub(in crate::server) fn stop(&mut self, mono_ms: u64) {
        self.lasted_ms = self.lasted_ms(mono_ms);
        if self.wanted.duration_ms > 0 {
            self.lasted_ms = self.lasted_ms.min(self.wanted.duration_ms);
        }
        self.active = false;
        self.cpu_ended = Some(process_time());
    }

    /// Records a command with keys that took `ticks`, and `bytes` on the network. `Some`: its keys
    /// are to be counted, with this factor.
    #[inline]
    pub(in crate::server) fn count(&mut self, ticks: u64, bytes: u64) -> Option<f64> {
        self.all_ticks += ticks;
        self.all_bytes += bytes;
        let ratio = self.wanted.sample_ratio;
        if ratio > 1 && self.rng.random_range(0..ratio) != 0 {
            return None;
        }
        self.passed += ticks;
        self.credit = (self.credit + ticks).min(self.credit_max);
        if self.credit < self.key_price {
            return None;
        }
        let passed = std::mem::take(&mut self.passed);
        Some(match passed == ticks {
            true => 1.0,
            false => passed as f64 / ticks.max(1) as f64,
        })
    }

    pub(in crate::server) fn add(&mut self, key: &[u8], ticks: u64, bytes: u64) {
        if let Some(cpu) = &mut self.cpu {
            cpu.add(key, ticks);
        }
        if let Some(net) = &mut self.net {
            net.add(key, bytes);
        }
        self.credit = self.credit.saturating_sub(self.key_price);
    }
}

pub(in crate::server) fn process_time() -> CpuTime {
    usage::cpu_time(Who::Process)
}
