//! Decides whether a cost grows in proportion to `n`.
//!
//! The judge compares the costs of `n`, `4n` and `16n` by their differences, so that a constant
//! part cancels out: the second difference is 4 times the first if the cost is linear, a little
//! more for `n log n`, and 16 times if it is quadratic. The judge measures a cost near the limit
//! again, several times and with larger `n`, before it calls the cost steep. The minimum counts,
//! because load on the machine only adds time.

use std::fmt;
use std::time::Duration;

/// The second difference over the first: between `n log n` and `n^2`.
const GROWTH_MAX: f64 = 8.0;
/// The judge repeats one measurement above this, because noise in the middle measurement hides a
/// steep cost.
const GROWTH_DOUBTED: f64 = 5.5;
/// Smaller differences are noise.
const DIFFERENCE_MIN: Duration = Duration::from_micros(50);
/// `n` is no longer enlarged once `16n` takes this long.
const LONG_ENOUGH: Duration = Duration::from_millis(60);
/// The judge measures a cost above this with smaller `n`.
const DEAR: Duration = Duration::from_millis(10);
/// Measurements of the same `n` if the first looked steep.
const TRIES: usize = 3;

/// The costs of `n`, `4n` and `16n`.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    n: usize,
    times: [Duration; 3],
}

impl Costs {
    /// The minimum of `tries` each.
    fn measure(n: usize, tries: usize, cost: &mut dyn FnMut(usize) -> Duration) -> Costs {
        let times = [n, 4 * n, 16 * n].map(|n| {
            let times = (0..tries).map(|_| cost(n));
            times.min().expect("one try at least")
        });
        Costs { n, times }
    }

    fn growth(&self) -> f64 {
        let [one, four, sixteen] = self.times;
        let first = four.saturating_sub(one).max(DIFFERENCE_MIN / 4);
        let second = sixteen.saturating_sub(four);
        second.as_secs_f64() / first.as_secs_f64()
    }

    fn is_steep(&self) -> bool {
        self.growth() > GROWTH_MAX
    }

    fn is_long_enough(&self) -> bool {
        self.times[2] >= LONG_ENOUGH
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, [one, four, sixteen]) = (self.n, self.times);
        let growth = self.growth();
        write!(
            f,
            "{one:?} at {n}, {four:?} at {}, {sixteen:?} at {} (growth {growth:.1})",
            4 * n,
            16 * n
        )
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// Too cheap at the largest `n` to be compared.
    Flat,
    Linear(Costs),
    Steep(Costs),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Flat => f.write_str("flat"),
            Verdict::Linear(costs) => costs.fmt(f),
            Verdict::Steep(costs) => write!(f, "STEEP {costs}"),
        }
    }
}

/// Judges `cost`, the time for a given size, by sizes up to `n_max`; tries larger sizes only in
/// case of doubt.
pub fn judge(n_max: usize, cost: &mut dyn FnMut(usize) -> Duration) -> Verdict {
    let mut n = n_max / 16;
    let mut one = cost(n);
    while one >= DEAR && n > 1 {
        n /= 4;
        one = cost(n);
    }
    let mut costs = Costs {
        n,
        times: [one, cost(4 * n), cost(16 * n)],
    };
    if costs.times[2].saturating_sub(one) < DIFFERENCE_MIN {
        return Verdict::Flat;
    }
    if costs.growth() > GROWTH_DOUBTED {
        if !costs.is_long_enough() {
            n *= 4;
        }
        costs = Costs::measure(n, TRIES, cost);
        // Beyond the caches, and beyond the allocator's free lists, each byte costs more, but only
        // once: a quadratic cost stays steep at every size.
        while costs.is_steep() && !costs.is_long_enough() {
            n *= 4;
            costs = Costs::measure(n, TRIES, cost);
        }
    }
    // A machine may take the processor away for milliseconds in each of a few tries.
    if costs.is_steep() {
        costs = Costs::measure(n, 4 * TRIES, cost);
    }
    if costs.is_steep() {
        Verdict::Steep(costs)
    } else {
        Verdict::Linear(costs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{AllCommands as _, Testbed};
    use russet_base::usage::thread_time;

    fn verdict(nanoseconds: impl Fn(u64) -> u64) -> Verdict {
        judge(16_384, &mut |n| Duration::from_nanos(nanoseconds(n as u64)))
    }

    #[test]
    fn quadratic_work_is_steep() {
        let square = verdict(|n| n * n);
        assert!(matches!(square, Verdict::Steep(_)), "{square:?}");
        let triangle = verdict(|n| n * (n + 1) / 2);
        assert!(matches!(triangle, Verdict::Steep(_)), "{triangle:?}");
        let behind_a_constant = verdict(|n| 2_000_000 + n * n);
        assert!(
            matches!(behind_a_constant, Verdict::Steep(_)),
            "{behind_a_constant:?}"
        );
    }

    /// The machine was busy during the first measurement of the middle size.
    #[test]
    fn noise_does_not_hide_quadratic_work() {
        let mut seen = Vec::new();
        let noisy = judge(16_384, &mut |n| {
            let first = !seen.contains(&n);
            seen.push(n);
            let slowed = if first && n == 4096 { 2 } else { 1 };
            Duration::from_nanos((n * n * slowed) as u64)
        });
        assert!(matches!(noisy, Verdict::Steep(_)), "{noisy:?}");
    }

    #[test]
    fn work_in_proportion_is_not_steep() {
        let linear = verdict(|n| 100 * n);
        assert!(matches!(linear, Verdict::Linear(_)), "{linear:?}");
        let sorting = verdict(|n| 100 * n * u64::from(n.max(2).ilog2()));
        assert!(matches!(sorting, Verdict::Linear(_)), "{sorting:?}");
        let constant = verdict(|_| 10_000);
        assert!(matches!(constant, Verdict::Flat), "{constant:?}");
    }

    /// As the rows are measured: through the gates, in a fresh world each time.
    #[test]
    fn a_quadratic_command_is_steep() {
        let run = |script: &'static str| {
            let mut cost = |n: usize| {
                let mut bed = Testbed::unheard();
                let mut words: Vec<&[u8]> = vec![b"EVAL", script.as_bytes(), b"0"];
                words.resize(words.len() + n, b"x");
                let before = thread_time();
                let reply = bed.run_args(&words);
                assert_eq!(reply, format!(":{n}\r\n").into_bytes());
                thread_time() - before
            };
            // Large enough for the measurement, and no larger, because the square costs seconds.
            judge(3_072, &mut cost)
        };
        let pairs = "local n = 0 for _, a in ipairs(ARGV) do n = n + 1 \
                     for _, b in ipairs(ARGV) do if a ~= b then n = n - 1 end end end return n";
        let pairs = run(pairs);
        assert!(matches!(pairs, Verdict::Steep(_)), "{pairs:?}");
        let each = run("local n = 0 for _ in ipairs(ARGV) do n = n + 1 end return n");
        assert!(!matches!(each, Verdict::Steep(_)), "{each:?}");
    }
}
