//! Additions of other items wear a cell's count down: each takes 1 from a count `c` with the chance
//! `decay ^ c`.
//!
//! So the additions that a count of `c` withstands have a geometric distribution, with the mean
//! `decay ^ -c`. A few additions are drawn singly; for many additions these times are drawn, from
//! the count down, which gives the same distribution. If the decay is so slow that the times of
//! neighbouring counts hardly differ, the sum of the times is drawn as a whole, as a normal number
//! with the sum's mean and variance, which are sums of geometric series.
//!
//! Cost: O(1) draws if the decay is slow, else a draw for each count that is lost: at most
//! `ln(n) / -ln(decay)`, some hundreds.

use super::decay::{DecayThresholds, Generator};

/// The number of additions that are drawn singly.
const ONE_BY_ONE: u32 = 32;
/// The least decay at which times of neighbouring counts are drawn together.
const SLOW: f64 = 31.0 / 32.0;
/// The times of so few counts are drawn singly, too: their sum is not that normal.
const FEW: u32 = 64;

/// `n` additions of other items to a cell with a count. Returns the count that is left and, if that
/// is 0, how many additions are left, including the last.
pub(super) fn wear(
    count: u32,
    n: u32,
    chances: &DecayThresholds,
    generator: &mut Generator,
) -> (u32, u32) {
    if n <= ONE_BY_ONE {
        return each(count, n, chances, generator);
    }
    if chances.of(count) == 0 {
        return (count, 0);
    }
    if chances.decay() == 1.0 {
        return if count > n {
            (count - n, 0)
        } else {
            (0, n - count + 1)
        };
    }
    if chances.decay() >= SLOW && count > FEW {
        return together(count, n, chances.decay(), generator);
    }
    by_times(count, n, chances, generator)
}

fn each(
    mut count: u32,
    n: u32,
    chances: &DecayThresholds,
    generator: &mut Generator,
) -> (u32, u32) {
    let mut chance = chances.of(count);
    for left in (1..=n).rev() {
        if chance == 0 {
            break;
        }
        if generator.next() <= chance {
            count -= 1;
            if count == 0 {
                return (0, left);
            }
            chance = chances.of(count);
        }
    }
    (count, 0)
}

/// Draws how long each count withstands.
fn by_times(
    mut count: u32,
    n: u32,
    chances: &DecayThresholds,
    generator: &mut Generator,
) -> (u32, u32) {
    let mut left = n;
    loop {
        let chance = chances.of(count) as f64 * 0.5_f64.powi(64);
        let time = geometric(chance, unit(generator));
        if time > f64::from(left) {
            return (count, 0);
        }
        left -= time as u32;
        count -= 1;
        if count == 0 {
            return (0, left + 1);
        }
        if left == 0 {
            return (count, 0);
        }
    }
}

/// The addition that is the first hit: 1 or more.
fn geometric(chance: f64, unit: f64) -> f64 {
    if chance >= 1.0 {
        return 1.0;
    }
    (libm::log(unit) / libm::log1p(-chance)).floor() + 1.0
}

/// Draws how long all counts withstand that are lost: the most of them whose time, at a single
/// normal number, is within the additions.
fn together(count: u32, n: u32, decay: f64, generator: &mut Generator) -> (u32, u32) {
    let normal = normal(generator);
    let time = |lost: u32| {
        let (mean, variance) = times_of(count, lost, decay);
        (mean + normal * variance.max(0.0).sqrt()).max(f64::from(lost))
    };
    // Times are whole numbers: half of the next time belongs to this time.
    let n = f64::from(n) + 0.5;
    let (mut least, mut most) = (0, count);
    while least < most {
        let middle = most - (most - least) / 2;
        if time(middle) <= n {
            least = middle;
        } else {
            most = middle - 1;
        }
    }
    if least < count {
        return (count - least, 0);
    }
    let left = (n - time(count)).max(0.0);
    (0, (left as u32 + 1).min(n as u32))
}

/// Mean and variance of the additions that take the next `lost` from a count. A time of the chance
/// `p` has the mean `1 / p` and the variance `1 / p^2 - 1 / p`.
fn times_of(count: u32, lost: u32, decay: f64) -> (f64, f64) {
    let last = f64::from(count - lost + 1);
    let lost = f64::from(lost);
    // The sum of x^-c over the counts that are lost.
    let sum = |ln: f64| {
        let grown = libm::expm1(-ln * lost) / libm::expm1(-ln);
        libm::exp(-ln * last) * grown
    };
    let ln = libm::log(decay);
    let mean = sum(ln);
    (mean, sum(2.0 * ln) - mean)
}

/// In (0, 1].
fn unit(generator: &mut Generator) -> f64 {
    ((generator.next() >> 11) + 1) as f64 * 0.5_f64.powi(53)
}

/// A normal number, by Box and Muller.
fn normal(generator: &mut Generator) -> f64 {
    let (radius, angle) = (unit(generator), unit(generator));
    (-2.0 * libm::log(radius)).sqrt() * libm::cos(std::f64::consts::TAU * angle)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of outcomes up to each of some counts, of both ways to draw.
    fn shares(count: u32, n: u32, decay: f64, rounds: u64) -> [Vec<f64>; 2] {
        let chances = DecayThresholds::new(decay);
        let mut generators = [Generator(1), Generator(2)];
        let draw = |is_each: bool, generator: &mut Generator| {
            let (left, over) = if is_each {
                each(count, n, &chances, generator)
            } else {
                wear(count, n, &chances, generator)
            };
            assert!(left <= count && over <= n && (left == 0) == (over > 0));
            // The additions that are left count like a count below 0.
            f64::from(left) - f64::from(over)
        };
        let mut outcomes = [true, false].map(|is_each| {
            let generator = &mut generators[usize::from(is_each)];
            let mut all: Vec<f64> = (0..rounds).map(|_| draw(is_each, generator)).collect();
            all.sort_by(f64::total_cmp);
            all
        });
        let places: Vec<f64> = (1..20)
            .map(|at| outcomes[0][at * outcomes[0].len() / 20])
            .collect();
        outcomes.each_mut().map(|all| {
            let up_to = |place: &f64| all.partition_point(|one| one <= place) as f64;
            places
                .iter()
                .map(|place| up_to(place) / all.len() as f64)
                .collect()
        })
    }

    #[test]
    fn many_additions_have_the_distribution_of_single_ones() {
        for (count, n, decay) in [
            (5, 100, 0.9),
            (30, 100, 0.9),
            (60, 1000, 0.9),
            (3, 1000, 0.5),
            (8, 200, 0.5),
            (20, 40, 0.95),
            (200, 3000, 0.98),
            (60, 100, 0.99),
            (500, 2000, 0.995),
            (2000, 3000, 0.9999),
            (100, 300, 0.99999),
        ] {
            let [single, together] = shares(count, n, decay, 4000);
            for (a, b) in single.iter().zip(&together) {
                assert!(
                    (a - b).abs() < 0.06,
                    "{count} {n} {decay}: {single:?} {together:?}"
                );
            }
        }
    }

    /// A hundred thousand additions to each of many rows took seconds.
    #[test]
    fn draws_do_not_grow_with_the_additions() {
        for decay in [1.0, 0.999_999_9, 0.9999, 0.99, 0.969, 0.968, 0.9, 0.5, 1e-9] {
            let chances = DecayThresholds::new(decay);
            for count in [1, 10, 300, 100_000, u32::MAX] {
                let mut generator = Generator(7);
                let (left, over) = wear(count, u32::MAX, &chances, &mut generator);
                assert!(left <= count && (left == 0) == (over > 0));
                let mut other = Generator(7);
                let draws = (0..1000).take_while(|_| {
                    let is_before = other != generator;
                    other.next();
                    is_before
                });
                assert!(draws.count() < 900, "{decay} {count}");
            }
        }
    }

    #[test]
    fn every_shape_of_numbers_has_an_outcome() {
        let mut generator = Generator(3);
        let mut numbers = Generator(4);
        for _ in 0..20_000 {
            let decay = 1.0 - unit(&mut numbers).powi(1 + (numbers.next() % 12) as i32) * 0.999;
            let chances = DecayThresholds::new(decay);
            let shift = numbers.next() % 32;
            let (count, n) = (
                (numbers.next() as u32 >> shift).max(1),
                numbers.next() as u32 >> shift,
            );
            let (left, over) = wear(count, n.max(1), &chances, &mut generator);
            assert!(left <= count && over <= n.max(1) && (left == 0) == (over > 0));
        }
    }
}
