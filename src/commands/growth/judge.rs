//! Whether a cost grows in proportion to `n`.
//!
//! The costs of `n`, `4n` and `16n` are compared by their differences, to cancel a constant part:
//! the second difference is 4 times the first if the cost is linear, a little more for `n log n`,
//! and 16 times if it is quadratic. A cost over the limit is measured again, several times and with
//! larger `n`, before it is called steep. The minimum counts, because load only adds time.

use std::fmt;
use std::time::Duration;

/// Limit of the second difference over the first: between `n log n` and `n^2`.
const GROWTH_MAX: f64 = 8.0;
/// A single measurement above this is repeated: noise at `4n` can hide a steep cost.
const GROWTH_DOUBTED: f64 = 5.5;
/// Smaller differences are noise.
const DIFFERENCE_MIN: Duration = Duration::from_micros(150);
/// `n` is no longer enlarged once `16n` costs this much.
const LONG_ENOUGH: Duration = Duration::from_millis(60);
const N_MIN: usize = 256;
/// A cost this high is measured with smaller `n`.
const DEAR: Duration = Duration::from_millis(10);
/// Measurements of the same `n` if the first looked steep.
const TRIES: usize = 5;

/// The costs of `n`, `4n` and `16n`.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    n: usize,
    times: [Duration; 3],
}

impl Costs {
    /// The minimum of `tries` measurements each.
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
    /// Even at the largest `n` the cost is too small to compare.
    Flat,
    Linear(Costs),
    Steep(Costs),
}

/// Judges `cost`, which measures the time for a size. Searches up to `n_max` for a size with a
/// measurable cost; larger sizes are measured only from there.
pub fn judge(n_max: usize, cost: &mut dyn FnMut(usize) -> Duration) -> Verdict {
    let mut n = N_MIN;
    let mut one = cost(n);
    while one >= DEAR && n > 1 {
        n /= 4;
        one = cost(n);
    }
    if n == N_MIN && cost(n_max).saturating_sub(one) < DIFFERENCE_MIN {
        return Verdict::Flat;
    }
    loop {
        let four = cost(4 * n);
        if four.saturating_sub(one) >= DIFFERENCE_MIN.max(one / 5) {
            break;
        }
        n *= 4;
        if n > n_max {
            return Verdict::Flat;
        }
        one = four;
    }
    let mut costs = Costs::measure(n, 1, cost);
    if costs.growth() > GROWTH_DOUBTED {
        costs = Costs::measure(n, TRIES, cost);
    }
    // Beyond the caches and the allocator's reserves each byte costs more, but only once: a
    // quadratic cost stays steep at every size.
    while costs.is_steep() && costs.times[2] < LONG_ENOUGH {
        n *= 4;
        costs = Costs::measure(n, TRIES, cost);
    }
    match costs.is_steep() {
        true => Verdict::Steep(costs),
        false => Verdict::Linear(costs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::usage::thread_time;
    use crate::server::Testbed;

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

    /// As for the rows: through the gates, in a fresh world each time.
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
            judge(4_096, &mut cost)
        };
        let pairs = "local n = 0 for _, a in ipairs(ARGV) do n = n + 1 \
                     for _, b in ipairs(ARGV) do if a ~= b then n = n - 1 end end end return n";
        let pairs = run(pairs);
        assert!(matches!(pairs, Verdict::Steep(_)), "{pairs:?}");
        let each = run("local n = 0 for _ in ipairs(ARGV) do n = n + 1 end return n");
        assert!(!matches!(each, Verdict::Steep(_)), "{each:?}");
    }
}
