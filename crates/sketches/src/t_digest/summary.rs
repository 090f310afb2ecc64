//! Questions about the values of a digest, whose nodes are merged.
//!
//! A node's values count half before the node's mean and half after it, and lie evenly between two
//! means; a node of a single value is that value. Results are Redis's to the last bit.
//!
//! Cost: O(nodes) for each question.

/// Nodes that a search passes over at once.
const BLOCK: usize = 8;
/// Halves of weights below this limit, and their sums in whatever order, are exact.
const EXACT_MAX: i64 = 1 << 51;

/// The nodes and the figures that questions need.
#[derive(Clone, Copy)]
pub struct Summary<'a> {
    means: &'a [f64],
    weights: &'a [i64],
    weight: i64,
    min: f64,
    max: f64,
}

impl<'a> Summary<'a> {
    pub(super) fn of(
        means: &'a [f64],
        weights: &'a [i64],
        weight: i64,
        (min, max): (f64, f64),
    ) -> Summary<'a> {
        Summary {
            means,
            weights,
            weight,
            min,
            max,
        }
    }

    /// The value below which a share of the values is; NaN without values.
    pub fn quantile(&self, share: f64) -> f64 {
        let (means, weights) = (self.means, self.weights);
        if means.len() < 2 {
            return means.first().copied().unwrap_or(f64::NAN);
        }
        let total = self.weight as f64;
        let index = share * total;
        if index < 1.0 {
            return self.min;
        }
        let first = weights[0] as f64;
        if first > 1.0 && index < first / 2.0 {
            return self.min + (index - 1.0) / (first / 2.0 - 1.0) * (means[0] - self.min);
        }
        if index > total - 1.0 {
            return self.max;
        }
        let at_end = means.len() - 1;
        let (last_mean, last) = (means[at_end], weights[at_end] as f64);
        if last > 1.0 && total - index <= last / 2.0 {
            let from_end = (total - index - 1.0) / (last / 2.0 - 1.0);
            return self.max - from_end * (self.max - last_mean);
        }
        let (start, mut before) = self.start(index);
        for at in start..at_end {
            let (left, right) = (weights[at] as f64, weights[at + 1] as f64);
            let between = (left + right) / 2.0;
            if before + between > index {
                let from_left = index - before;
                let to_right = before + between - index;
                if left == 1.0 && from_left < 0.5 {
                    return means[at];
                }
                if right == 1.0 && to_right <= 0.5 {
                    return means[at + 1];
                }
                let from_left = from_left - if left == 1.0 { 0.5 } else { 0.0 };
                let to_right = to_right - if right == 1.0 { 0.5 } else { 0.0 };
                return weighted(means[at], to_right, means[at + 1], from_left);
            }
            before += between;
        }
        let from_left = index - total - last / 2.0;
        let to_right = last / 2.0 - from_left;
        weighted(last_mean, from_left, self.max, to_right)
    }

    /// A node from which on the search for an index finds the same as from the first node on, and
    /// the values before the node's mean. The search skips the nodes of a block by the sum of their
    /// weights.
    pub(super) fn start(&self, index: f64) -> (usize, f64) {
        let weights = self.weights;
        let half = |at: usize| weights[at] as f64 / 2.0;
        if self.weight >= EXACT_MAX {
            return (0, half(0));
        }
        let (mut at, mut passed) = (0, 0);
        for block in weights.as_chunks::<BLOCK>().0 {
            let sum = passed + block.iter().sum::<i64>();
            if sum as f64 > index {
                break;
            }
            passed = sum;
            at += BLOCK;
        }
        // The index may lie between the means of the last node passed over and of the next node.
        match at.checked_sub(1) {
            None => (0, half(0)),
            Some(at) => (at, passed as f64 - half(at)),
        }
    }

    /// The share of the values up to `value`, with half of the values equal to `value`; NaN without
    /// values.
    pub fn cdf(&self, value: f64) -> f64 {
        let (means, weights) = (self.means, self.weights);
        let Some(at_end) = means.len().checked_sub(1) else {
            return f64::NAN;
        };
        if value < self.min {
            return 0.0;
        }
        if value > self.max {
            return 1.0;
        }
        if at_end == 0 {
            return 0.5;
        }
        let total = self.weight as f64;
        if value < means[0] {
            return self.share_before_first(value, total);
        }
        if value > means[at_end] {
            return self.share_after_last(value, total);
        }
        let mut before = 0.0;
        for at in 0..at_end {
            let weight = weights[at] as f64;
            if means[at] == value {
                let equal = means[at..].iter().zip(&weights[at..]);
                let equal = equal.take_while(|(mean, _)| **mean == value);
                let equal = equal.fold(0.0, |sum, (_, weight)| sum + *weight as f64);
                return (before + equal / 2.0) / total;
            }
            if means[at] <= value && value < means[at + 1] {
                return self.weight_up_to(at, before, value) / total;
            }
            before += weight;
        }
        1.0 - 0.5 / total
    }

    /// Of a value between the least value and the first mean.
    fn share_before_first(&self, value: f64, total: f64) -> f64 {
        let width = self.means[0] - self.min;
        if width <= 0.0 {
            return 0.0;
        }
        if value == self.min {
            return 0.5 / total;
        }
        let half = self.weights[0] as f64 / 2.0;
        (1.0 + (value - self.min) / width * (half - 1.0)) / total
    }

    /// Of a value between the last mean and the greatest value.
    fn share_after_last(&self, value: f64, total: f64) -> f64 {
        let at_end = self.means.len() - 1;
        let width = self.max - self.means[at_end];
        if width <= 0.0 {
            return 1.0;
        }
        if value == self.max {
            return 1.0 - 0.5 / total;
        }
        let half = self.weights[at_end] as f64 / 2.0;
        1.0 - (1.0 + (self.max - value) / width * (half - 1.0)) / total
    }

    /// The number of values below a value that is between the means of a node and the next node;
    /// `before`: the values of earlier nodes.
    fn weight_up_to(&self, at: usize, before: f64, value: f64) -> f64 {
        let (left, right) = (self.weights[at] as f64, self.weights[at + 1] as f64);
        let (left_mean, right_mean) = (self.means[at], self.means[at + 1]);
        let between = (left + right) / 2.0;
        if right_mean - left_mean <= 0.0 {
            return before + between;
        }
        if left == 1.0 && right == 1.0 {
            return before + 1.0;
        }
        let left_out = if left == 1.0 { 0.5 } else { 0.0 };
        let right_out = if left != 1.0 && right == 1.0 {
            0.5
        } else {
            0.0
        };
        let spread = between - left_out - right_out;
        let base = before + left / 2.0 + left_out;
        base + spread * (value - left_mean) / (right_mean - left_mean)
    }

    /// The number of values below a value; -1 below all, the number of all above all, -2 without
    /// values.
    pub fn rank(&self, value: f64) -> i64 {
        match self.rank_outside(value) {
            Some((rank, _)) => rank,
            None => half_down(self.cdf(value) * self.weight as f64) as i64,
        }
    }

    /// The number of values above a value; the number of all below all, -1 above all, -2 without
    /// values.
    pub fn reverse_rank(&self, value: f64) -> i64 {
        let total = self.weight as f64;
        match self.rank_outside(value) {
            Some((_, rank)) => rank,
            None => (total - (self.cdf(value) * total).round()).round() as i64,
        }
    }

    /// Both ranks of a value outside the range of the other values.
    fn rank_outside(&self, value: f64) -> Option<(i64, i64)> {
        match value {
            _ if self.weight == 0 => Some((-2, -2)),
            below if below < self.min => Some((-1, self.weight)),
            above if above > self.max => Some((self.weight, -1)),
            _ => None,
        }
    }

    /// The value with a rank; infinite beyond all, NaN without values.
    pub fn by_rank(&self, rank: i64) -> f64 {
        match rank {
            _ if self.weight == 0 => f64::NAN,
            0 => self.min,
            rank if rank as f64 >= self.weight as f64 => f64::INFINITY,
            rank => self.quantile(rank as f64 / self.weight as f64),
        }
    }

    /// The value with a rank from above; negative and infinite beyond all, NaN without values.
    pub fn by_reverse_rank(&self, rank: i64) -> f64 {
        let total = self.weight as f64;
        match rank {
            _ if self.weight == 0 => f64::NAN,
            0 => self.max,
            rank if rank as f64 >= total => f64::NEG_INFINITY,
            rank => self.quantile((total - rank as f64 - 1.0) / total),
        }
    }

    /// The mean of the values between two shares; NaN without values.
    pub fn trimmed_mean(&self, low: f64, high: f64) -> f64 {
        if self.means.len() < 2 {
            return self.means.first().copied().unwrap_or(f64::NAN);
        }
        let total = self.weight as f64;
        let (low, high) = ((total * low).floor(), (total * high).ceil());
        let (mut done, mut sum, mut count) = (0.0, 0.0, 0.0);
        for (mean, weight) in self.means.iter().zip(self.weights) {
            let weight = *weight as f64;
            let mut part = weight;
            part -= part.min(0.0_f64.max(low - done));
            part = part.min(0.0_f64.max(high - done));
            done += weight;
            sum += mean * part;
            count += part;
            if done >= high {
                break;
            }
        }
        sum / count
    }
}

/// The mean of two, which lies between them.
fn weighted(x: f64, x_weight: f64, y: f64, y_weight: f64) -> f64 {
    let (x, x_weight, y, y_weight) = if x <= y {
        (x, x_weight, y, y_weight)
    } else {
        (y, y_weight, x, x_weight)
    };
    let mean = (x * x_weight + y * y_weight) / (x_weight + y_weight);
    let up_to = if mean < y { mean } else { y };
    if x > up_to { x } else { up_to }
}

/// The nearest integer, the lower of two.
fn half_down(x: f64) -> f64 {
    let whole = x.trunc();
    if (x - whole).abs() <= 0.5 {
        whole
    } else {
        whole + 1.0
    }
}
