//! Partial sort: the first `wanted` of many items.
//!
//! Clients see the choice and the order among equals, so the steps are Redis's: the quicksort of
//! Bentley and McIlroy ("Engineering a Sort Function", 1993), which skips partitions after the
//! wanted part.
//!
//! Cost: O(n + k log k) on average. Redis's worst case is quadratic; here, after a limited number
//! of rounds, a stable sort finishes, whose order of equals differs.

use std::cmp::Ordering;

/// Shorter slices are sorted by insertion.
const FEW: usize = 7;
/// Above this length the pivot is the median of three medians.
const MANY: usize = 40;

/// Moves the `wanted` least of `items` to the front, in order; `wanted` is less than their number.
pub(super) fn sort_first<T: Copy>(
    items: &mut [T],
    wanted: usize,
    order: impl Fn(&T, &T) -> Ordering,
) {
    let rounds = 4 * items.len().max(2).ilog2();
    sort_part(items, wanted, &order, rounds);
}

fn sort_part<T: Copy>(
    mut items: &mut [T],
    mut wanted: usize,
    order: &impl Fn(&T, &T) -> Ordering,
    mut rounds: u32,
) {
    while wanted > 0 && items.len() >= FEW {
        if rounds == 0 {
            return items.sort_by(order);
        }
        rounds -= 1;
        let (less, greater) = partition(items, order);
        let (rest, right) = items.split_at_mut(items.len() - greater);
        let wanted_right = wanted.saturating_sub(rest.len());
        let left = &mut rest[..less];
        // Their order does not matter; iterating over the longer part keeps the stack shallow.
        if left.len() < right.len() {
            sort_part(left, wanted, order, rounds);
            (items, wanted) = (right, wanted_right);
        } else {
            sort_part(right, wanted_right, order, rounds);
            items = left;
        }
    }
    if wanted > 0 {
        insert_in_order(items, order);
    }
}

fn insert_in_order<T: Copy>(items: &mut [T], order: &impl Fn(&T, &T) -> Ordering) {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && order(&items[at - 1], &items[at]).is_gt() {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Moves items less than a pivot to the front and greater items to the end; returns both counts.
fn partition<T: Copy>(items: &mut [T], order: &impl Fn(&T, &T) -> Ordering) -> (usize, usize) {
    let n = items.len();
    items.swap(0, pivot(items, order));
    // Equal items collect at both ends: [equal | less | not seen | greater | equal].
    let (mut equal_left, mut low) = (1, 1);
    let (mut high, mut equal_right) = (n, n);
    loop {
        while low < high {
            let ordering = order(&items[low], &items[0]);
            if ordering.is_gt() {
                break;
            }
            if ordering.is_eq() {
                items.swap(equal_left, low);
                equal_left += 1;
            }
            low += 1;
        }
        while low < high {
            let ordering = order(&items[high - 1], &items[0]);
            if ordering.is_lt() {
                break;
            }
            if ordering.is_eq() {
                equal_right -= 1;
                items.swap(high - 1, equal_right);
            }
            high -= 1;
        }
        if low >= high {
            break;
        }
        items.swap(low, high - 1);
        low += 1;
        high -= 1;
    }
    let (less, greater) = (low - equal_left, equal_right - high);
    swap_runs(items, 0, low, equal_left.min(less));
    swap_runs(items, low, n, greater.min(n - equal_right));
    (less, greater)
}

/// Swaps the `len` items from `start` with the last `len` before `end`.
fn swap_runs<T>(items: &mut [T], start: usize, end: usize, len: usize) {
    for i in 0..len {
        items.swap(start + i, end - len + i);
    }
}

/// Index of a pivot; at least [`FEW`] items.
fn pivot<T>(items: &[T], order: &impl Fn(&T, &T) -> Ordering) -> usize {
    let n = items.len();
    let (mut low, mut middle, mut high) = (0, n / 2, n - 1);
    if n == FEW {
        return middle;
    }
    let median = |a: usize, b: usize, c: usize| median(items, [a, b, c], order);
    if n > MANY {
        let d = n / 8;
        low = median(low, low + d, low + 2 * d);
        middle = median(middle - d, middle, middle + d);
        high = median(high - 2 * d, high - d, high);
    }
    median(low, middle, high)
}

fn median<T>(items: &[T], [a, b, c]: [usize; 3], order: &impl Fn(&T, &T) -> Ordering) -> usize {
    let compare = |x: usize, y: usize| order(&items[x], &items[y]);
    if compare(a, b).is_lt() {
        match (compare(b, c), compare(a, c)) {
            (Ordering::Less, _) => b,
            (_, Ordering::Less) => c,
            _ => a,
        }
    } else {
        match (compare(b, c), compare(a, c)) {
            (Ordering::Greater, _) => b,
            (_, Ordering::Less) => a,
            _ => c,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_are_those_of_a_full_sort(
            values in prop::collection::vec(0u32..60, 2..300),
            wanted in any::<prop::sample::Index>(),
        ) {
            let wanted = wanted.index(values.len() - 1) + 1;
            let mut items: Vec<(u32, usize)> = values.iter().copied().zip(0..).collect();
            sort_first(&mut items, wanted, |a, b| a.0.cmp(&b.0));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let first: Vec<u32> = items[..wanted].iter().map(|item| item.0).collect();
            prop_assert_eq!(&first, &sorted[..wanted]);
            items.sort_unstable_by_key(|item| item.1);
            let all: Vec<u32> = items.iter().map(|item| item.0).collect();
            prop_assert_eq!(all, values);
        }
    }

    /// Orders produced by Redis's own function, as checksums of the first `wanted`.
    #[test]
    fn equals_come_in_redis_s_order() {
        for (len, wanted, values, step, sum) in [
            (9, 3, 1, 1, 7721),
            (6, 2, 2, 1, 2),
            (7, 3, 3, 2, 2889),
            (8, 5, 2, 3, 63619),
            (41, 10, 5, 7, 1062138376908783),
            (100, 60, 7, 13, 13436015420674062998),
            (1000, 100, 30, 77, 2000753075428240783),
            (5000, 1, 3, 101, 3336),
            (5000, 4000, 1000, 7919, 5756162872819238664),
            (40, 39, 4, 3, 10265747642485567077),
        ] {
            let mut items: Vec<(u64, u64)> = (0..len).map(|i| (i * step % values, i)).collect();
            sort_first(&mut items, wanted, |a, b| a.0.cmp(&b.0));
            let found = items[..wanted]
                .iter()
                .fold(0u64, |sum, item| sum.wrapping_mul(31).wrapping_add(item.1));
            assert_eq!(found, sum, "{len} {wanted} {values} {step}");
        }
    }

    #[test]
    fn what_makes_no_progress_ends() {
        let mut items: Vec<u32> = (0..10_000).rev().collect();
        sort_part(&mut items, 100, &Ord::cmp, 0);
        assert!(items[..100].iter().copied().eq(0..100));
    }
}
