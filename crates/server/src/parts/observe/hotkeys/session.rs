//! A session of HOTKEYS: it counts keys by time and by bytes, within its share of the commands'
//! time.
//!
//! Each counted key costs credit, and each command earns `1/SHARE` of its time. Without credit
//! commands are skipped, and the next counted command stands for their time as well, so the sums
//! stay unbiased. The totals are of all commands with keys, sampled or not.
//!
//! Cost of a skipped command: a few additions, and a look at its arguments' lengths. Memory: two
//! sketches at most, each of [`COUNTERS_PER_KEY`] counters per reported key. When a session begins
//! and ends: `hotkeys`.

use rand::RngExt;
use rand::rngs::SmallRng;

use super::sketch::Sketch;
use crate::parts::cluster::slot_stats::slot_of_command;

use russet_base::clock::{Cycles, Now};
use russet_base::usage::{self, CpuOwner, CpuTime};
use russet_command::table::Row;
use russet_keyspace::SlotSet;
use russet_resp::Args;

/// The share of the commands' time that a session may take: 1 in `SHARE`.
const SHARE: u64 = 64;
/// Approximate cost of counting a key.
const KEY_NANOS: u64 = 150;
/// Initial credit of a session.
const CREDIT_NANOS: u64 = 10_000_000;
/// Counters per reported key: the other keys need room, too.
const COUNTERS_PER_KEY: usize = 10;

/// The arguments of HOTKEYS START.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    pub cpu: bool,
    pub net: bool,
    /// The number of keys to report, 1 to 64.
    pub keys: usize,
    /// 0: until it is stopped.
    pub duration_ms: u64,
    /// Of this many commands, a single command is counted.
    pub sample_ratio: u32,
    /// The slots whose keys are counted; `None`: all slots.
    pub slots: Option<SlotSet>,
}

/// Sums over commands with keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Ticks of the cycle counter.
    pub ticks: u64,
    /// Bytes of requests and replies.
    pub bytes: u64,
}

impl Sums {
    fn add(&mut self, ticks: u64, bytes: u64) {
        self.ticks += ticks;
        self.bytes += bytes;
    }
}

/// A session, active or ended.
#[derive(Debug)]
pub struct Session {
    pub wanted: SessionSettings,
    active: bool,
    pub began_unix_ms: i64,
    began_ms: u64,
    /// The session's duration, once it is over.
    lasted_ms: u64,
    /// The keys by time, in ticks of the cycle counter, and by bytes.
    pub cpu: Option<Sketch>,
    pub net: Option<Sketch>,
    /// Sums of all commands with keys.
    pub all: Sums,
    /// Sums of the commands whose slot is selected.
    pub selected: Sums,
    /// Sums of the commands that `sample_ratio` picked among them.
    pub sampled: Sums,
    /// The process's CPU time at the session's start and end.
    cpu_began: CpuTime,
    cpu_ended: Option<CpuTime>,
    rng: SmallRng,
    /// Ticks of credit, their maximum, and the price of counting a key.
    credit: u64,
    credit_max: u64,
    key_price: u64,
    /// Ticks of commands skipped since the last counted command.
    passed: u64,
}

impl Session {
    pub(super) fn begin(wanted: SessionSettings, now: &Now, cycles: &Cycles) -> Session {
        let counters = wanted.keys * COUNTERS_PER_KEY;
        let sketch = |on: bool| on.then(|| Sketch::new(counters));
        let credit = cycles.ticks(CREDIT_NANOS) * SHARE;
        Session {
            active: true,
            began_unix_ms: now.unix_ms(),
            began_ms: now.mono_ms,
            lasted_ms: 0,
            cpu: sketch(wanted.cpu),
            net: sketch(wanted.net),
            wanted,
            all: Sums::default(),
            selected: Sums::default(),
            sampled: Sums::default(),
            cpu_began: process_time(),
            cpu_ended: None,
            rng: rand::make_rng(),
            credit,
            credit_max: credit,
            key_price: cycles.ticks(KEY_NANOS).max(1) * SHARE,
            passed: 0,
        }
    }

    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Milliseconds from the session's start to the session's end, or to now.
    pub fn lasted_ms(&self, mono_ms: u64) -> u64 {
        if self.active {
            mono_ms.saturating_sub(self.began_ms)
        } else {
            self.lasted_ms
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

    /// Memory that the session holds, bytes.
    pub fn memory_bytes(&self) -> usize {
        let sketches = self.cpu.iter().chain(&self.net);
        let slots = self.wanted.slots.as_ref().map_or(0, SlotSet::memory_bytes);
        russet_base::memory::alloc::boxed_bytes::<Session>()
            + slots
            + sketches.map(Sketch::memory_bytes).sum::<usize>()
    }

    /// Whether the session is active although its time is up.
    pub(super) fn is_due(&self, mono_ms: u64) -> bool {
        let duration_ms = self.wanted.duration_ms;
        self.active && duration_ms > 0 && self.lasted_ms(mono_ms) >= duration_ms
    }

    pub(super) fn stop(&mut self, mono_ms: u64) {
        self.lasted_ms = self.lasted_ms(mono_ms);
        if self.wanted.duration_ms > 0 {
            self.lasted_ms = self.lasted_ms.min(self.wanted.duration_ms);
        }
        self.active = false;
        self.cpu_ended = Some(process_time());
    }

    /// Counts a command that took `ticks` and replied `replied` bytes.
    pub(super) fn count<H>(&mut self, row: &Row<H>, args: Args<'_>, ticks: u64, replied: usize) {
        if !row.has_keys() {
            return;
        }
        let bytes = request_bytes(args) + replied as u64;
        self.all.add(ticks, bytes);
        if let Some(slots) = &self.wanted.slots {
            let slot = slot_of_command(row, args);
            if slot.is_none_or(|slot| !slots.has(slot)) {
                return;
            }
        }
        let Some(times) = self.sample(ticks, bytes) else {
            return;
        };
        let Ok(keys) = row.keys(args) else {
            return;
        };
        let among = keys.clone().count() as f64;
        let share = |what: u64| (what as f64 * times / among) as u64;
        let (ticks, bytes) = (share(ticks), share(bytes));
        for (at, _) in keys {
            self.add(args.at(at), ticks, bytes);
        }
    }

    /// Records a command of a selected slot that took `ticks`, and `bytes` on the network. `Some`:
    /// the command's keys have to be counted, with this factor.
    #[inline]
    fn sample(&mut self, ticks: u64, bytes: u64) -> Option<f64> {
        self.selected.add(ticks, bytes);
        let ratio = self.wanted.sample_ratio;
        if ratio > 1 && self.rng.random_range(0..ratio) != 0 {
            return None;
        }
        self.sampled.add(ticks, bytes);
        self.passed += ticks;
        self.credit = (self.credit + ticks).min(self.credit_max);
        if self.credit < self.key_price {
            return None;
        }
        let passed = std::mem::take(&mut self.passed);
        Some(if passed == ticks {
            1.0
        } else {
            passed as f64 / ticks.max(1) as f64
        })
    }

    /// Slots that `stays` refuses are no longer selected.
    pub(super) fn keep_slots(&mut self, stays: impl Fn(u16) -> bool) {
        if let Some(slots) = &mut self.wanted.slots {
            let gone: Vec<u16> = slots.iter().filter(|&slot| !stays(slot)).collect();
            gone.into_iter().for_each(|slot| slots.remove(slot));
        }
    }

    fn add(&mut self, key: &[u8], ticks: u64, bytes: u64) {
        if let Some(cpu) = &mut self.cpu {
            cpu.add(key, ticks);
        }
        if let Some(net) = &mut self.net {
            net.add(key, bytes);
        }
        self.credit = self.credit.saturating_sub(self.key_price);
    }
}

fn process_time() -> CpuTime {
    usage::cpu_time(CpuOwner::Process)
}

/// Bytes of a command on the wire.
#[inline]
fn request_bytes(args: Args<'_>) -> u64 {
    // `$5\r\nvalue\r\n`; the head `*3\r\n` is like an argument's without its text.
    let digits = |n: usize| match n {
        0..10 => 1,
        10..100 => 2,
        _ => n.ilog10() as usize + 1,
    };
    let each = args.iter().map(|arg| arg.len() + digits(arg.len()) + 5);
    (each.sum::<usize>() + digits(args.len()) + 3) as u64
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_command_on_the_wire_is_so_long() {
        for (line, bytes) in [("GET a", 20u64), ("SET abcdefghij x", 37)] {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let wire: usize = words
                .iter()
                .map(|w| format!("${}\r\n", w.len()).len() + w.len() + 2)
                .sum();
            assert_eq!(wire as u64 + 4, bytes, "{line}");
            let mut owned = russet_resp::OwnedArgs::new();
            words.iter().for_each(|word| owned.push(word));
            assert_eq!(request_bytes(owned.args()), bytes, "{line}");
        }
    }

    #[test]
    fn commands_that_pass_are_stood_for_by_the_next_that_is_counted() {
        let wanted = SessionSettings {
            cpu: true,
            net: false,
            keys: 10,
            duration_ms: 0,
            sample_ratio: 1,
            slots: None,
        };
        let now = Now::read(Instant::now());
        let mut session = Session::begin(wanted, &now, &Cycles::new());
        (session.credit, session.key_price) = (0, 100 * SHARE);
        let mut rng: SmallRng = rand::make_rng();
        let mut counted = 0;
        for _ in 0..200_000 {
            // The hot key takes three quarters of the time in half of the commands.
            let hot = rng.random::<bool>();
            let ticks = if hot { 300 } else { 100 };
            if let Some(times) = session.sample(ticks, 1) {
                counted += 1;
                let key: &[u8] = if hot { b"hot" } else { b"cold" };
                session.add(key, (ticks as f64 * times) as u64, 0);
            }
        }
        assert!((1_000..10_000).contains(&counted), "{counted}");
        let cpu = session.cpu.as_ref().expect("wanted");
        let all = session.selected.ticks as f64;
        assert!((cpu.total() as f64 / all - 1.0).abs() < 0.01);
        let hot = cpu.top(1)[0].1 as f64 / all;
        assert!((hot - 0.75).abs() < 0.06, "{hot}");
    }
}
