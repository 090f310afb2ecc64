//! Whether a cost grows in proportion to `n`.
//!
//! The costs of `n`, `4n` and `16n` are compared by their differences, so that a constant part
//! does not count: the second difference is 4 times the first if the cost is linear, a little
//! more for `n log n`, and 16 times if it is quadratic. A cost over the limit is measured again,
//! several times and with larger `n`, before it is called steep. The minimum counts, for a loaded
//! machine only adds.

use std::fmt;
use std::time::Duration;

/// The second difference over the first: between `n log n` and `n^2`.
const GROWTH_MAX: f64 = 8.0;
/// Smaller differences are noise.
const DIFFERENCE_MIN: Duration = Duration::from_micros(150);
/// `n` is not enlarged any more once `16n` costs so much.
const LONG_ENOUGH: Duration = Duration::from_millis(60);
const N_MIN: usize = 256;
/// So dear a cost is measured with smaller `n`.
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
    /// It costs too little at the largest `n` to be compared.
    Flat,
    Linear(Costs),
    Steep(Costs),
}

/// Judges `cost`, which gives the time for a size. Sizes up to `n_max` are tried to find one
/// whose cost can be measured; larger ones only if a cost is there.
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
    if costs.is_steep() {
        costs = Costs::measure(n, TRIES, cost);
    }
    // Past the caches, and past what the allocator keeps, each byte costs more, but only once:
    // a quadratic cost stays steep at every size.
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
    use std::hint::black_box;

    fn timed(work: impl Fn(usize)) -> impl FnMut(usize) -> Duration {
        move |n| {
            let before = thread_time();
            work(n);
            thread_time() - before
        }
    }

    fn verdict(work: impl Fn(usize)) -> Verdict {
        judge(16_384, &mut timed(work))
    }

    fn spin(rounds: usize) {
        (0..rounds).for_each(|round| {
            black_box(round);
        });
    }

    #[test]
    fn quadratic_work_is_steep() {
        let square = verdict(|n| (0..n).for_each(|_| spin(n)));
        assert!(matches!(square, Verdict::Steep(_)), "{square:?}");
        let triangle = verdict(|n| (0..n).for_each(spin));
        assert!(matches!(triangle, Verdict::Steep(_)), "{triangle:?}");
        // The constant part is longer than the first difference.
        let behind = verdict(|n| {
            spin(2_000_000);
            (0..n).for_each(|_| spin(n));
        });
        assert!(matches!(behind, Verdict::Steep(_)), "{behind:?}");
    }

    #[test]
    fn work_in_proportion_is_not_steep() {
        let linear = verdict(|n| spin(100 * n));
        assert!(matches!(linear, Verdict::Linear(_)), "{linear:?}");
        let sorting = verdict(|n| {
            let mut numbers: Vec<u64> = (0..n as u64)
                .map(|i| i.wrapping_mul(1 << 61 | 0x9E37))
                .collect();
            numbers.sort();
            black_box(numbers);
        });
        assert!(!matches!(sorting, Verdict::Steep(_)), "{sorting:?}");
        let constant = verdict(|_| spin(1000));
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
